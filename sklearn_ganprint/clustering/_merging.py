"""Clusters that are cut too small, and merged until each pair can be told apart."""

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from sklearn_ganprint.clustering._separability import ClusterSums, separability, shrink


def cut_ward(points: np.ndarray, n_clusters: int) -> np.ndarray:
    """Cut Ward's tree into clusters that are meant to be too small."""
    return fcluster(linkage(points, "ward"), n_clusters, "maxclust") - 1


def merge_clusters(
    points: np.ndarray, labels: np.ndarray, min_separation: float, n_clusters: int | None = None
) -> np.ndarray:
    """Merge the least separable pair of clusters, again and again.

    Parameters
    ----------
    points : ndarray of shape (n, n_components)
        The images.

    labels : ndarray of int, shape (n,)
        Cluster of each.

    min_separation : float
        Pairs that are at least so far apart stay apart.

    n_clusters : int or None
        Merge down to so many clusters, however far apart they are.

    Returns
    -------
    ndarray of int, shape (n,)
        Clusters after merging.
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
    """Pair the smaller of two clusters, one of which is too small, with the nearest mean."""
    counts = clusters.counts.sum(axis=1)
    small = a if counts[a] < counts[b] else b
    means = clusters.sums.sum(axis=1) / np.maximum(counts, 1)[:, np.newaxis]
    distances = np.square(means - means[small]).sum(axis=1)
    distances[counts == 0] = np.inf
    distances[small] = np.inf
    nearest = int(distances.argmin())
    return min(nearest, small), max(nearest, small)


def _update(apart: np.ndarray, clusters: ClusterSums, changed: int) -> None:
    """Measure a cluster that has grown against all others."""
    others = np.flatnonzero(clusters.counts.sum(axis=1))
    others = others[others != changed]
    low, high = np.minimum(others, changed), np.maximum(others, changed)
    apart[low, high] = separability(clusters.take(low), clusters.take(high))


def reassign(points: np.ndarray, labels: np.ndarray, n_rounds: int = 5) -> np.ndarray:
    """Give each image to the cluster whose mean is nearest, in their pooled covariance.

    Clusters stay as many as they are: rounds end before one loses its last image.
    """
    for _ in range(n_rounds):
        ids, codes = np.unique(labels, return_inverse=True)
        means = cluster_means(points, codes)
        root = sphering(points - means[codes], len(ids))
        nearest = ids[squared_distances(points @ root, means @ root).argmin(axis=1)]
        if len(np.unique(nearest)) < len(ids) or (nearest == labels).all():
            break
        labels = nearest
    return labels


def cluster_means(points: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Means of clusters 0, 1, 2 and so on."""
    return np.stack([points[codes == code].mean(axis=0) for code in range(codes.max() + 1)])


def sphering(centred: np.ndarray, n_means: int) -> np.ndarray:
    """Matrix that gives centred rows unit covariance."""
    covariance = shrink(centred.T @ centred / max(1, len(centred) - n_means))
    return np.linalg.inv(np.linalg.cholesky(covariance)).T


def squared_distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances ``(n, n_centres)``."""
    return np.stack([np.square(points - centre).sum(axis=1) for centre in centres], axis=1)
