"""Power spectra of residuals."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft
from scipy.signal.windows import hann
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint._images import ImageShape
from sklearn_ganprint.features._base import POWER_FLOOR, ResidualFeatures, channel_names


class SpectrumTransformer(ResidualFeatures):
    """Logarithm of the power spectrum of each residual.

    Parameters
    ----------
    window_size : int, default=32
        Side of the windows whose spectra are averaged (Welch's method), in pixels. Windows
        overlap by half. Of images with a shorter side, windows of that side.

    profile : {"full", "radial", "azimuthal"}, default="full"
        What becomes of the frequencies of the plane: "full" keeps them; "radial" averages the
        power over rings of one frequency whatever its direction, "azimuthal" over sectors of one
        direction whatever the frequency.

    normalize : bool, default=True
        Whether the power of each channel is divided by its mean over the frequencies, so that how
        strong a residual is does not count.

    image_shape : tuple of int, default=None
        ``(H, W)`` or ``(H, W, C)`` of the residuals when they come as rows. Without it rows are
        taken as images of one line, with a warning.

    n_jobs : int, default=None
        Number of threads; None is 1 unless in a :func:`joblib.parallel_config` context.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the residuals.

    n_features_in_ : int
        Number of values of a residual.

    feature_names_in_ : ndarray of str
        Names of the columns, if the residuals came as a data frame.

    See Also
    --------
    AutocorrelationTransformer : The same traces by lag, and those between channels.
    TiledTransformer : Features of the parts of each residual too.

    Notes
    -----
    The spectrum is the mean of ``|FFT(w R)|^2 / sum(w^2)`` over the windows, with a periodic Hann
    window w [1]_: white noise of variance v has v everywhere. What fills no window at the right and
    lower borders is left out. Frequencies are in cycles per window, downwards and to the right.
    Of the two that have the same power, f and -f, one is kept: 514 a channel with windows of 32
    pixels, 24 rings, or 16 sectors. Powers of less than 1e-6 squared grey levels count as that.
    It takes about 5 ms for an RGB image of 256 px on one core.

    References
    ----------
    .. [1] P. D. Welch, "The use of fast Fourier transform for the estimation of power spectra",
       IEEE Transactions on Audio and Electroacoustics 15 (2), 1967.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.features import SpectrumTransformer
    >>> residuals = np.random.default_rng(0).normal(size=(4, 64, 64, 3))
    >>> SpectrumTransformer().fit_transform(residuals).shape
    (4, 1542)
    >>> radial = SpectrumTransformer(8, profile="radial").fit(residuals)
    >>> radial.get_feature_names_out()[:7].tolist()
    ['r[0]', 'r[1]', 'r[2]', 'r[3]', 'r[4]', 'r[5]', 'r[6]']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "window_size": [Interval(Integral, 2, None, closed="left")],
        "profile": [StrOptions({"full", "radial", "azimuthal"})],
        "normalize": ["boolean"],
        "image_shape": ["array-like", None],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        window_size: int = 32,
        *,
        profile: str = "full",
        normalize: bool = True,
        image_shape: Sequence[int] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.window_size = window_size
        self.profile = profile
        self.normalize = normalize
        self.image_shape = image_shape
        self.n_jobs = n_jobs

    def _features(self, planes: np.ndarray) -> np.ndarray:
        window = self._window(planes.shape[2:])
        power = np.maximum(welch_spectrum(planes, window), POWER_FLOOR)
        power = power.reshape(*power.shape[:2], -1)
        averages, counts = (each.astype(power.dtype) for each in self._averages(window))
        if self.normalize:
            power /= power @ counts[:, np.newaxis] / counts.sum()
        return np.log(power @ averages.T).reshape(len(planes), -1)

    def _names(self, image_shape: ImageShape) -> list[str]:
        frequencies = Frequencies.of_window(*self._window(image_shape[:2]))
        bins = frequencies.bins(self.profile)
        labels = [frequencies.label(self.profile, bin) for bin in np.unique(bins[bins >= 0])]
        return [f"{name}[{label}]" for name in channel_names(image_shape[2]) for label in labels]

    def _window(self, sides: Sequence[int]) -> tuple[int, int]:
        height, width = (min(self.window_size, side) for side in sides)
        return height, width

    def _averages(self, window: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Matrix from a spectrum to the means of its bins, and how often a frequency counts."""
        frequencies = Frequencies.of_window(*window)
        bins = frequencies.bins(self.profile)
        members = np.unique(bins[bins >= 0])[:, np.newaxis] == bins
        weights = members * frequencies.counts
        return weights / weights.sum(axis=1, keepdims=True), frequencies.counts


class Frequencies(NamedTuple):
    """The frequencies of a real transform, in cycles per window, one after the other."""

    window: tuple[int, int]
    downwards: np.ndarray
    rightwards: np.ndarray

    @classmethod
    def of_window(cls, height: int, width: int) -> "Frequencies":
        """Those of ``rfft2``."""
        downwards = np.rint(np.fft.fftfreq(height, 1 / height)).astype(int)
        grid = np.meshgrid(downwards, np.arange(width // 2 + 1), indexing="ij")
        return cls((height, width), grid[0].ravel(), grid[1].ravel())

    @property
    def mirrored(self) -> np.ndarray:
        """Where f and -f are both among the frequencies, or the same."""
        return (2 * self.rightwards) % self.window[1] == 0

    @property
    def counts(self) -> np.ndarray:
        """How many frequencies of the whole plane each stands for."""
        return np.where(self.mirrored, 1, 2)

    def bins(self, profile: str) -> np.ndarray:
        """Give the number of the bin of each frequency, -1 where it is in none."""
        if profile == "full":
            lower = self.mirrored & (self.downwards < 0) & (2 * self.downwards != -self.window[0])
            return np.where(lower, -1, np.arange(lower.size))
        side = max(self.window)
        y, x = self.downwards / self.window[0] * side, self.rightwards / self.window[1] * side
        if profile == "radial":
            return np.rint(np.hypot(y, x)).astype(int)
        sectors = np.rint(np.arctan2(y, x) / np.pi * (side // 2)).astype(int) % (side // 2)
        return np.where((x == 0) & (y == 0), -1, sectors)

    def label(self, profile: str, bin: int) -> str:
        """Name of a bin."""
        if profile == "full":
            return f"{self.downwards[bin]},{self.rightwards[bin]}"
        return str(bin) if profile == "radial" else f"{180 * bin / (max(self.window) // 2):g}deg"


def welch_spectrum(planes: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """Mean power spectrum of windows that overlap by half.

    Parameters
    ----------
    planes : ndarray of shape (n, C, H, W)
        Images by channel.

    window : tuple of int
        Height and width of the windows.

    Returns
    -------
    ndarray of shape (n, C, height, width // 2 + 1)
        The power at the frequencies of a real transform.
    """
    taper = np.outer(*(hann(side, sym=False) for side in window)).astype(planes.dtype)
    steps = [slice(None, None, max(1, side // 2)) for side in window]
    windows = sliding_window_view(planes, window, axis=(2, 3))[:, :, steps[0], steps[1]]
    spectra = fft.rfft2(windows * taper)
    power = spectra.real**2 + spectra.imag**2
    return power.mean(axis=(2, 3)) / np.square(taper).sum()
