"""Power spectra of residuals, and the lines in them that upsampling leaves."""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from numbers import Integral
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft
from scipy.signal.windows import hann
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint._batches import row_chunks, thread_map
from sklearn_ganprint._images import ImageShape, without_intensity
from sklearn_ganprint.features._base import POWER_FLOOR, ResidualFeatures, channel_names
from sklearn_ganprint.residuals._residual import divide_by_local_rms

__all__ = ["SpectralLineTransformer", "SpectrumTransformer"]

#: Of the local power, in squared grey levels: rounding to 8 bits alone has a third of it.
ROUNDING_FLOOR = 0.25
#: How far around a line its neighbourhood reaches, in steps of the spectrum.
REACH = 5

#: Side of the windows over which spectra of parts are averaged, in pixels.
WINDOW = 32
#: Residuals with a shorter side have no quarters that hold windows.
MIN_SIDE = 16
#: Upper limit of coherences: a channel and its copy have 1, whose z is infinite.
MAX_COHERENCE = 0.999


class SpectrumTransformer(ResidualFeatures):
    """Logarithm of the power spectrum of each residual.

    Parameters
    ----------
    window_size : int, default=32
        Side of the windows whose spectra are averaged (Welch's method), in pixels. Windows
        overlap by half. Images with a shorter side have windows of that side.
    profile : {"full", "radial", "azimuthal"}, default="full"
        "full" keeps all frequencies of the plane; "radial" averages the power over rings of one
        frequency, "azimuthal" over sectors of one direction.
    normalize : bool, default=True
        Whether the power of each channel is divided by its mean over the frequencies, so that the
        strength of a residual does not count.
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
    AutocorrelationTransformer : The same traces by lag, also between channels.
    TiledTransformer : Features of the parts of each residual too.

    Notes
    -----
    The spectrum is the mean of ``|FFT(w R)|^2 / sum(w^2)`` over the windows, with a periodic Hann
    window w [1]_: white noise of variance v has v everywhere. Pixels at the right and lower borders
    that fill no window are left out. Frequencies are in cycles per window, downwards and to the
    right. The frequencies f and -f have the same power, so one of them is kept: 514 a channel with
    windows of 32 pixels, 24 rings, or 16 sectors. Powers are at least 1e-6 squared grey levels.
    An RGB image of 256 px takes about 5 ms on one core.

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
        **ResidualFeatures._parameter_constraints,
        "window_size": [Interval(Integral, 2, None, closed="left")],
        "profile": [StrOptions({"full", "radial", "azimuthal"})],
        "normalize": ["boolean"],
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
        averages, counts = (array.astype(power.dtype) for array in self._averages(window))
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
        """Return the number of the bin of each frequency, -1 where it is in none."""
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

    Images are ``(n, C, H, W)``, spectra ``(n, C, height, width // 2 + 1)``, at the frequencies of a
    real transform.
    """
    taper = np.outer(*(hann(side, sym=False) for side in window)).astype(planes.dtype)
    steps = [slice(None, None, max(1, side // 2)) for side in window]
    windows = sliding_window_view(planes, window, axis=(2, 3))[:, :, steps[0], steps[1]]
    spectra = fft.rfft2(windows * taper)
    power = spectra.real**2 + spectra.imag**2
    return power.mean(axis=(2, 3)) / np.square(taper).sum()


class SpectralLineTransformer(ResidualFeatures):
    """Height of the lines of a pixel period above the spectrum of each residual.

    A network that enlarges by two or four treats the pixels of a 2 x 2 or 4 x 4 block differently,
    whatever its weights are. The spectrum of its images has lines at multiples of 1/2 or 1/4 cycle
    per pixel, which photographs do not have. So these features tell generated images from
    photographs, also images of generators that were not in the fit.

    Parameters
    ----------
    period : int, default=4
        The pixel period: lines are at multiples of ``1 / period`` cycles per pixel.
    window : int or None, default=9
        Side of the square, in pixels, over which the local power of a residual is averaged. The
        residual is divided by the root of that power, so that edges and textures do not outweigh
        the rest. None leaves the residual unchanged.
    segment_size : int, default=128
        Approximate side of the equal parts, in pixels, that images are cut into. Ratios are
        averaged over parts, since a pattern need not be the same all over the image. Images with
        sides of less than 1.5 times that stay whole.
    magnitude : bool, default=True
        Whether to look for lines in the magnitude of the residual as well: only there a pattern
        shows whose sign changes from place to place.
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
    SpectrumTransformer : The whole power spectrum, smoothed, which hides lines.
    AutocorrelationTransformer : Features that tell known generators apart.

    Notes
    -----
    With P the power spectrum of a part of a residual, and B the mean of P in the square of 11 x 11
    frequencies around a line, without it, a feature is ``log(1 + mean(P / B))``. The mean is over
    the parts, and over the lines that are one another's mirror image or transpose: ``(1/4, 2/4)``
    stands for ``(2/4, 1/4)`` and ``(1/4, -2/4)`` too. Without a line a feature is about log 2.
    Frequency 0 is left out, so a channel has 5 features with period 4, and its magnitude as many.
    An RGB image of 256 px takes about 5 ms on one core.

    Parts are cut at the right and below to multiples of the period. Neighbourhoods are smaller in
    parts with sides of less than ``10 * period`` pixels, to keep other lines out of them.

    JPEG has a period of 8, and so weak lines of its own at these frequencies. Compare only images
    that went through the same compression.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.features import SpectralLineTransformer
    >>> residuals = np.random.default_rng(0).normal(size=(2, 64, 64))
    >>> residuals[1, ::2] += 0.5
    >>> lines = SpectralLineTransformer(magnitude=False).fit(residuals)
    >>> lines.get_feature_names_out().tolist()
    ['l[0/4,1/4]', 'l[0/4,2/4]', 'l[1/4,1/4]', 'l[1/4,2/4]', 'l[2/4,2/4]']
    >>> (lines.transform(residuals)[:, 1] > 3).tolist()
    [False, True]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ResidualFeatures._parameter_constraints,
        "period": [Interval(Integral, 2, None, closed="left")],
        "window": [Interval(Integral, 2, None, closed="left"), None],
        "segment_size": [Interval(Integral, 1, None, closed="left")],
        "magnitude": ["boolean"],
    }

    def __init__(
        self,
        period: int = 4,
        *,
        window: int | None = 9,
        segment_size: int = 128,
        magnitude: bool = True,
        image_shape: Sequence[int] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.period = period
        self.window = window
        self.segment_size = segment_size
        self.magnitude = magnitude
        self.image_shape = image_shape
        self.n_jobs = n_jobs

    def _features(self, planes: np.ndarray) -> np.ndarray:
        if self.window is not None:
            window = (1, 1, self.window, self.window)
            planes = divide_by_local_rms(planes, window, ROUNDING_FLOOR)
        kinds = [planes, np.abs(planes)] if self.magnitude else [planes]
        return np.concatenate([self._lines(kind) for kind in kinds], axis=1)

    def _lines(self, planes: np.ndarray) -> np.ndarray:
        """Logarithms of the ratios, of shape ``(n, C * n_lines)``."""
        parts = segments(planes, self.segment_size, self.period)
        # The mean has all of frequency 0, whose neighbours would have some of it by rounding.
        spectrum = fft.rfft2(parts - parts.mean(axis=(-2, -1), keepdims=True))
        power, width = spectrum.real**2 + spectrum.imag**2, parts.shape[-1]
        ratios = [
            np.mean([line_ratio(power, width, self.period, line) for line in members], axis=0)
            for members in folded_lines(self.period).values()
        ]
        means = np.stack(ratios, axis=-1).mean(axis=2)
        return np.log1p(means).reshape(len(planes), -1)

    def _names(self, image_shape: ImageShape) -> list[str]:
        labels = [f"[{a}/{self.period},{b}/{self.period}]" for a, b in folded_lines(self.period)]
        letters = list(channel_names(image_shape[2]))
        kinds = [*letters, *(f"|{letter}|" for letter in letters if self.magnitude)]
        return [f"{kind}{label}" for kind in kinds for label in labels]


def segments(planes: np.ndarray, size: int, period: int) -> np.ndarray:
    """Cut images ``(n, C, H, W)`` into equal parts ``(n, C, n_parts, h, w)``."""
    counts = [max(1, round(side / size)) for side in planes.shape[2:]]
    lengths = [side // n for side, n in zip(planes.shape[2:], counts, strict=True)]
    height, width = (length - length % min(period, length) for length in lengths)
    starts = [(i * lengths[0], j * lengths[1]) for i in range(counts[0]) for j in range(counts[1])]
    parts = [planes[..., i : i + height, j : j + width] for i, j in starts]
    return np.stack(parts, axis=2)


def folded_lines(period: int) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """List lines by what they are after mirroring and transposing, in units of 1 / period.

    Of f and -f, which have the same power, one is listed.
    """
    lines: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for down, right in np.ndindex(period, period // 2 + 1):
        own_mirror = (2 * right) % period == 0
        if (down, right) == (0, 0) or (own_mirror and 2 * down > period):
            continue
        folded = sorted((min(down, period - down), min(right, period - right)))
        lines.setdefault((folded[0], folded[1]), []).append((down, right))
    return dict(sorted(lines.items()))


def line_ratio(power: np.ndarray, width: int, period: int, line: tuple[int, int]) -> np.ndarray:
    """Power of a line by the mean power around it.

    `power` is ``(..., H, width // 2 + 1)``, at the frequencies of a real transform; the line is in
    units of ``1 / period`` cycles per pixel. 1 where the image is too small for neighbours.
    """
    sides = power.shape[-2], width
    reach = [min(REACH, side // (2 * period)) for side in sides]
    down, right = (
        round(n * side / period) + np.arange(-r, r + 1)
        for n, side, r in zip(line, sides, reach, strict=True)
    )
    down, right = down[:, np.newaxis], right % width
    left = right > width // 2
    # Power at f is that at -f, and only one of them is there.
    around = power[
        ..., np.where(left, -down, down) % sides[0], np.where(left, -right, right) % width
    ]
    own = around[..., reach[0], reach[1]]
    n_others = around.shape[-1] * around.shape[-2] - 1
    if not n_others:
        return np.ones_like(own)
    background = (around.sum(axis=(-2, -1)) - own) / n_others
    return own / np.maximum(background, POWER_FLOOR)


def part_spectra(images: np.ndarray, n_jobs: int | None = None) -> np.ndarray:
    """Return spectra of residuals and of their four quarters.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, C)
        Residuals. The last of 2 or 4 channels, the intensity of the images, is left out.
    n_jobs : int, default=None
        Number of threads.

    Returns
    -------
    ndarray of shape (n, 5, n_features)
        Features of the whole, then of its quarters: for each channel the logarithm of its power
        over its mean power, and for each two channels the z value of the real part of their
        coherence, at 514 frequencies; 3084 values for three channels. Residuals with a side of
        less than 16 pixels are returned as they are, of shape ``(n, 1, H * W * C)``.

    Notes
    -----
    Spectra are means over windows of 32 pixels that overlap by half (Welch's method), of half the
    shorter side if that is less. Coherence is ``Re S_ab / sqrt(S_aa S_bb)``, its z value the
    inverse hyperbolic tangent, whose variance hardly depends on the coherence. Windows in the
    middle, which would belong to two quarters, are left out of both.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.clustering import part_spectra
    >>> part_spectra(np.random.default_rng(0).normal(size=(3, 128, 128, 3))).shape
    (3, 5, 3084)
    """
    n, *sides, n_channels = images.shape
    images = images[..., : without_intensity(n_channels)]
    if min(sides) < MIN_SIDE:
        return images.reshape(n, 1, -1)
    side = min(WINDOW, *(side // 2 for side in sides))

    def compute(chunk: slice) -> np.ndarray:
        planes = np.ascontiguousarray(np.moveaxis(images[chunk], -1, 1))
        return spectral_features(cross_spectra(planes, side), side)

    return np.concatenate(thread_map(compute, row_chunks(n, images[0].size), n_jobs))


def channel_pairs(n_channels: int) -> list[tuple[int, int]]:
    """Return the pairs of a channel with itself and with each later one."""
    return list(combinations_with_replacement(range(n_channels), 2))


def cross_spectra(planes: np.ndarray, side: int) -> np.ndarray:
    """Return the power of each channel, and the real cross-spectrum of each two channels.

    `planes` are residuals ``(n, C, H, W)``. The result has shape
    ``(n, 5, n_pairs, side * (side // 2 + 1))``: the whole, then its quarters, at the frequencies of
    a real transform.
    """
    taper = np.outer(hann(side, sym=False), hann(side, sym=False)).astype(planes.dtype)
    step = max(1, side // 2)
    windows = sliding_window_view(planes, (side, side), axis=(2, 3))[:, :, ::step, ::step]
    n_rows, n_columns = windows.shape[2:4]
    columns = [slice(None), *halves(n_columns)]
    top, bottom = (range(n_rows)[half] for half in halves(n_rows))
    pairs = channel_pairs(planes.shape[1])
    sums = np.zeros((len(planes), 5, len(pairs), side * (side // 2 + 1)), planes.dtype)
    # A row of windows at a time: all windows of a photo of 14 MP would take more than a gigabyte.
    for row in range(n_rows):
        spectra = fft.rfft2(windows[:, :, row] * taper).reshape(*planes.shape[:2], n_columns, -1)
        for pair, (a, b) in enumerate(pairs):
            products = (spectra[:, a].conj() * spectra[:, b]).real
            whole, left, right = (products[:, column].sum(axis=1) for column in columns)
            sums[:, 0, pair] += whole
            quarters = ((top, left), (top, right), (bottom, left), (bottom, right))
            for part, (rows, value) in enumerate(quarters, start=1):
                if row in rows:
                    sums[:, part, pair] += value
    quarter = len(top) * len(range(n_columns)[columns[1]])
    counts = np.array([n_rows * n_columns] + 4 * [quarter], planes.dtype)
    return sums / (counts[:, np.newaxis, np.newaxis] * np.square(taper).sum())


def halves(n: int) -> tuple[slice, slice]:
    """Return the first and last half of n windows in a line, without those across the middle."""
    half = (n - 1) // 2
    return slice(half), slice(n - half, n)


def spectral_features(spectra: np.ndarray, side: int) -> np.ndarray:
    """Return the features ``(n, 5, n_features)`` from the result of :func:`cross_spectra`."""
    frequencies = Frequencies.of_window(side, side)
    counts = (frequencies.counts / frequencies.counts.sum()).astype(spectra.dtype)
    kept = frequencies.bins("full") >= 0
    n_channels = int(np.sqrt(2 * spectra.shape[2]))
    pairs = channel_pairs(n_channels)
    own = [pairs.index((a, a)) for a in range(n_channels)]
    power = [np.maximum(spectra[:, :, pair], POWER_FLOOR) for pair in own]
    features = []
    for pair, (a, b) in enumerate(pairs):
        if a == b:
            values = np.log(power[a] / (power[a] @ counts)[..., np.newaxis])
        else:
            coherence = spectra[:, :, pair] / np.sqrt(power[a] * power[b])
            values = np.arctanh(np.clip(coherence, -MAX_COHERENCE, MAX_COHERENCE))
        features.append(values[:, :, kept])
    return np.concatenate(features, axis=2)
