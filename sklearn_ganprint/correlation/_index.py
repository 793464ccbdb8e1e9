"""Scores of residuals for fingerprints."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_ganprint._parallel import row_chunks
from sklearn_ganprint.correlation._rows import as_rows
from sklearn_ganprint.correlation._unit_rows import UnitRows


def correlation_index(residuals: Any, fingerprints: Any) -> np.ndarray:
    """Correlation index between each residual and each fingerprint (eq. 5).

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Residuals, in any unit.

    fingerprints : array-like of shape (k, ...)
        Fingerprints, of the residuals' trailing shape.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Correlation in [-1, 1]; 0 where either side is constant.

    Raises
    ------
    ValueError
        If the trailing shapes differ.

    See Also
    --------
    cosine_index : The same without centring.

    Notes
    -----
    ``corr(X, Y) = <X~, Y~>``, where ``X~`` is the zero-mean unit-norm version of ``X``: Pearson's
    correlation over the pixels [1]_.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019, eq. 5.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.correlation import correlation_index
    >>> fingerprints = np.array([[[1.0, -1.0], [1.0, -1.0]], [[1.0, 1.0], [-1.0, -1.0]]])
    >>> correlation_index(3 * fingerprints[:1] + 7, fingerprints)
    array([[1., 0.]])
    """
    residuals, fingerprints, dtype = as_rows(residuals, fingerprints)
    return UnitRows(fingerprints, dtype, centre=True).scores(residuals)


def cosine_index(residuals: Any, fingerprints: Any) -> np.ndarray:
    """Cosine of the angle between each residual and each fingerprint.

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Residuals, in any unit.

    fingerprints : array-like of shape (k, ...)
        Fingerprints, of the residuals' trailing shape.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Cosine in [-1, 1]; 0 where either side is zero.

    See Also
    --------
    correlation_index : Centres first.

    Examples
    --------
    >>> from sklearn_ganprint.correlation import cosine_index
    >>> cosine_index([[2.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    array([[1., 0.]])
    """
    residuals, fingerprints, dtype = as_rows(residuals, fingerprints)
    return UnitRows(fingerprints, dtype, centre=False).scores(residuals)


def negative_distance(residuals: Any, fingerprints: Any) -> np.ndarray:
    """Negative Euclidean distance between each residual and each fingerprint.

    The literal minimum-distance rule. On normalised rows the least distance is the greatest
    correlation; on raw residuals a fingerprint of little energy is near to everything.

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Residuals.

    fingerprints : array-like of shape (k, ...)
        Fingerprints, of the residuals' trailing shape and unit.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Negative distances, in the unit of the residuals.

    See Also
    --------
    correlation_index : Free of the scale of either side.

    Examples
    --------
    >>> from sklearn_ganprint.correlation import negative_distance
    >>> negative_distance([[3.0, 4.0]], [[0.0, 0.0], [3.0, 4.0]])
    array([[-5., -0.]])
    """
    residuals, fingerprints, dtype = as_rows(residuals, fingerprints)
    fingerprints = fingerprints.astype(dtype, copy=False)
    scores = np.empty((len(residuals), len(fingerprints)))
    for rows in row_chunks(*residuals.shape):
        for column, fingerprint in enumerate(fingerprints):
            # The difference itself: |x|^2 - 2 x.f + |f|^2 cancels where the two are close.
            difference = residuals[rows] - fingerprint
            scores[rows, column] = -np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return scores


def negative_squared_distance(
    rows: np.ndarray, points: np.ndarray, square: np.ndarray
) -> np.ndarray:
    """Negative squared distance between rows and points of which the squared norms are given.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        Residuals.

    points : ndarray of shape (k, n_features)
        Estimates of fingerprints.

    square : ndarray of shape (k,)
        Squared norms of the fingerprints, which may be other than those of their estimates.

    Returns
    -------
    ndarray of float64, shape (n, k)
        ``2 r.f - |r|^2 - square``.
    """
    own = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    products = (rows @ points.T.astype(rows.dtype, copy=False)).astype(np.float64)
    return 2 * products - own[:, np.newaxis] - square


#: Scores by the name of their metric: greater is closer.
SCORES: dict[str, Callable[[Any, Any], np.ndarray]] = {
    "correlation": correlation_index,
    "cosine": cosine_index,
    "euclidean": negative_distance,
}
