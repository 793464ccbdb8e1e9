"""Images of different classes that show the same content, and must be left out together."""

from itertools import combinations
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sklearn_ganprint.ensemble._augmented import Chain
from sklearn_ganprint.ensemble._versions import Version

#: Values of the sketches of all images, 128 MiB; comparing them takes n times as many products.
SKETCH_VALUES = 1 << 25
#: Greatest number of values of a sketch; correlations of unrelated images vary by 1 / its root.
MOST_VALUES = 1 << 14
#: Standard deviations by which correlations of twins exceed those of other pairs, for up to 50
#: images. Ten times as many images have a hundred times the pairs, which takes `FARTHER` more. A
#: pair by chance only means that two more images are left out together.
FAR_ABOVE = 5.0
FARTHER = 1.5
#: Share of the images that must have a twin, since a few hardly change the weights.
FEW = 0.2


class SharedContent:
    """Sketches of all images, to find those of different classes that show the same content.

    An image that is left out of a fit leaves its twins, such as translations of one photo, in the
    other classes, and their common content draws it there. Its score for its own class is then
    lower than that of a new image, which has no twins: twins must be left out together.
    """

    def __init__(self, n_images: int, first: Any) -> None:
        self.width = min(MOST_VALUES, SKETCH_VALUES // max(n_images, 1))
        self.shape = np.shape(first)[1:]
        self.sketches: list[np.ndarray] = []

    def takes(self, version: Version, first: bool) -> bool:
        """Only images as they are get sketches."""
        return first

    def check_change(self, chain: Chain, shapes: set[tuple[int, ...]]) -> None:
        """Sketches are of what lies within the shape of the first image."""

    def map(self, images: Any, y: np.ndarray, fold_of: np.ndarray) -> np.ndarray:
        """Sketch the images of a batch."""
        return sketch(images, self.width, self.shape)

    def add(self, value: np.ndarray) -> None:
        """Keep the sketches of a batch."""
        self.sketches.append(value)

    def find_twins(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return groups of images, and whether each image has a twin in another class."""
        return find_twins(np.concatenate(self.sketches), y)


def sketch(images: Any, width: int, shape: tuple[int, ...]) -> np.ndarray:
    """Compute short rows that are correlated as the images are, in what lies within `shape`.

    Values get random signs, the same for all images, and are added up `width` apart: products of
    rows stay what they are, but for noise.
    """
    images = images if isinstance(images, list) else np.asarray(images)  # frames have columns
    size = _values(np.zeros(shape), shape).size
    signs = 2 * np.random.default_rng(0).integers(2, size=size, dtype=np.int8) - 1
    return np.stack([_fold(_values(image, shape), signs, width) for image in images])


def _values(image: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Values of an image in a frame, about their mean; differences between its columns, if any.

    Brightness is alike in many photos; edges are where the content has them. By their roots, since
    a few strong edges would outweigh all else.
    """
    values = np.asarray(image, np.float32)[tuple(map(slice, shape))]
    frame = list(shape)
    if values.ndim > 1 and values.shape[1] > 1:
        values = np.diff(values, axis=1)
        values = np.copysign(np.sqrt(np.abs(values)), values)
        frame[1] -= 1
    missing = [(0, limit - length) for limit, length in zip(frame, values.shape, strict=True)]
    return np.pad(values - values.mean(), missing).ravel()


def _fold(values: np.ndarray, signs: np.ndarray, width: int) -> np.ndarray:
    if len(values) <= width:
        return values
    return np.pad(values * signs, (0, -len(values) % width)).reshape(-1, width).sum(axis=0)


def find_twins(sketches: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group images that show the same content in different classes; also tell which do.

    Sketches are correlated as the images are. Groups are numbers, one for each image.
    """
    rows = _unit_rows(sketches)
    found = [_twins_of(rows, y == a, y == b) for a, b in combinations(np.unique(y), 2)]
    pairs = np.concatenate(found, axis=1)
    positions = np.arange(len(y))
    return join_groups(positions, pairs.T), np.isin(positions, pairs)


def join_groups(groups: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return groups that also hold both images of each pair."""
    n = groups.max() + 1
    links = coo_array((np.ones(len(pairs)), tuple(groups[pairs].T)), shape=(n, n))
    joined: np.ndarray = connected_components(links, directed=False)[1][groups]
    return joined


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


def positive(scales: np.ndarray) -> np.ndarray:
    """Scales to divide by, 1 where they are 0."""
    return np.where(scales > 0, scales, 1.0)
