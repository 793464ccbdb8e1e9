"""Scores of residuals for a fingerprint that they are left out of."""

import numpy as np

from sklearn_ganprint.classification._sums import ClassSums, unbiased_square
from sklearn_ganprint.correlation._index import SCORES, negative_squared_distance


def own_scores_without(
    X: np.ndarray, codes: np.ndarray, weights: np.ndarray, sums: ClassSums, metric: str
) -> np.ndarray:
    """Score each row for the fingerprint of its class without it.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Residuals that the sums are of, all or some of them.

    codes : ndarray of int, shape (n,)
        Class of each.

    weights : ndarray of shape (n,)
        Weight of each.

    sums : ClassSums
        Sums over the residuals of each class.

    metric : str
        Nearness, as in :class:`FingerprintClassifier`.

    Returns
    -------
    ndarray of float64, shape (n,)
        Scores; NaN for a residual that is alone in its class.
    """
    left = sums.weight[codes] - weights
    alone = left <= 1e-12 * sums.weight[codes]
    scores = np.full(len(X), np.nan)
    for row in np.flatnonzero(~alone):
        code, residual = codes[row], X[row]
        rest = ((sums.residuals[code] - weights[row] * residual) / left[row])[np.newaxis]
        if metric == "unbiased":
            squares = sums.squares[code] - weights[row] * (residual @ residual.astype(np.float64))
            square = unbiased_square(rest, left[[row]], np.array([squares]))
            scores[row] = negative_squared_distance(X[[row]], rest, square)[0, 0]
        else:
            scores[row] = SCORES[metric](X[[row]], rest)[0, 0]
    return scores
