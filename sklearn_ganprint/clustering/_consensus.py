"""Many clusterings of the same images, and the one that they agree on."""

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import cut_tree, fcluster, linkage
from scipy.spatial.distance import squareform

from sklearn_ganprint.clustering._merging import cut_ward, merge_clusters, reassign

#: Numbers of components, and images in a cluster of the first cut: a clustering for each pair.
N_COMPONENTS = (8, 10, 13, 16)
CUT_SIZES = (10, 14)

#: Fewest and most clusters of the first cut.
CUT_LIMITS = (6, 40)


def cluster_points(
    points: np.ndarray, min_separation: float, n_clusters: int | None = None
) -> np.ndarray:
    """Cluster images several times, and return what the clusterings agree on.

    Parameters
    ----------
    points : ndarray of shape (n, n_components)
        Images on whitened axes, the one that tells most first.

    min_separation : float
        See :func:`merge_clusters`.

    n_clusters : int or None
        Number of clusters, if it is known.

    Returns
    -------
    ndarray of int, shape (n,)
        Clusters, numbered from the greatest.
    """
    if len(points) == 1 or n_clusters == 1:
        return np.zeros(len(points), dtype=int)
    partitions = []
    for n_components in sorted({min(each, points.shape[1]) for each in N_COMPONENTS}):
        used = points[:, :n_components]
        for size in CUT_SIZES:
            n_cut = int(np.clip(len(points) // size, *CUT_LIMITS))
            labels = cut_ward(used, min(len(points), max(n_cut, 2 * (n_clusters or 0))))
            labels = merge_clusters(used, labels, min_separation, n_clusters)
            partitions.append(reassign(used, labels))
    last = points[:, : max(N_COMPONENTS)]
    labels = merge_clusters(last, agree(partitions, n_clusters), min_separation, n_clusters)
    return by_size(reassign(last, labels))


def agree(partitions: Sequence[np.ndarray], n_clusters: int | None = None) -> np.ndarray:
    """Put together what at least half of the partitions put together, on average."""
    n = len(partitions[0])
    apart = np.zeros((n, n), dtype=np.float32)
    for labels in partitions:
        apart += labels[:, np.newaxis] != labels
    tree = linkage(squareform(apart / len(partitions), checks=False), "average")
    if n_clusters is None:
        return fcluster(tree, 0.5, "distance")
    return cut_tree(tree, n_clusters)[:, 0]


def by_size(labels: np.ndarray) -> np.ndarray:
    """Renumber clusters, the greatest first; of two of one size the one that begins first."""
    _, first, codes, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(counts), dtype=int)
    rank[np.lexsort((first, -counts))] = np.arange(len(counts))
    return rank[codes]
