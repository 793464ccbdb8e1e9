"""What a folder or a CSV file holds: paths and labels, before any file is opened."""

import os
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sklearn_ganprint._output import as_label, csv_rows, printable
from sklearn_ganprint.datasets._decoding import ImageInfo, ImageReadError

#: The label of real images wherever a layout tells them from generated ones.
REAL = "real"

_N_SHOWN = 3  # names that an error shows of what was found

#: What operating systems, file servers and archives leave among images, in lower case.
_LEFT_BY_SYSTEMS = frozenset(
    "#recycle|#snapshot|$recycle.bin|@eadir|@recently-snapshot|@recycle|__macosx|desktop.ini|"
    "ehthumbs.db|ehthumbs_vista.db|icon\r|lost+found|recycler|system volume information|"
    "thumbs.db|thumbs.db:encryptable".split("|")
)


class Entry(NamedTuple):
    """One image file on its way into the Bunch; what a layout says of its place comes first."""

    label: str
    architecture: str | None = None
    split: str | None = None
    is_real: bool | None = None
    group: str | None = None
    filename: str = ""
    info: ImageInfo | None = None


class Listing(NamedTuple):
    """What a container holds, before any file is opened."""

    entries: list[Entry]
    sources: dict[str, str]  # where each label was found: its folder, or the CSV file
    failures: list[ImageReadError]


def with_one_spelling(listing: Listing) -> Listing:
    """Merge sources whose names differ by how their letters are stored, with a warning.

    File systems and archives store a letter with an accent as one or as two (NFC, NFD). Files keep
    the names under which they can be opened.
    """
    places = defaultdict(list)
    for label, place in listing.sources.items():
        places[as_label(label)].append(place)
    for label, several in places.items():
        if len(several) > 1:
            warnings.warn(
                f"{label!r} is the name of {len(several)} sources, its letters stored in several "
                f"ways (NFC, NFD): {', '.join(map(printable, several))}; taken as one source",
                stacklevel=3,
            )
    entries = [
        entry._replace(
            label=as_label(entry.label),
            group=entry.group and as_label(entry.group),
            architecture=entry.architecture and as_label(entry.architecture),
        )
        for entry in listing.entries
    ]
    return Listing(entries, {label: found[0] for label, found in places.items()}, listing.failures)


def list_all(container: str) -> Listing:
    """List the files of a folder and of those below, all under one label."""
    if not os.path.isdir(container):
        raise FileNotFoundError(f"{printable(container)}: expected a folder, found none")
    failures: list[ImageReadError] = []
    files = walk_files(container, failures)
    return Listing([Entry("", filename=filename) for filename in files], {}, failures)


def list_folders(container: str) -> Listing:
    """List the files of a folder that has one folder per label."""
    folders, failures = split_folder(container)
    if not folders:
        raise ValueError(
            f"{printable(container)}: expected one folder per label with images in it, "
            f"found {len(failures)} files and no folder"
        )
    above = _folders_above(container)
    entries = [
        Entry(label, filename=filename)
        for label, folder in folders.items()
        for filename in walk_files(folder, failures, above | {os.path.realpath(folder)})
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
    names = sorted(os.listdir(folder), key=lambda name: (as_label(name), name))
    return [(name, os.path.join(folder, name)) for name in names if not is_hidden(name)]


def is_hidden(name: str) -> bool:
    """Return whether a name is hidden, or one that systems use, with a warning for the latter."""
    if name.lower() in _LEFT_BY_SYSTEMS:
        # The same words wherever it lies, so that Python shows them once.
        reason = "systems keep what is their own under this name"
        warnings.warn(f"{printable(name)}: left out, wherever it lies; {reason}", stacklevel=3)
        return True
    return name.startswith(".") and name not in (".", "..")


def _folders_above(container: str) -> set[str]:
    """Return a folder and its parents: a link up would bring in other labels, or the disk."""
    real = os.path.realpath(container)
    return {real, *map(str, Path(real).parents)}


def walk_files(
    folder: str, failures: list[ImageReadError], seen: set[str] | None = None
) -> Iterator[str]:
    """Yield the files below a folder in sorted order, entering no folder twice, nor one above."""
    seen = _folders_above(folder) if seen is None else seen
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
            yield from walk_files(path, failures, seen)


def list_csv(path: str) -> Listing:
    """List the files that the rows of a CSV file name."""
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"{printable(path)}: expected a folder of label folders or a CSV file, found neither"
        )
    entries = [
        Entry(
            cells["label"],
            cells.get("architecture"),
            group=cells.get("group"),
            filename=os.path.join(os.path.dirname(path), cells["path"]),
        )
        for _, cells in csv_rows(path, ("path", "label"), ("group", "architecture"))
    ]
    if not entries:
        raise ValueError(f"{printable(path)}: expected a row for each image, found no rows")
    return Listing(entries, dict.fromkeys((entry.label for entry in entries), path), [])


def wrong_tree(
    container: str, picture: str, paths: Sequence[str], failures: Sequence[ImageReadError] = ()
) -> ValueError:
    """Return an error that names what was expected, what was found, and the first problem."""
    found = _names_in(container, paths)
    shown = ", ".join(map(printable, found[:_N_SHOWN])) or "nothing"
    more = f" and {len(found) - _N_SHOWN} more" if len(found) > _N_SHOWN else ""
    problem = f"; first problem: {failures[0]}" if failures else ""
    return ValueError(f"{printable(container)}: expected {picture}, found {shown}{more}{problem}")


def _names_in(container: str, paths: Sequence[str]) -> list[str]:
    """Return paths as seen from the container, those from new folders first, or what is in it."""
    container = container if os.path.isdir(container) else os.path.dirname(container) or os.curdir
    firsts: dict[str, str] = {}
    for path in paths:
        firsts.setdefault(os.path.dirname(path), path)
    others = (path for path in paths if firsts[os.path.dirname(path)] != path)
    names = [os.path.relpath(path, container) for path in (*firsts.values(), *others)]
    return names or [name + os.sep * os.path.isdir(path) for name, path in visible(container)]
