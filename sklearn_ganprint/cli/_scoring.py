"""What `predict` and `verify` share: files that are given, their scores, and their rows."""

import argparse
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sklearn_ganprint.cli._console import (
    CSV_FORMATS,
    MESSAGES,
    Column,
    print_csv,
    print_json,
    print_line,
    print_table,
    shown_columns,
)
from sklearn_ganprint.cli._errors import CommandError
from sklearn_ganprint.cli._images import collect_failures
from sklearn_ganprint.cli._models import Model

if TYPE_CHECKING:
    import numpy as np

    from sklearn_ganprint.datasets import ImageReadError

Row = dict[str, Any]


class Scored(NamedTuple):
    """Files, their scores of shape (n, n_classes), and what could not be used.

    The greatest score says which source; p-values are by typicality, which not all models have.
    Images without a residual have no answer, for which `reasons` says why, by position.
    """

    files: list[str]
    scores: "np.ndarray"
    typicality: "np.ndarray | None"
    failures: "list[ImageReadError]"
    reasons: dict[int, str]


def find_files(paths: Sequence[str]) -> "tuple[list[str], list[ImageReadError]]":
    """List the files and those in folders, each once, and the folders that fail to open."""
    from sklearn_ganprint.datasets import list_images

    failures: list[ImageReadError] = []
    files: dict[str, None] = {}
    for path in paths:
        if os.path.isdir(path):
            listed = list_images(path, layout=None)
            files.update(dict.fromkeys(listed.filenames))
            failures += listed.failures
        else:
            files[path] = None
    for failure in failures:
        MESSAGES.say(str(failure))
    if not any(map(os.path.lexists, files)):
        raise CommandError(
            f"no image found: expected files that exist, or folders that hold some, got "
            f"{', '.join(paths)}"
        )
    return list(files), failures


def outside(files: Sequence[str], folder: str | None) -> list[str]:
    """Leave out the files in ``--out``, such as the pictures that an earlier run left there."""
    if folder is None:
        return list(files)
    inside = os.path.join(os.path.realpath(folder), "")
    kept = [file for file in files if not os.path.realpath(file).startswith(inside)]
    if not kept:
        raise CommandError(
            f"no image found outside of --out {folder}; name files that are not in it, or another "
            f"folder"
        )
    return kept


def score_files(
    model: Model, files: list[str], failures: "list[ImageReadError]", n_jobs: int, title: str
) -> Scored:
    """Score each file, in one pass over the pixels; `failures` are those there are already."""
    failures = list(failures)

    with MESSAGES.progress(title) as progress:
        model.whole.set_params(
            n_jobs=n_jobs, on_error=collect_failures(failures), progress=progress
        )
        if model.open_set is None:
            scores, typicality = model.whole.class_scores(files), None
        else:
            scores, typicality = model.whole.assess(files).swapaxes(0, 1)
    reasons = _reasons(model, files, scores, typicality)
    return Scored(files, scores, typicality, failures, reasons)


def _reasons(
    model: Model, files: list[str], scores: "np.ndarray", typicality: "np.ndarray | None"
) -> dict[int, str]:
    """Say of each image without a residual, which its scores tell, how little of it carries one."""
    from sklearn_ganprint.residuals._blanks import LOWEST

    blank = scores == 0 if typicality is None else typicality <= LOWEST
    return {
        position: reason_of(model.pipeline, model.whole.reader_.read_one(file))
        for position, file in enumerate(files)
        if blank[position].all()
    }


def reason_of(pipeline: Any, image: "np.ndarray") -> str:
    """Say why an image without a residual has no answer."""
    from sklearn_ganprint.residuals._blanks import find_residual, residual_share, share_in_words

    data_range = getattr(find_residual(pipeline), "data_range", 255.0)
    return share_in_words(float(residual_share(image[None], data_range)[0]))


def file_rows(
    scored: Scored, keys: Sequence[str], row: Callable[[int], Row], blank: Row | None = None
) -> list[Row]:
    """Make one row a file, of ``row(position)``, and one for each folder that could not be listed.

    A row of what failed has all `keys` too, as None, and so has one of an image without a
    residual, but for what `blank` holds and the reason.
    """
    reasons = {failure.filename: failure.reason for failure in scored.failures}
    rows = []
    for position, file in enumerate(scored.files):
        if file in reasons:
            found = {}
        elif position in scored.reasons:
            found = {**(blank or {}), "reason": scored.reasons[position]}
        else:
            found = row(position)
        rows.append(
            {**dict.fromkeys(keys), **found, "file": file, "error": reasons.pop(file, None)}
        )
    rest = [{"file": name, "error": reason} for name, reason in reasons.items()]
    return rows + [{**dict.fromkeys(keys), **each} for each in rest]


def n_judged(rows: Sequence[Row]) -> int:
    """Count the files that could be used."""
    return sum(row["error"] is None for row in rows)


def print_rows(
    args: argparse.Namespace,
    rows: Sequence[Row],
    columns: Sequence[Column],
    *,
    document: dict[str, Any],
    table: Sequence[Column],
    notes: Sequence[str],
) -> None:
    """Print rows as the arguments ask: as CSV, in a JSON document, or as a table with notes."""
    reason = Column("reason", "reason")
    if args.format == "json":
        print_json({**document, "results": rows})
    elif args.format in CSV_FORMATS:
        print_csv((*columns, Column("error", "error"), reason), rows, args.format)
    else:
        # What failed has been named on stderr; a table of results holds results.
        shown = [row for row in rows if row["error"] is None]
        print_table([*table, *shown_columns([reason], shown)], shown)
        for note in notes:
            print_line(note)
