"""Adaptive Wiener denoiser in the pixel domain."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.ndimage import uniform_filter
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint.denoisers._base import ResidualDenoiser, as_float_images
from sklearn_ganprint.denoisers._gaussian import BOUNDARY_MODES


class WienerDenoiser(ResidualDenoiser):
    """Adaptive Wiener filter in the pixel domain.

    Parameters
    ----------
    size : int, default=3
        Side of the square window of the local mean and variance, in pixels.

    sigma : float or None, default=None
        Standard deviation of the noise, in 8-bit grey levels. None estimates the noise variance
        of each image as the mean of its local variances.

    mode : {"reflect", "nearest", "mirror", "wrap"}, default="reflect"
        How images are continued beyond their borders.

    See Also
    --------
    WaveletDenoiser : The same idea on wavelet coefficients.

    Notes
    -----
    With local mean ``m``, local variance ``v`` and noise variance ``s``, the estimate is
    ``m + max(v - s, 0) / max(v, s) * (x - m)`` [1]_: smooth where the image varies no more than
    the noise does, unchanged at edges.

    References
    ----------
    .. [1] J. S. Lim, Two-Dimensional Signal and Image Processing, Prentice Hall, 1990, p. 548.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.denoisers import WienerDenoiser
    >>> noise = np.random.default_rng(0).normal(128, 5, (1, 64, 64))
    >>> residual = WienerDenoiser(sigma=5.0).residual(noise)
    >>> bool(residual.std() > 3)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "size": [Interval(Integral, 1, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="neither"), None],
        "mode": [StrOptions(set(BOUNDARY_MODES))],
    }

    def __init__(self, size: int = 3, *, sigma: float | None = None, mode: str = "reflect") -> None:
        self.size = size
        self.sigma = sigma
        self.mode = mode

    def residual(self, images: Any) -> np.ndarray:
        """Noise residual ``R = X - f(X)``.

        Parameters
        ----------
        images : array-like of shape (..., H, W)
            Images in 8-bit grey levels.

        Returns
        -------
        ndarray of shape (..., H, W)
            The residuals.
        """
        self._validate_params()
        images = as_float_images(images)
        # E[x^2] - E[x]^2 cancels badly in float32 unless the images are near zero
        centred = images - images.mean(axis=(-2, -1), keepdims=True)
        mean = self._local_mean(centred)
        variance = np.maximum(self._local_mean(centred**2) - mean**2, 0)
        if self.sigma is None:
            noise = variance.mean(axis=(-2, -1), keepdims=True)
        else:
            noise = np.asarray(self.sigma**2, dtype=images.dtype)
        # x - f(x) = (x - m) * (1 - max(v - s, 0) / max(v, s)) = (x - m) * s / max(v, s)
        tiny = np.finfo(images.dtype).tiny
        return (centred - mean) * (noise / np.maximum(np.maximum(variance, noise), tiny))

    def _local_mean(self, images: np.ndarray) -> np.ndarray:
        return uniform_filter(images, self.size, mode=self.mode, axes=(-2, -1))
