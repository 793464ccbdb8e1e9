"""The classifiers of a fusion while they are fitted.

Each batch of images goes through :meth:`Member.map` in a worker, whose value :meth:`Member.add`
keeps, or which is merged with those of other batches; :meth:`Member.fit` follows. Scores of images
under models without them take a second pass over the images where no features were kept. Versions
of a batch are mapped one by one: the images as they are, then, for members that take copies, one
for each perturbation.
"""

import copy
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from sklearn_ganprint import _batches
from sklearn_ganprint._batches import Batches, map_in_order
from sklearn_ganprint._batches._metaestimators import LeavesOneOut, Mergeable, ScoresFolds, offers
from sklearn_ganprint._compat import told
from sklearn_ganprint._images import ImageInputMixin
from sklearn_ganprint.classification._base import all_scores
from sklearn_ganprint.ensemble._augmented import Chain, chain_name
from sklearn_ganprint.ensemble._versions import (
    Facts,
    Version,
    Versions,
    make_versions,
    takes_background,
)
from sklearn_ganprint.residuals._cache import shared_residuals


class Member:
    """A classifier that is fitted on features of all images and their copies."""

    second_pass = False
    coordinates: np.ndarray | None = None  # of the images as they are, if the classifier has some

    def __init__(self, estimator: Any, first: Any) -> None:
        self.estimator = estimator
        self.leading, self.rest = _batches.split_steps(estimator)
        first = _batches.fit_leading(self.leading, first)
        if isinstance(self.rest[0], ImageInputMixin):
            self.rest[0]._warn_of_images(np.asarray(first), first)
        self.frame = first if hasattr(first, "iloc") else None
        self.values: list[Any] = []

    def takes(self, version: Version, first: bool) -> bool:
        """Whether to map a version of a batch; the first one are the images as they are."""
        other = version.background.max(initial=-1) >= 0
        return first or not other or takes_background(self.rest[-1])

    def check_change(self, chain: Chain, shapes: set[tuple[int, ...]]) -> None:
        """Raise where the classifier does not take what perturbations have made of the size."""
        first, shape = [*self.leading, *self.rest][0], min(shapes)
        strict = isinstance(first, ImageInputMixin) and not _batches.takes_any_size(first)
        if strict or len(shape) == 1:
            raise ValueError(
                f"{chain_name(chain)!r} leads to images of shape {shape}, which a classifier that "
                f"begins with {type(first).__name__} does not take after others. "
                f"Begin with CorrelationTransformer() or ResidualTransformer(anchor='top-left'), "
                f"or keep the size, as 'resize 0.75 and back' does."
            )

    def map(self, images: Any, y: np.ndarray, fold_of: np.ndarray) -> Any:
        """Compute the features of a batch, of which all versions are put side by side."""
        return _batches.transform_batch(images, self.leading)

    def add(self, value: Any) -> None:
        """Keep the features of a batch."""
        self.values.append(value)

    def fit(
        self, y: np.ndarray, fold_of: np.ndarray, plan: Versions, facts: Facts
    ) -> np.ndarray | None:
        """Fit on all; return scores of images under models without them, or None if yet to come.

        They have the shape (2, n, n_scored, n_scores, n_classes); the second ones are of models
        without the class of each image, too, and NaN where these would take further fits.
        """
        X = self.values[0] if len(self.values) == 1 else _join(self.values)
        self.values = []
        n_versions = plan.n_all if takes_background(self.rest[-1]) else plan.n_known
        if n_versions > 1:
            X = X.reshape(-1, *X.shape[2:])
            if self.frame is not None:
                X = type(self.frame)(X, columns=self.frame.columns)
        labels, folds = np.repeat(y, n_versions), np.repeat(fold_of, n_versions)
        version = np.tile(np.arange(n_versions), len(y))
        params = facts.params_for(self.rest[-1], n_versions)
        scored = version < plan.n_scored
        if len(self.rest) == 1 and offers(self.rest[0], ScoresFolds):
            both = self.rest[0].fold_scores(
                X, labels, folds, rows=scored, leave_class_out=True, **params
            )
            originals = _safe_indexing(X, np.flatnonzero(version == 0))
            self.coordinates = self.rest[0].coordinates(originals).astype(np.float32)
        else:
            scores = self._unseen(X, labels, folds, scored, params, plan.n_jobs)
            both = np.stack([scores, np.full_like(scores, np.nan)])
            self.estimator = _batches.fit_rest(self.estimator, X, labels, **params)
        return both.reshape(2, len(y), plan.n_scored, *both.shape[2:])

    def _unseen(
        self,
        X: Any,
        y: np.ndarray,
        fold_of: np.ndarray,
        scored: np.ndarray,
        params: dict[str, np.ndarray],
        n_jobs: int | None,
    ) -> np.ndarray:
        """Score some rows, (n, n_scores, n_classes), under models without their fold."""
        folds = [fold_of == fold for fold in np.unique(fold_of)]
        learner = _batches.without_leading(self.estimator)
        # What all folds share goes to the workers of a cluster once.
        score = partial(_fold_scores, learner, X, y, scored, params)
        parts = map_in_order(score, ((fold,) for fold in folds), n_jobs)
        found = [*zip(told("folds", "fold", folds), parts, strict=True)]
        scores = np.empty((len(y), *found[0][1].shape[1:]))
        for fold, part in found:
            scores[fold & scored] = part
        return scores[scored]


