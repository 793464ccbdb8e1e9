"""Mihcak's adaptive Wiener filter in the wavelet domain."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pywt
from scipy.ndimage import uniform_filter
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint.denoisers._base import BaseDenoiser, as_float_images

#: Sides of the windows over which the local variance of a coefficient is estimated.
WINDOWS = (3, 5, 7, 9)
#: Modes of PyWavelets, less "reflect" and "antireflect", which an axis of one pixel does not have.
WAVELET_MODES = frozenset(pywt.Modes.modes) - {"reflect", "antireflect"}
#: Modes whose continuation of ``image + c`` is that of ``image``, plus c.
_SHIFT_INVARIANT = WAVELET_MODES - {"zero", "antisymmetric"}
_AXES = (-2, -1)


class WaveletDenoiser(BaseDenoiser):
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
        self,
        wavelet: str = "db4",
        *,
        level: int = 4,
        sigma: float = 5.0,
        mode: str = "symmetric",
    ) -> None:
        self.wavelet = wavelet
        self.level = level
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
            The residuals, float32 unless the input was float64.
        """
        self._validate_params()
        images = as_float_images(images)
        approximation = images - images.dtype.type(self._offset())
        details, shapes = [], []
        # Level by level rather than wavedec2, which warns on small images (and silencing
        # warnings is not thread-safe).
        for _ in range(self.level):
            shapes.append(approximation.shape)
            approximation, bands = pywt.dwt2(approximation, self.wavelet, self.mode, axes=_AXES)
            details.append([_noise_part(band, self.sigma) for band in bands])
        residual = None
        for bands, shape in zip(reversed(details), reversed(shapes), strict=True):
            residual = pywt.idwt2((residual, bands), self.wavelet, self.mode, axes=_AXES)
            residual = residual[..., : shape[-2], : shape[-1]]
        return np.ascontiguousarray(residual)

    def _offset(self) -> float:
        """Grey level to subtract first: the approximation, thrown away, costs precision.

        Mid-grey where a constant leaves no detail, and so changes nothing but that.
        """
        blind = abs(sum(pywt.Wavelet(self.wavelet).dec_hi)) < 1e-9  # all but dmey
        return 128.0 if blind and self.mode in _SHIFT_INVARIANT else 0.0

    def denoise(self, images: Any) -> np.ndarray:
        """Remove the noise.

        Parameters
        ----------
        images : array-like of shape (..., H, W)
            Images in 8-bit grey levels.

        Returns
        -------
        ndarray of shape (..., H, W)
            The denoised images.
        """
        images = as_float_images(images)
        return images - self.residual(images)


def _noise_part(band: np.ndarray, sigma: float) -> np.ndarray:
    """Keep the share of a detail band that Wiener's rule takes for noise."""
    noise = band.dtype.type(sigma**2)
    energy = band * band
    local = uniform_filter(energy, WINDOWS[0], mode="constant", axes=_AXES)
    for window in WINDOWS[1:]:
        np.minimum(local, uniform_filter(energy, window, mode="constant", axes=_AXES), out=local)
    # min_w max(mean_w - s, 0) + s == max(min_w mean_w, s)
    return band * (noise / np.maximum(local, noise))
