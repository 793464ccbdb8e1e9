"""Likelihood ratios, their bounds and their cost."""

import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import dump, load
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks

from sklearn_ganprint import load_model, save_model
from sklearn_ganprint.evidence import (
    LikelihoodRatioCalibrator,
    cllr,
    cllr_min,
    empirical_bounds,
    misleading_rates,
    verbal_scale,
)

METHODS = ["logistic", "kde", "isotonic"]
every_method = pytest.mark.parametrize("method", METHODS)

#: What images without residual score.
LOWEST = np.finfo(np.float32).min


def draw(n_first=60, n_other=200, distance=2.0, seed=0):
    """Scores of two normal distributions, as far apart as that, and which is true."""
    rng = np.random.default_rng(seed)
    y = np.repeat([True, False], [n_first, n_other])
    return rng.normal(size=len(y)) + distance * y, y


def log10_lrs_of(method, scores, y, new, **params):
    return LikelihoodRatioCalibrator(method, **params).fit(scores, y).log10_likelihood_ratios(new)


# --- Held to the library lir --------------------------------------------------------------------


def in_lir(log10_lrs, y):
    models = pytest.importorskip("lir.data.models")
    return models.LLRData(features=np.array(log10_lrs), labels=y.astype(int))


SETS = [draw(), draw(9, 14, 1.0, 1), draw(300, 40, 4.0, 2), draw(50, 50, 9.0, 3), draw(2, 3, -1)]


@pytest.mark.parametrize(("log10_lrs", "y"), SETS)
def test_costs_and_bounds_are_those_of_lir(log10_lrs, y):
    metrics = pytest.importorskip("lir.metrics")
    bayeserror = pytest.importorskip("lir.algorithms.bayeserror")
    log10_lrs = log10_lrs - 1
    assert cllr(log10_lrs, y) == pytest.approx(metrics.cllr(in_lir(log10_lrs, y)), abs=1e-6)
    with np.errstate(divide="ignore"):
        least = metrics.cllr_min(in_lir(log10_lrs, y))
    assert cllr_min(log10_lrs, y) == pytest.approx(least, abs=1e-6)
    expected = bayeserror.elub(log10_lrs.copy(), y.astype(int))
    assert_allclose(empirical_bounds(log10_lrs, y), expected, atol=1e-6)


@pytest.mark.parametrize(("scores", "y"), SETS[:4])
@pytest.mark.parametrize("bounds", [False, True])
@every_method
def test_likelihood_ratios_are_those_of_lir(method, bounds, scores, y):
    new = np.linspace(*np.quantile(scores, [0, 1]), 50)
    found = log10_lrs_of(method, scores, y, new, bounds=bounds)
    both = np.append(scores, new)
    with np.errstate(divide="ignore"):
        expected = LIR_METHODS[method](scores, y, both)
    if bounds:
        bayeserror = pytest.importorskip("lir.algorithms.bayeserror")
        limits = bayeserror.elub(expected[: len(y)].copy(), y.astype(int))
        expected = np.clip(expected, *limits)
    assert_allclose(found, expected[len(y) :], atol=1e-6)


def lir_logistic(scores, y, new):
    """Have one score more of each proposition, in as many parts as there are of the other."""
    module = pytest.importorskip("lir.algorithms.logistic_regression")
    n_first, n_other = y.sum(), (~y).sum()
    rows = np.concatenate([np.repeat(scores, np.where(y, n_other, n_first)), scores])
    labels = np.concatenate([np.repeat(y, np.where(y, n_other, n_first)), ~y]).astype(int)
    calibrator = module.LogitCalibrator(C=1e10, solver="newton-cg", tol=1e-9)
    return calibrator.fit(rows, labels).transform(new)


def lir_densities(scores, y, new):
    module = pytest.importorskip("lir.algorithms.kde")
    return module.KDECalibrator("silverman").fit(scores, y.astype(int)).transform(new)


def lir_isotonic(scores, y, new):
    module = pytest.importorskip("lir.algorithms.isotonic_regression")
    return module.IsotonicCalibrator().fit(scores, y.astype(int)).transform(new)


