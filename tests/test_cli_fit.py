"""``ganprint fit``, as it is used."""

import csv
import io
import json
import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import COMMAND, add_broken_files, no_leftovers, stop_once
from PIL import Image
from sklearn.base import clone

from sklearn_ganprint import load_model
from sklearn_ganprint.datasets import load_image_folder
from sklearn_ganprint.ensemble._fusion import COPIES
from sklearn_ganprint.persistence import read_metadata
from sklearn_ganprint.pipelines import KINDS

pytestmark = pytest.mark.core

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/proc is a folder of Linux")


def test_fit_makes_a_model(tmp_path, image_folder, fit):
    folder, paths, y = image_folder(shape=(40, 48, 3))
    status, out, err = fit(folder, tmp_path / "m.skops")
    assert status == 0
    assert "--crop auto: 40 x 40 pixels" in err
    assert re.search(r"a +8 +0 +PNG +48 x 40 +\d", out)
    assert re.search(r"\np-values .* 24 images pooled over all sources \(.* 1 / 25\)\n$", out)
    assert re.search(
        "^warning: no image can be called unknown .* 0.01: .*--false-alarm 0.04 ", err, re.M
    )
    model = load_model(tmp_path / "m.skops")
    assert model.score(paths, y) == 1
    assert (model.reader_.crop, model.reader_.anchor) == ((40, 40), "top-left")
    assert model.estimator_.estimator_[0].channels == "rgb"
    assert no_leftovers(tmp_path)


def test_fit_takes_its_options(tmp_path, image_folder, fit):
    folder, *_ = image_folder()
    options = "--crop 16x24 --anchor center --channels luminance --denoiser median".split()
    options += ["--jobs", 2, "--batch-size", 5, "--limit-per-source", 7, "--seed", 3]
    status, out, err = fit(folder, tmp_path / "m", *options)
    assert status == 0
    assert re.search(r"^c +7 +0 ", out, re.M)
    assert "crop 16 x 24 (center), luminance, median" in out
    model = load_model(tmp_path / "m")
    assert (model.reader_.crop, model.reader_.anchor) == ((16, 24), "center")
    assert model.image_size_ == (16, 24)
    residual = model.estimator_.estimator_[0]
    assert (residual.denoiser, residual.channels) == ("median", "luminance")
    assert (model.batch_size, model.n_jobs) == (5, None)


