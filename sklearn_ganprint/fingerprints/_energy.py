"""Energies and what they tend to with more images, autocorrelations and their periods."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import fft
from scipy.ndimage import maximum_filter, median_filter
from sklearn.utils import assert_all_finite

from sklearn_ganprint._batches import row_chunks
from sklearn_ganprint._images import scaled_planes

__all__ = [
    "EnergyFit",
    "autocorrelation",
    "autocorrelation_period",
    "energy",
    "fit_energy",
    "split_half_energy",
    "unbiased_energy",
]

#: Chance that white noise has one spectral line, and so a period.
FALSE_ALARM_RATE = 1e-3
#: Share of the lines that a period must account for.
EXPLAINED_SHARE = 0.9
#: Bins between lines, at the least: of closer ones too many would be near some multiple by chance.
LEAST_SPACING = 12
#: Part of the image's side that the median around a line goes, to both sides.
MEDIAN_REACH = 1 / 8

#: What the noise's part of the energy is multiplied by, given the number of images.
_FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "inverse": lambda n: 1 / n,
    "printed": lambda n: np.exp2(-n),
}


def energy(residuals: Any) -> np.ndarray:
    """Compute the mean square of each residual or fingerprint over its pixels.

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Residuals or fingerprints, in grey levels.

    Returns
    -------
    ndarray of float64, shape (n,)
        Energies, in squared grey levels.

    Examples
    --------
    >>> from sklearn_ganprint.fingerprints import energy
    >>> energy([[3.0, -3.0], [0.0, 2.0]])
    array([9., 2.])
    """
    rows = np.asarray(residuals)
    rows = rows.reshape(len(rows), -1)
    energies = np.empty(len(rows))
    for chunk in row_chunks(*rows.shape):
        values = rows[chunk].astype(np.float64, copy=False)
        energies[chunk] = np.einsum("ij,ij->i", values, values) / max(1, rows.shape[1])
    return energies


def unbiased_energy(fingerprint_energy: Any, residual_energy: Any, n_images: Any) -> Any:
    """Estimate the energy of a fingerprint without that of the noise which is left in it.

    Parameters
    ----------
    fingerprint_energy : float or array-like
        Energy of the mean of the residuals.
    residual_energy : float or array-like
        Mean energy of these residuals.
    n_images : int or array-like of int
        Number of the residuals, at least 2.

    Returns
    -------
    float or ndarray of float64
        Estimate of the limit of the energy, in the unit of the energies. Around 0, and as often
        below as above, if there is no fingerprint.

    Raises
    ------
    ValueError
        If there are fewer than 2 residuals.

    See Also
    --------
    split_half_energy : An estimate from two fingerprints.
    fit_energy : An estimate from the curve of energies.

    Notes
    -----
    ``(N E_N - mean ||R||^2) / (N - 1)``, which is the mean of ``<R_i, R_j>`` over all pairs of
    different images. So it has no bias if the noise of one image tells nothing about that of
    another, whatever the energies of the noise; it is not for images of one scene, or copies.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.fingerprints import energy, unbiased_energy
    >>> residuals = np.array([[1.0, 1.0, 1.0, -1.0], [1.0, 1.0, -1.0, 1.0]])
    >>> float(unbiased_energy(np.mean(residuals.mean(axis=0) ** 2), energy(residuals).mean(), 2))
    0.0
    """
    n = np.asarray(n_images, dtype=np.float64)
    if n.size and not n.min() >= 2:
        raise ValueError(f"n_images: expected at least 2 residuals, got {n.min():g}.")
    return (n * np.asarray(fingerprint_energy) - np.asarray(residual_energy)) / (n - 1)


def split_half_energy(first: Any, second: Any) -> float:
    """Compute the energy that two fingerprints of one source have in common.

    Parameters
    ----------
    first, second : array-like of one shape
        Fingerprints from different images of the source, in grey levels.

    Returns
    -------
    float
        ``<first, second>`` over the number of values, in squared grey levels: an estimate of the
        limit of the energy. Around 0 if there is no fingerprint.

    Raises
    ------
    ValueError
        If the shapes differ.

    See Also
    --------
    unbiased_energy : The mean over all pairs of images, not only of those in different halves.

    Notes
    -----
    Noise that the two halves do not share drops out, also where it is shared within a half, as in
    images of one scene that follow each other in a folder.

    Examples
    --------
    >>> from sklearn_ganprint.fingerprints import split_half_energy
    >>> split_half_energy([3.0, 1.0], [3.0, -1.0])
    4.0
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape:
        raise ValueError(f"Expected fingerprints of one shape, got {one.shape} and {other.shape}.")
    return float(np.vdot(one, other) / max(1, one.size))


