"""Fingerprints from residuals: means, and what practice with sensor noise adds to them."""

from itertools import pairwise
from typing import Any

import numpy as np
from scipy import fft
from scipy.ndimage import uniform_filter
from sklearn.utils import gen_batches

from sklearn_ganprint._batches import one_blas_thread

__all__ = [
    "class_sums",
    "doubling_counts",
    "estimate_fingerprint",
    "maximum_likelihood_fingerprint",
    "nested_fingerprints",
    "wiener_dft",
    "zero_mean",
]

#: Values of the rows that are summed up at a time, 1 MiB in float32, and the least columns of them:
#: shorter pieces of a row are slow to read.
BLOCK_VALUES, MIN_COLUMNS = 1 << 18, 64


def class_sums(
    rows: np.ndarray, codes: np.ndarray, weights: np.ndarray, n_classes: int
) -> np.ndarray:
    """Sum up the weighted rows of each class in float64.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        Residuals.
    codes : ndarray of int, shape (n,)
        Class of each row, in ``range(n_classes)``.
    weights : ndarray of float, shape (n,)
        Weight of each row.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of float64, shape (n_classes, n_features)
        The sums.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.fingerprints import class_sums
    >>> class_sums(np.eye(3), np.array([0, 1, 1]), np.array([1.0, 1.0, 2.0]), 2)
    array([[1., 0., 0.],
           [0., 1., 2.]])
    """
    order = np.argsort(codes, kind="stable")
    weights = weights[order]
    ends = np.searchsorted(codes[order], np.arange(n_classes + 1))
    own = [slice(*pair) for pair in pairwise(ends)]
    sums = np.zeros((n_classes, rows.shape[1]))
    n_columns = max(MIN_COLUMNS, BLOCK_VALUES // max(1, len(rows)))
    with one_blas_thread():
        for columns in gen_batches(rows.shape[1], n_columns):
            # Columns and not rows at a time: the sums of a block stay in the cache. float64 block
            # by block: a copy of the whole batch would cost three times the memory.
            block = rows[order, columns].astype(np.float64, copy=False)
            for code, members in enumerate(own):
                np.matmul(weights[members], block[members], out=sums[code, columns])
    return sums


def estimate_fingerprint(residuals: Any, sample_weight: Any = None) -> np.ndarray:
    """Estimate the fingerprint of one source: the mean of its residuals (eq. 3).

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Noise residuals of images of the source.
    sample_weight : array-like of shape (n,), default=None
        Weight of each residual; None weighs them all alike.

    Returns
    -------
    ndarray of shape (...)
        The fingerprint in float64, in the unit of the residuals.

    Raises
    ------
    ValueError
        If there is no residual, or the weights do not sum to more than zero.

    Notes
    -----
    With residuals ``R_i = F + W_i`` the mean of N is ``F`` plus noise of 1/N the energy (eq. 2).

    Examples
    --------
    >>> from sklearn_ganprint.fingerprints import estimate_fingerprint
    >>> estimate_fingerprint([[1.0, 2.0], [3.0, 6.0]])
    array([2., 4.])
    """
    residuals = np.asarray(residuals)
    n = len(residuals)
    weights = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(f"Expected {n} sample weights, one a residual, got shape {weights.shape}.")
    if not weights.sum() > 0:
        raise ValueError(
            f"Expected residuals of total weight above 0, got {weights.sum()} from {n}."
        )
    sums = class_sums(residuals.reshape(n, -1), np.zeros(n, dtype=int), weights, 1)
    return (sums / weights.sum()).reshape(residuals.shape[1:])


def doubling_counts(n_images: int) -> np.ndarray:
    """Return numbers of images to follow a fingerprint at: powers of two, and all.

    Parameters
    ----------
    n_images : int
        Number of all images, at least 1.

    Returns
    -------
    ndarray of int64, shape (k,)
        1, 2, 4, ... up to `n_images`, which is always the last.

    Raises
    ------
    ValueError
        If there is no image.

    Examples
    --------
    >>> from sklearn_ganprint.fingerprints import doubling_counts
    >>> doubling_counts(10)
    array([ 1,  2,  4,  8, 10])
    """
    if n_images < 1:
        raise ValueError(f"n_images: expected at least 1, got {n_images}.")
    return np.unique([*(1 << k for k in range(int(n_images).bit_length())), int(n_images)])


def nested_fingerprints(residuals: Any, n_images: Any) -> np.ndarray:
    """Estimate fingerprints from growing numbers of images: means of the first residuals (Fig. 2).

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Noise residuals of images of one source.
    n_images : array-like of int, shape (k,)
        How many of the first residuals to take, from 1 to n, in any order.

    Returns
    -------
    ndarray of float64, shape (k, ...)
        The fingerprints, in the unit of the residuals.

    Raises
    ------
    ValueError
        If a number is not a whole one from 1 to n.

    See Also
    --------
    doubling_counts : Numbers to take.

    Notes
    -----
    A mean contains those of fewer images, so the residuals are read once for all of them.

    Examples
    --------
    >>> from sklearn_ganprint.fingerprints import nested_fingerprints
    >>> nested_fingerprints([[1.0, 2.0], [3.0, 6.0], [2.0, 4.0]], [1, 2])
    array([[1., 2.],
           [2., 4.]])
    """
    residuals, counts = np.asarray(residuals), np.asarray(n_images)
    n = len(residuals)
    whole = counts.ndim == 1 and counts.size > 0 and np.array_equal(counts, np.rint(counts))
    if not (whole and 1 <= counts.min() and counts.max() <= n):
        raise ValueError(
            f"n_images: expected whole numbers from 1 to the number of residuals, {n}; got "
            f"{counts.tolist()}."
        )
    ends, order = np.unique(counts.astype(np.intp), return_inverse=True)
    rows = residuals[: ends[-1]].reshape(ends[-1], -1)
    step = np.searchsorted(ends, np.arange(len(rows)), side="right")
    sums = class_sums(rows, step, np.ones(len(rows)), len(ends))
    np.cumsum(sums, axis=0, out=sums)
    sums /= ends[:, np.newaxis]
    return sums[order].reshape(len(counts), *residuals.shape[1:])


#: Sides of the windows that local power is estimated in, in bins.
WINDOWS = (3, 5, 7, 9)


def maximum_likelihood_fingerprint(
    residuals: Any, images: Any, sample_weight: Any = None
) -> np.ndarray:
    """Estimate the fingerprint of a camera: residuals weighted by the intensity of their images.

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
    zero_mean : Removes what all cameras of a model share.

    Notes
    -----
    Pixels of a sensor differ in sensitivity: ``R_i = I_i K + W_i``, with noise of equal strength
    everywhere. The likelihood of ``K`` is greatest at ``sum(R_i I_i) / sum(I_i^2)``
    (Chen et al. 2008, eq. 6).

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
    """Divide ``sum(R_i I_i)`` by ``sum(I_i^2)``, which gives 0 where there is no intensity."""
    return np.where(squares > 0, products / np.where(squares > 0, squares, 1), 0)


def zero_mean(fingerprint: Any, *, bayer: bool = False) -> np.ndarray:
    """Subtract the mean of each row and of each column from a fingerprint.

    Parameters
    ----------
    fingerprint : array-like of shape (H, W), (H, W, C) or (n, H, W, C)
        Fingerprints or residuals, in any unit.
    bayer : bool, default=False
        Whether to do so in each of the four phases of the Bayer pattern by itself: even and odd
        rows, even and odd columns. This removes traces of demosaicing as well.

    Returns
    -------
    ndarray of the same shape
        The difference, float32 if the fingerprint is. An axis of a single pixel is left as it is.

    Raises
    ------
    ValueError
        If the array is of another shape.

    See Also
    --------
    wiener_dft : Removes periodic patterns of any kind.

    Notes
    -----
    Readout and demosaicing leave rows, columns and grids in every photo of a camera model, so that
    another body of the model would match (Chen et al. 2008, section III). The fingerprints of
    generators consist of such grids in part, which zero means would remove.

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
    """Keep the noise-like part of a fingerprint's Fourier transform, and suppress its peaks.

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
    zero_mean : Removes rows and columns only, and is cheaper.

    Notes
    -----
    The magnitude of the Fourier transform goes through a Wiener filter that takes its local power
    in windows of 3, 5, 7 and 9 bins for a signal, and the rest, ``sigma^2``, is kept (Chen et al.
    2008, section III): peaks, which come from periodic patterns such as the blocks of JPEG, are
    suppressed. The periodic fingerprints of generators consist of such peaks.

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
