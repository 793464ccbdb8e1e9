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
from typing import Any

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
from sklearn_ganprint.features import AutocorrelationTransformer

#: Ten versions, with the images as they are.
TEN = (
    *("jpeg 95", "jpeg 85", "jpeg 75", "jpeg 60", "resize 0.75", "resize 1.25"),
    *("blur 0.5", "blur 1", "noise 2"),
)
#: In no fit.
UNSEEN = (
    *("jpeg 90", "jpeg 80", "blur 0.75", "noise 4"),
    *(f"resize {scale}" for scale in (0.85, 0.95, 1.05, 1.15, 1.3)),
    *((f"resize {scale}", f"jpeg {q}") for scale in (0.85, 0.95, 1.15, 1.3) for q in (90, 85, 75)),
)
VERSIONS = tuple(dict.fromkeys((*TEN, *DEFAULT_PERTURBATIONS, *UNSEEN)))
#: Name of a fit: perturbations, subclasses, temperature.
FITS: dict[str, tuple[Any, bool, float]] = {
    "originals only": ((), False, 1.0),
    "ten versions, one class": (TEN, False, 1.0),
    "ten versions, T = 8": (TEN, True, 8.0),
    "default, one class": (DEFAULT_PERTURBATIONS, False, 1.0),
    **{f"default, T = {T}": (DEFAULT_PERTURBATIONS, True, float(T)) for T in (0, 4, 8, 16)},
}
GROUPS = {
    "clean": ["original"],
    **{f"jpeg {q}": [f"jpeg {q}"] for q in (95, 85, 75, 60)},
    **{f"resize {scale}": [f"resize {scale}"] for scale in (0.75, 1.25)},
    "blur 1": ["blur 1"],
    "noise 2": ["noise 2"],
    "unseen jpeg": ["jpeg 90", "jpeg 80"],
    "unseen resize": [each for each in UNSEEN if str(each).startswith("resize")],
    "resize 0.85": ["resize 0.85"],
    "unseen resize + jpeg": [each for each in UNSEEN if isinstance(each, tuple)],
}


def pipeline(size: int) -> Pipeline:
    """Second-order features and LDA with one pooled covariance."""
    return make_pipeline(
        FunctionTransformer(at_most, kw_args={"size": size}),
        ResidualTransformer(channels="rgb", flatten=False),
        AutocorrelationTransformer(),
        StandardScaler(),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.003),
    )


def at_most(images: np.ndarray, size: int) -> np.ndarray:
    """Cut larger images at the top left."""
    return images[:, :size, :size]


def splits(y: np.ndarray, n_seeds: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Random halves of each class."""
    for seed in range(n_seeds):
        yield next(StratifiedShuffleSplit(1, test_size=0.5, random_state=seed).split(y, y))


def accuracies(
    clf: AugmentedClassifier, features: np.ndarray, y: np.ndarray, temperature: float
) -> list[float]:
    """Accuracy of a fitted classifier on each version, from what its leading steps return."""
    n_versions, learned = len(clf.versions_), clf.estimator_[3:]
    found = []
    for version in range(features.shape[1]):
        if clf.subclasses:
            scores = learned.decision_function(features[:, version])
            scores = scores.reshape(len(y), -1, n_versions)
            merged = merge_subclass_scores(scores, temperature)
            predicted = clf.classes_[merged.argmax(axis=1)]
        else:
            predicted = learned.predict(features[:, version])
        found.append(accuracy_score(y, predicted))
    return found


def measure(data: Bunch, size: int, n_seeds: int) -> dict[str, np.ndarray]:
    """Accuracy of each fit, of shape (n_seeds, n_versions)."""
    y = data.target
    features = AugmentedClassifier(pipeline(size), VERSIONS).transform_versions(data.data)
    columns = {"original": 0} | {each: i for i, each in enumerate(VERSIONS, start=1)}
    found: dict[str, list[list[float]]] = {name: [] for name in FITS}
    for fit, test in splits(y, n_seeds):
        fitted: dict[Any, AugmentedClassifier] = {}
        for name, (perturbations, subclasses, temperature) in FITS.items():
            key = perturbations, subclasses
            if key not in fitted:  # a temperature needs no fit of its own
                own = [columns[each] for each in ("original", *perturbations)]
                clf = AugmentedClassifier(pipeline(size), perturbations, subclasses=subclasses)
                fitted[key] = clf.fit_versions(features[fit][:, own], y[fit])
            found[name].append(accuracies(fitted[key], features[test], y[test], temperature))
    return {name: np.array(rows) for name, rows in found.items()}


def report(name: str, data: Bunch, size: int, n_seeds: int) -> dict[str, Any]:
    """Print a table for one set of images, and return it."""
    found = measure(data, size, n_seeds)
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
        fit: {
            text: {"mean": float(mean), "std": float(std)}
            for text, mean, std in zip(texts, rows.mean(axis=0), rows.std(axis=0), strict=True)
        }
        for fit, rows in found.items()
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
