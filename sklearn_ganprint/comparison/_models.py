"""The fingerprints in a fitted model, wherever they are."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint.residuals import ResidualTransformer


@dataclass(frozen=True)
class FingerprintSet:
    """Fingerprints with the names of their sources.

    Attributes
    ----------
    names : list of str
        Names of the sources.

    fingerprints : ndarray of shape (k, H, W, C)
        The fingerprints, in image shape.

    residual : ResidualTransformer or None
        What made the residuals, if it is known.
    """

    names: list[str]
    fingerprints: np.ndarray
    residual: Any = None

    def __post_init__(self) -> None:
        if self.fingerprints.ndim != 4 or len(self.names) != len(self.fingerprints):
            raise ValueError(
                f"Expected fingerprints (k, H, W, C) and as many names, got "
                f"{self.fingerprints.shape} and {len(self.names)} names."
            )


def fingerprint_set(model: Any) -> FingerprintSet:
    """Take the fingerprints out of a fitted model.

    Parameters
    ----------
    model : estimator, FingerprintSet or dict
        A fitted :class:`FileBatchClassifier`, pipeline, :class:`OpenSetClassifier`,
        :class:`FusionClassifier` or anything else with the attribute ``fingerprints_``, at any
        depth; or names and fingerprints of shape (H, W) or (H, W, C).

    Returns
    -------
    FingerprintSet
        The fingerprints of all sources that have images, in image shape.

    Raises
    ------
    ValueError
        If the model has no fingerprints, or only rows of which the image shape is unknown.

    See Also
    --------
    estimate_fingerprints : Fingerprints of image files.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import FingerprintClassifier
    >>> from sklearn_ganprint.comparison import fingerprint_set
    >>> residuals = np.random.default_rng(0).normal(size=(4, 8, 8, 3))
    >>> found = fingerprint_set(FingerprintClassifier().fit(residuals, ["a", "a", "b", "b"]))
    >>> found.names, found.fingerprints.shape
    (['a', 'b'], (2, 8, 8, 3))
    """
    if isinstance(model, FingerprintSet):
        return model
    if isinstance(model, Mapping):
        return _from_dict(model)
    check_is_fitted(model)
    path = find_holder(model)
    if path is None:
        raise ValueError(
            f"{type(model).__name__} has no fingerprints to compare. Pipelines of the "
            f"kinds 'fingerprint', 'fusion' and 'prnu' have; 'autocorrelation' has other traces."
        )
    holder = path[-1]
    names = getattr(holder, "classes_", np.arange(len(holder.fingerprints_)))
    if not np.array_equal(getattr(model, "classes_", names), names):
        raise ValueError(
            f"{type(model).__name__} has fingerprints of other classes than its own. Compare the "
            f"estimator inside, or fit one without AugmentedClassifier."
        )
    residual = find_residual(path)
    shape = _shape(holder, path[-2] if path[-2:-1] == [residual] else None)
    fingerprints = np.asarray(holder.fingerprints_).reshape(-1, *shape)
    # A class that was announced, and of which no image has come.
    with_images = np.asarray(getattr(holder, "class_count_", np.ones(len(names)))) > 0
    return FingerprintSet(
        [str(name) for name in np.asarray(names)[with_images]], fingerprints[with_images], residual
    )


def find_holder(model: Any) -> list[Any] | None:
    """Give the steps that images pass on the way to what has the fingerprints, and that, last.

    None if nothing has.
    """
    if hasattr(model, "fingerprints_"):
        return [model]
    if isinstance(model, Pipeline):
        *leading, last = [step for _, step in model.steps if step not in (None, "passthrough")]
        rest = find_holder(last)
        return None if rest is None else [*leading, *rest]
    inner = [model.estimator_] if hasattr(model, "estimator_") else []
    for each in (*inner, *getattr(model, "estimators_", [])):
        path = find_holder(each)
        if path is not None:
            return path
    return None


def find_residual(steps: list[Any]) -> ResidualTransformer | None:
    """Give the step that makes residuals, if there is one."""
    return next((step for step in steps if isinstance(step, ResidualTransformer)), None)


def fingerprint_settings(model: Any) -> dict[str, Any]:
    """Tell how the fingerprints of a model of image files were made.

    Parameters
    ----------
    model : FileBatchClassifier
        A fitted model.

    Returns
    -------
    dict
        What must be alike in two models for their fingerprints to be compared: ``size`` of the
        images, the reader's ``anchor``, ``channels`` and ``denoiser`` of the residual, and the
        steps to the fingerprints, ``residual``.

    See Also
    --------
    compare_models : Warns where denoiser or channels differ, and refuses other sizes.

    Examples
    --------
    >>> from sklearn_ganprint import FileBatchClassifier, make_attribution_pipeline
    >>> from sklearn_ganprint.comparison import fingerprint_settings
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples(load_content=False)
    >>> model = FileBatchClassifier(make_attribution_pipeline("fingerprint"))
    >>> fingerprint_settings(model.fit(samples.filenames[::9], samples.target[::9]))["size"]
    '128 x 128'
    """
    check_is_fitted(model)
    steps = find_holder(model) or []
    residual = find_residual(steps)
    height, width = model.image_size_ or (None, None)
    return {
        "size": f"{height} x {width}",
        "anchor": model.reader_.anchor,
        "channels": getattr(residual, "channels", None),
        "denoiser": repr(getattr(residual, "denoiser", None)),
        "residual": " > ".join(type(step).__name__ for step in steps),
    }


def warn_of_other_residuals(first: FingerprintSet, second: FingerprintSet) -> None:
    """Say so if two sets are of residuals made in two ways."""
    if first.residual is None or second.residual is None:
        return
    ways = [(each.residual.denoiser, each.residual.channels) for each in (first, second)]
    if repr(ways[0]) != repr(ways[1]):
        warnings.warn(
            f"The residuals of the two models were made in different ways, denoiser and channels "
            f"{ways[0]} and {ways[1]}: their fingerprints are less alike than they could be.",
            UserWarning,
            stacklevel=3,
        )


def _from_dict(fingerprints: Mapping[Any, Any]) -> FingerprintSet:
    images = [np.asarray(each) for each in fingerprints.values()]
    images = [each[..., np.newaxis] if each.ndim == 2 else each for each in images]
    if len({each.shape for each in images}) != 1 or images[0].ndim != 3:
        raise ValueError(
            f"Expected fingerprints of one shape, (H, W) or (H, W, C), got "
            f"{ {name: np.shape(each) for name, each in fingerprints.items()} }."
        )
    return FingerprintSet([str(name) for name in fingerprints], np.stack(images))


def _shape(holder: Any, residual: Any) -> tuple[int, ...]:
    """Find the image shape of fingerprints that are rows."""
    for shape in (
        getattr(holder, "fingerprint_shape_", None),
        getattr(holder, "image_shape_", None),
        getattr(residual, "residual_shape_", None),
        getattr(holder, "image_shape", None),
    ):
        if shape is not None:
            return (*shape, 1)[:3]
    raise ValueError(
        f"{type(holder).__name__} was fitted on rows, of which the image shape is not known. "
        f"Fit it on residuals (n, H, W, C), behind ResidualTransformer(flatten=False)."
    )
