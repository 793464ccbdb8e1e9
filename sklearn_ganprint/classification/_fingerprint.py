"""The nearest-fingerprint classifier."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from sklearn_ganprint.classification._base import BaseFingerprintClassifier, Sums
from sklearn_ganprint.correlation import negative_distance
from sklearn_ganprint.correlation._index import SCORES, kept_unit_rows, negative_squared_distance
from sklearn_ganprint.fingerprints import class_sums, energy
from sklearn_ganprint.residuals._blanks import LOWEST

__all__ = ["FingerprintClassifier"]


class FingerprintClassifier(BaseFingerprintClassifier):
    """Attribute images to the source whose fingerprint is nearest to their residual.

    The fingerprint of a class is the mean residual of its images.

    Parameters
    ----------
    metric : {"correlation", "cosine", "euclidean", "unbiased"}, default="correlation"
        Nearness of residual and fingerprint. "correlation" is eq. 5 of the paper, "cosine" the
        same without centring, "euclidean" the negative distance, which is the minimum-distance
        rule on residuals that are not normalised. "unbiased" is the negative squared distance less
        the noise that is left in means of few residuals. It is the best metric where residuals have
        one length, such as behind :class:`~sklearn.preprocessing.Normalizer`, and sources differ in
        the strength of their fingerprints. Weights count as numbers of images.

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
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of values of a residual, and names of the columns of a data frame.

    See Also
    --------
    ResidualTransformer : Makes the residuals.
    FileBatchEstimator : The same from image files, in bounded memory.

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
        part._store((count, rows[order].astype(np.float64), np.zeros(len(count))))
        if hasattr(self, "fingerprints_"):
            return self.merge(part)
        self.__dict__.update(vars(part))
        return self

    def correlate(self, X: Any) -> np.ndarray:
        """Compute the correlation index of residuals and fingerprints, whatever the metric.

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

    def _score_rows(self, rows: np.ndarray, metric: str | None = None) -> np.ndarray:
        metric = metric or self.metric
        if metric == "euclidean":
            scores = negative_distance(rows, self.fingerprints_)
        elif metric == "unbiased":
            square = _unbiased_square(self.fingerprints_, self.class_count_, self.square_sum_)
            scores = negative_squared_distance(rows, self.fingerprints_, square)
        else:
            centre = metric == "correlation"
            unit_rows = kept_unit_rows(self, self.fingerprints_, rows.dtype, centre=centre)
            scores = unit_rows.scores(rows)
        scores[:, self.class_count_ == 0] = self._lowest_score(metric)
        return scores

    def _lowest_score(self, metric: str | None = None) -> float:
        return -1.0 if (metric or self.metric) in ("correlation", "cosine") else LOWEST

    def _score_without(self, row: np.ndarray, weight: float, own: Sums) -> float:
        count, residuals, squares = own
        left = count - weight
        rest = (residuals - weight * row) / left
        if self.metric != "unbiased":
            return float(SCORES[self.metric](row, rest)[0, 0])
        squares = squares - weight * (row[0] @ row[0].astype(np.float64))
        square = _unbiased_square(rest, left, squares)
        return float(negative_squared_distance(row, rest, square)[0, 0])

    def _sums_of(self, X: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> Sums:
        n_classes = len(self.classes_)
        squares: np.ndarray = np.zeros(n_classes)
        if self.metric == "unbiased":
            norms = np.einsum("ij,ij->i", X, X, dtype=np.float64)
            squares = np.bincount(codes, weights * norms, n_classes)
        count = np.bincount(codes, weights, n_classes)
        return count, class_sums(X, codes, weights, n_classes), squares

    def _sums(self) -> Sums:
        """Sum weights, residuals and squared norms over the images of each class."""
        count = self.class_count_
        squares = getattr(self, "square_sum_", np.zeros(len(count)))
        return count, self.fingerprints_ * count[:, np.newaxis], squares

    def _store(self, sums: Sums) -> Self:
        self.class_count_, residuals, squares = sums
        count = np.where(self.class_count_ > 0, self.class_count_, 1)
        self.fingerprints_ = residuals / count[:, np.newaxis]
        self.energy_ = energy(self.fingerprints_)
        if self.metric == "unbiased":
            self.square_sum_ = squares
        return self

    def __sklearn_tags__(self) -> Any:
        """Declare what eq. 5 implies."""
        tags = super().__sklearn_tags__()
        # Centring each row leaves nothing of scikit-learn's two-feature test data but a sign.
        tags.classifier_tags.poor_score = self.metric == "correlation"
        return tags


def _unbiased_square(
    fingerprints: np.ndarray, count: np.ndarray, squares: np.ndarray
) -> np.ndarray:
    """Estimate the squared norm of fingerprints without the noise that is left in few residuals.

    ``(N |F|^2 - mean |R|^2) / (N - 1)``, whose expectation is that of infinitely many residuals; 0
    where there is one residual, all of which may be noise. `squares` are sums of squared norms.
    """
    own = np.einsum("ij,ij->i", fingerprints, fingerprints)
    several = count > 1
    count = np.where(several, count, 2.0)
    return np.where(several, (count * own - squares / count) / (count - 1), 0.0)
