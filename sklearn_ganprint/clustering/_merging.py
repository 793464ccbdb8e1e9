"""Axes along which sources differ, and the clusters that are merged by these.

Clusters are cut too small first, and merged until all are separable.
"""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple, Self

import numpy as np
from scipy.cluster.hierarchy import cut_tree, fcluster, linkage
from scipy.linalg import block_diag
from scipy.spatial.distance import cdist, squareform
from sklearn.neighbors import NearestNeighbors

from sklearn_ganprint._compat import told

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
        """Return coordinates ``(n, n_components)`` of features ``(n, n_features)``.

        The map of a model that was saved before there were textures is of the features before them.
        """
        return (features[:, : len(self.mean)] - self.mean).astype(np.float64) @ self.matrix


def whitened_axes(parts: np.ndarray, n_textures: int = 0) -> Axes:
    """Return at most 40 axes with unit scatter within sources, by their scatter between images.

    `parts` has the features of each image as a whole, then of its parts, if any. Parts of one image
    share its source, so their scatter about the mean of their image stands in for a covariance
    within classes, without labels. The scatter of the nearest images, most of which are of one
    source, adds the differences between images of one source (D. Art, R. Gnanadesikan,
    J. R. Kettenring, "Data-based metrics for cluster analysis", Utilitas Mathematica 21A, 1982).
    The last `n_textures` features, which have another scale, are whitened by parts apart first.
    """
    whole = parts[:, 0].astype(np.float64)
    mean = whole.mean(axis=0)
    whole -= mean
    if parts.shape[1] == 1:
        basis = principal_axes(whole, N_PRINCIPAL)
    else:
        basis = axes_of_parts(whole, parts, n_textures)
        basis = basis @ principal_axes(whole @ basis, N_WHITENED)
        basis = basis @ neighbor_whitening(whole @ basis)
    basis = basis @ principal_axes(whole @ basis, N_COMPONENTS)
    return Axes(mean, basis)


def axes_of_parts(whole: np.ndarray, parts: np.ndarray, n_textures: int) -> np.ndarray:
    """Return axes along which parts scatter by 1 about their mean, of both kinds of features."""
    if not n_textures:
        basis = principal_axes(whole, N_PRINCIPAL)
    else:
        kinds = slice(-n_textures), slice(-n_textures, None)
        basis = block_diag(*(axes_of_parts(whole[:, k], parts[..., k], 0) for k in kinds))
        basis = basis @ principal_axes(whole @ basis, N_PRINCIPAL)
    return basis @ inverse_root(within_scatter(parts[:, 1:], basis), RIDGE)


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


#: Folds of a cluster: members are projected on an axis that is found without their fold.
N_FOLDS = 5

#: Share of the mean variance in a covariance that is estimated on few images.
SHRINKAGE = 0.1

#: A separability is a lower bound: the estimate less this many standard errors.
N_ERRORS = 2.0

#: The number of clusters is not estimated from fewer images, which are one cluster.
FEWEST = 10

#: Clusters of fewer images are never separable.
MIN_SIZE = 3

#: Numbers of components, and images in a cluster of the first cut: one clustering for each pair.
PARTITION_COMPONENTS = (8, 10, 13, 16)
CUT_SIZES = (10, 14)

#: Fewest and most clusters of the first cut.
CUT_LIMITS = (6, 40)


