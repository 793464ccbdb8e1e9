"""``ganprint compare``: whether two collections of images, or two models, share sources."""

import argparse
import math
import os
from collections.abc import Sequence
from typing import Any

from sklearn_ganprint import comparison, datasets
from sklearn_ganprint._output import as_label
from sklearn_ganprint.cli import _arguments, _console, _findings, _images
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Table, columns
from sklearn_ganprint.cli._findings import Collection, Compared
from sklearn_ganprint.cli._models import Model, open_model
from sklearn_ganprint.cli.pages import _folder, _views
from sklearn_ganprint.datasets import ImageReader, ImageReadError
from sklearn_ganprint.pipelines import current_kind

REQUIRES = ("rich", "skops", "jinja2", "matplotlib")
DESCRIPTION = (
    "Correlate the fingerprints of two collections with each other, and say whether they have more "
    "in common than chance or than other sources have. A collection is a model, a folder of images "
    "of one source, or one with a folder per source, or a CSV file such as `ganprint cluster` "
    "writes."
)

#: A fingerprint of fewer images, of 256 x 256 pixels, is noise and content for the most part; of
#: larger images fewer do.
FEW, FEW_PIXELS = 20, 256 * 256

#: As many pairs as a table lists; of more it lists the best match of each source.
_MOST_PAIRS = 24

_EVIDENCE = (
    Column("correlation", "correlation", 4),
    Column("z_score", "z-score", 1),
    Column("p_value", "p-value"),
)
_PAIRS = columns("first", "second", *_EVIDENCE)
_BEST = Column("p_value_of_best", "p as best of all")
_MATCHES = columns("source", Column("match", "most alike"), *_EVIDENCE, _BEST)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("first", metavar="A", help="a model, a folder of images, or a CSV file")
    parser.add_argument(
        "second",
        metavar="B",
        nargs="?",
        help="another (default: the sources of A are compared with each other)",
    )
    parser.add_argument(
        "--one-source",
        action="store_true",
        help="take each folder for one source, with all folders in it",
    )
    _add_ways(parser)
    chance = "chance that sources with nothing in common are called alike, in (0, 1)"
    _arguments.add(parser, "--false-alarm", what=chance)
    _arguments.add_out(parser, "the correlations and the fingerprints")
    _arguments.add(parser, "--jobs", "--batch-size", "--format")


