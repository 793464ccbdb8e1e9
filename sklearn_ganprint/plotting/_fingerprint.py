"""A fingerprint as a picture."""

import warnings
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint._images import as_image_shape
from sklearn_ganprint._output import printable
from sklearn_ganprint.plotting import _drawing
from sklearn_ganprint.plotting._drawing import Display

__all__ = ["AutocorrelationDisplay", "FingerprintDisplay", "FingerprintSeriesDisplay"]

_CHANNELS = ("luminance", "rgb")
_SCALES = ("each", "common")
_UNIT = "grey levels"


@dataclass(eq=False, repr=False)
class FingerprintDisplay(Display):
    """The fingerprint of a source, drawn with signed values.

    Use :meth:`from_estimator` or :meth:`from_fingerprint` to make one, and :meth:`from_series` to
    make a row of them.

    Parameters
    ----------
    fingerprint : ndarray of shape (H, W) or (H, W, C)
        Mean residual of the source in 8-bit grey levels, with C in {1, 3}.
    name : str, default=None
        Name of the source, used as title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the fingerprint, and the figure that holds them.
    im_ : matplotlib AxesImage
        The picture.
    scale_ : float
        Absolute value, in grey levels, at which the colours end.
    colorbar_ : matplotlib Colorbar or None
        The colour bar, which the pictures of a row on one scale share; None if there is none.

    See Also
    --------
    FingerprintClassifier : Estimates the fingerprints.

    Notes
    -----
    The scale is symmetric about 0, so that no value always has one colour, and ends at a
    percentile of the absolute values: a few large values at the borders would leave the rest pale.
    Of a fingerprint in colour the mean of its channels is shown, with the weights of luminance.
    ``channels="rgb"`` shows the channels as red, green and blue instead, each as
    ``fingerprint / (2 * scale_) + 0.5``, clipped to [0, 1]: grey is zero, and there is no
    colour bar.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.plotting import FingerprintDisplay
    >>> fingerprint = np.random.default_rng(0).normal(size=(32, 32))
    >>> display = FingerprintDisplay.from_fingerprint(fingerprint, name="camera")
    >>> display.ax_.get_title()
    'camera'
    """

    fingerprint: np.ndarray
    _: KW_ONLY
    name: str | None = None

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        channels: str = "luminance",
        percentile: float = 99.5,
        scale: float | None = None,
        cmap: str = "RdBu_r",
        colorbar: bool = True,
    ) -> Self:
        """Draw the fingerprint.

        Parameters
        ----------
        ax, name : matplotlib Axes, str, default=None
            Where to draw, and the title; None makes a new figure, and takes the display's name.
        channels : {"luminance", "rgb"}, default="luminance"
            How a fingerprint of three channels is shown: as their weighted mean, in grey levels,
            or as a picture in colour. A fingerprint of one channel looks the same either way.
        percentile : float, default=99.5
            The colours end at this percentile of the absolute values, in (0, 100].
        scale : float, default=None
            The colours end at this many grey levels instead, so that pictures can share a scale.
        cmap : str or matplotlib Colormap, default="RdBu_r"
            Colours from negative to positive, neutral in the middle.
        colorbar : bool, default=True
            Whether to draw the scale beside the picture.

        Returns
        -------
        FingerprintDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `channels`, `percentile` or `scale` is not valid.
        """
        values = _shown_values(self.fingerprint, channels)
        self.scale_ = _drawing.symmetric_scale(values, percentile, scale)
        self._start(ax)
        self.colorbar_ = None
        if values.ndim == 3:
            self.im_ = self.ax_.imshow(np.clip(values / (2 * self.scale_) + 0.5, 0, 1))
            self.ax_.set_xlabel(f"grey is 0, colours end at ±{self.scale_:.2g} {_UNIT}")
        else:
            self.im_ = self._draw_signed(values, self.scale_, cmap)
            if colorbar:
                self.colorbar_ = _drawing.add_colorbar(self.im_, _UNIT, extend="both")
        self.ax_.set(xticks=[], yticks=[])
        self._write_title(name)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        label: Any,
        *,
        image_shape: Sequence[int] | None = None,
        name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw the fingerprint of one class of a fitted classifier.

        Parameters
        ----------
        estimator : estimator
            A fitted :class:`FingerprintClassifier`, a pipeline that ends with one, or a
            :class:`FileBatchEstimator` over either.
        label : str or other class label
            The class, one of ``classes_``.
        image_shape : tuple of int, default=None
            ``(H, W)`` or ``(H, W, C)`` of the residuals. None takes it from the pipeline, or
            from the classifier if it was fitted on images rather than rows.
        name : str, default=None
            Title; None takes the label.
        ax, **plot_params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        FingerprintDisplay
            The display.

        Raises
        ------
        ValueError
            If there is no such class, or the shape is not known or does not fit.
        TypeError
            If the estimator has no fingerprints.
        """
        fingerprint, known_shape = _find_fingerprint(estimator, label)
        shape = known_shape if image_shape is None else as_image_shape(image_shape)
        if shape is None:
            raise ValueError(
                "The shape of the fingerprint is not known, since the classifier was fitted on "
                "rows. Pass image_shape=(H, W[, C]) of the residuals."
            )
        if np.prod(shape) != len(fingerprint):
            raise ValueError(
                f"A fingerprint of {len(fingerprint)} values does not have image_shape={shape}, "
                f"which would be {int(np.prod(shape))} values."
            )
        name = str(label) if name is None else name
        return cls(fingerprint.reshape(shape), name=name).plot(ax, **plot_params)

    @classmethod
    def from_fingerprint(
        cls, fingerprint: Any, name: str | None = None, *, ax: Any = None, **plot_params: Any
    ) -> Self:
        """Draw a fingerprint given as an array.

        Parameters
        ----------
        fingerprint : array-like of shape (H, W) or (H, W, C)
            Mean residual in 8-bit grey levels, with C in {1, 3}.
        name : str, default=None
            Title.
        ax, **plot_params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        FingerprintDisplay
            The display.

        Raises
        ------
        ValueError
            If the array is of another shape.
        """
        fingerprint = _drawing.as_picture("fingerprint", fingerprint)
        return cls(fingerprint, name=name).plot(ax, **plot_params)

    @classmethod
    def from_series(
        cls,
        fingerprints: Any,
        n_images: Any,
        name: str | None = None,
        *,
        axes: Any = None,
        scale: str | float = "each",
        channels: str = "luminance",
        percentile: float = 99.5,
        cmap: str = "RdBu_r",
        colorbar: bool = True,
    ) -> list[Self]:
        """Draw how the fingerprint of a source emerges as residuals are added: a row of pictures.

        Parameters
        ----------
        fingerprints : sequence of array-like of shape (H, W) or (H, W, C)
            Mean residuals of one source in 8-bit grey levels, with C in {1, 3}.
        n_images : sequence of int
            Number of residuals in each mean.
        name : str, default=None
            Name of the source, written before the row.
        axes : array-like of matplotlib Axes, default=None
            Where to draw, one for each fingerprint; None makes a new figure with a row of them.
        scale : {"each", "common"} or float, default="each"
            Where the colours end: for each fingerprint at its own `percentile`, for all at the
            `percentile` of all their values, or for all at this many grey levels.
        channels : {"luminance", "rgb"}, default="luminance"
            How fingerprints of three channels are shown, as by :meth:`plot`.
        percentile : float, default=99.5
            Percentile of the absolute values, in (0, 100].
        cmap : str or matplotlib Colormap, default="RdBu_r"
            Colours from negative to positive, neutral in the middle.
        colorbar : bool, default=True
            Whether to draw the scale beside a row that has one scale and one channel.

        Returns
        -------
        list of FingerprintDisplay
            The pictures, in the order of `fingerprints`.

        Raises
        ------
        ValueError
            If there is no fingerprint, one is not a picture, `n_images` or `axes` is of another
            length, or another parameter is not valid.

        Notes
        -----
        The row is Fig. 2 of the paper that :func:`~sklearn_ganprint.experiments.reproduce_paper`
        repeats. On one common scale the first pictures are strong and the last pale, as the noise
        in a mean of N residuals has 1/N of the energy: that shows how much is averaged away. On
        scales of their own the pictures are equally strong, which shows the patterns, and where the
        colours end is written below each.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_ganprint.plotting import FingerprintDisplay
        >>> residuals = np.random.default_rng(0).normal(size=(32, 16, 16))
        >>> means = [residuals[:n].mean(axis=0) for n in (2, 8, 32)]
        >>> displays = FingerprintDisplay.from_series(means, [2, 8, 32])
        >>> [display.ax_.get_title() for display in displays]
        ['N = 2', 'N = 8', 'N = 32']
        """
        arrays = [
            _drawing.as_picture(f"fingerprints[{i}]", row) for i, row in enumerate(fingerprints)
        ]
        n_images = [int(n) for n in n_images]
        if not arrays or len(arrays) != len(n_images):
            raise ValueError(
                f"Expected at least one fingerprint and as many n_images, got {len(arrays)} "
                f"fingerprints and {len(n_images)} n_images."
            )
        common = _common_scale(arrays, scale, channels, percentile)
        in_colour = _shown_values(arrays[0], channels).ndim == 3
        colorbar = colorbar and common is not None and not in_colour
        displays = [cls(row, name=f"N = {n}") for row, n in zip(arrays, n_images, strict=True)]
        style: dict[str, Any] = {"channels": channels, "percentile": percentile, "cmap": cmap}
        axes = _row_of_axes(arrays, colorbar) if axes is None else np.ravel(axes)
        if len(axes) != len(arrays):
            raise ValueError(
                f"axes: expected {len(arrays)}, one for each fingerprint, got {len(axes)}."
            )
        for ax, display in zip(axes, displays, strict=True):
            display.plot(ax, scale=common, colorbar=False, **style)
            ax.set_xlabel("" if colorbar else f"±{display.scale_:.2g} {_UNIT}")
        if colorbar:
            last, where = displays[-1].im_, {"ax": list(axes), "shrink": 0.8, "pad": 0.02}
            bar = _drawing.add_colorbar(last, _UNIT, extend="both", **where)
            for display in displays:
                display.colorbar_ = bar
        if name is not None:
            axes[0].set_ylabel(printable(name), parse_math=False)
        return displays


@dataclass(eq=False, repr=False)
class FingerprintSeriesDisplay:
    """Former name of a row of pictures; use :meth:`FingerprintDisplay.from_series`.

    .. deprecated:: 0.2
        This class will be gone in version 0.3.

    Parameters
    ----------
    fingerprints, n_images, name : sequence of array-like, sequence of int, str or None
        As in :meth:`FingerprintDisplay.from_series`.

    Attributes
    ----------
    axes_, figure_ : ndarray of matplotlib Axes, shape (n_fingerprints,); matplotlib Figure
        Axes with the fingerprints, and the figure that holds them.
    displays_ : list of FingerprintDisplay
        The pictures.
    scales_, colorbar_ : list of float; matplotlib Colorbar or None
        Absolute value, in grey levels, at which the colours of each picture end; the colour bar.
    """

    fingerprints: Sequence[Any]
    n_images: Sequence[int]
    _: KW_ONLY
    name: str | None = None

    def __post_init__(self) -> None:
        _warn_of_series(stacklevel=4)

    def plot(self, axes: Any = None, *, name: str | None = None, **params: Any) -> Self:
        """Draw the fingerprints.

        Parameters
        ----------
        axes, name, **params : array-like of matplotlib Axes or None, str or None, dict
            Passed to :meth:`FingerprintDisplay.from_series`.

        Returns
        -------
        FingerprintSeriesDisplay
            The display itself.
        """
        name = self.name if name is None else name
        self.displays_ = FingerprintDisplay.from_series(
            self.fingerprints, self.n_images, name, axes=axes, **params
        )
        self.axes_ = np.array([display.ax_ for display in self.displays_], dtype=object)
        self.figure_ = self.axes_[0].figure
        self.scales_ = [display.scale_ for display in self.displays_]
        self.colorbar_ = self.displays_[0].colorbar_
        return self

    @classmethod
    def from_fingerprints(
        cls, fingerprints: Any, n_images: Any, name: str | None = None, **plot_params: Any
    ) -> Self:
        """Draw fingerprints given as arrays.

        Parameters
        ----------
        fingerprints, n_images, name : sequence of array-like, sequence of int, str or None
            As in :meth:`FingerprintDisplay.from_series`.
        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        FingerprintSeriesDisplay
            The display.
        """
        _warn_of_series(stacklevel=3)
        display = cls.__new__(cls)  # without the warning of __init__, at the caller's line
        display.fingerprints, display.n_images, display.name = fingerprints, n_images, name
        return display.plot(**plot_params)


def _warn_of_series(stacklevel: int) -> None:
    warnings.warn(
        "FingerprintSeriesDisplay will be gone in version 0.3; use FingerprintDisplay.from_series, "
        "which returns the displays of a row.",
        FutureWarning,
        stacklevel=stacklevel,
    )


def _common_scale(
    fingerprints: list[np.ndarray], scale: str | float, channels: str, percentile: float
) -> float | None:
    """Return where the colours of all pictures of a row end; None if each has its own scale."""
    _drawing.check_scale(percentile, None if isinstance(scale, str) else scale)
    if scale == "each":
        return None
    if scale == "common":
        values = [_shown_values(row, channels).ravel() for row in fingerprints]
        return _drawing.symmetric_scale(np.concatenate(values), percentile)
    if isinstance(scale, str):
        raise ValueError(f"scale: expected one of {_SCALES} or a number, got {scale!r}.")
    return scale


def _row_of_axes(fingerprints: list[np.ndarray], colorbar: bool) -> np.ndarray:
    n, (height, width) = len(fingerprints), fingerprints[0].shape[:2]
    # Pictures of 2 inches, with room for what is written around them.
    size = (2 * n + (1.4 if colorbar else 0.35), 2 * height / width + 0.65)
    axes: np.ndarray = _drawing.new_axes(*size, ncols=n, squeeze=False, layout="compressed")
    return axes[0]


def _find_fingerprint(estimator: Any, label: Any) -> tuple[np.ndarray, tuple[int, ...] | None]:
    """Return the fingerprint of a class as a row, and its shape if that is known."""
    check_is_fitted(estimator)
    estimator = getattr(estimator, "estimator_", estimator)
    steps = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else []
    classifier = steps[-1] if steps else estimator
    if not hasattr(classifier, "fingerprints_"):
        raise TypeError(
            f"Expected a FingerprintClassifier, a pipeline that ends with one, or a "
            f"FileBatchEstimator over either; got {type(classifier).__name__}."
        )
    found = np.flatnonzero(classifier.classes_ == label)
    if len(found) != 1:
        raise ValueError(
            f"label: expected one of the classes {classifier.classes_.tolist()}, got {label!r}."
        )
    shapes = [step.residual_shape_ for step in steps if hasattr(step, "residual_shape_")]
    shape = classifier.image_shape_ or (shapes[-1] if shapes else None)
    return classifier.fingerprints_[found[0]], shape


def _shown_values(fingerprint: np.ndarray, channels: str) -> np.ndarray:
    """Return what a picture shows: one channel, or three for a picture in colour."""
    if channels not in _CHANNELS:
        raise ValueError(f"channels: expected one of {_CHANNELS}, got {channels!r}.")
    in_colour = channels == "rgb" and fingerprint.shape[2:] == (3,)
    return fingerprint if in_colour else _drawing.luminance(fingerprint)


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
        self.scale_ = _drawing.symmetric_scale(beyond, percentile)
        self._start(ax, 4.9, 4.2, layout="compressed")
        self.im_ = self._draw_signed(values, self.scale_, cmap, extent=_extent(values.shape))
        if colorbar:
            _drawing.add_colorbar(self.im_, "autocorrelation", extend="both")
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
