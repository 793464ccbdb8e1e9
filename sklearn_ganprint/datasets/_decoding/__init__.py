"""One image file to one array: everything that Pillow has to be asked is asked here."""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, BinaryIO, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from sklearn.utils import gen_batches

from sklearn_ganprint._images import LUMINANCE_WEIGHTS
from sklearn_ganprint._output import as_name, printable
from sklearn_ganprint.datasets._decoding import _boxes, _chunks, _jpeg, _structure, _tiff
from sklearn_ganprint.datasets._decoding._structure import Prepared, UnusableImageError
from sklearn_ganprint.datasets._storage import FilePath, PixelStream, is_on_disk, open_file

__all__ = ["ImageReadError"]

Channels: TypeAlias = Literal["rgb", "luminance"]
Pixels: TypeAlias = NDArray[np.uint8 | np.float32]
Box: TypeAlias = tuple[int, int, int, int]
# (left, upper, right, lower) of the part to keep, given the (width, height) of the file.
Window: TypeAlias = Callable[[int, int], Box]

# By Pillow's names: what a file begins with, and what reduces it to the pixels of its first image.
# Pillow gets to see nothing else: no description that may be broken or large, no later page, no
# orientation. A closed list, because of what Pillow would open otherwise: PostScript files are
# handed to an external interpreter, and TGA has no signature, so that plain text can pass for one.
_FORMATS: dict[str, tuple[bytes, Callable[[BinaryIO, bool], Prepared]] | None] = {
    "PNG": (rb"\x89PNG\r\n\x1a\n", _chunks.prepare_png),
    "JPEG": (rb"\xff\xd8\xff", _jpeg.prepare_jpeg),
    "TIFF": (rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]|MM\x2a\0|II\0\x2a", _tiff.prepare_tiff),
    "WEBP": (rb"RIFF....WEBPVP8", _chunks.prepare_webp),
    "BMP": None,
    "GIF": (rb"GIF8[79]a", _chunks.prepare_gif),
    "JPEG2000": (rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n", _boxes.prepare_jpeg2000),
    "PPM": (rb"P[0-6fy]", _chunks.prepare_ppm),
    "AVIF": (rb"....ftyp", _boxes.prepare_avif),
}

# Memory that a file may take while it is decoded: bytes for each pixel of max_pixels (an RGB
# image takes four, and three more for the result), and what no file is refused below.
_BYTES_A_PIXEL, _FREE_BYTES = 4, 1 << 26
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}

# Rows and columns of the samples of an image by which it is recognised.
_SAMPLES = 128

# Pixels converted at a time, so that only the result and the decoded image are large.
_BAND = 1 << 20
_GREY_MODES = ("1", "L", "LA", "La", "I")

#: What each kind of metadata begins with in one of the formats.
_MARKS = {
    "C2PA": (b"c2pa", b"caBX"),
    "EXIF": (b"Exif\0\0", b"eXIf", b"EXIF"),
    "ICC": (b"ICC_PROFILE", b"iCCP", b"ICCP"),
    "Photoshop": (b"Photoshop 3.0",),
    "XMP": (b"http://ns.adobe.com/xap/1.0/", b"XML:com.adobe.xmp", b"XMP "),
    "text": (b"tEXt", b"iTXt", b"zTXt"),
}

#: Bytes at the beginning and at the end in which they are looked for: WebP has them at the end.
#: In as many bytes of coded pixels four given ones come up by chance once in 30 000 times.
_SEARCHED = 1 << 16


