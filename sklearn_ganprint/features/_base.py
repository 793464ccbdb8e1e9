"""What transformers of residuals to features have in common."""

from abc import ABCMeta, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from sklearn_ganprint._images import FLOAT_DTYPES, ImageShape, ImageTransformer
from sklearn_ganprint._parallel import row_chunks, thread_map

#: Mean squares of less count as this much, in squared grey levels: that of a flat residual is 0,
#: which has no logarithm.
POWER_FLOOR = 1e-6


class ResidualFeatures(ImageTransformer, metaclass=ABCMeta):
    """Base of the transformers that make a row of features from each residual.

    A subclass has the parameters `image_shape` and `n_jobs`, names the features of an image of
    some shape, and computes those of a chunk.
    """

    _takes_residuals: ClassVar[bool] = True

    image_shape_: ImageShape
    n_jobs: int | None

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Validate the residuals and store their shape; nothing else is learned.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals, or residuals as rows.

        y : None
            Ignored.

        Returns
        -------
        ResidualFeatures
            The transformer itself.
        """
        self._validate_images(X, reset=True, dtype=list(FLOAT_DTYPES))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute the features.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals, or residuals as rows.

        Returns
        -------
        ndarray of shape (n, n_features_out)
            Features, float32 unless `X` is float64.

        Raises
        ------
        ValueError
            If the residuals are not of the shape seen in ``fit``, or not finite.
        """
        images = self._validate_images(X, reset=False, dtype=list(FLOAT_DTYPES))
        chunks = list(row_chunks(len(images), images[0].size))
        features: dict[int, np.ndarray] = {}

        def compute(chunk: slice) -> None:
            # Contiguous: faster, and sums over whole rows are pairwise, so that float32 suffices.
            planes = np.ascontiguousarray(np.moveaxis(images[chunk], -1, 1))
            features[chunk.start] = self._features(planes)

        thread_map(compute, chunks, self.n_jobs)
        return np.concatenate([features[chunk.start] for chunk in chunks])

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
