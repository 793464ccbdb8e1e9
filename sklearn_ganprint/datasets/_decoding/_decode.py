"""One image file to one array: everything that Pillow has to be asked is asked here."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from sklearn_ganprint._text import printable
from sklearn_ganprint.datasets._decoding._boxes import prepare_avif, prepare_jpeg2000
from sklearn_ganprint.datasets._decoding._containers import (
    prepare_gif,
    prepare_png,
    prepare_ppm,
    prepare_webp,
)
from sklearn_ganprint.datasets._decoding._jpeg import estimate_jpeg_quality
from sklearn_ganprint.datasets._decoding._jpeg_scans import load_jpeg, prepare_jpeg
from sklearn_ganprint.datasets._decoding._pixels import Box, Channels, Pixels, as_pixels, pixel_type
from sklearn_ganprint.datasets._decoding._prepared import Prepared, UnusableImageError
from sklearn_ganprint.datasets._decoding._tiff import prepare_tiff
from sklearn_ganprint.datasets._tar import find_member, open_file

FilePath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
# (left, upper, right, lower) of the part to keep, given the (width, height) of the file.
Window: TypeAlias = Callable[[int, int], Box]

# A closed list, because of what Pillow would open otherwise: PostScript files are handed to
# an external interpreter, and TGA has no signature, so that plain text can pass for one.
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "PPM", "AVIF")

# What a file begins with, and what reduces it to the pixels of its first image. Pillow gets to
# see nothing else: no description that may be broken or large, no later page, no orientation.
_PREPARE: tuple[tuple[re.Pattern[bytes], Callable[[BinaryIO, bool], Prepared]], ...] = tuple(
    (re.compile(start, re.DOTALL), prepare)
    for start, prepare in (
        (rb"\x89PNG\r\n\x1a\n", prepare_png),
        (rb"\xff\xd8\xff", prepare_jpeg),
        (rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]|MM\x2a\0|II\0\x2a", prepare_tiff),
        (rb"RIFF....WEBPVP8", prepare_webp),
        (rb"GIF8[79]a", prepare_gif),
        (rb"P[0-6fy]", prepare_ppm),
        (rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n", prepare_jpeg2000),
        (rb"....ftyp", prepare_avif),
    )
)

# Memory that a file may take while it is decoded: bytes for each pixel of max_pixels (an RGB
# image takes four, and three more for the result), and what no file is refused below.
_BYTES_A_PIXEL, _FREE_BYTES = 4, 1 << 26
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}


class ImageReadError(ValueError):
    r"""An image file that cannot be used, and why.

    Parameters
    ----------
    filename : str
        The file in question.
    reason : str
        What is wrong with it.

    Attributes
    ----------
    filename : str
        The file in question, as it can be opened.
    reason : str
        What is wrong with it.

    Notes
    -----
    The message is ``"FILENAME: REASON"``. Bytes of a file name that are not UTF-8 are
    written as ``\xNN`` in the message, so that it can always be printed.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import ImageReadError
    >>> print(ImageReadError("holiday.png", "the file is empty"))
    holiday.png: the file is empty
    """

    def __init__(self, filename: str, reason: str) -> None:
        # Both go to args: that is what an exception is pickled and rebuilt from.
        super().__init__(filename, reason)
        self.filename = filename
        self.reason = reason

    def __str__(self) -> str:
        return f"{printable(self.filename)}: {self.reason}"


class ImageInfo(NamedTuple):
    """What the header of an image file says.

    Attributes
    ----------
    format : str
        Pillow's name of the file format, such as "PNG" or "JPEG".
    width, height : int
        Size of the stored pixel grid, before any EXIF orientation.
    mode : str
        Pillow's name of the pixel layout, such as "RGB", "L" or "P".
    n_frames : int
        Number of frames or pages; 1 for a still image.
    jpeg_quality : float
        Estimated IJG quality from 1 to 100; nan if the file is not JPEG.
    exif_orientation : int
        EXIF orientation from 1 to 8; 1 if the file states none or an unknown one.
    """

    format: str
    width: int
    height: int
    mode: str
    n_frames: int
    jpeg_quality: float
    exif_orientation: int


def has_image_suffix(name: str) -> bool:
    """Whether a file is an image by its name alone, in a format that is read here."""
    return Image.registered_extensions().get(os.path.splitext(name)[1].lower()) in _FORMATS


def decode_image(
    path: FilePath, *, channels: Channels, max_pixels: int, window: Window | None = None
) -> Pixels:
    """Read the pixels of one image file.

    Parameters
    ----------
    path : str, bytes or path-like
        A local regular file in PNG, JPEG, TIFF, WebP, BMP, GIF, JPEG 2000, PPM or AVIF format.
    channels : {"rgb", "luminance"}
        What to return.
    max_pixels : int
        Largest accepted width times height. It is compared with the size that the file
        declares, before memory for pixels is taken.
    window : callable, default=None
        Given width and height, returns the (left, upper, right, lower) to keep, or raises
        `UnusableImageError`. It is asked before decoding.

    Returns
    -------
    ndarray of shape (height, width, 3) or (height, width, 1)
        "rgb" gives uint8, or float32 in 8-bit units for grey of more than 8 bits. "luminance"
        gives float32 in 8-bit units.

    Raises
    ------
    ImageReadError
        If the file is missing, empty, no image, damaged, truncated, too large, or holds
        values without a known range; or if `window` refuses its size.
    ValueError
        If `channels` is unknown.

    Notes
    -----
    - Luminance is :math:`0.299 R + 0.587 G + 0.114 B` (ITU-R BT.601) and is **not** rounded:
      rounding adds noise of the size of a fingerprint. Grey files give their grey value.
    - Grey of more than 8 bits is scaled so that the largest value is 255, and inverted where
      0 stands for white. Of 16-bit **colour** files, Pillow gives the high byte only.
    - Transparency is dropped: colours are returned as stored, not blended with a background.
    - Palettes are looked up; CMYK, YCbCr and LAB go through Pillow's conversion to RGB;
      1-bit files give 0 and 255; of animations and multi-page files the first frame is read.
    - The EXIF orientation is **not** applied. A fingerprint is tied to the pixel grid of the
      sensor or generator, and turning the image would move that grid.
    - Pillow is given the pixels of the first image alone, after the file's own structure has
      been checked: checksums, sizes, places of the data, and whether they suffice.

    Examples
    --------
    >>> import tempfile, os
    >>> from PIL import Image
    >>> from sklearn_ganprint.datasets._decoding._decode import decode_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "red.png")
    ...     Image.new("RGB", (3, 2), (255, 0, 0)).save(path)
    ...     pixels = decode_image(path, channels="luminance", max_pixels=100)
    >>> pixels.shape, round(float(pixels[0, 0, 0]), 3)
    ((2, 3, 1), 76.245)
    """
    if channels not in ("rgb", "luminance"):
        raise ValueError(f'channels: expected "rgb" or "luminance", got {channels!r}')
    with _opened(path, max_pixels, whole=True) as (image, prepared):
        width, height = image.size
        box = (0, 0, width, height) if window is None else window(width, height)
        if not (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height):
            raise UnusableImageError(f"has no part {box} in its {width} x {height} pixels")
        _require_memory(image, prepared, max_pixels, box, channels)
        _load(image, prepared)
        return as_pixels(image, box, channels, prepared)


def inspect_image(path: FilePath, max_pixels: int) -> ImageInfo:
    """Read what the header of one image file says, without decoding its pixels.

    Parameters
    ----------
    path : str, bytes or path-like
        A local regular file.
    max_pixels : int
        Largest accepted width times height.

    Returns
    -------
    ImageInfo
        Format, size, mode, number of frames, JPEG quality and orientation.

    Raises
    ------
    ImageReadError
        If the header cannot be read or declares too many pixels. Damage to the pixels
        themselves stays unseen until they are decoded.

    Examples
    --------
    >>> import tempfile, os
    >>> from PIL import Image
    >>> from sklearn_ganprint.datasets._decoding._decode import inspect_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "grey.jpg")
    ...     Image.new("L", (30, 20)).save(path, quality=90)
    ...     info = inspect_image(path, max_pixels=1000)
    >>> info.format, info.width, info.height, info.mode, info.jpeg_quality
    ('JPEG', 30, 20, 'L', 90.0)
    """
    with _opened(path, max_pixels, whole=False) as (image, prepared):
        _require_memory(image, prepared, max_pixels)
        tables = getattr(image, "quantization", None)
        as_it_is = prepared.stream is None
        return ImageInfo(
            format=prepared.format or str(image.format),
            width=image.width,
            height=image.height,
            mode=image.mode,
            n_frames=int(getattr(image, "n_frames", 1)) if as_it_is else prepared.n_frames,
            jpeg_quality=estimate_jpeg_quality(tables) if tables else float("nan"),
            exif_orientation=_orientation(image) if as_it_is else prepared.orientation,
        )


@contextmanager
def _opened(path: FilePath, max_pixels: int, whole: bool) -> Iterator[tuple[ImageFile, Prepared]]:
    """Open a file of acceptable size; whatever goes wrong inside names the file."""
    name = os.fsdecode(path)
    try:
        member = find_member(name)
        if member is None:
            _require_regular(name)
        else:
            _require_bytes(member.size, max_pixels)  # it is read as a whole
        # An open stream instead of the name keeps Pillow from mapping the file into memory
        # (truncation by another process would then kill this one), and is always closed.
        with open_file(name) as stream:
            prepared = _prepare(stream, max_pixels, whole)
            with Image.open(prepared.stream or stream, formats=_FORMATS) as image:
                _require_size(image.size, max_pixels)
                if prepared.decoded_size not in (None, image.size):
                    raise UnusableImageError(
                        f"is damaged: announces {image.size} pixels in one place, and "
                        f"{prepared.decoded_size} in another"
                    )
                yield image, prepared
    except Exception as error:
        # Pillow lets damaged files raise almost any exception, from SyntaxError to KeyError.
        raise ImageReadError(name, _reason(error)) from error


def _prepare(stream: BinaryIO, max_pixels: int, whole: bool) -> Prepared:
    """Look at the file's own structure, and reduce it to its first image."""
    start = stream.read(16)
    prepared = Prepared()
    for signature, prepare in _PREPARE:
        if signature.match(start):
            if prepare not in (prepare_tiff, prepare_ppm):
                # Its parts, and what is put together of them.
                _require_bytes(2 * stream.seek(0, os.SEEK_END), max_pixels)
            stream.seek(0)
            prepared = prepare(stream, whole)
            break
    stream.seek(0)
    if prepared.decoded_size is not None:
        _require_size(prepared.decoded_size, max_pixels)
    return prepared


