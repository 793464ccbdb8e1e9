"""Small copies of images for pages."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from sklearn_ganprint.cli._console import MESSAGES
from sklearn_ganprint.cli._images import attempt
from sklearn_ganprint.datasets import ImageReader, ImageReadError

#: Longer side in pixels.
_SIDE = 220


def thumbnail(path: str) -> bytes:
    """Make a small JPEG copy of a whole image; small images stay as large as they are.

    Of a file that cannot be used (any more), it is an empty square, and the reason is said.
    """
    pixels = attempt(ImageReader().read_one, path)
    if isinstance(pixels, ImageReadError):
        MESSAGES.say(f"{pixels}; there is no picture of it")
        pixels = np.full((_SIDE, _SIDE, 3), 128, np.uint8)
    return small_copy(pixels)


def small_copy(pixels: np.ndarray, side: int = _SIDE) -> bytes:
    """Make a JPEG file of an image of shape (H, W, 3), at most `side` pixels wide and high."""
    # Images of 16 bits come as floats in 8-bit units.
    image = Image.fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def spread(files: Sequence[str], most: int) -> list[str]:
    """Choose some files at even distances, the first among them."""
    if len(files) <= most:
        return list(files)
    return [files[index * len(files) // most] for index in range(most)]
