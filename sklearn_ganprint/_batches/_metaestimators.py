"""What estimators that wrap others share: what they ask of those, fit parameters, and folds.

Fit parameters follow one rule. ``groups`` go to what splits, all else to the ``fit`` of the
estimator; with metadata routing each goes where it is requested. Estimators that hand parameters
on are :class:`RoutesFitParams`, and take any. Those that use them up take them by name: a
FusionClassifier and a FingerprintLocalizer split by groups themselves, and an AugmentedClassifier
makes groups and weights of copies.
"""

import inspect
from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple, Protocol

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, check_cv
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from sklearn_ganprint._compat import available_if, check_sample_weight


class FitsOtherwise(Protocol):
    """Fits as ``fit`` does, in another way. A subclass with a ``fit`` of its own fits by that."""


class FitsBatches(FitsOtherwise, Protocol):
    """Fits on batches of images that need not be in memory, which may be mapped several times."""

    def fit_batches(self, batches: Any, y: Any, **params: Any) -> Any: ...


class FitsParts(Protocol):
    """Fits on one batch after another, and so on a single class too."""

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None) -> Any: ...


class Mergeable(FitsParts, FitsOtherwise, Protocol):
    """Can be put together from fits on parts of the images."""

    def merge(self, other: Any) -> Any: ...


class FitsSums(Protocol):
    """Fits on sums of the rows of each class, in place of the rows."""

    def partial_fit_sums(self, sums: Any, counts: Any, classes: Any) -> Any: ...


class FitsScatter(FitsOtherwise, Protocol):
    """Fits on numbers, means and scatter of rows, which are added up."""

    def scatter_of(self, X: Any, codes: np.ndarray, n_classes: int) -> Any: ...

    def fit_scatter(self, scatter: Any, classes: np.ndarray) -> Any: ...


class MakesResiduals(Protocol):
    """Tells which images have no residual."""

    def lacks_residual(self, X: Any) -> np.ndarray: ...


class SumsClasses(MakesResiduals, Protocol):
    """Adds up the residuals of each class for less than all residuals cost."""

    def class_sums(self, X: Any, codes: np.ndarray, weight: np.ndarray) -> np.ndarray: ...


class LeavesOneOut(Protocol):
    """Scores each image that it was fitted on as if it had been fitted without it."""

    def leave_one_out_scores(self, X: Any, y: Any, sample_weight: Any = None) -> np.ndarray: ...


class ScoresFolds(Protocol):
    """Fits, and scores rows, (n, n_scores, n_classes), as if fitted without the fold of each.

    Then, if asked to, once more, (2, n, ...), as if fitted without the class of each, too. Rows
    have coordinates, whose distances tell which of them are near each other.
    """

    def coordinates(self, X: Any) -> np.ndarray: ...

    def fold_scores(
        self,
        X: Any,
        y: Any,
        fold_of: Any,
        subclasses: Any = None,
        background: Any = None,
        rows: Any = None,
        leave_class_out: bool = False,
    ) -> np.ndarray: ...


class ScoresClasses(Protocol):
    """Scores each class, (n, n_classes), with two classes as with more."""

    def class_scores(self, X: Any) -> np.ndarray: ...


class ScoresInSeveralWays(Protocol):
    """Scores each class in several ways, (n, n_scores, n_classes), likelihoods first."""

    def all_scores(self, X: Any) -> np.ndarray: ...


class ScoresTypicality(Protocol):
    """Scores how typical an image is of each class, whatever it is of the others."""

    def typicality_scores(self, X: Any) -> np.ndarray: ...


class ScoresSamples(Protocol):
    """Scores images for a single class, (n,), as outlier detectors do."""

    def score_samples(self, X: Any) -> np.ndarray: ...


class Decides(Protocol):
    """Scores classes as scikit-learn's classifiers do, (n,) with two classes."""

    def decision_function(self, X: Any) -> np.ndarray: ...


class FittedOnParts(Protocol):
    """Its `estimator_` is fitted on features of the parts of images, and judges by the whole."""

    estimator_: Any
    n_parts_: int


class MakesParts(Protocol):
    """Makes features of the parts of images, and can make those of the whole alone."""

    def whole_features(self, X: Any) -> np.ndarray: ...


class Discriminates(Protocol):
    """Has the means and coefficients of a linear discriminant analysis."""

    means_: np.ndarray
    coef_: np.ndarray


