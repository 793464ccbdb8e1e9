"""Photo or generated, for generators, relatives and kinds of photos that no fit has seen.

Usage: python benchmarks/detection.py DIR [DIR ...] --photos NAME [NAME ...] [--modern NAME ...]
       [--relatives NAME,NAME ...] [--images 40] [--copies 20] [--seeds 5] [--json FILE]

Each DIR has a folder for each generator and each kind of photo, NAME. All images get equal
histories: the top left 256 pixels, or less, at a random JPEG quality from 70 to 95. For each seed,
half of the file names of each DIR are fitted on by the classifier of make_detection_pipeline, with
copies as there. A tenth of the generators is left out at a time, and scored beside the photos of
the other half by the model without it; then without each kind of photo, which alone is scored
beside it; then with all relatives of these. Areas under the ROC curve, and shares of the images of
a generator beyond the score that 5 % of the photos exceed. As a control, images are shrunk to a
quarter and enlarged before they are compressed, and fitted on without copies.
"""

import argparse
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import header, line, mean_and_spread, photo_or_prompt
from joblib import Parallel, delayed
from PIL import Image
from sklearn.base import ClassifierMixin, clone
from sklearn.metrics import roc_auc_score

from sklearn_ganprint import make_detection_pipeline
from sklearn_ganprint.datasets import list_images

SIDE, RATE, N_FOLDS = 256, 0.05, 10
DETECTION = make_detection_pipeline()["detection"]
FEATURES, LDA = (step for _, step in DETECTION.estimators[0][1].steps)
CONTROL, KIND_TOO = "nothing but content left", "kind of photo too"
WAYS = ("generator", KIND_TOO, CONTROL, f"{CONTROL}, {KIND_TOO}", "relatives too")
Figures = tuple[float, float]
#: What is fitted on: images of equal histories; copies that were processed; also compressed.
ORIGINAL, COPIED, COMPRESSED = range(N_KINDS := 3)


class Data(NamedTuple):
    """Images, with features (n, n_versions, n_features) of each: itself, then copies."""

    sources: np.ndarray
    shown: np.ndarray
    photo: np.ndarray
    features: np.ndarray
    kinds: np.ndarray  # (n, n_versions)
    control: np.ndarray  # (n, n_features)


def find(folders: Sequence[str], most: int) -> Iterator[tuple[str, str, str]]:
    """Yield file, source and what it shows."""
    for folder in folders:
        listed, name = list_images(folder, layout="folders"), Path(folder).name
        for label in np.unique(listed.labels):
            own = np.sort(np.array(listed.filenames)[np.asarray(listed.labels) == label])[:most]
            for file in own.tolist():
                yield file, f"{name}/{label}", f"{name}/{photo_or_prompt(file)}"


