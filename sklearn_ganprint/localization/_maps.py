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


def region_peak(values: np.ndarray, low: float, size: int) -> float:
    """Find the greatest value of a map in regions that are large enough.

    Parameters
    ----------
    values : ndarray of shape (H, W)
        A map; NaN is in no region.

    low : float
        Regions are connected pixels at or above it; corners do not connect.

    size : int
        Pixels that a region must have.

    Returns
    -------
    float
        The greatest value; minus infinity without such a region.
    """
    labels, large = _regions(values, low, size)
    if not len(large):
        return -np.inf
    return float(np.max(ndimage.maximum(values, labels, large)))


def find_regions(values: np.ndarray, high: float, low: float, size: int) -> np.ndarray:
    """Mark the regions of a map that reach a threshold.

    Parameters
    ----------
    values : ndarray of shape (H, W)
        A map; NaN is in no region.

    high : float
        Regions without a value of so much are dropped.

    low : float
        Regions are connected pixels at or above it; corners do not connect.

    size : int
        Regions of fewer pixels at or above `low` are dropped.

    Returns
    -------
    ndarray of bool, shape (H, W)
        The regions. Each is cut off half way between its own level, which is the median of what
        is at or above `high`, and that of the rest of the image: where a window is half in it.
    """
    labels, large = _regions(values, low, size)
    kept = [label for label in large if ndimage.maximum(values, labels, label) >= high]
    mask = np.isin(labels, kept)
    if not kept:
        return mask
    outside = values[~mask & np.isfinite(values)]
    level = np.median(outside) if outside.size else low
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if label in kept:
            own, inside = labels[box] == label, values[box]
            core = own & (inside >= high)
            cut = np.clip((np.median(inside[core]) + level) / 2, low, high)
            mask[box][own] = _connected(own & (inside >= cut), core)[own]
    return mask


def _regions(values: np.ndarray, low: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Label the regions at or above `low`, and say which of them are large enough."""
    labels, n = ndimage.label(values >= low)
    counts = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    # Of an image that is smaller, all of it is large enough.
    return labels, 1 + np.flatnonzero(counts >= min(size, values.size))


def _connected(mask: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Keep the parts of a mask that hold a seed."""
    labels, n = ndimage.label(mask)
    held = np.zeros(n + 1, dtype=bool)
    held[labels[seeds]] = True
    return held[labels]
