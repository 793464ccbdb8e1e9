"""Accuracy on perturbed images of fits with and without perturbed copies, over seeds.

Usage: python benchmarks/robustness.py [DIR ...] [--size 192] [--seeds 5] [--histories N]
       [--json FILE]

The bundled samples, then each DIR, which has a folder per source. Images are perturbed whole and
cut at the top left, to `size` or, where they are no larger, to three quarters (samples to 96).
Half of each class is fitted on, the other half tested; nothing is chosen on the test half. Features
of each version of an image are computed once and serve all seeds and fits. Prints means over the
seeds; the JSON file has the accuracy for every seed.

With --histories, only fits on N and on half as many random histories of each image are compared
with those on the originals and on the default perturbations, on images that Pillow alone has
processed, with parameters of its own. CPU-seconds are those of the copies of all images, and of the
last fit.
"""

import io
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from common import Split, describe, halves, header, image_sets, line, make_parser, write_json
from PIL import Image, ImageFilter
from sklearn.metrics import accuracy_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import Bunch

from sklearn_ganprint import AugmentedClassifier, FingerprintClassifier, ResidualTransformer
from sklearn_ganprint._images import YCBCR_WEIGHTS
from sklearn_ganprint.classification import PooledDiscriminantAnalysis
from sklearn_ganprint.denoisers import BaseDenoiser, GaussianDenoiser, WaveletDenoiser
from sklearn_ganprint.ensemble import DEFAULT_PERTURBATIONS, merge_subclass_scores
from sklearn_ganprint.features import AutocorrelationTransformer
from sklearn_ganprint.perturbations import check_perturbation

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
#: Residuals of three kinds.
DENOISERS = (WaveletDenoiser(), WaveletDenoiser(sigma=2.0), GaussianDenoiser(0.7))
#: Number of features of the first residual in RGB, up to a lag of 8.
N_FIRST = 1302


class Fit(NamedTuple):
    """What is compared."""

    perturbations: tuple[Any, ...]
    subclasses: bool = False
    n_features: int | None = None


FITS = {
    "original, one residual": Fit((), n_features=N_FIRST),
    "original": Fit(()),
    "ten, one residual": Fit(TEN, subclasses=True, n_features=N_FIRST),
    "ten, one class": Fit(TEN),
    "ten": Fit(TEN, subclasses=True),
    "default, one residual": Fit(DEFAULT_PERTURBATIONS, subclasses=True, n_features=N_FIRST),
    "default, one class": Fit(DEFAULT_PERTURBATIONS),
    "default": Fit(DEFAULT_PERTURBATIONS, subclasses=True),
}
TEMPERATURES = (0.0, 1.0, 4.0, 8.0, 16.0)


def at_most(images: np.ndarray, size: int) -> np.ndarray:
    """Cut larger images at the top left."""
    return images[:, :size, :size]


def colour_differences(residuals: np.ndarray) -> np.ndarray:
    """Make RGB residuals those of ``ResidualTransformer(channels="ycbcr")``."""
    return residuals @ YCBCR_WEIGHTS.astype(residuals.dtype)


def correlations(denoiser: BaseDenoiser, max_lag: int) -> Pipeline:
    """Autocorrelations of one residual, in RGB and of its colour differences."""
    differences = make_pipeline(
        FunctionTransformer(colour_differences), AutocorrelationTransformer(3)
    )
    residual = ResidualTransformer(denoiser, channels="rgb", flatten=False)
    return make_pipeline(residual, make_union(AutocorrelationTransformer(max_lag), differences))


def autocorrelations() -> FeatureUnion:
    """Features of three residuals: in RGB up to lag 8 for the first, else up to lag 3."""
    first, *others = DENOISERS
    return make_union(correlations(first, 8), *(correlations(each, 3) for each in others))


def pipeline(size: int) -> Pipeline:
    """Autocorrelations and LDA with one pooled covariance."""
    return make_pipeline(
        FunctionTransformer(at_most, kw_args={"size": size}),
        autocorrelations(),
        StandardScaler(),
        PooledDiscriminantAnalysis(0.003),
    )


