"""Images of different classes that show the same content, such as translations of one photo.

An image that is left out of a fit leaves its twins in the other classes. What it shares with them
draws it there, so that scores of unseen images are lower for their own class than those of images
to come, which have no twins. Twins must be left out together.
"""

from itertools import combinations
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sklearn_ganprint.ensemble._fusion_weights import positive

#: Values of the sketches of all images, 128 MiB; comparing them takes n times as many products.
SKETCH_VALUES = 1 << 25
#: Values of a sketch at the most. Correlations of unrelated images vary by the root of its inverse.
MOST_VALUES = 1 << 14
#: How far above those of other pairs the correlation of twins is, in standard deviations. With
#: 50 images and less; of ten times as many there are a hundred times the pairs to be so by chance,
#: which takes `FARTHER` more. Where it happens, two images more are left out together.
FAR_ABOVE = 5.0
FARTHER = 1.5
#: Share of the images that must have a twin, since a few hardly change the weights.
FEW = 0.2


class SharedContent:
    """Sketches of all images, gathered batch by batch like what classifiers are fitted on."""

    def __init__(self, n_images: int) -> None:
        self.width = min(MOST_VALUES, SKETCH_VALUES // max(n_images, 1))
        self.sketches: list[np.ndarray] = []

    def map(self, images: Any, y: np.ndarray, fold_of: np.ndarray) -> np.ndarray:
        """Sketch the images of a batch."""
        return sketch(images, self.width)

    def add(self, value: np.ndarray) -> None:
        """Keep the sketches of a batch."""
        self.sketches.append(value)

    def find_twins(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find groups of images, and whether each has a twin, as :func:`find_twins` does."""
        return find_twins(np.concatenate(self.sketches), y)


def sketch(images: Any, width: int) -> np.ndarray:
    """Make short rows that are correlated as the images are.

    Values get random signs, the same for all images, and are added up `width` apart: products of
    rows stay what they are, but for noise.
    """
    images = np.asarray(images)
    size = _values(images[0]).size
    signs = 2 * np.random.default_rng(0).integers(2, size=size, dtype=np.int8) - 1
    return np.stack([_fold(_values(each), signs, width) for each in images])


def _values(image: np.ndarray) -> np.ndarray:
    """Give the values about their mean; of an image, differences between its columns.

    Brightness is alike in many photos; edges are where the content has them. By their roots, since
    a few strong edges would outweigh all else.
    """
    values = np.asarray(image, np.float32)
    if values.ndim > 1 and values.shape[1] > 1:
        values = np.diff(values, axis=1)
        values = np.copysign(np.sqrt(np.abs(values)), values)
    return values.ravel() - values.mean()


def _fold(values: np.ndarray, signs: np.ndarray, width: int) -> np.ndarray:
    if len(values) <= width:
        return values
    return np.pad(values * signs, (0, -len(values) % width)).reshape(-1, width).sum(axis=0)


def find_twins(sketches: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group the images that show the same content in different classes.

    Parameters
    ----------
    sketches : ndarray of shape (n, width)
        Rows that are correlated as the images are.

    y : ndarray of shape (n,)
        Class of each image.

    Returns
    -------
    groups : ndarray of int, shape (n,)
        Number of the group of each image; most have one image where few have twins.

    twins : ndarray of bool, shape (n,)
        Whether there is an image of another class that shows the same.
    """
    rows = _unit_rows(sketches)
    found = [_twins_of(rows, y == a, y == b) for a, b in combinations(np.unique(y), 2)]
    pairs = np.concatenate(found, axis=1)
    links = coo_array((np.ones(pairs.shape[1]), tuple(pairs)), shape=(len(y), len(y)))
    _, groups = connected_components(links, directed=False)
    return groups, np.isin(np.arange(len(y)), pairs)


def _unit_rows(sketches: np.ndarray) -> np.ndarray:
    """Rows of unit length, 0 where one has no value."""
    # About their mean rows of few photos would all be alike or opposite.
    rows = np.where(np.isfinite(sketches).all(axis=1, keepdims=True), sketches, 0)
    return rows / positive(np.linalg.norm(rows, axis=1, keepdims=True))


def _twins_of(rows: np.ndarray, of_a: np.ndarray, of_b: np.ndarray) -> np.ndarray:
    """Positions (2, n_pairs) of the twins in two classes.

    Two classes may be alike as a whole, and all images have a frame in common. Twins stand out
    from the other pairs of the same classes.
    """
    products = rows[of_a] @ rows[of_b].T
    above = products - np.median(products)
    deviation = max(1.4826 * np.median(np.abs(above)), rows.shape[1] ** -0.5)
    far = FAR_ABOVE + FARTHER * np.log10(max(1.0, len(rows) / 50))
    a, b = np.nonzero(above > far * deviation)
    return np.stack([np.flatnonzero(of_a)[a], np.flatnonzero(of_b)[b]])
