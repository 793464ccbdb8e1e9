"""Found clusters as a rule that any image can be assigned by."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist
from sklearn.exceptions import ConvergenceWarning

from sklearn_ganprint.clustering._merging import (
    by_size,
    cluster_means,
    cluster_points,
    sphering,
    squared_distances,
)
from sklearn_ganprint.clustering._whitening import Axes, whitened_axes

#: Components that images are assigned on.
N_COMPONENTS = 16

#: An image fits nowhere if its squared distance to the nearest cluster is so many times the median
#: of that cluster. Half a percent of the images that belong to one are farther.
MAX_RATIO = 7.0

#: A cluster is taken for no tighter than this share of the median over all, since that of a few
#: images is.
MIN_SHARE = 0.5

#: No cluster is taken for tighter than this share of the distance of images from their mean: a
#: cluster of one image, or of copies of one, would be as tight as rounding.
MIN_RADIUS = 0.02

#: Images whose features differ by less than this share are copies. Rounding makes differences of
#: a tenth of it, one pixel of another value makes tens of it. Projections that this is seen in.
COPY_SHARE, N_PROJECTIONS = 1e-4, 8

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
    points, means = points @ root, means @ root
    distances = squared_distances(points, means)
    kept, nearest = np.unique(distances.argmin(axis=1), return_inverse=True)
    own = distances.min(axis=1)
    median = np.array([np.median(own[nearest == code]) for code in range(len(kept))])
    radii = np.sqrt(MAX_RATIO * np.maximum(median, MIN_SHARE * np.median(own)))
    least = MIN_RADIUS * np.sqrt(np.square(points).sum(axis=1).mean())
    rule = Axes(used.mean, used.matrix @ root)
    return Assignment(rule, means[kept], np.maximum(radii, least))


def copies_of(features: np.ndarray) -> np.ndarray:
    """Give the same number to copies of an image.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        Features of whole images, of which copies differ by rounding.

    Returns
    -------
    ndarray of int, shape (n,)
        0, 1, 2 and so on as they come: which of the distinct images each is.
    """
    if len(features) == 1:
        return np.zeros(1, dtype=int)
    directions = np.random.default_rng(0).standard_normal((features.shape[1], N_PROJECTIONS))
    points = features @ directions.astype(features.dtype)
    distance = COPY_SHARE * np.sqrt(np.square(points).sum(axis=1).mean())
    labels = fcluster(linkage(pdist(points), "single"), distance, "distance")
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    return first.argsort().argsort()[codes]


def cluster_parts(
    parts: np.ndarray, min_separation: float = 3.0, n_clusters: int | None = None
) -> Assignment:
    """Cluster features: whiten, cut and merge several times, agree, and make a rule of it.

    Of copies of an image one is used: distances of zero would be taken for the scatter within
    sources, and many copies for a source.

    Parameters
    ----------
    parts : ndarray of shape (n, n_parts, n_features)
        What :func:`part_spectra` gives.

    min_separation : float, default=3.0
        See :class:`FingerprintClustering`.

    n_clusters : int, default=None
        Number of clusters, if it is known. Of fewer distinct images there are as many, with a
        warning.

    Returns
    -------
    Assignment
        The rule, which gives labels of these images and of others.
    """
    _, first, copy_of = np.unique(copies_of(parts[:, 0]), return_index=True, return_inverse=True)
    if n_clusters is not None and n_clusters > len(first):
        warnings.warn(
            f"n_clusters={n_clusters} is more than there are distinct images: {len(first)} of "
            f"{len(parts)}, the others are copies. Each of the {len(first)} is a cluster.",
            ConvergenceWarning,
            stacklevel=2,
        )
        n_clusters = len(first)
    distinct = parts if len(first) == len(parts) else parts[first]
    axes = whitened_axes(distinct)
    codes = cluster_points(axes.apply(distinct[:, 0]), min_separation, n_clusters)
    codes = by_size(codes[copy_of])[first]
    return fit_assignment(axes, distinct[:, 0], codes)
