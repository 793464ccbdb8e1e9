import functools
import pickle
import warnings

import numpy as np
import pytest
from estimators import GivenScores
from PIL import Image
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_ganprint import (
    FileBatchClassifier,
    FingerprintClassifier,
    FusionClassifier,
    OpenSetClassifier,
    SubclassDiscriminantAnalysis,
)
from sklearn_ganprint.open_set import discriminant_distances


def left_columns(X):
    return X[:, :40]


def right_columns(X):
    return X[:, 40:]


@pytest.fixture
def make_traces():
    """Rows whose left half tells some classes apart, and whose right half others."""

    def make(n_per_class=30, seed=0):
        rng = np.random.default_rng(seed)
        left, right = rng.normal(size=(2, 40)), rng.normal(size=(2, 40))
        y = np.repeat(["a", "b", "c", "d"], n_per_class)
        codes = np.repeat(np.arange(4), n_per_class)
        signal = np.hstack([left[codes % 2], right[codes // 2]])
        return signal + rng.normal(scale=1.5, size=signal.shape), y

    return make


def fusion(**params):
    first = make_pipeline(FunctionTransformer(left_columns), FingerprintClassifier("cosine"))
    second = make_pipeline(
        FunctionTransformer(right_columns),
        StandardScaler(),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1),
    )
    return FusionClassifier([("first", first), ("second", second)], **params)


def test_two_halves_of_the_truth_are_put_together(make_traces):
    X, y = make_traces(n_per_class=60)
    clf = fusion().fit(X[::2], y[::2])
    together = clf.score(X[1::2], y[1::2])
    alone = [(each.predict(X[1::2]) == y[1::2]).mean() for each in clf.estimators_]
    assert max(alone) < 0.7
    assert together > 0.9


def test_left_out_scores_are_those_of_models_without_the_image(make_traces):
    X, y = make_traces(n_per_class=5)
    clf = FusionClassifier([("first", FingerprintClassifier())]).fit(X, y)
    expected = []
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        model = FingerprintClassifier().fit(X[rest], y[rest])
        expected.append(clf._fuse(model.correlate(X[[i]])[:, np.newaxis])[0])
    np.testing.assert_allclose(clf.out_of_fold_scores_, expected, atol=1e-6)


def test_what_is_gathered_does_not_travel_to_the_workers(make_traces):
    X, y = make_traces(n_per_class=6)
    sizes = []

    class InSixes:
        first = X[:1]

        def map(self, function, *args, rows=()):
            for start in range(0, len(X), 6):
                batch = np.arange(start, start + 6)
                sizes.append(len(pickle.dumps((function, args))))
                yield batch, function(X[batch], *(values[batch] for values in rows), *args)

        def reduce(self, function, add, *args, rows=()):
            batches, pairs = zip(*self.map(function, *args, rows=rows), strict=True)
            values, parts = zip(*pairs, strict=True)
            return list(zip(batches, values, strict=True)), functools.reduce(add, parts)

    fusion().fit_batches(InSixes(), y)
    assert sizes == [sizes[0]] * 4 + [sizes[4]] * 4


def test_fingerprints_score_other_classes_alike_without_that_of_an_image(make_traces):
    X, y = make_traces(n_per_class=8)
    clf = FusionClassifier([("only", FingerprintClassifier())]).fit(X, y)
    is_own = clf.out_of_fold_codes_[:, np.newaxis] == np.arange(4)
    expected = np.where(is_own, -np.inf, clf.out_of_fold_typicality_)
    np.testing.assert_allclose(clf.out_of_class_typicality_, expected, rtol=1e-9)


def test_images_of_a_class_left_out_are_as_typical_as_those_of_a_new_one():
    rng = np.random.default_rng(0)
    means = rng.normal(scale=3, size=(6, 20))
    X = np.repeat(means, 40, axis=0) + rng.normal(size=(240, 20))
    codes = np.repeat(np.arange(6), 40)
    members = [("mean", FingerprintClassifier()), ("parts", SubclassDiscriminantAnalysis())]
    known, ranks = [], []
    for new in range(6):
        rest = codes != new
        clf = FusionClassifier(members, cv=5).fit(X[rest], codes[rest])
        left_out = clf.out_of_class_typicality_.max(axis=1)
        ranks.append(np.mean(clf.typicality_scores(X[~rest]).max(axis=1)[:, np.newaxis] > left_out))
        known.append(np.mean(clf.out_of_fold_typicality_.max(axis=1)[:, np.newaxis] > left_out))
    assert 0.3 < np.mean(ranks) < 0.7
    assert np.mean(known) > 0.95


def test_models_that_cannot_be_left_without_a_class_say_nothing_of_new_ones(make_traces):
    X, y = make_traces(n_per_class=8)
    clf = FusionClassifier([("only", FingerprintClassifier())]).fit(X, y)
    assert hasattr(clf, "out_of_class_typicality_")
    two = np.isin(y, ["a", "b"])
    assert not hasattr(clf.fit(X[two], y[two]), "out_of_class_typicality_")
    assert not hasattr(fusion().fit(X, y), "out_of_class_typicality_")


@pytest.mark.parametrize("estimator", [FingerprintClassifier(), LogisticRegression()])
def test_groups_are_left_out_together(make_traces, estimator):
    X, y = make_traces(n_per_class=9)
    groups = np.tile(np.arange(9), 4)
    splitter = StratifiedGroupKFold(3)
    clf = FusionClassifier([("only", estimator)], cv=splitter).fit(X, y, groups=groups)
    expected = np.empty((len(y), 4))
    for fit, test in splitter.split(X, y, groups):
        assert not set(groups[fit]) & set(groups[test])
        model = clone(estimator).fit(X[fit], y[fit])
        scores = model.decision_function(X[test])
        expected[test] = clf._fuse(scores[:, np.newaxis])
    np.testing.assert_allclose(clf.out_of_fold_scores_, expected, atol=1e-6)


def fuse_given(scores, codes, **params):
    """Fit a fusion of members that give these scores (n, n_members, n_classes) to unseen images."""
    members = [(f"member{number}", GivenScores(number)) for number in range(scores.shape[1])]
    folds = PredefinedSplit(np.arange(len(codes)) % 5)
    return FusionClassifier(members, cv=folds, **params).fit(scores.reshape(len(codes), -1), codes)


def test_weights_have_the_greatest_penalised_likelihood():
    rng = np.random.default_rng(0)
    codes = rng.integers(3, size=120)
    scores = rng.normal(size=(120, 2, 3))
    scores[np.arange(120), 0, codes] += 1
    scores[codes == 2, 0, 1] += 3
    scores[:, 1, 2] -= scores[:, 0, 0]
    clf = fuse_given(scores, codes, penalty=4.0)
    about = scores - scores.mean(axis=2, keepdims=True)
    scaled = about / np.sqrt((about**2).mean(axis=(0, 2)))[:, np.newaxis]

    def objective(shared, by_class, intercept):
        total = 0.0
        for row, code in zip(scaled, codes, strict=True):
            fused = intercept.copy()
            for c in range(3):
                for m in range(2):
                    fused[c] += shared[m] * row[m, c]
                    fused[c] += sum(by_class[c, m, d] * row[m, d] for d in range(3))
            total += log_softmax(fused)[code]
        free = (by_class**2).sum() + (intercept**2).sum()
        return total - (shared**2).sum() / 2 - 4.0 * free / 2

    found = [clf.weights_, clf.class_weights_, clf.intercept_]
    assert found[1].any()
    best = objective(*found)
    for position, values in enumerate(found):
        for index in np.ndindex(values.shape):
            for step in (0.02, -0.02):
                moved = values.copy()
                moved[index] += step
                if position == 0 and moved[index] < 0:
                    continue
                assert objective(*found[:position], moved, *found[position + 1 :]) < best


def test_scores_probabilities_and_predictions_agree(make_traces):
    X, y = make_traces()
    clf = fusion().fit(X, y)
    scores = clf.decision_function(X)
    np.testing.assert_allclose(clf.predict_proba(X), np.exp(log_softmax(scores, axis=1)))
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[scores.argmax(axis=1)])
    two = np.isin(y, ["a", "d"])
    binary = fusion().fit(X[two], y[two])
    assert binary.decision_function(X).shape == (len(X),)
    np.testing.assert_array_equal(binary.predict(X) == "d", binary.decision_function(X) > 0)


def test_probabilities_are_as_sure_as_new_images_warrant(make_traces):
    X, y = make_traces(n_per_class=150)
    clf = fusion().fit(X[::3], y[::3])
    X_test, codes = X[1::3], np.searchsorted(clf.classes_, y[1::3])
    loss = {
        sureness: -log_softmax(sureness * clf.class_scores(X_test), axis=1)[
            np.arange(len(codes)), codes
        ].mean()
        for sureness in (0.3, 1.0, 3.0)
    }
    assert loss[1.0] < min(loss[0.3], loss[3.0])


def test_open_set_takes_typicality_of_unseen_images(make_traces):
    X, y = make_traces()
    known = y != "d"
    clf = OpenSetClassifier(fusion(), false_alarm_rate=0.05).fit(X[known], y[known])
    inner = clf.estimator_
    np.testing.assert_array_equal(clf.calibration_scores_, inner.out_of_fold_typicality_)
    first, second = inner.estimators_
    scaled = second[:-1].transform(X)
    members = [
        first.decision_function(X),
        -np.log1p(discriminant_distances(second[-1], scaled)),
    ]
    expected = sum(
        (each - mean) / scale
        for each, mean, scale in zip(members, inner.own_means_, inner.scales_, strict=True)
    )
    np.testing.assert_allclose(clf.score_samples(X), expected.max(axis=1), rtol=1e-5)


def test_open_set_scores_are_those_of_the_fusion(make_traces):
    X, y = make_traces()
    known = y != "d"
    clf = OpenSetClassifier(fusion(), false_alarm_rate=0.05).fit(X[known], y[known])
    decision, typicality = clf.class_scores(X), clf.typicality_scores(X)
    np.testing.assert_array_equal(decision, clf.estimator_.class_scores(X))
    np.testing.assert_array_equal(typicality, clf.estimator_.typicality_scores(X))
    unknown = ~(typicality >= clf.thresholds_).any(axis=1)
    assert 0 < unknown.mean() < 1
    expected = np.where(unknown, "unknown", clf.estimator_.predict(X))
    np.testing.assert_array_equal(clf.predict(X), expected)
    for model in (clf, clf.estimator_):
        with pytest.warns(FutureWarning, match="class_scores and typicality_scores"):
            both = model.assess(X)
        np.testing.assert_array_equal(both, np.stack([decision, typicality], axis=1))


def test_one_classifier_alone_can_be_searched_and_replaced(make_traces):
    X, y = make_traces(n_per_class=6)
    clf = fusion()
    clf.set_params(second__lineardiscriminantanalysis__shrinkage=0.5, first=LogisticRegression())
    assert clf.get_params()["second__lineardiscriminantanalysis__shrinkage"] == 0.5
    fitted = clf.fit(X, y)
    assert isinstance(fitted.named_estimators_.first, LogisticRegression)
    assert not hasattr(clone(clf), "n_features_in_")


def test_a_useless_classifier_gets_little_weight(make_traces):
    X, y = make_traces()
    noise = np.random.default_rng(1).normal(size=(len(X), 40))
    clf = fusion().fit(np.hstack([X[:, :40], noise]), np.isin(y, ["b", "d"]).astype(int))
    assert clf.weights_[1] < 0.2 * clf.weights_[0]


@pytest.mark.parametrize(
    ("params", "labels", "message"),
    [
        ({}, "aaab", r"2 images each.*got 2 classes.*'b': 1.*'nearest-mean'"),
        ({}, "aaaa", r"got 1 class, images by class: {'a': 4}\.$"),
        ({"cv": ShuffleSplit(3, random_state=0)}, "aabb" * 5, "leaves each image out once"),
        ({"estimators": []}, "aabb", "estimators: expected a list"),
        ({"estimators": [("x", 3)]}, "aabb", "expected a classifier as 'x', got 3"),
        ({"estimators": [("a__b", LogisticRegression())]}, "aabb", "must not contain __"),
    ],
)
def test_wrong_use_is_refused(params, labels, message):
    X = np.random.default_rng(0).normal(size=(len(labels), 80))
    with pytest.raises(ValueError, match=message):
        fusion().set_params(**params).fit(X, list(labels))


def test_groups_of_one_class_need_two():
    X = np.random.default_rng(0).normal(size=(8, 80))
    with pytest.raises(ValueError, match=r"2 groups each.*'b': 1"):
        fusion().fit(X, list("aaaabbbb"), groups=[0, 1, 2, 3, 4, 4, 4, 4])


def test_a_splitter_that_leaves_whole_classes_out_is_refused(make_traces):
    X, y = make_traces(n_per_class=6)
    with pytest.raises(ValueError, match="no image was scored"):
        fusion(cv=KFold(4)).fit(X, y)


@pytest.fixture
def make_translations():
    """Rows of a few photos in each class, the same in all of them, each with its class's pattern.

    The photos of two seeds are others, the patterns are not.
    """

    def make(n_photos=15, n_classes=4, n_features=600, seed=0):
        patterns = np.random.default_rng(9).normal(scale=0.3, size=(n_classes, 1, n_features))
        rng = np.random.default_rng(seed)
        photos = rng.normal(size=(n_photos, n_features))
        X = photos + patterns + rng.normal(scale=0.4, size=(n_classes, n_photos, n_features))
        y = np.repeat(list("abcdefgh"[:n_classes]), n_photos)
        return X.reshape(-1, n_features), y, np.tile(np.arange(n_photos), n_classes)

    return make


def two_views(**params):
    discriminant = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5)
    second = make_pipeline(FunctionTransformer(left_columns), StandardScaler(), discriminant)
    return FusionClassifier([("first", FingerprintClassifier()), ("second", second)], **params)


