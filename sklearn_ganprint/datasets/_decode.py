"""One image file to one array: everything that Pillow has to be asked is asked here."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from sklearn_ganprint._images import LUMINANCE_WEIGHTS
from sklearn_ganprint.datasets._jpeg import estimate_jpeg_quality
from sklearn_ganprint.datasets._names import printable
from sklearn_ganprint.datasets._tar import find_member, open_file

FilePath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Channels: TypeAlias = Literal["rgb", "luminance"]
Pixels: TypeAlias = NDArray[np.uint8 | np.float32]
# (left, upper, right, lower) of the part to keep, given the (width, height) of the file.
Window: TypeAlias = Callable[[int, int], tuple[int, int, int, int]]

# A closed list, because of what Pillow would open otherwise: PostScript files are handed to
# an external interpreter, and TGA has no signature, so that plain text can pass for one.
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "PPM", "AVIF")

_UNDO_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


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


class UnusableImageError(Exception):
    """A reason why an image cannot be used, before the name of its file is added."""


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
        "rgb" gives uint8, or float32 in 8-bit units for 16-bit grey files. "luminance" gives
        float32 in 8-bit units.

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
    - 16-bit grey values are divided by 257, which maps 65535 to 255. Of 16-bit **colour**
      files, Pillow gives the high byte only.
    - Transparency is dropped: colours are returned as stored, not blended with a background.
    - Palettes are looked up; CMYK, YCbCr and LAB go through Pillow's conversion to RGB;
      1-bit files give 0 and 255; of animations and multi-page files the first frame is read.
    - The EXIF orientation is **not** applied. A fingerprint is tied to the pixel grid of the
      sensor or generator, and turning the image would move that grid.

    Examples
    --------
    >>> import tempfile, os
    >>> from PIL import Image
    >>> from sklearn_ganprint.datasets._decode import decode_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "red.png")
    ...     Image.new("RGB", (3, 2), (255, 0, 0)).save(path)
    ...     pixels = decode_image(path, channels="luminance", max_pixels=100)
    >>> pixels.shape, round(float(pixels[0, 0, 0]), 3)
    ((2, 3, 1), 76.245)
    """
    if channels not in ("rgb", "luminance"):
        raise ValueError(f'channels: expected "rgb" or "luminance", got {channels!r}')
    with _opened(path, max_pixels) as image:
        box = None if window is None else window(*_stored_size(image))
        return _pixels(_load(image, box), channels)


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
    >>> from sklearn_ganprint.datasets._decode import inspect_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "grey.jpg")
    ...     Image.new("L", (30, 20)).save(path, quality=90)
    ...     info = inspect_image(path, max_pixels=1000)
    >>> info.format, info.width, info.height, info.mode, info.jpeg_quality
    ('JPEG', 30, 20, 'L', 90.0)
    """
    with _opened(path, max_pixels) as image:
        width, height = _stored_size(image)
        tables = getattr(image, "quantization", None)
        return ImageInfo(
            format=str(image.format),
            width=width,
            height=height,
            mode=image.mode,
            n_frames=int(getattr(image, "n_frames", 1)),
            jpeg_quality=estimate_jpeg_quality(tables) if tables else float("nan"),
            exif_orientation=_orientation(image),
        )


@contextmanager
def _opened(path: FilePath, max_pixels: int) -> Iterator[Image.Image]:
    """Open a file of acceptable size; whatever goes wrong inside names the file."""
    name = os.fsdecode(path)
    try:
        if find_member(name) is None:
            _require_regular(name)
        # An open stream instead of the name keeps Pillow from mapping the file into memory
        # (truncation by another process would then kill this one), and is always closed.
        with open_file(name) as stream, Image.open(stream, formats=_FORMATS) as image:
            _require_size(image, max_pixels)
            yield image
    except Exception as error:
        # Pillow lets damaged files raise almost any exception, from SyntaxError to KeyError.
        raise ImageReadError(name, _reason(error)) from error


def _require_regular(name: str) -> None:
    # Checked before opening: to open a named pipe would wait for ever.
    status = os.stat(name)
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"
        raise UnusableImageError(f"expected a regular file, this is {kind}")
    if status.st_size == 0:
        raise UnusableImageError("the file is empty (0 bytes)")


def _require_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height == 0:
        raise UnusableImageError(f"has no pixels: its size is {width} x {height}")
    if width * height > max_pixels:
        raise UnusableImageError(
            f"declares {width} x {height} = {width * height} pixels, more than "
            f"max_pixels={max_pixels}; if the file is trusted, a reader with a larger one takes it"
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
    if "exif" not in image.info and image.format != "TIFF":
        return 1
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        # Broken metadata says nothing about the pixels.
        return 1
    return value if value in range(1, 9) else 1


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of the stored grid: Pillow announces TIFF files as already turned."""
    width, height = image.size
    turned = image.format == "TIFF" and _orientation(image) >= 5
    return (height, width) if turned else (width, height)


def _load(image: Image.Image, box: tuple[int, int, int, int] | None) -> Image.Image:
    """Decode, take back the turn that Pillow gives to TIFF files only, and crop."""
    orientation = _orientation(image) if image.format == "TIFF" else 1
    image.load()
    if orientation != 1:
        image = image.transpose(_UNDO_ORIENTATION[orientation])
    return image if box is None else image.crop(box)


def _pixels(image: Image.Image, channels: Channels) -> Pixels:
    """Turn a decoded image into an array of one or three channels."""
    grey = _grey_plane(image)
    if grey is None:
        rgb = _colour_planes(image)
        return rgb if channels == "rgb" else _luminance(rgb)[..., np.newaxis]
    if channels == "rgb":
        return np.repeat(grey[..., np.newaxis], 3, axis=2)
    return grey.astype(np.float32)[..., np.newaxis]


def _grey_plane(image: Image.Image) -> Pixels | None:
    """Return the grey values in 8-bit units, or None for an image in colour."""
    if image.mode == "1":
        return np.array(image.convert("L"))
    if image.mode in ("L", "LA"):
        return np.array(image.getchannel("L"))
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _grey_from_16_bits(np.asarray(image))
    if image.mode == "F":
        raise UnusableImageError(
            "holds floating-point values, whose white level is unknown; "
            "convert it to 8 or 16 bits first"
        )
    return None


def _grey_from_16_bits(values: NDArray[np.integer]) -> NDArray[np.float32]:
    if values.min() < 0 or values.max() > 65535:
        raise UnusableImageError(
            f"holds values from {values.min()} to {values.max()}, expected 16-bit values "
            "(0 to 65535); convert it to 8 or 16 bits first"
        )
    return values.astype(np.float32) / np.float32(257)


def _colour_planes(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode in ("P", "PA"):
        # Straight to RGB, Pillow warns of palette transparency; this way it stays apart.
        image = image.convert("RGBA")
    elif image.mode not in ("RGB", "RGBA", "RGBX"):
        image = image.convert("RGB")
    return np.array(np.asarray(image)[..., :3])


def _luminance(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    # Plane by plane and not as a matrix product: five times as fast on whole photos, and a
    # pixel's value cannot depend on its place in the image, as in vectorized dot products.
    red, green, blue = map(np.float32, LUMINANCE_WEIGHTS)
    total = rgb[..., 0] * red
    total += rgb[..., 1] * green
    total += rgb[..., 2] * blue
    return total
