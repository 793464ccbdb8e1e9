"""What an image has been through, as far as its pixels show it."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct

from sklearn_ganprint._images import LUMINANCE_WEIGHTS
from sklearn_ganprint.datasets._decoding._jpeg import QUALITY_TABLES

__all__ = ["ImageHistory", "estimate_history"]

Levels = NDArray[np.float32]

#: Smallest side of an image of which something is told, in pixels.
MIN_SIDE = 64
#: Largest sides of the parts by which qualities and grids are compared: more pixels take longer,
#: and change hardly an answer.
_MAX_SIDE, _GRID_SIDE = 256, 192

# A decoder rounds luminance to whole grey levels: an error of variance 1/12 in each pixel and, the
# transform being orthonormal, in each coefficient.
_ERROR = 12**-0.5
# Share of coefficients that clipping, or what came after, may have moved anywhere.
_MOVED = 0.1
# Histograms of absolute coefficients end where few coefficients are left.
_BIN, _LARGEST = 0.25, 64
_N_BINS = int(_LARGEST / _BIN)

# Greatest row and column of the frequencies by which offsets of the grid are compared: the lowest,
# which compression sets to zero last.
_LOW = 3
# Natural logarithm of the likelihood ratio from which on there is a trace.
_EVIDENCE = 40.0


class ImageHistory(NamedTuple):
    """What the pixels of an image show of its history.

    Parameters
    ----------
    jpeg_quality : int or None
        Quality of the JPEG compression that has left the clearest trace, from 1 to 100; None
        without a trace.
    grid : tuple of (int, int) or None
        Row and column, from 0 to 7, at which the first whole block of 8 x 8 pixels of that
        compression begins. (0, 0) is an image that was not cut after it, or by multiples of 8.

    See Also
    --------
    estimate_history : Estimates it.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import ImageHistory
    >>> ImageHistory(jpeg_quality=75, grid=(0, 0)).jpeg_quality
    75
    """

    jpeg_quality: int | None = None
    grid: tuple[int, int] | None = None


def estimate_history(image: ArrayLike) -> ImageHistory:
    """Estimate from pixels alone whether an image was once JPEG, of which quality and grid.

    Parameters
    ----------
    image : array-like of shape (H, W) or (H, W, C)
        Grey levels, or C = 1 or 3 channels, in 8-bit units as :class:`ImageReader` returns them.

    Returns
    -------
    ImageHistory
        What is found; None for both of its parts where there is no trace of compression, and for
        images with a side of less than 64 pixels.

    Raises
    ------
    ValueError
        If the image has another shape.

    See Also
    --------
    inspect_images : Reads the quality that a JPEG file states in its quantization tables.

    Notes
    -----
    JPEG leaves coefficients of the discrete cosine transform at multiples of quantization steps,
    up to the rounding of pixels, as long as blocks are taken where compression had them [1]_ [2]_.
    A coefficient that is nearest to another multiple of the step q than 0, at a distance of e, has
    the likelihood ratio ``0.9 q N(e; 0, 1/12) + 0.1`` of having been quantized. The sum of its
    logarithms over all frequencies of luminance is maximised over the tables of the Independent
    JPEG Group; if it is less than 40 on the grid that begins at the first pixel, on the one of all
    64 grids on which 15 low frequencies have the greatest sum. A sum of less than 40 there as well
    is no trace. Blocks with values of 0 or 255 are left out, since clipping may have moved their
    coefficients. Of large images the 256 x 256 pixels in the middle are used, and 192 x 192 to
    compare grids.

    The trace is lost by resizing and blurring, and mostly by noise; from qualities of about 97 on
    there is hardly one, nor is one found of tables that are far from those of any quality. Of
    several compressions only one is told. No trace is therefore no proof that there was no
    compression. Neither WebP nor resizing is estimated.

    References
    ----------
    .. [1] Z. Fan and R. L. de Queiroz, "Identification of bitmap compression history: JPEG
       detection and quantizer estimation", IEEE Transactions on Image Processing 12(2), 2003.
    .. [2] R. Neelamani, R. de Queiroz, Z. Fan, S. Dash and R. G. Baraniuk, "JPEG compression
       history estimation for color images", IEEE Transactions on Image Processing 15(6), 2006.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import estimate_history, make_generator_images
    >>> from sklearn_ganprint.perturbations import JPEGCompression
    >>> image = make_generator_images(1, random_state=0).data[:1]
    >>> estimate_history(image[0])
    ImageHistory(jpeg_quality=None, grid=None)
    >>> compressed = JPEGCompression(75).transform(image)[0]
    >>> estimate_history(compressed[3:, 1:])
    ImageHistory(jpeg_quality=75, grid=(5, 7))
    """
    levels = _middle(_luminance(image), _MAX_SIDE)
    if min(levels.shape) < MIN_SIDE:
        return ImageHistory()
    # Few images are cut off the grid, and to look for it takes ten times as long.
    row, column = 0, 0
    evidence = _evidence(levels)
    if evidence.max() < _EVIDENCE:
        row, column = _grid(_middle(levels, _GRID_SIDE))
        evidence = _evidence(levels[row:, column:])
    best = int(evidence.argmax())
    return ImageHistory(best + 1, (row, column)) if evidence[best] >= _EVIDENCE else ImageHistory()


def _luminance(image: ArrayLike) -> Levels:
    """Return luminance in whole grey levels, which are those that a JPEG decoder had.

    It is NaN where a channel may have been clipped, so that it was not.
    """
    values = np.asarray(image)
    if values.ndim == 2:
        values = values[..., np.newaxis]
    if values.ndim != 3 or values.shape[2] not in (1, 3):
        raise ValueError(
            f"image: expected shape (H, W), (H, W, 1) or (H, W, 3), got {np.shape(image)}. Pass "
            f"one image at a time."
        )
    weights = LUMINANCE_WEIGHTS if values.shape[2] == 3 else (1.0,)
    levels = np.rint(values.astype(np.float32) @ np.array(weights, np.float32))
    for channel in np.moveaxis(values, -1, 0):
        levels[(channel <= 0) | (channel >= 255)] = np.nan
    return levels


def _middle(levels: Levels, max_side: int) -> Levels:
    """Cut out the middle, from a multiple of 8 on, so that the grid stays what it is."""
    starts = (max(0, side - max_side) // 2 // 8 * 8 for side in levels.shape)
    return levels[tuple(slice(start, start + max_side) for start in starts)]


@cache
def _basis() -> Levels:
    """Return the orthonormal cosine transform of 8 values, one frequency a row."""
    return dct(np.eye(8), norm="ortho", axis=0).astype(np.float32)


def _grid(levels: Levels) -> tuple[int, int]:
    """Find the offset at which low frequencies look most as if they had been quantized."""
    rows, columns = (np.arange(side - 7) % 8 for side in levels.shape)
    offsets = 8 * rows[:, np.newaxis] + columns
    evidence = np.zeros((64, 100), np.float32)
    for row in range(_LOW + 1):
        down = _correlate(levels, _basis()[row])
        for column in range(row == 0, _LOW + 1):
            found = _histograms(_correlate(down.T, _basis()[column]).T, offsets)
            evidence += found @ _log_ratios()[QUALITY_TABLES[:, 8 * row + column]].T
    best = int(evidence.max(axis=1).argmax())
    return best // 8, best % 8


def _correlate(values: Levels, kernel: Levels) -> Levels:
    """Correlate columns with a kernel, where it lies wholly within."""
    length = len(values) - len(kernel) + 1
    total = kernel[0] * values[:length]
    for position in range(1, len(kernel)):
        total += kernel[position] * values[position : position + length]
    return total


def _histograms(coefficients: Levels, kinds: NDArray[np.intp]) -> Levels:
    """Count absolute coefficients in bins, for each of 64 kinds."""
    # The last bin holds all that are larger, and those of clipped pixels, which are NaN.
    bins = np.fmin(np.abs(coefficients) * (1 / _BIN), _N_BINS).astype(np.intp)
    bins += kinds * (_N_BINS + 1)
    counts = np.bincount(bins.ravel(), minlength=64 * (_N_BINS + 1))
    return counts.reshape(64, -1)[:, :_N_BINS].astype(np.float32)


def _evidence(levels: Levels) -> NDArray[np.float32]:
    """Return the log-likelihood ratio of each quality, of the blocks from the top left on."""
    height, width = (side // 8 for side in levels.shape)
    blocks = levels[: 8 * height, : 8 * width].reshape(height, 8, width, 8).swapaxes(1, 2)
    coefficients = (_basis() @ blocks @ _basis().T).astype(np.float32, copy=False)
    found = _histograms(coefficients.reshape(-1, 64), np.arange(64)) @ _log_ratios().T
    # Constant coefficients are left out: brightness is no multiple of anything.
    return found[np.arange(1, 64), QUALITY_TABLES[:, 1:]].sum(axis=1)


@cache
def _log_ratios() -> Levels:
    """Return log-likelihood ratios of each quantization step, 0 to 255, for each bin."""
    steps = np.arange(1, 256)[:, np.newaxis]
    values = (np.arange(_N_BINS) + 0.5) * _BIN
    multiples = np.rint(values / steps)
    errors = (values - multiples * steps) / _ERROR
    density = np.exp(-0.5 * errors**2) / (_ERROR * np.sqrt(2 * np.pi))
    ratios = np.log((1 - _MOVED) * steps * density + _MOVED)
    # Coefficients near 0 are there in smooth images too.
    ratios[multiples == 0] = 0
    return np.vstack([np.zeros(_N_BINS), ratios]).astype(np.float32)
