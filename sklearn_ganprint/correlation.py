"""L1: how alike a residual and a fingerprint are.

Every function takes arrays that keep the shape of the image: ``(n, ...)`` residuals against
``(k, ...)`` fingerprints of the same trailing shape.
"""

from collections.abc import Callable, Iterator
from math import isqrt, prod
from typing import Any

import numpy as np

from sklearn_ganprint._parallel import row_chunks

#: Rows that are multiplied together: with fewer, BLAS spends more time on rearranging the others.
PRODUCT_ROWS = 256
#: Values of a block of them, at the most.
BLOCK_VALUES = 1 << 20
#: Values that are normalised together: they stay in the cache from step to step.
CACHED_VALUES = 1 << 17
#: Memory of :func:`pairwise_correlation` beside its result, in bytes.
MAX_BYTES = 1 << 28


def _scale_to_unit_norm(rows: np.ndarray) -> None:
    """Scale rows to unit Euclidean norm in place; a row of zeros stays zero."""
    with np.errstate(over="ignore"):
        squares = np.vecdot(rows, rows)
    extreme = ~_in_range(squares, rows)
    if extreme.any():
        # Divided by its greatest value first, no square of a row overflows or underflows.
        peak = _peak(rows[extreme])
        rows[extreme] /= np.where(peak > 0, peak, 1)[:, np.newaxis]
        squares[extreme] = np.vecdot(rows[extreme], rows[extreme])
    rows /= np.sqrt(np.where(squares > 0, squares, 1))[:, np.newaxis]


def _centre(rows: np.ndarray) -> None:
    """Subtract the mean of each row in place; a constant row becomes zero."""
    mean = rows.mean(axis=1, dtype=np.float64).astype(rows.dtype)
    rows -= mean[:, np.newaxis]
    # What rounding leaves of a constant row is not a signal.
    rounding = 4 * np.finfo(rows.dtype).eps * np.abs(mean)
    rows[_peak(rows) <= rounding] = 0


def _peak(rows: np.ndarray) -> np.ndarray:
    """Greatest absolute value of each row."""
    return np.maximum(rows.max(axis=1, initial=0), -rows.min(axis=1, initial=0))


