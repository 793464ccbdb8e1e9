"""What a folder or a CSV file holds: paths and labels, before any file is opened."""

import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from sklearn_ganprint._output import Url, as_label, as_name, as_names, csv_rows, printable
from sklearn_ganprint.datasets import _storage
from sklearn_ganprint.datasets._decoding import ImageInfo, ImageReadError

__all__ = ["walk_images"]

#: The label of real images wherever a layout tells them from generated ones.
REAL = "real"

_N_SHOWN = 3  # names that an error shows of what was found

#: What operating systems, file servers and archives leave among images, in lower case.
_LEFT_BY_SYSTEMS = frozenset(
    "#recycle|#snapshot|$recycle.bin|@eadir|@recently-snapshot|@recycle|__macosx|desktop.ini|"
    "ehthumbs.db|ehthumbs_vista.db|icon\r|lost+found|recycler|system volume information|"
    "thumbs.db|thumbs.db:encryptable".split("|")
)


#: Is told of what cannot be listed, and why.
Fail: TypeAlias = Callable[[ImageReadError], None]

#: Archives that hold no file where it could be read by itself.
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".rar")


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
    """List the files of a folder and of those below, or a file, all under one label."""
    failures: list[ImageReadError] = []
    files = walk_images(container, failures.append)
    return Listing([Entry("", filename=filename) for filename in files], {}, failures)


def walk_images(container_path: _storage.FilePath, on_error: Fail) -> Iterator[str]:
    """Give the files of a folder one after the other, each folder once it is its turn.

    Parameters
    ----------
    container_path : str, bytes or path-like
        A folder, whose files and those of the folders below are listed, or a file.
    on_error : callable
        Is told of what cannot be listed, and why: an :class:`ImageReadError`.

    Yields
    ------
    str
        The path of a file, in the order of :func:`list_images` with ``layout=None``.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `container_path`, once the first file is asked for.

    See Also
    --------
    list_images : Lists all files before any is used.

    Notes
    -----
    The names in one folder are in memory at a time, those in an archive or below a URL all at once.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn_ganprint.datasets import walk_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("1.png", "2.png"):
    ...         open(os.path.join(folder, name), "w").close()
    ...     [os.path.basename(path) for path in walk_images(folder, print)]
    ['1.png', '2.png']
    """
    container = without_slash(as_name(container_path))
    if _storage.is_on_disk(container) and not os.path.lexists(container):
        raise FileNotFoundError(f"{printable(container)}: expected a folder or file, found neither")
    try:
        is_folder = _storage.is_folder(container)
    except OSError:  # who may read a file need not be allowed to list what is beside it
        is_folder = False
    yield from walk_files(container, on_error) if is_folder else [container]


def without_slash(container: str) -> str:
    """Take off what a shell puts behind the name of an archive, as if that were a folder."""
    if isinstance(container, Url) or not _storage.is_archive(container):
        return container
    return container.rstrip(f"/{os.sep}")


def list_folders(container: str) -> Listing:
    """List the files of a folder that has one folder per label.

    In archives these may lie in one folder, that from which the archive was made.
    """
    folders, failures = split_folder(container)
    if _storage.is_archive(container) and len(folders) == 1 and not failures:
        (container,) = folders.values()
        folders, failures = split_folder(container)
    if not folders:
        raise ValueError(
            f"{printable(container)}: expected one folder per label with images in it, "
            f"found {len(failures)} files and no folder"
        )
    entries = [
        Entry(label, filename=filename)
        for label, folder in folders.items()
        for filename in walk_files(folder, failures.append, container)
    ]
    return Listing(entries, folders, failures)


def split_folder(container: str) -> tuple[dict[str, str], list[ImageReadError]]:
    """Return the folders in a folder by name, and as failures the files beside them."""
    found = list(visible(container))
    folders = {name: path for name, path, is_folder in found if is_folder}
    reason = "lies beside the label folders, so it has no label; move it into one of them"
    beside = [ImageReadError(path, reason) for _, path, is_folder in found if not is_folder]
    return folders, beside


def visible(folder: str) -> Iterator[tuple[str, str, bool]]:
    """Give name, path, and whether it is a folder, of what is in one and not hidden, sorted."""
    found = sorted(_storage.list_folder(folder))
    found.sort(key=lambda item: as_label(item[0]))  # as `_order` has it, in half of the memory
    return (
        (name, _storage.join(folder, name), is_folder)
        for name, is_folder in found
        if not is_hidden(name)
    )


def _order(name: str) -> tuple[str, str]:
    return as_label(name), name


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
    real = _storage.real_path(container)
    return {real, *map(str, Path(real).parents)}


def walk_files(folder: str, fail: Fail, container: str | None = None) -> Iterator[str]:
    """Yield the files below a folder in sorted order, entering no folder twice, nor one above.

    The `container` and what is above it is above, too. A folder on disk is listed once the files
    before it are taken.
    """
    try:
        below = _storage.find_below(folder)
    except OSError as error:
        fail(_not_listed(folder, error))
        return
    if below is None:
        seen = _folders_above(container or folder) | {_storage.real_path(folder)}
        yield from _walk(folder, fail, seen)
        return
    for _, name in sorted(([_order(part) for part in name.split("/")], name) for name in below):
        if not any(map(is_hidden, name.split("/"))):
            yield _storage.join(folder, name)


def _walk(folder: str, fail: Fail, seen: set[str]) -> Iterator[str]:
    try:
        found = visible(folder)
    except OSError as error:
        fail(_not_listed(folder, error))
        return
    for _, path, is_folder in found:
        if not is_folder:
            yield path
        elif (real := _storage.real_path(path)) in seen:
            reason = "leads to a folder that contains it or was read already; not followed"
            fail(ImageReadError(path, reason))
        else:
            seen.add(real)
            yield from _walk(path, fail, seen)


def _not_listed(folder: str, error: OSError) -> ImageReadError:
    return ImageReadError(folder, f"cannot be listed: {error.strerror}")


def table_rows(
    path: str, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a CSV file as `csv_rows` does, wherever it is stored."""
    with _storage.open_file(path) as stream:
        return csv_rows(path, required, optional, stream.read())


def list_csv(path: str) -> Listing:
    """List the files that the rows of a CSV file name."""
    if _storage.is_on_disk(path) and not os.path.isfile(path):
        raise FileNotFoundError(
            f"{printable(path)}: expected a folder of label folders or a CSV file, found neither"
        )
    if path.lower().endswith(_COMPRESSED):
        raise ValueError(
            f"{printable(path)}: expected a folder, a tar or zip file or a CSV file, found an "
            f"archive that can only be read from its beginning; unpack it, or make a zip file of it"
        )
    rows = [row for _, row in table_rows(path, ("path", "label"), ("group", "architecture"))]
    names = (_storage.beside(path, row["path"]) for row in rows)
    entries = [
        Entry(
            cells["label"],
            cells.get("architecture"),
            group=cells.get("group"),
            filename=filename,
        )
        for cells, filename in zip(rows, as_names(names), strict=True)
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
    if container in paths or not _storage.is_folder(container):
        container = _storage.parent(container)
    firsts: dict[str, str] = {}
    for path in paths:
        firsts.setdefault(os.path.dirname(path), path)
    others = (path for path in paths if firsts[os.path.dirname(path)] != path)
    names = [os.sep.join(_storage.below(path, container)) for path in (*firsts.values(), *others)]
    return names or [name + os.sep * is_folder for name, _, is_folder in visible(container)]
