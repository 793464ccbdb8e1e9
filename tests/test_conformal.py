import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_ganprint.open_set import (
    Calibration,
    conformal_p_values,
    conformal_threshold,
    scores_needed,
)

scores = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=60)
rates = st.floats(0.005, 0.5)


@given(scores, scores)
def test_p_values_equal_the_definition(new, calibration):
    expected = [(1 + sum(c <= s for c in calibration)) / (len(calibration) + 1) for s in new]
    np.testing.assert_allclose(conformal_p_values(new, calibration), expected)


def test_no_score_has_no_p_value():
    found = conformal_p_values([np.nan, 5.0, -np.inf], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(found, [np.nan, 1, 0.25])


@given(scores, scores, rates)
def test_below_the_threshold_is_where_the_p_value_is_at_most_the_rate(new, calibration, rate):
    below = np.array(new) < conformal_threshold(calibration, rate)
    np.testing.assert_array_equal(below, conformal_p_values(new, calibration) <= rate + 1e-9)


@given(st.floats(0.001, 0.999))
def test_scores_needed_is_the_least_number_with_a_finite_threshold(rate):
    n = scores_needed(rate)
    assert np.isfinite(conformal_threshold(range(n), rate))
    assert n == 1 or np.isinf(conformal_threshold(range(n - 1), rate))


@pytest.mark.parametrize(("rate", "n"), [(0.01, 99), (0.05, 19), (0.1, 9), (0.001, 999), (0.5, 1)])
def test_scores_needed_for_round_rates(rate, n):
    assert scores_needed(rate) == n


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [19, 50])
def test_p_values_are_valid_over_many_draws(n, ties):
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(20000, n + 1))
    draws = np.round(draws) if ties else draws
    p = np.array([conformal_p_values(row[:1], row[1:])[0] for row in draws])
    for rate in (0.02, 0.05, 0.1, 0.3):
        expected = np.floor(rate * (n + 1) + 1e-9) / (n + 1)
        error = 4 * np.sqrt(rate / len(draws))
        assert (p <= rate).mean() <= expected + error
        # Without ties the rate is used up, as far as ranks allow.
        assert ties or (p <= rate).mean() >= expected - error


@pytest.mark.parametrize("pooled", [False, True])
def test_calibration_ranks_scores_among_those_of_the_source_or_of_all(pooled):
    rng = np.random.default_rng(0)
    scores, codes = rng.normal(size=(60, 3)), np.repeat([2, 0, 1], [10, 20, 30])
    calibration = Calibration(scores, codes, pooled=pooled)
    assert calibration.n_scores == (60 if pooled else 10)
    new = rng.normal(size=(40, 3))
    p_values = calibration.p_values(new)
    for code in range(3):
        own = [row[c] for row, c in zip(scores, codes, strict=True) if pooled or c == code]
        np.testing.assert_array_equal(p_values[:, code], conformal_p_values(new[:, code], own))
    known = calibration.known_p_values(new)
    expected = conformal_p_values(new.max(axis=1), scores.max(axis=1))
    np.testing.assert_array_equal(known, expected if pooled else p_values.max(axis=1))
    rejected = (new < calibration.thresholds(0.4)).all(axis=1)
    np.testing.assert_array_equal(rejected, known <= 0.4)
    assert 0 < rejected.mean() < 1
    other = Calibration(scores, codes, pooled=not pooled)
    np.testing.assert_array_equal(other.p_values(new, pooled=pooled), p_values)
