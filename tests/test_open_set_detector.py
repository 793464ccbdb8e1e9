import pickle

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint import (
    FingerprintClassifier,
    FingerprintDetector,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.open_set import CalibrationWarning

LDA = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
KINDS = {
    "alone": FingerprintDetector(false_alarm_rate=0.05),
    "fingerprint": FingerprintDetector(source="a", false_alarm_rate=0.05),
    "lda": FingerprintDetector(LDA, source="a", false_alarm_rate=0.05),
    "others": FingerprintDetector(source="a", null="others", false_alarm_rate=0.05),
    "others-lda": FingerprintDetector(LDA, source="a", null="others", false_alarm_rate=0.05),
}
every_kind = pytest.mark.parametrize("detector", KINDS.values(), ids=KINDS)


def training(detector, X, y):
    """Images and labels to fit on: without others if the detector takes none."""
    return (X, y) if detector.source is not None else (X[y == "a"], None)


@every_kind
def test_finds_the_source(make_residuals, detector):
    X, y = make_residuals(100, noise=1.0, n_features=64)
    detector.fit(*training(detector, X[::2], y[::2]))
    predicted, own = detector.predict(X[1::2]), y[1::2] == "a"
    assert (predicted[own] == 1).mean() >= 0.85
    assert (predicted[~own] == -1).mean() >= 0.85


@every_kind
def test_rejects_where_the_p_value_is_low(make_residuals, detector):
    X, y = make_residuals(50, noise=3.0, n_features=64)
    detector.fit(*training(detector, X[::2], y[::2]))
    rejected = detector.p_values(X) <= 0.05
    expected = np.where(rejected == (detector.null == "others"), 1, -1)
    np.testing.assert_array_equal(detector.predict(X), expected)
    difference = detector.score_samples(X) - detector.offset_
    np.testing.assert_array_equal(detector.decision_function(X), difference)


@pytest.mark.parametrize("null", ["source", "others"])
def test_false_alarms_are_as_rare_as_stated(make_residuals, null):
    rates = []
    for seed in range(40):
        X, y = make_residuals(100, n_features=32, noise=3.0, seed=seed)
        detector = FingerprintDetector(source="a", null=null, false_alarm_rate=0.1)
        detector.fit(X[::2], y[::2])
        wrong = detector.predict(X[1::2]) == (-1 if null == "source" else 1)
        rates.append(wrong[(y[1::2] == "a") == (null == "source")].mean())
    assert 0.07 < np.mean(rates) < 0.115


def test_scores_are_those_of_the_classifier(make_residuals):
    X, y = make_residuals(20, n_features=32)
    clf = FingerprintClassifier().fit(X, y)
    detector = FingerprintDetector(FingerprintClassifier(), source="b", false_alarm_rate=0.05)
    detector.fit(X, y)
    np.testing.assert_array_equal(detector.score_samples(X), clf.correlate(X)[:, 1])
    expected = clf.leave_one_out_scores(X, y)[y == "b", 1]
    np.testing.assert_array_equal(detector.calibration_scores_, expected)


def test_one_source_alone_is_left_out_image_by_image(make_residuals):
    X, _ = make_residuals(20, ("a",), n_features=32)
    detector = FingerprintDetector(false_alarm_rate=0.05).fit(X)
    for i, score in enumerate(detector.calibration_scores_):
        mean = np.delete(X, i, axis=0).mean(axis=0)
        cosine = X[i] @ mean / np.linalg.norm(X[i]) / np.linalg.norm(mean)
        assert score == pytest.approx(cosine)


def test_groups_stay_together(make_residuals):
    X, _ = make_residuals(12, ("a",), n_features=64, noise=4.0)
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(12), 4))
    detector = FingerprintDetector(false_alarm_rate=0.1)
    own = detector.fit(X[groups], groups=groups).calibration_scores_.mean()
    alone = detector.fit(X).calibration_scores_.mean()
    assert own == pytest.approx(alone, abs=0.05)
    assert detector.fit(X[groups]).calibration_scores_.mean() > own + 0.1


def test_an_outlier_detector_needs_no_others(make_residuals):
    X, y = make_residuals(80, ("a", "b"), n_features=8, noise=0.5)
    forest = make_pipeline(StandardScaler(), IsolationForest(n_estimators=20, random_state=0))
    detector = FingerprintDetector(forest, false_alarm_rate=0.1).fit(X[y == "a"][::2])
    assert (detector.predict(X[y == "a"][1::2]) == 1).mean() > 0.7
    assert (detector.predict(X[y == "b"]) == -1).mean() > 0.9


def test_takes_residual_images_at_the_end_of_a_pipeline(make_images):
    X, y = make_images(40, shape=(16, 16, 3), strength=12.0)
    detector = FingerprintDetector(false_alarm_rate=0.05)
    pipeline = make_pipeline(ResidualTransformer("gaussian", flatten=False), detector)
    pipeline.fit(X[y == "a"][::2])
    assert (pipeline.predict(X[y == "a"][1::2]) == 1).mean() > 0.8
    assert (pipeline.predict(X[y == "b"]) == -1).mean() > 0.9


@pytest.mark.parametrize(("null", "always"), [("source", 1), ("others", -1)])
def test_too_few_images_reject_nothing_and_say_so(make_residuals, null, always):
    X, y = make_residuals(20)
    detector = FingerprintDetector(source="a", null=null)
    n = 20 if null == "source" else 40
    with pytest.warns(CalibrationWarning, match=f"of the {null} is never .* there are {n}"):
        detector.fit(X, y)
    assert (detector.predict(X) == always).all()


@pytest.mark.parametrize(
    ("params", "labels", "message"),
    [
        ({"source": "a"}, None, "source='a' needs y"),
        ({"source": "d"}, "abc", "must hold the source 'd'"),
        ({"source": "a"}, "a", "at least one other"),
        ({"null": "others"}, "abc", "null='others' needs `source`"),
        ({"estimator": LDA}, "abc", "needs images of others: set `source`"),
    ],
)
def test_what_cannot_be_is_refused(make_residuals, params, labels, message):
    X, y = make_residuals(10, tuple(labels or "ab"))
    with pytest.raises(ValueError, match=message):
        FingerprintDetector(**params).fit(X, y if labels else None)


def test_fit_predict_uses_the_labels(make_residuals):
    X, y = make_residuals(40, noise=0.5)
    predicted = FingerprintDetector(source="a", false_alarm_rate=0.05).fit_predict(X, y)
    np.testing.assert_array_equal(predicted[y != "a"], -1)
    assert (predicted[y == "a"] == 1).mean() > 0.9


@every_kind
def test_pickled_and_saved_detectors_say_the_same(make_residuals, tmp_path, detector):
    X, y = make_residuals(20, n_features=32)
    detector.fit(*training(detector, X, y))
    save_model(detector, tmp_path / "model.skops")
    for other in (pickle.loads(pickle.dumps(detector)), load_model(tmp_path / "model.skops")):
        np.testing.assert_array_equal(other.decision_function(X), detector.decision_function(X))
        np.testing.assert_array_equal(other.p_values(X), detector.p_values(X))


def test_parameters_of_the_default_estimator_can_be_set():
    detector = FingerprintDetector().set_params(estimator__metric="euclidean")
    assert detector.estimator.metric == "euclidean"
