"""The generators of the simulated zoo: small convolution chains with fixed weights."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import uniform_filter

from sklearn_ganprint.datasets._convolution import (
    convolve,
    leaky_relu,
    transposed_convolve,
    upsample,
)

#: Planes of the hidden layers at a quarter, at half and at the full resolution.
_WIDTHS = (16, 12, 6)

#: Planes that do not depend on the content, and those of the one-hot condition.
_N_POSITION = 8
_N_CONDITIONS = 5

#: Content is kept this far from black and white, where the hyperbolic tangent has no inverse.
_SATURATION = 0.99


@dataclass(frozen=True)
class Family:
    """An architecture: its kind of layers, and how strong its traces are."""

    index: int
    upsampling: str
    style: float = 0.06
    filtering: float = 0.03
    texture: float = 0.5
    bias: float = 0.5
    position: float = 1.0
    shared: float = 0.1
    n_blocks: int = 1
    condition: float = 0.0
    unevenness: float = 0.025


FAMILIES = {
    "Cycle-GAN": Family(0, "transposed", position=3, shared=0.3),
    "Pro-GAN": Family(1, "nearest", n_blocks=0, shared=0.3),
    "Star-GAN": Family(2, "transposed", shared=1, position=3, condition=6),
}

_UPSAMPLING = {"transposed": (transposed_convolve, 4), "nearest": (upsample, 3)}


class Generator:
    """One model: the weights of a family's member, and the way through them."""

    def __init__(self, family: Family, member: int) -> None:
        self.family = family
        self.member = member
        wide, middle, narrow = _WIDTHS
        extra = _N_POSITION + (_N_CONDITIONS if family.condition else 0)
        self.stem = self._layer(0, 12 + extra, wide, 3)
        self.blocks = [
            (self._layer(10 + 2 * i, wide, wide, 3), self._layer(11 + 2 * i, wide, wide, 3))
            for i in range(family.n_blocks)
        ]
        self.up_half = self._up(1, wide, middle)
        self.up_full = self._up(2, middle + 3, narrow)
        self.last = self._last_kernel(narrow)
        grey = np.full((128, 128, 3), 127.5, np.float32)
        plane = self.generate(grey) @ np.float32([0.299, 0.587, 0.114])
        rms = float((plane - uniform_filter(plane, 5)).std())
        self.last[:, 3:] *= family.texture / rms

    def generate(self, content: np.ndarray) -> np.ndarray:
        """Make a picture (H, W, 3) in 0..255 out of another; H and W are multiples of 4."""
        x = np.arctanh(_SATURATION * (content.transpose(2, 0, 1)[np.newaxis] / 127.5 - 1))
        half = _haar(x)
        quarter = _haar(half[:, :3])
        features = [_NORMS * quarter]
        n, _, height, width = quarter.shape
        planes = _position_planes(self, height, width)
        features.append(np.broadcast_to(planes, (n, *planes.shape)))
        if self.family.condition:
            planes = np.zeros((n, _N_CONDITIONS, height, width), np.float32)
            planes[:, self.member] = self.family.condition
            features.append(planes)
        hidden = leaky_relu(convolve(np.concatenate(features, axis=1), *self.stem))
        for first, second in self.blocks:
            hidden = hidden + 0.5 * convolve(leaky_relu(convolve(hidden, *first)), *second)
        double, _ = _UPSAMPLING[self.family.upsampling]
        hidden = leaky_relu(double(hidden, *self.up_half))
        hidden = leaky_relu(double(np.concatenate([hidden, half[:, :3]], axis=1), *self.up_full))
        y = convolve(np.concatenate([x, hidden], axis=1), self.last)
        return 127.5 * (np.tanh(y[0]).transpose(1, 2, 0) / _SATURATION + 1)

    def _up(self, index, n_in, n_out):
        size = _UPSAMPLING[self.family.upsampling][1]
        kernel, bias = self._layer(index, n_in, n_out, size)
        if size == 4:
            kernel *= 2 * self.family.unevenness
            mix = float(np.sqrt(2 / n_in)) * self._draw(30 + index, (n_out, n_in, 1, 1))
            kernel += mix * np.outer([0.25, 0.75, 0.75, 0.25], np.float32([0.25, 0.75, 0.75, 0.25]))
        return kernel, bias

    def _layer(self, index: int, n_in: int, n_out: int, size: int):
        """Draw kernel and biases of a layer."""
        std = float(np.sqrt(2 / (n_in * size**2)))
        kernel = std * self._draw(index, (n_out, n_in, size, size))
        return kernel, self.family.bias * self._draw(100 + index, (n_out,))

    def _last_kernel(self, narrow: int) -> np.ndarray:
        kernel = np.empty((3, 3 + narrow, 3, 3), np.float32)
        skip = self.family.filtering * self._draw(3, (3, 3, 3, 3))
        skip -= skip.mean((2, 3), keepdims=True)
        skip[:, :, 1, 1] += np.eye(3) + self.family.style * self._draw(5, (3, 3))
        kernel[:, :3] = skip
        hidden = 0.01 * self._draw(4, (3, narrow, 3, 3))
        kernel[:, 3:] = hidden - hidden.mean((2, 3), keepdims=True)
        return kernel

    def _draw(self, index: int, shape: tuple[int, ...]) -> np.ndarray:
        shared = self.family.shared
        own, common = (
            np.random.default_rng((self.family.index, index, who)).standard_normal(shape)
            for who in (1 + self.member, 0)
        )
        return (np.sqrt(1 - shared) * own + np.sqrt(shared) * common).astype(np.float32)


_NORMS = np.repeat(np.float32([1.0, 6.0, 6.0, 8.0]), 3)[:, np.newaxis, np.newaxis]


def _haar(x: np.ndarray) -> np.ndarray:
    """Mean and differences of blocks of 2 x 2 pixels, as planes (n, 4 C, H / 2, W / 2)."""
    a, b = x[:, :, ::2], x[:, :, 1::2]
    low, high = (a + b) / 2, (a - b) / 2
    parts = [
        (each[..., ::2] + sign * each[..., 1::2]) / 2 for each in (low, high) for sign in (1, -1)
    ]
    return np.concatenate(parts, axis=1)


@cache
def _position_planes(generator: Generator, height: int, width: int) -> np.ndarray:
    f = generator.family
    if f.upsampling == "nearest":
        sizes = [(height, width)]
        while min(sizes[-1]) >= 8:
            sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
        x = generator._draw(50, (_N_POSITION, *sizes[-1]))[np.newaxis]
        for level, (h, w) in enumerate(sizes[-2::-1]):
            kernel, bias = generator._layer(60 + level, _N_POSITION, _N_POSITION, 3)
            x = leaky_relu(upsample(x, kernel, bias)[:, :, :h, :w])
    else:
        x = np.ones((1, _N_POSITION, height, width), np.float32)
        for i in range(9):
            first = generator._layer(60 + 2 * i, _N_POSITION, _N_POSITION, 3)
            second = generator._layer(61 + 2 * i, _N_POSITION, _N_POSITION, 3)
            x = x + convolve(leaky_relu(convolve(x, *first)), *second)
            x /= np.sqrt((x**2).mean((2, 3), keepdims=True))
    return f.position * x[0]
