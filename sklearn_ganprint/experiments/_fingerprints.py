"""Fingerprints that come out of the noise (Fig. 2 to 4), and residuals like them (eq. 5 to 8)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.utils import assert_all_finite

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

__all__ = ["ConvergenceResult", "CorrelationResult", "measure_convergence", "measure_correlations"]

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
        If there are fewer than two images, their residuals are all 0 or not finite, or an argument
        does not fit.

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
    assert_all_finite(sums, input_name="residuals")


def _called(name: str | None) -> str:
    return "the source" if name is None else f"source {name!r}"


@dataclass(frozen=True, eq=False)
class CorrelationResult(Result):
    """What :func:`measure_correlations` found.

    In every matrix rows are the sources of the residuals, and columns those of the fingerprints.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The sources.
    architectures : tuple of length n_classes, or None
        Architecture of each source.
    scores : ndarray of shape (n, n_classes)
        Correlation of each test image's residual with each fingerprint.
    y : ndarray of shape (n,)
        Source of each test image.
    n_test : ndarray of int, shape (n_classes,)
        Number of test images of each source.
    mean : ndarray of float64, shape (n_classes, n_classes)
        Mean correlations (eq. 8).
    blocks : dict of str to float
        Mean of `mean` over ``own``, ``sibling`` and ``other`` fingerprints.
    auc : ndarray of float64, shape (n_classes, n_classes)
        Chance that a residual of the row's source correlates more with its own fingerprint than
        another one of that source with the column's; NaN on the diagonal.
    d_prime : ndarray of float64, shape (n_classes, n_classes)
        Distance between these two distributions in standard deviations, ``(mean(same) -
        mean(cross)) / sqrt((var(same) + var(cross)) / 2)``; NaN on the diagonal.

    See Also
    --------
    measure_correlations : Makes one.
    """

    classes: np.ndarray
    architectures: tuple[Any, ...] | None
    scores: np.ndarray
    y: np.ndarray
    n_test: np.ndarray
    mean: np.ndarray
    blocks: dict[str, float]
    auc: np.ndarray
    d_prime: np.ndarray

    def pair(self, a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the correlations of one source with its own and another's fingerprint (Fig. 5).

        Parameters
        ----------
        a, b : source label
            The source of the residuals, and the other one.

        Returns
        -------
        same : ndarray of shape (m,)
            Correlations of the residuals of `a` with the fingerprint of `a` (eq. 6).
        cross : ndarray of shape (m,)
            Correlations of the same residuals with the fingerprint of `b` (eq. 7).

        Raises
        ------
        ValueError
            If there is no such source.
        """
        return same_cross_correlations(self.scores, self.y, self.classes, a, b)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each pair of sources.

        Returns
        -------
        list of dict
            Rows with ``source`` of the residuals, ``fingerprint``, their ``relation`` ("own",
            "sibling" or "other"), ``n_test``, ``mean``, ``auc`` and ``d_prime``.
        """
        relations = _relations(len(self.classes), self.architectures)
        return [
            {
                "source": str(self.classes[i]),
                "fingerprint": str(self.classes[j]),
                "relation": str(relations[i, j]),
                "n_test": int(self.n_test[i]),
                "mean": plain(self.mean[i, j]),
                "auc": plain(self.auc[i, j]),
                "d_prime": plain(self.d_prime[i, j]),
            }
            for i, j in np.ndindex(*relations.shape)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values that JSON can hold.

        Returns
        -------
        dict
            ``classes``, ``architectures``, ``n_test``, ``mean``, ``blocks``, ``auc`` and
            ``d_prime``; not the single scores.
        """
        architectures = None if self.architectures is None else list(map(str, self.architectures))
        names = ("n_test", "mean", "blocks", "auc", "d_prime")
        return {
            "classes": list(map(str, self.classes)),
            "architectures": architectures,
            **{name: plain(getattr(self, name)) for name in names},
        }


