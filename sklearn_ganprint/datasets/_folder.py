"""Labelled image files, from a folder per label or from a CSV file, to one Bunch."""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import Bunch

from sklearn_ganprint.datasets._decode import FilePath, ImageInfo, ImageReadError, printable
from sklearn_ganprint.datasets._reader import ImageReader, content_keys, inspect_files

Groups: TypeAlias = Literal["name"] | Callable[[str], Hashable] | None


class _Entry(NamedTuple):
    """One image file on its way into the Bunch."""

    filename: str
    label: str
    group: str | None
    info: ImageInfo | None = None


class Listing(NamedTuple):
    """What a container holds, before any file is opened."""

    entries: list[_Entry]
    sources: dict[str, str]  # where each label was found: its folder, or the CSV file
    failures: list[ImageReadError]


def load_image_folder(
    container_path: FilePath,
    *,
    reader: ImageReader | None = None,
    load_content: bool = True,
    groups: Groups = None,
    n_jobs: int | None = None,
) -> Bunch:
    """Load labelled images from a folder per label, or as a CSV file lists them.

    Parameters
    ----------
    container_path : str, bytes or path-like
        Either a folder with one folder per label, in which files are searched at any depth;
        names that begin with a dot are skipped. Or a comma-separated file in UTF-8 with the
        columns ``path``, ``label`` and perhaps ``group``; relative paths start from the
        folder of that file, other columns are ignored.
    reader : ImageReader, default=None
        How images are cut and which channels are kept; None means ``ImageReader()``.
    load_content : bool, default=True
        Whether pixels are read. If not, only headers are: there is no ``data``, and damaged
        pixels or, without a crop, different sizes show only when the files are read later.
    groups : {"name"}, callable or None, default=None
        What belongs together in a split. "name" groups by file name without extension, for
        versions of one scene under several labels; a callable gets each path and returns
        the group. None takes the CSV file's group column if there is one.
    n_jobs : int or None, default=None
        Number of threads over files; None leaves it to the reader.

    Returns
    -------
    Bunch
        Sorted by label and path, or in the order of the CSV file:

        data : ndarray of shape (n_images, height, width, n_channels), if `load_content`
        target : ndarray of int64; ``target_names[target]`` are the labels
        target_names : ndarray of str, sorted
        filenames : ndarray of object (str)
        groups : ndarray or None
        formats, modes, widths, heights : ndarray, from the headers
        jpeg_quality : ndarray of float, nan where a file is not JPEG
        failures : list of ImageReadError, what was left out and why, sorted by file name
        duplicates : list of (filename, first filename), copies within one label
        DESCR : str, a summary.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `container_path`.
    ValueError
        If no labels are found, a cell is empty, or fewer than two labels have usable images.
    TypeError
        If `groups` is of another kind, or returns what cannot be hashed.

    Notes
    -----
    A file that cannot be used never stops the others: it is listed in ``failures``. So are
    labels without any usable image, files beside the label folders, and files with the same
    content under different labels: **all** copies are left out, since their label is
    contradictory. Copies under one label are kept; unless they are put into one group, a
    split can leak them into the test set. Without a crop, images of another than the most
    common size are failures. Links to folders are followed, but not back up and not twice.

    Examples
    --------
    >>> import os, tempfile
    >>> from PIL import Image
    >>> from sklearn_ganprint.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for label, grey in [("camera", 10), ("gan", 200)]:
    ...         os.mkdir(os.path.join(folder, label))
    ...         Image.new("L", (8, 8), grey).save(os.path.join(folder, label, "1.png"))
    ...     bunch = load_image_folder(folder, groups="name")
    >>> bunch.data.shape, bunch.target_names[bunch.target].tolist(), bunch.groups.tolist()
    ((2, 8, 8, 3), ['camera', 'gan'], ['1', '1'])
    """
    if not (groups is None or groups == "name" or callable(groups)):
        raise TypeError(f'groups: expected "name", a callable or None, got {groups!r}')
    reader = ImageReader() if reader is None else clone(reader)
    if n_jobs is not None:
        reader.set_params(n_jobs=n_jobs)
    container = os.fsdecode(container_path)
    listing = list_container(container)
    failures = listing.failures
    entries = _inspect(listing.entries, reader, failures)
    entries, duplicates = _resolve_copies(entries, reader.n_jobs, failures)
    content = {}
    if load_content:
        content["data"], kept, unread = reader.try_read([entry.filename for entry in entries])
        entries = [entries[index] for index in kept]
        failures += unread
    _require_two_labels(container, listing, entries)
    failures.sort(key=lambda failure: failure.filename)
    usable = {entry.filename for entry in entries}
    duplicates = [pair for pair in duplicates if pair[0] in usable]
    bunch = _bunch(entries, groups, **content, failures=failures, duplicates=duplicates)
    bunch.DESCR = (
        f"Images from {printable(container)}: {_counted(entries)}. "
        f"Left out: {len(failures)}. Repeated: {len(duplicates)}."
    )
    return bunch


