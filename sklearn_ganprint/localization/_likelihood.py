"""How likely windows, or averages of neighbouring ones, are under each source."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from sklearn_ganprint.localization._moments import TINY

#: Degrees of freedom: windows have heavy tails, and one that is like nothing proves nothing.
DEGREES = 2.5
#: A source's covariance is averaged with that of so many windows of all sources.
POOLED_WINDOWS = 500


class Spread(NamedTuple):
    """Where the windows of each source are, and how they scatter."""

    means: np.ndarray  # (n_classes, n_coordinates)
    covariances: np.ndarray  # (n_classes, n_coordinates, n_coordinates)


def fit_spread(
    rows: Iterable[tuple[int, np.ndarray]], n_classes: int, n_coordinates: int
) -> Spread:
    """Estimate means and covariances of windows.

    Parameters
    ----------
    rows : iterable of (int, ndarray of shape (n, n_coordinates))
        Class and windows of each image.

    n_classes : int
        Number of classes.

    n_coordinates : int
        Number of coordinates.

    Returns
    -------
    Spread
        Covariances are shrunk towards the pooled one.
    """
    counts, sums = np.zeros(n_classes), np.zeros((n_classes, n_coordinates))
    products = np.zeros((n_classes, n_coordinates, n_coordinates))
    for code, each in rows:
        values = each.astype(np.float64)
        counts[code] += len(values)
        sums[code] += values.sum(axis=0)
        products[code] += values.T @ values
    means = sums / np.maximum(counts, 1)[:, np.newaxis]
    scatter = products - counts[:, np.newaxis, np.newaxis] * np.einsum("ci,cj->cij", means, means)
    pooled = scatter.sum(axis=0) / counts.sum()
    total = (counts + POOLED_WINDOWS)[:, np.newaxis, np.newaxis]
    covariances = (scatter + POOLED_WINDOWS * pooled) / total
    return Spread(means, covariances + TINY * np.eye(means.shape[1]))


def log_likelihoods(values: np.ndarray, spread: Spread) -> np.ndarray:
    """Log densities of multivariate t distributions, up to what all classes share.

    Parameters
    ----------
    values : ndarray of shape (..., n_coordinates)
        Windows.

    spread : Spread
        Means and covariances of the classes.

    Returns
    -------
    ndarray of float64, shape (..., n_classes)
        With covariance S, mean m, d coordinates and nu degrees of freedom
        ``-log|S| / 2 - (nu + d) / 2 log(1 + (x - m) S^-1 (x - m) / (nu - 2))``.
    """
    rows = values.reshape(-1, values.shape[-1])
    result = np.empty((len(rows), len(spread.means)))
    for code, (mean, covariance) in enumerate(zip(*spread, strict=True)):
        root = np.linalg.cholesky(covariance)
        white = solve_triangular(root, (rows - mean).T, lower=True)
        distances = np.einsum("ij,ij->j", white, white)
        result[:, code] = -np.log(np.diag(root)).sum() - (DEGREES + len(mean)) / 2 * np.log1p(
            distances / (DEGREES - 2)
        )
    return result.reshape(*values.shape[:-1], -1)
