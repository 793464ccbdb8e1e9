"""One score for each class, from the methods that a fitted classifier has."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import validate_data

from sklearn_ganprint._batches import transform_batch
from sklearn_ganprint._metaestimators import (
    Decides,
    Discriminates,
    FittedOnParts,
    MakesParts,
    ScoresClasses,
    ScoresInSeveralWays,
    ScoresSamples,
    offers,
)


class DecidesByClassScores(ClassifierMixin):
    """What classifiers with ``class_scores`` make of these."""

    classes_: np.ndarray
    class_scores: Callable[[Any], np.ndarray]

    def decision_function(self, X: Any) -> np.ndarray:
        """Score the classes, as scikit-learn does.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What ``fit`` takes.

        Returns
        -------
        ndarray of shape (n, n_classes), or (n,) with two classes
            What ``class_scores`` returns. With two classes the score of ``classes_[1]`` minus that
            of ``classes_[0]``.
        """
        return for_two(self.class_scores(X))

    def predict(self, X: Any) -> np.ndarray:
        """Give the class with the highest score.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What ``fit`` takes.

        Returns
        -------
        ndarray of shape (n,)
            Class labels. Every image is attributed, however low its scores.
        """
        codes = self.class_scores(X).argmax(axis=1)
        return self.classes_[codes]


def for_two(scores: np.ndarray) -> np.ndarray:
    """Return one score, that of the second class less that of the first, if there are two."""
    return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores


def last_step(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the last step of a fitted pipeline, or in a meta-estimator, and what reaches it."""
    while True:
        if isinstance(estimator, Pipeline):
            *steps, estimator = (
                step for _, step in estimator.steps if step not in (None, "passthrough")
            )
            if steps and offers(steps[-1], MakesParts) and offers(estimator, FittedOnParts):
                # Of all parts of an image, such a classifier looks at the whole.
                *steps, parts = steps
                X, estimator = parts.whole_features(transform_batch(X, steps)), estimator.estimator_
            else:
                X = transform_batch(X, steps)
        elif offers(estimator, FittedOnParts):
            X, estimator = estimator._originals(X), estimator.estimator_
        else:
            return estimator, X


def sources(estimator: Any) -> np.ndarray:
    """Return the classes of a fitted classifier; an outlier detector has one, 0."""
    return getattr(estimator, "classes_", np.zeros(1, dtype=int))


def decision_scores(classifier: Any, X: Any) -> np.ndarray:
    """Compute the scores (n, n_classes) that a classifier decides by, also with two classes."""
    if offers(classifier, ScoresClasses):
        return classifier.class_scores(X)
    if offers(classifier, ScoresSamples):
        return classifier.score_samples(X)[:, np.newaxis]
    if not offers(classifier, Decides):
        return classifier.predict_proba(X)
    scores = np.asarray(classifier.decision_function(X))
    return scores if scores.ndim == 2 else np.column_stack([-scores, scores])


def has_decision_scores(classifier: Any) -> bool:
    """Return whether a classifier scores classes, rather than naming one alone."""
    kinds = (ScoresClasses, ScoresSamples, Decides)
    return any(offers(classifier, kind) for kind in kinds) or hasattr(classifier, "predict_proba")


def is_discriminant(classifier: Any) -> bool:
    """Return whether a classifier has the attributes of a linear discriminant analysis."""
    return offers(classifier, Discriminates)


def typicality(estimator: Any, X: Any) -> np.ndarray:
    """Compute scores (n, n_classes) that are low where an image is typical of no class.

    After a discriminant analysis these are ``-log(1 + d^2)`` of the distances d, since its own
    scores only compare the classes, and grow without bound as an image moves away from all.
    """
    classifier, X = last_step(estimator, X)
    if is_discriminant(classifier):
        return -np.log1p(discriminant_distances(classifier, X))
    return decision_scores(classifier, X)


def all_scores(estimator: Any, X: Any) -> np.ndarray:
    """Compute scores (n, n_scores, n_classes): those of a classifier that has several, or one."""
    classifier, rows = last_step(estimator, X)
    if offers(classifier, ScoresInSeveralWays):
        return classifier.all_scores(rows)
    return typicality(classifier, rows)[:, np.newaxis]


def discriminant_distances(classifier: Any, X: Any) -> np.ndarray:
    """Compute the Mahalanobis distance to each class in the space of a discriminant analysis.

    Parameters
    ----------
    classifier : LinearDiscriminantAnalysis
        Fitted, with any solver: anything with the attributes `means_` and `coef_` of one.
    X : array-like of shape (n, n_features)
        What the classifier takes.

    Returns
    -------
    ndarray of float64, shape (n, n_classes)
        Squared distances, at least 0.

    Raises
    ------
    ValueError
        If the classifier has no such attributes.

    Notes
    -----
    With means m and pooled covariance S, the coefficients are ``W = S^-1 (m - mean(m))``, up to a
    constant row. Their span separates the classes; the part of an image in the span is
    ``y = W (x - mean(m))``, with the inner product of the pseudo-inverse of
    ``G = W (m - mean(m))^T``. Scores of the classes compare distances, so that the greatest score
    of an image far from all classes can be high; distances are not low for such an image.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    >>> from sklearn_ganprint.open_set import discriminant_distances
    >>> X = [[-1.0, 0], [1, 0], [9, 0], [11, 0], [0, 1], [10, 1], [0, -1], [10, -1]]
    >>> lda = LinearDiscriminantAnalysis().fit(X, [0, 0, 1, 1, 0, 1, 0, 1])
    >>> bool(discriminant_distances(lda, [[30, 0]]).min() > 100)
    True
    """
    if not is_discriminant(classifier):
        raise ValueError(
            f"Distances need a linear discriminant analysis at the end of the pipeline, got "
            f"{classifier!r}. Use score_function='decision', or a function."
        )
    # float32 coefficients less their mean leave a rest, which the inverse takes for a direction.
    W, means = (np.asarray(values, np.float64) for values in (classifier.coef_, classifier.means_))
    W = np.vstack([-W / 2, W / 2]) if len(W) == 1 else W - W.mean(axis=0)
    centre = means.mean(axis=0)
    y = (validate_data(classifier, X, reset=False, dtype=np.float64) - centre) @ W.T
    gram = W @ (means - centre).T
    inverse = np.linalg.pinv(gram, rcond=1e-9)
    own = np.einsum("ij,jk,ik->i", y, inverse, y)
    return (own[:, np.newaxis] - 2 * y + np.diag(gram)).clip(min=0)