def measure_correlations(
    scores: Any, y: Any, classes: Any, architectures: Sequence[Any] | None = None
) -> CorrelationResult:
    """Measure how well residuals tell their own source's fingerprint from the others'.

    Parameters
    ----------
    scores : array-like of shape (n, n_classes)
        Correlation of each test image's residual with each fingerprint, as
        :meth:`FingerprintClassifier.correlate` gives it for images that are in no fingerprint.
    y : array-like of shape (n,)
        Source of each image.
    classes : array-like of shape (n_classes,)
        The source of each column.
    architectures : sequence of length n_classes, default=None
        Architecture of each source; those that share one are siblings.

    Returns
    -------
    CorrelationResult
        Mean correlations, areas under the ROC curves, and d' of all pairs of sources.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Notes
    -----
    For normal distributions the area under the ROC curve is ``Phi(d' / sqrt(2))``: the 0.990 and
    0.998 of the paper that :func:`reproduce_paper` repeats are a d' of 3.29 and 4.07.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import measure_correlations
    >>> scores = [[0.9, 0.1], [0.8, -0.1], [0.0, 0.7], [0.2, 0.1]]
    >>> result = measure_correlations(scores, ["a", "a", "b", "b"], ["a", "b"])
    >>> result.auc
    array([[ nan, 1.  ],
           [0.75,  nan]])
    """
    scores, y, classes = check_scores(scores, y, classes)
    relations = _relations(len(classes), architectures)
    auc, distances = (np.full(relations.shape, np.nan) for _ in range(2))
    for i, j in np.argwhere(relations != "own"):
        same, cross = scores[y == classes[i]][:, [i, j]].T
        distances[i, j] = d_prime(same, cross)
        if len(same):
            auc[i, j] = roc_auc_score(np.repeat([1, 0], len(same)), np.append(same, cross))
    mean = mean_correlation_matrix(scores, y, classes)
    return CorrelationResult(
        classes=classes,
        architectures=None if architectures is None else tuple(architectures),
        scores=scores,
        y=y,
        n_test=np.array([(y == label).sum() for label in classes]),
        mean=mean,
        blocks=block_means(mean, architectures),
        auc=auc,
        d_prime=distances,
    )


def same_cross_correlations(
    scores: Any, y: Any, classes: Any, a: Any, b: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlations of the residuals of `a` with the fingerprints of `a` and of `b`."""
    scores, y, classes = check_scores(scores, y, classes)
    columns = []
    for label in (a, b):
        found = np.flatnonzero(classes == label)
        if len(found) != 1:
            raise ValueError(f"Expected one of the sources {classes.tolist()}, got {label!r}.")
        columns.append(found[0])
    own = scores[y == a]
    return own[:, columns[0]], own[:, columns[1]]


def mean_correlation_matrix(scores: Any, y: Any, classes: Any) -> np.ndarray:
    """Return the mean correlation of each source's residuals with each fingerprint (eq. 8)."""
    scores, y, classes = check_scores(scores, y, classes)
    means = np.full((len(classes), len(classes)), np.nan)
    for row, label in enumerate(classes):
        if (y == label).any():
            means[row] = scores[y == label].mean(axis=0)
    return means


def block_means(matrix: Any, architectures: Sequence[Any] | None = None) -> dict[str, float]:
    """Return the mean of a matrix over each source with itself, its siblings, and all others.

    Every pair of sources counts alike, and NaN in the matrix not at all.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    relations = _relations(len(matrix), architectures)
    if matrix.shape != relations.shape:
        raise ValueError(f"matrix: expected shape {relations.shape}, got {matrix.shape}.")
    means = {}
    for relation in ("own", "sibling", "other"):
        values = matrix[(relations == relation) & ~np.isnan(matrix)]
        means[relation] = float(values.mean()) if len(values) else np.nan
    return means


def d_prime(same: Any, cross: Any) -> float:
    """Return the distance between two distributions of scores, in standard deviations.

    Variances are unbiased. The distance is infinite, or NaN for equal means, if neither side
    varies, and NaN if a side has fewer than two scores.
    """
    same, cross = np.asarray(same, dtype=np.float64), np.asarray(cross, dtype=np.float64)
    if min(len(same), len(cross)) < 2:
        return math.nan
    spread = math.sqrt((same.var(ddof=1) + cross.var(ddof=1)) / 2)
    distance = float(same.mean() - cross.mean())
    if spread > 0:
        return distance / spread
    return math.copysign(math.inf, distance) if distance else math.nan


def check_scores(scores: Any, y: Any, classes: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scores, y, classes = np.asarray(scores), np.asarray(y), np.asarray(classes)
    if scores.shape != (len(y), len(classes)):
        raise ValueError(
            f"scores: expected shape (n, n_classes) = {(len(y), len(classes))}, got {scores.shape}."
        )
    return scores, y, classes


def _relations(n_classes: int, architectures: Sequence[Any] | None) -> np.ndarray:
    """Return what each source is to each other: "own", "sibling" or "other"."""
    if architectures is not None and len(architectures) != n_classes:
        raise ValueError(
            f"architectures: expected one for each of {n_classes} sources, got "
            f"{len(architectures)}."
        )
    names = range(n_classes) if architectures is None else architectures
    relations = np.array([["sibling" if a == b else "other" for b in names] for a in names])
    np.fill_diagonal(relations, "own")
    return relations
