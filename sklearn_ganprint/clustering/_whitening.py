"""Axes along which sources differ more than the parts of one image do."""

from math import ceil
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

#: Principal components of the features on which the scatter within images is estimated.
N_PRINCIPAL = 200

#: Of these, whitened, the components on which the scatter between neighbours is estimated.
N_WHITENED = 100

#: Components kept.
N_COMPONENTS = 40

#: Share of the mean scatter that is added to the scatter along each axis: for parts of images, and
#: for neighbours, which are chosen for being near. With FEW_IMAGES or fewer the latter counts less.
RIDGE = 0.01
NEIGHBOR_RIDGE = 0.25
FEW_IMAGES = 160

#: Nearest neighbours of an image, at most and as a share of all images, and the components on which
#: they are searched. With a third as many, the halves of one source look like two.
N_NEIGHBORS = 20
NEIGHBOR_SHARE = 1 / 8
NEIGHBOR_COMPONENTS = 20

#: Number of searches for neighbours; each but the first uses the axes that the last one gave.
N_ROUNDS = 2


class Axes(NamedTuple):
    """An affine map of features: ``(features - mean) @ matrix``."""

    mean: np.ndarray
    matrix: np.ndarray

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Return coordinates ``(n, n_components)`` of features ``(n, n_features)``."""
        return (features - self.mean).astype(np.float64) @ self.matrix


def whitened_axes(parts: np.ndarray) -> Axes:
    """Return at most 40 axes with unit scatter within sources, by their scatter between images.

    `parts` has the features of each image as a whole, then of its parts, if any. Parts of one image
    share its source, so their scatter about the mean of their image stands in for a covariance
    within classes, without labels. The scatter of the nearest images, most of which are of one
    source, adds the differences between images of one source (D. Art, R. Gnanadesikan,
    J. R. Kettenring, "Data-based metrics for cluster analysis", Utilitas Mathematica 21A, 1982).
    """
    whole = parts[:, 0].astype(np.float64)
    mean = whole.mean(axis=0)
    whole -= mean
    basis = principal_axes(whole, N_PRINCIPAL)
    if parts.shape[1] > 1:
        basis = basis @ inverse_root(within_scatter(parts[:, 1:], basis), RIDGE)
        basis = basis @ principal_axes(whole @ basis, N_WHITENED)
        basis = basis @ neighbor_whitening(whole @ basis)
    basis = basis @ principal_axes(whole @ basis, N_COMPONENTS)
    return Axes(mean, basis)


def principal_axes(rows: np.ndarray, n_axes: int) -> np.ndarray:
    """Return principal axes ``(n_features, n_axes)`` of centred rows, by decreasing variance."""
    n, p = rows.shape
    values, vectors = np.linalg.eigh(rows @ rows.T if n < p else rows.T @ rows)
    # In descending order; at least one, which is arbitrary if all rows are alike.
    rank = max(1, int((values > 1e-10 * values[-1]).sum()))
    kept = slice(-1, -min(n_axes, rank) - 1, -1)
    if n < p:
        return rows.T @ (vectors[:, kept] / np.sqrt(np.maximum(values[kept], np.finfo(float).tiny)))
    return vectors[:, kept]


def within_scatter(parts: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the covariance of parts about the mean of their image, on a basis."""
    projected = (parts @ basis.astype(parts.dtype)).astype(np.float64)
    projected -= projected.mean(axis=1, keepdims=True)
    rows = projected.reshape(-1, basis.shape[1])
    return rows.T @ rows / len(rows)


def neighbor_whitening(points: np.ndarray) -> np.ndarray:
    """Return the matrix that gives nearest neighbours unit scatter about each other."""
    n, n_axes = points.shape
    matrix = np.eye(n_axes)
    n_neighbors = min(N_NEIGHBORS, ceil(NEIGHBOR_SHARE * n), n - 1)
    ridge = NEIGHBOR_RIDGE + (FEW_IMAGES / n) ** 2
    for _ in range(N_ROUNDS if n_neighbors else 0):
        white = points @ matrix
        search = NearestNeighbors(n_neighbors=n_neighbors).fit(
            white @ principal_axes(white, NEIGHBOR_COMPONENTS)
        )
        scatter = np.zeros_like(matrix)
        for column in search.kneighbors(return_distance=False).T:
            differences = points - points[column]
            scatter += differences.T @ differences
        matrix = inverse_root(scatter / (2 * n_neighbors * n), ridge)
    return matrix


def inverse_root(scatter: np.ndarray, ridge: float) -> np.ndarray:
    """Return the matrix that whitens a scatter plus a share of its mean along each axis.

    Where nothing scatters, axes stay as they are.
    """
    mean = np.trace(scatter) / len(scatter)
    if not mean > 0:
        return np.eye(len(scatter))
    values, vectors = np.linalg.eigh(scatter)
    return vectors / np.sqrt(np.maximum(values, 0) + ridge * mean)
