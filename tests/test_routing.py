"""What is passed to a fit beside images and labels gets to those who asked for it."""

import numpy as np
import pytest
from references import NeedsWeights
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint import (
    AugmentedClassifier,
    FileBatchClassifier,
    FingerprintClassifier,
    FingerprintDetector,
    FusionClassifier,
    OpenSetClassifier,
    TiledClassifier,
    make_localization_pipeline,
)
from sklearn_ganprint.classification import PooledDiscriminantAnalysis

pytestmark = pytest.mark.filterwarnings(
    # There are few samples, and noise is put on rows as they are.
    "ignore:.*is never rejected",
    "ignore:No image can be called",
    "ignore:GaussianNoise got rows without image_shape",
)


@pytest.fixture
def rows(make_residuals):
    X, y = make_residuals(n_per_class=12, n_features=64)
    return X, y, np.tile(np.arange(6), 6)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


def weighted(estimator):
    with config_context(enable_metadata_routing=True):
        return estimator.set_fit_request(sample_weight=True)


def search():
    return GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=GroupKFold(2))


# GroupKFold refuses to split without groups: a fit that succeeds has got them.
BY_GROUP = {
    "open-set": OpenSetClassifier(FingerprintClassifier(), cv=GroupKFold(2)),
    "open-set-number": OpenSetClassifier(FingerprintClassifier(), cv=2),
    "open-set-fusion": OpenSetClassifier(
        FusionClassifier([("first", FingerprintClassifier())], cv=GroupKFold(2))
    ),
    "open-set-steps": OpenSetClassifier(
        make_pipeline(StandardScaler(), FingerprintClassifier()), cv=GroupKFold(2)
    ),
    "detector": FingerprintDetector(source="a", cv=GroupKFold(2), false_alarm_rate=0.3),
    "fusion": FusionClassifier([("first", FingerprintClassifier())], cv=GroupKFold(2)),
    "tiled": TiledClassifier(search()),
    "augmented": AugmentedClassifier(
        GridSearchCV(LogisticRegression(max_iter=1000), {"C": [1.0]}, cv=StratifiedGroupKFold(2)),
        ["noise 0.1"],
    ),
    "files": FileBatchClassifier(search(), batch_size=5),
    "files-open-set": FileBatchClassifier(
        OpenSetClassifier(FingerprintClassifier(), cv=GroupKFold(2)), batch_size=5
    ),
    "files-steps": FileBatchClassifier(
        make_pipeline(StandardScaler(), FusionClassifier([("a", FingerprintClassifier())])),
        batch_size=5,
    ),
}


def agreement(estimator, X, y):
    predicted = estimator.predict(X)
    return np.mean(predicted == (y if predicted.dtype.kind == "U" else np.where(y == "a", 1, -1)))


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("name", BY_GROUP)
def test_groups_reach_the_splits_within_cross_validation(rows, routing, name, depth):
    X, y, groups = rows
    model = BY_GROUP[name]
    for _ in range(depth):
        model = Pipeline([("nothing", "passthrough"), ("model", model)])
    found = cross_validate(
        *(model, X, y), cv=GroupKFold(3), params={"groups": groups}, scoring=agreement,
        error_score="raise",
    )  # fmt: skip
    assert found["test_score"].min() > 0.5


@pytest.mark.parametrize("name", BY_GROUP)
def test_groups_reach_the_splits_within_a_search(rows, routing, name):
    X, y, groups = rows
    pipeline = Pipeline([("nothing", "passthrough"), ("model", BY_GROUP[name])])
    found = GridSearchCV(
        pipeline, {"nothing": ["passthrough", StandardScaler()]}, cv=GroupKFold(2),
        scoring=agreement, error_score="raise",
    ).fit(X, y, groups=groups)  # fmt: skip
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("name", BY_GROUP)
def test_groups_reach_the_splits_without_routing(rows, name):
    X, y, groups = rows
    pipeline = Pipeline([("model", BY_GROUP[name])])
    expected = clone(BY_GROUP[name]).fit(X, y, groups=groups).predict(X)
    np.testing.assert_array_equal(pipeline.fit(X, y, model__groups=groups).predict(X), expected)
    searched = GridSearchCV(pipeline, {}, cv=GroupKFold(2), scoring=agreement, error_score="raise")
    assert np.isfinite(searched.fit(X, y, groups=groups, model__groups=groups).best_score_)