LIR_METHODS = {"logistic": lir_logistic, "kde": lir_densities, "isotonic": lir_isotonic}


# --- Held to the definitions --------------------------------------------------------------------


def test_logistic_likelihood_ratios_are_most_likely():
    scores, y = draw(30, 90)
    calibrator = LikelihoodRatioCalibrator(bounds=False).fit(scores, y)
    found = calibrator.coef_ * np.log(10), calibrator.intercept_ * np.log(10)

    def log_likelihood(slope, intercept):
        first = np.log(expit(slope * scores + intercept))
        other = np.log(expit(-slope * scores - intercept))
        # 31 scores for the first proposition and 91 for the alternative, both of weight 1.
        one = (first[y].sum() + first[~y].mean()) / 31
        return one + (other[~y].sum() + other[y].mean()) / 91

    best = log_likelihood(*found)
    for step in (-0.001, 0.001):
        assert log_likelihood(found[0] + step, found[1]) < best
        assert log_likelihood(found[0], found[1] + step) < best


def test_ratio_of_densities_equals_the_formula():
    scores, y = draw(7, 12)
    new = np.linspace(scores.min(), scores.max(), 9)
    found = log10_lrs_of("kde", scores, y, new, bounds=False)
    for value, log10_lr in zip(new, found, strict=True):
        densities = []
        for own in (scores[y], scores[~y]):
            width = own.std() * (4 / (3 * len(own))) ** 0.2
            densities.append(np.mean([norm.pdf(value, point, width) for point in own]))
        assert log10_lr == pytest.approx(np.log10(densities[0] / densities[1]))


def test_isotonic_likelihood_ratios_are_odds_of_pooled_scores():
    scores, y = [1, 2, 3, 3, 4, 5, 6], [0, 0, 1, 0, 0, 1, 1]
    found = log10_lrs_of("isotonic", scores, y, [1, 3, 4, 6], bounds=False)
    # From 3 to 4 there is 1 of the 3 of the first proposition, and 2 of the 4 of the other.
    assert_allclose(found, [-np.inf, np.log10(1 / 3 / (2 / 4)), np.log10(2 / 3), np.inf])


lrs = st.floats(-4, 4).map(lambda value: round(value, 3))


@given(st.lists(lrs, min_size=1, max_size=30), st.lists(lrs, min_size=1, max_size=30))
def test_costs_rates_and_bounds_equal_the_definitions(first, other):
    log10_lrs, y = np.array(first + other), np.repeat([1, 0], [len(first), len(other)])
    penalties = [np.log2(1 + 10**-x) for x in first], [np.log2(1 + 10**x) for x in other]
    assert cllr(log10_lrs, y) == pytest.approx(np.mean([np.mean(p) for p in penalties]))
    rates = np.mean([x < -1 for x in first]), np.mean([x > 1 for x in other])
    assert misleading_rates(log10_lrs, y, 1) == rates
    lower, upper = empirical_bounds(log10_lrs, y)
    assert lower <= 0 <= upper
    for bound, direction in ((upper, 1), (lower, -1)):
        # All thresholds up to the bound pay; none is looked at beyond the LRs and the numbers.
        for step in range(1, round(abs(bound) * 100)):
            threshold = direction * step / 100 + 0.00012  # next to no LR, which has 3 digits
            misses = (1 + sum(x <= threshold for x in first)) / (1 + len(first))
            alarms = (1 + sum(x > threshold for x in other)) / (1 + len(other))
            assert misses + 10**threshold * alarms <= min(1, 10**threshold) * 1.002
    assert upper <= max(0, log10_lrs.max(), 0) + 0.0101
    assert 10**upper <= (len(other) + 1) * 1.03 and 10**-lower <= (len(first) + 1) * 1.03


