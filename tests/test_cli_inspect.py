"""``ganprint inspect``, as it is used."""

import csv
import hashlib
import io
import json
import subprocess

import numpy as np
import pytest
from cli_helpers import COMMAND, add_broken_files
from PIL import Image, PngImagePlugin

from sklearn_ganprint.datasets import read_provenance

FORGED = "can be forged or stripped"


@pytest.fixture
def folder(tmp_path):
    """A photo that was JPEG 60 before, with texts beside it, and a file that says nothing."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(60, 200, (12, 12, 3), dtype=np.uint8))
    image = coarse.resize((96, 96), Image.Resampling.BICUBIC)
    image.save(stream := io.BytesIO(), "JPEG", quality=60)
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", "NovelAI")
    text.add_itxt("Comment", "a [bold]\x1b[31m \u202e comment")
    (tmp_path / "files").mkdir()
    Image.open(stream).save(tmp_path / "files" / "a.png", pnginfo=text)
    image.save(tmp_path / "files" / "b.jpg", quality=90)
    return tmp_path / "files"


def test_each_file_has_what_it_is_and_what_it_says(folder, ganprint):
    status, out, err = ganprint("inspect", folder, "--format", "json")
    first, second = json.loads(out)["results"]
    assert (status, err.count("could not")) == (0, 0)
    assert first["sha256"] == hashlib.sha256((folder / "a.png").read_bytes()).hexdigest()
    assert first["statements"] == read_provenance(folder / "a.png")
    assert [each["name"] for each in first["statements"]] == ["Software", "Comment"]
    assert first["history"] == "PNG, 96 x 96 pixels, once JPEG 60"
    assert (first["format"], first["width"], first["height"]) == ("PNG", 96, 96)
    assert (first["jpeg_quality"], first["pixel_jpeg_quality"]) == (None, 60)
    assert first["jpeg_grid"] == [0, 0]
    assert (second["jpeg_quality"], second["statements"]) == (90, [])


def test_histories_are_those_that_predict_shows(model, ganprint):
    path, folder, _ = model
    found = [
        json.loads(ganprint(*words, folder, "--format", "json")[1])["results"]
        for words in (("inspect",), ("predict", path))
    ]
    keys = ("file", "history", "format", "width", "height", "jpeg_quality", "pixel_jpeg_quality")
    first, second = ([[row[key] for key in keys] for row in rows] for rows in found)
    assert first == second


def test_a_table_has_both_and_says_what_it_is_worth(folder, ganprint):
    status, out, _ = ganprint("inspect", folder)
    assert (status, FORGED in out) == (0, True)
    assert "say something of their origin: 1 of 2" in out
    assert "names software that generates images" in out
    assert "a [bold]\\x1b[31m \\u202e comment" in out
    assert out.replace("\n", "").isprintable()


def test_csv_has_a_row_for_each_statement_and_each_file(folder, ganprint):
    broken = add_broken_files(folder)
    status, out, err = ganprint("inspect", folder, folder / "none.png", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["file"][len(str(folder)) + 1 :], row["name"]) for row in rows] == [
        *(("a.png", name) for name in ("Software", "Comment")),
        *((name, "") for name in ("b.jpg", "empty.png", "small.png", "text.png", "none.png")),
    ]
    failed = [row["file"] for row in rows if row["error"]]
    assert failed == [broken[0], broken[2], str(folder / "none.png")]
    assert status == 1
    assert all(name in err for name in failed)
    assert "3 could not be used" in err


def test_files_whose_pixels_are_damaged_are_inspected(folder, ganprint):
    content = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(content[: len(content) // 2])
    status, out, _ = ganprint("inspect", folder / "a.png", "--format", "json")
    (row,) = json.loads(out)["results"]
    assert (status, row["error"], row["pixel_jpeg_quality"]) == (0, None, None)
    assert row["reason"] == "is truncated: the file ends within its IDAT chunk"
    assert row["statements"][-2]["value"] == "NovelAI"
    _, out, _ = ganprint("inspect", folder / "a.png")
    assert row["reason"] in out


def test_nothing_to_inspect_is_wrong_use(tmp_path, ganprint):
    status, out, err = ganprint("inspect", tmp_path / "none.png")
    assert (status, out) == (2, "")
    assert "no image found" in err


def test_it_does_without_what_models_need(folder):
    code = "import sys; sys.modules.update(skops=None, matplotlib=None, c2pa=None)"
    code += f"; from sklearn_ganprint.cli import main; sys.exit(main(['inspect', {str(folder)!r}]))"
    done = subprocess.run([COMMAND[0], "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, FORGED in done.stdout) == (0, True), done.stderr
