"""The same pipelines over image files, in bounded memory."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.files._batches import NoResidualError, UnreadableImageWarning
from sklearn_ganprint.files._estimator import (
    FileBatchClassifier,
    FileBatchClustering,
    FileBatchEstimator,
)

__all__ = [
    "FileBatchClassifier",
    "FileBatchClustering",
    "FileBatchEstimator",
    "NoResidualError",
    "UnreadableImageWarning",
]

publish(globals())
