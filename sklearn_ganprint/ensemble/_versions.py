"""Versions of images: as they are, and perturbed in one way or another."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_ganprint._batches import transform_batch
from sklearn_ganprint._parallel import row_chunks
from sklearn_ganprint.perturbations import BasePerturbation, check_perturbation

#: What images go through most: compression, resizing, one after the other, slight blur and noise.
#: Resizing factors lie close enough for those between them to be recognised.
DEFAULT_PERTURBATIONS = (
    *("jpeg 95", "jpeg 85", "jpeg 75", "jpeg 60"),
    *("resize 0.6", "resize 0.75", "resize 0.9", "resize 1.1", "resize 1.25", "resize 1.4"),
    *("blur 0.5", "blur 1", "noise 2"),
    *(("resize 0.75", "jpeg 95"), ("resize 0.75", "jpeg 80")),
    *(("resize 0.9", "jpeg 95"), ("resize 0.9", "jpeg 80")),
    *(("resize 1.1", "jpeg 95"), ("resize 1.1", "jpeg 80")),
    *(("resize 1.25", "jpeg 95"), ("resize 1.25", "jpeg 80")),
)

Perturbation = str | BasePerturbation | Sequence[str | BasePerturbation]

#: Perturbations that are applied one after another.
Chain = list[BasePerturbation]


def perturbation_chains(perturbations: Sequence[Perturbation]) -> list[Chain]:
    """Make the perturbations that lead to each version, none to the first.

    Parameters
    ----------
    perturbations : sequence
        Texts, perturbations, or sequences of these.

    Returns
    -------
    list of list of BasePerturbation
        For each version the perturbations that are applied one after another.
    """
    chains: list[Chain] = [[]]
    for each in perturbations:
        steps = each if isinstance(each, (list, tuple)) else [each]
        chains.append([check_perturbation(step) for step in steps])
    return chains


def chain_name(chain: Chain) -> str:
    """Name a version by its perturbations."""
    return ", ".join(map(str, chain)) or "original"


def transform_versions(images: np.ndarray, chains: list[Chain], steps: list[Any]) -> np.ndarray:
    """Apply the perturbations, then the steps, to a few images at a time.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        Images.

    chains : list of list of BasePerturbation
        Perturbations of each version.

    steps : list of transformer
        Steps that learn nothing.

    Returns
    -------
    ndarray of shape (n, n_versions, ...)
        What the steps return, which must have one shape for all versions.

    Raises
    ------
    ValueError
        If it has not.
    """
    versions = np.empty(0)
    for position, chain in enumerate(chains):
        # 64 MiB of float32: residuals, unlike features, are too large to have all at once.
        for chunk in row_chunks(len(images), images[0].size // 64):
            perturbed = np.asarray(transform_batch(images[chunk], chain))
            rows = transform_batch(perturbed, steps)
            if not versions.size:
                versions = np.empty((len(images), len(chains), *rows.shape[1:]), rows.dtype)
            _check_shape(chain, rows.shape[1:], versions.shape[2:])
            versions[chunk, position] = rows
    return versions


def _check_shape(chain: Chain, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if shape != expected:
        raise ValueError(
            f"{chain_name(chain)!r} leads to shape {shape}, and the images as they are to "
            f"{expected}: they cannot be stacked. Either begin the estimator with steps that learn "
            f"nothing and whose output does not depend on the size of images, or keep the size, "
            f"as 'resize 0.75 and back' does."
        )
