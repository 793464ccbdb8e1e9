"""Files that are written whole or not at all."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sklearn_ganprint._text import csv_bytes, json_text

if sys.platform != "win32":  # where a file cannot be replaced while it is open
    import fcntl

#: Names of files that are being written, whatever file they become. They are short and say nothing
#: of it, since its own name may be as long as names can be.
_PREFIX, _SUFFIX = ".ganprint-", ".part"


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