class HoldsFingerprints(Protocol):
    """Has a fingerprint of each class."""

    fingerprints_: np.ndarray


def offers(estimator: Any, protocol: type) -> bool:
    """Whether an estimator has what a protocol lists.

    Methods that ``available_if`` hides are not there, as they are for isinstance from Python 3.12.
    """
    bases = protocol.__mro__[: protocol.__mro__.index(Protocol)]
    names = {name for base in bases for name in (*vars(base), *inspect.get_annotations(base))}
    members = {name for name in names if not name.startswith("_")}
    if FitsOtherwise in bases:
        own = (vars(kind).keys() for kind in type(estimator).__mro__)
        if members.isdisjoint(next((names for names in own if names & {"fit", *members}), ())):
            return False
    return all(hasattr(estimator, name) for name in members)


def inner_has(owner: Any, method: str) -> bool:
    """Whether what a meta-estimator wraps has a method, once fitted or as it is."""
    return hasattr(getattr(owner, "estimator_", owner.estimator), method)


class AnswersAsInner:
    """Scores classes in the ways that its fitted estimator does."""

    estimator: Any

    def _offers(self, method: str) -> bool:
        return inner_has(self, method)

    def _answer(self, method: str, X: Any) -> np.ndarray:
        """Return what a method of the fitted estimator says of images."""
        raise NotImplementedError

    @available_if(lambda self: self._offers("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """Score the classes.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What ``predict`` takes.

        Returns
        -------
        ndarray of shape (n, n_classes), or (n,) with two classes
            Scores of the estimator, NaN where there is no answer. With two classes the score of
            ``classes_[1]`` minus that of ``classes_[0]``.
        """
        return self._answer("decision_function", X)

    @available_if(lambda self: self._offers("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of the classes, as the estimator does.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What ``predict`` takes.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Probabilities, NaN where there is no answer.
        """
        return self._answer("predict_proba", X)

    @available_if(lambda self: self._offers("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of the probabilities, as the estimator does.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What ``predict`` takes.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Logarithms of the probabilities, NaN where there is no answer.
        """
        return self._answer("predict_log_proba", X)


def with_objects(
    owner: Any, params: dict[str, Any], **makers: Callable[[Any], Any]
) -> dict[str, Any]:
    """Let parameters of a parameter be set where a name or None stands for an object.

    `makers` make the object that a value of the parameter stands for.
    """
    params = dict(params)
    for name, make in makers.items():
        value = params.get(name, getattr(owner, name))
        if any(key.startswith(f"{name}__") for key in params) and not hasattr(value, "set_params"):
            params[name] = make(value)
    return params


#: Groups that are passed are asked for, as scikit-learn's splitters by group ask for them.
ASKS_FOR_GROUPS = {"groups": True}


class FitParams(NamedTuple):
    """What goes to the estimator's ``fit``, and what to the splitter's ``split``."""

    fit: dict[str, Any]
    split: dict[str, Any]


def check_none_missing(y: Any, name: str = "y") -> None:
    """Raise where the label, or the group, of an image is missing, and say of which one."""
    # numpy makes the label "nan" of NaN in a list of words.
    y = np.asarray(y, dtype=object if isinstance(y, list | tuple) else None)
    # What is not one value an image is validated elsewhere.
    if y.ndim != 1 or y.dtype.kind not in ("f", "O"):
        return
    if missing := [position for position, label in enumerate(y.tolist()) if _is_missing(label)]:
        raise ValueError(
            f"Input {name} contains NaN or None: expected a label for each of the {len(y)} images, "
            f"got none for {len(missing)}, the first at position {missing[0]}. Label these images, "
            f"or leave them out."
        )


def label_column(y: Any, name: str = "y") -> np.ndarray:
    """Return labels as one column; raise where one is missing."""
    check_none_missing(y, name)
    return column_or_1d(y, warn=True)


def _is_missing(label: Any) -> bool:
    """Return whether a label is None, NaN, or pandas' NA, which compares to nothing."""
    try:
        return label is None or not label == label  # noqa: PLR0124, SIM201
    except TypeError:
        return True


def check_labels(y: Any, name: str = "y") -> None:
    """Raise where labels, or groups, are missing or cannot be told apart, or are no classes."""
    check_none_missing(y, name)
    y = np.asarray(y)
    try:
        if y.dtype.kind == "O":  # others can be told apart, and are not sorted for it
            np.unique(y)
    except TypeError as error:
        kinds = ", ".join(sorted({type(label).__name__ for label in y.tolist()}))
        raise TypeError(
            f"{name}: expected labels of one kind, such as str or int; got {kinds}. Write all of "
            f"them as str."
        ) from error
    if name == "y":
        check_classification_targets(y)


def check_classes(owner: Any, y: np.ndarray, advice: str = "") -> None:
    """Raise where labels are no classes, or are of one class only."""
    check_labels(y)
    if len(classes := np.unique(y).tolist()) < 2:
        raise ValueError(
            f"{type(owner).__name__} needs images of at least 2 classes to tell apart, got "
            f"{len(classes)} class: {', '.join(map(repr, classes))}.{advice}"
        )


def check_fit_params(y: np.ndarray, **params: Any) -> dict[str, np.ndarray]:
    """Validate weights, groups and the like, one an image, and leave out what is None."""
    for name in ("groups", "sources"):
        if params.get(name) is not None:
            check_labels(params[name], name)
    given = {
        name: column_or_1d(check_array(values, input_name=name, dtype=None, ensure_2d=False))
        for name, values in params.items()
        if values is not None
    }
    check_consistent_length(y, *given.values())
    if "sample_weight" in given:
        given["sample_weight"] = check_sample_weight(params["sample_weight"], y)
    return given


class RoutesFitParams:
    """Hands fit parameters on: to the estimator, and to the splitter of one with `cv`."""

    estimator: Any

    def _inner(self) -> Any:
        """Return the estimator that is fitted."""
        return self.estimator

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which fit parameters go to the estimator, and which to a splitter.

        Returns
        -------
        MetadataRouter
            The routing.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        router.add(estimator=self._inner(), method_mapping=_to("fit"))
        if hasattr(self, "cv"):
            # An integer becomes a splitter by group where there are groups.
            splitter = self.cv if hasattr(self.cv, "split") else StratifiedGroupKFold()
            router.add(splitter=splitter, method_mapping=_to("split"))
        return router


def _to(callee: str) -> MethodMapping:
    mapping = MethodMapping().add(caller="fit", callee=callee)
    return mapping.add(caller="fit_predict", callee=callee)


def route(owner: Any, params: dict[str, Any]) -> FitParams:
    """Sort fit parameters: by what is requested with metadata routing, else `groups` to splits."""
    if _routing_enabled():
        routed = process_routing(owner, "fit", **params)
        split = routed.get("splitter", {}).get("split", {})
        return FitParams(dict(routed.estimator.fit), dict(split))
    fit = {name: value for name, value in params.items() if name != "groups"}
    return FitParams(fit, {"groups": params["groups"]} if "groups" in params else {})


Fold = tuple[np.ndarray, np.ndarray]


def units_by_class(y: np.ndarray, groups: Any) -> dict[Any, int]:
    """Count the images of each class, or the groups that they belong to."""
    units = np.arange(len(y)) if groups is None else np.asarray(groups)
    return {label: len(np.unique(units[y == label])) for label in np.unique(y).tolist()}


def make_folds(cv: Any, y: np.ndarray, most: int, split: dict[str, Any]) -> list[Fold]:
    """Split into pairs of training and left-out positions, groups kept together.

    With `cv` None there are as many folds as each class has images or groups for, at `most` so
    many. An integer makes stratified folds, by group if `split` has groups.
    """
    split = check_fit_params(y, **split)
    groups = split.get("groups")
    if cv is None:
        cv = max(2, min(most, *units_by_class(y, groups).values()))
    if isinstance(cv, Integral) and groups is not None:
        cv = StratifiedGroupKFold(cv)
    return list(check_cv(cv, y, classifier=True).split(y, y, **split))


def fold_numbers(cv: Any, y: np.ndarray, most: int, groups: Any) -> np.ndarray:
    """Give the number of the fold of :func:`make_folds` that each image is left out in."""
    folds = make_folds(cv, y, most, {} if groups is None else {"groups": groups})
    left_out = np.concatenate([test for _, test in folds])
    times = np.bincount(left_out, minlength=len(y))
    if (times != 1).any():
        raise ValueError(
            f"cv: expected a splitter that leaves each image out once, got {cv!r}, which leaves "
            f"images out {times.min()} to {times.max()} times. Use a KFold."
        )
    numbers = np.empty(len(y), dtype=int)
    for number, (_, test) in enumerate(folds):
        numbers[test] = number
    return numbers
