"""scikit-learn's own checks, whole: no expected failure, nothing skipped."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from dask.base import tokenize
from estimators import ESTIMATORS
from sklearn.base import BaseEstimator, clone
from sklearn.utils import estimator_checks, get_tags

import sklearn_ganprint
from sklearn_ganprint.perturbations import BasePerturbation

NAMES = list(ESTIMATORS)

# In sklearn.utils.estimator_checks, but not among those that check_estimator runs.
UNLISTED = [
    "check_param_validation",
    "check_dataframe_column_names_consistency",
    "check_inplace_ensure_writeable",
]
OF_TRANSFORMERS = [
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
]
LABELLED = [name for name in NAMES if get_tags(ESTIMATORS[name]).target_tags.required]
TRANSFORMERS = [name for name in NAMES if hasattr(ESTIMATORS[name], "transform")]

pytestmark = [
    pytest.mark.core,
    pytest.mark.filterwarnings(
        # The checks come with rows, from 0 to 1, of few images,
        "ignore:.*got rows without image_shape:UserWarning",
        "ignore:All values lie within:UserWarning",
        "ignore:No image can be called unknown:sklearn_ganprint.open_set.CalibrationWarning",
        "ignore:The hypothesis that an image:sklearn_ganprint.open_set.CalibrationWarning",
        # and mix data frames with arrays on purpose.
        "ignore:X has feature names, but:UserWarning",
        "ignore:X does not have valid feature names, but:UserWarning",
    ),
]

SCRIPT = """
import warnings
import sys
sys.path[:0] = {path!r}
from sklearn.utils.estimator_checks import check_estimator
from estimators import ESTIMATORS
warnings.simplefilter("ignore")
for name in {names!r}:
    results = check_estimator(ESTIMATORS[name], on_skip=None, on_fail=None)
    assert len(results) >= 40, len(results)
    bad = [result for result in results if result["status"] != "passed"]
    assert not bad, (name, bad)
print("all passed")
"""


def test_every_estimator_is_checked():
    modules = (sklearn_ganprint, sklearn_ganprint.features, sklearn_ganprint.perturbations)
    public = {getattr(module, name) for module in modules for name in module.__all__}
    public = {value for value in public if isinstance(value, type)}
    expected = {value for value in public if issubclass(value, BaseEstimator)}
    abstract = {BasePerturbation}
    assert {type(estimator) for estimator in ESTIMATORS.values()} == expected - abstract


@pytest.mark.parametrize(
    "names",
    [NAMES[start : start + 6] for start in range(0, len(NAMES), 6)],
    ids=str,
)
def test_check_estimator_passes_whole_and_skips_nothing(names):
    # The array API checks run only where scipy was imported with this set.
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    script = SCRIPT.format(path=[os.path.dirname(__file__)], names=names)
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert run.stdout.strip() == "all passed", run.stderr


def run_check(check, name):
    """Run a check on an estimator itself: it raises where it fails, and returns nothing."""
    estimator = ESTIMATORS[name]
    assert getattr(estimator_checks, check)(type(estimator).__name__, clone(estimator)) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", UNLISTED)
def test_unlisted_checks(check, name):
    run_check(check, name)


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize("check", OF_TRANSFORMERS)
def test_unlisted_checks_of_transformers(check, name):
    run_check(check, name)


@pytest.mark.parametrize("check", ["check_estimators_pickle", "check_readonly_memmap_input"])
@pytest.mark.parametrize("name", NAMES)
def test_named_promises(check, name):
    run_check(check, name)


@pytest.mark.parametrize(
    "y",
    [
        [*"ab" * 11, "a", np.nan],
        np.array([*"ab" * 11, "a", None], dtype=object),
        pd.Series([*"ab" * 11, "a", pd.NA], dtype="string"),
    ],
    ids=["list", "array", "series"],
)
@pytest.mark.parametrize("name", LABELLED)
def test_a_missing_label_is_named_by_its_position(name, y):
    X = np.random.default_rng(0).normal(size=(24, 48))
    with pytest.raises(ValueError, match=r"Input y contains NaN or None.*position 23"):
        clone(ESTIMATORS[name]).fit(X, y)


@pytest.mark.parametrize("name", NAMES)
def test_diagrams_in_html_name_the_estimator(name):
    assert type(ESTIMATORS[name]).__name__ in ESTIMATORS[name]._repr_html_()


@pytest.mark.parametrize("name", NAMES)
def test_what_a_fit_has_left_tells_estimators_apart(name):
    # Dask keeps results by tokens, which for a dataclass are made of its parameters alone.
    first, second = clone(ESTIMATORS[name]), clone(ESTIMATORS[name])
    first.fitted_, second.fitted_ = np.zeros(3), np.ones(3)
    assert tokenize(first) != tokenize(second)
