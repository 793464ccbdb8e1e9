"""Scores of residuals for fingerprints, and correlations of residuals with each other."""

from collections.abc import Callable, Iterator
from math import isqrt, prod
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sklearn_ganprint._batches import one_blas_thread, row_chunks
from sklearn_ganprint._compat import other_namespace

__all__ = [
    "correlation_index",
    "cosine_index",
    "negative_distance",
    "pairwise_correlation",
    "pairwise_correlation_blocks",
]

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


def correlation_index(residuals: Any, fingerprints: Any) -> np.ndarray:
    """Compute the correlation index between each residual and each fingerprint (eq. 5).

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
    correlation over the pixels.

    Under ``sklearn.config_context(array_api_dispatch=True)`` arrays of other libraries, such as on
    a GPU, are taken too, and the result is one of them, in the dtype of `residuals`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.correlation import correlation_index
    >>> fingerprints = np.array([[[1.0, -1.0], [1.0, -1.0]], [[1.0, 1.0], [-1.0, -1.0]]])
    >>> correlation_index(3 * fingerprints[:1] + 7, fingerprints)
    array([[1., 0.]])
    """
    if (xp := other_namespace(residuals, fingerprints)) is not None:
        return _scores_in(xp, residuals, fingerprints, centre=True)
    residuals, fingerprints, dtype = _as_rows(residuals, fingerprints)
    return UnitRows(fingerprints, dtype, centre=True).scores(residuals)


def cosine_index(residuals: Any, fingerprints: Any) -> np.ndarray:
    """Compute the cosine of the angle between each residual and each fingerprint.

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

    Notes
    -----
    Under ``sklearn.config_context(array_api_dispatch=True)`` arrays of other libraries, such as on
    a GPU, are taken too, and the result is one of them, in the dtype of `residuals`.

    Examples
    --------
    >>> from sklearn_ganprint.correlation import cosine_index
    >>> cosine_index([[2.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    array([[1., 0.]])
    """
    if (xp := other_namespace(residuals, fingerprints)) is not None:
        return _scores_in(xp, residuals, fingerprints, centre=False)
    residuals, fingerprints, dtype = _as_rows(residuals, fingerprints)
    return UnitRows(fingerprints, dtype, centre=False).scores(residuals)


def negative_distance(residuals: Any, fingerprints: Any) -> np.ndarray:
    """Compute the negative Euclidean distance between each residual and each fingerprint.

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

    Notes
    -----
    Under ``sklearn.config_context(array_api_dispatch=True)`` arrays of other libraries, such as on
    a GPU, are taken too, and the result is one of them, in the dtype of `residuals`.

    Examples
    --------
    >>> from sklearn_ganprint.correlation import negative_distance
    >>> negative_distance([[3.0, 4.0]], [[0.0, 0.0], [3.0, 4.0]])
    array([[-5., -0.]])
    """
    if (xp := other_namespace(residuals, fingerprints)) is not None:
        rows, points = _rows_in(xp, residuals, fingerprints)
        points = [points[row, :] for row in range(points.shape[0])]
        distances = [xp.linalg.vector_norm(rows - point, axis=1) for point in points]
        return -xp.stack(distances, axis=1)
    residuals, fingerprints, dtype = _as_rows(residuals, fingerprints)
    fingerprints = fingerprints.astype(dtype, copy=False)
    scores = np.empty((len(residuals), len(fingerprints)))
    for rows in row_chunks(*residuals.shape):
        for column, fingerprint in enumerate(fingerprints):
            # The difference itself: |x|^2 - 2 x.f + |f|^2 cancels where the two are close.
            difference = residuals[rows] - fingerprint
            scores[rows, column] = -np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return scores


def negative_squared_distance(
    rows: np.ndarray, points: np.ndarray, square: np.ndarray
) -> np.ndarray:
    """Return ``2 r.f - |r|^2 - square``, the negative squared distances of rows and points.

    `square` stands for the squared norms of the points, and may be an unbiased estimate of them.
    """
    own = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    products = (rows @ points.T.astype(rows.dtype, copy=False)).astype(np.float64)
    return 2 * products - own[:, np.newaxis] - square


