"""What a fusion is fitted on: images, copies of them, and images of other sources.

Images of different classes that show the same content are found too: they are left out together.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from numbers import Integral
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import has_fit_parameter

from sklearn_ganprint import _batches
from sklearn_ganprint._images import differ_in_shape, stack_images
from sklearn_ganprint.ensemble._augmented import Chain
from sklearn_ganprint.perturbations import BasePerturbation, JPEGCompression, RandomHistory

#: Corners that an image is cut into quarters at, and their least side where the image has it.
CORNERS, LEAST_SIDE = [(0, 0), (0, 1), (1, 0), (1, 1)], 64

#: What an image has gone through: nothing; something, but no compression; compression.
ORIGINAL, COPIED, COMPRESSED = range(N_PROCESSINGS := 3)

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


class Versions(NamedTuple):
    """Plan of the versions of each image, of which the first few are scored unseen too."""

    chains: list[Chain]  # perturbations that lead to each version; none to the image itself
    n_scored: int
    n_jobs: int | None
    background: Sequence[BasePerturbation] = ()  # each gives images the traces of another source
    quartered: bool = False  # quarters of the images as they are follow the copies

    @property
    def n_known(self) -> int:
        """Number of versions of each image that are of its class."""
        return len(self.chains) + (len(CORNERS) if self.quartered else 0)

    @property
    def n_all(self) -> int:
        """Number of versions of each image, with those that get the traces of another source."""
        return self.n_known + (len(self.background_chains) if self.background else 0)

    @property
    def background_chains(self) -> list[Chain]:
        """Perturbations that images go through after they got the traces of another source."""
        return self.chains[:2]

    def sources(self, n_images: int) -> np.ndarray:
        """Return the number of the source in `background` that each image gets the traces of."""
        return np.arange(n_images) % max(len(self.background), 1)

    def originals(self) -> Self:
        """Return the plan without any but the images as they are."""
        return self._replace(chains=[[]], background=(), quartered=False)


class Facts(NamedTuple):
    """What a member is told about all versions of all images, by rows."""

    subclasses: np.ndarray  # (n, n_all), what each has gone through
    background: np.ndarray  # (n, n_all), -1 or the number of another source
    log_sizes: np.ndarray  # (n, n_all), logarithms of numbers of pixels

    def split_by(self, sources: np.ndarray) -> Self:
        """Make subclasses of the source of each image, and of what it has gone through."""
        codes = np.unique(sources, return_inverse=True)[1]
        subclasses = N_PROCESSINGS * codes[:, np.newaxis] + self.subclasses
        # Those of other sources stay kinds that all of these have.
        return self._replace(subclasses=np.where(self.background < 0, subclasses, self.subclasses))

    def params_for(self, estimator: Any, n_versions: int) -> dict[str, np.ndarray]:
        """Give what the fit of an estimator takes of the facts about the first versions."""
        facts = {"subclasses": self.subclasses, "background": self.background}
        return {
            name: values[:, :n_versions].astype(int).ravel()
            for name, values in facts.items()
            if (n_versions > 1 or values.any()) and has_fit_parameter(estimator, name)
        }


def with_fixed_state(perturbation: BasePerturbation) -> BasePerturbation:
    """Let a perturbation that draws anew in each call make the same copies in each pass."""
    state = getattr(perturbation, "random_state", 0)
    if isinstance(state, Integral):
        return perturbation
    drawn = check_random_state(state).randint(np.iinfo(np.int32).max)
    return clone(perturbation).set_params(random_state=drawn)


def takes_background(estimator: Any) -> bool:
    """Whether an estimator can be fitted on images of other sources than its classes."""
    return has_fit_parameter(estimator, "background")


class Version(NamedTuple):
    """One version of the images of a batch."""

    images: Any
    chain: Chain
    subclasses: np.ndarray
    background: np.ndarray

    def facts(self) -> np.ndarray:
        """Return subclass, background source and size of each image, (n, 3)."""
        return np.column_stack([self.subclasses, self.background, log_sizes(self.images)])


def make_versions(
    images: Any, plan: Versions, sources: np.ndarray | None = None
) -> Iterator[Version]:
    """Make the versions of a batch one by one, so that one of them is in memory at a time.

    `sources` are those in the background of the plan that each image gets the traces of, if any.
    """
    none = np.full(len(images), -1)
    for chain in plan.chains:
        yield Version(*_go_through(images, chain), background=none)
    for corner in CORNERS if plan.quartered else []:
        yield Version(_quarter(images, *corner), [], np.full(len(images), ORIGINAL), none)
    if plan.background and sources is not None:
        others = _imitate(images, sources, plan.background)
        for chain in plan.background_chains:
            version, chain, subclasses = _go_through(others, chain)
            # Each source has few images, too few for parts of one kind of processing each.
            yield Version(version, chain, np.minimum(subclasses, COPIED), sources)


def _go_through(images: Any, chain: Chain) -> tuple[Any, Chain, np.ndarray]:
    """Perturb the images of a batch, which may change their size; rows are left at theirs."""
    version = images
    n_images = len(images)
    compressed = np.zeros(n_images, dtype=bool)
    for step in chain:
        if isinstance(step, RandomHistory) and getattr(version, "ndim", 3) > 2:
            version, histories = step.transform_whole(version, return_histories=True)
            names = [{operation.name for operation in own} for own in histories]
            compressed |= [bool(own & {"jpeg", "webp"}) for own in names]
        else:
            version = _batches.transform_batch(version, [step])
            compressed |= isinstance(step, JPEGCompression)
    subclasses = np.where(compressed, COMPRESSED, COPIED) if chain else np.full(n_images, ORIGINAL)
    return _with_columns(version, images) if chain else version, chain, subclasses


def _quarter(images: Any, lower: int, right: int) -> Any:
    """Cut a quarter out of each image of a batch; those of small images overlap."""
    cut = [
        image[_half(image.shape[0], lower), _half(image.shape[1], right)]
        for image in map(np.asarray, images)
    ]
    return cut if differ_in_shape(cut) else np.stack(cut)


def _half(length: int, second: int) -> slice:
    side = min(length, max(LEAST_SIDE, length // 2))
    return slice((length - side) * second, (length - side) * second + side)


def _imitate(images: Any, sources: np.ndarray, background: Sequence[BasePerturbation]) -> Any:
    """Give each image of a batch the traces of its source."""
    made: list[Any] = [None] * len(sources)
    for source in np.unique(sources):
        own = np.flatnonzero(sources == source)
        batch = _batches.transform_batch(_safe_indexing(images, own), [background[source]])
        batch = batch if isinstance(batch, list) else np.asarray(batch)  # frames have columns
        for position, image in zip(own, batch, strict=True):
            made[position] = image
    return made if differ_in_shape(made) else _with_columns(np.stack(made), images)


def _with_columns(version: Any, images: Any) -> Any:
    """Name the columns of a version as those of the images, if these have names."""
    if not hasattr(images, "iloc"):
        return version
    return type(images)(np.asarray(version), columns=images.columns)


def log_sizes(images: Any) -> np.ndarray:
    """Logarithm of the number of pixels of each image; of rows, of their length."""
    images = stack_images(images) if not differ_in_shape(images) else images
    if isinstance(images, list):
        return np.log([np.prod(image.shape[:2]) for image in images])
    return np.full(len(images), np.log(np.prod(np.shape(images)[1:3])))


class SharedContent:
    """Sketches of all images, to find those of different classes that show the same content.

    An image that is left out of a fit leaves its twins, such as translations of one photo, in the
    other classes, and their common content draws it there. Its score for its own class is then
    lower than that of a new image, which has no twins: twins must be left out together.
    """

    second_pass = False

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
    return connected_components(links, directed=False)[1][groups]


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
