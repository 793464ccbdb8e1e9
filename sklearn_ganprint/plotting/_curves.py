"""Curves over numbers of images and strengths of perturbations, and bars of contributions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from sklearn_ganprint._output import printable
from sklearn_ganprint.ensemble import Contributions, sum_contributions
from sklearn_ganprint.plotting._drawing import COLOURS, Display, write_legend

__all__ = ["ContributionsDisplay", "EnergyCurveDisplay", "RobustnessCurveDisplay"]

_Y_SCALES = (None, "linear", "log")
_FORMULAS = {"inverse": "E∞ + E0/N", "printed": "E∞ + E0 2^-N"}
#: More curves than colours, or print without colour: these tell them apart as well.
_LINE_STYLES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
_INTERVALS = ("bar", "band")
_MOST_IN_AXES = 5
#: Points of a curve: enough to look smooth at any size.
_N_POINTS = 200

Curve = Callable[[np.ndarray], Any]
_Pairs = dict[str, tuple[np.ndarray, np.ndarray]]


@dataclass(eq=False, repr=False)
class EnergyCurveDisplay(Display):
    """Energy of estimated fingerprints against the number of residuals, with fitted curves.

    Use :meth:`from_fit` or :meth:`from_energies` to make one.

    Parameters
    ----------
    n_images : array-like of shape (n,)
        Numbers of residuals N, above 0.
    energies : array-like of shape (n,)
        Energy of the mean of N residuals, in squared grey levels.
    curves : dict of str to callable, default=None
        Curves by name, each a function of an array of N. The first is drawn solid.
    limit : float, default=None
        Energy of the limit fingerprint, drawn as a horizontal line.
    estimates : dict of str to float or array-like of shape (n,), default=None
        Other estimates of the limit by name: one for each N, or one number, which is drawn at the
        last N. What is missing is NaN.
    name : str, default=None
        Name of the source, used as title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the curves, and the figure that holds them.
    line_ : matplotlib Line2D
        The measured energies.
    curve_lines_ : dict of str to matplotlib Line2D
        The fitted curves.
    limit_line_ : matplotlib Line2D or None
        The limit, if there is one.
    estimate_lines_ : dict of str to matplotlib Line2D
        The other estimates.
    below_lines_ : dict of str to matplotlib Line2D
        Arrows in place of those estimates that a logarithmic axis cannot show.

    See Also
    --------
    FingerprintDisplay : Draws the fingerprints themselves.

    Notes
    -----
    The picture is Fig. 3 of the paper that :func:`~sklearn_ganprint.experiments.reproduce_paper`
    repeats. The mean of N residuals ``F + W_i`` has the expected energy ``E_inf + E_0 / N``, where
    ``E_inf`` is the energy of F. A logarithmic energy axis shows deviations in proportion, as a fit
    with relative weights sees them. An estimate that is not above 0 is an arrow at its lower
    border.

    Examples
    --------
    >>> from sklearn_ganprint.plotting import EnergyCurveDisplay
    >>> display = EnergyCurveDisplay.from_energies(
    ...     [2, 8, 32], [2.6, 0.7, 0.2], curves={"fit": lambda n: 0.04 + 5 / n}, limit=0.04
    ... )
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['measured', 'fit', 'limit 0.04']
    """

    n_images: Any
    energies: Any
    _: KW_ONLY
    curves: Mapping[str, Curve] | None = None
    limit: float | None = None
    estimates: Mapping[str, Any] | None = None
    name: str | None = None

    def plot(self, ax: Any = None, *, name: str | None = None, yscale: str | None = None) -> Self:
        """Draw the energies and curves.

        Parameters
        ----------
        ax, name : matplotlib Axes, str, default=None
            Where to draw, and the title; None makes a new figure, and takes the display's name.
        yscale : {"linear", "log"}, default=None
            Scale of the energies. None takes "log" if the energies, curves and limit are above 0.

        Returns
        -------
        EnergyCurveDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `yscale` is not valid, or the numbers or estimates are of different lengths.
        """
        if yscale not in _Y_SCALES:
            raise ValueError(f"yscale: expected one of {_Y_SCALES}, got {yscale!r}.")
        n, energies = _as_points("n_images, energies", self.n_images, self.energies)
        _check_positive("n_images", n)
        estimates = {key: self._estimate(key, v) for key, v in (self.estimates or {}).items()}
        self._start(ax, 5.6, 4.0)
        (self.line_,) = self.ax_.plot(
            n, energies, "o", color="black", markersize=5, zorder=3, label="measured"
        )
        _double_scale(self.ax_, n)
        self._draw_curves(n)
        self.limit_line_ = _draw_level(self.ax_, self.limit, "limit {:.3g}", color="0.4", zorder=1)
        self._scale_energies(yscale)
        self._draw_estimates(estimates)
        self.ax_.set(xlabel="number of residuals N", ylabel="energy (squared grey levels)")
        self._write_title(name)
        write_legend(self.ax_)
        return self

    def _estimate(self, key: str, values: Any) -> tuple[np.ndarray, np.ndarray]:
        n = self.n_images if np.ndim(values) else [np.max(self.n_images)]
        return _as_points(f"estimates[{key!r}]", n, np.atleast_1d(values))

    def _draw_curves(self, n: np.ndarray) -> None:
        ends = (n[0], n[-1]) if n[0] < n[-1] else (n[0] / 2, n[0] * 2)
        grid = np.geomspace(*ends, _N_POINTS)
        self.curve_lines_ = {}
        for index, (key, curve) in enumerate((self.curves or {}).items()):
            values = np.asarray(curve(grid), dtype=np.float64)
            (self.curve_lines_[key],) = self.ax_.plot(grid, values, label=key, **_style(index))

    def _draw_estimates(self, estimates: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        self.estimate_lines_, self.below_lines_ = {}, {}
        at_border = {"marker": "v", "markersize": 7, "transform": self.ax_.get_xaxis_transform()}
        for index, (key, (n, values)) in enumerate(estimates.items()):
            marker = _MARKERS[(index + 1) % len(_MARKERS)]
            style = {"linestyle": "", "color": COLOURS[(index + 2) % len(COLOURS)]}
            hollow = {"marker": marker, "markerfacecolor": "none", "markeredgewidth": 1.3}
            (self.estimate_lines_[key],) = self.ax_.plot(n, values, label=key, **style, **hollow)
            below = n[values <= 0]
            if below.size and self.ax_.get_yscale() == "log":
                heights = np.full(len(below), 0.03)
                (self.below_lines_[key],) = self.ax_.plot(below, heights, **style, **at_border)

    def _scale_energies(self, yscale: str | None) -> None:
        if yscale is None:
            limit = [] if self.limit_line_ is None else [self.limit_line_]
            lines = [self.line_, *self.curve_lines_.values(), *limit]
            drawn = np.concatenate([np.ravel(line.get_ydata()) for line in lines])
            yscale = "linear" if (drawn <= 0).any() else "log"
        self.ax_.set_yscale(yscale)
        if yscale == "log":
            from matplotlib.ticker import LogLocator

            self.ax_.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            self.ax_.yaxis.set_major_formatter("{x:g}")
            self.ax_.yaxis.set_minor_formatter("")

    @classmethod
    def from_energies(
        cls,
        n_images: Any,
        energies: Any,
        *,
        curves: Mapping[str, Curve] | None = None,
        limit: float | None = None,
        estimates: Mapping[str, Any] | None = None,
        name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw energies with curves of any kind, or with none.

        Parameters
        ----------
        n_images, energies : array-like of shape (n,)
            Numbers of residuals N, and energy of the mean of N residuals in squared grey levels.
        curves, limit, estimates, name : dict, float, dict, str, default=None
            As in :class:`EnergyCurveDisplay`.
        ax, **plot_params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        EnergyCurveDisplay
            The display.

        Raises
        ------
        ValueError
            If the numbers or estimates are of different lengths, or an N is not above 0.
        """
        display = cls(
            n_images, energies, curves=curves, limit=limit, estimates=estimates, name=name
        )
        return display.plot(ax, **plot_params)

    @classmethod
    def from_fit(
        cls,
        fit: Any,
        *,
        compared_with: Any = None,
        estimates: Mapping[str, Any] | None = None,
        name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw a fitted energy curve, and another fit to compare it with.

        Parameters
        ----------
        fit : object
            A fit with the attributes ``n_images``, ``energies``, ``limit``, ``form`` (such as
            "inverse" or "printed") and the method ``predict`` of an array of N.
        compared_with : object, default=None
            Another such fit to the same energies, drawn dashed.
        estimates, name : dict, str, default=None
            As in :class:`EnergyCurveDisplay`.
        ax, **plot_params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        EnergyCurveDisplay
            The display.
        """
        fits = [fit] if compared_with is None else [fit, compared_with]
        curves = {f"fit {_FORMULAS.get(one.form, one.form)}": one.predict for one in fits}
        return cls.from_energies(
            fit.n_images,
            fit.energies,
            curves=curves,
            limit=fit.limit,
            estimates=estimates,
            name=name,
            ax=ax,
            **plot_params,
        )


@dataclass(eq=False, repr=False)
class RobustnessCurveDisplay(Display):
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
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the curves, and the figure that holds them.
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

    curves: Mapping[str, tuple[Any, Any]]
    _: KW_ONLY
    intervals: Mapping[str, tuple[Any, Any]] | None = None
    clean: float | None = None
    chance: float | None = None
    xlabel: str = "strength"
    name: str | None = None

    def plot(
        self, ax: Any = None, *, name: str | None = None, log2: bool = False, interval: str = "bar"
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax, name : matplotlib Axes, str, default=None
            Where to draw, and the title; None makes a new figure, and takes the display's name.
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
            _check_positive("curves", strengths)
        crowded = len(points) > _MOST_IN_AXES
        self._start(ax, 7.2 if crowded else 5.6, 4.0)
        self.lines_: dict[str, Any] = {}
        self.intervals_: dict[str, Any] = {}
        for index, (key, (x, y)) in enumerate(points.items()):
            style = _style(index) | {"marker": _MARKERS[index % len(_MARKERS)], "markersize": 5}
            (self.lines_[key],) = self.ax_.plot(x, y, label=key, **style)
            if key in intervals:
                self._draw_interval(key, interval, *intervals[key])
        levels = ("clean {:.3f}", self.clean, "--"), ("largest class {:.3f}", self.chance, ":")
        self.clean_line_, self.chance_line_ = (
            _draw_level(self.ax_, value, label, color="0.35", linestyle=line)
            for label, value, line in levels
        )
        if log2:
            _double_scale(self.ax_, strengths)
        self.ax_.set(ylabel="accuracy", ylim=(0, 1.02))
        self.ax_.set_xlabel(printable(self.xlabel), parse_math=False)
        self._write_title(name)
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
        points = {key: _as_points(f"curves[{key!r}]", *pair) for key, pair in self.curves.items()}
        intervals = {}
        for key, (lower, upper) in given.items():
            name, strengths = f"intervals[{key!r}]", self.curves[key][0]
            low, high = (_as_points(name, strengths, ends)[1] for ends in (lower, upper))
            intervals[key] = low, high
        return points, intervals

    def _draw_interval(self, key: str, interval: str, lower: np.ndarray, upper: np.ndarray) -> None:
        x, colour = self.lines_[key].get_xdata(), self.lines_[key].get_color()
        if interval == "band":
            drawn = self.ax_.fill_between(x, lower, upper, color=colour, alpha=0.18, linewidth=0)
        else:
            drawn = self.ax_.vlines(x, lower, upper, color=colour, linewidth=1.2)
        self.intervals_[key] = drawn

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
        curves, intervals : dict of str to tuple of array-like
            ``(strengths, accuracies)``, and ``(lower, upper)`` ends of intervals, by name.
        clean, chance, xlabel, name : float, float, str, str
            As in :class:`RobustnessCurveDisplay`.
        ax, **plot_params : matplotlib Axes or None, dict
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
        levels = {"clean": clean, "chance": chance}
        display = cls(curves, intervals=intervals, **levels, xlabel=xlabel, name=name)
        return display.plot(ax, **plot_params)


@dataclass(eq=False, repr=False)
class ContributionsDisplay(Display):
    """What spoke for a source, and what against it: bars of the greatest contributions.

    Use :meth:`from_contributions` to make one.

    Parameters
    ----------
    names : sequence of str, of length n
        What contributes.
    values : array-like of shape (n,)
        How much: above 0 for the source.
    name : str, default=None
        Title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the bars, and the figure that holds them.
    bars_ : matplotlib BarContainer
        The bars, from the top: the greatest contributions, the least ones, and the sum of all
        others if there are any.

    See Also
    --------
    sklearn_ganprint.ensemble.score_contributions : Computes contributions.

    Examples
    --------
    >>> from sklearn_ganprint.plotting import ContributionsDisplay
    >>> display = ContributionsDisplay(["rr", "rg", "bb"], [3.0, -2.0, 0.5]).plot(n_bars=1)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['rr', 'rg', 'all others']
    """

    names: Sequence[str]
    values: Any
    _: KW_ONLY
    name: str | None = None

    def plot(self, ax: Any = None, *, n_bars: int = 10, name: str | None = None) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax, name : matplotlib Axes, str, default=None
            Where to draw, and the title. None makes a new figure, and takes the name of the
            display.
        n_bars : int, default=10
            Number of bars for the source, and of bars against it, at the most.

        Returns
        -------
        ContributionsDisplay
            The display itself.
        """
        values = np.asarray(self.values, dtype=np.float64)
        order = values.argsort()[::-1]
        speak = order[values[order] > 0][:n_bars], order[::-1][values[order[::-1]] < 0][:n_bars]
        shown = np.concatenate([speak[0], speak[1][::-1]])
        names = [printable(self.names[i]).replace("__", " ") for i in shown]
        lengths = values[shown]
        colours = [COLOURS[int(length < 0)] for length in lengths]
        if len(shown) < np.count_nonzero(values):
            names, colours = [*names, "all others"], [*colours, "0.6"]
            lengths = np.append(lengths, values.sum() - lengths.sum())
        self._start(ax, 6.4, 0.22 * len(names) + 1)
        self.bars_ = self.ax_.barh(range(len(names)), lengths, color=colours)
        self.ax_.bar_label(self.bars_, fmt="{:+.2g}", padding=2, fontsize="small")
        self.ax_.set_yticks(range(len(names)), names, parse_math=False)
        self.ax_.invert_yaxis()
        self.ax_.margins(x=0.2, y=0.02)
        self.ax_.axvline(0, color="black", linewidth=0.8)
        self.ax_.set_xlabel("contribution to the difference of scores")
        self._write_title(name)
        return self

    @classmethod
    def from_contributions(
        cls,
        contributions: list[Contributions],
        index: int = 0,
        *,
        name: str | None = None,
        ax: Any = None,
        **params: Any,
    ) -> Self:
        """Draw sums over groups of features, for one image.

        Parameters
        ----------
        contributions : list of Contributions
            What :func:`~sklearn_ganprint.ensemble.score_contributions` returns.
        index : int, default=0
            Position of the image.
        name : str, default=None
            Title.
        ax, **params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        ContributionsDisplay
            The display.
        """
        sums = sum_contributions(contributions)
        values = [of_images[index] for of_images in sums.values()]
        return cls(list(sums), values, name=name).plot(ax, **params)


def _style(index: int) -> dict[str, Any]:
    """Return the colour and the line style of a curve."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": _LINE_STYLES[index % len(_LINE_STYLES)],
    }


def _draw_level(ax: Any, value: float | None, label: str, **style: Any) -> Any:
    """Draw a horizontal line at a value, if it is known."""
    if value is None:
        return None
    return ax.axhline(value, linewidth=1, label=label.format(value), **style)


def _as_points(name: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return two rows of equally many numbers, in increasing order of the first."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or not x.size:
        raise ValueError(
            f"{name}: expected two rows of equally many numbers, at least one; got arrays of "
            f"shapes {x.shape} and {y.shape}."
        )
    if not np.isfinite(x).all():
        raise ValueError(f"{name}: expected finite numbers along the x axis, got {x.tolist()}.")
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def _check_positive(name: str, values: np.ndarray) -> None:
    """Raise if a value is not above 0, for an axis whose steps double them."""
    if values.min() <= 0:
        raise ValueError(
            f"{name}: an axis of doublings needs numbers above 0, got {values.min():g}."
        )


def _double_scale(ax: Any, values: np.ndarray) -> None:
    """Scale the x axis so that each step doubles the value, with ticks at the values themselves."""
    values = np.unique(values)
    ticks = [values[0]]
    for value in values[1:]:
        if value >= ticks[-1] * 1.4:  # closer labels would run into each other
            ticks.append(value)
    ax.set_xscale("log", base=2)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)
