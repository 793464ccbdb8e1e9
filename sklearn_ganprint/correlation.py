"""L1: how alike a residual and a fingerprint are.

Every function takes arrays that keep the shape of the image: ``(n, ...)`` residuals against
``(k, ...)`` fingerprints of the same trailing shape.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_ganprint._parallel import row_chunks

#: Turns rows into rows whose inner products are the scores of a metric.
Normalization = Callable[[np.ndarray], np.ndarray]


def _unit_norm(rows: np.ndarray) -> np.ndarray:
    """Scale rows to unit Euclidean norm; a row of zeros stays zero."""
    # The greatest value goes first, so that no square overflows or underflows.
    scale = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    rows = rows / np.where(scale > 0, scale, 1)
    norm = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, np.newaxis]
    return rows / np.where(norm > 0, norm, 1)


def _zero_mean_unit_norm(rows: np.ndarray) -> np.ndarray:
    """Centre rows, then scale them to unit norm; a constant row becomes zero."""
    mean = rows.mean(axis=1, keepdims=True, dtype=np.float64).astype(rows.dtype)
    centred = rows - mean
    # What rounding leaves of a constant row is not a signal.
    rounding = 4 * np.finfo(rows.dtype).eps * np.abs(mean)
    centred[np.abs(centred).max(axis=1, initial=0) <= rounding[:, 0]] = 0
    return _unit_norm(centred)


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
    return _index(residuals, fingerprints, _zero_mean_unit_norm)


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
    return _index(residuals, fingerprints, _unit_norm)


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
    residuals, fingerprints = _as_rows(residuals, fingerprints)
    scores = np.empty((len(residuals), len(fingerprints)))
    for rows in row_chunks(*residuals.shape):
        for column, fingerprint in enumerate(fingerprints):
            # The difference itself: |x|^2 - 2 x.f + |f|^2 cancels where the two are close.
            difference = residuals[rows] - fingerprint
            scores[rows, column] = -np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return scores


#: Scores by the name of their metric: greater is closer.
SCORES: dict[str, Callable[[Any, Any], np.ndarray]] = {
    "correlation": correlation_index,
    "cosine": cosine_index,
    "euclidean": negative_distance,
}


def _index(residuals: Any, fingerprints: Any, normalize: Normalization) -> np.ndarray:
    residuals, fingerprints = _as_rows(residuals, fingerprints)
    templates = normalize(fingerprints).T
    # float64: probabilities made of float32 scores would not sum to one
    scores = np.empty((len(residuals), len(fingerprints)))
    for rows in row_chunks(*residuals.shape):
        scores[rows] = normalize(residuals[rows]) @ templates
    return np.clip(scores, -1, 1, out=scores)


def _as_rows(residuals: Any, fingerprints: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both sides as rows of the residuals' float dtype."""
    residuals, fingerprints = np.asarray(residuals), np.asarray(fingerprints)
    if residuals.dtype not in (np.float32, np.float64):
        residuals = residuals.astype(np.float64)
    if residuals.shape[1:] != fingerprints.shape[1:] or residuals.ndim < 2:
        raise ValueError(
            f"Expected residuals (n, ...) and fingerprints (k, ...) of one trailing shape, got "
            f"{residuals.shape} and {fingerprints.shape}."
        )
    return (
        residuals.reshape(len(residuals), -1),
        fingerprints.reshape(len(fingerprints), -1).astype(residuals.dtype),
    )
