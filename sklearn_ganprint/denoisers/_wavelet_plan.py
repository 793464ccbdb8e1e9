"""Mihcak's filter as matrix products and long additions, on buffers that are made once."""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import pywt

from sklearn_ganprint._batches import one_blas_thread
from sklearn_ganprint.denoisers._banded import BandedMatrix, level_matrices

#: Values of the images that go through a plan together: small images are too short alone.
BATCH_VALUES = 1 << 19
#: Values that go through all steps of a level together: they stay in the cache.
TILE_VALUES = 1 << 16
#: So many workspaces, each up to this size in bytes, are kept for the next call.
KEPT_WORKSPACES = 4
KEPT_BYTES = 1 << 25
#: Sides of the windows over which the local variance of a coefficient is estimated.
WINDOWS = (3, 5, 7, 9)
#: How far the widest window reaches, in coefficients of one sub-band.
REACH = 4
#: Values of a strip: what is done to it in some thirty steps stays in the cache.
STRIP_VALUES = 1 << 15
#: Rows of a strip, at the least: eight more around them are computed for its neighbours too.
STRIP_ROWS = 32


class WaveletPlan:
    """All that the residual of images of one shape needs, but the images.

    Picture a chessboard. One level of the transform makes a board of as many fields as the image
    has pixels, on which four sub-bands take turns: low in even and high in odd rows, low in even
    and high in odd columns. So one banded matrix does all rows, another all columns, and two
    others bring them back. The fields with even row and column are the image of the next level;
    the others are the details, which :class:`Shrinkage` works on.

    A plan is shared by threads. Its matrices are only read; buffers are handed out to one call
    at a time. Parameters are those of :class:`WaveletDenoiser`, the size of the images and a dtype.
    """

    def __init__(
        self, shape: tuple[int, int], wavelet: str, level: int, sigma: float, mode: str, dtype: str
    ) -> None:
        self.shape, self.sigma, self.dtype = shape, sigma, np.dtype(dtype)
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
        """Compute the residuals of images ``(n, H, W)`` of any real dtype."""
        (residuals,) = self.residuals(images, ())
        return residuals

    def residuals(self, images: np.ndarray, sigmas: Sequence[float]) -> np.ndarray:
        """Compute residuals ``(1 + n_sigmas, n, H, W)``, those of the plan and of other sigmas.

        The transform and the local variances are the same; the inverse is another.
        """
        residuals = np.empty((1 + len(sigmas), *images.shape), self.dtype)
        ratios = [(self.sigma / sigma) ** 2 for sigma in sigmas]
        batch = max(1, min(self.batch, len(images)))
        with one_blas_thread(), self._workspace(batch) as work:
            others = work.other_boards(len(sigmas))
            for start in range(0, len(images), batch):
                part = slice(start, start + batch)
                boards = work.transform(list(images[part]), self.offset, ratios, others)
                work.invert(boards, residuals[0, part])
                for other, target in zip(others, residuals[1:, part], strict=True):
                    work.invert([board[: len(target)] for board in other], target)
        return residuals

    def weighted_residual(self, images: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Add up the residuals of n groups of m images, with one inverse transform a group."""
        n_groups, n_members = images.shape[:2]
        members = min(n_members, self.batch)
        groups = min(n_groups, self.batch // members)
        sums = np.empty((n_groups, *self.shape), self.dtype)
        with one_blas_thread(), self._workspace(groups * members) as work:
            for start in range(0, n_groups, groups):
                part = images[start : start + groups]
                totals = [
                    np.zeros((len(part), *level.board_shape), self.dtype) for level in self.levels
                ]
                for first in range(0, n_members, members):
                    chunk = slice(first, first + members)
                    boards = work.transform(
                        [i for group in part[:, chunk] for i in group], self.offset
                    )
                    for board, total in zip(boards, totals, strict=True):
                        group = board.reshape(len(part), -1, total[0].size)
                        total += np.matmul(weights[chunk], group).reshape(total.shape)
                work.invert(totals, sums[start : start + groups])
        return sums

    @contextmanager
    def _workspace(self, n: int) -> Iterator["_Workspace"]:
        """Hand out buffers for n images that no other thread has."""
        try:
            work = self._free[n].pop()  # of a deque, so no two threads get the same
        except IndexError:
            work = _Workspace(self.levels, n, self.dtype)
        yield work
        n_kept = sum(map(len, self._free.values()))
        if work.n_bytes <= KEPT_BYTES and n_kept < KEPT_WORKSPACES:
            self._free[n].append(work)


#: Plans by their arguments: one is made once.
wavelet_plan = lru_cache(maxsize=8)(WaveletPlan)


def _offset(wavelet: str, mode: str) -> float:
    """Return the grey level to subtract first: the approximation, thrown away, costs precision.

    Mid-grey where a constant leaves no detail, and so changes nothing but that: not for dmey,
    whose high-pass is not quite blind to it, and not where images are continued by zeros.
    """
    blind = abs(sum(pywt.Wavelet(wavelet).dec_hi)) < 1e-9
    return 128.0 if blind and mode not in ("zero", "antisymmetric") else 0.0


class _Level:
    """The matrices of one level: image to board, and back."""

    def __init__(
        self, shape: tuple[int, int], wavelet: str, mode: str, dtype: str, scale: float
    ) -> None:
        self.shape = shape
        rows, rows_back = level_matrices(shape[0], wavelet, mode, dtype, 1.0)
        self.columns, self.columns_back = level_matrices(shape[1], wavelet, mode, dtype, scale)
        self.board_shape = rows.matrix.shape[0], self.columns.matrix.shape[0]
        self.rows, self.rows_back = self._strips(rows), self._strips(rows_back)

    @property
    def tile(self) -> int:
        """Number of images that go through all steps together."""
        return max(1, TILE_VALUES // prod(self.board_shape))

    def _strips(self, whole: BandedMatrix) -> list[tuple[slice, slice, BandedMatrix]]:
        """Cut a matrix into strips of rows, each with the columns it takes: one, if it is small."""
        matrix = whole.matrix
        size, (n_rows, n_columns) = max(1, 2 * TILE_VALUES // self.board_shape[1]), matrix.shape
        if size >= n_rows:
            return [(slice(0, n_rows), slice(0, n_columns), whole)]
        strips = []
        for start in range(0, n_rows, size):
            part = matrix[start : start + size]
            columns = slice(part.indices.min(), part.indices.max() + 1)
            rows = slice(start, start + part.shape[0])
            strips.append((rows, columns, BandedMatrix(part[:, columns], matrix.dtype)))
        return strips


class _Workspace:
    """The boards of all levels for n images, and buffers for what comes in between."""

    def __init__(self, levels: list[_Level], n: int, dtype: np.dtype) -> None:
        self.levels = levels
        self.boards = [np.empty((n, *level.board_shape), dtype) for level in levels]
        self._others: list[list[np.ndarray]] = []
        self.buffers = {name: np.empty(0, dtype) for name in ("image", "half")}
        self.shrinkage = Shrinkage(dtype)

    @property
    def n_bytes(self) -> int:
        boards = [self.boards, *self._others, self.buffers.values()]
        return sum(array.nbytes for arrays in boards for array in arrays)

    def other_boards(self, n: int) -> list[list[np.ndarray]]:
        """Return n times the boards of all levels, for details that are shrunk otherwise."""
        while len(self._others) < n:
            self._others.append([np.empty_like(board) for board in self.boards])
        return self._others[:n]

    def transform(
        self,
        images: Sequence[np.ndarray],
        offset: float,
        ratios: Sequence[float] = (),
        others: Sequence[list[np.ndarray]] = (),
    ) -> list[np.ndarray]:
        """Transform images less an offset, and keep of each detail the share that is noise.

        With other variances of the noise, of which `ratios` are the plan's in multiples, other
        shares are kept: those go to `others`, boards of all levels for each ratio.
        """
        boards = [board[: len(images)] for board in self.boards]
        for level, board, *more in zip(self.levels, boards, *others, strict=True):
            for start in range(0, len(board), level.tile):
                part = slice(start, min(start + level.tile, len(board)))
                self._forward(level, images[part], offset, board[part])
                for details, step in ((np.s_[part, 1::2], 2), (np.s_[part, ::2, 1::2], 1)):
                    targets = [other[details] for other in more]
                    self.shrinkage.shrink(board[details], step, ratios, targets)
            images, offset = list(board[:, ::2, ::2]), 0.0
        return boards

    def invert(self, boards: list[np.ndarray], residuals: np.ndarray) -> None:
        """Invert the details, without the approximation; the boards are changed."""
        boards[-1][:, ::2, ::2] = 0
        for index in range(len(boards) - 1, -1, -1):
            level, board = self.levels[index], boards[index]
            for start in range(0, len(board), level.tile):
                part = slice(start, start + level.tile)
                target = boards[index - 1][part, ::2, ::2] if index else residuals[part]
                self._backward(level, board[part], target)

    def _forward(
        self, level: _Level, images: Sequence[np.ndarray], offset: float, board: np.ndarray
    ) -> None:
        """First the rows and then the columns, in strips of which the latter are in the cache."""
        n, width = len(images), level.shape[1]
        for rows, sources, matrix in level.rows:
            loaded = self._buffer("image", (n, sources.stop - sources.start, width))
            for image, target in zip(images, loaded, strict=True):
                np.subtract(image[sources], offset, out=target, dtype=target.dtype)
            half = self._buffer("half", (n, rows.stop - rows.start, width))
            matrix.multiply_rows(loaded, half)
            level.columns.multiply_columns(_stacked(half), _stacked(board[:, rows]))

    def _backward(self, level: _Level, board: np.ndarray, images: np.ndarray) -> None:
        n, width = len(board), level.shape[1]
        for rows, sources, matrix in level.rows_back:
            half = self._buffer("half", (n, rows.stop - rows.start, board.shape[2]))
            matrix.multiply_rows(board[:, sources], half)
            target = images[:, rows]
            # What becomes fields of the board above is not written in one piece.
            direct = level is self.levels[0]
            image = target if direct else self._buffer("image", (*half.shape[:2], width))
            level.columns_back.multiply_columns(_stacked(half), _stacked(image))
            if not direct:
                target[...] = image

    def _buffer(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Use the beginning of a buffer as an array; it is as large as was ever needed."""
        size = prod(shape)
        if size > self.buffers[name].size:
            self.buffers[name] = np.empty(size, self.boards[0].dtype)
        return self.buffers[name][:size].reshape(shape)


def _stacked(images: np.ndarray) -> np.ndarray:
    """View images as one image, one below the other."""
    return images.reshape(-1, images.shape[2])


class Shrinkage:
    """Divides each coefficient by what makes its noise of it, a strip of a board at a time.

    The coefficients of a strip are squared into one long row of values, with zeros between the
    rows and the images for what lies beyond the border of a sub-band. A box sum is then a few
    additions of that long row to itself, shifted: by a field along a row of the board (by two
    where two sub-bands take turns), by the length of a row across.

    With ``d`` divided by ``9 sigma`` beforehand, and ``S_w`` the plain sum of ``d^2`` over a
    window, the share ``sigma^2 / (variance + sigma^2)`` of a coefficient is
    ``1 / max(min(S_9, S_7 81/49, S_5 81/25, S_3 9), 1)``: no window is divided by its size, and
    nothing is subtracted.

    The buffers are those of one thread.
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self._buffers = np.empty((8, 0), dtype)
        self._strips: dict[tuple[int, ...], _Strip] = {}

    def shrink(
        self,
        bands: np.ndarray,
        step: int,
        ratios: Sequence[float] = (),
        targets: Sequence[np.ndarray] = (),
    ) -> None:
        """Shrink rows ``(n, n_rows, n_columns)`` in place; `step` sub-bands alternate in one.

        What they are with the variance of the noise divided by each ratio goes to the targets.
        """
        n, n_rows, n_columns = bands.shape
        pitch = n_columns + REACH * step
        n_images = max(1, STRIP_VALUES // ((n_rows + 2 * REACH) * pitch))
        most = max(STRIP_ROWS, STRIP_VALUES // pitch - 2 * REACH)
        size = -(-n_rows // -(-n_rows // most))  # strips of nearly one size
        for first in range(0, n, n_images):
            part, *others = (
                each[first : first + n_images].transpose(1, 0, 2) for each in (bands, *targets)
            )
            above = None
            for start in range(0, n_rows, size):
                strip = self._strip(*part[start : start + size].shape, step)
                strip.load(part[start : start + size + REACH], above)
                strip.sum()
                for ratio, target in zip((1.0, *ratios), (part, *others), strict=True):
                    strip.shrink(target[start : start + size], ratio)
                above = strip.lowest

    def _strip(self, *geometry: int) -> "_Strip":
        """Find the strip of a shape; all share the same buffers."""
        if geometry not in self._strips:
            size = _Strip.n_values(*geometry)
            if size > self._buffers.shape[1]:
                self._buffers = np.ones((len(self._buffers), size), self.dtype)
                self._strips.clear()
            self._strips[geometry] = _Strip(self._buffers, *geometry)
        return self._strips[geometry]


class _Strip:
    """Rows of coefficients side by side, and all that is to be done to them, in views made once.

    A sum is stored where its window begins: that of nine is the sum of four there, and that of
    five four values on.
    """

    def __init__(self, buffers: np.ndarray, n_rows: int, n: int, n_columns: int, step: int) -> None:
        gap = REACH * step
        self.pitch, self.n_rows = n * (n_columns + gap), n_rows
        values = np.zeros(self.n_values(n_rows, n, n_columns, step), buffers.dtype)
        self._board = values[gap:-gap].reshape(-1, n, n_columns + gap)
        self._inner = self._board[:, :, :n_columns]
        self._steps: list[tuple[np.ufunc, np.ndarray, np.ndarray, np.ndarray]] = []
        squares, *sums, ones = buffers[:, : values.size]
        self._do(np.multiply, values, values, squares)
        along = self._sum_along(squares, step, *sums)
        # Once it is not needed any more, a buffer takes what follows.
        least, total = squares[: n_rows * self.pitch], sums[2][: n_rows * self.pitch]
        for reach, window in enumerate(WINDOWS, start=1):
            first = (REACH - reach) * (step + self.pitch)
            target = least if window == WINDOWS[0] else total
            self._sum_across(window, along[window][first:], target, *sums[:2])
            if window < WINDOWS[-1]:
                self._do(np.multiply, target, np.array(81 / window**2, values.dtype), target)
            if target is total:
                self._do(np.minimum, least, total, least)
        self._least, self._share, self._ones = least, total, ones[: least.size]
        self._middle = self._board[REACH : REACH + n_rows].reshape(-1)
        self._result = self._share.reshape(n_rows, n, -1)[:, :, :n_columns]

    @staticmethod
    def n_values(n_rows: int, n: int, n_columns: int, step: int) -> int:
        """Values of a buffer, with those around the strip."""
        return (n_rows + 2 * REACH) * n * (n_columns + REACH * step) + 2 * REACH * step

    @property
    def lowest(self) -> np.ndarray:
        """The rows that lie around the upper border of the next strip, as they were loaded."""
        return self._board[self.n_rows :]

    def load(self, rows: np.ndarray, above: np.ndarray | None) -> None:
        """Take in rows, those below the strip too, and what the strip above has of them."""
        known = 0 if above is None else REACH
        self._board[: REACH + known] = 0 if above is None else above
        self._inner[REACH + known : REACH + len(rows)] = rows[known:]
        self._inner[REACH + len(rows) :] = 0

    def sum(self) -> None:
        """Sum in all windows, and take the least."""
        for function, one, other, out in self._steps:
            function(one, other, out=out)

    def shrink(self, rows: np.ndarray, ratio: float) -> None:
        """Divide by the least sum in multiples of the noise, at least 1, into `rows`."""
        sums = self._least
        if ratio != 1:
            sums = np.multiply(sums, self._least.dtype.type(ratio), out=self._share)
        np.maximum(sums, self._ones, out=self._share)
        np.divide(self._middle, self._share, out=self._share)
        rows[...] = self._result

    def _do(self, function: np.ufunc, one: np.ndarray, other: np.ndarray, out: np.ndarray) -> None:
        self._steps.append((function, one, other, out))

    def _add(self, one: np.ndarray, other: np.ndarray, shift: int, out: np.ndarray) -> np.ndarray:
        """Add to each value of one array that of the other so much further on."""
        size = min(one.size, other.size - shift, out.size)
        self._do(np.add, one[:size], other[shift : shift + size], out[:size])
        return out[:size]

    def _sum_along(self, one: np.ndarray, step: int, *out: np.ndarray) -> dict[int, np.ndarray]:
        """Sum along the rows, with what one window has in common with others."""
        two = self._add(one, one, step, out[0])
        four = self._add(two, two, 2 * step, out[1])
        three = self._add(two, one, 2 * step, out[2])
        five = self._add(four, one, 4 * step, out[3])
        seven = self._add(four, three, 4 * step, out[4])
        nine = self._add(four, five, 4 * step, out[5])
        return {3: three, 5: five, 7: seven, 9: nine}

    def _sum_across(
        self, window: int, one: np.ndarray, total: np.ndarray, *out: np.ndarray
    ) -> None:
        """Sum `window` rows: the first, and of runs of two, four and eight those that it takes."""
        run, n_summed = one, 1
        for half, buffer in zip((1, 2, 4), (out[0], out[1], out[0]), strict=True):
            run = self._add(run, run, half * self.pitch, buffer)
            if window & 2 * half:
                one = self._add(one, run, n_summed * self.pitch, total)
                n_summed += 2 * half
            if n_summed == window:
                return
