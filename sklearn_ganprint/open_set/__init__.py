"""Classifiers that can answer "none of these", at a stated rate of false alarms."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.classification._base import discriminant_distances
from sklearn_ganprint.conformal import (
    Calibration,
    CalibrationWarning,
    PredictionSets,
    conformal_p_values,
    conformal_threshold,
    scores_needed,
)
from sklearn_ganprint.open_set._classifier import OpenSetClassifier
from sklearn_ganprint.open_set._detector import FingerprintDetector
from sklearn_ganprint.open_set._sources import SourceFamilies, SourceLikelihoodRatios

__all__ = [
    "Calibration",
    "CalibrationWarning",
    "FingerprintDetector",
    "OpenSetClassifier",
    "PredictionSets",
    "SourceFamilies",
    "SourceLikelihoodRatios",
    "conformal_p_values",
    "conformal_threshold",
    "discriminant_distances",
    "scores_needed",
]

publish(globals())
