"""What the displays share: axes, colours, scales, matrices, and names that are not formulas."""

from typing import Any

import numpy as np

from sklearn_ganprint._images import LUMINANCE_WEIGHTS
from sklearn_ganprint._output import printable

#: The colours of Okabe and Ito, which colour-blind readers can tell apart, the dark ones first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")

#: Behind pictures: a value that is missing must not look like 0, which is white.
_MISSING = "0.75"

#: Letters are at most so large, in points, and about 0.6 of that wide.
LETTER_SIZE, LETTER_WIDTH = 10.0, 0.6

#: Names of the rows and of the columns.
Names = tuple[list[str], list[str]]


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


class MatrixDisplay(Display):
    """A matrix in colours symmetric about 0, with names beside it and values in its cells."""

    #: Cells up to which values are written unless asked for, and how large at most, in points.
    _most_with_values: int
    _largest_value = LETTER_SIZE
    #: Width of what is drawn at the right of the matrix, as a share of that of the matrix.
    _share_beside = 0.0
    #: Absolute value at which colours end if none is greater.
    _least_scale = 0.0
    #: What the values are.
    _label: str

    matrix: np.ndarray

    def _draw(
        self,
        ax: Any,
        names: Names,
        title: str | None,
        values_format: str | None,
        scale: str,
        cmap: Any,
        colorbar: bool,
        upright: bool = False,
    ) -> float:
        """Draw all but frames; return the side of a cell in points, about."""
        self._start(self._new_axes(names, colorbar) if ax is None else ax)
        self._draw_colours(scale, cmap, colorbar)
        points = self._cell_points(names)
        self._write_names(names, points, upright)
        self.text_ = self._write_values(values_format, points) if values_format else None
        self._write_title(title)
        return points

    def _has_values(self, values: bool | None) -> bool:
        return self.matrix.size <= self._most_with_values if values is None else values

    def _new_axes(self, names: Names, colorbar: bool) -> Any:
        cell = 0.6 if self._has_values(None) else 0.3
        height, width = (float(np.clip(cell * n, 1.8, 16)) for n in self.matrix.shape)
        beside, below = (0.085 * max(map(len, words)) for words in names)
        width += self._share_beside * width + beside + (1.3 if colorbar else 0.5)
        return new_axes(width, height + below + 1.0, layout="compressed")

    def _draw_colours(self, scale: str, cmap: Any, colorbar: bool) -> None:
        shown = self.matrix
        if scale == "robust" and len(shown) > 1:
            shown = shown[~np.eye(len(shown), dtype=bool)]
        self.scale_ = max(self._least_scale, symmetric_scale(shown))
        norm = {"norm": _square_root_norm(self.scale_)} if scale == "sqrt" else {}
        self.im_ = self._draw_signed(self.matrix, self.scale_, cmap, **norm)
        if colorbar:
            extend = "both" if symmetric_scale(self.matrix) > self.scale_ else "neither"
            bar = add_colorbar(self.im_, self._label, extend=extend, aspect=25)
            if scale == "sqrt":
                bar.set_ticks(self.scale_ * np.array([-1, -0.5, -0.1, 0, 0.1, 0.5, 1]))
                bar.ax.yaxis.set_major_formatter("{x:.2g}")

    def _cell_points(self, names: Names) -> float:
        """Return the side of a cell in points, about; letters fill a part of it."""
        box = self.ax_.get_window_extent()
        has_layout = self.figure_.get_layout_engine() is not None
        sides = []
        extents = zip((box.height, box.width), self.matrix.shape, names[::-1], strict=True)
        for pixels, n, words in extents:
            side = pixels / self.figure_.dpi * 72
            # A layout will take the room of the names from the matrix: the width of the longest,
            # in letters of 0.8 of a cell, or as large as letters get.
            letters = LETTER_WIDTH * max(map(len, words)) if has_layout else 0
            sides.append(max(side / (n + 0.8 * letters), (side - LETTER_SIZE * letters) / n))
        return float(min(sides))

    def _write_names(self, names: Names, points: float, upright: bool) -> None:
        rows, columns = ([*map(printable, words)] for words in names)
        size = letter_size(0.8 * points)
        upright = upright or LETTER_WIDTH * size * max(map(len, columns)) > 0.85 * points
        style = {"fontsize": size, "parse_math": False}
        self.ax_.set_xticks(range(len(columns)), columns, rotation=90 if upright else 0, **style)
        self.ax_.set_yticks(range(len(rows)), rows, **style)

    def _write_values(self, values_format: str, points: float) -> np.ndarray:
        written = [format(v, values_format) if np.isfinite(v) else "–" for v in self.matrix.flat]
        size = letter_size(
            0.85 * points / (LETTER_WIDTH * max(map(len, written))), self._largest_value
        )
        texts = np.empty(self.matrix.shape, dtype=object)
        for ((row, column), value), text in zip(np.ndenumerate(self.matrix), written, strict=True):
            style = {"ha": "center", "va": "center", "color": ink_on(self.im_, value)}
            texts[row, column] = self.ax_.text(column, row, text, fontsize=size, **style)
        return texts

    def _frame(self, row: int, column: int, length: int, linewidth: float) -> Any:
        """Draw a frame around a square of cells, given its upper left one."""
        from matplotlib.patches import Rectangle

        style: dict[str, Any] = {"fill": False, "edgecolor": "black", "linewidth": linewidth}
        frame = Rectangle((column - 0.5, row - 0.5), length, length, **style)
        frame.set_clip_on(False)  # half of its line may be outside of the matrix
        return self.ax_.add_patch(frame)


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


def letter_size(points: float, largest: float = LETTER_SIZE) -> float:
    return float(np.clip(points, 4.5, largest))


def _square_root_norm(scale: float) -> Any:
    """Return steps of colour as of the square root, alike on both sides of 0."""
    from matplotlib.colors import FuncNorm

    return FuncNorm((_root, _square), vmin=-scale, vmax=scale)


# Functions of the module rather than of the norm: else no figure with it could be pickled.
def _root(values: Any) -> Any:
    return np.sign(values) * np.sqrt(np.abs(values))


def _square(values: Any) -> Any:
    return np.sign(values) * np.square(values)