@pytest.mark.filterwarnings("ignore:.*Pass groups")
@pytest.mark.parametrize("n_photos", [5, 15])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("cv", [None, 3])
def test_translations_of_photos_make_no_fusion_worse_than_a_member(
    make_translations, n_photos, n_classes, cv
):
    X, y, _ = make_translations(n_photos, n_classes)
    X_test, y_test, _ = make_translations(60, n_classes, seed=1)
    clf = two_views(cv=cv).fit(X, y)
    alone = [each.score(X_test, y_test) for each in clf.estimators_]
    assert clf.score(X_test, y_test) >= max(alone) - 0.03
    assert clf.weights_[0] > 0


def test_twins_are_left_out_together_as_groups_are(make_translations):
    X, y, photos = make_translations()
    with pytest.warns(UserWarning, match=r"60 of 60 images show the same .*Pass groups to fit"):
        found = two_views().fit(X, y)
    expected = two_views().fit(X, y, groups=photos)
    # Other numbers of the same groups are shuffled into the same folds.
    np.testing.assert_allclose(found.out_of_fold_scores_, expected.out_of_fold_scores_, rtol=1e-6)
    np.testing.assert_allclose(found.predict_proba(X), expected.predict_proba(X), rtol=1e-6)


def test_a_splitter_of_ones_own_is_left_alone(make_translations):
    X, y, photos = make_translations(6)
    splitter, estimator = StratifiedKFold(3, shuffle=True, random_state=0), FingerprintClassifier()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = FusionClassifier([("only", estimator)], cv=splitter).fit(X, y)
    expected = np.empty((len(y), 4))
    for fit, test in splitter.split(X, y):
        assert {*photos[fit]} & {*photos[test]}  # which groups would have kept together
        scores = clone(estimator).fit(X[fit], y[fit]).decision_function(X[test])
        expected[test] = clf._fuse(scores[:, np.newaxis])
    np.testing.assert_allclose(clf.out_of_fold_scores_, expected, atol=1e-6)