class ImageReadError(ValueError):
    r"""An image file that cannot be used, and why.

    Parameters
    ----------
    filename : str
        The file in question, as it can be opened; also an attribute.
    reason : str
        What is wrong with it; also an attribute.

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
        filename = str(filename)  # of a Url the text, which has no secrets
        super().__init__(filename, reason)
        self.filename = filename
        self.reason = reason

    def __str__(self) -> str:
        return f"{printable(self.filename)}: {self.reason}"


class ImageInfo(NamedTuple):
    """What the header of an image file says; format and mode are Pillow's names."""

    format: str
    width: int
    height: int
    mode: str
    jpeg_quality: float  # estimated IJG quality from 1 to 100; nan if the file is not JPEG
    subsampling: str  # of colours, such as "4:2:0"; empty if the file is not JPEG
    metadata: str  # kinds of it in the file, such as "EXIF, ICC"; empty where pixels were read
    sha256: str = ""  # of the file, and samples of the luminance of the whole image: if asked for
    samples: Any = None


def has_image_suffix(name: str) -> bool:
    """Return whether a file has the suffix of a format that is read here."""
    return Image.registered_extensions().get(os.path.splitext(name)[1].lower()) in _FORMATS


def decode_image(
    path: FilePath,
    *,
    channels: Channels,
    max_pixels: int,
    window: Window | None = None,
    identify: bool = False,
) -> tuple[Pixels, ImageInfo]:
    """Read pixels and header of one image file; `window` chooses a part, or refuses the size.

    Metadata is looked for with headers alone: it would take half of the time again. With `identify`
    there is what file and image are recognised by.

    As :class:`~sklearn_ganprint.datasets.ImageReader` says. Luminance is not rounded: rounding adds
    noise of the size of a fingerprint. Palettes are looked up; CMYK, YCbCr and LAB go through
    Pillow's conversion to RGB; 1-bit files give 0 and 255.
    """
    if channels not in ("rgb", "luminance"):
        raise ValueError(f'channels: expected "rgb" or "luminance", got {channels!r}')
    with open_image(path, max_pixels, whole=True) as (stream, image, prepared):
        width, height = image.size
        box = (0, 0, width, height) if window is None else window(width, height)
        if not (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height):
            raise UnusableImageError(f"has no part {box} in its {width} x {height} pixels")
        _require_memory(image, prepared, max_pixels, box, channels)
        info = _info(None, image, prepared)
        _load(image, prepared)
        if identify:
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
            info = info._replace(sha256=digest, samples=_sample(image, prepared))
        return _as_pixels(image, box, channels, prepared), info


def find_descriptions(stream: BinaryIO, image: ImageFile) -> Iterator[_structure.Description]:
    """Yield the metadata of an open image, none of them parsed."""
    match image.format:
        case "JPEG":
            yield from _jpeg.jpeg_descriptions(stream)
        case "PNG":
            yield from _chunks.png_descriptions(stream)
        case "WEBP":
            yield from _chunks.webp_descriptions(stream)
        case "TIFF":
            yield "EXIF", stream
        case _:  # of AVIF files Pillow gets to see all
            for kind in ("EXIF", "XMP"):
                if kind.lower() in image.info:
                    yield kind, BytesIO(image.info[kind.lower()].removeprefix(b"Exif\0\0"))


def inspect_image(path: FilePath, max_pixels: int, window: Window | None = None) -> ImageInfo:
    """Read what the header of one image file says, unless `window` refuses its size."""
    with open_image(path, max_pixels, whole=False) as (stream, image, prepared):
        _require_memory(image, prepared, max_pixels)
        if window is not None:
            window(image.width, image.height)
        return _info(stream, image, prepared)


def _info(stream: BinaryIO | None, image: ImageFile, prepared: Prepared) -> ImageInfo:
    """Gather what a header says, and what metadata there is in a stream, if one is given."""
    tables = getattr(image, "quantization", None)
    return ImageInfo(
        format=prepared.format or str(image.format),
        width=image.width,
        height=image.height,
        mode=image.mode,
        jpeg_quality=_jpeg.estimate_jpeg_quality(tables) if tables else float("nan"),
        subsampling=_jpeg.chroma_subsampling(image),
        metadata="" if stream is None else find_metadata(stream),
    )


