"""Answers for any number of files, written part by part to one Parquet file."""

import argparse
import importlib.util
import os
from pathlib import Path
from typing import Any

from sklearn.utils import gen_batches

from sklearn_ganprint._output import atomic
from sklearn_ganprint.cli import _images
from sklearn_ganprint.cli._answers import Question
from sklearn_ganprint.cli._console import MESSAGES, CommandError, Row
from sklearn_ganprint.cli._pages import check_file
from sklearn_ganprint.cli._scored import score_files
from sklearn_ganprint.datasets import ImageReadError

#: Files whose answers are in memory at a time, and make a row group.
N_ROWS = 4096

_NUMBERS = "p_value score runner_up_score margin jpeg_quality log10_lr_others log10_lr_unknown"

#: Types of columns by name; others are text.
_TYPES = {
    **dict.fromkeys(_NUMBERS.split(), "double"),
    **dict.fromkeys(("width", "height", "pixel_jpeg_quality"), "int32"),
}
_LISTS = {"set": "string", "outside": "string", "jpeg_grid": "int32"}


def write_parquet(question: Question, args: argparse.Namespace) -> int:
    """Answer for files, and write a row for each; return the exit status."""
    for option in ("out", "stability"):
        if getattr(args, option) is not None:
            raise CommandError(f"--parquet: leave out --{option}, or --parquet")
    if importlib.util.find_spec("pyarrow") is None:
        raise CommandError("--parquet needs pyarrow: pip install 'sklearn_ganprint[parquet]'")
    from pyarrow import parquet  # optional

    check_file("--parquet", args.parquet, force=args.force)
    files, unlisted = _images.find_files(args.paths)
    MESSAGES.warn(*question.cautions)
    schema, n_rows = _schema(question), 0
    failures: list[ImageReadError] = []
    with atomic(Path(args.parquet)) as part, parquet.ParquetWriter(part, schema) as writer:
        for number, some in enumerate(gen_batches(len(files), N_ROWS)):
            kept = None if args.resume is None else os.path.join(args.resume, f"{number:06d}")
            title = f"{question.title} {some.start + 1} to {some.stop} of {len(files)}"
            failed, unlisted = unlisted, []  # folders that cannot be listed come once
            scored = score_files(question.model, files[some], failed, args.jobs, title, kept)
            rows = scored.add_histories(question.rows(files[some], scored))
            writer.write_table(_table(rows, schema))
            n_rows, failures = n_rows + len(rows), [*failures, *scored.failures]
    MESSAGES.say(f"saved {args.parquet}: {n_rows} rows")
    return _images.exit_status(failures, n_rows - len(failures))


def _schema(question: Question) -> Any:
    """Give the columns that CSV has, with their types."""
    import pyarrow

    keys = [column.key for column in (*question.columns, *question.appended)]
    keys[len(question.columns) : len(question.columns)] = ["error", "reason"]
    types = {key: pyarrow.type_for_alias(_TYPES.get(key, "string")) for key in keys}
    lists = {key: pyarrow.list_(pyarrow.type_for_alias(of)) for key, of in _LISTS.items()}
    return pyarrow.schema([(key, lists.get(key, type_)) for key, type_ in types.items()])


def _table(rows: list[Row], schema: Any) -> Any:
    import pyarrow

    columns = {name: [_valid(row.get(name)) for row in rows] for name in schema.names}
    return pyarrow.table(columns, schema=schema)


def _valid(value: Any) -> Any:
    """Write text as UTF-8 has it: bytes of names that are none become escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return [_valid(part) for part in value] if isinstance(value, (list, tuple)) else value
