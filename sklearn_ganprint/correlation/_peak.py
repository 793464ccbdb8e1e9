"""Peaks in the cross-correlation of residuals and fingerprints, and how they stand out."""

from typing import Any, NamedTuple

import numpy as np
from scipy import fft

from sklearn_ganprint._images import scaled_planes

#: Side of the square around a peak that does not count as noise, in pixels [1]_ of
#: :func:`peak_to_correlation_energy`.
NEIGHBOURHOOD = 11


class CorrelationPeaks(NamedTuple):
    """Greatest cross-correlations of residuals with fingerprints.

    Attributes
    ----------
    pce : ndarray of float64, shape (n, k)
        Signed peak-to-correlation energy of each peak.
    offset : ndarray of int, shape (n, k, 2)
        Row and column of the fingerprint that the first pixel of the residual falls on.
    """

    pce: np.ndarray
    offset: np.ndarray


def peak_to_correlation_energy(
    residuals: Any, fingerprints: Any, *, search: bool = False, neighbourhood: int = NEIGHBOURHOOD
) -> np.ndarray:
    """Compute the peak-to-correlation energy of residuals and fingerprints.

    Parameters
    ----------
    residuals : array-like of shape (n, h, w) or (n, h, w, C)
        Residuals, in any unit. For the fingerprint of a camera, which multiplies what it sees,
        residuals times the intensity of their images.
    fingerprints : array-like of shape (k, H, W) or (k, H, W, C)
        Fingerprints. Without `search`, of the residuals' shape.
    search : bool, default=False
        Whether the residual may lie anywhere. False takes the correlation in place, True the
        greatest there is: a residual smaller than the fingerprint at each position where it fits
        in, one of equal size at each circular shift.
    neighbourhood : int, default=11
        Side of the square around the peak that does not count as noise, odd. It is made smaller
        where it is more than half of an image's side.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Energies, with the sign of the correlation; 0 where either side is constant.

    Raises
    ------
    ValueError
        If the shapes do not go together, or the neighbourhood is not odd.

    See Also
    --------
    locate_peaks : Also returns the position of the peak.
    correlation_index : The correlation itself.

    Notes
    -----
    With the circular cross-correlation ``c`` of both sides, each less its mean, ``PCE = sign(c_0)
    c_0^2 / mean(c_s^2)``, where the mean is over all shifts outside of the neighbourhood of the
    peak [1]_. Channels are correlated one by one and added.

    Where residual and fingerprint have nothing in common, the PCE in place is about the square of
    a standard normal variable, and the greatest of m positions that of the greatest of m. Cameras
    are matched above 50 or 60 by convention. No such number holds for the fingerprints of
    generators: they are periodic, with as many peaks as periods, and all peaks but one count as
    noise.

    References
    ----------
    .. [1] M. Goljan, J. Fridrich, T. Filler, "Large scale test of sensor fingerprint camera
       identification", Proc. SPIE 7254, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.correlation import peak_to_correlation_energy
    >>> fingerprints = np.random.default_rng(0).normal(size=(2, 64, 64))
    >>> peak_to_correlation_energy(fingerprints[:1], fingerprints).round()
    array([[4368.,   -0.]])
    """
    return locate_peaks(residuals, fingerprints, search=search, neighbourhood=neighbourhood).pce


