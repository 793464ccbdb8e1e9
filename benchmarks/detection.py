"""Photo or generated, for generators, relatives and kinds of photos that no fit has seen.

Usage: python benchmarks/detection.py DIR [DIR ...] --photos NAME [NAME ...] [--modern NAME ...]
       [--relatives NAME,NAME ...] [--images 40] [--copies 10] [--seeds 3] [--json FILE]

Each DIR has a folder for each generator and each kind of photo, NAME or DIR/NAME as in set/name.
All images get equal histories: the top left 256 pixels, or less, at a random JPEG quality from 70
to 95. Half of the file names of each DIR are taken for each seed, and the pipeline is fitted on
them. All scores are out of its folds: those of generators by models without the generator, its
relatives too in the second row, and those of photos by models without them, or without photos of
their kind in the third. Weights of two scores alone are fitted on all of the half. Areas under the
ROC curve, and shares of generated images beyond the score that 5 % of the photos exceed. As a
control, all images are shrunk to a quarter and enlarged before they are compressed.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from common import header, line, mean_and_spread, photo_or_prompt
from PIL import Image
from sklearn.metrics import roc_auc_score

from sklearn_ganprint import FileBatchEstimator, OpenSetClassifier, make_detection_pipeline
from sklearn_ganprint.datasets import ImageReader, list_images

SIDE = 256
RATE = 0.05
N_FOLDS = 10


class Images:
    """Files of equal histories, with what is known of each."""

    def __init__(self, folders: Sequence[str], photos: Sequence[str], most: int) -> None:
        files, sources, shown = [], [], []
        for folder in folders:
            listed = list_images(folder, layout="folders")
            labels = np.asarray(listed.labels)
            for label in np.unique(labels):
                own = np.flatnonzero(labels == label)[:most]
                name = f"{Path(folder).name}/{label}"
                files += [listed.filenames[n] for n in own]
                sources += [name] * len(own)
                shown += [
                    f"{Path(folder).name}/{photo_or_prompt(listed.filenames[n])}" for n in own
                ]
        self.files, self.shown = files, np.array(shown)
        self.sources = np.array(sources)
        self.photo = np.isin([name.split("/")[-1] for name in sources], photos)
        self.photo |= np.isin(sources, photos)

    def save(self, folder: Path, *, shrunk: bool) -> np.ndarray:
        """Save all with equal histories, and return the paths."""
        paths = []
        for number, file in enumerate(self.files):
            image = Image.open(file).convert("RGB")
            image = image.crop((0, 0, min(image.width, SIDE), min(image.height, SIDE)))
            if shrunk:
                small = image.resize((image.width // 4, image.height // 4), Image.Resampling.BOX)
                image = small.resize(image.size, Image.Resampling.BICUBIC)
            paths.append(folder / f"{number}.jpg")
            image.save(paths[-1], quality=int(np.random.default_rng(number).integers(70, 96)))
        return np.array([str(path) for path in paths])


def deal(names: np.ndarray, n_folds: int, rng: np.random.Generator) -> dict[str, int]:
    """Deal names to folds at random."""
    names = rng.permutation(np.unique(names))
    return {name: n % n_folds for n, name in enumerate(names)}


def folds_of(
    images: Images, rows: np.ndarray, units: np.ndarray, way: str, seed: int
) -> np.ndarray:
    """Give the fold that each image is left out in."""
    rng = np.random.default_rng(seed)
    photo = images.photo[rows]
    kinds = np.unique(images.sources[rows][photo])
    n_folds = len(kinds) if way == "kinds" else N_FOLDS
    generators = deal(units[rows][~photo], n_folds, rng)
    fold_of = np.array([generators.get(unit, -1) for unit in units[rows]])
    shown = deal(images.shown[rows][photo], n_folds, rng)
    codes = [shown[name] for name in images.shown[rows][photo]]
    if way == "kinds":
        codes = np.searchsorted(kinds, images.sources[rows][photo])
    fold_of[photo] = codes
    return fold_of


def scores_of(
    images: Images,
    paths: np.ndarray,
    rows: np.ndarray,
    fold_of: np.ndarray,
    options: argparse.Namespace,
) -> tuple[np.ndarray, np.ndarray, OpenSetClassifier]:
    """Fit the pipeline; return scores out of its folds, (n, n_versions), and of which images."""
    everyone = np.arange(len(rows))
    cv = [(everyone[fold_of != fold], everyone[fold_of == fold]) for fold in np.unique(fold_of)]
    pipeline = make_detection_pipeline()
    pipeline.set_params(detection__cv=cv, detection__n_copies=options.copies)
    open_set = OpenSetClassifier(pipeline, false_alarm_rate=RATE, unknown_label="cannot tell")
    files = FileBatchEstimator(open_set, reader=ImageReader(SIDE, min_side=64), n_jobs=options.jobs)
    y = np.where(images.photo[rows], "photo", "generated")
    files.fit(paths[rows], y, sources=images.sources[rows])
    unused = {name for name, _ in files.failures_}
    kept = np.array([path not in unused for path in paths[rows]])
    detection = files.estimator_.estimator_["detection"]
    by_class = dict(zip(detection.classes_, detection.out_of_fold_scores_.T, strict=True))
    scores = (by_class["generated"] - by_class["photo"]).reshape(kept.sum(), -1)
    return scores, kept, files.estimator_


def area(scores: np.ndarray, photo: np.ndarray, generated: np.ndarray) -> tuple[float, float]:
    """Area under the curve, and the share found at the rate of false alarms."""
    both = np.concatenate([scores[photo], scores[generated]])
    labels = np.repeat([0, 1], [photo.sum(), generated.sum()])
    limit = np.quantile(scores[photo], 1 - RATE)
    return float(roc_auc_score(labels, both)), float((scores[generated] > limit).mean())


def measure(
    images: Images, rows: np.ndarray, fold_of: np.ndarray, scores: np.ndarray, way: str
) -> dict:
    """Area and detection for each generator; with kinds left out, against photos of its fold."""
    photo, sources, found = images.photo[rows], images.sources[rows], {}
    for name in np.unique(sources[~photo]):
        own = sources == name
        beside = photo & (fold_of == fold_of[own][0]) if way == "kinds" else photo
        found[name] = area(scores, beside, own)
    return found


def answers(open_set: OpenSetClassifier) -> dict[str, float]:
    """Shares of the answers, by thresholds that are set on the same scores."""
    sets = open_set.prediction_sets_.predict_set(open_set.calibration_class_scores_, 1 - RATE)
    typical = open_set.calibration_set_.known_p_values(open_set.calibration_scores_) > RATE
    names = open_set.classes_.tolist()
    single = typical & (sets.sum(axis=1) == 1)
    said = np.where(single, sets.argmax(axis=1), -1)
    truth = open_set.calibration_codes_
    return {
        f"{names[code]} called {answer}": float((said[truth == code] == number).mean())
        for code in range(2)
        for number, answer in ((0, names[0]), (1, names[1]), (-1, "cannot tell"))
    }


def summarise(found: Sequence[dict], modern: Sequence[str]) -> list[str]:
    """Make the cells of a row: means over generators, with spreads over seeds."""
    means = {name: np.mean([one[name] for one in found], axis=0) for name in found[0]}
    worst = min(means, key=lambda name: means[name][0])
    cells = []
    for part in (0, 1):
        for chosen in (lambda name: name in modern, lambda name: True):
            own = [np.mean([v[part] for n, v in one.items() if chosen(n)]) for one in found]
            cells.append(mean_and_spread(own))
        if part == 0:
            cells.append(f"{means[worst][0]:.3f} ({worst})")
    return cells


def parse() -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", metavar="DIR", nargs="+")
    parser.add_argument("--photos", nargs="+", default=["real"])
    parser.add_argument("--modern", nargs="+", default=[])
    parser.add_argument("--relatives", nargs="*", default=[])
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    """Print the tables."""
    options = parse()
    images = Images(options.directories, options.photos, options.images)
    modern = [name for name in np.unique(images.sources) if name.split("/")[-1] in options.modern]
    family = {name: group for group in options.relatives for name in group.split(",")}
    relatives = np.array([family.get(name.split("/")[-1], name) for name in images.sources])
    print(header(["left out", "modern", "all", "worst", "found, modern", "found, all"]))
    results = {}
    ways = {
        "generator": (images.sources, False),
        "kinds": (images.sources, False),
        "relatives": (relatives, False),
        "control: shrunk and enlarged": (images.sources, True),
    }
    with TemporaryDirectory() as plain, TemporaryDirectory() as small:
        paths = {
            shrunk: images.save(Path(f), shrunk=shrunk)
            for f, shrunk in ((plain, False), (small, True))
        }
        for way, (units, shrunk) in ways.items():
            found, processed, said = [], [], []
            for seed in range(options.seeds):
                names = np.random.default_rng(seed).permutation(np.unique(images.shown))
                rows = np.flatnonzero(np.isin(images.shown, names[::2]))
                fold_of = folds_of(images, rows, units, way, seed)
                fitted = scores_of(images, paths[shrunk], rows, fold_of, options)
                scores, kept, open_set = fitted
                rows, fold_of = rows[kept], fold_of[kept]
                found.append(measure(images, rows, fold_of, scores[:, 0], way))
                processed.append(measure(images, rows, fold_of, scores[:, 1], way))
                said.append(answers(open_set))
            print(line([way, *summarise(found, modern)]), flush=True)
            print(line([f"{way}, processed copies", *summarise(processed, modern)]), flush=True)
            print({key: mean_and_spread([one[key] for one in said]) for key in said[0]}, flush=True)
            results[way] = {"found": found, "processed": processed, "answers": said}
            if options.json:
                options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
