"""Images to fit on and to test on; duplicates, and files that a split should keep together."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import mannwhitneyu
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length

from sklearn_ganprint._batches._metaestimators import check_labels, label_column
from sklearn_ganprint._images import LUMINANCE_WEIGHTS, batch_image_shape, stack_images
from sklearn_ganprint._output import as_label

__all__ = ["SharedNames", "difference_hash", "find_shared_names", "near_duplicates"]

#: Images a source in the paper, and how many of them its fingerprint is estimated from.
PAPER_IMAGES, PAPER_FIT = 1000, 512
#: Rows, and pairs of neighbouring columns, of the small picture that is hashed.
_SIDE = 8
#: Value of white.
_WHITE = 255
#: Images compared with others at a time.
_BLOCK = 1024
#: Areas down and across by which images are compared; in smaller ones traces would count.
_AREAS, _LEAST_SIDE = 32, 4
#: Correlation of these from which on an image is a duplicate: versions of one photo by several
#: networks reach 0.85 to 0.99, unrelated photos of one kind 0.75, faces aligned alike 0.82.
ALIKE = 0.85
#: Share of the images that must belong together by their names, and how many there may be of one
#: class in a group, on average: larger groups are whole collections.
_SHARE, _MOST = 0.1, 3.0
#: Probability of less by which images of one group are called more alike than others.
_LEVEL = 1e-3


def check_sources(X: Any, y: Any, groups: Any = None) -> np.ndarray:
    """Return the source of each image; raise where one is missing, or has no image."""
    y = label_column(y)
    check_consistent_length(X, y, groups)
    if not len(y):
        raise ValueError("X: expected at least one image or file, got none.")
    check_labels(y)
    if groups is not None:
        check_labels(groups, "groups")
    return y


def as_images(X: Any) -> np.ndarray:
    """Return images (n, H, W, C); raise for anything else, or where white is not 255."""
    X = np.asarray(stack_images(X))
    if (shape := batch_image_shape(X)) is None:
        raise ValueError(
            f"X: expected images of shape (n, H, W) or (n, H, W, C), or paths of files; got an "
            f"array of shape {X.shape}."
        )
    check_white(X)
    return X.reshape(len(X), *shape)


def check_white(images: Any) -> None:
    """Raise where white is not 255, as all that is done to images here takes it to be."""
    lows, highs = zip(*((np.min(image), np.max(image)) for image in images), strict=True)
    low, high = min(lows), max(highs)
    deep = getattr(images[0], "dtype", None) == np.uint16 and high > _WHITE
    if deep or high > 2 * _WHITE or (low >= 0 and 0 < high <= 1):
        raise ValueError(
            f"Expected images in which white is {_WHITE}, got values from {low:g} to {high:g}. "
            f"Multiply the images by {_WHITE} / white; white may be {1 if high <= 1 else 65535}."
        )


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
    y = label_column(y)
    check_consistent_length(y, groups)
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
    # Of one image no fingerprint is seen to converge.
    return max(2, min(PAPER_FIT, smallest * PAPER_FIT // PAPER_IMAGES))


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
    return connected_components(held @ held.T, directed=False)[1]


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
    return areas @ weights / n_pixels


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
    return _matches(first, lambda rows: np.bitwise_count(rows[:, np.newaxis] ^ second) <= max_bits)


def _matches(images: np.ndarray, match: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return where a table (n_images, n_others) of matches is true; few of its rows at a time."""
    pairs = [np.empty((0, 2), dtype=np.intp)]
    for start in range(0, len(images), _BLOCK):
        pairs.append(np.argwhere(match(images[start : start + _BLOCK])) + (start, 0))
    return np.concatenate(pairs)


#: Parts of names that may be of a scene, and what they are called; the folder is often the class.
_PARTS: tuple[tuple[str, Callable[[str, str], str]], ...] = (
    ("name", lambda stem, folder: stem),
    ("prefix", lambda stem, folder: stem.split("__")[0]),
    ("prefix", lambda stem, folder: re.sub(rf"[-_ .]{re.escape(folder)}$", "", stem)),
    ("prefix", lambda stem, folder: re.sub(r"[-_ .][^-_ .]+$", "", stem)),  # without the last part
)


