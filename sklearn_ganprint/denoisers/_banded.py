"""Matrices that are zero but near the diagonal, and those of a discrete wavelet transform."""

from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import pywt
from scipy import sparse

#: Rows of a block that multiplies from the left: few, or most of it is zeros beside the band.
LEFT_ROWS = 4
#: Rows of one that multiplies from the right: the kernels of BLAS are made for multiples of 16.
RIGHT_ROWS = 16
#: Values that are multiplied from the right at a time: blocks share columns, which stay cached.
STRIP_VALUES = 1 << 18

#: Sides up to which matrices are kept, so that images of every size have theirs soon.
KEPT_SIDE = 1024


#: Two stacks of factors, and where their products go.
Product = tuple[np.ndarray, np.ndarray, np.ndarray]


class _Run(NamedTuple):
    """Blocks of one size; each begins as many columns after the one before as it has rows."""

    rows: slice
    column: int
    blocks: np.ndarray


class BandedMatrix:
    """A banded matrix, cut into blocks of rows, each on the columns where it is not zero.

    A filter along one axis of an image is such a matrix. Dense blocks multiply at the speed of
    BLAS, and what they multiply with zeros costs less than what a general filter spends on every
    value. Except at the borders, blocks follow at equal distances, so many are one call of numpy.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from sklearn_ganprint.denoisers._banded import BandedMatrix
    >>> differences = BandedMatrix(sparse.csr_array([[-1, 1, 0], [0, -1, 1]]), float)
    >>> out = np.empty((2, 1))
    >>> differences.multiply_rows(np.array([[1.0], [4.0], [9.0]]), out)
    >>> out.ravel()
    array([3., 5.])
    """

    def __init__(self, matrix: sparse.csr_array, dtype: Any) -> None:
        self.matrix = matrix.astype(dtype)

    @cached_property
    def _left(self) -> list[_Run]:
        return list(_runs(self.matrix, LEFT_ROWS))

    @cached_property
    def _right(self) -> list[_Run]:
        return [
            run._replace(blocks=np.ascontiguousarray(run.blocks.transpose(0, 2, 1)))
            for run in _runs(self.matrix, RIGHT_ROWS)
        ]

    def multiply_rows(self, X: np.ndarray, out: np.ndarray) -> None:
        """Write ``matrix @ X``, the filter along the first of two axes; `X` is C-contiguous."""
        multiply(self.row_products(X, out))

    def multiply_columns(self, X: np.ndarray, out: np.ndarray) -> None:
        """Write ``X @ matrix.T``, the filter along the second axis; columns beyond it stay."""
        multiply(self.column_products(X, out))

    def row_products(self, X: np.ndarray, out: np.ndarray) -> Iterator[Product]:
        """Yield the products of :meth:`multiply_rows`, for arrays that are used again and again."""
        *lead, _, k = X.shape
        *outer, stride, item = X.strides
        for rows, column, blocks in self._left:
            n_blocks, size, width = blocks.shape
            # Windows that overlap; as_strided makes them in five times the time.
            shape, strides = (*lead, n_blocks, width, k), (*outer, size * stride, stride, item)
            windows = np.ndarray(shape, X.dtype, X, column * stride, strides)
            yield blocks, windows, out[..., rows, :].reshape(*lead, n_blocks, size, k)

    def column_products(self, X: np.ndarray, out: np.ndarray) -> Iterator[Product]:
        """Yield the products of :meth:`multiply_columns`, in strips that stay in the cache."""
        step = max(1, STRIP_VALUES // X.shape[1])
        for start in range(0, len(X), step):
            part, target = X[start : start + step], out[start : start + step]
            stride, item = part.strides
            for rows, column, blocks in self._right:
                n_blocks, width, size = blocks.shape
                shape, strides = (n_blocks, len(part), width), (size * item, stride, item)
                windows = np.ndarray(shape, X.dtype, part, column * item, strides)
                product = target[:, rows].reshape(len(part), n_blocks, size)
                yield windows, blocks, product.transpose(1, 0, 2)


def multiply(products: Iterable[Product]) -> None:
    """Compute products."""
    for one, other, out in products:
        np.matmul(one, other, out=out)


def _runs(matrix: sparse.csr_array, size: int) -> Iterator[_Run]:
    """Cut a matrix into blocks of `size` rows, and the last one of fewer, and join them to runs."""
    n_rows = matrix.shape[0]
    blocks = [
        _Block.of(matrix, start, min(size, n_rows - start)) for start in range(0, n_rows, size)
    ]
    for _, group in groupby(blocks, lambda block: block._replace(start=0)):
        first, *others = group
        rows = slice(first.start, first.start + first.size * (1 + len(others)))
        yield _Run(rows, first.start + first.offset, _dense(matrix, rows, first))


class _Block(NamedTuple):
    """Rows of a matrix, and its columns that are not zero there, `offset` after `start`."""

    start: int
    size: int
    offset: int
    width: int

    @classmethod
    def of(cls, matrix: sparse.csr_array, start: int, size: int) -> "_Block":
        """Find the columns of some rows."""
        columns = matrix.indices[matrix.indptr[start] : matrix.indptr[start + size]]
        first, last = (int(columns.min()), int(columns.max())) if columns.size else (0, 0)
        return cls(start, size, first - start, last + 1 - first)


def _dense(matrix: sparse.csr_array, rows: slice, block: _Block) -> np.ndarray:
    """Return the blocks ``(n_blocks, size, width)`` of a run that begins with `block`.

    By hand: slices of sparse matrices take longer than all that is done with them.
    """
    n_rows = rows.stop - rows.start
    entries = slice(matrix.indptr[rows.start], matrix.indptr[rows.stop])
    lengths = np.diff(matrix.indptr[rows.start : rows.stop + 1])
    numbers, within = np.divmod(np.repeat(np.arange(n_rows), lengths), block.size)
    columns = matrix.indices[entries] - (block.start + block.offset) - numbers * block.size
    dense = np.zeros((n_rows // block.size, block.size, block.width), matrix.dtype)
    np.add.at(dense, (numbers, within, columns), matrix.data[entries])
    return dense


def identity_columns(n: int, width: int = 64) -> Iterator[np.ndarray]:
    """Yield the columns of the identity matrix, a few at a time: all would take much memory.

    What a linear filter makes of them are the columns of its matrix.
    """
    for start in range(0, n, width):
        yield np.eye(n, min(width, n - start), -start)


def level_matrices(
    n: int, wavelet: str, mode: str, dtype: str, scale: float
) -> tuple[BandedMatrix, BandedMatrix]:
    """Return the matrices of one level along n pixels, which scale there and back again."""
    find = _cut_matrices if n <= KEPT_SIDE else _cut_matrices.__wrapped__
    return find(n, wavelet, mode, dtype, scale)


@lru_cache(maxsize=512)
def _cut_matrices(
    n: int, wavelet: str, mode: str, dtype: str, scale: float
) -> tuple[BandedMatrix, BandedMatrix]:
    forward, inverse = _transform_matrices(n, wavelet, mode)
    return BandedMatrix(forward * scale, dtype), BandedMatrix(inverse / scale, dtype)


@lru_cache(maxsize=64)
def _transform_matrices(n: int, wavelet: str, mode: str) -> tuple[Any, Any]:
    """Make the matrices of one level along n pixels, there and back; low and high alternate.

    They are read off PyWavelets, so that every wavelet and mode is what it says there.
    """
    forward, inverse = [], []
    for unit in identity_columns(n):
        bands = np.stack(pywt.dwt(unit, wavelet, mode, axis=0), axis=1)
        forward.append(sparse.csc_array(bands.reshape(-1, unit.shape[1])))
    for unit in identity_columns(forward[0].shape[0]):
        low, high = np.ascontiguousarray(unit[0::2]), np.ascontiguousarray(unit[1::2])
        inverse.append(sparse.csc_array(pywt.idwt(low, high, wavelet, mode, axis=0)[:n]))
    return sparse.hstack(forward, format="csr"), sparse.hstack(inverse, format="csr")
