"""Spectra of each residual, and of its quarters, within channels and across them."""

from itertools import combinations_with_replacement

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft
from scipy.signal.windows import hann

from sklearn_ganprint._parallel import row_chunks, thread_map
from sklearn_ganprint.features._base import POWER_FLOOR
from sklearn_ganprint.features._spectrum import Frequencies

#: Side of the windows over which spectra are averaged, in pixels.
WINDOW = 32

#: Residuals with a shorter side have no quarters that hold windows; their values are the features.
MIN_SIDE = 16

#: Upper limit of coherences: a channel and its copy have 1, whose z is infinite.
MAX_COHERENCE = 0.999


def part_spectra(images: np.ndarray, n_jobs: int | None = None) -> np.ndarray:
    """Return spectra of residuals and of their four quarters.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, C)
        Residuals.
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
    n, *sides = images.shape[:3]
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