class SharedNames(NamedTuple):
    """Files that belong together by their names.

    Parameters
    ----------
    part : {"name", "prefix"}
        Whether whole names, without extension, are shared, or what they begin with.
    example : str
        A name, or beginning, that several classes have.
    groups : ndarray of int, shape (n,)
        Group of each image by that part; one of its own where no other class has it.
    n_images : int
        Number of images in groups of several classes.
    alike : bool
        Whether images of one group look more alike than others; if not, names may be mere numbers.

    See Also
    --------
    audit_attribution : Finds them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.experiments import SharedNames
    >>> SharedNames("name", "0001", np.array([0, 1, 0, 1]), 4, alike=False).n_images
    4
    """

    part: str
    example: str
    groups: np.ndarray
    n_images: int
    alike: bool


def signatures(images: np.ndarray) -> np.ndarray:
    """Return rows of unit length, correlated as coarse differences between columns are.

    Brightness and colours do not matter, nor do fine traces. Rows of flat images are 0.
    """
    n, height, width, _ = images.shape
    shape = [min(_AREAS, side, max(2, side // _LEAST_SIDE)) for side in (height, width)]
    framed = np.zeros((n, _AREAS, _AREAS - 1), np.float32)
    if width == 1:  # no column has a neighbour
        return framed.reshape(n, -1)
    differences = np.diff(area_means(images, *shape), axis=2)
    differences -= differences.mean(axis=(1, 2), keepdims=True)  # all slopes would be alike
    framed[:, : shape[0], : shape[1] - 1] = differences
    rows = framed.reshape(n, -1)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    # Means of a flat image differ by rounding.
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-6)


def find_duplicates(rows: np.ndarray, digests: np.ndarray) -> np.ndarray:
    """Return pairs (n_pairs, 2) of images that are the same, or by their signatures nearly so."""
    alike = _matches(rows, lambda some: some @ rows.T >= ALIKE)
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    # Flat images have no signature.
    same = np.column_stack([first[inverse], np.arange(len(rows))])
    found = np.concatenate([alike, same])
    return np.unique(found[found[:, 0] < found[:, 1]], axis=0)


def find_shared_names(
    files: Sequence[str], y: Any, rows: np.ndarray | None = None
) -> SharedNames | None:
    """Find the first part of names that several classes share.

    Parameters
    ----------
    files : sequence of str
        Image files.
    y : array-like of shape (n,)
        Class of each.
    rows : ndarray of shape (n, n_values), default=None
        Rows of unit length whose products say how alike images are; None leaves `alike` False.

    Returns
    -------
    SharedNames or None
        What is shared by at least a tenth of the images; None if nothing is. Groups that have more
        than three images of a class, on average, are whole collections and do not count.

    See Also
    --------
    audit_attribution : Measures what that means for attribution.

    Notes
    -----
    Looked at are, in this order, names without extension, what stands in them before a double
    underscore, what stands before the name of their folder at the end, as in
    ``old_gan/harbour_old_gan.png``, and what stands before the last ``-``, ``_``, space or dot.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import find_shared_names
    >>> files = ["gan/harbour_a.png", "gan/mill_a.png", "real/harbour_b.jpg", "real/mill_b.jpg"]
    >>> shared = find_shared_names(files, ["gan", "gan", "real", "real"])
    >>> shared.part, shared.example, shared.groups.tolist()
    ('prefix', 'harbour', [0, 1, 0, 1])
    """
    paths = [Path(as_label(str(file))) for file in files]
    _, codes = np.unique(y, return_inverse=True)
    for part, cut in _PARTS:
        names, groups = np.unique(
            [cut(path.stem, path.parent.name) for path in paths], return_inverse=True
        )
        of_groups = np.unique(np.column_stack([groups, codes]), axis=0)[:, 0]
        n_classes = np.bincount(of_groups, minlength=len(names))
        shared = n_classes[groups] > 1
        n_images = int(shared.sum())
        if _SHARE * len(files) <= n_images <= _MOST * n_classes[n_classes > 1].sum() and n_images:
            alike = rows is not None and _are_alike(groups[shared], rows[shared])
            # What one class alone has may be all of its names.
            alone = len(names) + np.arange(len(files))
            groups = np.unique(np.where(shared, groups, alone), return_inverse=True)[1]
            return SharedNames(part, str(names[n_classes.argmax()]), groups, n_images, alike)
    return None


def _are_alike(groups: np.ndarray, rows: np.ndarray) -> bool:
    """Test whether images of one group are more alike than random pairs of the same images."""
    order = np.argsort(groups, kind="stable")
    first, second = order[:-1], order[1:]
    same = groups[first] == groups[second]
    first, second = first[same], second[same]
    others = np.random.default_rng(0).permutation(second)
    within, between = ((rows[first] * rows[x]).sum(axis=1) for x in (second, others))
    return bool(mannwhitneyu(within, between, alternative="greater").pvalue < _LEVEL)
