"""Public names say where they are public, and not in which file their code stands.

The package imports this module first of all, and this module imports next to nothing, so that the
command line can soon answer Ctrl-C.
"""

import os
import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])

#: Public modules that were moved, by their former names, and the packages that hold their names.
FORMER_MODULES = {
    "augmentation": "ensemble",
    "cameras": "classification",
    "discriminant": "classification",
    "fusion": "ensemble",
    "normalization": "residuals",
    "tiling": "ensemble",
}

#: Pages of estimators, to which HTML diagrams link if a build of the documentation is named.
DOC_LINK = os.environ.get("GANPRINT_DOCS", "")
DOC_LINK += "/{estimator_module}.{estimator_name}.html" if DOC_LINK else ""


def publish(namespace: "dict[str, Any]") -> None:
    """Make a package the ``__module__`` of the classes and functions that its ``__all__`` names.

    A package without that list is the sum of those of its modules, from which it takes all names.

    Pickles, model files, error messages and documentation hold that name, so it must outlive
    moves of files. What stands at the top level is of ``sklearn_ganprint``; all else is of the
    first package that lists it. Called at the end of a package's ``__init__``.
    """
    home = namespace["__name__"]
    if "__all__" not in namespace:
        public = (name for name in namespace if name[0] != "_" and name not in globals())
        namespace["__all__"] = sorted(public)
    top = home.partition(".")[0]
    at_top = getattr(sys.modules[top], "__all__", ())
    for name in namespace["__all__"]:
        value = namespace.get(name)  # names of the top level are loaded when they are asked for
        # An estimator, whose HTML diagram links to a page.
        if value is not None and hasattr(value, "_doc_link_template"):
            value._doc_link_module, value._doc_link_template = top, DOC_LINK
        if not isinstance(value, type | FunctionType):
            continue
        if name in at_top:
            value.__module__ = top
        elif "._" in value.__module__:
            value.__module__ = home


class FormerModule(ModuleType):
    """A module that was moved: its names are those of another, with a warning."""

    def __init__(self, name: str, current: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)  # what importlib.util.find_spec asks for
        self._current = current

    def __getattr__(self, name: str) -> "Any":
        """Return what the module has that took the place of this one."""
        if name == "__all__":
            return import_module(self._current).__all__
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(import_module(self._current), name)
        warnings.warn(
            f"{self.__name__} was renamed; import {name} from {self._current}. The former name "
            f"will be gone in version 0.3.",
            FutureWarning,
            stacklevel=2,
        )
        return value

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.__all__]


def keep_former_modules(package: str) -> None:
    """Let the former names of modules be imported, or used without that, for one more release."""
    for former, current in FORMER_MODULES.items():
        name = f"{package}.{former}"
        sys.modules[name] = FormerModule(name, f"{package}.{current}")
        setattr(sys.modules[package], former, sys.modules[name])


def former_names(package: str, homes: "Mapping[str, str]") -> "Callable[[str], Any]":
    """Make a package's ``__getattr__``: names that are public no more are found, with a warning.

    `homes` has the name of the private module in the package for each of them.
    """

    def find(name: str) -> "Any":
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{homes[name]}"), name)
        # "from package import name" looks whether there is the name, and then asks for it.
        if sys._getframe(1).f_globals.get("__name__") == "importlib._bootstrap":
            return value
        warnings.warn(
            f"{package}.{name} is public no more, and will be gone in version 0.3.",
            FutureWarning,
            stacklevel=2,
        )
        return value

    return find


def renamed_parameter(former: str, current: str) -> "Callable[[Function], Function]":
    """Let a function take a keyword parameter by its former name, with a warning."""
    from functools import wraps  # noqa: PLC0415  (the command line can do without)

    def decorate(function: "Function") -> "Function":
        @wraps(function)
        def call(*args: "Any", **params: "Any") -> "Any":
            if former in params:
                warnings.warn(
                    f"{function.__name__}: {former} was renamed {current}. The former name will be "
                    f"gone in version 0.3.",
                    FutureWarning,
                    stacklevel=2,
                )
                params[current] = params.pop(former)
            return function(*args, **params)

        return call  # type: ignore[return-value]

    return decorate
