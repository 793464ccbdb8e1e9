"""The generators of the simulated zoo: small convolution chains with fixed weights.

Each shows the picture that it is given again, as a generator does that was trained well: a skip
connection carries it, through a last kernel that is nearly the identity, and hidden layers at a
quarter, at half and at the full resolution add what the network puts on top. Two things come about
by themselves, as in real ones: upsampling repeats at its stride whatever is constant in the hidden
layers, and the zeros around each layer tell it how far away the border is.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter

from sklearn_ganprint._images import LUMINANCE_WEIGHTS

#: Planes of the hidden layers at a quarter, at half and at the full resolution.
_WIDTHS = (16, 12, 6)

#: Planes at a quarter of the resolution that do not depend on the content.
_N_POSITION = 8

#: Residual blocks of a translating generator.
_N_BLOCKS = 9

#: Content is kept this far from black and white, where the hyperbolic tangent has no inverse.
_SATURATION = 0.99

#: What takes the means and the differences of a quarter of the resolution to like variances.
_DETAIL_GAINS = np.repeat([1, 6, 6, 8], 3).astype(np.float32)[:, np.newaxis, np.newaxis]


@dataclass(frozen=True)
class Family:
    """An architecture, and how strong its traces are.

    It upsamples by transposed convolutions, or from a learned constant by repeating pixels.
    """

    index: int  # tells the weights of one family from those of another
    transposed: bool
    texture: float  # standard deviation, in grey levels, of the fine pattern on an even picture
    position: float  # strength of the planes that do not depend on the content
    shared: float  # part of the variance of the weights that all siblings have in common
    conditions: tuple[float, ...] = ()  # how strongly each sibling's acts on a common generator
    # Standard deviation of what distinguishes the last kernel from the identity: in its sums,
    # which alter colours, and in its values, which alter details.
    style: float = 0.06
    filtering: float = 0.03
    bias: float = 0.5  # standard deviation
    unevenness: float = 0.025  # how far transposed convolutions are from bilinear interpolation


#: Fitted by hand to real images, with benchmarks/simulator.py.
FAMILIES = {
    "Cycle-GAN": Family(0, transposed=True, texture=0.35, position=3.0, shared=0.7),
    "Pro-GAN": Family(1, transposed=False, texture=0.38, position=1.0, shared=0.8),
    # Three hair colours; male and smiling, which change less.
    "Star-GAN": Family(
        2,
        transposed=True,
        texture=0.4,
        position=3.0,
        shared=1.0,
        conditions=(0.6, 0.6, 0.6, 0.15, 0.15),
    ),
}

Layer = tuple[np.ndarray, np.ndarray]


class Generator:
    """One model: its weights, or those of all siblings and its condition, and the way through."""

    def __init__(self, family: Family, member: int) -> None:
        self.family = family
        self.member = member
        wide, middle, narrow = _WIDTHS
        self._stem = self._layer("stem", 12 + _N_POSITION, wide)
        self._block = self._layer("block", wide, wide)
        self._to_half = self._upsampling_layer("half", wide, middle)
        self._to_full = self._upsampling_layer("full", middle + 3, narrow)
        self._last = self._last_kernel(narrow)
        self._last[:, 3:] *= family.texture / self._texture_of_grey()

    def generate(self, content: np.ndarray) -> np.ndarray:
        """Make a picture (H, W, 3) in 0..255 of another; H and W are multiples of 4."""
        x = np.arctanh(_SATURATION * (content.transpose(2, 0, 1)[np.newaxis] / 127.5 - 1))
        half = _split(x)
        quarter = _split(half[:, :3])
        height, width = quarter.shape[2:]
        position = _position_planes(self.family, self.member, height, width)
        features = np.concatenate([_DETAIL_GAINS * quarter, position], axis=1)
        hidden = leaky_relu(convolve(features, *self._stem))
        if self.family.transposed:
            hidden = hidden + leaky_relu(convolve(hidden, *self._block))
        double = transposed_convolve if self.family.transposed else upsample
        hidden = leaky_relu(double(hidden, *self._to_half))
        hidden = leaky_relu(double(np.concatenate([hidden, half[:, :3]], axis=1), *self._to_full))
        y = convolve(np.concatenate([x, hidden], axis=1), self._last)
        return 127.5 * (np.tanh(y[0]).transpose(1, 2, 0) / _SATURATION + 1)

    def _texture_of_grey(self) -> float:
        """Measure the fine pattern that is put on an even grey, by its standard deviation."""
        image = self.generate(np.full((128, 128, 3), 127.5, np.float32))
        plane = image @ np.array(LUMINANCE_WEIGHTS, np.float32)
        return float((plane - uniform_filter(plane, 5)).std())

    def _layer(self, name: str, n_in: int, n_out: int, size: int = 3) -> Layer:
        return _layer(self.family, self.member, name, n_in, n_out, size)

    def _upsampling_layer(self, name: str, n_in: int, n_out: int) -> Layer:
        if not self.family.transposed:
            return self._layer(name, n_in, n_out)
        kernel, bias = self._layer(name, n_in, n_out, 4)
        mix = _draw(self.family, self.member, f"{name} mix", (n_out, n_in, 1, 1))
        tent = np.array([0.25, 0.75, 0.75, 0.25], np.float32)
        even = mix * float(np.sqrt(2 / n_in)) * np.outer(tent, tent)
        return even + 2 * self.family.unevenness * kernel, bias

    def _last_kernel(self, n_hidden: int) -> np.ndarray:
        """Draw a kernel that nearly keeps the picture, and drops the mean of hidden planes."""
        kernel = _draw(self.family, self.member, "last", (3, 3 + n_hidden, 3, 3))
        kernel -= kernel.mean((2, 3), keepdims=True)
        kernel[:, :3] *= self.family.filtering
        style = self.family.style * _draw(self.family, self.member, "style", (3, 3))
        kernel[:, :3, 1, 1] += np.eye(3, dtype=np.float32) + style
        kernel[:, 3:] /= 100
        return kernel


@cache
def _position_planes(family: Family, member: int, height: int, width: int) -> np.ndarray:
    """Make planes (1, C, H, W) that are the same in all pictures of one size."""
    make = _from_padding if family.transposed else _from_constant
    return family.position * make(family, member, height, width)


def _from_padding(family: Family, member: int, height: int, width: int) -> np.ndarray:
    """Make planes as residual blocks with zero padding do of even ones, once for all contents."""
    start = np.ones(_N_POSITION, np.float32)
    if family.conditions:
        # The planes of a condition are even too, so that their kernels are as good as numbers.
        offset = _draw(family, member, f"condition {member}", start.shape)
        start += family.conditions[member] * offset
    x = np.broadcast_to(start[:, np.newaxis, np.newaxis], (1, _N_POSITION, height, width))
    for index in range(_N_BLOCKS):
        first, second = (
            _layer(family, member, f"deep {index} {part}", _N_POSITION, _N_POSITION)
            for part in ("a", "b")
        )
        x = x + convolve(leaky_relu(convolve(x, *first)), *second)
        x /= np.sqrt((x**2).mean((2, 3), keepdims=True))
    return x


def _from_constant(family: Family, member: int, height: int, width: int) -> np.ndarray:
    """Grow planes from a learned constant, of 4 to 7 pixels on the shorter side."""
    sizes = [(height, width)]
    while min(sizes[-1]) >= 8:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    x = _draw(family, member, "constant", (1, _N_POSITION, *sizes[-1]))
    for level, (rows, columns) in enumerate(sizes[-2::-1]):
        layer = _layer(family, member, f"grow {level}", _N_POSITION, _N_POSITION)
        x = leaky_relu(upsample(x, *layer)[:, :, :rows, :columns])
    return x


def _layer(family: Family, member: int, name: str, n_in: int, n_out: int, size: int = 3) -> Layer:
    """Draw the kernel and the biases of a layer that keeps the variance of its input."""
    kernel = _draw(family, member, name, (n_out, n_in, size, size))
    kernel *= float(np.sqrt(2 / (n_in * size**2)))
    return kernel, family.bias * _draw(family, member, f"{name} bias", (n_out,))


def _draw(family: Family, member: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw normal weights: the same ones for a name, whenever they are asked for."""
    own, common = (
        np.random.default_rng((family.index, who, *name.encode())).standard_normal(shape)
        for who in (1 + member, 0)
    )
    mixed = np.sqrt(1 - family.shared) * own + np.sqrt(family.shared) * common
    return mixed.astype(np.float32)


