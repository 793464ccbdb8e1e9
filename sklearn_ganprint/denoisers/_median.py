"""Median denoiser."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy.ndimage import median_filter
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint.denoisers._base import BaseDenoiser, as_float_images
from sklearn_ganprint.denoisers._gaussian import BOUNDARY_MODES


class MedianDenoiser(BaseDenoiser):
    """Median over a square window.

    Parameters
    ----------
    size : int, default=3
        Side of the window, in pixels.

    mode : {"reflect", "nearest", "mirror", "wrap"}, default="reflect"
        How images are continued beyond their borders.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.denoisers import MedianDenoiser
    >>> image = np.zeros((1, 5, 5))
    >>> image[0, 2, 2] = 100.0
    >>> float(MedianDenoiser().residual(image).max())
    100.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "size": [Interval(Integral, 1, None, closed="left")],
        "mode": [StrOptions(set(BOUNDARY_MODES))],
    }

    def __init__(self, size: int = 3, *, mode: str = "reflect") -> None:
        self.size = size
        self.mode = mode

    def denoise(self, images: Any) -> np.ndarray:
        """Take the median around each pixel.

        Parameters
        ----------
        images : array-like of shape (..., H, W)
            Images in 8-bit grey levels.

        Returns
        -------
        ndarray of shape (..., H, W)
            The filtered images.
        """
        self._validate_params()
        return median_filter(as_float_images(images), self.size, mode=self.mode, axes=(-2, -1))
