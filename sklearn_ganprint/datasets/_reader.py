"""Many image files to one array of images."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch

from sklearn_ganprint._batches import map_in_order
from sklearn_ganprint._output import Url, printable
from sklearn_ganprint.datasets._decoding import (
    Channels,
    ImageInfo,
    ImageReadError,
    Pixels,
    Window,
    decode_image,
    inspect_image,
)
from sklearn_ganprint.datasets._decoding._structure import UnusableImageError
from sklearn_ganprint.datasets._items import image_names
from sklearn_ganprint.datasets._storage import FilePath, file_size, is_on_disk, open_file

__all__ = ["ImageReader", "content_keys", "inspect_images"]

_Size: TypeAlias = tuple[int, int]
Images: TypeAlias = Pixels | list[Pixels]
_Result = TypeVar("_Result")

#: Files that are fetched from URLs at a time, by each worker.
_CONNECTIONS = 8


@dataclass(frozen=True)
class _Part:
    """The window that is kept of an image, at the anchor; or the whole image, of one size."""

    size: _Size
    center: bool = False
    whose: str | None = None  # says where the size of whole images is from
    min_side: int | None = None  # of images that are smaller, and kept whole where they are

    def __call__(self, width: int, height: int) -> tuple[int, int, int, int]:
        spare_rows, spare_columns = height - self.size[0], width - self.size[1]
        if self.whose is not None and (spare_rows or spare_columns):
            raise UnusableImageError(
                f"its (height, width) = {(height, width)} differs from {self.size}, "
                f"{self.whose}; only a reader, or a model, with a set crop takes several sizes"
            )
        if spare_rows < 0 or spare_columns < 0:
            self._check_smaller(width, height)
        spare_rows, spare_columns = max(0, spare_rows), max(0, spare_columns)
        top, left = (spare_rows // 2, spare_columns // 2) if self.center else (0, 0)
        return left, top, min(width, left + self.size[1]), min(height, top + self.size[0])

    def _check_smaller(self, width: int, height: int) -> None:
        """Raise if an image that is smaller than the crop must not be."""
        found = f"its (height, width) = {(height, width)}"
        if self.min_side is None:
            raise UnusableImageError(
                f"{found} is smaller than crop={self.size}; only a reader, or a model, with a "
                f"smaller crop can use it"
            )
        if min(width, height) < self.min_side:
            raise UnusableImageError(
                f"{found} is too small: height and width must be {self.min_side} pixels at least"
            )


class ImageReader(BaseEstimator):
    """How image files become an array: which part of each, which channels.

    A parameter object without a fit, which can be cloned and searched over, as ``reader__crop``.

    Parameters
    ----------
    crop : int, (height, width) or None, default=None
        Part of each image that is kept, in pixels; an int means a square. Images are cut and
        never resized, since a fingerprint is tied to the pixel grid. None keeps whole images,
        which then must have one size.
    anchor : {"top-left", "center"}, default="top-left"
        Where the part is cut. "center" leaves out ``floor((size - crop) / 2)`` pixels above
        and on the left.
    channels : {"rgb", "luminance"}, default="rgb"
        Three colour channels, or one of unrounded ITU-R BT.601 luminance.
    max_pixels : int, default=178_956_970
        Largest accepted width times height that a file declares. From the default on Pillow
        refuses a file by itself, from half of that on it warns. The limit stands for 4 bytes of
        memory a pixel as well: a file that takes more with its result is refused, which a smaller
        crop avoids.
    n_jobs : int or None, default=None
        Number of threads over files, as in joblib. None means one.
    min_side : int or None, default=None
        Shortest side, in pixels, of images that may be smaller than `crop`. Where they are, their
        height or width is kept whole, so that the images that are read may differ in size. None
        refuses every image that is smaller than `crop`. Without effect where `crop` is None.

    Notes
    -----
    PNG, JPEG, TIFF, WebP, BMP, GIF, JPEG 2000, PPM and AVIF files are read. Transparency is
    dropped without blending, white is 255 whatever the file counts up to, 16-bit colours lose
    their low byte, and of animations the first frame is taken. The EXIF orientation is
    **not** applied: turning an image would move the pixel grid. Files without a known white
    level, and damage that can be recognised, are refused; what concerns no pixel of the image
    that is read refuses nothing.

    Examples
    --------
    >>> import tempfile, os
    >>> from PIL import Image
    >>> from sklearn_ganprint.datasets import ImageReader
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [os.path.join(folder, name) for name in ("a.png", "b.png")]
    ...     Image.new("RGB", (40, 30)).save(paths[0])
    ...     Image.new("L", (64, 64)).save(paths[1])
    ...     images = ImageReader(crop=(16, 24)).read(paths)
    ...     several = ImageReader(crop=48, min_side=16).read(paths)
    >>> images.shape, images.dtype
    ((2, 16, 24, 3), dtype('uint8'))
    >>> [image.shape for image in several]
    [(30, 40, 3), (48, 48, 3)]
    """

    def __init__(
        self,
        crop: int | _Size | None = None,
        *,
        anchor: str = "top-left",
        channels: Channels = "rgb",
        max_pixels: int = 178_956_970,
        n_jobs: int | None = None,
        min_side: int | None = None,
    ) -> None:
        self.crop = crop
        self.anchor = anchor
        self.channels = channels
        self.max_pixels = max_pixels
        self.n_jobs = n_jobs
        self.min_side = min_side

    def read_one(self, path: FilePath) -> Pixels:
        """Read one file.

        Parameters
        ----------
        path : str, bytes, path-like or PIL image
            The file, or an image in memory.

        Returns
        -------
        ndarray of shape (height, width, n_channels)
            Dtype uint8; float32 in 8-bit units for luminance and for grey of more than 8 bits.

        Raises
        ------
        ImageReadError
            If the file cannot be used; the error names it and says why.
        ValueError
            If a parameter of the reader is not valid.
        """
        (name,) = image_names([path])
        return self._decode(name, crop_window(self))[0]

    def read(self, paths: Iterable[FilePath]) -> Images:
        """Read files that must all be usable.

        Parameters
        ----------
        paths : iterable of str, bytes, path-like or PIL image
            The files, also in zip and tar files and at URLs, or images in memory, for which the
            same rules hold.

        Returns
        -------
        ndarray of shape (n_files, height, width, n_channels), or list of ndarray
            Dtype uint8 if every image is, else float32. A list where sizes differ, which takes a
            `min_side`.

        Raises
        ------
        ImageReadError
            For the first file that cannot be used or, without a crop, whose size differs
            from that of the first file.
        TypeError, ValueError
            If `paths` is a single path, or holds anything but paths; if a parameter is not valid.
        """
        names = _as_names(paths)
        window = crop_window(self)
        if window is None and names:
            info = inspect_image(names[0], self.max_pixels)
            first = f"that of the first file, {printable(names[0])}"
            window = _Part((info.height, info.width), whose=first)
        return self._collect(names, window, stop=True).images

    def try_read(
        self, paths: Iterable[FilePath], expected_size: _Size | None = None
    ) -> tuple[Images, NDArray[np.intp], list[ImageReadError]]:
        """Read those files that are usable, and say what is wrong with the others.

        Parameters
        ----------
        paths : iterable of str, bytes or path-like
            The files.
        expected_size : (height, width) or None, default=None
            Size that whole images must have; without effect if `crop` is set. None means
            the most common size among the files, and of equally common ones the first seen.

        Returns
        -------
        images : ndarray of shape (n_kept, height, width, n_channels), or list of ndarray
            The usable images; a list where sizes differ, which takes a `min_side`. If there are
            none, height and width are those of the crop or the expected size, and 0 where no size
            is known.
        kept : ndarray of shape (n_kept,)
            Their positions in `paths`.
        failures : list of ImageReadError
            One for each other file, in the order of `paths`.

        Raises
        ------
        TypeError, ValueError
            If `paths` is a single path, or holds anything but paths; if a parameter is not valid.
        """
        found = read_usable(self, paths, expected_size)
        return found.images, found.kept, found.failures

    def common_size(self, paths: Iterable[FilePath]) -> tuple[int, int] | None:
        """Return the size of the images that `try_read` makes of files, or the largest size.

        Parameters
        ----------
        paths : iterable of str, bytes or path-like
            The files; only their headers are read, and none if `crop` is set.

        Returns
        -------
        (height, width) or None
            The crop, also where a `min_side` lets images be smaller; without a crop the most common
            size among the files, and of equally common ones the first seen. None if no header can
            be read.

        Raises
        ------
        TypeError, ValueError
            If `paths` is a single path, or holds anything but paths; if a parameter is not valid.
        """
        window = crop_window(self)
        if window is not None:
            return window.size
        names = _as_names(paths)
        results = inspect_files(self, names)
        return most_common_size(info for info in results if not isinstance(info, ImageReadError))

    def _decode(
        self, path: FilePath, window: Window | None, identify: bool = False
    ) -> tuple[Pixels, ImageInfo]:
        how: Any = {"channels": self.channels, "max_pixels": self.max_pixels}
        return decode_image(path, window=window, identify=identify, **how)

    def _collect(
        self, names: Sequence[str], window: _Part | None, *, stop: bool, identify: bool = False
    ) -> "ReadFiles":
        """Read the files into one array or list; raise at the first bad one if told to stop."""
        images: Images = self._no_images(window)
        kept: list[int] = []
        infos, failures = [], []
        results = map_files(
            partial(self._decode, window=window, identify=identify), names, self.n_jobs
        )
        for index, result in enumerate(results):
            if not isinstance(result, ImageReadError):
                image, info = result
                images = _store(images, len(kept), image, len(names))
                kept.append(index)
                infos.append(info)
            elif stop:
                raise result
            else:
                failures.append(result)
        return ReadFiles(images[: len(kept)], np.array(kept, dtype=np.intp), failures, infos)

    def _no_images(self, window: _Part | None) -> Pixels:
        size = (0, 0) if window is None else window.size
        if self.channels == "rgb":
            return np.empty((0, *size, 3), dtype=np.uint8)
        return np.empty((0, *size, 1), dtype=np.float32)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Readers saved by earlier versions refused images smaller than the crop.
        super().__setstate__({"min_side": None, **state})


class ReadFiles(NamedTuple):
    """The images of usable files, their positions, what is wrong with others, and headers."""

    images: Images
    kept: NDArray[np.intp]
    failures: list[ImageReadError]
    infos: list[ImageInfo]


def most_common_size(infos: Iterable[ImageInfo]) -> _Size | None:
    """Return the most common (height, width), of equally common ones the first; None for none."""
    sizes = Counter((info.height, info.width) for info in infos)
    return max(sizes, key=lambda size: sizes[size], default=None)


def read_usable(
    reader: ImageReader,
    paths: Iterable[FilePath],
    expected_size: _Size | None = None,
    whose: str = "the expected size",
    *,
    identify: bool = False,
) -> ReadFiles:
    """Read those files that are usable, as `ImageReader.try_read` does.

    With `identify` their headers have what files and images are recognised by.
    """
    names = _as_names(paths)
    window = crop_window(reader)
    if window is None and expected_size is not None:
        window = _Part(_as_size(expected_size, "expected_size"), whose=whose)
    elif window is None and (common := reader.common_size(names)) is not None:
        window = _Part(common, whose="the most common size")
    return reader._collect(names, window, stop=False, identify=identify)


def crop_window(reader: ImageReader) -> _Part | None:
    """Check a reader's parameters; return what cuts an image, None for whole images."""
    if reader.anchor not in ("top-left", "center"):
        raise ValueError(f'anchor: expected "top-left" or "center", got {reader.anchor!r}')
    if reader.channels not in ("rgb", "luminance"):
        raise ValueError(f'channels: expected "rgb" or "luminance", got {reader.channels!r}')
    if not _is_positive_int(reader.max_pixels):
        raise ValueError(f"max_pixels: expected a positive int, got {reader.max_pixels!r}")
    if reader.min_side is not None and not _is_positive_int(reader.min_side):
        raise ValueError(f"min_side: expected a positive int or None, got {reader.min_side!r}")
    if reader.crop is None:
        return None
    size, center = _as_size(reader.crop, "crop"), reader.anchor == "center"
    return _Part(size, center=center, min_side=reader.min_side)


