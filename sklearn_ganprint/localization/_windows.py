"""Windows of a residual: its correlations with itself, and coordinates that separate sources."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh

from sklearn_ganprint.residuals._residual import divide_by_local_rms

#: Pixels whose products are in memory at a time: large images are read in strips.
STRIP_PIXELS = 1 << 17
#: Side of the square, in pixels, over which the mean square of a residual is computed to normalize
#: it, and what is added to the mean square, in squared grey levels.
NORMALIZE_SIZE, NORMALIZE_FLOOR = 3, 0.5
#: Lower limit of sums of squares, which are divided by.
POWER_FLOOR = 1e-6


#: Added to variances, since those of features that never vary are 0.
TINY = 1e-9
#: Coordinates in which images of one source differ: the maximum, the number of images for each
#: coordinate, and the number of images below which there are none, since they would be chance.
MOST_IMAGE_COORDINATES, IMAGES_PER_COORDINATE, FEWEST_IMAGES = 30, 10, 20
#: Share of a multiple of the identity in the covariance of windows within images.
WITHIN_SHRINKAGE = 0.01
#: Rounding error of a sum of products in single precision, as a share of their mean.
ROUNDING = 1e-4


class Strip(NamedTuple):
    """Windows of some rows of the grid, and the blocks of these rows."""

    features: np.ndarray  # (rows, columns, n_features)
    active: np.ndarray  # of blocks, one column more, and one row more in the last strip


def half_lags(max_lag: int) -> list[tuple[int, int]]:
    """Return one half of the lags up to `max_lag`; the other half is its mirror image."""
    across = range(-max_lag, max_lag + 1)
    below = [(down, right) for down in range(1, max_lag + 1) for right in across]
    return [(0, right) for right in range(max_lag + 1)] + below


def window_strips(
    residual: np.ndarray, window_size: int, max_lag: int, min_power: float
) -> Iterator[Strip]:
    """Yield the windows of a residual, strip by strip from the top.

    A window is two by two blocks of half its side, and the next one begins one block further. At
    the right and at the bottom blocks may reach beyond the image. Blocks with a mean square below
    `min_power` are flat.
    """
    block = window_size // 2
    rows, columns = (-(-side // block) for side in residual.shape[:2])
    step = max(1, STRIP_PIXELS // (block * block * columns))
    carried = None
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        part = normalize_rows(residual, start * block, stop * block + max_lag)
        sums = block_sums(part, (stop - start, columns), block, max_lag)
        first = start
        if carried is not None:
            sums, first = np.concatenate([carried, sums], axis=-2), start - 1
        carried = sums[..., -1:, :]
        if stop - first > 1 or rows == 1:
            active = block_power(residual[first * block : stop * block], block) >= min_power
            yield Strip(correlations(two_by_two(sums)), active if stop == rows else active[:-1])


def normalize_rows(residual: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return some rows of a residual, divided by its root mean square around each pixel.

    Edges and textures, which are many times as strong, would outweigh the rest of a window.
    """
    top = max(0, start - NORMALIZE_SIZE)
    part = residual[top : stop + NORMALIZE_SIZE]
    rows = divide_by_local_rms(part, (NORMALIZE_SIZE, NORMALIZE_SIZE, 1), NORMALIZE_FLOOR)
    return rows[start - top : stop - top]


def block_power(residual: np.ndarray, block: int) -> np.ndarray:
    """Return the mean square of each block over its pixels inside the image."""
    power = np.square(residual).mean(axis=-1)
    counts = []
    for axis in (0, 1):
        starts = np.arange(0, power.shape[axis], block)
        counts.append(np.diff(starts, append=power.shape[axis]))
        power = np.add.reduceat(power, starts, axis=axis)
    return power / np.outer(*counts)


def block_sums(residual: np.ndarray, grid: tuple[int, int], block: int, max_lag: int) -> np.ndarray:
    """Return ``sum R_a(x) R_b(x + d)`` over the pixels x of each block.

    The result has shape ``(n_lags, C, C, rows, columns)``. R is 0 beyond the image; the residual
    has `max_lag` rows below the blocks, if there are any.
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
    """Sum two by two neighbours along the last two axes; an axis of length 1 stays."""
    if sums.shape[-2] > 1:
        sums = sums[..., :-1, :] + sums[..., 1:, :]
    if sums.shape[-1] > 1:
        sums = sums[..., :-1] + sums[..., 1:]
    return sums


def correlations(sums: np.ndarray) -> np.ndarray:
    """Return correlations ``(rows, columns, n_features)`` from sums of products over windows.

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


