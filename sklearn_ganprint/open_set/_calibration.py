"""Scores of training images under models that have not seen them."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params

from sklearn_ganprint._folds import make_folds
from sklearn_ganprint._routing import FitParams, make_router
from sklearn_ganprint.classification._scores import last_step, sources
from sklearn_ganprint.open_set._scores import ScoreFunction, step_scores

#: With half as many the models that calibrate are so much worse than the one with all images that
#: false alarms come out at half the stated rate, and fewer unknown images are found.
N_FOLDS = 10


class Calibration(NamedTuple):
    """Out-of-fold scores of shape (n, n_classes), and the class (as a code) of each row."""

    scores: np.ndarray
    codes: np.ndarray


def routing(owner: Any, default: Any = None) -> MetadataRouter:
    """Describe where fit parameters go: to the estimator, and to the splitter."""
    estimator = default if owner.estimator is None else owner.estimator
    # An integer becomes a splitter by group where there are groups.
    splitter = owner.cv if hasattr(owner.cv, "split") else StratifiedGroupKFold()
    return make_router(owner, estimator, splitter)


def fit_sources(estimator: Any, X: Any, y: np.ndarray, params: dict[str, Any]) -> Any:
    """Fit an estimator, on one source too if it can be."""
    if len(classes := np.unique(y)) == 1 and hasattr(estimator, "partial_fit"):
        return estimator.partial_fit(X, y, classes=classes, **params)
    return estimator.fit(X, y, **params)


def calibrate(
    estimator: Any,
    fitted: Any,
    X: Any,
    y: np.ndarray,
    *,
    score_function: str | ScoreFunction,
    cv: Any,
    params: FitParams,
    n_jobs: int | None,
) -> Calibration:
    """Score each image of `X` under a model without it, `fitted` being the one with all of them.

    Classes that a fold has no image of to fit on score minus infinity there, and their own images
    in the fold calibrate nothing.
    """
    classes = sources(fitted)
    codes = np.searchsorted(classes, y)
    if cv is None and params.split.get("groups") is None and leaves_one_out(fitted, score_function):
        weights = [each for name, each in params.fit.items() if name.endswith("sample_weight")]
        return Calibration(leave_one_out(X, y, *weights, fitted), codes)
    parts = make_folds(cv, X, y, N_FOLDS, params.split)
    scored = Parallel(n_jobs=n_jobs)(
        delayed(_fold_scores)(clone(estimator), X, y, *part, classes, score_function, params.fit)
        for part in parts
    )
    scores, tested = np.concatenate(scored), np.concatenate([test for _, test in parts])
    known = np.isfinite(scores[np.arange(len(tested)), codes[tested]])
    return Calibration(scores[known], codes[tested][known])


def _fold_scores(
    estimator: Any,
    X: Any,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    classes: np.ndarray,
    score_function: str | ScoreFunction,
    fit_params: dict[str, Any],
) -> np.ndarray:
    """Fit on one part and score another."""
    params = _check_method_params(X, fit_params, indices=train)
    fit_sources(estimator, _safe_indexing(X, train), y[train], params)
    last, rows = last_step(estimator, _safe_indexing(X, test))
    scores = np.full((len(test), len(classes)), -np.inf)
    scores[:, np.searchsorted(classes, sources(last))] = step_scores(last, rows, score_function)
    return scores


def leaves_one_out(estimator: Any, score_function: str | ScoreFunction) -> bool:
    """Whether leaving images out of a fitted pipeline takes no second fit."""
    while isinstance(estimator, Pipeline):
        for step in estimator[:-1]:
            if step not in (None, "passthrough") and get_tags(step).requires_fit:
                return False
        estimator = estimator[-1]
    return hasattr(estimator, "leave_one_out_scores") and score_function in ("auto", "decision")


def leave_one_out(X: Any, y: np.ndarray, *args: Any) -> np.ndarray:
    """Score images that a classifier was fitted on without them; `args` are weights, and it."""
    *weights, fitted = args
    classifier, rows = last_step(fitted, X)
    return classifier.leave_one_out_scores(rows, y, *weights)
