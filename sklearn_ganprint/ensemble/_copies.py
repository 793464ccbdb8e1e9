"""The base of classifiers that are fitted on copies of each image, and predict from the image.

Copies are perturbed images, or tiles. Features of all copies, ``(n, n_copies, ...)`` with those of
the image itself first, are what such a classifier is fitted on.
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint._metaestimators import AnswersAsInner


def rows_of_copies(copies: np.ndarray, y: np.ndarray, params: dict[str, Any]) -> tuple[Any, ...]:
    """Make each copy a row, with the label and the fit parameters of its image."""
    owners = np.repeat(np.arange(len(copies)), copies.shape[1])
    rows = copies.reshape(len(owners), *copies.shape[2:])
    return rows, y[owners], {name: _safe_indexing(own, owners) for name, own in params.items()}


class FittedOnCopies(AnswersAsInner, MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Predicts as its `estimator_` does, from what `_originals` makes of images."""

    estimator: Any
    estimator_: Any

    def _originals(self, X: Any) -> Any:
        """Return what `estimator_` predicts from: the images themselves."""
        raise NotImplementedError

    def _answer(self, method: str, X: Any) -> np.ndarray:
        check_is_fitted(self, "estimator_")
        return getattr(self.estimator_, method)(self._originals(X))

    def predict(self, X: Any) -> np.ndarray:
        """Attribute each image to a source.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            As ``fit`` takes it, of which the images themselves count and not their copies.

        Returns
        -------
        ndarray of shape (n,)
            Class labels.
        """
        return self._answer("predict", X)

    def __sklearn_tags__(self) -> Any:
        """Take over the tags of the estimator."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags = get_tags(self.estimator).classifier_tags
        return tags
