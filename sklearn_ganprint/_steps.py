"""Pipelines in two parts, the leading steps that learn nothing and the rest."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import get_tags


def split_steps(estimator: Any) -> tuple[list[Any], list[Any]]:
    """Split a pipeline behind the leading steps that learn nothing, which map over batches."""
    if not isinstance(estimator, Pipeline):
        return [], [estimator]
    steps = [step for _, step in estimator.steps]
    n_stateless = 0
    for step in steps[:-1]:
        if not learns_nothing(step):
            break
        n_stateless += 1
    leading = [step for step in steps[:n_stateless] if step not in (None, "passthrough")]
    return leading, steps[n_stateless:]


def learns_nothing(step: Any) -> bool:
    """Whether a step transforms without having been fitted, by its tags or those of its parts."""
    if step in (None, "passthrough", "drop"):
        return True
    if isinstance(step, Pipeline):
        return all(learns_nothing(part) for _, part in step.steps)
    if isinstance(step, FeatureUnion):
        return all(learns_nothing(part) for _, part in step.transformer_list)
    return not get_tags(step).requires_fit


def with_objects(
    owner: Any, params: dict[str, Any], **makers: Callable[[Any], Any]
) -> dict[str, Any]:
    """Let parameters of a parameter be set where a name or None stands for an object.

    `makers` make the object that a value of the parameter stands for.
    """
    params = dict(params)
    for name, make in makers.items():
        value = params.get(name, getattr(owner, name))
        if any(key.startswith(f"{name}__") for key in params) and not hasattr(value, "set_params"):
            params[name] = make(value)
    return params


def hand_on_arrays(step: Any) -> Any:
    """Let a step, and its parts, return arrays whatever the global option says; return it.

    What is collected of several batches, or comes from steps that were never fitted, has no names
    of columns, and steps behind would warn of names in one place that are none in another.
    """
    if isinstance(step, (Pipeline, FeatureUnion)):
        for _, part in getattr(step, "steps", None) or step.transformer_list:
            hand_on_arrays(part)
    if isinstance(step, FeatureUnion):
        # Its own set_output would raise where one of its parts has none.
        TransformerMixin.set_output(step, transform="default")
    elif hasattr(step, "set_output") and not isinstance(step, Pipeline):
        step.set_output(transform="default")
    return step


def transform_batch(images: Any, steps: list[Any]) -> Any:
    """Apply the leading steps to one batch."""
    for step in steps:
        images = step.transform(images)
    return images


def fit_steps(steps: list[Any], X: np.ndarray, y: np.ndarray, memory: Any, **params: Any) -> Any:
    """Fit steps as a pipeline would, with its cache; `params` are for the ``fit`` of the last."""
    names = [f"step{position}" for position in range(len(steps))]
    pipeline = Pipeline(list(zip(names, [*steps[:-1], "passthrough"], strict=True)), memory=memory)
    # The last step on its own, since how a pipeline is handed `params` depends on a global option.
    rows = pipeline.fit_transform(X, y)
    return [*(step for _, step in pipeline.steps[:-1]), steps[-1].fit(rows, y, **params)]


def fit_leading(steps: list[Any], first: Any) -> Any:
    """Fit steps that learn nothing but the shape on one image; return what they make of it."""
    for step in steps:
        first = hand_on_arrays(step).fit(first).transform(first)
    return first


def without_leading(estimator: Any) -> Any:
    """Give the part of a pipeline that learns, or an estimator as it is."""
    if not isinstance(estimator, Pipeline):
        return estimator
    _, rest = split_steps(estimator)
    return estimator[len(estimator) - len(rest) :]


def replace_last(estimator: Any, fitted: list[Any]) -> Any:
    """Put the last steps, which have been fitted, into a pipeline, and return it."""
    if not isinstance(estimator, Pipeline):
        return fitted[0]
    steps = estimator.steps
    for position, step in enumerate(fitted, start=len(steps) - len(fitted)):
        steps[position] = (steps[position][0], step)
    return estimator


def pipeline_memory(estimator: Any) -> Any:
    """Cache of a pipeline, None where there is none."""
    return estimator.memory if isinstance(estimator, Pipeline) else None