@pytest.mark.parametrize(("signum", "ends"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_fit_goes_on_after_it_was_stopped(tmp_path, image_folder, fit, signum, ends):
    folder, paths, _ = image_folder(n_per_class=30)
    kept = tmp_path / "m.partial"
    options = ["--kind", "fingerprint", "--batch-size", "1", "--resume"]
    words = [*COMMAND, "fit", folder, "--model", tmp_path / "m", *options]
    assert stop_once(words, lambda: list(kept.glob("map001/results*")), signum) == ends
    assert sorted(os.listdir(tmp_path)) == ["m.partial", "sources"]
    assert signum == signal.SIGKILL or no_leftovers(kept / "map001")
    status, _, err = fit(folder, tmp_path / "m", *options, "--anchor", "center")
    assert (
        status == 2 and f"{kept} holds parts of a run with other settings (reader__anchor)" in err
    )
    status, _, err = fit(folder, tmp_path / "m", *options)
    assert status == 0 and f"going on with what {kept} holds" in err
    assert not kept.exists()
    assert fit(folder, tmp_path / "whole", *options)[0] == 0
    resumed, whole = load_model(tmp_path / "m"), load_model(tmp_path / "whole")
    np.testing.assert_array_equal(resumed.assess(paths), whole.assess(paths))
    assert resumed.checkpoint is None


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_fit_did_not_make_is_not_removed(tmp_path, image_folder, fit, kind):
    folder, _, _ = image_folder(n_per_class=2)
    kept, other = tmp_path / "m.partial", tmp_path / "other"
    if kind == "file":
        kept.touch()
    else:
        other.mkdir()
        (other / "thesis.txt").touch()
        kept.symlink_to(other) if kind == "link" else other.rename(kept)
    status, _, err = fit(folder, tmp_path / "m", "--kind", "fingerprint", "--resume")
    assert status == 2 and str(kept) in err
    assert kind == "file" or "is no folder of an interrupted run" in err
    assert kept.exists() and (kind == "file" or os.listdir(kept) == ["thesis.txt"])


def test_fit_autocorrelation(tmp_path, image_folder, fit, ganprint):
    folder, paths, y = image_folder(n_per_class=3)
    status, out, _ = fit(folder, tmp_path / "m", "--kind", "autocorrelation")
    assert status == 0
    assert "autocorrelation: crop 32 x 32 (top-left), rgb, wavelet" in out
    assert re.search(r"a +3 +0 +PNG +32 x 32 *\n", out)
    assert "energy" not in out
    model = load_model(tmp_path / "m")
    assert list(model.estimator_.estimator_.named_steps) == ["residual", "features", "classifier"]
    _, out, _ = ganprint("predict", tmp_path / "m", *paths, "--format", "json")
    assert [row["source"] for row in json.loads(out)["results"]] == y.tolist()
    document = json.loads(ganprint("info", tmp_path / "m", "--format", "json")[1])
    assert (document["kind"], document["classifier"]) == ("autocorrelation", "TiledClassifier")
    table = ganprint("info", tmp_path / "m")[1]
    assert re.search(
        r"^source +images +calibration images or copies +smallest p-value *$", table, re.MULTILINE
    )


@pytest.fixture
def fit_default(ganprint):
    """Run ``ganprint fit`` without a kind, unless the options name one."""

    def run(source, model, *options):
        return ganprint("fit", source, "--model", model, *options)

    return run


def test_the_default_is_fitted_on_copies_too(tmp_path, image_folder, fit_default, ganprint):
    folder, paths, y = image_folder(n_per_class=4, shape=(72, 80, 3), strength=12)
    options = ["--copies", 2, "--anchor", "center", "--crop", 70]
    status, out, _ = fit_default(folder, tmp_path / "m", *options)
    assert status == 0
    assert "robust: crop 70 x 70 (center), several residuals\nfitted on each image and 2 " in out
    assert "calibrated on 36 images and copies pooled over all sources" in out
    model = load_model(tmp_path / "m")
    fusion = model.estimator_.estimator_["fusion"]
    assert len(fusion.versions_) == 3
    assert fusion.get_params()["fingerprint__residual__anchor"] == "center"
    # From the centre of the crop on, as of the whole image.
    assert (model.predict(paths) == y).all()
    document = json.loads(ganprint("info", tmp_path / "m", "--format", "json")[1])
    assert document["kind"] == "robust"
    weights = dict(zip(fusion.score_names_, fusion.weights_.tolist(), strict=True))
    assert document["weights"] == weights
    assert {"correlations", "fingerprint", "fingerprint above its floor"} < set(weights)


def test_fit_takes_as_many_copies_as_the_pipeline_does(tmp_path, image_folder, fit_default):
    folder, *_ = image_folder(n_per_class=2, labels=("a", "b"), shape=(40, 40, 3))
    status, out, _ = fit_default(folder, tmp_path / "m", "--format", "json")
    document = json.loads(out)
    expected = COPIES[1]
    assert (status, document["kind"], document["copies"]) == (0, "robust", expected)
    assert list(document)[-2:] == ["copies", "photos"]
    assert len(load_model(tmp_path / "m").estimator_.estimator_[-1].versions_) == expected + 1


def test_fast_is_fusion_of_images_as_they_are(tmp_path, image_folder, fit_default, fit):
    folder, *_ = image_folder(n_per_class=3)
    outputs = [
        fit_default(folder, tmp_path / "m", "--fast", "--format", "json")[1],
        fit(folder, tmp_path / "m", "--force", "--kind", "fusion", "--format", "json")[1],
    ]
    assert outputs[0] == outputs[1]
    document = json.loads(outputs[0])
    assert (document["kind"], document["copies"]) == ("fusion", 0)
    status, out, _ = fit_default(folder, tmp_path / "m", "--fast", "--force")
    assert status == 0 and "fusion: crop 32 x 32 (top-left), rgb, wavelet\n" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--copies 0", "at least 1; --fast makes no copies; got 0"),
        ("--fast --copies 3", "--copies 3: --fast makes no copies"),
        ("--kind fusion --copies 3", "--copies 3: --kind fusion makes no copies.* --kind robust"),
        ("--fast --kind prnu", "--fast is --kind fusion, got --kind prnu"),
        ("--task localize --fast", "--fast: leave this out with --task localize"),
        ("--task localize --copies 2", "--copies 2: leave this out with --task localize"),
    ],
)
def test_fit_refuses_copies_that_are_not_made(tmp_path, fit_default, options, words):
    status, out, err = fit_default(tmp_path, tmp_path / "m", *options.split())
    assert (status, out) == (2, "")
    assert re.search(words, err)


