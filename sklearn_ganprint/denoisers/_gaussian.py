"""Gaussian low-pass denoiser."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint.denoisers._base import BaseDenoiser, as_float_images

#: Boundary modes of scipy.ndimage that are defined without a fill value.
BOUNDARY_MODES = frozenset({"reflect", "nearest", "mirror", "wrap"})


class GaussianDenoiser(BaseDenoiser):
    """Gaussian low-pass filter.

    Parameters
    ----------
    sigma : float, default=1.0
        Standard deviation of the Gaussian, in pixels.

    mode : {"reflect", "nearest", "mirror", "wrap"}, default="reflect"
        How images are continued beyond their borders, as in :func:`scipy.ndimage.gaussian_filter`.

    truncate : float, default=4.0
        The filter is cut at this many standard deviations.

    See Also
    --------
    WaveletDenoiser : Keeps edges in the content, so that less of them is left in the residual.

    Notes
    -----
    The residual is a high-pass: it holds the edges of the content too, but all of the
    fingerprint's high frequencies, and is fast.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.denoisers import GaussianDenoiser
    >>> impulse = np.zeros((1, 5, 5))
    >>> impulse[0, 2, 2] = 100.0
    >>> GaussianDenoiser(sigma=1.0).residual(impulse)[0, 2].round(1)
    array([-2.3, -9.7, 84.1, -9.7, -2.3])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "sigma": [Interval(Real, 0, None, closed="neither")],
        "mode": [StrOptions(set(BOUNDARY_MODES))],
        "truncate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, sigma: float = 1.0, *, mode: str = "reflect", truncate: float = 4.0) -> None:
        self.sigma = sigma
        self.mode = mode
        self.truncate = truncate

    def denoise(self, images: Any) -> np.ndarray:
        """Smooth the images.

        Parameters
        ----------
        images : array-like of shape (..., H, W)
            Images in 8-bit grey levels.

        Returns
        -------
        ndarray of shape (..., H, W)
            The smoothed images.
        """
        self._validate_params()
        return gaussian_filter(
            as_float_images(images),
            self.sigma,
            mode=self.mode,
            truncate=self.truncate,
            axes=(-2, -1),
        )
