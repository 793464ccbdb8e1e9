"""What a fitted classifier says of files."""

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if

#: Methods that give one value an image, whatever the number of classes.
_ONE_VALUE = ("score_samples", "known_p_values")


class FileMethodsMixin:
    """Methods of the estimator, over files."""

    def _apply(self, X: Any, method: str) -> np.ndarray:
        """Call a method of the fitted estimator on each batch; NaN or None where files failed."""
        raise NotImplementedError

    def predict(self, X: Any) -> np.ndarray:
        """Attribute each file to a source.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n,)
            Class labels. If some files could not be read the array holds objects, with None for
            those files.
        """
        return self._apply(X, "predict")

    @available_if(lambda self: _has_method(self, "decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """Score the classes, as the pipeline does.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n, n_classes), or (n,) with two classes
            Scores; NaN for files that could not be read.
        """
        return self._apply(X, "decision_function")

    @available_if(lambda self: _has_method(self, "predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Give the probabilities of the classes, as the pipeline does.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Probabilities; NaN for files that could not be read.
        """
        return self._apply(X, "predict_proba")

    @available_if(lambda self: _has_method(self, "class_scores"))
    def class_scores(self, X: Any) -> np.ndarray:
        """Score each class, with two classes as with more.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Scores, greater is nearer; NaN for files that could not be read.
        """
        return self._apply(X, "class_scores")

    @available_if(lambda self: _has_method(self, "_both_scores"))
    def assess(self, X: Any) -> np.ndarray:
        """Give all that can be said of files in one look, as an :class:`OpenSetClassifier` does.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n, 2, n_classes)
            Scores of the sources, and how typical of each a file is; NaN for files that could not
            be read.
        """
        return self._apply(X, "_both_scores")

    @available_if(lambda self: _has_method(self, "score_samples"))
    def score_samples(self, X: Any) -> np.ndarray:
        """Score each file for the nearest source, if the pipeline does.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n,)
            Scores; NaN for files that could not be read.
        """
        return self._apply(X, "score_samples")

    @available_if(lambda self: _has_method(self, "p_values"))
    def p_values(self, X: Any) -> np.ndarray:
        """Give the p-value of each source, as an :class:`OpenSetClassifier` does.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n, n_classes)
            The p-values; NaN for files that could not be read.
        """
        return self._apply(X, "p_values")

    @available_if(lambda self: _has_method(self, "known_p_values"))
    def known_p_values(self, X: Any) -> np.ndarray:
        """Give the p-value of all known sources, as an :class:`OpenSetClassifier` does.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n,)
            The p-values; NaN for files that could not be read.
        """
        return self._apply(X, "known_p_values")

    @available_if(lambda self: _has_method(self, "correlate"))
    def correlate(self, X: Any) -> np.ndarray:
        """Correlation index with each fingerprint, if the last step gives it.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Correlations; NaN for files that could not be read.
        """
        return self._apply(X, "correlate")


def blank_result(classes: np.ndarray, n_images: int, method: str) -> np.ndarray:
    """Make a result that says nothing yet of any image."""
    if method == "predict":
        return np.full(n_images, None, dtype=object)
    if method in _ONE_VALUE or (len(classes) == 2 and method == "decision_function"):
        return np.full(n_images, np.nan)
    shape = (2, len(classes)) if method == "_both_scores" else (len(classes),)
    return np.full((n_images, *shape), np.nan)


def _has_method(classifier: Any, method: str) -> bool:
    """Whether the estimator has a method, or a pipeline's last step does."""
    estimator = getattr(classifier, "estimator_", classifier.estimator)
    return hasattr(estimator, method) or (
        isinstance(estimator, Pipeline) and hasattr(estimator[-1], method)
    )
