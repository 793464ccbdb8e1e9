"""Directions that tell windows of the sources apart, from sums over batches and folds."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.linalg import cho_factor, cho_solve

#: Added to variances: those of features that never vary are 0.
TINY = 1e-9


class Moments(NamedTuple):
    """Numbers, sums and products of the windows of each fold."""

    counts: np.ndarray  # (n_folds, n_classes)
    sums: np.ndarray  # (n_folds, n_classes, n_features)
    products: np.ndarray  # (n_folds, n_features, n_features)

    @classmethod
    def zeros(cls, n_folds: int, n_classes: int, n_features: int) -> Self:
        """Moments of no windows."""
        return cls(
            np.zeros((n_folds, n_classes)),
            np.zeros((n_folds, n_classes, n_features)),
            np.zeros((n_folds, n_features, n_features)),
        )

    def add(self, fold: int, code: int, rows: np.ndarray) -> None:
        """Add windows of one image."""
        self.counts[fold, code] += len(rows)
        self.sums[fold, code] += rows.sum(axis=0, dtype=np.float64)
        self.products[fold] += rows.T @ rows

    def leave_out(self, fold: int) -> "Moments":
        """Moments of the other folds; of all folds, if a class is in none of the others."""
        kept = np.arange(len(self.counts)) != fold
        others = Moments(*(each[kept] for each in self))
        return others if (others.counts.sum(axis=0) > 0).all() else self


def total(parts: Iterable[Moments]) -> Moments:
    """Add up moments, as they come in."""
    added: Moments | None = None
    for part in parts:
        added = part if added is None else Moments(*map(np.add, added, part))
    if added is None:
        raise ValueError("Expected the windows of at least one batch of images, got none.")
    return added


class Projection(NamedTuple):
    """From features of a window to its coordinates, one for each source but the last."""

    coef: np.ndarray  # (n_classes - 1, n_features)
    intercept: np.ndarray  # (n_classes - 1,)


def discriminant_projection(moments: Moments, shrinkage: float, dtype: Any) -> Projection:
    """Coordinates in which linear discriminant analysis tells the classes apart.

    With means m_c, their mean m, and the pooled and shrunk covariance S they are
    ``(x - m) S^-1 (m_c - m)``. These add up to 0, so that the last one is left out.
    """
    counts, sums, products = (each.sum(axis=0) for each in moments)
    means = sums / counts[:, np.newaxis]
    covariance = (products - sums.T @ means) / counts.sum()
    diagonal = shrinkage * np.trace(covariance) / len(covariance)
    covariance *= 1 - shrinkage
    covariance.flat[:: len(covariance) + 1] += max(diagonal, TINY)
    centre = means.mean(axis=0)
    coef = cho_solve(cho_factor(covariance), (means - centre)[:-1].T).T
    return Projection(coef.astype(dtype), (-coef @ centre).astype(dtype))
