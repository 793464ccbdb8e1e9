"""Correlations of residuals with each other."""

from collections.abc import Iterator
from math import isqrt
from typing import Any

import numpy as np

from sklearn_ganprint.correlation._rows import as_rows
from sklearn_ganprint.correlation._unit_rows import (
    centre,
    centred_energy,
    scale_to_unit_norm,
    slices,
)

#: Memory of :func:`pairwise_correlation` beside its result, in bytes.
MAX_BYTES = 1 << 28


def pairwise_correlation(
    residuals: Any, *, out: np.ndarray | None = None, max_bytes: int = MAX_BYTES
) -> np.ndarray:
    """Correlation index between any two residuals.

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Residuals, in any unit. A memory-mapped array may be larger than the memory.

    out : ndarray of shape (n, n), default=None
        Where the result goes, for example a memory-mapped array; None makes a new array.

    max_bytes : int, default=2**28
        Memory to use beside the result; see :func:`pairwise_correlation_blocks`.

    Returns
    -------
    ndarray of shape (n, n), float64 unless `out` is given
        Correlations in [-1, 1]. The diagonal is 1, or 0 where a residual is constant.

    Raises
    ------
    ValueError
        If `out` has another shape.

    See Also
    --------
    pairwise_correlation_blocks : Gives the same in parts, where n x n values are too many.
    correlation_index : Residuals against fingerprints.

    Examples
    --------
    >>> from sklearn_ganprint.correlation import pairwise_correlation
    >>> pairwise_correlation([[1.0, -1.0, 0.0], [2.0, -2.0, 0.0], [1.0, 1.0, -2.0]]).round(3)
    array([[1., 1., 0.],
           [1., 1., 0.],
           [0., 0., 1.]])
    """
    residuals = np.asarray(residuals)
    n = len(residuals)
    out = np.empty((n, n)) if out is None else out
    if out.shape != (n, n):
        raise ValueError(f"Expected out of shape {(n, n)}, got {out.shape}.")
    for rows, columns, block in pairwise_correlation_blocks(residuals, max_bytes=max_bytes):
        out[rows, columns] = block
        out[columns, rows] = block.T
    return out


def pairwise_correlation_blocks(
    residuals: Any, *, max_bytes: int = MAX_BYTES
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Correlation index between any two residuals, one block of the upper triangle at a time.

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Residuals, in any unit. A memory-mapped array may be larger than the memory.

    max_bytes : int, default=2**28
        Memory to use for a block and for the residuals that it takes, but at least what a
        single residual needs. Fewer bytes make smaller blocks, and the residuals are read more
        often.

    Yields
    ------
    rows, columns : slice
        Which residuals the block compares; ``rows.start <= columns.start``.

    block : ndarray of float64
        Correlations in [-1, 1] of the residuals in `rows` with those in `columns`.

    See Also
    --------
    pairwise_correlation : Puts the blocks together.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.correlation import pairwise_correlation_blocks
    >>> residuals = np.random.default_rng(0).normal(size=(5, 64))
    >>> for rows, columns, block in pairwise_correlation_blocks(residuals, max_bytes=3000):
    ...     print(rows, columns, block.shape)
    slice(0, 2, None) slice(0, 2, None) (2, 2)
    slice(0, 2, None) slice(2, 4, None) (2, 2)
    slice(2, 4, None) slice(2, 4, None) (2, 2)
    slice(0, 2, None) slice(4, 5, None) (2, 1)
    slice(2, 4, None) slice(4, 5, None) (2, 1)
    slice(4, 5, None) slice(4, 5, None) (1, 1)
    """
    residuals, _, dtype = as_rows(residuals, residuals)
    # One half of the memory for residuals, the other for a block and its temporaries
    row_bytes = residuals.shape[1] * dtype.itemsize
    size = max(1, min(max_bytes // 2 // row_bytes, isqrt(max_bytes // 64)))
    for columns in slices(len(residuals), size):
        others = _Centred(residuals[columns], dtype)
        for rows in slices(columns.start, size):
            yield rows, columns, _Centred(residuals[rows], dtype).correlate(others)
        block = others.correlate(others)
        # A row is like itself to the last digit, and a constant one like nothing.
        np.fill_diagonal(block, np.round(np.diagonal(block)))
        yield columns, columns, block


class _Centred:
    """Rows, their means and their norms: of products of rows, both can be taken away later.

    Where this would lose digits the rows are centred and scaled first, in a copy.
    """

    def __init__(self, rows: np.ndarray, dtype: np.dtype) -> None:
        self.rows = rows.astype(dtype, copy=False)
        p = rows.shape[1]
        self.mean = self.rows.mean(axis=1, dtype=np.float64) * np.sqrt(p)
        with np.errstate(over="ignore"):
            squares = np.vecdot(self.rows, self.rows).astype(np.float64)
        energy, direct = centred_energy(squares, self.mean / np.sqrt(p), p, dtype)
        if not direct.all():
            self.rows = rows.astype(dtype)
            centre(self.rows)
            scale_to_unit_norm(self.rows)
            self.mean, energy = np.zeros(len(rows)), np.ones(len(rows))
        self.norm = np.sqrt(energy)

    def correlate(self, other: "_Centred") -> np.ndarray:
        block = (self.rows @ other.rows.T).astype(np.float64)
        block -= np.outer(self.mean, other.mean)
        block /= np.outer(self.norm, other.norm)
        return np.clip(block, -1, 1, out=block)
