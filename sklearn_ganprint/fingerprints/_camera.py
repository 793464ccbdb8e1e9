"""Fingerprints of cameras: what practice with sensor noise adds to a mean of residuals."""

from typing import Any

import numpy as np
from scipy import fft
from scipy.ndimage import uniform_filter

#: Sides of the windows that local power is estimated in, in bins.
WINDOWS = (3, 5, 7, 9)


def maximum_likelihood_fingerprint(
    residuals: Any, images: Any, sample_weight: Any = None
) -> np.ndarray:
    """Fingerprint of a camera: residuals weighted by the intensity of their images.

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Noise residuals of photos that one camera took.

    images : array-like of shape (n, ...)
        Intensity of the photos, denoised or not. It may have one channel for several of the
        residuals: shapes are broadcast as numpy does.

    sample_weight : array-like of shape (n,), default=None
        Weight of each photo; None weighs them all alike.

    Returns
    -------
    ndarray of float64, shape (...)
        The factor ``K`` of the sensor; 0 where no image has any intensity. Its unit is that of
        the residuals over that of the images.

    Raises
    ------
    ValueError
        If there is no residual, or the numbers of images or weights differ from theirs.

    See Also
    --------
    estimate_fingerprint : The mean, for patterns that do not depend on the content.
    zero_mean : Takes away what all cameras of a model share.

    Notes
    -----
    Pixels of a sensor differ in sensitivity: ``R_i = I_i K + W_i``, with noise of equal strength
    everywhere. The likelihood of ``K`` is greatest at ``sum(R_i I_i) / sum(I_i^2)`` [1]_. It gives
    weight to bright areas, where the pattern is strong.

    References
    ----------
    .. [1] M. Chen, J. Fridrich, M. Goljan, J. Lukas, "Determining image origin and integrity using
       sensor noise", IEEE Transactions on Information Forensics and Security 3(1), 2008, eq. 6.

    Examples
    --------
    >>> from sklearn_ganprint.fingerprints import maximum_likelihood_fingerprint
    >>> maximum_likelihood_fingerprint([[2.0, 1.0], [4.0, 3.0]], [[100.0, 50.0], [200.0, 0.0]])
    array([0.02, 0.02])
    """
    residuals, images = np.asarray(residuals), np.asarray(images)
    n = len(residuals)
    weights = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if not n or len(images) != n or weights.shape != (n,):
        raise ValueError(
            f"Expected at least one residual, as many images and as many weights; got {n}, "
            f"{len(images)} and {weights.shape}."
        )
    products = np.zeros(np.broadcast_shapes(residuals.shape[1:], images.shape[1:]))
    squares = np.zeros(images.shape[1:])
    for residual, image, weight in zip(residuals, images, weights, strict=True):
        image = image.astype(np.float64)
        products += weight * image * residual
        squares += weight * image**2
    return divide_by_intensity(products, squares)


