"""The autocorrelation of a fingerprint, and the period of the pattern in it."""

from typing import Any

import numpy as np
from scipy import fft
from scipy.ndimage import maximum_filter, median_filter

from sklearn_ganprint._images import scaled_planes

#: Chance that white noise has one spectral line, and so a period.
FALSE_ALARM_RATE = 1e-3
#: Share of the lines that a period must account for.
EXPLAINED_SHARE = 0.9
#: Bins between lines, at the least: of closer ones too many would be near some multiple by chance.
LEAST_SPACING = 12
#: Part of the image's side that the median around a line goes, to both sides.
MEDIAN_REACH = 1 / 8


def autocorrelation(
    fingerprint: Any, *, max_lag: int | None = None, centre: bool = True
) -> np.ndarray:
    """Compute the circular autocorrelation of a fingerprint in two dimensions (Fig. 4).

    Parameters
    ----------
    fingerprint : array-like of shape (H, W) or (H, W, C)
        Fingerprint, in any unit.
    max_lag : int, default=None
        Greatest lag to return along either axis, less than half of the image's shorter side;
        None returns all.
    centre : bool, default=True
        Whether the mean of each channel is subtracted first; otherwise a mean other than 0
        raises all values alike.

    Returns
    -------
    ndarray of float64, shape (H, W) or (2 * max_lag + 1, 2 * max_lag + 1)
        Autocorrelation in [-1, 1] by lag along rows and columns. Lag 0, where it is 1, is in the
        middle: at ``[H // 2, W // 2]``, or at ``[max_lag, max_lag]``. All values are 0 if the
        fingerprint is constant.

    Raises
    ------
    ValueError
        If the array is of another shape, or `max_lag` is out of its range.

    See Also
    --------
    autocorrelation_period : The period of the pattern.
    sklearn_ganprint.plotting.FingerprintDisplay : The fingerprint itself.

    Notes
    -----
    ``A(d) = sum_x F(x) F(x + d) / sum_x F(x)^2``, where ``x + d`` wraps around at the borders.
    With channels both sums are over these too: each counts by its energy, and correlations between
    channels are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.fingerprints import autocorrelation
    >>> stripes = np.tile([[1.0, -1.0]], (8, 4))
    >>> autocorrelation(stripes, max_lag=1)
    array([[-1.,  1., -1.],
           [-1.,  1., -1.],
           [-1.,  1., -1.]])
    """
    values = np.asarray(fingerprint)
    if values.ndim not in (2, 3) or not values.size:
        raise ValueError(f"fingerprint: expected shape (H, W) or (H, W, C), got {values.shape}.")
    planes = scaled_planes(values, centre=centre)
    shape = planes.shape[1:]
    spectra = fft.rfft2(planes)
    power = (spectra.real**2 + spectra.imag**2).sum(axis=0)
    values = fft.fftshift(fft.irfft2(power, s=shape))
    middle = (shape[0] // 2, shape[1] // 2)
    values = np.clip(values / (values[middle] or 1.0), -1, 1)
    if max_lag is None:
        return values
    if not 0 <= max_lag <= (min(shape) - 1) // 2:
        raise ValueError(
            f"max_lag: expected a number from 0 to {(min(shape) - 1) // 2} for an image of "
            f"{shape[0]} x {shape[1]} pixels, got {max_lag!r}."
        )
    rows, columns = (slice(lag_0 - max_lag, lag_0 + max_lag + 1) for lag_0 in middle)
    return values[rows, columns]


def autocorrelation_period(acf: Any) -> tuple[int | None, int | None]:
    """Estimate the period of the pattern that is repeated all over a fingerprint.

    Parameters
    ----------
    acf : array-like of shape (H, W)
        All of the autocorrelation, as :func:`autocorrelation` returns it without `max_lag`.

    Returns
    -------
    tuple of (int or None, int or None)
        Period downwards and period to the right, in pixels: 2 to a twelfth of the image's side.
        None along an axis where nothing is repeated, or where all is the same.

    Raises
    ------
    ValueError
        If the array is not a whole circular autocorrelation.

    See Also
    --------
    autocorrelation : The autocorrelation of a fingerprint.

    Notes
    -----
    What is repeated every s pixels has spectral lines at multiples of 1/s and nowhere else. A
    value of the spectrum, which is the Fourier transform of the autocorrelation, is a line if it
    stands out from the medians along its own row and its own column: so neither noise of a smooth
    spectrum, nor a bright border, passes for one. White noise has a line in about one case of a
    thousand. The period along an axis is the least s whose multiples, give or take one bin, account
    for 90 % of the lines, weighted by the logarithm of their height. Of a faint pattern only some
    lines show: the answer is then None, or a divisor of the period. Marra et al. show the
    autocorrelation without measuring it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.fingerprints import autocorrelation, autocorrelation_period
    >>> rng = np.random.default_rng(0)
    >>> pattern = np.zeros((64, 64))
    >>> pattern[::4, ::2] = 2.0
    >>> autocorrelation_period(autocorrelation(pattern + rng.normal(size=(64, 64))))
    (4, 2)
    """
    values = np.asarray(acf, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"acf: expected shape (H, W), got {values.shape}.")
    spectrum = fft.fft2(fft.ifftshift(values)).real
    if spectrum.min() < -1e-6 * max(1.0, spectrum.max()):
        raise ValueError(
            "acf: expected the autocorrelation at all lags, got one whose spectrum has negative "
            "values; call autocorrelation without max_lag."
        )
    rows, columns, heights = _spectral_lines(spectrum)
    if not len(heights):
        return None, None
    weights = np.log(heights)
    weights /= weights.sum()
    height, width = values.shape
    return _comb_period(rows, height, weights), _comb_period(columns, width, weights)


def _spectral_lines(spectrum: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions of lines, and their heights over the mean of the noise around them."""
    height, width = (2 * int(side * MEDIAN_REACH) + 1 for side in spectrum.shape)
    around = np.maximum(
        median_filter(spectrum, (height, 1), mode="wrap"),
        median_filter(spectrum, (1, width), mode="wrap"),
    )
    # The median of an exponential distribution is its mean times log 2. A pattern without any
    # noise has nothing around its lines but rounding errors.
    noise = np.maximum(around / np.log(2), 1e-6 * spectrum.max())
    heights = np.divide(spectrum, noise, out=np.zeros_like(spectrum), where=noise > 0)
    heights[0, 0] = 0
    # Beside a line of a period that does not divide the side its spectrum only falls away.
    peaks = spectrum == maximum_filter(spectrum, 5, mode="wrap")
    rows, columns = np.nonzero(peaks & (heights > np.log(spectrum.size / FALSE_ALARM_RATE)))
    return rows, columns, heights[rows, columns]


def _comb_period(bins: np.ndarray, side: int, weights: np.ndarray) -> int | None:
    """Return the least period whose multiples in frequency account for most lines on an axis."""
    for period in range(1, side // LEAST_SPACING + 1):
        spacing = side / period
        distance = np.abs((bins + spacing / 2) % spacing - spacing / 2)
        # Lines of a period that does not divide the side, or of a pattern that fades away from the
        # borders, are up to one bin beside the multiples.
        if weights[distance <= 1].sum() >= EXPLAINED_SHARE:
            return period if period > 1 else None
    return None
