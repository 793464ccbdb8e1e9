"""Gaussian low-pass denoiser."""

from functools import lru_cache
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import sparse
from scipy.ndimage import gaussian_filter
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint._parallel import one_blas_thread
from sklearn_ganprint.denoisers._banded import BandedMatrix, multiply
from sklearn_ganprint.denoisers._base import ResidualDenoiser, as_float_images

#: Boundary modes of scipy.ndimage that are defined without a fill value, and numpy's names of them.
BOUNDARY_MODES = {"reflect": "symmetric", "nearest": "edge", "mirror": "reflect", "wrap": "wrap"}
#: Weights of the largest matrix, of some ten bytes each: a wider filter needs no matrix.
MATRIX_WEIGHTS = 1 << 21


class GaussianDenoiser(ResidualDenoiser):
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

    def residual(self, images: Any) -> np.ndarray:
        """Noise residual ``R = X - f(X)``.

        Parameters
        ----------
        images : array-like of shape (..., H, W)
            Images in 8-bit grey levels.

        Returns
        -------
        ndarray of shape (..., H, W)
            The residuals, float32 unless the input was float64.
        """
        self._validate_params()
        images = as_float_images(images)
        height, width = images.shape[-2:]
        if max(height, width) * (2 * self._reach() + 1) > MATRIX_WEIGHTS:
            return images - self._filter_directly(images)
        rows, columns = self._matrix(height, images.dtype), self._matrix(width, images.dtype)
        stack = images.reshape(-1, height, width)
        residuals = np.empty_like(stack, order="C")
        # Image by image, in buffers that stay in the cache.
        loaded, half, smooth = np.empty((3, height, width), images.dtype)
        products = [*rows.row_products(loaded, half), *columns.column_products(half, smooth)]
        with one_blas_thread():
            for image, residual in zip(stack, residuals, strict=True):
                loaded[...] = image
                multiply(products)
                np.subtract(loaded, smooth, out=residual)
        return residuals.reshape(images.shape)

    def _matrix(self, n: int, dtype: np.dtype) -> BandedMatrix:
        return gaussian_matrix(n, float(self.sigma), self._reach(), self.mode, dtype.name)

    def _reach(self) -> int:
        """How many pixels the filter reaches to either side, as in scipy.ndimage."""
        return int(self.truncate * self.sigma + 0.5)

    def _filter_directly(self, images: np.ndarray) -> np.ndarray:
        return gaussian_filter(
            images, self.sigma, mode=self.mode, truncate=self.truncate, axes=(-2, -1)
        )


@lru_cache(maxsize=8)
def gaussian_matrix(n: int, sigma: float, reach: int, mode: str, dtype: str) -> BandedMatrix:
    """Matrix of the Gaussian filter along an axis; it is only read, so threads may share it.

    Parameters
    ----------
    n : int
        Number of pixels of the axis.

    sigma : float
        Standard deviation of the Gaussian, in pixels.

    reach : int
        Number of pixels to either side of the middle that have a weight.

    mode : str
        A key of `BOUNDARY_MODES`.

    dtype : str
        "float32" or "float64".

    Returns
    -------
    BandedMatrix
        The matrix, n x n, whose rows sum to one.
    """
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    sources = np.pad(np.arange(n), reach, mode=BOUNDARY_MODES[mode])  # type: ignore[call-overload]
    columns = sliding_window_view(sources, len(weights)).flatten()
    starts = np.arange(0, columns.size + 1, len(weights))
    matrix = sparse.csr_array((np.tile(weights, n), columns, starts), shape=(n, n))
    # Near the borders, and with a filter wider than the image, a pixel counts more than once.
    matrix.sum_duplicates()
    return BandedMatrix(matrix, dtype)
