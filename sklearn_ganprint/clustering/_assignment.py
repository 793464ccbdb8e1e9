"""Found clusters as a rule that any image can be assigned by."""

from typing import NamedTuple

import numpy as np

from sklearn_ganprint.clustering._merging import cluster_means, sphering, squared_distances
from sklearn_ganprint.clustering._whitening import Axes

#: Components that images are assigned on.
N_COMPONENTS = 16

#: An image fits nowhere if its squared distance to the nearest cluster is so many times the median.
MAX_RATIO = 6.0

#: Label of what fits nowhere.
NOWHERE = -1


class Assignment(NamedTuple):
    """Nearest centre on discriminant axes, where one is near enough."""

    axes: Axes
    centers: np.ndarray
    max_distance: float

    def labels(self, features: np.ndarray) -> np.ndarray:
        """Give the cluster of each image, -1 for what fits nowhere."""
        distances = squared_distances(self.axes.apply(features), self.centers)
        nearest = distances.argmin(axis=1)
        nearest[distances.min(axis=1) > self.max_distance**2] = NOWHERE
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
        The rule. Axes have unit covariance within clusters.
    """
    used = Axes(axes.mean, axes.matrix[:, :N_COMPONENTS])
    points = used.apply(features)
    means = cluster_means(points, codes)
    root = sphering(points - means[codes], len(means))
    distances = squared_distances(points @ root, means @ root).min(axis=1)
    radius = float(np.sqrt(MAX_RATIO * np.median(distances)))
    rule = Assignment(Axes(used.mean, used.matrix @ root), means @ root, radius)
    labels = rule.labels(features)
    # A cluster whose images all lie nearer to others is none.
    return rule._replace(centers=rule.centers[np.unique(labels[labels >= 0])])
