"""What a fit looks for in each batch of residuals."""

import numpy as np

from sklearn_ganprint._images import ImageShape
from sklearn_ganprint._parallel import row_chunks
from sklearn_ganprint.clustering._assignment import NOWHERE, Assignment
from sklearn_ganprint.clustering._features import part_spectra
from sklearn_ganprint.residuals._blanks import zero_rows

#: Label of images that have not been looked at.
UNSEEN = -2

#: Residuals that are taken from among the others at a time.
BATCH = 64


def chosen_features(
    residuals: np.ndarray, chosen: np.ndarray, shape: ImageShape, n_jobs: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Which residuals of a batch were chosen and are not 0, and their features.

    Those of all residuals take no copy.
    """
    images = np.asarray(residuals).reshape(len(residuals), *shape)
    chosen = chosen & ~zero_rows(images)
    if chosen.all():
        return chosen, part_spectra(images, n_jobs)
    positions = np.flatnonzero(chosen)
    if not len(positions):
        return chosen, part_spectra(np.zeros((1, *shape), images.dtype))[:0]
    parts = np.array_split(positions, -(-len(positions) // BATCH))
    return chosen, np.concatenate([part_spectra(images[part], n_jobs) for part in parts])


def assign(
    images: np.ndarray, labels: np.ndarray, rule: Assignment, n_jobs: int | None
) -> np.ndarray:
    """Labels of images, of which some have theirs already; those without residual fit nowhere."""
    labels = np.where((labels == UNSEEN) & zero_rows(images), NOWHERE, labels)
    unseen = np.flatnonzero(labels == UNSEEN)
    for start in range(0, len(unseen), BATCH):
        part = unseen[start : start + BATCH]
        labels[part] = rule.labels(part_spectra(images[part], n_jobs)[:, 0])
    return labels


def assign_and_sum(
    residuals: np.ndarray,
    labels: np.ndarray,
    shape: ImageShape,
    rule: Assignment,
    n_jobs: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the residuals of a batch, and the sum ``(n_clusters, n_features)`` of each cluster.

    Sums are in double precision, of a few residuals at a time: no copy of all is made.
    """
    rows = np.asarray(residuals).reshape(len(residuals), -1)
    labels = assign(rows.reshape(-1, *shape), labels, rule, n_jobs)
    sums = np.zeros((len(rule.centers), rows.shape[1]))
    for chunk in row_chunks(*rows.shape):
        members = labels[chunk] == np.arange(len(sums))[:, np.newaxis]
        present = members.any(axis=1)
        sums[present] += members[present].astype(rows.dtype) @ rows[chunk]
    return np.where(labels == UNSEEN, NOWHERE, labels), sums