def divide_by_intensity(products: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Divide sums of residuals times intensity by sums of squared intensity, 0 where these are 0.

    Parameters
    ----------
    products : ndarray of shape (...)
        ``sum(R_i I_i)``.

    squares : ndarray of shape (...), or one that can be broadcast to it
        ``sum(I_i^2)``.

    Returns
    -------
    ndarray of shape (...)
        The maximum-likelihood fingerprint.
    """
    return np.where(squares > 0, products / np.where(squares > 0, squares, 1), 0)


def zero_mean(fingerprint: Any, *, bayer: bool = False) -> np.ndarray:
    """Take the mean of each row and of each column from a fingerprint.

    Parameters
    ----------
    fingerprint : array-like of shape (H, W), (H, W, C) or (n, H, W, C)
        Fingerprints or residuals, in any unit.

    bayer : bool, default=False
        Whether to do so in each of the four phases of the Bayer pattern by itself: even and odd
        rows, even and odd columns. Takes away what demosaicing leaves as well.

    Returns
    -------
    ndarray of the same shape
        The difference, float32 if the fingerprint is. An axis of a single pixel is left as it is,
        since its mean would be all there is.

    Raises
    ------
    ValueError
        If the array is of another shape.

    See Also
    --------
    wiener_dft : Takes away periodic patterns of any kind.

    Notes
    -----
    Readout and demosaicing leave rows, columns and grids in every photo of a camera model, so that
    another body of the model would match [1]_. The fingerprints of generators are such grids in
    part: with those, zero means take away what is sought.

    References
    ----------
    .. [1] M. Chen, J. Fridrich, M. Goljan, J. Lukas, "Determining image origin and integrity using
       sensor noise", IEEE Transactions on Information Forensics and Security 3(1), 2008, sec. III.

    Examples
    --------
    >>> from sklearn_ganprint.fingerprints import zero_mean
    >>> zero_mean([[1.0, 2.0], [3.0, 8.0]])
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    result = _as_float(fingerprint).copy()
    grey = result[..., np.newaxis] if result.ndim == 2 else result
    phases = [(slice(i, None, 2), slice(j, None, 2)) for i in (0, 1) for j in (0, 1)]
    for rows, columns in phases if bayer else [(slice(None), slice(None))]:
        part = grey[..., rows, columns, :]
        for axis in (-3, -2):
            if part.shape[axis] > 1:
                part -= part.mean(axis=axis, keepdims=True, dtype=np.float64).astype(part.dtype)
    return result


def wiener_dft(fingerprint: Any, *, sigma: float | None = None) -> np.ndarray:
    """Keep of a fingerprint what is noise-like in its Fourier transform, and no peaks.

    Parameters
    ----------
    fingerprint : array-like of shape (H, W), (H, W, C) or (n, H, W, C)
        Fingerprints, in any unit.

    sigma : float, default=None
        Standard deviation of the noise-like part, in the unit of the fingerprint; None takes that
        of each plane.

    Returns
    -------
    ndarray of the same shape
        The filtered fingerprints, float32 if they came so.

    Raises
    ------
    ValueError
        If the array is of another shape.

    See Also
    --------
    zero_mean : Takes away rows and columns only, and is cheaper.

    Notes
    -----
    The magnitude of the Fourier transform goes through a Wiener filter that takes its local power
    in windows of 3, 5, 7 and 9 bins for a signal, and the rest, ``sigma^2``, is kept [1]_: peaks,
    which come from periodic patterns such as the blocks of JPEG, are suppressed. The periodic
    fingerprints of generators consist of such peaks.

    References
    ----------
    .. [1] M. Chen, J. Fridrich, M. Goljan, J. Lukas, "Determining image origin and integrity using
       sensor noise", IEEE Transactions on Information Forensics and Security 3(1), 2008, sec. III.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.fingerprints import wiener_dft
    >>> noise = np.random.default_rng(0).normal(size=(64, 64))
    >>> stripes = np.tile([5.0, -5.0], (64, 32))
    >>> filtered = wiener_dft(noise + stripes)
    >>> bool(np.abs((filtered * stripes).mean()) < 0.1 * (stripes**2).mean())
    True
    """
    values = _as_float(fingerprint)
    planes = values if values.ndim == 2 else np.moveaxis(values, -1, -3)
    result = np.empty_like(planes)
    for index in np.ndindex(planes.shape[:-2]):
        result[index] = _keep_noise(planes[index], sigma)
    return np.ascontiguousarray(result if values.ndim == 2 else np.moveaxis(result, -3, -1))


def _keep_noise(plane: np.ndarray, sigma: float | None) -> np.ndarray:
    variance = plane.var(dtype=np.float64) if sigma is None else float(sigma) ** 2
    spectrum = fft.rfft2(plane)
    power = (spectrum.real**2 + spectrum.imag**2) / plane.size
    # Columns of the half that is not stored mirror those that are; near both of its ends windows
    # take the nearest, which rows, being whole, need not.
    local = np.full_like(power, np.inf)
    for window in WINDOWS:
        np.minimum(local, uniform_filter(power, window, mode=("wrap", "nearest")), out=local)
    # max(local - variance, 0) + variance
    local = np.maximum(local, variance)
    spectrum *= np.divide(variance, local, out=np.zeros_like(local), where=local > 0)
    return fft.irfft2(spectrum, s=plane.shape)


def _as_float(fingerprint: Any) -> np.ndarray:
    values = np.asarray(fingerprint)
    if values.ndim not in (2, 3, 4) or not values.size:
        raise ValueError(
            f"fingerprint: expected shape (H, W), (H, W, C) or (n, H, W, C), got {values.shape}."
        )
    return values if values.dtype == np.float32 else values.astype(np.float64)
