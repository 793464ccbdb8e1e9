"""Experiments as functions that return their results."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.experiments._attribution import AttributionResult, evaluate_attribution
from sklearn_ganprint.experiments._comparisons import (
    RecompressionResult,
    RobustnessResult,
    ScoredPredictions,
    compare_predictions,
    measure_robustness,
)
from sklearn_ganprint.experiments._convergence import (
    ConvergenceResult,
    convergence_from_sums,
    measure_convergence,
)
from sklearn_ganprint.experiments._correlations import (
    CorrelationResult,
    block_means,
    mean_correlation_matrix,
    measure_correlations,
    same_cross_correlations,
)
from sklearn_ganprint.experiments._duplicates import difference_hash, near_duplicates
from sklearn_ganprint.experiments._mcnemar import McNemarResult, mcnemar_test
from sklearn_ganprint.experiments._measures import d_prime, one_vs_rest_auc, wilson_interval
from sklearn_ganprint.experiments._open_set import detection_rate, oscr
from sklearn_ganprint.experiments._passes import Passes
from sklearn_ganprint.experiments._reproduction import reproduce_paper
from sklearn_ganprint.experiments._reproduction_result import ReproductionResult
from sklearn_ganprint.experiments._run import ReproductionSettings
from sklearn_ganprint.experiments._selection import Selection, select_images

__all__ = [
    "AttributionResult",
    "ConvergenceResult",
    "CorrelationResult",
    "McNemarResult",
    "Passes",
    "RecompressionResult",
    "ReproductionResult",
    "ReproductionSettings",
    "RobustnessResult",
    "ScoredPredictions",
    "Selection",
    "block_means",
    "compare_predictions",
    "convergence_from_sums",
    "d_prime",
    "detection_rate",
    "difference_hash",
    "evaluate_attribution",
    "mcnemar_test",
    "mean_correlation_matrix",
    "measure_convergence",
    "measure_correlations",
    "measure_robustness",
    "near_duplicates",
    "one_vs_rest_auc",
    "oscr",
    "reproduce_paper",
    "same_cross_correlations",
    "select_images",
    "wilson_interval",
]

publish(globals())
