import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from sklearn_ganprint import FingerprintClassifier

pytestmark = pytest.mark.core

METRICS = ["correlation", "cosine", "euclidean", "unbiased"]
every_metric = pytest.mark.parametrize("metric", METRICS)


def simple_data(n=18, n_features=64, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(n_classes, n_features))
    y = np.arange(n) % n_classes
    return patterns[y] + rng.normal(size=(n, n_features)), y


def reference_scores(X, y, x, metric, leave=None):
    """Scores of one residual, by the definitions; `leave` is left out of the fingerprints."""
    scores = []
    for label in np.unique(y):
        own = [i for i in range(len(X)) if y[i] == label and i != leave]
        fingerprint = sum(X[i] for i in own) / len(own)
        if metric == "correlation":
            scores.append(np.corrcoef(x, fingerprint)[0, 1])
        elif metric == "cosine":
            lengths = np.linalg.norm(x) * np.linalg.norm(fingerprint)
            scores.append(x @ fingerprint / lengths)
        elif metric == "unbiased":
            n, squares = len(own), sum(X[i] @ X[i] for i in own)
            square = (n * fingerprint @ fingerprint - squares / n) / (n - 1)
            scores.append(2 * x @ fingerprint - x @ x - square)
        else:
            scores.append(-np.linalg.norm(x - fingerprint))
    return scores


def assert_same_fit(actual, expected, atol=1e-12):
    np.testing.assert_array_equal(actual.classes_, expected.classes_)
    for name in ("fingerprints_", "class_count_", "energy_"):
        np.testing.assert_allclose(getattr(actual, name), getattr(expected, name), atol=atol)


@every_metric
def test_scores_equal_the_slow_reference(metric):
    X, y = simple_data()
    clf = FingerprintClassifier(metric).fit(X, y)
    expected = [reference_scores(X, y, x, metric) for x in X]
    np.testing.assert_allclose(clf.decision_function(X), expected, atol=1e-12)
    np.testing.assert_array_equal(clf.predict(X), np.argmax(expected, axis=1))


@every_metric
def test_leave_one_out_scores_equal_refitting_without_each_image(metric):
    X, y = simple_data()
    clf = FingerprintClassifier(metric).fit(X, y)
    expected = [reference_scores(X, y, x, metric, leave=i) for i, x in enumerate(X)]
    np.testing.assert_allclose(clf.leave_one_out_scores(X, y), expected, atol=1e-12)


def test_leave_one_out_takes_the_optimism_away():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 500)), np.repeat([0, 1, 2], 20)
    clf = FingerprintClassifier().fit(X, y)
    assert clf.score(X, y) == 1.0
    honest = clf.leave_one_out_scores(X, y).argmax(axis=1)
    assert np.mean(honest == y) < 0.5


def test_weighted_leave_one_out_equals_weighted_refitting():
    X, y = simple_data()
    weights = np.random.default_rng(1).uniform(0.5, 3, len(y))
    clf = FingerprintClassifier().fit(X, y, weights)
    for i in range(4):
        rest = np.delete(np.arange(len(y)), i)
        refitted = FingerprintClassifier().fit(X[rest], y[rest], weights[rest])
        expected = refitted.decision_function(X[i : i + 1])[0]
        actual = clf.leave_one_out_scores(X[i : i + 1], y[i : i + 1], weights[i : i + 1])[0]
        np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_leaving_out_the_only_image_of_a_class_leaves_the_lowest_score():
    X, y = simple_data(7)
    y[:] = [0, 0, 0, 1, 1, 1, 2]
    scores = FingerprintClassifier().fit(X, y).leave_one_out_scores(X, y)
    assert scores[6, 2] == -1
    assert (scores[:6] > -1).all()


def test_fitted_attributes():
    X, y = simple_data()
    clf = FingerprintClassifier().fit(X, y)
    np.testing.assert_array_equal(clf.class_count_, [6, 6, 6])
    np.testing.assert_allclose(clf.fingerprints_[1], X[y == 1].mean(axis=0), atol=1e-15)
    np.testing.assert_allclose(clf.energy_, (clf.fingerprints_**2).mean(axis=1))


@given(seed=st.integers(0, 99), cuts=st.lists(st.integers(1, 17), max_size=4))
def test_fit_equals_partial_fits_in_any_order(seed, cuts):
    X, y = simple_data()
    order = np.random.default_rng(seed).permutation(len(y))
    clf = FingerprintClassifier()
    for part in np.split(order, sorted(set(cuts))):
        clf.partial_fit(X[part], y[part], classes=[0, 1, 2])
    assert_same_fit(clf, FingerprintClassifier().fit(X, y))


