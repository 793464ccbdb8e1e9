"""Base of all results, which become plain values and files; predictions held against each other."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import binomtest
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ganprint._output import write_csv, write_json

__all__ = [
    "McNemarResult",
    "RobustnessResult",
    "ScoredPredictions",
    "compare_predictions",
    "mcnemar_test",
    "measure_robustness",
]


class Result(ABC):
    """Base of the results of experiments."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values that JSON can hold.

        Returns
        -------
        dict
            The figures. Values that are missing or infinite are None.
        """

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """Return the figures as the rows of one table.

        Returns
        -------
        list of dict
            Rows of plain values, all with the same keys. Missing values are None.
        """

    def save(self, path: str | PathLike[str]) -> None:
        """Write :meth:`to_dict` to a JSON file.

        Parameters
        ----------
        path : str or path-like
            The file. One that exists is replaced once the new one is complete.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        write_json(Path(path), self.to_dict())

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write :meth:`rows` to a CSV file, with a header.

        Parameters
        ----------
        path : str or path-like
            The file. One that exists is replaced once the new one is complete.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        write_csv(Path(path), self.rows())


def plain(value: Any) -> Any:
    """Turn results, arrays, numpy's numbers, tuples and NaN or infinity into what JSON has."""
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class McNemarResult:
    """What :func:`mcnemar_test` found.

    Attributes
    ----------
    n : int
        Number of images.
    n_only_first, n_only_second : int
        Images that only the first, and only the second, got right.
    pvalue : float
        Chance of counts at least as unequal if both were equally good; exact, two-sided.
    difference : float
        Accuracy of the second less that of the first.
    interval : tuple of float
        Confidence interval of `difference`.

    See Also
    --------
    mcnemar_test : Makes one.
    """

    n: int
    n_only_first: int
    n_only_second: int
    pvalue: float
    difference: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class ScoredPredictions:
    """Accuracy of one set of predictions, by itself and against the baseline.

    Attributes
    ----------
    n_test, n_right : int
        Number of images, and number of images attributed to their source.
    accuracy : float
        Share of the images attributed to their source.
    interval : tuple of float
        Wilson's 95 % confidence interval of `accuracy`.
    against : McNemarResult or None
        Comparison with the baseline, which comes first; None for the baseline itself.
    """

    n_test: int
    n_right: int
    accuracy: float
    interval: tuple[float, float]
    against: McNemarResult | None = None

    def row(self) -> dict[str, Any]:
        """Return the figures as one row of a table.

        Returns
        -------
        dict
            Plain values; those about the baseline are None for the baseline itself.
        """
        test = self.against
        return {
            "n_test": self.n_test,
            "n_right": self.n_right,
            "accuracy": self.accuracy,
            "accuracy_low": self.interval[0],
            "accuracy_high": self.interval[1],
            "difference": test.difference if test else None,
            "difference_low": test.interval[0] if test else None,
            "difference_high": test.interval[1] if test else None,
            "n_lost": test.n_only_first if test else None,
            "n_gained": test.n_only_second if test else None,
            "pvalue": test.pvalue if test else None,
        }


