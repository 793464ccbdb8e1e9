r"""Names of files and sources, which may hold anything, on terminals and pages, in CSV and in JSON.

CSV that is written here is read here as it was. A cell in quotes is taken as it is; a cell without
quotes loses its outer spaces. Bytes of a file's name that are not UTF-8 are written as they are. In
the form for spreadsheets, cells that these would run as formulas begin with an apostrophe, which
the reader takes off.
"""

import codecs
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

#: Categories of characters that are not seen, or that steer a terminal or the order of letters:
#: control and format characters, lone surrogates, separators of lines and paragraphs.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

#: Format characters without which words and emoji are written wrongly.
_JOINERS = "\u200c\u200d"

#: Error handler of text streams and files that names of files are written to.
NAMES = "sklearn_ganprint.names"

#: Letters in a cell, at the most: a file without separators or line ends is no list.
_LONGEST = 1 << 17

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
    path: str, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and cells of each row, none empty; other columns are ignored.

    Lines that hold nothing, or spaces only, are left out.
    """
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        records = _records(stream.read(), printable(path))
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
