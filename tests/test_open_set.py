import pickle
import re
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, LeaveOneOut, PredefinedSplit, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint import (
    FileBatchClassifier,
    FingerprintClassifier,
    FusionClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.classification import PooledDiscriminantAnalysis
from sklearn_ganprint.files import UnreadableImageWarning
from sklearn_ganprint.open_set import CalibrationWarning, PredictionSets, discriminant_distances

pytestmark = pytest.mark.core

LDA = LinearDiscriminantAnalysis
ESTIMATORS = {
    "fingerprint": FingerprintClassifier(),
    "lda": make_pipeline(StandardScaler(), LDA(solver="lsqr", shrinkage="auto")),
    "logistic": LogisticRegression(),
}
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)


def leave_out(X, y, label="c"):
    return X[y != label], y[y != label], X[y == label]


@pytest.fixture
def fitted(make_residuals):
    """Fit on the sources a and b; return classifier, new images of the two, and of c."""

    def fit(estimator, n=60, n_features=64, noise=0.5, seed=0, **params):
        X, y = make_residuals(2 * n, n_features=n_features, noise=noise, seed=seed)
        known, labels, unknown = leave_out(X, y)
        clf = OpenSetClassifier(estimator, **params).fit(known[::2], labels[::2])
        return clf, known[1::2], labels[1::2], unknown

    return fit


@every_estimator
def test_predict_says_unknown_where_the_p_value_is_low(fitted, estimator):
    clf, X, y, unknown = fitted(estimator, false_alarm_rate=0.05)
    everything = np.concatenate([X, unknown])
    rejected = clf.predict(everything) == "unknown"
    np.testing.assert_array_equal(rejected, clf.known_p_values(everything) <= 0.05)
    below = (clf.typicality_scores(everything) < clf.thresholds_).all(axis=1)
    np.testing.assert_array_equal(rejected, below)
    kept = ~rejected[: len(X)]
    np.testing.assert_array_equal(clf.predict(X)[kept], clf.estimator_.predict(X)[kept])


@pytest.mark.parametrize("calibration", ["source", "pooled"])
def test_scores_give_every_p_value(fitted, calibration):
    clf, X, *_ = fitted(ESTIMATORS["lda"], calibration=calibration, false_alarm_rate=0.05)
    scores = clf.typicality_scores(X)
    found = clf.calibration_set_
    np.testing.assert_array_equal(found.p_values(scores), clf.p_values(X))
    np.testing.assert_array_equal(found.known_p_values(scores), clf.known_p_values(X))
    np.testing.assert_array_equal(found.thresholds(0.05), clf.thresholds_)
    np.testing.assert_array_equal(scores.max(axis=1), clf.score_samples(X))
    a, b = (clf.calibration_scores_[clf.calibration_codes_ == code, code] for code in (0, 1))
    for choice, own in {"source": b, "pooled": np.concatenate([a, b])}.items():
        expected = [(1 + sum(own <= score)) / (1 + len(own)) for score in scores[:, 1]]
        p_values = found.p_values(scores, pooled=choice == "pooled")
        np.testing.assert_allclose(p_values[:, 1], expected)


@every_estimator
def test_scores_give_labels_and_what_is_unknown(fitted, estimator):
    clf, X, _, unknown = fitted(estimator, false_alarm_rate=0.05)
    everything = np.concatenate([X, unknown])
    scores, typicality = clf.class_scores(everything), clf.typicality_scores(everything)
    nearest = clf.classes_[scores.argmax(axis=1)]
    np.testing.assert_array_equal(nearest, clf.estimator_.predict(everything))
    known = clf.calibration_set_.known_p_values(typicality) > 0.05
    expected = np.where(known, nearest, "unknown")
    np.testing.assert_array_equal(clf.predict(everything), expected)


