"""Public names say where they are public, and not in which file their code stands.

The package imports this first of all, and this imports next to nothing, so that ``cli`` can soon
answer Ctrl-C.
"""

import sys
import warnings
from importlib import import_module
from types import FunctionType, ModuleType

#: Public modules that were moved, by their former names, and the packages that hold their names.
FORMER_MODULES = {
    "augmentation": "ensemble",
    "cameras": "classification",
    "discriminant": "classification",
    "fusion": "ensemble",
    "normalization": "residuals",
    "tiling": "ensemble",
}


def publish(namespace: dict[str, object]) -> None:
    """Make a package the ``__module__`` of the classes and functions that its ``__all__`` names.

    Pickles, model files, error messages and documentation hold that name, so it must outlive
    moves of files. What stands at the top level is of ``sklearn_ganprint``; all else is of the
    first package that lists it. Called at the end of a package's ``__init__``.
    """
    home = str(namespace["__name__"])
    top = sys.modules[home.partition(".")[0]]
    at_top = getattr(top, "__all__", ())
    for name in sys.modules[home].__all__:
        value = namespace.get(name)  # names of the top level are loaded when they are asked for
        if not isinstance(value, type | FunctionType):
            continue
        if name in at_top:
            value.__module__ = top.__name__
        elif "._" in value.__module__:
            value.__module__ = home


class FormerModule(ModuleType):
    """A module that was moved: its names are those of another, with a warning."""

    def __init__(self, name: str, current: str) -> None:
        super().__init__(name)
        self._current = current

    def __getattr__(self, name: str) -> object:
        """Return what the module has that took the place of this one."""
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(self._current), name)
        warnings.warn(
            f"{self.__name__} was renamed; import {name} from {self._current}. The former name "
            f"will be gone in version 0.3.",
            FutureWarning,
            stacklevel=2,
        )
        return value


def keep_former_modules(package: str) -> None:
    """Let the former names of modules be imported, or used without that, for one more release."""
    for former, current in FORMER_MODULES.items():
        name = f"{package}.{former}"
        sys.modules[name] = FormerModule(name, f"{package}.{current}")
        setattr(sys.modules[package], former, sys.modules[name])
