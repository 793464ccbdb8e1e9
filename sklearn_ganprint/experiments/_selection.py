"""Images that fingerprints are estimated from and tested on, and near-duplicates among them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ganprint._images import LUMINANCE_WEIGHTS

#: Images a source in the paper, and how many of them its fingerprint is estimated from.
PAPER_IMAGES, PAPER_FIT = 1000, 512
#: Rows, and pairs of neighbouring columns, of the small picture that is hashed.
_SIDE = 8
#: Hashes compared at a time.
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Selection:
    """The images to fit on and to test on, by source; no group is on both sides.

    `fit` and `test` have, for each of `classes`, positions of images in random order.
    """

    classes: np.ndarray
    fit: tuple[np.ndarray, ...]
    test: tuple[np.ndarray, ...]

    @property
    def n_fit(self) -> int:
        """Number of images that each fingerprint is estimated from."""
        return len(self.fit[0])


def select_images(
    y: Any,
    *,
    n_fit: int | None = None,
    n_test: int | None = None,
    groups: Any = None,
    random_state: Any = 0,
) -> Selection:
    """Draw the same number of images of each source to fit on, and others to test on.

    `n_fit` of None takes 512 as the paper does or, where the smallest source has fewer than 1000
    images, 51.2 % of those; with large groups it may be fewer. `n_test` of None takes all others.
    All fingerprints are estimated from equally many images: one from more would have less noise,
    and its correlations would be greater for that reason alone. Sources that share no group, not
    even through others, are divided independently.
    """
    y = column_or_1d(y)
    check_consistent_length(y, groups)
    for name, number in (("n_fit", n_fit), ("n_test", n_test)):
        if number is not None and number < 1:
            raise ValueError(f"{name}: expected a number of at least 1, got {number}.")
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"Expected images of at least 2 sources, got {classes.tolist()}.")
    counts = np.bincount(codes)
    wanted = default_fit(int(counts.min())) if n_fit is None else n_fit
    _check_counts(classes, counts, wanted, n_test)
    ranks = _ranks(codes, groups, check_random_state(random_state))
    parts = _parts(codes, groups)[codes]
    divided = [_divide(codes[own], ranks[own], wanted, n_test or 1) for own in _members(parts)]
    last = np.array([rank for rank, _ in divided])[parts]
    most = min(number for _, number in divided)
    if most < (wanted if n_fit is not None else 1):
        raise ValueError(
            f"No split of whole groups gives every source {wanted} images to fit on and "
            f"{n_test or 1} others to test on: {most} to fit on were the most. Ask for fewer, or "
            f"make the groups smaller."
        )
    order = np.argsort(ranks, kind="stable")
    sides = []
    for side, limit in ((ranks <= last, min(wanted, most)), (ranks > last, n_test)):
        own = (order[side[order] & (codes[order] == code)] for code in range(len(classes)))
        sides.append(tuple(positions[:limit] for positions in own))
    return Selection(classes, *sides)


def default_fit(smallest: int) -> int:
    """Return the number of images to fit on: the paper's, or its share of the smallest source."""
    return max(1, min(PAPER_FIT, smallest * PAPER_FIT // PAPER_IMAGES))


def _ranks(codes: np.ndarray, groups: Any, rng: np.random.RandomState) -> np.ndarray:
    """Return for each image the rank of its group in a random order; without groups, its own."""
    if groups is not None:
        _, group_codes = np.unique(np.asarray(groups), return_inverse=True)
        return rng.permutation(group_codes.max() + 1)[group_codes]
    ranks = np.empty(len(codes), dtype=np.intp)
    for code in range(codes.max() + 1):
        own = np.flatnonzero(codes == code)
        ranks[rng.permutation(own)] = np.arange(len(own))
    return ranks


def _parts(codes: np.ndarray, groups: Any) -> np.ndarray:
    """Return for each source the number of the sources that it shares groups with."""
    n_sources = codes.max() + 1
    if groups is None:
        return np.zeros(n_sources, dtype=np.intp)
    _, group_codes = np.unique(np.asarray(groups), return_inverse=True)
    held = coo_array((np.ones(len(codes)), (codes, group_codes))).tocsr()
    parts: np.ndarray = connected_components(held @ held.T, directed=False)[1]
    return parts


def _members(parts: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(parts == part) for part in range(parts.max() + 1)]


def _divide(codes: np.ndarray, ranks: np.ndarray, n_fit: int, n_test: int) -> tuple[int, int]:
    """Return the last rank to fit on, and the number of images of each source up to that rank.

    It is the first rank that gives every source enough images to fit on. If that leaves too few to
    test on, it is the rank with the most images to fit on that leaves enough.
    """
    _, codes = np.unique(codes, return_inverse=True)
    counts = np.zeros((ranks.max() + 1, codes.max() + 1), dtype=np.intp)
    np.add.at(counts, (ranks, codes), 1)
    fit = counts.cumsum(axis=0)
    left = (fit[-1] - fit).min(axis=1)
    # Ranks that leave enough images to test on come first.
    most = np.minimum(fit.min(axis=1), n_fit)[left >= n_test]
    if not len(most):
        return -1, 0
    last = int(most.argmax())
    return last, int(most[last])


def _check_counts(classes: np.ndarray, counts: np.ndarray, n_fit: int, n_test: int | None) -> None:
    needed = n_fit + (1 if n_test is None else n_test)
    few = {
        str(label): int(n) for label, n in zip(classes, counts, strict=True) if n < max(2, needed)
    }
    if few:
        asked = "the rest (at least 1)" if n_test is None else str(n_test)
        raise ValueError(
            f"Expected {max(2, needed)} images a source or more, for {n_fit} to fit on and "
            f"{asked} to test on; got fewer of {few}. Add images, leave these sources out, or "
            f"ask for fewer."
        )


def difference_hash(images: Any) -> np.ndarray:
    """Return 64-bit hashes of images, by which neighbouring areas are the brighter ones.

    Parameters
    ----------
    images : array-like of shape (n, H, W, C)
        Images of at least 9 pixels a side, with C in {1, 3}.

    Returns
    -------
    ndarray of uint64, shape (n,)
        Hashes. Copies that were compressed, brightened or resized differ in few bits.

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
    n, height, width, _ = images.shape
    if min(height, width) <= _SIDE:
        raise ValueError(
            f"Expected images of at least {_SIDE + 1} pixels a side to hash, got "
            f"{height} x {width}."
        )
    grey = area_means(images, _SIDE, _SIDE + 1)
    bits = (grey[:, :, :-1] > grey[:, :, 1:]).reshape(n, -1)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def area_means(images: np.ndarray, n_rows: int, n_columns: int) -> np.ndarray:
    """Return the mean luminance of areas, (n, n_rows, n_columns), that images are cut into."""
    _, height, width, channels = images.shape
    rows = np.arange(n_rows) * height // n_rows
    columns = np.arange(n_columns) * width // n_columns
    areas = np.add.reduceat(np.add.reduceat(images, rows, axis=1, dtype=np.float64), columns, 2)
    weights = np.array(LUMINANCE_WEIGHTS if channels == 3 else (1.0,))
    n_pixels = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    means: np.ndarray = areas @ weights / n_pixels
    return means


def near_duplicates(first: Any, second: Any, *, max_bits: int = 3) -> np.ndarray:
    """Return the pairs of images whose hashes are nearly equal.

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