def inspect_images(paths: Iterable[FilePath], *, reader: ImageReader | None = None) -> Bunch:
    """Read the headers of image files: their formats and sizes, without decoding their pixels.

    Parameters
    ----------
    paths : iterable of str, bytes or path-like
        The files.
    reader : ImageReader, default=None
        Files that are smaller than its ``crop`` and ``min_side`` allow, or have more than its
        ``max_pixels``, are failures; None means ``ImageReader()``.

    Returns
    -------
    Bunch
        The properties of the usable files, in the order of `paths`:

        filenames : ndarray of object (str)
        formats, modes, widths, heights : ndarray
        jpeg_quality : ndarray of float, nan where a file is not JPEG
        subsampling : ndarray of str, of the colours of JPEG files, such as "4:2:0"; else empty
        metadata : ndarray of str, the kinds that a file has beside its pixels, as "EXIF, ICC"
        failures : list of ImageReadError, one for each other file

    Raises
    ------
    TypeError, ValueError
        If `paths` is a single path, or holds anything but paths; if a parameter is not valid.

    See Also
    --------
    list_images : Lists the files of a folder.
    load_image_folder : Returns the same properties beside labels and pixels.

    Notes
    -----
    Damage to the pixels themselves stays unseen until they are decoded. Metadata (C2PA, EXIF, ICC,
    Photoshop, XMP, text) is recognised by what each kind begins with, within 64 KiB from either end
    of the file, and is never parsed.

    Examples
    --------
    >>> import os, tempfile
    >>> from PIL import Image
    >>> from sklearn_ganprint.datasets import ImageReader, inspect_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [os.path.join(folder, name) for name in ("small.png", "large.jpg")]
    ...     for path, side in zip(paths, (20, 80)):
    ...         Image.new("RGB", (side, side)).save(path, quality=90)
    ...     bunch = inspect_images(paths, reader=ImageReader(crop=64))
    >>> bunch.formats.tolist(), bunch.widths.tolist(), bunch.jpeg_quality.tolist()
    (['JPEG'], [80], [90.0])
    >>> [os.path.basename(failure.filename) for failure in bunch.failures]
    ['small.png']
    """
    names = _as_names(paths)
    results = list(inspect_files(ImageReader() if reader is None else reader, names))
    pairs = list(zip(names, results, strict=True))
    usable = [(name, info) for name, info in pairs if not isinstance(info, ImageReadError)]
    return Bunch(
        filenames=np.array([name for name, _ in usable], dtype=object),
        **property_arrays([info for _, info in usable]),
        failures=[result for result in results if isinstance(result, ImageReadError)],
    )


