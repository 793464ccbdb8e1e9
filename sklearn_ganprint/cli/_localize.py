"""``ganprint localize``: which parts of images do not come from the source that they should."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sklearn_ganprint.cli import _arguments
from sklearn_ganprint.cli._console import MESSAGES, Column, csv_file
from sklearn_ganprint.cli._errors import CommandError
from sklearn_ganprint.cli._images import exit_status
from sklearn_ganprint.cli._models import (
    find_source,
    open_localizer,
    warning_of_few,
)
from sklearn_ganprint.cli._question import Question, notes
from sklearn_ganprint.cli._scoring import Row, find_files, n_judged, outside, print_rows
from sklearn_ganprint.cli._text import file_slugs
from sklearn_ganprint.cli.pages._folder import PAGE, begin_out, write_files

if TYPE_CHECKING:
    from sklearn_ganprint.cli._located import Located
    from sklearn_ganprint.datasets import ImageReadError

REQUIRES = ("rich", "skops", "jinja2", "matplotlib")

_COLUMNS = (
    Column("file", "file"),
    Column("claimed", "claimed"),
    Column("false_region", "false region"),
    Column("p_value", "p-value", 4),
    Column("score", "score", 2),
    Column("n_regions", "regions"),
    Column("pixels", "pixels"),
    Column("share", "share", 3),
    Column("left", "left"),
    Column("top", "top"),
    Column("width", "width"),
    Column("height", "height"),
    Column("flat", "flat", 3),
)
#: In a table one box takes one column.
_TABLE = (*_COLUMNS[:5], Column("pixels", "pixels"), Column("box", "largest region"), _COLUMNS[-1])
_KEYS = (*(column.key for column in _COLUMNS), "regions", "map", "mask", "error", "reason")

#: Folders in OUT.
_FOLDERS = {"map": ("maps", "png"), "image": ("images", "jpg"), "mask": ("masks", "png")}


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command's arguments."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "localize",
        help="find the parts of images that come from elsewhere",
        description="Map each image by how much more likely another source of the model is than "
        "the claimed one, part by part, and mark regions that are not from it. The model is from "
        "`ganprint fit --kind localization`. Flat and saturated areas say nothing.",
    )
    _arguments.add_model_and_images(parser)
    parser.add_argument(
        "--claimed",
        metavar="SOURCE",
        help="the source that the images are said to be from, one of the model's (default: the "
        "most likely source of each whole image)",
    )
    _arguments.add_false_alarm(
        parser,
        "share of clean images, of the size fitted on, that may get a false region, in (0, 1)",
        _arguments.LOCALIZATION_RATE,
    )
    _arguments.add_out(parser, "a map of each image")
    parser.add_argument(
        "--masks",
        action="store_true",
        help="also write the regions of each image into the folder, white on black, as PNG",
    )
    _arguments.add_format(parser)
    _arguments.add_jobs(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Localize in each image, write and print what was found."""
    if args.masks and args.out is None:
        raise CommandError("--masks: expected --out DIR, the folder that they go to")
    question = _question(args)
    begin_out(args)
    files, failures = find_files(args.paths)
    files = outside(files, args.out)
    if warning := warning_of_few(question.model, question.rate):
        MESSAGES.warn(warning)
    rows = _rows(files, failures, question, args)
    index = _write_page(rows, question, args)
    _print(rows, question, index, args)
    if index:
        MESSAGES.say(f"maps and explanations: {index}")
    return exit_status(failures, n_judged(rows))


def _question(args: argparse.Namespace) -> Question:
    """Load the model, find the claimed source in it, and set the rate."""
    model = open_localizer(args.model)
    rate = args.false_alarm or _arguments.LOCALIZATION_RATE
    model.classifier.set_false_alarm_rate(rate)
    if args.claimed is None:
        return Question(model, None, rate)
    return Question(model, find_source(model, args.claimed, "--claimed", args.model), rate)