@given(st.lists(lrs, min_size=2, max_size=30))
def test_no_likelihood_ratios_in_the_same_order_cost_less(log10_lrs):
    y = np.arange(len(log10_lrs)) % 2
    least = cllr_min(log10_lrs, y)
    assert 0 <= least <= min(1, cllr(log10_lrs, y)) + 1e-9
    for change in (lambda x: 3 * x - 1, np.tanh, np.sinh):
        changed = change(np.array(log10_lrs))
        assert cllr(changed, y) >= least - 1e-9
        if len(np.unique(changed)) == len(np.unique(log10_lrs)):
            assert cllr_min(changed, y) == pytest.approx(least)


def test_infinite_likelihood_ratios_cost_nothing_or_everything():
    right, y = [np.inf, np.inf, -np.inf], [1, 1, 0]
    assert (cllr(right, y), cllr_min(right, y), cllr_min([1, 2, 0], y)) == (0, 0, 0)
    assert cllr([-np.inf, 1, -1], y) == np.inf
    assert empirical_bounds(right * 40, y * 40) == pytest.approx((-1.9, 1.61), abs=0.02)


# --- What is promised ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_known_likelihood_ratios_are_recovered_over_four_decades(seed):
    scores, y = draw(10_000, 10_000, distance=3.0, seed=seed)
    log10_lrs = np.array([-2, -1, -0.5, 0.5, 1, 2])
    known = log10_lrs * np.log(10) / 3 + 1.5  # the log LR is 3 (score - 1.5)
    assert_allclose(log10_lrs_of("logistic", scores, y, known), log10_lrs, rtol=0.1)


def tails(calibrator, distance):
    """Probabilities, under both propositions, of LRs at the upper and at the lower bound."""
    grid = np.linspace(-6, distance + 6, 1001)
    log10_lrs = calibrator.log10_likelihood_ratios(grid)
    first, other = norm.pdf(grid, distance), norm.pdf(grid)
    step = grid[1] - grid[0]
    for at_bound in (log10_lrs == log10_lrs.max(), log10_lrs == log10_lrs.min()):
        yield first[at_bound].sum() * step, other[at_bound].sum() * step


@pytest.mark.parametrize(("n_first", "n_other"), [(20, 20), (30, 270)])
@pytest.mark.parametrize("distance", [2.0, 3.0, 5.0])
def test_bounds_hold_in_95_of_100_draws(n_first, n_other, distance):
    """LRs at a bound are at least as rare under the other proposition as they claim."""
    held = []
    for seed in range(100):
        calibrator = LikelihoodRatioCalibrator().fit(*draw(n_first, n_other, distance, seed))
        (first, other), (misses, rejected) = tails(calibrator, distance)
        upper = first >= other * 10**calibrator.upper_bound_
        held.append(upper and misses <= rejected * 10**calibrator.lower_bound_)
    assert sum(held) >= 95


@pytest.mark.parametrize("method", ["kde", "isotonic"])
def test_without_bounds_likelihood_ratios_claim_too_much(method):
    held = []
    for seed in range(20):
        scores, y = draw(30, 270, 2.0, seed)
        calibrator = LikelihoodRatioCalibrator(method, bounds=False).fit(scores, y)
        greatest = calibrator.log10_likelihood_ratios(scores).max()
        (first, other), _ = tails(calibrator, 2.0)
        held.append(first >= other * 10 ** min(greatest, 300))
    assert sum(held) <= 5


@every_method
def test_what_is_claimed_beyond_a_bound_is_the_bound(method):
    scores, y = draw(30, 270, 5.0)
    calibrator = LikelihoodRatioCalibrator(method).fit(scores, y)
    lowest, highest = calibrator.log10_likelihood_ratios([-1e300, 1e300])
    assert (lowest, highest) == (calibrator.lower_bound_, calibrator.upper_bound_)
    assert 1 < highest <= np.log10(271) + 0.01 and -1 > lowest >= -np.log10(31) - 0.01


@every_method
def test_prior_odds_of_the_calibration_scores_do_not_count(method):
    scores, y = draw(400, 400)
    more = np.append(scores, np.tile(scores[~y], 4)), np.append(y, np.zeros(1600, dtype=bool))
    new = [0.0, 1.0, 2.0]
    once, often = (log10_lrs_of(method, *data, new) for data in ((scores, y), more))
    assert_allclose(often, once, atol=0.12)
    assert np.log10(5) > 0.5  # which posterior odds would differ by


