"""Axes along which sources differ more than the parts of one image do."""

from typing import NamedTuple

import numpy as np

#: Principal components of the features that the scatter within images is estimated on.
N_PRINCIPAL = 200

#: Share of the mean scatter that is added to the scatter along each axis.
RIDGE = 0.01

#: Components kept.
N_COMPONENTS = 40


class Axes(NamedTuple):
    """An affine map of features: ``(features - mean) @ matrix``."""

    mean: np.ndarray
    matrix: np.ndarray

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Coordinates ``(n, n_components)`` of features ``(n, n_features)``."""
        return (features - self.mean).astype(np.float64) @ self.matrix


def whitened_axes(parts: np.ndarray) -> Axes:
    """Find axes with unit scatter within images, in order of their scatter between images.

    Parts of one image share its source, so what differs between them is no trace of sources: their
    scatter about the mean of their image stands in for a covariance within classes, without labels.

    Parameters
    ----------
    parts : ndarray of shape (n, n_parts, n_features)
        Features of the whole of each image, then of its parts, if any.

    Returns
    -------
    Axes
        The map, to at most 40 components.
    """
    whole = parts[:, 0].astype(np.float64)
    mean = whole.mean(axis=0)
    whole -= mean
    basis = principal_axes(whole, N_PRINCIPAL)
    if parts.shape[1] > 1:
        basis = basis @ inverse_root(within_scatter(parts[:, 1:], basis))
    basis = basis @ principal_axes(whole @ basis, N_COMPONENTS)
    return Axes(mean, basis)


def principal_axes(rows: np.ndarray, n_axes: int) -> np.ndarray:
    """Principal axes ``(n_features, n_axes)`` of centred rows, the greatest variance first."""
    n, p = rows.shape
    values, vectors = np.linalg.eigh(rows @ rows.T if n < p else rows.T @ rows)
    # In descending order; at least one, which is arbitrary if all rows are alike.
    rank = max(1, int((values > 1e-10 * values[-1]).sum()))
    kept = slice(-1, -min(n_axes, rank) - 1, -1)
    if n < p:
        return rows.T @ (vectors[:, kept] / np.sqrt(np.maximum(values[kept], np.finfo(float).tiny)))
    return vectors[:, kept]


def within_scatter(parts: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Covariance of parts ``(n, n_parts, n_features)`` about their image's mean, on a basis."""
    projected = (parts @ basis.astype(parts.dtype)).astype(np.float64)
    projected -= projected.mean(axis=1, keepdims=True)
    rows = projected.reshape(-1, basis.shape[1])
    return rows.T @ rows / len(rows)


def inverse_root(scatter: np.ndarray) -> np.ndarray:
    """Matrix that makes the scatter, and a share of its mean along each axis, the identity."""
    mean = np.trace(scatter) / len(scatter)
    values, vectors = np.linalg.eigh(scatter)
    return vectors / np.sqrt(np.maximum(values, 0) + RIDGE * mean + np.finfo(float).tiny)