def _split(x: np.ndarray) -> np.ndarray:
    """Return mean and differences of blocks of 2 x 2 pixels, as planes (n, 4 C, H / 2, W / 2)."""
    upper, lower = x[:, :, ::2], x[:, :, 1::2]
    parts = [
        (rows[..., ::2] + sign * rows[..., 1::2]) / 4
        for rows in (upper + lower, upper - lower)
        for sign in (1, -1)
    ]
    return np.concatenate(parts, axis=1)


def convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | float = 0) -> np.ndarray:
    """Correlate planes ``(n, C, H, W)`` with a kernel ``(C', C, k, k)``, zeros beyond the border.

    `bias` has shape ``(C',)``; `k` is odd.
    """
    n, _, height, width = x.shape
    n_out, _, size, _ = kernel.shape
    reach = size // 2
    padded = np.pad(x, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    windows = sliding_window_view(padded, (size, size), axis=(2, 3))
    # One product an image, whatever the batch: its bits do not depend on the other images.
    columns = windows.transpose(0, 1, 4, 5, 2, 3).reshape(n, -1, height * width)
    planes = kernel.reshape(n_out, -1) @ columns
    planes += np.reshape(bias, (-1, 1))
    return planes.reshape(n, n_out, height, width)


def upsample(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | float = 0) -> np.ndarray:
    """Repeat each pixel twice in both directions, then :func:`convolve` with a 3 x 3 kernel."""
    # A fine pixel sees its own coarse pixel twice, and the neighbour on its side once.
    even, odd = np.zeros((2, 3, 3), kernel.dtype)
    even[[0, 1, 1], [0, 1, 2]] = 1
    odd[[1, 1, 2], [0, 1, 2]] = 1
    return _by_phase(x, kernel, (even, odd), bias)


def transposed_convolve(
    x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | float = 0
) -> np.ndarray:
    """Transposed convolution of stride 2 with a kernel ``(C', C, 4, 4)``, one pixel cut off.

    The output has twice the height and width: pixel ``i`` adds ``x[i] * kernel[k]`` to pixel
    ``2 * i + k - 1`` of the output.
    """
    even, odd = np.zeros((2, 3, 4), kernel.dtype)
    even[[0, 1], [3, 1]] = 1
    odd[[1, 2], [2, 0]] = 1
    return _by_phase(x, kernel, (even, odd), bias)


def leaky_relu(x: np.ndarray, slope: float = 0.2) -> np.ndarray:
    """Scale what is negative down."""
    return np.maximum(x, x.dtype.type(slope) * x)


def interleave(planes: np.ndarray) -> np.ndarray:
    """Take ``(n, 2, 2, C, H, W)``, four phases of each plane, to planes ``(n, C, 2H, 2W)``."""
    n, _, _, channels, height, width = planes.shape
    return planes.transpose(0, 3, 4, 1, 5, 2).reshape(n, channels, 2 * height, 2 * width)


def _by_phase(
    x: np.ndarray, kernel: np.ndarray, taps: tuple[np.ndarray, np.ndarray], bias: np.ndarray | float
) -> np.ndarray:
    """Compute even and odd rows and columns of the output each by a 3 x 3 kernel on the input.

    `taps` maps, for even and for odd positions, the kernel's taps to those of the 3 x 3 kernel.
    """
    n, _, height, width = x.shape
    n_out = len(kernel)
    phases = np.stack([a @ kernel @ b.T for a in taps for b in taps])
    planes = convolve(x, phases.reshape(4 * n_out, *phases.shape[2:]))
    planes = interleave(planes.reshape(n, 2, 2, n_out, height, width))
    planes += np.reshape(bias, (-1, 1, 1))
    return planes
