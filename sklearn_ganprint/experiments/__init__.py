"""Experiments as functions that return their results."""

from sklearn_ganprint._public import former_names, publish
from sklearn_ganprint.experiments._attribution import (
    Answers,
    AnswerShares,
    AttributionResult,
    evaluate_attribution,
    judge_answers,
    oscr,
)
from sklearn_ganprint.experiments._audit import audit_attribution, audit_files
from sklearn_ganprint.experiments._audit_result import AuditResult, Control, Duplicate
from sklearn_ganprint.experiments._dependence import DependenceResult, study_dependence
from sklearn_ganprint.experiments._equal_histories import equalize_histories
from sklearn_ganprint.experiments._fingerprints import (
    ConvergenceResult,
    CorrelationResult,
    measure_convergence,
    measure_correlations,
)
from sklearn_ganprint.experiments._reproduction import reproduce_paper
from sklearn_ganprint.experiments._reproduction_result import ReproductionResult
from sklearn_ganprint.experiments._results import (
    McNemarResult,
    RobustnessResult,
    ScoredPredictions,
    compare_predictions,
    mcnemar_test,
    measure_robustness,
)
from sklearn_ganprint.experiments._run import BatchOptions, ReproductionSettings
from sklearn_ganprint.experiments._selection import (
    SharedNames,
    difference_hash,
    find_shared_names,
    near_duplicates,
)

__all__ = [
    "AnswerShares",
    "Answers",
    "AttributionResult",
    "AuditResult",
    "BatchOptions",
    "Control",
    "ConvergenceResult",
    "Duplicate",
    "CorrelationResult",
    "DependenceResult",
    "McNemarResult",
    "ReproductionResult",
    "ReproductionSettings",
    "RobustnessResult",
    "ScoredPredictions",
    "SharedNames",
    "audit_attribution",
    "audit_files",
    "compare_predictions",
    "difference_hash",
    "equalize_histories",
    "evaluate_attribution",
    "find_shared_names",
    "judge_answers",
    "mcnemar_test",
    "measure_convergence",
    "measure_correlations",
    "measure_robustness",
    "near_duplicates",
    "oscr",
    "reproduce_paper",
    "study_dependence",
]

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