#: Scores by the name of their metric: greater is closer.
SCORES: dict[str, Callable[[Any, Any], np.ndarray]] = {
    "correlation": correlation_index,
    "cosine": cosine_index,
    "euclidean": negative_distance,
}


#: Memory of :func:`pairwise_correlation` beside its result, in bytes.
MAX_BYTES = 1 << 28


def pairwise_correlation(
    residuals: Any, *, out: np.ndarray | None = None, max_bytes: int = MAX_BYTES
) -> np.ndarray:
    """Compute the correlation index between any two residuals.

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
    pairwise_correlation_blocks : The same in parts, where n x n values are too many.
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
    """Yield the correlations between any two residuals, block by block of the upper triangle.

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
            normalize(self.rows, centre=True)
            self.mean, energy = np.zeros(len(rows)), np.ones(len(rows))
        self.norm = np.sqrt(energy)

    def correlate(self, other: "_Centred") -> np.ndarray:
        block = (self.rows @ other.rows.T).astype(np.float64)
        block -= np.outer(self.mean, other.mean)
        block /= np.outer(self.norm, other.norm)
        return np.clip(block, -1, 1, out=block)


def _as_rows(residuals: Any, fingerprints: Any) -> tuple[np.ndarray, np.ndarray, np.dtype]:
    """Return both sides as rows, in the dtype they came in, and the float dtype to compute with."""
    residuals, fingerprints = np.asarray(residuals), np.asarray(fingerprints)
    size = _row_size(residuals, fingerprints)
    return (
        residuals.reshape(len(residuals), size),
        fingerprints.reshape(len(fingerprints), size),
        np.dtype(np.float32 if residuals.dtype == np.float32 else np.float64),
    )


def _row_size(residuals: Any, fingerprints: Any) -> int:
    """Return the number of values of each, which must be of one trailing shape."""
    if residuals.shape[1:] != fingerprints.shape[1:] or residuals.ndim < 2:
        raise ValueError(
            f"Expected residuals (n, ...) and fingerprints (k, ...) of one trailing shape, got "
            f"{residuals.shape} and {fingerprints.shape}."
        )
    return prod(residuals.shape[1:])


def _rows_in(xp: Any, residuals: Any, fingerprints: Any) -> tuple[Any, Any]:
    """Return both sides as rows of one float dtype, in their own namespace."""
    size = _row_size(residuals, fingerprints)
    dtype = residuals.dtype if xp.isdtype(residuals.dtype, "real floating") else xp.float64
    rows, points = (
        xp.reshape(xp.astype(array, dtype), (array.shape[0], size))
        for array in (residuals, fingerprints)
    )
    return rows, points


def _scores_in(xp: Any, residuals: Any, fingerprints: Any, *, centre: bool) -> Any:
    """Compute cosines in the namespace of the arrays, as :class:`UnitRows` does in numpy."""
    unit = []
    for rows in _rows_in(xp, residuals, fingerprints):
        mean = xp.mean(rows, axis=1, keepdims=True)
        mean = mean if centre else xp.zeros_like(mean)
        rows = rows - mean
        peak = xp.max(xp.abs(rows), axis=1, keepdims=True)
        # What rounding leaves of a constant row is not a signal.
        signal = peak > 4 * xp.finfo(rows.dtype).eps * xp.abs(mean)
        rows = rows / xp.where(signal, peak, xp.ones_like(peak)) * xp.astype(signal, rows.dtype)
        norm = xp.linalg.vector_norm(rows, axis=1, keepdims=True)
        unit.append(rows / xp.where(norm > 0, norm, xp.ones_like(norm)))
    return xp.clip(unit[0] @ unit[1].T, -1.0, 1.0)
