"""``ganprint inspect``: what image files are, and what they say of themselves."""

import argparse
from collections.abc import Sequence

from sklearn_ganprint import datasets
from sklearn_ganprint.cli import _arguments, _console, _images
from sklearn_ganprint.cli._console import MESSAGES, Row, Table, columns
from sklearn_ganprint.datasets import ImageReader, ImageReadError, estimate_history
from sklearn_ganprint.files import FileHistory
from sklearn_ganprint.residuals import is_grey

REQUIRES = ("rich",)
DESCRIPTION = (
    "Show what image files are and have been through, and what they themselves say of their "
    "origin: C2PA manifests, which are validated, IPTC digital source types, EXIF and XMP data, "
    "and texts of programs that generate images. All of it can be forged or stripped, and nothing "
    "is taken from the network. What pixels show of a source is the matter of `ganprint predict`."
)

_PROPERTIES = columns(
    *("file", "history", "format", "width", "height"),
    *("jpeg_quality", "pixel_jpeg_quality", "jpeg_grid", "sha256"),
)
_STATEMENTS = columns("kind", "name", "value", "suggests")
_FILES = columns("file", "history", "sha256")
_KEYS = (*(column.key for column in _PROPERTIES), "statements", "error", "reason")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add(parser, "paths", "--format")


def run(args: argparse.Namespace) -> int:
    """Inspect files and print what each is and says."""
    failures: list[ImageReadError] = []
    files, found = list(_images.find_files(args, failures)), {}
    with MESSAGES.progress("inspecting") as progress:
        for number, file in enumerate(files, start=1):
            result = _images.attempt(_inspect, file)
            if isinstance(result, ImageReadError):
                _images.collect_failures(failures)(result)
            else:
                found[file] = result
            progress(number, len(files))
    rows = _images.file_rows(files, failures, _KEYS, lambda number: found[files[number]])
    _print(rows, args.format)
    return _images.exit_status(len(failures), len(found))


def _inspect(file: str) -> Row:
    """Read the header, the pixels and the statements of one file."""
    bunch = datasets.inspect_images([file])
    if bunch.failures:
        raise bunch.failures[0]
    pixels = grey = reason = None
    try:
        image = ImageReader().read_one(file)
        pixels, grey = estimate_history(image), is_grey(image)
    except ImageReadError as error:  # statements can be read of damaged images too
        reason = _console.one_line(error.reason)
    (form,), (width,), (height,), (quality,) = (
        bunch[key].tolist() for key in ("formats", "widths", "heights", "jpeg_quality")
    )
    history = FileHistory(form, width, height, quality if quality > 0 else None, pixels, grey=grey)
    # Files of equal size are read, so that one file is listed twice.
    (_, digest), _ = datasets.content_keys([file, file])
    return {
        **_images.history_cells(history),
        "sha256": digest,
        "statements": datasets.read_provenance(file),
        "reason": reason,
    }


def _print(rows: Sequence[Row], form: str) -> None:
    """Print two tables, or in CSV one row for each statement, and at least one for each file."""
    used = _console.judged(rows)
    stated = [{**row, **statement} for row in used for statement in row["statements"]]
    reason = Table(columns("reason"), used).filled()
    silent = [row for row in rows if not row["statements"]]
    n_stating = len({row["file"] for row in stated if row["name"] != "not read"})
    _console.print_results(
        form,
        {"results": rows},
        Table((*_PROPERTIES, *_STATEMENTS, *columns("error", "reason")), [*stated, *silent]),
        shown=[
            Table((*_FILES, *reason.columns), used),
            *([Table(columns("file", *_STATEMENTS), stated)] if stated else []),
        ],
        notes=[
            "",
            f"files that say something of their origin: {n_stating} of {len(used)}; all of it can "
            f"be forged or stripped, so that neither a statement nor the lack of one is proof",
        ],
    )