@dataclass(frozen=True, eq=False)
class RobustnessResult(Result):
    """Accuracy on images as they are, and after changes to them.

    Attributes
    ----------
    clean : ScoredPredictions
        Predictions for the images as they are.
    points : dict of (str, float or None) to ScoredPredictions
        Predictions after a change, by its family and strength, compared with the clean ones.
    graded : bool
        Whether changes have a strength: those of :func:`measure_robustness` have one, those of
        :func:`compare_predictions` are families of one point, of strength None.

    See Also
    --------
    measure_robustness : Makes one, of changes that have a strength.
    compare_predictions : Makes one, of changes that have none.
    """

    clean: ScoredPredictions
    points: dict[tuple[str, Any], ScoredPredictions]
    graded: bool = True

    @property
    def families(self) -> list[str]:
        """Families of changes, in the order in which they were given."""
        return list(dict.fromkeys(family for family, _ in self.points))

    @property
    def baseline(self) -> ScoredPredictions:
        """The same as :attr:`clean`."""
        return self.clean

    @property
    def variants(self) -> dict[str, ScoredPredictions]:
        """The points by their family alone, for families of one point."""
        return {family: scored for (family, _), scored in self.points.items()}

    def curve(self, family: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return accuracy against strength for one family.

        Parameters
        ----------
        family : str
            One of :attr:`families`.

        Returns
        -------
        strengths : ndarray of float64, shape (k,)
            Strengths in ascending order.
        accuracies : ndarray of float64, shape (k,)
            Accuracy at each strength.
        intervals : ndarray of float64, shape (k, 2)
            Lower and upper end of its confidence interval.

        Raises
        ------
        ValueError
            If there is no such family.
        """
        if family not in self.families:
            raise ValueError(f"family: expected one of {self.families}, got {family!r}.")
        found = sorted((s, scored) for (name, s), scored in self.points.items() if name == family)
        return (
            np.array([strength for strength, _ in found], dtype=np.float64),
            np.array([scored.accuracy for _, scored in found]),
            np.array([scored.interval for _, scored in found]),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for the images as they are, and one for each point.

        Returns
        -------
        list of dict
            Rows with ``family`` and ``strength``, or ``name`` where changes have no strength,
            accuracy and its interval, and against the images as they are the difference and its
            interval, the numbers of images lost and gained, and the p-value.
        """
        labels = ("family", "strength") if self.graded else ("name",)
        return [
            {**dict(zip(labels, point, strict=False)), **scored.row()}
            for point, scored in [(("clean", None), self.clean), *self.points.items()]
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values that JSON can hold.

        Returns
        -------
        dict
            ``clean``, and ``points``, a list of one dict for each point. Where changes have no
            strength the two are ``baseline`` and ``variants``.
        """
        clean, *points = self.rows()
        names = ("clean", "points") if self.graded else ("baseline", "variants")
        return dict(zip(names, (clean, points), strict=True))


#: The former name of the result of :func:`compare_predictions`.
RecompressionResult = RobustnessResult


def compare_predictions(y: Any, baseline: Any, variants: Mapping[str, Any]) -> RobustnessResult:
    """Compare predictions for changed test images with those for the images as they are.

    Parameters
    ----------
    y : array-like of shape (n,)
        True source of each test image.
    baseline : array-like of shape (n,)
        Sources that the images as they are were attributed to.
    variants : mapping of str to array-like of shape (n,)
        Sources that the same images were attributed to in another way, by a name such as
        "fingerprints clean, tests QF 95" and "both QF 95".

    Returns
    -------
    RobustnessResult
        Accuracies with Wilson's intervals, and McNemar's exact test of each variant against the
        baseline.

    Raises
    ------
    ValueError
        If there is no image, the lengths differ, or a variant has the baseline's name, "clean".

    See Also
    --------
    measure_robustness : The same for changes of growing strength.
    mcnemar_test : The test.

    Notes
    -----
    The paper that :func:`reproduce_paper` repeats compresses "all GAN-generated images" at quality
    95, and the accuracy goes from 90.3 % to 90.1 %. Whether the images of the fingerprints are
    among them is not said, so both readings belong into `variants`. On 10,736 images a difference
    of 0.2 points is within the standard error of either accuracy: only a test on the same images
    can tell.

    The p-values are not corrected for the number of variants.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import compare_predictions
    >>> result = compare_predictions(
    ...     ["a", "a", "b", "b"],
    ...     ["a", "a", "b", "a"],
    ...     {"tests QF 95": ["a", "b", "b", "a"], "both QF 95": ["a", "a", "b", "b"]},
    ... )
    >>> [(row["name"], row["accuracy"], row["pvalue"]) for row in result.rows()]
    [('clean', 0.75, None), ('tests QF 95', 0.5, 1.0), ('both QF 95', 1.0, 1.0)]
    """
    if "clean" in variants:
        raise ValueError("variants: 'clean' is the name of the baseline; give this one another.")
    points = {(str(name), None): predicted for name, predicted in variants.items()}
    return _compare(y, baseline, points, graded=False)


def measure_robustness(
    y: Any, clean: Any, predictions: Mapping[tuple[str, float], Any]
) -> RobustnessResult:
    """Compare predictions for test images that were changed to growing degrees.

    Parameters
    ----------
    y : array-like of shape (n,)
        True source of each test image.
    clean : array-like of shape (n,)
        Sources that the images as they are were attributed to.
    predictions : mapping of (str, float) to array-like of shape (n,)
        Sources that the same images were attributed to after a change, by its family, such as
        "JPEG quality", and its strength, such as 75. Not only changes of the images fit in: also
        their size, or the number of images that the fingerprints are made from.

    Returns
    -------
    RobustnessResult
        Accuracies with Wilson's intervals, and McNemar's exact test of each against `clean`.

    Raises
    ------
    ValueError
        If there is no image, or the lengths differ.

    See Also
    --------
    compare_predictions : The same for variants that have no strength.

    Notes
    -----
    The p-values are not corrected for the number of points.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import measure_robustness
    >>> y = clean = ["a", "a", "b", "b"]
    >>> result = measure_robustness(
    ...     y, clean, {("JPEG quality", 95): clean, ("JPEG quality", 75): ["a", "b", "a", "b"]}
    ... )
    >>> strengths, accuracies, intervals = result.curve("JPEG quality")
    >>> strengths, accuracies
    (array([75., 95.]), array([0.5, 1. ]))
    """
    points = {(str(family), plain(s)): predicted for (family, s), predicted in predictions.items()}
    return _compare(y, clean, points, graded=True)


def _compare(
    y: Any, clean: Any, predictions: Mapping[tuple[str, Any], Any], graded: bool
) -> RobustnessResult:
    right = _right(y, clean)
    points = {point: _score(_right(y, other), right) for point, other in predictions.items()}
    return RobustnessResult(_score(right), points, graded)


def _right(y: Any, predicted: Any) -> np.ndarray:
    """Return whether each prediction is right."""
    y, predicted = column_or_1d(y), column_or_1d(predicted)
    check_consistent_length(y, predicted)
    return np.asarray(y == predicted, dtype=bool)


def _score(right: np.ndarray, baseline: np.ndarray | None = None) -> ScoredPredictions:
    n_right = int(right.sum())
    return ScoredPredictions(
        n_test=len(right),
        n_right=n_right,
        accuracy=n_right / max(1, len(right)),
        interval=wilson_interval(n_right, len(right)),
        against=None if baseline is None else mcnemar_test(baseline, right),
    )


def mcnemar_test(right_first: Any, right_second: Any, *, level: float = 0.95) -> McNemarResult:
    """Compare two sets of answers for the same images, with McNemar's exact test.

    Parameters
    ----------
    right_first, right_second : array-like of bool, shape (n,)
        Whether each image was attributed rightly, by the first and by the second.
    level : float, default=0.95
        Confidence level of the interval, in (0, 1).

    Returns
    -------
    McNemarResult
        Counts, p-value, difference in accuracy and its confidence interval.

    Raises
    ------
    ValueError
        If the lengths differ, there is no image, a value is neither true nor false, or the level
        is out of its range.

    Notes
    -----
    Images that both get right or both get wrong say nothing about the difference. If the two are
    equally good, each of the others is as likely to be right for the first as for the second: the
    p-value is that of the binomial test [1]_, and 1 if there are none.

    The interval is that of Agresti and Min [2]_: Wald's, with half an image added to each of the
    four cells. It takes images as independent. Near the limit it can leave out 0 while the p-value
    is above ``1 - level``, or the other way round.

    References
    ----------
    .. [1] Q. McNemar, "Note on the sampling error of the difference between correlated proportions
       or percentages", Psychometrika 12 (1947), 153-157.
    .. [2] A. Agresti, Y. Min, "Simple improved confidence intervals for comparing matched
       proportions", Statistics in Medicine 24 (2005), 729-740.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import mcnemar_test
    >>> result = mcnemar_test([1, 1, 1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0, 0, 0])
    >>> result.n_only_first, result.n_only_second, result.pvalue
    (5, 0, 0.0625)
    >>> result.difference
    -0.625
    """
    first, second = _as_bool(right_first), _as_bool(right_second)
    check_consistent_length(first, second)
    if not len(first):
        raise ValueError("Expected answers for at least one image, got none.")
    n_first, n_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = n_first + n_second
    return McNemarResult(
        n=len(first),
        n_only_first=n_first,
        n_only_second=n_second,
        pvalue=float(binomtest(n_first, discordant).pvalue) if discordant else 1.0,
        difference=(n_second - n_first) / len(first),
        interval=_agresti_min(n_first, n_second, len(first), level),
    )


def _as_bool(right: Any) -> np.ndarray:
    values = column_or_1d(right)
    if not np.isin(values, (0, 1)).all():
        raise ValueError("Expected values that are true or false: whether each answer is right.")
    return values.astype(bool)


def _agresti_min(n_first: int, n_second: int, n: int, level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number in (0, 1), got {level!r}.")
    # Half an image in each of four cells adds one to those that differ, and two to all.
    total = n + 2
    centre = (n_second - n_first) / total
    variance = ((n_first + n_second + 1) / total - centre**2) / total
    half = float(ndtri((1 + level) / 2)) * math.sqrt(variance)
    return max(-1.0, centre - half), min(1.0, centre + half)


def wilson_interval(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's confidence interval of a proportion, which stays within [0, 1]."""
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"Expected 0 <= successes <= n and n >= 1, got {successes} of {n}.")
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number in (0, 1), got {level!r}.")
    interval = binomtest(successes, n).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)
