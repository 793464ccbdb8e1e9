"""Multiplication with matrices that are zero but near the diagonal."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

#: Rows of a block. Fewer waste less on zeros beside the band, more make faster products.
BLOCK_ROWS = 24


class BandedMatrix:
    """A banded matrix, cut into blocks of rows, each on the columns where it is not zero.

    A filter along one axis of an image is such a matrix. A dense block of 24 rows multiplies at
    the speed of BLAS, and what it multiplies with zeros costs less than what a general filter
    spends on every value.

    Parameters
    ----------
    matrix : sparse array of shape (m, n)
        The matrix.

    dtype : dtype
        Of the blocks, and of what they are multiplied with.

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
        self.blocks: list[tuple[slice, slice, np.ndarray, np.ndarray]] = []
        for start in range(0, matrix.shape[0], BLOCK_ROWS):
            rows = matrix[start : start + BLOCK_ROWS]
            first, last = (rows.indices.min(), rows.indices.max()) if rows.nnz else (0, 0)
            columns = slice(int(first), int(last) + 1)
            block = rows[:, columns].toarray().astype(dtype)
            transposed = np.ascontiguousarray(block.T)
            self.blocks.append((slice(start, start + len(block)), columns, block, transposed))

    def multiply_rows(self, X: np.ndarray, out: np.ndarray) -> None:
        """Write ``matrix @ X``: the filter along the first axis.

        Parameters
        ----------
        X : ndarray of shape (n, k)
            Rows to combine.

        out : ndarray of shape (m, k)
            Where the result goes.
        """
        for rows, columns, block, _ in self.blocks:
            np.matmul(block, X[columns], out=out[rows])

    def multiply_columns(self, X: np.ndarray, out: np.ndarray) -> None:
        """Write ``X @ matrix.T``: the filter along the second axis.

        Parameters
        ----------
        X : ndarray of shape (k, n)
            Columns to combine.

        out : ndarray of shape (k, m) or wider
            Where the result goes; further columns are left alone.
        """
        for rows, columns, _, transposed in self.blocks:
            np.matmul(X[:, columns], transposed, out=out[:, rows])


def identity_columns(n: int, width: int = 64) -> Iterator[np.ndarray]:
    """Give the columns of the identity matrix, some at a time.

    What a linear filter makes of them are the columns of its matrix. All at once they would
    take more memory than the photo that the matrix is for.

    Parameters
    ----------
    n : int
        Number of columns, and of rows.

    width : int, default=64
        Number of columns given at a time.

    Yields
    ------
    ndarray of shape (n, width or fewer)
        Columns.
    """
    for start in range(0, n, width):
        yield np.eye(n, min(width, n - start), -start)
