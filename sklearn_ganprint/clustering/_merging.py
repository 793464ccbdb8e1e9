"""Clusters that are cut too small, and merged until each pair can be told apart."""

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

#: Shares of a cluster that are kept out in turn of the axis that they are projected on.
N_FOLDS = 5

#: Share of the mean variance in a covariance that is estimated on few images.
SHRINKAGE = 0.1


def over_cut(points: np.ndarray, n_clusters: int) -> np.ndarray:
    """Cut Ward's tree into clusters that are meant to be too small."""
    return fcluster(linkage(points, "ward"), n_clusters, "maxclust") - 1


def separability(first: np.ndarray, second: np.ndarray) -> float:
    """Tell how far apart two clusters are along their own discriminant axis.

    Parameters
    ----------
    first, second : ndarray of shape (n_a, n_components) and (n_b, n_components)
        Members of the clusters.

    Returns
    -------
    float
        The difference of the means in pooled standard deviations (d'), of members projected on
        axes that were found without them. 0 if a cluster has fewer than two members.
    """
    if min(len(first), len(second)) < 2:
        return 0.0
    folds = [np.arange(len(each)) % N_FOLDS for each in (first, second)]
    projected = [np.empty(len(each)) for each in (first, second)]
    for fold in range(max(map(max, folds)) + 1):
        axis, centre = discriminant_axis(first[folds[0] != fold], second[folds[1] != fold])
        for out, rows, own in zip(projected, (first, second), folds, strict=True):
            out[own == fold] = rows[own == fold] @ axis - centre
    variance = np.average([out.var() for out in projected], weights=[len(first), len(second)])
    return float((projected[1].mean() - projected[0].mean()) / (np.sqrt(variance) + 1e-12))


def discriminant_axis(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, float]:
    """Axis with unit variance within two clusters, and where their midpoint is on it."""
    means = first.mean(axis=0), second.mean(axis=0)
    covariance = shrunk(np.concatenate([first - means[0], second - means[1]]), n_means=2)
    axis = np.linalg.solve(covariance, means[1] - means[0])
    axis /= np.sqrt(axis @ covariance @ axis) + 1e-12
    return axis, float(axis @ (means[0] + means[1]) / 2)


def shrunk(centred: np.ndarray, n_means: int) -> np.ndarray:
    """Covariance of centred rows, and a share of its mean variance along each axis."""
    covariance = centred.T @ centred / max(1, len(centred) - n_means)
    mean = np.trace(covariance) / len(covariance)
    covariance.flat[:: len(covariance) + 1] += SHRINKAGE * mean + 1e-9
    return covariance


def merge_clusters(
    points: np.ndarray, labels: np.ndarray, min_separation: float, n_clusters: int | None
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
    labels = labels.copy()
    ids = np.unique(labels).tolist()

    def distance(a: int, b: int) -> float:
        return separability(points[labels == a], points[labels == b])

    pairs = {(a, b): distance(a, b) for a in ids for b in ids if a < b}
    while pairs:
        (a, b), nearest = min(pairs.items(), key=lambda item: item[1])
        done = nearest >= min_separation if n_clusters is None else len(ids) <= n_clusters
        if done:
            break
        labels[labels == b] = a
        ids.remove(b)
        pairs = {pair: value for pair, value in pairs.items() if not {a, b} & set(pair)}
        pairs |= {(min(a, c), max(a, c)): distance(min(a, c), max(a, c)) for c in ids if c != a}
    return labels


def reassign(points: np.ndarray, labels: np.ndarray, n_rounds: int = 5) -> np.ndarray:
    """Give each image to the cluster whose mean is nearest, in their pooled covariance."""
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
    return np.linalg.inv(np.linalg.cholesky(shrunk(centred, n_means))).T


def squared_distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances ``(n, n_centres)``."""
    return np.stack([np.square(points - centre).sum(axis=1) for centre in centres], axis=1)