class Moments(NamedTuple):
    """Counts, sums and products of the windows of each fold."""

    counts: np.ndarray  # (n_folds, n_classes)
    sums: np.ndarray  # (n_folds, n_classes, n_features)
    products: np.ndarray  # (n_folds, n_features, n_features)
    image_products: np.ndarray  # (n_folds, n_features, n_features): as if windows were their means
    n_images: np.ndarray  # (n_folds,)

    @classmethod
    def zeros(cls, n_folds: int, n_classes: int, n_features: int) -> Self:
        """Return the moments of no windows."""
        return cls(
            np.zeros((n_folds, n_classes)),
            np.zeros((n_folds, n_classes, n_features)),
            np.zeros((n_folds, n_features, n_features)),
            np.zeros((n_folds, n_features, n_features)),
            np.zeros(n_folds),
        )

    def add(self, fold: int, code: int, rows: np.ndarray) -> None:
        """Add the windows of one image."""
        if not len(rows):
            return
        added = rows.sum(axis=0, dtype=np.float64)
        self.counts[fold, code] += len(rows)
        self.sums[fold, code] += added
        self.products[fold] += rows.T @ rows
        self.image_products[fold] += np.outer(added, added / len(rows))
        self.n_images[fold] += 1

    def plus(self, other: "Moments") -> "Moments":
        """Return the moments of both."""
        return Moments(*map(np.add, self, other))

    def leave_out(self, fold: int) -> "Moments":
        """Return the moments of all other folds; of all folds if the others lack a class."""
        kept = np.arange(len(self.counts)) != fold
        others = Moments(*(values[kept] for values in self))
        return others if (others.counts.sum(axis=0) > 0).all() else self


class Projection(NamedTuple):
    """An affine map from features of a window to its coordinates."""

    coef: np.ndarray  # (n_coordinates, n_features)
    intercept: np.ndarray  # (n_coordinates,)

    def extend(self, coef: np.ndarray, centre: np.ndarray) -> "Projection":
        """Return the projection with further coordinates, which are 0 at a centre."""
        both = np.concatenate([self.coef, coef.astype(self.coef.dtype)])
        return Projection(both, np.append(self.intercept, -coef @ centre).astype(both.dtype))


def discriminant_projection(moments: Moments, shrinkage: float, dtype: Any) -> Projection:
    """Return the coordinates of a linear discriminant analysis of the classes.

    With means m_c, their mean m, and the pooled and shrunk covariance S they are
    ``(x - m) S^-1 (m_c - m)``. Their sum is 0, so the last one is left out.
    """
    counts, sums, products, *_ = (values.sum(axis=0) for values in moments)
    means = sums / counts[:, np.newaxis]
    covariance = (products - sums.T @ means) / counts.sum()
    diagonal = shrinkage * np.trace(covariance) / len(covariance)
    covariance *= 1 - shrinkage
    covariance.flat[:: len(covariance) + 1] += max(diagonal, TINY)
    centre = means.mean(axis=0)
    coef = cho_solve(cho_factor(covariance), (means - centre)[:-1].T).T
    return Projection(coef.astype(dtype), (-coef @ centre).astype(dtype))


def image_directions(moments: Moments) -> np.ndarray:
    """Return the directions in which images of one source differ most, as rows.

    They maximize the scatter of images about the mean of their source, relative to the scatter of
    windows about the mean of their image. Traces that differ between images and hardly within one
    are of how images were made rather than of content: they reveal sources not fitted on.
    """
    counts, sums, products, image_products, n_images = (values.sum(axis=0) for values in moments)
    n_directions = min(MOST_IMAGE_COORDINATES, int(n_images) // IMAGES_PER_COORDINATE)
    if n_images < FEWEST_IMAGES:
        return np.empty((0, len(products)))
    between = image_products - (sums / counts[:, np.newaxis]).T @ sums
    within = (products - image_products) / counts.sum()
    diagonal = WITHIN_SHRINKAGE * np.trace(within) / len(within)
    # Images of a single window have no scatter within but rounding errors.
    rounding = ROUNDING * np.trace(products) / counts.sum() / len(products)
    within.flat[:: len(within) + 1] += max(diagonal, rounding, TINY)
    vectors = eigh(between, within)[1].T[::-1][:n_directions]
    # The sign is fixed, so that the same images give the same coordinates.
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, np.newaxis], axis=1)
    return vectors * np.sign(largest)


def projections(moments: Moments, shrinkage: float, dtype: Any) -> list[Projection]:
    """Return the coordinates of all images, then those without each fold.

    Only the discriminant coordinates leave the fold out. The directions in which images of one
    source differ are those of all images: without a fold they would be other coordinates.
    """
    directions = image_directions(moments)
    counts, sums = moments.counts.sum(axis=0), moments.sums.sum(axis=0)
    centre = (sums / counts[:, np.newaxis]).mean(axis=0)
    parts = [moments, *map(moments.leave_out, range(len(moments.counts)))]
    return [
        discriminant_projection(part, shrinkage, dtype).extend(directions, centre) for part in parts
    ]
