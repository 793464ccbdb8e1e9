"""An estimator that finds which residuals come from one source, without labels."""

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, pdist
from scipy.stats import norm
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint._batches import Batches, row_chunks
from sklearn_ganprint._compat import fit_context
from sklearn_ganprint._images import (
    CHANNELS_AND_INTENSITY,
    ImageInputMixin,
    ImageShape,
    without_intensity,
)
from sklearn_ganprint.clustering import _merging
from sklearn_ganprint.clustering._merging import Axes, whitened_axes
from sklearn_ganprint.features._spectrum import part_spectra
from sklearn_ganprint.features._texture import (
    N_IMAGE_TEXTURES,
    N_RESIDUAL_TEXTURES,
    part_textures,
)
from sklearn_ganprint.open_set import SourceFamilies
from sklearn_ganprint.residuals._blanks import zero_rows

__all__ = ["FingerprintClustering", "cluster_parts", "part_spectra", "part_textures"]

#: Components on which images are assigned.
N_COMPONENTS = 16

#: An image is an outlier if its squared distance to the nearest cluster exceeds the median of that
#: cluster by this factor. Half a percent of the images of a cluster are farther.
MAX_RATIO = 7.0

#: Lower limit of the median of a cluster, as a share of the median over all images: the median of
#: a few images is too small.
MIN_SHARE = 0.5

#: Lower limit of the radius of a cluster, as a share of the distance of images from their mean: one
#: image, or copies of one, would have a radius of rounding errors.
MIN_RADIUS = 0.02

#: Images whose features differ by less than this share are copies: rounding makes a tenth of it,
#: another value of one pixel tens of it. Number of projections that are compared.
COPY_SHARE, N_PROJECTIONS = 1e-4, 8

#: Clusters that are confused in more than this share are a family: those less than 5 apart.
MAX_CONFUSION = float(norm.sf(5 / 2))

#: Label of outliers.
NOWHERE = -1

#: Label of images that are not assigned yet.
UNSEEN = -2

#: Residuals that are copied out of a batch at a time.
CHUNK_SIZE = 64


class Assignment(NamedTuple):
    """Assigns images to the nearest centre on discriminant axes, unless all are too far."""

    axes: Axes
    centers: np.ndarray
    max_distances: np.ndarray
    separations: np.ndarray = np.empty((0, 0))  # of each two clusters, where they were measured

    def labels(self, features: np.ndarray) -> np.ndarray:
        """Return the cluster of each image, -1 for outliers."""
        distances = cdist(self.axes.apply(features), self.centers)
        nearest = distances.argmin(axis=1)
        nearest[distances.min(axis=1) > self.max_distances[nearest]] = NOWHERE
        return nearest


