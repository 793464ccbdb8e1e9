"""Which unlabelled images share a source."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.clustering._estimator import FingerprintClustering, cluster_parts
from sklearn_ganprint.clustering._features import part_spectra

__all__ = ["FingerprintClustering", "cluster_parts", "part_spectra"]

publish(globals())
