"""Results to stdout as table, CSV or JSON; messages to stderr."""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TextIO

from sklearn_ganprint._output import csv_bytes, csv_text, json_text, printable

Row = dict[str, Any]

#: The version of all that is written as JSON, raised when a program could misread it.
SCHEMA_VERSION = 1

#: Columns that a table may take where no terminal has to show it: nothing is ever cut off.
_WIDE = 10_000

#: Entries of a list that a table shows; CSV and JSON hold all.
_LISTED = 3


class CommandError(Exception):
    """Wrong use of the command line; the message says what to do."""


class Column(NamedTuple):
    """A column of results: its key in CSV and JSON, its title in a table, and its digits."""

    key: str
    title: str
    digits: int | None = None


#: Columns of several commands.
ENERGY = Column("fingerprint_energy", "fingerprint energy", 4)
P_VALUE = Column("p_value", "p-value", 4)


def columns(*given: str | Column) -> tuple[Column, ...]:
    """Make columns; where a key alone is given, the title is the key in words."""
    made = (Column(x, x.replace("_", " ")) if isinstance(x, str) else x for x in given)
    return tuple(made)


class Table(NamedTuple):
    """Rows and those of their values that are shown."""

    columns: Sequence[Column]
    rows: Sequence[Row]

    @property
    def keys(self) -> list[str]:
        """The keys of the columns."""
        return [column.key for column in self.columns]

    @property
    def cells(self) -> list[list[Any]]:
        """The values that are shown of each row."""
        return [[row.get(key) for key in self.keys] for row in self.rows]

    def filled(self) -> "Table":
        """Leave out the columns that hold nothing in any row."""
        filled = {key for row in self.rows for key, value in row.items() if value is not None}
        return Table([column for column in self.columns if column.key in filled], self.rows)


def print_results(
    form: str,
    document: Row,
    table: Table,
    *,
    shown: Sequence[Table] = (),
    notes: Sequence[str] = (),
) -> None:
    """Print what a command has found, in the form that ``--format`` names.

    JSON holds `document`, CSV `table`: a program gets names as they are, a terminal escaped as in
    a table. People get the tables `shown`, by default `table`, with `notes` below them.
    """
    if form == "table":
        for number, part in enumerate(shown or [table]):
            print("\n" * (number > 0), end="")
            _print_table(part)
        for note in notes:
            print(one_line(note))
    elif form == "json":
        print(json_text({"schema_version": SCHEMA_VERSION, **document}))
    else:
        written = printable if sys.stdout.isatty() else str
        rows = [[_csv_cell(value, written) for value in cells] for cells in table.cells]
        print(csv_text(table.keys, rows, spreadsheet=form == "spreadsheet", digits=6), end="")


def print_file_results(
    form: str,
    document: Row,
    table: Table,
    *,
    shown: Sequence[Column],
    notes: Sequence[str],
    as_shown: Callable[[Row], Row] = dict,
    appended: Sequence[Column] = (),
) -> None:
    """Print one row a file; tables leave out what failed, which was named on stderr.

    `as_shown` makes the row of a table. Columns that are `appended` come last in CSV.
    """
    used = [as_shown(row) for row in judged(table.rows)]
    reason = Table(columns("reason"), used).filled()
    print_results(
        form,
        {**document, "results": table.rows},
        Table((*table.columns, *columns("error", "reason"), *appended), table.rows),
        shown=[Table([*shown, *reason.columns], used)],
        notes=notes,
    )


def judged(rows: Sequence[Row]) -> list[Row]:
    """Give the rows of the files that could be used."""
    return [row for row in rows if row["error"] is None]


def _csv_cell(value: Any, written: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        value = [f"{key}: {count}" for key, count in value.items()]
    if isinstance(value, list | tuple):
        value = "; ".join(map(str, value))
    return written(value) if isinstance(value, str) else value


def csv_file(table: Table) -> bytes:
    """Write rows as the content of a CSV file, for programs and for spreadsheets."""
    return csv_bytes(table.keys, table.cells, spreadsheet=True)


def _print_table(results: Table) -> None:
    """Print rows as a table as wide as it needs to be, folded where the terminal is narrower."""
    from rich import box, console, table, text  # optional, and slow

    drawn = table.Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for key, title, _ in results.columns:
        number = any(isinstance(row.get(key), int | float) for row in results.rows)
        drawn.add_column(title, justify="right" if number else "left", overflow="fold")
    for cells in results.cells:
        shown = map(_shown, cells, (column.digits for column in results.columns))
        # Text: in a plain string, rich would take [brackets] of a file's name for markup.
        drawn.add_row(*map(text.Text, shown))
    width = None if sys.stdout.isatty() else _WIDE
    try:
        console.Console(width=width, highlight=False).print(drawn, crop=False)
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


def one_line(text: object) -> str:
    """Write a message so that it is one line: line ends become spaces, the rest is printable."""
    return printable(" ".join(str(text).splitlines()))


class Messages:
    """What is told beside the results: one line each, to a stream or the stderr of the moment."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._live: Any = None

    @property
    def stream(self) -> TextIO:
        return self._stream or sys.stderr

    def say(self, *texts: object) -> None:
        for text in map(one_line, texts):
            if self._live is None:
                print(text, file=self.stream)
            else:
                # Above the progress bar, which a plain print would tear apart.
                self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def warn(self, *texts: object) -> None:
        """Say what is to be warned of; None is nothing."""
        self.say(*(f"warning: {text}" for text in texts if text is not None))

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """Give a function to be called with the numbers done and in all.

        On a terminal it moves a bar. Elsewhere, such as in a log, it writes at most ten lines.
        Fewer done than before are of another pass over the same, which is said.
        """
        before, n_passes = 0, 1

        def name(done: int) -> str:
            nonlocal before, n_passes
            n_passes += done < before
            before = done
            return one_line(title) if n_passes == 1 else f"{one_line(title)}, pass {n_passes}"

        if self.stream.isatty():
            with self._bar() as live:
                task = live.add_task(name(0), total=None)
                yield lambda done, total: live.update(
                    task, completed=done, total=total, description=name(done)
                )
        else:
            yield self._lines(name)

    @contextmanager
    def _bar(self) -> Iterator[Any]:
        from rich import console, progress  # optional, and slow

        parts = (
            # No markup: a title may hold the name of a file with [brackets].
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
        )
        target = console.Console(file=self.stream)
        # stdout is left alone: results may be on their way into a file.
        with progress.Progress(
            *parts, console=target, transient=True, redirect_stdout=False
        ) as live:
            self._live = live
            try:
                yield live
            finally:
                self._live = None

    def _lines(self, name: Callable[[int], str]) -> Callable[[int, int], None]:
        tenths = 0

        def update(done: int, total: int) -> None:
            nonlocal tenths
            title, before, tenths = name(done), tenths, 10 * done // max(1, total)
            if tenths not in (0, before):
                self.say(f"{title}: {done} of {total}")

        return update


#: The messages of the running command.
MESSAGES = Messages()


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show each warning once, as one line, without the place in the code that it comes from."""
    shown = set()

    def show(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        if str(message) not in shown:
            MESSAGES.warn(message)
        shown.add(str(message))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def family_rows(found: Any, names: Sequence[str], members: str) -> list[Row]:
    """Make one row for each family of several sources, with the names of these as `members`."""
    return [
        {"family": family, members: [names[code] for code in own], "confused": float(share)}
        for family, own, share in zip(found.names, found.members_, found.shares_, strict=True)
        if len(own) > 1
    ]
