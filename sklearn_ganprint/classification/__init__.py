"""Attribution by the nearest fingerprint, and linear discriminant analysis of features."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.classification._base import BaseFingerprintClassifier
from sklearn_ganprint.classification._fingerprint import FingerprintClassifier
from sklearn_ganprint.classification._prnu import MATCH_ENERGY, PRNUClassifier
from sklearn_ganprint.classification._subclass import (
    PooledDiscriminantAnalysis,
    SubclassDiscriminantAnalysis,
)

__all__ = [
    "MATCH_ENERGY",
    "BaseFingerprintClassifier",
    "FingerprintClassifier",
    "PRNUClassifier",
    "PooledDiscriminantAnalysis",
    "SubclassDiscriminantAnalysis",
]

publish(globals())