def fit_classifier(fit: Fit, features: np.ndarray, y: np.ndarray, size: int) -> AugmentedClassifier:
    """Fit on the features of the versions that a fit has."""
    columns = [0, *(1 + VERSIONS.index(each) for each in fit.perturbations)]
    clf = AugmentedClassifier(pipeline(size), fit.perturbations, subclasses=fit.subclasses)
    return clf.fit_versions(features[:, columns, : fit.n_features], y)


def scores_of(clf: AugmentedClassifier, features: np.ndarray) -> np.ndarray:
    """Scores (n, n_classes, n_subclasses) from the features of images."""
    scores = clf.estimator_[2:].decision_function(features)
    return scores.reshape(len(features), len(clf.classes_), -1)


def measure(
    features: np.ndarray, y: np.ndarray, splits: list[Split], size: int
) -> dict[str, np.ndarray]:
    """Accuracy of each fit, of shape (n_seeds, n_versions)."""
    found: dict[str, list[list[float]]] = {}
    for fitted, test in splits:
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


def measure_paper(data: Bunch, splits: list[Split], size: int) -> np.ndarray:
    """Accuracy of the paper's fingerprints of the originals, of shape (n_seeds, n_versions)."""
    residual = ResidualTransformer(channels="rgb")
    rows = residual.fit_transform(at_most(data.data, size))
    fits = [FingerprintClassifier().fit(rows[fit], data.target[fit]) for fit, _ in splits]
    found = []
    for version in [(), *VERSIONS]:
        images = data.data
        for each in (version,) if isinstance(version, str) else version:
            images = check_perturbation(each).transform(images)
        if min(images.shape[1:3]) < size:
            # A fingerprint has one size.
            found.append([np.nan] * len(splits))
            continue
        rows = residual.transform(at_most(images, size))
        tests = zip(fits, splits, strict=True)
        found.append([clf.score(rows[test], data.target[test]) for clf, (_, test) in tests])
    return np.array(found).T


def report(name: str, data: Bunch, size: int, n_seeds: int) -> dict[str, Any]:
    """Print a table for one set of images, and return accuracies by fit and version."""
    features = AugmentedClassifier(pipeline(size), VERSIONS).transform_versions(data.data)
    splits = halves(data.target, data.groups, n_seeds)
    found = measure(features, data.target, splits, size)
    found["paper"] = measure_paper(data, splits, size)
    texts = version_names()
    figures = {
        column: {text: rows[:, position].tolist() for position, text in enumerate(texts)}
        for column, rows in found.items()
    }
    print(f"\n{describe(name, data)}, cut to {size} px\n")
    print(header(["tested on", *found]))
    for group in GROUPS:
        cells = [f"{group_accuracy(rows, group).mean():.3f}" for rows in figures.values()]
        print(line([group, *cells]), flush=True)
    return figures


def compress(image: Image.Image, quality: int, kind: str = "JPEG") -> Image.Image:
    """Compress and read again."""
    stream = io.BytesIO()
    image.save(stream, kind, quality=quality)
    return Image.open(stream).convert("RGB")


def scaled(image: Image.Image, scale: float, resample: Image.Resampling) -> Image.Image:
    """Resize by a factor."""
    width, height = (round(length * scale) for length in image.size)
    return image.resize((width, height), resample)


def shifted(image: Image.Image) -> Image.Image:
    """Crop off the grid of JPEG."""
    return image.crop((3, 5, *image.size))


#: What images go through, by code that fits do not share.
CONDITIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "clean": lambda image: image,
    "JPEG 90": lambda image: compress(image, 90),
    "JPEG 75": lambda image: compress(image, 75),
    "JPEG 50": lambda image: compress(image, 50),
    "resize .8 (box), JPEG 85": lambda image: compress(
        scaled(image, 0.8, Image.Resampling.BOX), 85
    ),
    "WebP 80": lambda image: compress(image, 80, "WEBP"),
    "JPEG 90, shifted crop, JPEG 75": lambda image: compress(shifted(compress(image, 90)), 75),
    "blur 1, JPEG 80": lambda image: compress(image.filter(ImageFilter.GaussianBlur(1)), 80),
    "resize .5": lambda image: scaled(image, 0.5, Image.Resampling.BICUBIC),
    "resize 1.1": lambda image: scaled(image, 1.1, Image.Resampling.BICUBIC),
}


