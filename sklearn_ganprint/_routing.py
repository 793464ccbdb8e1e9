"""What a fit is given beside images and labels, and who gets it."""

from typing import Any, NamedTuple

from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)

#: Groups that are passed are asked for, as scikit-learn's splitters by group ask for them.
ASKS_FOR_GROUPS = {"groups": True}


class FitParams(NamedTuple):
    """What goes to the estimator's ``fit``, and what to the splitter's ``split``."""

    fit: dict[str, Any]
    split: dict[str, Any]


def make_router(owner: Any, estimator: Any, splitter: Any = None) -> MetadataRouter:
    """Describe where a meta-estimator's fit parameters go, as CalibratedClassifierCV does."""
    to_fit = MethodMapping().add(caller="fit", callee="fit").add(caller="fit_predict", callee="fit")
    router = MetadataRouter(owner=owner).add_self_request(owner)
    router.add(estimator=estimator, method_mapping=to_fit)
    if splitter is not None:
        to_split = MethodMapping().add(caller="fit", callee="split")
        to_split.add(caller="fit_predict", callee="split")
        router.add(splitter=splitter, method_mapping=to_split)
    return router


def route(owner: Any, params: dict[str, Any]) -> FitParams:
    """Sort fit parameters: by what is requested with metadata routing, else `groups` to splits."""
    if _routing_enabled():
        routed = process_routing(owner, "fit", **params)
        split = routed.get("splitter", {}).get("split", {})
        return FitParams(dict(routed.estimator.fit), dict(split))
    fit = {name: value for name, value in params.items() if name != "groups"}
    return FitParams(fit, {"groups": params["groups"]} if "groups" in params else {})


def last_step_params(estimator: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Give what the last step gets of the fit parameters; all of them without metadata routing."""
    if not isinstance(estimator, Pipeline) or not _routing_enabled():
        return params
    return dict(process_routing(estimator, "fit", **params)[estimator.steps[-1][0]].fit)


def pipeline_params(estimator: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Name fit parameters of the last step as the ``fit`` of a whole pipeline takes them."""
    if not isinstance(estimator, Pipeline) or _routing_enabled():
        return params
    return {f"{estimator.steps[-1][0]}__{name}": value for name, value in params.items()}
