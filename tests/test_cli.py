"""The command line, as it is used."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sklearn_ganprint
from sklearn_ganprint import FileBatchClassifier, FingerprintClassifier, load_model, save_model
from sklearn_ganprint.cli import main
from sklearn_ganprint.cli._console import Messages

COMMAND = [sys.executable, "-m", "sklearn_ganprint"]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def ganprint(capsys):
    """Run a command in this process; return exit status, stdout and stderr."""

    def run(*args):
        capsys.readouterr()
        status = main([str(arg) for arg in args])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def model(tmp_path, image_folder, ganprint):
    """A model of three sources, the folder that it was fitted on, and its files."""
    folder, paths, _ = image_folder()
    status, _, err = ganprint("fit", folder, "--model", tmp_path / "model.skops")
    assert status == 0, err
    return tmp_path / "model.skops", folder, paths


def add_broken_files(folder):
    """One readable file among others that each fail in a way of their own."""
    Path(folder, "text.png").write_text("no image")
    Path(folder, "empty.png").touch()
    Image.new("RGB", (5, 5)).save(Path(folder, "small.png"))
    return [os.path.join(folder, name) for name in ("empty.png", "small.png", "text.png")]


def no_leftovers(folder):
    return not [name for name in os.listdir(folder) if name.endswith(".part")]


# --- the command line itself --------------------------------------------------------------


@pytest.mark.parametrize("args", [["--help"], ["fit", "--help"], ["demo", "--help"]])
def test_help(ganprint, args):
    status, out, err = ganprint(*args)
    assert (status, err) == (0, "")
    assert "usage: ganprint" in out


def test_version(ganprint):
    assert ganprint("--version") == (0, f"ganprint {sklearn_ganprint.__version__}\n", "")


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ([], "COMMAND"),
        (["explain"], "explain"),
        (["fit", "x"], "--model"),
        (["fit", "x", "--model", "m", "--crop", "0x5"], "0x5"),
        (["fit", "x", "--model", "m", "--crop", "1x2x3"], "1x2x3"),
        (["fit", "x", "--model", "m", "--denoiser", "magic"], "magic"),
        (["fit", "x", "--model", "m", "--layout", "imagenet"], "imagenet"),
        (["fit", "x", "--model", "m", "--batch-size", "0"], "at least 1"),
        (["predict", "m", "x", "--jobs", "0"], "-1 for all"),
        (["predict", "m", "x", "--jobs", "two"], "whole number"),
        (["predict", "m"], "PATH"),
        (["info", "m", "--format", "xml"], "xml"),
        (["demo", "--seed", "-1"], "--seed"),
    ],
)
def test_wrong_arguments(ganprint, args, word):
    status, out, err = ganprint(*args)
    assert (status, out) == (2, "")
    assert word in err


@pytest.mark.parametrize(
    ("module", "args"),
    [
        ("rich", ["info", "m"]),
        ("skops", ["fit", "x", "--model", "m"]),
        ("skops", ["predict", "m", "x"]),
        ("matplotlib", ["demo"]),
        ("jinja2", ["demo"]),
    ],
)
def test_missing_packages(ganprint, monkeypatch, tmp_path, module, args):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)  # what an import of it then fails at
    status, out, err = ganprint(*args)
    assert (status, out) == (2, "")
    assert err == f"error: this command needs {module}: pip install 'sklearn_ganprint[cli]'\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("args", [["--debug", "info", "nope"], ["info", "nope", "--debug"]])
def test_debug_shows_the_traceback(ganprint, args):
    status, _, err = ganprint(*args)
    assert status == 2
    assert "Traceback" in err
    assert "Traceback" not in ganprint("info", "nope")[2]


def test_as_a_module(model):
    path, _, files = model
    run = subprocess.run(
        [*COMMAND, "predict", path, files[0], "--format", "json"], capture_output=True, check=True
    )
    assert json.loads(run.stdout)["results"][0]["source"] == "a"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("form", "n_files"), [("table", 1), ("csv", 1), ("json", 1), ("json", 24)])
def test_broken_pipe_is_quiet(model, form, n_files, unbuffered):
    path, _, files = model
    with subprocess.Popen(
        [*COMMAND, "predict", path, *files[:n_files], "--format", form],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141
    assert re.fullmatch(r"(attributing: \d+ of \d+\n)*", err)


def test_interrupt_leaves_nothing(tmp_path, image_folder):
    folder, *_ = image_folder(n_per_class=150, shape=(128, 128, 3))
    target = tmp_path / "target"
    target.mkdir()
    arguments = ["fit", folder, "--model", target / "m.skops", "--batch-size", "2"]
    with subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("fitting"):
                break
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    assert os.listdir(target) == []


# --- progress -----------------------------------------------------------------------------


def test_progress_in_a_log_is_ten_lines():
    stream = io.StringIO()
    with Messages(stream).progress("fitting") as update:
        for done in range(1, 1001):
            update(done, 1000)
    lines = stream.getvalue().splitlines()
    assert lines == [f"fitting: {done} of 1000" for done in range(100, 1001, 100)]


def test_progress_on_a_terminal_keeps_messages_apart():
    stream = Terminal()
    messages = Messages(stream)
    with messages.progress("fitting") as update:
        update(3, 10)
        messages.say("[red]file.png: is damaged")
        time.sleep(0.2)  # of the bar's own pace
    messages.say("done")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "[red]file.png: is damaged\n" in text
    assert "3/10" in text
    assert text.endswith("done\n")


# --- fit ----------------------------------------------------------------------------------


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


# --- predict ------------------------------------------------------------------------------


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


# --- info ---------------------------------------------------------------------------------


def test_info(model, ganprint):
    path, *_ = model
    status, out, err = ganprint("info", path, "--format", "json")
    document = json.loads(out)
    fitted = load_model(path).estimator_[-1]
    assert (status, err) == (0, "")
    assert document["package_version"] == sklearn_ganprint.__version__
    assert (document["crop"], document["anchor"], document["channels"]) == (
        [32, 32],
        "top-left",
        "rgb",
    )
    assert document["denoiser"]["name"] == "WaveletDenoiser"
    assert document["denoiser"]["sigma"] == 5.0
    assert document["sources"][1] == {
        "source": "b",
        "images": 8,
        "fingerprint_energy": fitted.energy_[1],
    }


def test_info_as_table_and_csv(model, ganprint):
    path, *_ = model
    table = ganprint("info", path)[1]
    assert re.search(r"^crop +32 x 32", table, re.MULTILINE)
    assert re.search(r"^denoiser +WaveletDenoiser\(.*sigma=5\.0", table, re.MULTILINE)
    assert re.search(r"^c +8 +\d+\.\d{4}", table, re.MULTILINE)
    rows = list(csv.DictReader(io.StringIO(ganprint("info", path, "--format", "csv")[1])))
    assert [(row["source"], row["images"]) for row in rows] == [("a", "8"), ("b", "8"), ("c", "8")]


# --- demo ---------------------------------------------------------------------------------


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


def test_demo_refuses_or_replaces(tmp_path, ganprint):
    mine, page = tmp_path / "notes.txt", tmp_path / "index.html"
    mine.write_text("mine")
    page.write_text("old")
    status, out, err = ganprint("demo", "--out", tmp_path)
    assert (status, out) == (2, "")
    assert "--force" in err
    assert page.read_text() == "old"
    status, out, _ = ganprint("demo", "--out", tmp_path, "--force", "--channels", "luminance")
    assert status == 0
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
    status, out, err = ganprint("demo", "--out", tmp_path, "--force", "--format", "csv")
    assert (status, out) == (2, "")
    assert "roc.png" in err
    assert not (tmp_path / "index.html").exists()
    assert no_leftovers(tmp_path)
