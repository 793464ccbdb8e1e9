"""Correlations between sources, and shares in which they are confused: matrices and histograms."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import groupby
from typing import Any, Self

import numpy as np
from scipy.cluster.hierarchy import dendrogram, leaves_list

from sklearn_ganprint._output import printable
from sklearn_ganprint.plotting import _drawing
from sklearn_ganprint.plotting._drawing import Display, MatrixDisplay

__all__ = [
    "ComparisonMatrixDisplay",
    "CorrelationHistogramDisplay",
    "CorrelationMatrixDisplay",
    "SourceFamiliesDisplay",
]

#: Colours of correlations with the own fingerprint, and with that of another source.
_SAME, _CROSS = _drawing.COLOURS[0], _drawing.COLOURS[5]

_SCALES = ("linear", "sqrt", "robust")


@dataclass(eq=False, repr=False)
class CorrelationMatrixDisplay(MatrixDisplay):
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
        size = min(
            points * length / (_drawing.LETTER_WIDTH * max(1, len(name)))
            for name, _, length in blocks
        )
        slant = {}
        if size < 0.7 * _drawing.LETTER_SIZE:
            size, slant = 0.8 * points, {"rotation": 45, "ha": "left", "rotation_mode": "anchor"}
        axis = self.ax_.secondary_xaxis("top")
        axis.set_xticks(
            [first + (length - 1) / 2 for _, first, length in blocks],
            [printable(name) for name, _, _ in blocks],
            fontsize=_drawing.letter_size(size),
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
class ComparisonMatrixDisplay(MatrixDisplay):
    """Correlations of the fingerprints of one model with those of another, or similarities.

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
    label : str, default="correlation of fingerprints"
        What the values are, beside the scale.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the matrix, and the figure that holds them.
    im_ : matplotlib AxesImage
        The matrix in colours, symmetric about 0 and up to 0.05 or more.
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
    _least_scale = 0.05  # of fingerprints with nothing in common: what is written as 0.00 is pale

    matrix: np.ndarray
    first_names: list[str]
    second_names: list[str]
    _: KW_ONLY
    p_value: np.ndarray | None = None
    name: str | None = None
    label: str = "correlation of fingerprints"

    def __post_init__(self) -> None:
        """Label the scale."""
        self._label = self.label

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
        label: str = "correlation of fingerprints",
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
        label : str, default="correlation of fingerprints"
            What the values are, such as "similarity of features".
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
        made = cls(matrix, *names, p_value=p_value, name=name, label=label)
        return made.plot(ax, **plot_params)


def _runs(labels: list[str]) -> list[tuple[str, int, int]]:
    """Return the label, the first index and the length of each run of equal labels."""
    lengths = [(label, len(list(run))) for label, run in groupby(labels)]
    firsts = np.cumsum([0, *(length for _, length in lengths)]).tolist()
    return [(label, first, n) for (label, n), first in zip(lengths, firsts, strict=False)]


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


#: Width of the dendrogram, as a share of that of the matrix.
_BESIDE = 0.35

#: Share of two sources that cannot be told apart: colours and dendrograms reach at least so far.
_CHANCE = 0.5

#: Lines that join sources of one family, and others.
_WITHIN, _ACROSS = _drawing.COLOURS[0], "0.6"


