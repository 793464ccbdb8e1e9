import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import OpenSetClassifier, TiledClassifier
from sklearn_ganprint.features import AutocorrelationTransformer, TiledTransformer


@pytest.fixture
def parts():
    """Features of 5 parts of 12 images of three sources; those of one image are alike."""
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], 4)
    means = np.repeat(rng.normal(size=(3, 1, 6)), 4, axis=0)
    return means + rng.normal(scale=0.3, size=(12, 1, 6)) + rng.normal(size=(12, 5, 6)) / 5, y


def test_it_is_the_classifier_fitted_on_all_parts_and_applied_to_wholes(parts):
    X, y = parts
    clf = TiledClassifier(LogisticRegression()).fit(X, y)
    expected = LogisticRegression().fit(X.reshape(60, 6), np.repeat(y, 5))
    assert clf.n_parts_ == 5
    for method in ("predict", "decision_function", "predict_proba", "predict_log_proba"):
        actual = getattr(clf, method)(X)
        np.testing.assert_array_equal(actual, getattr(expected, method)(X[:, 0]))


def test_the_classifier_inside_judges_by_the_whole(parts):
    X, y = parts
    clf = TiledClassifier(LogisticRegression()).fit(X, y)
    expected = clf.estimator_.decision_function(X[:, 0])
    for given in (X, X.reshape(12, -1)):
        np.testing.assert_array_equal(clf.decision_function(given), expected)
        with pytest.warns(FutureWarning, match="inner_input is deprecated"):
            np.testing.assert_array_equal(clf.inner_input(given), X[:, 0])
    with pytest.raises(NotFittedError):
        TiledClassifier(LogisticRegression()).decision_function(X)


def test_rows_are_images_of_one_part(parts):
    X, y = parts
    clf = TiledClassifier(LogisticRegression()).fit(X[:, 0], y)
    expected = LogisticRegression().fit(X[:, 0], y)
    np.testing.assert_array_equal(
        clf.decision_function(X[:, 0]), expected.decision_function(X[:, 0])
    )


def test_methods_are_those_of_the_classifier(parts):
    clf = TiledClassifier(RidgeClassifier())
    assert hasattr(clf, "decision_function")
    assert not hasattr(clf, "predict_proba")


class Recording(LinearDiscriminantAnalysis):
    """Keeps the groups that it was given."""

    def fit(self, X, y, groups=None):
        self.groups_ = groups
        return super().fit(X, y)


def test_groups_are_repeated_for_the_parts_of_each_image(parts):
    X, y = parts
    clf = TiledClassifier(Recording()).fit(X, y, groups=list(range(12)))
    np.testing.assert_array_equal(clf.estimator_.groups_, np.repeat(np.arange(12), 5))


def test_a_search_inside_keeps_the_parts_of_an_image_together(parts):
    X, y = parts
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=GroupKFold(3))
    clf = TiledClassifier(search).fit(X, y, groups=np.arange(12))
    folds = GroupKFold(3).split(X.reshape(60, 6), groups=np.repeat(np.arange(12), 5))
    expected = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=list(folds))
    expected.fit(X.reshape(60, 6), np.repeat(y, 5))
    np.testing.assert_array_equal(
        clf.estimator_.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )


@pytest.mark.parametrize(
    ("y", "params", "words"),
    [
        (["a"] * 12, {}, "needs images of at least 2 classes"),
        (["a", "b"] * 6, {"groups": [1, 2]}, "inconsistent numbers of samples"),
        (["a", "b"], {}, "inconsistent numbers of samples"),
    ],
)
def test_what_cannot_be_fitted_is_refused(parts, y, params, words):
    with pytest.raises(ValueError, match=words):
        TiledClassifier(Recording()).fit(parts[0], y, **params)


def test_images_of_another_number_of_parts_are_refused(parts):
    X, y = parts
    clf = TiledClassifier(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="12 features, .* expecting 30"):
        clf.predict(X[:, :2])


def test_scores_of_a_pipeline_need_no_tiles():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, 32, 32)), np.repeat(["a", "b", "c"], 8)
    X[8:] += np.roll(X[8:], 1, axis=1)
    X[16:] += np.roll(X[16:], 1, axis=2)
    tiled = TiledTransformer(AutocorrelationTransformer(1), 16, flatten=False)
    pipeline = make_pipeline(tiled, TiledClassifier(LinearDiscriminantAnalysis()))
    fitted = OpenSetClassifier(pipeline, false_alarm_rate=0.2, cv=2).fit(X, y)
    parts = fitted.estimator_[0].transform(X)
    np.testing.assert_array_equal(parts[:, 0], fitted.estimator_[0].whole_features(X))
    expected = fitted.estimator_[-1].decision_function(parts)
    np.testing.assert_array_equal(fitted.class_scores(X), expected)
