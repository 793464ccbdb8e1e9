"""Accuracy of autocorrelations and mean fingerprints, of both, and what could pass for it.

Usage: python benchmarks/autocorrelation.py [DIR ...] [--crop 256] [--groups name] [--seeds 5]
                                         [--search] [--only NAME ...] [--json FILE]

Measures the bundled samples, then each DIR, which has a folder per source. Half of each class is
fitted on, or a few images of that half, and the other half tested; with ``--groups name`` files of
one name stay on one side. ``--only`` names the columns to measure. Nothing is chosen on the test
half: the shrinkage is the pipeline's own, and ``--search`` adds a row where cross-validation inside
the fitted half chooses it. Prints mean and standard deviation over the seeds, and writes the
accuracy for every seed with ``--json``.
"""

import os
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from common import (
    Split,
    describe,
    halves,
    header,
    image_sets,
    line,
    make_parser,
    mean_and_spread,
    write_json,
)
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
from sklearn.utils import Bunch

from sklearn_ganprint import (
    FingerprintClassifier,
    FusionClassifier,
    PartialCorrelationTransformer,
    TiledClassifier,
    make_attribution_pipeline,
)
from sklearn_ganprint.datasets import confounds, load_samples
from sklearn_ganprint.perturbations import JPEGCompression, Resize

#: No fingerprint is left in such images, but autocorrelations of how smooth they are may be.
CONTENT = "shrunk to a quarter and enlarged again"
SHRINKAGES = [0.003, 0.01, 0.03, 0.1, 0.3]


class Traces(NamedTuple):
    """What the classifiers see of images: residuals as rows, and features, the first of parts."""

    residuals: np.ndarray
    parts: np.ndarray
    partial: np.ndarray


def classifier() -> TiledClassifier:
    """Make the last step of the spectral pipeline."""
    return clone(make_attribution_pipeline("autocorrelation")[-1])


def residuals_of(rows: np.ndarray, n_values: int) -> np.ndarray:
    """Take the residuals, which come first in rows."""
    return rows[:, :n_values]


def parts_of(rows: np.ndarray, n_values: int, n_parts: int) -> np.ndarray:
    """Take the features of all parts, which come behind the residuals."""
    return rows[:, n_values:].reshape(len(rows), n_parts, -1)


def fusion(seen: Traces) -> tuple[FusionClassifier, np.ndarray]:
    """Make the classifier of the kind "fusion", and rows of what its members take.

    They make it from residuals themselves; here it is made once for all fits.
    """
    sizes = {"n_values": seen.residuals.shape[1]}
    first = FunctionTransformer(residuals_of, kw_args=sizes)
    second = FunctionTransformer(parts_of, kw_args={**sizes, "n_parts": seen.parts.shape[1]})
    members = dict(make_attribution_pipeline("fusion")["fusion"].estimators)
    classifier = FusionClassifier(
        [
            ("fingerprint", make_pipeline(first, members["fingerprint"])),
            ("second_order", make_pipeline(second, members["second_order"][-1])),
        ]
    )
    return classifier, np.hstack([seen.residuals, seen.parts.reshape(len(seen.parts), -1)])


CLASSIFIERS: dict[str, Callable[[Traces], tuple[Any, np.ndarray]]] = {
    "fingerprint": lambda traces: (FingerprintClassifier(), traces.residuals),
    "autocorrelation": lambda traces: (classifier(), traces.parts[:, :1]),
    "autocorrelation, tiles": lambda traces: (classifier(), traces.parts),
    "fusion": fusion,
    "partial correlation": lambda traces: (classifier(), traces.partial[:, np.newaxis]),
    "both, no tiles": lambda traces: (
        classifier(),
        np.hstack([traces.parts[:, 0], traces.partial])[:, np.newaxis],
    ),
}