class SummedMember(Member):
    """A classifier that is fitted on images as they are, batch by batch, and keeps no features."""

    second_pass = True

    def __init__(self, estimator: Any, first: Any, *, leave_one_out: bool) -> None:
        super().__init__(estimator, first)
        self.leave_one_out = leave_one_out and offers(self.rest[0], LeavesOneOut)
        self.models: dict[int, Any] = {}

    def map(self, images: Any, y: np.ndarray, fold_of: np.ndarray) -> Any:
        """Fit on the images of each fold in a batch."""
        if self.leave_one_out:
            return {0: _batches.fit_part(images, y, self.leading, self.rest[0])}
        parts = {fold: np.flatnonzero(fold_of == fold) for fold in np.unique(fold_of).tolist()}
        return {
            fold: _batches.fit_part(_safe_indexing(images, own), y[own], self.leading, self.rest[0])
            for fold, own in parts.items()
        }

    def takes(self, version: Version, first: bool) -> bool:
        """Only images as they are are fitted on."""
        return first

    def fit(
        self, y: np.ndarray, fold_of: np.ndarray, plan: Versions, facts: Facts
    ) -> np.ndarray | None:
        """Merge the fits of all folds, and for each fold those of the others."""
        merged = _merge(self.models.values())
        if self.leave_one_out:
            self.models = {0: merged}
        else:
            self.models = {
                fold: _merge(model for other, model in self.models.items() if other != fold)
                for fold in self.models
            }
        self.estimator = _batches.replace_last(self.estimator, [merged])
        return None

    def score(
        self, images: Any, y: np.ndarray, fold_of: np.ndarray, classes: np.ndarray
    ) -> np.ndarray:
        """Score the images of a batch under models without them."""
        rows = _batches.transform_batch(images, self.leading)
        if self.leave_one_out:
            return self.models[0].leave_one_out_scores(rows, y)
        scores = np.empty((len(y), len(classes)))
        for fold in np.unique(fold_of).tolist():
            own = np.flatnonzero(fold_of == fold)
            scores[own] = aligned(self.models[fold], _safe_indexing(rows, own), classes)[:, 0]
        return scores


def make_member(estimator: Any, first: Any, *, leave_one_out: bool) -> Member:
    """Choose how to fit an estimator; `first` is one image."""
    _, rest = _batches.split_steps(estimator)
    if len(rest) == 1 and offers(rest[0], Mergeable):
        return SummedMember(estimator, first, leave_one_out=leave_one_out)
    return Member(estimator, first)


def gather(
    batches: Batches, members: list[Any], y: np.ndarray, fold_of: np.ndarray, plan: Versions
) -> tuple[list[Any], Facts, np.ndarray]:
    """Map all images for members; return these, facts, and the positions of the images mapped."""
    rows = y, fold_of, plan.sources(len(y))
    results, sums = batches.reduce(map_members, merge_folds, members, plan, rows=rows)
    for _, (values, _) in results:
        for number, value in values.items():
            members[number].add(value)
    for number, models in sums.items():
        members[number].models = models
    facts = np.concatenate([own for _, (_, own) in results])
    kept = np.concatenate([positions for positions, _ in results])
    return members, Facts(*np.moveaxis(facts, 2, 0)), kept


def map_members(
    images: Any,
    y: np.ndarray,
    fold_of: np.ndarray,
    sources: np.ndarray,
    members: list[Any],
    plan: Versions,
) -> tuple[tuple[dict[int, Any], np.ndarray], dict[int, Any]]:
    """Compute what each member needs of a batch, by number; return facts about the versions too.

    What comes last are the fits of members that are sums.
    """
    found: list[list[Any]] = [[] for _ in members]
    facts = []
    versions = told("copies", "copy", make_versions(images, plan, sources), plan.n_all)
    for number, version in enumerate(versions):
        _check_change(images, version, members)
        facts.append(version.facts())
        with shared_residuals():
            for values, member in zip(found, members, strict=True):
                if member.takes(version, first=number == 0):
                    values.append(member.map(version.images, y, fold_of))
    together = [own[0] if len(own) == 1 else np.stack(own, axis=1) for own in found]
    by_number = dict(enumerate(together))
    sums = {n: by_number.pop(n) for n, member in enumerate(members) if member.second_pass}
    return (by_number, np.stack(facts, axis=1)), sums


