"""L0: public names say where they are public, and not in which file their code stands."""

from types import FunctionType
from typing import Any


def publish(namespace: dict[str, Any]) -> None:
    """Make a package the ``__module__`` of the classes and functions that its ``__all__`` names.

    Pickles, model files, error messages and documentation hold that name, so it must outlive
    moves of files. What stands at the top level is of ``sklearn_ganprint``; all else is of the
    first package that lists it. Called at the end of a package's ``__init__``.
    """
    home = namespace["__name__"]
    for name in namespace["__all__"]:
        value = namespace[name]
        if not isinstance(value, type | FunctionType):
            continue
        if "." not in home or "._" in value.__module__:
            value.__module__ = home
