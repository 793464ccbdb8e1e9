"""Estimators that fit others: on perturbed copies, on tiles, or several that are fused."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.ensemble._augmented import (
    DEFAULT_PERTURBATIONS,
    AugmentedClassifier,
    merge_subclass_scores,
)
from sklearn_ganprint.ensemble._fusion import FusionClassifier
from sklearn_ganprint.ensemble._tiled import TiledClassifier

__all__ = [
    "DEFAULT_PERTURBATIONS",
    "AugmentedClassifier",
    "FusionClassifier",
    "TiledClassifier",
    "merge_subclass_scores",
]

publish(globals())
