"""What a fusion is fitted on: images as they are, copies of them, and images of other sources."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import has_fit_parameter

from sklearn_ganprint import _batches
from sklearn_ganprint._images import differ_in_shape, stack_images
from sklearn_ganprint.ensemble._augmented import Chain
from sklearn_ganprint.perturbations import BasePerturbation, JPEGCompression, RandomHistory

#: Corners that an image is cut into quarters at, and their least side where the image has it.
CORNERS, LEAST_SIDE = [(0, 0), (0, 1), (1, 0), (1, 1)], 64

#: What an image has gone through: nothing; something, but no compression; compression.
ORIGINAL, COPIED, COMPRESSED = range(N_PROCESSINGS := 3)


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
