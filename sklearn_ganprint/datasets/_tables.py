"""Layouts in which a table or a file beside the image says where it comes from."""

import os
from collections.abc import Iterable
from pathlib import Path
from tarfile import TarError

from sklearn_ganprint._text import as_label, csv_rows, printable
from sklearn_ganprint.datasets._decoding._decode import ImageReadError, has_image_suffix
from sklearn_ganprint.datasets._listing import (
    Listing,
    folders_above,
    is_hidden,
    visible,
    walk_files,
)
from sklearn_ganprint.datasets._tar import Member, damage, members
from sklearn_ganprint.datasets._trees import REAL, Place, names_in, place_entry, wrong_tree

ARTIFACT = "folders <source>/ with images and a file metadata.csv each"
RAISE = "TIF files and, beside them, a CSV file with the columns File and Device"
WEBDATASET = "tar files that hold KEY.model.txt or KEY.cls beside each KEY.png"

_LABEL_ENDINGS = ("model.txt", "cls")


def list_artifact(container: str) -> Listing:
    """List images by the metadata.csv of their source; ``target`` 0 means real."""
    failures: list[ImageReadError] = []
    files = list(walk_files(container, folders_above(container), failures))
    tables = [path for path in files if os.path.basename(path) == "metadata.csv"]
    if not tables:
        raise wrong_tree(container, ARTIFACT, names_in(container, files), failures)
    places: dict[str, Place] = {}
    for table in tables:
        places |= _artifact_places(container, table)
    images = [(path, path) for path in files if path not in set(tables)]
    return _list_tabled(container, ARTIFACT, places, images, failures)


def _artifact_places(container: str, table: str) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for line, cells in csv_rows(table, ("image_path", "target")):
        path = os.path.normpath(os.path.join(os.path.dirname(table), cells["image_path"]))
        source, *inside = os.path.relpath(path, container).split(os.sep)
        if not cells["target"].isdecimal():
            raise ValueError(
                f"{printable(table)}: row at line {line}, column 'target': expected 0 for a real "
                f"image or the number of its generator, got {cells['target']!r}"
            )
        is_real = int(cells["target"]) == 0
        if inside:  # else it lies beside the source folders
            path = os.path.join(container, source, *inside)  # as walking the folder names it
            place = Place(REAL if is_real else source, is_real=is_real)
            _place_once(places, path, place, f"{printable(table)}: row at line {line}")
    return places


def _place_once(places: dict[str, Place], key: str, place: Place, where: str) -> None:
    """Add a place; one file has one only. Letters may be stored in several ways (NFC, NFD)."""
    known = places.setdefault(as_label(key), place)
    if known != place:
        raise ValueError(
            f"{where}: {printable(key)} is labelled {place.label!r}, and {known.label!r} in an "
            f"earlier row; keep the right row only"
        )


def list_raise(container: str) -> Listing:
    """List the TIF files that a CSV file gives the camera of; of a folder, all its CSV files."""
    folder = container if os.path.isdir(container) else os.path.dirname(container) or os.curdir
    tables = [container]
    if os.path.isdir(container):
        tables = [path for name, path in visible(container) if name.lower().endswith(".csv")]
    failures: list[ImageReadError] = []
    files = list(walk_files(folder, folders_above(folder), failures))
    if not tables:
        raise wrong_tree(container, RAISE, names_in(folder, files), failures)
    places: dict[str, Place] = {}
    for table in tables:
        for line, cells in csv_rows(table, ("File", "Device")):
            place = Place(cells["Device"], cells["Device"], is_real=True)
            _place_once(places, cells["File"], place, f"{printable(table)}: row at line {line}")
    # The raw NEF files would open too, but as the thumbnail that they hold.
    images = [(path, Path(path).stem) for path in files if path.lower().endswith((".tif", ".tiff"))]
    return _list_tabled(folder, RAISE, places, images, failures)


def list_webdataset(container: str) -> Listing:
    """List images in tar files, without unpacking them, by the label file beside each."""
    failures: list[ImageReadError] = []
    folder, files = os.path.dirname(container) or os.curdir, [container]
    if os.path.isdir(container):
        folder, files = container, list(walk_files(container, folders_above(container), failures))
    places: dict[str, Place] = {}
    images: list[str] = []
    for path in files:
        inside = {
            name: member
            for name, member in _members(path, failures).items()
            if not any(map(is_hidden, name.split("/")))
        }
        # Not os.path.join: the name of a member may begin with a slash.
        images += [f"{path}{os.sep}{name}" for name in inside if has_image_suffix(name)]
        places |= {as_label(f"{path}{os.sep}{name}"): place for name, place in _labels(inside)}
    if not images:
        raise wrong_tree(container, WEBDATASET, names_in(folder, files), failures)
    return _list_tabled(folder, WEBDATASET, places, ((path, path) for path in images), failures)


def _members(path: str, failures: list[ImageReadError]) -> dict[str, Member]:
    """Return the members of a tar file, none of what is not one."""
    if not path.endswith(".tar"):
        reason = "is no .tar file; one that is compressed has to be decompressed first"
        failures.append(ImageReadError(path, reason))
        return {}
    try:
        inside = members(path)
        if problem := damage(path):
            reason = f"is damaged: files behind a wrong header are left out ({problem})"
            failures.append(ImageReadError(path, reason))
        return inside
    except (TarError, OSError) as error:
        failures.append(ImageReadError(path, f"cannot be read as a tar file: {error}"))
        return {}


def _labels(inside: dict[str, Member]) -> Iterable[tuple[str, Place]]:
    """Yield the images of one tar file that have a label file, and their places."""
    for name in filter(has_image_suffix, inside):
        # By convention the key of a sample ends at the first dot of the file's own name.
        own = name.rpartition("/")[2]
        key = name.removesuffix(own) + own.partition(".")[0]
        for ending in _LABEL_ENDINGS:
            member = inside.get(f"{key}.{ending}")
            label = "" if member is None else _text(member)
            if label:
                yield name, Place(label)
                break


def _text(member: Member) -> str:
    try:
        return member.read().decode("utf-8", "replace").strip()
    except OSError:  # the tar file has been named as damaged
        return ""


def _list_tabled(
    container: str,
    picture: str,
    places: dict[str, Place],
    images: Iterable[tuple[str, str]],
    failures: list[ImageReadError],
) -> Listing:
    """List images, given as (path, key), that have a place under their key."""
    listing = Listing([], {}, failures)
    unplaced = []
    for path, key in images:
        place = places.get(as_label(key))
        if place is not None:
            listing.entries.append(place_entry(path, place))
            listing.sources.setdefault(place.label, os.path.dirname(path))
        else:
            unplaced.append(path)
    if not listing.entries:
        raise wrong_tree(container, picture, names_in(container, unplaced), failures)
    reason = f"has no label; expected {picture}"
    failures.extend(ImageReadError(path, reason) for path in unplaced)
    listing.entries.sort(key=lambda entry: entry.label)
    return listing
