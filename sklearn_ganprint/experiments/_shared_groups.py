"""Images that a split should keep together: duplicates, and files that share a name."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import mannwhitneyu

from sklearn_ganprint._output import as_label
from sklearn_ganprint.experiments._selection import area_means

#: Areas down and across by which images are compared; in smaller ones traces would count.
_AREAS, _LEAST_SIDE = 32, 4
#: Correlation of these from which on an image is a duplicate: versions of one photo by several
#: networks reach 0.85 to 0.99, unrelated photos of one kind 0.75, faces aligned alike 0.82.
ALIKE = 0.85
#: Rows compared at a time.
_BLOCK = 1024
#: Share of the images that must belong together by their names, and how many there may be of one
#: class in a group, on average: larger groups are whole collections.
_SHARE, _MOST = 0.1, 3.0
#: Probability of less by which images of one group are called more alike than others.
_LEVEL = 1e-3


def _whole(stem: str) -> str:
    return stem


def _before_underscores(stem: str) -> str:
    return stem.split("__")[0]


def _before_last_part(stem: str) -> str:
    return re.sub(r"[-_ .][^-_ .]+$", "", stem)


#: Parts of names that may be of a scene, and what they are called.
_PARTS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("name", _whole),
    ("prefix", _before_underscores),
    ("prefix", _before_last_part),
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
    pairs = [np.empty((0, 2), dtype=np.intp)]
    for start in range(0, len(rows), _BLOCK):
        pairs.append(np.argwhere(rows[start : start + _BLOCK] @ rows.T >= ALIKE) + (start, 0))
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    # Flat images have no signature.
    pairs.append(np.column_stack([first[inverse], np.arange(len(rows))]))
    found = np.concatenate(pairs)
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
    underscore, and what stands before the last ``-``, ``_``, space or dot.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import find_shared_names
    >>> files = ["gan/harbour_a.png", "gan/mill_a.png", "real/harbour_b.jpg", "real/mill_b.jpg"]
    >>> shared = find_shared_names(files, ["gan", "gan", "real", "real"])
    >>> shared.part, shared.example, shared.groups.tolist()
    ('prefix', 'harbour', [0, 1, 0, 1])
    """
    stems = [as_label(Path(file).stem) for file in files]
    _, codes = np.unique(y, return_inverse=True)
    for part, cut in _PARTS:
        names, groups = np.unique([cut(stem) for stem in stems], return_inverse=True)
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
