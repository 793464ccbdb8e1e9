"""What the displays share: axes, colours, scales, and names that are not formulas."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_ganprint._text import printable

#: The colours of Okabe and Ito, which colour-blind readers can tell apart, the dark ones first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
#: More curves than colours, or print without colour: these tell them apart as well.
LINE_STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")

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


def check_percentile(percentile: float) -> None:
    """Raise unless `percentile` is in (0, 100]."""
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile: expected a number in (0, 100], got {percentile!r}.")


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


def write_cells(image: Any, values: np.ndarray, written: Sequence[str], size: float) -> np.ndarray:
    """Write a text into each cell of a matrix that is shown, in letters of a size in points."""
    texts = np.empty(values.shape, dtype=object)
    for ((row, column), value), text in zip(np.ndenumerate(values), written, strict=True):
        texts[row, column] = image.axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            color=ink_on(image, value),
            fontsize=size,
        )
    return texts


def finite_numbers(name: str, values: Any) -> np.ndarray:
    """`values` as a flat float array without those that are missing, of which one must be left."""
    values = np.asarray(values, dtype=np.float64).ravel()
    values = values[np.isfinite(values)]
    if not values.size:
        raise ValueError(f"{name}: expected at least one finite number, got none.")
    return values


def as_points(name: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two rows of equally many numbers, in increasing order of the first."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or not x.size:
        raise ValueError(
            f"{name}: expected two rows of equally many numbers, at least one; got arrays of "
            f"shapes {x.shape} and {y.shape}."
        )
    if not np.isfinite(x).all():
        raise ValueError(f"{name}: expected finite numbers along the x axis, got {x.tolist()}.")
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def check_positive(name: str, values: np.ndarray) -> None:
    """Raise if a value is not above 0, for an axis whose steps double them."""
    if values.min() <= 0:
        raise ValueError(
            f"{name}: an axis of doublings needs numbers above 0, got {values.min():g}."
        )


def double_scale(ax: Any, values: np.ndarray) -> None:
    """Let each step along the x axis double the value, with ticks at the values themselves."""
    values = np.unique(values)
    ticks = [values[0]]
    for value in values[1:]:
        if value >= ticks[-1] * 1.4:  # closer labels would run into each other
            ticks.append(value)
    ax.set_xscale("log", base=2)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)
