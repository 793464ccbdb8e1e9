"""What commands tell of the histories of files, and of what a model covers."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sklearn_ganprint.datasets import make_generator_images

MODELS = Path(__file__).parent / "models"
ASKED = [("predict",), ("verify", "G1")]
NO_PIXELS = {"pixel_jpeg_quality": None, "jpeg_grid": None}


def save(folder, n_images=6, **params):
    bunch = make_generator_images(n_images, image_size=80, sources=["C1", "G1"], **params)
    for position, (image, code) in enumerate(zip(bunch.data, bunch.target, strict=True)):
        path = folder / bunch.target_names[code] / f"{position}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def compressed(path, target, quality, size=None):
    """Save an image again; as PNG it is JPEG in between."""
    with Image.open(path) as opened:
        picture = opened.copy()
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    if target.suffix == ".png":
        picture = Image.open(stream)
    picture.resize(size or picture.size).save(target, quality=quality)
    return target


@pytest.fixture
def histories(tmp_path, fit):
    """A model of two sources of PNG files, and files of other histories."""
    folder = save(tmp_path / "sources")
    status, out, err = fit(folder, tmp_path / "model.skops")
    assert status == 0, err
    assert "\ncovers PNG, 80 x 80 pixels\n" in out
    plain = folder / "G1" / "6.png"
    files = [
        plain,
        compressed(plain, tmp_path / "a.jpg", 40),
        compressed(plain, tmp_path / "b.png", 60),
        compressed(plain, tmp_path / "c.webp", 80, (120, 100)),
    ]
    return tmp_path / "model.skops", files


REMARKS = [
    None,
    ["JPEG 40; the fit covers no JPEG"],
    ["the pixels show JPEG of about 60; the fit covers no JPEG"],
    ["WebP; the fit covers no WebP", "120 x 100 pixels; the fit covers sides of 80"],
]


@pytest.mark.parametrize("command", ASKED)
def test_each_row_tells_the_history_of_its_file(histories, ganprint, command):
    model, files = histories
    name, *source = command
    rows = json.loads(ganprint(name, model, *source, *files, "--format", "json")[1])["results"]
    assert [row["outside"] for row in rows] == REMARKS
    assert [row["history"] for row in rows] == [
        *("PNG, 80 x 80 pixels", "JPEG 40, 80 x 80 pixels"),
        *("PNG, 80 x 80 pixels, once JPEG 60", "WebP, 120 x 100 pixels"),
    ]
    stated = [(row["format"], row["width"], row["height"], row["jpeg_quality"]) for row in rows]
    assert stated == [
        *(("PNG", 80, 80, None), ("JPEG", 80, 80, 40)),
        *(("PNG", 80, 80, None), ("WEBP", 120, 100, None)),
    ]
    shown = [(row["pixel_jpeg_quality"], row["jpeg_grid"]) for row in rows]
    assert shown == [(None, None), (40, [0, 0]), (60, [0, 0]), (None, None)]


@pytest.mark.parametrize("command", ASKED)
def test_csv_has_histories_behind_all_other_columns(histories, ganprint, command):
    model, files = histories
    name, *source = command
    out = ganprint(name, model, *source, *files, "--format", "csv")[1]
    heads, *rows = csv.reader(io.StringIO(out))
    end = heads.index("judged") + 1
    fitted = ["fitted_on", "fitted_match", "fitted_source"]
    assert heads[end:][:4] == [{"predict": "family", "verify": "others_p_value"}[name], *fitted]
    heads, rows = heads[:end], [row[:end] for row in rows]
    behind = [head for head in heads[heads.index("error") :] if head != "set"]
    assert behind == [
        *("error", "reason", "history", "outside", "format", "width", "height"),
        *("jpeg_quality", "pixel_jpeg_quality", "jpeg_grid", "judged"),
    ]
    first, _, third, last = (row[heads.index("history") :] for row in rows)
    assert first == ["PNG, 80 x 80 pixels", "", "PNG", "80", "80", "", "", "", "whole"]
    assert third[-3:] == ["60", "0; 0", "whole"]
    assert last[1] == "; ".join(REMARKS[3])


@pytest.mark.parametrize("command", ASKED)
def test_tables_show_histories_only_where_one_lies_outside(histories, ganprint, command):
    model, files = histories
    name, *source = command
    heads, _, first, *notes = ganprint(name, model, *source, *files)[1].splitlines()
    assert re.split("  +", heads.strip())[-5:-3] == ["history", "outside"]
    assert re.split("  +", first.strip())[-5:-3] == ["PNG, 80 x 80 pixels", "-"]
    assert any(note.startswith("outside of what the fit covers: 3 of 4, ") for note in notes)
    out = ganprint(name, model, *source, files[0])[1]
    assert not re.search("history|outside|PNG", out)


@pytest.mark.parametrize("command", ASKED)
def test_images_of_the_fit_are_named(histories, ganprint, command, tmp_path):
    model, files = histories
    new = make_generator_images(1, image_size=80, sources=["G1"], random_state=9).data[0]
    Image.fromarray(new).save(tmp_path / "new.png")
    name, *source = command
    asked = (name, model, *source, *files, tmp_path / "new.png")
    rows = json.loads(ganprint(*asked, "--format", "json")[1])["results"]
    told = [(row["fitted_on"], row["fitted_match"], row["fitted_source"]) for row in rows]
    copies = [("6.png", "same content", "G1")] * 3
    assert told == [("6.png", "same file", "G1"), *copies, (None, None, None)]
    heads, _, first, *notes = ganprint(*asked)[1].splitlines()
    assert re.split("  +", heads.strip())[-3:] == ["fitted on", "match", "fitted source"]
    assert re.split("  +", first.strip())[-3:] == ["6.png", "same file", "G1"]
    assert (
        "images that the model was fitted on: 1 of 5 (same file), 3 of 5 (same content); their "
        "answers say nothing about new images"
    ) in notes
    assert "fitted" not in ganprint(name, model, *source, tmp_path / "new.png")[1]


def test_evaluating_on_images_of_the_fit_is_warned_of(histories, ganprint, tmp_path):
    model, _ = histories
    status, out, err = ganprint("evaluate", model, tmp_path / "sources", "--format", "json")
    assert status == 0
    assert json.loads(out)["fitted_on"] == {"same file": 12}
    assert (
        "warning: images that the model was fitted on: 12 of 12 (same file); all shares are better "
        "than they are for new images\n"
    ) in err
    folder = save(tmp_path / "new", 3, random_state=9)
    status, out, err = ganprint("evaluate", model, folder, "--format", "json")
    assert json.loads(out)["fitted_on"] == {} and "fitted on" not in err


def test_files_that_cannot_be_used_have_no_history(histories, ganprint, tmp_path):
    model, files = histories
    (tmp_path / "broken.png").write_bytes(b"no image")
    status, out, _ = ganprint("predict", model, files[0], tmp_path / "broken.png", "--format=json")
    row = json.loads(out)["results"][1]
    assert status == 1
    keys = ("history", "outside", "format", *NO_PIXELS, "fitted_on", "fitted_match")
    assert {row[key] for key in keys} == {None}


def test_models_of_earlier_versions_do_not_know_what_they_cover(ganprint, tmp_path):
    model = MODELS / "paper.skops"
    document = json.loads(ganprint("info", model, "--format", "json")[1])
    assert document["covers"] is None
    height, width = document["image_size"]
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg", quality=30)
    status, out, err = ganprint("predict", model, tmp_path / "a.jpg", "--format", "json")
    assert status == 0, err
    row = json.loads(out)["results"][0]
    assert (row["outside"], row["jpeg_quality"]) == (None, 30)
    assert (row["fitted_on"], row["fitted_match"]) == (None, "not known")
    note = ganprint("predict", model, tmp_path / "a.jpg")[1].splitlines()[-1]
    assert note == "it is not known which images the model was fitted on"


def test_fit_warns_of_sources_of_which_some_were_once_compressed(tmp_path, fit, ganprint):
    folder = save(tmp_path / "sources")
    assert "sources differ" not in fit(folder, tmp_path / "plain")[2]
    for path in sorted(folder.glob("G1/*.png")):
        compressed(path, path, 70)
    status, out, err = fit(folder, tmp_path / "m", "--format", "json")
    assert status == 0
    assert "warning: sources differ in history: the pixels of G1 show JPEG compression, " in err
    summary = json.loads(out)["histories"]
    assert (summary["once_jpeg"], summary["pixel_quality"]) == ([0, 6], [70, 70])
    covers = "covers PNG, 80 x 80 pixels, pixels that were once JPEG 70 (6 of 12 looked at)"
    assert json.loads(ganprint("info", tmp_path / "m", "--format", "json")[1])["covers"] == covers


def test_fit_warns_once_where_formats_tell_it(tmp_path, fit):
    folder = save(tmp_path / "sources")
    for path in sorted(folder.glob("G1/*.png")):
        compressed(path, path.with_suffix(".jpg"), 70)
        path.unlink()
    err = fit(folder, tmp_path / "m")[2]
    assert "warning: format: " in err and "sources differ" not in err
