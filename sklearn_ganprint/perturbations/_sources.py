"""Traces of sources that are drawn at random, to stand for those that nobody has seen."""

from collections.abc import Sequence
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
from PIL import Image
from sklearn.utils._param_validation import Interval

from sklearn_ganprint.perturbations._base import BasePerturbation
from sklearn_ganprint.perturbations._perturbations import FILTERS, WORDS, image_generator

__all__ = ["SimulatedSource"]

#: Filters along one axis that double a length, of four taps: as transposed convolutions tend to.
DOUBLING = ((1.0, 3.0, 3.0, 1.0), (1.0, 2.0, 1.0, 0.0), (0.0, 1.0, 1.0, 0.0))

#: Numbers of sources that there are, which seed the noise.
MOST_NUMBERS = 2**32


class Traces(NamedTuple):
    """What a simulated source does to images, one thing after the other."""

    doublings: int  # of images that were reduced as often before
    scale: float  # of a reduction that is undone by interpolation; 1 for none
    reduction: str
    enlargement: str
    doubling_kernels: np.ndarray  # (2, 4, 4), of the first and the second doubling
    kept: float  # share of the details that a reduction loses
    kernels: np.ndarray  # (3, k, k), of red, green and blue
    mix: np.ndarray  # (3, 3), of the colours
    noise: float  # standard deviation in grey levels
    noise_kernel: np.ndarray  # (3, 3)


