"""``ganprint localize``, and the models for it, as they are used."""

import csv
import io
import json
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import add_broken_files
from PIL import Image

from sklearn_ganprint import load_model
from sklearn_ganprint.cli import main
from sklearn_ganprint.localization import localize_images

SIDE = 96
BOX = ("left", "top", "width", "height")


def noise(rng, smooth):
    image = rng.normal(128, 12, (SIDE, SIDE, 3))
    return (image + np.roll(image, 1, axis=1)) / 2**0.5 - 53 if smooth else image


def save(path, image):
    Image.fromarray(image.clip(0, 255).round().astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A model of two sources, and images: two clean ones, one with a splice, one half white."""
    folder = tmp_path_factory.mktemp("scene")
    rng = np.random.default_rng(0)
    for source in ("rough", "smooth"):
        (folder / "fit" / source).mkdir(parents=True)
        for index in range(12):
            save(folder / "fit" / source / f"{index:02d}.png", noise(rng, source == "smooth"))
    arguments = ["fit", str(folder / "fit"), "--model", str(folder / "m.skops")]
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        assert main([*arguments, "--task", "localize"]) == 0
    (folder / "fit.out").write_text(out.getvalue(), "utf-8")
    (folder / "fit.err").write_text(err.getvalue(), "utf-8")
    (folder / "images").mkdir()
    clean, spliced, white = (noise(rng, False) for _ in range(3))
    spliced[24:72, 40:88] = noise(rng, True)[:48, :48]
    white[:, :48] = 255
    save(folder / "images" / "clean.png", clean)
    save(folder / "images" / "spliced.png", spliced)
    save(folder / "images" / "white.png", white)
    return folder


def test_fit_makes_a_localizer(scene, ganprint):
    *_, settings, copies, judges = (scene / "fit.out").read_text("utf-8").splitlines()
    assert settings == "localize: crop 96 x 96 (top-left), rgb, wavelet"
    assert copies.startswith("fitted on each image and 1 copy, ")
    assert re.fullmatch(r"regions are .* 24 images pooled over all sources \(.* 1 / 25\)", judges)
    assert "warning" not in (scene / "fit.err").read_text("utf-8")  # 1 / 25 is less than 0.05
    document = json.loads(ganprint("info", scene / "m.skops", "--format", "json")[1])
    assert (document["task"], document["kind"]) == ("localize", "localization")
    assert document["classifier"] == "FingerprintLocalizer"
    assert [each["calibration_images"] for each in document["sources"]] == [12, 12]
    model = load_model(scene / "m.skops")
    assert model.estimator_[-1].classes_.tolist() == ["rough", "smooth"]


def test_the_former_kind_is_a_task_with_a_warning(scene, tmp_path, ganprint):
    words = ["fit", scene / "fit", "--model", tmp_path / "m.skops", "--kind"]
    status, out, err = ganprint(*words, "localization")
    assert (status, out) == (0, (scene / "fit.out").read_text("utf-8"))
    assert err.startswith("warning: --kind localization was renamed to --task localize. ")
    status, out, err = ganprint(*words, "fusion", "--task", "localize", "--force")
    assert (status, out) == (2, "") and "--kind fusion" in err


def test_localize_finds_what_is_spliced(scene, ganprint):
    arguments = ["localize", scene / "m.skops", scene / "images", "--claimed", "rough"]
    status, out, err = ganprint(*arguments, "--format", "csv")
    rows = {Path(row["file"]).stem: row for row in csv.DictReader(io.StringIO(out))}
    assert status == 0
    assert rows["clean"]["false_region"] == "no" and rows["spliced"]["false_region"] == "yes"
    left, top, width, height = (int(rows["spliced"][key]) for key in BOX)
    wide = min(left + width, 88) - max(left, 40)
    high = min(top + height, 72) - max(top, 24)
    assert wide * high / (48 * 48 + width * height - wide * high) > 0.35  # of both boxes together
    assert 0.3 < float(rows["white"]["flat"]) < 0.6 and float(rows["clean"]["flat"]) == 0
    assert float(rows["spliced"]["p_value"]) == pytest.approx(1 / 25, rel=1e-3)
    assert float(rows["clean"]["p_value"]) > 0.05


def test_localize_says_what_the_model_says(scene, ganprint):
    path = scene / "images" / "spliced.png"
    arguments = ["localize", scene / "m.skops", path, "--format", "json", "--false-alarm", 0.2]
    document = json.loads(ganprint(*arguments)[1])
    model = load_model(scene / "m.skops")
    localizer = model.estimator_[-1]
    localizer.set_false_alarm_rate(0.2)
    result = localize_images(model, np.asarray(Image.open(path))[np.newaxis])
    (row,) = document["results"]
    assert row["claimed"] == result.claimed[0] == "rough"
    assert row["pixels"] == result.masks.sum() == sum(each["pixels"] for each in row["regions"])
    assert document["threshold"] == localizer.threshold_
    assert document["rate_holds_for"] == [SIDE, SIDE]


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_the_rate_holds_for_the_clean_images(scene, rate):
    localizer = load_model(scene / "m.skops").estimator_[-1]
    localizer.set_false_alarm_rate(rate)
    share = (localizer.calibration_peaks_ >= localizer.threshold_).mean()
    assert share <= rate
    assert localizer.grow_threshold_ <= localizer.threshold_


def test_localize_writes_maps_and_a_page(scene, tmp_path, ganprint):
    out_folder = tmp_path / "maps"
    arguments = ["localize", scene / "m.skops", scene / "images", "--claimed", "rough"]
    status, out, err = ganprint(*arguments, "--out", out_folder, "--masks")
    assert status == 0 and f"maps and explanations: {out_folder / 'index.html'}" in err
    assert "images with a false region: " in out
    page = (out_folder / "index.html").read_text(encoding="utf-8")
    names = ["clean", "spliced", "white"]
    expected = {*(f"maps/{each}.png" for each in names), *(f"images/{each}.jpg" for each in names)}
    assert set(re.findall(r'src="([^"]+)"', page)) == expected
    assert page.index("spliced.png</h3>") < page.index("clean.png</h3>")  # what was found first
    assert re.search("<strong>[12] of 3</strong> images? ha.* a region .* look like rough", page)
    assert "://" not in page and "<script" not in page
    mask = np.asarray(Image.open(out_folder / "masks" / "spliced.png"))
    rows = list(csv.DictReader(io.StringIO((out_folder / "results.csv").read_text("utf-8"))))
    assert mask.shape == (SIDE, SIDE) and set(np.unique(mask)) == {0, 255}
    assert (mask == 255).sum() == int(rows[1]["pixels"]) and rows[1]["map"] == "maps/spliced.png"
    assert not np.asarray(Image.open(out_folder / "masks" / "clean.png")).any()


def test_localize_without_a_claim_and_in_larger_images(scene, tmp_path, ganprint):
    large = np.tile(np.asarray(Image.open(scene / "images" / "clean.png")), (2, 2, 1))
    save(tmp_path / "large.png", large.astype(float))
    status, out, _ = ganprint("localize", scene / "m.skops", tmp_path / "large.png")
    assert status == 0
    assert "p-value" not in out  # none is known for this size
    assert "larger than that: 1" in out and "no source was claimed" in out
    assert out.splitlines()[2].split()[1] == "rough"


def test_localize_tells_images_that_were_saved_anew(scene, tmp_path, ganprint):
    clean = Image.open(scene / "images" / "clean.png")
    clean.save(tmp_path / "saved_anew.jpg", quality=60)
    paths = [tmp_path / "saved_anew.jpg", scene / "images" / "clean.png"]
    arguments = ["localize", scene / "m.skops", *paths]
    document = json.loads(ganprint(*arguments, "--format", "json")[1])
    anew, clean = document["results"]
    assert (anew["history_differs"], clean["history_differs"]) == ("yes", "no")
    assert abs(anew["pixel_jpeg_quality"] - 60) <= 2 and clean["pixel_jpeg_quality"] is None
    localizer = load_model(scene / "m.skops").estimator_[-1]
    assert document["processed_threshold"] == localizer.processed_threshold_
    assert anew["p_value"] == localizer.p_value_of(anew["score"] or -np.inf, True)
    assert "history differs: 1 of 2 (1 show JPEG compression)" in ganprint(*arguments)[1]
    columns = ganprint(*arguments, "--format", "csv")[1].splitlines()[0].split(",")
    assert columns[-2:] == ["history_differs", "pixel_jpeg_quality"]


def test_localize_says_what_of_grey_and_foreign_images(scene, tmp_path, ganprint):
    clean = Image.open(scene / "images" / "clean.png")
    clean.convert("L").save(tmp_path / "grey.png")
    save(tmp_path / "elsewhere.png", noise(np.random.default_rng(1), True))
    _, out, _ = ganprint("localize", scene / "m.skops", tmp_path, "--claimed", "rough")
    assert "grey: 1; " in out
    assert "marked for more than half: " in out


def test_localize_takes_a_line_of_pixels_for_no_blank_image(scene, tmp_path, ganprint):
    save(tmp_path / "line.png", noise(np.random.default_rng(1), True)[:1])
    _, out, _ = ganprint("localize", scene / "m.skops", tmp_path, "--format", "json")
    (row,) = json.loads(out)["results"]
    assert row["reason"].startswith("no room for a false region") and row["flat"] == 0


@pytest.mark.parametrize("claim", [True, False])
def test_localize_has_no_verdict_where_no_region_has_room(scene, tmp_path, ganprint, claim):
    image = noise(np.random.default_rng(2), False)
    for side in (8, 19, 20, 28, 29):
        save(tmp_path / f"{side}.png", image[:side, :side])
    image[:, 8:-8] = 255  # two parts are left, each of 384 pixels with what is smoothed into it
    save(tmp_path / "apart.png", image[:16])
    options = ["--claimed", "rough"] if claim else []
    command = ["localize", scene / "m.skops", tmp_path, *options]
    rows = json.loads(ganprint(*command, "--format", "json")[1])["results"]
    found = {Path(row["file"]).stem: row for row in rows}
    # It takes 400 pixels, and without a claim as many of another source.
    silent = {"8", "19", "apart"} if claim else {"8", "19", "20", "28", "apart"}
    assert {name for name, row in found.items() if row["false_region"] is None} == silent
    for name in silent:
        row = found[name]
        assert (row["p_value"], row["history_differs"], row["n_regions"]) == (None, None, 0)
        assert row["claimed"] == ("rough" if claim else None)
    others = "" if claim else " and as many others"
    assert found["19"]["reason"] == (
        f"no room for a false region, of 400 connected pixels that are not flat{others}: 361 of "
        f"361 are not flat"
    )
    assert {row["reason"] for name, row in found.items() if name not in silent} == {None}
    assert f"no verdict, for the reason given: {len(silent)} of 6\n" in ganprint(*command)[1]


def test_localize_names_unusable_files(scene, tmp_path, ganprint):
    broken = add_broken_files(tmp_path)
    Image.new("RGB", (96, 96), "white").save(tmp_path / "blank.png")
    arguments = ["localize", scene / "m.skops", tmp_path, scene / "images" / "clean.png"]
    status, out, err = ganprint(*arguments, "--format", "json", "--out", tmp_path / "page")
    rows = {os.path.basename(row["file"]): row for row in json.loads(out)["results"]}
    assert status == 1
    assert {name for name, row in rows.items() if row["error"]} <= {
        os.path.basename(name) for name in broken
    }
    assert rows["text.png"]["error"] and rows["empty.png"]["error"]
    assert rows["blank.png"]["flat"] == 1 and rows["blank.png"]["false_region"] is None
    assert "could not be used; all others were" in err
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "Files that could not be used" in page


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["m.skops", "images", "--claimed", "x"], "sources of m.skops, rough, smooth; got 'x'"),
        (["m.skops", "images", "--masks"], "--masks: expected --out DIR"),
        (["m.skops", "none"], "no image found"),
        (["none.skops", "images"], "none.skops: cannot be read"),
        (["m.skops", "images", "--out", "fit"], "--out fit: the folder is not empty"),
        (["m.skops", "images", "--out", "m.skops"], "expected a folder, this is a file"),
        (["m.skops", "images", "--out", ".", "--force"], "no image found outside of --out"),
    ],
)
def test_localize_refuses(scene, ganprint, monkeypatch, args, words):
    monkeypatch.chdir(scene)
    status, out, err = ganprint("localize", *args)
    assert (status, out) == (2, "")
    assert re.search(f"^error: .*{words}", err)


def test_models_of_the_other_kind(scene, model, ganprint):
    status, out, err = ganprint("localize", model[0], scene / "images")
    assert (status, out) == (2, "") and "from `ganprint fit --task localize`" in err
    for arguments in (["predict", scene / "m.skops"], ["verify", scene / "m.skops", "rough"]):
        status, out, err = ganprint(*arguments, scene / "images")
        assert (status, out) == (2, "") and "is for `ganprint localize`" in err


def test_few_images_cannot_keep_a_rate(scene, ganprint):
    arguments = [scene / "m.skops", scene / "images" / "clean.png", "--false-alarm", 0.01]
    _, out, err = ganprint("localize", *arguments)
    assert "4 % of clean images of 96 x 96 pixels" in out
    assert err.startswith("warning: a false-alarm rate of 0.01 cannot be kept: ")
    assert "--false-alarm 0.04 or more" in err
