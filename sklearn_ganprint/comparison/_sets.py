"""Fingerprints with the names of their sources: found in models, or estimated from files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_ganprint._batches import fit_on_batches, hand_on_arrays, split_steps
from sklearn_ganprint._batches._metaestimators import (
    HoldsFingerprints,
    Mergeable,
    label_column,
    offers,
)
from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.datasets import ImageReader, ImageReadError
from sklearn_ganprint.files._batches import MAX_SIDE, FileBatches
from sklearn_ganprint.pipelines import current_kind, make_attribution_pipeline
from sklearn_ganprint.residuals import ResidualTransformer

__all__ = ["FingerprintSet", "estimate_fingerprints", "fingerprint_set", "fingerprint_settings"]


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
        Transformer that made the residuals, if it is known.
    features : array-like of shape (k, d) or None
        Mean of the features of each source, as a :class:`WithinSourceWhitening` makes them; None if
        sources are compared by their fingerprints alone. Must be finite.
    """

    names: list[str]
    fingerprints: np.ndarray
    residual: Any = None
    features: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Raise if fingerprints are no images, or these or features are not as many as names."""
        if self.fingerprints.ndim != 4 or len(self.names) != len(self.fingerprints):
            raise ValueError(
                f"Expected fingerprints (k, H, W, C) and as many names, got "
                f"{self.fingerprints.shape} and {len(self.names)} names."
            )
        if self.features is not None:
            features = check_array(self.features, input_name="features")
            if len(features) != len(self.names):
                raise ValueError(
                    f"Expected features (k, d) of as many sources as there are names, got "
                    f"{features.shape} and {len(self.names)} names."
                )
            object.__setattr__(self, "features", features)


def fingerprint_set(model: Any) -> FingerprintSet:
    """Return the fingerprints in a fitted model.

    Parameters
    ----------
    model : estimator, FingerprintSet or dict
        A fitted :class:`FileBatchEstimator`, pipeline, :class:`OpenSetClassifier`,
        :class:`FusionClassifier` or other estimator with an attribute ``fingerprints_`` at any
        depth; or a dict from names to fingerprints of shape (H, W) or (H, W, C).

    Returns
    -------
    FingerprintSet
        The fingerprints of all sources that have images, in image shape.

    Raises
    ------
    ValueError
        If the model has no fingerprints, or the image shape of their rows is not known.

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
    steps, holder = _find_fingerprints(model)
    if holder is None:
        raise ValueError(
            f"{type(model).__name__} has no fingerprints to compare. Pipelines of all "
            f"kinds but 'autocorrelation' and 'nearest-mean' have some."
        )
    names = getattr(holder, "classes_", np.arange(len(holder.fingerprints_)))
    if not np.array_equal(getattr(model, "classes_", names), names):
        raise ValueError(
            f"{type(model).__name__} has fingerprints of other classes than its own. Compare the "
            f"estimator inside, or fit one without AugmentedClassifier."
        )
    shape = _shape(holder, steps[-1] if steps else None)
    fingerprints = np.asarray(holder.fingerprints_).reshape(-1, *shape)
    # Classes can be announced, with partial_fit, before their first image.
    with_images = np.asarray(getattr(holder, "class_count_", np.ones(len(names)))) > 0
    return FingerprintSet(
        [str(name) for name in np.asarray(names)[with_images]],
        fingerprints[with_images],
        _find_residual(steps),
    )


def _find_fingerprints(model: Any) -> tuple[list[Any], Any]:
    """Find the first estimator with ``fingerprints_`` in a model, None if there is none.

    Return the steps that images pass before they reach that estimator, and the estimator.
    """
    if offers(model, HoldsFingerprints):
        return [], model
    if isinstance(model, Pipeline):
        leading, (first, *others) = split_steps(model)
        if others:  # the mean of what a step has learned is no pattern of pixels
            return [], None
        steps, holder = _find_fingerprints(first)
        return [*leading, *steps], holder
    inner = [model.estimator_] if hasattr(model, "estimator_") else []
    for estimator in (*inner, *getattr(model, "estimators_", [])):
        steps, holder = _find_fingerprints(estimator)
        if holder is not None:
            return steps, holder
    return [], None


