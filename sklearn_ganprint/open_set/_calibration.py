"""Typicality scores, and fits with such scores of training images under models without them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import PredefinedSplit
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.metadata_routing import _routing_enabled
from sklearn.utils.validation import _check_method_params

from sklearn_ganprint import _batches
from sklearn_ganprint._batches import Batches, _metaestimators, last_step, map_in_order
from sklearn_ganprint._batches._metaestimators import (
    FitParams,
    FitsParts,
    LeavesOneOut,
    ScoresTypicality,
)
from sklearn_ganprint._compat import told
from sklearn_ganprint.classification import _base
from sklearn_ganprint.ensemble import FusionClassifier
from sklearn_ganprint.residuals._blanks import LOWEST, without_residual

#: Computes scores of shape (n, n_classes) from a fitted last step and what reaches that step.
ScoreFunction = Callable[[Any, Any], np.ndarray]

#: With half as many the models that calibrate are so much worse than the one with all images that
#: false alarms come out at half the stated rate, and fewer unknown images are found.
N_FOLDS = 10


def _mahalanobis(classifier: Any, X: Any) -> np.ndarray:
    return -np.sqrt(_base.discriminant_distances(classifier, X))


def _own_typicality(classifier: Any, X: Any) -> np.ndarray:
    return classifier.typicality_scores(X)


#: Those with a name; "auto" is one of them, or what the classifier has of its own.
SCORE_FUNCTIONS: dict[str, ScoreFunction] = {
    "decision": _base.decision_scores,
    "mahalanobis": _mahalanobis,
}


def _function(classifier: Any, score_function: str | ScoreFunction) -> ScoreFunction:
    """Find what a score function by name, or "auto", stands for."""
    if callable(score_function):
        return score_function
    if score_function != "auto":
        return SCORE_FUNCTIONS[score_function]
    if _metaestimators.offers(classifier, ScoresTypicality):
        return _own_typicality
    return SCORE_FUNCTIONS["mahalanobis" if _base.is_discriminant(classifier) else "decision"]


def typicality_scores(estimator: Any, X: Any, score_function: str | ScoreFunction) -> np.ndarray:
    """Scores of shape (n, n_classes) of a fitted pipeline, the lowest for blank images."""
    classifier, rows = last_step(estimator, X)
    scores = step_scores(classifier, rows, score_function)
    scores[without_residual(estimator, X)] = LOWEST
    return scores


def gives_both(classifier: Any, score_function: str | ScoreFunction) -> bool:
    """Whether a classifier computes both kinds of scores at the price of one."""
    return score_function == "auto" and hasattr(classifier, "_both_scores")


def both_scores(classifier: Any, X: Any, score_function: str | ScoreFunction) -> np.ndarray:
    """Class and typicality scores of the last step of a pipeline, shape (n, 2, n_classes).

    Class scores are NaN where the step has none, which then only the score function can score.
    """
    if gives_both(classifier, score_function):
        return classifier._both_scores(X)
    typicality = step_scores(classifier, X, score_function)
    if _function(classifier, score_function) is _base.decision_scores:
        decision = typicality
    elif _base.has_decision_scores(classifier):
        decision = step_scores(classifier, X, "decision")
    else:
        decision = np.full_like(typicality, np.nan)
    return np.stack([decision, typicality], axis=1)


def step_scores(classifier: Any, X: Any, score_function: str | ScoreFunction) -> np.ndarray:
    """Scores of shape (n, n_classes) of the last step of a pipeline, checked."""
    function = _function(classifier, score_function)
    scores = np.array(function(classifier, X), dtype=np.float64)
    expected = (len(scores), len(_base.sources(classifier)))
    if scores.shape != expected:
        raise ValueError(
            f"score_function: expected scores of shape (n, n_classes) = {expected}, got "
            f"{scores.shape}."
        )
    return scores


def take_over_features(owner: Any, fitted: Any) -> None:
    """Let a meta-estimator tell the number and the names of features as what it wraps does."""
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(fitted, name):
            setattr(owner, name, getattr(fitted, name))


def _fit_sources(estimator: Any, X: Any, y: np.ndarray, params: dict[str, Any]) -> Any:
    """Fit an estimator, also on one source if it has ``partial_fit``."""
    if len(classes := np.unique(y)) == 1 and _metaestimators.offers(estimator, FitsParts):
        return estimator.partial_fit(X, y, classes=classes, **params)
    return estimator.fit(X, y, **params)


def fit_and_calibrate_batches(
    owner: Any, batches: Batches, y: np.ndarray, params: dict[str, Any]
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Fit the estimator of `owner` on batches, and calibrate, as :func:`fit_and_calibrate` does.

    `params` are for the splitter and the last step.
    """
    estimator = clone(owner.estimator)
    leading, rest = _batches.split_steps(estimator)
    fit, split = _metaestimators.route(owner, params)
    if scores_unseen(owner) and isinstance(rest[0], FusionClassifier):
        # The fusion is fitted on scores of images under models without them.
        params = fit if _routing_enabled() else params
        fitted = _batches.fit_on_batches(estimator, batches, y, params)
        decision, typicality = rest[0].out_of_fold_scores_, rest[0].out_of_fold_typicality_
        judged = decision if owner.score_function == "decision" else typicality
        return fitted, np.stack([decision, judged], axis=1), rest[0].out_of_fold_codes_
    if scores_unseen(owner) and not split and _leaves_one_out(estimator):
        fitted = _batches.fit_on_batches(estimator, batches, y, fit)
        weights = _batches.last_step_params(estimator, fit).values()
        scores, kept = batches.collect(partial(_leave_one_out, fitted), rows=(y, *weights))
        return fitted, scores, np.searchsorted(fitted.classes_, y[kept])
    # What the leading steps make of the images is kept, and fitted on again for each fold.
    X, kept = batches.behind(leading).collect()
    learner = _batches.without_leading(estimator)
    routed = FitParams(
        _batches.pipeline_params(learner, _batches.at(kept, fit)), _batches.at(kept, split)
    )
    fitted, scores, codes = fit_and_calibrate(owner, learner, X, y[kept], routed)
    steps = [step for _, step in fitted.steps] if isinstance(fitted, Pipeline) else [fitted]
    return _batches.replace_last(estimator, steps), scores, codes


