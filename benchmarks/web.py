"""Answers on images as people find them: compressed, resized, cropped and passed on.

Usage: python benchmarks/web.py [DIR ...] [--groups name] [--kind robust] [--copies N]
       [--unseen DIR] [--family A,B,C] [--control {labels,content}] [--seeds 5] [--json FILE]

The bundled samples, then each DIR, which has a folder per source. Half of each class, or of the
groups, is fitted on. The other half is tested under histories that Pillow alone makes here, some
with kernels that no copy in the fit goes through. Each image gets one source, a set of them, none,
or a wrong one; prints the shares, means over the seeds. With --unseen, images of sources in the
folder that no fit has seen are tested too. --family names sources that count as one in the column
"nearest in family". --control permutes the labels, or shrinks images to a quarter and enlarges them
again, so that only content is left.
"""

import argparse
import io
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from common import describe, halves, header, image_sets, line, make_parser, write_json
from PIL import Image, ImageFilter
from sklearn.utils import Bunch

from sklearn_ganprint import OpenSetClassifier, make_attribution_pipeline
from sklearn_ganprint.datasets import ImageReader, load_image_folder
from sklearn_ganprint.experiments import judge_answers

#: Rate of false alarms and coverage of `ganprint predict` without options.
RATE, COVERAGE = 0.01, 0.95


def saved(image: Image.Image, form: str, **options: Any) -> Image.Image:
    """Save an image, and read it again."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    with Image.open(stream) as reopened:
        return reopened.convert("RGB")


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Compress."""
    return saved(image, "JPEG", quality=quality)


def resized(image: Image.Image, scale: float, kernel: Image.Resampling) -> Image.Image:
    """Resize by a factor."""
    return image.resize((round(image.width * scale), round(image.height * scale)), kernel)


def cropped(image: Image.Image, left: int, top: int) -> Image.Image:
    """Cut off columns at the left and rows at the top."""
    return image.crop((left, top, image.width, image.height))


HISTORIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "clean": lambda image: image,
    "JPEG 90": lambda image: jpeg(image, 90),
    "JPEG 75": lambda image: jpeg(image, 75),
    "JPEG 50": lambda image: jpeg(image, 50),
    "x .8, JPEG 85": lambda image: jpeg(resized(image, 0.8, Image.Resampling.HAMMING), 85),
    "x 1.1": lambda image: resized(image, 1.1, Image.Resampling.BICUBIC),
    "crop": lambda image: cropped(image, 5, 3),
    "WebP 80": lambda image: saved(image, "WEBP", quality=80),
    "JPEG 90, crop, JPEG 75": lambda image: jpeg(cropped(jpeg(image, 90), 3, 6), 75),
    "x .5": lambda image: resized(image, 0.5, Image.Resampling.BOX),
    "blur 1, JPEG 80": lambda image: jpeg(image.filter(ImageFilter.GaussianBlur(1)), 80),
    "JPEG 95": lambda image: jpeg(image, 95),
}


def processed(images: np.ndarray, history: str) -> np.ndarray:
    """Give all images one history."""
    change = HISTORIES[history]
    return np.stack([np.asarray(change(Image.fromarray(image))) for image in images])


def shrunk_and_enlarged(images: np.ndarray) -> np.ndarray:
    """Keep the content alone."""
    small = [resized(Image.fromarray(image), 0.25, Image.Resampling.BOX) for image in images]
    size = images.shape[2], images.shape[1]
    return np.stack([np.asarray(image.resize(size, Image.Resampling.BICUBIC)) for image in small])