def property_arrays(infos: Sequence[ImageInfo]) -> dict[str, NDArray[np.generic]]:
    """Return what headers say as one array for each property."""
    return {
        "formats": np.array([info.format for info in infos], dtype=str),
        "modes": np.array([info.mode for info in infos], dtype=str),
        "widths": np.array([info.width for info in infos], dtype=int),
        "heights": np.array([info.height for info in infos], dtype=int),
        "jpeg_quality": np.array([info.jpeg_quality for info in infos], dtype=float),
        "subsampling": np.array([info.subsampling for info in infos], dtype=str),
        "metadata": np.array([info.metadata for info in infos], dtype=str),
    }


def inspect_files(
    reader: ImageReader, names: Sequence[str]
) -> Iterator[ImageInfo | ImageReadError]:
    """Return what each header says; an image that the crop does not fit into is an error."""
    inspect = partial(inspect_image, max_pixels=reader.max_pixels, window=crop_window(reader))
    return map_files(inspect, names, reader.n_jobs)


def content_keys(
    paths: Iterable[FilePath], *, n_jobs: int | None = None, read_all: bool = False
) -> list[tuple[int, str]]:
    """Return a key for each file; the keys of two files are equal if their content is.

    Parameters
    ----------
    paths : iterable of str, bytes or path-like
        The files.
    n_jobs : int or None, default=None
        Number of threads over files, as in joblib. None means one.

    read_all : bool, default=False
        Whether files are read whose size no other has.

    Returns
    -------
    list of (int, str)
        Size in bytes and SHA-256 digest of each file. Only files of equal size are read, unless
        `read_all`; all others have "None" in place of a digest. A file that cannot be read has a
        key of its own, with the size -1 if that is not known.

    Raises
    ------
    TypeError
        If `paths` is a single path, or holds anything but paths.

    Examples
    --------
    >>> import os, tempfile
    >>> from PIL import Image
    >>> from sklearn_ganprint.datasets import content_keys
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [os.path.join(folder, name) for name in ("a.png", "copy of a.png", "b.png")]
    ...     for path, grey in zip(paths, (0, 0, 255)):
    ...         Image.new("L", (8, 8), grey).save(path)
    ...     first, copy, other = content_keys(paths)
    >>> first == copy, first == other
    (True, False)
    """
    names = _as_names(paths)
    sizes = [s if isinstance(s, int) else -1 for s in map_files(_size, names, n_jobs)]
    times = Counter(sizes)
    pairs = zip(names, sizes, strict=True)
    shared = [name for name, size in pairs if size >= 0 and (read_all or times[size] > 1)]
    digests = dict(zip(shared, map_files(_digest, shared, n_jobs), strict=True))
    return [
        (size, str(digests.get(name, None if size >= 0 else name)))
        for name, size in zip(names, sizes, strict=True)
    ]


