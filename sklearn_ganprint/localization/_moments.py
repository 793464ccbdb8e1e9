"""Directions that tell windows of the sources apart, from sums over batches and folds."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh

#: Added to variances: those of features that never vary are 0.
TINY = 1e-9
#: At most so many coordinates in which images of one source differ, one for so many images, and
#: none with fewer images than that: of few images they are mere chance.
MOST_IMAGE_COORDINATES, IMAGES_PER_COORDINATE, FEWEST_IMAGES = 30, 10, 20
#: Share of a multiple of the identity in the covariance of windows within images.
WITHIN_SHRINKAGE = 0.01
#: What single precision may lose of a sum of products, as a share of their mean.
ROUNDING = 1e-4


class Moments(NamedTuple):
    """Numbers, sums and products of the windows of each fold."""

    counts: np.ndarray  # (n_folds, n_classes)
    sums: np.ndarray  # (n_folds, n_classes, n_features)
    products: np.ndarray  # (n_folds, n_features, n_features)
    image_products: np.ndarray  # (n_folds, n_features, n_features): as if windows were their means
    n_images: np.ndarray  # (n_folds,)

    @classmethod
    def zeros(cls, n_folds: int, n_classes: int, n_features: int) -> Self:
        """Moments of no windows."""
        return cls(
            np.zeros((n_folds, n_classes)),
            np.zeros((n_folds, n_classes, n_features)),
            np.zeros((n_folds, n_features, n_features)),
            np.zeros((n_folds, n_features, n_features)),
            np.zeros(n_folds),
        )

    def add(self, fold: int, code: int, rows: np.ndarray) -> None:
        """Add windows of one image."""
        if not len(rows):
            return
        added = rows.sum(axis=0, dtype=np.float64)
        self.counts[fold, code] += len(rows)
        self.sums[fold, code] += added
        self.products[fold] += rows.T @ rows
        self.image_products[fold] += np.outer(added, added / len(rows))
        self.n_images[fold] += 1

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
    """From features of a window to its coordinates."""

    coef: np.ndarray  # (n_coordinates, n_features)
    intercept: np.ndarray  # (n_coordinates,)

    def extend(self, coef: np.ndarray, centre: np.ndarray) -> "Projection":
        """Add coordinates, which are 0 at a centre."""
        both = np.concatenate([self.coef, coef.astype(self.coef.dtype)])
        return Projection(both, np.append(self.intercept, -coef @ centre).astype(both.dtype))


def discriminant_projection(moments: Moments, shrinkage: float, dtype: Any) -> Projection:
    """Coordinates in which linear discriminant analysis tells the classes apart.

    With means m_c, their mean m, and the pooled and shrunk covariance S they are
    ``(x - m) S^-1 (m_c - m)``. These add up to 0, so that the last one is left out.
    """
    counts, sums, products, *_ = (each.sum(axis=0) for each in moments)
    means = sums / counts[:, np.newaxis]
    covariance = (products - sums.T @ means) / counts.sum()
    diagonal = shrinkage * np.trace(covariance) / len(covariance)
    covariance *= 1 - shrinkage
    covariance.flat[:: len(covariance) + 1] += max(diagonal, TINY)
    centre = means.mean(axis=0)
    coef = cho_solve(cho_factor(covariance), (means - centre)[:-1].T).T
    return Projection(coef.astype(dtype), (-coef @ centre).astype(dtype))


def image_directions(moments: Moments) -> np.ndarray:
    """Directions in which images of one source differ, as rows, the foremost first.

    They maximize the scatter of the means of images about that of their source, in units of that of
    windows about the mean of their image. What differs from image to image and hardly within one
    is how it was made rather than its content, which shows sources that nobody fitted on.
    """
    counts, sums, products, image_products, n_images = (each.sum(axis=0) for each in moments)
    n_directions = min(MOST_IMAGE_COORDINATES, int(n_images) // IMAGES_PER_COORDINATE)
    if n_images < FEWEST_IMAGES:
        return np.empty((0, len(products)))
    between = image_products - (sums / counts[:, np.newaxis]).T @ sums
    within = (products - image_products) / counts.sum()
    diagonal = WITHIN_SHRINKAGE * np.trace(within) / len(within)
    # Images of a single window have no scatter within, but what rounding leaves of it.
    rounding = ROUNDING * np.trace(products) / counts.sum() / len(products)
    within.flat[:: len(within) + 1] += max(diagonal, rounding, TINY)
    vectors = eigh(between, within)[1].T[::-1][:n_directions]
    # One of two signs, so that the same images give the same coordinates.
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, np.newaxis], axis=1)
    return vectors * np.sign(largest)


def projections(moments: Moments, shrinkage: float, dtype: Any) -> list[Projection]:
    """Coordinates by all images, then those that tell sources apart without each fold.

    The directions in which images of one source differ are those of all images: found without
    each fold, they would not be the same coordinates.
    """
    directions = image_directions(moments)
    counts, sums = moments.counts.sum(axis=0), moments.sums.sum(axis=0)
    centre = (sums / counts[:, np.newaxis]).mean(axis=0)
    parts = [moments, *map(moments.leave_out, range(len(moments.counts)))]
    return [
        discriminant_projection(part, shrinkage, dtype).extend(directions, centre) for part in parts
    ]