@contextmanager
def open_image(
    path: FilePath, max_pixels: int, whole: bool
) -> Iterator[tuple[BinaryIO, ImageFile, Prepared]]:
    """Open a file of acceptable size; whatever goes wrong inside names the file."""
    name = as_name(path)
    try:
        if is_on_disk(name):
            _require_regular(name)
        # An open stream instead of the name keeps Pillow from mapping the file into memory
        # (truncation by another process would then kill this one), and is always closed.
        with open_file(name, _most_bytes(max_pixels)) as stream:
            prepared = _prepare(stream, max_pixels, whole)
            if isinstance(stream, PixelStream):
                prepared.format = "in memory"
            with Image.open(prepared.stream or stream, formats=list(_FORMATS)) as image:
                _require_size(image.size, max_pixels)
                if prepared.decoded_size not in (None, image.size):
                    raise UnusableImageError(
                        f"is damaged: announces {image.size} pixels in one place, and "
                        f"{prepared.decoded_size} in another"
                    )
                yield stream, image, prepared
    except ImportError:  # of what files at URLs need: not the fault of this one
        raise
    except Exception as error:
        # Pillow lets damaged files raise almost any exception, from SyntaxError to KeyError.
        raise ImageReadError(name, _reason(error)) from error


def _prepare(stream: BinaryIO, max_pixels: int, whole: bool) -> Prepared:
    """Look at the file's own structure, and reduce it to its first image."""
    start = stream.read(16)
    if not start:
        raise UnusableImageError("the file is empty (0 bytes)")
    prepared = Prepared()
    for signature, prepare in filter(None, _FORMATS.values()):
        if re.match(signature, start, re.DOTALL):
            if prepare not in (_tiff.prepare_tiff, _chunks.prepare_ppm):
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
    size = np.dtype(_pixel_type(image.mode, channels, prepared.white)).itemsize
    kept = (box[2] - box[0]) * (box[3] - box[1]) * size * (3 if channels == "rgb" else 1)
    decoded = _MODE_BYTES.get(image.mode, 4) + prepared.scratch_bytes
    _require_bytes(image.width * image.height * decoded + kept + prepared.held_bytes, max_pixels)


def _most_bytes(max_pixels: int) -> int:
    return max(_BYTES_A_PIXEL * max_pixels, _FREE_BYTES)


def _require_bytes(n_bytes: int, max_pixels: int) -> None:
    allowed = _most_bytes(max_pixels)
    if n_bytes > allowed:
        raise UnusableImageError(
            f"takes {n_bytes >> 20} MiB of memory to decode, more than the {allowed >> 20} that "
            f"max_pixels={max_pixels} stands for; set a smaller crop or, if the file is "
            "trusted, raise max_pixels"
        )


def _reason(error: Exception) -> str:
    """Return in plain words what an exception raised while reading means."""
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


def _load(image: ImageFile, prepared: Prepared) -> None:
    """Decode all pixels, and look whether they are those that the header announced."""
    announced = image.size
    if prepared.scans:
        _jpeg.load_jpeg(image, prepared.scans)
    else:
        image.load()
    if image.size != announced:
        raise UnusableImageError(f"is damaged: announces {announced} pixels, has {image.size}")
    if prepared.n_colours is not None and np.max(image.getextrema()) >= prepared.n_colours:
        raise UnusableImageError("is damaged: pixels have colours that its palette has not")


