"""Likelihood ratios of images of which it is known which proposition is true."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit

from sklearn_ganprint.evidence import _by_proposition, _pav_log10_lrs
from sklearn_ganprint.plotting._drawing import COLOURS, Display, write_legend

__all__ = ["ECEDisplay", "PAVDisplay", "TippettDisplay"]

#: How LRs are drawn where the first proposition is true, and where the alternative is.
_FIRST = {"color": COLOURS[0], "linestyle": "-", "label": "first proposition true"}
_OTHER = {"color": COLOURS[1], "linestyle": "--", "label": "alternative true"}

#: Prior odds of empirical cross-entropies, in log10.
_PRIOR_ODDS = np.linspace(-3, 3, 121)


@dataclass(eq=False, repr=False)
class _EvidenceDisplay(Display):
    """Base of displays of LRs, which compute numbers by one method and draw them by another."""

    _: KW_ONLY
    name: str | None = None

    @classmethod
    def from_likelihood_ratios(
        cls, log10_lrs: Any, y: Any, *, name: str | None = None, ax: Any = None, **params: Any
    ) -> Self:
        """Draw LRs of images of which it is known which proposition is true.

        Parameters
        ----------
        log10_lrs : array-like of shape (n,)
            Common logarithms of LRs, by a calibrator that was not fitted on these images; may be
            infinite.
        y : array-like of shape (n,)
            Whether the first proposition is true, or two labels, the second in order for that.
        name : str, default=None
            Title.
        ax, **params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        TippettDisplay, PAVDisplay or ECEDisplay
            The display.

        Raises
        ------
        ValueError
            If an LR is NaN, or `y` has not two labels.
        """
        make: Any = cls  # with the numbers of the display
        return make(*cls._compute(log10_lrs, y), name=name).plot(ax, **params)

    @staticmethod
    def _compute(log10_lrs: Any, y: Any) -> tuple[np.ndarray, ...]:
        raise NotImplementedError

    def plot(self, ax: Any = None, *, name: str | None = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax, name : matplotlib Axes, str, default=None
            Where to draw, and the title; None makes a new figure, and takes the display's name.

        Returns
        -------
        TippettDisplay, PAVDisplay or ECEDisplay
            The display itself.
        """
        self._start(ax, 5.6, 4.0)
        self._draw()
        self._write_title(name)
        write_legend(self.ax_)
        return self

    def _draw(self) -> None:
        raise NotImplementedError


@dataclass(eq=False, repr=False)
class TippettDisplay(_EvidenceDisplay):
    """Tippett plot: shares of images whose LR is above each value, under either proposition.

    Use :meth:`from_likelihood_ratios` to make one.

    Parameters
    ----------
    first, other : array-like of shape (n,)
        Common logarithms of LRs of images for which the first proposition is true, and of those
        for which the alternative is, in increasing order.
    name : str, default=None
        Title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the curves, and the figure that holds them.
    first_line_, other_line_ : matplotlib Line2D
        The curves under the first proposition, and under the alternative.
    neutral_line_ : matplotlib Line2D
        The line at an LR of 1. What the curves miss of 1 and of 0 there is the rate of misleading
        evidence.

    See Also
    --------
    sklearn_ganprint.evidence.misleading_rates : The rates in numbers.

    Examples
    --------
    >>> from sklearn_ganprint.plotting import TippettDisplay
    >>> display = TippettDisplay.from_likelihood_ratios([2, 1, -0.5, 0.5, -1], [1, 1, 1, 0, 0])
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['first proposition true (3)', 'alternative true (2)']
    """

    first: Any
    other: Any

    @staticmethod
    def _compute(log10_lrs: Any, y: Any) -> tuple[np.ndarray, ...]:
        other, first = _by_proposition(log10_lrs, y)
        return np.sort(first), np.sort(other)

    def _draw(self) -> None:
        ends = _limits(self.first, self.other)
        self.neutral_line_ = self.ax_.axvline(0, color="0.6", linewidth=1)
        self.first_line_ = self._draw_shares(self.first, ends, **_FIRST)
        self.other_line_ = self._draw_shares(self.other, ends, **_OTHER)
        self.ax_.set(xlim=ends, ylim=(-0.02, 1.02), xlabel="log10 LR", ylabel="share above")

    def _draw_shares(self, log10_lrs: Any, ends: Any, label: str, **style: Any) -> Any:
        """Draw the share of LRs that are above each value, which steps down at each of them."""
        n, beyond = len(log10_lrs), (ends[0] - 1, ends[1] + 1)
        places = np.concatenate([beyond[:1], np.clip(log10_lrs, *beyond), beyond[1:]])
        shares = np.append(np.linspace(1, 0, n + 1), 0)
        style = {"where": "post", "label": f"{label} ({n})"} | style
        return self.ax_.step(places, shares, **style)[0]


