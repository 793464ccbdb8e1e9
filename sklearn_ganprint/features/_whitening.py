"""The transformer that whitens features by how they scatter within simulated sources."""

import threading
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import joblib
import numpy as np
from scipy.linalg import eigh, svd
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.utils import check_array
from sklearn.utils._param_validation import HasMethods, Interval

from sklearn_ganprint._batches import (
    learns_nothing,
    lock_while_forking,
    takes_any_size,
    thread_map,
)
from sklearn_ganprint._images import LUMINANCE_WEIGHTS, ImageShape
from sklearn_ganprint.features._base import ResidualFeatures, apply_anew
from sklearn_ganprint.perturbations import RandomHistory, SimulatedSource
from sklearn_ganprint.residuals._blanks import BlankTeller

__all__ = ["WithinSourceWhitening"]

#: Share of a multiple of the identity in the scatter within sources.
SHRINKAGE = 0.1

#: Standard deviations that features are squashed to, as few of them are far out in each image.
SQUASH = 2.0

#: Components that are shorter than this share of the longest one are rounding.
RANK_SHARE = 1e-5


class Metric(NamedTuple):
    """What is learned of features."""

    mean: np.ndarray  # (n_features,)
    scale: np.ndarray  # (n_features,)
    center: np.ndarray  # (n_features,), of the squashed features
    components: np.ndarray  # (d, n_features), orthonormal rows
    whitening: np.ndarray  # (d, d), symmetric


#: What was learned last, by a digest of what it was learned from: it takes seconds, and folds and
#: clones learn the same.
_KEPT: dict[str, Metric] = {}
_MOST_KEPT = 4
_LOCK = threading.Lock()
lock_while_forking(_LOCK)