def first_residual(shrinkage: float, size: int) -> Pipeline:
    """Autocorrelations of one residual and LDA, which the fits on histories are compared with."""
    return make_pipeline(
        FunctionTransformer(at_most, kw_args={"size": size}),
        ResidualTransformer(channels="rgb", flatten=False),
        AutocorrelationTransformer(),
        StandardScaler(),
        PooledDiscriminantAnalysis(shrinkage),
    )


def report_histories(
    name: str, data: Bunch, size: int, n_seeds: int, n_copies: int
) -> dict[str, Any]:
    """Print a table of fits on random histories and on lists, and return the accuracies."""
    conditions = {
        text: np.stack([np.asarray(process(Image.fromarray(image))) for image in data.data])
        for text, process in CONDITIONS.items()
    }
    fits = {
        "clean": AugmentedClassifier(first_residual(0.1, size), [], subclasses=False),
        "default": AugmentedClassifier(first_residual(0.003, size)),
        "default, one class": AugmentedClassifier(first_residual(0.1, size), subclasses=False),
        **{
            f"history web, {n}": AugmentedClassifier(
                first_residual(0.1, size), "history web", n_copies=n
            )
            for n in (max(1, n_copies // 2), n_copies)
        },
    }
    leading = first_residual(0.1, size)[:3]
    tested = {text: leading.transform(images) for text, images in conditions.items()}
    figures = {}
    print(f"\n{describe(name, data)}, cut to {size} px\n")
    print(header(["fitted on", *conditions, "mean", "CPU-s: copies", "fit"]))
    for fitted_on, clf in fits.items():
        start = time.process_time()
        versions = clf.transform_versions(data.data)
        copied, rows = time.process_time(), []
        for fit, test in halves(data.target, data.groups, n_seeds):
            began = time.process_time()
            clf.fit_versions(versions[fit], data.target[fit])
            seconds = time.process_time() - began
            rows.append([scored(clf, found[test], data.target[test]) for found in tested.values()])
        means = np.mean(rows, axis=0)
        cells = [f"{mean:.3f}" for mean in (*means, means.mean())]
        print(line([fitted_on, *cells, f"{copied - start:.0f}", f"{seconds:.1f}"]), flush=True)
        figures[fitted_on] = dict(zip(conditions, np.transpose(rows).tolist(), strict=True))
    return figures


def scored(clf: AugmentedClassifier, features: np.ndarray, y: np.ndarray) -> float:
    """Accuracy from the features of images."""
    scores = clf.estimator_[3:].decision_function(features)
    by_class = scores.reshape(len(scores), len(clf.classes_), -1)
    codes = merge_subclass_scores(by_class, clf.temperature).argmax(axis=1)
    return float(accuracy_score(y, clf.classes_[codes]))


def version_names() -> list[str]:
    """Name the versions, in their order."""
    return ["original", *(each if isinstance(each, str) else ", ".join(each) for each in VERSIONS)]


def group_accuracy(rows: dict[str, list[float]], group: str) -> np.ndarray:
    """Accuracy for every seed, the mean over the versions of a group."""
    names = [each if isinstance(each, str) else ", ".join(each) for each in GROUPS[group]]
    return np.mean([rows[name] for name in names], axis=0)


def size_of(data: Bunch, size: int = 192) -> int:
    """Size that versions are cut to: what resizing by 0.75 leaves, if the images are smaller."""
    side = min(data.data.shape[1:3])
    return size if side > size else side * 3 // 4


def main() -> None:
    """Measure the bundled samples, then each folder."""
    parser = make_parser(__doc__)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--histories", type=int, metavar="N", help="compare random histories only")
    options = parser.parse_args()
    results = {}
    for name, data in image_sets(options):
        size = size_of(data, options.size)
        if options.histories:
            results[name] = report_histories(name, data, size, options.seeds, options.histories)
        else:
            results[name] = report(name, data, size, options.seeds)
    write_json(results, options.json)


if __name__ == "__main__":
    main()