@every_estimator
@pytest.mark.parametrize("calibration", ["source", "pooled"])
def test_sets_are_empty_where_images_are_unknown(fitted, estimator, calibration):
    clf, X, y, unknown = fitted(estimator, noise=2.0, false_alarm_rate=0.1, calibration=calibration)
    everything = np.concatenate([X, unknown])
    sets = clf.predict_set(everything, 0.8)
    predicted = clf.predict(everything)
    np.testing.assert_array_equal(sets.any(axis=1), predicted != "unknown")
    assert sets.dtype == bool and sets.shape == (len(everything), 2)
    expected = PredictionSets(
        clf.calibration_class_scores_, clf.calibration_codes_, calibration == "pooled"
    ).predict_set(clf.class_scores(everything), 0.8)
    known = predicted != "unknown"
    np.testing.assert_array_equal(sets[known], expected[known])
    assert 0 < known.mean() < 1
    assert sets[known, np.searchsorted(clf.classes_, predicted[known])].all()
    assert sets[: len(X)][y == "a", 0].mean() > 0.7


def test_images_without_a_residual_have_empty_sets(make_images):
    images, y = make_images(n_per_class=20)
    pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)  # nothing else is unknown
        clf = OpenSetClassifier(pipeline).fit(images, y)
    blank = np.full_like(images[:1], 255)
    sets = clf.predict_set(np.concatenate([blank, images[:1]]), 0.9)
    assert sets.any(axis=1).tolist() == [False, True]


FUSION = FusionClassifier([("a", FingerprintClassifier()), ("b", LogisticRegression())], cv=4)
SCORED_TWICE = {
    "lda": (LDA(), {"cv": 4}),
    "fingerprint": (FingerprintClassifier(), {"cv": 4}),
    "fusion": (FUSION, {"cv": 4}),
    "lda by decision": (LDA(), {"cv": 4, "score_function": "decision"}),
    "logistic by function": (
        LogisticRegression(),
        {"cv": 4, "score_function": lambda model, X: model.predict_proba(X)},
    ),
}


@pytest.mark.parametrize(("estimator", "params"), SCORED_TWICE.values(), ids=SCORED_TWICE)
def test_class_scores_are_those_of_models_without_the_image(make_residuals, estimator, params):
    X, y = make_residuals(10, n_features=16)
    clf = OpenSetClassifier(estimator, false_alarm_rate=0.2, **params).fit(X, y)
    folds = list(StratifiedKFold(4).split(X, y))
    expected = [clone(clf).fit(X[train], y[train]) for train, _ in folds]
    for name, method in (
        ("calibration_class_scores_", "class_scores"),
        ("calibration_scores_", "typicality_scores"),
    ):
        scores = [
            getattr(fitted, method)(X[test])
            for fitted, (_, test) in zip(expected, folds, strict=True)
        ]
        np.testing.assert_allclose(getattr(clf, name), np.concatenate(scores), atol=1e-6)


@pytest.mark.parametrize("score_function", ["auto", "decision"])
def test_a_fusion_gives_its_own_scores_of_unseen_images(make_residuals, score_function):
    X, y = make_residuals(12, n_features=16)
    clf = OpenSetClassifier(FUSION, false_alarm_rate=0.2, score_function=score_function).fit(X, y)
    inner = clf.estimator_
    np.testing.assert_array_equal(clf.calibration_class_scores_, inner.out_of_fold_scores_)
    judged = {"auto": inner.out_of_fold_typicality_, "decision": inner.out_of_fold_scores_}
    np.testing.assert_array_equal(clf.calibration_scores_, judged[score_function])


def test_too_few_images_for_a_coverage_say_so(make_residuals):
    X, y = make_residuals(15)
    clf = OpenSetClassifier(FingerprintClassifier(), false_alarm_rate=0.1).fit(X, y)
    expected = r"is in each set: .* 0\.95 needs 19 .* 15 for the smallest.* coverage of 0\.937 or"
    with pytest.warns(CalibrationWarning, match=expected):
        sets = clf.predict_set(X)
    np.testing.assert_array_equal(sets.all(axis=1), clf.predict(X) != "unknown")
    clf.set_params(calibration="pooled").fit(X, y)
    with pytest.warns(CalibrationWarning, match=r"All sources are .* 0\.99 needs 99 .* 45 in all"):
        clf.predict_set(X, 0.99)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not clf.predict_set(X, 0.95).all()


