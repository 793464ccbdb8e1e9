"""Measures of telling unknown sources from known ones: pure functions on scores."""

from typing import Any

import numpy as np


def oscr(known: Any, correct: Any, unknown: Any) -> float:
    """Area under the open-set classification rate curve.

    Parameters
    ----------
    known : array-like of shape (n,)
        Scores of images of known sources, greater is more surely known.

    correct : array-like of bool, shape (n,)
        Whether each was attributed to its source.

    unknown : array-like of shape (m,)
        Scores of images of unknown sources.

    Returns
    -------
    float
        Between 0 and 1. The AUROC of known against unknown if all attributions are right, and at
        most the accuracy.

    Raises
    ------
    ValueError
        If `known` and `correct` differ in length, or a side has no image.

    See Also
    --------
    detection_rate : The share of unknown images found at one rate of false alarms.

    Notes
    -----
    The curve of Dhamija et al. [1]_ is the share of known images that are accepted and attributed
    rightly, over the share of unknown ones that are accepted. The area under it is the chance
    that a known image is attributed rightly and scores higher than an unknown one; ties count
    half.

    References
    ----------
    .. [1] A. R. Dhamija, M. Guenther, T. E. Boult, "Reducing network agnostophobia", NeurIPS 2018.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import oscr
    >>> oscr([3.0, 2.0, 4.0, 0.5], [True, True, False, True], [1.0, 2.5])
    0.375
    """
    known, correct = np.asarray(known, dtype=np.float64), np.asarray(correct, dtype=bool)
    ordered = np.sort(_check_some(unknown, "unknown"))
    if len(_check_some(known, "known")) != len(correct):
        raise ValueError(
            f"known and correct: expected one length, got {len(known)} and {len(correct)}."
        )
    lower = np.searchsorted(ordered, known, side="left")
    not_higher = np.searchsorted(ordered, known, side="right")
    return float((correct * (lower + not_higher)).mean() / (2 * len(ordered)))


def detection_rate(known: Any, unknown: Any, false_alarm_rate: float) -> float:
    """Share of unknown images that score below all but a share of the known ones.

    Parameters
    ----------
    known : array-like of shape (n,)
        Scores of images of known sources, greater is more surely known.

    unknown : array-like of shape (m,)
        Scores of images of unknown sources.

    false_alarm_rate : float
        Share of known images that may score below the threshold, in (0, 1).

    Returns
    -------
    float
        Share of `unknown` below that quantile of `known`.

    Raises
    ------
    ValueError
        If a side has no image, or the rate is out of its range.

    See Also
    --------
    sklearn_ganprint.OpenSetClassifier : Sets its threshold without the images that it judges.

    Notes
    -----
    The threshold is that of the images in `known` themselves, which is better than any that could
    be set beforehand.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import detection_rate
    >>> detection_rate(range(10, 110), [5.0, 11.0, 60.0, 9.0], 0.01)
    0.5
    """
    if not 0 < false_alarm_rate < 1:
        raise ValueError(f"false_alarm_rate: expected a number in (0, 1), got {false_alarm_rate}.")
    limit = np.quantile(_check_some(known, "known"), false_alarm_rate)
    return float((_check_some(unknown, "unknown") < limit).mean())


def _check_some(scores: Any, name: str) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"{name}: expected at least one score, got shape {scores.shape}.")
    return scores
