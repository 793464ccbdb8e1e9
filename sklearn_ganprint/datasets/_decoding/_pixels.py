"""A decoded image to an array in 8-bit units, part by part."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sklearn_ganprint._images import LUMINANCE_WEIGHTS
from sklearn_ganprint.datasets._decoding._prepared import Prepared, UnusableImageError

Channels: TypeAlias = Literal["rgb", "luminance"]
Pixels: TypeAlias = NDArray[np.uint8 | np.float32]
Box: TypeAlias = tuple[int, int, int, int]

# Pixels converted at a time, so that only the result and the decoded image are large.
_BAND = 1 << 20
_GREY_MODES = ("1", "L", "LA", "La", "I")


def as_pixels(image: Image.Image, box: Box, channels: Channels, prepared: Prepared) -> Pixels:
    """Return a part of a decoded image as an array of one or three channels."""
    white = _white(image, prepared)
    left, top, right, bottom = box
    dtype = pixel_type(image.mode, channels, white)
    shape = bottom - top, right - left, 3 if channels == "rgb" else 1
    pixels: Pixels = np.empty(shape, dtype=dtype)
    for start, stop in _bands(*shape[:2]):
        part = (left, top + start, right, top + stop)
        # Not cropped if it is all: that would copy the image.
        band = image if part == (0, 0, *image.size) else image.crop(part)
        pixels[start:stop] = _convert(band, channels, white, prepared.inverted)
    return pixels


def pixel_type(mode: str, channels: Channels, white: int | None) -> type[np.generic]:
    """Return the type of the result: small integers where nothing is lost by them."""
    exact = channels == "rgb" and white is None and mode != "I" and not mode.startswith("I;16")
    return np.uint8 if exact else np.float32


def _bands(height: int, width: int) -> Iterator[tuple[int, int]]:
    step = max(1, _BAND // width)
    for start in range(0, height, step):
        yield start, min(start + step, height)


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
