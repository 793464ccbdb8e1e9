"""The interface of a denoiser, and the adapter that makes one from a function."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator


class BaseDenoiser(BaseEstimator, ABC):
    """Base of all denoisers: a parameter object with one method to write.

    Like a kernel of a Gaussian process it has parameters and nothing to fit, so that a grid search
    can go over denoisers and over their parameters alike. A subclass writes :meth:`denoise` and
    gets :meth:`residual`.

    Notes
    -----
    Images are floats in 8-bit grey levels, with any leading axes: ``(..., H, W)``. float32 stays
    float32. The argument is never changed.
    """

    @abstractmethod
    def denoise(self, images: Any) -> np.ndarray:
        """Estimate the image content without noise.

        Parameters
        ----------
        images : array-like of shape (..., H, W)
            Images in 8-bit grey levels.

        Returns
        -------
        ndarray of shape (..., H, W)
            The denoised images, float32 unless the input was float64.
        """

    def residual(self, images: Any) -> np.ndarray:
        """Compute the noise residual ``R = X - f(X)`` (eq. 1 of Marra et al. 2019).

        Parameters
        ----------
        images : array-like of shape (..., H, W)
            Images in 8-bit grey levels.

        Returns
        -------
        ndarray of shape (..., H, W)
            The residuals, float32 unless the input was float64.
        """
        images = as_float_images(images)
        return images - self.denoise(images)

    def weighted_residual(self, images: Any, weights: Any) -> np.ndarray:
        """Add up residuals with weights: of colour channels to luminance, or of a class's images.

        A denoiser whose last step is linear overrides this, to do that step once for each sum.

        Parameters
        ----------
        images : array-like of shape (n, m, H, W)
            n groups of m images in 8-bit grey levels.
        weights : array-like of shape (m,)
            Weight of each image of a group.

        Returns
        -------
        ndarray of shape (n, H, W)
            The sums, float32 unless the input was float64.
        """
        images = np.moveaxis(as_float_images(images), 1, 0)
        weights = np.asarray(weights, images.dtype)
        total = weights[0] * self.residual(images[0])
        for weight, image in zip(weights[1:], images[1:], strict=True):
            total += weight * self.residual(image)
        return total


class ResidualDenoiser(BaseDenoiser):
    """Base of denoisers whose formula gives the residual itself, which spares a difference."""

    @abstractmethod
    def _residual(self, images: np.ndarray) -> np.ndarray:
        """Compute the residuals of images of any real dtype."""

    def residual(self, images: Any) -> np.ndarray:
        return self._residual(self._checked(images))

    def denoise(self, images: Any) -> np.ndarray:
        images = as_float_images(images)
        return images - self.residual(images)

    def _checked(self, images: Any) -> np.ndarray:
        """Validate parameters and axes."""
        self._validate_params()
        return check_image_axes(images)


class FunctionDenoiser(BaseDenoiser):
    """Denoiser from any function on float images ``(n, H, W)``.

    Parameters
    ----------
    func : callable
        Takes a float array ``(n, H, W)`` in 8-bit grey levels, returns one of the same shape.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.denoisers import FunctionDenoiser
    >>> half = FunctionDenoiser(lambda images: images / 2)
    >>> half.residual(np.full((1, 2, 2), 8.0))
    array([[[4., 4.],
            [4., 4.]]])
    """

    def __init__(self, func: Callable[[np.ndarray], np.ndarray]) -> None:
        self.func = func

    def denoise(self, images: Any) -> np.ndarray:
        """Apply the function.

        Parameters
        ----------
        images : array-like of shape (..., H, W)
            Images in 8-bit grey levels.

        Returns
        -------
        ndarray of shape (..., H, W)
            What the function returned.

        Raises
        ------
        ValueError
            If the function returned an array of another shape, or values that are not finite.
        """
        images = as_float_images(images)
        # A copy: a function that works in place must not change the caller's images.
        stack = images.reshape(-1, *images.shape[-2:]).copy()
        denoised = np.asarray(self.func(stack), dtype=images.dtype)
        name = getattr(self.func, "__name__", repr(self.func))
        if denoised.shape != stack.shape:
            raise ValueError(
                f"The denoiser {name} must return images of the shape it was given, "
                f"{stack.shape}; it returned {denoised.shape}."
            )
        if not np.isfinite(denoised).all():
            raise ValueError(f"The denoiser {name} returned NaN or infinite values.")
        return denoised.reshape(images.shape)


def as_float_images(images: Any) -> np.ndarray:
    """Return images as floats: float64 and float32 pass unchanged, all else becomes float32."""
    images = check_image_axes(images)
    if images.dtype not in (np.float32, np.float64):
        images = images.astype(np.float32)
    return images


def check_image_axes(images: Any) -> np.ndarray:
    """Return images as an array; raise if it has fewer than two axes."""
    images = np.asarray(images)
    if images.ndim < 2:
        raise ValueError(f"Expected images of shape (..., H, W), got shape {images.shape}.")
    return images
