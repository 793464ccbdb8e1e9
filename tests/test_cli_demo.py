"""``ganprint demo``, as it is used."""

import json
import os
import re

from cli_helpers import no_leftovers
from PIL import Image
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer

# No two of the samples have names alike.
from sklearn_ganprint.cli._demo import draw_demo
from sklearn_ganprint.experiments import evaluate_attribution


def test_demo(tmp_path, ganprint):
    out_folder = tmp_path / "deep" / "demo"
    status, out, err = ganprint("demo", "--out", out_folder, "--format", "json", "--jobs", 2)
    document = json.loads(out)
    assert status == 0
    assert document["report"] == str(out_folder / "index.html")
    assert document["accuracy"] > 2 * document["chance"]
    assert document["n_fit"] == document["n_test"]
    names = [each["name"] for each in document["classes"]]
    pictures = {*(f"fingerprint-{name}.png" for name in names), "roc.png", "confusion.png"}
    pictures.add("histories.png")
    assert set(os.listdir(out_folder)) == {*pictures, "index.html"}
    for name in pictures:
        Image.open(out_folder / name).verify()
    page = (out_folder / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'src="([^"]+)"', page)) == pictures
    assert "<script" not in page
    assert "://" not in page  # self-contained
    assert f"{100 * document['accuracy']:.1f}\N{NO-BREAK SPACE}%" in page
    for name in names:
        assert f"<td>{name}</td>" in page
    clean, *processed = document["histories"]
    assert clean["fingerprint"] == document["accuracy"]
    assert {row["n_test"] for row in document["histories"]} == {document["n_test"]}
    assert [row["history"] for row in processed] == ["jpeg 75", "resize 0.75 and back"]
    # Copies in the fit are what the default kind is for: it loses less.
    assert all(row["robust"] > row["fingerprint"] + 0.1 for row in document["histories"])
    assert all(row["fingerprint"] < clean["fingerprint"] for row in processed)


def test_demo_refuses_or_replaces(tmp_path, ganprint):
    mine, page = tmp_path / "notes.txt", tmp_path / "index.html"
    mine.write_text("mine")
    page.write_text("old")
    status, out, err = ganprint("demo", "--out", tmp_path)
    assert (status, out) == (2, "")
    assert "--force" in err
    assert page.read_text() == "old"
    options = ("--force", "--channels", "luminance", "--fast")
    status, out, _ = ganprint("demo", "--out", tmp_path, *options)
    assert status == 0
    assert "jpeg 75" in out
    assert "default kind" not in out + page.read_text(encoding="utf-8")
    assert re.search(r"^accuracy 0\.\d+ \(95 % confidence interval 0\.\d+ to 0\.\d+\)$", out, re.M)
    assert mine.read_text() == "mine"
    assert "of the luminance" in page.read_text(encoding="utf-8")
    assert no_leftovers(tmp_path)


def test_demo_wants_a_folder(tmp_path, ganprint):
    (tmp_path / "file").touch()
    status, _, err = ganprint("demo", "--out", tmp_path / "file")
    assert status == 2
    assert "expected a folder" in err


def test_demo_that_cannot_write_leaves_no_part(tmp_path, ganprint):
    (tmp_path / "roc.png").mkdir()
    status, out, err = ganprint("demo", "--out", tmp_path, "--force", "--fast")
    assert (status, out) == (2, "")
    assert "roc.png" in err
    assert not (tmp_path / "index.html").exists()
    assert no_leftovers(tmp_path)


def test_sources_of_like_names_keep_their_pictures(make_images):
    X, y = make_images(labels=("a b", "a/b"), n_per_class=4)
    pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    shares = [{"history": "as they are", "fingerprint": 0.5, "robust": None}]
    pictures = dict(draw_demo(evaluate_attribution(pipeline, X, y), shares))
    names = ["fingerprint-a-b.png", "fingerprint-a-b-2.png"]
    assert set(pictures) == {*names, "roc.png", "confusion.png", "histories.png"}
    assert pictures[names[0]] != pictures[names[1]]