class WithinSourceWhitening(MetaEstimatorMixin, BlankTeller, ResidualFeatures):
    """Features of images, whitened by how they scatter within sources that are simulated.

    Photos get the traces of sources that are drawn at random, and histories that are. How their
    features scatter within a source, by content and history, is what images of one source differ
    by as well, whichever it is. Directions in which sources scatter much count little. No image at
    hand is learned from, so that the metric is the same for one source of one image as for many.

    Parameters
    ----------
    transformer : transformer
        Makes features of images and learns nothing (``requires_fit=False`` in its tags), such as
        :class:`CorrelationTransformer` or a ``FeatureUnion``.
    photos : array-like of shape (m, H, W) or (m, H, W, C), or object with ``load``
        The photos, 2 or more, in 8-bit grey levels whatever the images are in; or what returns them
        from a method ``load()``, such as :class:`~sklearn_ganprint.datasets.SamplePhotos`. Those in
        colours become grey where images have one channel.
    n_sources : int, default=30
        Number of simulated sources, at the least 2. Features are computed of each photo once for
        each of them, in the first fit.
    n_components : int, default=200
        Number of principal components of the features that are whitened, at the most. What lies
        outside of them is left out.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of images that come as rows; None takes a row as one line, and warns.
    data_range : float, default=255.0
        The value of white in the images.
    n_jobs : int, default=None
        Number of threads; None is 1 unless in a :func:`joblib.parallel_config` context.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (n_features,)
        Mean and standard deviation of the features of the simulated sources.
    center_ : ndarray of shape (n_features,)
        Mean of these features, standardised and squashed.
    components_ : ndarray of shape (d, n_features)
        Their principal components, orthonormal.
    whitening_ : ndarray of shape (d, d)
        Inverse square root of the covariance within sources along the components.
    image_shape_ : tuple of int
        ``(H, W, C)`` of the images of the fit.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of values of an image, and names of the columns of a data frame.

    See Also
    --------
    sklearn_ganprint.perturbations.SimulatedSource : The sources.
    sklearn_ganprint.perturbations.RandomHistory : The histories.
    make_attribution_pipeline : The kind "nearest-mean" compares images by such features.

    Notes
    -----
    Features x become ``z = 2 tanh((x - mean) / (2 scale))``, so that one that is far out counts as
    one that is two deviations out. With principal components V (d, n_features) and the covariance S
    within sources along them, of which a tenth is a multiple of the identity, rows are
    ``(z - center) V^T S^(-1/2) V``. Inner products of two rows are those of within-class covariance
    normalization [1]_. Of all roots the symmetric one keeps values the closest to the features
    whose names they have (ZCA whitening [2]_), though others have a share in each.

    What was learned is kept in memory for the next fits of the process with the same photos and
    the same features of these.

    References
    ----------
    .. [1] A. O. Hatch, S. Kajarekar, A. Stolcke, "Within-class covariance normalization for
       SVM-based speaker recognition", Interspeech 2006.
    .. [2] A. Kessy, A. Lewin, K. Strimmer, "Optimal whitening and decorrelation", The American
       Statistician 72(4), 2018.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import SamplePhotos
    >>> from sklearn_ganprint.features import TextureTransformer, WithinSourceWhitening
    >>> photos = SamplePhotos().load()
    >>> whitening = WithinSourceWhitening(TextureTransformer(), photos[:7], n_sources=4)
    >>> whitening.fit_transform(photos).shape, len(whitening.components_)
    ((28, 1174), 27)
    """

    _takes_residuals: ClassVar[bool] = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ResidualFeatures._parameter_constraints,
        "transformer": [HasMethods(["fit", "transform"])],
        "photos": ["array-like", HasMethods("load")],
        "n_sources": [Interval(Integral, 2, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "data_range": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        transformer: Any,
        photos: Any,
        *,
        n_sources: int = 30,
        n_components: int = 200,
        image_shape: Sequence[int] | None = None,
        data_range: float = 255.0,
        n_jobs: int | None = None,
    ) -> None:
        self.transformer = transformer
        self.photos = photos
        self.n_sources = n_sources
        self.n_components = n_components
        self.image_shape = image_shape
        self.data_range = data_range
        self.n_jobs = n_jobs

    @property
    def _takes_any_size(self) -> bool:
        return takes_any_size(self.transformer)

    def _learn(self, images: np.ndarray, y: Any) -> None:
        super()._learn(images, y)
        if not learns_nothing(self.transformer):
            raise ValueError(
                f"transformer: expected one that learns nothing (requires_fit=False in its tags), "
                f"got {self.transformer!r}. Put steps that learn behind the whitening."
            )
        rows = apply_anew(self.transformer, images[:1])
        metric = self._metric(images.shape[3])
        if rows.shape[1] != len(metric.mean):
            raise ValueError(
                f"transformer: expected {len(metric.mean)} features of an image, as of the "
                f"photos, got {rows.shape[1]}. Take features whose number does not depend on the "
                f"size of images."
            )
        for name, value in metric._asdict().items():
            setattr(self, f"{name}_", value)

    def _names(self, image_shape: ImageShape) -> list[str]:
        inner = clone(self.transformer).fit(np.zeros((1, *image_shape), np.float32))
        return list(inner.get_feature_names_out())

    def _transform_images(self, images: np.ndarray) -> np.ndarray:
        if hasattr(self, "components_"):
            metric = Metric(*(getattr(self, f"{name}_") for name in Metric._fields))
        else:
            metric = self._metric(images.shape[3])
        rows = apply_anew(self.transformer, images)
        z = _squashed(rows, metric.mean, metric.scale) - metric.center
        whitened = z @ metric.components.T @ metric.whitening @ metric.components
        return whitened.astype(rows.dtype, copy=False)

    def _metric(self, n_channels: int) -> Metric:
        """Learn from the photos, with as many channels as images have, or take what was learned."""
        photos = self._photos(n_channels)
        # What it makes of the photos tells a transformer from others, whatever is in it.
        features = apply_anew(self.transformer, self._in_units(photos))
        key = joblib.hash([photos, features, self.n_sources, self.n_components])
        with _LOCK:
            metric = _KEPT.get(key)
        if metric is None:
            metric = self._learned(photos)
            with _LOCK:
                _KEPT[key] = metric
                if len(_KEPT) > _MOST_KEPT:
                    del _KEPT[next(iter(_KEPT))]
        return metric

    def _learned(self, photos: np.ndarray) -> Metric:
        sources = range(self.n_sources)
        rows = thread_map(lambda number: self._of_source(photos, number), sources, self.n_jobs)
        return _learn_metric(np.stack(rows).astype(np.float64), self.n_components)

    def _photos(self, n_channels: int) -> np.ndarray:
        """Return the photos in 8-bit grey levels."""
        photos = self.photos.load() if hasattr(self.photos, "load") else self.photos
        photos = check_array(photos, allow_nd=True, ensure_2d=False)
        photos = photos[..., np.newaxis] if photos.ndim == 3 else photos
        if n_channels == 1 and photos.shape[-1] == 3:
            photos = (photos @ np.array(LUMINANCE_WEIGHTS))[..., np.newaxis]
        if photos.ndim != 4 or len(photos) < 2 or photos.shape[-1] != n_channels:
            raise ValueError(
                f"photos: expected 2 or more with {n_channels} channels, as the images have, got "
                f"an array of shape {photos.shape}."
            )
        if photos.max() <= 1 or photos.min() < 0 or photos.max() > 255:
            raise ValueError(
                f"photos: expected 8-bit grey levels, from 0 to 255, got values from "
                f"{photos.min():.4g} to {photos.max():.4g}."
            )
        return np.rint(photos).astype(np.uint8)

    def _of_source(self, photos: np.ndarray, number: int) -> np.ndarray:
        """Compute the features of all photos with the traces of one source, and histories."""
        for step in (SimulatedSource(number), RandomHistory(random_state=number)):
            photos = step.fit(photos).transform(photos)
        return apply_anew(self.transformer, self._in_units(photos))

    def _in_units(self, photos: np.ndarray) -> np.ndarray:
        """Return photos in units of the images."""
        return photos if self.data_range == 255 else photos * np.float32(self.data_range / 255)


def _squashed(rows: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Standardise features, and bound them smoothly."""
    return SQUASH * np.tanh((rows - mean) / (SQUASH * scale))


def _learn_metric(rows: np.ndarray, n_components: int) -> Metric:
    """Learn from features (n_sources, n_photos, n_features)."""
    mean, scale = rows.mean(axis=(0, 1)), rows.std(axis=(0, 1))
    z = _squashed(rows, mean, scale := np.where(scale > 0, scale, 1.0))
    center = z.mean(axis=(0, 1))
    _, lengths, components = svd((z - center).reshape(-1, z.shape[-1]), full_matrices=False)
    rank = max(1, int((lengths > RANK_SHARE * lengths[0]).sum()))
    components = components[: min(rank, n_components)]
    scatter = (z - z.mean(axis=1, keepdims=True)).reshape(-1, z.shape[-1]) @ components.T
    within = scatter.T @ scatter / (len(rows) * (rows.shape[1] - 1))
    variance = np.trace(within) / len(within) or 1.0  # 0 of photos whose features are all alike
    within = (1 - SHRINKAGE) * within + SHRINKAGE * variance * np.eye(len(within))
    values, vectors = eigh(within)
    whitening = (vectors / np.sqrt(values)) @ vectors.T
    parts = mean, scale, center, components, whitening
    metric = Metric(*(part.astype(np.float32) for part in parts))
    for part in metric:
        part.flags.writeable = False  # estimators share it
    return metric
