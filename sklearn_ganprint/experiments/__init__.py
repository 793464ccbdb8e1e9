"""Experiments as functions that return their results."""

from sklearn_ganprint._public import former_names, publish
from sklearn_ganprint.experiments._attribution import *
from sklearn_ganprint.experiments._audit import *
from sklearn_ganprint.experiments._audit_result import *
from sklearn_ganprint.experiments._dependence import *
from sklearn_ganprint.experiments._fingerprints import *
from sklearn_ganprint.experiments._reproduction import *
from sklearn_ganprint.experiments._results import *
from sklearn_ganprint.experiments._run import *
from sklearn_ganprint.experiments._selection import *

publish(globals())
__getattr__ = former_names(
    __name__,
    {
        "Passes": "_run",
        "RecompressionResult": "_results",
        "Selection": "_selection",
        "block_means": "_fingerprints",
        "convergence_from_sums": "_fingerprints",
        "d_prime": "_fingerprints",
        "detection_rate": "_attribution",
        "mean_correlation_matrix": "_fingerprints",
        "one_vs_rest_auc": "_attribution",
        "same_cross_correlations": "_fingerprints",
        "select_images": "_selection",
        "wilson_interval": "_results",
    },
)
