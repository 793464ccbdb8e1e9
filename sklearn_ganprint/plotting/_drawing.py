"""What the displays share: axes, colours, scales, and names that are not formulas."""

from typing import Any

import numpy as np

from sklearn_ganprint._images import LUMINANCE_WEIGHTS
from sklearn_ganprint._output import printable

#: The colours of Okabe and Ito, which colour-blind readers can tell apart, the dark ones first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")

#: Behind pictures: a value that is missing must not look like 0, which is white.
_MISSING = "0.75"


def new_axes(width: float | None = None, height: float | None = None, **params: Any) -> Any:
    """Axes of a new figure of pyplot, of the given size in inches or of the usual one."""
    import matplotlib.pyplot as plt

    if width is None:
        return plt.subplots()[1]
    params = {"layout": "constrained"} | params
    return plt.subplots(figsize=(width, height), **params)[1]


def write_title(ax: Any, title: str | None) -> None:
    """Set the title if there is one."""
    if title is not None:
        # Names come from folders; a dollar sign in one does not begin a formula.
        ax.set_title(printable(title), parse_math=False)


def write_legend(ax: Any, **params: Any) -> Any:
    """Add the legend, with all names as they are."""
    legend = ax.legend(**params)
    for text in legend.get_texts():
        text.set_parse_math(False)
        text.set_text(printable(text.get_text()))
    return legend


def add_colorbar(image: Any, label: str, **params: Any) -> Any:
    """Draw the scale of a picture beside its axes, with what its values are."""
    params = {"ax": image.axes, "shrink": 0.85} | params
    bar = image.axes.figure.colorbar(image, **params)
    bar.ax.set_ylabel(printable(label), parse_math=False)
    return bar


def check_percentile(percentile: float) -> None:
    """Raise unless `percentile` is in (0, 100]."""
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile: expected a number in (0, 100], got {percentile!r}.")


def check_scale(scale: float | None) -> None:
    """Raise unless `scale` is None or a finite number above 0."""
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


def symmetric_scale(values: Any, percentile: float = 100.0) -> float:
    """Where colours symmetric about 0 end: a percentile of the absolute values that are finite."""
    absolute = np.abs(values)
    absolute = absolute[np.isfinite(absolute)]
    # Zeros alone, or nothing at all, have no scale: any will do.
    return float(np.percentile(absolute, percentile)) or 1.0 if absolute.size else 1.0


def draw_signed(ax: Any, values: np.ndarray, scale: float, cmap: Any, **params: Any) -> Any:
    """Show an array in colours from ``-scale`` to ``scale``; what is missing is grey."""
    ax.set_facecolor(_MISSING)
    if "norm" not in params:
        params |= {"vmin": -scale, "vmax": scale}
    return ax.imshow(values, cmap=cmap, **params)


def ink_on(image: Any, value: float) -> str:
    """Black or white, whichever can be read on the colour that an AxesImage gives a value."""
    if not np.isfinite(value):
        return "black"
    red, green, blue = image.cmap(image.norm(value))[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
