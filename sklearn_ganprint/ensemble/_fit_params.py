"""Weights and groups of images that the last step of a pipeline takes."""

import warnings
from typing import Any

import numpy as np
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    column_or_1d,
    has_fit_parameter,
)


def fit_params(step: Any, y: Any, sample_weight: Any, groups: Any) -> dict[str, np.ndarray]:
    """Give weights if there are any, and groups if the step takes some: by default each image."""
    params = {}
    if sample_weight is not None:
        params["sample_weight"] = _check_sample_weight(
            sample_weight, y, dtype=np.float64, ensure_non_negative=True
        )
    groups = np.arange(len(y)) if groups is None else column_or_1d(groups)
    check_consistent_length(y, groups)
    if _takes_groups(step):
        params["groups"] = groups
    return params


def _takes_groups(step: Any) -> bool:
    """Whether a step, or a splitter in it, takes groups; warn of a splitter that does not."""
    if has_fit_parameter(step, "groups"):
        return True
    if get_routing_for_object(step).consumes("fit", {"groups"}):
        return True
    if getattr(step, "cv", "prefit") != "prefit":
        warnings.warn(
            f"{type(step).__name__} may put copies of one image on both sides of its splits, which "
            f"makes its scores too good. Give it a splitter that takes groups, such as "
            f"cv=StratifiedGroupKFold().",
            UserWarning,
            stacklevel=6,
        )
    return False
