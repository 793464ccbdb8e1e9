"""Measures of attribution: pure functions on counts and scores."""

import math
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn.metrics import roc_auc_score


def wilson_interval(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a proportion, after Wilson.

    Parameters
    ----------
    successes : int
        Number of successes, from 0 to `n`.

    n : int
        Number of trials, at least 1.

    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    tuple of float
        Lower and upper end, within [0, 1].

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Unlike ``p +- z * sqrt(p (1 - p) / n)`` it neither leaves [0, 1] nor has length zero when
    all trials, or none, succeed [1]_.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
       Journal of the American Statistical Association 22 (1927), 209-212.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import wilson_interval
    >>> low, high = wilson_interval(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"Expected 0 <= successes <= n and n >= 1, got {successes} of {n}.")
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number in (0, 1), got {level!r}.")
    z = float(ndtri((1 + level) / 2))
    share, weight = successes / n, z**2 / n
    centre = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / n + weight / (4 * n)) / (1 + weight)
    # The ends at 0 and 1 are exact, but for rounding.
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == n else centre + half


def one_vs_rest_auc(scores: Any, y: Any, classes: Any) -> np.ndarray:
    """Area under the ROC curve of each class against all others.

    Parameters
    ----------
    scores : array-like of shape (n, n_classes)
        Score of each image for each class, greater is nearer.

    y : array-like of shape (n,)
        Class of each image.

    classes : array-like of shape (n_classes,)
        The class of each column.

    Returns
    -------
    ndarray of float64, shape (n_classes,)
        Chance that an image of the class scores higher than one of the others; NaN where `y`
        holds no image of the class, or no other.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Notes
    -----
    Each class's images are ranked by its own score alone, as in Fig. 7 of Marra et al. [1]_: this
    is about one source known, not about the choice between all of them.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import one_vs_rest_auc
    >>> scores = [[0.9, 0.1], [0.4, 0.2], [0.5, 0.8]]
    >>> one_vs_rest_auc(scores, ["gan", "gan", "real"], ["gan", "real"])
    array([0.5, 1. ])
    """
    scores, y, classes = np.asarray(scores), np.asarray(y), np.asarray(classes)
    if scores.shape != (len(y), len(classes)):
        raise ValueError(
            f"scores: expected shape (n, n_classes) = {(len(y), len(classes))}, got {scores.shape}."
        )
    areas = np.full(len(classes), np.nan)
    for column, label in enumerate(classes):
        own = y == label
        if own.any() and not own.all():
            areas[column] = roc_auc_score(own, scores[:, column])
    return areas


def d_prime(same: Any, cross: Any) -> float:
    """Distance between two distributions of scores, in standard deviations.

    Parameters
    ----------
    same, cross : array-like of shape (n,) and (m,)
        Scores, at least two on either side.

    Returns
    -------
    float
        Positive if those of `same` are greater on average; infinite, or NaN for equal means, if
        neither side varies; NaN if a side has fewer than two scores.

    Notes
    -----
    ``(mean(same) - mean(cross)) / sqrt((var(same) + var(cross)) / 2)`` with unbiased variances. For
    normal distributions the area under the ROC curve is ``Phi(d' / sqrt(2))``: the 0.990 and 0.998
    of Marra et al. [1]_ are a d' of 3.29 and 4.07.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019, section 3.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import d_prime
    >>> d_prime([3.0, 4.0, 5.0], [-1.0, 0.0, 1.0])
    4.0
    """
    same, cross = np.asarray(same, dtype=np.float64), np.asarray(cross, dtype=np.float64)
    if min(len(same), len(cross)) < 2:
        return math.nan
    spread = math.sqrt((same.var(ddof=1) + cross.var(ddof=1)) / 2)
    distance = float(same.mean() - cross.mean())
    if spread > 0:
        return distance / spread
    return math.copysign(math.inf, distance) if distance else math.nan
