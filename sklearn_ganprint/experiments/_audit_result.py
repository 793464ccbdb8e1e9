"""What an audit of labelled images has found, in figures and in sentences."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sklearn_ganprint._output import printable
from sklearn_ganprint.experiments._results import Result, plain, wilson_interval
from sklearn_ganprint.experiments._selection import SharedNames

__all__ = ["AuditResult", "Control", "Duplicate"]

#: Controls by their keys: what a table calls them, and what is left for a classifier in them.
CONTROLS = {
    "attribution": "correlations of residuals",
    "kept together": "the same, duplicates and shared names kept together",
    "equal histories": "the same, all images cut, reduced and compressed at random",
    "file properties": "format, size, JPEG quality, chroma subsampling, metadata",
    "compression shown": "JPEG quality and grid that pixels show",
    "shrunk": "images shrunk to a quarter and enlarged: content only",
    "denoised": "images without their residual",
    "permuted labels": "classes dealt anew: nothing",
}

#: Level of the interval by which permuted labels are called better than chance: a false alarm
#: there says that nothing is right.
_SURE = 0.999

_SENTENCES = {
    "file properties": "File properties alone reach {}: equalise before believing {}; {} is left "
    "with equal histories",
    "compression shown": "The compression that pixels show reaches {} alone: equalise before "
    "believing {}; {} is left with equal histories",
    "shrunk": "Images shrunk to a quarter, which keep content alone, reach {}: match the content "
    "of the classes, or state this beside {}",
    "denoised": "Images without their residual reach {}: content and coarse traces may be much of "
    "what makes {}",
}

#: A sentence, and the share of what attribution is above chance that it may account for.
Weighed = tuple[float, str]


class Control(NamedTuple):
    """How often classes are told apart by one thing alone.

    Parameters
    ----------
    name : str
        What is left for the classifier.
    accuracy : float
        Share of the images whose class was right, each under a model that has not seen it.
    interval : tuple of float
        Wilson's 95 % confidence interval, which takes images as independent.
    chance : float
        Share of the most common class.
    n_images : int
        Number of images.

    See Also
    --------
    audit_attribution : Measures controls.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import Control
    >>> Control("file properties", 0.83, (0.75, 0.89), 0.17, 120).above_chance
    True
    """

    name: str
    accuracy: float
    interval: tuple[float, float]
    chance: float
    n_images: int

    @property
    def above_chance(self) -> bool:
        """Whether the whole interval lies above chance."""
        return self.interval[0] > self.chance


class Duplicate(NamedTuple):
    """Two images that are the same, or nearly.

    Parameters
    ----------
    first, second : int
        Their positions.
    same_pixels : bool
        Whether all pixels are the same.
    same_class : bool
        Whether both have one class.
    across : bool
        Whether the split separates them.

    See Also
    --------
    audit_attribution : Finds duplicates.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import Duplicate
    >>> Duplicate(0, 3, same_pixels=True, same_class=False, across=True).second
    3
    """

    first: int
    second: int
    same_pixels: bool
    same_class: bool
    across: bool


@dataclass(frozen=True, eq=False)
class AuditResult(Result):
    """What :func:`audit_attribution` found.

    Attributes
    ----------
    controls : tuple of Control
        The attribution itself, and what else tells the classes apart.
    counts : dict of str to int
        Number of images of each class.
    names : tuple of str
        Names of the images: their files, or "image 0" and so on.
    duplicates : tuple of Duplicate
        Pairs of images that are the same or nearly.
    shared_names : SharedNames or None
        Files that belong together by their names; None if none do, or groups were given.
    groups : ndarray of int, shape (n,), or None
        Groups that keep those and duplicates together; None if there are neither.
    failures : tuple of (filename, reason)
        Files that could not be used, and are in nothing else.
    """

    controls: tuple[Control, ...]
    counts: dict[str, int]
    names: tuple[str, ...]
    duplicates: tuple[Duplicate, ...]
    shared_names: SharedNames | None
    groups: np.ndarray | None
    failures: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> Control:
        """Return the control of a name."""
        return next(control for control in self.controls if control.name == name)

    def get(self, name: str) -> Control | None:
        """Return the control of a name; None if it was not measured."""
        return next((control for control in self.controls if control.name == name), None)

    @property
    def verdict(self) -> str:
        """What a sceptical reviewer would write: the gravest of the findings."""
        return self.findings[0]

    @property
    def findings(self) -> list[str]:
        """What speaks against the accuracy of attribution, the gravest first, in sentences."""
        own = self["attribution"]
        weighed = [
            *_of_permutation(self["permuted labels"]),
            *_of_duplicates(self),
            *_of_names(self),
            *_of_controls(self),
        ]
        weighed.sort(key=lambda pair: -pair[0])
        found = [sentence for _, sentence in weighed]
        if not own.above_chance:
            found.append(
                f"Attribution itself ({own.accuracy:.2f}) is not above chance ({own.chance:.2f}): "
                f"there is nothing to believe yet"
            )
        return found or [
            f"None of the controls is above chance: as far as they see, {own.accuracy:.2f} is "
            f"due to neither files, nor compression, nor content{_of_few_images(self)}"
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each control.

        Returns
        -------
        list of dict
            Rows with ``control``, ``accuracy``, ``low`` and ``high`` (of the interval), ``chance``,
            ``images`` and ``what``.
        """
        return [
            {
                "control": control.name,
                "accuracy": control.accuracy,
                "low": control.interval[0],
                "high": control.interval[1],
                "chance": control.chance,
                "images": control.n_images,
                "what": CONTROLS[control.name],
            }
            for control in self.controls
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all findings as plain values that JSON can hold.

        Returns
        -------
        dict
            ``verdict``, ``findings``, ``controls``, ``classes`` (images of each), ``duplicates``,
            ``shared_names`` and ``failures``.
        """
        shared = self.shared_names
        duplicates = [
            {**pair._asdict(), "first": self.names[pair.first], "second": self.names[pair.second]}
            for pair in self.duplicates
        ]
        names = ("part", "example", "n_images", "alike")
        return plain(
            {
                "verdict": self.verdict,
                "findings": self.findings,
                "controls": self.rows(),
                "classes": self.counts,
                "duplicates": duplicates,
                "shared_names": shared and {name: getattr(shared, name) for name in names},
                "failures": [{"file": name, "reason": reason} for name, reason in self.failures],
            }
        )


def _of_few_images(result: AuditResult) -> str:
    """Say that controls which are at chance may be as good as attribution, if so."""
    own = result["attribution"]
    most = max(result[name].interval[1] for name in _SENTENCES if result.get(name) is not None)
    if most < own.interval[0]:
        return ""
    return (
        f". With {own.n_images} images that is little: a control may be {most:.2f} in truth, and "
        f"attribution {own.interval[0]:.2f}"
    )


def _of_permutation(control: Control) -> Iterator[Weighed]:
    n_right = round(control.accuracy * control.n_images)
    if wilson_interval(n_right, control.n_images, _SURE)[0] > control.chance:
        yield (
            np.inf,
            f"Permuted labels reach {control.accuracy:.2f}, chance is {control.chance:.2f}: "
            f"images and split are not independent, and no figure holds before it is known why",
        )


def _of_duplicates(result: AuditResult) -> Iterator[Weighed]:
    n, others = len(result.names), [pair for pair in result.duplicates if not pair.same_class]
    if same := _images(pair for pair in others if pair.same_pixels):
        yield (
            len(same) / n,
            f"{len(same)} of {n} images have all pixels of one of another class: remove them",
        )
    if across := _images(pair for pair in result.duplicates if pair.across):
        alike = len(across & _images(others))
        example = next(pair for pair in result.duplicates if pair.across)
        first, second = (printable(result.names[position]) for position in example[:2])
        yield (
            len(across) / n,
            f"{len(across)} of {n} images have a duplicate, or nearly one, on the other side of "
            f"the split, {alike} of them in another class, such as {first} and {second}: remove "
            f"duplicates, or keep them together, before believing "
            f"{result['attribution'].accuracy:.2f}",
        )


def _images(duplicates: Iterable[Duplicate]) -> set[int]:
    return {position for pair in duplicates for position in (pair.first, pair.second)}


def _of_names(result: AuditResult) -> Iterator[Weighed]:
    shared, own = result.shared_names, result["attribution"]
    if shared is None:
        return
    how = "the column group of a CSV file, which --csv writes, or groups in Python"
    if shared.part == "name":
        how = "--groups name"
    looks = "look alike" if shared.alike else "look no more alike than others"
    weight, change = 0.0, ""
    if (kept := result.get("kept together")) is not None:
        # Sure to be lower, or not said to be.
        weight = _share(own.accuracy - kept.accuracy, own) * (kept.interval[1] < own.accuracy)
        change = f"; kept together, attribution is {kept.accuracy:.2f}"
        change += f" in place of {own.accuracy:.2f}" if kept.accuracy != own.accuracy else ", too"
    yield (
        weight,
        f"{shared.n_images} of {len(result.names)} images share a {shared.part} with one of "
        f"another class, such as {shared.example!r}, and {looks}{change}. If these are versions of "
        f"one scene, keep them together: {how}",
    )


def _of_controls(result: AuditResult) -> Iterator[Weighed]:
    own = result["attribution"]
    for name, sentence in _SENTENCES.items():
        control = result.get(name)
        if control is not None and control.above_chance:
            # The denoised image keeps coarse traces of sources too: it accuses nobody by itself.
            weight = _share(control.accuracy - control.chance, own) * (name != "denoised")
            reached = f"{control.accuracy:.2f} (chance {control.chance:.2f})"
            left = result["equal histories"].accuracy
            yield weight, sentence.format(reached, f"{own.accuracy:.2f}", f"{left:.2f}")


def _share(accuracy: float, own: Control) -> float:
    """Return accuracy as a share of what attribution is above chance."""
    return accuracy / max(own.accuracy - own.chance, 1 / own.n_images)
