"""Whether two collections of images, or two models, share sources: their fingerprints compared."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.comparison._models import (
    FEWEST_SOURCES,
    Match,
    ModelComparison,
    compare_models,
)
from sklearn_ganprint.comparison._sets import (
    FingerprintSet,
    estimate_fingerprints,
    fingerprint_set,
    fingerprint_settings,
)

__all__ = [
    "FEWEST_SOURCES",
    "FingerprintSet",
    "Match",
    "ModelComparison",
    "compare_models",
    "estimate_fingerprints",
    "fingerprint_set",
    "fingerprint_settings",
]

publish(globals())