def _limits(*log10_lrs: Any) -> tuple[float, float]:
    """Return ends of an axis of log10 LRs that shows all finite ones, and 0."""
    values = np.concatenate([[-1.0, 1.0], *log10_lrs])
    values = values[np.isfinite(values)]
    margin = 0.05 * np.ptp(values)
    return float(values.min() - margin), float(values.max() + margin)


@dataclass(eq=False, repr=False)
class PAVDisplay(_EvidenceDisplay):
    """PAV plot: LRs against the best LRs in the same order.

    Calibrated LRs lie along the diagonal. Use :meth:`from_likelihood_ratios` to make one.

    Parameters
    ----------
    first, other : array-like of shape (n, 2)
        Common logarithms of LRs as they are, and after pooling adjacent violators (PAV), of images
        for which the first proposition is true, and of those for which the alternative is.
    name : str, default=None
        Title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the points, and the figure that holds them.
    first_points_, other_points_ : matplotlib Line2D
        Images for which the first proposition is true, and for which the alternative is.
    above_points_, below_points_ : matplotlib Line2D
        Arrows at the border: images whose LR after PAV is infinite, since it was above all of the
        alternative, or 0, since it was below all of the first proposition.
    diagonal_ : matplotlib Line2D
        Where LRs are calibrated.

    See Also
    --------
    ECEDisplay : What calibration costs.

    Examples
    --------
    >>> from sklearn_ganprint.plotting import PAVDisplay
    >>> display = PAVDisplay.from_likelihood_ratios([2, 1, -0.5, 0.5, -1], [1, 1, 1, 0, 0])
    >>> display.above_points_.get_xdata()
    array([2., 1.])
    """

    first: Any
    other: Any

    @staticmethod
    def _compute(log10_lrs: Any, y: Any) -> tuple[np.ndarray, ...]:
        other, first = _by_proposition(log10_lrs, y)
        best_other, best_first = _by_proposition(_pav_log10_lrs(log10_lrs, y), y)
        return np.column_stack([first, best_first]), np.column_stack([other, best_other])

    def _draw(self) -> None:
        ends = _limits(np.ravel(self.first), np.ravel(self.other))
        self.diagonal_ = self.ax_.axline((0, 0), slope=1, color="0.6", linewidth=1)
        self.first_points_, self.above_points_ = self._draw_points(self.first, ends, "o^", _FIRST)
        self.other_points_, self.below_points_ = self._draw_points(self.other, ends, "sv", _OTHER)
        self.ax_.set(xlim=ends, ylim=ends, xlabel="log10 LR", ylabel="log10 LR after PAV")

    def _draw_points(self, lrs: Any, ends: Any, markers: str, style: dict[str, Any]) -> Any:
        """Draw the images whose LR after PAV is finite, and arrows at the border for the others.

        PAV makes LRs infinite, or 0, where there are images of one proposition only.
        """
        inside = np.mean(ends) + 0.48 * np.array([-1, 1]) * np.ptp(ends)
        x, best = np.clip(lrs, *inside).T
        finite = np.isfinite(np.transpose(lrs)[1])
        style = style | {"linestyle": "", "markerfacecolor": "none"}
        (points,) = self.ax_.plot(x[finite], best[finite], marker=markers[0], **style)
        style["label"] = None
        (arrows,) = self.ax_.plot(x[~finite], best[~finite], marker=markers[1], **style)
        return points, arrows


