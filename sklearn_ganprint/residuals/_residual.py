"""From images to noise residuals, by one denoiser or by several."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.ndimage import uniform_filter
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint import _images
from sklearn_ganprint._batches import row_chunks, thread_map
from sklearn_ganprint._batches._metaestimators import with_objects
from sklearn_ganprint._compat import fit_context
from sklearn_ganprint._images import LUMINANCE_WEIGHTS, ImageShape, ImageTransformer
from sklearn_ganprint.denoisers import DENOISERS, BaseDenoiser, check_denoiser
from sklearn_ganprint.denoisers._filters import residuals_by_each, settable_denoiser
from sklearn_ganprint.residuals._blanks import BlankTeller, lack_residual, report_blank, zero_rows
from sklearn_ganprint.residuals._cache import ResidualKeeper

#: Weights of red, green and blue, in columns, in luminance, red less green and blue less green.
_OPPONENT_WEIGHTS = np.column_stack([LUMINANCE_WEIGHTS, (1, -1, 0), (0, -1, 1)])


class ResidualTransformer(BlankTeller, ClassNamePrefixFeaturesOutMixin, ImageTransformer):
    """Noise residuals of images: what a denoiser takes away.

    Parameters
    ----------
    denoiser : str, BaseDenoiser or callable, default="wavelet"
        The denoising filter ``f`` of the residual ``R = X - f(X)``: "wavelet", "gaussian",
        "median" or "wiener" with default parameters, a denoiser object, or a function on float
        images ``(n, H, W)`` that returns the denoised images.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of images that come as rows; None takes a row as one line, and warns.
    channels : {"luminance", "rgb", "ycbcr", "opponent"}, default="luminance"
        Treatment of the residuals of the three colour channels: "luminance" adds them with
        the weights of ITU-R BT.601, "rgb" keeps all three, "ycbcr" makes the luminance and the
        blue and red differences of them. "opponent" denoises other channels of the image:
        luminance, red less green, and blue less green, in which edges are weaker than in colours.
        Grey images have one channel in any case.
    data_range : float, default=255.0
        The value of white. Residuals come out in 8-bit grey levels whatever it is.
    flatten : bool, default=True
        Whether residuals come out as rows ``(n, H*W*C')`` or as images ``(n, H, W, C')``.
    intensity : bool, default=False
        Whether the luminance of the image goes along, as one more channel behind those of the
        residual, for :class:`PRNUClassifier` and :class:`FingerprintClustering`. C' below counts
        it.
    n_jobs : int, default=None
        Number of threads; None is 1 unless in a :func:`joblib.parallel_config` context.
    anchor : {"top-left", "center"} or None, default=None
        Where images of another size than those fitted on lie on the pixel grid of these. Larger
        ones are cut to the fitted size there, before they are denoised; residuals of smaller ones
        are filled up to it with zeros. A fingerprint is so compared in the part that it has in
        common with an image. None refuses images of another size.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the images.
    residual_shape_ : tuple of int
        ``(H, W, C')`` of the residuals.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of values of an image, and names of the columns of a data frame.

    See Also
    --------
    FingerprintClassifier : Averages the residuals of each source and attributes images.

    Notes
    -----
    Eq. 1 of Marra et al. [1]_, which leaves the denoiser and the treatment of colour open; both
    defaults are this package's choice. The transformer learns nothing from the images but their
    shape, so it can also be used without ``fit``.

    An image in which less than :data:`MIN_SHARE` of the pixels carry a residual, see
    :func:`residual_share`, has none: its residual and intensity are exactly 0, means take no
    account of it, and :class:`OpenSetClassifier` calls it unknown. ``fit`` warns of such images,
    and raises a ValueError if no image of a class in `y` has a residual.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import ResidualTransformer
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    >>> ResidualTransformer().fit_transform(images).shape
    (4, 1024)
    >>> ResidualTransformer("gaussian", channels="rgb", flatten=False).fit_transform(images).shape
    (4, 32, 32, 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "denoiser": [StrOptions(set(DENOISERS)), BaseDenoiser, callable],
        "image_shape": ["array-like", None],
        "channels": [StrOptions({"luminance", "rgb", "ycbcr", "opponent"})],
        "data_range": [Interval(Real, 0, None, closed="neither")],
        "flatten": ["boolean"],
        "intensity": ["boolean"],
        "n_jobs": [Integral, None],
        "anchor": [StrOptions({"top-left", "center"}), None],
    }

    def __init__(
        self,
        denoiser: str | BaseDenoiser | Callable[[np.ndarray], np.ndarray] = "wavelet",
        *,
        image_shape: Sequence[int] | None = None,
        channels: str = "luminance",
        data_range: float = 255.0,
        flatten: bool = True,
        intensity: bool = False,
        n_jobs: int | None = None,
        anchor: str | None = None,
    ) -> None:
        self.denoiser = denoiser
        self.image_shape = image_shape
        self.channels = channels
        self.data_range = data_range
        self.flatten = flatten
        self.intensity = intensity
        self.n_jobs = n_jobs
        self.anchor = anchor

    @property
    def _takes_any_size(self) -> bool:
        return self.anchor is not None

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of the denoiser too.

        Parameters
        ----------
        **params : dict
            Parameters by name; those of the denoiser as ``denoiser__sigma``. If `denoiser` is a
            name, it becomes the object that it stands for.

        Returns
        -------
        ResidualTransformer
            The transformer itself.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        return super().set_params(**with_objects(self, params, denoiser=settable_denoiser))

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit, and compute the residuals of the same images.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Images, or images as rows.
        y : array-like of shape (n,), default=None
            Source of each image. Nothing is learned from it.

        Returns
        -------
        ndarray of shape (n, H*W*C') or (n, H, W, C')
            Residuals, as `transform` returns them.

        Raises
        ------
        ValueError
            If no image of a class in `y` has a residual. Other images without one are warned of.
        """
        images = self._take(X, reset=True)
        residuals = self.transform(X)
        blank = zero_rows(residuals)
        if blank.any() and (len(images) > 1 or y is not None):
            # Some denoisers take nothing away from images that are not blank.
            blank[blank] = lack_residual(images[blank], self.data_range)
            report_blank(blank, y)
        return residuals

    def _take(self, X: Any, *, reset: bool) -> np.ndarray:
        images = super()._take(X, reset=reset)
        if reset:
            self.residual_shape_ = self._output_shape(images.shape[1:])
        return images

    def _transform_images(self, images: np.ndarray) -> np.ndarray:
        residuals = np.zeros(
            (len(images), *self._output_shape(self._fitted_shape(images))), self._dtype(images)
        )
        images, common = self._cut(images), self._in_common(images, residuals)
        denoiser = check_denoiser(self.denoiser)
        keeper = ResidualKeeper([self._recipe(denoiser, images)])
        thread_map(
            lambda chunk: self._fill(keeper, denoiser, images[chunk], common[chunk]),
            row_chunks(len(images), images[0].size),
            self.n_jobs,
        )
        return residuals

    def _fitted_shape(self, images: np.ndarray) -> ImageShape:
        """Shape of the images fitted on; without a fit, of these."""
        return getattr(self, "image_shape_", images.shape[1:])

    def _cut(self, images: np.ndarray) -> np.ndarray:
        """Part of images that they have in common with those fitted on."""
        return images[self._part(images.shape, self._fitted_shape(images))]

    def _in_common(self, images: np.ndarray, residuals: np.ndarray) -> np.ndarray:
        """Part of residuals of the fitted size that they have in common with images."""
        return residuals[self._part(residuals.shape, images.shape[1:])]

    def _part(self, shape: tuple[int, ...], size: tuple[int, ...]) -> tuple[slice, ...]:
        """Slices of arrays ``(n, H, W, C)`` that cut them to a size where they are larger."""
        slices = [slice(None)]
        for length, limit in zip(shape[1:3], size[:2], strict=True):
            start = max(0, length - limit) // 2 if self.anchor == "center" else 0
            slices.append(slice(start, start + limit))
        return tuple(slices)

    def _recipe(self, denoiser: BaseDenoiser, images: np.ndarray) -> tuple[Any, ...] | None:
        """Return what the residual of an image follows from beside its pixels, if it is known."""
        if type(denoiser) not in DENOISERS.values():
            return None
        parameters = repr(sorted(denoiser.get_params().items()))
        treatment = self.channels, float(self.data_range), bool(self.intensity)
        return type(denoiser), parameters, *treatment, images.shape[1:], images.dtype.str

    def class_sums(self, X: Any, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Add up the residuals of each class, without computing every residual.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Images, or images as rows; with an `anchor` also a list of images of several sizes.
        codes : ndarray of int, shape (n,)
            Class of each image, from 0 on; each class must have an image.
        weights : ndarray of shape (n,)
            Weight of each image. Those that have no residual add nothing.

        Returns
        -------
        ndarray of float64, shape (n_classes, H*W*C') or (n_classes, H, W, C')
            Weighted sums of what ``transform`` gives.
        """
        groups = [(own, self._take(group, reset=False)) for own, group in _images.shape_groups(X)]
        shape = self._output_shape(self._fitted_shape(groups[0][1]))
        sums = np.zeros((codes.max() + 1, *shape))
        for own, images in groups:
            common = self._in_common(images, sums)
            self._add_by_class(self._cut(images), codes[own], weights[own], common)
        colours = slice(-1 if self.intensity else None)
        sums[..., colours] = self._in_colours(sums[..., colours])
        return sums.reshape(len(sums), -1) if self.flatten else sums

    def _add_by_class(
        self, images: np.ndarray, codes: np.ndarray, weights: np.ndarray, sums: np.ndarray
    ) -> None:
        """Add the residuals of images of one size to the sums of their classes."""
        denoiser = check_denoiser(self.denoiser)
        weights = np.where(lack_residual(images, self.data_range), 0, weights)
        for code in np.unique(codes):
            own = np.flatnonzero(codes == code)
            # The more images a chunk has, the fewer sums there are to invert.
            for chunk in row_chunks(len(own), images[0].size // 8):
                self._add(denoiser, images[own[chunk]], weights[own[chunk]], sums[code])

    def _fill(
        self,
        keeper: ResidualKeeper,
        denoiser: BaseDenoiser,
        images: np.ndarray,
        residuals: np.ndarray,
    ) -> None:
        """Write the residuals of a chunk of images, from a cache where they are known."""
        if not keeper.missing(images, [residuals]):
            return
        self._fill_channels(denoiser, images, residuals)
        residuals[lack_residual(images, self.data_range)] = 0
        keeper.keep(images, [residuals])

    def _fill_channels(
        self, denoiser: BaseDenoiser, images: np.ndarray, residuals: np.ndarray
    ) -> None:
        if self.intensity:
            residuals[..., -1] = self._luminance(images)
            residuals = residuals[..., :-1]
        planes = self._planes(images)
        if residuals.shape[-1] < planes.shape[1]:
            residuals[..., 0] = denoiser.weighted_residual(planes, np.array(LUMINANCE_WEIGHTS))
            return
        for channel in range(planes.shape[1]):
            residuals[..., channel] = denoiser.residual(planes[:, channel])
        if self.channels == "ycbcr":
            residuals[...] = self._in_colours(residuals)

    def _add(
        self, denoiser: BaseDenoiser, images: np.ndarray, weights: np.ndarray, total: np.ndarray
    ) -> None:
        """Add the weighted residuals of a chunk of images to one total."""
        if self.intensity:
            total[..., -1] += np.tensordot(weights, self._luminance(images), 1)
            total = total[..., :-1]
        planes = self._planes(images)
        if total.shape[-1] < planes.shape[1]:
            weights = np.outer(weights, LUMINANCE_WEIGHTS).ravel()
            planes = planes.reshape(-1, 1, *planes.shape[2:])
        for channel in range(planes.shape[1]):
            group = planes[np.newaxis, :, channel]
            total[..., channel] += denoiser.weighted_residual(group, weights)[0]

    def _in_colours(self, residuals: np.ndarray) -> np.ndarray:
        """Convert RGB residuals to luminance and colour differences, if asked for."""
        if self.channels != "ycbcr" or residuals.shape[-1] == 1:
            return residuals
        return residuals @ _images.YCBCR_WEIGHTS.astype(residuals.dtype)

    def _planes(self, images: np.ndarray) -> np.ndarray:
        """Arrange images as ``(n, C, H, W)`` in grey levels; 8-bit colours are not copied."""
        if self.channels == "opponent" and images.shape[-1] == 3:
            images = images.astype(self._dtype(images), copy=False)
            images = images @ _OPPONENT_WEIGHTS.astype(images.dtype)
        planes = np.moveaxis(images, -1, 1)
        if self.data_range == 255:
            return planes
        return planes * self._dtype(images).type(255.0 / self.data_range)

    def _luminance(self, images: np.ndarray) -> np.ndarray:
        """Compute the luminance in grey levels, of grey images as well."""
        weights = np.array(LUMINANCE_WEIGHTS if images.shape[-1] == 3 else [1.0])
        weights *= 255.0 / self.data_range
        return images.astype(self._dtype(images), copy=False) @ weights.astype(self._dtype(images))

    @staticmethod
    def _dtype(images: np.ndarray) -> np.dtype:
        return np.dtype(np.float64 if images.dtype == np.float64 else np.float32)

    def _output_shape(self, image_shape: ImageShape) -> ImageShape:
        height, width, channels = image_shape
        channels = 1 if self.channels == "luminance" else channels
        return height, width, channels + self.intensity

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Transformers saved by earlier versions refused images of another size.
        super().__setstate__({"anchor": None, **state})


class SeveralResiduals:
    """Computes residuals of chunks of images by several denoisers, in any thread.

    Each is that of ``ResidualTransformer(denoiser, channels="rgb")``, and kept where that keeps
    it. `images` are all images, validated; chunks are of their shape and dtype.
    """

    def __init__(self, denoisers: Sequence[Any], data_range: float, images: np.ndarray) -> None:
        self.denoisers = [check_denoiser(denoiser) for denoiser in denoisers]
        self.transformer = ResidualTransformer(channels="rgb", data_range=data_range)
        recipes = [self.transformer._recipe(denoiser, images) for denoiser in self.denoisers]
        self.dtype = self.transformer._dtype(images)
        self.keeper = ResidualKeeper(recipes)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Compute residuals ``(n_denoisers, n, C, H, W)`` of images ``(n, H, W, C)``."""
        planes = self.transformer._planes(images)
        residuals = np.empty((len(self.denoisers), *planes.shape), self.dtype)
        # As ResidualTransformer has them.
        as_images = list(np.moveaxis(residuals, 2, -1))
        if missing := self._missing(images, as_images):
            denoisers = [self.denoisers[place] for place in missing]
            for channel in range(planes.shape[1]):
                found = residuals_by_each(denoisers, planes[:, channel])
                for place, own in zip(missing, found, strict=True):
                    residuals[place, :, channel] = own
            residuals[:, lack_residual(images, self.transformer.data_range)] = 0
            self.keeper.keep(images, as_images)
        return residuals

    def _missing(self, images: np.ndarray, residuals: list[np.ndarray]) -> list[int]:
        """Return the places of the residuals to compute.

        Rounding depends on which filters share a transform. Of residuals that can be known, all are
        computed or none, so that they are what they would be without a cache.
        """
        missing = self.keeper.missing(images, residuals)
        can_be_known = [
            place for place, recipe in enumerate(self.keeper.recipes) if recipe is not None
        ]
        return missing if set(missing).isdisjoint(can_be_known) else list(range(len(residuals)))


class LocalVarianceNormalizer(OneToOneFeatureMixin, ImageTransformer):
    """Divide residuals by their own standard deviation around each pixel.

    Edges and texture leave residuals many times as strong as a fingerprint, which make most of the
    noise of a correlation. Divided by its local strength, a residual weighs no more there than
    elsewhere.

    Parameters
    ----------
    size : int, default=9
        Side of the square window of the local variance, in pixels.
    offset : float, default=0.5
        Added to the local variance, in squared units of the residuals, which are 8-bit grey
        levels as a rule. The offset keeps flat areas, whose residual is rounding alone, from
        being amplified.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of residuals that come as rows; None takes a row as one line, and warns.
    flatten : bool, default=True
        Whether residuals come out as rows ``(n, H*W*C)`` or as images ``(n, H, W, C)``.
    n_jobs : int, default=None
        Number of threads; None is 1 unless in a :func:`joblib.parallel_config` context.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the residuals.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of values of a residual, and names of the columns of a data frame.

    See Also
    --------
    ResidualTransformer : Makes the residuals.
    FingerprintClassifier : Averages and correlates them.

    Notes
    -----
    ``Z / sqrt(mean(Z^2) + offset)``, channel by channel, where the mean is over the pixels of the
    window and the image is continued by reflection beyond its borders. This is the divisive
    normalization of local contrast [1]_; the local mean has been subtracted by the denoiser, so the
    variance is taken about zero. Nothing is learned, and the transformer can be used without
    ``fit``. Differences in strength between sources are lost.

    References
    ----------
    .. [1] A. Mittal, A. K. Moorthy, A. C. Bovik, "No-reference image quality assessment in the
       spatial domain", IEEE Transactions on Image Processing 21(12), 2012, eq. 1-3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import LocalVarianceNormalizer
    >>> residuals = np.random.default_rng(0).normal(size=(2, 32, 32, 3))
    >>> residuals[:, :, 16:] *= 100
    >>> even = LocalVarianceNormalizer(flatten=False).fit_transform(residuals)
    >>> bool(even[:, :, 20:].std() < 2 * even[:, :, :12].std())
    True
    """

    _takes_residuals: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "size": [Interval(Integral, 1, None, closed="left")],
        "offset": [Interval(Real, 0, None, closed="neither")],
        "image_shape": ["array-like", None],
        "flatten": ["boolean"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        size: int = 9,
        offset: float = 0.5,
        *,
        image_shape: Sequence[int] | None = None,
        flatten: bool = True,
        n_jobs: int | None = None,
    ) -> None:
        self.size = size
        self.offset = offset
        self.image_shape = image_shape
        self.flatten = flatten
        self.n_jobs = n_jobs

    def _transform_images(self, images: np.ndarray) -> np.ndarray:
        normalized = np.empty(images.shape, images.dtype)
        window = (1, self.size, self.size, 1)
        thread_map(
            lambda chunk: divide_by_local_rms(
                images[chunk], window, self.offset, normalized[chunk]
            ),
            row_chunks(len(images), images[0].size),
            self.n_jobs,
        )
        return normalized


def divide_by_local_rms(
    residuals: np.ndarray, window: Sequence[int], floor: float, out: np.ndarray | None = None
) -> np.ndarray:
    """Divide by the root of `floor` and the mean square in a window, which has a side an axis."""
    power = uniform_filter(np.square(residuals), tuple(window), mode="reflect")
    # Running sums leave a little less than nothing behind where the residual is zero.
    np.maximum(power, 0, out=power)
    power += power.dtype.type(floor)
    return np.divide(residuals, np.sqrt(power, out=power), out=out)
