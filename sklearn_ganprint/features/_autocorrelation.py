"""Correlations of a residual with itself, shifted and across colours."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from math import prod
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy import fft
from sklearn.utils._param_validation import Interval

from sklearn_ganprint._images import ImageShape
from sklearn_ganprint.features._base import POWER_FLOOR, ResidualFeatures, channel_names

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
    channels: Sequence[str],
    pairs: np.ndarray,
    reach: tuple[int, int],
    *,
    log_norm: bool,
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
