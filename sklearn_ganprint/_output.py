r"""What is written: files that are whole or not there, CSV and JSON, and text fit for terminals.

Names of files and sources may hold anything. CSV that is written here is read here as it was. A
cell in quotes is taken as it is; a cell without quotes loses its outer spaces. Bytes of a file's
name that are not UTF-8 are written as they are. In the form for spreadsheets, cells that these
would run as formulas begin with an apostrophe, which the reader takes off.
"""

import codecs
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

if sys.platform != "win32":  # where a file cannot be replaced while it is open
    import fcntl

#: Names of files that are being written, whatever file they become. They are short and say nothing
#: of it, since its own name may be as long as names can be.
_PREFIX, _SUFFIX = ".ganprint-", ".part"

#: Categories of characters that are not seen, or that steer a terminal or the order of letters:
#: control and format characters, lone surrogates, separators of lines and paragraphs.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

#: Format characters without which words and emoji are written wrongly.
_JOINERS = "\u200c\u200d"

#: Error handler of text streams and files that names of files are written to.
NAMES = "sklearn_ganprint.names"

#: Letters in a cell, at the most: a file without separators or line ends is no list.
_LONGEST = 1 << 17

# Names of protocols have two letters at least: one letter is a drive. They may be chained.
_URL = re.compile(r"(?:[a-z][a-z\d+.-]+::)*[a-z][a-z\d+.-]+://", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^\s/?]*@")
#: Up to a space, but for what closes a quotation or a sentence.
_QUERY = re.compile(r"(://[^\s?'\"<>]*)\?\S*(?<![]'\"<>),.:;])")
_CELL = re.compile(
    r'[^\S\r\n]*+"((?:[^"]++|"")*+)"[^\S\r\n]*+(?=[,\r\n]|\Z)'  # in quotes, doubled ones inside
    r"|([^,\r\n]*+)"
)
_LINE_END = re.compile(r"\r\n|\r|\n")

#: Other separators, since spreadsheets may split at these.
_NEEDS_QUOTES = re.compile(r'[",;\t\r\n]|^\s|\s$')

#: What spreadsheets take for a formula, and what looks as if an apostrophe was put before one.
_FORMULA = re.compile(r"'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n])")
_GUARDED = re.compile(r"'+(?:\s*[=+\-@＝＋－＠]|[\t\r\n])")


class Name(str):
    """The printable name of an image that is not opened by its name."""


class Url(Name):
    """A URL without the user, password and query in it, of which `whole` still has them.

    So none of these is printed or saved. It can be opened only as long as it is a Url.
    """

    whole: str

    def __new__(cls, whole: str, text: str | None = None) -> Self:
        shown = without_secrets(whole.partition("?")[0]) if text is None else text
        url = super().__new__(cls, shown)
        url.whole = whole
        return url

    def __reduce__(self) -> tuple[Any, ...]:
        return Url, (self.whole, str(self))

    @property
    def parts(self) -> tuple[str, str]:
        """The address, and the query of one of the web with its question mark."""
        is_web = re.search("https?://", self.whole, re.IGNORECASE)
        address, mark, query = self.whole.partition("?") if is_web else (self.whole, "", "")
        return address.rstrip("/"), mark + query


def without_secrets(text: str) -> str:
    """Take users, passwords and queries out of the URLs in a text."""
    return _QUERY.sub(r"\1", _USER.sub("", text))


def as_name(path: Any) -> str:
    """Return a path as a str, which is a Url if it looks like one and no file is called so."""
    name = os.fsdecode(path)
    if isinstance(name, Name) or not _URL.match(name) or os.path.lexists(name):
        return name
    return Url(name)


def as_names(paths: Iterable[Any]) -> list[str]:
    """Return paths as names; URLs that differ in their query alone are numbered, to be told apart.

    One URL keeps its name wherever it comes up in the list.
    """
    names = [as_name(path) for path in paths]
    whole: dict[str, list[str]] = {}
    for position, name in enumerate(names):
        if isinstance(name, Url):
            same = whole.setdefault(name, [])
            same += [name.whole] if name.whole not in same else []
            if number := same.index(name.whole):
                names[position] = Url(name.whole, f"{name} ({number + 1})")
    return names


def absolute(name: str) -> str:
    """Return a path that holds from any folder."""
    return name if isinstance(name, Name) else os.path.abspath(name)


def printable(name: str) -> str:
    r"""Write a name so that it is one line, in its own order, on any terminal and page.

    Control and format characters become escapes such as ``\n``, ``\x1b`` or ``\u202e``, and
    bytes that are not UTF-8 become ``\xNN``.
    """
    if name.isprintable():
        return name
    return "".join(_escape(char) if _is_unseen(char) else char for char in name)


