import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import mannwhitneyu, norm

from sklearn_ganprint.experiments import measure_correlations

CLASSES = ["s1", "s2", "g1", "n1"]
ARCHITECTURES = ["star", "star", "pro", "camera"]


@pytest.fixture
def scores():
    """Correlations of 9 to 12 images a source: own fingerprint, sibling and others."""
    rng = np.random.default_rng(0)
    y = np.repeat(CLASSES, [9, 10, 11, 12])
    expected = np.eye(4) * 0.3
    expected[0, 1] = expected[1, 0] = 0.2
    means = expected[[CLASSES.index(each) for each in y]]
    return means + rng.normal(scale=0.1, size=means.shape), y


def d_prime(same, cross):
    """Measure how far scores of images with their own fingerprint are from those with another."""
    scores = np.column_stack([same, cross])
    return measure_correlations(scores, ["own"] * len(scores), ["own", "other"]).d_prime[0, 1]


def test_d_prime_by_hand():
    assert d_prime([1, 2, 3], [-2, 0, 2]) == pytest.approx(2 / np.sqrt((1 + 4) / 2))
    assert d_prime([1, 1], [0, 0]) == np.inf
    assert d_prime([0, 0], [1, 1]) == -np.inf
    assert np.isnan(d_prime([1, 1], [1, 1]))
    assert np.isnan(d_prime([1], [0]))


@pytest.mark.parametrize(("auc", "expected"), [(0.990, 3.29), (0.998, 4.07)])
def test_d_prime_of_the_paper(auc, expected):
    quantiles = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    distance = np.sqrt(2) * norm.ppf(auc)
    assert d_prime(quantiles + distance, quantiles) == pytest.approx(expected, abs=0.005)


@given(seed=st.integers(0, 99), scale=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_d_prime_knows_no_unit(seed, scale, shift):
    same, cross = np.random.default_rng(seed).normal(size=(2, 8))
    expected = d_prime(same, cross)
    assert d_prime(scale * same + shift, scale * cross + shift) == pytest.approx(expected)
    assert d_prime(cross, same) == pytest.approx(-expected)


def test_same_and_cross_are_of_the_same_images(scores):
    scores, y = scores
    result = measure_correlations(scores, y, CLASSES)
    same, cross = result.pair("g1", "s2")
    own = [row for row, label in zip(scores, y, strict=True) if label == "g1"]
    assert_array_equal(same, [row[2] for row in own])
    assert_array_equal(cross, [row[1] for row in own])
    with pytest.raises(ValueError, match="'n1'], got 'x'"):
        result.pair("g1", "x")


def test_means_are_those_of_the_images_of_each_source(scores):
    scores, y = scores
    actual = measure_correlations(scores, y, [*CLASSES[:3], "none"]).mean
    for i, j in np.ndindex(3, 4):
        assert actual[i, j] == pytest.approx(scores[y == CLASSES[i], j].mean())
    assert np.isnan(actual[3]).all()
    with pytest.raises(ValueError, match=r"\(42, 2\), got \(42, 4\)"):
        measure_correlations(scores, y, ["s1", "s2"])


def test_means_of_own_siblings_and_others():
    # One image of each source but the last, which has none.
    scores = np.arange(12.0).reshape(3, 4)
    others = [2, 3, 6, 7, 8, 9, 11]
    expected = {"own": (0 + 5 + 10) / 3, "sibling": (1 + 4) / 2, "other": sum(others) / 7}
    blocks = measure_correlations(scores, CLASSES[:3], CLASSES, ARCHITECTURES).blocks
    assert blocks == pytest.approx(expected)
    alone = measure_correlations(scores, CLASSES[:3], CLASSES).blocks
    assert np.isnan(alone["sibling"])
    assert alone["other"] == pytest.approx((1 + 4 + sum(others)) / 9)
    with pytest.raises(ValueError, match="4 sources, got 3"):
        measure_correlations(scores, CLASSES[:3], CLASSES, ARCHITECTURES[:3])


def test_all_pairs(scores):
    scores, y = scores
    result = measure_correlations(scores, y, CLASSES, ARCHITECTURES)
    assert_array_equal(result.n_test, [9, 10, 11, 12])
    off = ~np.eye(4, dtype=bool)
    off[0, 1] = off[1, 0] = False
    expected = [result.mean.diagonal(), result.mean[[0, 1], [1, 0]], result.mean[off]]
    assert list(result.blocks.values()) == pytest.approx([values.mean() for values in expected])
    assert result.blocks["own"] > result.blocks["sibling"] > result.blocks["other"] + 0.1
    for i, j in np.ndindex(4, 4):
        if i != j:
            same, cross = result.pair(CLASSES[i], CLASSES[j])
            wins = mannwhitneyu(same, cross).statistic
            assert result.auc[i, j] == pytest.approx(wins / len(same) ** 2)
            assert result.d_prime[i, j] == d_prime(same, cross)
    assert np.isnan([result.auc.diagonal(), result.d_prime.diagonal()]).all()


def test_rows_and_json(scores):
    result = measure_correlations(*scores, CLASSES, ARCHITECTURES)
    rows = result.rows()
    assert len(rows) == 16
    assert rows[0]["relation"] == "own" and rows[0]["auc"] is None
    assert rows[1]["relation"] == "sibling" and rows[1]["fingerprint"] == "s2"
    assert rows[7] == {
        "source": "s2",
        "fingerprint": "n1",
        "relation": "other",
        "n_test": 10,
        "mean": result.mean[1, 3],
        "auc": result.auc[1, 3],
        "d_prime": result.d_prime[1, 3],
    }
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["auc"][2][2] is None
    assert_allclose(document["mean"], result.mean)
    assert document["architectures"] == ARCHITECTURES


def test_a_source_without_images_has_no_figures(scores):
    scores, y = scores
    result = measure_correlations(scores[y != "n1"], y[y != "n1"], CLASSES)
    assert result.architectures is None
    assert result.n_test[3] == 0
    assert np.isnan([result.auc[3], result.d_prime[3], result.mean[3]]).all()
    assert np.isfinite(result.auc[0, 1:]).all()
