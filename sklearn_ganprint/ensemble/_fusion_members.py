"""Classifiers that are to be fused, while they are being fitted.

Each batch of images, which may be files, goes through :meth:`Member.map` in a worker;
:meth:`Member.add` takes what that returns, then :meth:`Member.fit` fits. Scores of images that a
model has not seen take a second map where the residuals themselves were not kept.
"""

import copy
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed

from sklearn_ganprint._batches import (
    Batches,
    fit_leading,
    fit_part,
    fit_steps,
    is_mergeable,
    pipeline_memory,
    replace_last,
    split_steps,
    transform_batch,
    without_leading,
)
from sklearn_ganprint._images import ImageInputMixin
from sklearn_ganprint.classification._scores import nearness


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
        self.leave_one_out = leave_one_out and hasattr(self.rest[0], "leave_one_out_scores")
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
    if len(rest) == 1 and is_mergeable(rest[0]):
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
    scores = nearness(estimator, X)
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
    for each in others:
        merged.merge(each)
    return merged