def list_container(container: str) -> Listing:
    """List the files of a folder of label folders, or of a CSV file, and their labels."""
    return _list_folder(container) if os.path.isdir(container) else _list_csv(container)


def _list_folder(container: str) -> Listing:
    found = _visible(container)
    sources = {name: path for name, path in found if os.path.isdir(path)}
    if not sources:
        raise ValueError(
            f"{printable(container)}: expected one folder per label with images in it, "
            f"found {len(found)} files and no folder"
        )
    reason = "lies beside the label folders, so it has no label; move it into one of them"
    failures = [ImageReadError(path, reason) for name, path in found if name not in sources]
    # A link that leads back up would bring in other labels, or the whole disk.
    real = os.path.realpath(container)
    above = {real, *map(str, Path(real).parents)}
    entries = [
        _Entry(filename, label, None)
        for label, folder in sources.items()
        for filename in walk_files(folder, above | {os.path.realpath(folder)}, failures)
    ]
    return Listing(entries, sources, failures)


def _visible(folder: str) -> list[tuple[str, str]]:
    """Return (name, path) of what is in a folder and not hidden, sorted."""
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    return [(name, os.path.join(folder, name)) for name in names]


def walk_files(folder: str, seen: set[str], failures: list[ImageReadError]) -> Iterator[str]:
    """Yield the files below a folder in sorted order, entering no folder twice."""
    try:
        found = _visible(folder)
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


def _list_csv(path: str) -> Listing:
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"{printable(path)}: expected a folder of label folders or a CSV file, found neither"
        )
    # surrogateescape: the paths may be in the encoding of another file system.
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        try:
            entries = list(_csv_entries(path, csv.DictReader(stream)))
        except csv.Error as error:
            raise ValueError(f"{printable(path)}: is not a CSV file: {error}") from error
    if not entries:
        raise ValueError(f"{printable(path)}: expected a row for each image, found no rows")
    return Listing(entries, dict.fromkeys((entry.label for entry in entries), path), [])


def _csv_entries(path: str, table: "csv.DictReader[str]") -> Iterator[_Entry]:
    columns = list(table.fieldnames or ())
    missing = [column for column in ("path", "label") if column not in columns]
    if missing:
        raise ValueError(
            f"{printable(path)}: expected the comma-separated columns path, label and perhaps "
            f"group in line 1; column {missing[0]!r} is missing, found {columns}"
        )
    used = [column for column in ("path", "label", "group") if column in columns]
    for row in table:
        cells = {column: (row[column] or "").strip() for column in used}  # None: a short row
        empty = [column for column, cell in cells.items() if not cell]
        if empty:
            where = f"{printable(path)}: row at line {table.line_num}, column {empty[0]!r}"
            raise ValueError(f"{where}: expected a value, the cell is empty")
        filename = os.path.join(os.path.dirname(path), cells["path"])
        yield _Entry(filename, cells["label"], cells.get("group"))


