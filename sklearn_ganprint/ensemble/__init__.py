"""Estimators that fit others: on perturbed copies, on tiles, or several that are fused."""

from sklearn_ganprint._public import former_names, publish
from sklearn_ganprint.ensemble._augmented import (
    AugmentedClassifier,
    TiledClassifier,
    merge_subclass_scores,
)
from sklearn_ganprint.ensemble._contributions import (
    Contributions,
    score_contributions,
    sum_contributions,
)
from sklearn_ganprint.ensemble._detection import PHOTO_NAMES, DetectionClassifier
from sklearn_ganprint.ensemble._fusion import FusionClassifier

__all__ = [
    "PHOTO_NAMES",
    "AugmentedClassifier",
    "Contributions",
    "DetectionClassifier",
    "FusionClassifier",
    "TiledClassifier",
    "merge_subclass_scores",
    "score_contributions",
    "sum_contributions",
]

publish(globals())
__getattr__ = former_names(__name__, {"DEFAULT_PERTURBATIONS": "_augmented"})