@dataclass(eq=False, repr=False)
class SourceFamiliesDisplay(MatrixDisplay):
    """Shares in which sources are confused, with families outlined, and a dendrogram beside them.

    Use :meth:`from_estimator` or :meth:`from_families` to make one.

    Parameters
    ----------
    matrix : ndarray of shape (n_sources, n_sources)
        Share in which each two sources are confused, NaN on the diagonal.
    names : list of str
        Names of the sources, which like rows and columns come in the order of the dendrogram.
    linkage : ndarray of shape (n_sources - 1, 4)
        The hierarchy, in the form of :func:`scipy.cluster.hierarchy.linkage`.
    codes : ndarray of int, shape (n_sources,)
        Family of the source in each row.
    max_confusion : float
        Share up to which families stay apart.
    name : str, default=None
        Title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the matrix, and the figure that holds them.
    dendrogram_ax_ : matplotlib Axes
        Axes with the dendrogram, at the right of the matrix.
    im_ : matplotlib AxesImage
        The matrix in colours.
    scale_ : float
        Share at which the colours end.
    text_ : ndarray of matplotlib Text, shape (n_sources, n_sources), or None
        The values in the cells, if they are written.
    frames_ : list of matplotlib Rectangle
        Outlines of the families of several sources.
    limit_ : matplotlib Line2D
        The line in the dendrogram that families are cut at.

    See Also
    --------
    sklearn_ganprint.open_set.SourceFamilies : Finds the families.
    CorrelationMatrixDisplay : Mean correlations of images with fingerprints.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.open_set import SourceFamilies
    >>> from sklearn_ganprint.plotting import SourceFamiliesDisplay
    >>> codes = np.repeat([0, 1, 2], 20)
    >>> scores = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]])[codes]
    >>> families = SourceFamilies(scores, codes, ["gan", "ldif", "stab"])
    >>> display = SourceFamiliesDisplay.from_families(families, ["gan", "ldif", "stab"])
    >>> len(display.frames_), display.scale_
    (1, 0.5)
    """

    _most_with_values = 150
    _label = "share confused"
    _share_beside = _BESIDE

    matrix: np.ndarray
    names: list[str]
    linkage: np.ndarray
    codes: np.ndarray
    max_confusion: float
    _: KW_ONLY
    name: str | None = None

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        values: bool | None = None,
        values_format: str = ".2f",
        cmap: str = "Reds",
        colorbar: bool = True,
    ) -> Self:
        """Draw the matrix and the dendrogram.

        Parameters
        ----------
        ax, name : matplotlib Axes, str, default=None
            Where to draw, and the title. None makes a new figure, of a size that fits the names,
            and takes the name of the display. The dendrogram takes room at the right of the axes.
        values : bool, default=None
            Whether to write the shares into the cells; None does with at most 12 sources.
        values_format : str, default=".2f"
            How to write them.
        cmap : str or matplotlib Colormap, default="Reds"
            Colours from 0 to the greatest share, or to .5 if that is less.
        colorbar : bool, default=True
            Whether to draw the scale beside the matrix.

        Returns
        -------
        SourceFamiliesDisplay
            The display itself.
        """
        written = values_format if self._has_values(values) else None
        self._draw(ax, (self.names, self.names), name, written, "linear", cmap, colorbar)
        _, firsts, sizes = np.unique(self.codes, return_index=True, return_counts=True)
        places = [(int(at), int(n)) for at, n in zip(firsts, sizes, strict=True) if n > 1]
        self.frames_ = [self._frame(at, at, n, 1.5) for at, n in sorted(places)]
        self._draw_dendrogram()
        return self

    def _draw_colours(self, scale: str, cmap: Any, colorbar: bool) -> None:
        """Draw shares, which are never negative, in colours from 0 on."""
        from matplotlib.colors import Normalize

        self.scale_ = max(_CHANCE, float(np.nanmax(self.matrix)))
        norm = Normalize(0, self.scale_)
        self.im_ = self._draw_signed(self.matrix, self.scale_, cmap, norm=norm)
        if colorbar:
            # A layout sees to the room of the dendrogram.
            free = {} if self.figure_.get_layout_engine() else {"pad": _BESIDE + 0.08}
            _drawing.add_colorbar(self.im_, self._label, aspect=25, **free)

    def _draw_dendrogram(self) -> None:
        """Draw the hierarchy so that its leaves are beside the rows."""
        beside = self.ax_.inset_axes([1.03, 0, _BESIDE, 1])
        n, limit = len(self.names), 1 - self.max_confusion
        heights = self.linkage[:, 2]
        dendrogram(
            self.linkage,
            ax=beside,
            orientation="left",
            no_labels=True,
            link_color_func=lambda node: _WITHIN if heights[node - n] <= limit else _ACROSS,
        )
        beside.set_ylim(10 * n, 0)  # scipy draws a leaf every 10, from 5 on
        beside.set_xlim(1 - self.scale_ - 0.02, 1.02)
        beside.set_xticks([1 - _CHANCE, 1], [f"{_CHANCE:g}", "0"])
        beside.set_xlabel(self._label)
        self.limit_ = beside.axvline(limit, color="black", linestyle="--", linewidth=0.8)
        for side in ("left", "right", "top"):
            beside.spines[side].set_visible(False)
        self.dendrogram_ax_ = beside

    @classmethod
    def from_estimator(cls, estimator: Any, **params: Any) -> Self:
        """Draw the families of a fitted classifier.

        Parameters
        ----------
        estimator : OpenSetClassifier
            The classifier, or a :class:`~sklearn_ganprint.FileBatchEstimator` over one.
        **params : dict
            Passed to :meth:`from_families`.

        Returns
        -------
        SourceFamiliesDisplay
            The display.

        Raises
        ------
        AttributeError
            If the classifier has no `families_`.
        """
        if not hasattr(type(estimator), "families_"):
            estimator = getattr(estimator, "estimator_", estimator)
        return cls.from_families(estimator.families_, estimator.classes_, **params)

    @classmethod
    def from_families(
        cls, families: Any, labels: Any, *, name: str | None = None, ax: Any = None, **params: Any
    ) -> Self:
        """Draw what :class:`~sklearn_ganprint.open_set.SourceFamilies` has found.

        Parameters
        ----------
        families : SourceFamilies
            The families.
        labels : sequence of length n_sources
            Names of the sources.
        name : str, default=None
            Title.
        ax, **params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        SourceFamiliesDisplay
            The display.

        Raises
        ------
        ValueError
            If there are not as many `labels` as sources.
        """
        if len(labels) != len(families.codes_):
            raise ValueError(
                f"labels: expected {len(families.codes_)}, one for each source, got {len(labels)}."
            )
        order = leaves_list(families.linkage_)
        matrix, names = families.confusion_[np.ix_(order, order)], [str(labels[i]) for i in order]
        found = matrix, names, families.linkage_, families.codes_[order], families.max_confusion
        return cls(*found, name=name).plot(ax, **params)
