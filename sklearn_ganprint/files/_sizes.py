"""How much is judged of images of any size."""

import numpy as np
from sklearn.base import clone

from sklearn_ganprint.datasets import ImageReader

#: Shortest side of the images that are judged by what takes any size, unless crops are smaller.
MIN_SIDE = 64

#: Longest side of the part that is judged of an image, unless crops are larger. It takes 16 times
#: as long as one of 256 pixels.
MAX_SIDE = 1024


def reader_of_any_size(reader: ImageReader, size: tuple[int, int]) -> ImageReader:
    """Give a reader that keeps images smaller than `size` whole, and reads more of larger ones."""
    # By an even number more, or the middle of an image would not be that of its crop.
    crop = tuple(side + max(0, MAX_SIDE - side) // 2 * 2 for side in size)
    return clone(reader).set_params(crop=crop, min_side=min(MIN_SIDE, *size))


def part_that_is_read(reader: ImageReader, height: int, width: int) -> tuple[int, int]:
    """Return how many rows and columns are read of an image of this size."""
    limits = (height, width) if reader.crop is None else np.broadcast_to(reader.crop, 2).tolist()
    return min(height, limits[0]), min(width, limits[1])
