"""The autocorrelation of a fingerprint as a picture."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from sklearn_ganprint.plotting._drawing import Display, add_colorbar, symmetric_scale


@dataclass(eq=False, repr=False)
class AutocorrelationDisplay(Display):
    """The two-dimensional autocorrelation of a fingerprint, with lag 0 in the middle.

    Use :meth:`from_autocorrelation` to make one.

    Parameters
    ----------
    autocorrelation : ndarray of shape (H, W)
        Values by lag, with lag 0 at ``[H // 2, W // 2]``, where ``numpy.fft.fftshift`` puts it.
    name : str, default=None
        Name of the source, used as title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the autocorrelation, and the figure that holds them.
    im_ : matplotlib AxesImage
        The picture.
    scale_ : float
        Absolute value at which the colours end.
    marks_ : matplotlib PathCollection or None
        The marks at multiples of the period, if there are any.

    See Also
    --------
    FingerprintDisplay : Draws the fingerprint itself.

    Notes
    -----
    The picture is Fig. 4 of the paper that :func:`~sklearn_ganprint.experiments.reproduce_paper`
    repeats. Lag 0, where the autocorrelation is the energy, exceeds all else and would leave the
    rest pale: the colours end at a percentile of the absolute values at all *other* lags that are
    shown, and lag 0 has the colour of that end. Lags are in pixels, downwards and to the right.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.plotting import AutocorrelationDisplay
    >>> fingerprint = np.random.default_rng(0).normal(size=(32, 32))
    >>> power = np.abs(np.fft.fft2(fingerprint)) ** 2
    >>> autocorrelation = np.fft.fftshift(np.fft.ifft2(power).real) / power.mean()
    >>> display = AutocorrelationDisplay.from_autocorrelation(autocorrelation, max_lag=8)
    >>> display.im_.get_array().shape
    (17, 17)
    """

    autocorrelation: np.ndarray
    _: KW_ONLY
    name: str | None = None

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        max_lag: int | None = None,
        period: float | tuple[float | None, float | None] | None = None,
        percentile: float = 99.5,
        cmap: str = "RdBu_r",
        colorbar: bool = True,
    ) -> Self:
        """Draw the autocorrelation.

        Parameters
        ----------
        ax, name : matplotlib Axes, str, default=None
            Where to draw, and the title; None makes a new figure, and takes the display's name.
        max_lag : int, default=None
            Greatest lag to show, in pixels; None, or more than there is, shows all.
        period : float or tuple of float or None, default=None
            Marks its multiples along both axes, in pixels; a pair is for vertical and
            horizontal lags, with None for a direction without a period.
        percentile : float, default=99.5
            The colours end at this percentile of the absolute values beyond lag 0, in (0, 100].
        cmap : str or matplotlib Colormap, default="RdBu_r"
            Colours from negative to positive, neutral in the middle.
        colorbar : bool, default=True
            Whether to draw the scale beside the picture.

        Returns
        -------
        AutocorrelationDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `max_lag`, `period` or `percentile` is not valid.
        """
        periods = _check_period(period)
        values = self._crop(max_lag)
        centre = tuple(length // 2 for length in values.shape)
        beyond = np.delete(values.ravel(), np.ravel_multi_index(centre, values.shape))
        self.scale_ = symmetric_scale(beyond, percentile)
        self._start(ax, 4.9, 4.2, layout="compressed")
        self.im_ = self._draw_signed(values, self.scale_, cmap, extent=_extent(values.shape))
        if colorbar:
            add_colorbar(self.im_, "autocorrelation", extend="both")
        self.marks_ = None if periods is None else self._draw_marks(values.shape, periods)
        self.ax_.set(xlabel="horizontal lag (pixels)", ylabel="vertical lag (pixels)")
        self._write_title(name)
        return self

    def _crop(self, max_lag: int | None) -> np.ndarray:
        if max_lag is None:
            return self.autocorrelation
        if max_lag < 1:
            raise ValueError(f"max_lag: expected None or at least 1 pixel, got {max_lag!r}.")
        shown = tuple(
            slice(max(0, length // 2 - max_lag), length // 2 + max_lag + 1)
            for length in self.autocorrelation.shape
        )
        return self.autocorrelation[shown]

    def _draw_marks(self, shape: tuple[int, ...], periods: tuple[float, float]) -> Any:
        from matplotlib.patheffects import withStroke

        down, right = (
            period * _multiples(length // 2 / period)
            for length, period in zip(shape, periods, strict=True)
        )
        return self.ax_.scatter(
            np.concatenate([right, np.zeros_like(down)]),
            np.concatenate([np.zeros_like(right), down]),
            s=36,
            facecolors="none",
            edgecolors="black",
            linewidths=1,
            # A rim of white: black alone is lost on dark colours.
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )

    @classmethod
    def from_autocorrelation(
        cls, autocorrelation: Any, name: str | None = None, *, ax: Any = None, **plot_params: Any
    ) -> Self:
        """Draw an autocorrelation given as an array.

        Parameters
        ----------
        autocorrelation : array-like of shape (H, W)
            Values by lag, with lag 0 at ``[H // 2, W // 2]``.
        name : str, default=None
            Title.
        ax, **plot_params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        AutocorrelationDisplay
            The display.

        Raises
        ------
        ValueError
            If the array is of another shape.
        """
        autocorrelation = np.asarray(autocorrelation)
        if autocorrelation.ndim != 2 or not autocorrelation.size:
            raise ValueError(
                f"autocorrelation: expected shape (H, W), got {autocorrelation.shape}. Draw the "
                f"channels of a fingerprint in colour one by one."
            )
        return cls(autocorrelation, name=name).plot(ax, **plot_params)


def _check_period(period: Any) -> tuple[float, float] | None:
    """Return the vertical and the horizontal period; one that is not known is infinite."""
    pair = np.asarray(np.nan if period is None else period, dtype=np.float64)
    pair = np.where(np.isnan(pair), np.inf, pair)
    if pair.shape not in ((), (2,)) or not (pair >= 1).all():
        raise ValueError(
            f"period: expected one number of pixels or two (vertical, horizontal), at least 1; "
            f"got {period!r}."
        )
    down, right = np.broadcast_to(pair, 2).tolist()
    return None if np.isinf(pair).all() else (down, right)


def _multiples(greatest: float) -> np.ndarray:
    """Return whole numbers up to the greatest and down to its negative, but for 0."""
    numbers = np.arange(1, int(greatest) + 1, dtype=np.float64)
    return np.concatenate([-numbers[::-1], numbers])


def _extent(shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Return the left, right, bottom and top border of the picture in pixels of lag."""
    (top, bottom), (left, right) = (
        (-(length // 2) - 0.5, length - length // 2 - 0.5) for length in shape
    )
    return left, right, bottom, top
