"""What a model file may hold: types of this package, and fitted attributes that a fit can leave."""

import math
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import chain, pairwise
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from sklearn_ganprint.files._fitted import is_record

#: Where the estimators stand that a model is made of.
_PACKAGES = (
    "classification clustering datasets denoisers ensemble evidence features files localization "
    "open_set perturbations pipelines residuals"
)

#: Fitted arrays and their axes. Within one estimator equal letters are equal lengths; c is the
#: number of classes, f that of features, k that of clusters. Not all fits leave those with a "?".
_SHAPES = {
    "FingerprintClassifier": "classes_ c, class_count_ c, fingerprints_ cf, energy_ c",
    "PRNUClassifier": (
        "classes_ c, class_count_ c, product_sum_ cv, intensity_sum_ cp, fingerprints_ cv"
    ),
    "PooledDiscriminantAnalysis": "classes_ c, priors_ c, means_ cf, coef_ rf, intercept_ r",
    "SubclassDiscriminantAnalysis": (
        "classes_ c, mean_ f, scale_ f, subclass_codes_ p, centre_ f, components_ rf, means_ pr, "
        "covariances_ prr, squashed_means_? pf, background_means_? br, background_covariances_? brr"
    ),
    "FusionClassifier": (
        "classes_ c, scales_ k, weights_ k, class_weights_ ckc, intercept_ c, own_means_ m, "
        "typicality_weights_? m, size_slopes_? t, "
        "out_of_fold_codes_ n, out_of_fold_scores_ nc, out_of_fold_typicality_ nc, "
        "out_of_class_typicality_? nc, fitted_coordinates_? ir"
    ),
    "OpenSetClassifier": (
        "classes_ c, calibration_scores_ nc, calibration_class_scores_? nc, calibration_codes_ n, "
        "thresholds_ c"
    ),
    "FingerprintDetector": "calibration_scores_ n",
    "LikelihoodRatioCalibrator": (
        "classes_ c, score_range_ c, scores_? n, score_codes_? n, bandwidths_? c, "
        "X_thresholds_? k, y_thresholds_? k"
    ),
    "FingerprintLocalizer": (
        "classes_ c, coef_ dl, intercept_ d, means_ shd, covariances_ shdd, "
        "calibration_peaks_ n, calibration_codes_ n, processed_peaks_? n"
    ),
    "FingerprintClustering": (
        "cluster_centers_ kd, max_distances_ k, feature_mean_ s, components_ ds, "
        "fingerprints_ kv, labels_ n"
    ),
}

#: Limits that no score reaches, and scores below all others.
_MAY_BE_INFINITE = frozenset(
    "calibration_class_scores_ calibration_peaks_ calibration_scores_ floors_ grow_threshold_ "
    "lower_bound_ offset_ processed_peaks_ processed_threshold_ out_of_class_typicality_ "
    "out_of_fold_scores_ out_of_fold_typicality_ threshold_ thresholds_ upper_bound_".split()
)


@cache
def own_types() -> dict[str, type]:
    """Collect the public estimators of this package by name: a model file may hold those alone."""
    packages = (import_module(f"sklearn_ganprint.{name}") for name in _PACKAGES.split())
    public = (getattr(package, name) for package in packages for name in package.__all__)
    return {
        found.__qualname__: found
        for found in public
        if isinstance(found, type) and issubclass(found, BaseEstimator)
    }


def own_type_names() -> list[str]:
    """Return the names of own types as the schema of a model has them."""
    return [f"{found.__module__}.{name}" for name, found in own_types().items()]


def rename_types(schema: Any) -> bool:
    """Rename the types of this package in a schema to their present names; return if any changed.

    Files name the module that a type was in when they were written, which up to format 1 was
    private. The name of the class is enough to find the type.
    """
    changed, pending = False, [schema]
    while pending:  # no recursion: a file may be nested deeper than the stack
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            pending += node.values()
            module, name = node.get("__module__"), node.get("__class__")
            known = own_types().get(name) if isinstance(name, str) else None
            if known is None or not isinstance(module, str):
                continue
            if module.partition(".")[0] == "sklearn_ganprint" and module != known.__module__:
                node["__module__"] = known.__module__
                changed = True
    return changed


def find_fault(model: Any) -> str | None:
    """Return what no fit could have left in an estimator of a model, None if there is nothing.

    A fit leaves finite arrays whose shapes agree. Models with other arrays would load and answer
    something.
    """
    checks = (_faults_of_values, _faults_of_shapes, _faults_of_files)
    for estimator in _estimators(model):
        for fault in chain.from_iterable(check(estimator) for check in checks):
            return f"{type(estimator).__name__}: {fault}"
    return None


def lacking_parameters(model: Any) -> list[str]:
    """List parameters of estimators that a model has not: other releases had no such ones."""
    return sorted(
        {
            f"{type(estimator).__name__}.{name}"
            for estimator in _estimators(model)
            for name in estimator._get_param_names()
            if not hasattr(estimator, name)
        }
    )