def _require_regular(name: str) -> None:
    # Checked before opening: to open a named pipe would wait for ever.
    status = os.stat(name)
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"
        raise UnusableImageError(f"expected a regular file, this is {kind}")
    if status.st_size == 0:
        raise UnusableImageError("the file is empty (0 bytes)")


def _require_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height == 0:
        raise UnusableImageError(f"has no pixels: its size is {width} x {height}")
    if width * height > max_pixels:
        raise UnusableImageError(
            f"declares {width} x {height} = {width * height} pixels, more than "
            f"max_pixels={max_pixels}; if the file is trusted, a reader with a larger one takes it"
        )


def _require_memory(
    image: Image.Image,
    prepared: Prepared,
    max_pixels: int,
    box: Box = (0, 0, 0, 0),
    channels: Channels = "rgb",
) -> None:
    """Raise for an image that takes too much memory to decode, with the part that is kept."""
    size = 1 if pixel_type(image.mode, channels, prepared.white) is np.uint8 else 4
    kept = (box[2] - box[0]) * (box[3] - box[1]) * size * (3 if channels == "rgb" else 1)
    decoded = _MODE_BYTES.get(image.mode, 4) + prepared.scratch_bytes
    needed = image.width * image.height * decoded + kept + prepared.held_bytes
    _require_bytes(needed, max_pixels)


