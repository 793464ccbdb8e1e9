"""The same pipelines over image files, in bounded memory."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.files._batches import (
    MAX_SIDE,
    MIN_SIDE,
    NoResidualError,
    UnreadableImageWarning,
)
from sklearn_ganprint.files._estimator import (
    FileBatchClassifier,
    FileBatchClustering,
    FileBatchEstimator,
)
from sklearn_ganprint.files._histories import FileHistory, coverage_in_words, uncovered

__all__ = [
    "MAX_SIDE",
    "MIN_SIDE",
    "FileBatchClassifier",
    "FileBatchClustering",
    "FileBatchEstimator",
    "FileHistory",
    "NoResidualError",
    "UnreadableImageWarning",
    "coverage_in_words",
    "uncovered",
]

publish(globals())
