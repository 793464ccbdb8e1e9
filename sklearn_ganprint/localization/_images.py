"""Images of any size, compared with their sources by a fitted localizer."""

from typing import Any, Literal, NamedTuple, overload

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint._batches import hand_on_arrays, learns_nothing, transform_batch
from sklearn_ganprint.localization._localizer import FingerprintLocalizer

__all__ = ["LocalizationResult", "localize_images"]


class LocalizationResult(NamedTuple):
    """Result of :func:`localize_images`.

    Parameters
    ----------
    maps : ndarray of shape (n, H, W)
        Greater is less likely from the claimed source; NaN where the image is flat.
    masks : ndarray of bool, shape (n, H, W)
        Regions that do not come from the claimed source.
    claimed : ndarray of shape (n,)
        The claimed sources, or the most likely ones where none was given.
    """

    maps: np.ndarray
    masks: np.ndarray
    claimed: np.ndarray


@overload
def localize_images(
    model: Any, X: Any, claimed: Any = None, *, return_processed: Literal[False] = False
) -> LocalizationResult: ...
@overload
def localize_images(
    model: Any, X: Any, claimed: Any = None, *, return_processed: Literal[True]
) -> tuple[LocalizationResult, np.ndarray]: ...
def localize_images(
    model: Any, X: Any, claimed: Any = None, *, return_processed: bool = False
) -> LocalizationResult | tuple[LocalizationResult, np.ndarray]:
    """Find the parts of images of any size that do not come from a claimed source.

    Parameters
    ----------
    model : estimator
        A fitted pipeline that ends with a :class:`FingerprintLocalizer`, or a
        :class:`~sklearn_ganprint.FileBatchEstimator` over one.
    X : array-like of shape (n, H, W) or (n, H, W, C)
        Images as the pipeline takes them, of any size.
    claimed : label or array-like of shape (n,), default=None
        Claimed source, one for all images or one for each. None is the most likely source of the
        whole image.
    return_processed : bool, default=False
        Whether to tell whose history differs, too.

    Returns
    -------
    result : LocalizationResult
        Maps, masks and claimed sources.
    processed : ndarray of bool, shape (n,)
        Whether most of an image is more like processed copies than like images as they were fitted
        on, see :meth:`FingerprintLocalizer.examine`. Only if asked for.

    Raises
    ------
    TypeError
        If the model does not end with a localizer, or a step before it learns from images.
    ValueError
        If a claimed source is not one of those fitted on.

    See Also
    --------
    sklearn_ganprint.make_localization_pipeline : Makes such a pipeline, and has an example.

    Notes
    -----
    A fitted pipeline takes images of the size that it was fitted on, and no others. The steps
    before the localizer learn nothing else, so unfitted copies of them serve images of any size.
    """
    check_is_fitted(model)
    steps, localizer = localizer_of(model)
    residuals = transform_batch(X, [hand_on_arrays(clone(step)) for step in steps])
    maps, labels, processed = localizer.examine(residuals, claimed)
    masks = np.stack([*map(localizer.mask_of, maps, processed)])
    result = LocalizationResult(maps, masks, labels)
    return (result, processed) if return_processed else result


def localizer_of(model: Any) -> tuple[list[Any], FingerprintLocalizer]:
    """Return the steps before the localizer, and the localizer."""
    model = getattr(model, "estimator_", model)
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    *leading, localizer = steps
    if not isinstance(localizer, FingerprintLocalizer):
        raise TypeError(
            f"model: expected a pipeline that ends with a FingerprintLocalizer, got one that ends "
            f"with {type(localizer).__name__}."
        )
    learned = [type(step).__name__ for step in leading if not learns_nothing(step)]
    if learned:
        raise TypeError(
            f"model: expected steps that learn nothing before the localizer, got {learned}."
        )
    return [step for step in leading if step not in (None, "passthrough")], localizer