def _require_bytes(n_bytes: int, max_pixels: int) -> None:
    allowed = max(_BYTES_A_PIXEL * max_pixels, _FREE_BYTES)
    if n_bytes > allowed:
        raise UnusableImageError(
            f"takes {n_bytes >> 20} MiB of memory to decode, more than the {allowed >> 20} that "
            f"max_pixels={max_pixels} stands for; set a smaller crop or, if the file is "
            "trusted, raise max_pixels"
        )


def _reason(error: Exception) -> str:
    """Say in plain words what an exception raised while reading means."""
    match error:
        case UnusableImageError():
            return str(error)
        case UnidentifiedImageError():
            return (
                "is not an image in a format that is read here, or its header is damaged "
                f"(read are {', '.join(_FORMATS)})"
            )
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return (
                "declares more pixels than Pillow allows; if the file is trusted, raise "
                "PIL.Image.MAX_IMAGE_PIXELS as well as max_pixels"
            )
        case MemoryError():
            return "there is not enough memory to decode it"
        case OSError(strerror=str(words)):
            # Only errors of the operating system carry this text; Pillow's own do not.
            return f"cannot be opened: {words}"
    return f"is damaged or truncated: {str(error) or type(error).__name__}"


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that the header states, 1 if it states none."""
    # Asked without need, a PNG would be decoded in search of EXIF data behind the pixels.
    if not {"exif", "xmp"} & image.info.keys():
        return 1
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        # Broken metadata says nothing about the pixels.
        return 1
    return value if value in range(1, 9) else 1


def _load(image: ImageFile, prepared: Prepared) -> None:
    """Decode all pixels, and look whether they are those that the header announced."""
    announced = image.size
    if prepared.scans:
        load_jpeg(image, prepared.scans)
    else:
        image.load()
    if image.size != announced:
        raise UnusableImageError(f"is damaged: announces {announced} pixels, has {image.size}")
    if prepared.n_colours is not None and np.max(image.getextrema()) >= prepared.n_colours:
        raise UnusableImageError("is damaged: pixels have colours that its palette has not")
