"""Which images of an unlabelled heap share a source."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.clustering._assignment import cluster_parts
from sklearn_ganprint.clustering._estimator import FingerprintClustering
from sklearn_ganprint.clustering._features import part_spectra

__all__ = ["FingerprintClustering", "cluster_parts", "part_spectra"]

publish(globals())
