"""The local variances of Mihcak's filter, as long additions."""

from typing import Any

import numpy as np

#: Sides of the windows over which the local variance of a coefficient is estimated.
WINDOWS = (3, 5, 7, 9)
#: How far the widest window reaches, in coefficients of one sub-band.
REACH = 4
#: Values of a strip: what is done to it in some thirty steps stays in the cache.
STRIP_VALUES = 1 << 15
#: Rows of a strip, at the least: eight more around them are computed for its neighbours too.
STRIP_ROWS = 32


class Shrinkage:
    """Divides each coefficient by what makes its noise of it, a strip of a board at a time.

    The coefficients of a strip are squared into one long row of values, with zeros between the
    rows and the images for what lies beyond the border of a sub-band. A box sum is then a few
    additions of that long row to itself, shifted: by a field along a row of the board (by two
    where two sub-bands take turns), by the length of a row across.

    Parameters
    ----------
    dtype : dtype
        Of the coefficients.

    Notes
    -----
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

    def shrink(self, bands: np.ndarray, step: int) -> None:
        """Shrink bands in place.

        Parameters
        ----------
        bands : ndarray of shape (n, n_rows, n_columns)
            Rows of sub-bands of n images; `step` sub-bands take turns along a row.

        step : int
            Distance of two neighbours of one sub-band.
        """
        n, n_rows, n_columns = bands.shape
        pitch = n_columns + REACH * step
        n_images = max(1, STRIP_VALUES // ((n_rows + 2 * REACH) * pitch))
        most = max(STRIP_ROWS, STRIP_VALUES // pitch - 2 * REACH)
        size = -(-n_rows // -(-n_rows // most))  # strips of nearly one size
        for first in range(0, n, n_images):
            part = bands[first : first + n_images].transpose(1, 0, 2)
            above = None
            for start in range(0, n_rows, size):
                strip = self._strip(*part[start : start + size].shape, step)
                strip.load(part[start : start + size + REACH], above)
                strip.shrink(part[start : start + size])
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
        self._do(np.maximum, least, ones[: least.size], least)
        middle = self._board[REACH : REACH + n_rows].reshape(-1)
        self._do(np.divide, middle, least, least)
        self._result = least.reshape(n_rows, n, -1)[:, :, :n_columns]

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

    def shrink(self, rows: np.ndarray) -> None:
        """Sum in all windows, take the least, at least 1, and divide by it into `rows`."""
        for function, one, other, out in self._steps:
            function(one, other, out=out)
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