class ClusterSums(NamedTuple):
    """Counts, sums and sums of squares of the members of each cluster, by fold.

    Those of merged clusters add up, so that members are read once.
    """

    counts: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, codes: np.ndarray) -> Self:
        """Return the sums over points ``(n, p)`` of clusters 0, 1, 2 and so on."""
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
        """Return the sums of some clusters."""
        return ClusterSums(*(values[clusters] for values in self))

    def outside(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return counts, means and scatter of the members outside each fold."""
        counts, sums, squares = (values.sum(axis=1, keepdims=True) - values for values in self)
        means = sums / np.maximum(counts, 1)[..., np.newaxis]
        outer = means[..., np.newaxis] * means[..., np.newaxis, :]
        return counts, means, squares - counts[..., np.newaxis, np.newaxis] * outer

    def merge(self, kept: int, other: int) -> None:
        """Add one cluster to another, in place."""
        for values in self:
            values[kept] += values[other]


def separability(first: ClusterSums, second: ClusterSums) -> np.ndarray:
    """Return a lower bound of the distance of paired clusters along their discriminant axes.

    The bound is the difference of the means in pooled standard deviations, d', less two standard
    errors ``sqrt(1 / n_a + 1 / n_b + d'^2 / (2 (n_a + n_b)))``. Members are projected on axes that
    are found without their fold. A cluster of fewer than three members has minus infinity.
    """
    axes, centres = discriminant_axes(first.outside(), second.outside())
    (n_a, mean_a, var_a), (n_b, mean_b, var_b) = (
        projected_moments(clusters, axes, centres) for clusters in (first, second)
    )
    n = n_a + n_b
    found = (mean_b - mean_a) / np.sqrt((n_a * var_a + n_b * var_b) / n + 1e-24)
    error = np.sqrt(1 / n_a + 1 / n_b + found**2 / (2 * n))
    return np.where(np.minimum(n_a, n_b) < MIN_SIZE, -np.inf, found - N_ERRORS * error)


def separations(points: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the separability ``(n_clusters, n_clusters)`` of each two clusters, 0 of each itself.

    Clusters that are too small for an estimate have 0 as well.
    """
    clusters = ClusterSums.of(points, codes)
    apart = np.zeros((len(clusters.counts),) * 2)
    pairs = np.triu_indices(len(apart), 1)
    found = separability(clusters.take(pairs[0]), clusters.take(pairs[1]))
    apart[pairs] = np.maximum(found, 0)
    return apart + apart.T


def discriminant_axes(
    first: tuple[np.ndarray, ...], second: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return axes ``(n_pairs, n_folds, p)`` of unit variance within clusters, and midpoints."""
    (n_a, means_a, scatter_a), (n_b, means_b, scatter_b) = first, second
    n_free = np.maximum(1, n_a + n_b - 2)[..., np.newaxis, np.newaxis]
    covariance = shrink((scatter_a + scatter_b) / n_free)
    axes = np.linalg.solve(covariance, (means_b - means_a)[..., np.newaxis])[..., 0]
    variance = np.vecdot(axes, (covariance @ axes[..., np.newaxis])[..., 0])
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
    """Return count, mean and variance of members projected on the axes of their folds."""
    counts = clusters.counts
    linear = np.vecdot(axes, clusters.sums)
    square = np.vecdot(axes, (clusters.squares @ axes[..., np.newaxis])[..., 0])
    n = counts.sum(axis=1)
    mean = (linear - counts * centres).sum(axis=1) / n
    raw = (square - 2 * centres * linear + counts * centres**2).sum(axis=1) / n
    return n, mean, np.maximum(raw - mean**2, 0)


def merge_clusters(
    points: np.ndarray, labels: np.ndarray, min_separation: float, n_clusters: int | None = None
) -> np.ndarray:
    """Merge the least separable pair of clusters until all pairs reach `min_separation`.

    If `n_clusters` is given, merge down to that number however separable clusters are.
    """
    codes = np.unique(labels, return_inverse=True)[1]
    clusters = ClusterSums.of(points, codes)
    n_left = n_cut = len(clusters.counts)
    apart = np.full((n_cut, n_cut), np.inf)
    pairs = np.triu_indices(n_cut, 1)
    apart[pairs] = separability(clusters.take(pairs[0]), clusters.take(pairs[1]))
    while n_left > (n_clusters or 1):
        kept, other = divmod(int(apart.argmin()), n_cut)
        if n_clusters is None and apart[kept, other] >= min_separation:
            break
        if apart[kept, other] == -np.inf:
            kept, other = _nearest_of_small(clusters, kept, other)
        codes[codes == other] = kept
        clusters.merge(kept, other)
        clusters.counts[other] = 0
        apart[other], apart[:, other] = np.inf, np.inf
        _update(apart, clusters, kept)
        n_left -= 1
    return codes


def _nearest_of_small(clusters: ClusterSums, a: int, b: int) -> tuple[int, int]:
    """Pair the smaller of two clusters with the cluster of the nearest mean."""
    counts = clusters.counts.sum(axis=1)
    small = a if counts[a] < counts[b] else b
    means = clusters.sums.sum(axis=1) / np.maximum(counts, 1)[:, np.newaxis]
    distances = np.square(means - means[small]).sum(axis=1)
    distances[counts == 0] = np.inf
    distances[small] = np.inf
    nearest = int(distances.argmin())
    return min(nearest, small), max(nearest, small)


def _update(apart: np.ndarray, clusters: ClusterSums, changed: int) -> None:
    """Measure the separability of a merged cluster from all others."""
    others = np.flatnonzero(clusters.counts.sum(axis=1))
    others = others[others != changed]
    low, high = np.minimum(others, changed), np.maximum(others, changed)
    apart[low, high] = separability(clusters.take(low), clusters.take(high))


def reassign(points: np.ndarray, labels: np.ndarray, n_rounds: int = 5) -> np.ndarray:
    """Assign each image to the cluster of the nearest mean, by the pooled covariance.

    The number of clusters stays: rounds end before a cluster loses its last image.
    """
    for _ in range(n_rounds):
        ids, codes = np.unique(labels, return_inverse=True)
        means = cluster_means(points, codes)
        root = sphering(points - means[codes], len(ids))
        nearest = ids[cdist(points @ root, means @ root).argmin(axis=1)]
        if len(np.unique(nearest)) < len(ids) or (nearest == labels).all():
            break
        labels = nearest
    return labels


def cluster_means(points: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the means of clusters 0, 1, 2 and so on."""
    return np.stack([points[codes == code].mean(axis=0) for code in range(codes.max() + 1)])


def sphering(centred: np.ndarray, n_means: int) -> np.ndarray:
    """Return the matrix that gives centred rows unit covariance."""
    covariance = shrink(centred.T @ centred / max(1, len(centred) - n_means))
    return np.linalg.inv(np.linalg.cholesky(covariance)).T


def cluster_points(
    points: np.ndarray, min_separation: float, n_clusters: int | None = None
) -> np.ndarray:
    """Return the consensus of several clusterings, the largest cluster first.

    The whitened axes of `points` come in order of importance.
    """
    if n_clusters == 1 or len(points) < (FEWEST if n_clusters is None else 2):
        return np.zeros(len(points), dtype=int)
    partitions = []
    numbers = sorted({min(n, points.shape[1]) for n in PARTITION_COMPONENTS})
    for n_components in told("partitions", "partition", numbers):
        used = points[:, :n_components]
        tree = linkage(used, "ward")
        for size in CUT_SIZES:  # too many clusters, deliberately
            n_cut = int(np.clip(len(points) // size, *CUT_LIMITS))
            n_cut = min(len(points), max(n_cut, 2 * (n_clusters or 0)))
            labels = fcluster(tree, n_cut, "maxclust")
            labels = merge_clusters(used, labels, min_separation, n_clusters)
            partitions.append(reassign(used, labels))
    last = points[:, : max(PARTITION_COMPONENTS)]
    labels = merge_clusters(last, agree(partitions, n_clusters), min_separation, n_clusters)
    return by_size(reassign(last, labels))


def agree(partitions: Sequence[np.ndarray], n_clusters: int | None = None) -> np.ndarray:
    """Return clusters of images that share one in at least half of the partitions, on average."""
    n = len(partitions[0])
    apart = np.zeros((n, n), dtype=np.float32)
    for labels in partitions:
        apart += labels[:, np.newaxis] != labels
    tree = linkage(squareform(apart / len(partitions), checks=False), "average")
    if n_clusters is None:
        return fcluster(tree, 0.5, "distance")
    return cut_tree(tree, n_clusters)[:, 0]


def by_size(labels: np.ndarray) -> np.ndarray:
    """Renumber clusters by size, the largest first; ties by their first image."""
    _, first, codes, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(counts), dtype=int)
    rank[np.lexsort((first, -counts))] = np.arange(len(counts))
    return rank[codes]