def merge_folds(one: dict[int, Any], other: dict[int, Any]) -> dict[int, Any]:
    """Merge the fits of two batches by member and fold."""
    merged = {}
    for number in one:
        mine, others = one[number], other[number]
        both = {fold: _batches.merge(mine[fold], others[fold]) for fold in mine.keys() & others}
        merged[number] = {**mine, **others, **both}
    return merged


def _check_change(images: Any, version: Version, members: list[Any]) -> None:
    if new := _shapes(version.images) - _shapes(images):
        for member in members:
            member.check_change(version.chain, new)


def _shapes(images: Any) -> set[tuple[int, ...]]:
    """Return the sizes (H, W) of images, or the length of rows."""
    if isinstance(images, list):
        return {image.shape[:2] for image in images}
    return {np.shape(images)[1:3]}


def original_coordinates(members: list[Member], n_images: int) -> np.ndarray:
    """Return the coordinates of the images as they are, (n, 0) where no member has some."""
    known = [member.coordinates for member in members if member.coordinates is not None]
    return known[0] if known else np.empty((n_images, 0), np.float32)


def gather_again(
    batches: Batches,
    members: list[Any],
    blank: list[Any],
    y: np.ndarray,
    fold_of: np.ndarray,
    plan: Versions,
) -> list[Any]:
    """Replace members that are sums by fold, of other folds than those now."""
    summed = [member for member in blank if member.second_pass]
    if not summed:
        return members
    again, _, _ = gather(batches, summed, y, fold_of, plan.originals())
    return [again.pop(0) if member.second_pass else member for member in members]


def fit_members(
    batches: Batches,
    members: list[Any],
    y: np.ndarray,
    positions: np.ndarray,
    fold_of: np.ndarray,
    plan: Versions,
    facts: Facts,
) -> list[np.ndarray]:
    """Fit; return scores of images by each member, under models without them, or NaN.

    Shapes are those of :meth:`Member.fit`, with the versions scored, the image first. To a sum the
    other classes are the same without the class of an image.
    """
    classes = np.unique(y[positions])
    unseen = []
    for member in members:
        scores = member.fit(y[positions], fold_of[positions], plan, facts)
        n_scores = 1 if scores is None else scores.shape[3]
        unseen.append(np.full((2, len(y), plan.n_scored, n_scores, len(classes)), np.nan))
        if scores is not None:
            unseen[-1][:, positions] = scores
    summed = [number for number, member in enumerate(members) if member.second_pass]
    if summed:
        scored = plan._replace(chains=plan.chains[: plan.n_scored], quartered=False)
        again = [members[number] for number in summed], classes, scored
        for kept, scores in batches.map(score_members, *again, rows=(y, fold_of)):
            for number, found in zip(summed, np.moveaxis(scores, 2, 0), strict=True):
                unseen[number][:, kept, :, 0] = found[:, np.newaxis]
    return unseen


def score_members(
    images: Any,
    y: np.ndarray,
    fold_of: np.ndarray,
    members: list[SummedMember],
    classes: np.ndarray,
    plan: Versions,
) -> np.ndarray:
    """Score versions of a batch, (n, n_scored, n_members, n_classes), by models without them."""
    scores = []
    for version in told("copies", "copy", make_versions(images, plan), plan.n_known):
        scores.append([member.score(version.images, y, fold_of, classes) for member in members])
    return np.array(scores).transpose(2, 0, 1, 3)


def aligned(estimator: Any, X: Any, classes: np.ndarray) -> np.ndarray:
    """Score all classes, (n, n_scores, n_classes); of one that is unknown, with the lowest."""
    scores = all_scores(estimator, X)
    full = np.repeat(scores.min(axis=2, keepdims=True), len(classes), axis=2)
    full[..., np.searchsorted(classes, estimator.classes_)] = scores
    return full


def _fold_scores(
    estimator: Any,
    X: Any,
    y: np.ndarray,
    scored: np.ndarray,
    params: dict[str, np.ndarray],
    left_out: np.ndarray,
) -> np.ndarray:
    fit, test = np.flatnonzero(~left_out), np.flatnonzero(left_out & scored)
    params = _batches.at(fit, params)
    estimator = _batches.fit_rest(clone(estimator), _safe_indexing(X, fit), y[fit], **params)
    return aligned(estimator, _safe_indexing(X, test), np.unique(y))


def _join(values: list[np.ndarray]) -> np.ndarray:
    """Put batches together without having all of them twice; the list is emptied."""
    joined = np.empty((sum(map(len, values)), *values[0].shape[1:]), values[0].dtype)
    end = len(joined)
    while values:
        value = values.pop()
        joined[end - len(value) : end] = value
        end -= len(value)
    return joined


def _merge(models: Any) -> Any:
    first, *others = models
    merged = copy.deepcopy(first)
    for model in others:
        merged.merge(model)
    return merged