def test_without_class_scores_there_are_no_sets(make_residuals):
    X, y = make_residuals(12, n_features=16)
    voting = VotingClassifier([("a", LogisticRegression()), ("b", LDA())])

    def agreement(model, rows):
        votes = np.stack([each.predict(rows) for each in model.estimators_])
        return np.stack([(votes == code).mean(axis=0) for code in range(3)], axis=1)

    clf = OpenSetClassifier(voting, false_alarm_rate=0.2, score_function=agreement).fit(X, y)
    with pytest.raises(AttributeError, match="Fit it anew, with a classifier that has"):
        clf.predict_set(X)
    assert set(clf.predict(X)) <= {"a", "b", "c", "unknown"}
    clf.set_params(estimator=LDA(), score_function="auto").fit(X, y)
    assert clf.predict_set(X, 0.8).any()
    clf.set_params(estimator=voting, score_function=agreement).fit(X, y)
    assert not hasattr(clf, "prediction_sets_")


@pytest.mark.parametrize("calibration", ["source", "pooled"])
def test_images_without_scores_have_no_p_values(fitted, calibration):
    clf, X, *_ = fitted(ESTIMATORS["fingerprint"], calibration=calibration, false_alarm_rate=0.05)
    scores = clf.typicality_scores(X[:3])
    scores[1] = np.nan
    found = clf.calibration_set_
    for p_values in (found.p_values(scores), found.known_p_values(scores)):
        assert np.isnan(p_values).reshape(3, -1).all(axis=1).tolist() == [False, True, False]


def test_scores_of_another_shape_are_refused(fitted):
    clf, *_ = fitted(ESTIMATORS["fingerprint"], false_alarm_rate=0.05)
    for method in (clf.calibration_set_.p_values, clf.calibration_set_.known_p_values):
        with pytest.raises(ValueError, match=r"shape \(n, n_classes\) = \(n, 2\).*got \(3, 5\)"):
            method(np.zeros((3, 5)))
    with pytest.raises(NotFittedError):
        _ = OpenSetClassifier(FingerprintClassifier()).calibration_set_


@every_estimator
def test_former_methods_warn_and_answer_as_before(fitted, estimator):
    clf, X, *_ = fitted(estimator, false_alarm_rate=0.05)
    with pytest.warns(FutureWarning, match="class_scores and typicality_scores"):
        scores, typicality = clf.assess(X).swapaxes(0, 1)
    np.testing.assert_array_equal(scores, clf.class_scores(X))
    np.testing.assert_array_equal(typicality, clf.typicality_scores(X))
    with pytest.warns(FutureWarning, match="calibration_set_.known_p_values"):
        known = clf.known_p_values_from_scores(typicality)
    np.testing.assert_array_equal(known, clf.known_p_values(X))
    for choice in ("source", "pooled"):
        with pytest.warns(FutureWarning, match="calibration_set_.p_values"):
            found = clf.p_values_from_scores(typicality, calibration=choice)
        expected = clf.calibration_set_.p_values(typicality, pooled=choice == "pooled")
        np.testing.assert_array_equal(found, expected)
    with (
        pytest.warns(FutureWarning),
        pytest.raises(ValueError, match="calibration must be .* got 'auto'"),
    ):
        clf.p_values_from_scores(typicality, calibration="auto")


@pytest.mark.parametrize("name", ["fingerprint", "lda"])
def test_finds_an_unknown_source_and_keeps_the_known(fitted, name):
    clf, X, y, unknown = fitted(ESTIMATORS[name])
    assert (clf.predict(unknown) == "unknown").mean() > 0.9
    assert (clf.predict(X) == y).mean() > 0.9
    assert clf.score_samples(X).mean() > clf.score_samples(unknown).max()


@pytest.mark.parametrize("calibration", ["source", "pooled"])
@pytest.mark.parametrize("name", ["fingerprint", "lda"])
def test_false_alarms_are_as_rare_as_stated(make_residuals, name, calibration):
    rates = []
    for seed in range(20):
        X, y = make_residuals(140, ("a", "b"), n_features=8, noise=1.5, seed=seed)
        clf = OpenSetClassifier(
            ESTIMATORS[name], false_alarm_rate=0.1, calibration=calibration, cv=5
        )
        fit, test = np.arange(len(X)) % 140 < 40, np.arange(len(X)) % 140 >= 40
        rates.append((clf.fit(X[fit], y[fit]).predict(X[test]) == "unknown").mean())
    # Asking both sources ("source") is careful where a source's images look like the other's.
    assert np.mean(rates) <= 0.11
    assert calibration == "source" or np.mean(rates) >= 0.05


