"""Correlations of a residual with itself, shifted and across colours."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from math import prod
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy import fft
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import Interval

from sklearn_ganprint._compat import other_namespace
from sklearn_ganprint._images import ImageShape
from sklearn_ganprint.features._base import (
    POWER_FLOOR,
    ResidualFeatures,
    channel_names,
    require_side,
)

__all__ = ["AutocorrelationTransformer", "PartialCorrelationTransformer"]

#: Values of a channel of the images that are correlated at a time.
BATCH_VALUES = 1 << 16


class AutocorrelationTransformer(ResidualFeatures):
    """Correlations of each residual with itself: at small lags, within and between channels.

    Upsampling, convolutions and demosaicing make neighbouring pixels, and the colours of a pixel,
    depend on each other in a characteristic way. The dependence shows in every image, whatever its
    content, so these features separate networks of different architecture much better than
    fingerprints do. They hardly separate variants of one network.

    Parameters
    ----------
    max_lag : int, default=8
        Greatest lag along rows and along columns, in pixels. Images with sides of less than
        ``2 * max_lag + 1`` have fewer lags.
    cross_channel : bool, default=True
        Whether to correlate the channels with each other as well.
    log_norm : bool, default=True
        Whether to add the logarithm of the root mean square of each channel, in grey levels.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of residuals that come as rows; None takes a row as one line, and warns.
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
    SpectrumTransformer : The same traces as a power spectrum.
    TiledTransformer : Features of the parts of each residual too, for fits on few images.
    make_attribution_pipeline : A classifier on these features.
    sklearn_ganprint.fingerprints.autocorrelation : That of a fingerprint, to look at.

    Notes
    -----
    For channels a and b and the lag d, ``sum_x R_a(x) R_b(x + d) / (|R_a| |R_b|)``, where
    ``x + d`` wraps around at the borders; 0 if one of the channels is 0 throughout. Nothing is
    centred: the mean of a residual is close to 0. An autocorrelation is the same at d and -d, and
    1 at 0, so one half of its lags is kept; between channels all lags are. RGB residuals have 3 x
    144 + 3 x 289 + 3 = 1302 features with the default parameters.

    The sums come from real FFTs in the precision of the residuals; the inverse transform is
    computed for the lags in question only. An RGB image of 256 px takes about 1 ms on one core.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.features import AutocorrelationTransformer
    >>> residuals = np.random.default_rng(0).normal(size=(4, 32, 32, 3))
    >>> transformer = AutocorrelationTransformer(max_lag=1)
    >>> transformer.fit_transform(residuals).shape
    (4, 42)
    >>> transformer.get_feature_names_out()[[0, 3, -4, -1]].tolist()
    ['rr[0,1]', 'rr[1,1]', 'gb[1,1]', 'log_norm[b]']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ResidualFeatures._parameter_constraints,
        "max_lag": [Interval(Integral, 0, None, closed="left")],
        "cross_channel": ["boolean"],
        "log_norm": ["boolean"],
    }

    def __init__(
        self,
        max_lag: int = 8,
        *,
        cross_channel: bool = True,
        log_norm: bool = True,
        image_shape: Sequence[int] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.max_lag = max_lag
        self.cross_channel = cross_channel
        self.log_norm = log_norm
        self.image_shape = image_shape
        self.n_jobs = n_jobs

    def _features(self, planes: np.ndarray) -> np.ndarray:
        pairs = channel_pairs(planes.shape[1], cross=self.cross_channel)
        power = np.square(planes).mean(axis=(2, 3))
        values = circular_correlations(planes, pairs, self._reach(planes.shape[2:]))
        return correlation_rows(values, power, pairs, log_norm=self.log_norm)

    def _names(self, image_shape: ImageShape) -> list[str]:
        names = channel_names(image_shape[2])
        pairs = channel_pairs(image_shape[2], cross=self.cross_channel)
        reach = self._reach(image_shape[:2])
        return correlation_names(names, pairs, reach, log_norm=self.log_norm)

    def _reach(self, sides: Sequence[int]) -> tuple[int, int]:
        """Return the greatest lags along rows and columns that do not repeat around the image."""
        rows, columns = (min(self.max_lag, (side - 1) // 2) for side in sides)
        return rows, columns


def channel_pairs(n_channels: int, *, cross: bool = True) -> np.ndarray:
    """Pairs of channels: each with itself, then, if `cross`, each with those after it."""
    pairs = [(channel, channel) for channel in range(n_channels)]
    if cross:
        pairs += combinations(range(n_channels), 2)
    return np.array(pairs)


def correlation_rows(
    covariances: np.ndarray, power: np.ndarray, pairs: np.ndarray, *, log_norm: bool
) -> np.ndarray:
    """Correlations, 0 with a channel of no power, and the logarithms of root mean squares.

    Covariances are ``(n, n_pairs, n_row_lags, n_column_lags)`` with lags from -l to l, the powers
    of channels ``(n, C)``, rows ``(n, n_features)``.
    """
    scale = np.sqrt(power)[:, pairs].prod(axis=2)
    values = covariances / np.where(scale > 0, scale, np.inf)[:, :, np.newaxis, np.newaxis]
    rows = values[:, _kept(pairs, covariances.shape[2:])]
    if not log_norm:
        return rows
    return np.hstack([rows, np.log(np.maximum(power, POWER_FLOOR)) / 2])


def correlation_names(
    channels: Sequence[str], pairs: np.ndarray, reach: tuple[int, int], *, log_norm: bool
) -> list[str]:
    """Name what :func:`correlation_rows` makes of covariances at lags up to `reach`."""
    kept = _kept(pairs, (2 * reach[0] + 1, 2 * reach[1] + 1))
    correlations = [
        f"{channels[pairs[pair, 0]]}{channels[pairs[pair, 1]]}[{i - reach[0]},{j - reach[1]}]"
        for pair, i, j in zip(*np.nonzero(kept), strict=True)
    ]
    return correlations + [f"log_norm[{channel}]" for channel in channels if log_norm]


def _kept(pairs: np.ndarray, n_lags: Sequence[int]) -> np.ndarray:
    """Mask (pairs, row lags, column lags) without the mirrored half of autocorrelations."""
    n_values = n_lags[0] * n_lags[1]
    upper = np.arange(n_values) > n_values // 2
    cross = pairs[:, 0] != pairs[:, 1]
    return (cross[:, np.newaxis] | upper).reshape(len(pairs), *n_lags)


def circular_correlations(
    planes: np.ndarray, pairs: np.ndarray, reach: tuple[int, int]
) -> np.ndarray:
    """Mean over x of ``R_a(x) R_b(x + d)``, for pairs of channels and lags up to `reach`.

    Images are ``(n, C, H, W)`` and `pairs` ``(n_pairs, 2)``. With lags along rows from -r to r, and
    along columns from -c to c, the means are ``(n, n_pairs, 2 r + 1, 2 c + 1)``, not normalised.
    """
    n_images, _, *sides = planes.shape
    downwards, rightwards = _inverse_of_few(*reach, *sides, planes.dtype.name)
    values = np.empty((n_images, len(pairs), *(2 * far + 1 for far in reach)), planes.dtype)
    # Few images at a time, and one pair of channels, so that all stays in the cache.
    size = max(1, min(n_images, BATCH_VALUES // prod(sides)))
    for start in range(0, n_images, size):
        spectra = fft.rfft2(planes[start : start + size])
        products = np.empty_like(spectra[:, 0])
        for number, (first, second) in enumerate(pairs):
            np.conjugate(spectra[:, first], out=products)
            products *= spectra[:, second]
            waves = (downwards @ products.view(planes.dtype)).view(products.dtype)
            even, odd = waves[:, : reach[0] + 1], 1j * waves[:, reach[0] + 1 :]
            lines = np.concatenate([(even - odd)[:, :0:-1], even + odd], axis=1)
            values[start : start + size, number] = (lines @ rightwards).real
    return values


@lru_cache(maxsize=16)
def _inverse_of_few(
    rows: int, columns: int, height: int, width: int, dtype: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the inverse transform at a few lags as two matrices: that is cheaper than all lags.

    The first has the cosines of each row lag from 0, then the sines, of which those of negative
    lags follow. It is real, and multiplies complex numbers as pairs of real ones. The second has
    complex waves of all column lags. The mean over pixels is in both.
    """
    angles = 2 * np.pi / height * np.outer(np.arange(rows + 1), np.arange(height))
    downwards = np.concatenate([np.cos(angles), np.sin(angles)]) / height**2
    frequencies, lags = np.arange(width // 2 + 1), np.arange(-columns, columns + 1)
    rightwards = np.exp(2j * np.pi / width * np.outer(frequencies, lags)) / width**2
    # Frequencies that a real transform leaves out are conjugates of these.
    rightwards[1 : (width + 1) // 2] *= 2
    return downwards.astype(dtype), rightwards.astype(np.result_type(dtype, np.complex64))


class PartialCorrelationTransformer(ResidualFeatures):
    """Weights that predict each pixel of a residual from its surroundings, and what remains.

    Correlations between pixels follow from one another: what holds between neighbours goes on to
    pixels further off. Partial correlations are what holds between two pixels while those around
    them are kept fixed, so a few say as much as many correlations. With 225 numbers, and so with
    few images to fit on, they tell networks of different architecture apart at least as well as
    the 1302 of :class:`AutocorrelationTransformer`. They suffer more from compression.

    Parameters
    ----------
    size : int, default=5
        Side of the square window, in pixels, around the pixel that is predicted; odd.
    scales : sequence of int, default=(1,)
        The scales at which pixels are predicted: 1 is the residual itself, 2 its means over blocks
        of 2 x 2 pixels, 4 those of 4 x 4. Each scale has features of its own.
    cross_channel : bool, default=True
        Whether to predict a channel from the others as well.
    ridge : float, default=0.1
        White noise that is added to the covariances, as a share of the mean power of the channels.
        The less there is, the more features depend on the weakest components of a residual, which
        compression removes first.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of residuals that come as rows; None takes a row as one line, and warns.
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
    AutocorrelationTransformer : The correlations themselves; less is lost to compression.
    PooledDiscriminantAnalysis : A classifier on these features.

    Notes
    -----
    Let ``C_ab(d)`` be the mean over x of ``R_a(x) R_b(x + d)``, for channels a and b and the lag d,
    where ``x + d`` wraps around at the borders. The pixels of a window, in all channels, have the
    covariance matrix S with ``C_ab(y - x)`` for the pixels x of channel a and y of channel b; it
    consists of Toeplitz blocks, and so it is the mean over all windows of the image. With r the
    mean of its diagonal times `ridge`, but at least 1e-6 squared grey levels, and
    ``K = (S + r I)^-1``, the precision matrix, pixel i in the middle of the window is best
    predicted by the sum over all other pixels j of the window with the weights
    ``w_j = -K_ij / K_ii`` [1]_ [2]_. They have no unit. The partial correlation of i and j is
    ``w_j sqrt(K_ii / K_jj)``. ``1 / K_ii`` is the mean square error of the prediction plus
    ``r (1 + sum_j w_j^2)``; half of its logarithm is a feature too: ``log_error``, the logarithm of
    grey levels. A residual without any contents has weights of 0 and ``log_error`` log 0.001.

    ``rg[1,-2]`` is the weight of the green value one pixel below and two to the left in the
    prediction of red. A channel by itself has the same weight at d and -d, so one half is kept if
    channels are not predicted from each other. RGB residuals have 3 x 74 + 3 = 225 features at each
    scale with the default parameters, those of one channel 13; the size of images does not change
    it. Images must be as large as the window at the coarsest scale. Only images of one line wrap
    around instead, since rows without `image_shape` are taken for such.

    Under ``sklearn.config_context(array_api_dispatch=True)`` arrays of other libraries, such as on
    a GPU, are taken too, and the features are one of them; all images are transformed at once.

    Forensic self-descriptions [3]_ are filters that predict pixels likewise, several at once and
    learned by iteration. All that is needed here comes from the FFT of the residual, in closed
    form: block means have covariances that are sums of these, so scales need no further FFT. The
    equations are solved in double precision. An RGB image of 256 px takes about 1 ms
    of one core, 0.6 ms more than its FFT and as long as its correlations.

    References
    ----------
    .. [1] J. Makhoul, "Linear prediction: a tutorial review", Proceedings of the IEEE 63 (4), 1975.
    .. [2] H. Rue, L. Held, "Gaussian Markov random fields: theory and applications", Chapman &
       Hall/CRC, 2005, section 2.2.
    .. [3] T. D. Nguyen, M. C. Stamm, "Forensic self-descriptions are all you need for zero-shot
       detection, open-set source attribution, and clustering of AI-generated images", CVPR 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.features import PartialCorrelationTransformer
    >>> residuals = np.random.default_rng(0).normal(size=(4, 32, 32, 3))
    >>> residuals[:, 1:] += residuals[:, :-1]
    >>> transformer = PartialCorrelationTransformer(3).fit(residuals)
    >>> names = transformer.get_feature_names_out()
    >>> names.size, names[[0, 25, 26, -1]].tolist()
    (81, ['rr[-1,-1]', 'rb[1,1]', 'gr[-1,-1]', 'log_error[b]'])
    >>> features = transformer.set_output(transform="pandas").transform(residuals)
    >>> (features[["rr[1,0]", "rr[0,1]"]].mean() > 0.3).tolist()
    [True, False]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ResidualFeatures._parameter_constraints,
        "size": [Interval(Integral, 1, None, closed="left")],
        "scales": ["array-like"],
        "cross_channel": ["boolean"],
        "ridge": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        size: int = 5,
        *,
        scales: Sequence[int] = (1,),
        cross_channel: bool = True,
        ridge: float = 0.1,
        image_shape: Sequence[int] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.size = size
        self.scales = scales
        self.cross_channel = cross_channel
        self.ridge = ridge
        self.image_shape = image_shape
        self.n_jobs = n_jobs

    def _take(self, X: Any, *, reset: bool) -> np.ndarray:
        if self.size % 2 == 0:
            raise ValueError(f"size must be odd, got {self.size}.")
        scales: list[Any] = list(self.scales)
        if not scales or not all(isinstance(s, int | np.integer) and s > 0 for s in scales):
            raise ValueError(f"scales must be one or more integers from 1, got {scales}.")
        xp = other_namespace(X)
        images = super()._take(X, reset=reset) if xp is None else self._take_in(xp, X, reset=reset)
        settings = f"size={self.size} and scales={scales}"
        require_side(images, self.size * max(scales), settings, ", or set smaller ones")
        return images

    def _take_in(self, xp: Any, X: Any, *, reset: bool) -> Any:
        """Validate images of another library in its namespace, and shapes as those of numpy are."""
        assert_all_finite(X)
        shape = super()._take(np.zeros((1, *X.shape[1:])), reset=reset).shape[1:]
        floats = X if xp.isdtype(X.dtype, "real floating") else xp.astype(X, xp.float64)
        return xp.reshape(floats, (X.shape[0], *shape))

    def _transform_images(self, images: Any) -> Any:
        if (xp := other_namespace(images)) is None:
            return super()._transform_images(images)
        # Batches that fill a GPU are up to the caller.
        planes = xp.permute_dims(images, (0, 3, 1, 2))
        return xp.astype(self._in_double(planes, xp), images.dtype)

    def _features(self, planes: np.ndarray) -> np.ndarray:
        return self._in_double(planes, np).astype(planes.dtype)

    def _in_double(self, planes: Any, xp: Any) -> Any:
        """Compute features in the namespace of the planes."""
        covariances = block_covariances(planes, self.size, self.scales, xp)
        groups = self._groups(planes.shape[1])
        found = [
            linear_prediction(take(take(covariances, group, 2, xp), group, 3, xp), self.ridge, xp)
            for group in groups
        ]
        kept = np.flatnonzero(kept_weights(len(groups[0]), self.size))
        parts = [
            take(xp.reshape(weights, (*weights.shape[:2], -1)), kept, 2, xp) for weights, _ in found
        ]
        parts += [xp.log(errors) / 2 for _, errors in found]
        return xp.reshape(xp.concat(parts, axis=2), (planes.shape[0], -1))

    def _names(self, image_shape: ImageShape) -> list[str]:
        letters = channel_names(image_shape[2])
        groups = self._groups(image_shape[2])
        names = [
            name
            for group in groups
            for name in weight_names("".join(letters[channel] for channel in group), self.size)
        ]
        names += [f"log_error[{letter}]" for letter in letters]
        prefixes = ["" if scale == 1 else f"scale{scale}_" for scale in self.scales]
        return [prefix + name for prefix in prefixes for name in names]

    def _groups(self, n_channels: int) -> list[list[int]]:
        """Return the channels that are predicted from each other, group by group."""
        channels = list(range(n_channels))
        return [channels] if self.cross_channel else [[channel] for channel in channels]


def kept_weights(n_channels: int, size: int) -> np.ndarray:
    """Mask (channels, channels, rows, columns): no pixel itself, no mirrored half alone."""
    kept = np.ones((n_channels, n_channels, size**2), dtype=bool)
    kept[range(n_channels), range(n_channels), size**2 // 2] = False
    if n_channels == 1:
        kept[..., : size**2 // 2] = False
    return kept.reshape(n_channels, n_channels, size, size)


def weight_names(letters: str, size: int) -> list[str]:
    """Name the weights that are kept, of channels that are predicted from each other."""
    kept, reach = kept_weights(len(letters), size), size // 2
    return [
        f"{letters[a]}{letters[b]}[{i - reach},{j - reach}]"
        for a, b, i, j in zip(*np.nonzero(kept), strict=True)
    ]


def take(values: Any, places: Any, axis: int, xp: Any) -> Any:
    """Take entries along an axis, in the namespace of the values."""
    return xp.take(values, xp.asarray(places, device=values.device), axis=axis)


def block_covariances(planes: Any, size: int, scales: Sequence[int], xp: Any = np) -> Any:
    """Covariances of block means, at all lags within a window of `size` blocks.

    Images are ``(n, C, H, W)``, covariances ``(n, n_scales, C, C, 2 size - 1, 2 size - 1)`` in
    double precision: the mean of ``B_a(x) B_b(x + scale d)``, where B are the means over ``scale x
    scale`` pixels from every pixel on.
    """
    reach = max(scales) * size - 1
    table = covariance_table(planes, reach) if xp is np else covariance_table_in(xp, planes, reach)
    fine, lags = np.arange(-reach, reach + 1), np.arange(1 - size, size)
    # Means of one line, correlated with each other, count pixels by a triangle.
    distances = [np.abs(scale * lags[:, np.newaxis] - fine) for scale in scales]
    triangles = [
        xp.asarray(np.maximum(scale - distance, 0) / scale**2, device=table.device)
        for scale, distance in zip(scales, distances, strict=True)
    ]
    return xp.stack([triangle @ table @ triangle.T for triangle in triangles], axis=1)


def covariance_table(planes: np.ndarray, reach: int) -> np.ndarray:
    """Covariances ``(n, C, C, 2 reach + 1, 2 reach + 1)`` of channels at all lags up to `reach`.

    Images are ``(n, C, H, W)``; covariances are in double precision.
    """
    pairs = channel_pairs(planes.shape[1])
    values = circular_correlations(planes, pairs, (reach, reach))
    table = np.empty((*planes.shape[:2], planes.shape[1], *values.shape[2:]))
    table[:, pairs[:, 0], pairs[:, 1]] = values
    table[:, pairs[:, 1], pairs[:, 0]] = values[..., ::-1, ::-1]
    return table


def covariance_table_in(xp: Any, planes: Any, reach: int) -> Any:
    """Compute the same in another namespace, with all lags from one inverse transform."""
    sides = planes.shape[2:]
    spectra = xp.fft.rfftn(planes, axes=(2, 3))
    products = xp.conj(spectra)[:, :, None, ...] * spectra[:, None, ...]
    table = xp.astype(xp.fft.irfftn(products, s=sides, axes=(3, 4)), xp.float64) / prod(sides)
    for axis, side in enumerate(sides, start=3):
        table = take(table, np.arange(-reach, reach + 1) % side, axis, xp)
    return table


def linear_prediction(covariances: Any, ridge: float, xp: Any = np) -> tuple[Any, Any]:
    """Weights of the pixels of a window in the best prediction of its middle, and the errors.

    Covariances are ``(..., C, C, 2 size - 1, 2 size - 1)``, weights ``(..., C, C, size, size)``,
    with the channel that is predicted first. The weight of a pixel in its own prediction is -1.
    Errors ``(..., C)`` are mean squares, with the penalty for the weights.
    """
    *lead, n_channels, _, n_lags = covariances.shape[:-1]
    size = (n_lags + 1) // 2
    area = size**2
    n_pixels = n_channels * area
    rows, columns = (np.subtract.outer(i, i).T + size - 1 for i in np.divmod(range(area), size))
    flat = xp.reshape(covariances, (*lead, n_channels, n_channels, n_lags**2))
    places = rows * n_lags + columns
    if xp is np:  # the last digits of sums depend on the order in memory that this has
        windows = flat[..., places]
    else:
        windows = take(flat, places.ravel(), len(lead) + 2, xp)
        windows = xp.reshape(windows, (*lead, n_channels, n_channels, area, area))
    matrices = xp.reshape(xp.moveaxis(windows, -3, -2), (*lead, n_pixels, n_pixels))
    power = xp.linalg.trace(matrices) / n_pixels
    noise = xp.maximum(ridge * power, xp.full_like(power, POWER_FLOOR))
    identity = xp.eye(n_pixels, dtype=matrices.dtype, device=matrices.device)
    matrices = matrices + noise[..., None, None] * identity
    middles = np.arange(n_channels) * area + area // 2
    units = xp.broadcast_to(take(identity, middles, 1, xp), (*lead, n_pixels, n_channels))
    precision = xp.linalg.solve(matrices, units)
    errors = 1 / xp.linalg.diagonal(take(precision, middles, len(lead), xp))
    weights = -xp.matrix_transpose(precision) * errors[..., None]
    return xp.reshape(weights, (*lead, n_channels, n_channels, size, size)), errors
