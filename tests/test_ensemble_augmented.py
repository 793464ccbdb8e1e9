import pickle
import warnings

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_ganprint import (
    AugmentedClassifier,
    FileBatchClassifier,
    FingerprintClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.ensemble import merge_subclass_scores
from sklearn_ganprint.features import AutocorrelationTransformer
from sklearn_ganprint.perturbations import (
    GaussianBlur,
    JPEGCompression,
    RandomHistory,
    Resize,
    check_perturbation,
)

VERSIONS = ("jpeg 60", "noise 3")


def roughness(images):
    """Features that know no image size: what remains of differences between pixels."""
    images = np.asarray(images, dtype=float)
    steps = [np.diff(images, n, axis) for axis in (1, 2) for n in (1, 2)]
    return np.concatenate([np.abs(step).mean(axis=(1, 2)) for step in steps], axis=1)


ROUGH = FunctionTransformer(roughness)


def rough_pipeline(classifier=None):
    return make_pipeline(
        ROUGH,
        StandardScaler(),
        LinearDiscriminantAnalysis() if classifier is None else classifier,
    )


def paper_pipeline():
    return make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())


class Recorder(ClassifierMixin, BaseEstimator):
    """Remembers what it was fitted on."""

    def fit(self, X, y, sample_weight=None, groups=None):
        self.X_, self.y_, self.weights_, self.groups_ = X, y, sample_weight, groups
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def rough_images(make_images):
    """Two sources of images that differ in how rough they are."""

    def make(labels=("rough", "smooth"), n_per_class=12):
        X, y = make_images(labels=labels, n_per_class=n_per_class, shape=(24, 24, 3), strength=2)
        smooth = y == labels[-1]
        X[smooth] = GaussianBlur(0.7).transform(X[smooth])
        return X, y

    return make


@given(
    seed=st.integers(0, 99),
    shape=st.tuples(*[st.integers(1, 4)] * 3),
    temperature=st.sampled_from([0.0, 0.5, 4.0]),
)
def test_merged_scores_equal_the_slow_reference(seed, shape, temperature):
    scores = np.random.default_rng(seed).normal(scale=5, size=shape)
    expected = np.empty(shape[:2])
    for image, label in np.ndindex(*shape[:2]):
        own = scores[image, label]
        if temperature == 0:
            expected[image, label] = max(own)
        else:
            total = sum(np.exp(score / temperature) for score in own)
            expected[image, label] = temperature * np.log(total)
    np.testing.assert_allclose(merge_subclass_scores(scores, temperature), expected)


@given(seed=st.integers(0, 99), temperature=st.floats(0.01, 100))
def test_a_soft_maximum_lies_between_the_greatest_score_and_log_n_above(seed, temperature):
    scores = np.random.default_rng(seed).normal(scale=9, size=(5, 3, 7))
    merged = merge_subclass_scores(scores, temperature)
    greatest = scores.max(axis=2)
    assert (merged >= greatest - 1e-9).all()
    assert (merged <= greatest + temperature * np.log(7) + 1e-9).all()


def test_large_scores_do_not_overflow():
    merged = merge_subclass_scores(np.array([[[1e5, 0.0], [-1e5, -2e5]]]), 1.0)
    np.testing.assert_allclose(merged, [[1e5, -1e5]])


@pytest.mark.parametrize("subclasses", [True, False])
def test_the_estimator_is_fitted_on_each_version_of_each_image(make_images, subclasses):
    X, y = make_images(n_per_class=3)
    pipeline = make_pipeline(ResidualTransformer("gaussian"), Recorder())
    clf = AugmentedClassifier(pipeline, VERSIONS, subclasses=subclasses).fit(X, y)
    copies = [X, JPEGCompression(60).transform(X), check_perturbation("noise 3").transform(X)]
    seen = clf.estimator_[-1]
    for version, images in enumerate(copies):
        expected = ResidualTransformer("gaussian").fit_transform(images)
        np.testing.assert_array_equal(seen.X_[version::3], expected)
    codes = np.repeat([0, 1, 2], 3)
    expected = [3 * code + version for code in codes for version in range(3)]
    np.testing.assert_array_equal(seen.y_, expected if subclasses else np.repeat(y, 3))
    assert clf.versions_ == ["original", "JPEG 60", "noise 3"]