def test_p_values_of_the_own_source_are_valid(make_residuals):
    low = []
    for seed in range(40):
        X, y = make_residuals(50, n_features=16, noise=1.0, seed=seed)
        clf = OpenSetClassifier(FingerprintClassifier("cosine"), false_alarm_rate=0.1)
        new = np.arange(len(X)) % 50 >= 30
        p = clf.fit(X[~new], y[~new]).p_values(X[new])
        low.append(p[np.arange(new.sum()), np.searchsorted(clf.classes_, y[new])])
    for rate in (0.1, 0.2, 0.5):
        assert rate / 2 < np.mean(np.concatenate(low) <= rate) < rate + 0.02


def test_calibration_scores_are_those_of_models_without_the_image(make_residuals):
    X, y = make_residuals(10, n_features=16)
    estimator, cv = FingerprintClassifier("euclidean"), StratifiedKFold(3)
    clf = OpenSetClassifier(estimator, false_alarm_rate=0.2, cv=cv).fit(X, y)
    expected = [
        clone(estimator).fit(X[train], y[train]).decision_function(X[test])
        for train, test in cv.split(X, y)
    ]
    np.testing.assert_allclose(clf.calibration_scores_, np.concatenate(expected))


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean"])
def test_leaving_one_out_in_closed_form_is_leaving_one_out(make_residuals, metric):
    X, y = make_residuals(6, n_features=16)
    pipeline = make_pipeline("passthrough", FingerprintClassifier(metric))
    closed = OpenSetClassifier(pipeline, false_alarm_rate=0.2).fit(X, y)
    slow = clone(closed).set_params(cv=LeaveOneOut()).fit(X, y)
    np.testing.assert_allclose(closed.calibration_scores_, slow.calibration_scores_, atol=1e-9)
    np.testing.assert_allclose(closed.thresholds_, slow.thresholds_, atol=1e-9)


def test_a_step_that_learns_keeps_the_closed_form_away(make_residuals):
    X, y = make_residuals(10, n_features=16)
    pipeline = make_pipeline(StandardScaler(), FingerprintClassifier())
    clf = OpenSetClassifier(pipeline, false_alarm_rate=0.2).fit(X, y)
    folds = clone(clf).set_params(cv=10).fit(X, y)
    np.testing.assert_array_equal(clf.calibration_scores_, folds.calibration_scores_)


def own_scores(clf):
    return clf.calibration_scores_[np.arange(len(clf.calibration_codes_)), clf.calibration_codes_]


def copies(make_residuals):
    """Ten images of each source, each there five times: the groups, in any order."""
    X, y = make_residuals(10, n_features=64, noise=4.0)
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(30), 5))
    return X[groups], y[groups], groups


