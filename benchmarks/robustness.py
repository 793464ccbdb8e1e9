"""Accuracy on perturbed images of fits with and without perturbed copies, over seeds.

Usage: python benchmarks/robustness.py [DIR ...] [--size 192] [--seeds 5] [--json FILE]

The bundled samples, then each DIR, which has a folder per source. Images are perturbed whole and
cut to `size` at the top left where they are larger (samples: 96). Half of each class is fitted on,
the other half tested; nothing is chosen on the test half. Features of each version of an image are
computed once and serve all seeds and fits. Prints means over the seeds; the JSON file has standard
deviations too.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import Bunch

from sklearn_ganprint import AugmentedClassifier, ResidualTransformer
from sklearn_ganprint.augmentation import DEFAULT_PERTURBATIONS, merge_subclass_scores
from sklearn_ganprint.datasets import ImageReader, load_image_folder, load_samples
from sklearn_ganprint.denoisers import GaussianDenoiser, WaveletDenoiser
from sklearn_ganprint.features import AutocorrelationTransformer

#: Ten versions, with the images as they are.
TEN = (
    *("jpeg 95", "jpeg 85", "jpeg 75", "jpeg 60", "resize 0.75", "resize 1.25"),
    *("blur 0.5", "blur 1", "noise 2"),
)
#: In no fit: neither the factors nor the qualities of what is resized and compressed.
UNSEEN = (
    *("jpeg 90", "jpeg 80", "blur 0.75", "noise 4"),
    *(f"resize {scale}" for scale in (0.85, 0.95, 1.05, 1.15, 1.3)),
    *((f"resize {scale}", f"jpeg {q}") for scale in (0.85, 0.95, 1.15, 1.3) for q in (90, 75)),
)
VERSIONS = tuple(dict.fromkeys((*TEN, *DEFAULT_PERTURBATIONS, *UNSEEN)))
GROUPS = {
    **{each: [each] for each in ("original", "jpeg 95", "jpeg 85", "jpeg 75", "jpeg 60")},
    **{each: [each] for each in ("resize 0.75", "resize 1.25", "blur 0.5", "blur 1", "noise 2")},
    "jpeg, unseen": ["jpeg 90", "jpeg 80"],
    "blur and noise, unseen": ["blur 0.75", "noise 4"],
    "resize, unseen": [each for each in UNSEEN if str(each).startswith("resize")],
    "resize 0.85, unseen": ["resize 0.85"],
    "resize then jpeg, unseen": [each for each in UNSEEN if isinstance(each, tuple)],
}
#: Residuals of three kinds, and the colours in which their features are taken.
DENOISERS = (WaveletDenoiser(), WaveletDenoiser(sigma=2.0), GaussianDenoiser(0.7))
YCBCR = np.array([[0.299, -0.169, 0.5], [0.587, -0.331, -0.419], [0.114, 0.5, -0.081]], np.float32)
#: Number of features of the first residual in RGB, up to a lag of 8.
N_FIRST = 1302


class Fit(NamedTuple):
    """What is compared."""

    perturbations: tuple[Any, ...]
    subclasses: bool = False
    n_features: int | None = None


FITS = {
    "original": Fit(()),
    "ten": Fit(TEN, subclasses=True, n_features=N_FIRST),
    "default, one residual": Fit(DEFAULT_PERTURBATIONS, subclasses=True, n_features=N_FIRST),
    "default, one class": Fit(DEFAULT_PERTURBATIONS),
    "default": Fit(DEFAULT_PERTURBATIONS, subclasses=True),
}
TEMPERATURES = (0.0, 1.0, 4.0, 8.0, 16.0)


def at_most(images: np.ndarray, size: int) -> np.ndarray:
    """Cut larger images at the top left."""
    return images[:, :size, :size]


def second_order(images: np.ndarray) -> np.ndarray:
    """Correlations of three residuals: in RGB up to lag 8 for the first, else up to lag 3."""
    near, far = AutocorrelationTransformer(3), AutocorrelationTransformer(8)
    parts = []
    for position, denoiser in enumerate(DENOISERS):
        residuals = ResidualTransformer(denoiser, channels="rgb", flatten=False).transform(images)
        parts.append((near if position else far).transform(residuals))
        parts.append(near.transform(residuals @ YCBCR))
    return np.hstack(parts)


def pipeline(size: int) -> Pipeline:
    """Second-order features and LDA with one pooled covariance."""
    return make_pipeline(
        FunctionTransformer(at_most, kw_args={"size": size}),
        FunctionTransformer(second_order),
        StandardScaler(),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.003),
    )


def splits(y: np.ndarray, n_seeds: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Random halves of each class."""
    for seed in range(n_seeds):
        yield next(StratifiedShuffleSplit(1, test_size=0.5, random_state=seed).split(y, y))


