"""Models that were saved by earlier versions load, and give the answers that they gave then."""

import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sklearn_ganprint import load_model
from sklearn_ganprint.persistence import read_metadata

pytestmark = pytest.mark.core

FOLDER = Path(__file__).parent / "models"
MODELS = sorted(FOLDER.glob("**/*.skops"))


def load(path):
    """Load a model; which scikit-learn it was written with is not what is tested here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*was written with scikit-learn")
        return load_model(path)


def saved_answers(folder):
    with np.load(folder / "answers.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def answers():
    return saved_answers(FOLDER)


def ask(model, name, method, images):
    model = getattr(model, "estimator_", model) if hasattr(model, "reader_") else model
    if name == "thorough":  # it was fitted on crops
        images = images[:, 2:-2, 2:-2]
    if method in ("transform", "localization_map"):
        images = images[:2]
    if method == "localization_map":
        return model[-1].localization_map(model[:-1].transform(images))
    return getattr(model, method)(images)


def check_answers(model, name, answers):
    for key in (key for key in answers if key.startswith(f"{name}.")):
        expected = answers[key]
        actual = ask(model, name, key.partition(".")[2], answers["images"])
        if expected.dtype.kind in "Uib":
            np.testing.assert_array_equal(actual, expected, err_msg=key)
        else:
            scale = np.abs(expected).max()
            np.testing.assert_allclose(actual, expected, atol=1e-4 * scale, rtol=0, err_msg=key)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_models_saved_by_earlier_versions_answer_as_they_did(path):
    answers = saved_answers(path.parent)
    assert any(key.startswith(f"{path.stem}.") for key in answers)
    expected = 1 if path.parent == FOLDER else int(path.parent.name.split("_")[1])
    assert read_metadata(path)["format_version"] == expected
    check_answers(load(path), path.stem, answers)


@pytest.mark.parametrize("name", ["combined", "augmented", "clustering"])
def test_types_are_found_wherever_they_stood_when_a_model_was_saved(tmp_path, answers, name):
    with zipfile.ZipFile(FOLDER / f"{name}.skops") as archive:
        members = {each: archive.read(each) for each in archive.namelist()}

    def move(node):
        if node.get("__module__", "").startswith("sklearn_ganprint."):
            node["__module__"] = "sklearn_ganprint.gone._away"
        return node

    members["schema.json"] = json.dumps(json.loads(members["schema.json"], object_hook=move))
    assert b"gone._away" in members["schema.json"].encode()
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    check_answers(load(tmp_path / "model.skops"), name, answers)


def test_models_without_class_scores_of_unseen_images_say_what_to_do(answers):
    model = load(FOLDER / "paper.skops").estimator_
    with pytest.raises(AttributeError, match="a former version has saved it.* Fit it anew"):
        model.predict_set(answers["images"])


@pytest.mark.parametrize("name", ["combined", "fusion"])
def test_a_fusion_saved_before_there_were_copies_has_what_one_without_copies_has(answers, name):
    model = load(FOLDER / f"{name}.skops")
    last = model.estimator_.estimator_[-1] if name == "combined" else model
    assert last.perturbations is None and last.background is None
    assert last.size_slopes_.tolist() == [0, 0]
    assert last.fused_weight_ == 0
    assert last.score_names_ == [member for member, _ in last.estimators]
    assert last.floors_.shape == (0,)
    np.testing.assert_array_equal(last.typicality_weights_, 1 / last.scales_)
    assert set(last.get_params(deep=False)) == set(type(last)([]).get_params(deep=False))
