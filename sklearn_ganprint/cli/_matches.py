"""What is said of the sources that two collections have in common."""

from collections.abc import Sequence
from typing import NamedTuple

from sklearn_ganprint.cli._collections import Collection
from sklearn_ganprint.comparison import Match, ModelComparison
from sklearn_ganprint.datasets import ImageReadError

#: As many sources without a partner as are named in sentences.
_MOST_WITHOUT = 3


class Compared(NamedTuple):
    """What a run has found."""

    collections: Sequence[Collection]  # A, and B if there is one
    result: ModelComparison
    level: float
    failures: list[ImageReadError]
    warnings: list[str]

    @property
    def itself(self) -> bool:
        """Whether the sources of one collection are compared with each other."""
        return len(self.collections) < 2


def verdict(match: Match, compared: Compared) -> str:
    """Say in a sentence whether a source has a partner."""
    p_value = p_text(match.p_value_of_best)
    if match.n_compared > 1:
        p_value += f" for the best of {match.n_compared}"
    result = compared.result
    source, partner = match.source, match.match
    if not compared.itself:
        source, partner = f"{source} of A", f"{partner} of B"
    if match.p_value_of_best <= compared.level and not result.is_found(match, compared.level):
        return (
            f"No evidence that {source} and {partner} share a source: they stand out among the "
            f"others, {p_value}, but a correlation of {match.correlation:.4f} is below "
            f"{result.least_correlation:.4f}{_similarity_too(match, compared)}"
        )
    if match.p_value_of_best > compared.level:
        if len(result.second_names) == 1:
            return f"No evidence that {source} and {partner} share a source: {p_value}"
        return (
            f"No evidence that {source} shares a source with any of the others: the most "
            f"alike is {partner}, {p_value}"
        )
    if result.null == "chance":
        return f"{source} and {partner} have a pattern in common: {p_value}"
    if match.correlation < result.least_correlation:
        return (
            f"{source} and {partner} have features in common, as one source, relatives or one "
            f"processing have: {p_value}"
        )
    return f"{source} and {partner} share a source, or a close relative: {p_value}"


def _similarity_too(match: Match, compared: Compared) -> str:
    """Say that features are not similar enough either, if there are some."""
    least = compared.result.least_similarity
    if least is None:
        return ""
    similarity = compared.result.similarity_of(match)
    if similarity is None or similarity >= least:
        return ", and not above 0 either"
    return f", and a similarity of {similarity:.2f} below {least:g}"


def p_text(p_value: float) -> str:
    """Write what a p-value is equal to, or less than."""
    text = p_number(p_value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def p_number(p_value: float) -> str:
    """Write a p-value; of very small ones only how small they are at the least."""
    if p_value < 1e-12:
        return "< 1e-12"
    return f"{p_value:.3f}" if p_value >= 0.001 else f"{p_value:.1e}"


def sentences(matches: Sequence[Match], compared: Compared) -> list[str]:
    """Say which sources have a partner, and of those that have none how many they are."""
    found = [match for match in matches if compared.result.is_found(match, compared.level)]
    without = [match for match in matches if match not in found]
    if len(without) <= _MOST_WITHOUT:
        return [verdict(match, compared) for match in matches]
    rest = f"No evidence that {'any' if not found else 'any other'} source has a partner"
    return [*(verdict(match, compared) for match in found), rest]


def comparison_notes(compared: Compared) -> list[str]:
    """Say what the p-values are calibrated on, and what else than a source can make a match."""
    notes = _of_one_partner(compared)
    if not compared.itself and any(found.model is not None for found in compared.collections):
        notes.append(
            "images that a model was fitted on match it by their content; the other collection "
            "must not hold any of them, or processed copies"
        )
    if compared.result.null == "sources":
        notes.append(
            "z-scores and p-values are calibrated on the other pairs of sources, assuming that "
            "each source has at most one partner; a common source also takes a correlation of "
            f"{compared.result.least_correlation:.4f} or more{_or_similarity(compared)}. "
            "Processing of two sources alone, such as resizing, can look like a common source"
        )
    else:
        notes.append(
            "z-scores and p-values are calibrated on patterns that have nothing in common. Other "
            "causes than a common source can make a match: a JPEG grid, resizing, one camera model "
            "or architecture, aligned content. To tell these apart, compare with 4 or more sources "
            "that were treated alike"
        )
    return notes


def _of_one_partner(compared: Compared) -> list[str]:
    """Name sources of A that have the same partner."""
    if compared.itself:
        return []
    partners: dict[str, list[str]] = {}
    for match in compared.result.matches():
        if compared.result.is_found(match, compared.level):
            partners.setdefault(match.match, []).append(match.source)
    return [
        f"these sources of A have one partner, {partner} of B, so they may be one source or "
        f"relatives: {', '.join(sources)}. Compare A alone"
        for partner, sources in partners.items()
        if len(sources) > 1
    ]


def _or_similarity(compared: Compared) -> str:
    """Say what features are enough, if there are some."""
    least = compared.result.least_similarity
    what = "as relatives and one processing have too"
    return "" if least is None else f", or a similarity of {least:g} or more, {what}"
