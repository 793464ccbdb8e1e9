"""From images to correlations and partial correlations of several residuals."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy import fft
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval

from sklearn_ganprint._batches import row_chunks, thread_map
from sklearn_ganprint._images import YCBCR_WEIGHTS, ImageShape
from sklearn_ganprint.denoisers import (
    BaseDenoiser,
    GaussianDenoiser,
    WaveletDenoiser,
    check_denoiser,
)
from sklearn_ganprint.features import _autocorrelation
from sklearn_ganprint.features._autocorrelation import channel_pairs, correlation_names
from sklearn_ganprint.features._base import ImageFeatures, channel_names
from sklearn_ganprint.residuals._residual import SeveralResiduals

__all__ = ["CorrelationTransformer"]

#: Luminance, blue and red difference.
_COLOURS = ("y", "cb", "cr")

#: Least power of a colour difference, as a share of the mean of red, green and blue: below it are
#: errors of single precision. Colours that are rounded to 8 bits have some hundred times as much.
_ROUNDING = 1e-5

#: Sides from which on some rows and columns may be left out.
SMALL_SIDE = 64

#: Images whose features are computed from covariances together: their matrices take some 5 MiB.
TABLE_IMAGES = 32


class CorrelationTransformer(ImageFeatures):
    """Correlations and partial correlations of several residuals of each image, in one row.

    What one denoiser leaves in its residual, another takes for content. Their correlations side by
    side, and what they are between luminance and colour differences, tell sources apart that each
    one alone does not, also after compression and resizing. Images may have any size.

    Parameters
    ----------
    denoisers : sequence of (str, BaseDenoiser or callable), default=None
        The denoising filter of each residual, as :class:`ResidualTransformer` takes it. None is
        ``("wavelet", WaveletDenoiser(sigma=2.0), GaussianDenoiser(0.7))``.
    max_lag : int or sequence of int, default=(8, 3, 3)
        Greatest lag of correlations within and between channels, in pixels: of all residuals, or
        of each.
    colour_lag : int or None, default=3
        Greatest lag of the correlations within and between luminance and colour differences, in
        pixels; None leaves them out. Grey images have none.
    window : int or None, default=5
        Side of the square window of partial correlations, in pixels, odd; 0 or None leaves them
        out.
    ridge : float, default=0.1
        White noise that is added to the covariances for partial correlations, as a share of the
        mean power of the channels.
    log_norm : bool, default=True
        Whether to add the logarithm of the root mean square of each channel, and of luminance and
        colour differences, in grey levels.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of images that come as rows; None takes a row as one line, and warns.
    data_range : float, default=255.0
        The value of white.
    n_jobs : int, default=None
        Number of threads; None is 1 unless in a :func:`joblib.parallel_config` context.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the images of the fit. Others may have another height and width.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of values of an image, and names of the columns of a data frame.

    See Also
    --------
    AutocorrelationTransformer : Correlations of residuals that are there already.
    PartialCorrelationTransformer : Partial correlations of those, also at other scales.
    PooledDiscriminantAnalysis : A classifier on these features.

    Notes
    -----
    Residuals are those of ``ResidualTransformer(denoiser, channels="rgb")``, and images without
    residual are those of ``lacks_residual`` there: all their residuals are 0. Correlations are
    defined by :class:`AutocorrelationTransformer`, partial correlations, in the form of weights,
    by :class:`PartialCorrelationTransformer`. One FFT of each residual gives the covariances of
    its channels at all lags that are asked for, and all features follow from them: those of
    luminance and colour differences (ITU-R BT.601) are linear combinations of the ones of red,
    green and blue. A colour difference with less than 1e-5 of the mean power of the channels is
    rounding, and taken to be 0.

    FFTs of lengths with large prime factors are slow, up to twenty times. Of images with sides from
    64 pixels on, covariances are those of as many rows and columns, from the top left, as have no
    prime factor above 11: 1 % of a side is left out on average, 6 % at the most.

    An RGB image of 256 px takes about 6 ms of one core, half of them for its residuals: wavelet
    filters that differ in sigma alone share a transform.

    Names begin with the position of the denoiser: ``residual0_rg[-3,5]`` is a correlation,
    ``residual0_ycb[0,1]`` one of luminance with blue difference, ``residual0_weight_rg[1,-2]`` the
    weight of a green value in the prediction of red. RGB images have 3087 features with the default
    parameters, grey ones 234, whatever their size.

    Sides of less than ``2 * lag + 1`` pixels, for the greatest lag, or of less than the window, are
    refused. Only images of one line wrap around instead, since rows without `image_shape` are taken
    for such.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.features import CorrelationTransformer
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    >>> transformer = CorrelationTransformer(("gaussian", "median"), max_lag=1, window=3)
    >>> transformer.fit(images).get_feature_names_out()[[0, 42, -1]].tolist()
    ['residual0_rr[0,1]', 'residual0_yy[0,1]', 'residual1_log_error[b]']
    >>> transformer.transform(images).shape, transformer.transform(images[:, :30, :20]).shape
    ((4, 690), (4, 690))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ImageFeatures._parameter_constraints,
        "denoisers": ["array-like", None],
        "max_lag": [Interval(Integral, 0, None, closed="left"), "array-like"],
        "colour_lag": [Interval(Integral, 0, None, closed="left"), None],
        "window": [Interval(Integral, 0, None, closed="left"), None],
        "ridge": [Interval(Real, 0, None, closed="neither")],
        "log_norm": ["boolean"],
    }

    def __init__(
        self,
        denoisers: Sequence[str | BaseDenoiser | Callable[[np.ndarray], np.ndarray]] | None = None,
        *,
        max_lag: int | Sequence[int] = (8, 3, 3),
        colour_lag: int | None = 3,
        window: int | None = 5,
        ridge: float = 0.1,
        log_norm: bool = True,
        image_shape: Sequence[int] | None = None,
        data_range: float = 255.0,
        n_jobs: int | None = None,
    ) -> None:
        self.denoisers = denoisers
        self.max_lag = max_lag
        self.colour_lag = colour_lag
        self.window = window
        self.ridge = ridge
        self.log_norm = log_norm
        self.image_shape = image_shape
        self.data_range = data_range
        self.n_jobs = n_jobs

    def _take(self, X: Any, *, reset: bool) -> np.ndarray:
        self._check_params()
        return super()._take(X, reset=reset)

    def _size_needed(self, n_channels: int) -> tuple[int, str, str]:
        greatest = max(*self._lags(), self._colour_lag(n_channels))
        side = max(2 * greatest + 1, self.window or 0)
        settings = f"max_lag={self.max_lag}, colour_lag={self.colour_lag} and window={self.window}"
        return side, settings, ", or set smaller lags"

    def _transform_images(self, images: np.ndarray) -> np.ndarray:
        residuals = SeveralResiduals(self._denoisers(), self.data_range, images)
        batches = gen_batches(len(images), TABLE_IMAGES)
        rows = [
            self._rows(self._in_chunks(images[batch], residuals)).astype(residuals.dtype)
            for batch in batches
        ]
        return np.concatenate(rows)

    def _in_chunks(self, images: np.ndarray, residuals: SeveralResiduals) -> list[np.ndarray]:
        """Covariances of each residual of images."""
        chunks = row_chunks(len(images), images[0].size)
        tables = thread_map(
            lambda chunk: self._tables(residuals(images[chunk])), chunks, self.n_jobs
        )
        return [np.concatenate(own) for own in zip(*tables, strict=True)]

    def _tables(self, residuals: np.ndarray) -> list[np.ndarray]:
        """Covariances of residuals ``(n_residuals, n, C, H, W)``."""
        *_, n_channels, height, width = residuals.shape
        residuals = residuals[..., : _fast_side(height), : _fast_side(width)]
        reaches = self._reaches(n_channels)
        return [
            _autocorrelation.covariance_table(planes, reach)
            for planes, reach in zip(residuals, reaches, strict=True)
        ]

    def _rows(self, tables: list[np.ndarray]) -> np.ndarray:
        """Features of images, from the covariances of their residuals."""
        rows = [
            self._correlations(table, lag) for table, lag in zip(tables, self._lags(), strict=True)
        ]
        if self.window:
            near = np.stack([_near(table, self.window - 1) for table in tables], axis=1)
            weights, errors = _autocorrelation.linear_prediction(near, self.ridge)
            weights = weights[..., _autocorrelation.kept_weights(near.shape[2], self.window)]
            for position, row in enumerate(rows):
                own = row, weights[:, position], np.log(errors[:, position]) / 2
                rows[position] = np.hstack(own)
        return np.hstack(rows)

    def _correlations(self, table: np.ndarray, lag: int) -> np.ndarray:
        """Correlations within and between channels and colours, from covariances of channels."""
        rows = [self._normalised(_near(table, lag), floor=0)]
        if (colour_lag := self._colour_lag(table.shape[1])) >= 0:
            near = _near(table, colour_lag)
            power = _powers(near).mean(axis=1, keepdims=True)
            rows.append(self._normalised(_in_colours(near), floor=_ROUNDING * power))
        return np.hstack(rows)

    def _normalised(self, table: np.ndarray, floor: Any) -> np.ndarray:
        pairs = channel_pairs(table.shape[1])
        power = _powers(table)
        power[power < floor] = 0
        covariances = table[:, pairs[:, 0], pairs[:, 1]]
        return _autocorrelation.correlation_rows(covariances, power, pairs, log_norm=self.log_norm)

    def _names(self, image_shape: ImageShape) -> list[str]:
        letters = channel_names(image_shape[2])
        names = []
        for position, lag in enumerate(self._lags()):
            own = self._correlation_names(letters, lag)
            if (colour_lag := self._colour_lag(len(letters))) >= 0:
                own += self._correlation_names(_COLOURS, colour_lag)
            if self.window:
                own += [
                    f"weight_{name}" for name in _autocorrelation.weight_names(letters, self.window)
                ]
                own += [f"log_error[{letter}]" for letter in letters]
            names += [f"residual{position}_{name}" for name in own]
        return names

    def _correlation_names(self, channels: Sequence[str], lag: int) -> list[str]:
        pairs = channel_pairs(len(channels))
        return correlation_names(channels, pairs, (lag, lag), log_norm=self.log_norm)

    def _denoisers(self) -> Sequence[Any]:
        if self.denoisers is None:
            return "wavelet", WaveletDenoiser(sigma=2.0), GaussianDenoiser(0.7)
        return self.denoisers

    def _colour_lag(self, n_channels: int) -> int:
        """Return the greatest lag of luminance and colour differences, -1 if there are none."""
        return -1 if n_channels == 1 or self.colour_lag is None else self.colour_lag

    def _lags(self) -> list[int]:
        """Return the greatest lag of each residual."""
        if isinstance(self.max_lag, int | np.integer):
            return [int(self.max_lag)] * len(self._denoisers())
        return list(self.max_lag)

    def _reaches(self, n_channels: int) -> list[int]:
        """Return how far the covariances of each residual must reach."""
        others = (self.window or 1) - 1, self._colour_lag(n_channels)
        return [max(lag, *others) for lag in self._lags()]

    def _check_params(self) -> None:
        """Check what the table of constraints does not say."""
        denoisers = list(self._denoisers())
        if not denoisers:
            raise ValueError("denoisers must be one or more, got none.")
        for denoiser in denoisers:
            check_denoiser(denoiser)
        lags: list[Any] = self._lags()
        if not all(isinstance(lag, int | np.integer) and lag >= 0 for lag in lags):
            raise ValueError(f"max_lag must be one or more integers from 0, got {self.max_lag!r}.")
        if len(lags) != len(denoisers):
            raise ValueError(
                f"max_lag must be one integer, or one for each of the {len(denoisers)} denoisers, "
                f"got {self.max_lag!r}."
            )
        if self.window and self.window % 2 == 0:
            raise ValueError(f"window must be odd, or 0 for none, got {self.window}.")


def _fast_side(side: int) -> int:
    """Return the most rows or columns of an image that have a fast FFT."""
    # Small images are fast, and have none to spare.
    return side if side < SMALL_SIDE else int(fft.prev_fast_len(side))


def _near(table: np.ndarray, lag: int) -> np.ndarray:
    """Covariances ``(..., n_lags, n_lags)`` up to a lag."""
    middle = table.shape[-1] // 2
    near = slice(middle - lag, middle + lag + 1)
    return table[..., near, near]


def _powers(table: np.ndarray) -> np.ndarray:
    """Powers ``(n, C)`` of channels with covariances ``(n, C, C, n_lags, n_lags)``."""
    channels, middle = range(table.shape[1]), table.shape[-1] // 2
    # Rounding can leave less than nothing.
    return np.maximum(table[:, channels, channels, middle, middle], 0)


def _in_colours(table: np.ndarray) -> np.ndarray:
    """Covariances of luminance and colour differences, from those of red, green and blue."""
    weights = np.kron(YCBCR_WEIGHTS, YCBCR_WEIGHTS).T
    return (weights @ table.reshape(len(table), 9, -1)).reshape(table.shape)
