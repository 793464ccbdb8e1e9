"""How alike the fingerprints of two models are."""

from collections.abc import Sequence
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

#: As many cells as leave room for numbers in them.
_MOST_WITH_VALUES = 150
#: Side of a cell, and width of a letter, in inches.
_CELL, _LETTER = 0.55, 0.085


class ComparisonMatrixDisplay:
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
    ax_ : matplotlib Axes
        Axes with the matrix.

    figure_ : matplotlib Figure
        Figure that holds them.

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

    def __init__(
        self,
        matrix: np.ndarray,
        first_names: list[str],
        second_names: list[str],
        *,
        p_value: np.ndarray | None = None,
        name: str | None = None,
    ) -> None:
        self.matrix = matrix
        self.first_names = first_names
        self.second_names = second_names
        self.p_value = p_value
        self.name = name

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
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, of a size that fits the names.

        name : str, default=None
            Title; None takes the name of the display.

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
        self.ax_ = self._new_axes(colorbar) if ax is None else ax
        self.figure_ = self.ax_.figure
        self.im_ = draw_signed(self.ax_, self.matrix, symmetric_scale(self.matrix), cmap)
        if colorbar:
            bar = self.figure_.colorbar(self.im_, ax=self.ax_, shrink=0.85, aspect=25)
            bar.set_label("correlation of fingerprints")
        self.ax_.set_xticks(
            range(len(self.second_names)),
            [*map(printable, self.second_names)],
            rotation=90,
            parse_math=False,
        )
        names = [*map(printable, self.first_names)]
        self.ax_.set_yticks(range(len(names)), names, parse_math=False)
        self._frame_pairs(level)
        values = self.matrix.size <= _MOST_WITH_VALUES if values is None else values
        self.text_ = self._write_values(values_format) if values else None
        write_title(self.ax_, self.name if name is None else name)
        return self

    def _new_axes(self, colorbar: bool) -> Any:
        letters = [
            _LETTER * max(map(len, names)) for names in (self.first_names, self.second_names)
        ]
        width = min(_CELL * len(self.second_names), 14) + letters[0] + (1.2 if colorbar else 0.2)
        height = min(_CELL * len(self.first_names), 14) + letters[1] + 0.6
        return new_axes(max(width, 3), max(height, 2), layout="compressed")

    def _frame_pairs(self, level: float) -> None:
        from matplotlib.patches import Rectangle

        self.frames_: list[Any] = []
        if self.p_value is None:
            return
        for row, column in np.argwhere(self.p_value <= level):
            frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, linewidth=2)
            frame.set_clip_on(False)  # half of its line may be outside of the matrix
            self.frames_.append(self.ax_.add_patch(frame))

    def _write_values(self, values_format: str) -> np.ndarray:
        written = [format(v, values_format) if np.isfinite(v) else "–" for v in self.matrix.flat]
        return write_cells(self.im_, self.matrix, written, 8)

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

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        ComparisonMatrixDisplay
            The display.
        """
        return cls.from_matrix(
            comparison.correlation,
            comparison.first_names,
            comparison.second_names,
            p_value=comparison.p_value,
            name=name,
            ax=ax,
            **plot_params,
        )

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

        first_names : sequence of length k
            Names of the rows.

        second_names : sequence of length m
            Names of the columns.

        p_value : array-like of shape (k, m), default=None
            Their p-values; None frames no pair.

        name : str, default=None
            Title.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_params : dict
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
        return cls(
            matrix,
            [str(each) for each in first_names],
            [str(each) for each in second_names],
            p_value=p_value,
            name=name,
        ).plot(ax, **plot_params)
