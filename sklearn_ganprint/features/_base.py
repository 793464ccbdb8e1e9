"""The bases of transformers of residuals, and of images, to features."""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from sklearn_ganprint._batches import hand_on_arrays, row_chunks, thread_map
from sklearn_ganprint._images import ImageShape, ImageTransformer, quiet_about_images
from sklearn_ganprint.residuals._blanks import BlankTeller

#: Least mean square, in squared grey levels: that of a flat residual is 0, without logarithm.
POWER_FLOOR = 1e-6


class ResidualFeatures(ImageTransformer):
    """Base of the transformers that make a row of features from each residual.

    A subclass writes `_names`, and `_features` where it has the parameter `n_jobs`.
    """

    _takes_residuals: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "image_shape": ["array-like", None],
        "n_jobs": [Integral, None],
    }

    n_jobs: int | None

    def _transform_images(self, images: np.ndarray) -> np.ndarray:
        parts = thread_map(
            # Contiguous: faster, and sums over whole rows are pairwise, so that float32 suffices.
            lambda rows: self._features(np.ascontiguousarray(np.moveaxis(images[rows], -1, 1))),
            self._chunks(images),
            self.n_jobs,
        )
        return np.concatenate(parts)

    def _chunks(self, images: np.ndarray) -> Iterable[slice]:
        return row_chunks(len(images), images[0].size)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the features, in the order of a row.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of the residuals; only checked.

        Returns
        -------
        ndarray of object, shape (n_features_out,)
            The names.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.array(self._names(self.image_shape_), dtype=object)

    def _names(self, image_shape: ImageShape) -> list[str]:
        """Name the features of images ``(H, W, C)``."""
        raise NotImplementedError

    def _features(self, planes: np.ndarray) -> np.ndarray:
        """Compute features ``(n, n_features_out)`` of residuals ``(n, C, H, W)``."""
        raise NotImplementedError


class ImageFeatures(BlankTeller, ResidualFeatures):
    """Base of the transformers that make a row of features from each image, of whatever size.

    A subclass writes `_row` and `_size_needed`, and `_names` as others do.
    """

    _takes_residuals: ClassVar[bool] = False
    _takes_any_size = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ResidualFeatures._parameter_constraints,
        "data_range": [Interval(Real, 0, None, closed="neither")],
    }

    def _take(self, X: Any, *, reset: bool) -> np.ndarray:
        images = super()._take(X, reset=reset)
        require_side(images, *self._size_needed(images.shape[3]))
        return images

    def _size_needed(self, n_channels: int) -> tuple[int, str, str]:
        """Return the least side, in words what takes it, and what to do about it if anything."""
        raise NotImplementedError

    def _features(self, planes: np.ndarray) -> np.ndarray:
        # Image by image, in arrays that stay in the cache.
        rows = np.stack([self._row(image) for image in self._in_grey_levels(planes)])
        return rows.astype(np.float64 if planes.dtype == np.float64 else np.float32, copy=False)

    def _chunks(self, images: np.ndarray) -> Iterable[slice]:
        # Some images more: once one large array was freed, memory of smaller ones is used again
        # and not given back each time, which would take as long as the features do.
        return row_chunks(len(images), images[0].size // 4)

    def _in_grey_levels(self, planes: np.ndarray) -> np.ndarray:
        """Return planes of images in 8-bit grey levels, in single precision."""
        levels = planes.astype(np.float32)
        if self.data_range != 255:
            levels *= np.float32(255 / self.data_range)
        return levels

    def _row(self, planes: np.ndarray) -> np.ndarray:
        """Compute the features of one image, float32 ``(C, H, W)`` in grey levels."""
        raise NotImplementedError


def require_side(images: np.ndarray, side: int, settings: str, remedy: str) -> None:
    """Raise for images too small for settings, in words, and what else to do about it if anything.

    Rows without `image_shape` are taken for images of one line, and pass.
    """
    height, width = images.shape[1:3]
    if height > 1 and min(height, width) < side:
        raise ValueError(
            f"Images of {height} x {width} pixels are too small for {settings}, which take "
            f"{side} x {side}. Leave these images out{remedy}."
        )


def apply_anew(transformer: Any, images: np.ndarray) -> np.ndarray:
    """Apply a transformer that learns nothing but the shape, fitted anew on that of the images."""
    transformer = hand_on_arrays(clone(transformer))
    with quiet_about_images():
        return np.asarray(transformer.fit(images[:1]).transform(images))


def channel_names(n_channels: int) -> str:
    """Return one letter a channel: luminance, or red, green and blue."""
    return "l" if n_channels == 1 else "rgb"
