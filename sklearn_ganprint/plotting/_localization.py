"""Where in an image the trace of the claimed source is missing."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from sklearn_ganprint.localization import localize_images
from sklearn_ganprint.plotting import _drawing
from sklearn_ganprint.plotting._drawing import Display

__all__ = ["LocalizationDisplay"]

#: What the image becomes under the map: its contrast, and its darkest grey level of 1.
_CONTRAST, _DARKEST = 0.75, 0.25


@dataclass(eq=False, repr=False)
class LocalizationDisplay(Display):
    """A localization map over the image that it is of, with the regions outlined.

    Use :meth:`from_estimator` or :meth:`from_map` to make one.

    Parameters
    ----------
    values : ndarray of shape (H, W)
        The map: greater is less likely from the claimed source, NaN where nothing can be said.
    image : ndarray of shape (H, W) or (H, W, C), default=None
        The image, shown in grey below the map.
    mask : ndarray of bool, shape (H, W), default=None
        The regions, which are outlined.
    claimed : str, default=None
        The claimed source, for the colour bar.
    name : str, default=None
        Title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        Axes with the picture, and the figure that holds them.
    im_ : matplotlib AxesImage
        The map in colours.
    image_ : matplotlib AxesImage or None
        The image below it.
    missing_ : matplotlib QuadContourSet or None
        Hatching where the map is not a number.
    outline_ : matplotlib QuadContourSet or None
        Outline of the regions.
    colorbar_ : matplotlib Colorbar or None
        The colour bar.
    scale_ : float
        Absolute value at which the colours end.

    See Also
    --------
    sklearn_ganprint.localization.FingerprintLocalizer : Makes the maps.

    Notes
    -----
    Colours are symmetric about 0, where the claimed source and the best other one are as likely.
    They end at a percentile of the absolute values: a few extreme windows would leave the rest
    pale. Flat and saturated areas are hatched, so that they do not look like an answer.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.plotting import LocalizationDisplay
    >>> values = np.full((32, 32), -2.0)
    >>> values[8:16, 8:16], values[20:, 20:] = 5, np.nan
    >>> display = LocalizationDisplay.from_map(values, mask=values > 3, claimed="camera")
    >>> display.scale_
    5.0
    """

    values: np.ndarray
    _: KW_ONLY
    image: np.ndarray | None = None
    mask: np.ndarray | None = None
    claimed: str | None = None
    name: str | None = None

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        percentile: float = 99.5,
        scale: float | None = None,
        alpha: float = 0.5,
        cmap: str = "RdBu_r",
        colorbar: bool = True,
    ) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax, name : matplotlib Axes, str, default=None
            Where to draw, and the title; None makes a new figure, and takes the display's name.
        percentile : float, default=99.5
            The colours end at this percentile of the absolute values, in (0, 100].
        scale : float, default=None
            The colours end at this value instead, so that pictures can share a scale.
        alpha : float, default=0.5
            How much of the image the map hides, in [0, 1]; without an image it is opaque.
        cmap : str or matplotlib Colormap, default="RdBu_r"
            Colours from negative, the claimed source, to positive, another one.
        colorbar : bool, default=True
            Whether to draw the scale beside the picture.

        Returns
        -------
        LocalizationDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `percentile`, `scale` or `alpha` is not valid.
        """
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha: expected a number in [0, 1], got {alpha!r}.")
        self.scale_ = _drawing.symmetric_scale(self.values, percentile, scale)
        self._start(ax)
        self.image_ = self._draw_image()
        values, alpha = np.ma.masked_invalid(self.values), 1 if self.image is None else alpha
        self.im_ = self._draw_signed(values, self.scale_, cmap, alpha=alpha)
        self._draw_regions()
        self.colorbar_ = None
        if colorbar:
            source = "the claimed source" if self.claimed is None else self.claimed
            self.colorbar_ = _drawing.add_colorbar(
                self.im_, f"evidence against {source}", extend="both"
            )
        self.ax_.set(xticks=[], yticks=[])
        self._write_title(name)
        return self

    def _draw_image(self) -> Any:
        if self.image is None:
            return None
        grey = _drawing.luminance(self.image.astype(np.float64))
        grey = (grey - grey.min()) / (np.ptp(grey) or 1)
        # Pale, so that the colours of the map can be told on dark parts as well.
        return self.ax_.imshow(_DARKEST + _CONTRAST * grey, cmap="gray", vmin=0, vmax=1)

    def _draw_regions(self) -> None:
        self.missing_ = self.outline_ = None
        missing = ~np.isfinite(self.values)
        if missing.any():
            style: dict[str, Any] = {"levels": [0.5, 1.5], "colors": "none", "hatches": ["xxx"]}
            self.missing_ = _contour(self.ax_.contourf, missing, **style)
        if self.mask is not None and self.mask.any():
            style = {"levels": [0.5], "colors": "black", "linewidths": 1.5}
            self.outline_ = _contour(self.ax_.contour, self.mask, **style)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        image: Any,
        claimed: Any = None,
        *,
        name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw what a fitted pipeline says of an image.

        Parameters
        ----------
        estimator : estimator
            A fitted pipeline that ends with a
            :class:`~sklearn_ganprint.localization.FingerprintLocalizer`, or a
            :class:`~sklearn_ganprint.FileBatchEstimator` over one.
        image : array-like of shape (H, W) or (H, W, C)
            One image, of any size.
        claimed : label, default=None
            The claimed source. None is the most likely source of the whole image.
        name : str, default=None
            Title.
        ax, **plot_params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        LocalizationDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator does not end with a localizer.
        ValueError
            If the claimed source is not one of those fitted on, or `image` is not one image.
        """
        image = _drawing.as_picture("image", image)
        (values,), (mask,), (label,) = localize_images(estimator, image[np.newaxis], claimed)
        display = cls(values, image=image, mask=mask, claimed=str(label), name=name)
        return display.plot(ax, **plot_params)

    @classmethod
    def from_map(
        cls,
        values: Any,
        *,
        image: Any = None,
        mask: Any = None,
        claimed: str | None = None,
        name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw a map given as an array.

        Parameters
        ----------
        values : array-like of shape (H, W)
            The map; NaN where nothing can be said.
        image, mask, claimed, name : array-like, array-like of bool, str, str, default=None
            As in :class:`LocalizationDisplay`.
        ax, **plot_params : matplotlib Axes or None, dict
            Passed to :meth:`plot`.

        Returns
        -------
        LocalizationDisplay
            The display.

        Raises
        ------
        ValueError
            If the map is not of two dimensions, or the others are of another size.
        """
        values = np.asarray(values, dtype=np.float64)
        if values.ndim != 2 or not values.size:
            raise ValueError(f"values: expected shape (H, W), got {values.shape}.")
        image = None if image is None else _drawing.as_picture("image", image)
        mask = None if mask is None else np.asarray(mask, dtype=bool)
        for key, given in [("image", image), ("mask", mask)]:
            if given is not None and given.shape[:2] != values.shape:
                raise ValueError(
                    f"{key}: expected the size of the map, {values.shape}, got {given.shape[:2]}."
                )
        display = cls(values, image=image, mask=mask, claimed=claimed, name=name)
        return display.plot(ax, **plot_params)


def _contour(draw: Any, area: np.ndarray, **params: Any) -> Any:
    # With a frame around it: an area of one row has no contour, one at the border no end.
    framed = np.pad(area.astype(np.float64), 1)
    rows, columns = (np.clip(np.arange(-1, n + 1), -0.5, n - 0.5) for n in area.shape)
    return draw(columns, rows, framed, **params)
