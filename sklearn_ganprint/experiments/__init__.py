"""L6: experiments as functions that return their results."""

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
from sklearn_ganprint.experiments._mcnemar import McNemarResult, mcnemar_test
from sklearn_ganprint.experiments._measures import d_prime, one_vs_rest_auc, wilson_interval

__all__ = [
    "AttributionResult",
    "ConvergenceResult",
    "CorrelationResult",
    "McNemarResult",
    "RecompressionResult",
    "RobustnessResult",
    "ScoredPredictions",
    "block_means",
    "compare_predictions",
    "convergence_from_sums",
    "d_prime",
    "evaluate_attribution",
    "mcnemar_test",
    "mean_correlation_matrix",
    "measure_convergence",
    "measure_correlations",
    "measure_robustness",
    "one_vs_rest_auc",
    "same_cross_correlations",
    "wilson_interval",
]
