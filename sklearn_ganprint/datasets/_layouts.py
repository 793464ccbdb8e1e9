"""Layouts of image collections by name: each a function from a container to its listing."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from sklearn_ganprint._output import as_label, printable
from sklearn_ganprint.datasets import _listing, _storage
from sklearn_ganprint.datasets._decoding import ImageReadError, has_image_suffix
from sklearn_ganprint.datasets._listing import REAL, Entry, Listing, table_rows
from sklearn_ganprint.datasets._storage import Member

__all__ = ["LAYOUTS"]

_FOLDERS = "a folder of label folders or a CSV file"
_NESTED = "folders ARCH/SOURCE/ with images in them"
_ARTIFACT = "folders <source>/ with images and a file metadata.csv each"
_RAISE = "TIF files and, beside them, a CSV file with the columns File and Device"
_WEBDATASET = "tar or zip files that hold KEY.model.txt or KEY.cls beside each KEY.png"

_LABEL_ENDINGS = ("model.txt", "cls")

_SPLITS = dict.fromkeys(("val", "valid", "validation"), "val")
_SPLITS |= {"train": "train", "test": "test", "eval": "test"}

# From the folders and the name of a file, below the container, to the entry of its place; None if
# the layout has no such place.
_PlaceOf: TypeAlias = Callable[[Sequence[str]], Entry | None]


class Layout(NamedTuple):
    """How a collection is laid out, and what lists a folder or, in some layouts, a file."""

    picture: str
    list_folder: Callable[[str], Listing]
    list_file: Callable[[str], Listing] | None = None


def list_container(container: str, layout: str = "folders") -> Listing:
    """List the files of a container and their labels, as its layout says."""
    if layout not in LAYOUTS:
        raise ValueError(f"layout: expected one of {', '.join(LAYOUTS)}; got {layout!r}")
    expected = LAYOUTS[layout]
    _storage.forget(container)
    if _storage.is_on_disk(container) and not os.path.lexists(container):
        raise FileNotFoundError(
            f"{printable(container)}: expected {expected.picture}, found nothing of that name"
        )
    list_it = expected.list_folder if _storage.is_folder(container) else expected.list_file
    if list_it is None:
        found = "a file" if _storage.is_on_disk(container) else "no folder"
        raise ValueError(f"{printable(container)}: expected {expected.picture}, found {found}")
    listing = _listing.with_one_spelling(list_it(container))
    if _storage.is_archive(container) and container not in {e.filename for e in listing.failures}:
        _members(container, listing.failures)  # which names damage
    return listing


def _list_nested(container: str) -> Listing:
    """List label folders that lie in a folder per architecture; labels are ARCH/SOURCE."""
    folders, failures = _listing.split_folder(container)
    listing = Listing([], {}, failures)
    for architecture, folder in folders.items():
        if not _listing.split_folder(folder)[0]:
            found = [path for _, path, _ in _listing.visible(folder)]
            raise _listing.wrong_tree(container, _NESTED, found or [folder])
        inner = _listing.list_folders(folder)
        listing.failures.extend(inner.failures)
        listing.sources.update({f"{architecture}/{k}": v for k, v in inner.sources.items()})
        listing.entries.extend(
            entry._replace(label=f"{architecture}/{entry.label}", architecture=architecture)
            for entry in inner.entries
        )
    if not folders:
        raise _listing.wrong_tree(container, _NESTED, ())
    return listing


def _list_auto(container: str) -> Listing:
    """List folders per label, or folders per architecture with such in them; never guess."""
    with_images, with_folders = [], []
    for name, folder in _listing.split_folder(container)[0].items():
        inside = [(own, is_folder) for own, _, is_folder in _listing.visible(folder)]
        if any(has_image_suffix(own) and not is_folder for own, is_folder in inside):
            with_images.append(name)
        elif any(is_folder for _, is_folder in inside):
            with_folders.append(name)
    if with_images and with_folders:
        raise ValueError(
            f"{printable(container)}: expected images in every folder, or in every folder only "
            f"folders with images (ARCH/SOURCE/), found images in {printable(with_images[0])}/ "
            f"and only folders in {printable(with_folders[0])}/; move them, or name the layout"
        )
    return _list_nested(container) if with_folders else _listing.list_folders(container)


def _list_placed(
    container: str,
    picture: str,
    placed: Iterable[tuple[str, Entry | None]],
    failures: list[ImageReadError],
    lack: str = "has no label",
) -> Listing:
    """List the files that have a place, sorted by label; the others are failures."""
    listing = Listing([], {}, failures)
    strays = []
    for path, place in placed:
        if place is None:
            strays.append(path)
        else:
            entry = place._replace(label=as_label(place.label), filename=path)
            listing.entries.append(entry)
            listing.sources.setdefault(place.label, os.path.dirname(path))
    if not listing.entries:
        raise _listing.wrong_tree(container, picture, strays, failures)
    failures += [ImageReadError(path, f"{lack}; expected {picture}") for path in strays]
    listing.entries.sort(key=lambda entry: entry.label)
    return listing


def _tree(picture: str, place_of: _PlaceOf, *left_alone: str) -> Layout:
    """Make a layout in which the path of a file says all; some names are left alone."""

    def list_tree(container: str) -> Listing:
        failures: list[ImageReadError] = []
        files = _listing.walk_files(container, failures.append)
        paths = ((path, _storage.below(path, container)) for path in files)
        placed = (
            (path, place_of(parts))
            for path, parts in paths
            if not any(fnmatchcase(part, name) for part in parts for name in left_alone)
        )
        return _list_placed(container, picture, placed, failures, "has no place in the layout")

    return Layout(picture, list_tree)


def _real_or_fake(parts: Sequence[str], real: str, fake: str) -> Entry | None:
    """Place a file by the first folder that says real or fake, and the source above it."""
    folders = parts[:-1]
    depth = next((i for i, name in enumerate(folders) if name in (real, fake)), 0)
    source = next((name for name in folders[:depth] if name not in _SPLITS), None)
    if source is None:
        return None
    is_real = folders[depth] == real
    return Entry(REAL if is_real else source, split=_split(folders[:depth]), is_real=is_real)


def _split(folders: Sequence[str]) -> str | None:
    return next((_SPLITS[name] for name in folders if name in _SPLITS), None)


def _140k_faces(parts: Sequence[str]) -> Entry | None:
    """Place a face: they come from one generator, whose name is nowhere in the tree."""
    split, kind = _split(parts[:-2]), parts[-2] if len(parts) > 1 else ""
    if split is None or kind not in ("real", "fake"):
        return None
    return Entry(kind, split=split, is_real=kind == "real")


def _open_world_gan(parts: Sequence[str]) -> Entry | None:
    if len(parts) < 3 or parts[0] not in ("train", "eval") or "_" not in parts[1]:
        return None
    split, (gan, _, _) = _SPLITS[parts[0]], parts[1].partition("_")
    if gan == "real":
        return Entry(REAL, REAL, split, is_real=True)
    return Entry(parts[1], gan, split, is_real=False)


def _frank(parts: Sequence[str]) -> Entry | None:
    """Place a file by a letter and a name; the letter A is that of the real images."""
    match = re.fullmatch("([A-Z])_(.+)", parts[0])
    if match is None or len(parts) < 2:
        return None
    is_real = match[1] == "A"
    return Entry(REAL if is_real else match[2], is_real=is_real)


def _dresden(parts: Sequence[str]) -> Entry | None:
    """Place a photo by its name: the model may hold underscores, unit and number are digits."""
    match = re.fullmatch(r"((.+)_\d+)_\d+\.\w+", parts[-1])
    return None if match is None else Entry(match[1], match[2], is_real=True)


def _vision(parts: Sequence[str]) -> Entry | None:
    depth = next((i for i, name in enumerate(parts) if re.fullmatch(r"D\d+_.+", name)), -1)
    inside = tuple(parts[depth + 1 : depth + 3])
    if depth < 0 or inside not in (("images", "flat"), ("images", "nat")):
        return None
    return Entry(parts[depth], parts[depth].partition("_")[2], is_real=True)


def _list_artifact(container: str) -> Listing:
    """List images by the metadata.csv of their source; ``target`` 0 means real."""
    failures: list[ImageReadError] = []
    files = list(_listing.walk_files(container, failures.append))
    tables = [path for path in files if os.path.basename(path) == "metadata.csv"]
    places: dict[str, Entry] = {}
    for table in tables:
        places |= _artifact_places(container, table)
    images = [path for path in files if os.path.basename(path) != "metadata.csv"]
    placed = [(path, places.get(as_label(path))) for path in images]
    return _list_placed(container, _ARTIFACT, placed, failures)


def _artifact_places(container: str, table: str) -> dict[str, Entry]:
    places: dict[str, Entry] = {}
    for line, cells in table_rows(table, ("image_path", "target")):
        path = _storage.beside(table, cells["image_path"])
        source, *inside = _storage.below(path, container)
        if not cells["target"].isdecimal():
            raise ValueError(
                f"{printable(table)}: row at line {line}, column 'target': expected 0 for a real "
                f"image or the number of its generator, got {cells['target']!r}"
            )
        is_real = int(cells["target"]) == 0
        if inside:  # else it lies beside the source folders
            # As walking the folder names it.
            path = _storage.join(container, os.sep.join([source, *inside]))
            place = Entry(REAL if is_real else source, is_real=is_real)
            _place_once(places, path, place, f"{printable(table)}: row at line {line}")
    return places


def _place_once(places: dict[str, Entry], key: str, place: Entry, where: str) -> None:
    """Add a place; one file has one only. Letters may be stored in several ways (NFC, NFD)."""
    known = places.setdefault(as_label(key), place)
    if known != place:
        raise ValueError(
            f"{where}: {printable(key)} is labelled {place.label!r}, and {known.label!r} in an "
            f"earlier row; keep the right row only"
        )


def _list_raise(container: str) -> Listing:
    """List the TIF files that a CSV file gives the camera of; of a folder, all its CSV files."""
    folder, tables = _storage.parent(container), [container]
    if _storage.is_folder(container):
        found = _listing.visible(container)
        folder, tables = container, [p for name, p, _ in found if name.lower().endswith(".csv")]
    failures: list[ImageReadError] = []
    files = list(_listing.walk_files(folder, failures.append))
    if not tables:
        raise _listing.wrong_tree(container, _RAISE, files, failures)
    places: dict[str, Entry] = {}
    for table in tables:
        for line, cells in table_rows(table, ("File", "Device")):
            place = Entry(cells["Device"], cells["Device"], is_real=True)
            _place_once(places, cells["File"], place, f"{printable(table)}: row at line {line}")
    # The raw NEF files would open too, but as the thumbnail that they hold.
    images = [path for path in files if path.lower().endswith((".tif", ".tiff"))]
    placed = [(path, places.get(as_label(Path(path).stem))) for path in images]
    return _list_placed(folder, _RAISE, placed, failures)


def _list_webdataset(container: str) -> Listing:
    """List images in tar files, without unpacking them, by the label file beside each."""
    failures: list[ImageReadError] = []
    folder, files = _storage.parent(container), [container]
    if not _storage.is_archive(container):
        folder, files = container, list(_listing.walk_files(container, failures.append))
    places: dict[str, Entry] = {}
    images: list[str] = []
    for path in files:
        inside = {
            name: member
            for name, member in _members(path, failures).items()
            if not any(map(_listing.is_hidden, name.split("/")))
        }
        images += [_storage.join(path, name) for name in inside if has_image_suffix(name)]
        labels = _labels(inside)
        places |= {as_label(_storage.join(path, name)): place for name, place in labels}
    if not images:
        raise _listing.wrong_tree(container, _WEBDATASET, files, failures)
    placed = [(path, places.get(as_label(path))) for path in images]
    return _list_placed(folder, _WEBDATASET, placed, failures)


def _members(path: str, failures: list[ImageReadError]) -> dict[str, Member]:
    """Return the members of an archive, none of what is not one."""
    inside: dict[str, Member] = {}
    reason: str | None = "is no .tar or .zip file; a compressed tar file has to be decompressed"
    if _storage.is_archive(path):
        try:
            inside, _, reason = _storage.index_archive(path)
            if reason:
                reason = f"is damaged: files behind a wrong header are left out ({reason})"
        except OSError as error:
            reason = f"cannot be read as a {path[-3:]} file: {error.strerror}"
    failures += [ImageReadError(path, reason)] if reason else []
    return inside


def _labels(inside: dict[str, Member]) -> Iterable[tuple[str, Entry]]:
    """Yield the images of one tar file that have a label file, and their places."""
    for name in filter(has_image_suffix, inside):
        # By convention the key of a sample ends at the first dot of the file's own name.
        own = name.rpartition("/")[2]
        key = name.removesuffix(own) + own.partition(".")[0]
        texts = (_text(inside.get(f"{key}.{ending}")) for ending in _LABEL_ENDINGS)
        if label := next(filter(None, texts), ""):
            yield name, Entry(label)


def _text(member: Member | None) -> str:
    try:
        return "" if member is None else member.read().decode("utf-8", "replace").strip()
    except OSError:  # the tar file has been named as damaged
        return ""


_FORENSYNTHS = _tree(
    "folders <gan>/[<class>/]{0_real,1_fake}/", partial(_real_or_fake, real="0_real", fake="1_fake")
)
_GENIMAGE = _tree(
    "folders <generator>/[<batch>/]{train,val}/{ai,nature}/",
    partial(_real_or_fake, real="nature", fake="ai"),
)

#: The layouts that :func:`load_image_folder` knows, by name.
LAYOUTS = {
    "folders": Layout(_FOLDERS, _listing.list_folders, _listing.list_csv),
    "nested": Layout(_NESTED, _list_nested),
    "auto": Layout(f"{_FOLDERS}, or {_NESTED}", _list_auto, _listing.list_csv),
    "forensynths": _FORENSYNTHS,
    "gangen": _FORENSYNTHS,
    "genimage": _GENIMAGE,
    "140k-faces": _tree("folders {train,valid,test}/{real,fake}/", _140k_faces, "*.csv"),
    "open-world-gan": _tree("folders {train,eval}/<gan>_<dataset>/", _open_world_gan),
    "frank": _tree("folders A_<real>/, B_<gan>/, C_<gan>/, ...", _frank),
    "dresden": _tree("files named <brand>_<model>_<unit>_<number>.JPG", _dresden),
    # Shared versions were resized and compressed: another pixel grid than the camera's.
    "vision": _tree(
        "folders D<number>_<brand>_<model>/images/{flat,nat}/",
        _vision,
        "natFB*",
        "natWA*",
        "videos",
    ),
    "artifact": Layout(_ARTIFACT, _list_artifact),
    "raise": Layout(_RAISE, _list_raise, _list_raise),
    "webdataset": Layout(_WEBDATASET, _list_webdataset, _list_webdataset),
}
