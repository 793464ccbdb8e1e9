"""From scores of windows to maps and masks of pixels."""

import numpy as np
from scipy import ndimage


def smooth(values: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """Weighted means over `size` by `size` neighbours; 0 where all weights are 0."""
    weights = weights.reshape(*weights.shape, *[1] * (values.ndim - 2))
    axes = {"size": size, "mode": "constant", "axes": (0, 1)}
    total = ndimage.uniform_filter(values * weights, **axes)
    share = np.broadcast_to(ndimage.uniform_filter(weights, **axes), total.shape)
    # What running sums leave of nothing is not evidence.
    return np.divide(total, share, out=np.zeros_like(total), where=share > 1e-6)


def to_pixels(grid: np.ndarray, shape: tuple[int, int], block: int) -> np.ndarray:
    """Interpolate values of windows, at their centres, linearly; constant beyond the outer ones."""
    (above, below, down), (left, right, aside) = (
        _neighbours(side, n, block) for side, n in zip(shape, grid.shape, strict=True)
    )
    rows = grid[above] + down[:, np.newaxis] * (grid[below] - grid[above])
    return rows[:, left] + aside * (rows[:, right] - rows[:, left])


def _neighbours(side: int, n_windows: int, block: int) -> tuple[np.ndarray, ...]:
    """Give the windows before and behind each pixel of a line, and how far it is between them."""
    # The centre of window i lies between blocks i and i + 1.
    places = np.clip((np.arange(side) + 0.5) / block - 1, 0, n_windows - 1)
    before = places.astype(int)
    behind = np.minimum(before + 1, n_windows - 1)
    return before, behind, (places - before).astype(np.float32)


def blocks_to_pixels(blocks: np.ndarray, shape: tuple[int, int], block: int) -> np.ndarray:
    """Repeat values of blocks for their pixels."""
    rows, columns = (np.arange(side) // block for side in shape)
    return blocks[rows[:, np.newaxis], columns]


def largest_region(mask: np.ndarray) -> int:
    """Pixels of the largest connected part of a mask; corners do not connect."""
    labels, n = ndimage.label(mask)
    return int(np.bincount(labels.ravel())[1:].max()) if n else 0


def region_peak(values: np.ndarray, size: int) -> float:
    """Find the threshold at and below which some region of at least `size` pixels is above it.

    Parameters
    ----------
    values : ndarray of shape (H, W)
        A map; NaN is in no region.

    size : int
        Pixels of a region, at the most all that are finite.

    Returns
    -------
    float
        The greatest value t such that a connected part of ``values >= t`` has `size` pixels;
        minus infinity if there is none.
    """
    finite = np.sort(values[np.isfinite(values)])
    size = min(size, values.size)
    if len(finite) < size or largest_region(values >= finite[0]) < size:
        return -np.inf
    low, high = 0, len(finite) - size  # the answer is among the values of this range
    while low < high:
        middle = (low + high + 1) // 2
        if largest_region(values >= finite[middle]) >= size:
            low = middle
        else:
            high = middle - 1
    return float(finite[low])


def grow(values: np.ndarray, high: float, low: float, size: int) -> np.ndarray:
    """Find regions of at least `size` pixels at or above `high`, and let them grow down to `low`.

    Parameters
    ----------
    values : ndarray of shape (H, W)
        A map; NaN is in no region.

    high, low : float
        The thresholds.

    size : int
        Pixels that a region must have at or above `high`.

    Returns
    -------
    ndarray of bool, shape (H, W)
        The regions.
    """
    labels, n = ndimage.label(values >= high)
    if not n:
        return labels > 0
    large = np.bincount(labels.ravel()) >= min(size, values.size)
    large[0] = False
    seeds = large[labels]
    if not seeds.any() or low >= high:
        return seeds
    labels, n = ndimage.label(values >= low)
    kept = np.zeros(n + 1, dtype=bool)
    kept[labels[seeds]] = True
    return kept[labels]