@pytest.mark.parametrize("cv", [None, 4, GroupKFold(4)], ids=str)
@pytest.mark.parametrize("routing", [False, True])
def test_groups_stay_together_in_inner_folds(make_residuals, cv, routing):
    X, y, groups = copies(make_residuals)
    clf = OpenSetClassifier(FingerprintClassifier(), false_alarm_rate=0.1, cv=cv)
    with sklearn.config_context(enable_metadata_routing=routing):
        grouped = clf.fit(X, y, groups=groups)
    own = own_scores(grouped).mean()
    # Copies on both sides of a fold score too high.
    mixed = own_scores(clone(clf).set_params(cv=StratifiedKFold(4)).fit(X, y)).mean()
    once = [np.flatnonzero(groups == group)[0] for group in range(30)]
    alone = FingerprintClassifier().fit(X[once], y[once])
    alone = alone.leave_one_out_scores(X[once], y[once])[np.arange(30), np.repeat(range(3), 10)]
    assert own == pytest.approx(alone.mean(), abs=0.05)
    assert mixed > own + 0.15


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("n", [4, 15])
def test_folds_take_turns_where_a_source_has_few_images(make_residuals, n, grouped):
    X, y = make_residuals(15, n_features=16)
    few = np.sort(np.append(np.flatnonzero(y != "b"), np.flatnonzero(y == "b")[:n]))
    X, y = X[few], y[few]
    params = {"groups": np.arange(len(y)) // 2} if grouped else {}
    lda = LDA(solver="lsqr", shrinkage=0.1)
    clf = OpenSetClassifier(lda, false_alarm_rate=0.1).fit(X, y, **params)
    by_class = [position for label in "abc" for position in np.flatnonzero(y == label)]
    turns = {position: turn for turn, position in enumerate(by_class)}
    folds = [params["groups"][i] % 10 if grouped else turns[i] % 10 for i in range(len(y))]
    cv = PredefinedSplit(folds) if grouped or n == 4 else StratifiedKFold(10)
    expected = clone(clf).set_params(cv=cv).fit(X, y)
    np.testing.assert_array_equal(clf.calibration_scores_, expected.calibration_scores_)


@pytest.mark.parametrize(("sizes", "n_left"), [([1, 10], 9), ([1, 1, 10], 10), ([1, 1, 1], 0)])
@pytest.mark.filterwarnings("ignore::sklearn_ganprint.open_set.CalibrationWarning")
def test_sources_of_one_image_calibrate_nothing_and_are_answers(make_residuals, sizes, n_left):
    X, y = make_residuals(20, tuple("abc"[: len(sizes)]), noise=0.5)
    fit = np.concatenate([20 * code + np.arange(size) for code, size in enumerate(sizes)])
    pipeline = make_pipeline(StandardScaler(), FingerprintClassifier("cosine"))
    clf = OpenSetClassifier(pipeline).fit(X[fit], y[fit])
    assert len(clf.calibration_codes_) == n_left
    np.testing.assert_array_equal(clf.predict(X), y)
    assert clf.predict_set(X).all()
    p_others = clf.calibration_set_.others_p_values(clf.typicality_scores(X))
    # A fold that the single image of a source is left out of says nothing of that source.
    assert p_others[y == "a", 0].max() <= 1 / (n_left - n_left // 10 + 1)


def test_other_fit_parameters_reach_the_estimator(make_residuals):
    X, y = make_residuals(10, n_features=16)
    weight = np.linspace(0.5, 2, len(X))
    clf = OpenSetClassifier(FingerprintClassifier(), false_alarm_rate=0.2)
    clf.fit(X, y, sample_weight=weight)
    expected = FingerprintClassifier().fit(X, y, weight)
    np.testing.assert_array_equal(clf.estimator_.fingerprints_, expected.fingerprints_)
    expected = expected.leave_one_out_scores(X, y, weight)
    np.testing.assert_allclose(clf.calibration_scores_, expected)


@pytest.mark.parametrize("n", [6, 16, 32])
def test_at_the_rate_that_is_advised_images_are_rejected(make_residuals, n):
    X, y = make_residuals(n)
    clf = OpenSetClassifier(FingerprintClassifier(), calibration="pooled")
    with pytest.warns(CalibrationWarning, match="false_alarm_rate of .* or more") as caught:
        clf.fit(X, y)
    (rate,) = re.findall(r"false_alarm_rate of (\S+) or more", str(caught[0].message))
    assert 0 <= float(rate) * (3 * n + 1) - 1 < 0.01
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.set_params(false_alarm_rate=float(rate)).fit(X, y)
    assert np.isfinite(clf.thresholds_).all()


def test_without_calibration_scores_nothing_but_more_images_is_advised(make_residuals):
    X, y = make_residuals(1)
    with pytest.warns(CalibrationWarning, match=r"below 1 / 1\. Fit on more images\.$"):
        clf = OpenSetClassifier(LogisticRegression()).fit(X, y)
    with pytest.warns(CalibrationWarning, match=r"there are 0 in all\. Fit on more images\.$"):
        clf.predict_set(X)


def test_too_few_images_reject_nothing_and_say_so(make_residuals):
    X, y, unknown = leave_out(*make_residuals(30))
    with pytest.warns(CalibrationWarning, match=r"99 calibration scores.* 60"):
        clf = OpenSetClassifier(FingerprintClassifier()).fit(X, y)
    assert (clf.thresholds_ == -np.inf).all()
    assert set(clf.predict(unknown)) <= {"a", "b"}
    assert clf.known_p_values(unknown).min() == 1 / 61


@pytest.mark.parametrize(("n", "expected"), [(18, "pooled"), (19, "source")])
def test_auto_calibrates_by_source_where_each_has_enough(make_residuals, n, expected):
    X, y = make_residuals(n)
    clf = OpenSetClassifier(FingerprintClassifier(), false_alarm_rate=0.05).fit(X, y)
    assert clf.calibration_ == expected
    assert len(set(clf.thresholds_)) == (3 if expected == "source" else 1)


def test_copies_do_not_make_up_for_few_images_of_each_source(make_images):
    X, y = make_images(8, shape=(16, 16, 3))
    member = make_pipeline(ResidualTransformer(), LDA(solver="lsqr", shrinkage=0.1))
    copied = FusionClassifier([("lda", member)], perturbations=["blur 1", "jpeg 80", "noise 2"])
    clf = OpenSetClassifier(copied, false_alarm_rate=0.05).fit(X, y)
    assert np.bincount(clf.calibration_codes_).min() == 32
    assert clf.calibration_ == "pooled"


def test_sources_with_too_few_images_are_an_obstacle_if_each_must_have_enough(make_residuals):
    X, y = make_residuals(18)
    clf = OpenSetClassifier(FingerprintClassifier(), false_alarm_rate=0.05, calibration="source")
    with pytest.warns(CalibrationWarning, match="needs 19 .* 18 for the smallest source"):
        clf.fit(X, y)


LABELS = {
    "strings": (["a", "b", "c"], None, "unknown"),
    "longer": (["a", "b", "c"], "none of these", "none of these"),
    "integers": ([0, 1, 2], None, -1),
    "negative": ([-3, 1, 2], None, -4),
    "chosen": ([0, 1, 2], 99, 99),
}


@pytest.mark.parametrize(("labels", "label", "expected"), LABELS.values(), ids=LABELS)
def test_unknown_label_is_of_the_type_of_the_labels(make_residuals, labels, label, expected):
    X, y, unknown = leave_out(*make_residuals(40, labels, noise=0.5), labels[2])
    clf = OpenSetClassifier(FingerprintClassifier(), false_alarm_rate=0.05, unknown_label=label)
    predicted = clf.fit(X, y).predict(np.concatenate([X, unknown]))
    assert clf.unknown_label_ == expected
    assert predicted.dtype.kind == y.dtype.kind
    assert set(predicted.tolist()) == {*labels[:2], expected}


@pytest.mark.parametrize(
    ("labels", "label", "message"),
    [
        (["a", "unknown"], None, "'unknown' is one of the classes"),
        ([0, 1], 1, "1 is one of the classes"),
        ([0, 1], "unknown", "a number, got 'unknown'"),
        (["a", "b"], -1, "a string, got -1"),
        (["a"], None, "at least 2 classes.*FingerprintDetector"),
    ],
)
def test_impossible_labels_are_refused(make_residuals, labels, label, message):
    X, y = make_residuals(20, labels)
    with pytest.raises(ValueError, match=message):
        OpenSetClassifier(FingerprintClassifier(), unknown_label=label).fit(X, y)


def by_definition(X, y, x, shrinkage=0.1):
    """Distances after a change of basis in which the pooled covariance is the identity."""
    means = np.array([X[y == c].mean(axis=0) for c in np.unique(y)])
    pooled = sum(np.cov(X[y == c].T, bias=True) * np.mean(y == c) for c in np.unique(y))
    size = sum(
        np.trace(np.cov(X[y == c].T, bias=True)) / len(pooled) * np.mean(y == c)
        for c in np.unique(y)
    )
    pooled = (1 - shrinkage) * pooled + shrinkage * size * np.eye(len(pooled))
    values, vectors = np.linalg.eigh(pooled)
    whiten = vectors / np.sqrt(values)
    basis = np.linalg.svd((means - means.mean(axis=0)) @ whiten)[2][: len(means) - 1]
    project = whiten @ basis.T
    return ((x @ project)[:, np.newaxis] - means @ project) ** 2


@pytest.mark.parametrize("solver", ["lsqr", "eigen"])
@pytest.mark.parametrize("labels", ["ab", "abcd"])
def test_distances_equal_the_definition(make_residuals, solver, labels):
    X, y = make_residuals(15, tuple(labels), n_features=12)
    lda = LDA(solver=solver, shrinkage=0.1).fit(X, y)
    expected = by_definition(X, y, 3 * X).sum(axis=2)
    np.testing.assert_allclose(discriminant_distances(lda, 3 * X), expected, rtol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 6])
def test_distances_in_single_precision_are_those_in_double(n_classes):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(n_classes), 30)
    X = rng.normal(size=(len(y), 400)) + rng.normal(size=(n_classes, 400))[y]
    single, double = (
        discriminant_distances(PooledDiscriminantAnalysis().fit(each, y), each)
        for each in (X.astype(np.float32), X)
    )
    np.testing.assert_allclose(single, double, rtol=1e-3, atol=1e-3)


