"""L3: attribution by the nearest fingerprint."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.classification._base import BaseFingerprintClassifier
from sklearn_ganprint.classification._classifier import FingerprintClassifier

__all__ = ["BaseFingerprintClassifier", "FingerprintClassifier"]

publish(globals())