@dataclass(frozen=True, eq=False)
class EnergyFit:
    """A curve through energies, as :func:`fit_energy` returns it.

    Attributes
    ----------
    limit : float
        Energy that the curve tends to: ``E_inf`` of eq. 4, in squared grey levels.
    initial : float
        ``E_0`` of eq. 4. Of the inverse form it is the energy of the noise in one residual.
    form : {"inverse", "printed"}
        How the noise's part falls with the number of images.
    relative : bool
        Whether relative errors were made small, or those in squared grey levels.
    n_images : ndarray of float64, shape (k,)
        Numbers of images of the points.
    energies : ndarray of float64, shape (k,)
        Energies of the points.

    See Also
    --------
    fit_energy : Fits such a curve.

    Examples
    --------
    >>> from sklearn_ganprint.fingerprints import fit_energy
    >>> fit = fit_energy([1, 2, 4], [9.0, 5.0, 3.0])
    >>> round(fit.limit, 6), round(fit.initial, 6)
    (1.0, 8.0)
    """

    limit: float
    initial: float
    form: str
    relative: bool
    n_images: np.ndarray
    energies: np.ndarray

    def predict(self, n_images: Any) -> np.ndarray:
        """Compute the energy of a fingerprint from so many images.

        Parameters
        ----------
        n_images : array-like of numbers, each at least 1
            Numbers of images.

        Returns
        -------
        ndarray of float64
            The curve's energies, in the shape of `n_images`.
        """
        n = np.asarray(n_images, dtype=np.float64)
        return self.limit + self.initial * _FORMS[self.form](n)

    @property
    def relative_rms(self) -> float:
        """Root mean square of the curve's errors at the points, each over the energy there."""
        errors = self.predict(self.n_images) / self.energies - 1
        return float(np.sqrt(np.mean(errors**2)))


def fit_energy(
    n_images: Any, energies: Any, *, form: str = "inverse", relative: bool = True
) -> EnergyFit:
    """Fit the energy of fingerprints from growing numbers of images (eq. 4, Fig. 3).

    Parameters
    ----------
    n_images : array-like of int, shape (k,)
        Number of images behind each fingerprint, at least 1; two of them must differ.
    energies : array-like of shape (k,)
        Energies of the fingerprints, above 0, in squared grey levels.
    form : {"inverse", "printed"}, default="inverse"
        "inverse" fits ``E_inf + E_0 / N``; "printed" fits ``E_inf + E_0 * 2**-N``, for comparison.
    relative : bool, default=True
        Whether errors count in proportion to the energy, and by the number of images; otherwise
        all errors count alike, which leaves the limit to the few energies at small N.

    Returns
    -------
    EnergyFit
        The limit, the noise's energy, and the curve.

    Raises
    ------
    ValueError
        If the arrays do not fit together, a value is out of its range, or the form is not known.

    See Also
    --------
    unbiased_energy : The limit without a fit, which is more precise.

    Notes
    -----
    With ``R_i = F + W_i`` and noise of energy ``s`` the mean of N residuals has the energy
    ``||F||^2 + s / N`` on average: the inverse form. It is ``E_inf + E_0 * 2**-n`` over ``n =
    log2(N)``, the axis of Fig. 3, which is what eq. 4 must mean: as printed, with N in the
    exponent, the curve is flat from N = 8 on, and its limit too large whatever the weights.

    The curve minimises ``sum(N ((E - fit) / E)^2)``, in closed form: energies differ from the
    expected ones by shares whose variance falls as 1/N. The limit may be negative: for a source
    without a fingerprint it would be too large on average otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.fingerprints import fit_energy
    >>> n_images = np.array([2, 8, 32, 128, 512])
    >>> energies = 0.0377 + 5 / n_images
    >>> round(fit_energy(n_images, energies).limit, 4)
    0.0377
    >>> round(fit_energy(n_images, energies, form="printed").limit, 4)
    0.0506
    """
    n, energies = _check_curve(n_images, energies)
    if form not in _FORMS:
        raise ValueError(f"form: expected one of {tuple(_FORMS)}, got {form!r}.")
    decay = _FORMS[form](n)
    scale = decay.max() or 1.0  # 2**-N is far below 1, or 0, where all N are large
    weights = np.sqrt(n) / energies if relative else np.ones(len(n))
    design = weights[:, np.newaxis] * np.column_stack([np.ones(len(n)), decay / scale])
    limit, initial = np.linalg.lstsq(design, weights * energies)[0]
    return EnergyFit(float(limit), float(initial / scale), form, relative, n, energies)


def _check_curve(n_images: Any, energies: Any) -> tuple[np.ndarray, np.ndarray]:
    n, energies = np.array(n_images, dtype=np.float64), np.array(energies, dtype=np.float64)
    if n.ndim != 1 or n.shape != energies.shape:
        raise ValueError(
            f"Expected one energy for each number of images, got shapes {n.shape} and "
            f"{energies.shape}."
        )
    if not (n >= 1).all() or len(np.unique(n)) < 2:
        raise ValueError(
            f"n_images: expected numbers from 1, at least two different ones, got {n.tolist()}."
        )
    if not (np.isfinite(energies) & (energies > 0)).all():
        raise ValueError(
            f"energies: expected finite values above 0, got {energies.tolist()}; residuals that "
            f"are all 0, as of blank images, have no energy to fit."
        )
    return n, energies


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
        If the array is of another shape, a value is not finite, or `max_lag` is out of its range.

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
        If the array is not a whole circular autocorrelation, or a value is not finite.

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
    assert_all_finite(values, input_name="acf")
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