def _in_range(squares: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Whether no square of a row overflowed, and none that matters underflowed."""
    limits = np.finfo(rows.dtype)
    lost = rows.shape[1] * float(limits.tiny) / float(limits.eps)
    return (squares > lost) & (squares < np.inf)


class _UnitRows:
    """Rows of unit norm, ready for inner products with many other rows.

    The correlation of ``x`` with a row ``f`` of zero mean and unit norm is
    ``<x, f> / sqrt(<x, x> - p mean(x)^2)`` over p values: ``x`` is read, never changed or
    copied. The mean comes with the same matrix product, from a row of ones beside the others.

    Parameters
    ----------
    rows : ndarray of shape (k, p)
        Rows of any norm.

    dtype : dtype
        Of the products, float32 or float64.

    centre : bool
        Whether means are subtracted, of these rows and of those that they are multiplied with.
    """

    def __init__(self, rows: np.ndarray, dtype: Any, *, centre: bool) -> None:
        self.k, self.p = rows.shape
        self.centre = centre
        # The ones and zeros below the rows make a multiple of four, which is faster.
        self.values = np.zeros((4 * (self.k // 4 + 1), self.p), dtype)
        self.values[self.k] = 1
        for chunk in _slices(self.k, max(1, CACHED_VALUES // self.p)):
            self.values[chunk] = rows[chunk]
            self._normalize(self.values[chunk])
        # What rounding has left of the means
        self.sums = np.einsum("ij->i", self.values[: self.k])

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Cosines of the angles between the rows of `X`, centred if these are, and these."""
        # float64: probabilities made of float32 scores would not sum to one
        scores = np.empty((len(X), self.k))
        for rows in _slices(len(X), PRODUCT_ROWS):
            scores[rows] = self._chunk_scores(X[rows])
        return np.clip(scores, -1, 1, out=scores)

    def gram(self) -> np.ndarray:
        """Cosines of the angles between these rows themselves."""
        gram = np.zeros((self.k, self.k))
        for columns in self._columns(1):
            block = self.values[: self.k, columns]
            gram += block @ block.T
        # A row is like itself to the last digit, and a constant one like nothing.
        np.fill_diagonal(gram, np.round(np.diagonal(gram)))
        return np.clip(gram, -1, 1, out=gram)

    def _chunk_scores(self, X: np.ndarray) -> np.ndarray:
        products, squares = self._products(X)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = products[:, self.k] / self.p if self.centre else np.zeros(len(X))
            energy = squares - self.p * mean**2
            # Subtracting the mean must have left most of the digits.
            direct = _in_range(squares, self.values) & (energy > 0.9 * squares)
            norm = np.sqrt(np.where(direct, energy, 1))
            scores = products[:, : self.k] - np.outer(mean, self.sums)
        scores /= norm[:, np.newaxis]
        others = np.flatnonzero(~direct)
        for part in _slices(len(others), max(1, BLOCK_VALUES // self.p)):
            rows = X[others[part]].astype(self.values.dtype, copy=False)
            self._normalize(rows)
            scores[others[part]] = rows @ self.values[: self.k].T
        return scores

    def _products(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inner products with the values, and squared norms; added up in float64."""
        products, squares = np.zeros((len(self.values), len(X))), np.zeros(len(X))
        with np.errstate(over="ignore", invalid="ignore"):
            for columns in self._columns(max(len(X), len(self.values))):
                block = X[:, columns].astype(self.values.dtype, copy=False)
                products += self.values[:, columns] @ block.T
                squares += np.vecdot(block, block)
        return products.T, squares

    def _normalize(self, rows: np.ndarray) -> None:
        if self.centre:
            _centre(rows)
        _scale_to_unit_norm(rows)

    def _columns(self, n_rows: int) -> Iterator[slice]:
        """Slices of columns, so few that blocks of `n_rows` rows stay near the cache."""
        return _slices(self.p, max(1, BLOCK_VALUES // n_rows))


def correlation_index(residuals: Any, fingerprints: Any) -> np.ndarray:
    """Correlation index between each residual and each fingerprint (eq. 5).

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Residuals, in any unit.

    fingerprints : array-like of shape (k, ...)
        Fingerprints, of the residuals' trailing shape.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Correlation in [-1, 1]; 0 where either side is constant.

    Raises
    ------
    ValueError
        If the trailing shapes differ.

    See Also
    --------
    cosine_index : The same without centring.

    Notes
    -----
    ``corr(X, Y) = <X~, Y~>``, where ``X~`` is the zero-mean unit-norm version of ``X``: Pearson's
    correlation over the pixels [1]_.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019, eq. 5.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.correlation import correlation_index
    >>> fingerprints = np.array([[[1.0, -1.0], [1.0, -1.0]], [[1.0, 1.0], [-1.0, -1.0]]])
    >>> correlation_index(3 * fingerprints[:1] + 7, fingerprints)
    array([[1., 0.]])
    """
    residuals, fingerprints, dtype = _as_rows(residuals, fingerprints)
    return _UnitRows(fingerprints, dtype, centre=True).scores(residuals)


def cosine_index(residuals: Any, fingerprints: Any) -> np.ndarray:
    """Cosine of the angle between each residual and each fingerprint.

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Residuals, in any unit.

    fingerprints : array-like of shape (k, ...)
        Fingerprints, of the residuals' trailing shape.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Cosine in [-1, 1]; 0 where either side is zero.

    See Also
    --------
    correlation_index : Centres first.

    Examples
    --------
    >>> from sklearn_ganprint.correlation import cosine_index
    >>> cosine_index([[2.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    array([[1., 0.]])
    """
    residuals, fingerprints, dtype = _as_rows(residuals, fingerprints)
    return _UnitRows(fingerprints, dtype, centre=False).scores(residuals)


def negative_distance(residuals: Any, fingerprints: Any) -> np.ndarray:
    """Negative Euclidean distance between each residual and each fingerprint.

    The literal minimum-distance rule. On normalised rows the least distance is the greatest
    correlation; on raw residuals a fingerprint of little energy is near to everything.

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Residuals.

    fingerprints : array-like of shape (k, ...)
        Fingerprints, of the residuals' trailing shape and unit.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Negative distances, in the unit of the residuals.

    See Also
    --------
    correlation_index : Free of the scale of either side.

    Examples
    --------
    >>> from sklearn_ganprint.correlation import negative_distance
    >>> negative_distance([[3.0, 4.0]], [[0.0, 0.0], [3.0, 4.0]])
    array([[-5., -0.]])
    """
    residuals, fingerprints, dtype = _as_rows(residuals, fingerprints)
    fingerprints = fingerprints.astype(dtype, copy=False)
    scores = np.empty((len(residuals), len(fingerprints)))
    for rows in row_chunks(*residuals.shape):
        for column, fingerprint in enumerate(fingerprints):
            # The difference itself: |x|^2 - 2 x.f + |f|^2 cancels where the two are close.
            difference = residuals[rows] - fingerprint
            scores[rows, column] = -np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return scores


#: Scores by the name of their metric: greater is closer.
SCORES: dict[str, Callable[[Any, Any], np.ndarray]] = {
    "correlation": correlation_index,
    "cosine": cosine_index,
    "euclidean": negative_distance,
}


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
    residuals, _, dtype = _as_rows(residuals, residuals)
    # One half of the memory for residuals, the other for a block and its temporaries
    row_bytes = residuals.shape[1] * dtype.itemsize
    size = max(1, min(max_bytes // 2 // row_bytes, isqrt(max_bytes // 64)))
    for columns in _slices(len(residuals), size):
        unit_rows = _UnitRows(residuals[columns], dtype, centre=True)
        for rows in _slices(columns.start, size):
            yield rows, columns, unit_rows.scores(residuals[rows])
        yield columns, columns, unit_rows.gram()


def _as_rows(residuals: Any, fingerprints: Any) -> tuple[np.ndarray, np.ndarray, np.dtype]:
    """Both sides as rows, in the dtype they came in, and the float dtype to compute with."""
    residuals, fingerprints = np.asarray(residuals), np.asarray(fingerprints)
    if residuals.shape[1:] != fingerprints.shape[1:] or residuals.ndim < 2:
        raise ValueError(
            f"Expected residuals (n, ...) and fingerprints (k, ...) of one trailing shape, got "
            f"{residuals.shape} and {fingerprints.shape}."
        )
    size = prod(residuals.shape[1:])
    return (
        residuals.reshape(len(residuals), size),
        fingerprints.reshape(len(fingerprints), size),
        np.dtype(np.float32 if residuals.dtype == np.float32 else np.float64),
    )


def _slices(n: int, size: int) -> Iterator[slice]:
    """Slices of `size` over n rows or columns, of which there may be none."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
