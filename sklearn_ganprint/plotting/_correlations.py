"""Correlations between sources: a matrix in colours, and histograms of two sources."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import groupby
from typing import Any, Self

import numpy as np

from sklearn_ganprint._output import printable
from sklearn_ganprint.plotting import _drawing
from sklearn_ganprint.plotting._drawing import Display

__all__ = ["ComparisonMatrixDisplay", "CorrelationHistogramDisplay", "CorrelationMatrixDisplay"]

#: Colours of correlations with the own fingerprint, and with that of another source.
_SAME, _CROSS = _drawing.COLOURS[0], _drawing.COLOURS[5]

_SCALES = ("linear", "sqrt", "robust")
#: Letters are at most so large, in points, and about 0.6 of that wide.
_LARGEST, _WIDTH = 10.0, 0.6

#: Names of the rows and of the columns.
_Names = tuple[list[str], list[str]]


class _MatrixDisplay(Display):
    """A matrix in colours symmetric about 0, with names beside it and values in its cells."""

    #: Cells up to which values are written unless asked for, and how large at most, in points.
    _most_with_values: int
    _largest_value = _LARGEST
    #: Width of what is drawn at the right of the matrix, as a share of that of the matrix.
    _share_beside = 0.0
    #: What the values are.
    _label: str

    matrix: np.ndarray

    def _draw(
        self,
        ax: Any,
        names: _Names,
        title: str | None,
        values_format: str | None,
        scale: str,
        cmap: Any,
        colorbar: bool,
        upright: bool = False,
    ) -> float:
        """Draw all but frames; return the side of a cell in points, about."""
        self._start(self._new_axes(names, colorbar) if ax is None else ax)
        self._draw_colours(scale, cmap, colorbar)
        points = self._cell_points(names)
        self._write_names(names, points, upright)
        self.text_ = self._write_values(values_format, points) if values_format else None
        self._write_title(title)
        return points

    def _has_values(self, values: bool | None) -> bool:
        return self.matrix.size <= self._most_with_values if values is None else values

    def _new_axes(self, names: _Names, colorbar: bool) -> Any:
        cell = 0.6 if self._has_values(None) else 0.3
        height, width = (float(np.clip(cell * n, 1.8, 16)) for n in self.matrix.shape)
        beside, below = (0.085 * max(map(len, words)) for words in names)
        width += self._share_beside * width + beside + (1.3 if colorbar else 0.5)
        return _drawing.new_axes(width, height + below + 1.0, layout="compressed")

    def _draw_colours(self, scale: str, cmap: Any, colorbar: bool) -> None:
        shown = self.matrix
        if scale == "robust" and len(shown) > 1:
            shown = shown[~np.eye(len(shown), dtype=bool)]
        self.scale_ = _drawing.symmetric_scale(shown)
        norm = {"norm": _square_root_norm(self.scale_)} if scale == "sqrt" else {}
        self.im_ = self._draw_signed(self.matrix, self.scale_, cmap, **norm)
        if colorbar:
            extend = "both" if _drawing.symmetric_scale(self.matrix) > self.scale_ else "neither"
            bar = _drawing.add_colorbar(self.im_, self._label, extend=extend, aspect=25)
            if scale == "sqrt":
                bar.set_ticks(self.scale_ * np.array([-1, -0.5, -0.1, 0, 0.1, 0.5, 1]))
                bar.ax.yaxis.set_major_formatter("{x:.2g}")

    def _cell_points(self, names: _Names) -> float:
        """Return the side of a cell in points, about; letters fill a part of it."""
        box = self.ax_.get_window_extent()
        has_layout = self.figure_.get_layout_engine() is not None
        sides = []
        extents = zip((box.height, box.width), self.matrix.shape, names[::-1], strict=True)
        for pixels, n, words in extents:
            side = pixels / self.figure_.dpi * 72
            # A layout will take the room of the names from the matrix: the width of the longest,
            # in letters of 0.8 of a cell, or as large as letters get.
            letters = _WIDTH * max(map(len, words)) if has_layout else 0
            sides.append(max(side / (n + 0.8 * letters), (side - _LARGEST * letters) / n))
        return float(min(sides))

    def _write_names(self, names: _Names, points: float, upright: bool) -> None:
        rows, columns = ([*map(printable, words)] for words in names)
        size = _letter_size(0.8 * points)
        upright = upright or _WIDTH * size * max(map(len, columns)) > 0.85 * points
        style = {"fontsize": size, "parse_math": False}
        self.ax_.set_xticks(range(len(columns)), columns, rotation=90 if upright else 0, **style)
        self.ax_.set_yticks(range(len(rows)), rows, **style)

    def _write_values(self, values_format: str, points: float) -> np.ndarray:
        written = [format(v, values_format) if np.isfinite(v) else "–" for v in self.matrix.flat]
        size = _letter_size(0.85 * points / (_WIDTH * max(map(len, written))), self._largest_value)
        texts = np.empty(self.matrix.shape, dtype=object)
        for ((row, column), value), text in zip(np.ndenumerate(self.matrix), written, strict=True):
            style = {"ha": "center", "va": "center", "color": _drawing.ink_on(self.im_, value)}
            texts[row, column] = self.ax_.text(column, row, text, fontsize=size, **style)
        return texts

    def _frame(self, row: int, column: int, length: int, linewidth: float) -> Any:
        """Draw a frame around a square of cells, given its upper left one."""
        from matplotlib.patches import Rectangle

        style: dict[str, Any] = {"fill": False, "edgecolor": "black", "linewidth": linewidth}
        frame = Rectangle((column - 0.5, row - 0.5), length, length, **style)
        frame.set_clip_on(False)  # half of its line may be outside of the matrix
        return self.ax_.add_patch(frame)


@dataclass(eq=False, repr=False)
class CorrelationMatrixDisplay(_MatrixDisplay):
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
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the matrix, and the figure that holds them.
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
    The picture is Fig. 6 of the paper that :func:`~sklearn_ganprint.experiments.reproduce_paper`
    repeats: a strong diagonal, weaker blocks of sibling networks. Colours are symmetric about 0. On
    the linear scale a strong diagonal leaves the blocks pale; see the parameter `scale` of
    :meth:`plot`. Missing values (NaN) are grey.

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

    _most_with_values = 100
    _label = "mean correlation"

    matrix: np.ndarray
    names: list[str]
    _: KW_ONLY
    architectures: list[str] | None = None
    name: str | None = None

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
        ax, name : matplotlib Axes, str, default=None
            Where to draw, and the title. None makes a new figure, of a size that fits the names,
            and takes the name of the display.
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
        written = values_format if self._has_values(values) else None
        names = (self.names, self.names)
        points = self._draw(ax, names, name, written, scale, cmap, colorbar)
        self.ax_.set(xlabel="fingerprint of", ylabel="residuals of")
        blocks = _runs(self.architectures or [])
        self.blocks_ = [self._frame(first, first, length, 1.5) for _, first, length in blocks]
        self.block_axis_ = self._name_blocks(blocks, points) if blocks else None
        return self

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
        names, architectures, name : sequence of str, sequence of str or None, str or None
            As in :class:`CorrelationMatrixDisplay`; without `architectures` no block is outlined.
        ax, **plot_params : matplotlib Axes or None, dict
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
        families = None if architectures is None else [*map(str, architectures)]
        display = cls(matrix, [*map(str, names)], architectures=families, name=name)
        return display.plot(ax, **plot_params)


@dataclass(eq=False, repr=False)
class ComparisonMatrixDisplay(_MatrixDisplay):
    """Correlations of the fingerprints of one model with those of another.

    Use :meth:`from_comparison` or :meth:`from_matrix` to make one.

    Parameters
    ----------
    matrix : ndarray of shape (k, m)
        Correlations, NaN where there is none.
    first_names, second_names : list of str
        Names of the rows and of the columns.
    p_value : ndarray of shape (k, m), default=None
        Their p-values.
    name : str, default=None
        Title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the matrix, and the figure that holds them.
    im_ : matplotlib AxesImage
        The matrix in colours, symmetric about 0.
    text_ : ndarray of matplotlib Text, shape (k, m), or None
        The values in the cells, if they are written.
    frames_ : list of matplotlib Rectangle
        Frames of the pairs whose p-value is at most the level.

    See Also
    --------
    sklearn_ganprint.comparison.compare_models : Makes the comparison.
    CorrelationMatrixDisplay : Mean correlations of images with fingerprints.

    Examples
    --------
    >>> from sklearn_ganprint.plotting import ComparisonMatrixDisplay
    >>> display = ComparisonMatrixDisplay.from_matrix(
    ...     [[0.02, 0.3, 0.01]], ["cluster 0"], ["a", "b", "c"], p_value=[[0.4, 1e-9, 0.3]]
    ... )
    >>> len(display.frames_)
    1
    """

    _most_with_values, _largest_value = 150, 8.0
    _label = "correlation of fingerprints"

    matrix: np.ndarray
    first_names: list[str]
    second_names: list[str]
    _: KW_ONLY
    p_value: np.ndarray | None = None
    name: str | None = None

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        level: float = 0.01,
        values: bool | None = None,
        values_format: str = "z.2f",
        cmap: str = "RdBu_r",
        colorbar: bool = True,
    ) -> Self:
        """Draw the matrix.

        Parameters
        ----------
        ax, name : matplotlib Axes, str, default=None
            Where to draw, and the title. None makes a new figure, of a size that fits the names,
            and takes the name of the display.
        level : float, default=0.01
            Pairs of a p-value up to this are framed.
        values : bool, default=None
            Whether to write the correlations into the cells; None does with at most 150 cells.
        values_format : str, default="z.2f"
            How to write them.
        cmap : str or matplotlib Colormap, default="RdBu_r"
            Colours from negative to positive, neutral in the middle.
        colorbar : bool, default=True
            Whether to draw the scale beside the matrix.

        Returns
        -------
        ComparisonMatrixDisplay
            The display itself.
        """
        written = values_format if self._has_values(values) else None
        names = (self.first_names, self.second_names)
        self._draw(ax, names, name, written, "linear", cmap, colorbar, upright=True)
        framed = [] if self.p_value is None else np.argwhere(self.p_value <= level).tolist()
        self.frames_ = [self._frame(row, column, 1, 2) for row, column in framed]
        return self

    @classmethod
    def from_comparison(
        cls, comparison: Any, *, name: str | None = None, ax: Any = None, **plot_params: Any
    ) -> Self:
        """Draw what :func:`~sklearn_ganprint.comparison.compare_models` returned.

        Parameters
        ----------
        comparison : ModelComparison
            The comparison.
        name : str, default=None
            Title.
        ax, **plot_params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        ComparisonMatrixDisplay
            The display.
        """
        names = comparison.first_names, comparison.second_names
        plot_params = {"p_value": comparison.p_value, "name": name, "ax": ax, **plot_params}
        return cls.from_matrix(comparison.correlation, *names, **plot_params)

    @classmethod
    def from_matrix(
        cls,
        matrix: Any,
        first_names: Sequence[Any],
        second_names: Sequence[Any],
        *,
        p_value: Any = None,
        name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw correlations given as an array.

        Parameters
        ----------
        matrix : array-like of shape (k, m)
            Correlations, NaN where there is none.
        first_names, second_names : sequence of length k, sequence of length m
            Names of the rows and of the columns.
        p_value : array-like of shape (k, m), default=None
            Their p-values; None frames no pair.
        name : str, default=None
            Title.
        ax, **plot_params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        ComparisonMatrixDisplay
            The display.

        Raises
        ------
        ValueError
            If the shapes and the numbers of names do not go together.
        """
        matrix = np.asarray(matrix, dtype=np.float64)
        expected = (len(first_names), len(second_names))
        p_value = None if p_value is None else np.asarray(p_value, dtype=np.float64)
        for key, given in (("matrix", matrix), ("p_value", p_value)):
            if given is not None and (given.shape != expected or not given.size):
                raise ValueError(
                    f"{key}: expected shape {expected}, as many as names, got {given.shape}."
                )
        names = [*map(str, first_names)], [*map(str, second_names)]
        return cls(matrix, *names, p_value=p_value, name=name).plot(ax, **plot_params)