@pytest.mark.parametrize(("former", "kind"), [("paper", "fingerprint"), ("camera", "prnu")])
def test_former_kinds_are_fitted_with_a_warning(tmp_path, image_folder, fit, former, kind):
    folder, *_ = image_folder(n_per_class=3)
    models = [tmp_path / former, tmp_path / kind]
    status, out, err = fit(folder, models[0], "--kind", former)
    assert status == 0 and f"{kind}: crop 32 x 32" in out
    assert f"warning: The kind '{former}' was renamed to '{kind}'" in err
    assert "renamed" not in fit(folder, models[1], "--kind", kind)[2]
    former_, current = (load_model(model).estimator_.estimator_[-1] for model in models)
    np.testing.assert_array_equal(former_.fingerprints_, current.fingerprints_)


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"fingerprint", "prnu"}))
def test_fit_takes_luminance_for_single_fingerprints_only(tmp_path, image_folder, fit, kind):
    folder, *_ = image_folder(n_per_class=2)
    options = ["--kind", kind, "--channels", "luminance"]
    status, out, err = fit(folder, tmp_path / "m", *options)
    assert (status, out) == (2, "")
    assert re.fullmatch(
        f"error: --channels luminance: --kind {kind} .* --kind fingerprint takes luminance\n",
        err,
    )


def test_files_of_one_name_calibrate_together(tmp_path, image_folder, fit):
    folder, paths, y = image_folder()
    for index, path in enumerate(paths):
        os.rename(path, Path(path).with_name(f"{index % 8}.png"))
    assert fit(folder, tmp_path / "m", "--groups", "name")[0] == 0
    found = load_model(tmp_path / "m").estimator_
    bunch = load_image_folder(folder, groups="name")
    reference = clone(found).set_params(false_alarm_rate=0.1)
    expected = clone(reference).fit(bunch.data, y, groups=bunch.groups)
    alone = reference.fit(bunch.data, y)
    np.testing.assert_allclose(found.calibration_scores_, expected.calibration_scores_, atol=1e-5)
    assert np.abs(found.calibration_scores_ - alone.calibration_scores_).max() > 1e-3


def test_groups_of_a_csv_file_calibrate_together(tmp_path, image_folder, fit):
    _, paths, y = image_folder(labels=("a", "b"))
    rows = [
        f"{path},{label},{index % 2}"
        for index, (path, label) in enumerate(zip(paths, y, strict=True))
    ]
    Path(tmp_path, "list.csv").write_text("\n".join(["path,label,group", *rows]))
    assert fit(tmp_path / "list.csv", tmp_path / "m")[0] == 0
    # Two groups make two folds, and a fold comes after the other.
    codes = load_model(tmp_path / "m").estimator_.calibration_codes_
    assert codes.tolist() == [0] * 4 + [1] * 4 + [0] * 4 + [1] * 4