class FingerprintClustering(ImageInputMixin, ClusterMixin, BaseEstimator):
    """Find which residuals come from one source, and how many sources there are.

    Parameters
    ----------
    n_clusters : int, default=None
        Number of clusters. None estimates it. If there are fewer distinct images, each is a
        cluster, with a :class:`~sklearn.exceptions.ConvergenceWarning`.
    image_shape : tuple of int, default=None
        ``(H, W)`` or ``(H, W, C)`` of the residuals when they come as rows. Without it rows are
        taken as images of one line, with a warning.
    min_separation : float, default=3.0
        Clusters are merged until each pair is separated by at least this many standard deviations,
        less two standard errors, on its discriminant axis, in images that the axis was not found
        on. The halves of one normal cluster are 2.65 apart. Not used if `n_clusters` is given.
    max_samples : int, default=5000
        Of more residuals than this a random sample is clustered; the others are then assigned as
        in ``predict``. Memory and time grow with the square of the sample.
    random_state : int, RandomState instance or None, default=None
        Draws the sample. Nothing else is random.
    n_jobs : int, default=None
        Number of threads that compute features; None is 1 unless in a
        :func:`joblib.parallel_config` context.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n,)
        Cluster of each residual, the largest cluster of the sample first; -1 for outliers, such
        as residuals of zeros.
    n_clusters_ : int
        Number of clusters.
    fingerprints_ : ndarray of shape (n_clusters, n_pixels)
        Mean residual of each cluster, without intensity. Copies among those that are clustered
        count as one image.
    fingerprint_shape_ : tuple of int
        ``(H, W, C)`` of a fingerprint: of the residuals, less the channel of intensity.
    cluster_centers_ : ndarray of shape (n_clusters, n_components)
        Centres of the clusters on discriminant axes of unit variance within clusters.
    max_distances_ : ndarray of shape (n_clusters,)
        Distance from the nearest centre beyond which a residual is an outlier.
    separations_ : ndarray of shape (n_clusters, n_clusters)
        Separation of each two clusters, as `min_separation` counts it; 0 on the diagonal.
    families_ : SourceFamilies
        Families of clusters that are close to each other.
    feature_mean_ : ndarray of shape (n_spectra_and_textures,)
        Mean of the features, which is subtracted first.
    components_ : ndarray of shape (n_components, n_spectra_and_textures)
        The discriminant axes.
    image_shape_ : tuple of int
        ``(H, W, C)`` of the residuals.
    n_features_in_ : int
        Number of values of a residual.
    feature_names_in_ : ndarray of str
        Names of the columns, if the residuals came as a data frame.

    See Also
    --------
    FileBatchEstimator : Clusters image files, in bounded memory.
    FingerprintClassifier : Attributes images when the sources are known.

    Notes
    -----
    Features are power spectra and coherences of channels, and how often values follow each other,
    of each residual and of its quarters, see :func:`~sklearn_ganprint.clustering.part_spectra` and
    :func:`~sklearn_ganprint.clustering.part_textures`. Differences between quarters of one image
    are no trace of its source, so their scatter whitens the features without labels, and so does
    the scatter of the nearest images. Ward's method then cuts too many clusters, which are merged
    until all pairs are separable. This is done with several numbers of components. Images that
    share a cluster in half of the results or more form the consensus, which is merged once more.

    With ``ResidualTransformer(intensity=True)`` the luminance of the images comes along, the last
    of 2 or 4 channels, and its texture is a feature as well: more sources are told apart in images
    that were compressed again.

    Residuals in colour hold more information than their luminance, and large ones more than small
    ones. Residuals with a side of less than 16 pixels, and rows without `image_shape`, are
    clustered by their values. Sources with fewer than about 10 images are not found, and the number
    of sources is not estimated from fewer than 10 images.

    Copies of an image count as one image, and share a cluster.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.clustering import FingerprintClustering
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=(60, 64, 64))
    >>> noise[::2] += np.roll(noise[::2], 1, axis=2)  # half of them are smooth
    >>> clustering = FingerprintClustering().fit(noise)
    >>> clustering.n_clusters_
    2
    >>> clustering.labels_[:6]
    array([0, 1, 0, 1, 0, 1])
    """

    _takes_residuals: ClassVar[bool] = True
    _n_channels: ClassVar[Sequence[int]] = CHANNELS_AND_INTENSITY

    image_shape_: ImageShape

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "image_shape": ["array-like", None],
        "min_separation": [Interval(Real, 0, None, closed="neither")],
        "max_samples": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        n_clusters: int | None = None,
        *,
        image_shape: Sequence[int] | None = None,
        min_separation: float = 3.0,
        max_samples: int = 5000,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.image_shape = image_shape
        self.min_separation = min_separation
        self.max_samples = max_samples
        self.random_state = random_state
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Cluster residuals.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals, or residuals as rows. The last of 2 or 4 channels is intensity.
        y : None
            Ignored.

        Returns
        -------
        FingerprintClustering
            The fitted clustering.

        Raises
        ------
        ValueError
            If there are fewer residuals than `n_clusters`, or some are not finite.
        """
        images = self._validate_images(X, reset=True)
        return self._fit(Batches(images))

    def fit_batches(self, batches: Batches, y: Any = None) -> Self:
        """Cluster batches of residuals that need not be in memory.

        Parameters
        ----------
        batches : Batches
            The residuals.
        y : None
            Ignored.

        Returns
        -------
        FingerprintClustering
            The fitted clustering. Residuals of files that could not be read have label -1.
        """
        self._validate_params()
        self._validate_images(batches.first, reset=True)
        return self._fit(batches)

    def _fit(self, batches: Batches) -> Self:
        n, shape = len(batches), self.image_shape_
        found = batches.map(chosen_features, shape, self.n_jobs, rows=(self._sample(n),))
        features, positions = self._gather(found)
        textures = 0 if features.shape[1] == 1 else number_of_textures(shape[2])
        distinct = distinct_images(features, textures)
        rule = cluster_distinct(
            features, distinct, self.min_separation, self.n_clusters, n_textures=textures
        )
        self.n_clusters_ = len(rule.centers)
        self.cluster_centers_, self.max_distances_ = rule.centers, rule.max_distances
        self.separations_ = rule.separations
        self.feature_mean_, self.components_ = rule.axes.mean, rule.axes.matrix.T
        labels, counted = np.full(n, UNSEEN), np.ones(n, dtype=bool)
        labels[positions] = rule.labels(features[:, 0])
        counted[positions] = False
        counted[positions[distinct.first]] = True
        assigned, sums = batches.reduce(
            assign_and_sum, np.add, shape, rule, self.n_jobs, rows=(labels, counted)
        )
        self.labels_ = np.full(n, NOWHERE)
        for positions, codes in assigned:
            self.labels_[positions] = codes
        counts = np.bincount(self.labels_[counted & (self.labels_ >= 0)], minlength=len(sums))
        means = sums / np.maximum(counts, 1)[:, np.newaxis]
        self.fingerprints_ = means.astype(features.dtype)
        return self

    def _sample(self, n: int) -> np.ndarray:
        """Return which residuals are clustered."""
        if self.n_clusters is not None and n < self.n_clusters:
            raise ValueError(f"n_samples={n} should be >= n_clusters={self.n_clusters}.")
        chosen = np.ones(n, dtype=bool)
        if n > self.max_samples:
            random_state = check_random_state(self.random_state)
            chosen[random_state.permutation(n)[self.max_samples :]] = False
        return chosen

    def _gather(self, found: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the features of the chosen residuals, and their positions."""
        parts = [(kept[chosen], values) for kept, (chosen, values) in found]
        positions, features = zip(*parts, strict=True)
        if not sum(map(len, features)):
            raise ValueError("No residual can be clustered: all of them are 0.")
        together = features[0] if len(features) == 1 else np.concatenate(features)
        return together, np.concatenate(positions)

    @property
    def fingerprint_shape_(self) -> ImageShape:
        """Shape ``(H, W, C)`` of a fingerprint: of the residuals, less the channel of intensity."""
        height, width, n_channels = self.image_shape_
        return height, width, without_intensity(n_channels)

    @property
    def families_(self) -> SourceFamilies:
        """Families of clusters that are close, which may be one source, or relatives.

        The share in which two clusters are confused is that of two normal ones so far apart.
        Clusters that are less than 5 standard deviations apart are joined. Models that were saved
        without `separations_` have none.
        """
        shares = norm.sf(self.separations_ / 2)
        return SourceFamilies.from_confusion(
            shares, range(self.n_clusters_), max_confusion=MAX_CONFUSION
        )

    def predict(self, X: Any) -> np.ndarray:
        """Assign residuals to the clusters found.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals, or residuals as rows.

        Returns
        -------
        ndarray of int, shape (n,)
            The nearest cluster by the spectrum; -1 if none is near. Residuals that were fitted
            on get their label.
        """
        check_is_fitted(self)
        images = self._validate_images(X, reset=False)
        axes = Axes(self.feature_mean_, self.components_.T)
        rule = Assignment(axes, self.cluster_centers_, self.max_distances_)
        return assign(images, np.full(len(images), UNSEEN), rule, self.n_jobs)


