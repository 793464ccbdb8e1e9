"""What the displays share: axes, colours, scales, and names that are not formulas."""

from typing import Any

import numpy as np

from sklearn_ganprint._images import LUMINANCE_WEIGHTS
from sklearn_ganprint._output import printable

#: The colours of Okabe and Ito, which colour-blind readers can tell apart, the dark ones first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")

#: Behind pictures: a value that is missing must not look like 0, which is white.
_MISSING = "0.75"


class Display:
    """Base of displays, which are data that :meth:`plot` draws in one pair of axes."""

    name: str | None
    ax_: Any
    figure_: Any

    def _start(self, ax: Any, *size: float, **params: Any) -> None:
        """Draw in the given axes, or in those of a new figure."""
        self.ax_ = new_axes(*size, **params) if ax is None else ax
        self.figure_ = self.ax_.figure

    def _draw_signed(self, values: np.ndarray, scale: float, cmap: Any, **params: Any) -> Any:
        """Draw an array in colours from ``-scale`` to ``scale``; what is missing is grey."""
        self.ax_.set_facecolor(_MISSING)
        limits = {} if "norm" in params else {"vmin": -scale, "vmax": scale}
        return self.ax_.imshow(values, cmap=cmap, **limits, **params)

    def _write_title(self, title: str | None) -> None:
        """Set the title, which is the name of the display unless another one is given."""
        title = self.name if title is None else title
        if title is not None:
            # Names come from folders; a dollar sign in one does not begin a formula.
            self.ax_.set_title(printable(title), parse_math=False)


def new_axes(width: float | None = None, height: float | None = None, **params: Any) -> Any:
    """Return axes of a new figure of pyplot, of the given size in inches or of the usual one."""
    import matplotlib.pyplot as plt

    if width is None:
        return plt.subplots()[1]
    params = {"layout": "constrained"} | params
    return plt.subplots(figsize=(width, height), **params)[1]


def write_legend(ax: Any, **params: Any) -> None:
    """Add the legend, with all names as they are."""
    for text in ax.legend(**params).get_texts():
        text.set_parse_math(False)
        text.set_text(printable(text.get_text()))


def add_colorbar(image: Any, label: str, **params: Any) -> Any:
    """Draw the scale of a picture beside its axes, with what its values are."""
    params = {"ax": image.axes, "shrink": 0.85} | params
    bar = image.axes.figure.colorbar(image, **params)
    bar.ax.set_ylabel(printable(label), parse_math=False)
    return bar


def check_scale(percentile: float, scale: float | None) -> None:
    """Raise unless `percentile` is in (0, 100], and `scale` None or a finite number above 0."""
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile: expected a number in (0, 100], got {percentile!r}.")
    if scale is not None and not 0 < scale < np.inf:
        raise ValueError(f"scale: expected None or a finite number above 0, got {scale!r}.")


def as_picture(name: str, image: Any) -> np.ndarray:
    """Return `image` as an array if it has the shape of one image."""
    image = np.asarray(image)
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)):
        raise ValueError(
            f"{name}: expected one image of shape (H, W) or (H, W, C) with C in {{1, 3}}, got "
            f"{image.shape}."
        )
    return image


def luminance(image: np.ndarray) -> np.ndarray:
    """Return the one channel of a picture, or the weighted mean of its three."""
    if image.ndim == 2:
        return image
    return image[..., 0] if image.shape[2] == 1 else image @ np.asarray(LUMINANCE_WEIGHTS)


def symmetric_scale(values: Any, percentile: float = 100.0, scale: float | None = None) -> float:
    """Return where colours end: at `scale`, or at a percentile of the finite absolute values."""
    check_scale(percentile, scale)
    if scale is not None:
        return float(scale)
    absolute = np.abs(values)
    absolute = absolute[np.isfinite(absolute)]
    # Zeros alone, or nothing at all, have no scale: any will do.
    return float(np.percentile(absolute, percentile)) or 1.0 if absolute.size else 1.0


def ink_on(image: Any, value: float) -> str:
    """Return black or white, whichever can be read on the colour that an image gives a value."""
    if not np.isfinite(value):
        return "black"
    red, green, blue = image.cmap(image.norm(value))[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
