"""How well the same test images are attributed after something was done to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ganprint.experiments._mcnemar import McNemarResult, mcnemar_test
from sklearn_ganprint.experiments._measures import wilson_interval
from sklearn_ganprint.experiments._results import Result, plain


@dataclass(frozen=True)
class ScoredPredictions:
    """How good one set of predictions is, by itself and against the baseline.

    Attributes
    ----------
    n_test, n_right : int
        Number of images, and of those attributed to their source.

    accuracy : float
        Share of the images attributed to their source.

    interval : tuple of float
        Wilson's 95 % confidence interval of `accuracy`.

    against : McNemarResult or None
        Comparison with the baseline, which is its first side; None for the baseline itself.
    """

    n_test: int
    n_right: int
    accuracy: float
    interval: tuple[float, float]
    against: McNemarResult | None = None

    def row(self) -> dict[str, Any]:
        """Give the figures as one row of a table.

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
class RecompressionResult(Result):
    """Predictions before and after compression, in any number of readings of the experiment.

    Attributes
    ----------
    baseline : ScoredPredictions
        Predictions for the images as they are, by fingerprints of such images.

    variants : dict of str to ScoredPredictions
        The others by name, each compared with the baseline.

    See Also
    --------
    compare_predictions : Makes one.
    """

    baseline: ScoredPredictions
    variants: dict[str, ScoredPredictions]

    def rows(self) -> list[dict[str, Any]]:
        """Give one row for the baseline, and one a variant.

        Returns
        -------
        list of dict
            With ``name``, accuracy and its interval, and against the baseline the difference and
            its interval, the numbers of images lost and gained, and the p-value.
        """
        named = {"clean": self.baseline, **self.variants}
        return [{"name": name, **scored.row()} for name, scored in named.items()]

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as plain values that JSON can hold.

        Returns
        -------
        dict
            ``baseline``, and ``variants``: a list of one dict a variant.
        """
        baseline, *variants = self.rows()
        return {"baseline": baseline, "variants": variants}


def compare_predictions(y: Any, baseline: Any, variants: Mapping[str, Any]) -> RecompressionResult:
    """Compare predictions for changed versions of the test images with those for the images.

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
    RecompressionResult
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
    Marra et al. [1]_ compress "all GAN-generated images" at quality 95 and see the accuracy go
    from 90.3 % to 90.1 %. Whether the images of the fingerprints are among them is not said, so
    both readings belong into `variants`. On 10,736 images a difference of 0.2 points is within the
    standard error of either accuracy: only a test on the same images can tell.

    The p-values are not corrected for the number of variants.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019, section 4.

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
    right = _right(y, baseline)
    scored = {str(name): _score(_right(y, other), right) for name, other in variants.items()}
    return RecompressionResult(_score(right), scored)


@dataclass(frozen=True, eq=False)
class RobustnessResult(Result):
    """Accuracy against the strength of what was done to the images, by kind of change.

    Attributes
    ----------
    clean : ScoredPredictions
        Predictions for the images as they are.

    points : dict of (str, float) to ScoredPredictions
        The others by family and strength, each compared with the clean ones.

    See Also
    --------
    measure_robustness : Makes one.
    """

    clean: ScoredPredictions
    points: dict[tuple[str, float], ScoredPredictions]

    @property
    def families(self) -> list[str]:
        """Kinds of change, in the order in which they were given."""
        return list(dict.fromkeys(family for family, _ in self.points))

    def curve(self, family: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Accuracy against strength, for one family.

        Parameters
        ----------
        family : str
            One of :attr:`families`.

        Returns
        -------
        strengths : ndarray of float64, shape (k,)
            In ascending order.
        accuracies : ndarray of float64, shape (k,)
            Accuracy at each strength.
        intervals : ndarray of float64, shape (k, 2)
            Lower and upper end of the confidence interval of each.

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
        """Give one row for the images as they are, and one a point.

        Returns
        -------
        list of dict
            With ``family``, ``strength``, accuracy and its interval, and against the images as
            they are the difference and its interval, the numbers of images lost and gained, and
            the p-value.
        """
        points = [
            {"family": family, "strength": strength, **scored.row()}
            for (family, strength), scored in self.points.items()
        ]
        return [{"family": "clean", "strength": None, **self.clean.row()}, *points]

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as plain values that JSON can hold.

        Returns
        -------
        dict
            ``clean``, and ``points``: a list of one dict a point.
        """
        clean, *points = self.rows()
        return {"clean": clean, "points": points}


def measure_robustness(
    y: Any, clean: Any, predictions: Mapping[tuple[str, float], Any]
) -> RobustnessResult:
    """Compare predictions for test images that were changed more and more.

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
    right = _right(y, clean)
    points = {
        (str(family), plain(strength)): _score(_right(y, other), right)
        for (family, strength), other in predictions.items()
    }
    return RobustnessResult(_score(right), points)


def _right(y: Any, predicted: Any) -> np.ndarray:
    """Whether each prediction is right."""
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
