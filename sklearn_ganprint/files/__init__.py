"""The same pipelines over image files, in bounded memory."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.files._batches import NoResidualError, UnreadableImageWarning
from sklearn_ganprint.files._estimator import (
    MAX_SIDE,
    MIN_SIDE,
    FileBatchClassifier,
    FileBatchClustering,
    FileBatchEstimator,
)

__all__ = [
    "MAX_SIDE",
    "MIN_SIDE",
    "FileBatchClassifier",
    "FileBatchClustering",
    "FileBatchEstimator",
    "NoResidualError",
    "UnreadableImageWarning",
]

publish(globals())