@given(seed=st.integers(0, 99), cut=st.integers(1, 17))
def test_merging_two_fits_equals_fitting_on_both(seed, cut):
    X, y = simple_data()
    order = np.random.default_rng(seed).permutation(len(y))
    parts = [
        FingerprintClassifier().partial_fit(X[part], y[part], classes=np.unique(y[part]))
        for part in (order[:cut], order[cut:])
    ]
    before = parts[1].fingerprints_.copy()
    assert_same_fit(parts[0].merge(parts[1]), FingerprintClassifier().fit(X, y))
    np.testing.assert_array_equal(parts[1].fingerprints_, before)


def test_merging_brings_in_new_classes_by_name():
    X, y = simple_data(12, n_classes=4)
    words = np.array(["c", "a", "d", "b"])[y]
    first = np.isin(words, ["a", "d"])
    clf = FingerprintClassifier().fit(X[first], words[first])
    clf.merge(FingerprintClassifier().fit(X[~first], words[~first]))
    assert_same_fit(clf, FingerprintClassifier().fit(X, words))


def test_weights_count_like_copies():
    X, y = simple_data()
    weights = np.arange(len(y)) // 3 % 3
    weighted = FingerprintClassifier().fit(X, y, sample_weight=weights)
    copies = np.repeat(np.arange(len(y)), weights)
    assert_same_fit(weighted, FingerprintClassifier().fit(X[copies], y[copies]))


@pytest.mark.parametrize("metric", ["correlation", "cosine"])
@given(scale=st.floats(1e-3, 1e3))
def test_normalised_metrics_do_not_know_the_scale_of_an_image(metric, scale):
    X, y = simple_data()
    clf = FingerprintClassifier(metric).fit(X, y)
    np.testing.assert_allclose(
        clf.decision_function(scale * X), clf.decision_function(X), atol=1e-10
    )


def test_two_classes_give_one_score():
    X, y = simple_data(n_classes=2)
    clf = FingerprintClassifier().fit(X, y)
    scores = clf.decision_function(X)
    correlations = clf.correlate(X)
    assert scores.shape == (len(X),)
    np.testing.assert_allclose(scores, correlations[:, 1] - correlations[:, 0])
    np.testing.assert_array_equal(clf.predict(X), (scores > 0).astype(int))


@every_metric
def test_correlate_gives_correlations_whatever_the_metric(metric):
    X, y = simple_data()
    expected = FingerprintClassifier().fit(X, y).decision_function(X)
    np.testing.assert_array_equal(FingerprintClassifier(metric).fit(X, y).correlate(X), expected)


@every_metric
def test_a_class_announced_and_not_seen_is_never_chosen_and_finite(metric):
    X, y = simple_data()
    clf = FingerprintClassifier(metric).partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    scores = clf.decision_function(X)
    assert np.isfinite(scores).all()
    assert (scores[:, 2] < scores[:, :2].min(axis=1)).all()
    np.testing.assert_array_equal(clf.correlate(X)[:, 2], -1)


@pytest.mark.parametrize("dtype", [object, "<U9"])
def test_labels_may_be_words(dtype):
    X, y = simple_data()
    words = np.array(["cyclegan", "progan", "camera"], dtype=dtype)[y]
    clf = FingerprintClassifier().fit(X, words)
    assert clf.classes_.tolist() == ["camera", "cyclegan", "progan"]
    assert set(clf.predict(X)) <= set(words)


def test_images_are_taken_like_rows():
    X, y = simple_data()
    images = X.reshape(-1, 8, 8, 1)
    clf = FingerprintClassifier().fit(images, y)
    assert clf.image_shape_ == (8, 8, 1)
    expected = FingerprintClassifier().fit(X, y).decision_function(X)
    np.testing.assert_array_equal(clf.decision_function(images), expected)
    np.testing.assert_array_equal(clf.decision_function(X), expected)
    with pytest.raises(ValueError, match=r"\(4, 16, 1\).*expecting images of shape \(8, 8, 1\)"):
        clf.predict(X.reshape(-1, 4, 16))


def test_float32_scores_are_close_to_float64():
    X, y = simple_data(n_features=65_536)
    exact = FingerprintClassifier().fit(X, y)
    single = FingerprintClassifier().fit(X.astype(np.float32), y)
    scores = single.decision_function(X.astype(np.float32))
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, exact.decision_function(X), atol=1e-5)


@pytest.mark.parametrize("method", ["predict", "decision_function", "correlate"])
def test_nothing_without_fit(method):
    with pytest.raises(NotFittedError):
        getattr(FingerprintClassifier(), method)(np.ones((2, 4)))


