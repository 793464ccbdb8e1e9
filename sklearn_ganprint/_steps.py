"""Parameters of parameters."""

from collections.abc import Callable
from typing import Any


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
