"""Conformal p-values, the rank of a score among scores whose source is known."""

import math
from typing import Any

import numpy as np


class CalibrationWarning(UserWarning):
    """There are too few calibration scores for the stated rate of false alarms."""


def conformal_p_values(scores: Any, calibration: Any) -> np.ndarray:
    """Share of calibration scores that are as low as each score, the score itself counted in.

    Parameters
    ----------
    scores : array-like of shape (m,)
        Scores to judge; greater is more typical. NaN, where there is no score, stays NaN.

    calibration : array-like of shape (n,)
        Scores of images for which the hypothesis is true, in any order. None may have helped to
        make the scoring rule.

    Returns
    -------
    ndarray of float64, shape (m,)
        p-values from ``1 / (n + 1)`` to 1, small where a score is untypically low.

    See Also
    --------
    conformal_threshold : The score at which they reach a given rate.

    Notes
    -----
    ``p = (1 + #{calibration <= score}) / (n + 1)`` [1]_. If the new score and the n others are
    exchangeable, ``P(p <= a) <= a`` for every a, whatever their distribution.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", Springer,
       2005.

    Examples
    --------
    >>> from sklearn_ganprint.open_set import conformal_p_values
    >>> conformal_p_values([0.0, 2.5, 9.0], [1.0, 2.0, 3.0, 4.0])
    array([0.2, 0.6, 1. ])
    """
    ordered = np.sort(np.asarray(calibration, dtype=np.float64))
    scores = np.asarray(scores, dtype=np.float64)
    p_values = (1 + np.searchsorted(ordered, scores, side="right")) / (len(ordered) + 1)
    # searchsorted takes NaN for the greatest, which would make the most typical image of it.
    return np.where(np.isnan(scores), np.nan, p_values)


def conformal_threshold(calibration: Any, false_alarm_rate: float) -> float:
    """Score below which the conformal p-value is at most a given rate.

    Parameters
    ----------
    calibration : array-like of shape (n,)
        Scores of images for which the hypothesis is true.

    false_alarm_rate : float
        Rate in (0, 1).

    Returns
    -------
    float
        The k-th lowest calibration score, k being the whole part of
        ``false_alarm_rate * (n + 1)``; minus infinity, which no score is below, if k is 0.

    See Also
    --------
    scores_needed : How many scores it takes for a threshold that is finite.

    Examples
    --------
    >>> from sklearn_ganprint.open_set import conformal_threshold
    >>> conformal_threshold(range(99), 0.02)
    1.0
    >>> conformal_threshold(range(98), 0.01)
    -inf
    """
    ordered = np.sort(np.asarray(calibration, dtype=np.float64))
    k = rejected_ranks(len(ordered), false_alarm_rate)
    return float(ordered[k - 1]) if k else -math.inf


def scores_needed(false_alarm_rate: float) -> int:
    """Count the calibration scores without which nothing can be rejected at a rate.

    Parameters
    ----------
    false_alarm_rate : float
        Rate in (0, 1).

    Returns
    -------
    int
        The least n for which ``1 / (n + 1)``, the least p-value, is at most the rate.

    Examples
    --------
    >>> from sklearn_ganprint.open_set import scores_needed
    >>> scores_needed(0.01), scores_needed(0.05)
    (99, 19)
    """
    n = max(1, math.ceil(1 / false_alarm_rate) - 1)
    return n if rejected_ranks(n, false_alarm_rate) else n + 1


def rejected_ranks(n: int, false_alarm_rate: float) -> int:
    """Count the ranks of a new score among n others at which it is rejected."""
    # 0.01 * 100 and its like may come out just below the whole number.
    return math.floor(false_alarm_rate * (n + 1) + 1e-9)
