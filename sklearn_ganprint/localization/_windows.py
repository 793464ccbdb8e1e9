"""What the windows of a residual say: its products with itself, shifted by a few pixels."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sklearn_ganprint.residuals._local_power import divide_by_local_rms

#: Pixels whose products are in memory at a time: large images are taken in strips.
STRIP_PIXELS = 1 << 17
#: Side of the square, in pixels, over which a residual's strength is averaged, and what is added
#: to its mean square, in squared grey levels.
EVEN_SIZE, EVEN_FLOOR = 3, 0.5
#: Sums of squares of less count as this much: nothing is divided by 0.
POWER_FLOOR = 1e-6


class Strip(NamedTuple):
    """Windows of some rows of the grid, and the blocks of these rows."""

    features: np.ndarray  # (rows, columns, n_features)
    active: np.ndarray  # of blocks, one column more, and one row more in the last strip


def half_lags(max_lag: int) -> list[tuple[int, int]]:
    """List one half of the lags up to `max_lag`; the other half is its mirror image."""
    across = range(-max_lag, max_lag + 1)
    below = [(down, right) for down in range(1, max_lag + 1) for right in across]
    return [(0, right) for right in range(max_lag + 1)] + below


def window_strips(
    residual: np.ndarray, window_size: int, max_lag: int, min_power: float
) -> Iterator[Strip]:
    """Yield the windows of a residual, strip by strip from the top.

    A window is two by two blocks of half its side, and the next one begins one block further. At
    the right and at the bottom blocks may reach beyond the image.

    Parameters
    ----------
    residual : ndarray of shape (H, W, C)
        One residual.

    window_size : int
        Side of a window in pixels, even.

    max_lag : int
        Greatest lag in pixels.

    min_power : float
        Blocks of less mean square are flat, in squared units of the residual.

    Yields
    ------
    Strip
        Features of windows, and which blocks are not flat.
    """
    block = window_size // 2
    rows, columns = (-(-side // block) for side in residual.shape[:2])
    step = max(1, STRIP_PIXELS // (block * block * columns))
    carried = None
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        part = even_rows(residual, start * block, stop * block + max_lag)
        sums = block_sums(part, (stop - start, columns), block, max_lag)
        first = start
        if carried is not None:
            sums, first = np.concatenate([carried, sums], axis=-2), start - 1
        carried = sums[..., -1:, :]
        if stop - first > 1 or rows == 1:
            active = block_power(residual[first * block : stop * block], block) >= min_power
            yield Strip(normalized(two_by_two(sums)), active if stop == rows else active[:-1])


def even_rows(residual: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Give some rows of a residual, divided by its own strength around each pixel.

    Edges and textures, which are many times as strong, would outweigh the rest of a window.
    """
    top = max(0, start - EVEN_SIZE)
    part = residual[top : stop + EVEN_SIZE]
    even = divide_by_local_rms(part, (EVEN_SIZE, EVEN_SIZE, 1), EVEN_FLOOR)
    return even[start - top : stop - top]


def block_power(residual: np.ndarray, block: int) -> np.ndarray:
    """Mean square of each block, of those pixels that are in the image."""
    power = np.square(residual).mean(axis=-1)
    counts = []
    for axis in (0, 1):
        starts = np.arange(0, power.shape[axis], block)
        counts.append(np.diff(starts, append=power.shape[axis]))
        power = np.add.reduceat(power, starts, axis=axis)
    return power / np.outer(*counts)


def block_sums(residual: np.ndarray, grid: tuple[int, int], block: int, max_lag: int) -> np.ndarray:
    """Add up products of a residual with itself over square blocks.

    Parameters
    ----------
    residual : ndarray of shape (H, W, C)
        The residual, with `max_lag` rows below the blocks if there are any.

    grid : tuple of int
        Rows and columns of blocks.

    block : int
        Side of a block in pixels.

    max_lag : int
        Greatest lag in pixels.

    Returns
    -------
    ndarray of shape (n_lags, C, C, rows, columns)
        ``sum R_a(x) R_b(x + d)`` over the pixels x of a block, where R is 0 beyond the image.
    """
    height, width = grid[0] * block, grid[1] * block
    planes = np.zeros((residual.shape[2], height + max_lag, width + 2 * max_lag), residual.dtype)
    inside = planes[:, : len(residual), max_lag : max_lag + residual.shape[1]]
    inside[...] = np.moveaxis(residual, -1, 0)
    own = planes[:, :height, max_lag : max_lag + width]
    lags = half_lags(max_lag)
    sums = np.empty((len(lags), len(own), len(own), *grid), residual.dtype)
    products = np.empty_like(own)
    for number, (down, right) in enumerate(lags):
        shifted = planes[:, down : down + height, max_lag + right : max_lag + right + width]
        for channel, plane in enumerate(own):
            np.multiply(plane, shifted, out=products)
            # Rows first: numpy is quick at adding up whole rows.
            rows = products.reshape(-1, grid[0], block, width).sum(axis=2)
            rows.reshape(-1, *grid, block).sum(axis=-1, out=sums[number, channel])
    return sums


def two_by_two(sums: np.ndarray) -> np.ndarray:
    """Add up two by two neighbours along the last two axes; an axis of length 1 stays."""
    if sums.shape[-2] > 1:
        sums = sums[..., :-1, :] + sums[..., 1:, :]
    if sums.shape[-1] > 1:
        sums = sums[..., :-1] + sums[..., 1:]
    return sums


def normalized(sums: np.ndarray) -> np.ndarray:
    """Correlations of windows, from sums of products ``(n_lags, C, C, rows, columns)``.

    Returns
    -------
    ndarray of shape (rows, columns, n_features)
        At lag 0 a pair of channels counts once, and a channel with itself not at all.
    """
    norms = np.sqrt(np.maximum(np.einsum("ccij->cij", sums[0]), POWER_FLOOR))
    sums = sums / (norms[:, np.newaxis] * norms)
    used = np.ones(sums.shape[:3], dtype=bool)
    used[0] = np.triu(used[0], 1)
    return np.ascontiguousarray(np.moveaxis(sums[used], 0, -1))


def n_window_features(max_lag: int, n_channels: int) -> int:
    """Count the features of a window."""
    return len(half_lags(max_lag)) * n_channels**2 - n_channels * (n_channels + 1) // 2