def chosen_features(
    residuals: np.ndarray, chosen: np.ndarray, shape: ImageShape, n_jobs: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return which residuals of a batch are chosen and not 0, and their features.

    No copy is made if all are.
    """
    images = np.asarray(residuals).reshape(len(residuals), *shape)
    chosen = chosen & ~lacking(images)
    if chosen.all():
        return chosen, part_features(images, n_jobs)
    positions = np.flatnonzero(chosen)
    if not len(positions):
        return chosen, part_features(np.zeros((1, *shape), images.dtype))[:0]
    parts = np.array_split(positions, -(-len(positions) // CHUNK_SIZE))
    return chosen, np.concatenate([part_features(images[part], n_jobs) for part in parts])


def part_features(images: np.ndarray, n_jobs: int | None = None) -> np.ndarray:
    """Return spectra and textures of residuals and their quarters, one behind the other."""
    spectra, textures = part_spectra(images, n_jobs), part_textures(images, n_jobs)
    if not textures.shape[2]:  # the residuals themselves, of which no copy is made
        return spectra
    return np.concatenate([spectra, textures], axis=2, dtype=spectra.dtype)


def lacking(images: np.ndarray) -> np.ndarray:
    """Mask the images whose residual is zero throughout, whatever their intensity."""
    residuals = images[..., : without_intensity(images.shape[3])]
    zero = zero_rows(residuals[:, 0])  # the first line of pixels rules out nearly all of them
    zero[zero] = zero_rows(residuals[zero])
    return zero


def number_of_textures(n_channels: int) -> int:
    """Return how many textures there are of residuals with so many channels."""
    with_image = without_intensity(n_channels) < n_channels
    return N_RESIDUAL_TEXTURES + N_IMAGE_TEXTURES * with_image


def assign(
    images: np.ndarray, labels: np.ndarray, rule: Assignment, n_jobs: int | None
) -> np.ndarray:
    """Return labels of images, some of which have theirs already; zero residuals are outliers."""
    labels = np.where((labels == UNSEEN) & lacking(images), NOWHERE, labels)
    unseen = np.flatnonzero(labels == UNSEEN)
    for start in range(0, len(unseen), CHUNK_SIZE):
        part = unseen[start : start + CHUNK_SIZE]
        labels[part] = rule.labels(part_features(images[part], n_jobs)[:, 0])
    return labels


def assign_and_sum(
    residuals: np.ndarray,
    labels: np.ndarray,
    counted: np.ndarray,
    shape: ImageShape,
    rule: Assignment,
    n_jobs: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of a batch of residuals, and sums ``(n_clusters, n_pixels)`` by cluster.

    Sums are in double precision, of a few residuals at a time: no copy of all is made. Residuals
    that are not `counted` are in no sum.
    """
    images = np.asarray(residuals).reshape(len(residuals), *shape)
    labels = assign(images, labels, rule, n_jobs)
    images = images[..., : without_intensity(shape[2])]
    sums = np.zeros((len(rule.centers), images[0].size))
    for chunk in row_chunks(len(images), images[0].size):
        members = (labels[chunk] == np.arange(len(sums))[:, np.newaxis]) & counted[chunk]
        present = members.any(axis=1)
        rows = images[chunk].reshape(-1, images[0].size)
        sums[present] += members[present].astype(rows.dtype) @ rows
    return np.where(labels == UNSEEN, NOWHERE, labels), sums


def fit_assignment(axes: Axes, features: np.ndarray, codes: np.ndarray) -> Assignment:
    """Return the assignment of features of whole images to clusters 0, 1, 2 and so on.

    Its axes have unit covariance within clusters. A cluster whose images all lie nearer to others
    is left out.
    """
    used = Axes(axes.mean, axes.matrix[:, :N_COMPONENTS])
    points = used.apply(features)
    means = _merging.cluster_means(points, codes)
    root = _merging.sphering(points - means[codes], len(means))
    points, means = points @ root, means @ root
    distances = cdist(points, means, "sqeuclidean")
    kept, nearest = np.unique(distances.argmin(axis=1), return_inverse=True)
    own = distances.min(axis=1)
    median = np.array([np.median(own[nearest == code]) for code in range(len(kept))])
    radii = np.sqrt(MAX_RATIO * np.maximum(median, MIN_SHARE * np.median(own)))
    least = MIN_RADIUS * np.sqrt(np.square(points).sum(axis=1).mean())
    rule = Axes(used.mean, used.matrix @ root)
    apart = _merging.separations(points, nearest)
    return Assignment(rule, means[kept], np.maximum(radii, least), apart)


def copies_of(features: np.ndarray) -> np.ndarray:
    """Return the number of the distinct image that each image is a copy of, in order.

    Features of copies differ by rounding.
    """
    if len(features) == 1:
        return np.zeros(1, dtype=int)
    directions = np.random.default_rng(0).standard_normal((features.shape[1], N_PROJECTIONS))
    points = features @ directions.astype(features.dtype)
    distance = COPY_SHARE * np.sqrt(np.square(points).sum(axis=1).mean())
    labels = fcluster(linkage(pdist(points), "single"), distance, "distance")
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    return first.argsort().argsort()[codes]


class DistinctImages(NamedTuple):
    """Images that are no copies of each other."""

    first: np.ndarray  # positions of the first copy of each
    copy_of: np.ndarray  # which of these each image is a copy of


def distinct_images(parts: np.ndarray, n_textures: int) -> DistinctImages:
    """Find the images that are no copies of each other."""
    # Rounding moves counts, and so textures of copies, farther apart than spectra.
    spectra = parts[:, 0, : parts.shape[2] - n_textures]
    found = np.unique(copies_of(spectra), return_index=True, return_inverse=True)
    return DistinctImages(*found[1:])


def cluster_parts(
    parts: np.ndarray,
    min_separation: float = 3.0,
    n_clusters: int | None = None,
    *,
    n_textures: int = 0,
) -> Assignment:
    """Cluster features, and return the rule that assigns images to the clusters.

    Features are whitened, and cut and merged several times; the rule is fitted to the consensus.
    One copy of each image is used: distances of zero would count as scatter within sources, and
    many copies as a source.

    Parameters
    ----------
    parts : ndarray of shape (n, n_parts, n_features)
        Result of :func:`part_spectra`, and behind it that of :func:`part_textures` if there are
        textures.
    min_separation : float, default=3.0
        See :class:`FingerprintClustering`.
    n_clusters : int, default=None
        Number of clusters, if it is known. If there are fewer distinct images, each is a cluster,
        with a warning.
    n_textures : int, default=0
        Number of textures: 162, with those of the images 1336, or 0.

    Returns
    -------
    Assignment
        The rule, whose ``labels`` assigns these images and others.
    """
    distinct = distinct_images(parts, n_textures)
    return cluster_distinct(parts, distinct, min_separation, n_clusters, n_textures=n_textures)


def cluster_distinct(
    parts: np.ndarray,
    images: DistinctImages,
    min_separation: float,
    n_clusters: int | None,
    *,
    n_textures: int,
) -> Assignment:
    """Do what :func:`cluster_parts` does, where it is known which images are copies."""
    first, copy_of = images
    if n_clusters is not None and n_clusters > len(first):
        warnings.warn(
            f"n_clusters={n_clusters} is more than there are distinct images: {len(first)} of "
            f"{len(parts)}, the others are copies. Each of the {len(first)} is a cluster.",
            ConvergenceWarning,
            stacklevel=2,
        )
        n_clusters = len(first)
    distinct = parts if len(first) == len(parts) else parts[first]
    axes = whitened_axes(distinct, n_textures)
    codes = _merging.cluster_points(axes.apply(distinct[:, 0]), min_separation, n_clusters)
    codes = _merging.by_size(codes[copy_of])[first]
    return fit_assignment(axes, distinct[:, 0], codes)