def test_perturbations_in_a_sequence_are_applied_one_after_another(make_images):
    X, y = make_images(n_per_class=2)
    chain = (Resize(0.5, restore=True), "jpeg 70")
    clf = AugmentedClassifier(Recorder(), [chain]).fit(X, y)
    expected = JPEGCompression(70).transform(Resize(0.5, restore=True).transform(X))
    np.testing.assert_array_equal(clf.estimator_.X_[1::2], expected)
    assert clf.versions_ == ["original", "resize 0.5 and back, JPEG 70"]


@pytest.mark.parametrize("history", [RandomHistory(), "history web"], ids=str)
def test_a_random_history_makes_copies_of_each_image(make_images, history):
    X, y = make_images(n_per_class=3)
    clf = AugmentedClassifier(Recorder(), history, n_copies=2).fit(X, y)
    seen = clf.estimator_
    copies = [X, *(RandomHistory(draw=draw).transform(X) for draw in range(2))]
    for version, images in enumerate(copies):
        np.testing.assert_array_equal(seen.X_[version::3], images)
    np.testing.assert_array_equal(seen.y_, np.repeat(y, 3))  # one class, not one for each copy
    assert clf.versions_ == ["original", "history web", "history web, draw 1"]
    assert clone(clf).transform_versions(X).shape == (len(X), 3, *X.shape[1:])


def test_more_copies_begin_with_the_same_and_draws_go_on_from_the_given_one(make_images):
    X, _ = make_images(n_per_class=2)
    few, more = (
        AugmentedClassifier(Recorder(), "history social", n_copies=n).transform_versions(X)
        for n in (2, 4)
    )
    np.testing.assert_array_equal(more[:, :3], few)
    last = AugmentedClassifier(Recorder(), RandomHistory.preset("social", draw=2), n_copies=2)
    np.testing.assert_array_equal(last.transform_versions(X)[:, 1:], more[:, 3:])


def test_copies_with_histories_are_subclasses_on_request_only(rough_images):
    X, y = rough_images()
    history = RandomHistory(resize=None)
    clf = AugmentedClassifier(rough_pipeline(), history, n_copies=2).fit(X, y)
    assert clf.predict_proba(X).shape == (len(X), 2)
    assert len(clf.estimator_.classes_) == 2
    assert not hasattr(clf.set_params(subclasses=True), "predict_proba")
    assert len(clone(clf).fit(X, y).estimator_.classes_) == 6


def test_a_list_makes_one_copy_for_each_of_its_histories(make_images):
    X, y = make_images(n_per_class=2)
    clf = AugmentedClassifier(Recorder(), ["history web", "jpeg 80"], n_copies=7).fit(X, y)
    assert clf.versions_ == ["original", "history web", "JPEG 80"]


def test_histories_help_against_what_they_may_hold(rough_images):
    X, y = rough_images(n_per_class=20)
    blurred = GaussianBlur(0.5).transform(X[1::2])
    history = RandomHistory(blur=(0.5, 0.3, 0.7), resize=None, jpeg=None, webp=None, noise=None)
    clf = AugmentedClassifier(rough_pipeline(), history, n_copies=6).fit(X[::2], y[::2])
    assert clf.score(blurred, y[1::2]) > rough_pipeline().fit(X[::2], y[::2]).score(
        blurred, y[1::2]
    )


def test_a_classifier_saved_without_a_number_of_copies_has_one(make_images):
    X, y = make_images()
    clf = AugmentedClassifier(paper_pipeline(), VERSIONS).fit(X, y)
    state = {name: value for name, value in clf.__getstate__().items() if name != "n_copies"}
    former = AugmentedClassifier.__new__(AugmentedClassifier)
    former.__setstate__(state)
    assert former.n_copies == 12
    assert "AugmentedClassifier" in repr(former)
    np.testing.assert_array_equal(clone(former).fit(X, y).predict(X), clf.predict(X))