@every_method
@given(shift=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3))
def test_units_of_scores_do_not_matter(method, shift, scale):
    scores, y = draw(12, 20)
    expected = log10_lrs_of(method, scores, y, scores)
    found = log10_lrs_of(method, scale * scores + shift, y, scale * scores + shift)
    assert_allclose(found, expected, atol=1e-5)


@every_method
def test_exchanging_the_propositions_changes_the_sign(method):
    scores, y = draw(40, 40)
    new = np.linspace(-2, 4, 30)
    found = log10_lrs_of(method, -scores, ~y, -new, bounds=False)
    assert_allclose(found, -log10_lrs_of(method, scores, y, new, bounds=False), atol=1e-6)
    one = LikelihoodRatioCalibrator(method).fit(scores, y)
    other = LikelihoodRatioCalibrator(method).fit(-scores, ~y)
    assert other.upper_bound_ == pytest.approx(-one.lower_bound_, abs=0.0101)


@every_method
def test_scores_that_tell_nothing_have_likelihood_ratio_one(method):
    y = np.arange(20) < 5
    assert_allclose(log10_lrs_of(method, np.ones(20), y, [0.0, 1.0, 9.0]), 0, atol=1e-9)


@every_method
def test_ties(method):
    scores, y = draw(100, 100)
    found = log10_lrs_of(method, scores.round(), y, [-1.0, 1.0, 3.0])
    assert found[0] < -0.5 and abs(found[1]) < 0.3 and found[2] > 0.5


@pytest.mark.parametrize("n", [1, 2])
@every_method
def test_few_scores_support_little(method, n):
    y = np.repeat([True, False], n)
    found = log10_lrs_of(method, [5.0, 6.0][:n] + [0.0, 1.0][:n], y, [-9.0, 3.0, 9.0])
    assert np.isfinite(found).all() and np.abs(found).max() <= np.log10(n + 1) + 0.01


@pytest.mark.parametrize("whose", [True, False])
@every_method
def test_images_without_residual_count_as_the_lowest_score(method, whose):
    scores, y = draw()
    blank, blank_y = np.append(scores, [LOWEST] * 2), np.append(y, [whose] * 2)
    lowest = np.append(scores, [scores.min()] * 2)
    new = np.append(np.linspace(-3, 5, 20), LOWEST)
    found = log10_lrs_of(method, blank, blank_y, new)
    assert_array_equal(found, log10_lrs_of(method, lowest, blank_y, new))
    assert np.ptp(found) > 1 and found[-1] == log10_lrs_of(method, lowest, blank_y, [-99.0])
    assert_array_equal(log10_lrs_of(method, [LOWEST] * 4, [0, 1, 0, 1], [LOWEST]), 0)


@every_method
def test_kinds_of_input(method, tmp_path):
    scores, y = draw()
    scores = scores.astype(np.float32)
    expected = log10_lrs_of(method, scores, y, scores)
    assert expected.shape == scores.shape and expected.dtype == np.float64
    dump(scores, tmp_path / "scores")
    mapped = load(tmp_path / "scores", mmap_mode="r")
    labels = np.where(y, "source", "other")  # in alphabetic order the second
    read_only = scores.copy()
    read_only.flags.writeable = False
    for given_scores, given_y in [
        (scores[:, np.newaxis], y.astype(float)),
        (scores.tolist(), y.tolist()),
        (pd.Series(scores), pd.Series(y)),
        (pl.Series(scores), y),
        (pd.DataFrame({"score": scores}), labels),
        (mapped, y),
        (read_only, y),
    ]:
        assert_array_equal(log10_lrs_of(method, given_scores, given_y, given_scores), expected)
    assert LikelihoodRatioCalibrator(method).fit(scores, labels).classes_.tolist()[1] == "source"


