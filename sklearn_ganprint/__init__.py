"""Which generator or camera made this image? Fingerprint attribution for scikit-learn."""

__version__ = "0.1.0"

from sklearn_ganprint import _interrupt  # noqa: F401  (before all that takes seconds)
from sklearn_ganprint._public import keep_former_modules, publish
from sklearn_ganprint.classification import FingerprintClassifier, PRNUClassifier
from sklearn_ganprint.clustering import FingerprintClustering
from sklearn_ganprint.ensemble import AugmentedClassifier, FusionClassifier, TiledClassifier
from sklearn_ganprint.files import FileBatchClassifier, FileBatchClustering, FileBatchEstimator
from sklearn_ganprint.localization import FingerprintLocalizer
from sklearn_ganprint.open_set import FingerprintDetector, OpenSetClassifier
from sklearn_ganprint.persistence import load_model, save_model
from sklearn_ganprint.pipelines import make_attribution_pipeline, make_localization_pipeline
from sklearn_ganprint.residuals import LocalVarianceNormalizer, ResidualTransformer

__all__ = [
    "AugmentedClassifier",
    "FileBatchClassifier",
    "FileBatchClustering",
    "FileBatchEstimator",
    "FingerprintClassifier",
    "FingerprintClustering",
    "FingerprintDetector",
    "FingerprintLocalizer",
    "FusionClassifier",
    "LocalVarianceNormalizer",
    "OpenSetClassifier",
    "PRNUClassifier",
    "ResidualTransformer",
    "TiledClassifier",
    "load_model",
    "make_attribution_pipeline",
    "make_localization_pipeline",
    "save_model",
]

publish(globals())
keep_former_modules(__name__)
