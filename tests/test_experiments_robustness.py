import csv
import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ganprint.experiments import (
    compare_predictions,
    mcnemar_test,
    measure_robustness,
)


@pytest.fixture
def predictions():
    """True labels, and predictions of which a share is wrong."""
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], 20)

    def make(wrong):
        return np.where(rng.random(60) < wrong, np.roll(y, 20), y)

    return y, make


def interval_of(n_right, n):
    """Make the interval of the accuracy of so many right predictions."""
    y = np.ones(n, dtype=int)
    return compare_predictions(y, np.arange(n) < n_right, {}).baseline.interval


@pytest.mark.parametrize(
    ("n_right", "n", "expected"),
    [(8, 10, (0.4902, 0.9433)), (0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0))],
)
def test_intervals_are_wilsons(n_right, n, expected):
    assert_allclose(interval_of(n_right, n), expected, atol=5e-5)


def test_intervals_hold_the_level():
    rng = np.random.default_rng(0)
    ends = np.array([interval_of(n_right, 50) for n_right in range(51)])
    drawn = ends[rng.binomial(50, 0.3, 20_000)]
    covered = np.mean((drawn[:, 0] <= 0.3) & (drawn[:, 1] >= 0.3))
    assert 0.93 < covered < 0.97


def check_scored(scored, y, predicted, baseline):
    assert (scored.n_test, scored.n_right) == (60, np.sum(predicted == y))
    assert scored.accuracy == np.mean(predicted == y)
    assert scored.interval == interval_of(scored.n_right, 60)
    assert scored.against == mcnemar_test(baseline == y, predicted == y)


def test_both_readings_of_the_compression(predictions):
    y, make = predictions
    clean, variants = make(0.1), {"tests QF 95": make(0.3), "both QF 95": make(0.2)}
    result = compare_predictions(y, clean, variants)
    assert result.baseline.accuracy == np.mean(clean == y)
    assert result.baseline.against is None
    for name, predicted in variants.items():
        check_scored(result.variants[name], y, predicted, clean)


def test_rows_of_the_compression(predictions):
    y, make = predictions
    clean, other = make(0.1), make(0.4)
    document = compare_predictions(y, clean, {"QF 95": other}).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["baseline"]["name"] == "clean"
    assert document["baseline"]["pvalue"] is None
    (row,) = document["variants"]
    assert row["n_lost"] == np.sum((clean == y) & (other != y))
    assert row["n_gained"] == np.sum((clean != y) & (other == y))
    assert row["difference"] == pytest.approx(row["accuracy"] - document["baseline"]["accuracy"])
    assert row["difference_low"] < row["difference"] < row["difference_high"]


def test_robustness_curves(predictions):
    y, make = predictions
    clean = make(0.1)
    points = {("JPEG", 95): make(0.2), ("blur", 0.5): make(0.3), ("JPEG", np.int64(75)): make(0.5)}
    result = measure_robustness(y, clean, points)
    assert result.families == ["JPEG", "blur"]
    strengths, accuracies, intervals = result.curve("JPEG")
    assert_array_equal(strengths, [75, 95])
    assert_array_equal(accuracies, [np.mean(points["JPEG", q] == y) for q in (75, 95)])
    assert_array_equal(intervals[1], result.points["JPEG", 95].interval)
    check_scored(result.points["blur", 0.5], y, points["blur", 0.5], clean)
    with pytest.raises(ValueError, match=r"\['JPEG', 'blur'\], got 'noise'"):
        result.curve("noise")


def test_robustness_as_a_table(predictions, tmp_path):
    y, make = predictions
    result = measure_robustness(y, y, {("JPEG", np.int64(75)): make(0.5)})
    result.to_csv(tmp_path / "robustness.csv")
    with open(tmp_path / "robustness.csv", newline="") as stream:
        clean, point = csv.DictReader(stream)
    assert (clean["family"], clean["strength"], clean["pvalue"]) == ("clean", "", "")
    assert (point["family"], point["strength"]) == ("JPEG", "75")
    assert float(point["pvalue"]) == result.points["JPEG", 75].against.pvalue < 0.01
    document = result.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@pytest.mark.parametrize(
    ("y", "baseline", "variants", "words"),
    [
        (["a"], ["a"], {"clean": ["a"]}, "another"),
        (["a"], ["a", "b"], {}, "inconsistent numbers"),
        (["a"], ["a"], {"x": ["a", "b"]}, "inconsistent numbers"),
        ([], [], {}, "got 0 of 0"),
    ],
)
def test_wrong_use(y, baseline, variants, words):
    with pytest.raises(ValueError, match=words):
        compare_predictions(y, baseline, variants)