def _inspect(
    entries: Sequence[_Entry], reader: ImageReader, failures: list[ImageReadError]
) -> list[_Entry]:
    """Add what the headers say, and leave out files whose header is refused."""
    results = list(inspect_files(reader, [entry.filename for entry in entries]))
    failures += [result for result in results if isinstance(result, ImageReadError)]
    pairs = zip(entries, results, strict=True)
    return [e._replace(info=info) for e, info in pairs if not isinstance(info, ImageReadError)]


def _resolve_copies(
    entries: Sequence[_Entry], n_jobs: int | None, failures: list[ImageReadError]
) -> tuple[list[_Entry], list[tuple[str, str]]]:
    """Leave out contents that have several labels; list those repeated under one label."""
    copies = defaultdict(list)
    keys = content_keys([entry.filename for entry in entries], n_jobs)
    for entry, key in zip(entries, keys, strict=True):
        copies[key].append(entry)
    contradictory, duplicates = set(), []
    for same in copies.values():
        duplicates += [(entry.filename, same[0].filename) for entry in same[1:]]
        for entry in same:
            twin = next((other for other in same if other.label != entry.label), None)
            if twin is not None:
                contradictory.add(entry.filename)
                reason = (
                    f"is labelled {entry.label!r}, but its copy {printable(twin.filename)} "
                    f"{twin.label!r}; keep those under the right label only"
                )
                failures.append(ImageReadError(entry.filename, reason))
    kept = [entry for entry in entries if entry.filename not in contradictory]
    return kept, duplicates


def _require_two_labels(container: str, listing: Listing, entries: Sequence[_Entry]) -> None:
    """Name the labels that have no usable image; two others must be left."""
    usable = {entry.label for entry in entries}
    for label, source in listing.sources.items():
        if label not in usable:
            listing.failures.append(ImageReadError(source, f"label {label!r} has no usable image"))
    if len(usable) < 2:
        problems = "; ".join(str(failure) for failure in listing.failures[:3]) or "none"
        raise ValueError(
            f"{printable(container)}: expected usable images of at least two labels, found "
            f"{_counted(entries)}; first problems: {problems}"
        )


def _bunch(entries: Sequence[_Entry], groups: Groups, **content: object) -> Bunch:
    names, target = np.unique([entry.label for entry in entries], return_inverse=True)
    infos = [entry.info for entry in entries if entry.info is not None]
    return Bunch(
        **content,
        target=target.astype(np.int64),
        target_names=names,
        filenames=np.array([entry.filename for entry in entries], dtype=object),
        groups=_group_array(entries, groups),
        formats=np.array([info.format for info in infos]),
        modes=np.array([info.mode for info in infos]),
        widths=np.array([info.width for info in infos]),
        heights=np.array([info.height for info in infos]),
        jpeg_quality=np.array([info.jpeg_quality for info in infos]),
    )


def _group_array(entries: Sequence[_Entry], groups: Groups) -> NDArray[np.generic] | None:
    values: list[Hashable] = [entry.group for entry in entries]
    if groups == "name":
        values = [Path(entry.filename).stem for entry in entries]
    elif groups is not None:
        values = [groups(entry.filename) for entry in entries]
    elif None in values:
        return None
    for entry, value in zip(entries, values, strict=True):
        if not isinstance(value, Hashable):
            raise TypeError(f"groups: got {value!r} for {entry.filename!r}, it has no hash")
    if len({type(value) for value in values}) == 1 and isinstance(values[0], str | int):
        return np.array(values)
    # Filled afterwards: from a list of tuples, numpy would make a table.
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _counted(entries: Sequence[_Entry]) -> str:
    counts = Counter(entry.label for entry in entries)
    return ", ".join(f"{label!r} ({n} images)" for label, n in counts.items()) or "none"