def test_subclass_scores_are_merged_by_class(rough_images):
    X, y = rough_images(labels=("a", "b", "c"))
    clf = AugmentedClassifier(rough_pipeline(), VERSIONS, temperature=2.0).fit(X, y)
    scores = clf.estimator_.decision_function(X)
    expected = np.empty((len(X), 3))
    for image, label in np.ndindex(*expected.shape):
        own = [scores[image, 3 * label + version] for version in range(3)]
        expected[image, label] = 2 * np.log(sum(np.exp(score / 2) for score in own))
    np.testing.assert_allclose(clf.decision_function(X), expected)
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[expected.argmax(axis=1)])


@pytest.mark.parametrize("perturbations", [(), VERSIONS])
@pytest.mark.parametrize("subclasses", [True, False])
@pytest.mark.parametrize("classifier", [LinearDiscriminantAnalysis(), GaussianNB()], ids=str)
def test_two_classes_give_one_score(rough_images, classifier, subclasses, perturbations):
    X, y = rough_images()
    clf = AugmentedClassifier(rough_pipeline(classifier), perturbations, subclasses=subclasses)
    clf.fit(X, y)
    if not hasattr(clf, "decision_function"):
        assert isinstance(classifier, GaussianNB) and not subclasses
        return
    scores = clf.decision_function(X)
    assert scores.shape == (len(X),)
    np.testing.assert_array_equal(clf.predict(X), np.where(scores > 0, "smooth", "rough"))


@pytest.mark.parametrize("subclasses", [True, False])
def test_without_perturbations_it_is_the_estimator_itself(rough_images, subclasses):
    X, y = rough_images()
    clf = AugmentedClassifier(rough_pipeline(), (), subclasses=subclasses).fit(X, y)
    expected = rough_pipeline().fit(X, y)
    np.testing.assert_allclose(clf.decision_function(X), expected.decision_function(X))


def test_copies_help_against_what_they_were_perturbed_by(rough_images):
    X, y = rough_images()
    blurred = GaussianBlur(0.5).transform(X[1::2])
    assert rough_pipeline().fit(X[::2], y[::2]).score(blurred, y[1::2]) < 0.7
    clf = AugmentedClassifier(rough_pipeline(), ["blur 0.5"]).fit(X[::2], y[::2])
    assert clf.score(blurred, y[1::2]) > 0.9


def test_versions_may_differ_in_size_and_images_to_predict_too(rough_images):
    X, y = rough_images()
    clf = AugmentedClassifier(rough_pipeline(), ["resize 0.75", "resize 1.5"]).fit(X, y)
    for scale in (0.75, 1.0, 1.5):
        assert clf.score(Resize(scale).transform(X), y) > 0.9
    with pytest.raises(ValueError, match=r"\(24, 24, 1\).*expecting images of shape"):
        clf.predict(X[..., 0])


def test_unions_of_steps_that_learn_nothing_are_applied_to_each_version_too(rough_images):
    X, y = rough_images()
    grey = make_pipeline(FunctionTransformer(np.mean, kw_args={"axis": 3, "keepdims": True}), ROUGH)
    pipeline = make_pipeline("passthrough", make_union(ROUGH, grey), LinearDiscriminantAnalysis())
    clf = AugmentedClassifier(pipeline, ["resize 0.75"])
    assert clf.transform_versions(X).shape == (len(X), 2, 16)
    assert clf.fit(X, y).score(Resize(0.75).transform(X), y) > 0.9
    scaled = make_union(ROUGH, make_pipeline(StandardScaler(), ROUGH))
    with pytest.raises(ValueError, match="'resize 0.75' leads to shape"):
        AugmentedClassifier(make_pipeline(scaled, GaussianNB()), ["resize 0.75"]).fit(X, y)


