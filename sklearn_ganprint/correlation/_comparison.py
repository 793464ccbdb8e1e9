"""Patterns compared: how alike two fingerprints are by chance, and where correlations peak."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import fft
from scipy.stats import norm
from scipy.stats import t as student

from sklearn_ganprint._images import scaled_planes

__all__ = [
    "CorrelationPeaks",
    "FingerprintComparison",
    "compare_fingerprints",
    "correlations_and_errors",
    "locate_peaks",
    "peak_to_correlation_energy",
]

#: Side of the blocks that the strength of a pattern is followed by, in pixels.
BLOCK = 16
#: Rounds of subtracting medians of rows and columns; the values hardly change after a few.
N_ROUNDS = 10
#: Side of the square around a peak that does not count as noise, in pixels [1]_ of
#: :func:`peak_to_correlation_energy`.
NEIGHBOURHOOD = 11

#: Correlations of the fingerprints of two sets, and their standard errors.
Pairs = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class FingerprintComparison:
    """How alike two fingerprints are.

    Attributes
    ----------
    correlation : float
        Correlation index (eq. 5), in [-1, 1].
    standard_error : float
        Standard deviation of the correlation of two patterns that have nothing in common but
        have the power spectra of these two, and their distribution over the image.
    z_score : float
        The correlation over its standard error.
    p_value : float
        Chance of such a correlation, or a greater one, between two such patterns.
    """

    correlation: float
    standard_error: float

    @property
    def z_score(self) -> float:
        return self.correlation / self.standard_error if self.standard_error > 0 else 0.0

    @property
    def p_value(self) -> float:
        return float(norm.sf(self.z_score))


def compare_fingerprints(first: Any, second: Any, *, trim: int = 0) -> FingerprintComparison:
    """Correlate two fingerprints, and compute how probable that is by chance.

    Parameters
    ----------
    first, second : array-like of shape (H, W) or (H, W, C)
        Fingerprints of one size, of residuals that were made in one way. Images that both were
        estimated from would correlate by their content.
    trim : int, default=0
        Pixels to leave out at each border, where padding leaves traces that unrelated networks
        have in common.

    Returns
    -------
    FingerprintComparison
        Correlation, its standard error by chance, z score and p-value.

    Raises
    ------
    ValueError
        If the shapes differ, a value is not finite, or nothing is left of the image.

    See Also
    --------
    sklearn_ganprint.comparison.compare_models : All fingerprints of two models, with the
        correlations between different sources for comparison.

    Notes
    -----
    Chance is a pattern whose spectrum has random phases, such as a random circular shift of one of
    the two. With cross spectra ``X(f)``, summed over channels, and powers ``P1`` and ``P2``, the
    correlation is ``sum X / sqrt(sum P1 sum P2)``, and its variance over all circular shifts ``sum
    |X|^2 / (sum P1 sum P2)``. It is great where the power of both is in few spectral lines: two
    patterns of one period are alike by chance, and the fewer lines there are, the more often.

    Patterns that are strong in some places, such as borders, are alike by chance more often than
    shifts tell. The variance of the sums over blocks of 16 pixels is added for that. Two even
    patterns without any structure get 0.7 times the z score that they could have.

    A small p-value says that both have something in common, which need not be their source: the
    same JPEG grid, resizing, camera model or network architecture, or images of aligned content.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.correlation import compare_fingerprints
    >>> rng = np.random.default_rng(0)
    >>> pattern, *noise = rng.normal(size=(4, 64, 64))
    >>> same = compare_fingerprints(pattern + 3 * noise[0], pattern + 3 * noise[1])
    >>> other = compare_fingerprints(pattern + 3 * noise[0], noise[2])
    >>> same.p_value < 0.001 < other.p_value
    True
    """
    correlation, error = correlations_and_errors(
        np.asarray(first)[np.newaxis], np.asarray(second)[np.newaxis], trim=trim
    )
    return FingerprintComparison(float(correlation[0, 0]), float(error[0, 0]))


def correlations_and_errors(
    first: Any, second: Any, *, trim: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Correlate all pairs of two sets of fingerprints, with standard errors.

    Parameters
    ----------
    first : array-like of shape (k, H, W) or (k, H, W, C)
        Fingerprints.
    second : array-like of shape (m, H, W) or (m, H, W, C)
        Fingerprints of the same size.
    trim : int, default=0
        As in :func:`compare_fingerprints`.

    Returns
    -------
    correlation, standard_error : ndarray of float64, shape (k, m)
        As in :class:`FingerprintComparison`; 0 where a fingerprint is constant.

    Raises
    ------
    ValueError
        If the shapes differ, a value is not finite, or nothing is left of the image.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.correlation import correlations_and_errors
    >>> first, second = np.random.default_rng(0).normal(size=(2, 3, 32, 32))
    >>> correlation, error = correlations_and_errors(first, second)
    >>> bool((np.abs(correlation) < 5 * error).all())
    True
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.shape[1:] != second.shape[1:] or first.ndim not in (3, 4):
        raise ValueError(
            f"Expected fingerprints of one shape, (H, W) or (H, W, C), got {first.shape[1:]} and "
            f"{second.shape[1:]}."
        )
    height, width = first.shape[1:3]
    if not 0 <= trim < min(height, width) / 2:
        raise ValueError(
            f"trim: expected a number of pixels below half of the shorter side of "
            f"{height} x {width}, got {trim!r}."
        )
    rows, columns = slice(trim, height - trim), slice(trim, width - trim)
    others = [_Pattern(values[rows, columns]) for values in second]
    itself = first is second
    correlation, error = np.zeros((2, len(first), len(second)))
    for i, values in enumerate(first):
        pattern = others[i] if itself else _Pattern(values[rows, columns])
        for j, other in enumerate(others[: i + 1 if itself else None]):
            correlation[i, j], error[i, j] = pattern.compare(other)
            if itself:
                correlation[j, i], error[j, i] = correlation[i, j], error[i, j]
    return correlation, error


class _Pattern:
    """A fingerprint of zero mean and unit norm, with its spectrum."""

    def __init__(self, values: np.ndarray) -> None:
        planes = scaled_planes(values)
        self.planes = planes / (np.sqrt(np.vdot(planes, planes)) or 1.0)
        self.spectra = fft.rfft2(self.planes, norm="ortho")
        # Columns that stand for two: those whose mirror image is not stored.
        width = self.planes.shape[2]
        columns = np.arange(width // 2 + 1)
        self.twice = np.where((2 * columns) % width == 0, 1.0, 2.0)

    def compare(self, other: "_Pattern") -> tuple[float, float]:
        """Return the correlation and its standard error."""
        cross = sum(a * b.conj() for a, b in zip(self.spectra, other.spectra, strict=True))
        shifts = float(((cross.real**2 + cross.imag**2) @ self.twice).sum())
        sums = _block_sums(np.einsum("cij,cij->ij", self.planes, other.planes))
        correlation = float(sums.sum())
        blocks = float(np.square(sums - sums.mean()).sum())
        return min(max(correlation, -1.0), 1.0), np.sqrt(shifts + blocks)


def _block_sums(values: np.ndarray) -> np.ndarray:
    """Sum over blocks, at least four along a side; those at the ends are smaller."""
    for axis, side in enumerate(values.shape):
        starts = np.arange(0, side, max(1, min(BLOCK, side // 4)))
        values = np.add.reduceat(values, starts, axis=axis)
    return values


def z_scores(correlation: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return correlations over their standard errors; 0 for a fingerprint that is constant."""
    return np.divide(correlation, error, out=np.zeros_like(correlation), where=error != 0)


