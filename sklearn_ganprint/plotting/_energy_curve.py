"""The energy of a fingerprint against the number of images it is the mean of."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from sklearn_ganprint.plotting._drawing import (
    COLOURS,
    MARKERS,
    as_points,
    check_positive,
    double_scale,
    new_axes,
    write_legend,
    write_title,
)

_Y_SCALES = (None, "linear", "log")
_FORMULAS = {"inverse": "E∞ + E0/N", "printed": "E∞ + E0 2^-N"}
_DASHES = ("-", "--", ":", "-.")
#: Points of a curve: enough to look smooth at any size.
_N_POINTS = 200

Curve = Callable[[np.ndarray], Any]


class EnergyCurveDisplay:
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
    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure that holds them.

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
    FingerprintSeriesDisplay : Draws the fingerprints themselves.

    Notes
    -----
    The picture is Fig. 3 of [1]_. The mean of N residuals ``F + W_i`` has the expected energy
    ``E_inf + E_0 / N``, where ``E_inf`` is the energy of F. A logarithmic energy axis shows
    deviations in proportion, as a fit with relative weights sees them. An estimate that is not
    above 0 is an arrow at its lower border.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019, eq. 4.

    Examples
    --------
    >>> from sklearn_ganprint.plotting import EnergyCurveDisplay
    >>> display = EnergyCurveDisplay.from_energies(
    ...     [2, 8, 32], [2.6, 0.7, 0.2], curves={"fit": lambda n: 0.04 + 5 / n}, limit=0.04
    ... )
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['measured', 'fit', 'limit 0.04']
    """

    def __init__(
        self,
        n_images: Any,
        energies: Any,
        *,
        curves: Mapping[str, Curve] | None = None,
        limit: float | None = None,
        estimates: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.n_images = n_images
        self.energies = energies
        self.curves = curves
        self.limit = limit
        self.estimates = estimates
        self.name = name

    def plot(self, ax: Any = None, *, name: str | None = None, yscale: str | None = None) -> Self:
        """Draw the energies and curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        name : str, default=None
            Title; None takes the name of the display.

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
        n, energies = as_points("n_images, energies", self.n_images, self.energies)
        check_positive("n_images", n)
        estimates = {key: self._estimate(key) for key in self.estimates or {}}
        self.ax_ = new_axes(5.6, 4.0) if ax is None else ax
        self.figure_ = self.ax_.figure
        (self.line_,) = self.ax_.plot(
            n, energies, "o", color="black", markersize=5, zorder=3, label="measured"
        )
        double_scale(self.ax_, n)
        self._draw_curves(n)
        self._draw_limit()
        self._scale_energies(yscale)
        self._draw_estimates(estimates)
        self.ax_.set(xlabel="number of residuals N", ylabel="energy (squared grey levels)")
        write_title(self.ax_, self.name if name is None else name)
        write_legend(self.ax_)
        return self

    def _estimate(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        values = np.asarray((self.estimates or {})[key], dtype=np.float64)
        n = np.asarray(self.n_images, dtype=np.float64)
        return as_points(
            f"estimates[{key!r}]", n if values.ndim else [n.max()], np.atleast_1d(values)
        )

    def _draw_curves(self, n: np.ndarray) -> None:
        ends = (n[0], n[-1]) if n[0] < n[-1] else (n[0] / 2, n[0] * 2)
        grid = np.geomspace(*ends, _N_POINTS)
        self.curve_lines_ = {}
        for index, (key, curve) in enumerate((self.curves or {}).items()):
            (self.curve_lines_[key],) = self.ax_.plot(
                grid,
                np.asarray(curve(grid), dtype=np.float64),
                linestyle=_DASHES[index % len(_DASHES)],
                color=COLOURS[index % len(COLOURS)],
                label=key,
            )

    def _draw_estimates(self, estimates: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        self.estimate_lines_, self.below_lines_ = {}, {}
        at_border = {"marker": "v", "markersize": 7, "transform": self.ax_.get_xaxis_transform()}
        for index, (key, (n, values)) in enumerate(estimates.items()):
            marker = MARKERS[(index + 1) % len(MARKERS)]
            style = {"linestyle": "", "color": COLOURS[(index + 2) % len(COLOURS)]}
            hollow = {"marker": marker, "markerfacecolor": "none", "markeredgewidth": 1.3}
            (self.estimate_lines_[key],) = self.ax_.plot(n, values, label=key, **style, **hollow)
            below = n[values <= 0]
            if below.size and self.ax_.get_yscale() == "log":
                heights = np.full(len(below), 0.03)
                (self.below_lines_[key],) = self.ax_.plot(below, heights, **style, **at_border)

    def _draw_limit(self) -> None:
        self.limit_line_ = None
        if self.limit is not None:
            self.limit_line_ = self.ax_.axhline(
                self.limit, color="0.4", linewidth=1, zorder=1, label=f"limit {self.limit:.3g}"
            )

    def _scale_energies(self, yscale: str | None) -> None:
        if yscale is None:
            drawn = np.concatenate([np.ravel(line.get_ydata()) for line in self._main_lines()])
            yscale = "linear" if (drawn <= 0).any() else "log"
        self.ax_.set_yscale(yscale)
        if yscale == "log":
            from matplotlib.ticker import LogLocator

            self.ax_.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            self.ax_.yaxis.set_major_formatter("{x:g}")
            self.ax_.yaxis.set_minor_formatter("")

    def _main_lines(self) -> list[Any]:
        limit = [] if self.limit_line_ is None else [self.limit_line_]
        return [self.line_, *self.curve_lines_.values(), *limit]

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
        n_images : array-like of shape (n,)
            Numbers of residuals N, above 0.

        energies : array-like of shape (n,)
            Energy of the mean of N residuals, in squared grey levels.

        curves : dict of str to callable, default=None
            Curves by name, each a function of an array of N.

        limit : float, default=None
            Energy of the limit fingerprint.

        estimates : dict of str to float or array-like of shape (n,), default=None
            Other estimates of the limit by name.

        name : str, default=None
            Title.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_params : dict
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

        estimates : dict of str to float or array-like of shape (n,), default=None
            Other estimates of the limit by name.

        name : str, default=None
            Title.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        EnergyCurveDisplay
            The display.
        """
        fits = [fit] if compared_with is None else [fit, compared_with]
        curves = {f"fit {_FORMULAS.get(each.form, each.form)}": each.predict for each in fits}
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