def compressed(image: Image.Image, number: int) -> np.ndarray:
    """Compress at the random quality that belongs to a number."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=int(np.random.default_rng(number).integers(70, 96)))
    with Image.open(stream) as reopened:
        return np.asarray(reopened)


def describe(file: str, number: int, n_copies: int) -> tuple[np.ndarray, list[int], np.ndarray]:
    """Features of an image of equal history and of its versions, their kinds, and the control."""
    image = Image.open(file).convert("RGB")
    image = image.crop((0, 0, min(image.width, SIDE), min(image.height, SIDE)))
    small = image.resize((image.width // 4, image.height // 4), Image.Resampling.BOX)
    control = compressed(small.resize(image.size, Image.Resampling.BICUBIC), number)
    versions, kinds = [compressed(image, number)[np.newaxis]], [ORIGINAL]
    for draw in range(n_copies):
        history = clone(DETECTION.perturbations).set_params(draw=draw)
        copy, histories = history.transform_whole(versions[0], return_histories=True)
        names = {operation.name for operation in histories[0]}
        versions.append(copy)
        kinds.append(COMPRESSED if names & {"jpeg", "webp"} else COPIED)
    rows = [clone(FEATURES).fit_transform(np.asarray(version)) for version in versions]
    control_row = clone(FEATURES).fit_transform(control[np.newaxis])[0]
    return np.concatenate(rows), kinds, control_row


def load(options: argparse.Namespace) -> Data:
    """Find all images, and make their features."""
    files, sources, shown = zip(*find(options.directories, options.images), strict=True)
    found = Parallel(options.jobs)(
        delayed(describe)(file, number, options.copies) for number, file in enumerate(files)
    )
    features, kinds, control = (np.array(part) for part in zip(*found, strict=True))
    photo = np.isin([source.split("/")[-1] for source in sources], options.photos)
    return Data(np.array(sources), np.array(shown), photo, features, kinds, control)


def fitted(data: Data, fit: np.ndarray, control: bool) -> ClassifierMixin:
    """Fit the classifier on some images, whose sources are parts of their class."""
    codes = np.unique(data.sources[fit], return_inverse=True)[1]
    if control:
        return clone(LDA).fit(data.control[fit], ~data.photo[fit], codes)
    subclasses = N_KINDS * codes[:, np.newaxis] + data.kinds[fit]
    X = data.features[fit].reshape(subclasses.size, -1)
    y = np.repeat(~data.photo[fit], subclasses.shape[1])
    return clone(LDA).fit(X, y, subclasses.ravel())


def figures(scores: np.ndarray, photo: np.ndarray) -> tuple[float, float]:
    """Area under the curve, and the share found at the rate of false alarms."""
    limit = np.quantile(scores[photo], 1 - RATE)
    return float(roc_auc_score(~photo, scores)), float((scores[~photo] > limit).mean())


def leave_out(data: Data, relatives: np.ndarray, way: str, seed: int) -> dict[str, Figures]:
    """Area and detection of each generator by a model without it; also those by kind of photo."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.unique(data.shown))
    half = np.isin(data.shown, names[: len(names) // 2])
    units = relatives if way == "relatives too" else data.sources
    kinds = np.unique(relatives[data.photo])
    control, kind_too = way.startswith(CONTROL), way.endswith(KIND_TOO)
    found = {}
    generators = np.array_split(rng.permutation(np.unique(units[~data.photo])), N_FOLDS)
    for fold, left_out in enumerate(generators):
        unseen, beside = np.isin(units, left_out), data.photo & ~half
        if kind_too:  # another one in each fold
            beside = relatives == kinds[(fold + seed) % len(kinds)]
        fit = np.flatnonzero(half & ~unseen & ~(beside & half))
        model = fitted(data, fit, control)
        scores = model.decision_function(data.control if control else data.features[:, 0])
        # Contents of the fit, such as faces of its photos, would draw images to these.
        new = unseen & ~np.isin(data.shown, data.shown[half & data.photo])
        for name in np.unique(data.sources[new]):
            tested = beside | (new & (data.sources == name))
            found[name] = figures(scores[tested], data.photo[tested])
        if kind_too:
            against = beside | new
            found[relatives[beside][0]] = figures(scores[against], data.photo[against])
    return found


def cells(found: Sequence[dict[str, Figures]], modern: Sequence[str]) -> list[str]:
    """Make the cells of a row: means over generators, with spreads over seeds."""
    every = {name for one in found for name in one}
    means = {name: np.mean([one[name][0] for one in found if name in one]) for name in every}
    worst = min(means, key=lambda name: means[name])
    made = []
    for part in (0, 1):
        for chosen in (modern, every):
            own = [np.mean([v[part] for n, v in one.items() if n in chosen]) for one in found]
            made.append(mean_and_spread(own))
    return [*made[:2], f"{means[worst]:.3f} ({worst})", *made[2:]]


def parse() -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", metavar="DIR", nargs="+")
    parser.add_argument("--photos", nargs="+", default=["real"])
    parser.add_argument("--modern", nargs="+", default=[])
    parser.add_argument("--relatives", nargs="+", default=[])
    for name, default in (("images", 40), ("copies", 20), ("seeds", 5), ("jobs", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    options = parse()
    data = load(options)
    short = {name: name.split("/")[-1] for name in np.unique(data.sources)}
    modern = [name for name in short if short[name] in options.modern]
    family = {name: group for group in options.relatives for name in group.split(",")}
    relatives = np.array([family.get(short[name], name) for name in data.sources])
    photos = set(relatives[data.photo])
    # Photos by relatives are one kind: cameras of few photos each are no sources of their own.
    data = data._replace(sources=np.where(data.photo, relatives, data.sources))
    print(header(["left out", "modern", "all", "worst", "found, modern", "found, all"]))
    results = {}
    for way in WAYS:
        found = [leave_out(data, relatives, way, seed) for seed in range(options.seeds)]
        by_generator = [{n: v for n, v in one.items() if n not in photos} for one in found]
        print(line([way, *cells(by_generator, modern)]), flush=True)
        for kind in sorted(photos & {name for one in found for name in one}):
            own = [one[kind][0] for one in found if kind in one]
            print(line([f"... {kind}", "", mean_and_spread(own), "", "", ""]), flush=True)
        results[way] = found
    if options.json:
        options.json.write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
