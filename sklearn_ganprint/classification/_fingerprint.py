"""The nearest-fingerprint classifier."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from sklearn_ganprint.classification._base import BaseFingerprintClassifier
from sklearn_ganprint.classification._leave_one_out import own_scores_without
from sklearn_ganprint.classification._sums import ClassSums, unbiased_square
from sklearn_ganprint.correlation import negative_distance
from sklearn_ganprint.correlation._index import SCORES, negative_squared_distance
from sklearn_ganprint.correlation._unit_rows import kept_unit_rows
from sklearn_ganprint.fingerprints import energy


class FingerprintClassifier(BaseFingerprintClassifier):
    """Attribute images to the source whose fingerprint is nearest to their residual.

    The fingerprint of a class is the mean residual of its images; an image goes to the class
    whose fingerprint its residual correlates with most.

    Parameters
    ----------
    metric : {"correlation", "cosine", "euclidean", "unbiased"}, default="correlation"
        Nearness of residual and fingerprint. "correlation" is eq. 5 of the paper, "cosine" the
        same without centring, "euclidean" the negative distance, which is the minimum-distance
        rule on residuals that are not normalised. "unbiased" is the negative squared distance less
        the noise that is left in means of few residuals: the best of all where residuals are of
        one length, such as behind :class:`~sklearn.preprocessing.Normalizer`, and sources differ in
        how strong their fingerprints are. It takes weights for numbers of images.

    Attributes
    ----------
    fingerprints_ : ndarray of float64, shape (n_classes, n_features)
        Mean residual of each class (eq. 3), zeros for a class without images.

    class_count_ : ndarray of float64, shape (n_classes,)
        Number of images of each class, or the sum of their weights.

    energy_ : ndarray of float64, shape (n_classes,)
        Mean square of each fingerprint over its pixels, in squared grey levels.

    square_sum_ : ndarray of float64, shape (n_classes,)
        Sum of the squared norms of each class's residuals; only with the metric "unbiased".

    classes_ : ndarray of shape (n_classes,)
        The class labels.

    image_shape_ : tuple of int or None
        ``(H, W, C)`` of the residuals if they came as images, None if they came as rows.

    n_features_in_ : int
        Number of values of a residual.

    feature_names_in_ : ndarray of str
        Names of the columns, if the residuals came as a data frame.

    See Also
    --------
    ResidualTransformer : Makes the residuals.
    FileBatchClassifier : The same from image files, in bounded memory.

    Notes
    -----
    Eq. 3 and 5 of Marra et al. [1]_. Scores of images that the classifier was fitted on are
    optimistic, since such an image is part of its own fingerprint;
    :meth:`leave_one_out_scores` takes it out first.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import FingerprintClassifier
    >>> rng = np.random.default_rng(0)
    >>> patterns = rng.normal(size=(2, 1024))
    >>> y = np.repeat(["camera", "gan"], 20)
    >>> residuals = np.repeat(patterns, 20, axis=0) + rng.normal(scale=3, size=(40, 1024))
    >>> clf = FingerprintClassifier().fit(residuals[::2], y[::2])
    >>> clf.score(residuals[1::2], y[1::2])
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "metric": [StrOptions({*SCORES, "unbiased"})]
    }

    def __init__(self, metric: str = "correlation") -> None:
        self.metric = metric

    # The sums say nothing of the norms of what was added up.
    @available_if(lambda self: self.metric != "unbiased")
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit_sums(self, sums: Any, counts: Any, classes: Any) -> Self:
        """Add residuals that have been added up by class already.

        Parameters
        ----------
        sums : array-like of shape (n_classes, n_features) or (n_classes, H, W, C)
            Weighted sum of the residuals of each class.

        counts : array-like of shape (n_classes,)
            Sum of their weights: the number of images.

        classes : array-like of shape (n_classes,)
            Label of each class; new ones are added to those seen before.

        Returns
        -------
        FingerprintClassifier
            The classifier itself.
        """
        part = FingerprintClassifier(self.metric)
        rows = part._validate_rows(sums, reset=True)
        order = np.argsort(classes)
        part.classes_ = np.asarray(classes)[order]
        count = np.asarray(counts, dtype=np.float64)[order]
        part._store(ClassSums(count, rows[order].astype(np.float64), np.zeros(len(count))))
        if hasattr(self, "fingerprints_"):
            return self.merge(part)
        self.__dict__.update(vars(part))
        return self

    def correlate(self, X: Any) -> np.ndarray:
        """Correlation index of residuals and fingerprints, whatever the metric.

        Parameters
        ----------
        X : array-like of shape (n, n_features), (n, H, W) or (n, H, W, C)
            Residuals.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Correlations in [-1, 1] (eq. 5), -1 for a class without images.
        """
        return self._scores(X, "correlation")

    def class_scores(self, X: Any) -> np.ndarray:
        """Score of each class, with two classes as with more.

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
        The fingerprint without residual R of weight w is ``(n F - w R) / (n - w)``. Scores
        against the own fingerprint itself would be too high by about ``|R|^2 / n``.
        """
        check_is_fitted(self)
        X, y = self._validate_rows(X, y, reset=False)
        codes = self._encode(y)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        scores = self._score_rows(X, self.metric)
        own = own_scores_without(X, codes, weights, self._sums(), self.metric)
        scores[np.arange(len(X)), codes] = np.where(
            np.isnan(own), self._lowest_score(self.metric), own
        )
        return scores

    def _scores(self, X: Any, metric: str | None = None) -> np.ndarray:
        """Scores of shape (n, n_classes), whatever the number of classes."""
        check_is_fitted(self)
        # To look for NaN costs a third of the scores, in which it would show.
        rows = self._validate_rows(X, reset=False, ensure_all_finite=False)
        scores = self._score_rows(rows, metric or self.metric)
        if not np.isfinite(scores).all():
            self._validate_rows(X, reset=False)
        return scores

    def _score_rows(self, rows: np.ndarray, metric: str) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            if metric == "euclidean":
                scores = negative_distance(rows, self.fingerprints_)
            elif metric == "unbiased":
                square = unbiased_square(self.fingerprints_, self.class_count_, self.square_sum_)
                scores = negative_squared_distance(rows, self.fingerprints_, square)
            else:
                centre = metric == "correlation"
                unit_rows = kept_unit_rows(self, self.fingerprints_, rows.dtype, centre=centre)
                scores = unit_rows.scores(rows)
        scores[:, self.class_count_ == 0] = self._lowest_score(metric)
        return scores

    @staticmethod
    def _lowest_score(metric: str) -> float:
        """Give a finite score below every real one, for a class that has no image."""
        lowest = float(np.finfo(np.float32).min)
        return lowest if metric in ("euclidean", "unbiased") else -1.0

    def _zero_sums(self, n_classes: int) -> ClassSums:
        return ClassSums.zero(n_classes, self.n_features_in_)

    def _sums_of(self, X: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> ClassSums:
        return ClassSums.of(X, codes, weights, len(self.classes_), self.metric == "unbiased")

    def _sums(self) -> ClassSums:
        """Sum weights, residuals and squared norms over the images of each class."""
        count = self.class_count_
        squares = getattr(self, "square_sum_", np.zeros(len(count)))
        return ClassSums(count, self.fingerprints_ * count[:, np.newaxis], squares)

    def _store(self, sums: ClassSums) -> Self:
        """Set the fitted attributes from the sums over the images of each class."""
        self.class_count_ = sums.weight
        self.fingerprints_ = sums.means()
        self.energy_ = energy(self.fingerprints_)
        if self.metric == "unbiased":
            self.square_sum_ = sums.squares
        return self

    def __sklearn_tags__(self) -> Any:
        """Declare what eq. 5 implies."""
        tags = super().__sklearn_tags__()
        # Centring each row leaves nothing of scikit-learn's two-feature test data but a sign.
        tags.classifier_tags.poor_score = self.metric == "correlation"
        return tags
