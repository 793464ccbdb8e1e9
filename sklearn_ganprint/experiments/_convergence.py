"""How the fingerprint of one source comes out of the noise when images are added (Fig. 2 to 4)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_ganprint.experiments._results import Result, plain
from sklearn_ganprint.fingerprints import (
    EnergyFit,
    autocorrelation,
    autocorrelation_period,
    class_sums,
    doubling_counts,
    energy,
    fit_energy,
    split_half_energy,
    unbiased_energy,
)

#: Attributes that are not written into documents, and values of fits that are.
_PICTURES = ("fingerprints", "autocorrelation")
_FIT_VALUES = ("form", "limit", "initial", "relative_rms")


@dataclass(frozen=True, eq=False)
class ConvergenceResult(Result):
    """Fingerprints of one source from growing numbers of images, and where they lead to.

    Attributes
    ----------
    name : str or None
        The source.
    n_images : ndarray of int, shape (k,)
        Numbers of images, in ascending order.
    fingerprints : ndarray of float64, shape (k, H, W) or (k, H, W, C)
        Mean residual of the first so many images, in 8-bit grey levels (Fig. 2).
    energies : ndarray of float64, shape (k,)
        Their energies, in squared grey levels (Fig. 3).
    mean_residual_energy : float
        Mean energy of the single residuals.
    fit : EnergyFit
        The curve ``E_inf + E_0 / N`` through the energies.
    printed_fit : EnergyFit
        The curve ``E_inf + E_0 * 2**-N``, as eq. 4 has it in print, for comparison.
    unbiased_limit : float
        Energy of the fingerprint from all images without that of the noise left in it.
    split_half_limit : float
        The same from the fingerprints of two halves.
    autocorrelation : ndarray of float64, shape (H, W)
        Autocorrelation of the fingerprint from all images, lag 0 in the middle (Fig. 4).
    period : tuple of (int or None, int or None)
        Period of the pattern downwards and to the right, in pixels.

    See Also
    --------
    measure_convergence : Makes one.
    """

    name: str | None
    n_images: np.ndarray
    fingerprints: np.ndarray
    energies: np.ndarray
    mean_residual_energy: float
    fit: EnergyFit
    printed_fit: EnergyFit
    unbiased_limit: float
    split_half_limit: float
    autocorrelation: np.ndarray
    period: tuple[int | None, int | None]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each number of images.

        Returns
        -------
        list of dict
            Rows with ``name``, ``n_images``, ``energy``, and the values of ``fit`` and
            ``printed_fit`` at that number.
        """
        columns = {
            "n_images": self.n_images,
            "energy": self.energies,
            "fit": self.fit.predict(self.n_images),
            "printed_fit": self.printed_fit.predict(self.n_images),
        }
        rows = zip(*map(plain, columns.values()), strict=True)
        return [{"name": self.name, **dict(zip(columns, row, strict=True))} for row in rows]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values that JSON can hold.

        Returns
        -------
        dict
            All attributes but the fingerprints and the autocorrelation, which are pictures.
        """
        values = {name: value for name, value in vars(self).items() if name not in _PICTURES}
        for name in ("fit", "printed_fit"):
            values[name] = {key: getattr(values[name], key) for key in _FIT_VALUES}
        return plain(values)


def measure_convergence(
    residuals: Any, *, n_images: Any = None, name: str | None = None
) -> ConvergenceResult:
    """Follow the fingerprint of one source over a growing number of its images.

    Parameters
    ----------
    residuals : array-like of shape (n, H, W) or (n, H, W, C)
        Residuals of at least two images of the source, in 8-bit grey levels.
    n_images : array-like of int, shape (k,), default=None
        Numbers of images to follow it at, from 1 to n; all n are added. None takes powers of two.
    name : str, default=None
        Name of the source.

    Returns
    -------
    ConvergenceResult
        Fingerprints, energies and their limit, autocorrelation and period.

    Raises
    ------
    ValueError
        If there are fewer than two images, their residuals are all 0, or an argument does not fit.

    See Also
    --------
    reproduce_paper : Does so for files, whose residuals need not fit into memory.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.experiments import measure_convergence
    >>> rng = np.random.default_rng(0)
    >>> pattern = np.zeros((64, 64))
    >>> pattern[::4, ::4] = 2.0
    >>> residuals = pattern + 3 * rng.normal(size=(64, 64, 64))
    >>> result = measure_convergence(residuals, name="generator")
    >>> result.n_images
    array([ 1,  2,  4,  8, 16, 32, 64])
    >>> result.period
    (4, 4)
    >>> 0.2 < result.unbiased_limit < 0.3
    True
    """
    residuals = np.asarray(residuals)
    n = len(residuals)
    ends = np.unique([*(doubling_counts(n) if n_images is None else n_images), n])
    if ends[0] < 1 or ends[-1] > n or (ends != ends.astype(np.intp)).any():
        raise ValueError(
            f"n_images: expected whole numbers from 1 to the number of residuals, {n}; got "
            f"{np.asarray(n_images).tolist()}."
        )
    block = np.searchsorted(ends, np.arange(n), side="right")
    sums = class_sums(residuals.reshape(n, -1), block, np.ones(n), len(ends))
    return convergence_from_sums(
        sums.reshape(-1, *residuals.shape[1:]),
        np.diff(ends, prepend=0).astype(np.intp),
        float(energy(residuals).mean()),
        name=name,
    )


def convergence_from_sums(
    sums: Any, counts: Any, mean_residual_energy: float, *, name: str | None = None
) -> ConvergenceResult:
    """Follow the fingerprint of one source, given sums of the residuals of sets of its images.

    `sums` (k, H, W[, C]) and `counts` (k,) are of k >= 2 sets that have no image in common; the
    fingerprints are those from the first set, from the first two sets, and so on. The halves of
    the split-half limit consist of whole sets and are as equal as they can be. Fingerprints of
    energy 0, as of a blank first image, are left out of the fits.
    """
    sums, counts = np.asarray(sums, dtype=np.float64), np.asarray(counts)
    _check_sums(sums, counts, name)
    n_images = counts.cumsum()
    totals = sums.cumsum(axis=0)
    fingerprints = totals / n_images.reshape(-1, *[1] * (sums.ndim - 1))
    energies = energy(fingerprints)
    seen = energies > 0
    if seen.sum() < 2:
        raise ValueError(
            f"{_called(name)}: all residuals but a few are 0, as those of blank images; there is "
            f"nothing to measure."
        )
    half = int(np.abs(2 * n_images[:-1] - n_images[-1]).argmin())
    rest = (totals[-1] - totals[half]) / (n_images[-1] - n_images[half])
    acf = autocorrelation(fingerprints[-1])
    return ConvergenceResult(
        name=name,
        n_images=n_images,
        fingerprints=fingerprints,
        energies=energies,
        mean_residual_energy=float(mean_residual_energy),
        fit=fit_energy(n_images[seen], energies[seen]),
        printed_fit=fit_energy(n_images[seen], energies[seen], form="printed"),
        unbiased_limit=float(unbiased_energy(energies[-1], mean_residual_energy, n_images[-1])),
        split_half_limit=split_half_energy(fingerprints[half], rest),
        autocorrelation=acf,
        period=autocorrelation_period(acf),
    )


def _check_sums(sums: np.ndarray, counts: np.ndarray, name: str | None) -> None:
    if sums.ndim not in (3, 4) or counts.shape != sums.shape[:1]:
        raise ValueError(
            f"{_called(name)}: expected residuals or sums of shape (n, H, W) or (n, H, W, C), and "
            f"as many counts; got shapes {sums.shape} and {counts.shape}."
        )
    if len(counts) < 2 or counts.min() < 1:
        raise ValueError(
            f"{_called(name)}: expected at least two numbers of images, to see the fingerprint "
            f"change; got sets of {counts.tolist()} images."
        )


def _called(name: str | None) -> str:
    return "the source" if name is None else f"source {name!r}"
