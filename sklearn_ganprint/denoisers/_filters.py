"""The interface of a denoiser, the denoising filters, and their names."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pywt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import sparse
from scipy.ndimage import gaussian_filter, median_filter, uniform_filter
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint._batches import one_blas_thread
from sklearn_ganprint.denoisers._banded import BandedMatrix, multiply
from sklearn_ganprint.denoisers._wavelet_plan import WaveletPlan, wavelet_plan

__all__ = [
    "BaseDenoiser",
    "DENOISERS",
    "FunctionDenoiser",
    "GaussianDenoiser",
    "MedianDenoiser",
    "WaveletDenoiser",
    "WienerDenoiser",
    "check_denoiser",
]

#: Boundary modes of scipy.ndimage that are defined without a fill value, and numpy's names of them.
BOUNDARY_MODES = {"reflect": "symmetric", "nearest": "edge", "mirror": "reflect", "wrap": "wrap"}
#: Weights of the largest matrix, of some ten bytes each: a wider filter needs no matrix.
MATRIX_WEIGHTS = 1 << 21
#: Modes of PyWavelets, less "reflect" and "antireflect", which an axis of one pixel does not have.
WAVELET_MODES = frozenset(pywt.Modes.modes) - {"reflect", "antireflect"}


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


class WaveletDenoiser(ResidualDenoiser):
    """Mihcak's locally adaptive Wiener filter in the wavelet domain.

    The denoiser of sensor-noise forensics [1]_ [2]_, and the default here.

    Parameters
    ----------
    wavelet : str, default="db4"
        Name of a discrete wavelet of PyWavelets. "db4" is the filter of 8 taps that MATLAB code
        calls Daubechies 8.
    level : int, default=4
        Number of decomposition levels. It is kept for images of any size: small ones are
        continued beyond their borders as `mode` says.
    sigma : float, default=5.0
        Standard deviation of the noise to remove, in 8-bit grey levels. A larger one leaves more
        in the residual, of the fingerprint and of the content.
    mode : str, default="symmetric"
        How images are continued beyond their borders: a mode of PyWavelets, but "reflect" and
        "antireflect", which are undefined on an axis of one pixel.

    See Also
    --------
    GaussianDenoiser : Faster, leaves more of the content in the residual.

    Notes
    -----
    For each detail coefficient ``d`` the variance of the content is estimated as the least over
    windows of ``w`` = 3, 5, 7, 9 coefficients a side of ``max(mean_w(d^2) - sigma^2, 0)``, with
    zeros beyond the border of the sub-band. The residual keeps
    ``d * sigma^2 / (variance + sigma^2)`` and no approximation coefficient.

    References
    ----------
    .. [1] M. K. Mihcak, I. Kozintsev, K. Ramchandran, "Spatially adaptive statistical modeling of
       wavelet image coefficients and its application to denoising", ICASSP 1999.
    .. [2] J. Lukas, J. Fridrich, M. Goljan, "Digital camera identification from sensor pattern
       noise", IEEE Transactions on Information Forensics and Security 1(2), 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.denoisers import WaveletDenoiser
    >>> noise = np.random.default_rng(0).normal(0, 2, (1, 64, 64))
    >>> ramp = np.linspace(0, 200, 64)
    >>> residual = WaveletDenoiser().residual(ramp + noise)
    >>> round(float(np.corrcoef(residual.ravel(), noise.ravel())[0, 1]), 2)
    0.95
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "wavelet": [StrOptions(set(pywt.wavelist(kind="discrete")))],
        "level": [Interval(Integral, 1, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="neither")],
        "mode": [StrOptions(set(WAVELET_MODES))],
    }

    def __init__(
        self, wavelet: str = "db4", *, level: int = 4, sigma: float = 5.0, mode: str = "symmetric"
    ) -> None:
        self.wavelet = wavelet
        self.level = level
        self.sigma = sigma
        self.mode = mode

    def _residual(self, images: np.ndarray) -> np.ndarray:
        stack = images.reshape(-1, *images.shape[-2:])
        return self._plan(images).residual(stack).reshape(images.shape)

    def _sigma_residuals(self, images: np.ndarray, sigmas: Sequence[float]) -> np.ndarray:
        """Residuals of images, and those with each of other sigmas, which cost little more."""
        images = self._checked(images)
        stack = images.reshape(-1, *images.shape[-2:])
        residuals = self._plan(images).residuals(stack, sigmas)
        return residuals.reshape(-1, *images.shape)

    def weighted_residual(self, images: Any, weights: Any) -> np.ndarray:
        images = self._checked(images)
        plan = self._plan(images)
        return plan.weighted_residual(images, np.asarray(weights, plan.dtype))

    def _plan(self, images: np.ndarray) -> WaveletPlan:
        dtype = "float64" if images.dtype == np.float64 else "float32"
        level, sigma = int(self.level), float(self.sigma)
        return wavelet_plan(images.shape[-2:], self.wavelet, level, sigma, self.mode, dtype)


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
    WaveletDenoiser : Keeps edges in the content, so that the residual has less of them.

    Notes
    -----
    The residual is a high-pass: it holds the edges of the content, but also all high frequencies of
    the fingerprint. The filter is fast.

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

    def _residual(self, images: np.ndarray) -> np.ndarray:
        images = as_float_images(images)
        height, width = images.shape[-2:]
        reach = int(self.truncate * self.sigma + 0.5)  # to either side, as in scipy.ndimage
        if max(height, width) * (2 * reach + 1) > MATRIX_WEIGHTS:
            options = {"mode": self.mode, "truncate": self.truncate, "axes": (-2, -1)}
            return images - gaussian_filter(images, self.sigma, **options)
        rows, columns = (
            gaussian_matrix(n, float(self.sigma), reach, self.mode, images.dtype.name)
            for n in (height, width)
        )
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


