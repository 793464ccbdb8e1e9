"""How near an image is to each source, on one scale: what open-set decisions rest on."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_ganprint.classification._scores import (
    decision_scores,
    discriminant_distances,
    is_discriminant,
    last_step,
    sources,
)
from sklearn_ganprint.residuals._blanks import LOWEST, without_residual

ScoreFunction = Callable[[Any, Any], np.ndarray]


def _mahalanobis(classifier: Any, X: Any) -> np.ndarray:
    return -np.sqrt(discriminant_distances(classifier, X))


def _auto(classifier: Any, X: Any) -> np.ndarray:
    if hasattr(classifier, "typicality_scores"):
        return classifier.typicality_scores(X)
    function = _mahalanobis if is_discriminant(classifier) else decision_scores
    return function(classifier, X)


SOURCE_SCORES: dict[str, ScoreFunction] = {
    "auto": _auto,
    "decision": decision_scores,
    "mahalanobis": _mahalanobis,
}


def source_scores(estimator: Any, X: Any, score_function: str | ScoreFunction) -> np.ndarray:
    """Scores of shape (n, n_classes) of a fitted pipeline, greater is nearer.

    What has no residual is as far as can be from all sources.
    """
    classifier, rows = last_step(estimator, X)
    scores = step_scores(classifier, rows, score_function)
    scores[without_residual(estimator, X)] = LOWEST
    return scores


def step_scores(classifier: Any, X: Any, score_function: str | ScoreFunction) -> np.ndarray:
    """Scores of shape (n, n_classes) of a pipeline's last step, checked."""
    function = score_function if callable(score_function) else SOURCE_SCORES[score_function]
    scores = np.array(function(classifier, X), dtype=np.float64)
    expected = (len(scores), len(sources(classifier)))
    if scores.shape != expected:
        raise ValueError(
            f"score_function: expected scores of shape (n, n_classes) = {expected}, got "
            f"{scores.shape}."
        )
    return scores


def label_and_score(
    estimator: Any, X: Any, score_function: str | ScoreFunction
) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and scores of shape (n, n_classes), in one look at the images."""
    classifier, rows = last_step(estimator, X)
    if _assesses(classifier, score_function):
        decision, scores = classifier.assess(rows).swapaxes(0, 1)
        labels = classifier.classes_[decision.argmax(axis=1)]
    else:
        labels, scores = classifier.predict(rows), step_scores(classifier, rows, score_function)
    scores[without_residual(estimator, X)] = LOWEST
    return labels, scores


def both_scores(estimator: Any, X: Any, score_function: str | ScoreFunction) -> np.ndarray:
    """Give what a classifier decides by, and scores, in one look: shape (n, 2, n_classes)."""
    classifier, rows = last_step(estimator, X)
    if _assesses(classifier, score_function):
        scores = classifier.assess(rows)
    else:
        functions = ("decision", score_function)
        scores = np.stack([step_scores(classifier, rows, each) for each in functions], axis=1)
    scores[without_residual(estimator, X), 1] = LOWEST
    return scores


def _assesses(classifier: Any, score_function: str | ScoreFunction) -> bool:
    """Whether a classifier gives both kinds of scores at the price of one."""
    return score_function == "auto" and hasattr(classifier, "assess")
