"""Accuracy against the strength of a perturbation, or against the number or size of images."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from sklearn_ganprint._text import printable
from sklearn_ganprint.plotting._drawing import (
    COLOURS,
    LINE_STYLES,
    MARKERS,
    as_points,
    check_positive,
    double_scale,
    new_axes,
    write_legend,
    write_title,
)

_INTERVALS = ("bar", "band")
_MOST_IN_AXES = 5

_Pairs = dict[str, tuple[np.ndarray, np.ndarray]]


class RobustnessCurveDisplay:
    """Accuracy as images are perturbed more and more, with confidence intervals.

    Use :meth:`from_curves` to make one. Anything that accuracy depends on may stand in the place
    of the strength: the number of images of a fingerprint, or their size.

    Parameters
    ----------
    curves : dict of str to tuple of array-like
        ``(strengths, accuracies)`` by name, such as that of the features or of the perturbation;
        accuracies in [0, 1], NaN where one is missing.

    intervals : dict of str to tuple of array-like, default=None
        ``(lower, upper)`` ends of the confidence intervals of some of the curves.

    clean : float, default=None
        Accuracy on images as they are, drawn as a horizontal line.

    chance : float, default=None
        Accuracy of always naming the largest class, drawn as a horizontal line.

    xlabel : str, default="strength"
        What the strengths are, with their unit.

    name : str, default=None
        Title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure that holds them.

    lines_ : dict of str to matplotlib Line2D
        The curves.

    intervals_ : dict of str to matplotlib Collection
        The intervals, as bars or as a band.

    clean_line_ : matplotlib Line2D or None
        The accuracy on clean images, if it is known.

    chance_line_ : matplotlib Line2D or None
        The accuracy of guessing, if it is known.

    See Also
    --------
    CorrelationHistogramDisplay : Draws the correlations behind an accuracy.

    Examples
    --------
    >>> from sklearn_ganprint.plotting import RobustnessCurveDisplay
    >>> display = RobustnessCurveDisplay.from_curves(
    ...     {"first order": ([95, 75], [0.69, 0.51])}, chance=0.1, xlabel="JPEG quality"
    ... )
    >>> display.lines_["first order"].get_ydata()
    array([0.51, 0.69])
    """

    def __init__(
        self,
        curves: Mapping[str, tuple[Any, Any]],
        *,
        intervals: Mapping[str, tuple[Any, Any]] | None = None,
        clean: float | None = None,
        chance: float | None = None,
        xlabel: str = "strength",
        name: str | None = None,
    ) -> None:
        self.curves = curves
        self.intervals = intervals
        self.clean = clean
        self.chance = chance
        self.xlabel = xlabel
        self.name = name

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        log2: bool = False,
        interval: str = "bar",
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        name : str, default=None
            Title; None takes the name of the display.

        log2 : bool, default=False
            Whether equal steps along the x axis double the strength, as suits numbers of images.

        interval : {"bar", "band"}, default="bar"
            How intervals are drawn: at each point, or as a band along the curve.

        Returns
        -------
        RobustnessCurveDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `interval` is not valid, there is no curve, the numbers of a curve are not equally
            many, an interval has no curve, or `log2` meets a strength that is not above 0.
        """
        if interval not in _INTERVALS:
            raise ValueError(f"interval: expected one of {_INTERVALS}, got {interval!r}.")
        points, intervals = self._check_curves()
        strengths = np.concatenate([x for x, _ in points.values()])
        if log2:
            check_positive("curves", strengths)
        crowded = len(points) > _MOST_IN_AXES
        self.ax_ = new_axes(7.2 if crowded else 5.6, 4.0) if ax is None else ax
        self.figure_ = self.ax_.figure
        self.lines_: dict[str, Any] = {}
        self.intervals_: dict[str, Any] = {}
        for index, (key, (x, y)) in enumerate(points.items()):
            self._draw_curve(index, key, x, y)
            if key in intervals:
                self._draw_interval(key, interval, *intervals[key])
        self._draw_levels()
        if log2:
            double_scale(self.ax_, strengths)
        self.ax_.set(ylabel="accuracy", ylim=(0, 1.02))
        self.ax_.set_xlabel(printable(self.xlabel), parse_math=False)
        write_title(self.ax_, self.name if name is None else name)
        # More names than would leave room for the curves go beside the axes.
        place = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)} if crowded else {}
        write_legend(self.ax_, **place)
        return self

    def _check_curves(self) -> tuple[_Pairs, _Pairs]:
        """Return the points of the curves and the ends of the intervals, in order of strength."""
        given = self.intervals or {}
        strangers = [key for key in given if key not in self.curves]
        if strangers or not self.curves:
            raise ValueError(
                f"Expected at least one curve, and intervals of curves only; got the curves "
                f"{list(self.curves)} and intervals of {strangers} besides."
            )
        points = {key: as_points(f"curves[{key!r}]", *pair) for key, pair in self.curves.items()}
        intervals = {}
        for key, (lower, upper) in given.items():
            name, strengths = f"intervals[{key!r}]", self.curves[key][0]
            intervals[key] = (
                as_points(name, strengths, lower)[1],
                as_points(name, strengths, upper)[1],
            )
        return points, intervals

    def _draw_curve(self, index: int, key: str, x: np.ndarray, y: np.ndarray) -> None:
        (self.lines_[key],) = self.ax_.plot(
            x,
            y,
            color=COLOURS[index % len(COLOURS)],
            linestyle=LINE_STYLES[index % len(LINE_STYLES)],
            marker=MARKERS[index % len(MARKERS)],
            markersize=5,
            label=key,
        )

    def _draw_interval(self, key: str, interval: str, lower: np.ndarray, upper: np.ndarray) -> None:
        x, colour = self.lines_[key].get_xdata(), self.lines_[key].get_color()
        if interval == "band":
            drawn = self.ax_.fill_between(x, lower, upper, color=colour, alpha=0.18, linewidth=0)
        else:
            drawn = self.ax_.vlines(x, lower, upper, color=colour, linewidth=1.2)
        self.intervals_[key] = drawn

    def _draw_levels(self) -> None:
        self.clean_line_ = self.chance_line_ = None
        if self.clean is not None:
            self.clean_line_ = self.ax_.axhline(
                self.clean,
                color="0.35",
                linestyle="--",
                linewidth=1,
                label=f"clean {self.clean:.3f}",
            )
        if self.chance is not None:
            self.chance_line_ = self.ax_.axhline(
                self.chance,
                color="0.35",
                linestyle=":",
                linewidth=1,
                label=f"largest class {self.chance:.3f}",
            )

    @classmethod
    def from_curves(
        cls,
        curves: Mapping[str, tuple[Any, Any]],
        *,
        intervals: Mapping[str, tuple[Any, Any]] | None = None,
        clean: float | None = None,
        chance: float | None = None,
        xlabel: str = "strength",
        name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw accuracies given as arrays.

        Parameters
        ----------
        curves : dict of str to tuple of array-like
            ``(strengths, accuracies)`` by name.

        intervals : dict of str to tuple of array-like, default=None
            ``(lower, upper)`` ends of the confidence intervals of some of the curves.

        clean : float, default=None
            Accuracy on images as they are.

        chance : float, default=None
            Accuracy of guessing.

        xlabel : str, default="strength"
            What the strengths are, with their unit.

        name : str, default=None
            Title.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        RobustnessCurveDisplay
            The display.

        Raises
        ------
        ValueError
            If the numbers do not fit together.
        """
        display = cls(
            curves, intervals=intervals, clean=clean, chance=chance, xlabel=xlabel, name=name
        )
        return display.plot(ax, **plot_params)
