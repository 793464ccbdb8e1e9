"""``ganprint fit``, as it is used."""

import csv
import io
import json
import os
import re
from pathlib import Path

import pytest
from cli_helpers import add_broken_files, no_leftovers
from PIL import Image

from sklearn_ganprint import load_model


def test_fit_makes_a_model(tmp_path, image_folder, ganprint):
    folder, paths, y = image_folder(shape=(40, 48, 3))
    status, out, err = ganprint("fit", folder, "--model", tmp_path / "m.skops")
    assert status == 0
    assert "--crop auto: 40 x 40 pixels, which 24 of 24 files can give" in err
    assert re.search(r"a +8 +0 +PNG +48 x 40 +- +\d", out)
    model = load_model(tmp_path / "m.skops")
    assert model.score(paths, y) == 1
    assert (model.reader_.crop, model.reader_.anchor) == ((40, 40), "top-left")
    assert model.estimator_[0].channels == "rgb"
    assert no_leftovers(tmp_path)


def test_fit_takes_its_options(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder()
    options = "--crop 16x24 --anchor center --channels luminance --denoiser median".split()
    status, out, err = ganprint(
        "fit", folder, "--model", tmp_path / "m", *options, "--jobs", 2, "--batch-size", 5
    )
    assert status == 0
    assert "crop 16 x 24 (center), luminance, median" in out
    model = load_model(tmp_path / "m")
    assert (model.reader_.crop, model.reader_.anchor) == ((16, 24), "center")
    assert model.image_size_ == (16, 24)
    assert model.estimator_[0].get_params()["denoiser"] == "median"
    assert model.estimator_[0].channels == "luminance"
    assert (model.batch_size, model.n_jobs) == (5, None)


def test_fit_from_csv_prints_csv(tmp_path, image_folder, ganprint):
    _, paths, y = image_folder(labels=("a", "b"))
    rows = [f"{path},{label}" for path, label in zip(paths, y, strict=True)]
    Path(tmp_path, "list.csv").write_text("\n".join(["path,label", *rows, "nope.png,b"]))
    status, out, err = ganprint(
        "fit", tmp_path / "list.csv", "--model", tmp_path / "m", "--format", "csv"
    )
    assert status == 1
    assert f"{tmp_path / 'nope.png'}: cannot be opened: No such file or directory\n" in err
    table = list(csv.DictReader(io.StringIO(out)))
    columns = [(row["source"], row["images"], row["failed"], row["sizes"]) for row in table]
    assert columns == [("a", "8", "0", "32 x 32"), ("b", "8", "1", "32 x 32")]


def test_fit_takes_a_layout(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder(labels=("pro/0_real", "pro/1_fake", "star/cat/1_fake"))
    Path(folder, "star/cat/1_fake/text.png").write_text("no image")
    status, out, err = ganprint(
        "fit", folder, "--layout", "forensynths", "--model", tmp_path / "m", "--format", "json"
    )
    assert status == 1 and "text.png: is not an image" in err
    sources = [(row["source"], row["images"], row["failed"]) for row in json.loads(out)["sources"]]
    assert sources == [("pro", 8, 0), ("real", 8, 0), ("star", 8, 1)]


def test_fit_refuses_another_layout(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder(n_per_class=2)
    status, out, err = ganprint("fit", folder, "--layout", "nested", "--model", tmp_path / "m")
    assert (status, out) == (2, "")
    assert re.fullmatch("error: .*expected folders ARCH/SOURCE/ .*found a.000.png.*\n", err)


def test_fit_names_what_failed_and_uses_the_rest(tmp_path, image_folder, ganprint):
    folder, paths, _ = image_folder()
    broken = add_broken_files(folder / "b")
    Path(paths[0]).write_bytes(Path(paths[0]).read_bytes()[:-300])  # seen when decoded only
    status, out, err = ganprint(
        "fit", folder, "--model", tmp_path / "m", "--crop", 32, "--format", "json"
    )
    assert status == 1
    for name in [*broken, paths[0]]:
        assert len(re.findall(f"^{re.escape(name)}: .+", err, re.MULTILINE)) == 1
    assert "4 could not be used" in err
    document = json.loads(out)
    counts = [(each["source"], each["images"], each["failed"]) for each in document["sources"]]
    assert counts == [("a", 7, 1), ("b", 8, 3), ("c", 8, 0)]
    assert {each["file"] for each in document["failures"]} == {*broken, paths[0]}
    assert document["crop"] == [32, 32]
    assert load_model(tmp_path / "m").estimator_[-1].class_count_.tolist() == [7, 8, 8]


def test_fit_shows_a_source_that_is_lost(tmp_path, image_folder, ganprint):
    folder, paths, _ = image_folder()
    for path in paths[-8:]:
        Path(path).write_text("no image")
    status, out, err = ganprint("fit", folder, "--model", tmp_path / "m", "--format", "json")
    assert status == 1
    assert f"{folder / 'c'}: label 'c' has no usable image" in err
    assert json.loads(out)["sources"][2]["images"] == 0
    assert json.loads(out)["sources"][2]["failed"] == 8


@pytest.mark.parametrize(("n_small", "side"), [(1, 32), (2, 24)])
def test_auto_crop_gives_up_one_file_in_twenty(tmp_path, image_folder, ganprint, n_small, side):
    folder, paths, _ = image_folder(n_per_class=10, labels=("a", "b"))
    for path in paths[:n_small]:
        Image.open(path).crop((0, 0, 24, 32)).save(path)
    status, _, err = ganprint("fit", folder, "--model", tmp_path / "m")
    assert f"--crop auto: {side} x {side} pixels" in err
    assert status == (1 if side == 32 else 0)
    assert (f"{paths[0]}: its (height, width) = (32, 24) is smaller" in err) == (side == 32)


def test_auto_crop_is_at_most_256(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder(n_per_class=2, labels=("a", "b"), shape=(270, 300, 3))
    assert "--crop auto: 256 x 256" in ganprint("fit", folder, "--model", tmp_path / "m")[2]


def test_fit_warns_of_confounds_and_copies(tmp_path, image_folder, ganprint):
    folder, paths, _ = image_folder(labels=("a", "b"))
    for path in paths[:8]:
        Image.open(path).save(path.replace(".png", ".jpg"), quality=83)
        os.remove(path)
    Path(folder, "b", "copy.png").write_bytes(Path(paths[-1]).read_bytes())
    status, out, err = ganprint("fit", folder, "--model", tmp_path / "m")
    assert status == 0
    assert re.search(r"^warning: format: 'a' is JPEG \(8 of 8\)", err, re.MULTILINE)
    assert re.search(r"^warning: .*copy\.png is a copy of .*015\.png", err, re.MULTILINE)
    assert re.search(r"a +8 +0 +JPEG +32 x 32 +83 ", out)


def test_fit_refuses_to_overwrite(model, ganprint):
    path, folder, _ = model
    before = path.read_bytes()
    status, out, err = ganprint("fit", folder, "--model", path)
    assert (status, out) == (2, "")
    assert "--force" in err
    assert path.read_bytes() == before
    assert ganprint("fit", folder, "--model", path, "--force", "--crop", 16)[0] == 0
    assert load_model(path).image_size_ == (16, 16)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("missing", "m", "expected a folder of label folders or a CSV file"),
        ("sources/a", "m", "expected one folder per label"),
        ("sources", "nowhere/m", "there is no folder"),
        ("sources", ".", "this is a folder"),
    ],
)
def test_fit_wrong_use(tmp_path, image_folder, ganprint, monkeypatch, source, target, words):
    image_folder(n_per_class=2)
    monkeypatch.chdir(tmp_path)
    status, out, err = ganprint("fit", source, "--model", target)
    assert (status, out) == (2, "")
    assert re.fullmatch(f"error: .*{words}.*\n", err)
    assert os.listdir(tmp_path) == ["sources"]