def _add_ways(parser: argparse.ArgumentParser) -> None:
    """Add how fingerprints are made and compared."""
    parser.add_argument(
        "--kind",
        type=current_kind,
        choices=("fingerprint", "prnu"),
        help="how fingerprints of two collections of images are made: fingerprint, the mean "
        "residual (the default); prnu, the pattern of a sensor, of photos of full size. With a "
        "model they are made as in it",
    )
    _arguments.add(parser, "--crop")
    _arguments.add(parser, "--anchor", default=None)  # as in a model, if there is one
    parser.add_argument(
        "--trim",
        type=_arguments.natural,
        default=0,
        metavar="N",
        help="pixels to leave out at each border, where unrelated networks leave like traces "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--null",
        choices=("auto", "sources", "chance"),
        default="auto",
        help="what p-values are calibrated on: sources, the other pairs of sources, assuming that "
        "each source has at most one partner; chance, patterns that have nothing in common; auto, "
        "sources if one collection has 4 or more (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Compare, write what is asked for, print what was found."""
    _folder.begin_out(args)
    compared = _compare(args)
    MESSAGES.warn(*compared.warnings)
    index = _write(compared, args)
    _print(compared, index, args)
    if index:
        MESSAGES.say(f"pictures and explanations: {index}")
    return _images.exit_status(compared.failures, sum(sum(own.values()) for own in compared.counts))


def _compare(args: argparse.Namespace) -> Compared:
    failures: list[ImageReadError] = []
    paths = [args.first] if args.second is None else [args.first, args.second]
    found = [_open_collection(path, failures, one_source=args.one_source) for path in paths]
    warnings = _settle(found)
    models = [collection.model for collection in found if collection.model is not None]
    reader = _make_reader(found, args)
    like = models[0].whole if models else "prnu" if args.kind == "prnu" else None
    sets = [_fingerprints_of(collection, like, reader, args, failures) for collection in found]
    if len(sets) == 1 and len(sets[0].names) < 2:
        raise CommandError(f"{args.first}: it has one source only; name B, to compare it with")
    try:
        result = comparison.compare_models(*sets, trim=args.trim, null=args.null)
    except ValueError as error:
        raise CommandError(f"{' and '.join(paths)}: {error}") from error
    failed = {failure.filename for failure in failures}
    counts = [collection.counts(failed) for collection in found]
    warnings += _warnings_of_few(found, counts, sets[0].fingerprints.shape[1:3])
    return Compared(
        (found[0], found[1] if len(found) == 2 else None),
        (sets[0], sets[-1]),
        result,
        args.false_alarm or _arguments.DEFAULT_RATE,
        (counts[0], counts[-1]),
        failures,
        warnings,
    )


def _warnings_of_few(
    found: Sequence[Collection], counts: Sequence[dict[str, int]], size: tuple[int, ...]
) -> list[str]:
    """Name the sources of too few images for the size of their fingerprints."""
    n_pixels = math.prod(size)
    return [
        f"{source} in {collection.path} has {n} images, which is few: its fingerprint is noise "
        f"and content for the most part, and what is not found in it may still be there"
        for collection, own in zip(found, counts, strict=True)
        for source, n in own.items()
        if n * n_pixels < FEW * FEW_PIXELS
    ]


def _settle(found: list[Collection]) -> list[str]:
    """See to it that both collections can be compared; say what was left out for that."""
    if len(found) == 1:
        return []
    first, second = found
    if os.path.realpath(first.path) == os.path.realpath(second.path):
        raise CommandError(
            f"{second.path}: this is A once more; leave out B to compare its sources with "
            f"each other"
        )
    if first.model is not None and second.model is not None:
        _check_models(first.model, second.model, [first.path, second.path])
    if first.model is not None or second.model is not None:
        return []
    found[1], n_copies = _leave_out_copies(first, second)
    copies = (
        f"{n_copies} images of {second.path} are copies of images of {first.path}, whose content "
        f"would match; they were left out of {second.path}"
    )
    return [copies] if n_copies else []


def _open_collection(path: str, failures: list[ImageReadError], *, one_source: bool) -> Collection:
    """Find out what a path is, and list it or load it."""
    if not os.path.lexists(path):
        raise CommandError(
            f"{path}: expected a model, a folder of images or a CSV file, found nothing of that "
            f"name"
        )
    if os.path.isdir(path):
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
    name = as_label(os.path.basename(os.path.abspath(path)))
    labels = [name] * len(files) if listed.labels is None else listed.labels.tolist()
    return Collection(path, None, list(zip(files, labels, strict=True)))


def _check_models(first: Model, second: Model, paths: Sequence[str]) -> None:
    """Refuse two models whose fingerprints are of different pixels or residuals."""
    one, other = paths
    of_one, of_other = map(comparison.fingerprint_settings, (first.whole, second.whole))
    for key, value in of_one.items():
        if value != of_other[key]:
            raise CommandError(
                f"cannot compare models of another {key}: {one} has {value}, {other} has "
                f"{of_other[key]}. Fit both alike, or give one of them and the images of the other"
            )


def _leave_out_copies(first: Collection, second: Collection) -> tuple[Collection, int]:
    """Leave out of the second collection copies of files of the first; say how many there are."""
    known = [file for file, _ in (*first.images, *second.images) if os.path.isfile(file)]
    keys = dict(zip(known, datasets.content_keys(known), strict=True))
    there = {keys[file] for file, _ in first.images if file in keys}
    kept = [(file, label) for file, label in second.images if keys.get(file) not in there]
    if not kept:
        raise CommandError(
            f"all images of {second.path} are copies of images of {first.path}, whose content "
            f"would match; give other images of the sources"
        )
    return second._replace(images=kept), len(second.images) - len(kept)


def _make_reader(collections: Sequence[Collection], args: argparse.Namespace) -> ImageReader | None:
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
    files = [file for found in collections for file, _ in found.images]
    # What fails is named when its pixels are read.
    bunch = _images.inspect_images(files, args, [], quiet=True)
    # Of images of one size all is used: the more pixels, the stronger the evidence.
    crop = args.crop or _images.auto_crop(bunch, whole_from=_arguments.AUTO_SHARE)
    return ImageReader(crop=crop, anchor=args.anchor)


def _fingerprints_of(
    collection: Collection,
    like: Any,
    reader: ImageReader | None,
    args: argparse.Namespace,
    failures: list[ImageReadError],
) -> comparison.FingerprintSet:
    """Take the fingerprints out of a model, or make them of images as `like` says."""
    name = os.path.basename(os.path.abspath(collection.path))
    try:
        if collection.model is not None:
            return comparison.fingerprint_set(collection.model.whole)
        with MESSAGES.progress(f"reading {name}") as progress:
            return comparison.estimate_fingerprints(
                *zip(*collection.images, strict=True),
                like=like,
                reader=reader,
                batch_size=args.batch_size,
                n_jobs=args.jobs,
                on_error=_images.collect_failures(failures),
                progress=progress,
            )
    except ValueError as error:
        raise CommandError(f"{collection.path}: {error}") from error


def _write(compared: Compared, args: argparse.Namespace) -> str | None:
    if args.out is None:
        return None
    with MESSAGES.progress("drawing") as progress:
        _folder.write_files(args.out, _views.draw_comparison(compared, progress))
    return _folder.write_page(args.out, _views.render_comparison(compared, args))


def _print(compared: Compared, index: str | None, args: argparse.Namespace) -> None:
    result, matches = compared.result, compared.result.matches()
    rows = result.rows()
    document = {
        "first": args.first,
        "second": args.second,
        "size": compared.sets[0].fingerprints.shape[1:3],
        "trim": args.trim,
        "false_alarm_rate": compared.level,
        **result.to_dict(),
        "verdicts": [_findings.verdict(match, compared) for match in matches],
        "images": compared.counts,
        "warnings": compared.warnings,
        "report": index,
        "failures": _images.failure_rows(compared.failures),
    }
    shown = Table(_PAIRS, rows)
    if len(rows) > _MOST_PAIRS:
        shown = Table(_MATCHES, [match._asdict() for match in matches])
    _console.print_results(
        args.format,
        document,
        Table(columns(*_PAIRS, "null"), [{**row, "null": result.null} for row in rows]),
        shown=[_with_p_in_words(shown)],
        notes=["", *_findings.sentences(matches, compared), *_findings.comparison_notes(compared)],
    )


def _with_p_in_words(table: Table) -> Table:
    keys = [key for key in table.keys if key.startswith("p_value")]
    rows = [{**row, **{key: _findings.p_number(row[key]) for key in keys}} for row in table.rows]
    return Table(table.columns, rows)