def fit_classifier(fit: Fit, features: np.ndarray, y: np.ndarray, size: int) -> AugmentedClassifier:
    """Fit on the features of the versions that a fit has."""
    columns = [0, *(1 + VERSIONS.index(each) for each in fit.perturbations)]
    clf = AugmentedClassifier(pipeline(size), fit.perturbations, subclasses=fit.subclasses)
    return clf.fit_versions(features[:, columns, : fit.n_features], y)


def scores_of(clf: AugmentedClassifier, features: np.ndarray) -> np.ndarray:
    """Scores (n, n_classes, n_subclasses) from the features of images."""
    scores = clf.estimator_[2:].decision_function(features)
    return scores.reshape(len(features), len(clf.classes_), -1)


def measure(features: np.ndarray, y: np.ndarray, size: int, n_seeds: int) -> dict[str, Any]:
    """Accuracy of each fit, of shape (n_seeds, n_versions)."""
    found: dict[str, list[list[float]]] = {}
    for fitted, test in splits(y, n_seeds):
        for name, fit in FITS.items():
            clf = fit_classifier(fit, features[fitted], y[fitted], size)
            scores = [
                scores_of(clf, features[test, version, : fit.n_features])
                for version in range(features.shape[1])
            ]
            for temperature in TEMPERATURES if fit.subclasses else (1.0,):
                codes = [merge_subclass_scores(each, temperature).argmax(1) for each in scores]
                column = f"{name}, T = {temperature:g}" if fit.subclasses else name
                row = [accuracy_score(y[test], clf.classes_[each]) for each in codes]
                found.setdefault(column, []).append(row)
    return {name: np.array(rows) for name, rows in found.items()}


def report(name: str, data: Bunch, size: int, n_seeds: int) -> dict[str, Any]:
    """Print a table for one set of images, and return accuracies by fit and version."""
    features = AugmentedClassifier(pipeline(size), VERSIONS).transform_versions(data.data)
    found = measure(features, data.target, size, n_seeds)
    order = ["original", *VERSIONS]
    n_classes = len(data.target_names)
    print(
        f"\n{name}: {len(data.target)} images of {n_classes} sources, cut to {size} px; chance "
        f"{1 / n_classes:.3f}\n"
    )
    print("| tested on | " + " | ".join(found) + " |")
    print("|---" * (1 + len(found)) + "|")
    for group, members in GROUPS.items():
        own = [order.index(member) for member in members]
        cells = [f"{rows[:, own].mean():.3f}" for rows in found.values()]
        print(f"| {group} | " + " | ".join(cells) + " |", flush=True)
    texts = [each if isinstance(each, str) else ", ".join(each) for each in order]
    return {
        column: {
            text: {"mean": float(mean), "std": float(std)}
            for text, mean, std in zip(texts, rows.mean(axis=0), rows.std(axis=0), strict=True)
        }
        for column, rows in found.items()
    }


def main() -> None:
    """Measure the bundled samples, then each folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", metavar="DIR", nargs="*")
    parser.add_argument("--crop", type=int, default=256, help="what is read of each image")
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {"bundled samples": report("bundled samples", load_samples(), 96, options.seeds)}
    for directory in options.directories:
        data = load_image_folder(directory, reader=ImageReader(options.crop))
        results[directory] = report(directory, data, options.size, options.seeds)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