def _size(name: str) -> int:
    try:
        if not is_on_disk(name) or os.path.isfile(name):  # a pipe would wait for a writer
            return file_size(name)
    except OSError:  # removed in between: reading the pixels will say so
        pass
    return -1


def _digest(name: str) -> str:
    try:
        with open_file(name) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        # Equal to nothing: reading the pixels will say what is wrong with it.
        return name


def map_files(
    function: Callable[[str], _Result], names: Sequence[str], n_jobs: int | None
) -> Iterator[_Result | ImageReadError]:
    """Return ``function(name)``, or the ImageReadError it raised, in the order of names."""
    if any(isinstance(name, Url) for name in names):
        return _map_urls(partial(_attempt, function), names)
    return map_in_order(_attempt, ((function, name) for name in names), n_jobs, prefer="threads")


def _map_urls(function: Callable[[str], _Result], names: Sequence[str]) -> Iterator[_Result]:
    # Not joblib's threads, of which there may be one only, within others: these mostly wait.
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        yield from pool.map(function, names)


def _attempt(function: Callable[[str], _Result], name: str) -> _Result | ImageReadError:
    try:
        return function(name)
    except ImageReadError as error:
        # A fresh one: the caught error's traceback would keep the image's memory alive for
        # as long as the failure is listed.
        return ImageReadError(error.filename, error.reason)


