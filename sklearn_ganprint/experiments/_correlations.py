"""Correlations between the residuals of sources and the fingerprints of sources (eq. 5 to 8)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from sklearn_ganprint.experiments._results import Result, plain


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
