"""A list of named estimators as a parameter, whose own parameters are reached by their names."""

from typing import Any, Self

import numpy as np
from sklearn.utils import Bunch, check_array
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint._images import stack_images


class NamedEstimators(_BaseComposition):
    """What an estimator with the parameter `estimators` owes to its members."""

    estimators: list[tuple[str, Any]]
    estimators_: list[Any]

    @property
    def named_estimators_(self) -> Bunch:
        """The fitted classifiers by name."""
        check_is_fitted(self, "estimators_")
        names = [name for name, _ in self.estimators]
        return Bunch(**dict(zip(names, self.estimators_, strict=True)))

    @property
    def n_features_in_(self) -> int:
        """Number of features, as the first classifier tells it."""
        return self._of_first("n_features_in_")

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the columns, as the first classifier tells them."""
        return self._of_first("feature_names_in_")

    def _of_first(self, name: str) -> Any:
        # An AttributeError, unlike that of check_is_fitted, makes hasattr say no.
        if "estimators_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no {name} before it is fitted.")
        return getattr(self.estimators_[0], name)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters, those of the classifiers too.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of the classifiers.

        Returns
        -------
        dict
            Parameters by name, those of a classifier as ``name__parameter``.
        """
        return self._get_params("estimators", deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of the classifiers too.

        Parameters
        ----------
        **params : dict
            Parameters by name; a classifier is replaced by its own name.

        Returns
        -------
        FusionClassifier
            The classifier itself.
        """
        self._set_params("estimators", **params)
        return self

    def _checked_estimators(self) -> list[Any]:
        if not self.estimators:
            raise ValueError(
                "estimators: expected a list of (name, classifier), got an empty list."
            )
        names, estimators = zip(*self.estimators, strict=True)
        self._validate_names(names)
        for name, each in self.estimators:
            if not hasattr(each, "fit") or not hasattr(each, "predict"):
                raise ValueError(f"estimators: expected a classifier as {name!r}, got {each!r}.")
        return list(estimators)


def as_batch(X: Any) -> Any:
    """Stack and check what all classifiers are given; data frames stay, for their names."""
    checked = check_array(stack_images(X), allow_nd=True, ensure_all_finite=False)
    return X if hasattr(X, "iloc") else checked
