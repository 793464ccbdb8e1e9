"""The collections of ``ganprint compare``: each a model, or image files of one or more sources."""

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from sklearn.utils import Bunch

from sklearn_ganprint import datasets
from sklearn_ganprint._output import as_label
from sklearn_ganprint.cli._arguments import AUTO_SHARE
from sklearn_ganprint.cli._console import MESSAGES, CommandError
from sklearn_ganprint.cli._images import auto_crop, collect_failures, inspect_images
from sklearn_ganprint.cli._models import Model, open_model
from sklearn_ganprint.comparison import (
    FingerprintSet,
    estimate_fingerprints,
    fingerprint_set,
    fingerprint_settings,
)
from sklearn_ganprint.datasets import ImageReader, ImageReadError


class Collection(NamedTuple):
    """What one argument stands for."""

    path: str
    model: Model | None
    files: list[str]
    labels: list[str]

    def counts(self, failed: set[str]) -> dict[str, int]:
        """Count the images of each source that could be used."""
        pairs = zip(self.files, self.labels, strict=True)
        return Counter(label for file, label in pairs if file not in failed)


def open_collection(path: str, failures: list[ImageReadError], *, one_source: bool) -> Collection:
    """Find out what a path is, and list it or load it."""
    if not os.path.lexists(path):
        raise CommandError(
            f"{path}: expected a model, a folder of images or a CSV file, found "
            f"nothing of that name"
        )
    if os.path.isdir(path):
        return _list_folder(path, failures, one_source=one_source)
    if path.lower().endswith(".csv"):
        listed = datasets.list_images(path)
        return Collection(path, None, listed.filenames.tolist(), listed.labels.tolist())
    if len(datasets.inspect_images([path]).filenames):
        raise CommandError(
            f"{path}: one image has no fingerprint that could be told from its noise; give a "
            f"folder of many, or ask `ganprint predict` which source of a model made it"
        )
    return Collection(path, open_model(path), [], [])


def _list_folder(path: str, failures: list[ImageReadError], *, one_source: bool) -> Collection:
    """List a folder: its folders are sources, or, where there are none, it is one."""
    try:
        listed = datasets.list_images(path, layout=None if one_source else "folders")
    except ValueError:  # there are no folders in it
        listed = datasets.list_images(path, layout=None)
    for failure in listed.failures:
        MESSAGES.say(str(failure))
    failures += listed.failures
    files = listed.filenames.tolist()
    if not files:
        raise CommandError(
            f"{path}: expected images, or a folder of them for each source; found no file"
        )
    name = as_label(os.path.basename(os.path.abspath(path)))
    labels = [name] * len(files) if listed.labels is None else listed.labels.tolist()
    return Collection(path, None, files, labels)


def check_models(first: Model, second: Model, paths: Sequence[str]) -> None:
    """Refuse two models whose fingerprints are of different pixels or residuals."""
    (one, other), (of_one, of_other) = paths, map(fingerprint_settings, (first.whole, second.whole))
    for key, value in of_one.items():
        if value != of_other[key]:
            raise CommandError(
                f"cannot compare models of another {key}: {one} has {value}, {other} has "
                f"{of_other[key]}. Fit both alike, or give one of them and the images of the other"
            )


def leave_out_copies(first: Collection, second: Collection) -> tuple[Collection, int]:
    """Leave out of the second collection copies of files of the first; say how many there are."""
    known = [file for file in (*first.files, *second.files) if os.path.isfile(file)]
    keys = dict(zip(known, datasets.content_keys(known), strict=True))
    there = {keys[file] for file in first.files if file in keys}
    kept = [
        (file, label)
        for file, label in zip(second.files, second.labels, strict=True)
        if keys.get(file) not in there
    ]
    if not kept:
        raise CommandError(
            f"all images of {second.path} are copies of images of {first.path}, whose content "
            f"would match; give other images of the sources"
        )
    n_copies = len(second.files) - len(kept)
    files, labels = [file for file, _ in kept], [label for _, label in kept]
    return second._replace(files=files, labels=labels), n_copies


def make_reader(collections: Sequence[Collection], args: argparse.Namespace) -> ImageReader | None:
    """Choose what is cut of the images: as a model does it, or as the arguments say."""
    model = next((found for found in collections if found.model is not None), None)
    if model is not None:
        if (args.crop, args.anchor, args.kind) != (None, None, None):
            raise CommandError(
                f"--crop, --anchor, --kind: leave these out: {model.path} says what is cut of the "
                f"images and how fingerprints are made, for both collections"
            )
        return None
    args.anchor = args.anchor or "top-left"
    files = [file for found in collections for file in found.files]
    # What fails is named when its pixels are read.
    bunch = inspect_images(files, args, [], quiet=True)
    return ImageReader(crop=args.crop or _auto_crop(bunch), anchor=args.anchor)


def _auto_crop(bunch: Bunch) -> tuple[int, int]:
    """Take whole images if nearly all have one size: the more pixels, the stronger the evidence."""
    sizes = Counter(zip(bunch.heights.tolist(), bunch.widths.tolist(), strict=True))
    ((_, n_alike),) = sizes.most_common(1)
    return auto_crop(bunch, whole=n_alike >= AUTO_SHARE * len(bunch.heights))


def fingerprints_of(
    collection: Collection,
    like: Any,
    reader: ImageReader | None,
    args: argparse.Namespace,
    failures: list[ImageReadError],
) -> FingerprintSet:
    """Take the fingerprints out of a model, or make them of images as `like` says."""
    name = os.path.basename(os.path.abspath(collection.path))
    try:
        if collection.model is not None:
            return fingerprint_set(collection.model.whole)
        with MESSAGES.progress(f"reading {name}") as progress:
            return estimate_fingerprints(
                collection.files,
                collection.labels,
                like=like,
                reader=reader,
                batch_size=args.batch_size,
                n_jobs=args.jobs,
                on_error=collect_failures(failures),
                progress=progress,
            )
    except ValueError as error:
        raise CommandError(f"{collection.path}: {error}") from error