def test_versions_that_cannot_be_stacked_are_named(make_images):
    X, y = make_images()
    with pytest.raises(ValueError, match=r"'resize 0.5' leads to shape \(256,\)"):
        AugmentedClassifier(paper_pipeline(), ["resize 0.5"]).fit(X, y)


@pytest.mark.parametrize("groups", [None, "user's"])
def test_groups_keep_all_versions_of_an_image_together(make_images, groups):
    X, y = make_images(n_per_class=4)
    if groups is not None:
        groups = np.arange(len(y)) // 2 + 100
    clf = AugmentedClassifier(make_pipeline(Recorder()), VERSIONS).fit(X, y, groups=groups)
    expected = np.repeat(np.arange(len(y)) if groups is None else groups, 3)
    np.testing.assert_array_equal(clf.estimator_[-1].groups_, expected)


class NearestCopy(ClassifierMixin, BaseEstimator):
    """Knows exactly the images it has seen, up to what a little noise does to their mean."""

    def fit(self, X, y):
        self.seen_, self.y_ = np.asarray(X), np.asarray(y)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        distances = np.abs(self.seen_[np.newaxis] - np.asarray(X)[:, np.newaxis]).sum(axis=2)
        return self.y_[distances.argmin(axis=1)]


def means(images):
    return images.reshape(len(images), -1).mean(axis=1, keepdims=True, dtype=float)


def lottery(n=40):
    """Images without any trace of their label, each of another brightness."""
    rng = np.random.default_rng(0)
    levels = rng.permutation(n) * 4 + 40
    X = np.broadcast_to(levels[:, np.newaxis, np.newaxis], (n, 8, 8)).astype(np.float64)
    return X + rng.normal(size=X.shape), rng.permutation(np.arange(n) % 2)


@pytest.mark.parametrize("splitter", [GroupKFold(4), StratifiedGroupKFold(4)], ids=str)
def test_a_search_inside_cannot_learn_images_by_heart(splitter):
    X, y = lottery()
    search = GridSearchCV(NearestCopy(), {}, cv=splitter)
    pipeline = make_pipeline(FunctionTransformer(means), search)
    clf = AugmentedClassifier(pipeline, ["noise 0.1"], subclasses=False).fit(X, y)
    assert clf.estimator_[-1].best_score_ < 0.7


def test_a_search_without_groups_is_warned_of():
    X, y = lottery()
    search = GridSearchCV(NearestCopy(), {}, cv=4)
    pipeline = make_pipeline(FunctionTransformer(means), StandardScaler(), search)
    clf = AugmentedClassifier(pipeline, ["noise 0.1"], subclasses=False)
    with pytest.warns(UserWarning, match="GridSearchCV may put copies.*StratifiedGroupKFold"):
        clf.fit(X, y)


