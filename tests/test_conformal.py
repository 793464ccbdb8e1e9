import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from sklearn_ganprint.conformal import round_up
from sklearn_ganprint.open_set import (
    Calibration,
    PredictionSets,
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


@pytest.mark.parametrize("kind", [Calibration, PredictionSets])
def test_scores_whose_source_is_not_known_are_refused(kind):
    rows = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.6]]
    assert kind(rows, [0, 0, 1]).n_scores == 1
    for scores, codes, told in [
        (rows[0], [0, 1], r"scores: .* shape \(2,\)"),
        ([*rows[:2], [np.nan, 1]], [0, 0, 1], "scores: .* NaN"),
        (rows, [0, 1], r"codes: .* shape \(2,\)"),
        (rows, [0, 1, 2], "codes: .* from 0 to 1"),
        (rows, [0, 0, -1], "codes: .* from 0 to 1"),
        (rows, ["a", "a", "b"], "codes: .*<U1"),
    ]:
        with pytest.raises(ValueError, match=told):
            kind(scores, codes)


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


def test_p_values_of_others_are_shares_of_their_images_that_score_as_high():
    rng = np.random.default_rng(0)
    scores, codes = rng.integers(-5, 5, size=(30, 3)).astype(float), np.repeat([2, 0, 1], 10)
    scores[:4, 0] = -np.inf  # under models that had no image of this source
    new = rng.integers(-7, 7, size=(20, 3)).astype(float)
    new[3] = np.nan
    found = Calibration(scores, codes).others_p_values(new)
    for (row, code), p_value in np.ndenumerate(found):
        others = [
            s[code] for s, c in zip(scores, codes, strict=True) if c != code and s[code] > -99
        ]
        expected = (1 + sum(other >= new[row, code] for other in others)) / (len(others) + 1)
        assert np.isnan(p_value) if row == 3 else p_value == expected


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


def draw_scores(rng, n, n_classes=4, noise=1.5):
    """Log odds of the sources, where ``scale`` is ``3 / noise**2``."""
    codes = rng.integers(n_classes, size=n)
    return 3 * np.eye(n_classes)[codes] + rng.normal(scale=noise, size=(n, n_classes)), codes


def probability(row, code, scale):
    return np.exp(scale * row[code]) / sum(np.exp(scale * score) for score in row)


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("coverage", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_sets_equal_the_definition(pooled, coverage, n_classes):
    rng = np.random.default_rng(0)
    scores, codes = draw_scores(rng, 200, n_classes)
    scores = scores.round()  # with ties
    sets = PredictionSets(scores, codes, pooled=pooled)
    images = list(zip(scores, codes, strict=True))
    limits = []
    for code in range(n_classes):
        own = sorted(probability(row, c, sets.scale) for row, c in images if pooled or c == code)
        k = int((1 - coverage) * (len(own) + 1) + 1e-9)
        limits.append(min(own[k - 1], 1 - coverage))
    np.testing.assert_allclose(sets.thresholds(coverage), limits)
    new = draw_scores(rng, 50, n_classes)[0]
    found = sets.predict_set(new, coverage)
    for row, members in zip(new, found, strict=True):
        assert members.tolist() == [
            probability(row, c, sets.scale) >= limit or c == row.argmax()
            for c, limit in enumerate(limits)
        ]
    assert 50 <= found.sum() < n_classes * 50


def test_scale_makes_the_known_sources_most_likely():
    scores, codes = draw_scores(np.random.default_rng(0), 300)
    behind = scores - scores[np.arange(300), codes][:, np.newaxis]

    def likelihood(scale):
        wrong = np.log1p(np.exp(scale * np.sqrt(np.mean(behind**2))))
        return -np.log(np.exp(scale * behind).sum(axis=1)).sum() - wrong

    scale = PredictionSets(scores, codes).scale
    assert likelihood(scale) > max(likelihood(factor * scale) for factor in (0.9, 0.99, 1.01, 1.1))
    assert scale == pytest.approx(3 / 1.5**2, rel=0.1)


@pytest.mark.parametrize("n_images", [30, 200])
@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("pooled", [False, True])
def test_sets_hold_the_source_as_often_as_stated(n_images, coverage, pooled):
    rng = np.random.default_rng(0)
    held = []
    for _ in range(150):
        scores, codes = draw_scores(rng, n_images + 100)
        scores[codes == 0] += 2 * rng.normal(size=(np.sum(codes == 0), 4))  # broader than others
        sets = PredictionSets(scores[:n_images], codes[:n_images], pooled=pooled)
        found, own = sets.predict_set(scores[n_images:], coverage), codes[n_images:]
        held.append([found[own == code, code].mean() for code in range(4)])
    by_source = np.mean(held, axis=0)
    assert (by_source.mean() if pooled else by_source.min()) >= coverage


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_that_are_right_keep_the_coverage_of_hard_images(seed):
    rng = np.random.default_rng(seed)

    def draw(n, noise):
        scores, codes = draw_scores(rng, n, noise=noise)
        return 3 * scores / noise**2, codes  # log odds

    easy, hard = draw(800, 1.0), draw(200, 2.0)
    sets = PredictionSets(*map(np.concatenate, zip(easy, hard, strict=True)), pooled=True)
    assert sets.scale == pytest.approx(1, rel=0.1)
    for noise, accuracy in ((1.0, 0.94), (2.0, 0.7)):
        scores, codes = draw(4000, noise)
        assert (scores.argmax(axis=1) == codes).mean() == pytest.approx(accuracy, abs=0.04)
        found = sets.predict_set(scores, 0.9)
        assert found[np.arange(4000), codes].mean() > 0.89
        probable = -np.sort(-np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True), axis=1)
        size = 1 + (probable.cumsum(axis=1) < 0.9).sum(axis=1).mean()
        assert found.sum(axis=1).mean() < size
    # The threshold for a probability that holds for all together leaves out more of these.
    own = softmax(sets.scores, axis=1)[np.arange(1000), sets.codes]
    one_threshold = softmax(scores, axis=1) >= conformal_threshold(own, 0.1)
    assert one_threshold[np.arange(4000), codes].mean() < 0.8


