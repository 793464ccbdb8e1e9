"""Classifiers that are to be fused, while they are being fitted.

Each batch of images, which may be files, goes through :meth:`Member.map` in a worker;
:meth:`Member.add` takes what that returns, then :meth:`Member.fit` fits. Scores of images that a
model has not seen take a second map where the residuals themselves were not kept.
"""

import copy
from itertools import combinations
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed

from sklearn_ganprint._batches import (
    Batches,
    fit_leading,
    fit_part,
    fit_steps,
    pipeline_memory,
    replace_last,
    split_steps,
    transform_batch,
    without_leading,
)
from sklearn_ganprint._images import ImageInputMixin
from sklearn_ganprint._metaestimators import LeavesOneOut, Mergeable, offers
from sklearn_ganprint.classification._scores import typicality

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


class Member:
    """A classifier of which features of all images are kept."""

    second_pass = False

    def __init__(self, estimator: Any, first: Any) -> None:
        self.estimator = estimator
        self.leading, self.rest = split_steps(estimator)
        first = fit_leading(self.leading, first)
        if isinstance(self.rest[0], ImageInputMixin):
            self.rest[0]._warn_of_images(np.asarray(first), first)
        self.values: list[Any] = []

    def map(self, images: Any, y: np.ndarray, fold_of: np.ndarray) -> Any:
        """Make features of a batch."""
        return transform_batch(images, self.leading)

    def add(self, value: Any) -> None:
        """Keep the features of a batch."""
        self.values.append(value)

    def fit(self, y: np.ndarray, fold_of: np.ndarray, n_jobs: int | None) -> np.ndarray | None:
        """Fit on all features; return scores of those left out of each fold."""
        X = self.values[0] if len(self.values) == 1 else np.concatenate(self.values)
        self.values = []
        scored = Parallel(n_jobs=n_jobs)(
            delayed(_fold_scores)(clone(without_leading(self.estimator)), X, y, fold_of == fold)
            for fold in np.unique(fold_of)
        )
        fitted = fit_steps(self.rest, X, y, pipeline_memory(self.estimator))
        self.estimator = replace_last(self.estimator, fitted)
        scores = np.empty((len(y), len(np.unique(y))))
        for fold, part in zip(np.unique(fold_of), scored, strict=True):
            scores[fold_of == fold] = part
        return scores


class SummedMember(Member):
    """A classifier that is fitted batch by batch, so that no features need be kept."""

    second_pass = True

    def __init__(self, estimator: Any, first: Any, *, leave_one_out: bool) -> None:
        super().__init__(estimator, first)
        self.leave_one_out = leave_one_out and offers(self.rest[0], LeavesOneOut)
        self.models: dict[int, Any] = {}

    def map(self, images: Any, y: np.ndarray, fold_of: np.ndarray) -> Any:
        """Fit on the images of each fold in a batch."""
        if self.leave_one_out:
            return {0: fit_part(images, y, self.leading, self.rest[0])}
        parts = {fold: np.flatnonzero(fold_of == fold) for fold in np.unique(fold_of).tolist()}
        return {
            fold: fit_part(_safe_indexing(images, own), y[own], self.leading, self.rest[0])
            for fold, own in parts.items()
        }

    def add(self, value: Any) -> None:
        """Merge the fits of a batch into those of the folds."""
        for fold, model in value.items():
            known = self.models.get(fold)
            self.models[fold] = model if known is None else known.merge(model)

    def fit(self, y: np.ndarray, fold_of: np.ndarray, n_jobs: int | None) -> np.ndarray | None:
        """Merge the folds, all of them and all but each; scores take a second map."""
        merged = _merge(self.models.values())
        if self.leave_one_out:
            self.models = {0: merged}
        else:
            self.models = {
                fold: _merge(model for other, model in self.models.items() if other != fold)
                for fold in self.models
            }
        self.estimator = replace_last(self.estimator, [merged])
        return None

    def score(
        self, images: Any, y: np.ndarray, fold_of: np.ndarray, classes: np.ndarray
    ) -> np.ndarray:
        """Score the images of a batch under models without them."""
        rows = transform_batch(images, self.leading)
        if self.leave_one_out:
            return self.models[0].leave_one_out_scores(rows, y)
        scores = np.empty((len(y), len(classes)))
        for fold in np.unique(fold_of).tolist():
            own = np.flatnonzero(fold_of == fold)
            scores[own] = aligned(self.models[fold], _safe_indexing(rows, own), classes)
        return scores


