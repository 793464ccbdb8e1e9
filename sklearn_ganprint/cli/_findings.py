"""What `cluster`, `compare` and `localize` have found, in words for terminals and pages."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Bunch

from sklearn_ganprint.cli._console import Row, judged
from sklearn_ganprint.cli._models import Model
from sklearn_ganprint.comparison import FingerprintSet, Match, ModelComparison
from sklearn_ganprint.datasets import ImageReadError

#: What the cluster of an image is called that fits nowhere.
NOWHERE = "nowhere"

#: Chance that any two clusters are called alike by accident.
LEVEL = 0.01

#: As many sources without a partner as are named in sentences.
_MOST_WITHOUT = 3


class Clusters(NamedTuple):
    """What a run has found."""

    bunch: Bunch  # files whose header can be read
    labels: np.ndarray  # (n_files,): number of the cluster from 0, -1 nowhere, -2 not usable
    fingerprints: np.ndarray  # (n_clusters, H, W, C)
    comparison: ModelComparison | None  # of the clusters with each other, if there are several
    crop: tuple[int, int]
    failures: list[ImageReadError]
    warnings: list[str]
    reasons: dict[str, str]  # of files that fit nowhere since they have no residual

    @property
    def names(self) -> list[str]:
        """Name of each cluster."""
        return cluster_names(len(self.fingerprints))

    def files_of(self, name: str) -> list[str]:
        """Files of one cluster, or those that fit nowhere."""
        code = -1 if name == NOWHERE else self.names.index(name)
        files: list[str] = self.bunch.filenames[self.labels == code].tolist()
        return files


def cluster_names(n_clusters: int) -> list[str]:
    """Name clusters by their numbers from 1."""
    return [f"cluster-{number}" for number in range(1, n_clusters + 1)]


def pair_level(comparison: ModelComparison) -> float:
    """p-value that a pair of clusters must have to stand out from as many as there are."""
    return LEVEL / len(comparison.rows())


def in_words(clusters: Clusters) -> str:
    """Sum up what was found."""
    n_used = int((clusters.labels > -2).sum())
    n_nowhere = int((clusters.labels == -1).sum())
    n_clusters = len(clusters.names)
    plural = "" if n_clusters == 1 else "s"
    rest = f"; {n_nowhere} fit nowhere" if n_nowhere else ""
    if clusters.reasons:
        rest += f", {len(clusters.reasons)} of them without a residual"
    return f"{n_clusters} cluster{plural} in {n_used} images{rest}"


class Collection(NamedTuple):
    """What an argument of `compare` stands for: a model, or image files of one or more sources."""

    path: str
    model: Model | None
    images: list[tuple[str, str]]  # files and their labels

    def counts(self, failed: set[str]) -> dict[str, int]:
        """Count the images of each source that could be used."""
        return Counter(label for file, label in self.images if file not in failed)


class Compared(NamedTuple):
    """What a run has found."""

    collections: tuple[Collection, Collection | None]
    sets: tuple[FingerprintSet, FingerprintSet]
    result: ModelComparison
    level: float
    counts: tuple[dict[str, int], dict[str, int]]
    failures: list[ImageReadError]
    warnings: list[str]


def verdict(match: Match, compared: Compared) -> str:
    """Say in a sentence whether a source has a partner."""
    p_value = p_text(match.p_value_of_best)
    if match.n_compared > 1:
        p_value += f" for the best of {match.n_compared}"
    result = compared.result
    source, partner = match.source, match.match
    if compared.collections[1] is not None:
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
    both = [found for found in compared.collections if found is not None]
    notes = []
    if len(both) > 1 and any(found.model is not None for found in both):
        notes.append(
            "images that a model was fitted on match it by their content; the other collection "
            "must not hold any of them"
        )
    if compared.result.null == "sources":
        return [
            *notes,
            "z-scores and p-values are calibrated on the other pairs of sources, assuming that "
            "each source has at most one partner; a common source also takes a correlation of "
            f"{compared.result.least_correlation:.4f} or more. Processing of two sources alone, "
            "such as resizing, can look like a common source",
        ]
    return [
        *notes,
        "z-scores and p-values are calibrated on patterns that have nothing in common. Other "
        "causes than a common source can make a match: a JPEG grid, resizing, one camera model or "
        "architecture, aligned content. To tell these apart, compare with 4 or more sources that "
        "were treated alike",
    ]


class Question(NamedTuple):
    """What is asked of the images."""

    model: Model
    claimed: Any  # a source, or None
    rate: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images that the rate was set on."""
        height, width = self.model.classifier.image_shape_[:2]
        return height, width


def localization_notes(rows: Sequence[Row], question: Question) -> list[str]:
    """Say what was found, and at which rate of false alarms."""
    rows = judged(rows)
    n_found = sum(row["false_region"] == "yes" for row in rows)
    height, width = question.size
    # Of few images no lower rate can be kept.
    rate = max(question.rate, question.model.smallest_known_p_value)
    found = [
        f"images with a false region: {n_found} of {len(rows)}",
        f"at most {100 * rate:.3g} % of clean images of {height} x {width} pixels get one; regions "
        f"are calibrated on {question.model.calibration_in_words}",
    ]
    n_larger = sum(row["image_size"][0] * row["image_size"][1] > height * width for row in rows)
    if n_larger:
        found.append(
            f"larger than that: {n_larger}; there the rate holds for parts of {height} x {width}, "
            f"so that more of the clean images get a false region"
        )
    n_mostly = sum(row["share"] > 0.5 for row in rows)
    if n_mostly:
        found.append(
            f"marked for more than half: {n_mostly}; such an image more likely comes from "
            f"elsewhere as a whole, or was edited or saved anew as a whole"
        )
    n_grey = sum(row["grey"] and row["flat"] < 1 for row in rows)
    if n_grey and question.model.residual.channels != "luminance":
        found.append(
            f"grey: {n_grey}; the answers of a model of colour images mean little for these"
        )
    if question.claimed is None:
        found.append(
            "no source was claimed, so each image is tested against the source most likely for the "
            "whole image; if much of an image is from elsewhere, that source may be the wrong one, "
            "and the rest be marked"
        )
    return found
