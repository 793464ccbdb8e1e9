"""L6: experiments as functions that return their results."""

from sklearn_ganprint.experiments._attribution import AttributionResult, evaluate_attribution
from sklearn_ganprint.experiments._measures import one_vs_rest_auc, wilson_interval

__all__ = ["AttributionResult", "evaluate_attribution", "one_vs_rest_auc", "wilson_interval"]
