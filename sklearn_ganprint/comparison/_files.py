"""Fingerprints of image files, made as those of a model were."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from sklearn_ganprint._batches import fit_batch, is_mergeable
from sklearn_ganprint._steps import hand_on_arrays
from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.comparison._models import (
    FingerprintSet,
    find_holder,
    find_residual,
    fingerprint_set,
)
from sklearn_ganprint.datasets import ImageReader, ImageReadError
from sklearn_ganprint.files import UnreadableImageWarning
from sklearn_ganprint.files._batches import ImageSource, as_paths, common_size
from sklearn_ganprint.pipelines import current_kind, make_attribution_pipeline


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
    """Fingerprints of image files, of one source or of several, in bounded memory.

    Parameters
    ----------
    filenames : sequence of paths of length n
        The files.

    labels : array-like of shape (n,), default=None
        Source of each file; None takes all of them for one source, called "images".

    like : FileBatchClassifier or "prnu", default=None
        A fitted model, whose reader, residuals and way to make fingerprints are used, so that
        the two can be compared. None makes mean RGB residuals, "prnu" sensor patterns as the
        pipeline of that kind does (its former name, "camera", warns).

    reader : ImageReader, default=None
        How files become images; None is that of `like`, or whole images of one size.

    batch_size : int, default=64
        Number of files in a batch, at the most.

    n_jobs : int, default=None
        Number of worker processes, as in :class:`FileBatchClassifier`.

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
    labels = np.full(len(filenames), "images") if labels is None else column_or_1d(labels)
    check_consistent_length(filenames, labels)
    steps, size = _steps(like)
    if reader is None:
        reader = getattr(like, "reader_", None) or ImageReader()
    else:
        size = None
    data_range = getattr(find_residual(steps), "data_range", None)
    size = size or common_size(filenames, reader)
    source = ImageSource(as_paths(filenames), reader, size, data_range)
    failures: list[ImageReadError] = []
    merged = None
    for part in source.map(
        fit_batch,
        steps[:-1],
        steps[-1],
        rows=[labels],
        batches=source.batches(batch_size),
        n_jobs=n_jobs,
    ):
        for error in part.failures:
            failures.append(error)
            if on_error is not None:
                on_error(error)
        if part.value is not None:
            merged = part.value if merged is None else merged.merge(part.value)
        if progress is not None:
            progress(part.batch.stop, len(source))
    reasons = "\n".join(map(str, failures[:10]))
    if merged is None:
        raise ValueError(f"None of the {len(source)} files can be used:\n{reasons}")
    if failures and on_error is None:
        warnings.warn(
            f"{len(failures)} of {len(source)} files could not be used:\n{reasons}",
            UnreadableImageWarning,
            stacklevel=2,
        )
    found = fingerprint_set(merged)
    return FingerprintSet(found.names, found.fingerprints, find_residual(steps))


def _steps(like: Any) -> tuple[list[Any], tuple[int, int] | None]:
    """Find the steps from images to fingerprints, the last to be fitted, and the images' size."""
    if like is None:
        # As in the kind "fingerprint", of all colours and in image shape.
        residual = clone(make_attribution_pipeline("fingerprint")[0])
        return [residual.set_params(channels="rgb", flatten=False), FingerprintClassifier()], None
    if isinstance(like, str) and current_kind(like, stacklevel=3) == "prnu":
        return [clone(step) for _, step in make_attribution_pipeline("prnu").steps], None
    check_is_fitted(like)
    path = find_holder(like)
    if path is None or not is_mergeable(path[-1]):
        raise ValueError(
            f"like: expected a model with fingerprints of image files, got {like!r}, which has "
            f"none. The kinds 'fingerprint', 'fusion' and 'prnu' have."
        )
    *leading, last = [hand_on_arrays(clone(step)) for step in path]
    if leading and hasattr(leading[-1], "flatten"):
        leading[-1].set_params(flatten=False)  # rows do not tell the shape
    return [*leading, last], getattr(like, "image_size_", None)
