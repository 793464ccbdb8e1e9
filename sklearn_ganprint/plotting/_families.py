"""Families of sources: the shares in which sources are confused, and the hierarchy beside them."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from scipy.cluster.hierarchy import dendrogram, leaves_list

from sklearn_ganprint.plotting import _drawing
from sklearn_ganprint.plotting._correlations import _MatrixDisplay

__all__ = ["SourceFamiliesDisplay"]

#: Width of the dendrogram, as a share of that of the matrix.
_BESIDE = 0.35

#: Share of two sources that cannot be told apart: colours and dendrograms reach at least so far.
_CHANCE = 0.5

#: Lines that join sources of one family, and others.
_WITHIN, _ACROSS = _drawing.COLOURS[0], "0.6"


@dataclass(eq=False, repr=False)
class SourceFamiliesDisplay(_MatrixDisplay):
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
