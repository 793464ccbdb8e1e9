"""Accuracy on perturbed images of fits with and without perturbed copies, over seeds.

Usage: python benchmarks/robustness.py [DIR ...] [--size 192] [--seeds 5] [--json FILE]

The bundled samples, then each DIR, which has a folder per source. Images are perturbed whole and
cut at the top left, to `size` or, where they are no larger, to three quarters (samples to 96).
Half of each class is fitted on, the other half tested; nothing is chosen on the test half. Features
of each version of an image are computed once and serve all seeds and fits. Prints means over the
seeds; the JSON file has the accuracy for every seed.

Lists of perturbations and subclasses are compared here; benchmarks/web.py measures fits on random
histories, such as the kind "robust".
"""

from typing import Any, NamedTuple

import numpy as np
from common import Split, describe, halves, header, image_sets, line, make_parser, write_json
from sklearn.metrics import accuracy_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import Bunch

from sklearn_ganprint import AugmentedClassifier, FingerprintClassifier, ResidualTransformer
from sklearn_ganprint._images import YCBCR_WEIGHTS
from sklearn_ganprint.classification import PooledDiscriminantAnalysis
from sklearn_ganprint.denoisers import BaseDenoiser, GaussianDenoiser, WaveletDenoiser
from sklearn_ganprint.ensemble import merge_subclass_scores
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
VERSIONS = tuple(dict.fromkeys((*TEN, *UNSEEN)))
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
}


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
            row = []
            for version in range(features.shape[1]):
                scores = scores_of(clf, features[test, version, : fit.n_features])
                codes = merge_subclass_scores(scores, clf.temperature).argmax(axis=1)
                row.append(accuracy_score(y[test], clf.classes_[codes]))
            found.setdefault(name, []).append(row)
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
    options = parser.parse_args()
    results = {}
    for name, data in image_sets(options):
        size = size_of(data, options.size)
        results[name] = report(name, data, size, options.seeds)
    write_json(results, options.json)


if __name__ == "__main__":
    main()
