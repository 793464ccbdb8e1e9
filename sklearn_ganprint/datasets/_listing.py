"""What a folder or a CSV file holds: paths and labels, before any file is opened."""

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sklearn_ganprint.datasets._decode import ImageInfo, ImageReadError, printable


class Entry(NamedTuple):
    """One image file on its way into the Bunch."""

    filename: str
    label: str
    group: str | None = None
    architecture: str | None = None
    split: str | None = None
    is_real: bool | None = None
    info: ImageInfo | None = None


class Listing(NamedTuple):
    """What a container holds, before any file is opened."""

    entries: list[Entry]
    sources: dict[str, str]  # where each label was found: its folder, or the CSV file
    failures: list[ImageReadError]


def list_folders(container: str) -> Listing:
    """List the files of a folder that has one folder per label."""
    folders, failures = split_folder(container)
    if not folders:
        raise ValueError(
            f"{printable(container)}: expected one folder per label with images in it, "
            f"found {len(failures)} files and no folder"
        )
    above = folders_above(container)
    entries = [
        Entry(filename, label)
        for label, folder in folders.items()
        for filename in walk_files(folder, above | {os.path.realpath(folder)}, failures)
    ]
    return Listing(entries, folders, failures)


def split_folder(container: str) -> tuple[dict[str, str], list[ImageReadError]]:
    """Return the folders in a folder by name, and as failures the files beside them."""
    found = visible(container)
    folders = {name: path for name, path in found if os.path.isdir(path)}
    reason = "lies beside the label folders, so it has no label; move it into one of them"
    return folders, [ImageReadError(path, reason) for name, path in found if name not in folders]


def visible(folder: str) -> list[tuple[str, str]]:
    """Return (name, path) of what is in a folder and not hidden, sorted."""
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    return [(name, os.path.join(folder, name)) for name in names]


def folders_above(container: str) -> set[str]:
    """Return a folder and its parents: a link up would bring in other labels, or the disk."""
    real = os.path.realpath(container)
    return {real, *map(str, Path(real).parents)}


def walk_files(folder: str, seen: set[str], failures: list[ImageReadError]) -> Iterator[str]:
    """Yield the files below a folder in sorted order, entering no folder twice."""
    try:
        found = visible(folder)
    except OSError as error:
        failures.append(ImageReadError(folder, f"cannot be listed: {error.strerror}"))
        return
    for _, path in found:
        if not os.path.isdir(path):
            yield path
        elif os.path.realpath(path) in seen:
            reason = "leads to a folder that contains it or was read already; not followed"
            failures.append(ImageReadError(path, reason))
        else:
            seen.add(os.path.realpath(path))
            yield from walk_files(path, seen, failures)


def list_csv(path: str) -> Listing:
    """List the files that the rows of a CSV file name."""
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"{printable(path)}: expected a folder of label folders or a CSV file, found neither"
        )
    rows = csv_rows(path, ("path", "label"), ("group", "architecture"))
    entries = [_csv_entry(path, cells) for _, cells in rows]
    if not entries:
        raise ValueError(f"{printable(path)}: expected a row for each image, found no rows")
    return Listing(entries, dict.fromkeys((entry.label for entry in entries), path), [])


def _csv_entry(path: str, cells: dict[str, str]) -> Entry:
    filename = os.path.join(os.path.dirname(path), cells["path"])
    return Entry(filename, cells["label"], cells.get("group"), cells.get("architecture"))


def csv_rows(
    path: str, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and cells of each row, none empty; other columns are ignored."""
    # surrogateescape: the paths may be in the encoding of another file system.
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        table = csv.DictReader(stream)
        try:
            used = _used_columns(path, table.fieldnames or (), required, optional)
            for row in table:
                # None stands for a cell that a short row does not have.
                cells = {column: (row[column] or "").strip() for column in used}
                _require_filled(f"{printable(path)}: row at line {table.line_num}", cells)
                yield table.line_num, cells
        except csv.Error as error:
            raise ValueError(f"{printable(path)}: is not a CSV file: {error}") from error


def _used_columns(
    path: str, found: Iterable[str], required: Sequence[str], optional: Sequence[str]
) -> list[str]:
    columns = list(found)
    missing = [column for column in required if column not in columns]
    if missing:
        perhaps = f" and perhaps {' or '.join(optional)}" if optional else ""
        raise ValueError(
            f"{printable(path)}: expected the comma-separated columns {', '.join(required)}"
            f"{perhaps} in line 1; column {missing[0]!r} is missing, found {columns}"
        )
    return [column for column in (*required, *optional) if column in columns]


def _require_filled(where: str, cells: dict[str, str]) -> None:
    for column, cell in cells.items():
        if not cell:
            raise ValueError(f"{where}, column {column!r}: expected a value, the cell is empty")
