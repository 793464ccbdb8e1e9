"""Layouts of image collections by name: each a function from a container to its listing."""

import os
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from sklearn_ganprint._text import printable
from sklearn_ganprint.datasets._decoding._decode import has_image_suffix
from sklearn_ganprint.datasets._listing import (
    Listing,
    list_csv,
    list_folders,
    split_folder,
    visible,
    with_one_spelling,
)
from sklearn_ganprint.datasets._tables import (
    ARTIFACT,
    RAISE,
    WEBDATASET,
    list_artifact,
    list_raise,
    list_webdataset,
)
from sklearn_ganprint.datasets._trees import TREES, list_tree, names_in, wrong_tree

_FOLDERS = "a folder of label folders or a CSV file"
_NESTED = "folders ARCH/SOURCE/ with images in them"


class Layout(NamedTuple):
    """How a collection is laid out, and the function that lists it."""

    picture: str
    list_files: Callable[[str], Listing]
    takes_file: bool = False


def list_container(container: str, layout: str = "folders") -> Listing:
    """List the files of a container and their labels, as its layout says."""
    if layout not in LAYOUTS:
        raise ValueError(f"layout: expected one of {', '.join(LAYOUTS)}; got {layout!r}")
    expected = LAYOUTS[layout]
    if not os.path.lexists(container):
        raise FileNotFoundError(
            f"{printable(container)}: expected {expected.picture}, found nothing of that name"
        )
    if not (expected.takes_file or os.path.isdir(container)):
        raise wrong_tree(container, expected.picture, ["a file"])
    return with_one_spelling(expected.list_files(container))


def _list_folders_or_csv(container: str) -> Listing:
    return list_folders(container) if os.path.isdir(container) else list_csv(container)


def _list_nested(container: str) -> Listing:
    """List label folders that lie in a folder per architecture; labels are ARCH/SOURCE."""
    folders, failures = split_folder(container)
    listing = Listing([], {}, failures)
    for architecture, folder in folders.items():
        if not split_folder(folder)[0]:
            found = [path for _, path in visible(folder)]
            raise wrong_tree(container, _NESTED, names_in(container, found or [folder]))
        inner = list_folders(folder)
        listing.failures.extend(inner.failures)
        listing.sources.update({f"{architecture}/{k}": v for k, v in inner.sources.items()})
        listing.entries.extend(
            entry._replace(label=f"{architecture}/{entry.label}", architecture=architecture)
            for entry in inner.entries
        )
    if not folders:
        raise wrong_tree(container, _NESTED, names_in(container, ()))
    return listing


def _list_auto(container: str) -> Listing:
    """Tell folders per label from such in folders per architecture; never guess."""
    if not os.path.isdir(container):
        return list_csv(container)
    with_images, with_folders = [], []
    for name, folder in split_folder(container)[0].items():
        inside = [path for _, path in visible(folder)]
        if any(has_image_suffix(path) and not os.path.isdir(path) for path in inside):
            with_images.append(name)
        elif any(map(os.path.isdir, inside)):
            with_folders.append(name)
    if with_images and with_folders:
        raise ValueError(
            f"{printable(container)}: expected images in every folder, or in every folder only "
            f"folders with images (ARCH/SOURCE/), found images in {printable(with_images[0])}/ "
            f"and only folders in {printable(with_folders[0])}/; move them, or name the layout"
        )
    return _list_nested(container) if with_folders else list_folders(container)


#: The layouts that :func:`load_image_folder` knows, by name.
LAYOUTS = {
    "folders": Layout(_FOLDERS, _list_folders_or_csv, takes_file=True),
    "nested": Layout(_NESTED, _list_nested),
    "auto": Layout(f"{_FOLDERS}, or {_NESTED}", _list_auto, takes_file=True),
    **{name: Layout(tree.picture, partial(list_tree, tree)) for name, tree in TREES.items()},
    "artifact": Layout(ARTIFACT, list_artifact),
    "raise": Layout(RAISE, list_raise, takes_file=True),
    "webdataset": Layout(WEBDATASET, list_webdataset, takes_file=True),
}