def test_a_failed_first_partial_fit_leaves_the_classifier_usable():
    X, y = simple_data()
    clf = FingerprintClassifier()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clf.partial_fit(X, y[:-1], classes=[0, 1, 2])
    assert_same_fit(clf.partial_fit(X, y, classes=[0, 1, 2]), FingerprintClassifier().fit(X, y))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda clf, X, y: clf.fit(X, np.zeros(len(y))), "at least 2 classes.*1 class"),
        (lambda clf, X, y: clf.fit(X, y / 7), "Unknown label type"),
        (lambda clf, X, y: clf.fit(X, y, -np.ones(len(y))), "Negative values"),
        (lambda clf, X, y: clf.partial_fit(X, y), "classes must be passed"),
        (lambda clf, X, y: clf.partial_fit(X, y, classes=[0, 1]), r"labels \[2\]"),
        (lambda clf, X, y: clf.fit(X, y).partial_fit(X, y + 1), r"labels \[3\]"),
        (lambda clf, X, y: clf.fit(X, y).leave_one_out_scores(X, y + 1), r"labels \[3\]"),
        (lambda clf, X, y: clf.fit(X, y).predict(X[:, 1:]), "63 features"),
        (lambda clf, X, y: FingerprintClassifier("manhattan").fit(X, y), "'metric' parameter"),
        (
            lambda clf, X, y: clf.fit(X, y).merge(FingerprintClassifier().fit(X[:, 1:], y)),
            "different sizes: 64 values.*63 values",
        ),
    ],
)
def test_wrong_use_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(FingerprintClassifier(), *simple_data())


def test_sums_by_class_count_like_the_residuals_themselves():
    X, y = simple_data()
    words = np.array(["b", "c", "a"])[y]
    clf = FingerprintClassifier()
    for part in np.split(np.random.default_rng(0).permutation(len(y)), [5, 9]):
        classes = np.unique(words[part])[::-1]
        own = words[part][:, np.newaxis] == classes
        clf.partial_fit_sums(own.T.astype(float) @ X[part], own.sum(axis=0), classes)
    assert_same_fit(clf, FingerprintClassifier().fit(X, words))


@pytest.mark.parametrize("metric", ["correlation", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_follow_the_fingerprints(metric, dtype):
    X, y = simple_data()
    clf = FingerprintClassifier(metric).fit(X[:9], y[:9])
    for again in (
        lambda: clf.partial_fit(X[9:], y[9:]),
        lambda: clf.merge(FingerprintClassifier().fit(-X, y)),
        lambda: clf.fit(X[3:12], y[3:12]),
        lambda: clf.set_params(metric="correlation"),
    ):
        clf.decision_function(X.astype(dtype))
        again()
        fresh = pickle.loads(pickle.dumps(clf))
        expected = fresh.decision_function(X.astype(dtype))
        np.testing.assert_array_equal(clf.decision_function(X.astype(dtype)), expected)


def test_what_makes_scores_fast_is_no_part_of_the_classifier():
    X, y = simple_data()
    clf = FingerprintClassifier().fit(X, y)
    names, size = set(vars(clf)), len(pickle.dumps(clf))
    clf.predict(X)
    assert set(vars(clf)) == names
    assert len(pickle.dumps(clf)) <= size
    with pytest.raises(ValueError, match="read-only"):
        clf.fingerprints_[0] = 0


@every_metric
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("method", ["predict", "correlate"])
def test_residuals_that_are_not_finite_are_refused(metric, value, method):
    X, y = simple_data()
    clf = FingerprintClassifier(metric).fit(X, y)
    X[5, 7] = value
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        getattr(clf, method)(X.astype(np.float32))


@pytest.mark.parametrize("metric", ["correlation", "cosine"])
def test_finite_residuals_of_any_size_have_finite_scores(metric):
    X, y = simple_data()
    clf = FingerprintClassifier(metric).fit(X, y)
    assert np.isfinite(clf.decision_function((1e30 * X).astype(np.float32))).all()


def test_unbiased_distances_allow_for_the_noise_in_means_of_few():
    pattern = 0.1 * np.random.default_rng(0).normal(size=400)
    y = np.repeat(["few", "many"], [2, 40])
    surplus = {"euclidean": [], "unbiased": []}
    for seed in range(100):
        # Both have the same fingerprint, and in the mean of two residuals is far more noise.
        X = np.random.default_rng(seed).normal(size=(62, 400)) + pattern
        for metric, found in surplus.items():
            scores = FingerprintClassifier(metric).fit(X[:42], y).class_scores(X[42:])
            found.append(np.diff(scores).mean())
    means = {metric: np.mean(found) for metric, found in surplus.items()}
    assert means["euclidean"] > 1
    assert abs(means["unbiased"]) < 4 * np.std(surplus["unbiased"]) / 10


def test_sums_without_norms_are_refused_where_norms_are_needed():
    assert hasattr(FingerprintClassifier(), "partial_fit_sums")
    assert not hasattr(FingerprintClassifier("unbiased"), "partial_fit_sums")
