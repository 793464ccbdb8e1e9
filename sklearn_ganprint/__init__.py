"""Which generator or camera made this image? Fingerprint attribution for scikit-learn."""

__version__ = "0.1.0"

from sklearn_ganprint.augmentation import AugmentedClassifier
from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.files import FileBatchClassifier
from sklearn_ganprint.persistence import load_model, save_model
from sklearn_ganprint.residuals import ResidualTransformer

__all__ = [
    "AugmentedClassifier",
    "FileBatchClassifier",
    "FingerprintClassifier",
    "ResidualTransformer",
    "load_model",
    "save_model",
]