def _find_residual(steps: list[Any]) -> ResidualTransformer | None:
    """Return the first step that makes residuals, if there is one."""
    return next((step for step in steps if isinstance(step, ResidualTransformer)), None)


def fingerprint_settings(model: Any) -> dict[str, Any]:
    """Return how the fingerprints of a model of image files were made.

    Parameters
    ----------
    model : FileBatchEstimator
        A fitted model.

    Returns
    -------
    dict
        Settings that two models must share for their fingerprints to be compared: ``size`` of the
        images, the reader's ``anchor``, ``channels`` and ``denoiser`` of the residual, and
        ``residual``, the steps from images to fingerprints.

    See Also
    --------
    compare_models : Warns where denoiser or channels differ, and refuses other sizes.

    Examples
    --------
    >>> from sklearn_ganprint import FileBatchEstimator, make_attribution_pipeline
    >>> from sklearn_ganprint.comparison import fingerprint_settings
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples(load_content=False)
    >>> model = FileBatchEstimator(make_attribution_pipeline("fingerprint"))
    >>> fingerprint_settings(model.fit(samples.filenames[::9], samples.target[::9]))["size"]
    '128 x 128'
    """
    check_is_fitted(model)
    steps, holder = _find_fingerprints(model)
    steps = steps if holder is None else [*steps, holder]
    residual = _find_residual(steps)
    height, width = model.image_size_ or (None, None)
    return {
        "size": f"{height} x {width}",
        "anchor": model.reader_.anchor,
        "channels": getattr(residual, "channels", None),
        "denoiser": repr(getattr(residual, "denoiser", None)),
        "residual": " > ".join(type(step).__name__ for step in steps),
    }


def _from_dict(fingerprints: Mapping[Any, Any]) -> FingerprintSet:
    images = [np.asarray(image) for image in fingerprints.values()]
    images = [image[..., np.newaxis] if image.ndim == 2 else image for image in images]
    if len({image.shape for image in images}) != 1 or images[0].ndim != 3:
        raise ValueError(
            f"Expected fingerprints of one shape, (H, W) or (H, W, C), got "
            f"{ {name: np.shape(image) for name, image in fingerprints.items()} }."
        )
    return FingerprintSet([str(name) for name in fingerprints], np.stack(images))


def _shape(holder: Any, previous: Any) -> tuple[int, ...]:
    """Return the image shape of fingerprints that are rows; `previous` is the step before."""
    for shape in (
        getattr(holder, "fingerprint_shape_", None),
        getattr(holder, "image_shape_", None),
        getattr(previous, "residual_shape_", None),
        getattr(holder, "image_shape", None),
    ):
        if shape is not None:
            return (*shape, 1)[:3]
    raise ValueError(
        f"{type(holder).__name__} was fitted on rows whose image shape is not known. "
        f"Fit it on residuals (n, H, W, C), behind ResidualTransformer(flatten=False)."
    )


