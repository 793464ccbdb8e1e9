"""Callbacks of scikit-learn, from the release on that has them, hear of fits over files."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    FileBatchEstimator,
    FingerprintClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.datasets import ImageReadError

pytest.importorskip("sklearn.callback")


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
    batch = [("FileBatchEstimator", "batch", 0), ("end", "batch")]
    assert recorder.heard == [
        "setup",
        ("FileBatchEstimator", "fit", None),
        ("FileBatchEstimator", "pass over files", 3),
        *(3 * batch),
        ("end", "pass over files"),
        ("end", "fit"),
        "teardown",
    ]
    alike = clone(over_files).set_callbacks().fit(paths, y)
    assert np.array_equal(alike.class_scores(paths), over_files.class_scores(paths))


def test_a_search_hands_callbacks_on(image_folder, over_files, recorder):
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
