"""Photos against images of a generator that no image was fitted on, and what could pass for it.

Usage: python benchmarks/real_or_generated.py [DIR ...] [--real NAME] [--crop 256] [--seeds 5]
                                              [--groups name] [--further DIR] [--json FILE]

The bundled samples, then each DIR, which has a folder of photos, NAME, and one per generator. Each
generator in turn is left out: half of the photos and of the other generators' images are fitted on,
and the other half of the photos and of its images are told apart. Figures are areas under the ROC
curve. Shrinkage, penalty and stacking are chosen in the fitted half, by leaving a further generator
out of it. Relatives, which share a name up to its first underscore, are left out together in a row
of their own. Images of ``--further`` folders are in no fit.

Photos that are JPEG files differ from all else in format. *Photos' history* compresses each
generated image once, with the tables of a photo of its half, each photo's as often as another's.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from common import folders, make_parser, write_json
from photo_formats import (
    PHOTO,
    Task,
    compress,
    deal,
    describe,
    equalised,
    further_images,
    make_task,
    with_history,
)
from scipy.special import logsumexp
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import ImageReader, load_image_folder, load_samples
from sklearn_ganprint.denoisers import GaussianDenoiser
from sklearn_ganprint.features import AutocorrelationTransformer, SpectralLineTransformer
from sklearn_ganprint.perturbations import Crop, JPEGCompression, Resize

PENALTIES = (0.003, 0.03, 0.3)
N_SHUFFLES = 40
SHRINKAGES = (0.03, 0.3)
#: What is stacked.
PAIR = ("lines", "correlations")
#: Fits on X, labels and one number to be chosen, and scores the rows of a second X.
Method = Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]


def traces(images: np.ndarray, *, all_of_them: bool = False) -> dict[str, np.ndarray]:
    """Features of images, by what is fitted on them."""
    trimmed = Crop(trim=8).transform(images)
    wide, narrow = (
        ResidualTransformer(GaussianDenoiser(sigma), channels="rgb", flatten=False)
        for sigma in (2.0, 0.7)
    )
    lines = SpectralLineTransformer().fit_transform(wide.transform(trimmed))
    correlations = AutocorrelationTransformer(3).fit_transform(narrow.transform(trimmed))
    seen = {"lines": lines, "lines, sum": lines, "lines, trees": lines}
    seen["correlations"] = correlations
    if all_of_them:
        seen["fingerprints"] = ResidualTransformer().transform(trimmed)
        thumbnails = Resize(16 / trimmed.shape[1]).transform(trimmed)
        seen["thumbnails"] = thumbnails.reshape(len(images), -1)
    return seen


def logistic(X: np.ndarray, labels: np.ndarray, X_test: np.ndarray, C: float) -> np.ndarray:
    """Photos against all generators as one class."""
    model = LogisticRegression(C=C, class_weight="balanced")
    return make_pipeline(StandardScaler(), model).fit(X, labels != PHOTO).decision_function(X_test)


def trees(X: np.ndarray, labels: np.ndarray, X_test: np.ndarray, leaf: float) -> np.ndarray:
    """Photos against all generators as one class, by randomised trees."""
    model = ExtraTreesClassifier(
        200, min_samples_leaf=int(leaf), class_weight="balanced", random_state=0
    )
    return model.fit(X, labels != PHOTO).predict_proba(X_test)[:, 1]


def total(X: np.ndarray, labels: np.ndarray, X_test: np.ndarray, _unused: float) -> np.ndarray:
    """Sum of the features; nothing is fitted."""
    return X_test.sum(axis=1)


def subclasses(
    X: np.ndarray, labels: np.ndarray, X_test: np.ndarray, shrinkage: float
) -> np.ndarray:
    """Each generator a class of its own, merged by a soft maximum."""
    n_classes = len(np.unique(labels))
    priors = np.full(n_classes, 1 / n_classes)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=priors)
    model = make_pipeline(StandardScaler(), lda).fit(X, labels)
    scores = model.decision_function(X_test)
    if scores.ndim == 1:
        return scores
    return logsumexp(scores[:, 1:], axis=1) - scores[:, 0]


def fingerprints(
    X: np.ndarray, labels: np.ndarray, X_test: np.ndarray, _unused: float
) -> np.ndarray:
    """Take the best correlation with a generator's fingerprint, less that with the photos'."""
    scores = FingerprintClassifier().fit(X, labels).correlate(X_test)
    return scores[:, 1:].max(axis=1) - scores[:, 0]


METHODS: dict[str, tuple[Method, tuple[float, ...]]] = {
    "lines": (logistic, PENALTIES),
    "lines, sum": (total, (0.0,)),
    "lines, trees": (trees, (3.0,)),
    "correlations": (subclasses, SHRINKAGES),
    "fingerprints": (fingerprints, (0.0,)),
    "thumbnails": (logistic, (0.001,)),
}


def folds(labels: np.ndarray, seed: int) -> np.ndarray:
    """Put each generator in a fold of its own, and spread the photos over the folds."""
    generators = np.unique(labels[labels != PHOTO])
    codes = np.searchsorted(generators, labels)
    photos = np.flatnonzero(labels == PHOTO)
    shares = np.arange(len(photos)) % len(generators)
    codes[photos] = np.random.default_rng(seed).permutation(shares)
    return codes


def out_of_fold(
    X: np.ndarray, labels: np.ndarray, method: Method, value: float, seed: int
) -> tuple[np.ndarray, float]:
    """Scores from fits without the generator of an image, and the mean AUC over the folds."""
    scores, areas = np.empty(len(X)), []
    for fit, test in LeaveOneGroupOut().split(X, labels, folds(labels, seed)):
        scores[test] = method(X[fit], labels[fit], X[test], value)
        areas.append(roc_auc_score(labels[test] != PHOTO, scores[test]))
    return scores, float(np.mean(areas))


def fitted_scores(
    X: np.ndarray, labels: np.ndarray, X_test: np.ndarray, name: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of new images, and those of the fitted ones out of fold, with what is best there."""
    method, values = METHODS[name]
    if len(values) == 1:
        return method(X, labels, X_test, values[0]), np.empty(0)
    tried = [out_of_fold(X, labels, method, value, seed) for value in values]
    best = int(np.argmax([area for _, area in tried]))
    return method(X, labels, X_test, values[best]), tried[best][0]