def test_fit_from_csv_prints_csv(tmp_path, image_folder, fit):
    _, paths, y = image_folder(labels=("a", "b"))
    rows = [f"{path},{label}" for path, label in zip(paths, y, strict=True)]
    Path(tmp_path, "list.csv").write_text("\n".join(["path,label", *rows, "nope.png,b"]))
    status, out, err = fit(tmp_path / "list.csv", tmp_path / "m", "--format", "csv")
    assert status == 1
    assert f"{tmp_path / 'nope.png'}: cannot be opened: No such file or directory\n" in err
    table = list(csv.DictReader(io.StringIO(out)))
    columns = [(row["source"], row["images"], row["failed"], row["sizes"]) for row in table]
    assert columns == [("a", "8", "0", "32 x 32"), ("b", "8", "1", "32 x 32")]


def test_fit_takes_a_layout(tmp_path, image_folder, fit):
    folder, *_ = image_folder(labels=("pro/0_real", "pro/1_fake", "star/cat/1_fake"))
    Path(folder, "star/cat/1_fake/text.png").write_text("no image")
    status, out, err = fit(folder, tmp_path / "m", "--layout", "forensynths", "--format", "json")
    assert status == 1 and "text.png: is not an image" in err
    sources = [(row["source"], row["images"], row["failed"]) for row in json.loads(out)["sources"]]
    assert sources == [("pro", 8, 0), ("real", 8, 0), ("star", 8, 1)]


def test_fit_refuses_another_layout(tmp_path, image_folder, fit):
    folder, *_ = image_folder(n_per_class=2)
    status, out, err = fit(folder, tmp_path / "m", "--layout", "nested")
    assert (status, out) == (2, "")
    assert re.fullmatch("error: .*expected folders ARCH/SOURCE/ .*found a.000.png.*\n", err)


def test_fit_names_what_failed_and_uses_the_rest(tmp_path, image_folder, fit):
    folder, paths, _ = image_folder()
    broken = add_broken_files(folder / "b")
    Path(paths[0]).write_bytes(Path(paths[0]).read_bytes()[:-300])  # seen when decoded only
    status, out, err = fit(folder, tmp_path / "m", "--crop", 32, "--format", "json")
    assert status == 1
    for name in [*broken, paths[0]]:
        assert len(re.findall(f"^{re.escape(name)}: .+", err, re.MULTILINE)) == 1
    assert "4 could not be used" in err
    document = json.loads(out)
    counts = [(each["source"], each["images"], each["failed"]) for each in document["sources"]]
    assert counts == [("a", 7, 1), ("b", 8, 3), ("c", 8, 0)]
    assert {each["file"] for each in document["failures"]} == {*broken, paths[0]}
    assert document["crop"] == [32, 32]
    open_set = load_model(tmp_path / "m").estimator_
    assert open_set.estimator_[-1].class_count_.tolist() == [7, 8, 8]


def test_fit_shows_a_source_that_is_lost(tmp_path, image_folder, fit):
    folder, paths, _ = image_folder()
    for path in paths[-8:]:
        Path(path).write_text("no image")
    status, out, err = fit(folder, tmp_path / "m", "--format", "json")
    assert status == 1
    assert f"{folder / 'c'}: label 'c' has no usable image" in err
    assert json.loads(out)["sources"][2]["images"] == 0
    assert json.loads(out)["sources"][2]["failed"] == 8


@pytest.mark.parametrize(("n_small", "side"), [(1, 32), (2, 24)])
def test_auto_crop_gives_up_one_file_in_twenty(tmp_path, image_folder, fit, n_small, side):
    folder, paths, _ = image_folder(n_per_class=10, labels=("a", "b"))
    for path in paths[:n_small]:
        Image.open(path).crop((0, 0, 24, 32)).save(path)
    status, _, err = fit(folder, tmp_path / "m")
    assert f"--crop auto: {side} x {side} pixels" in err
    assert status == (1 if side == 32 else 0)
    assert (f"{paths[0]}: its (height, width) = (32, 24) is smaller" in err) == (side == 32)


def test_auto_crop_is_at_most_256(tmp_path, image_folder, fit):
    folder, *_ = image_folder(n_per_class=2, labels=("a", "b"), shape=(270, 300, 3))
    assert "--crop auto: 256 x 256" in fit(folder, tmp_path / "m")[2]