def needs():
    return weighted(NeedsWeights(max_iter=1000))


def steps():
    return make_pipeline(StandardScaler().set_fit_request(sample_weight=False), needs())


with config_context(enable_metadata_routing=True):
    WEIGHTED = {
        "open-set": OpenSetClassifier(needs(), cv=2),
        "open-set-steps": OpenSetClassifier(steps(), cv=2),
        "open-set-jobs": OpenSetClassifier(steps(), cv=2, n_jobs=2),
        "detector": FingerprintDetector(needs(), source="a", cv=2, false_alarm_rate=0.3),
        "tiled": TiledClassifier(steps()),
        "augmented": weighted(AugmentedClassifier(needs(), ["noise 0.1"])),
        "files": weighted(FileBatchClassifier(needs(), batch_size=5)),
        "files-steps": weighted(FileBatchClassifier(steps(), batch_size=5)),
        "files-open-set": weighted(FileBatchClassifier(OpenSetClassifier(steps(), cv=2))),
    }


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_reach_the_estimator_that_asks_for_them(rows, routing, name):
    X, y, _ = rows
    found = cross_validate(
        *(Pipeline([("model", WEIGHTED[name])]), X, y), cv=StratifiedKFold(3), scoring=agreement,
        params={"sample_weight": np.linspace(0.5, 1, len(y))}, error_score="raise",
    )  # fmt: skip
    assert found["test_score"].min() > 0.5


@pytest.mark.parametrize("last", [PooledDiscriminantAnalysis(0.5), RidgeClassifier()])
def test_weights_reach_a_step_of_a_pipeline_over_batches(rows, routing, last):
    X, y, _ = rows
    params = {"sample_weight": np.linspace(0.1, 2, len(y))}
    if isinstance(last, RidgeClassifier):
        last.set_fit_request(sample_weight=False)
    pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=True), last)
    fitted = weighted(FileBatchClassifier(pipeline, batch_size=5)).fit(X, y, **params).estimator_
    np.testing.assert_allclose(fitted[0].mean_, pipeline.fit(X, y, **params)[0].mean_, rtol=1e-5)


def test_weights_of_files_reach_the_folds_of_an_open_set_without_routing(rows):
    X, y, _ = rows
    pipeline = make_pipeline(StandardScaler(), NeedsWeights())
    model = FileBatchClassifier(OpenSetClassifier(pipeline, cv=2), batch_size=5)
    assert agreement(model.fit(X, y, np.ones(len(y))), X, y) > 0.5


def test_weights_that_nobody_has_asked_for_are_refused_by_name(rows, routing):
    X, y, _ = rows
    for model in (
        OpenSetClassifier(FingerprintClassifier()),
        TiledClassifier(LogisticRegression()),
        FileBatchClassifier(FingerprintClassifier()).set_fit_request(sample_weight=True),
    ):
        with pytest.raises(UnsetMetadataPassedError, match="not explicitly set as requested"):
            model.fit(X, y, sample_weight=np.ones(len(y)))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([0, 1] * 11, "inconsistent numbers of samples"),
        ([0, 1, np.nan, 2] * 6, "groups contains NaN"),
    ],
)
@pytest.mark.parametrize("name", ["open", "detector", "localizer"])
def test_groups_that_do_not_fit_are_refused(make_images, name, groups, message):
    X, y = make_images(n_per_class=8, shape=(32, 32, 3))
    model = {
        "open": OpenSetClassifier(FingerprintClassifier()),
        "detector": FingerprintDetector(FingerprintClassifier()),
        "localizer": make_localization_pipeline(),
    }[name]
    X = X if name == "localizer" else X.reshape(len(X), -1) - 128.0
    key = "localizer__groups" if name == "localizer" else "groups"
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **{key: groups})
