"""L3: several traces of one source, fused by what they are worth on unseen images."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.fusion._classifier import FusionClassifier

__all__ = ["FusionClassifier"]

publish(globals())