def fit_and_calibrate(
    owner: Any, estimator: Any, X: Any, y: np.ndarray, params: FitParams
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Fit a clone; also score images under models without them, with codes of their classes.

    Scores are those of :func:`both_scores`. `owner` says how: by `score_function`, `cv` and
    `n_jobs`. A class that a fold has no image of to fit on scores minus infinity there, and its own
    images in the fold are left out.
    """
    fitted = _fit_sources(clone(estimator), X, y, params.fit)
    classes = _base.sources(fitted)
    codes = np.searchsorted(classes, y)
    together = params.split.get("groups") is not None
    if scores_unseen(owner) and not together and _leaves_one_out(fitted):
        weights = [value for name, value in params.fit.items() if name.endswith("sample_weight")]
        return fitted, _leave_one_out(fitted, X, y, *weights), codes
    folds = _folds(owner.cv, y, params.split)
    # What all folds share goes to the workers of a cluster once.
    score = partial(_fold_scores, estimator, X, y, classes, owner.score_function, params.fit)
    scored = map_in_order(score, folds, owner.n_jobs)
    found = [part for _, part in zip(told("folds", "fold", folds), scored, strict=True)]
    scores, tested = np.concatenate(found), np.concatenate([test for _, test in folds])
    known = np.isfinite(scores[np.arange(len(tested)), 1, codes[tested]])
    return fitted, scores[known], codes[tested][known]


def _folds(cv: Any, y: np.ndarray, split: dict[str, Any]) -> list[_metaestimators.Fold]:
    """Split into folds, also where some class has fewer images, or groups, than there are folds.

    As few folds as it has images would leave half of two images out, and models of one image
    score others lower than models of both. So images, class by class, or groups take turns.
    """
    split = _metaestimators.check_fit_params(y, **split)
    groups = split.get("groups")
    if cv is not None or min(_metaestimators.units_by_class(y, groups).values()) >= N_FOLDS:
        return _metaestimators.make_folds(cv, y, N_FOLDS, split)
    if groups is None:
        units = np.argsort(np.argsort(y, kind="stable"), kind="stable")
    else:
        units = np.unique(groups, return_inverse=True)[1]
    folds = list(PredefinedSplit(units % min(N_FOLDS, units.max() + 1)).split())
    # Where one of two sources has one image, there is nothing to tell apart without it.
    left = [fold for fold in folds if len(np.unique(y[fold[0]])) > 1]
    return left or folds


def _fold_scores(
    estimator: Any,
    X: Any,
    y: np.ndarray,
    classes: np.ndarray,
    score_function: str | ScoreFunction,
    fit_params: dict[str, Any],
    train: np.ndarray,
    test: np.ndarray,
) -> np.ndarray:
    """Fit on one part and score another, minus infinity for classes that the fit lacks."""
    params = _check_method_params(X, fit_params, indices=train)
    estimator = clone(estimator)
    _fit_sources(estimator, _safe_indexing(X, train), y[train], params)
    last, rows = last_step(estimator, _safe_indexing(X, test))
    scores = np.full((len(test), 2, len(classes)), -np.inf)
    scores[..., np.searchsorted(classes, _base.sources(last))] = both_scores(
        last, rows, score_function
    )
    return scores


def scores_unseen(owner: Any) -> bool:
    """Whether scores that come with the fit of an estimator are those asked for."""
    return owner.cv is None and owner.score_function in ("auto", "decision")


def _leaves_one_out(estimator: Any) -> bool:
    """Whether decision scores of images left out of a pipeline take no second fit."""
    while isinstance(estimator, Pipeline):
        for step in estimator[:-1]:
            if step not in (None, "passthrough") and get_tags(step).requires_fit:
                return False
        estimator = estimator[-1]
    return _metaestimators.offers(estimator, LeavesOneOut)


def _leave_one_out(
    fitted: Any, X: Any, y: np.ndarray, sample_weight: np.ndarray | None = None
) -> np.ndarray:
    """Score the training images of a classifier without them: it judges by what it decides by."""
    classifier, rows = last_step(fitted, X)
    scores = classifier.leave_one_out_scores(rows, y, sample_weight)
    return np.stack([scores, scores], axis=1)
