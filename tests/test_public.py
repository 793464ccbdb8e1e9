"""Public names say where they are public."""

import importlib
import importlib.util
import inspect
import os
import pickle
import pkgutil
import subprocess
import sys
from types import FunctionType

import pytest

import sklearn_ganprint


def public_modules():
    yield sklearn_ganprint
    for found in pkgutil.iter_modules(sklearn_ganprint.__path__, "sklearn_ganprint."):
        if "._" not in found.name:
            module = importlib.import_module(found.name)
            if hasattr(module, "__all__"):
                yield module


PUBLIC = [
    pytest.param(module, name, id=f"{module.__name__}.{name}")
    for module in public_modules()
    for name in module.__all__
    if isinstance(getattr(module, name), type | FunctionType)
]


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_the_module_of_a_public_name_is_public_and_has_it(module, name):
    value = getattr(module, name)
    assert "._" not in value.__module__
    assert getattr(importlib.import_module(value.__module__), name) is value
    assert pickle.loads(pickle.dumps(value)) is value
    if name in sklearn_ganprint.__all__:
        assert value.__module__ == "sklearn_ganprint"
    if isinstance(value, FunctionType):
        assert f"def {name}(" in inspect.getsource(value)


@pytest.mark.parametrize(
    "former",
    [
        "correlation.SCORES",
        "correlation.negative_squared_distance",
        "ensemble.DEFAULT_PERTURBATIONS",
        "experiments.Passes",
        "experiments.RecompressionResult",
        "experiments.select_images",
        "experiments.wilson_interval",
        "fingerprints.divide_by_intensity",
    ],
)
def test_names_that_are_public_no_more_warn_and_are_found(former):
    package, name = former.split(".")
    module = importlib.import_module(f"sklearn_ganprint.{package}")
    with pytest.warns(FutureWarning, match=f"{former} is public no more"):
        assert getattr(module, name)
    assert name not in module.__all__
    assert not hasattr(module, "no_such_name")
    with pytest.warns(FutureWarning) as warned:
        exec(f"from sklearn_ganprint.{package} import {name}", {})
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("former", "name"),
    [
        ("augmentation", "AugmentedClassifier"),
        ("cameras", "MATCH_ENERGY"),
        ("discriminant", "PooledDiscriminantAnalysis"),
        ("fusion", "FusionClassifier"),
        ("normalization", "LocalVarianceNormalizer"),
        ("tiling", "TiledClassifier"),
    ],
)
def test_former_modules_warn_and_have_their_names(former, name):
    module = importlib.import_module(f"sklearn_ganprint.{former}")
    assert importlib.util.find_spec(f"sklearn_ganprint.{former}").name == module.__name__
    with pytest.warns(FutureWarning, match=f"sklearn_ganprint.{former} was renamed"):
        value = getattr(module, name)
    packages = (
        sklearn_ganprint.ensemble,
        sklearn_ganprint.classification,
        sklearn_ganprint.residuals,
    )
    assert any(getattr(package, name, None) is value for package in packages)
    assert not hasattr(module, "__path__")
    everything = {}
    with pytest.warns(FutureWarning, match="was renamed"):
        exec(f"from sklearn_ganprint.{former} import *", everything)
    assert everything[name] is value and name in dir(module)


def run(script, **environment):
    words = [sys.executable, "-W", "error", "-c", script]
    return subprocess.run(words, check=True, env={**os.environ, **environment})


def test_names_are_imported_when_they_are_used():
    run(
        "import sys, sklearn_ganprint as package\n"
        "assert 'numpy' not in sys.modules\n"
        "assert package.datasets.load_samples and package.PRNUClassifier\n"
        "assert {'PRNUClassifier', 'datasets'} <= {*dir(package)}\n"
        "assert not hasattr(package, 'no_such_name')\n"
        "assert package.fusion.__name__ == 'sklearn_ganprint.fusion'\n"
        "from sklearn_ganprint import *\n"
        "assert FusionClassifier is package.FusionClassifier\n"
    )


@pytest.mark.parametrize("eager", ["", "1"])
def test_a_class_has_one_module_whoever_imports_it_first(eager):
    run(
        "from sklearn_ganprint.ensemble._fusion import FusionClassifier\n"
        "assert FusionClassifier.__module__ == 'sklearn_ganprint'\n"
        "from sklearn_ganprint.pipelines import make_attribution_pipeline\n"
        "assert make_attribution_pipeline.__module__ == 'sklearn_ganprint'\n",
        EAGER_IMPORT=eager,
    )
