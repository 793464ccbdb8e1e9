import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_ganprint import (
    FileBatchClassifier,
    FingerprintClassifier,
    FusionClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    make_attribution_pipeline,
)

# What fits map over has no public name: users hand over arrays or files.
from sklearn_ganprint._batches import Batches
from sklearn_ganprint.files import UnreadableImageWarning


def test_images_in_memory_are_one_batch():
    batches = Batches(np.array([1, 2, 3]))
    ((positions, value),) = batches.map(np.clip, 2, rows=(np.array([0, 0, 3]),))
    assert positions.tolist() == [0, 1, 2]
    assert value.tolist() == [1, 2, 2]


class ThreeBatches(Batches):
    """Five items, of which the fourth has failed."""

    def __len__(self):
        return 5

    def map(self, function, *args, rows=()):
        for at in ([0, 1], [2], [4]):
            yield np.array(at), function(self.images[at], *args)


def test_batches_are_stacked_and_what_failed_is_not_there():
    rows, kept = ThreeBatches(np.arange(5.0)).collect(np.square)
    assert rows.tolist() == [0, 1, 4, 16]
    assert kept.tolist() == [0, 1, 2, 4]


def test_leading_steps_are_applied_to_each_batch():
    images = np.array([[1.0, 2], [3, 5]])
    behind = Batches(images).behind([FunctionTransformer(np.negative)])
    behind = behind.behind([FunctionTransformer(np.exp)])
    assert_array_equal(behind.first, np.exp(-images[:1]))
    ((_, value),) = behind.map(np.sum)
    assert value == np.exp(-images).sum()


MODELS = {
    "open": OpenSetClassifier(make_pipeline(ResidualTransformer(), FingerprintClassifier())),
    "open-step": make_pipeline(ResidualTransformer(), OpenSetClassifier(FingerprintClassifier())),
    "fusion": make_pipeline(
        ResidualTransformer(channels="rgb", flatten=False),
        FusionClassifier([("first", FingerprintClassifier())]),
    ),
    "combined": OpenSetClassifier(make_attribution_pipeline("fusion", tile_size=None)),
    "spectral": OpenSetClassifier(
        make_attribution_pipeline("autocorrelation", tile_size=None), cv=2
    ),
}


@pytest.mark.filterwarnings("ignore:No image can be called unknown")
@pytest.mark.parametrize("name", MODELS)
def test_files_give_what_images_in_memory_give(image_folder, name):
    _, paths, y = image_folder(n_per_class=6, shape=(32, 32, 3))
    clf = FileBatchClassifier(MODELS[name], batch_size=5).fit(paths, y)
    X = clf.reader_.read(paths)
    expected = clf.estimator.fit(X, y)
    method = "score_samples" if hasattr(expected, "score_samples") else "decision_function"
    if name == "open-step":
        method = "p_values"
    step = expected if hasattr(expected, method) else expected[-1]
    rows = X if step is expected else expected[:-1].transform(X)
    np.testing.assert_allclose(
        getattr(clf, method)(paths), getattr(step, method)(rows), rtol=1e-3, atol=2e-3
    )


def fused_classifiers(clf):
    fitted = clf.estimator_
    fitted = fitted.estimator_ if isinstance(fitted, OpenSetClassifier) else fitted
    return fitted[-1].estimators_


@pytest.mark.parametrize("name", ["fusion", "combined"])
@pytest.mark.filterwarnings("ignore:No image can be called unknown")
def test_a_bad_file_is_named_once_though_files_are_read_twice(image_folder, name):
    _, paths, y = image_folder(n_per_class=6, shape=(32, 32, 3))
    bad = paths[3]
    with open(bad, "wb") as file:
        file.write(b"not an image")
    clf = FileBatchClassifier(MODELS[name], batch_size=4)
    with pytest.warns(UnreadableImageWarning) as caught:
        clf.fit(paths, y)
    assert len([each for each in caught if each.category is UnreadableImageWarning]) == 1
    assert [file for file, _ in clf.failures_] == [bad]
    good = [path for path in paths if path != bad]
    expected = FileBatchClassifier(MODELS[name]).fit(good, y[np.array(paths) != bad])
    residuals = MODELS["fusion"][0].transform(clf.reader_.read(good))
    # Folds differ, and weights with them; what is fitted on all images does not.
    for found, wanted in zip(fused_classifiers(clf), fused_classifiers(expected), strict=True):
        scores = (each.decision_function(residuals) for each in (found, wanted))
        np.testing.assert_allclose(*scores, rtol=1e-3, atol=2e-3)


@pytest.mark.filterwarnings("ignore:No image can be called unknown")
def test_a_file_lost_between_the_passes_is_left_out_and_named(image_folder):
    _, paths, y = image_folder(n_per_class=6, shape=(32, 32, 3))

    def remove(n_done, n_files):
        if n_done == n_files and os.path.exists(paths[0]):
            os.remove(paths[0])

    clf = FileBatchClassifier(MODELS["combined"], progress=remove)
    with pytest.warns(UnreadableImageWarning, match="1 of 18 files"):
        clf.fit(paths, y)
    assert [file for file, _ in clf.failures_] == [paths[0]]
    assert len(clf.estimator_.calibration_codes_) == 17


def test_groups_reach_the_splits(image_folder):
    _, paths, y = image_folder(n_per_class=6, shape=(32, 32, 3))
    groups = np.tile([0, 0, 1, 1, 2, 2], 3)
    clf = FileBatchClassifier(MODELS["fusion"]).fit(paths, y, groups=groups)
    X = clf.reader_.read(paths)
    rows = clf.estimator_[:-1].transform(X)
    expected = MODELS["fusion"][-1].fit(rows, y, groups=groups)
    np.testing.assert_allclose(
        clf.estimator_[-1].out_of_fold_scores_, expected.out_of_fold_scores_, atol=1e-3
    )


def test_groups_are_refused_where_nothing_splits(image_folder):
    _, paths, y = image_folder(n_per_class=4, shape=(32, 32, 3))
    clf = FileBatchClassifier(make_pipeline(ResidualTransformer(), FingerprintClassifier()))
    with pytest.raises(TypeError, match="FingerprintClassifier.fit takes no groups"):
        clf.fit(paths, y, groups=np.arange(len(y)))
