"""Layouts in which the path of a file says all: one small function each, path to label."""

import os
import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, TypeAlias

from sklearn_ganprint._text import as_label, printable
from sklearn_ganprint.datasets._decoding._decode import ImageReadError
from sklearn_ganprint.datasets._listing import Entry, Listing, folders_above, visible, walk_files

#: The label of real images wherever a layout tells them from generated ones.
REAL = "real"

_SPLITS = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "eval": "test",
}
_N_SHOWN = 3  # names that an error shows of what was found


class Place(NamedTuple):
    """What a file's place among the others says of it."""

    label: str
    architecture: str | None = None
    split: str | None = None
    is_real: bool | None = None


# From the folders and the name of a file, below the container, to its place; None if the
# layout has no such place.
PlaceOf: TypeAlias = Callable[[Sequence[str]], Place | None]


class Tree(NamedTuple):
    """A layout: how it looks, what a path in it means, and names that are left alone."""

    picture: str
    place_of: PlaceOf
    left_alone: tuple[str, ...] = ()


def list_tree(tree: Tree, container: str) -> Listing:
    """List the files of a folder that have a place in the layout, sorted by label."""
    listing = Listing([], {}, [])
    strays = []
    for path in walk_files(container, folders_above(container), listing.failures):
        parts = os.path.relpath(path, container).split(os.sep)
        if any(fnmatchcase(part, name) for part in parts for name in tree.left_alone):
            continue
        place = tree.place_of(parts)
        if place is None:
            strays.append(path)
        else:
            listing.entries.append(place_entry(path, place))
            listing.sources.setdefault(place.label, os.path.dirname(path))
    if not listing.entries:
        raise wrong_tree(container, tree.picture, names_in(container, strays), listing.failures)
    reason = f"has no place in the layout; expected {tree.picture}"
    listing.failures.extend(ImageReadError(path, reason) for path in strays)
    listing.entries.sort(key=lambda entry: entry.label)
    return listing


def place_entry(path: str, place: Place) -> Entry:
    """Make the entry of a file at its place."""
    return Entry(path, as_label(place.label), None, place.architecture, place.split, place.is_real)


def wrong_tree(
    container: str, picture: str, found: Sequence[str], failures: Sequence[ImageReadError] = ()
) -> ValueError:
    """Say what was expected and what was found, and the first problem on the way."""
    shown = ", ".join(map(printable, found[:_N_SHOWN])) or "nothing"
    more = f" and {len(found) - _N_SHOWN} more" if len(found) > _N_SHOWN else ""
    problem = f"; first problem: {failures[0]}" if failures else ""
    return ValueError(f"{printable(container)}: expected {picture}, found {shown}{more}{problem}")


def names_in(container: str, paths: Sequence[str]) -> list[str]:
    """Return paths as seen from the container, those from new folders first, or what is in it."""
    firsts: dict[str, str] = {}
    for path in paths:
        firsts.setdefault(os.path.dirname(path), path)
    others = (path for path in paths if firsts[os.path.dirname(path)] != path)
    names = [os.path.relpath(path, container) for path in (*firsts.values(), *others)]
    return names or [name + os.sep * os.path.isdir(path) for name, path in visible(container)]


def _real_or_fake(parts: Sequence[str], real: str, fake: str) -> Place | None:
    """Place a file by the first folder that says real or fake, and the source above it."""
    folders = parts[:-1]
    depth = next((i for i, name in enumerate(folders) if name in (real, fake)), 0)
    source = next((name for name in folders[:depth] if name not in _SPLITS), None)
    if source is None:
        return None
    is_real = folders[depth] == real
    return Place(REAL if is_real else source, split=_split(folders[:depth]), is_real=is_real)


def _split(folders: Sequence[str]) -> str | None:
    return next((_SPLITS[name] for name in folders if name in _SPLITS), None)


def _forensynths(parts: Sequence[str]) -> Place | None:
    return _real_or_fake(parts, real="0_real", fake="1_fake")


def _genimage(parts: Sequence[str]) -> Place | None:
    return _real_or_fake(parts, real="nature", fake="ai")


def _140k_faces(parts: Sequence[str]) -> Place | None:
    """Place a face: they come from one generator, whose name is nowhere in the tree."""
    split, kind = _split(parts[:-2]), parts[-2] if len(parts) > 1 else ""
    if split is None or kind not in ("real", "fake"):
        return None
    return Place(kind, split=split, is_real=kind == "real")


def _open_world_gan(parts: Sequence[str]) -> Place | None:
    if len(parts) < 3 or parts[0] not in ("train", "eval") or "_" not in parts[1]:
        return None
    split, (gan, _, _) = _SPLITS[parts[0]], parts[1].partition("_")
    if gan == "real":
        return Place(REAL, REAL, split, is_real=True)
    return Place(parts[1], gan, split, is_real=False)


def _frank(parts: Sequence[str]) -> Place | None:
    """Place a file by a letter and a name; the letter A is that of the real images."""
    match = re.fullmatch("([A-Z])_(.+)", parts[0])
    if match is None or len(parts) < 2:
        return None
    is_real = match[1] == "A"
    return Place(REAL if is_real else match[2], is_real=is_real)


def _dresden(parts: Sequence[str]) -> Place | None:
    """Place a photo by its name: the model may hold underscores, unit and number are digits."""
    match = re.fullmatch(r"((.+)_\d+)_\d+\.\w+", parts[-1])
    return None if match is None else Place(match[1], match[2], is_real=True)


def _vision(parts: Sequence[str]) -> Place | None:
    depth = next((i for i, name in enumerate(parts) if re.fullmatch(r"D\d+_.+", name)), -1)
    inside = tuple(parts[depth + 1 : depth + 3])
    if depth < 0 or inside not in (("images", "flat"), ("images", "nat")):
        return None
    return Place(parts[depth], parts[depth].partition("_")[2], is_real=True)


_FORENSYNTHS = Tree("folders <gan>/[<class>/]{0_real,1_fake}/", _forensynths)

TREES = {
    "forensynths": _FORENSYNTHS,
    "gangen": _FORENSYNTHS,
    "genimage": Tree("folders <generator>/[<batch>/]{train,val}/{ai,nature}/", _genimage),
    "140k-faces": Tree("folders {train,valid,test}/{real,fake}/", _140k_faces, ("*.csv",)),
    "open-world-gan": Tree("folders {train,eval}/<gan>_<dataset>/", _open_world_gan),
    "frank": Tree("folders A_<real>/, B_<gan>/, C_<gan>/, ...", _frank),
    "dresden": Tree("files named <brand>_<model>_<unit>_<number>.JPG", _dresden),
    # Shared versions were resized and compressed: another pixel grid than the camera's.
    "vision": Tree(
        "folders D<number>_<brand>_<model>/images/{flat,nat}/",
        _vision,
        ("natFB*", "natWA*", "videos"),
    ),
}
