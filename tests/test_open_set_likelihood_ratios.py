"""Likelihood ratios of known sources, held to ratios of densities and to calibrators by hand."""

import numpy as np
import pytest
from scipy.special import logsumexp

from sklearn_ganprint import (
    FingerprintClassifier,
    FusionClassifier,
    OpenSetClassifier,
    SubclassDiscriminantAnalysis,
)
from sklearn_ganprint.conformal import Calibration, PredictionSets
from sklearn_ganprint.evidence import LikelihoodRatioCalibrator, cllr, cllr_min
from sklearn_ganprint.open_set import SourceLikelihoodRatios

MEANS = 2.5 * np.eye(4)


def log_densities(rows):
    """Normal densities of four sources, up to what they have in common."""
    return -np.square(rows[:, np.newaxis] - MEANS).sum(axis=2) / 2


@pytest.fixture
def make_rows():
    def make(n=200, seed=0):
        codes = np.repeat(np.arange(4), n)
        return MEANS[codes] + np.random.default_rng(seed).normal(size=(4 * n, 4)), codes

    return make


@pytest.fixture
def make_ratios(make_rows):
    """Ratios by the scores 3 * log density + 5, in units of their own."""

    def make(n=200, **params):
        rows, codes = make_rows(n)
        scores = 3 * log_densities(rows) + 5
        lacking = np.where(codes[:, np.newaxis] == np.arange(4), -np.inf, scores)
        known = PredictionSets(scores, codes), Calibration(scores, codes)
        return SourceLikelihoodRatios(*known, lacking, **params)

    return make


@pytest.mark.parametrize("anchored", [False, True])
def test_against_other_sources_they_are_ratios_of_densities(make_ratios, make_rows, anchored):
    rows, _ = make_rows(seed=1)
    densities = log_densities(rows)
    others = [logsumexp(np.delete(densities, c, axis=1), axis=1) - np.log(3) for c in range(4)]
    expected = (densities - np.transpose(others)) / np.log(10)
    found = make_ratios(1000, anchored=anchored).against_others(3 * densities + 5)
    inside = np.abs(expected) < 1.5
    assert inside.mean() > 0.2
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.3)


def test_one_calibrator_serves_all_sources_or_each_has_its_own(make_ratios):
    for anchored in (False, True):
        ratios = make_ratios(50, anchored=anchored)
        codes, typicality = ratios.calibration.codes, ratios.calibration.scores
        own = codes[:, np.newaxis] == np.arange(4)
        for c in range(4):
            if anchored:
                scores = typicality[codes == c, c], ratios.lacking[codes != c, c]
            else:
                scores = typicality[own], ratios.lacking.max(axis=1)
            y = np.repeat([True, False], [len(scores[0]), len(scores[1])])
            calibrator = LikelihoodRatioCalibrator(bounds=False).fit(np.concatenate(scores), y)
            found = ratios.against_unknown(typicality)[:, c]
            expected = calibrator.log10_likelihood_ratios(typicality[:, c])
            expected = expected.clip(found.min(), found.max())
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_versions", [1, 4])
def test_none_is_beyond_the_number_of_images(make_rows, n_versions):
    codes = np.repeat(np.arange(4), 25)
    scores = 40.0 * np.eye(4)[codes] + make_rows(25)[0]
    lacking = np.where(codes[:, np.newaxis] == np.arange(4), -np.inf, scores)
    versions = np.arange(100) % n_versions
    ratios = SourceLikelihoodRatios(
        PredictionSets(scores, codes), Calibration(scores, codes), lacking, versions=versions
    )
    for found in (ratios.against_others(scores), ratios.against_unknown(scores)):
        assert 1.3 < found.max() <= np.log10(100 / n_versions + 1) + 1e-9
        assert -found.min() <= np.log10(100 / n_versions + 1) + 1e-9


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("against", ["others", "unknown"])
def test_out_of_fold_an_image_and_its_copies_are_judged_by_others(anchored, against):
    rng = np.random.default_rng(0)
    codes, copy = np.repeat(rng.permutation(np.repeat(np.arange(3), [7, 9, 12])), 3), [0, 1, 2] * 28
    scores = 2 * np.eye(3)[codes] + rng.normal(size=(84, 3))
    own = codes[:, np.newaxis] == np.arange(3)
    lacking = np.where(own, -np.inf, scores + rng.normal(size=(84, 3)))

    def ratios(rows):
        known = PredictionSets(scores[rows], codes[rows]), Calibration(scores[rows], codes[rows])
        versions = np.array(copy)[rows]
        return SourceLikelihoodRatios(*known, lacking[rows], versions=versions, anchored=anchored)

    expected, expected_wrong = np.empty(84), np.full((84, 3), np.nan)
    by_source = sorted(range(28), key=lambda image: (codes[3 * image], image))
    for fold in range(5):
        rows = [3 * image + n for image in by_source[fold::5] for n in range(3)]
        others = ratios(np.setdiff1d(np.arange(84), rows))
        for row in rows:
            judge = others.against_others if against == "others" else others.against_unknown
            expected[row] = judge(scores[[row]])[0, codes[row]]
            asked = scores if against == "others" else lacking
            for wrong in {0, 1, 2} - {codes[row]}:
                expected_wrong[row, wrong] = judge(asked[[row]])[0, wrong]
    found = ratios(np.arange(84)).out_of_fold(against)
    np.testing.assert_allclose(found[0], expected)
    np.testing.assert_allclose(found[1], expected_wrong)


