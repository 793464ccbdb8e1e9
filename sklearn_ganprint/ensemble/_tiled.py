"""The classifier that learns from the parts of images and predicts from the whole."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import _fit_context, clone
from sklearn.utils import deprecated
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import _routing_enabled
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from sklearn_ganprint._images import FLOAT_DTYPES
from sklearn_ganprint._metaestimators import RoutesFitParams, check_classes, route
from sklearn_ganprint.ensemble._copies import FittedOnCopies, rows_of_copies


class TiledClassifier(RoutesFitParams, FittedOnCopies):
    """Fit a classifier on all parts of each image, and apply it to whole images.

    An image has many tiles, and the autocorrelation of a tile is that of the whole with more noise.
    With tiles as further samples, a few images of each class are enough.

    Parameters
    ----------
    estimator : estimator
        A classifier, or a pipeline that ends with one, that takes the features of a part.

    Attributes
    ----------
    estimator_ : estimator
        The classifier, fitted on the features of all parts.
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    n_parts_ : int
        Number of parts of each image.
    n_features_in_ : int
        Number of features of an image, those of all its parts.

    See Also
    --------
    TiledTransformer : Makes the features.
    make_attribution_pipeline : Has both in one pipeline.

    Notes
    -----
    The first part of an image is the whole; the others are used in ``fit`` only. Rows of features
    ``(n, n_features)`` are taken as images of one part.

    A tile is a copy of its image, as those of :class:`AugmentedClassifier`; but a transformer
    makes the copies, so that a pipeline computes their features once, also where a
    :class:`FusionClassifier` or an :class:`OpenSetClassifier` fits on folds of the images.

    Where `estimator` cross-validates within ``fit``, as a
    :class:`~sklearn.model_selection.GridSearchCV` does, the parts of one image must not fall on
    both sides of a split: let it split by groups, and pass ``groups`` to ``fit``, one for each
    image. Parameters of ``fit`` with one entry an image are repeated for the parts.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_ganprint import TiledClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["camera", "gan"], 5)
    >>> parts = rng.normal(size=(10, 17, 3)) + 2 * (y == "gan")[:, np.newaxis, np.newaxis]
    >>> TiledClassifier(LogisticRegression()).fit(parts, y).predict(parts).shape
    (10,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
    }

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, **fit_params: Any) -> Self:
        """Fit the classifier on all parts.

        Parameters
        ----------
        X : array-like of shape (n, n_parts, n_features) or (n, n_features)
            Features of the parts of each image; the whole comes first.
        y : array-like of shape (n,)
            Source of each image.
        **fit_params : dict
            Passed on to ``fit`` of the classifier: sequences with one entry an image, such as
            ``groups`` or ``sample_weight``, repeated for the parts of each image. With metadata
            routing enabled, those that the classifier requests.

        Returns
        -------
        TiledClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are fewer than two classes, or an entry of `fit_params` has another length.
        """
        parts, y = self._validate_parts(X, y, reset=True)
        check_classes(self, y)
        if _routing_enabled():
            fit_params = route(self, fit_params).fit
        for values in fit_params.values():
            check_consistent_length(parts, values)
        rows, labels, fit_params = rows_of_copies(parts, y, fit_params)
        self.estimator_ = clone(self.estimator).fit(rows, labels, **fit_params)
        self.n_parts_ = parts.shape[1]
        self.classes_ = self.estimator_.classes_
        return self

    def _originals(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._validate_parts(X, reset=False)[:, 0]

    @deprecated("take X[:, 0], the features of the whole. It will be gone in version 0.3.")
    def inner_input(self, X: Any) -> np.ndarray:
        """Return what the fitted classifier predicts from.

        Parameters
        ----------
        X : array-like of shape (n, n_parts, n_features) or (n, n_features)
            Features of the parts of each image.

        Returns
        -------
        ndarray of shape (n, n_features)
            Features of the whole of each image.
        """
        return self._originals(X)

    def _validate_parts(self, X: Any, y: Any = "no_validation", *, reset: bool) -> Any:
        """Validate features, return them as ``(n, n_parts, n_features)`` (and `y` if given)."""
        shape = tuple(getattr(X, "shape", ()))
        # scikit-learn would count the second of three axes as n_features_in_.
        rows = np.asarray(X).reshape(shape[0], -1) if len(shape) == 3 else X
        validated = validate_data(self, rows, y, reset=reset, dtype=list(FLOAT_DTYPES))
        rows, *labels = validated if reset else (validated,)
        n_parts = (shape[1] if len(shape) == 3 else 1) if reset else self.n_parts_
        parts = rows.reshape(len(rows), n_parts, -1)
        return (parts, *labels) if labels else parts

    def __sklearn_tags__(self) -> Any:
        """Declare that parts are the second of three axes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
