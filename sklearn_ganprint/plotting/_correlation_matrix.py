"""Mean correlations of the residuals of each source with the fingerprint of each."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Self

import numpy as np

from sklearn_ganprint._text import printable
from sklearn_ganprint.plotting._drawing import (
    draw_signed,
    new_axes,
    symmetric_scale,
    write_cells,
    write_title,
)

_SCALES = ("linear", "sqrt", "robust")
#: As many sources as leave room for numbers in the cells.
_MOST_WITH_VALUES = 10
#: Letters are at most so large, in points, and about 0.6 of that wide.
_LARGEST, _WIDTH = 10.0, 0.6


class CorrelationMatrixDisplay:
    """Mean correlations between all sources, with the architectures outlined as blocks.

    Use :meth:`from_matrix` to make one.

    Parameters
    ----------
    matrix : ndarray of shape (n_sources, n_sources)
        Mean correlation of the residuals of source i with the fingerprint of source j.

    names : list of str
        Names of the sources.

    architectures : list of str, default=None
        Architecture of each source. Each run of neighbours of one architecture is a block, so
        that sources should come ordered by architecture.

    name : str, default=None
        Title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the matrix.

    figure_ : matplotlib Figure
        Figure that holds them.

    im_ : matplotlib AxesImage
        The matrix in colours.

    scale_ : float
        Absolute value at which the colours end.

    text_ : ndarray of matplotlib Text, shape (n_sources, n_sources), or None
        The values in the cells, if they are written.

    blocks_ : list of matplotlib Rectangle
        Outlines of the architectures.

    block_axis_ : matplotlib SecondaryAxis or None
        Axis above the matrix with the names of the architectures.

    See Also
    --------
    CorrelationHistogramDisplay : Draws the correlations that such means are of.

    Notes
    -----
    The picture is Fig. 6 of [1]_: a strong diagonal, weaker blocks of sibling networks. Colours are
    symmetric about 0. On the linear scale a strong diagonal leaves the blocks pale; see the
    parameter `scale` of :meth:`plot`. Missing values (NaN) are grey.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019, eq. 8.

    Examples
    --------
    >>> from sklearn_ganprint.plotting import CorrelationMatrixDisplay
    >>> display = CorrelationMatrixDisplay.from_matrix(
    ...     [[0.1, 0.04, 0.0], [0.03, 0.12, 0.0], [0.0, 0.0, 0.2]],
    ...     ["horse", "zebra", "D90"],
    ...     architectures=["Cycle-GAN", "Cycle-GAN", "camera"],
    ... )
    >>> len(display.blocks_), display.scale_
    (2, 0.2)
    """

    def __init__(
        self,
        matrix: np.ndarray,
        names: list[str],
        *,
        architectures: list[str] | None = None,
        name: str | None = None,
    ) -> None:
        self.matrix = matrix
        self.names = names
        self.architectures = architectures
        self.name = name

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        scale: str = "linear",
        values: bool | None = None,
        values_format: str = "z.3f",
        cmap: str = "RdBu_r",
        colorbar: bool = True,
    ) -> Self:
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, of a size that fits the names.

        name : str, default=None
            Title; None takes the name of the display.

        scale : {"linear", "sqrt", "robust"}, default="linear"
            How correlations become colours. "linear" ends at the greatest absolute value. "sqrt"
            ends there too, with steps as of the square root, so that small values differ.
            "robust" is linear and ends at the greatest value off the diagonal.

        values : bool, default=None
            Whether to write the values into the cells; None does with at most 10 sources.

        values_format : str, default="z.3f"
            How to write them; the z is for no minus before what is rounded to 0.

        cmap : str or matplotlib Colormap, default="RdBu_r"
            Colours from negative to positive, neutral in the middle.

        colorbar : bool, default=True
            Whether to draw the scale beside the matrix.

        Returns
        -------
        CorrelationMatrixDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `scale` is not valid.
        """
        if scale not in _SCALES:
            raise ValueError(f"scale: expected one of {_SCALES}, got {scale!r}.")
        n_sources = len(self.names)
        self.ax_ = self._new_axes(colorbar) if ax is None else ax
        self.figure_ = self.ax_.figure
        self._draw_colours(scale, cmap, colorbar)
        points = self._cell_points()
        self._write_names(points)
        self._draw_blocks(points)
        values = n_sources <= _MOST_WITH_VALUES if values is None else values
        self.text_ = self._write_values(values_format, points) if values else None
        write_title(self.ax_, self.name if name is None else name)
        return self

    def _new_axes(self, colorbar: bool) -> Any:
        n_sources = len(self.names)
        cell = 0.7 if n_sources <= _MOST_WITH_VALUES else 0.3
        side = min(max(2.4, cell * n_sources), 16)
        names = 0.085 * max(map(len, self.names)) + 0.4
        width, height = side + names + (0.9 if colorbar else 0.1), side + names + 0.6
        return new_axes(width, height, layout="compressed")

    def _cell_points(self) -> float:
        """Side of a cell in points, about, of which letters are to fill a part."""
        box, n_sources = self.ax_.get_window_extent(), len(self.names)
        side = min(box.width, box.height) / self.figure_.dpi * 72
        if self.figure_.get_layout_engine() is None:
            return float(side / n_sources)
        # The layout will take the room of the names from the matrix: the width of so many letters,
        # which are of 0.8 of a cell, or as large as they get.
        letters = _WIDTH * max(map(len, self.names))
        return float(
            max(side / (n_sources + 0.8 * letters), (side - _LARGEST * letters) / n_sources)
        )

    def _draw_colours(self, scale: str, cmap: str, colorbar: bool) -> None:
        shown = self.matrix
        if scale == "robust" and len(shown) > 1:
            shown = shown[~np.eye(len(shown), dtype=bool)]
        self.scale_ = symmetric_scale(shown)
        norm = {"norm": _square_root_norm(self.scale_)} if scale == "sqrt" else {}
        self.im_ = draw_signed(self.ax_, self.matrix, self.scale_, cmap, **norm)
        if colorbar:
            extend = "both" if symmetric_scale(self.matrix) > self.scale_ else "neither"
            bar = self.figure_.colorbar(
                self.im_, ax=self.ax_, extend=extend, shrink=0.85, aspect=25
            )
            bar.set_label("mean correlation")
            if scale == "sqrt":
                bar.set_ticks(self.scale_ * np.array([-1, -0.5, -0.1, 0, 0.1, 0.5, 1]))
                bar.ax.yaxis.set_major_formatter("{x:.2g}")

    def _write_names(self, points: float) -> None:
        ticks, names = range(len(self.names)), [*map(printable, self.names)]
        size = _letter_size(0.8 * points)
        upright = _WIDTH * size * max(map(len, names)) > 0.85 * points
        self.ax_.set_xticks(
            ticks, names, rotation=90 if upright else 0, fontsize=size, parse_math=False
        )
        self.ax_.set_yticks(ticks, names, fontsize=size, parse_math=False)
        self.ax_.set(xlabel="fingerprint of", ylabel="residuals of")

    def _draw_blocks(self, points: float) -> None:
        from matplotlib.patches import Rectangle

        self.blocks_: list[Any] = []
        blocks = list(_runs(self.architectures or []))
        for _, first, length in blocks:
            corner = (first - 0.5, first - 0.5)
            block = Rectangle(corner, length, length, fill=False, edgecolor="black", linewidth=1.5)
            block.set_clip_on(False)  # half of its line is outside of the matrix
            self.blocks_.append(self.ax_.add_patch(block))
        self.block_axis_ = self._name_blocks(blocks, points) if blocks else None

    def _name_blocks(self, blocks: list[tuple[str, int, int]], points: float) -> Any:
        # As large as leaves room for each above its block; if that is too small, slanted.
        size = min(points * length / (_WIDTH * max(1, len(name))) for name, _, length in blocks)
        slant = {}
        if size < 0.7 * _LARGEST:
            size, slant = 0.8 * points, {"rotation": 45, "ha": "left", "rotation_mode": "anchor"}
        axis = self.ax_.secondary_xaxis("top")
        axis.set_xticks(
            [first + (length - 1) / 2 for _, first, length in blocks],
            [printable(name) for name, _, _ in blocks],
            fontsize=_letter_size(size),
            parse_math=False,
            **slant,
        )
        axis.tick_params(length=0)
        return axis

    def _write_values(self, values_format: str, points: float) -> np.ndarray:
        written = [format(v, values_format) if np.isfinite(v) else "–" for v in self.matrix.flat]
        size = _letter_size(0.85 * points / (_WIDTH * max(map(len, written))))
        return write_cells(self.im_, self.matrix, written, size)

    @classmethod
    def from_matrix(
        cls,
        matrix: Any,
        names: Sequence[Any],
        *,
        architectures: Sequence[Any] | None = None,
        name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw mean correlations given as an array.

        Parameters
        ----------
        matrix : array-like of shape (n_sources, n_sources)
            Mean correlation of the residuals of source i with the fingerprint of source j.

        names : sequence of str
            Names of the sources.

        architectures : sequence of str, default=None
            Architecture of each source, in runs of equal ones; None outlines no blocks.

        name : str, default=None
            Title.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        CorrelationMatrixDisplay
            The display.

        Raises
        ------
        ValueError
            If the matrix is not square, or `names` or `architectures` are not as many.
        """
        matrix = np.asarray(matrix, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
            raise ValueError(f"matrix: expected shape (n_sources, n_sources), got {matrix.shape}.")
        for key, given in [("names", names), ("architectures", architectures)]:
            if given is not None and len(given) != len(matrix):
                raise ValueError(
                    f"{key}: expected {len(matrix)}, one for each source, got {len(given)}."
                )
        return cls(
            matrix,
            [str(each) for each in names],
            architectures=None if architectures is None else [str(each) for each in architectures],
            name=name,
        ).plot(ax, **plot_params)


def _runs(labels: list[str]) -> Iterator[tuple[str, int, int]]:
    """Label, first index and length of each run of equal labels."""
    first = 0
    for label, run in groupby(labels):
        length = len(list(run))
        yield label, first, length
        first += length


def _letter_size(points: float) -> float:
    return float(np.clip(points, 4.5, _LARGEST))


def _square_root_norm(scale: float) -> Any:
    """Return steps of colour as of the square root, alike on both sides of 0."""
    from matplotlib.colors import FuncNorm

    return FuncNorm((_root, _square), vmin=-scale, vmax=scale)


# Functions of the module rather than of the norm: else no figure with it could be pickled.
def _root(values: Any) -> Any:
    return np.sign(values) * np.sqrt(np.abs(values))


def _square(values: Any) -> Any:
    return np.sign(values) * np.square(values)