def _rows(
    files: list[str],
    failures: "list[ImageReadError]",
    question: Question,
    args: argparse.Namespace,
) -> list[Row]:
    """Localize in each file, write its pictures, and make one row of it."""
    from sklearn_ganprint.datasets import ImageReadError

    slugs, rows = file_slugs(files), []
    with MESSAGES.progress("localizing") as progress:
        for done, (file, found) in enumerate(_found(files, question, args), start=1):
            empty = {**dict.fromkeys(_KEYS), "file": file}
            if isinstance(found, ImageReadError):
                MESSAGES.say(str(found))
                failures.append(found)
                rows.append({**empty, "error": found.reason})
            else:
                written = _write_pictures(found, slugs[file], args.out)
                rows.append({**empty, **_answer(found), **written})
            progress(done, len(files))
    named = {row["file"] for row in rows}
    rest = [failure for failure in failures if failure.filename not in named]
    empty = dict.fromkeys(_KEYS)
    return rows + [{**empty, "file": each.filename, "error": each.reason} for each in rest]


def _found(
    files: Sequence[str], question: Question, args: argparse.Namespace
) -> "Iterator[tuple[str, Located | ImageReadError]]":
    """Localize in one file after the other, or in some at a time."""
    from sklearn_ganprint._parallel import map_in_order
    from sklearn_ganprint.cli._located import Wanted, locate_file

    wanted = Wanted(question.model.pipeline, question.claimed, args.out is not None, args.masks)
    results = map_in_order(locate_file, ((file, wanted) for file in files), args.jobs)
    yield from zip(files, results, strict=True)


def _write_pictures(found: "Located", slug: str, out: str | None) -> dict[str, str]:
    """Write the pictures of one image; return their names in the folder, by what they are."""
    names = {kind: f"{_FOLDERS[kind][0]}/{slug}.{_FOLDERS[kind][1]}" for kind in found.files}
    # Without a folder there are none.
    write_files(out or "", ((names[kind], content) for kind, content in found.files.items()))
    return names


def _answer(found: "Located") -> Row:
    """Say what was found in an image."""
    n_pixels = sum(region["pixels"] for region in found.regions)
    largest = found.regions[0] if found.regions else None
    box = None
    if largest is not None:
        box = "{width} x {height} at {left}, {top}".format(**largest)
    return {
        "claimed": found.claimed,
        # Where all is flat, nothing can be said.
        "false_region": "yes" if found.regions else "no" if found.flat < 1 else None,
        "p_value": found.p_value,
        # A map without any region of the least size has no score.
        "score": found.score if abs(found.score) < float("inf") else None,
        "n_regions": len(found.regions),
        "share": n_pixels / (found.size[0] * found.size[1]),
        "box": box,
        "flat": found.flat,
        "image_size": found.size,
        "grey": found.grey,
        "regions": found.regions,
        **(largest or {}),
        "pixels": n_pixels,
        "reason": found.reason,
    }


def _write_page(rows: list[Row], question: Question, args: argparse.Namespace) -> str | None:
    if args.out is None:
        return None
    from sklearn_ganprint.cli.pages._views import render_localization

    more = ("map", "mask", "error", "reason")
    table = csv_file((*_COLUMNS, *(Column(key, key) for key in more)), rows)
    page = render_localization(rows, question, notes(rows, question), args).encode("utf-8")
    return write_files(args.out, [("results.csv", table), (PAGE, page)])


def _print(
    rows: Sequence[Row], question: Question, index: str | None, args: argparse.Namespace
) -> None:
    localizer = question.model.classifier
    document = {
        "model": args.model,
        "claimed": None if question.claimed is None else str(question.claimed),
        "false_alarm_rate": question.rate,
        "rate_holds_for": question.size,
        "calibration_images": len(localizer.calibration_peaks_),
        "threshold": localizer.threshold_,
        "report": index,
    }
    shown = [column for column in _TABLE if column.key != "flat" or _any_flat(rows)]
    if not any(row["p_value"] is not None for row in rows):
        shown = [column for column in shown if column.key != "p_value"]
    print_rows(args, rows, _COLUMNS, document=document, table=shown, notes=notes(rows, question))


def _any_flat(rows: Sequence[Row]) -> bool:
    return any(row["flat"] for row in rows)