@lru_cache(maxsize=128)
def gaussian_matrix(n: int, sigma: float, reach: int, mode: str, dtype: str) -> BandedMatrix:
    """Return the matrix of the filter along an axis of n pixels, which threads share."""
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    sources = np.pad(np.arange(n), reach, mode=BOUNDARY_MODES[mode])  # type: ignore[call-overload]
    columns = sliding_window_view(sources, len(weights)).flatten()
    starts = np.arange(0, columns.size + 1, len(weights))
    matrix = sparse.csr_array((np.tile(weights, n), columns, starts), shape=(n, n))
    # Near the borders, and with a filter wider than the image, a pixel counts more than once.
    matrix.sum_duplicates()
    return BandedMatrix(matrix, dtype)


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
        self._validate_params()
        return median_filter(as_float_images(images), self.size, mode=self.mode, axes=(-2, -1))


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

    def _residual(self, images: np.ndarray) -> np.ndarray:
        images = as_float_images(images)
        # E[x^2] - E[x]^2 cancels badly in float32 unless the images are near zero
        centred = images - images.mean(axis=(-2, -1), keepdims=True)
        mean, mean_square = (
            uniform_filter(values, self.size, mode=self.mode, axes=(-2, -1))
            for values in (centred, centred**2)
        )
        variance = np.maximum(mean_square - mean**2, 0)
        if self.sigma is None:
            noise = variance.mean(axis=(-2, -1), keepdims=True)
        else:
            noise = np.asarray(self.sigma**2, dtype=images.dtype)
        # x - f(x) = (x - m) * (1 - max(v - s, 0) / max(v, s)) = (x - m) * s / max(v, s)
        tiny = np.finfo(images.dtype).tiny
        return (centred - mean) * (noise / np.maximum(np.maximum(variance, noise), tiny))


DENOISERS: dict[str, Callable[[], BaseDenoiser]] = {
    "wavelet": WaveletDenoiser,
    "gaussian": GaussianDenoiser,
    "median": MedianDenoiser,
    "wiener": WienerDenoiser,
}


def residuals_by_each(denoisers: Sequence[BaseDenoiser], images: np.ndarray) -> list[np.ndarray]:
    """Compute the residuals of images by each denoiser.

    Wavelet filters that differ in sigma alone share all but the inverse transform.
    """
    groups: dict[Any, list[int]] = {}
    for place, denoiser in enumerate(denoisers):
        shared = type(denoiser) is WaveletDenoiser
        key = (denoiser.wavelet, denoiser.level, denoiser.mode) if shared else place
        groups.setdefault(key, []).append(place)
    residuals: dict[int, np.ndarray] = {}
    for places in groups.values():
        first, *others = (denoisers[place] for place in places)
        for other in others:
            other._validate_params()
        if others:
            found = first._sigma_residuals(images, [other.sigma for other in others])
        else:
            found = [first.residual(images)]
        residuals |= zip(places, found, strict=True)
    return [residuals[place] for place in range(len(denoisers))]


def settable_denoiser(denoiser: Any) -> BaseDenoiser:
    """Return a denoiser whose parameters can be set; a function has none."""
    if callable(denoiser):
        raise ValueError(
            f"denoiser: a function has no parameters to set, and got {denoiser!r}. Pass an object "
            f"such as WaveletDenoiser(sigma=3.0), or the name of one: {sorted(DENOISERS)}."
        )
    return check_denoiser(denoiser)


def check_denoiser(denoiser: Any) -> BaseDenoiser:
    """Make a denoiser from its name, a denoiser object, or a function.

    Parameters
    ----------
    denoiser : str, BaseDenoiser or callable
        A name in ``DENOISERS``, for that denoiser with default parameters; a denoiser, which is
        returned unchanged; or a function on float images ``(n, H, W)``.

    Returns
    -------
    BaseDenoiser
        The denoiser.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If `denoiser` is none of these.

    Examples
    --------
    >>> from sklearn_ganprint.denoisers import check_denoiser
    >>> check_denoiser("gaussian")
    GaussianDenoiser()
    """
    if isinstance(denoiser, BaseDenoiser):
        return denoiser
    if isinstance(denoiser, str):
        if denoiser not in DENOISERS:
            raise ValueError(f"denoiser must be one of {sorted(DENOISERS)}, got {denoiser!r}.")
        return DENOISERS[denoiser]()
    if isinstance(denoiser, type) or not callable(denoiser):
        raise TypeError(
            f"denoiser must be one of {sorted(DENOISERS)}, a denoiser object such as "
            f"WaveletDenoiser(), or a function on images; got {denoiser!r}."
        )
    return FunctionDenoiser(denoiser)
