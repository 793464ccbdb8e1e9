"""L4: the same pipelines over image files, in bounded memory."""

from sklearn_ganprint.files._classifier import FileBatchClassifier, UnreadableImageWarning

__all__ = ["FileBatchClassifier", "UnreadableImageWarning"]
