"""Sums over the images of each class, which fingerprints are made of and which can be merged."""

from typing import NamedTuple

import numpy as np

from sklearn_ganprint.fingerprints import class_sums


class ClassSums(NamedTuple):
    """Sums of weights, of weighted residuals, and of their weighted squared norms, by class."""

    weight: np.ndarray
    residuals: np.ndarray
    squares: np.ndarray

    @classmethod
    def zero(cls, n_classes: int, n_features: int) -> "ClassSums":
        """Make the sums over no image."""
        return cls(np.zeros(n_classes), np.zeros((n_classes, n_features)), np.zeros(n_classes))

    @classmethod
    def of(
        cls, rows: np.ndarray, codes: np.ndarray, weights: np.ndarray, n_classes: int, squares: bool
    ) -> "ClassSums":
        """Add up rows; squared norms only if `squares`, else they are 0."""
        norms = np.einsum("ij,ij->i", rows, rows, dtype=np.float64) if squares else 0 * weights
        return cls(
            np.bincount(codes, weights, n_classes),
            class_sums(rows, codes, weights, n_classes),
            np.bincount(codes, weights * norms, n_classes),
        )

    def means(self) -> np.ndarray:
        """Mean residual of each class, 0 for a class without images."""
        return self.residuals / np.where(self.weight > 0, self.weight, 1)[:, np.newaxis]


def unbiased_square(fingerprints: np.ndarray, count: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Squared norm of the fingerprints without the noise that is left in means of few residuals.

    Parameters
    ----------
    fingerprints : ndarray of shape (n_classes, n_features)
        Means of residuals.

    count : ndarray of shape (n_classes,)
        Number of residuals.

    squares : ndarray of shape (n_classes,)
        Sum of their squared norms.

    Returns
    -------
    ndarray of shape (n_classes,)
        ``(N |F|^2 - mean |R|^2) / (N - 1)``, whose expectation is that of infinitely many
        residuals; 0 where there is one residual, all of which may be noise.
    """
    own = np.einsum("ij,ij->i", fingerprints, fingerprints)
    several = count > 1
    count = np.where(several, count, 2.0)
    return np.where(several, (count * own - squares / count) / (count - 1), 0.0)