def _estimators(model: Any) -> list[BaseEstimator]:
    """List a model and all estimators in it, each once."""
    found: dict[int, Any] = {}
    pending = [model]
    while pending:
        value = pending.pop()
        if id(value) in found:
            continue
        found[id(value)] = value
        if isinstance(value, BaseEstimator):
            pending += vars(value).values()
        elif isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list | tuple):
            pending += value
    return [value for value in found.values() if isinstance(value, BaseEstimator)]


def _fitted(estimator: BaseEstimator) -> dict[str, Any]:
    """Return the attributes whose names end in an underscore."""
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_")
    }


def _faults_of_values(estimator: BaseEstimator) -> Iterator[str]:
    """Find parameters out of their range, and numbers that are none."""
    own = type(estimator) in own_types().values()
    if own and hasattr(estimator, "_parameter_constraints"):
        try:
            estimator._validate_params()
        except ValueError as error:
            yield str(error)
    for name, value in _fitted(estimator).items():
        is_array = isinstance(value, np.ndarray) and value.dtype.kind in "fc"
        # What single numbers of other packages may be is for them to say.
        if not is_array and not (own and isinstance(value, float)):
            continue
        if np.isnan(value).any():
            yield f"{name} holds NaN"
        elif own and np.isinf(value).any() and name not in _MAY_BE_INFINITE:
            yield f"{name} holds infinite values"


def _faults_of_shapes(estimator: BaseEstimator) -> Iterator[str]:
    if not (fitted := _fitted(estimator)):
        return
    yield from _faults_of_axes(estimator, fitted)
    shape, size = fitted.get("image_shape_"), fitted.get("n_features_in_")
    if shape is not None and size is not None and math.prod(shape) != size:
        yield f"image_shape_ {shape} is not that of {size} features"
    classes = fitted.get("classes_")
    if not isinstance(classes, np.ndarray):  # of several outputs they are a list
        classes = None
    elif not np.array_equal(np.unique(classes), classes):
        yield f"classes_ are not sorted, or not different: {classes!r:.80}"
    for name, codes in fitted.items():
        n_classes = 0 if classes is None else len(classes)
        if name.endswith("_codes_") and not np.isin(codes, np.arange(n_classes)).all():
            yield f"{name} are not positions in classes_"
    # Copies of one source are classes of their own in AugmentedClassifier's.
    inner = getattr(fitted.get("estimator_"), "classes_", None)
    if classes is not None and inner is not None and len(inner) % len(classes):
        yield f"classes_ are {len(classes)}, those of its estimator_ {len(inner)}"
    if isinstance(estimator, Pipeline):
        yield from _faults_between_steps([step for _, step in estimator.steps])


def _faults_of_axes(estimator: BaseEstimator, fitted: dict[str, Any]) -> Iterator[str]:
    """Find arrays that are missing or of other shapes than the rest."""
    lengths = {"f": fitted["n_features_in_"]} if "n_features_in_" in fitted else {}
    table = _SHAPES.get(type(estimator).__name__, "")
    for name, axes in (entry.split() for entry in table.split(",") if entry):
        if name.endswith("?") and name[:-1] not in fitted:
            continue
        name = name.removesuffix("?")
        value = fitted.get(name)
        if not isinstance(value, np.ndarray) or value.ndim != len(axes):
            yield f"{name}: expected an array of {len(axes)} axes, got {value!r:.60}"
            continue
        if value.dtype.kind not in "fiu" and name != "classes_":
            yield f"{name}: expected numbers, got {value.dtype}"
        for axis, length in zip(axes, value.shape, strict=True):
            if lengths.setdefault(axis, length) != length:
                yield f"{name} has shape {value.shape}, which disagrees with the other attributes"


def _faults_of_files(estimator: BaseEstimator) -> Iterator[str]:
    """Find records of fitted files that are others than a fit keeps."""
    files = _fitted(estimator).get("fitted_files_")
    if files is None:
        return
    is_list = isinstance(files, np.ndarray) and files.ndim == 1 and len(files) > 0
    if not is_list or not is_record(files.dtype):
        yield f"fitted_files_: expected records of files, got {files!r:.60}"
    elif not np.isin(files["source"], np.arange(-1, len(getattr(estimator, "classes_", ())))).all():
        yield "fitted_files_ have sources that are not positions in classes_"


def _faults_between_steps(steps: list[Any]) -> Iterator[str]:
    """Find steps that return other rows than the next step takes."""
    for step, following in pairwise(steps):
        shape = getattr(step, "residual_shape_", getattr(step, "output_shape_", None))
        size = getattr(following, "n_features_in_", None)
        if shape is not None and size is not None and math.prod(shape) != size:
            yield (
                f"{type(step).__name__} gives rows of shape {shape}, {type(following).__name__} "
                f"was fitted on {size} features"
            )