def _runs(labels: list[str]) -> list[tuple[str, int, int]]:
    """Return the label, the first index and the length of each run of equal labels."""
    lengths = [(label, len(list(run))) for label, run in groupby(labels)]
    firsts = np.cumsum([0, *(length for _, length in lengths)]).tolist()
    return [(label, first, n) for (label, n), first in zip(lengths, firsts, strict=False)]


def _letter_size(points: float, largest: float = _LARGEST) -> float:
    return float(np.clip(points, 4.5, largest))


def _square_root_norm(scale: float) -> Any:
    """Return steps of colour as of the square root, alike on both sides of 0."""
    from matplotlib.colors import FuncNorm

    return FuncNorm((_root, _square), vmin=-scale, vmax=scale)


# Functions of the module rather than of the norm: else no figure with it could be pickled.
def _root(values: Any) -> Any:
    return np.sign(values) * np.sqrt(np.abs(values))


def _square(values: Any) -> Any:
    return np.sign(values) * np.square(values)


@dataclass(eq=False, repr=False)
class CorrelationHistogramDisplay(Display):
    """Correlations of residuals with the fingerprint of their source and with those of others.

    Use :meth:`from_correlations` to make one.

    Parameters
    ----------
    same : array-like of shape (n_same,)
        Correlations of residuals with the fingerprint of their own source.
    cross : array-like of shape (n_cross,)
        Correlations of residuals with the fingerprints of other sources.
    auc : float, default=None
        Area under the ROC curve of the two, for the legend.
    d_prime : float, default=None
        Distance of their means in standard deviations, for the legend.
    name : str, default=None
        Name of the source, used as title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the histograms, and the figure that holds them.
    same_ : matplotlib StepPatch
        Histogram of the correlations within the source; ``same_.get_data()`` has its heights.
    cross_ : matplotlib StepPatch
        Histogram of the others.
    edges_ : ndarray of shape (n_bins + 1,)
        Edges of the bins of both.
    zero_line_ : matplotlib Line2D
        The line at 0, where unrelated residuals should scatter.

    See Also
    --------
    CorrelationMatrixDisplay : Draws the means for all pairs of sources.

    Notes
    -----
    The picture is Fig. 5 of the paper that :func:`~sklearn_ganprint.experiments.reproduce_paper`
    repeats, in blue and orange rather than green and red. Numbers that are not finite are left out
    of the histograms and of the counts in the legend.

    Examples
    --------
    >>> from sklearn_ganprint.plotting import CorrelationHistogramDisplay
    >>> display = CorrelationHistogramDisplay.from_correlations(
    ...     [0.05, 0.07, 0.08], [-0.01, 0.0, 0.02], auc=1.0
    ... )
    >>> display.ax_.get_legend().get_title().get_text()
    'AUC 1.000'
    """

    same: Any
    cross: Any
    _: KW_ONLY
    auc: float | None = None
    d_prime: float | None = None
    name: str | None = None

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        bins: Any = None,
        density: bool = True,
        same_label: str = "same source",
        cross_label: str = "other source",
    ) -> Self:
        """Draw the histograms.

        Parameters
        ----------
        ax, name : matplotlib Axes, str, default=None
            Where to draw, and the title; None makes a new figure, and takes the display's name.
        bins : int, str or array-like, default=None
            Number of the bins, or what else :func:`numpy.histogram_bin_edges` takes; the bins
            span both sets of correlations. None takes 10 to 50 of them, twice the square root
            of the size of the smaller set.
        density : bool, default=True
            Whether the area of each histogram is 1; otherwise heights are counts.
        same_label : str, default="same source"
            What to call the first set in the legend.
        cross_label : str, default="other source"
            What to call the second set.

        Returns
        -------
        CorrelationHistogramDisplay
            The display itself.

        Raises
        ------
        ValueError
            If a set has no finite number.
        """
        same, cross = _finite_numbers("same", self.same), _finite_numbers("cross", self.cross)
        if bins is None:
            bins = int(np.clip(2 * np.sqrt(min(len(same), len(cross))), 10, 50))
        self.edges_ = np.histogram_bin_edges(np.concatenate([same, cross]), bins)
        self._start(ax, 5.6, 3.8)
        # The own correlations come last and lie on top: they are the fewer.
        self.cross_ = self._draw(cross, density, _CROSS, cross_label)
        self.same_ = self._draw(same, density, _SAME, same_label)
        self.zero_line_ = self.ax_.axvline(0, color="black", linewidth=1, linestyle="--")
        self.ax_.set(
            xlabel="correlation", ylabel="density" if density else "number of correlations"
        )
        self._write_title(name)
        _drawing.write_legend(self.ax_, handles=[self.same_, self.cross_], title=self._figures())
        return self

    def _draw(self, values: np.ndarray, density: bool, colour: str, label: str) -> Any:
        from matplotlib.colors import to_rgba

        counts = np.histogram(values, self.edges_)[0]
        heights = counts / (max(1, counts.sum()) * np.diff(self.edges_)) if density else counts
        return self.ax_.stairs(
            heights,
            self.edges_,
            fill=True,
            facecolor=to_rgba(colour, 0.5),
            edgecolor=colour,
            linewidth=1.2,
            label=f"{label} (n = {len(values)})",
        )

    def _figures(self) -> str | None:
        """Return AUC and d', as far as they are known, in words."""
        words = [] if self.auc is None else [f"AUC {self.auc:.3f}"]
        if self.d_prime is not None:
            words.append(f"d′ {self.d_prime:.2f}")
        return ", ".join(words) or None

    @classmethod
    def from_correlations(
        cls,
        same: Any,
        cross: Any,
        *,
        auc: float | None = None,
        d_prime: float | None = None,
        name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw correlations given as arrays.

        Parameters
        ----------
        same, cross : array-like of shape (n_same,), array-like of shape (n_cross,)
            Correlations of residuals with the fingerprints of their own and of other sources.
        auc, d_prime, name : float, float, str, default=None
            As in :class:`CorrelationHistogramDisplay`.
        ax, **plot_params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        CorrelationHistogramDisplay
            The display.

        Raises
        ------
        ValueError
            If a set has no finite number.
        """
        display = cls(same, cross, auc=auc, d_prime=d_prime, name=name)
        return display.plot(ax, **plot_params)


def _finite_numbers(name: str, values: Any) -> np.ndarray:
    """Return the finite values as a flat array; raise if there is none."""
    values = np.asarray(values, dtype=np.float64).ravel()
    values = values[np.isfinite(values)]
    if not values.size:
        raise ValueError(f"{name}: expected at least one finite number, got none.")
    return values