def estimate_fingerprints(
    filenames: Sequence[Any],
    labels: Any = None,
    *,
    like: Any = None,
    reader: ImageReader | None = None,
    batch_size: int = 64,
    n_jobs: int | None = None,
    on_error: Callable[[ImageReadError], Any] | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> FingerprintSet:
    """Estimate the fingerprints of image files, of one source or of several, in bounded memory.

    Parameters
    ----------
    filenames : sequence of paths of length n
        The files.
    labels : array-like of shape (n,), default=None
        Source of each file; None means that all are of one source, called "images".
    like : FileBatchEstimator, "fingerprint", "fusion" or "prnu", default=None
        A fitted model, whose reader, residuals and kind of fingerprint are used, so that the two
        can be compared. "fingerprint", as None, makes mean RGB residuals; "fusion" also the mean
        features of the pipeline of kind "nearest-mean", of 1024 pixels a side at the most, cut as
        the reader is anchored, which takes a second pass over the files; "prnu" makes sensor
        patterns as the pipeline of that kind does (its former name, "camera", warns).
    reader : ImageReader, default=None
        How files become images. None takes the reader of `like`, or whole images of one size.
    batch_size : int, default=64
        Number of files in a batch, at the most.
    n_jobs : int, default=None
        Number of worker processes, as in :class:`FileBatchEstimator`.
    on_error : callable, default=None
        Given the :class:`~sklearn_ganprint.datasets.ImageReadError` of each file that cannot be
        used. None names all of them in one :class:`~sklearn_ganprint.files.UnreadableImageWarning`.
    progress : callable, default=None
        Called as ``progress(n_done, n_files)`` after each batch.

    Returns
    -------
    FingerprintSet
        The fingerprints, which :func:`compare_models` takes.

    Raises
    ------
    ValueError
        If no file can be used, or `like` has no fingerprints.

    Examples
    --------
    >>> from sklearn_ganprint.comparison import estimate_fingerprints
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples(load_content=False)
    >>> found = estimate_fingerprints(samples.filenames[:20])
    >>> found.names, found.fingerprints.shape
    (['images'], (1, 128, 128, 3))
    """
    labels = np.full(len(filenames), "images") if labels is None else label_column(labels, "labels")
    check_consistent_length(filenames, labels)
    kind, steps = _steps(like)
    residual = _find_residual(steps)
    size = getattr(like, "image_size_", None) if reader is None else None
    reader = reader or getattr(like, "reader_", None) or ImageReader()
    open_files = partial(
        FileBatches.of_files,
        data_range=getattr(residual, "data_range", None),
        batch_size=batch_size,
        n_jobs=n_jobs,
        on_error=on_error or "warn",
        progress=progress,
    )
    batches = open_files(filenames, reader, size=size)
    fitted = fit_on_batches(make_pipeline(*steps), batches, labels, {})
    found, features = fingerprint_set(fitted[-1]), None
    if kind == "fusion":
        height, width = batches.reading.size or (MAX_SIDE, MAX_SIDE)
        size = min(height, MAX_SIDE), min(width, MAX_SIDE)
        parts = clone(reader).set_params(crop=size)
        usable = np.flatnonzero(batches.usable)
        batches = open_files(_safe_indexing(batches.items, usable), parts, size=size)
        features = _mean_features(batches, labels[usable])
    return FingerprintSet(found.names, found.fingerprints, residual, features)


def _mean_features(batches: FileBatches, labels: np.ndarray) -> np.ndarray:
    """Average the features of each source."""
    whitening = make_attribution_pipeline("nearest-mean")[0]
    steps = make_pipeline(whitening, FingerprintClassifier("cosine"))
    means = fit_on_batches(steps, batches, labels, {})[-1]
    with_images = means.class_count_ > 0
    if lost := np.setdiff1d(labels, means.classes_[with_images]).tolist():
        raise ValueError(
            f"None of the images of {lost} has a residual in the part whose features are taken, "
            f"{MAX_SIDE} pixels a side at the most. Leave these sources out, or compare "
            f"fingerprints alone."
        )
    return np.asarray(means.fingerprints_[with_images])


def _steps(like: Any) -> tuple[str | None, list[Any]]:
    """Return a kind, or None, and the steps from images to fingerprints, the last to be fitted."""
    kind = current_kind(like, stacklevel=3) if isinstance(like, str) else None
    if like is None or kind in ("fingerprint", "fusion"):
        residual = ResidualTransformer(channels="rgb", flatten=False)
        return kind, [residual, FingerprintClassifier()]
    if kind == "prnu":
        return kind, [step for _, step in make_attribution_pipeline("prnu").steps]
    if kind is not None:
        raise ValueError(
            f"like: expected a fitted model, None, 'fingerprint', 'fusion' or 'prnu', got {like!r}."
        )
    check_is_fitted(like)
    steps, holder = _find_fingerprints(like)
    if not offers(holder, Mergeable):
        raise ValueError(
            f"like: expected a model with fingerprints of image files. All kinds but "
            f"'autocorrelation' and 'nearest-mean' have some; this {type(like).__name__} has none."
        )
    *leading, last = (hand_on_arrays(clone(step)) for step in (*steps, holder))
    if leading and hasattr(leading[-1], "flatten"):
        leading[-1].set_params(flatten=False)  # rows do not tell the shape
    return None, [*leading, last]
