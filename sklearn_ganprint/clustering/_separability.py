"""How far apart clusters are, from sums over their members."""

from typing import NamedTuple, Self

import numpy as np

#: Shares of a cluster that are kept out in turn of the axis that they are projected on.
N_FOLDS = 5

#: Share of the mean variance in a covariance that is estimated on few images.
SHRINKAGE = 0.1

#: A separability is what it surely is: that found, less so many standard errors.
N_ERRORS = 2.0

#: Fewer images are no cluster.
MIN_SIZE = 3


class ClusterSums(NamedTuple):
    """Counts, sums and sums of squares of the members of each cluster, by fold.

    Of clusters that are put together they add up, so that no member is looked at again.
    """

    counts: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, codes: np.ndarray) -> Self:
        """Sum up points ``(n, p)`` of clusters 0, 1, 2 and so on."""
        n_clusters, p = codes.max() + 1, points.shape[1]
        counts = np.zeros((n_clusters, N_FOLDS))
        sums = np.zeros((n_clusters, N_FOLDS, p))
        squares = np.zeros((n_clusters, N_FOLDS, p, p))
        for code in range(n_clusters):
            members = points[codes == code]
            for fold in range(N_FOLDS):
                own = members[fold::N_FOLDS]
                counts[code, fold] = len(own)
                sums[code, fold] = own.sum(axis=0)
                squares[code, fold] = own.T @ own
        return cls(counts, sums, squares)

    def take(self, clusters: np.ndarray) -> "ClusterSums":
        """Those of some clusters."""
        return ClusterSums(*(each[clusters] for each in self))

    def outside(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give counts, means and scatter of the members that are not in each fold."""
        counts, sums, squares = (each.sum(axis=1, keepdims=True) - each for each in self)
        means = sums / np.maximum(counts, 1)[..., np.newaxis]
        outer = means[..., np.newaxis] * means[..., np.newaxis, :]
        return counts, means, squares - counts[..., np.newaxis, np.newaxis] * outer

    def merge(self, kept: int, other: int) -> None:
        """Add one cluster to another, in place."""
        for each in self:
            each[kept] += each[other]


def separability(first: ClusterSums, second: ClusterSums) -> np.ndarray:
    """Tell how far apart pairs of clusters surely are along their discriminant axes.

    Parameters
    ----------
    first, second : ClusterSums
        Clusters; the first of one and the first of the other are a pair, and so on.

    Returns
    -------
    ndarray of shape (n_pairs,)
        The difference of the means in pooled standard deviations, d', less two standard errors
        ``sqrt(1 / n_a + 1 / n_b + d'^2 / (2 (n_a + n_b)))``. Members are projected on axes that
        were found without them. Minus infinity if a cluster has fewer than three members.
    """
    axes, centres = discriminant_axes(first.outside(), second.outside())
    (n_a, mean_a, var_a), (n_b, mean_b, var_b) = (
        projected_moments(each, axes, centres) for each in (first, second)
    )
    n = n_a + n_b
    found = (mean_b - mean_a) / np.sqrt((n_a * var_a + n_b * var_b) / n + 1e-24)
    error = np.sqrt(1 / n_a + 1 / n_b + found**2 / (2 * n))
    return np.where(np.minimum(n_a, n_b) < MIN_SIZE, -np.inf, found - N_ERRORS * error)


def discriminant_axes(
    first: tuple[np.ndarray, ...], second: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Axes ``(n_pairs, n_folds, p)`` of unit variance within clusters, and midpoints on them."""
    (n_a, means_a, scatter_a), (n_b, means_b, scatter_b) = first, second
    n_free = np.maximum(1, n_a + n_b - 2)[..., np.newaxis, np.newaxis]
    covariance = shrink((scatter_a + scatter_b) / n_free)
    axes = np.linalg.solve(covariance, (means_b - means_a)[..., np.newaxis])[..., 0]
    variance = np.vecdot(axes, np.matvec(covariance, axes))
    axes /= np.sqrt(variance)[..., np.newaxis] + 1e-12
    return axes, np.vecdot(axes, means_a + means_b) / 2


def shrink(covariance: np.ndarray) -> np.ndarray:
    """Add a share of the mean variance along each axis."""
    p = covariance.shape[-1]
    mean = np.trace(covariance, axis1=-2, axis2=-1) / p
    return covariance + (SHRINKAGE * mean + 1e-9)[..., np.newaxis, np.newaxis] * np.eye(p)


def projected_moments(
    clusters: ClusterSums, axes: np.ndarray, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, mean and variance of members, each projected on the axis of its fold."""
    counts = clusters.counts
    linear = np.vecdot(axes, clusters.sums)
    square = np.vecdot(axes, np.matvec(clusters.squares, axes))
    n = counts.sum(axis=1)
    mean = (linear - counts * centres).sum(axis=1) / n
    raw = (square - 2 * centres * linear + counts * centres**2).sum(axis=1) / n
    return n, mean, np.maximum(raw - mean**2, 0)
