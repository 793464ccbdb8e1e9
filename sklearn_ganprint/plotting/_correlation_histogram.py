"""Histograms of the correlations with the own fingerprint, and with that of another source."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from sklearn_ganprint.plotting._drawing import COLOURS, Display, write_legend

_SAME, _CROSS = COLOURS[0], COLOURS[5]


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
        write_legend(self.ax_, handles=[self.same_, self.cross_], title=self._figures())
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
