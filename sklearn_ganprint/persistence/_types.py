"""The types of this package in model files: which are trusted, and what they were called."""

from functools import cache
from typing import Any

import sklearn_ganprint
from sklearn_ganprint import denoisers, features, perturbations
from sklearn_ganprint.classification import PooledDiscriminantAnalysis
from sklearn_ganprint.datasets import ImageReader

_PACKAGE = sklearn_ganprint.__name__

#: Classes by names that they had once, for those whose name has changed since.
FORMER_NAMES: dict[str, type] = {}


@cache
def own_types() -> dict[str, type]:
    """Collect the types of this package that a model is made of, by their names without module.

    A list, and no pattern: what else the package holds, a file cannot have made.
    """
    found = [ImageReader, PooledDiscriminantAnalysis]
    for module in (sklearn_ganprint, denoisers, features, perturbations):
        public = (getattr(module, name) for name in module.__all__)
        found += [each for each in public if isinstance(each, type)]
    return {each.__qualname__: each for each in found}


def own_type_names() -> list[str]:
    """Name those types as the schema of a model does."""
    return [f"{each.__module__}.{name}" for name, each in own_types().items()]


def rename_types(schema: Any) -> bool:
    """Name the types of this package in a schema as they are named now; tell whether any was not.

    Files tell where the code of a type stood when they were written, which up to format 1 was a
    private module. The name of a class alone says which of the types of a model it is.
    """
    current = {**own_types(), **FORMER_NAMES}
    changed, pending = False, [schema]
    while pending:  # no recursion: a file may be nested deeper than the stack
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            pending += node.values()
            module, name = node.get("__module__"), node.get("__class__")
            known = current.get(name) if isinstance(name, str) else None
            if known is None or not isinstance(module, str):
                continue
            if module.partition(".")[0] == _PACKAGE and module != known.__module__:
                node["__module__"], node["__class__"] = known.__module__, known.__qualname__
                changed = True
    return changed