def _as_pixels(image: Image.Image, box: Box, channels: Channels, prepared: Prepared) -> Pixels:
    """Return a part of a decoded image as an array of one or three channels."""
    white = _white(image, prepared)
    left, top, right, bottom = box
    shape = bottom - top, right - left, 3 if channels == "rgb" else 1
    pixels: Pixels = np.empty(shape, dtype=_pixel_type(image.mode, channels, white))
    for rows in gen_batches(shape[0], max(1, _BAND // shape[1])):
        part = (left, top + rows.start, right, top + rows.stop)
        # Not cropped if it is all: that would copy the image.
        band = image if part == (0, 0, *image.size) else image.crop(part)
        pixels[rows] = _convert(band, channels, white, prepared.inverted)
    return pixels


def _sample(image: Image.Image, prepared: Prepared) -> NDArray[np.float32]:
    """Return the luminance of some pixels of a decoded image, in rows and columns of equal number.

    Single pixels, since Pillow takes means in few modes: a hundred of them average well enough.
    """
    small = image.resize((_SAMPLES, _SAMPLES), Image.Resampling.NEAREST)
    levels = _convert(small, "luminance", _white(image, prepared), prepared.inverted)
    return levels[..., 0].astype(np.float32)


def _pixel_type(mode: str, channels: Channels, white: int | None) -> type[np.generic]:
    """Return the type of the result: small integers where nothing is lost by them."""
    exact = channels == "rgb" and white is None and mode != "I" and not mode.startswith("I;16")
    return np.uint8 if exact else np.float32


def _white(image: Image.Image, prepared: Prepared) -> int | None:
    """Return the value that is white where 255 is not."""
    if image.mode == "F":
        raise UnusableImageError(
            "holds floating-point values, whose white level is unknown; "
            "convert it to 8 or 16 bits first"
        )
    if image.mode == "I":
        low, high = np.ravel(image.getextrema())
        if low < 0 or high > 65535 or 0 < high < 256:
            raise UnusableImageError(
                f"holds 32-bit values from {low} to {high}, expected 16-bit values "
                "(0 to 65535); convert it to 8 or 16 bits first"
            )
    wide = image.mode == "I" or image.mode.startswith("I;16")
    return prepared.white or (65535 if wide else None)


def _convert(image: Image.Image, channels: Channels, white: int | None, inverted: bool) -> Pixels:
    if not (image.mode in _GREY_MODES or image.mode.startswith("I;16")):
        rgb = _colour_planes(image)
        return rgb if channels == "rgb" else _luminance(rgb)[..., np.newaxis]
    grey = _grey_plane(image)
    if white is not None:
        scaled = grey.astype(np.float32)
        if inverted:
            np.subtract(white, scaled, out=scaled)
        scaled *= 255  # exact below 2**24, so that white comes out as 255 and nothing above
        scaled /= white
        grey = scaled
    return grey[..., np.newaxis]


def _grey_plane(image: Image.Image) -> Pixels:
    if image.mode == "1":
        image = image.convert("L")
    elif image.mode == "La":
        image = image.convert("LA")
    return np.asarray(image.getchannel("L") if image.mode == "LA" else image)


def _colour_planes(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode in ("P", "PA"):
        # Straight to RGB, Pillow warns of palette transparency; this way it stays apart.
        image = image.convert("RGBA")
    elif image.mode not in ("RGB", "RGBA", "RGBX"):
        image = image.convert("RGB")
    return np.asarray(image)[..., :3]


def _luminance(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    # Plane by plane and not as a matrix product: five times as fast on whole photos, and a
    # pixel's value cannot depend on its place in the image, as in vectorized dot products.
    red, green, blue = map(np.float32, LUMINANCE_WEIGHTS)
    total = rgb[..., 0] * red
    total += rgb[..., 1] * green
    total += rgb[..., 2] * blue
    return total


def find_metadata(stream: BinaryIO) -> str:
    """Return the kinds of metadata in an open file, such as "EXIF, ICC"; nothing is parsed."""
    position = stream.tell()  # whoever else reads the file goes on from there
    stream.seek(0)
    ends = stream.read(_SEARCHED)
    length = stream.seek(0, 2)
    stream.seek(max(len(ends), length - _SEARCHED))
    ends += stream.read(_SEARCHED)
    stream.seek(position)
    found = [kind for kind, marks in _MARKS.items() if any(mark in ends for mark in marks)]
    return ", ".join(found)
