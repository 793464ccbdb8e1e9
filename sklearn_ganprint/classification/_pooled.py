"""Linear discriminant analysis with one shrunk covariance, in a fraction of the time."""

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.extmath import softmax
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from sklearn_ganprint._compat import Callbacks, fit_context
from sklearn_ganprint._images import FLOAT_DTYPES

__all__ = ["PooledDiscriminantAnalysis"]


class PooledDiscriminantAnalysis(Callbacks, LinearClassifierMixin, ClassifierMixin, BaseEstimator):
    """Linear discriminant analysis with one shrunk covariance for all classes.

    The result is that of scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr",
    shrinkage=...)``, in a fraction of the time for thousands of features and many classes.

    Parameters
    ----------
    shrinkage : float, default=0.03
        Share of a multiple of the identity in the covariance, in [0, 1]: the same trace without
        correlations. More than 0 where there are more features than images.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    means_ : ndarray of shape (n_classes, n_features)
        Mean of each class.
    priors_ : ndarray of float64, shape (n_classes,)
        Share of each class in what it was fitted on.
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) with two classes
        Weights of the features in the scores.
    intercept_ : ndarray of shape (n_classes,), or (1,) with two classes
        Constants of the scores.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of features, and names of the columns of a data frame.

    See Also
    --------
    sklearn.discriminant_analysis.LinearDiscriminantAnalysis : Has other solvers, and priors.
    sklearn_ganprint.open_set.discriminant_distances : Distances in the space that this spans.

    Notes
    -----
    With means m, priors p and the pooled covariance within classes S, coefficients are
    ``w = S^-1 m`` and constants ``log p - w m / 2`` [1]_. scikit-learn shrinks the covariance of
    each class and adds them up, which is the same for a given `shrinkage`, and solves by singular
    values, where one Cholesky factorisation does: with 160 classes and 2412 features that is 1
    second in place of 56 on one core.

    References
    ----------
    .. [1] T. Hastie, R. Tibshirani, J. Friedman, "The elements of statistical learning", Springer,
       2009, section 4.3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.classification import PooledDiscriminantAnalysis
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["camera", "gan"], 20)
    >>> X = rng.normal(size=(40, 5)) + 3 * (y == "gan")[:, np.newaxis]
    >>> PooledDiscriminantAnalysis().fit(X, y).predict([[0, 0, 0, 0, 0], [3, 3, 3, 3, 3]])
    array(['camera', 'gan'], dtype='<U6')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "shrinkage": [Interval(Real, 0, 1, closed="both")]
    }

    def __init__(self, shrinkage: float = 0.03) -> None:
        self.shrinkage = shrinkage

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any) -> Self:
        """Estimate means and the covariance.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Features. With float32 the covariance is summed up in single precision.
        y : array-like of shape (n,)
            Class of each row.

        Returns
        -------
        PooledDiscriminantAnalysis
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are fewer than two classes, or no more rows than classes.
        numpy.linalg.LinAlgError
            If the covariance has no inverse: more shrinkage is needed.
        """
        X, y = validate_data(self, X, y, dtype=list(FLOAT_DTYPES))
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2 or len(self.classes_) == len(y):
            raise ValueError(
                f"PooledDiscriminantAnalysis needs at least 2 classes and more rows than classes, "
                f"got {len(self.classes_)} class{'es' * (len(self.classes_) > 1)} in {len(y)} rows."
            )
        self.priors_ = np.bincount(codes) / len(codes)
        self.means_ = np.stack([X[codes == code].mean(axis=0) for code in range(codes.max() + 1)])
        rows = X - self.means_[codes]
        covariance = shrink((rows.T @ rows).astype(np.float64) / len(rows), self.shrinkage)
        weights = cho_solve(
            cholesky_of(covariance, self.shrinkage), self.means_.T.astype(np.float64)
        ).T
        constants = np.log(self.priors_) - (weights * self.means_).sum(axis=1) / 2
        if len(self.classes_) == 2:
            weights, constants = (np.diff(values, axis=0) for values in (weights, constants))
        self.coef_, self.intercept_ = weights.astype(X.dtype), constants.astype(X.dtype)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Compute the probabilities of the classes, if they are normal with one covariance.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Probabilities.
        """
        scores = self.decision_function(X)
        return softmax(np.column_stack([0 * scores, scores]) if scores.ndim == 1 else scores)


def shrink(covariance: np.ndarray, shrinkage: float) -> np.ndarray:
    """Make a covariance C ``(1 - shrinkage) C + shrinkage trace(C) / n_features I``, in place.

    Where nothing scatters, as in classes of copies, the result is I.
    """
    if not covariance.any():
        return np.eye(len(covariance))
    diagonal = shrinkage * np.trace(covariance) / len(covariance)
    covariance *= 1 - shrinkage
    covariance.flat[:: len(covariance) + 1] += diagonal
    return covariance


def cholesky_of(covariance: np.ndarray, shrinkage: float) -> tuple[np.ndarray, bool]:
    """Factorize a shrunk covariance, as ``cho_solve`` takes it."""
    try:
        return cho_factor(covariance)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(
            f"The covariance of {len(covariance)} features has no inverse with "
            f"shrinkage={shrinkage:g}. Expected more rows than features, none of which follows "
            f"from others; or set a greater shrinkage."
        ) from error