def test_calibration_inside_gets_groups_without_any_global_option(rough_images):
    X, y = rough_images()
    calibrated = CalibratedClassifierCV(LogisticRegression(), cv=StratifiedGroupKFold(3))
    clf = AugmentedClassifier(rough_pipeline(calibrated), VERSIONS, subclasses=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.fit(X, y)
    assert not sklearn.get_config()["enable_metadata_routing"]
    assert clf.predict_proba(X).shape == (len(X), 2)
    assert isinstance(clf.estimator_[-1].cv, StratifiedGroupKFold)  # and not the splits made


def test_weights_need_no_request_beside_the_groups_of_calibration(rough_images):
    X, y = rough_images()
    calibrated = CalibratedClassifierCV(LogisticRegression(), cv=StratifiedGroupKFold(3))
    clf = AugmentedClassifier(rough_pipeline(calibrated), VERSIONS, subclasses=False)
    weighted = clone(clf).fit(X, y, np.where(y == y[0], 5.0, 1.0))
    assert weighted.predict_proba(X)[:, 0].mean() != clf.fit(X, y).predict_proba(X)[:, 0].mean()


def test_a_search_outside_hands_groups_on_when_asked(make_images):
    X, y = make_images(n_per_class=4)
    groups = np.arange(len(y)) % 4
    with sklearn.config_context(enable_metadata_routing=True):
        clf = AugmentedClassifier(Recorder(), VERSIONS, subclasses=False)
        search = GridSearchCV(clf.set_fit_request(groups=True), {}, cv=GroupKFold(2))
        search.fit(X, y, groups=groups)
    seen = search.best_estimator_.estimator_
    np.testing.assert_array_equal(seen.groups_, np.repeat(groups, 3))


def test_weights_count_for_all_versions(make_images):
    X, y = make_images(n_per_class=4)
    weights = np.arange(len(y)) % 3
    clf = AugmentedClassifier(paper_pipeline(), VERSIONS, temperature=0.0)
    weighted = clone(clf).fit(X, y, sample_weight=weights)
    copies = np.repeat(np.arange(len(y)), weights)
    expected = clone(clf).fit(X[copies], y[copies])
    np.testing.assert_allclose(weighted.decision_function(X), expected.decision_function(X))


def test_probabilities_are_the_estimators_and_none_of_subclasses(rough_images):
    X, y = rough_images()
    clf = AugmentedClassifier(rough_pipeline(), VERSIONS, subclasses=False).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), clf.estimator_.predict_proba(X))
    assert not hasattr(clf.set_params(subclasses=True), "predict_proba")


def test_rows_are_made_images_if_their_shape_is_given(rough_images):
    X, y = rough_images()
    expected = AugmentedClassifier(rough_pipeline(), VERSIONS).fit(X, y)
    rows = X.reshape(len(X), -1)
    clf = AugmentedClassifier(rough_pipeline(), VERSIONS, image_shape=(24, 24, 3)).fit(rows, y)
    np.testing.assert_array_equal(clf.decision_function(rows), expected.decision_function(X))
    with pytest.raises(ValueError, match="1727 features"):
        clf.predict(rows[:, 1:])