def test_distances_need_a_discriminant_analysis(make_residuals):
    X, y = make_residuals(10)
    clf = OpenSetClassifier(FingerprintClassifier(), score_function="mahalanobis")
    with pytest.raises(ValueError, match="need a linear discriminant analysis"):
        clf.fit(X, y)


def test_a_function_scores_what_reaches_the_last_step(make_residuals):
    X, y = make_residuals(20, n_features=16)

    def nearest_mean(lda, rows):
        return -np.linalg.norm(rows[:, np.newaxis] - lda.means_, axis=2)

    pipeline = make_pipeline(StandardScaler(), LDA())
    clf = OpenSetClassifier(pipeline, false_alarm_rate=0.1, score_function=nearest_mean).fit(X, y)
    rows = clf.estimator_[:-1].transform(X)
    expected = nearest_mean(clf.estimator_[-1], rows).max(axis=1)
    np.testing.assert_array_equal(clf.score_samples(X), expected)


def test_a_function_of_the_wrong_shape_is_refused(make_residuals):
    X, y = make_residuals(10)
    clf = OpenSetClassifier(LDA(), score_function=lambda lda, rows: rows[:, 0])
    with pytest.raises(ValueError, match=r"shape \(n, n_classes\) = \(\d+, 3\), got \(\d+,\)"):
        clf.fit(X, y)