def answers(
    clf: OpenSetClassifier,
    images: np.ndarray,
    y: np.ndarray,
    families: Sequence[Sequence[str]] = (),
) -> dict[str, float]:
    """Shares of the images that get each kind of answer, and what else the answers are held to."""
    scores, typicality = clf._both_scores(images).swapaxes(0, 1)  # in one pass over the images
    p_values = clf.calibration_set_.known_p_values(typicality)
    sets = clf.prediction_sets_.predict_set(scores, COVERAGE)
    codes = np.searchsorted(clf.classes_, y)
    judged = judge_answers(scores, codes, known=p_values > RATE, sets=sets)
    shares = judged.shares()
    single = judged.sets.sum(axis=1) == 1
    figures = {
        "right": shares.right,
        "unsure": shares.unsure,
        "unknown": shares.unknown,
        "wrong": shares.wrong,
        "wrong, p > .1": (judged.wrong & single & (p_values > 0.1)).mean(),
        "accuracy": shares.accuracy,
        "unknown at 5 %": (p_values <= 0.05).mean(),
        "set holds it": shares.coverage,
        "size of set": shares.set_size,
    }
    if families:
        one = {name: members[0] for members in families for name in members}
        family = np.array([one.get(name, name) for name in clf.classes_.tolist()])
        figures["nearest in family"] = (family[judged.nearest] == family[codes]).mean()
    if "real" in clf.classes_ and (y != "real").any():
        called = single & (clf.classes_[judged.nearest] == "real")
        figures["generated called real"] = called[y != "real"].mean()
    return {name: float(value) for name, value in figures.items()}


def measure(data: Bunch, options: Any, foreign: np.ndarray | None) -> dict[str, list[Any]]:
    """Fit on halves, and judge the others under each history."""
    y, images = data.target_names[data.target], data.data
    if options.control == "content":
        images = shrunk_and_enlarged(images)
    found: dict[str, list[Any]] = {name: [] for name in HISTORIES}
    for seed, (fit, test) in enumerate(halves(data.target, data.groups, options.seeds)):
        labels = y[fit]
        if options.control == "labels":
            labels = np.random.default_rng(seed).permutation(labels)
        pipeline = make_attribution_pipeline(options.kind)
        if options.copies is not None:
            pipeline.set_params(fusion__n_copies=options.copies)
        began = time.process_time()
        groups = {} if data.groups is None else {"groups": data.groups[fit]}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clf = OpenSetClassifier(pipeline).fit(images[fit], labels, **groups)
        fitted = time.process_time() - began
        for history, rows in found.items():
            tested = processed(images[test], history)
            began = time.process_time()
            figures = answers(clf, tested, y[test], options.family)
            figures["fit, CPU-s"] = fitted
            if foreign is not None and history in ("clean", "JPEG 75"):
                p_values = clf.known_p_values(processed(foreign, history))
                figures["unseen, p > .05"] = float((p_values > 0.05).mean())
            rows.append(figures)
    return found


def report(name: str, data: Bunch, options: Any, foreign: np.ndarray | None) -> dict[str, Any]:
    """Print a table of one set of images."""
    print(f"\n{describe(name, data)}\n", flush=True)
    found = measure(data, options, foreign)
    print_table(found, lambda values: f"{np.mean(values):.3f}")
    mean = np.mean(
        [row["right"] for key, rows in found.items() if key != "JPEG 95" for row in rows]
    )
    print(f"\nmean right, without JPEG 95: {mean:.3f}", flush=True)
    return found


def print_table(found: dict[str, list[Any]], summary: Callable[[list[float]], str]) -> None:
    """Print the figures of each history over the seeds; some have figures that others lack."""
    columns = list(dict.fromkeys(key for rows in found.values() for key in rows[0]))
    print(header(["history", *columns]))
    for history, rows in found.items():
        cells = [summary([row[key] for row in rows]) if key in rows[0] else "" for key in columns]
        print(line([history, *cells]))


def run(parser: argparse.ArgumentParser, report: Callable[..., dict[str, Any]]) -> None:
    """Report on the bundled samples, then on each folder, with arguments that this adds."""
    parser.add_argument("--kind", default="robust")
    parser.add_argument("--unseen", metavar="DIR")
    parser.add_argument("--no-samples", action="store_true", help="the folders alone")
    options = parser.parse_args()
    foreign = None
    if options.unseen:
        foreign = load_image_folder(options.unseen, reader=ImageReader(options.crop)).data
    results = {}
    for name, data in image_sets(options):
        if not (options.no_samples and name == "bundled samples"):
            results[name] = report(name, data, options, foreign)
    write_json(results, options.json)


def main() -> None:
    """Measure the bundled samples, then each folder."""
    parser = make_parser(__doc__)
    parser.add_argument("--copies", type=int)
    parser.add_argument("--control", choices=["labels", "content"])
    names = {"metavar": "A,B,C", "type": lambda text: text.split(",")}
    parser.add_argument("--family", action="append", default=[], **names)
    run(parser, report)


if __name__ == "__main__":
    main()