def test_batches_of_versions_are_fitted_like_images(rough_images):
    X, y = rough_images()
    clf = AugmentedClassifier(rough_pipeline(), ["resize 0.75", "jpeg 80"])
    versions = np.concatenate([clf.transform_versions(part) for part in np.array_split(X, 3)])
    fitted = clone(clf).fit_versions(versions, y)
    np.testing.assert_array_equal(fitted.decision_function(X), clf.fit(X, y).decision_function(X))


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("perturbations", [["resize 0.75", "jpeg 80"], "history web"], ids=str)
def test_files_are_mapped_in_batches(image_folder, n_jobs, perturbations):
    _, paths, y = image_folder(shape=(32, 32, 3))
    images = np.stack([np.asarray(Image.open(path)) for path in paths])
    residual = ResidualTransformer("gaussian", channels="rgb", flatten=False)
    # Nothing that is defined here: a worker process could not import it.
    features = AutocorrelationTransformer(max_lag=2)
    pipeline = make_pipeline(
        residual, features, StandardScaler(), LinearDiscriminantAnalysis("lsqr", 0.1)
    )
    clf = AugmentedClassifier(pipeline, perturbations, n_copies=3)
    files = FileBatchClassifier(clf, batch_size=5, n_jobs=n_jobs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = files.fit(paths, y).decision_function(paths)
    np.testing.assert_allclose(scores, clf.fit(images, y).decision_function(images), rtol=1e-6)


def test_files_with_weights_and_a_broken_one(image_folder):
    _, paths, y = image_folder(shape=(96, 96, 3))
    weights = np.arange(len(y)) % 3 + 1.0
    clf = AugmentedClassifier(paper_pipeline(), VERSIONS, temperature=0.0)
    whole = FileBatchClassifier(clf, batch_size=5)
    with pytest.warns(UserWarning, match="need all residuals at once"):
        whole.fit(paths, y, sample_weight=weights)
    with open(paths[0], "wb") as file:
        file.write(b"no image")
    with pytest.warns(UserWarning):
        part = clone(whole).fit(paths, y, sample_weight=weights)
    lost = [fit.estimator_.estimator_[-1].class_count_.reshape(3, 3) for fit in (whole, part)]
    np.testing.assert_array_equal(lost[0] - lost[1], [[1, 1, 1], [0, 0, 0], [0, 0, 0]])


def test_the_default_is_random_histories(rough_images):
    X, y = rough_images(n_per_class=6)
    clf = AugmentedClassifier(rough_pipeline()).fit(X, y)
    assert clf.versions_[:2] == ["original", "history web"] and len(clf.versions_) == 13
    assert clf.score(X, y) > 0.9


def test_the_former_default_is_there_with_a_warning(rough_images):
    with pytest.warns(FutureWarning, match="DEFAULT_PERTURBATIONS is public no more") as caught:
        from sklearn_ganprint.ensemble import DEFAULT_PERTURBATIONS
    assert caught[0].filename == __file__
    X, y = rough_images(n_per_class=6)
    clf = AugmentedClassifier(rough_pipeline(), DEFAULT_PERTURBATIONS).fit(X, y)
    assert len(clf.versions_) == len(DEFAULT_PERTURBATIONS) + 1 == len(set(clf.versions_))
    assert clf.score(X, y) > 0.9


def test_fitting_twice_gives_the_same(rough_images):
    X, y = rough_images()
    before = X.copy()
    clf = AugmentedClassifier(rough_pipeline(), VERSIONS)
    first = clone(clf).fit(X, y).decision_function(X)
    np.testing.assert_array_equal(clone(clf).fit(X, y).decision_function(X), first)
    np.testing.assert_array_equal(X, before)
    assert not hasattr(clf.estimator[-1], "classes_")


@pytest.mark.parametrize("way", ["pickle", "skops"])
@pytest.mark.parametrize(
    "perturbations",
    [("blur 1", ("jpeg 90", GaussianBlur(0.5))), RandomHistory.preset("social", random_state=3)],
    ids=["list", "history"],
)
def test_a_stored_model_gives_the_same_scores(make_images, tmp_path, way, perturbations):
    X, y = make_images()
    clf = AugmentedClassifier(paper_pipeline(), perturbations, temperature=0.01, n_copies=2)
    clf.fit(X, y)
    if way == "pickle":
        loaded = pickle.loads(pickle.dumps(clf))
    else:
        save_model(clf, tmp_path / "model.skops")
        loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.decision_function(X), clf.decision_function(X))


@pytest.mark.parametrize(
    ("clf", "error", "words"),
    [
        (AugmentedClassifier(paper_pipeline(), "jpeg 85"), ValueError, "'perturbations' parameter"),
        (AugmentedClassifier(paper_pipeline(), ["jpg 85"]), ValueError, "'jpg 85'"),
        (AugmentedClassifier(paper_pipeline(), "history net"), ValueError, "got 'history net'"),
        (AugmentedClassifier(paper_pipeline(), n_copies=0), ValueError, "'n_copies' parameter"),
        (
            AugmentedClassifier(paper_pipeline(), RandomHistory(jpeg=(1, 85, 70))),
            ValueError,
            "limits of jpeg",
        ),
        (AugmentedClassifier(paper_pipeline(), [85]), TypeError, "got 85"),
        (AugmentedClassifier(paper_pipeline(), temperature=-1), ValueError, "'temperature'"),
        (AugmentedClassifier(StandardScaler()), ValueError, "'estimator' parameter"),
    ],
)
def test_wrong_parameters_are_named(make_images, clf, error, words):
    with pytest.raises(error, match=words):
        clf.fit(*make_images())


def test_wrong_data_are_named(make_images):
    X, y = make_images()
    clf = AugmentedClassifier(paper_pipeline(), VERSIONS)
    with pytest.raises(ValueError, match="at least 2 classes.*1 class: 'a'"):
        clf.fit(X[:8], y[:8])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clf.fit(X, y, groups=[1, 2])
    with pytest.raises(NotFittedError):
        clf.predict(X)
