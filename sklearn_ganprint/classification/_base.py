"""What classifiers have in common: how they decide by scores, and the scores of others."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_ganprint._batches import last_step
from sklearn_ganprint._batches._metaestimators import (
    Decides,
    Discriminates,
    ScoresClasses,
    ScoresInSeveralWays,
    ScoresSamples,
    check_classes,
    check_labels,
    check_none_missing,
    offers,
)
from sklearn_ganprint._compat import Callbacks, check_sample_weight, fit_context
from sklearn_ganprint._images import ImageInputMixin
from sklearn_ganprint.residuals._blanks import LOWEST, report_blank, zero_rows

__all__ = ["BaseFingerprintClassifier"]

#: Sums over the images of each class, first those of their weights: one entry, or one row, a class.
Sums = tuple[np.ndarray, ...]


class DecidesByClassScores(Callbacks, ClassifierMixin):
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


class BaseFingerprintClassifier(ImageInputMixin, DecidesByClassScores, BaseEstimator, ABC):
    """Base of classifiers whose fingerprints are made of sums over the images of each class."""

    _takes_residuals: ClassVar[bool] = True

    classes_: np.ndarray

    @abstractmethod
    def _score_rows(self, rows: np.ndarray, metric: str | None = None) -> np.ndarray:
        """Score each class, for rows of the right length, in another metric if it is given."""

    @abstractmethod
    def _score_without(self, row: np.ndarray, weight: float, own: Sums) -> float:
        """Score one row for its class, whose sums `own` of one entry it is taken out of first."""

    @abstractmethod
    def _sums_of(self, X: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> Sums:
        """Sum up validated rows, in arrays of their own."""

    @abstractmethod
    def _sums(self) -> Sums:
        """Return the sums over all images so far."""

    @abstractmethod
    def _store(self, sums: Sums) -> Self:
        """Set the fitted attributes from the sums over the images of each class."""

    def _lowest_score(self) -> float:
        """Return a finite score below every real one, for a class that has no image."""
        return LOWEST

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Estimate the fingerprint of each class.

        Parameters
        ----------
        X : array-like of shape (n, n_features), (n, H, W) or (n, H, W, C)
            Residuals.
        y : array-like of shape (n,)
            Source of each residual.
        sample_weight : array-like of shape (n,), default=None
            Weight of each residual in the mean of its class, at least 0.

        Returns
        -------
        self
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are fewer than two classes, or the weights are all zero.
        """
        check_none_missing(y)
        # To look for NaN costs a fourth of the sums, in which it would show.
        X, y = self._validate_rows(X, y, reset=True, ensure_all_finite=False)
        check_classes(self, y)
        weights = check_sample_weight(sample_weight, X)
        blank = zero_rows(X)
        report_blank(blank, y)
        self.classes_ = np.unique(y)
        with np.errstate(over="ignore", invalid="ignore"):
            sums = self._sums_of(X, self._encode(y), np.where(blank, 0, weights))
        if not all(np.isfinite(total).all() for total in sums):
            assert_all_finite(X, estimator_name=type(self).__name__, input_name="X")
        return self._store(sums)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Add residuals to the fingerprints.

        Parameters
        ----------
        X : array-like of shape (n, n_features), (n, H, W) or (n, H, W, C)
            Residuals.
        y : array-like of shape (n,)
            Source of each residual.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever be seen; needed in the first call, optional later.
        sample_weight : array-like of shape (n,), default=None
            Weight of each residual in the mean of its class, at least 0.

        Returns
        -------
        self
            The classifier itself.
        """
        first = not hasattr(self, "fingerprints_")
        check_none_missing(y)
        X, y = self._validate_rows(X, y, reset=first)
        check_labels(y)
        _check_partial_fit_first_call(self, classes)
        # A batch may weigh nothing; all of the images together may not.
        weights = check_sample_weight(sample_weight, X, all_zero=True)
        # Rows of zeros have no residual to add.
        sums = self._sums_of(X, self._encode(y), np.where(zero_rows(X), 0, weights))
        if not first:
            _add_up(sums, self._sums())
        return self._store(sums)

    def merge(self, other: Self) -> Self:
        """Add what another classifier was fitted on.

        Parameters
        ----------
        other : estimator of the same type
            A fitted classifier, with the same or other classes. It is not changed.

        Returns
        -------
        self
            The classifier itself, as if it had been fitted on the images of both.

        Raises
        ------
        ValueError
            If the two were fitted on residuals of different sizes.
        """
        check_is_fitted(self)
        check_is_fitted(other)
        if other.n_features_in_ != self.n_features_in_ or other.image_shape_ != self.image_shape_:
            raise ValueError(
                f"Cannot merge fingerprints of different sizes: {self.n_features_in_} values "
                f"(image shape {self.image_shape_}) and {other.n_features_in_} values (image "
                f"shape {other.image_shape_}). Fit both on one crop."
            )
        classes = np.union1d(self.classes_, other.classes_)
        sums = tuple(np.zeros((len(classes), *total.shape[1:])) for total in self._sums())
        for part in (self, other):
            _add_up(sums, part._sums(), np.searchsorted(classes, part.classes_))
        self.classes_ = classes
        return self._store(sums)

    def leave_one_out_scores(self, X: Any, y: Any, sample_weight: Any = None) -> np.ndarray:
        """Score the training images, each left out of its own class's fingerprint.

        Parameters
        ----------
        X : array-like of shape (n, n_features), (n, H, W) or (n, H, W, C)
            Residuals that the classifier was fitted on, all or some of them.
        y : array-like of shape (n,)
            Their classes, as in ``fit``.
        sample_weight : array-like of shape (n,), default=None
            Their weights, as in ``fit``.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Scores in the chosen metric: those of images that the classifier has never seen.

        Raises
        ------
        ValueError
            If a label of `y` is not a class of the classifier.

        Notes
        -----
        The mean without residual R of weight w is ``(n F - w R) / (n - w)``. Scores against the
        own fingerprint itself would be too high by about ``|R|^2 / n``.
        """
        check_is_fitted(self)
        X, y = self._validate_rows(X, y, reset=False)
        codes = self._encode(y)
        weights = check_sample_weight(sample_weight, X)
        scores, sums = self._score_rows(X), self._sums()
        alone = sums[0][codes] - weights <= 1e-12 * sums[0][codes]
        for row, code in enumerate(codes):
            own = tuple(total[code : code + 1] for total in sums)
            scores[row, code] = self._lowest_score()
            if not alone[row]:
                scores[row, code] = self._score_without(X[row : row + 1], weights[row], own)
        return scores

    def class_scores(self, X: Any) -> np.ndarray:
        """Score each class, with two classes as with more.

        Parameters
        ----------
        X : array-like of shape (n, n_features), (n, H, W) or (n, H, W, C)
            Residuals.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Scores in the chosen metric, greater is nearer.
        """
        return self._scores(X)

    def _scores(self, X: Any, metric: str | None = None) -> np.ndarray:
        check_is_fitted(self)
        # To look for NaN costs a third of the scores, in which it would show.
        rows = self._validate_rows(X, reset=False, ensure_all_finite=False)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self._score_rows(rows, metric)
        if not np.isfinite(scores).all():
            self._validate_rows(X, reset=False)
        return scores

    def _encode(self, y: np.ndarray) -> np.ndarray:
        codes = np.searchsorted(self.classes_, y)
        codes = np.minimum(codes, len(self.classes_) - 1)
        if not np.array_equal(self.classes_[codes], y):
            unknown = np.setdiff1d(y, self.classes_).tolist()
            raise ValueError(f"y contains labels {unknown} that are not among classes_.")
        return codes


def _add_up(sums: Sums, others: Sums, codes: Any = slice(None)) -> None:
    """Add sums over other images to those of the classes `codes`."""
    for total, addend in zip(sums, others, strict=True):
        total[codes] += addend


def for_two(scores: np.ndarray) -> np.ndarray:
    """Return one score, that of the second class less that of the first, if there are two."""
    return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores


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
