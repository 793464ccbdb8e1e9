"""L5: pictures of what the estimators have found; matplotlib is imported when one is drawn."""

from sklearn_ganprint.plotting._fingerprint import FingerprintDisplay

__all__ = ["FingerprintDisplay"]
