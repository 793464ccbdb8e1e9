"""The pictures of the demo, as PNG files in memory."""

import io
import re
from dataclasses import dataclass
from typing import Any

from sklearn_ganprint.experiments import AttributionResult

_DPI = 110


@dataclass(frozen=True)
class Figures:
    """PNG files by name, and which of them shows the fingerprint of which source."""

    files: dict[str, bytes]
    fingerprints: dict[str, str]


def draw_figures(result: AttributionResult) -> Figures:
    """Draw the fingerprint of each source, the ROC curves and the confusion matrix."""
    fingerprints = {str(label): f"fingerprint-{_slug(label)}.png" for label in result.classes}
    files = {fingerprints[str(each)]: _fingerprint(result, each) for each in result.classes}
    files["roc.png"] = _roc_curves(result)
    files["confusion.png"] = _confusion(result)
    return Figures(files, fingerprints)


def _slug(label: Any) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", str(label))


def _new_figure(width: float, height: float, constrained: bool = True) -> Any:
    # Not pyplot's: its figures belong to the whole process, and may open windows.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained" if constrained else None)


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    # Without the version of matplotlib in it, equal pictures are equal files.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _fingerprint(result: AttributionResult, label: Any) -> bytes:
    from sklearn_ganprint.plotting import FingerprintDisplay

    # A fixed frame: else each picture's size would follow from the labels of its colour bar.
    figure = _new_figure(4.6, 4.0, constrained=False)
    ax = figure.subplots(gridspec_kw={"left": 0.02, "right": 0.92, "bottom": 0.03, "top": 0.92})
    FingerprintDisplay.from_estimator(result.estimator, label, ax=ax)
    return _png(figure)


def _roc_curves(result: AttributionResult) -> bytes:
    from sklearn.metrics import RocCurveDisplay

    figure = _new_figure(6.4, 6.2)
    ax = figure.subplots()
    for column, label in enumerate(result.classes):
        RocCurveDisplay.from_predictions(
            result.y_test == label,
            result.scores[:, column],
            name=str(label),
            ax=ax,
            # More sources than colours: the line style tells those of one colour apart.
            curve_kwargs={"linestyle": ("-", "--", ":")[column // 10 % 3]},
            plot_chance_level=column == len(result.classes) - 1,
        )
    ax.set(
        xlabel="share of other sources' images accepted",
        ylabel="share of the source's own images accepted",
        title="Each source against all others",
    )
    ax.legend(loc="lower right", fontsize="small")
    return _png(figure)


def _confusion(result: AttributionResult) -> bytes:
    from sklearn.metrics import ConfusionMatrixDisplay

    side = 4.2 + 0.4 * len(result.classes)
    figure = _new_figure(side, side)
    display = ConfusionMatrixDisplay.from_predictions(
        result.y_test,
        result.y_pred,
        labels=result.classes,
        normalize="true",
        values_format=".0%",
        cmap="Blues",
        xticks_rotation=45,
        colorbar=False,
        im_kw={"vmin": 0, "vmax": 1},
        ax=figure.subplots(),
    )
    display.ax_.set(xlabel="attributed to", ylabel="made by", title="Where each source's images go")
    for tick in display.ax_.get_xticklabels():
        tick.set(ha="right", rotation_mode="anchor")
    return _png(figure)
