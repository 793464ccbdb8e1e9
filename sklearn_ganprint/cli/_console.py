"""Results to stdout as table, CSV or JSON; messages and progress to stderr."""

import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from sklearn_ganprint._text import csv_bytes, csv_text, is_unseen, printable
from sklearn_ganprint.cli._text import one_line

#: Formats that are CSV: names as they are, or such that a spreadsheet runs none of them.
CSV_FORMATS = ("csv", "spreadsheet")

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


def print_csv(columns: Sequence[Column], rows: Sequence[dict[str, Any]], form: str = "csv") -> None:
    """Print rows as CSV with a line of names; what is unknown stays empty.

    A program gets names as they are; on a terminal they are escaped as in a table.
    """
    table = [[_plain(row.get(column.key)) for column in columns] for row in rows]
    if sys.stdout.isatty():
        table = [[printable(x) if isinstance(x, str) else x for x in cells] for cells in table]
    header = [column.key for column in columns]
    print(csv_text(header, table, spreadsheet=form == "spreadsheet", digits=6), end="")


def csv_file(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> bytes:
    """Write rows as the content of a CSV file, for programs and for spreadsheets."""
    table = [[row.get(column.key) for column in columns] for row in rows]
    return csv_bytes([column.key for column in columns], table, spreadsheet=True)


def print_json(document: Any) -> None:
    """Print a document as JSON, in which escapes stand for what a terminal would obey."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    for line in text.split("\n"):
        print(line if line.isprintable() else "".join(map(_json_character, line)))


def _json_character(char: str) -> str:
    return json.dumps(char)[1:-1] if is_unseen(char) else char


def print_line(text: str) -> None:
    """Print a sentence beside a table."""
    print(one_line(text))


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
        texts = [*map(str, value[:_LISTED]), *([f"{more} more"] if more > 0 else [])]
        return printable(", ".join(texts)) or "-"
    return f"{value:.{digits}f}" if digits is not None else printable(str(value))


def _plain(value: Any) -> Any:
    """Write a list as one cell of a CSV file, and leave all else as it is."""
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else value


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
                task = live.add_task(one_line(title), total=None)
                yield lambda done, total: live.update(task, completed=done, total=total)
        else:
            yield self._lines(title)

    @contextmanager
    def _bar(self) -> Iterator[Any]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        # No markup: a title may hold the name of a file with [brackets].
        title = TextColumn("{task.description}", markup=False)
        columns = (title, BarColumn(), MofNCompleteColumn(), Remaining())
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
