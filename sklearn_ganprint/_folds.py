"""Folds in which images are kept out of the models that score them."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, check_cv

Fold = tuple[np.ndarray, np.ndarray]


def units_by_class(y: np.ndarray, groups: Any) -> dict[Any, int]:
    """Count the images of each class, or the groups that they belong to."""
    units = np.arange(len(y)) if groups is None else np.asarray(groups)
    return {label: len(np.unique(units[y == label])) for label in np.unique(y).tolist()}


def make_folds(cv: Any, X: Any, y: np.ndarray, most: int, split: dict[str, Any]) -> list[Fold]:
    """Split into pairs of training and left-out positions, groups kept together.

    With `cv` None there are as many folds as each class has images or groups for, at `most` so
    many. An integer makes stratified folds, by group if `split` has groups.
    """
    groups = split.get("groups")
    if cv is None:
        cv = max(2, min(most, *units_by_class(y, groups).values()))
    if isinstance(cv, Integral) and groups is not None:
        cv = StratifiedGroupKFold(cv)
    return list(check_cv(cv, y, classifier=True).split(X, y, **split))


def fold_numbers(folds: list[Fold], n_images: int, cv: Any) -> np.ndarray:
    """Give the number of the fold that each image is left out in."""
    left_out = np.concatenate([test for _, test in folds])
    times = np.bincount(left_out, minlength=n_images)
    if (times != 1).any():
        raise ValueError(
            f"cv: expected a splitter that leaves each image out once, got {cv!r}, which leaves "
            f"images out {times.min()} to {times.max()} times. Use a KFold."
        )
    numbers = np.empty(n_images, dtype=int)
    for number, (_, test) in enumerate(folds):
        numbers[test] = number
    return numbers
