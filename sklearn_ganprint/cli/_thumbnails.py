"""Small copies of images for pages."""

import io
from collections.abc import Sequence

from PIL import Image

from sklearn_ganprint.datasets import ImageReader

#: Longer side in pixels.
_SIDE = 220


def thumbnail(path: str) -> bytes:
    """Make a small JPEG copy of a whole image; small images stay as large as they are.

    Raises ImageReadError if the file cannot be used.
    """
    image = Image.fromarray(ImageReader().read_one(path))
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def spread(files: Sequence[str], most: int) -> list[str]:
    """Choose some files at even distances, the first among them."""
    if len(files) <= most:
        return list(files)
    return [files[index * len(files) // most] for index in range(most)]