def traces(
    images: np.ndarray, tile_size: int | tuple[int, ...] | None = None, *, content: bool = False
) -> Traces:
    """Take the residuals of images, or with `content` what the denoiser leaves of them."""
    if tile_size is None:
        tile_size = min(64, min(images.shape[1:3]) // 2)
    pipeline = make_attribution_pipeline("autocorrelation", tile_size=tile_size)
    # A few images at a time: transforms of all tiles at once take gigabytes.
    batches = []
    for batch in np.array_split(images, max(1, len(images) // 32)):
        residuals = pipeline["residual"].fit_transform(batch)
        if content:
            residuals = batch - residuals
        features = (pipeline["features"], PartialCorrelationTransformer())
        found = [transformer.fit_transform(residuals) for transformer in features]
        batches.append((residuals.reshape(len(batch), -1), *found))
    return Traces(*map(np.concatenate, zip(*batches, strict=True)))


def few(target: np.ndarray, splits: list[Split], n_images: int) -> list[Split]:
    """Leave `n_images` of each class to fit on, drawn from each random half."""
    chosen = []
    for seed, (fit, test) in enumerate(splits):
        # A split by groups is in the order of the files, where neighbours are of one scene.
        drawn = np.random.default_rng(seed).permutation(fit)
        few = [drawn[target[drawn] == label][:n_images] for label in np.unique(target)]
        chosen.append((np.concatenate(few), test))
    return chosen


def accuracies(
    X: np.ndarray,
    X_test: np.ndarray,
    target: np.ndarray,
    splits: list[Split],
    model: Any,
    groups: np.ndarray | None = None,
) -> list[float]:
    """Accuracy on the second part of each split, of `X_test`, fitted on the first, of `X`."""
    found = []
    for fit, test in splits:
        # A fusion splits what it is fitted on once more, by group if each class has several.
        splits_again = groups is not None and isinstance(model, FusionClassifier)
        splits_again = splits_again and all(
            len(np.unique(groups[fit][target[fit] == label])) > 1 for label in np.unique(target)
        )
        params = {"groups": groups[fit]} if splits_again else {}
        clf = clone(model).fit(X[fit], target[fit], **params)
        found.append(float(clf.score(X_test[test], target[test])))
    return found


def measure(
    seen: Traces,
    target: np.ndarray,
    splits: list[Split],
    tested: Traces | None = None,
    groups: np.ndarray | None = None,
    names: Collection[str] = tuple(CLASSIFIERS),
) -> dict[str, list[float]]:
    """Accuracies of the classifiers, on other versions of the same images if they are given."""
    found = {}
    for name in names:
        make = CLASSIFIERS[name]
        model, X = make(seen)
        X_test = X if tested is None else make(tested)[1]
        found[name] = accuracies(X, X_test, target, splits, model, groups)
    return found


def measurements(
    data: Bunch, n_seeds: int, names: Collection[str], *, search: bool
) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Yield a row of the table after the other."""
    target, splits = data.target, halves(data.target, data.groups, n_seeds)
    seen, measured = traces(data.data), partial(measure, groups=data.groups, names=names)
    yield "half of each class", measured(seen, target, splits)
    for n_images in (2, 5, 10):
        yield f"{n_images} images a class", measured(seen, target, few(target, splits, n_images))
    permuted = np.random.default_rng(0).permutation(target)
    yield "labels permuted", measured(seen, permuted, splits)
    if search:
        yield (
            "shrinkage by cross-validation",
            {"autocorrelation, tiles": searched(seen.parts, target, splits)},
        )
    for quality in (95, 75):
        jpeg = traces(JPEGCompression(quality).fit_transform(data.data))
        yield f"half of each class, tested on JPEG {quality}", measured(seen, target, splits, jpeg)
    yield "half of each class, all JPEG 75", measured(jpeg, target, splits)
    for trim in (8, 16):
        cut = traces(data.data[:, trim:-trim, trim:-trim])
        yield f"half of each class, {trim} px trimmed", measured(cut, target, splits)
    yield (
        "denoised image in place of the residual",
        measured(traces(data.data, content=True), target, splits),
    )
    content = Resize(0.25, restore=True).fit_transform(data.data)
    yield CONTENT, measured(traces(content), target, splits)
    for name, X in metadata(data):
        forest = RandomForestClassifier(random_state=0)
        yield f"random forest on {name}", {"": accuracies(X, X, target, splits, forest)}


def searched(parts: np.ndarray, target: np.ndarray, splits: list[Split]) -> list[float]:
    """Accuracies with the shrinkage that is best inside each fitted half, images kept whole."""
    found = []
    for fit, test in splits:
        grid = {"lda__shrinkage": SHRINKAGES}
        search = GridSearchCV(classifier().estimator, grid, cv=StratifiedGroupKFold(3))
        model = TiledClassifier(search).fit(parts[fit], target[fit], groups=fit)
        print(f"  chosen: {model.estimator_.best_params_}", flush=True)
        found.append(float(model.score(parts[test], target[test])))
    return found


def metadata(data: Bunch) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what is known of the files without their pixels."""
    words = OrdinalEncoder().fit_transform(np.column_stack([data.formats, data.modes]))
    quality = np.nan_to_num(data.jpeg_quality, nan=-1)
    headers = np.column_stack([words, data.widths, data.heights, quality])
    yield "format, size and JPEG quality", headers
    sizes = [os.path.getsize(name) for name in data.filenames]
    yield "these and the length of the file", np.column_stack([headers, sizes])


def report(
    name: str, data: Bunch, n_seeds: int, names: Collection[str], *, search: bool
) -> dict[str, Any]:
    """Print a table for one set of images, and return it."""
    print(f"\n{describe(name, data)}")
    print("confounds:", "; ".join(confounds(data)) or "none", end="\n\n")
    print(header(["fitted on", *names]), flush=True)
    rows = {}
    for row, found in measurements(data, n_seeds, names, search=search):
        print(line([row, *map(mean_and_spread, found.values())]), flush=True)
        rows[row] = found
    return {"images": len(data.target), "sources": data.target_names.tolist(), "rows": rows}


def main() -> None:
    """Measure the bundled samples, then each folder."""
    parser = make_parser(__doc__)
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--only", nargs="+", choices=CLASSIFIERS, metavar="NAME")
    options = parser.parse_args()
    sets = [*image_sets(options)]
    # Halves are drawn crop by crop, then photo by photo.
    sets.insert(1, ("bundled samples, photos apart", load_samples()))
    results = {
        name: report(
            name, data, options.seeds, options.only or list(CLASSIFIERS), search=options.search
        )
        for name, data in sets
    }
    write_json(results, options.json)


if __name__ == "__main__":
    main()