@pytest.mark.parametrize("pooled", [False, True])
def test_with_too_few_images_sets_hold_all_sources(pooled):
    codes = np.repeat([0, 1], [18, 22])  # none of the others
    scores = 3 * np.eye(4)[codes] + np.random.default_rng(0).normal(size=(40, 4))
    found = PredictionSets(scores, codes, pooled=pooled).predict_set(100 * np.eye(4), 0.95)
    assert found[:, 1].tolist() == [False, True, False, False]
    assert [found[:, code].all() for code in (0, 2, 3)] == [not pooled] * 3
    few = PredictionSets(scores[:18], codes[:18], pooled=True)
    assert few.n_scores == 18
    assert few.predict_set(scores, 0.95).all()
    assert not few.predict_set(100 * np.eye(4), 0.94).all()


def test_images_without_scores_have_empty_sets():
    scores, codes = draw_scores(np.random.default_rng(0), 40)
    for coverage in (0.5, 0.999):
        found = PredictionSets(scores, codes).predict_set([[np.nan] * 4, [9, 0, 0, 0]], coverage)
        assert found.any(axis=1).tolist() == [False, True]


def test_sources_that_a_model_has_not_seen_are_improbable():
    scores, codes = draw_scores(np.random.default_rng(0), 200)
    unseen = scores.copy()
    unseen[(codes != 3) & (np.arange(200) % 2 == 0), 3] = -np.inf
    sets = PredictionSets(unseen, codes, pooled=True)
    assert sets.scale == pytest.approx(PredictionSets(scores, codes).scale, rel=0.3)
    assert 0 < sets.predict_set(scores, 0.9).mean() < 0.6


def test_scores_that_tell_nothing_make_full_sets():
    sets = PredictionSets(np.zeros((60, 3)), np.repeat([0, 1, 2], 20))
    assert sets.predict_set(np.zeros((1, 3)), 0.9).all()


@pytest.mark.parametrize("coverage", [0, 1, -0.5, 95, "0.9", None, [0.9, 0.95]])
def test_impossible_coverages_and_shapes_are_refused(coverage):
    sets = PredictionSets(*draw_scores(np.random.default_rng(0), 40))
    told = re.escape(f"coverage must be in (0, 1), got {coverage!r}.")
    with pytest.raises(ValueError, match=told):
        sets.predict_set(np.zeros((2, 4)), coverage)
    with pytest.raises(ValueError, match=r"\(n, 4\) that class_scores returns, got \(2, 3\)"):
        sets.predict_set(np.zeros((2, 3)))


# Numbers of calibration images up to a million.
@pytest.mark.parametrize("n", [*range(1, 200), 999, 1199, 31415, 10**6])
def test_a_rate_rounded_up_is_one_at_which_images_can_be_rejected(n):
    smallest = 1 / (n + 1)
    assert smallest <= float(round_up(smallest)) < 1.01 * smallest


@pytest.mark.parametrize(
    ("smallest", "text"),
    [(1 / 25, "0.04"), (1 / 100, "0.01"), (1 / 81, "0.0124"), (1 / 2, "0.5"), (1 / 1001, "0.001")],
)
def test_round_rates_stay_round(smallest, text):
    assert round_up(smallest) == text