@dataclass(eq=False, repr=False)
class ECEDisplay(_EvidenceDisplay):
    """Empirical cross-entropy (ECE) of LRs, over prior odds.

    Use :meth:`from_likelihood_ratios` to make one.

    Parameters
    ----------
    log10_prior_odds : array-like of shape (n_odds,)
        Common logarithms of prior odds.
    ece, ece_min, ece_neutral : array-like of shape (n_odds,)
        Empirical cross-entropy in bits: of the LRs as they are, of the best LRs in the same order,
        by pooling adjacent violators (PAV), and of LRs that are all 1.
    name : str, default=None
        Title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the curves, and the figure that holds them.
    line_, min_line_, neutral_line_ : matplotlib Line2D
        The LRs as they are, those after PAV, and no evidence.

    See Also
    --------
    sklearn_ganprint.evidence.cllr : The cross-entropy at even odds.

    Notes
    -----
    The cross-entropy says how much is still unknown about the propositions, on average, by someone
    who starts from prior odds and believes the LRs [1]_. LRs whose curve is above that of no
    evidence mislead at such odds. What the LRs are above those after PAV is the calibration loss.
    A misleading LR that is infinite or 0 makes all of the curve infinite.

    References
    ----------
    .. [1] D. Ramos, J. Gonzalez-Rodriguez, G. Zadora, C. Aitken, "Information-theoretical
       assessment of the performance of likelihood ratio computation methods", Journal of Forensic
       Sciences 58(6), 2013.

    Examples
    --------
    >>> from sklearn_ganprint.plotting import ECEDisplay
    >>> display = ECEDisplay.from_likelihood_ratios([2, 1, -0.5, 0.5, -1], [1, 1, 1, 0, 0])
    >>> display.ece[60].round(3), display.ece_min[60].round(3)  # at even odds
    (np.float64(0.917), np.float64(0.405))
    """

    log10_prior_odds: Any
    ece: Any
    ece_min: Any
    ece_neutral: Any

    @staticmethod
    def _compute(log10_lrs: Any, y: Any) -> tuple[np.ndarray, ...]:
        best = _pav_log10_lrs(log10_lrs, y)
        curves = (_cross_entropy(lrs, y) for lrs in (log10_lrs, best, np.zeros_like(best)))
        return _PRIOR_ODDS, *curves

    def _draw(self) -> None:
        curves = {
            "LRs as they are": (self.ece, {"color": COLOURS[0]}),
            "after PAV": (self.ece_min, {"color": COLOURS[1], "linestyle": "--"}),
            "no evidence (LR = 1)": (self.ece_neutral, {"color": "0.4", "linestyle": ":"}),
        }
        self.line_, self.min_line_, self.neutral_line_ = (
            self.ax_.plot(self.log10_prior_odds, curve, label=label, **style)[0]
            for label, (curve, style) in curves.items()
        )
        self.ax_.set(xlabel="log10 of the prior odds", ylabel="empirical cross-entropy (bits)")
        self.ax_.set_ylim(bottom=-0.02)


def _cross_entropy(log10_lrs: Any, y: Any) -> np.ndarray:
    """Compute the empirical cross-entropy at each of the prior odds."""
    other, first = _by_proposition(log10_lrs, y)
    odds = _PRIOR_ODDS[:, np.newaxis]
    missed = np.logaddexp2(0, -(first + odds) / np.log10(2)).mean(axis=1)
    alarmed = np.logaddexp2(0, (other + odds) / np.log10(2)).mean(axis=1)
    prior = expit(_PRIOR_ODDS * np.log(10))
    return prior * missed + (1 - prior) * alarmed
