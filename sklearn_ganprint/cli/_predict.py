"""``ganprint predict``: which of a model's sources made these images."""

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn_ganprint.cli import _arguments
from sklearn_ganprint.cli._console import MESSAGES, Column, print_csv, print_json, print_table
from sklearn_ganprint.cli._errors import CommandError
from sklearn_ganprint.cli._models import Model, open_model

if TYPE_CHECKING:
    import numpy as np

    from sklearn_ganprint.datasets import ImageReadError

REQUIRES = ("rich", "skops")

_COLUMNS = (
    Column("file", "file"),
    Column("source", "source"),
    Column("correlation", "correlation", 4),
    Column("runner_up", "runner-up"),
    Column("runner_up_correlation", "its correlation", 4),
    Column("margin", "margin", 4),
)


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command's arguments."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "predict",
        help="attribute images to the sources of a model",
        description="Attribute each image to the source whose fingerprint its residual correlates "
        "with most. Every image gets a source: the margin to the runner-up says how clear it was, "
        "and nothing here says that it is from none of them.",
    )
    parser.add_argument("model", metavar="MODEL", help="a file from `ganprint fit`")
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="an image, or a folder: all files in it at any depth, hidden ones skipped",
    )
    _arguments.add_format(parser)
    _arguments.add_jobs(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Attribute images and print the result of each."""
    model = open_model(args.model)
    if model.classifier.metric != "correlation":
        raise CommandError(
            f"{args.model}: expected a model that decides by correlation, this one has "
            f"metric={model.classifier.metric!r}; use it from Python"
        )
    failures: list[ImageReadError] = []
    files = _find_files(args.paths, failures)
    scores = _correlate(model, files, args.jobs, failures)
    rows = _rows(files, scores, model.whole.classes_.tolist(), failures)
    _print(rows, args)
    if failures:
        MESSAGES.say(f"{len(failures)} could not be used; all others were")
    return 1 if failures else 0


def _find_files(paths: Sequence[str], failures: "list[ImageReadError]") -> list[str]:
    """List the files and those in folders, each once; a folder may fail to open."""
    from sklearn_ganprint.datasets._listing import walk_files

    files: dict[str, None] = {}
    for path in paths:
        if os.path.isdir(path):
            files.update(dict.fromkeys(walk_files(path, {os.path.realpath(path)}, failures)))
        else:
            files[path] = None
    for failure in failures:
        MESSAGES.say(str(failure))
    if not any(map(os.path.lexists, files)):
        raise CommandError(
            f"no image found: expected files that exist, or folders that hold some, got "
            f"{', '.join(paths)}"
        )
    return list(files)


def _correlate(
    model: Model, files: list[str], n_jobs: int, failures: "list[ImageReadError]"
) -> "np.ndarray":
    def fail(error: "ImageReadError") -> None:
        MESSAGES.say(str(error))
        failures.append(error)

    with MESSAGES.progress("attributing") as progress:
        model.whole.set_params(n_jobs=n_jobs, on_error=fail, progress=progress)
        return model.whole.correlate(files)


def _rows(
    files: Sequence[str],
    scores: "np.ndarray",
    sources: Sequence[Any],
    failures: "Sequence[ImageReadError]",
) -> list[dict[str, Any]]:
    """One row a file, and one for each folder that could not be listed."""
    reasons = {failure.filename: failure.reason for failure in failures}
    names = list(map(str, sources))
    rows = [
        _failed_row(file, reasons[file]) if file in reasons else _row(file, values, names)
        for file, values in zip(files, scores, strict=True)
    ]
    listed = set(files)
    return rows + [_failed_row(name, why) for name, why in reasons.items() if name not in listed]


def _row(file: str, correlations: "np.ndarray", names: Sequence[str]) -> dict[str, Any]:
    # Stable: of equal correlations the first class wins, as in predict.
    first, second = (-correlations).argsort(kind="stable")[:2]
    return {
        "file": file,
        "source": names[first],
        "correlation": float(correlations[first]),
        "runner_up": names[second],
        "runner_up_correlation": float(correlations[second]),
        "margin": float(correlations[first] - correlations[second]),
        "correlations": dict(zip(names, correlations.tolist(), strict=True)),
        "error": None,
    }


def _failed_row(file: str, reason: str) -> dict[str, Any]:
    row: dict[str, Any] = {column.key: None for column in _COLUMNS}
    return {**row, "file": file, "correlations": None, "error": reason}


def _print(rows: Sequence[dict[str, Any]], args: argparse.Namespace) -> None:
    if args.format == "json":
        print_json({"model": args.model, "results": rows})
    elif args.format == "csv":
        print_csv((*_COLUMNS, Column("error", "error")), rows)
    else:
        # What failed has been named on stderr; a table of results holds results.
        print_table(_COLUMNS, [row for row in rows if row["error"] is None])