class SimulatedSource(BasePerturbation):
    """Give images the traces of a source that is drawn at random.

    An image is reduced and enlarged again by upsampling filters, or resized and back, or neither;
    each of its colours is filtered by a short kernel, colours are mixed a little, and noise may be
    added. The same number always gives the same traces, as one generator does. Images with the
    traces of many such sources show how sources may differ beyond those at hand:
    :class:`FusionClassifier` compares with them how typical an image is.

    Parameters
    ----------
    number : int, default=0
        Which of the sources it is.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of images that come as rows; None takes a row as one line, and warns.
    data_range : float, default=255.0
        The value of white.

    See Also
    --------
    BasePerturbation : Attributes and notes that all perturbations have in common.
    RandomHistory : What images go through after they were made.
    sklearn_ganprint.datasets.make_generator_images : Images of simulated generators with siblings.

    Notes
    -----
    A source has one of four ways, as likely each: one or two doublings by filters of 4 x 4 taps
    near linear interpolation, the taps of each phase up to a fifth or so off; a reduction to .4 to
    .95 of the sides and interpolation back; or none of these. Doublings keep a share of up to .7
    of the fine details. Kernels are of 3 x 3 or 5 x 5 values, the identity and normal values with
    a standard deviation of .01 to .13, in half of all sources the same for all colours. The idea of
    learning what differs between sources from simulated ones is that of few-shot verification in
    speaker recognition and of "universal background models" there [1]_.

    References
    ----------
    .. [1] D. A. Reynolds, T. F. Quatieri, R. B. Dunn, "Speaker verification using adapted Gaussian
       mixture models", Digital Signal Processing 10, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.perturbations import SimulatedSource
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    >>> first, second = (SimulatedSource(number).transform(images) for number in (0, 1))
    >>> first.shape, bool((first != second).any())
    ((2, 32, 32, 3), True)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BasePerturbation._parameter_constraints,
        "number": [Interval(Integral, 0, MOST_NUMBERS - 1, closed="both")],
        "data_range": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        number: int = 0,
        *,
        image_shape: Sequence[int] | None = None,
        data_range: float = 255.0,
    ) -> None:
        self.number = number
        self.image_shape = image_shape
        self.data_range = data_range

    def __str__(self) -> str:
        return f"source {self.number}"

    def _perturb(self, image: np.ndarray) -> np.ndarray:
        traces = _draw_traces(int(self.number))
        n_channels = image.shape[2]
        levels = np.moveaxis(image, -1, 0) * np.float32(255 / self.data_range)
        levels = levels.astype(np.float32, copy=False)
        values = _resampled(levels, traces)
        values = _filtered(values, traces.kernels[:n_channels])
        if n_channels == len(traces.mix):
            values = np.tensordot(traces.mix, values, 1)
        if traces.noise:
            rng = image_generator(image, int(self.number))
            noise = rng.standard_normal(values.shape, dtype=np.float32)
            values += traces.noise * _filtered(noise, traces.noise_kernel[np.newaxis])
        return np.moveaxis(values, 0, -1) * np.float32(self.data_range / 255)


@lru_cache(maxsize=256)
def _draw_traces(number: int) -> Traces:
    rng = np.random.default_rng([7, number])
    way = rng.integers(4)
    size, deviation = rng.choice([3, 5]), 10 ** rng.uniform(-2, -0.9)
    kernels = np.stack([_near_identity(rng, size, deviation) for _ in range(3)])
    if rng.random() < 0.5:
        kernels[1:] = kernels[0]
    mix = np.eye(3) + rng.normal(0, 0.03, (3, 3))
    return Traces(
        doublings=(0, 0, 1, 2)[way],
        scale=float(rng.uniform(0.4, 0.95)) if way == 1 else 1.0,
        reduction=str(rng.choice(["box", "bilinear", "bicubic", "lanczos"])),
        enlargement=str(rng.choice(["nearest", "bilinear", "bicubic", "lanczos"])),
        doubling_kernels=np.stack([_near_linear(rng) for _ in range(2)]),
        kept=float(rng.uniform(0, 0.7)),
        kernels=kernels,
        mix=(mix / mix.sum(axis=1, keepdims=True)).astype(np.float32),
        noise=float(rng.uniform(0.2, 2.5)) if rng.random() < 0.5 else 0.0,
        noise_kernel=_near_identity(rng, 3, 0.3),
    )


def _near_identity(rng: np.random.Generator, size: int, deviation: float) -> np.ndarray:
    """Draw a kernel with a sum of 1."""
    kernel = rng.normal(0, deviation, (size, size))
    kernel -= kernel.mean()
    kernel[size // 2, size // 2] += 1
    return kernel.astype(np.float32)


def _near_linear(rng: np.random.Generator) -> np.ndarray:
    """Draw a filter (4, 4) that doubles sides; the sums of its four phases are nearly 1."""
    taps = np.array(DOUBLING[rng.choice(3, p=(0.6, 0.2, 0.2))])
    kernel = np.outer(taps, taps) * (1 + rng.normal(0, 0.15, (4, 4)))
    for row in (0, 1):
        for column in (0, 1):
            phase = kernel[row::2, column::2]
            phase /= phase.sum() * (1 + rng.normal(0, 0.01))
    return kernel.astype(np.float32)


def _resampled(planes: np.ndarray, traces: Traces) -> np.ndarray:
    """Reduce planes (C, H, W) and enlarge them to their size again."""
    height, width = planes.shape[1:]
    if traces.scale < 1:
        rows, columns = (max(1, round(side * traces.scale)) for side in (height, width))
        reduced = _resized(planes, rows, columns, traces.reduction)
        return _resized(reduced, height, width, traces.enlargement)
    if not traces.doublings:
        return planes
    factor = 2**traces.doublings
    values = _resized(planes, -(-height // factor), -(-width // factor), traces.reduction)
    for kernel in traces.doubling_kernels[: traces.doublings]:
        values = _doubled(values, kernel)
    smooth = _filtered(planes, np.full((1, 5, 5), 1 / 25, np.float32))
    return values[:, :height, :width] + traces.kept * (planes - smooth)


def _resized(planes: np.ndarray, height: int, width: int, resample: str) -> np.ndarray:
    # Pillow knows floats in single planes only.
    images = (Image.fromarray(np.ascontiguousarray(plane)) for plane in planes)
    return np.stack([np.asarray(im.resize((width, height), FILTERS[resample])) for im in images])


def _doubled(planes: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Enlarge planes to twice their sides, as a transposed convolution with stride 2 does."""
    n_channels, height, width = planes.shape
    doubled = np.empty((n_channels, 2 * height, 2 * width), np.float32)
    around = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    for row in (0, 1):
        for column in (0, 1):
            phase = kernel[row::2, column::2][np.newaxis]
            own = _slid(around[:, row:, column:], phase, height, width)
            doubled[:, row::2, column::2] = own
    return doubled


def _filtered(planes: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Filter planes (C, H, W) with kernels (C or 1, k, k); edges are mirrored."""
    reach = kernels.shape[1] // 2
    around = np.pad(planes, ((0, 0), (reach, reach), (reach, reach)), mode="symmetric")
    return _slid(around, kernels, *planes.shape[1:])


def _slid(around: np.ndarray, kernels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Sum shifted planes, each weighted by one value of the kernels."""
    total = np.zeros((len(around), height, width), np.float32)
    for row in range(kernels.shape[1]):
        for column in range(kernels.shape[2]):
            weights = kernels[:, row, column, np.newaxis, np.newaxis]
            total += weights * around[:, row : row + height, column : column + width]
    return total


WORDS["source"] = lambda number: SimulatedSource(int(number))
