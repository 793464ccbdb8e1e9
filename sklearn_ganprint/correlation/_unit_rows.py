"""Rows of unit norm, and their inner products with many other rows."""

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sklearn_ganprint._parallel import one_blas_thread

#: Rows that are multiplied together, and the size of a product, rows times columns times depth,
#: up to which BLAS multiplies at once, without first rearranging what it multiplies.
PRODUCT_ROWS, PRODUCT_SIZE = 32, 1_000_000
#: Values of the rows that are multiplied and squared while they are in the cache.
PANEL_VALUES = 1 << 18
#: Values that are normalised together: they stay in the cache from step to step.
CACHED_VALUES = 1 << 17
#: Values of the rows that are copied to be normalised, at the most.
COPIED_VALUES = 1 << 20


class UnitRows:
    """Rows of unit norm, ready for inner products with many other rows.

    The correlation of ``x`` with a row ``f`` of zero mean and unit norm is
    ``<x, f> / sqrt(<x, x> - p mean(x)^2)`` over p values: ``x`` is read, never changed or
    copied. The mean comes with the same matrix product, from a row of ones beside the others. With
    `centre` means are subtracted, of these rows and of those that they are multiplied with.

    The rows are stored as columns, some of their values at a time, so that BLAS finds them in the
    order in which it takes them. This costs about as much as the products with a batch of images,
    and is worth keeping.
    """

    def __init__(self, rows: np.ndarray, dtype: Any, *, centre: bool) -> None:
        self.k, self.p = rows.shape
        self.centre = centre
        self.sums = np.empty(self.k)
        # With the ones and zeros behind the columns, they make a multiple of four: this is faster.
        width = 4 * (self.k // 4 + 1)
        self.depth = max(1, min(self.p, PRODUCT_SIZE // (PRODUCT_ROWS * width) // 64 * 64))
        self.blocks = np.zeros((-(-self.p // self.depth), self.depth, width), dtype)
        columns = self.blocks.reshape(-1, width)[: self.p]
        columns[:, self.k] = 1
        with one_blas_thread():
            for chunk in slices(self.k, max(1, CACHED_VALUES // self.p)):
                part = rows[chunk].astype(dtype)
                normalize(part, centre=self.centre)
                self.sums[chunk] = part.sum(axis=1)  # what rounding has left of the means
                for column, row in zip(columns[:, chunk].T, part, strict=True):
                    column[...] = row

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Compute the cosines between the rows of `X`, centred if these are, and these."""
        # float64: probabilities made of float32 scores would not sum to one
        scores = np.empty((len(X), self.k))
        with one_blas_thread():
            for rows in slices(len(X), PRODUCT_ROWS):
                scores[rows] = self._chunk_scores(X[rows])
        return np.clip(scores, -1, 1, out=scores)

    def _chunk_scores(self, X: np.ndarray) -> np.ndarray:
        products, squares = self._products(X)
        mean = products[:, self.k] / self.p if self.centre else np.zeros(len(X))
        energy, direct = centred_energy(squares, mean, self.p, self.blocks.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = products[:, : self.k] - np.outer(mean, self.sums)
        scores /= np.sqrt(np.where(direct, energy, 1))[:, np.newaxis]
        others = np.flatnonzero(~direct)
        for part in slices(len(others), max(1, COPIED_VALUES // self.p)):
            rows = X[others[part]].astype(self.blocks.dtype, copy=False)
            normalize(rows, centre=self.centre)
            scores[others[part]] = self._products(rows)[0][:, : self.k]
        return scores

    def _products(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute inner products with the columns, and squared norms, added up in float64."""
        products, squares = np.zeros((len(X), self.blocks.shape[2])), np.zeros(len(X))
        n_whole = self.p // self.depth
        n_blocks = max(1, PANEL_VALUES // (len(X) * self.depth))
        with np.errstate(over="ignore", invalid="ignore"):
            for part in [*slices(n_whole, n_blocks), slice(n_whole, len(self.blocks))]:
                columns = slice(part.start * self.depth, part.stop * self.depth)
                panel = X[:, columns].astype(self.blocks.dtype, copy=False)
                blocks = self.blocks[part, : panel.shape[1]]
                panels = panel.reshape(len(X), *blocks.shape[:2]).transpose(1, 0, 2)
                products += np.matmul(panels, blocks).sum(axis=0, dtype=np.float64)
                squares += np.vecdot(panel, panel)
        return products, squares


#: By owner: the rows that were made ready, and what was made of them.
_KEPT: WeakKeyDictionary[Any, tuple[np.ndarray, dict[Any, UnitRows]]] = WeakKeyDictionary()


def kept_unit_rows(owner: Any, rows: np.ndarray, dtype: np.dtype, *, centre: bool) -> UnitRows:
    """Make rows ready, or find what was made of them for their owner before.

    They are not kept as an attribute of the owner, which would be stored with it. The rows must
    not change in place from then on, which numpy is told to see to.
    """
    made_of, ready = _KEPT.get(owner, (None, {}))
    if made_of is not rows:
        rows.flags.writeable = False
        ready = {}
        _KEPT[owner] = rows, ready
    key = dtype.name, centre
    if key not in ready:
        ready[key] = UnitRows(rows, dtype, centre=centre)
    return ready[key]


def normalize(rows: np.ndarray, *, centre: bool) -> None:
    """Scale rows, less their means if told so, to unit norm in place; a constant one becomes 0."""
    if centre:
        mean = rows.mean(axis=1, dtype=np.float64).astype(rows.dtype)
        rows -= mean[:, np.newaxis]
        # What rounding leaves of a constant row is not a signal.
        rounding = 4 * np.finfo(rows.dtype).eps * np.abs(mean)
        rows[_peak(rows) <= rounding] = 0
    with np.errstate(over="ignore"):
        squares = np.vecdot(rows, rows)
    extreme = ~_in_range(squares, rows.shape[1], rows.dtype)
    if extreme.any():
        # Divided by its greatest value first, no square of a row overflows or underflows.
        peak = _peak(rows[extreme])
        rows[extreme] /= np.where(peak > 0, peak, 1)[:, np.newaxis]
        squares[extreme] = np.vecdot(rows[extreme], rows[extreme])
    rows /= np.sqrt(np.where(squares > 0, squares, 1))[:, np.newaxis]


def centred_energy(
    squares: np.ndarray, mean: np.ndarray, p: int, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Return squared norms less the share of the mean, and where rounding has left most digits."""
    with np.errstate(over="ignore", invalid="ignore"):
        energy = squares - p * mean**2
        return energy, _in_range(squares, p, dtype) & (energy > 0.9 * squares)


def slices(n: int, size: int) -> Iterator[slice]:
    """Yield slices of `size` over n rows or columns; n may be 0."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def _peak(rows: np.ndarray) -> np.ndarray:
    """Return the greatest absolute value of each row."""
    return np.maximum(rows.max(axis=1, initial=0), -rows.min(axis=1, initial=0))


def _in_range(squares: np.ndarray, p: int, dtype: np.dtype) -> np.ndarray:
    """Mask rows of p values of which no square overflowed, and none that matters underflowed."""
    limits = np.finfo(dtype)
    lost = p * float(limits.tiny) / float(limits.eps)
    return (squares > lost) & (squares < np.inf)
