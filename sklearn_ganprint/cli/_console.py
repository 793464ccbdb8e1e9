"""Results to stdout as table, CSV or JSON; messages and progress to stderr."""

import csv
import io
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from sklearn_ganprint.cli._text import one_line

#: Columns that a table may take where no terminal has to show it: nothing is ever cut off.
_WIDE = 10_000

#: Entries of a list that a table shows; CSV and JSON hold all.
_LISTED = 3


@dataclass(frozen=True)
class Column:
    """A column of results: its key in CSV and JSON, its title in a table, and its digits."""

    key: str
    title: str
    digits: int | None = None


def print_csv(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> None:
    """Print rows as CSV with a line of names; what is unknown stays empty."""
    _write_csv(sys.stdout, columns, rows, _plain)


def csv_text(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> str:
    """Write rows as CSV for a file that is read again: names of files stay as they are."""
    stream = io.StringIO()
    _write_csv(stream, columns, rows, lambda value: value)
    return stream.getvalue()


def _write_csv(
    stream: TextIO,
    columns: Sequence[Column],
    rows: Sequence[dict[str, Any]],
    written: Callable[[Any], Any],
) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column.key for column in columns])
    for row in rows:
        writer.writerow([written(row.get(column.key)) for column in columns])


def print_json(document: Any) -> None:
    """Print a document as JSON."""
    print(json.dumps(_json_ready(document), indent=2, ensure_ascii=False, allow_nan=False))


def shown_columns(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> list[Column]:
    """Leave out of a table the columns that hold nothing in any row."""
    return [column for column in columns if any(row.get(column.key) is not None for row in rows)]


def print_table(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> None:
    """Print rows as a table as wide as it needs to be, folded where the terminal is narrower."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        number = any(isinstance(row.get(column.key), int | float) for row in rows)
        table.add_column(column.title, justify="right" if number else "left", overflow="fold")
    for row in rows:
        # Text: in a plain string, rich would take [brackets] of a file's name for markup.
        table.add_row(*(Text(_shown(row.get(column.key), column.digits)) for column in columns))
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    try:
        console.print(table, crop=False)
    except SystemExit as stop:  # rich's answer to a broken pipe, with a status of its own
        raise BrokenPipeError from stop


def _shown(value: Any, digits: int | None) -> str:
    """Write a cell of a table."""
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        more = len(value) - _LISTED
        texts = [*map(one_line, value[:_LISTED]), *([f"{more} more"] if more > 0 else [])]
        return ", ".join(texts) or "-"
    return f"{value:.{digits}f}" if digits is not None else one_line(value)


def _plain(value: Any) -> Any:
    """Write a cell of a CSV file."""
    if isinstance(value, list | tuple):
        return "; ".join(map(str, map(_plain, value)))
    return f"{value:.6g}" if isinstance(value, float) else _encodable(value)


def _json_ready(value: Any) -> Any:
    """Make every text in a document encodable."""
    if isinstance(value, dict):
        return {_encodable(key): _json_ready(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json_ready(each) for each in value]
    return _encodable(value)


def _encodable(value: Any) -> Any:
    from sklearn_ganprint.datasets._decode import printable

    return printable(value) if isinstance(value, str) else value


class Messages:
    """What is told beside the results, on stderr, one line each.

    Parameters
    ----------
    stream : text stream, default=None
        Where to; None takes the stderr of the moment.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._live: Any = None

    @property
    def stream(self) -> TextIO:
        return self._stream or sys.stderr

    def say(self, text: str) -> None:
        if self._live is None:
            print(one_line(text), file=self.stream)
        else:
            # Above the progress bar, which a plain print would tear apart.
            self._live.console.print(one_line(text), markup=False, highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        self.say(f"warning: {text}")

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """Give a function to be called with the numbers done and in all.

        On a terminal it moves a bar. Elsewhere, such as in a log, it writes at most ten lines.
        """
        if self.stream.isatty():
            with self._bar() as live:
                task = live.add_task(title, total=None)
                yield lambda done, total: live.update(task, completed=done, total=total)
        else:
            yield self._lines(title)

    @contextmanager
    def _bar(self) -> Iterator[Any]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
        console = Console(file=self.stream)
        # stdout is left alone: results may be on their way into a file.
        with Progress(*columns, console=console, transient=True, redirect_stdout=False) as live:
            self._live = live
            try:
                yield live
            finally:
                self._live = None

    def _lines(self, title: str) -> Callable[[int, int], None]:
        tenths = 0

        def update(done: int, total: int) -> None:
            nonlocal tenths
            if 10 * done // max(1, total) < tenths:
                tenths = 0  # another pass over the same files
            if 10 * done // max(1, total) > tenths:
                tenths = 10 * done // total
                self.say(f"{title}: {done} of {total}")

        return update


#: The messages of the running command.
MESSAGES = Messages()


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show a warning as one line, without the place in the code that it comes from."""

    def show(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        MESSAGES.warn(str(message))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
