"""Small copies of images for pages."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from sklearn_ganprint.datasets import ImageReader

#: Longer side in pixels.
_SIDE = 220


def thumbnail(path: str) -> bytes:
    """Make a small JPEG copy of a whole image; small images stay as large as they are.

    Raises ImageReadError if the file cannot be used.
    """
    return small_copy(ImageReader().read_one(path))


def small_copy(pixels: np.ndarray, side: int = _SIDE) -> bytes:
    """Make a JPEG file of an image of shape (H, W, 3), at most `side` pixels wide and high."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def spread(files: Sequence[str], most: int) -> list[str]:
    """Choose some files at even distances, the first among them."""
    if len(files) <= most:
        return list(files)
    return [files[index * len(files) // most] for index in range(most)]
