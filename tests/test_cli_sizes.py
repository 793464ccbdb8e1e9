"""Commands on files of several sizes."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint import (
    FileBatchEstimator,
    FingerprintClassifier,
    FusionClassifier,
    OpenSetClassifier,
    PooledDiscriminantAnalysis,
    ResidualTransformer,
    load_model,
    save_model,
)

# What a crop is chosen by depends on the estimator, which `ganprint fit` makes itself.
from sklearn_ganprint.cli import _images
from sklearn_ganprint.datasets import ImageReader, inspect_images
from sklearn_ganprint.features import CorrelationTransformer


def cut(path, height, width):
    Image.open(path).crop((0, 0, width, height)).save(path)


def any_size():
    features = CorrelationTransformer(("gaussian",), max_lag=1, colour_lag=None, window=3)
    correlations = make_pipeline(features, StandardScaler(), PooledDiscriminantAnalysis(0.1))
    residual = ResidualTransformer("gaussian", anchor="top-left")
    fingerprint = make_pipeline(residual, FingerprintClassifier())
    fusion = FusionClassifier([("fingerprint", fingerprint), ("correlations", correlations)])
    return OpenSetClassifier(make_pipeline(fusion), false_alarm_rate=0.1)


@pytest.fixture
def model(tmp_path, image_folder):
    """A model that takes any size, its files and their labels."""
    _, paths, y = image_folder(shape=(90, 90, 3), strength=12)
    clf = FileBatchEstimator(any_size(), reader=ImageReader(80)).fit(paths, y)
    save_model(clf, tmp_path / "model.skops")
    return tmp_path / "model.skops", paths, y


@pytest.mark.parametrize("command", [("predict",), ("verify", "a")])
def test_images_from_64_pixels_on_get_an_answer(model, ganprint, command):
    path, paths, y = model
    for name, size in zip(paths[::4], [(64, 64), (64, 90), (70, 66), (90, 79)], strict=False):
        cut(name, *size)
    cut(paths[1], 63, 80)
    status, out, err = ganprint(command[0], path, *command[1:], *paths, "--format", "json")
    rows = json.loads(out)["results"]
    assert status == 1
    assert [row["file"] for row in rows if row["error"]] == [paths[1]]
    assert "(63, 80) is too small: height and width must be 64 pixels" in err
    assert {row["judged"] for row in rows} == {"whole", None}
    if command[0] == "predict":
        right = [row["nearest"] == label for row, label in zip(rows, y, strict=True)]
        assert sum(right) == len(rows) - 1 and not right[1]


def test_the_whole_of_a_larger_image_is_judged(model, ganprint):
    path, paths, _ = model
    pixels = np.asarray(Image.open(paths[0]))
    other = np.random.default_rng(0).integers(0, 256, (90, 200, 3), dtype=np.uint8)
    other[:, :90] = pixels
    Image.fromarray(other).save(paths[1])
    _, out, _ = ganprint("predict", path, paths[0], paths[1], "--format", "json")
    first, second = json.loads(out)["results"]
    assert first["score"] > second["score"] + 0.1


@pytest.mark.parametrize("command", [("predict",), ("verify", "a")])
@pytest.mark.parametrize(
    ("takes_any", "size", "part"),
    [
        (True, (70, 1500), "1024 x 70 of 1500 x 70"),
        (True, (90, 90), "whole"),
        (False, (90, 100), "80 x 80 of 100 x 90"),
        (False, (80, 80), "whole"),
    ],
)
def test_the_part_that_was_judged_is_told(
    model, tmp_path, ganprint, command, takes_any, size, part
):
    path, paths, y = model
    if not takes_any:
        pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
        clf = FileBatchEstimator(
            OpenSetClassifier(pipeline, false_alarm_rate=0.1), reader=ImageReader(80)
        )
        save_model(clf.fit(paths, y), path)
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "new.png")
    arguments = (command[0], path, *command[1:], tmp_path / "new.png")
    _, out, _ = ganprint(*arguments, "--format", "json")
    assert json.loads(out)["results"][0]["judged"] == part
    _, out, _ = ganprint(*arguments)
    note = f"judged by a part: 1 of 1, such as {part} pixels"
    assert (note in " ".join(out.split())) is (part != "whole")


def test_a_blank_image_smaller_than_the_crop_has_no_answer(model, ganprint):
    path, paths, _ = model
    Image.new("RGB", (70, 66)).save(paths[0])
    status, out, _ = ganprint("predict", path, paths[0], "--format", "json")
    (row,) = json.loads(out)["results"]
    assert status == 0 and row["source"] == "unknown" and "no residual" in row["reason"]


def test_small_images_that_shrink_the_crop_are_told(tmp_path, image_folder, ganprint):
    folder, paths, _ = image_folder(labels=("a", "b"), shape=(100, 100, 3))
    for path in paths[3:6]:
        cut(path, 40, 90)
    status, _, err = ganprint("fit", folder, "--model", tmp_path / "m", "--fast")
    assert status == 0
    (told,) = re.findall(r"^warning: --crop auto: (.*)$", err, re.MULTILINE)
    assert told.startswith("40 x 40 pixels of each file in place of 100 x 100, because 3 of 16")
    assert f"such as {paths[3]}. " in told and told.endswith(
        "--crop 100, with which they are refused"
    )
    assert "warning: a crop of 40 x 40 pixels holds little of a trace" in err


@pytest.mark.parametrize(
    ("crop", "refused", "most"),
    [("4096", "4096x4096", "80x120"), ("64x121", "64x121", "64x120"), ("81x64", "81x64", "80x64")],
)
def test_a_crop_larger_than_all_files_is_refused(
    tmp_path, image_folder, ganprint, crop, refused, most
):
    folder, *_ = image_folder(shape=(80, 120, 3), strength=12)
    options = ["--model", tmp_path / "m", "--crop", crop, "--copies", 1]
    status, _, err = ganprint("fit", folder, *options)
    assert status == 2 and not (tmp_path / "m").exists()
    assert (
        f"error: --crop {refused}: no file has as many rows and columns; leave --crop out, or "
        f"choose at most {most}\n"
    ) in err


@pytest.mark.parametrize(("crop", "warned"), [("48", True), ("80x63", True), ("64x80", False)])
def test_an_absurd_crop_is_warned_of(tmp_path, image_folder, ganprint, crop, warned):
    folder, *_ = image_folder(labels=("a", "b"), n_per_class=3, shape=(80, 80, 3))
    options = ["--crop", crop, "--copies", 1]
    _, _, err = ganprint("fit", folder, "--model", tmp_path / "m", *options)
    assert ("holds little of a trace" in err) is warned


@pytest.mark.parametrize(
    ("n_small", "n_tiny", "side", "words"),
    [
        (0, 0, 100, "which 40 of 40 files can give"),
        (2, 0, 100, "which 38 of 40 files can give; 2 are smaller, and used whole"),
        (1, 9, 100, "which 30 of 40 files can give; 1 is smaller, and used whole"),
        (4, 0, 66, "which 40 of 40 files can give"),
        (0, 30, 40, "which 40 of 40 files can give"),
    ],
)
def test_images_of_any_size_do_not_shrink_the_crop(
    image_folder, capsys, n_small, n_tiny, side, words
):
    _, paths, _ = image_folder(labels=("a", "b"), n_per_class=20, shape=(100, 100, 3))
    for path in paths[:n_small]:
        cut(path, 100, 66)
    for path in paths[n_small : n_small + n_tiny]:
        cut(path, 40, 100)
    bunch = inspect_images(paths)
    assert _images.auto_crop(bunch, any_size=True) == (side, side)
    err = capsys.readouterr().err
    assert f"--crop auto: {side} x {side} pixels, {words}\n" in err
    assert ("in place of 100 x 100, because 4 of 40 are smaller" in err) is (n_small == 4)
    assert ("which they are used whole" in err) is (n_small == 4)


@pytest.mark.parametrize(("n_small", "warned"), [(7, True), (4, False)])
def test_a_crop_larger_than_most_files_is_warned_of(image_folder, capsys, n_small, warned):
    _, paths, _ = image_folder(labels=("a", "b"), n_per_class=4, shape=(120, 120, 3))
    for path in paths[1 : 1 + n_small]:
        cut(path, 60, 80)
    _images.check_crop(inspect_images(paths), (120, 120))
    assert capsys.readouterr().err.splitlines() == warned * [
        "warning: --crop 120x120: only 1 of 8 files are so large, and the model takes space for "
        "all of it: 4 times that of --crop 60, which half of the files can give"
    ]


def test_fit_keeps_small_images_whole_and_names_those_too_small(tmp_path, image_folder, ganprint):
    folder, paths, y = image_folder(labels=("a", "b"), n_per_class=6, shape=(100, 100, 3))
    cut(paths[0], 66, 100)
    cut(paths[1], 60, 100)
    options = ("--kind", "robust", "--anchor", "center", "--crop", "100", "--copies", "2")
    status, out, err = ganprint("fit", folder, "--model", tmp_path / "m", *options)
    assert status == 1
    assert re.findall(r"^(.*): its \(height, width\).* is too small", err, re.MULTILINE) == [
        paths[1]
    ]
    assert re.search(r"^a +5 +1 +PNG", out, re.MULTILINE)
    words = "images of any size from 64 x 64 pixels on are judged, of larger ones 1024 x 1024"
    assert words in " ".join(out.split())
    model = load_model(tmp_path / "m")
    fingerprint = model.estimator_.estimator_[-1].named_estimators_["fingerprint"]
    assert fingerprint[0].anchor == "center" and fingerprint[0].image_shape_ == (100, 100, 3)
    rows = [fingerprint[0].transform(np.asarray(Image.open(path))[np.newaxis]) for path in paths]
    used = np.delete(np.concatenate(rows), 1, axis=0)
    means = [used[np.delete(y, 1) == label].mean(axis=0).ravel() for label in "ab"]
    np.testing.assert_allclose(fingerprint[-1].fingerprints_, means, atol=1e-3)
