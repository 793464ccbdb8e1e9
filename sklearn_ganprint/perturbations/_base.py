"""The base of all perturbations."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin

from sklearn_ganprint._images import IMAGE_DTYPES, ImageTransformer

__all__ = ["BasePerturbation", "HistoryCoverage"]


class HistoryCoverage(NamedTuple):
    """What copies of images have been through, as ranges; None is never.

    Parameters
    ----------
    jpeg, webp : (low, high) or None
        Qualities of compression.
    scale : (low, high) or None
        Ratios of new to old side lengths.
    longest_side : (low, high) or None
        Longest sides, in pixels, that larger images are reduced to.

    See Also
    --------
    BasePerturbation.covers : Returns it.

    Examples
    --------
    >>> from sklearn_ganprint.perturbations import JPEGCompression
    >>> JPEGCompression(85).covers()
    HistoryCoverage(jpeg=(85, 85), webp=None, scale=None, longest_side=None)
    """

    jpeg: tuple[float, float] | None = None
    webp: tuple[float, float] | None = None
    scale: tuple[float, float] | None = None
    longest_side: tuple[float, float] | None = None


class BasePerturbation(ClassNamePrefixFeaturesOutMixin, ImageTransformer, ABC):
    """Base of all perturbations: transformers of images to images, with one method to write.

    A subclass writes ``_perturb(image)``, which takes one image ``(H, W, C)`` and returns it
    perturbed, without changing its argument. If that changes the size, or some sizes cannot be
    perturbed, it also writes ``_output_shape(image_shape)``, which returns a shape or raises a
    ValueError.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of images that come as rows; None takes a row as one line, and warns.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the images.
    output_shape_ : tuple of int
        ``(H', W', C)`` of the perturbed images.
    n_features_in_ : int
        Number of values of an image.
    feature_names_in_ : ndarray of str
        Names of the columns, if the images came as a data frame.

    See Also
    --------
    check_perturbation : Makes a perturbation from a text such as "jpeg 85".

    Notes
    -----
    - The output has the form of the input: ``(n, H, W)``, ``(n, H, W, C)``, or rows.
    - The output has the dtype of the input. uint8 and uint16 are rounded and clipped to what such
      files can hold: from 0 to white, which is `data_range` where a subclass has one. Floats are
      neither rounded nor clipped, unless the perturbation itself does.
    - Images are perturbed one by one, so that the result does not depend on the batch. Nothing but
      the shape is learned, so ``transform`` works without ``fit``.
    - A subclass with an ``__init__`` of its own stores `image_shape` too.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.perturbations import BasePerturbation
    >>> class Mirror(BasePerturbation):
    ...     def _perturb(self, image):
    ...         return image[:, ::-1]
    >>> Mirror().transform(np.array([[[1, 2, 3, 4]]], dtype=np.uint8))
    array([[[4, 3, 2, 1]]], dtype=uint8)
    """

    _kept_dtypes: ClassVar[Sequence[Any]] = IMAGE_DTYPES

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"image_shape": ["array-like", None]}

    def _in_form(self, output: np.ndarray, X: Any) -> np.ndarray:
        """Return images in the form in which they came: rows, without or with channels."""
        n_axes = len(getattr(X, "shape", ()))
        if n_axes < 3:
            return output.reshape(len(output), -1)
        return output[..., 0] if n_axes == 3 else output

    def _learn(self, images: np.ndarray, y: Any) -> None:
        self.output_shape_ = self._output_shape(images.shape[1:])

    def _transform_images(self, images: np.ndarray) -> np.ndarray:
        perturbed = np.empty((len(images), *self._output_shape(images.shape[1:])), images.dtype)
        for image, out in zip(images, perturbed, strict=True):
            self._store(self._perturb(image), out)
        return perturbed

    def covers(self) -> HistoryCoverage:
        """Tell which compression and resizing images go through.

        Returns
        -------
        HistoryCoverage
            Ranges of qualities and scales; all None unless a subclass says otherwise.
        """
        return HistoryCoverage()

    @abstractmethod
    def _perturb(self, image: np.ndarray) -> np.ndarray:
        """Perturb one image ``(H, W, C)``; floats returned for an integer image are rounded."""

    def _store(self, values: np.ndarray, out: np.ndarray) -> None:
        """Write a perturbed image, rounded and clipped where the output is of integers."""
        if out.dtype.kind == "u" and values.dtype.kind == "f":
            white = min(getattr(self, "data_range", np.inf), np.iinfo(out.dtype).max)
            values = np.rint(values).clip(0, white)
        out[...] = values
