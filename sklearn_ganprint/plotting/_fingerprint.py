"""A fingerprint as a picture."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint._images import LUMINANCE_WEIGHTS, as_image_shape
from sklearn_ganprint.plotting._drawing import (
    check_percentile,
    draw_signed,
    new_axes,
    symmetric_scale,
    write_title,
)

_CHANNELS = ("luminance", "rgb")


class FingerprintDisplay:
    """The fingerprint of a source, drawn with signed values.

    Use :meth:`from_estimator` or :meth:`from_fingerprint` to make one.

    Parameters
    ----------
    fingerprint : ndarray of shape (H, W) or (H, W, C)
        Mean residual of the source in 8-bit grey levels, with C in {1, 3}.

    name : str, default=None
        Name of the source, used as title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the fingerprint.

    figure_ : matplotlib Figure
        Figure that holds them.

    im_ : matplotlib AxesImage
        The picture.

    scale_ : float
        Absolute value, in grey levels, at which the colours end.

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

    def __init__(self, fingerprint: np.ndarray, *, name: str | None = None) -> None:
        self.fingerprint = fingerprint
        self.name = name

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
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        name : str, default=None
            Title; None takes the name of the display.

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
        check_plot_params(channels, percentile, scale)
        values = shown_values(self.fingerprint, channels)
        self.scale_ = symmetric_scale(values, percentile) if scale is None else float(scale)
        self.ax_ = new_axes() if ax is None else ax
        self.figure_ = self.ax_.figure
        if values.ndim == 3:
            self._draw_colours(values)
        else:
            self._draw_values(values, cmap, colorbar)
        self.ax_.set(xticks=[], yticks=[])
        write_title(self.ax_, self.name if name is None else name)
        return self

    def _draw_values(self, values: np.ndarray, cmap: str, colorbar: bool) -> None:
        self.im_ = draw_signed(self.ax_, values, self.scale_, cmap)
        if colorbar:
            bar = self.figure_.colorbar(self.im_, ax=self.ax_, extend="both", shrink=0.85)
            bar.set_label("grey levels")

    def _draw_colours(self, values: np.ndarray) -> None:
        self.im_ = self.ax_.imshow(np.clip(values / (2 * self.scale_) + 0.5, 0, 1))
        self.ax_.set_xlabel(f"grey is 0, colours end at ±{self.scale_:.2g} grey levels")

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
            :class:`FileBatchClassifier` over either.

        label : str or other class label
            The class, one of ``classes_``.

        image_shape : tuple of int, default=None
            ``(H, W)`` or ``(H, W, C)`` of the residuals. None takes it from the pipeline, or
            from the classifier if it was fitted on images rather than rows.

        name : str, default=None
            Title; None takes the label.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_params : dict
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

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_params : dict
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
        fingerprint = check_fingerprint(fingerprint, "fingerprint")
        return cls(fingerprint, name=name).plot(ax, **plot_params)


def _find_fingerprint(estimator: Any, label: Any) -> tuple[np.ndarray, tuple[int, ...] | None]:
    """Return the fingerprint of a class as a row, and its shape if that is known."""
    check_is_fitted(estimator)
    estimator = getattr(estimator, "estimator_", estimator)
    steps = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else []
    classifier = steps[-1] if steps else estimator
    if not hasattr(classifier, "fingerprints_"):
        raise TypeError(
            f"Expected a FingerprintClassifier, a pipeline that ends with one, or a "
            f"FileBatchClassifier over either; got {type(classifier).__name__}."
        )
    found = np.flatnonzero(classifier.classes_ == label)
    if len(found) != 1:
        raise ValueError(
            f"label: expected one of the classes {classifier.classes_.tolist()}, got {label!r}."
        )
    shapes = [step.residual_shape_ for step in steps if hasattr(step, "residual_shape_")]
    shape = classifier.image_shape_ or (shapes[-1] if shapes else None)
    return classifier.fingerprints_[found[0]], shape


def check_fingerprint(fingerprint: Any, name: str) -> np.ndarray:
    """Return `fingerprint` as an array if it has the shape of an image."""
    fingerprint = np.asarray(fingerprint)
    if fingerprint.ndim not in (2, 3) or fingerprint.shape[2:] not in ((), (1,), (3,)):
        raise ValueError(
            f"{name}: expected shape (H, W) or (H, W, C) with C in {{1, 3}}, got "
            f"{fingerprint.shape}."
        )
    return fingerprint


def shown_values(fingerprint: np.ndarray, channels: str) -> np.ndarray:
    """Return what a picture shows: one channel, or three for a picture in colour."""
    if fingerprint.ndim == 2:
        return fingerprint
    if fingerprint.shape[2] == 1:
        return fingerprint[..., 0]
    return fingerprint if channels == "rgb" else fingerprint @ np.asarray(LUMINANCE_WEIGHTS)


def check_plot_params(channels: str, percentile: float, scale: float | None = None) -> None:
    """Raise unless the parameters of a picture are valid."""
    if channels not in _CHANNELS:
        raise ValueError(f"channels: expected one of {_CHANNELS}, got {channels!r}.")
    check_percentile(percentile)
    if scale is not None and not 0 < scale < np.inf:
        raise ValueError(f"scale: expected None or a finite number above 0, got {scale!r}.")
