"""The base of transformers of residuals to features."""

from abc import ABCMeta, abstractmethod
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from sklearn_ganprint._images import ImageShape, ImageTransformer
from sklearn_ganprint._parallel import row_chunks, thread_map

#: Least mean square, in squared grey levels: that of a flat residual is 0, without logarithm.
POWER_FLOOR = 1e-6


class ResidualFeatures(ImageTransformer, metaclass=ABCMeta):
    """Base of the transformers that make a row of features from each residual.

    A subclass has the parameters `image_shape` and `n_jobs`, and writes the names of the features
    and the computation for a chunk of residuals.
    """

    _takes_residuals: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "image_shape": ["array-like", None],
        "n_jobs": [Integral, None],
    }

    n_jobs: int | None

    def _transform_images(self, images: np.ndarray) -> np.ndarray:
        def compute(chunk: slice) -> np.ndarray:
            # Contiguous: faster, and sums over whole rows are pairwise, so that float32 suffices.
            return self._features(np.ascontiguousarray(np.moveaxis(images[chunk], -1, 1)))

        chunks = row_chunks(len(images), images[0].size)
        return np.concatenate(thread_map(compute, chunks, self.n_jobs))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the features.

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

    @abstractmethod
    def _names(self, image_shape: ImageShape) -> list[str]:
        """Names of the features of images ``(H, W, C)``."""

    @abstractmethod
    def _features(self, planes: np.ndarray) -> np.ndarray:
        """Features ``(n, n_features_out)`` of residuals ``(n, C, H, W)``."""


def channel_names(n_channels: int) -> str:
    """One letter a channel: luminance, or red, green and blue."""
    return "l" if n_channels == 1 else "rgb"