def test_fit_warns_of_confounds_and_copies(tmp_path, image_folder, fit):
    folder, paths, _ = image_folder(labels=("a", "b"))
    for path in paths[:8]:
        Image.open(path).save(path.replace(".png", ".jpg"), quality=83)
        os.remove(path)
    Path(folder, "b", "copy.png").write_bytes(Path(paths[-1]).read_bytes())
    status, out, err = fit(folder, tmp_path / "m")
    assert status == 0
    assert re.search(r"^warning: format: 'a' is JPEG \(8 of 8\)", err, re.MULTILINE)
    assert re.search(r"^warning: .*copy\.png is a copy of .*015\.png", err, re.MULTILINE)
    assert re.search(r"a +8 +0 +JPEG +32 x 32 +83 ", out)
    findings = read_metadata(tmp_path / "m")["findings"]
    assert findings[0].startswith("format: 'a' is JPEG (8 of 8)")


def test_fit_refuses_to_overwrite(model, fit):
    path, folder, _ = model
    before = path.read_bytes()
    status, out, err = fit(folder, path)
    assert (status, out) == (2, "")
    assert "--force" in err
    assert path.read_bytes() == before
    assert fit(folder, path, "--force", "--crop", 16)[0] == 0
    assert load_model(path).image_size_ == (16, 16)


def test_fit_writes_through_a_link(tmp_path, model, fit):
    path, folder, _ = model
    link = tmp_path / "link.skops"
    link.symlink_to(path.name)
    assert fit(folder, link)[0] == 2
    assert fit(folder, link, "--force", "--crop", 16)[0] == 0
    assert link.is_symlink()
    assert load_model(path).image_size_ == (16, 16)


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_fit_replaces_no_device(tmp_path, image_folder, fit, force):
    folder, *_ = image_folder(n_per_class=2)
    os.mkfifo(tmp_path / "pipe")
    status, out, err = fit(folder, tmp_path / "pipe", *force)
    assert (status, out) == (2, "")
    assert err.startswith("error: --model ") and len(err.splitlines()) == 1
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("missing", "m", "expected a folder of label folders or a CSV file"),
        ("sources/a", "m", "expected one folder per label"),
        ("sources", "nowhere/m", "there is no folder"),
        ("sources", ".", "this is a folder"),
        pytest.param("sources", "/proc/m", "cannot be written to", marks=LINUX),
    ],
)
def test_fit_wrong_use(tmp_path, image_folder, fit, monkeypatch, source, target, words):
    image_folder(n_per_class=2)
    monkeypatch.chdir(tmp_path)
    status, out, err = fit(source, target)
    assert (status, out) == (2, "")
    assert re.fullmatch(f"error: .*{words}.*\n", err)
    assert os.listdir(tmp_path) == ["sources"]


def test_cameras_are_fitted_on_whole_photos_of_luminance(tmp_path, image_folder, fit, ganprint):
    folder, paths, y = image_folder(shape=(40, 48, 3), strength=12)
    status, out, err = fit(folder, tmp_path / "m", "--kind", "prnu")
    assert status == 0
    assert "--crop auto: 40 x 48 pixels" in err
    assert "prnu: crop 40 x 48 (top-left), luminance, wavelet" in out
    model = load_model(tmp_path / "m")
    assert model.estimator_.estimator_[0].denoiser.sigma == 3
    assert "energy of 60" in out
    status, out, err = ganprint("predict", tmp_path / "m", *paths[::8], "--format", "json")
    assert [row["nearest"] for row in json.loads(out)["results"]] == y[::8].tolist()
    status, out, err = ganprint("verify", tmp_path / "m", "a", paths[0], "--format", "json")
    assert status == 0
    assert json.loads(out)["results"][0]["fits_better"] is None
    status, out, _ = ganprint("info", tmp_path / "m", "--format", "json")
    assert json.loads(out)["kind"] == "prnu"
    assert fit(folder, tmp_path / "rgb", "--kind", "prnu", "--channels", "rgb")[0] == 0
    assert load_model(tmp_path / "rgb").estimator_.estimator_[0].channels == "rgb"
