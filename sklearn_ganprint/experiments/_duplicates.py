"""Images that show the same, found by a hash of what is light and what is dark in them."""

from typing import Any

import numpy as np

from sklearn_ganprint._images import LUMINANCE_WEIGHTS

#: Rows, and pairs of neighbouring columns, of the small picture that is hashed.
_SIDE = 8
#: Hashes compared at a time.
_BLOCK = 1024


def difference_hash(images: Any) -> np.ndarray:
    """Hash of which of two neighbouring areas is the brighter, in 64 bits.

    Parameters
    ----------
    images : array-like of shape (n, H, W, C)
        Images of at least 9 pixels a side, with C in {1, 3}.

    Returns
    -------
    ndarray of uint64, shape (n,)
        A hash each. Copies that were compressed, brightened or resized differ in few bits.

    Raises
    ------
    ValueError
        If the images are smaller.

    See Also
    --------
    near_duplicates : Compares hashes.

    Notes
    -----
    The image is averaged over 8 x 9 areas; a bit says whether an area is brighter than its
    right neighbour.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.experiments import difference_hash
    >>> image = np.random.default_rng(0).uniform(0, 200, (1, 32, 32, 1))
    >>> bool(difference_hash(image) == difference_hash(1.2 * image + 5))
    True
    """
    images = np.asarray(images)
    n, height, width, channels = images.shape
    if min(height, width) <= _SIDE:
        raise ValueError(
            f"Expected images of at least {_SIDE + 1} pixels a side to hash, got "
            f"{height} x {width}."
        )
    rows = np.arange(_SIDE) * height // _SIDE
    columns = np.arange(_SIDE + 1) * width // (_SIDE + 1)
    areas = np.add.reduceat(np.add.reduceat(images, rows, axis=1, dtype=np.float64), columns, 2)
    weights = np.array(LUMINANCE_WEIGHTS if channels == 3 else (1.0,))
    n_pixels = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    grey = areas @ weights / n_pixels
    bits = (grey[:, :, :-1] > grey[:, :, 1:]).reshape(n, -1)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def near_duplicates(first: Any, second: Any, *, max_bits: int = 3) -> np.ndarray:
    """Pairs of images whose hashes are nearly equal.

    Parameters
    ----------
    first : array-like of uint64, shape (n,)
        Hashes.

    second : array-like of uint64, shape (m,)
        Hashes to compare them with.

    max_bits : int, default=3
        Bits that may differ.

    Returns
    -------
    ndarray of int, shape (n_pairs, 2)
        Positions in `first` and in `second`, sorted.

    See Also
    --------
    difference_hash : Makes the hashes.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import near_duplicates
    >>> near_duplicates([0b1111, 0b0000], [0b1011, 2**40 - 1]).tolist()
    [[0, 0], [1, 0]]
    """
    first, second = np.asarray(first, np.uint64), np.asarray(second, np.uint64)
    pairs = [np.empty((0, 2), dtype=np.intp)]
    for start in range(0, len(first), _BLOCK):
        differing = np.bitwise_count(first[start : start + _BLOCK, np.newaxis] ^ second)
        pairs.append(np.argwhere(differing <= max_bits) + (start, 0))
    return np.concatenate(pairs)
