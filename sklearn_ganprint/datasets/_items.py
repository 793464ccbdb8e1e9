"""Images in place of files: PIL images, and datasets of other libraries, by what these have."""

import errno
import os
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Protocol, Self

import numpy as np
from PIL import Image, TiffImagePlugin

from sklearn_ganprint._output import as_name, as_names
from sklearn_ganprint.datasets._decoding import ImageReadError
from sklearn_ganprint.datasets._listing import Entry, Listing
from sklearn_ganprint.datasets._storage import Held, PixelStream, open_file


class Dataset(Protocol):
    """A sequence that is asked for its items."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


class Item(Held):
    """The name of an image, or of one that a sequence is asked for whenever it is read."""

    source: Any
    at: int | None

    def __new__(cls, text: str, source: Any, at: int | None = None) -> Self:
        item = super().__new__(cls, text)
        item.source, item.at = source, at
        return item

    def __reduce__(self) -> tuple[Any, ...]:
        return Item, (str(self), self.source, self.at)

    def open(self) -> BytesIO:
        """Return the bytes of a file; pixels are written into one, so that its rules hold."""
        value = _image_in(self.source if self.at is None else self.source[self.at])
        if isinstance(value, Mapping) and value.keys() >= {"bytes", "path"}:
            value = value["bytes"] or _read(value["path"])
        if isinstance(value, bytes):
            return BytesIO(value)
        return _as_file(value if isinstance(value, Image.Image) else _from_array(value))


def _image_in(value: Any) -> Any:
    """Return the image of a dict, or of a pair of an image and a label."""
    if isinstance(value, Mapping) and "image" in value:
        return value["image"]
    return value[0] if isinstance(value, tuple | list) and value else value


def _as_file(image: Image.Image) -> PixelStream:
    if image.mode not in TiffImagePlugin.SAVE_INFO:
        raise OSError(errno.EINVAL, f"no file has pixels of the mode {image.mode}; convert it")
    stream = PixelStream()
    image.save(stream, "TIFF")
    stream.seek(0)
    return stream


def _read(path: str) -> bytes:
    with open_file(as_name(path)) as stream:
        return stream.read()


def _from_array(value: Any) -> Image.Image:
    """Make an image of whole numbers, whose channels are last, or first where that can be told."""
    array = np.asarray(value)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] > 4:
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    is_colour = array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8
    if not is_colour and (array.ndim != 2 or array.dtype not in (np.uint8, np.uint16)):
        raise OSError(
            errno.EINVAL,
            f"expected a PIL image, the bytes of a file, or whole numbers (uint8) of the shape "
            f"(height, width) or (height, width, 3), got {type(value).__name__}, {array.dtype} of "
            f"the shape {np.shape(value)}. Nothing is rescaled: leave out transforms that make "
            f"floats of images or normalize them, such as ToTensor",
        )
    return Image.fromarray(np.ascontiguousarray(array))


def image_names(values: Any) -> list[str]:
    """Return the names of images: paths, or PIL images and dicts in place of paths."""
    if not isinstance(values, list | tuple | np.ndarray) and _is_sequence(values):
        if len(values) and not hasattr(values, "iloc") and is_image(values[0]):
            return [Item(f"image {index}", values, index) for index in range(len(values))]
    names = list(values)
    for index, value in enumerate(names):
        if is_image(value):
            names[index] = Item(f"image {index}", value)
        elif not isinstance(value, str | bytes | os.PathLike):
            raise TypeError(
                f"paths[{index}]: expected a str, bytes or path-like object, or a PIL image, got "
                f"{type(value).__name__}"
            )
    return as_names(names)


def is_image(value: Any) -> bool:
    """Return whether a value stands for an image in place of a path."""
    return isinstance(value, Image.Image | Mapping)


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")


def list_dataset(source: Any, *, labelled: bool = True) -> Listing:
    """List the images of a dataset, and their labels, "" where there are none.

    If some have labels, those without one become failures.
    """
    if not _is_sequence(source):
        raise TypeError(
            f"expected a path, or a dataset with a length and items by number, got "
            f"{type(source).__name__}"
        )
    source, labels, names = _take_apart(source, labelled=labelled)
    entries = [
        Entry(_in_words(label, names), filename=_item(source, index))
        for index, label in enumerate(labels)
    ]
    lacking = [n for n, entry in enumerate(entries) if not entry.label]
    failures = []
    if len(lacking) < len(entries):
        failures = [ImageReadError(entries[n].filename, _why_none(labels[n])) for n in lacking]
        entries = [entry for entry in entries if entry.label]
    return Listing(entries, dict.fromkeys((e.label for e in entries), describe(source)), failures)


def _item(source: Any, index: int) -> Item:
    """Name an image; of a list it is held itself, or all others would go to workers with it."""
    name = f"image {index}"
    in_memory = isinstance(source, list | tuple | np.ndarray)
    return Item(name, source[index]) if in_memory else Item(name, source, index)


def _take_apart(source: Any, *, labelled: bool) -> tuple[Any, Sequence[Any], Any]:
    """Return a dataset without its labels, these, and their names if they have some."""
    labels: Any = getattr(source, "targets", None)
    names = getattr(source, "classes", None)
    if isinstance(features := getattr(source, "features", None), Mapping):
        source, labels, names = _of_columns(source, features)
    elif not hasattr(labels, "__len__") or len(labels) != len(source):
        labels, names = None, None
    if not labelled:
        labels = [None] * len(source)
    elif labels is None:
        labels = [_label_of(source, index) for index in range(len(source))]
    return source, labels, names


def describe(source: Any) -> str:
    """Return what a dataset is called in messages."""
    return f"{type(source).__name__} of {len(source)} images"


def _of_columns(source: Any, features: Mapping[str, Any]) -> tuple[Any, Sequence[Any], Any]:
    """Take a dataset with columns apart: files that are not decoded, labels and their names.

    The library would turn images as their EXIF orientation says.
    """
    image, label = _column(features, "Image", "image"), _column(features, "ClassLabel", "label")
    if image is None:
        raise ValueError(f"{describe(source)}: expected a column of images, found {list(features)}")
    undecoded = type(features[image])(decode=False)
    files = source.select_columns([image]).cast_column(image, undecoded)
    files = files if image == "image" else files.rename_column(image, "image")
    if label is None:
        return files, [None] * len(source), None
    return files, list(source[label]), getattr(features[label], "names", None)


def _column(features: Mapping[str, Any], kind: str, name: str) -> str | None:
    """Return the column of a name, or else the only one of a kind."""
    found = [name for name, feature in features.items() if type(feature).__name__ == kind]
    return name if name in features else found[0] if len(found) == 1 else None


def _label_of(source: Any, index: int) -> Any:
    """Ask a dataset for the label of an image, which may raise anything."""
    try:
        return _label_in(source[index])
    except Exception as error:
        return error


def _why_none(label: Any) -> str:
    if isinstance(label, Exception):
        return f"cannot be asked for its label: {type(label).__name__}: {label}"
    return "has no label"


def _label_in(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get("label")
    return value[1] if isinstance(value, tuple | list) and len(value) > 1 else None


def _in_words(label: Any, names: Any) -> str:
    """Write a label, by its name if numbers have names; -1 stands for none."""
    if label is None or isinstance(label, Exception):
        return ""
    if names is None or isinstance(label, str):
        return str(label)
    number = int(label)
    if number >= len(names):
        raise ValueError(f"expected labels from 0 to {len(names) - 1}, of {names}, got {number}")
    return str(names[number]) if number >= 0 else ""
