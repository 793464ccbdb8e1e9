"""The base of transformers of residuals to features."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from sklearn_ganprint._images import ImageShape, ImageTransformer
from sklearn_ganprint._parallel import row_chunks, thread_map

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
            row_chunks(len(images), images[0].size),
            self.n_jobs,
        )
        return np.concatenate(parts)

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


def channel_names(n_channels: int) -> str:
    """Return one letter a channel: luminance, or red, green and blue."""
    return "l" if n_channels == 1 else "rgb"
