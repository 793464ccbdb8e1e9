"""Callbacks of scikit-learn, from the release on that has them, hear of fits."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    AugmentedClassifier,
    CorrelationTransformer,
    FileBatchEstimator,
    FingerprintClassifier,
    FusionClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.features import AutocorrelationTransformer

callback = pytest.importorskip("sklearn.callback")


class Recorder:
    """Writes down what it hears of; searches hand it on to what they fit."""

    max_propagation_depth = None

    def __init__(self):
        self.heard = []

    def setup(self, estimator, context):
        self.heard.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.heard.append((context.estimator_name, context.task_name, context.max_subtasks))

    def on_fit_task_end(self, estimator, context):
        self.heard.append(("end", context.task_name))

    def teardown(self, estimator, context):
        self.heard.append("teardown")


def told(estimator, name, *loops):
    """What is heard of a fit with loops of (name, name of a part, number)."""
    heard = [(estimator, name, None)]
    for loop, part, number in loops:
        turns = number * [(estimator, part, 0), ("end", part)]
        heard += [(estimator, loop, number), *turns, ("end", loop)]
    return [*heard, ("end", name)]


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def over_files():
    pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    return FileBatchEstimator(pipeline, batch_size=10)


def test_a_fit_tells_of_each_batch(image_folder, over_files, recorder):
    _, paths, y = image_folder()
    over_files.set_callbacks(recorder).fit(paths, y)
    passes = told("FileBatchEstimator", "fit", ("pass over files", "batch", 3))
    assert recorder.heard == ["setup", *passes, "teardown"]
    alike = clone(over_files).set_callbacks().fit(paths, y)
    assert np.array_equal(alike.class_scores(paths), over_files.class_scores(paths))


def test_a_search_over_files_hands_callbacks_on(image_folder, over_files, recorder):
    _, paths, y = image_folder()
    search = GridSearchCV(over_files, {"batch_size": [5, 50]}, cv=2).set_callbacks(recorder)
    search.fit(np.array(paths), y)
    passes = [heard for heard in recorder.heard if "pass over files" in heard[:2]]
    told = [heard[2] for heard in passes if heard[0] == "FileBatchEstimator"]
    assert told == [3, 3, 1, 1, 5 if search.best_params_["batch_size"] == 5 else 1]
    assert recorder.heard.count("teardown") == 1


def test_a_fit_that_fails_ends_its_callbacks(image_folder, over_files, recorder):
    _, paths, y = image_folder()
    Path(paths[-1]).write_bytes(Path(paths[-1]).read_bytes()[:-300])
    with pytest.raises(ImageReadError):
        over_files.set_params(on_error="raise").set_callbacks(recorder).fit(paths, y)
    assert recorder.heard[-2:] == [("FileBatchEstimator", "batch", 0), "teardown"]


def test_models_are_saved_without_callbacks(image_folder, over_files, recorder, tmp_path):
    _, paths, y = image_folder()
    over_files.set_callbacks(recorder).fit(paths, y)
    save_model(over_files, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    heard = len(recorder.heard)
    assert np.array_equal(loaded.fit(paths, y).predict(paths), over_files.predict(paths))
    assert len(recorder.heard) == heard


def _fusion(**params):
    members = [
        ("mean", make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())),
        ("lda", make_pipeline(CorrelationTransformer(), LinearDiscriminantAnalysis())),
    ]
    return FusionClassifier(members, **params)


def _lags():
    residual = ResidualTransformer("gaussian", flatten=False)
    return make_pipeline(residual, AutocorrelationTransformer(1), LinearDiscriminantAnalysis())


COPIES, ONCE, FOLDS = ("copies", "copy", 2), ("copies", "copy", 1), ("folds", "fold", 3)


@pytest.mark.parametrize(
    ("make", "loops"),
    [
        (lambda: _fusion(perturbations=["jpeg 80"], cv=3), [COPIES, FOLDS, COPIES]),
        (lambda: AugmentedClassifier(_lags(), ["jpeg 80"]), [COPIES]),
        (lambda: OpenSetClassifier(_lags(), cv=3, false_alarm_rate=0.2), [FOLDS]),
        (
            lambda: OpenSetClassifier(_fusion(cv=3), cv=3, false_alarm_rate=0.2),
            [ONCE, FOLDS, ONCE, FOLDS],
        ),
    ],
    ids=["fusion", "augmented", "open set", "open set around a fusion"],
)
def test_fits_in_memory_tell_of_what_takes_long(make_images, recorder, make, loops):
    X, y = make_images(n_per_class=6)
    estimator = make().set_callbacks(recorder).fit(X, y)
    assert recorder.heard[1:-1] == told(type(estimator).__name__, "fit", *loops)
    assert np.array_equal(make().fit(X, y).predict(X), estimator.predict(X))


def test_pipelines_and_searches_hand_callbacks_on_to_each_step(make_images, recorder):
    X, y = make_images(n_per_class=6)
    search = GridSearchCV(make_pipeline(ResidualTransformer(), FingerprintClassifier()), {}, cv=2)
    search.set_callbacks(recorder).fit(X, y)  # a step without callbacks would be warned of
    for step in ("ResidualTransformer", "FingerprintClassifier"):
        assert recorder.heard.count((step, "fit", None)) == 3
    assert recorder.heard.count(("end", "fit")) == 3 * 3 + 1


def test_a_monitor_scores_what_was_fitted(make_images):
    X, y = make_images(n_per_class=6)
    monitor = callback.ScoringMonitor(scoring="accuracy")
    search = GridSearchCV(_fusion(cv=3).set_callbacks(monitor), {"penalty": [1, 30]}, cv=2)
    search.fit(X, y)
    scores = [row["accuracy"] for row in monitor.get_logs().data]
    assert len(scores) == 5 and scores[0] == search.score(X, y)


def test_a_progress_bar_goes_over_copies(make_images, capsys):
    X, y = make_images(n_per_class=6)
    model = OpenSetClassifier(_fusion(perturbations=["jpeg 80"]), false_alarm_rate=0.2)
    model.set_callbacks(callback.ProgressBar()).fit(X, y)
    assert "OpenSetClassifier - copies" in capsys.readouterr().out
