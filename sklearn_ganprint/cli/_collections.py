"""What `compare` takes: models and folders of images, and the fingerprints of their sources."""

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_ganprint import comparison, datasets
from sklearn_ganprint._output import absolute, as_label
from sklearn_ganprint.cli import _images
from sklearn_ganprint.cli._arguments import AUTO_SHARE
from sklearn_ganprint.cli._console import MESSAGES, CommandError
from sklearn_ganprint.cli._models import Model, open_model
from sklearn_ganprint.datasets import ImageReader, ImageReadError


@dataclass
class Collection:
    """What an argument of `compare` stands for: a model, or image files of one or more sources."""

    path: str
    model: Model | None
    images: list[tuple[str, str]]  # files and their labels, once read those that can be used
    fingerprints: Any = None  # FingerprintSet, once it is made

    def __post_init__(self) -> None:
        self._none = dict.fromkeys((label for _, label in self.images), 0)

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each source, 0 where none could be used or all were left out."""
        return {**self._none, **Counter(label for _, label in self.images)}


def open_collection(path: str, failures: list[ImageReadError], *, one_source: bool) -> Collection:
    """Find out what a path is, and list it or load it."""
    try:
        files = datasets.list_images(path, layout=None).filenames.tolist()
    except FileNotFoundError as error:
        raise CommandError(
            f"{path}: expected a model, a folder of images or a CSV file, found nothing of that "
            f"name"
        ) from error
    if files != [path]:
        return _list_folder(path, failures, one_source=one_source)
    if path.lower().endswith(".csv"):
        listed = datasets.list_images(path)
        images = zip(listed.filenames.tolist(), listed.labels.tolist(), strict=True)
        return Collection(path, None, list(images))
    if len(datasets.inspect_images([path]).filenames):
        raise CommandError(
            f"{path}: one image has no fingerprint that could be told from its noise; give a "
            f"folder of many, or ask `ganprint predict` which source of a model made it"
        )
    return Collection(path, open_model(path), [])


def _list_folder(path: str, failures: list[ImageReadError], *, one_source: bool) -> Collection:
    """List a folder: its folders are sources, or, where there are none, it is one."""
    try:
        listed = datasets.list_images(path, layout=None if one_source else "folders")
    except ValueError:  # there are no folders in it
        listed = datasets.list_images(path, layout=None)
    MESSAGES.say(*listed.failures)
    failures += listed.failures
    files = listed.filenames.tolist()
    if not files:
        raise CommandError(
            f"{path}: expected images, or a folder of them for each source; found no file"
        )
    name = as_label(Path(absolute(path)).name)
    labels = [name] * len(files) if listed.labels is None else listed.labels.tolist()
    return Collection(path, None, list(zip(files, labels, strict=True)))


def check_pair(first: Collection, second: Collection) -> list[str]:
    """See to it that two collections can be compared; say what was left out for that."""
    if os.path.realpath(absolute(first.path)) == os.path.realpath(absolute(second.path)):
        raise CommandError(
            f"{second.path}: this is A once more; leave out B to compare its sources with "
            f"each other"
        )
    if first.model is None and second.model is None:
        return _leave_out_copies(first, second)
    if first.model is not None and second.model is not None:
        of_first = comparison.fingerprint_settings(first.model.whole)
        of_second = comparison.fingerprint_settings(second.model.whole)
        for key, value in of_first.items():
            if value != of_second[key]:
                raise CommandError(
                    f"cannot compare models of another {key}: {first.path} has {value}, "
                    f"{second.path} has {of_second[key]}. Fit both alike, or give one of them and "
                    f"the images of the other"
                )
        return []
    return _leave_out_fitted(first, second) if first.model else _leave_out_fitted(second, first)


def _leave_out_fitted(model: Collection, images: Collection) -> list[str]:
    """Leave out files that the model was fitted on, which models of before do not know."""
    records = getattr(model.model and model.model.whole, "fitted_files_", None)
    if records is None:
        return []
    fitted = {row.tobytes().hex() for row in records["sha256"]}
    keys = datasets.content_keys([file for file, _ in images.images], read_all=True)
    words = f"of {images.path} are files that {model.path} was fitted on"
    return _leave_out(images, [key in fitted for _, key in keys], words)


def _leave_out_copies(first: Collection, second: Collection) -> list[str]:
    """Leave out of the second collection copies of files of the first; say how many there are."""
    files = [file for file, _ in (*first.images, *second.images)]
    keys = datasets.content_keys(files)
    n_first = len(first.images)
    there = {key for key in keys[:n_first] if key[0] >= 0}
    words = f"of {second.path} are copies of images of {first.path}"
    return _leave_out(second, [key in there for key in keys[n_first:]], words)


def _leave_out(collection: Collection, known: Sequence[bool], words: str) -> list[str]:
    """Leave out the images that are known from the other collection; say how many there are."""
    words = f"{words}, whose content would match"
    kept = [image for image, is_known in zip(collection.images, known, strict=True) if not is_known]
    n_known = len(collection.images) - len(kept)
    if not kept:
        raise CommandError(f"all images {words}; give other images of the sources")
    collection.images = kept
    return [f"{n_known} images {words}; they were left out of {collection.path}"] if n_known else []


def make_fingerprints(
    collections: Sequence[Collection], args: argparse.Namespace, failures: list[ImageReadError]
) -> list[str]:
    """Take the fingerprints out of models; make those of images as a model or the arguments say.

    Return in what the files of sources differ that features show as well.
    """
    models = [(found.path, found.model.whole) for found in collections if found.model is not None]
    if models and (args.crop, args.anchor, args.kind) != (None, None, None):
        raise CommandError(
            f"--crop, --anchor, --kind: leave these out: {models[0][0]} says what is cut of the "
            f"images and how fingerprints are made, for both collections"
        )
    like: Any = args.kind
    reader: ImageReader | None = None
    differences: list[str] = []
    if models:
        _, like = models[0]
    else:
        args.anchor = args.anchor or "top-left"
        files = [file for found in collections for file, _ in found.images]
        # What fails is named when its pixels are read.
        bunch = _images.inspect_images(files, args, [], quiet=True)
        reader = _make_reader(bunch, args)
        differences = _differences(bunch, collections) if like == "fusion" else []
    # Models come first: what is wrong with one is no fault of the images.
    for found in sorted(collections, key=lambda each: each.model is None):
        try:
            if found.model is not None:
                found.fingerprints = comparison.fingerprint_set(found.model.whole)
            else:
                found.fingerprints = _estimate(found, like, reader, args, failures)
        except ValueError as error:
            raise CommandError(f"{found.path}: {error}") from error
    return differences


def _make_reader(bunch: Bunch, args: argparse.Namespace) -> ImageReader:
    # Of images of one size all is used: the more pixels, the stronger the evidence.
    crop = args.crop or _images.auto_crop(bunch, whole_from=AUTO_SHARE)
    return ImageReader(crop=crop, anchor=args.anchor)


def _differences(bunch: Bunch, collections: Sequence[Collection]) -> list[str]:
    """Say in what the files of sources differ, by which their features may be alike."""
    sides = [""] if len(collections) < 2 else [" of A", " of B"]
    labels = {
        file: label + side
        for found, side in zip(collections, sides, strict=True)
        for file, label in found.images
    }
    names, codes = np.unique([labels[file] for file in bunch.filenames], return_inverse=True)
    differing = datasets.confounds(Bunch(**{**bunch, "target": codes, "target_names": names}))
    alike = "what features are alike in may be that, not the source"
    return [f"{each}; {alike}" for each in differing]


def _estimate(
    collection: Collection,
    like: Any,
    reader: ImageReader | None,
    args: argparse.Namespace,
    failures: list[ImageReadError],
) -> comparison.FingerprintSet:
    name = Path(absolute(collection.path)).name
    with MESSAGES.progress(f"reading {name}") as progress:
        found = comparison.estimate_fingerprints(
            *zip(*collection.images, strict=True),
            like=like,
            reader=reader,
            batch_size=args.batch_size,
            n_jobs=args.jobs,
            on_error=_images.collect_failures(failures),
            progress=progress,
        )
    failed = {failure.filename for failure in failures}
    collection.images = [image for image in collection.images if image[0] not in failed]
    return found
