"""Fingerprints of one source from more and more images, side by side."""

from typing import Any, Self

import numpy as np

from sklearn_ganprint._text import printable
from sklearn_ganprint.plotting._drawing import new_axes, symmetric_scale
from sklearn_ganprint.plotting._fingerprint import (
    FingerprintDisplay,
    check_fingerprint,
    check_plot_params,
    shown_values,
)

_SCALES = ("each", "common")


class FingerprintSeriesDisplay:
    """How the fingerprint of a source emerges as residuals are added: a row of pictures.

    Use :meth:`from_fingerprints` to make one.

    Parameters
    ----------
    fingerprints : list of ndarray of shape (H, W) or (H, W, C)
        Mean residuals of the source in 8-bit grey levels, with C in {1, 3}.

    n_images : list of int
        How many residuals each is the mean of.

    name : str, default=None
        Name of the source, written before the row.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (n_fingerprints,)
        Axes with the fingerprints.

    figure_ : matplotlib Figure
        Figure that holds them.

    displays_ : list of FingerprintDisplay
        The pictures.

    scales_ : list of float
        Absolute value, in grey levels, at which the colours of each picture end.

    colorbar_ : matplotlib Colorbar or None
        The colour bar of the row; None if there is none.

    See Also
    --------
    FingerprintDisplay : Draws one fingerprint.

    Notes
    -----
    The row is Fig. 2 of [1]_, whose fingerprints are "suitably amplified". On one common scale the
    first pictures are strong and the last pale, as the noise in a mean of N residuals has 1/N of
    the energy: that shows how much is averaged away. On scales of their own the pictures are
    equally strong, which shows the patterns, and where the colours end is written below each.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.plotting import FingerprintSeriesDisplay
    >>> residuals = np.random.default_rng(0).normal(size=(32, 16, 16))
    >>> means = [residuals[:n].mean(axis=0) for n in (2, 8, 32)]
    >>> display = FingerprintSeriesDisplay.from_fingerprints(means, [2, 8, 32])
    >>> [ax.get_title() for ax in display.axes_]
    ['N = 2', 'N = 8', 'N = 32']
    """

    def __init__(
        self, fingerprints: list[np.ndarray], n_images: list[int], *, name: str | None = None
    ) -> None:
        self.fingerprints = fingerprints
        self.n_images = n_images
        self.name = name

    def plot(
        self,
        axes: Any = None,
        *,
        name: str | None = None,
        scale: str | float = "each",
        channels: str = "luminance",
        percentile: float = 99.5,
        cmap: str = "RdBu_r",
        colorbar: bool = True,
    ) -> Self:
        """Draw the fingerprints.

        Parameters
        ----------
        axes : array-like of matplotlib Axes, default=None
            Where to draw, one for each fingerprint; None makes a new figure with a row of them.

        name : str, default=None
            Name before the row; None takes the name of the display.

        scale : {"each", "common"} or float, default="each"
            Where the colours end: for each fingerprint at its own `percentile`, for all at the
            `percentile` of all their values, or for all at this many grey levels.

        channels : {"luminance", "rgb"}, default="luminance"
            How fingerprints of three channels are shown, as by :class:`FingerprintDisplay`.

        percentile : float, default=99.5
            Percentile of the absolute values, in (0, 100].

        cmap : str or matplotlib Colormap, default="RdBu_r"
            Colours from negative to positive, neutral in the middle.

        colorbar : bool, default=True
            Whether to draw the scale beside a row that has one scale and one channel.

        Returns
        -------
        FingerprintSeriesDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `scale` or another parameter is not valid, or there are not as many axes as
            fingerprints.
        """
        common = self._common_scale(scale, channels, percentile)
        check_plot_params(channels, percentile, common)
        self.displays_ = [
            FingerprintDisplay(each, name=f"N = {n}")
            for each, n in zip(self.fingerprints, self.n_images, strict=True)
        ]
        in_colour = shown_values(self.fingerprints[0], channels).ndim == 3
        colorbar = colorbar and common is not None and not in_colour
        self.axes_ = self._new_axes(colorbar) if axes is None else self._check_axes(axes)
        self.figure_ = self.axes_[0].figure
        for ax, display in zip(self.axes_, self.displays_, strict=True):
            display.plot(
                ax,
                channels=channels,
                percentile=percentile,
                scale=common,
                cmap=cmap,
                colorbar=False,
            )
        self.scales_ = [display.scale_ for display in self.displays_]
        self._write_scales(colorbar)
        name = self.name if name is None else name
        if name is not None:
            self.axes_[0].set_ylabel(printable(name), parse_math=False)
        return self

    def _common_scale(self, scale: str | float, channels: str, percentile: float) -> float | None:
        if scale == "each":
            return None
        if scale == "common":
            check_plot_params(channels, percentile)
            values = [shown_values(each, channels).ravel() for each in self.fingerprints]
            return symmetric_scale(np.concatenate(values), percentile)
        if isinstance(scale, str):
            raise ValueError(f"scale: expected one of {_SCALES} or a number, got {scale!r}.")
        return scale

    def _new_axes(self, colorbar: bool) -> np.ndarray:
        n = len(self.fingerprints)
        height, width = self.fingerprints[0].shape[:2]
        # Pictures of 2 inches, with room for what is written around them.
        size = (2 * n + (1.4 if colorbar else 0.35), 2 * height / width + 0.65)
        axes: np.ndarray = new_axes(*size, ncols=n, squeeze=False, layout="compressed")
        return axes[0]

    def _check_axes(self, axes: Any) -> np.ndarray:
        n = len(self.fingerprints)
        axes = np.asarray(axes, dtype=object).ravel()
        if len(axes) != n:
            raise ValueError(f"axes: expected {n}, one for each fingerprint, got {len(axes)}.")
        return axes

    def _write_scales(self, colorbar: bool) -> None:
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(
                self.displays_[-1].im_, ax=list(self.axes_), extend="both", shrink=0.8, pad=0.02
            )
            self.colorbar_.set_label("grey levels")
        for ax, scale in zip(self.axes_, self.scales_, strict=True):
            ax.set_xlabel("" if colorbar else f"±{scale:.2g} grey levels")

    @classmethod
    def from_fingerprints(
        cls,
        fingerprints: Any,
        n_images: Any,
        name: str | None = None,
        *,
        axes: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw fingerprints given as arrays.

        Parameters
        ----------
        fingerprints : sequence of array-like of shape (H, W) or (H, W, C)
            Mean residuals of one source in 8-bit grey levels, with C in {1, 3}.

        n_images : sequence of int
            How many residuals each is the mean of.

        name : str, default=None
            Name of the source.

        axes : array-like of matplotlib Axes, default=None
            Where to draw, one for each fingerprint; None makes a new figure.

        **plot_params : dict
            Passed to :meth:`plot`.

        Returns
        -------
        FingerprintSeriesDisplay
            The display.

        Raises
        ------
        ValueError
            If there is no fingerprint, one is not a picture, or `n_images` is of another length.
        """
        arrays = [
            check_fingerprint(each, f"fingerprints[{i}]") for i, each in enumerate(fingerprints)
        ]
        n_images = [int(n) for n in n_images]
        if not arrays or len(arrays) != len(n_images):
            raise ValueError(
                f"Expected at least one fingerprint and as many n_images, got {len(arrays)} "
                f"fingerprints and {len(n_images)} n_images."
            )
        return cls(arrays, n_images, name=name).plot(axes, **plot_params)
