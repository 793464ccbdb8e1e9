"""What `ganprint compare` has found, in words for terminals and pages."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sklearn_ganprint.cli._sides import Side

if TYPE_CHECKING:
    from sklearn_ganprint.comparison import FingerprintSet, Match, ModelComparison
    from sklearn_ganprint.datasets import ImageReadError

#: As many sources without a partner as are named in sentences.
_MOST_WITHOUT = 3


class Compared(NamedTuple):
    """What a run has found."""

    sides: tuple[Side, Side | None]
    sets: "tuple[FingerprintSet, FingerprintSet]"
    result: "ModelComparison"
    level: float
    counts: tuple[dict[str, int], dict[str, int]]
    failures: "list[ImageReadError]"
    warnings: list[str]


def verdict(match: "Match", compared: Compared) -> str:
    """Say in a sentence whether a source has a partner."""
    p_value = p_text(match.p_value_of_best)
    if match.n_compared > 1:
        p_value += f" for the best of {match.n_compared}"
    result = compared.result
    source, partner = match.source, match.match
    if compared.sides[1] is not None:
        source, partner = f"{source} of A", f"{partner} of B"
    if match.p_value_of_best <= compared.level and not result.is_found(match, compared.level):
        return (
            f"No evidence that {source} and {partner} share a source: they stand out among the "
            f"others, {p_value}, but a correlation of {match.correlation:.4f} is below "
            f"{result.least_correlation:.4f}"
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
    return f"{source} and {partner} share a source, or a close relative: {p_value}"


def p_text(p_value: float) -> str:
    """Write what a p-value is equal to, or less than."""
    text = p_number(p_value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def p_number(p_value: float) -> str:
    """Write a p-value; of very small ones only how small they are at the least."""
    if p_value < 1e-12:
        return "< 1e-12"
    return f"{p_value:.3f}" if p_value >= 0.001 else f"{p_value:.1e}"


def sentences(matches: "Sequence[Match]", compared: Compared) -> list[str]:
    """Say which sources have a partner, and of those that have none how many they are."""
    found = [match for match in matches if compared.result.is_found(match, compared.level)]
    without = [match for match in matches if match not in found]
    if len(without) <= _MOST_WITHOUT:
        return [verdict(match, compared) for match in matches]
    rest = f"No evidence that {'any' if not found else 'any other'} source has a partner"
    return [*(verdict(match, compared) for match in found), rest]


def notes(compared: Compared) -> list[str]:
    """Say what the p-values are by, and what a match may be beside a common source."""
    found = []
    if compared.sides[1] is not None and any(
        side is not None and side.model is not None for side in compared.sides
    ):
        found.append("images that a model was fitted on must not be on the other side: these match")
    if compared.result.null == "sources":
        return [
            *found,
            "the z-scores and p-values are by how alike the other pairs of sources are, of which "
            "each source is taken to have one partner at the most; a common source also takes a "
            f"correlation of {compared.result.least_correlation:.4f} or more. What was done to "
            "images of two sources alone, such as resizing, can look like one",
        ]
    return [
        *found,
        "the z-scores and p-values are by patterns that have nothing in common. Other things than "
        "a source may be: a JPEG grid, resizing, one camera model or architecture, aligned "
        "content. To tell these, compare with 4 or more sources that were treated alike",
    ]
