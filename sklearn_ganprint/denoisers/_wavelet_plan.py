"""Mihcak's filter as matrix products and long additions, on buffers that are made once."""

from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np
import pywt
from scipy import sparse

from sklearn_ganprint._parallel import one_blas_thread
from sklearn_ganprint.denoisers._banded import BandedMatrix, identity_columns

#: Sides of the windows over which the local variance of a coefficient is estimated.
WINDOWS = (3, 5, 7, 9)
#: How far the widest window reaches, in coefficients of one sub-band.
REACH = 4
#: Values of the images that go through a plan together: small images are too short alone.
BATCH_VALUES = 1 << 18
#: Values of a strip: what is done to it in some thirty steps stays in the cache.
STRIP_VALUES = 1 << 16
#: Rows of a strip, at the least: eight more around them are computed for its neighbours too.
STRIP_ROWS = 64
#: So many workspaces, each up to this size in bytes, are kept for the next call.
KEPT_WORKSPACES = 4
KEPT_BYTES = 1 << 25


class WaveletPlan:
    """All that the residual of images of one shape needs, but the images.

    Picture a chessboard. One level of the transform makes a board of as many fields as the image
    has pixels, on which four sub-bands take turns: low in even and high in odd rows, low in even
    and high in odd columns. So one banded matrix does all rows, another all columns, and two
    others bring them back. The fields with even row and column are the image of the next level.

    The details, rows of them at a time, are squared into one long row of values, with zeros
    between the rows and the images for what lies beyond the border of a sub-band. A box sum is
    then a few additions of that long row to itself, shifted: by a field along a row of the board
    (by two where two sub-bands take turns), by the length of a row across.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the images.

    wavelet, level, sigma, mode : str, int, float, str
        As in :class:`WaveletDenoiser`.

    dtype : str
        "float32" or "float64".

    Notes
    -----
    With ``d`` scaled by ``1 / (9 sigma)`` in the first matrix, and ``S_w`` the plain sum of ``d^2``
    over a window, the share ``sigma^2 / (variance + sigma^2)`` of a coefficient is
    ``1 / max(min(S_9, S_7 81/49, S_5 81/25, S_3 9), 1)``: no window is divided by its size, and
    nothing is subtracted.

    A plan is shared by threads. Its matrices are only read; buffers are handed out to one call
    at a time.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        wavelet: str,
        level: int,
        sigma: float,
        mode: str,
        dtype: str,
    ) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.batch = int(np.clip(BATCH_VALUES // (shape[0] * shape[1]), 1, 16))
        self.offset = _offset(wavelet, mode)
        self.levels: list[_Level] = []
        for index in range(level):
            scale = 1 / (WINDOWS[-1] * sigma) if index == 0 else 1.0
            self.levels.append(_Level(shape, wavelet, mode, dtype, scale))
            height, width = self.levels[-1].board_shape
            shape = height // 2, width // 2
        self._free: dict[int, deque[_Workspace]] = defaultdict(deque)

    def residual(self, images: np.ndarray) -> np.ndarray:
        """Compute the residuals of images.

        Parameters
        ----------
        images : ndarray of shape (n, H, W)
            Images in 8-bit grey levels, of any real dtype.

        Returns
        -------
        ndarray of shape (n, H, W)
            The residuals, of the plan's dtype.
        """
        residuals = np.empty(images.shape, self.dtype)
        batch = max(1, min(self.batch, len(images)))
        with one_blas_thread(), self._workspace(batch) as work:
            for start in range(0, len(images), batch):
                part = slice(start, start + batch)
                work.load(images[part, np.newaxis], self.offset)
                work.transform()
                work.invert()
                work.unload(residuals[part])
        return residuals

    def weighted_residual(self, images: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Add up residuals, with one inverse transform for each sum.

        Parameters
        ----------
        images : ndarray of shape (n, m, H, W)
            n groups of m images in 8-bit grey levels, of any real dtype.

        weights : ndarray of shape (m,)
            Weight of each image of a group.

        Returns
        -------
        ndarray of shape (n, H, W)
            The weighted sums of the residuals of each group, of the plan's dtype.
        """
        n_groups, n_members = images.shape[:2]
        # Chunks of nearly one size: what is missing in the last one is computed all the same.
        n_chunks = -(-n_members // self.batch)
        members = -(-n_members // n_chunks)
        groups = min(n_groups, self.batch // members)
        sums = np.empty((n_groups, *self.shape), self.dtype)
        with one_blas_thread(), self._workspace(groups * members) as work:
            totals = [
                np.empty((len(board.fields), groups * board.fields.shape[2]), self.dtype)
                for board in work.boards
            ]
            for start in range(0, n_groups, groups):
                for total in totals:
                    total[...] = 0
                for first in range(0, n_members, members):
                    chunk = slice(first, first + members)
                    work.load(images[start : start + groups, chunk], self.offset, members)
                    work.transform()
                    work.add_to(totals, weights[chunk], members)
                with self._workspace(groups, work) as target:
                    target.put(totals)
                    target.invert()
                    target.unload(sums[start : start + groups])
        return sums

    @contextmanager
    def _workspace(self, n: int, own: "_Workspace | None" = None) -> Iterator["_Workspace"]:
        """Hand out buffers for n images that no other thread has, or one's own if they fit."""
        if own is not None and own.n == n:
            yield own
            return
        try:
            work = self._free[n].pop()  # of a deque, so no two threads get the same
        except IndexError:
            work = _Workspace(self.levels, n, self.dtype)
        yield work
        n_kept = sum(map(len, self._free.values()))
        if work.n_bytes <= KEPT_BYTES and n_kept < KEPT_WORKSPACES:
            self._free[n].append(work)


@lru_cache(maxsize=8)
def wavelet_plan(
    shape: tuple[int, int], wavelet: str, level: int, sigma: float, mode: str, dtype: str
) -> WaveletPlan:
    """Make a plan, or find the one made before. Takes what :class:`WaveletPlan` takes."""
    return WaveletPlan(shape, wavelet, level, sigma, mode, dtype)


def _offset(wavelet: str, mode: str) -> float:
    """Grey level to subtract first: the approximation, thrown away, costs precision.

    Mid-grey where a constant leaves no detail, and so changes nothing but that: not for dmey,
    whose high-pass is not quite blind to it, and not where images are continued by zeros.
    """
    blind = abs(sum(pywt.Wavelet(wavelet).dec_hi)) < 1e-9
    return 128.0 if blind and mode not in ("zero", "antisymmetric") else 0.0


@lru_cache(maxsize=64)
def _transform_matrices(n: int, wavelet: str, mode: str) -> tuple[Any, Any]:
    """Matrices of one level along an axis of n pixels, there and back; low and high alternate.

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


class _Level:
    """The matrices of one level: image to board, and back."""

    def __init__(
        self, shape: tuple[int, int], wavelet: str, mode: str, dtype: str, scale: float
    ) -> None:
        self.shape = shape
        rows, rows_back = _transform_matrices(shape[0], wavelet, mode)
        columns, columns_back = _transform_matrices(shape[1], wavelet, mode)
        self.board_shape = rows.shape[0], columns.shape[0]
        self.rows, self.rows_back = BandedMatrix(rows, dtype), BandedMatrix(rows_back, dtype)
        self.columns = BandedMatrix(columns * scale, dtype)
        self.columns_back = BandedMatrix(columns_back / scale, dtype)


class _Board:
    """The buffers of one level for n images side by side."""

    def __init__(self, level: _Level, n: int, dtype: np.dtype) -> None:
        self.level = level
        (height, width), (n_rows, n_columns) = level.shape, level.board_shape
        self.image = np.zeros((height, n, width), dtype)
        self.half = np.zeros((height, n, n_columns), dtype)
        self.fields = np.zeros((n_rows, n, n_columns), dtype)

    @property
    def low(self) -> np.ndarray:
        """The fields that are the image of the next level."""
        return self.fields[::2, :, ::2]

    @property
    def details(self) -> list[tuple[np.ndarray, int]]:
        """The other fields, and how far apart neighbours of one sub-band are in them."""
        return [(self.fields[1::2], 2), (self.fields[::2, :, 1::2], 1)]

    def transform(self) -> None:
        self.level.columns.multiply_columns(_flat(self.image, 2), _flat(self.half, 2))
        self.level.rows.multiply_rows(_flat(self.half, 1), _flat(self.fields, 1))

    def invert(self) -> None:
        self.level.rows_back.multiply_rows(_flat(self.fields, 1), _flat(self.half, 1))
        self.level.columns_back.multiply_columns(_flat(self.half, 2), _flat(self.image, 2))


def _flat(array: np.ndarray, axis: int) -> np.ndarray:
    """View a buffer as a matrix, cut before `axis`."""
    return array.reshape(prod(array.shape[:axis]), -1)


class _Workspace:
    """The boards of all levels, and the strips on which they are shrunk."""

    def __init__(self, levels: list[_Level], n: int, dtype: np.dtype) -> None:
        self.n = n
        self.boards = [_Board(level, n, dtype) for level in levels]
        self.dtype = dtype

    @cached_property
    def shrinkage(self) -> "_Shrinkage":
        """The strips; a workspace in which sums are only inverted needs none."""
        # Of odd rows, where two sub-bands take turns; of wide boards no more rows than needed.
        pitches = [self.n * (board.fields.shape[2] + 2 * REACH) for board in self.boards]
        size = max(STRIP_VALUES, max(pitches) * (STRIP_ROWS + 2 * REACH))
        return _Shrinkage(size + 4 * REACH, self.dtype)

    @property
    def n_bytes(self) -> int:
        return sum(each.image.nbytes + 2 * each.fields.nbytes for each in self.boards)

    def load(self, images: np.ndarray, offset: float, members: int = 1) -> None:
        """Take in groups of images ``(n, m, H, W)``, m at most `members`; first all first ones.

        Where there are fewer, the buffers keep what they had, which is computed and not used.
        """
        n_groups, n_members, height, width = images.shape
        slots = self.boards[0].image.reshape(height, members, -1, width)
        target = slots[:, :n_members, :n_groups]
        np.subtract(images.transpose(2, 1, 0, 3), offset, out=target, dtype=target.dtype)

    def add_to(self, totals: list[np.ndarray], weights: np.ndarray, members: int) -> None:
        """Add the weighted coefficients of the members of each group to `totals`."""
        for board, total in zip(self.boards, totals, strict=True):
            fields = board.fields.reshape(len(total), members, -1)
            step = max(1, self.shrinkage.size // total.shape[1])
            for start in range(0, len(total), step):
                rows = total[start : start + step]
                product = self.shrinkage.pairs[: rows.size].reshape(rows.shape)
                for member, weight in enumerate(weights):
                    np.multiply(fields[start : start + step, member], weight, out=product)
                    np.add(rows, product, out=rows)

    def put(self, totals: list[np.ndarray]) -> None:
        for board, total in zip(self.boards, totals, strict=True):
            board.fields[...] = total.reshape(board.fields.shape)

    def transform(self) -> None:
        """Transform, level by level, and keep of each detail the share that is noise."""
        for board, following in zip(self.boards, [*self.boards[1:], None], strict=True):
            board.transform()
            if following is not None:
                following.image[...] = board.low
            for bands, step in board.details:
                self.shrinkage.shrink(bands, step)

    def invert(self) -> None:
        """Invert the details, without the approximation."""
        self.boards[-1].low[...] = 0
        for board, following in zip(self.boards[::-1], [*self.boards[-2::-1], None], strict=True):
            board.invert()
            if following is not None:
                following.low[...] = board.image

    def unload(self, residuals: np.ndarray) -> None:
        residuals[...] = self.boards[0].image[:, : len(residuals)].transpose(1, 0, 2)


class _Shrinkage:
    """Divides each coefficient by what makes its noise of it, some rows of a board at a time."""

    def __init__(self, size: int, dtype: np.dtype) -> None:
        self.size = size
        self.squares = np.zeros(size, dtype)
        self.sums = {window: np.empty(size, dtype) for window in WINDOWS}
        self.pairs, self.total, self.least = (np.empty(size, dtype) for _ in range(3))
        # Arrays, since with a scalar these operations are slower.
        self.scales = {window: np.full(size, 81 / window**2, dtype) for window in WINDOWS}
        self.ones = self.scales[WINDOWS[-1]]

    def shrink(self, bands: np.ndarray, step: int) -> None:
        """Shrink bands in place.

        Parameters
        ----------
        bands : ndarray of shape (n_rows, n, n_columns)
            Rows of sub-bands of n images; `step` sub-bands take turns along a row.

        step : int
            Distance of two neighbours of one sub-band.
        """
        n_rows, n, n_columns = bands.shape
        gap = REACH * step
        pitch = n * (n_columns + gap)
        n_strip = max(STRIP_ROWS, (self.size - 2 * gap) // pitch - 2 * REACH)
        above = None
        for start in range(0, n_rows, n_strip):
            strip = bands[start : start + n_strip]
            below = bands[start + n_strip : start + n_strip + REACH]
            squares, above = self._square(strip, below, above, gap)
            self._sum_along(squares, gap, step)
            least = self._least(len(strip) * pitch, pitch)
            least = least.reshape(len(strip), n, -1)[:, :, :n_columns]
            np.divide(strip, least, out=strip)

    def _square(
        self, strip: np.ndarray, below: np.ndarray, above: np.ndarray | None, gap: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Square a strip and the rows around it, zeros between images and beyond the border.

        The rows that two strips share are squared once, before the upper strip shrinks.
        """
        n_rows, n, n_columns = strip.shape
        size = (n_rows + 2 * REACH) * n * (n_columns + gap)
        squares = self.squares[: size + 2 * gap]
        squares[:gap] = squares[-gap:] = 0
        board = squares[gap:-gap].reshape(-1, n, n_columns + gap)
        board[:, :, n_columns:] = 0
        known = 0 if above is None else len(above) - REACH
        board[: REACH + known] = 0 if above is None else above
        inner = board[REACH:, :, :n_columns]
        np.square(strip[known:], out=inner[known:n_rows])
        np.square(below, out=inner[n_rows : n_rows + len(below)])
        inner[n_rows + len(below) :] = 0
        return squares, board[n_rows:].copy()

    def _sum_along(self, squares: np.ndarray, gap: int, step: int) -> None:
        """Sum along the rows: each window is the one before it and two more."""
        size = squares.size - 2 * gap
        at = [squares[start : start + size] for start in range(0, 2 * gap + 1, step)]
        previous, pair = at[REACH], self.pairs[:size]
        for reach, window in enumerate(WINDOWS, start=1):
            total = self.sums[window][:size]
            np.add(at[REACH - reach], at[REACH + reach], out=pair)
            np.add(previous, pair, out=total)
            previous = total

    def _least(self, size: int, pitch: int) -> np.ndarray:
        """Sum across the rows, and take the least of the windows, at least 1."""
        least, total = self.least[:size], self.total[:size]
        self._sum_across(WINDOWS[0], pitch, least)
        np.multiply(least, self.scales[WINDOWS[0]][:size], out=least)
        for window in WINDOWS[1:]:
            self._sum_across(window, pitch, total)
            if window < WINDOWS[-1]:
                np.multiply(total, self.scales[window][:size], out=total)
            np.minimum(least, total, out=least)
        return np.maximum(least, self.ones[:size], out=least)

    def _sum_across(self, window: int, pitch: int, total: np.ndarray) -> None:
        """Sum `window` rows: pairs of neighbours first, and a last row."""
        values, pairs, reach = self.sums[window], self.pairs, window // 2

        def rows(array: np.ndarray, shift: int) -> np.ndarray:
            start = (REACH + shift) * pitch
            return array[start : start + total.size]

        start, stop = (REACH - reach) * pitch, (REACH + reach - 1) * pitch + total.size
        np.add(values[start:stop], values[start + pitch : stop + pitch], out=pairs[start:stop])
        np.add(rows(pairs, -reach), rows(values, reach), out=total)
        for shift in range(2 - reach, reach, 2):
            np.add(total, rows(pairs, shift), out=total)