def _is_unseen(char: str) -> bool:
    """Return whether a character is invisible, or steers a terminal or the order of letters."""
    return unicodedata.category(char) in _UNSEEN and char not in _JOINERS


def _escape(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte, as Python decodes names of files
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def as_label(name: str) -> str:
    """Write a name in composed letters: file systems store one name in several ways (NFC, NFD)."""
    return unicodedata.normalize("NFC", name)


def json_text(document: Any) -> str:
    """Write a document as JSON, in which escapes stand for what a terminal would obey."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    lines = text.split("\n")
    return "\n".join(
        line if line.isprintable() else "".join(map(_json_character, line)) for line in lines
    )


def _json_character(char: str) -> str:
    return json.dumps(char)[1:-1] if _is_unseen(char) else char


def csv_text(
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    spreadsheet: bool = False,
    digits: int = 17,
) -> str:
    """Write rows as CSV; None stays empty. Formulas are made text if it is for a spreadsheet.

    Floats have `digits` significant digits, or as many fewer as tell them from all others.
    """
    formula = _FORMULA if spreadsheet else _GUARDED
    records = (",".join(_written(x, formula, digits) for x in row) for row in (header, *rows))
    return "".join(f"{record}\n" for record in records)


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[Any]], **how: Any) -> bytes:
    """Write rows as the content of a CSV file."""
    return csv_text(header, rows, **how).encode("utf-8", NAMES)


def _written(cell: Any, formula: re.Pattern[str], digits: int) -> str:
    if isinstance(cell, float) and digits < 17:
        return f"{cell:.{digits}g}"
    if not isinstance(cell, str):  # -0.5 is a number and no formula
        return "" if cell is None else str(cell)
    text = f"'{cell}" if formula.match(cell) else cell
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def csv_rows(
    path: str, required: Sequence[str], optional: Sequence[str] = (), data: bytes | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and cells of each row, none empty; other columns are ignored.

    Lines that hold nothing, or spaces only, are left out. `data` is what the file holds, if it was
    read already.
    """
    data = Path(path).read_bytes() if data is None else data
    records = _records(data.decode("utf-8-sig", "surrogateescape"), printable(path))
    _, header = next(records, (1, []))
    used = _used_columns(path, header, required, optional)
    for line, cells in records:
        where = f"{printable(path)}: row at line {line}"
        if len(cells) > len(header):
            raise ValueError(
                f"{where}: expected {len(header)} cells, as in line 1, found {len(cells)}; a "
                f'value with a comma in it goes into quotes, such as "{_joined(cells, header)}"'
            )
        row = {column: "".join(cells[at : at + 1]) for column, at in used.items()}
        _require_filled(where, row)
        yield line, row


def _records(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each record that holds something, and the line that it begins in."""
    if "\0" in text:
        raise ValueError(
            f"{where}: is not a CSV file in UTF-8: it holds NUL characters, as UTF-16 does"
        )
    cells: list[str] = []
    position, line, begin = 0, 1, 0
    while position < len(text) or cells:
        match = _CELL.match(text, position)
        cells.append(_read(match, f"{where}: is not a CSV file: line {line}"))
        position = match.end() if match else len(text)
        if text[position : position + 1] == ",":
            position += 1
            continue
        if cells != [""]:
            yield line, cells
        end = _LINE_END.match(text, position)
        position = end.end() if end else len(text)
        line += len(_LINE_END.findall(text, begin, position))
        begin, cells = position, []


def _read(match: re.Match[str] | None, where: str) -> str:
    """Read one cell."""
    quoted, plain = match.groups() if match else (None, "")
    cell = plain.strip() if quoted is None else quoted.replace('""', '"')
    if len(cell) > _LONGEST:
        raise ValueError(f"{where} has a cell of more than {_LONGEST} letters")
    if quoted is None and cell.startswith('"'):
        raise ValueError(
            f"{where} has a cell that begins with a quote and does not end with one; a quote "
            f"within quotes is doubled"
        )
    return cell[1:] if _GUARDED.match(cell) else cell


def _used_columns(
    path: str, header: Sequence[str], required: Sequence[str], optional: Sequence[str]
) -> dict[str, int]:
    """Return the places of the columns that are read, by name."""
    wanted = [*required, *(column for column in optional if column in header)]
    for column in wanted:
        if header.count(column) != 1:
            perhaps = f" and perhaps {' or '.join(optional)}" if optional else ""
            what = "more than once" if column in header else "missing"
            raise ValueError(
                f"{printable(path)}: expected the comma-separated columns {', '.join(required)}"
                f"{perhaps} in line 1; column {column!r} is {what}, found {_shown(header)}"
            )
    return {column: header.index(column) for column in wanted}


def _shown(header: Sequence[str]) -> str:
    shown = str([cell[:40] for cell in header[:12]])
    return shown if len(header) <= 12 else f"{shown} and {len(header) - 12} more"


def _joined(cells: Sequence[str], header: Sequence[str]) -> str:
    """Return the surplus cells of a row as one cell, as they may have been meant."""
    return printable(", ".join(cells[max(len(header) - 1, 0) :]))[:80]


def _require_filled(where: str, row: dict[str, str]) -> None:
    for column, cell in row.items():
        if not cell:
            raise ValueError(f"{where}, column {column!r}: expected a value, the cell is empty")


def _encode_names(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write bytes of names as they were; what an encoding does not have becomes an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    if "\udc80" <= char <= "\udcff":
        return bytes([ord(char) - 0xDC00]), error.start + 1
    return char.encode("ascii", "backslashreplace").decode("ascii"), error.start + 1


codecs.register_error(NAMES, _encode_names)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give the name of a file beside `path` that takes its place if all goes well.

    A link stays one: what it leads to is replaced. What processes that were killed have left in the
    folder is removed.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if not target.parent.is_dir():
        raise FileNotFoundError(f"Cannot write {path}: there is no folder {target.parent}.")
    if target.exists() and not target.is_file():
        raise FileExistsError(f"Cannot write {path}: what is there is not a file.")
    remove_abandoned(target.parent)
    part = None
    try:
        with _new_part(target.parent) as part:
            yield part
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
            part.replace(target)
    except OSError as error:
        # The user knows the file that was to be written, and not the one in its place.
        if error.errno is None or error.filename not in (None, os.fspath(part or target)):
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with atomic(path) as part:
        part.write_bytes(content)


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows, of which there are some, to a CSV file; the keys of the first are its header."""
    header = list(rows[0])
    cells = ([row[key] for key in header] for row in rows)
    write_file(path, csv_bytes(header, cells, spreadsheet=True))


def write_json(path: Path, document: Any) -> None:
    """Write a document of plain values to a JSON file."""
    write_file(path, f"{json_text(document)}\n".encode())


@contextmanager
def parquet_file(
    path: Path, types: Mapping[str, Any]
) -> Iterator[Callable[[Sequence[Mapping[str, Any]]], None]]:
    """Give a callable that appends rows to a Parquet file, which is written whole or not at all.

    `types` are those of the columns as pyarrow calls them; of columns of lists, in a list.
    """
    import pyarrow  # optional
    from pyarrow import parquet

    def type_of(name: Any) -> Any:
        is_list = isinstance(name, list)
        return pyarrow.list_(type_of(*name)) if is_list else pyarrow.type_for_alias(name)

    schema = pyarrow.schema([(column, type_of(name)) for column, name in types.items()])

    def append(rows: Sequence[Mapping[str, Any]]) -> None:
        columns = {name: [_in_utf8(row.get(name)) for row in rows] for name in types}
        writer.write_table(pyarrow.table(columns, schema=schema))

    with atomic(path) as part, parquet.ParquetWriter(part, schema) as writer:
        yield append


def _in_utf8(value: Any) -> Any:
    """Write text as UTF-8 has it: bytes of names that are none become escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return [_in_utf8(part) for part in value] if isinstance(value, (list, tuple)) else value


def remove_abandoned(folder: Path) -> None:
    """Remove files that processes were writing which are no more; those of others stay.

    A writer holds a lock on its file for as long as it lives. Without locks nothing is removed.
    """
    if sys.platform == "win32":
        return
    with suppress(OSError):  # a folder that cannot be listed may yet be written to
        for name in os.listdir(folder):
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX):
                _remove_unless_held(folder / name)


def _remove_unless_held(part: Path) -> None:
    with suppress(OSError):  # it is held, or has just taken the place of what it is for
        descriptor = os.open(part, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
        finally:
            os.close(descriptor)


@contextmanager
def _new_part(folder: Path) -> Iterator[Path]:
    """Make a file of a new name, hold a lock on it, and remove it if it is still there after."""
    part, held = _make_part(folder)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
        if held is not None:
            os.close(held)


def _make_part(folder: Path) -> tuple[Path, int | None]:
    while True:
        part = folder / f"{_PREFIX}{os.urandom(8).hex()}{_SUFFIX}"
        held = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if sys.platform == "win32":
            os.close(held)
            return part, None
        with suppress(OSError):  # a file system without locks
            fcntl.flock(held, fcntl.LOCK_EX)
        # Between these two lines someone else may have taken it for abandoned.
        if os.fstat(held).st_nlink:
            return part, held
        os.close(held)