def make_member(estimator: Any, first: Any, *, leave_one_out: bool) -> Member:
    """Choose how an estimator is fitted; `first` is one image."""
    _, rest = split_steps(estimator)
    if len(rest) == 1 and offers(rest[0], Mergeable):
        return SummedMember(estimator, first, leave_one_out=leave_one_out)
    return Member(estimator, first)


def gather(
    batches: Batches, blank: list[Any], y: np.ndarray, fold_of: np.ndarray
) -> tuple[list[Any], np.ndarray]:
    """Let members see all images; return them, and the positions of the images they have seen."""
    # What members gather must not travel to the workers with each batch that is still to come.
    members, kept = copy.deepcopy(blank), []
    for positions, values in batches.map(map_members, blank, rows=(y, fold_of)):
        kept.append(positions)
        for member, value in zip(members, values, strict=True):
            member.add(value)
    return members, np.concatenate(kept)


def map_members(images: Any, y: np.ndarray, fold_of: np.ndarray, members: list[Any]) -> list[Any]:
    """Make of a batch what each member needs of it."""
    return [member.map(images, y, fold_of) for member in members]


def score(
    images: Any,
    y: np.ndarray,
    fold_of: np.ndarray,
    members: list[SummedMember],
    classes: np.ndarray,
) -> np.ndarray:
    """Scores of shape (n, n_members, n_classes) under models without the images of a batch."""
    return np.stack([member.score(images, y, fold_of, classes) for member in members], axis=1)


def aligned(estimator: Any, X: Any, classes: np.ndarray) -> np.ndarray:
    """Score all classes; one that the estimator does not know scores as its lowest."""
    scores = typicality(estimator, X)
    full = np.repeat(scores.min(axis=1, keepdims=True), len(classes), axis=1)
    full[:, np.searchsorted(classes, estimator.classes_)] = scores
    return full


def _fold_scores(estimator: Any, X: Any, y: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    fit, test = np.flatnonzero(~left_out), np.flatnonzero(left_out)
    estimator.fit(_safe_indexing(X, fit), y[fit])
    return aligned(estimator, _safe_indexing(X, test), np.unique(y))


def _merge(models: Any) -> Any:
    first, *others = models
    merged = copy.deepcopy(first)
    for model in others:
        merged.merge(model)
    return merged


class SharedContent:
    """Sketches of all images, to find those of different classes that show the same content.

    An image that is left out of a fit leaves its twins, such as translations of one photo, in the
    other classes. What it shares with them draws it there, so that scores of unseen images are
    lower for their own class than those of images to come, which have no twins. Twins must be
    left out together.
    """

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
        """Return groups of images, and whether each image has a twin in another class."""
        return find_twins(np.concatenate(self.sketches), y)


def sketch(images: Any, width: int) -> np.ndarray:
    """Make short rows that are correlated as the images are.

    Values get random signs, the same for all images, and are added up `width` apart: products of
    rows stay what they are, but for noise.
    """
    images = np.asarray(images)
    size = _values(images[0]).size
    signs = 2 * np.random.default_rng(0).integers(2, size=size, dtype=np.int8) - 1
    return np.stack([_fold(_values(image), signs, width) for image in images])


def _values(image: np.ndarray) -> np.ndarray:
    """Values about their mean; of an image, differences between its columns.

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
    """Group images that show the same content in different classes; also tell which do.

    Sketches are correlated as the images are. Groups are numbers, one for each image.
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


def positive(scales: np.ndarray) -> np.ndarray:
    """Scales to divide by, 1 where they are 0."""
    return np.where(scales > 0, scales, 1.0)
