"""The pictures of the front page and of the README, from the bundled images.

A build of the documentation makes those of the front page, in ``docs/pictures``. That of the README
has to be in the repository:

    python docs/make_pictures.py docs/_static/overview.png
"""

import io
import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline

from sklearn_ganprint import make_attribution_pipeline, make_localization_pipeline
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.plotting import FingerprintDisplay, LocalizationDisplay

#: The source of pictures of one source, and the side of the corner that is shown of residuals.
SOURCE, CORNER = "esrgan_slim_x4", 64
#: Of the picture in the repository: fewer colours than there are make a smaller file.
N_COLOURS = 128


class Halves(NamedTuple):
    """The bundled images, every other one to fit on, and the paper's method fitted on them."""

    X_fit: np.ndarray
    y_fit: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    pipeline: Pipeline


def fitted_halves() -> Halves:
    """Fit the paper's method on every other image."""
    samples = load_samples()
    X, y = samples.data, samples.target_names[samples.target]
    pipeline = make_attribution_pipeline("fingerprint").set_params(residual__channels="rgb")
    return Halves(X[::2], y[::2], X[1::2], y[1::2], pipeline.fit(X[::2], y[::2]))


def draw_fingerprint(halves: Halves) -> Figure:
    """Draw the fingerprint of one source."""
    _, ax = plt.subplots(figsize=(4.4, 3.6), layout="constrained")
    return FingerprintDisplay.from_estimator(halves.pipeline, SOURCE, ax=ax).figure_


def draw_confusion() -> Figure:
    """Draw where the images of each source go, if none of the same photo was fitted on."""
    samples = load_samples()
    y = samples.target_names[samples.target]
    fusion, folds = make_attribution_pipeline("fusion"), GroupKFold(4)
    y_pred = cross_val_predict(fusion, samples.data, y, groups=samples.groups, cv=folds)
    _, ax = plt.subplots(figsize=(4.4, 3.6), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        *(y, y_pred),
        **{"normalize": "true", "values_format": ".0%", "cmap": "Blues"},
        **{"xticks_rotation": 30, "colorbar": False, "ax": ax, "text_kw": {"fontsize": 7}},
    )
    ax.set(xlabel="", ylabel="made by", title="attributed to")
    ax.tick_params(labelsize=7)
    for label in ax.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    return ax.figure


def draw_map(halves: Halves) -> Figure:
    """Draw where a square from another source was pasted into an image."""
    # Without processed copies: no image here was processed, and it takes half the time.
    localizer = make_localization_pipeline().set_params(localizer__perturbations=None)
    localizer.fit(halves.X_fit, halves.y_fit)
    image = halves.X_test[halves.y_test == SOURCE][0].copy()
    image[40:88, 24:72] = halves.X_test[halves.y_test == "srgan_x4"][5][8:56, 70:118]
    _, ax = plt.subplots(figsize=(4.4, 3.6), layout="constrained")
    name = f"a square that is not by {SOURCE}"
    return LocalizationDisplay.from_estimator(localizer, image, SOURCE, ax=ax, name=name).figure_


def draw_overview(halves: Halves) -> Figure:
    """Draw an image, its residual, all fingerprints, and the correlations with them."""
    shape = (*halves.X_fit.shape[1:3], 3)
    image = halves.X_test[halves.y_test == SOURCE][0]
    residual = halves.pipeline[:-1].transform(image[np.newaxis])[0].reshape(shape)
    fingerprints = halves.pipeline[-1].fingerprints_.reshape(-1, *shape)
    correlations = halves.pipeline[-1].correlate(residual.reshape(1, -1))[0]

    figure = plt.figure(figsize=(9.6, 4.4), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1, 1.25])
    for ax, print_, name in zip(
        above.subplots(1, 6), fingerprints, halves.pipeline.classes_, strict=True
    ):
        show(ax, print_, name.replace("_", "\n", 1))
    above.suptitle(
        "fingerprints (upper left corners): the mean residual of 28 images of each source",
        fontsize=10,
    )
    axes = below.subplots(1, 3, width_ratios=[1, 1, 2.6])
    axes[0].imshow(image)
    axes[0].set_axis_off()
    axes[0].set_title("a new image", fontsize=9)
    show(axes[1], residual, "its residual, same corner")
    colours = ["tab:green" if name == SOURCE else "tab:gray" for name in halves.pipeline.classes_]
    axes[2].barh(halves.pipeline.classes_, correlations, color=colours)
    axes[2].invert_yaxis()
    axes[2].set_title("correlates with the fingerprint of its source", fontsize=9)
    axes[2].tick_params(labelsize=8)
    return figure


def show(ax: plt.Axes, residual: np.ndarray, name: str) -> None:
    """Show the upper left corner of a residual or fingerprint, amplified."""
    corner = residual.mean(axis=-1)[:CORNER, :CORNER]
    scale = np.percentile(np.abs(corner), 98)
    ax.imshow(corner, cmap="RdBu_r", vmin=-scale, vmax=scale, interpolation="nearest")
    ax.set_axis_off()
    ax.set_title(name, fontsize=9)


def make_overview(path: str) -> None:
    """Make the picture of the README."""
    buffer = io.BytesIO()
    draw_overview(fitted_halves()).savefig(buffer, dpi=125)
    image = Image.open(buffer).convert("RGB").quantize(N_COLOURS, dither=Image.Dither.NONE)
    image.save(path, optimize=True)


def make_front_page(folder: Path) -> None:
    """Make the pictures of the front page, unless they are newer than this file."""
    paths = [folder / f"{name}.png" for name in ("fingerprint", "confusion", "map")]
    changed = Path(__file__).stat().st_mtime
    if all(path.exists() and path.stat().st_mtime > changed for path in paths):
        return
    folder.mkdir(exist_ok=True)
    halves = fitted_halves()
    figures = draw_fingerprint(halves), draw_confusion(), draw_map(halves)
    for path, figure in zip(paths, figures, strict=True):
        figure.savefig(path, dpi=150)
        plt.close(figure)


if __name__ == "__main__":
    plt.switch_backend("agg")
    make_overview(sys.argv[1])
