"""Spectra of residuals and of their quarters, and axes along which sources differ most in them."""

from itertools import combinations_with_replacement
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft
from scipy.signal.windows import hann
from sklearn.neighbors import NearestNeighbors

from sklearn_ganprint._batches import row_chunks, thread_map
from sklearn_ganprint.features._base import POWER_FLOOR
from sklearn_ganprint.features._spectrum import Frequencies

__all__ = ["part_spectra"]

#: Side of the windows over which spectra are averaged, in pixels.
WINDOW = 32

#: Residuals with a shorter side have no quarters that hold windows; their values are the features.
MIN_SIDE = 16

#: Upper limit of coherences: a channel and its copy have 1, whose z is infinite.
MAX_COHERENCE = 0.999

#: Principal components of the features on which the scatter within images is estimated.
N_PRINCIPAL = 200

#: Of these, whitened, the components on which the scatter between neighbours is estimated.
N_WHITENED = 100

#: Components kept.
N_COMPONENTS = 40

#: Share of the mean scatter that is added to the scatter along each axis: for parts of images, and
#: for neighbours, which are chosen for being near. With FEW_IMAGES or fewer the latter counts less.
RIDGE = 0.01
NEIGHBOR_RIDGE = 0.25
FEW_IMAGES = 160

#: Nearest neighbours of an image, at most and as a share of all images, and the components on which
#: they are searched. With a third as many, the halves of one source look like two.
N_NEIGHBORS = 20
NEIGHBOR_SHARE = 1 / 8
NEIGHBOR_COMPONENTS = 20

#: Number of searches for neighbours; each but the first uses the axes that the last one gave.
N_ROUNDS = 2


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


class Axes(NamedTuple):
    """An affine map of features: ``(features - mean) @ matrix``."""

    mean: np.ndarray
    matrix: np.ndarray

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Return coordinates ``(n, n_components)`` of features ``(n, n_features)``."""
        return (features - self.mean).astype(np.float64) @ self.matrix


def whitened_axes(parts: np.ndarray) -> Axes:
    """Return at most 40 axes with unit scatter within sources, by their scatter between images.

    `parts` has the features of each image as a whole, then of its parts, if any. Parts of one image
    share its source, so their scatter about the mean of their image stands in for a covariance
    within classes, without labels. The scatter of the nearest images, most of which are of one
    source, adds the differences between images of one source (D. Art, R. Gnanadesikan,
    J. R. Kettenring, "Data-based metrics for cluster analysis", Utilitas Mathematica 21A, 1982).
    """
    whole = parts[:, 0].astype(np.float64)
    mean = whole.mean(axis=0)
    whole -= mean
    basis = principal_axes(whole, N_PRINCIPAL)
    if parts.shape[1] > 1:
        basis = basis @ inverse_root(within_scatter(parts[:, 1:], basis), RIDGE)
        basis = basis @ principal_axes(whole @ basis, N_WHITENED)
        basis = basis @ neighbor_whitening(whole @ basis)
    basis = basis @ principal_axes(whole @ basis, N_COMPONENTS)
    return Axes(mean, basis)


def principal_axes(rows: np.ndarray, n_axes: int) -> np.ndarray:
    """Return principal axes ``(n_features, n_axes)`` of centred rows, by decreasing variance."""
    n, p = rows.shape
    values, vectors = np.linalg.eigh(rows @ rows.T if n < p else rows.T @ rows)
    # In descending order; at least one, which is arbitrary if all rows are alike.
    rank = max(1, int((values > 1e-10 * values[-1]).sum()))
    kept = slice(-1, -min(n_axes, rank) - 1, -1)
    if n < p:
        return rows.T @ (vectors[:, kept] / np.sqrt(np.maximum(values[kept], np.finfo(float).tiny)))
    return vectors[:, kept]


def within_scatter(parts: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the covariance of parts about the mean of their image, on a basis."""
    projected = (parts @ basis.astype(parts.dtype)).astype(np.float64)
    projected -= projected.mean(axis=1, keepdims=True)
    rows = projected.reshape(-1, basis.shape[1])
    return rows.T @ rows / len(rows)


def neighbor_whitening(points: np.ndarray) -> np.ndarray:
    """Return the matrix that gives nearest neighbours unit scatter about each other."""
    n, n_axes = points.shape
    matrix = np.eye(n_axes)
    n_neighbors = min(N_NEIGHBORS, ceil(NEIGHBOR_SHARE * n), n - 1)
    ridge = NEIGHBOR_RIDGE + (FEW_IMAGES / n) ** 2
    for _ in range(N_ROUNDS if n_neighbors else 0):
        white = points @ matrix
        search = NearestNeighbors(n_neighbors=n_neighbors).fit(
            white @ principal_axes(white, NEIGHBOR_COMPONENTS)
        )
        scatter = np.zeros_like(matrix)
        for column in search.kneighbors(return_distance=False).T:
            differences = points - points[column]
            scatter += differences.T @ differences
        matrix = inverse_root(scatter / (2 * n_neighbors * n), ridge)
    return matrix


def inverse_root(scatter: np.ndarray, ridge: float) -> np.ndarray:
    """Return the matrix that whitens a scatter plus a share of its mean along each axis.

    Where nothing scatters, axes stay as they are.
    """
    mean = np.trace(scatter) / len(scatter)
    if not mean > 0:
        return np.eye(len(scatter))
    values, vectors = np.linalg.eigh(scatter)
    return vectors / np.sqrt(np.maximum(values, 0) + ridge * mean)