@pytest.mark.parametrize("bounds", [False, True])
@every_method
def test_saved_calibrators_answer_alike(method, bounds, tmp_path):
    scores, y = draw()
    calibrator = LikelihoodRatioCalibrator(method, bounds=bounds).fit(scores, y)
    expected = calibrator.log10_likelihood_ratios(scores)
    save_model(calibrator, tmp_path / "model.skops")
    for copy in (load_model(tmp_path / "model.skops"), pickle.loads(pickle.dumps(calibrator))):
        assert_array_equal(copy.log10_likelihood_ratios(scores), expected)
    kinds = {type(value) for value in vars(calibrator).values()}
    assert kinds <= {str, bool, float, np.ndarray}
    with pytest.raises(NotFittedError):
        clone(calibrator).log10_likelihood_ratios(scores)


@pytest.mark.filterwarnings("ignore:Can't test estimator:sklearn.exceptions.SkipTestWarning")
def test_estimator_checks():
    results = estimator_checks.check_estimator(LikelihoodRatioCalibrator(), on_skip=None)
    assert {result["status"] for result in results} == {"passed"}
    name = LikelihoodRatioCalibrator.__name__
    for check in ("param_validation", "no_attributes_set_in_init"):
        check = getattr(estimator_checks, f"check_{check}")
        assert check(name, LikelihoodRatioCalibrator()) is None


@pytest.mark.parametrize(
    ("scores", "y", "told"),
    [
        ([1.0, np.nan], [0, 1], "Input scores contains NaN"),
        ([1.0, -np.inf], [0, 1], "Input scores contains infinity"),
        (
            np.zeros((4, 2)),
            [0, 1, 0, 1],
            "scores: expected one column, of shape (n,) or (n, 1), got (4, 2)",
        ),
        ([1.0, 2.0], [1, 1], "y: expected two labels, .* got 1: [1]."),
        ([1.0, 2.0, 3.0], [0, 1, 2], "y: expected two labels, .* got 3: [0, 1, 2]."),
        ([1.0, 2.0, 3.0], [0, 1], "inconsistent numbers of samples: [3, 2]"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(scores, y, told):
    told = re.escape(told).replace(re.escape(".*"), ".*")
    with pytest.raises(ValueError, match=told):
        LikelihoodRatioCalibrator().fit(scores, y)
    if "scores" in told:
        with pytest.raises(ValueError, match=told):
            LikelihoodRatioCalibrator().fit(*draw()).log10_likelihood_ratios(scores)
    for metric in (cllr, cllr_min, empirical_bounds, misleading_rates):
        if np.ndim(scores) > 1 or np.isfinite(scores).all():
            with pytest.raises(ValueError, match=told.replace("scores", "log10_lrs")):
                metric(scores, y)
        with pytest.raises(ValueError, match="log10_lrs: expected numbers, got NaN"):
            metric([np.nan, 1], [0, 1])


def test_verbal_scale_names_the_decade_in_both_directions():
    words = ["weak", "moderate", "moderately strong", "strong", "very strong", "extremely strong"]
    for lr, word in zip([2.01, 10, 100, 1000, 10_000, 1_000_000], words, strict=True):
        assert verbal_scale(np.log10(lr)) == f"{word} support for the first proposition"
        assert verbal_scale(-np.log10(lr)) == f"{word} support for the alternative"
    for lr in (0.51, 1, 1.99):
        assert verbal_scale(np.log10(lr)) == "no support for either proposition"
    assert verbal_scale(np.float32(5)).startswith("very strong")
    assert verbal_scale(-np.inf) == "extremely strong support for the alternative"
    with pytest.raises(ValueError, match="got NaN"):
        verbal_scale(np.nan)


def test_the_example_of_the_guide_has_the_figures_that_it_tells():
    page = (Path(__file__).parents[1] / "docs/evidence.md").read_text(encoding="utf-8")
    found = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], found)
    log10_lrs, y = found["log10_lrs"], found["from_srgan"]
    costs = f"Cllr is {cllr(log10_lrs, y):.2f} and at least {cllr_min(log10_lrs, y):.2f}"
    greatest = log10_lrs.max()
    assert f"{costs}, and the greatest LR is {10**greatest:.0f}, " in page
    assert f'"{verbal_scale(greatest)}"' in page