def p_values_among_sources(
    traces: Sequence[Pairs], others: Sequence[Pairs] | None = None, *, symmetric: bool = False
) -> np.ndarray:
    """Compute one-sided p-values of correlations (k, m) against pairs of different sources.

    A source of one side has at most one partner on the other. `traces` are correlations of one or
    more kinds of traces; of several, each in units of its own spread, the sum is judged. `others`
    (m, m) are pairs within the second side, which serve as further rows. `symmetric` says that
    pairs are within one model, so that every pair is there twice. NaN is where there is no pair.

    What a source has in common with all others, such as a JPEG grid or aligned content, adds
    to its whole row and column. So the medians of rows and columns are subtracted in turn (Tukey's
    median polish, which few pairs of one source do not disturb). The standard deviation is that of
    the rest without the greatest value of each row, which may be a match; with so few values
    Student's distribution takes the place of the normal one.
    """
    k, stacked = len(traces[0][0]), traces
    if others is not None:
        pairs = zip(traces, others, strict=True)
        stacked = [(np.vstack([c1, c2]), np.vstack([e1, e2])) for (c1, e1), (c2, e2) in pairs]
    rests = [_without_effects(*each, symmetric) for each in stacked]
    rest = rests[0]
    with np.errstate(over="ignore"):  # copies have a scale of 0, and infinitely many of it
        if len(rests) > 1:
            rest = np.sum([each / _spread(each, k, symmetric)[0] for each in rests], axis=0)
        scale, degrees = _spread(rest, k, symmetric)
        return student.sf(rest[:k] / scale, degrees)


def _without_effects(correlation: np.ndarray, error: np.ndarray, symmetric: bool) -> np.ndarray:
    """Subtract from correlations what each source has in common with all others."""
    rest = correlation / _product_of_effects(error)
    for _ in range(N_ROUNDS):
        rest -= np.nanmedian(rest, axis=1, keepdims=True)
        rest -= np.nanmedian(rest, axis=0, keepdims=True)
    # Rows were first; a pair has one p-value, whichever comes first.
    return (rest + rest.T) / 2 if symmetric else rest


def _spread(rest: np.ndarray, k: int, symmetric: bool) -> tuple[float, float]:
    """Compute the standard deviation of pairs of different sources, and its degrees of freedom."""
    null, m = np.sort(rest, axis=1), rest.shape[1]  # NaN go last
    greatest = np.isfinite(null[:k]).sum(axis=1) - 1
    null[np.arange(k), greatest] = np.nan
    # Pairs that are there twice count once.
    weight = np.ones((len(null), 1))
    weight[0 if symmetric else k :] = 0.5
    effects = m if symmetric else k + m - 1
    degrees = max(float((weight * np.isfinite(null)).sum()) - effects, 1.0)
    scale = float(np.sqrt(np.nansum(weight * null**2) / degrees))
    return max(scale, np.finfo(np.float64).tiny), degrees


def _product_of_effects(error: np.ndarray) -> np.ndarray:
    """Smooth standard errors, which come from single pairs, to a factor for each row and column."""
    known = np.isfinite(error) & (error > 0)
    logarithm = np.where(known, np.log(np.where(known, error, 1.0)), np.nan)
    if not known.any():
        return np.ones_like(error)
    for axis in (0, 1):  # a fingerprint that is constant has no pair of a known error
        blank = ~known.any(axis=axis)
        logarithm.swapaxes(0, axis)[:, blank] = np.nanmean(logarithm)
    rows, columns = (np.nanmean(logarithm, axis=axis, keepdims=True) for axis in (1, 0))
    return np.exp(rows + columns - np.nanmean(logarithm))


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
        If the shapes do not go together, a value is not finite, or the neighbourhood is not odd.

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
        If the shapes do not go together, a value is not finite, or the neighbourhood is not odd.

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
