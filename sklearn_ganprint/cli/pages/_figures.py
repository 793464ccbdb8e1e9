"""Pictures on pages: figures as bytes of files, which no window shows, and copies of images."""

import copy
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay

from sklearn_ganprint import plotting
from sklearn_ganprint._output import printable
from sklearn_ganprint.cli._console import MESSAGES
from sklearn_ganprint.cli._images import attempt
from sklearn_ganprint.datasets import ImageReader, ImageReadError
from sklearn_ganprint.experiments import AttributionResult

_DPI = 110

#: Lags of an autocorrelation that are shown.
_MAX_LAG = 32

#: Longer side of a small copy of an image, in pixels.
_THUMBNAIL = 220


def new_figure(width: float, height: float, *, constrained: bool = True) -> Any:
    """Return a figure of a size in inches, with a constrained layout or none."""
    # Not by pyplot, whose figures belong to the whole process and may open windows.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained" if constrained else None)


def png(figure: Any) -> bytes:
    """Write a figure as PNG; equal figures give equal bytes."""
    # Leave out the version of matplotlib.
    return _saved(figure, format="png", metadata={"Software": None})


def svg(figure: Any) -> bytes:
    """Write a figure as SVG; equal figures give equal bytes."""
    import matplotlib as mpl

    # Without a salt the names of parts are random.
    with mpl.rc_context({"svg.hashsalt": "sklearn_ganprint"}):
        return _saved(figure, format="svg", metadata={"Creator": None, "Date": None})


def _saved(figure: Any, **how: Any) -> bytes:
    buffer = io.BytesIO()
    # A constrained layout moves the axes a little at each drawing: a copy gives the same bytes
    # whatever was written before.
    copy.deepcopy(figure).savefig(buffer, **how)
    return buffer.getvalue()


def roc_curves(result: AttributionResult, *, zoom: float = 1) -> Any:
    """Draw the ROC curve of each source against all others, or their upper left corner."""
    figure = new_figure(6.4, 6.2)
    ax = figure.subplots()
    for column, label in enumerate(result.classes):
        RocCurveDisplay.from_predictions(
            result.y_test == label,
            result.scores[:, column],
            name=printable(str(label)),
            ax=ax,
            # More sources than colours: the line style tells those of one colour apart.
            curve_kwargs={"linestyle": ("-", "--", ":")[column // 10 % 3]},
            plot_chance_level=column == len(result.classes) - 1,
        )
    ax.set(
        xlabel="share of other sources' images accepted",
        ylabel="share of the source's own images accepted",
        title="Each source against all others",
        xlim=(-0.01 / zoom, 1.01 / zoom),
        ylim=(1 - 1.01 / zoom, 1 + 0.01 / zoom),
    )
    _take_literally(ax.legend(loc="lower right", fontsize="small").get_texts())
    return figure


def confusion(result: AttributionResult, *, blank_below: float = 0) -> Any:
    """Draw the confusion matrix in shares of each source's images, small ones without number."""
    side = 4.2 + 0.4 * len(result.classes)
    figure = new_figure(side, side)
    display = ConfusionMatrixDisplay.from_predictions(
        result.y_test,
        result.y_pred,
        labels=result.classes,
        display_labels=[printable(str(label)) for label in result.classes],
        normalize="true",
        values_format=".0%",
        cmap="Blues",
        xticks_rotation=45,
        colorbar=False,
        im_kw={"vmin": 0, "vmax": 1},
        ax=figure.subplots(),
    )
    display.ax_.set(xlabel="attributed to", ylabel="made by", title="Where each source's images go")
    for share, text in zip(display.confusion_matrix.flat, display.text_.flat, strict=True):
        text.set_visible(bool(share >= blank_below))
    for tick in display.ax_.get_xticklabels():
        tick.set(ha="right", rotation_mode="anchor")
    _take_literally([*display.ax_.get_xticklabels(), *display.ax_.get_yticklabels()])
    return figure


def fingerprint(values: np.ndarray, name: str) -> Any:
    """Draw a fingerprint of shape (H, W) or (H, W, C)."""
    figure, ax = _framed(values.shape[:2])
    plotting.FingerprintDisplay.from_fingerprint(values, name=name, ax=ax)
    return figure


def class_fingerprint(result: AttributionResult, label: Any) -> Any:
    """Draw the fingerprint of one class of the estimator behind a result."""
    figure, ax = _framed((1, 1))
    plotting.FingerprintDisplay.from_estimator(result.estimator, label, ax=ax)
    return figure


def _framed(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return a figure for a picture of a shape and its colour bar, and the axes in it.

    The frame is fixed: else the labels of the colour bar would change the size of the picture.
    """
    height = min(max(4.0 * shape[0] / shape[1], 2.0), 8.0)
    figure = new_figure(4.6, height, constrained=False)
    frame = {"left": 0.02, "right": 0.92, "bottom": 0.03, "top": 1 - 0.32 / height}
    return figure, figure.subplots(gridspec_kw=frame)


def autocorrelation(values: np.ndarray, name: str) -> Any:
    """Draw the middle of the autocorrelation of a fingerprint, given all its lags."""
    figure = new_figure(5.0, 4.4)
    max_lag = min(_MAX_LAG, *(max(side // 2 - 1, 1) for side in values.shape))
    plotting.AutocorrelationDisplay.from_autocorrelation(
        values, name=name, max_lag=max_lag, ax=figure.subplots()
    )
    return figure


def comparison(found: Any, level: float) -> Any:
    """Draw a ModelComparison; pairs with a p-value up to `level` that are alike are framed."""
    shape, names = found.correlation.shape, (found.first_names, found.second_names)
    cell = 0.55 if max(shape) <= 25 else 0.25
    longest = [0.085 * max(map(len, sources)) for sources in names]
    width = max(cell * shape[1], 1.2) + longest[0] + 1.6
    figure = new_figure(width, max(cell * shape[0], 1.8) + longest[1] + 0.5)
    weak = found.correlation < found.least_correlation
    found = replace(found, p_value=np.where(weak, 1.0, found.p_value))
    plotting.ComparisonMatrixDisplay.from_comparison(found, ax=figure.subplots(), level=level)
    return figure


def _take_literally(texts: Sequence[Any]) -> None:
    """Keep dollar signs in the names of sources from beginning a formula."""
    for text in texts:
        text.set_parse_math(False)


def thumbnail(path: str) -> bytes:
    """Return a small JPEG copy of a whole image; small images keep their size.

    A file that cannot be used (any more) gives a grey square, and a message with the reason.
    """
    pixels = attempt(ImageReader().read_one, path)
    if isinstance(pixels, ImageReadError):
        MESSAGES.say(f"{pixels}; there is no picture of it")
        pixels = np.full((_THUMBNAIL, _THUMBNAIL, 3), 128, np.uint8)
    return small_copy(pixels)


def small_copy(pixels: np.ndarray, side: int = _THUMBNAIL) -> bytes:
    """Return an image of shape (H, W, 3) as JPEG, at most `side` pixels wide and high."""
    # Images of 16 bits come as floats in 8-bit units.
    image = Image.fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _encoded(image, format="JPEG", quality=88)


def mask_file(mask: np.ndarray) -> bytes:
    """Return a mask as PNG, white on black."""
    return _encoded(Image.fromarray(mask.astype(np.uint8) * 255), format="PNG")


def _encoded(image: Image.Image, **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **how)
    return buffer.getvalue()


def spread(files: Sequence[str], most: int) -> list[str]:
    """Return at most `most` files at equal distances, the first included."""
    if len(files) <= most:
        return list(files)
    return [files[index * len(files) // most] for index in range(most)]
