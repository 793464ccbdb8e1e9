"""Attribution on held-out images."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    FileBatchClassifier,
    FingerprintClassifier,
    OpenSetClassifier,
    ResidualTransformer,
)
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.experiments import (
    audit_attribution,
    compare_predictions,
    equalize_histories,
    evaluate_attribution,
    reproduce_paper,
)


def make_images(sources, n_images, amplitude=6, size=24, seed=0):
    """Smooth content, plus a pattern that is fixed for each source."""
    rng = np.random.default_rng(seed)
    patterns = amplitude * rng.choice([-1, 1], (len(sources), size, size, 1))
    y = np.repeat(sources, n_images)
    grey = rng.uniform(60, 190, (len(y), 1, 1, 1)) + rng.normal(0, 3, (len(y), size, size, 3))
    images = grey + np.repeat(patterns, n_images, axis=0)
    return np.clip(np.rint(images), 0, 255).astype(np.uint8), y


def make_pipe(metric="correlation"):
    return make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier(metric))


@pytest.fixture
def image_files(tmp_path):
    images, y = make_images(["a", "b"], 8)
    paths = [str(tmp_path / f"{index:02d}.png") for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths, y


def test_areas_under_curves_of_one_against_the_rest_count_pairs():
    rng = np.random.default_rng(0)
    y, rows = np.repeat(["a", "b", "c"], 40), rng.integers(0, 5, (120, 3)).astype(float)
    rows[np.arange(120), np.repeat([0, 1, 2], 40)] += 1
    result = evaluate_attribution(LinearDiscriminantAnalysis(), rows, y)
    for column, label in enumerate(result.classes):
        own = result.y_test == label
        scores = result.scores[:, column]
        pairs = np.sign(scores[own, np.newaxis] - scores[~own])
        assert result.auc[column] == pytest.approx((pairs.mean() + 1) / 2)


def test_result_adds_up():
    images, y = make_images(["a", "b", "c"], 10, amplitude=1)
    pipeline = make_pipe()
    result = evaluate_attribution(pipeline, images, y, test_size=0.4)
    assert_array_equal(np.sort([*result.train_index, *result.test_index]), np.arange(30))
    assert_array_equal(result.n_fit, [6, 6, 6])
    assert_array_equal(result.n_test, [4, 4, 4])
    train, test = result.train_index, result.test_index
    by_hand = make_pipe().fit(images[train], y[train])
    assert_array_equal(result.y_pred, by_hand.predict(images[test]))
    assert_array_equal(result.y_test, y[test])
    assert_allclose(result.scores, by_hand[1].correlate(by_hand[0].transform(images[test])))
    assert result.accuracy == by_hand.score(images[test], y[test])
    scored = compare_predictions(result.y_test, result.y_pred, {}).baseline
    assert result.accuracy_interval == scored.interval
    assert_array_equal(result.confusion.sum(axis=1), result.n_test)
    assert_allclose(result.recall, result.confusion.diagonal() / 4)
    assert_allclose(result.auc[1], roc_auc_score(y[test] == "b", result.scores[:, 1]))
    assert result.chance == pytest.approx(1 / 3)
    assert not hasattr(pipeline[-1], "classes_")


def test_patterns_are_found_and_absent_ones_are_not():
    strong = evaluate_attribution(make_pipe(), *make_images(["a", "b", "c"], 12))
    none = evaluate_attribution(make_pipe(), *make_images(["a", "b", "c"], 40, amplitude=0))
    assert strong.accuracy == 1
    assert_array_equal(strong.auc, 1)
    assert none.accuracy_interval[0] < 1 / 3 < none.accuracy_interval[1]


def test_chance_is_the_largest_share():
    images, y = make_images(["a", "b"], 10)
    result = evaluate_attribution(make_pipe(), images[:14], y[:14])
    assert result.chance == 5 / 7


def test_seed_sets_the_split():
    images, y = make_images(["a", "b"], 10)
    one, same, other = (
        evaluate_attribution(make_pipe(), images, y, random_state=seed) for seed in (1, 1, 2)
    )
    assert_array_equal(one.test_index, same.test_index)
    assert not np.array_equal(one.test_index, other.test_index)


@pytest.mark.parametrize(("test_size", "n_test"), [(0.5, 12), (0.25, 6), (0.75, 18)])
def test_groups_stay_together(test_size, n_test):
    images, y = make_images(["a", "b"], 12)
    groups = np.tile(np.arange(12), 2)
    result = evaluate_attribution(make_pipe(), images, y, groups=groups, test_size=test_size)
    assert not set(groups[result.train_index]) & set(groups[result.test_index])
    assert result.n_test.sum() == n_test
    assert result.n_test.min() == n_test // 2


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_other_scores_come_from_decision_function(metric):
    images, y = make_images(["a", "b"], 10)
    result = evaluate_attribution(make_pipe(metric), images, y)
    decision = result.estimator.decision_function(images[result.test_index])
    assert_allclose(result.scores, np.column_stack([-decision, decision]))
    assert result.accuracy == 1


def test_any_classifier_will_do():
    images, y = make_images(["a", "b", "c"], 10, size=8)
    rows = images.reshape(30, -1) - 128.0
    result = evaluate_attribution(LinearDiscriminantAnalysis(), rows, y)
    assert result.scores.shape == (15, 3)
    classifier = evaluate_attribution(FingerprintClassifier(), rows, y)
    assert np.abs(classifier.scores).max() <= 1


def test_images_that_are_called_unknown_are_attributed_to_none():
    images, y = make_images(["a", "b", "c"], 20, amplitude=1)
    result = evaluate_attribution(OpenSetClassifier(make_pipe(), false_alarm_rate=0.5), images, y)
    assert set(result.y_pred) == {"a", "b", "c", "unknown"}
    assert result.scores.shape == (len(result.y_pred), len(result.classes))
    unknown = np.sum(result.y_pred == "unknown")
    assert result.confusion.sum() + unknown == result.n_test.sum()


def test_to_dict_is_json():
    result = evaluate_attribution(make_pipe(), *make_images([3, 7], 6))
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["accuracy"] == 1
    assert document["n_fit"] == document["n_test"] == 6
    assert document["classes"][1] == {"name": "7", "n_fit": 3, "n_test": 3, "recall": 1, "auc": 1}
    assert document["confusion"] == [[3, 0], [0, 3]]
    assert document["failures"] == []


def test_files_score_as_arrays(image_files):
    paths, y = image_files
    images, _ = make_images(["a", "b"], 8)
    by_file = evaluate_attribution(FileBatchClassifier(make_pipe(), batch_size=3), paths, y)
    by_array = evaluate_attribution(make_pipe(), images, y)
    assert_allclose(by_file.scores, by_array.scores, rtol=1e-5)
    assert by_file.failures == ()


def test_bad_files_are_dropped_and_listed(image_files, tmp_path):
    paths, y = image_files
    bad = [str(tmp_path / "missing.png"), str(tmp_path / "text.png")] * 4
    (tmp_path / "text.png").write_text("no image")
    heard = []
    files = FileBatchClassifier(make_pipe(), on_error=heard.append)
    result = evaluate_attribution(files, [*paths, *bad], [*y, *["a", "b"] * 4])
    assert sorted(dict(result.failures)) == sorted(bad[:2])
    assert "cannot be opened" in dict(result.failures)[bad[0]]
    assert result.n_fit.sum() + result.n_test.sum() == 16
    assert len(result.y_test) == len(result.scores) == len(result.y_pred) == result.n_test.sum()
    assert np.isfinite(result.scores).all()
    assert_array_equal(result.n_fit, result.estimator.estimator_[-1].class_count_)
    assert len(heard) == 8
    assert result.to_dict()["failures"][0].keys() == {"file", "reason"}


def test_bad_files_raise_if_told_to(image_files, tmp_path):
    paths, y = image_files
    files = FileBatchClassifier(make_pipe(), on_error="raise")
    with pytest.raises(ImageReadError, match="missing"):
        evaluate_attribution(files, [*paths, str(tmp_path / "missing.png")], [*y, "a"])


def test_class_without_usable_file_is_named(image_files, tmp_path):
    paths, y = image_files
    lost = [str(tmp_path / f"missing{index}.png") for index in range(2)]
    files = FileBatchClassifier(make_pipe())
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match=r"\['z'\].*missing0"),
    ):
        evaluate_attribution(files, [*paths, *lost], [*y, "z", "z"])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.parametrize("name", ["y", "groups"])
@pytest.mark.parametrize(
    "run",
    [
        lambda X, y, groups: evaluate_attribution(make_pipe(), X, y, groups=groups),
        lambda X, y, groups: audit_attribution(X, y, groups=groups),
        lambda X, y, groups: reproduce_paper(X, y, groups=groups),
        lambda X, y, groups: equalize_histories(X, y if groups is None else groups),
        lambda X, y, groups: make_pipe().fit(X, y if groups is None else groups),
    ],
)
def test_missing_labels_and_groups_are_named(run, name, missing):
    images, y = make_images(["a", "b"], 8)
    labels = np.array([*y[:9], *[missing] * 2, *y[11:]], dtype=object)
    given = {"y": y, "groups": None, name: labels}
    with pytest.raises(ValueError, match=r"got none for 2, .* position 9"):
        run(images, **given)


def test_labels_of_several_kinds_are_refused():
    images, y = make_images(["a", "b"], 8)
    y = np.array([0, *y.tolist()[1:]], dtype=object)
    for run in (make_pipe().fit, audit_attribution):
        with pytest.raises(TypeError, match=r"labels of one kind, .*; got int, str\."):
            run(images, y)


@pytest.mark.parametrize(
    ("y", "params", "words"),
    [
        (["a"] * 6, {}, "at least 2 classes"),
        (["a"] * 5 + ["b"], {}, "'b': 1"),
        (["a", "b"] * 3, {"test_size": 1.5}, "test_size"),
        (["a", "b"] * 3, {"groups": [0] * 6}, "at least 2 groups"),
        (["a"] * 3 + ["b"] * 3, {"groups": [0] * 3 + [1] * 3}, "no image of"),
    ],
)
def test_wrong_use(y, params, words):
    images, _ = make_images(["a", "b"], 3)
    with pytest.raises(ValueError, match=words):
        evaluate_attribution(make_pipe(), images, y, **params)