def locate_peaks(
    residuals: Any, fingerprints: Any, *, search: bool = True, neighbourhood: int = NEIGHBOURHOOD
) -> CorrelationPeaks:
    """Locate each residual in each fingerprint, and compute how far the peak stands out.

    Parameters
    ----------
    residuals : array-like of shape (n, h, w) or (n, h, w, C)
        Residuals, for example of images that were cropped.
    fingerprints : array-like of shape (k, H, W) or (k, H, W, C)
        Fingerprints, at least as large.
    search : bool, default=True
        As in :func:`peak_to_correlation_energy`.
    neighbourhood : int, default=11
        As in :func:`peak_to_correlation_energy`.

    Returns
    -------
    CorrelationPeaks
        Energy and position of each peak.

    Raises
    ------
    ValueError
        If the shapes do not go together, or the neighbourhood is not odd.

    See Also
    --------
    peak_to_correlation_energy : The formula.

    Notes
    -----
    All positions come from one Fourier transform of either side and one back, of the size of the
    fingerprint.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.correlation import locate_peaks
    >>> fingerprint = np.random.default_rng(0).normal(size=(1, 64, 64))
    >>> peaks = locate_peaks(fingerprint[:, 7:39, 21:53], fingerprint)
    >>> peaks.offset[0, 0]
    array([ 7, 21])
    """
    residuals, fingerprints = _with_channels(residuals), _with_channels(fingerprints)
    _check(residuals, fingerprints, search, neighbourhood)
    dtype = np.dtype(np.float32 if residuals.dtype == np.float32 else np.float64)
    size, small = fingerprints.shape[1:3], residuals.shape[1:3]
    # All shifts if the sizes are equal; else those where the residual fits in.
    fits = [slice(n - m + 1) for n, m in zip(size, small, strict=True)]
    shifts = (slice(None),) * 2 if small == size else tuple(fits)
    spectra = [_spectra(fingerprint, size, dtype) for fingerprint in fingerprints]
    pce = np.zeros((len(residuals), len(fingerprints)))
    offset = np.zeros((*pce.shape, 2), np.intp)
    for row, residual in enumerate(residuals):
        channels = _spectra(residual, size, dtype)
        for column, fingerprint in enumerate(spectra):
            cross = sum(f * r.conj() for f, r in zip(fingerprint, channels, strict=True))
            values = fft.irfft2(cross, s=size)
            if search:
                among = values[shifts]
                offset[row, column] = np.unravel_index(among.argmax(), among.shape)
            pce[row, column] = _energy_ratio(values, offset[row, column], neighbourhood)
    return CorrelationPeaks(pce, offset)


def _spectra(image: np.ndarray, size: tuple[int, ...], dtype: np.dtype) -> list[np.ndarray]:
    """Transform each channel less its mean, continued by zeros; what is constant becomes 0."""
    # Energies are free of the scale.
    return [fft.rfft2(plane, s=size) for plane in scaled_planes(image, dtype)]


def _energy_ratio(values: np.ndarray, peak: np.ndarray, neighbourhood: int) -> float:
    """Divide the signed square of a peak by the mean square outside of its neighbourhood."""
    reach = [min(neighbourhood // 2, max(0, (side // 2 - 1) // 2)) for side in values.shape]
    near = [
        np.arange(at - r, at + r + 1) % side
        for at, r, side in zip(peak, reach, values.shape, strict=True)
    ]
    inside = np.square(values[np.ix_(*near)], dtype=np.float64).sum()
    total = sum(float(np.vdot(row, row)) for row in values)
    n_outside = values.size - len(near[0]) * len(near[1])
    height = float(values[tuple(peak)])
    noise = max(total - float(inside), 0.0)
    # The rest of a difference of nearly equal sums is rounding.
    if not n_outside or noise <= 1e-9 * total:
        return 0.0
    return height * abs(height) * n_outside / noise


def _with_channels(values: Any) -> np.ndarray:
    """Add an axis of one channel where there is none."""
    values = np.asarray(values)
    if values.ndim not in (3, 4) or 0 in values.shape[1:]:
        raise ValueError(
            f"Expected residuals and fingerprints of shape (n, H, W) or (n, H, W, C), got "
            f"{values.shape}."
        )
    return values if values.ndim == 4 else values[..., np.newaxis]


def _check(
    residuals: np.ndarray, fingerprints: np.ndarray, search: bool, neighbourhood: int
) -> None:
    if neighbourhood < 1 or neighbourhood % 2 == 0:
        raise ValueError(f"neighbourhood: expected an odd number of pixels, got {neighbourhood!r}.")
    (*small, n_channels), (*large, expected) = residuals.shape[1:], fingerprints.shape[1:]
    if n_channels != expected:
        raise ValueError(
            f"Expected residuals and fingerprints of as many channels, got {n_channels} and "
            f"{expected}."
        )
    if small != large and not search:
        raise ValueError(
            f"Expected residuals of the fingerprints' size, {tuple(large)}, got {tuple(small)}. "
            f"search=True finds where smaller ones lie."
        )
    if small[0] > large[0] or small[1] > large[1]:
        raise ValueError(
            f"Expected residuals no larger than the fingerprints, {tuple(large)}, got "
            f"{tuple(small)}. Crop them first."
        )
