"""The layers that simulated generators are made of, as matrix products on batches of planes."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


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
    x: np.ndarray,
    kernel: np.ndarray,
    taps: tuple[np.ndarray, np.ndarray],
    bias: np.ndarray | float,
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