def all_scores(
    seen: dict[str, np.ndarray],
    labels: np.ndarray,
    tested: dict[str, np.ndarray],
    seed: int,
    names: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Scores by every method, and by logistic regression on those of two."""
    found, inside = {}, {}
    for name in names or seen:
        found[name], inside[name] = fitted_scores(seen[name], labels, tested[name], name, seed)
    stacked = np.column_stack([inside[name] for name in PAIR])
    stacked_test = np.column_stack([found[name] for name in PAIR])
    found["lines and correlations"] = logistic(stacked, labels, stacked_test, 1.0)
    return found


Areas = dict[str, np.ndarray]


def leave_out(
    task: Task, seen: dict[str, np.ndarray], seed: int, *, families: bool = False
) -> dict[str, list[float]]:
    """AUC of each method for each generator left out."""
    fit, test = task.halves(seed)
    areas: dict[str, list[float]] = {}
    for generator in range(len(task.generators)):
        without = task.relatives(generator) if families else [generator]
        own = fit[~np.isin(task.labels[fit], without)]
        tested = test[np.isin(task.labels[test], [PHOTO, generator])]
        known, new = ({name: each[n] for name, each in seen.items()} for n in (own, tested))
        for name, scores in all_scores(known, task.labels[own], new, seed).items():
            area = roc_auc_score(task.labels[tested] != PHOTO, scores)
            areas.setdefault(name, []).append(float(area))
    return areas


def permuted(task: Task, seen: dict[str, np.ndarray], seed: int) -> dict[str, list[float]]:
    """AUC of lines fitted on labels that were shuffled, for each of many shuffles.

    One says little: where a single direction separates, it is near 0 as often as near 1.
    """
    fit, test = task.halves(seed)
    rng, X, labels = np.random.default_rng(seed), seen["lines"], task.labels
    areas = []
    for _ in range(N_SHUFFLES):
        scores = logistic(X[fit], rng.permutation(labels[fit]), X[test], 0.03)
        areas.append(float(roc_auc_score(labels[test] != PHOTO, scores)))
    return {"lines": areas}


def row(areas: list[dict[str, list[float]]]) -> Areas:
    """Areas by method, of shape (n_seeds, n_generators)."""
    return {name: np.array([each[name] for each in areas]) for name in areas[0]}


def measurements(task: Task, n_seeds: int) -> Iterator[tuple[str, Areas]]:
    """Yield a row of the table after the other."""
    related = any(len(task.relatives(n)) > 1 for n in range(len(task.generators)))
    many = len({name.split("_")[0] for name in task.generators}) > 2
    ways = dict(equalised(task))
    chosen = "photos' history" if "photos' history" in ways else "files as they are"
    for way, images_of in ways.items():
        same = way in ("files as they are", "JPEG 90 for all")
        first = way == "files as they are"
        seen = [
            traces(images_of(seed), all_of_them=first) for seed in range(1 if same else n_seeds)
        ]
        seeds = [(seen[0 if same else seed], seed) for seed in range(n_seeds)]
        yield way, row([leave_out(task, *each) for each in seeds])
        if way != chosen:
            continue
        if related and many:
            yield (
                f"{way}, relatives left out too",
                row([leave_out(task, *each, families=True) for each in seeds]),
            )
        yield f"{way}, labels permuted in fitting", row([permuted(task, *each) for each in seeds])


def metadata(task: Task, n_seeds: int) -> dict[str, np.ndarray]:
    """AUC of a forest on format and compression, of the files and once formats are equalised."""
    found: dict[str, list[list[float]]] = {"files as they are": [], "photos' history": []}
    for seed in range(n_seeds):
        halves = task.halves(seed)
        dealt = np.empty((len(task.labels), 3))
        for half in halves:
            dealt[half] = [describe(each) for each in deal(task, half, seed)]
        read = np.array([describe(each) for each in task.settings])
        for X, areas in zip((read, dealt), found.values(), strict=True):
            areas.append(forest_areas(task, X, *halves))
    return {name: np.array(areas) for name, areas in found.items()}


def forest_areas(task: Task, X: np.ndarray, fit: np.ndarray, test: np.ndarray) -> list[float]:
    """AUC of a random forest for each generator left out."""
    areas = []
    for generator in range(len(task.generators)):
        own = fit[task.labels[fit] != generator]
        tested = test[np.isin(task.labels[test], [PHOTO, generator])]
        forest = RandomForestClassifier(50, random_state=0, class_weight="balanced")
        forest.fit(X[own], task.labels[own] != PHOTO)
        scores = forest.predict_proba(X[tested])[:, 1]
        areas.append(float(roc_auc_score(task.labels[tested] != PHOTO, scores)))
    return areas


def format_alone(task: Task, n_seeds: int) -> dict[str, np.ndarray]:
    """AUC of halved photos, which have no JPEG blocks left, against such that are compressed.

    Half of the photos play the part of generated images. Nothing but their format differs.
    """
    photos = np.flatnonzero(task.labels == PHOTO)
    small = Resize(0.5).transform(task.images[photos])
    settings = [task.settings[n] for n in photos]
    files = np.stack([compress(*each) for each in zip(small, settings, strict=True)])
    found: dict[str, list[list[float]]] = {}
    for seed in range(n_seeds):
        part = np.random.default_rng(seed).permutation(np.arange(len(photos)) % 4)
        is_png, fit = part % 2 == 1, part < 2
        mixed = np.where(is_png[:, None, None, None], small, files)
        versions = {
            "files as they are": mixed,
            "JPEG 90 for all": JPEGCompression(90).transform(mixed),
            "photos' history": files,
        }
        for way, images in versions.items():
            found.setdefault(way, []).append(areas_of_traces(traces(images), is_png, fit))
    return {way: np.array(areas) for way, areas in found.items()}


def areas_of_traces(
    seen: dict[str, np.ndarray], is_png: np.ndarray, fit: np.ndarray
) -> list[float]:
    """AUC of lines and of correlations on what was not fitted on."""
    labels = np.where(is_png, 0, PHOTO)
    areas = []
    for name, value in zip(PAIR, (0.03, 0.1), strict=True):
        method, _ = METHODS[name]
        scores = method(seen[name][fit], labels[fit], seen[name][~fit], value)
        areas.append(float(roc_auc_score(is_png[~fit], scores)))
    return areas


def handled(task: Task, n_seeds: int, further: Bunch | None) -> dict[str, np.ndarray]:
    """AUC of further images against photos of the test half, fitted on all generators.

    Further images are the photos themselves after some handling, for which it should be 0.5, and
    images of further generators.
    """
    found: dict[str, list[list[float]]] = {}
    for seed in range(n_seeds):
        fit, test = task.halves(seed)
        images, labels = with_history(task, seed), task.labels[fit]
        seen = traces(images[fit])
        photos = test[task.labels[test] == PHOTO]
        against = all_scores(seen, labels, traces(images[photos]), seed, PAIR)
        for name, others in further_images(task, photos, seed, further):
            scores = all_scores(seen, labels, traces(others), seed, PAIR)
            is_other = np.repeat([False, True], [len(photos), len(others)])
            found.setdefault(name, []).append(
                [roc_auc_score(is_other, np.r_[against[c], scores[c]]) for c in scores]
            )
    return {name: np.array(areas) for name, areas in found.items()}


def summary(areas: np.ndarray) -> str:
    """Mean, standard deviation over the seeds of their means, and the worst generator's mean."""
    return f"{areas.mean():.3f} ± {areas.mean(axis=1).std():.3f}, {areas.mean(axis=0).min():.3f}"


def report(task: Task, n_seeds: int, further: Bunch | None) -> dict[str, Any]:
    """Print tables for one set of images, and return them."""
    print(f"\n{task.name}: {len(task.labels)} images, photos and {len(task.generators)} generators")
    print("Mean AUC ± deviation over seeds, worst generator\n", flush=True)
    rows: dict[str, Any] = {}
    for way, found in measurements(task, n_seeds):
        if not rows:
            columns = list(found)
            print("| formats | " + " | ".join(columns) + " |\n" + "|---" * (1 + len(columns)) + "|")
        cells = [summary(found[name]) if name in found else "" for name in columns]
        print(f"| {way} | {' | '.join(cells)} |", flush=True)
        if "permuted" not in way:
            one = [f"{each:.3f}" for each in found["lines"].mean(axis=0)]
            print("  lines, by generator:", dict(zip(task.generators, one, strict=True)))
        rows[way] = {name: each.tolist() for name, each in found.items()}
    if any(each is not None for each in task.settings):
        controls = {
            "metadata": metadata(task, n_seeds),
            "format alone (lines, correlations)": format_alone(task, n_seeds),
            "against photos (lines, correlations, both)": handled(task, n_seeds, further),
        }
        for name, found in controls.items():
            print(f"\n{name}")
            for way, areas in found.items():
                columns = areas.mean(axis=1, keepdims=True) if name == "metadata" else areas
                cells = [f"{each.mean():.3f} ± {each.std():.3f}" for each in columns.T]
                print(f"| {way} | {' | '.join(cells)} |", flush=True)
            rows[name] = {way: areas.tolist() for way, areas in found.items()}
    return {"generators": task.generators, "rows": rows}


def main() -> None:
    """Measure the bundled samples, then each folder."""
    parser = make_parser(__doc__)
    parser.add_argument("--real", metavar="NAME", default="real", help="the folder of photos")
    parser.add_argument("--further", metavar="DIR", help="images of further generators")
    options = parser.parse_args()
    reader = ImageReader(options.crop)
    further = load_image_folder(options.further, reader=reader) if options.further else None
    samples = load_samples()
    tasks = [
        make_task("bundled samples", samples, "real", grouped=False),
        make_task("bundled samples, photos apart", samples, "real"),
        *(make_task(name, data, options.real) for name, data in folders(options)),
    ]
    results = {task.name: report(task, options.seeds, further) for task in tasks}
    write_json(results, options.json)


if __name__ == "__main__":
    main()