def test_siblings_that_are_as_typical_of_others_speak_for_nothing(make_rows):
    scores, codes = make_rows(30)
    is_own = codes[:, np.newaxis] == np.arange(4)
    lacking = np.where(is_own, -np.inf, scores + 9)  # unknown images are more typical than own ones
    ratios = SourceLikelihoodRatios(
        PredictionSets(scores, codes), Calibration(scores, codes), lacking
    )
    assert (ratios.against_unknown(scores) == 0).all()
    assert (ratios.against_others(scores) != 0).any()


def test_what_has_no_score_has_no_ratio(make_ratios):
    scores = np.array([[np.nan] * 4, [1.0, 2.0, 3.0, 4.0]])
    ratios = make_ratios(20)
    for found in (ratios.against_others(scores), ratios.against_unknown(scores)):
        assert np.isnan(found[0]).all()
        assert np.isfinite(found[1]).all()
    assert np.isnan(ratios.against_others(scores[:1])).all()
    ratios = SourceLikelihoodRatios(ratios.sets, ratios.calibration)
    with pytest.raises(ValueError, match="lacking: expected scores"):
        ratios.against_unknown(scores)
    with pytest.raises(ValueError, match="lacking: expected scores"):
        ratios.out_of_fold("unknown")
    with pytest.raises(ValueError, match="against must be 'others' or 'unknown', got 'all'"):
        ratios.out_of_fold("all")


def fusion():
    members = [("mean", FingerprintClassifier()), ("parts", SubclassDiscriminantAnalysis())]
    return FusionClassifier(members, cv=5)


@pytest.mark.parametrize("make", [FingerprintClassifier, fusion])
def test_they_are_calibrated_on_new_images_of_known_and_of_other_sources(make):
    rng = np.random.default_rng(0)
    means = rng.normal(size=(12, 40))
    codes = np.repeat(np.arange(12), 40)
    X = np.repeat(means, 40, axis=0) + rng.normal(scale=1.2, size=(480, 40))
    known, test = codes < 8, np.arange(480) % 2 == 1
    clf = OpenSetClassifier(make(), false_alarm_rate=0.05).fit(
        X[known & ~test], codes[known & ~test]
    )
    own = codes[known & test, np.newaxis] == np.arange(8)
    others = clf.log10_likelihood_ratios(X[known & test])
    assert cllr(others.ravel(), own.ravel()) < 0.3
    assert cllr(others.ravel(), own.ravel()) - cllr_min(others.ravel(), own.ravel()) < 0.05
    unknown = clf.log10_likelihood_ratios(X[known & test], against="unknown")[own]
    foreign = clf.log10_likelihood_ratios(X[~known & test], against="unknown").max(axis=1)
    y = np.repeat([True, False], [len(unknown), len(foreign)])
    assert cllr(np.concatenate([unknown, foreign]), y) < 0.5
    # Of LRs that are right, at most one in k is k or more where the alternative is true.
    for k in (2, 5, 10):
        assert np.mean(foreign > np.log10(k)) <= 1 / k
        assert np.mean(others[~own] > np.log10(k)) <= 1 / k


def test_a_source_that_is_not_known_takes_scores_without_each_source(make_residuals):
    X, y = make_residuals(40)
    clf = OpenSetClassifier(FingerprintClassifier(), false_alarm_rate=0.05).fit(X, y)
    np.testing.assert_array_equal(
        clf.log10_likelihood_ratios(X), clf.likelihood_ratios_.against_others(clf.class_scores(X))
    )
    with pytest.raises(ValueError, match="against must be 'others' or 'unknown', got 'all'"):
        clf.log10_likelihood_ratios(X, against="all")
    two = y != "c"
    clf.fit(X[two], y[two])
    with pytest.raises(AttributeError, match="three sources or more"):
        clf.log10_likelihood_ratios(X, against="unknown")
    blank = np.zeros((1, X.shape[1]))
    assert np.isnan(clf.log10_likelihood_ratios(blank)).all()


def test_of_two_sources_the_rarer_is_not_misled_by_scores_that_favour_the_other():
    rng = np.random.default_rng(0)

    def draw(n_frequent, n_rare):  # posterior probabilities, which hold the shares of sources
        codes = np.repeat([0, 1], [n_frequent, n_rare])
        scores = log_densities(MEANS[codes] / 2 + rng.normal(size=(len(codes), 4)))[:, :2] / 2
        return scores + np.log([10, 1]), codes

    scores, codes = draw(400, 40)
    lrs = SourceLikelihoodRatios(PredictionSets(scores, codes), Calibration(scores, codes))
    scores, codes = draw(2000, 2000)
    log10_lrs = lrs.against_others(scores)
    for source in (0, 1):
        own = codes == source
        cost, least = (cost(log10_lrs[:, source], own) for cost in (cllr, cllr_min))
        assert cost < 1.15 * least
        assert max(np.mean(log10_lrs[own, source] < 0), np.mean(log10_lrs[~own, source] > 0)) < 0.4


def test_a_source_without_calibration_images_has_no_ratios(make_rows):
    scores, codes = make_rows(20)
    kept = codes != 3
    sets = PredictionSets(scores[kept], codes[kept])
    lrs = SourceLikelihoodRatios(sets, Calibration(scores[kept], codes[kept]))
    found = lrs.against_others(scores)
    assert np.isnan(found[:, 3]).all()
    assert np.isfinite(found[:, :3]).all()
    assert np.isfinite(lrs.bounds[0]).all()
