"""Whether two classifiers, or one on two versions of the images, differ in accuracy."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import binomtest
from sklearn.utils.validation import check_consistent_length, column_or_1d


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

    See Also
    --------
    wilson_interval : The interval of one accuracy.

    Notes
    -----
    Images that both get right or both get wrong say nothing about the difference. Of the others
    each is as likely to be right for the first as for the second if the two are equally good: the
    p-value is that of the binomial test [1]_, and 1 if there are none.

    The interval is that of Agresti and Min [2]_: Wald's, with half an image added to each of the
    four cells, so that it has a width also where the two never differ. It takes images as
    independent. Interval and test are made in different ways: near the limit the interval can
    leave out 0 while the p-value is above ``1 - level``, or the other way round.

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
