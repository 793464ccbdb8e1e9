"""Found clusters as a rule that any image can be assigned by."""

from typing import NamedTuple

import numpy as np

from sklearn_ganprint.clustering._consensus import cluster_points
from sklearn_ganprint.clustering._merging import cluster_means, sphering, squared_distances
from sklearn_ganprint.clustering._whitening import Axes, whitened_axes

#: Components that images are assigned on.
N_COMPONENTS = 16

#: An image fits nowhere if its squared distance to the nearest cluster is so many times the median
#: of that cluster. Half a percent of the images that belong to one are farther.
MAX_RATIO = 7.0

#: A cluster is taken for no tighter than this share of the median over all, since that of a few
#: images is.
MIN_SHARE = 0.5

#: Label of what fits nowhere.
NOWHERE = -1


class Assignment(NamedTuple):
    """Nearest centre on discriminant axes, where one is near enough."""

    axes: Axes
    centers: np.ndarray
    max_distances: np.ndarray

    def labels(self, features: np.ndarray) -> np.ndarray:
        """Give the cluster of each image, -1 for what fits nowhere."""
        distances = squared_distances(self.axes.apply(features), self.centers)
        nearest = distances.argmin(axis=1)
        nearest[distances.min(axis=1) > self.max_distances[nearest] ** 2] = NOWHERE
        return nearest


def fit_assignment(axes: Axes, features: np.ndarray, codes: np.ndarray) -> Assignment:
    """Fit a rule to clusters.

    Parameters
    ----------
    axes : Axes
        Whitened axes of the features.

    features : ndarray of shape (n, n_features)
        Features of whole images.

    codes : ndarray of int, shape (n,)
        Cluster of each image: 0, 1, 2 and so on.

    Returns
    -------
    Assignment
        The rule. Axes have unit covariance within clusters. A cluster whose images all lie nearer
        to others is left out.
    """
    used = Axes(axes.mean, axes.matrix[:, :N_COMPONENTS])
    points = used.apply(features)
    means = cluster_means(points, codes)
    root = sphering(points - means[codes], len(means))
    distances = squared_distances(points @ root, means @ root)
    kept, nearest = np.unique(distances.argmin(axis=1), return_inverse=True)
    own = distances.min(axis=1)
    median = np.array([np.median(own[nearest == code]) for code in range(len(kept))])
    radii = np.sqrt(MAX_RATIO * np.maximum(median, MIN_SHARE * np.median(own)))
    return Assignment(Axes(used.mean, used.matrix @ root), (means @ root)[kept], radii)


def cluster_parts(
    parts: np.ndarray, min_separation: float = 3.0, n_clusters: int | None = None
) -> Assignment:
    """Cluster features: whiten, cut and merge several times, agree, and make a rule of it.

    Parameters
    ----------
    parts : ndarray of shape (n, n_parts, n_features)
        What :func:`part_spectra` gives.

    min_separation : float, default=3.0
        See :class:`FingerprintClustering`.

    n_clusters : int, default=None
        Number of clusters, if it is known.

    Returns
    -------
    Assignment
        The rule, which gives labels of these images and of others.
    """
    axes = whitened_axes(parts)
    codes = cluster_points(axes.apply(parts[:, 0]), min_separation, n_clusters)
    return fit_assignment(axes, parts[:, 0], codes)