def _store(images: Images, position: int, image: Pixels, n_images: int) -> Images:
    """Put one image in its place; make room at the first, widen at the first of floats.

    From the first image of another size on they are a list.
    """
    if position == 0:
        images = np.empty((n_images, *image.shape), dtype=image.dtype)
    elif images[0].dtype == np.uint8 and image.dtype != np.uint8:
        images = _widen(images)
    elif images[0].dtype != np.uint8:
        image = image.astype(np.float32, copy=False)
    if isinstance(images, np.ndarray) and image.shape != images.shape[1:]:
        images = list(images[:position])
    if isinstance(images, list):
        images.append(image)
    else:
        images[position] = image
    return images


def _widen(images: Images) -> Images:
    if isinstance(images, list):
        return [image.astype(np.float32) for image in images]
    return images.astype(np.float32)


def _as_names(paths: Iterable[FilePath]) -> list[str]:
    """Return the paths, or images in place of paths, as a list of names to open."""
    if isinstance(paths, str | bytes | os.PathLike):
        raise TypeError(
            f"paths: expected a list of paths, got the single path {paths!r}; "
            "put it in a list, or use read_one"
        )
    return image_names(paths)


def _is_positive_int(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) > 0


def _as_size(value: object, parameter: str) -> _Size:
    """Return (height, width) as plain ints, or say what is wrong with the parameter."""
    pair = value if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(_is_positive_int(side) for side in pair):
        raise ValueError(
            f"{parameter}: expected a positive int or a (height, width) pair of them, got {value!r}"
        )
    return int(pair[0]), int(pair[1])