def test_contents_of_their_own_are_no_groups(make_traces):
    X, y = make_traces(n_per_class=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = FusionClassifier([("only", FingerprintClassifier())]).fit(X, y)
    # Left out one at a time; groups would be left out in folds.
    model = FingerprintClassifier().fit(X, y)
    expected = clf._fuse(model.leave_one_out_scores(X, y)[:, np.newaxis])
    np.testing.assert_allclose(clf.out_of_fold_scores_, expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*takes noise residuals")
@pytest.mark.parametrize("side", [20, 150])
def test_twins_are_found_and_nothing_else(side):
    rng = np.random.default_rng(0)
    frame, photos = rng.normal(size=(1, side, side, 3)), rng.normal(size=(30, side, side, 3))
    X = frame + np.concatenate([photos, photos[:6]]) + 40 * rng.uniform(size=(36, 1, 1, 1))
    X[30:] += rng.normal(size=X[30:].shape)
    y = np.repeat([0, 1, 2], [20, 10, 6])
    clf = FusionClassifier([("only", FingerprintClassifier())])
    with pytest.warns(UserWarning, match="12 of 36 images"):
        found = clone(clf).fit(X, y)
    expected = clone(clf).fit(X, y, groups=np.concatenate([np.arange(30), np.arange(6)]))
    np.testing.assert_allclose(found.out_of_fold_scores_, expected.out_of_fold_scores_, rtol=1e-6)


def test_classes_that_are_alike_as_a_whole_have_no_twins(make_residuals):
    X, y = make_residuals(n_per_class=20, labels=("a", "b"), n_features=4000, noise=0.5)
    X[y == "b"] += X[y == "a"].mean(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = FusionClassifier([("only", FingerprintClassifier())]).fit(X, y)
    left_out = FingerprintClassifier().fit(X, y).leave_one_out_scores(X, y)
    expected = clf._fuse(left_out[:, np.newaxis])
    np.testing.assert_allclose(clf.out_of_fold_scores_, expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*Pass groups", "ignore:.*takes noise residuals")
def test_files_of_translations_give_what_images_in_memory_give(make_translations, tmp_path):
    rows, y, _ = make_translations(5, 3, n_features=24 * 24 * 3)
    X = (128 + 25 * rows.reshape(-1, 24, 24, 3)).clip(0, 255).astype(np.uint8)
    paths = [str(tmp_path / f"{number}.png") for number in range(len(X))]
    for image, path in zip(X, paths, strict=True):
        Image.fromarray(image).save(path)
    estimator = FusionClassifier(
        [("first", FingerprintClassifier()), ("again", FingerprintClassifier("cosine"))]
    )
    clf = FileBatchClassifier(estimator, batch_size=4).fit(paths, y)
    expected = clone(estimator).fit(X, y)
    found = clf.estimator_.out_of_fold_scores_
    np.testing.assert_allclose(found, expected.out_of_fold_scores_, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(clf.predict(paths), expected.predict(X))


def test_photos_that_cannot_be_told_apart_are_said_to_be(make_translations):
    X, y, _ = make_translations(6, 3)
    # One image that shows two photos, and another of the next two, make all photos one group.
    chained = X + np.concatenate([np.roll(X[:6], 1, axis=0), X[6:12], X[12:]])
    with pytest.warns(UserWarning, match="cannot be told apart"):
        clf = two_views().fit(chained, y)
    assert np.isfinite(clf.out_of_fold_scores_).all()


def exchangeable_scores(kind, n_classes, n_per_class, *, unseen, seed=0):
    """Scores of a good member, and of another that is of no use to new images."""
    rng = np.random.default_rng([seed, unseen])
    codes = np.repeat(np.arange(n_classes), n_per_class)
    scores = rng.normal(size=(len(codes), 2, n_classes))
    own = (np.arange(len(codes)), slice(None), codes)
    bias = {"noise": 0.0, "folds turn it around": -1.0 if unseen else 0.0, "turned around": -1.0}
    scores[own] += [1.5, bias[kind]]
    return scores - scores.mean(axis=2, keepdims=True), codes


@pytest.mark.parametrize("kind", ["noise", "folds turn it around", "turned around"])
@pytest.mark.parametrize(("n_classes", "n_per_class"), [(2, 20), (5, 4), (5, 100), (20, 20)])
def test_a_member_of_no_use_does_no_harm(kind, n_classes, n_per_class):
    new, expected = exchangeable_scores(kind, n_classes, 2000 // n_classes, unseen=False)
    best = (new[:, 0].argmax(axis=1) == expected).mean()
    found = []
    for seed in range(4):
        scores, codes = exchangeable_scores(kind, n_classes, n_per_class, unseen=True, seed=seed)
        clf = fuse_given(scores, codes)
        found.append((clf.predict(new.reshape(len(new), -1)) == expected).mean())
    assert np.mean(found) >= best - 0.03


def test_where_all_members_are_worse_than_chance_they_count_alike():
    scores, codes = exchangeable_scores("noise", 4, 20, unseen=True)
    clf = fuse_given(-scores[:, :1], codes)
    assert clf.weights_.tolist() == [1.0]
    assert not clf.class_weights_.any()


def test_classes_get_weights_of_their_own_where_unseen_images_ask_for_them():
    scores, codes = exchangeable_scores("noise", 4, 60, unseen=True)
    scores[codes == 3, 0, 2] += 3
    assert fuse_given(scores, codes).class_weights_[3, 0, 2] > 0.1
