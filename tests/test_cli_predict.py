"""``ganprint predict``, as it is used."""

import csv
import io
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import COMMAND, add_broken_files
from PIL import Image

import sklearn_ganprint
from sklearn_ganprint import FileBatchClassifier, FingerprintClassifier, load_model, save_model


def test_predict_prints_source_and_runner_up(model, ganprint):
    path, folder, files = model
    status, out, err = ganprint("predict", path, folder / "a", files[-1])
    lines = out.splitlines()[2:]
    assert status == 0
    expected = [*((file, "a") for file in files[:8]), (files[-1], "c")]
    assert [tuple(line.split()[:2]) for line in lines] == expected
    _, _, own, runner_up, other, margin = lines[0].split()
    assert runner_up in ("b", "c")
    assert float(own) - float(other) == pytest.approx(float(margin), abs=2e-4)
    assert float(margin) > 0.1


def test_predict_json_holds_all_correlations(model, ganprint):
    path, folder, files = model
    status, out, _ = ganprint("predict", path, folder, "--format", "json", "--jobs", 2)
    results = json.loads(out)["results"]
    expected = load_model(path).correlate(files)
    assert [each["file"] for each in results] == files
    found = [list(each["correlations"].values()) for each in results]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert list(results[0]["correlations"]) == ["a", "b", "c"]
    ranked = sorted(expected[0])[::-1]
    assert results[0]["margin"] == pytest.approx(ranked[0] - ranked[1], rel=1e-5)


def test_predict_walks_folders_but_not_hidden_ones(model, ganprint, tmp_path):
    path, _, files = model
    heap = tmp_path / "heap"
    for name in ("deep/er/1.png", ".hidden/2.png", ".3.png"):
        (heap / name).parent.mkdir(parents=True, exist_ok=True)
        (heap / name).write_bytes(Path(files[0]).read_bytes())
    _, out, _ = ganprint("predict", path, heap, heap / ".3.png", heap, "--format", "csv")
    named = [row["file"] for row in csv.DictReader(io.StringIO(out))]
    assert named == [str(heap / "deep/er/1.png"), str(heap / ".3.png")]


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_predict_names_unreadable_files(model, ganprint, tmp_path, form):
    path, folder, files = model
    broken = [*add_broken_files(folder / "a"), str(tmp_path / "missing.png")]
    status, out, err = ganprint("predict", path, folder / "a", broken[-1], "--format", form)
    assert status == 1
    for name in broken:
        assert len(re.findall(f"^{re.escape(name)}: .+", err, re.MULTILINE)) == 1
    if form == "table":
        assert [line.split()[0] for line in out.splitlines()[2:]] == files[:8]
        return
    rows = json.loads(out)["results"] if form == "json" else csv.DictReader(io.StringIO(out))
    rows = {row["file"]: row for row in rows}
    assert sorted(rows) == sorted([*files[:8], *broken])
    assert {name for name, row in rows.items() if not row["source"]} == set(broken)
    assert rows[broken[0]]["error"] == "the file is empty (0 bytes)"
    assert not rows[files[0]]["error"]


def test_predict_survives_any_file_name(model, ganprint, tmp_path):
    path, _, files = model
    heap = os.fsencode(tmp_path / "heap")
    os.mkdir(heap)
    content = Path(files[0]).read_bytes()
    for name in (b"caf\xe9.png", b"[bold]x[red].png", b"\x1b[2Jline\nend.png"):
        Path(os.fsdecode(os.path.join(heap, name))).write_bytes(content)
    Path(os.fsdecode(heap), "\udcff.png").touch()
    status, out, err = ganprint("predict", path, os.fsdecode(heap))
    assert status == 1
    assert r"caf\xe9.png " in out
    assert "[bold]x[red].png " in out
    assert r"\x1b[2Jline end.png" in out
    assert r"\xff.png: the file is empty" in err
    _, out, _ = ganprint("predict", path, os.fsdecode(heap), "--format", "csv")
    assert r"caf\xe9.png" in out
    _, out, _ = ganprint("predict", path, os.fsdecode(heap), "--format", "json")
    names = [os.path.basename(row["file"]) for row in json.loads(out)["results"]]
    assert names == ["\x1b[2Jline\nend.png", "[bold]x[red].png", r"caf\xe9.png", r"\xff.png"]


def test_predict_without_utf8(model, tmp_path):
    path, _, files = model
    (tmp_path / "日本.png").write_bytes(Path(files[0]).read_bytes())
    for form in ("table", "csv", "json"):
        run = subprocess.run(
            [*COMMAND, "predict", path, tmp_path / "日本.png", "--format", form],
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            capture_output=True,
            check=True,
        )
        assert rb"\u65e5\u672c.png" in run.stdout


@pytest.mark.parametrize("paths", [["empty"], ["missing.png"], ["empty", "missing.png"]])
def test_predict_without_any_image(model, ganprint, monkeypatch, paths):
    path, *_ = model
    monkeypatch.chdir(path.parent)
    os.mkdir("empty")
    status, out, err = ganprint("predict", path, *paths)
    assert (status, out) == (2, "")
    assert re.fullmatch("error: no image found: .*\n", err)


def test_integer_labels_are_printed_as_words(tmp_path, make_images, ganprint):
    X, y = make_images(labels=(3, 7))
    paths = [str(tmp_path / f"{index:02d}.png") for index in range(len(X))]
    for path, image in zip(paths, X, strict=True):
        Image.fromarray(image).save(path)
    classifier = FileBatchClassifier(FingerprintClassifier()).fit(paths, y)
    save_model(classifier, tmp_path / "m")
    _, out, _ = ganprint("predict", tmp_path / "m", *paths, "--format", "json")
    assert {each["source"] for each in json.loads(out)["results"]} == {"3", "7"}


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def hold_no_files(path):
    save_model(FingerprintClassifier().fit(np.eye(4), ["a", "a", "b", "b"]), path)


def decide_otherwise(path):
    model = load_model(path)
    model.estimator_[-1].metric = "cosine"
    save_model(model, path)


@pytest.mark.parametrize("command", ["predict", "info"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (Path.unlink, "No such file"),
        (damage, "damaged|truncated"),
        (truncate, "truncated"),
        (hold_no_files, "expected a model from `ganprint fit`"),
        (lambda path: path.write_text("not a model"), "not a model file"),
    ],
)
def test_unusable_models(model, ganprint, command, spoil, words):
    path, folder, _ = model
    spoil(path)
    status, out, err = ganprint(command, path, *([folder] if command == "predict" else []))
    assert (status, out) == (2, "")
    assert re.fullmatch(f"error: .*model.skops: .*({words}).*\n", err)


def test_predict_refuses_a_model_that_decides_otherwise(model, ganprint):
    path, folder, _ = model
    decide_otherwise(path)
    status, out, err = ganprint("predict", path, folder)
    assert (status, out) == (2, "")
    assert "metric='cosine'" in err


def test_models_from_the_future(model, ganprint, monkeypatch):
    path, folder, _ = model
    monkeypatch.setattr(sklearn_ganprint, "__version__", "0.0.1")
    status, out, err = ganprint("predict", path, folder)
    assert status == 0
    assert re.match(r"warning: .*which is newer than this, 0\.0\.1\.\n", err)
    monkeypatch.setattr("sklearn_ganprint.persistence.FORMAT_VERSION", 0)
    status, out, err = ganprint("predict", path, folder)
    assert (status, out) == (2, "")
    assert "Upgrade sklearn_ganprint" in err
