"""The record of what a command has found: ``case.json``, and a page to read and to print."""

import argparse
import platform
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

import sklearn_ganprint
from sklearn_ganprint._output import json_text
from sklearn_ganprint.cli import _console, _examine, _images, _info, _models, _pages
from sklearn_ganprint.cli._answers import Judgement
from sklearn_ganprint.cli._console import Row
from sklearn_ganprint.cli._models import Model

#: What `--out` gets, as the help says it.
CONTENT = "a sheet for each image, and case.json, which `ganprint replay` runs again"

#: The file that a page is made of.
CASE = "case.json"

#: Parameters as they were given, with which `ganprint replay` runs a command again.
_PARAMETERS = ("model", "source", "paths", "false_alarm", "coverage", "stability")

_PACKAGES = ("numpy", "scipy", "scikit-learn", "Pillow", "PyWavelets")

#: What the other contents of a case do not show.
_LIMITS = (
    "Pictures of residuals, fingerprints and their agreement illustrate an answer. They are not "
    "what it rests on alone, and nothing should be read off them by eye.",
    "A digest tells that a file is the same as the one that was judged, not where it comes from.",
)


def write_case(command: str, judgement: Judgement, args: argparse.Namespace) -> int:
    """Write a case if ``--out`` asks for one, and give the exit status of the command."""
    if args.out is not None:
        document = make_document(command, judgement, args)
        page = _pages.render_page("case", args, case=document)
        content = f"{json_text(document)}\n".encode()
        _pages.say_where(_pages.write_page(args.out, page, [(CASE, content)]), "case")
    return _images.exit_status(judgement.failures, len(_console.judged(judgement.rows)))


def make_document(command: str, judgement: Judgement, args: argparse.Namespace) -> Row:
    """Put together what is known of a case; pictures are written on the way."""
    model, given = judgement.model, vars(args)
    rows = [_told(row, judgement) for row in judgement.rows]
    exhibits, fingerprints = _examine.examine(rows, model, args)
    nearest = _nearest(rows, model, args.jobs)
    described = _info.describe(args.model, model)
    return {
        "schema_version": _console.SCHEMA_VERSION,
        "command": command,
        "command_line": shlex.join(["ganprint", *args.words]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "parameters": {key: given[key] for key in _PARAMETERS if key in given},
        "model": {
            **described,
            "notes": _models.notes_of_out_of_fold(described["out_of_fold"]),
        },
        "settings": judgement.document,
        "notes": judgement.notes,
        "limits": [*_models.LIMITS_OF_ANSWERS, *_models.LIMITS, *_LIMITS],
        "fingerprints": fingerprints,
        "images": [
            {**row, **exhibit, "nearest_images": near}
            for row, exhibit, near in zip(rows, exhibits, nearest, strict=True)
        ],
    }


def _nearest(rows: Sequence[Row], model: Model, n_jobs: int) -> list[list[Row]]:
    """Name the images of the fit that are the nearest to the image of each row, if known."""
    files, found = [row["file"] for row in _console.judged(rows)], {}
    if files and hasattr(model.whole, "nearest_fitted"):
        how = {"on_error": lambda error: None, "progress": None, "on_history": None}
        model.whole.set_params(n_jobs=n_jobs, **how)
        found = dict(zip(files, model.whole.nearest_fitted(files), strict=True))
    return [[image._asdict() for image in found.get(row["file"], ())] for row in rows]


def _told(row: Row, judgement: Judgement) -> Row:
    """Add the answer in words, and the two sources that the image is held against, if any."""
    answered = row["score"] is not None
    answer, *evidence = [""] if row["error"] else judgement.in_words(row)
    source = judgement.document.get("source") or row.get("nearest")
    other = row.get("best_other") or row.get("runner_up")
    return {
        **row,
        "answer": answer or None,
        "evidence": " ".join(evidence) or None,
        "held_against": source if answered else None,
        "other": other if answered else None,
    }


def versions() -> dict[str, str]:
    """Return the versions of all that answers depend on."""
    return {
        "Python": platform.python_version(),
        "sklearn_ganprint": sklearn_ganprint.__version__,
        **{name: version(name) for name in _PACKAGES},
    }
