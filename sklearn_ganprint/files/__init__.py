"""The same pipelines over image files, in bounded memory."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.files._batches import NoResidualError, UnreadableImageWarning
from sklearn_ganprint.files._classifier import FileBatchClassifier
from sklearn_ganprint.files._clustering import FileBatchClustering

__all__ = [
    "FileBatchClassifier",
    "FileBatchClustering",
    "NoResidualError",
    "UnreadableImageWarning",
]

publish(globals())