@every_estimator
def test_pickled_and_saved_classifiers_say_the_same(fitted, tmp_path, estimator):
    clf, X, _, unknown = fitted(estimator, n=20, false_alarm_rate=0.05)
    save_model(clf, tmp_path / "model.skops")
    everything = np.concatenate([X, unknown])
    for other in (pickle.loads(pickle.dumps(clf)), load_model(tmp_path / "model.skops")):
        np.testing.assert_array_equal(other.predict(everything), clf.predict(everything))
        np.testing.assert_array_equal(other.p_values(everything), clf.p_values(everything))
        sets = other.predict_set(everything, 0.9)
        np.testing.assert_array_equal(sets, clf.predict_set(everything, 0.9))


def test_works_over_files(image_folder):
    _, paths, y = image_folder(n_per_class=20, shape=(16, 16, 3))
    paths = np.array(paths)
    clf = FileBatchClassifier(
        make_pipeline(
            ResidualTransformer("gaussian"),
            OpenSetClassifier(FingerprintClassifier(), false_alarm_rate=0.05),
        ),
        batch_size=7,
    )
    with warnings.catch_warnings():
        # Of residuals that would all have to be kept at once.
        warnings.simplefilter("error")
        clf.fit(paths[y != "c"], y[y != "c"])
    assert (clf.predict(paths[y == "c"]) == "unknown").mean() > 0.9
    assert (clf.predict(paths) == y)[y != "c"].mean() > 0.9
    with pytest.warns(UnreadableImageWarning):
        sets = clf.set_params(on_error="warn").predict_set([*paths, "missing.png"])
    assert sets.dtype == bool
    assert not sets[-1].any()
    np.testing.assert_array_equal(sets[:-1].any(axis=1), clf.predict(paths) != "unknown")
    images = clf.reader_.read(paths.tolist())
    inner = clf.estimator_[-1]
    residuals = clf.estimator_[:-1].transform(images)
    for coverage in (0.95, 0.5):
        expected = inner.predict_set(residuals, coverage)
        np.testing.assert_array_equal(clf.predict_set(paths, coverage), expected)
    assert not hasattr(FileBatchClassifier(FingerprintClassifier()), "predict_set")
