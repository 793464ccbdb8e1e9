"""Names and files that nobody expects, through every command."""

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import COMMAND
from PIL import Image

from sklearn_ganprint import FileBatchEstimator
from sklearn_ganprint.datasets import load_image_folder

#: Sources that a spreadsheet runs, that turn text around, and that steer a terminal.
SOURCES = ("=1+1", "b\u202eb", "c\x1b[31m\udce9 \x9b")

LONG = ("x" * 250 + ".png", "\N{GRINNING FACE}" * 62 + "ab.png")


def unseen(text):
    """Control and format characters in a text, but for line ends."""
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"}


@pytest.fixture
def hostile(image_folder):
    """A folder of such sources; the last has files of long names, and one of 16-bit grey."""
    folder, paths, _ = image_folder(n_per_class=8, labels=SOURCES, shape=(64, 64, 3))
    for path, name in zip(paths[-3:-1], LONG, strict=True):
        os.rename(path, os.path.join(os.path.dirname(path), name))
    grey = np.asarray(Image.open(paths[-1]).convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(paths[-1])
    return folder


@pytest.fixture
def arguments(hostile, tmp_path, ganprint):
    """Arguments of each command that writes a page."""

    def make(command):
        model = tmp_path / "m.skops"
        if command == "localize":
            assert ganprint("fit", hostile, "--model", model, "--task", "localize")[0] == 0
            return [model, hostile, "--masks"]
        if command in ("predict", "verify"):
            assert ganprint("fit", hostile, "--model", model, "--kind", "fingerprint")[0] == 0
            return [model, *[SOURCES[1]] * (command == "verify"), hostile, "--stability", 2]
        fast = ("--n-robustness", "0", "--denoiser", "gaussian")
        return {"cluster": [hostile], "compare": [hostile], "reproduce": [hostile, *fast]}[command]

    return make


@pytest.mark.parametrize(
    "command", ["cluster", "compare", "localize", "predict", "reproduce", "verify"]
)
def test_pages_of_any_names_and_files(arguments, ganprint, tmp_path, command):
    out = tmp_path / "out"
    status, text, err = ganprint(command, *arguments(command), "--out", out)
    assert status == 0, err
    assert not unseen(text) and not unseen(err)
    page = (out / "index.html").read_text("utf-8")
    assert not unseen(page)
    pictures = re.findall(r'src="([^"]+)"', page)
    assert len(pictures) > 5 and all((out / name).is_file() for name in pictures)
    for path in out.glob("**/*.csv"):
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
        assert not any(cell.startswith(("=", "+", "@")) for cell in cells)


def test_files_that_vanish_after_they_were_clustered(hostile, ganprint, tmp_path, monkeypatch):
    fit = FileBatchEstimator.fit

    def vanish(self, X, *args, **params):
        fitted = fit(self, X, *args, **params)
        for file in X[1:]:
            Path(file).unlink()
        return fitted

    monkeypatch.setattr(FileBatchEstimator, "fit", vanish)
    status, _, err = ganprint("cluster", hostile, "--out", tmp_path / "out")
    assert status == 0, err
    assert "there is no picture of it" in err
    pictures = re.findall(r'src="([^"]+)"', (tmp_path / "out/index.html").read_text("utf-8"))
    assert all((tmp_path / "out" / name).is_file() for name in pictures)


def test_clusters_of_any_names_are_fitted_on(hostile, ganprint, fit, tmp_path):
    odd = [" x ", "\u00a0y\t", 'a"b,c', "l\r\ni\rn\ne", "'=1", "\udcff", "-x", "\u2028", "z;\ufeff"]
    for path, name in zip(sorted(hostile.glob("*/00*.png")), odd, strict=False):
        path.rename(path.with_name(name))
    listed = tmp_path / "list.csv"
    assert ganprint("cluster", hostile, "--clusters", 2, "--csv", listed)[0] == 0
    names = set(load_image_folder(listed).filenames)
    assert names <= {str(path) for path in hostile.glob("*/*")} and len(names) > 12
    status, out, _ = fit(listed, tmp_path / "m.skops", "--format", "json")
    assert status == 0 and sum(row["images"] for row in json.loads(out)["sources"]) == len(names)


@pytest.fixture
def on_terminal(tmp_path):
    """Run commands in a process whose output is a terminal; return what it shows."""

    def run(*commands):
        script = "import sys, json\nfrom sklearn_ganprint.cli import main\n"
        script += "for each in json.loads(sys.argv[1]): main(each)"
        reader, writer = pty.openpty()
        shown = [sys.executable, "-c", script, json.dumps(commands)]
        environment = {**os.environ, "TERM": "dumb", "COLUMNS": "500"}
        with subprocess.Popen(shown, stdout=writer, stderr=writer, env=environment) as process:
            os.close(writer)
            content = b""
            while chunk := read_terminal(reader):
                content += chunk
        os.close(reader)
        assert process.returncode == 0
        return content.decode("utf-8").replace("\r\n", "\n")

    return run


def read_terminal(reader):
    try:
        return os.read(reader, 1 << 16)
    except OSError:  # how Linux says that the other end was closed
        return b""


def test_a_terminal_gets_no_name_as_it_is(hostile, fit, tmp_path, on_terminal):
    assert fit(hostile, tmp_path / "m.skops")[0] == 0
    model, files = str(tmp_path / "m.skops"), str(hostile)
    predict = ["predict", model, files, "--false-alarm", "0.1", "--format"]
    forms = [[*predict, form] for form in ("table", "csv", "json", "spreadsheet")]
    forms.append(["evaluate", model, files])
    text = on_terminal(*forms, ["verify", model, SOURCES[1], files], ["predict", model, "\x9bno"])
    steering = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)  # of progress bars
    assert not unseen(steering)
    assert text.count(r"c\x1b[31m\xe9 ") > 30 and r"c\u001b[31m\udce9 " in text
    assert r"\x9bno" in text and r"b\u202eb" in text


def test_a_program_gets_every_name_as_it_is(hostile, fit, tmp_path):
    assert fit(hostile, tmp_path / "m.skops")[0] == 0
    expected = sorted(str(path) for path in hostile.glob("*/*"))
    for form, encoding in (("csv", "surrogateescape"), ("json", "strict")):
        predict = [*COMMAND, "predict", tmp_path / "m.skops", hostile, "--format", form]
        text = subprocess.run(predict, capture_output=True, check=True).stdout
        text = text.decode("utf-8", encoding)
        table = csv.DictReader(io.StringIO(text, newline=""))
        rows = json.loads(text)["results"] if form == "json" else list(table)
        assert sorted(row["file"] for row in rows) == expected
        assert {row["nearest"] for row in rows} == set(SOURCES)


def test_sources_of_any_names_are_evaluated(hostile, fit, ganprint, tmp_path):
    assert fit(hostile, tmp_path / "m.skops")[0] == 0
    evaluate = ["evaluate", tmp_path / "m.skops", hostile, "--format"]
    found = json.loads(ganprint(*evaluate, "json")[1])
    assert {source["name"] for source in found["sources"]} == set(SOURCES)
    assert sorted(found["confusion"]) == sorted(SOURCES)
    assert found["all"]["known"]["images"] == 24 and found["all"]["unknown"] is None
    status, out, err = ganprint(*evaluate, "table")
    assert status == 0 and not unseen(out) and not unseen(err)
    spreadsheet = [*COMMAND, *evaluate, "spreadsheet"]
    text = subprocess.run(spreadsheet, capture_output=True, check=True).stdout
    rows = csv.DictReader(io.StringIO(text.decode("utf-8", "surrogateescape"), newline=""))
    assert {row["name"] for row in rows if row["by"] == "source"} == {"'=1+1", *SOURCES[1:]}


@pytest.mark.parametrize(("form", "cell"), [("csv", "=1+1"), ("spreadsheet", "'=1+1")])
def test_the_form_for_spreadsheets(image_folder, fit, ganprint, tmp_path, form, cell):
    folder, *_ = image_folder(labels=("=1+1", "b"), strength=2)
    status, out, _ = fit(folder, tmp_path / "m.skops", "--format", form)
    assert status == 0 and out.splitlines()[1].startswith(f"{cell},8,0,PNG,")
    rows = ganprint("info", tmp_path / "m.skops", "--format", form)[1].splitlines()
    assert rows[1].startswith(f"{cell},8,")


def test_a_source_called_unknown(image_folder, fit, ganprint, foreign, tmp_path):
    folder, paths, _ = image_folder(labels=("unknown", "b"), n_per_class=12)
    status, _, err = fit(folder, tmp_path / "m.skops")
    assert status == 0 and "'none of these'" in err
    predict = ["predict", tmp_path / "m.skops", "--false-alarm", "0.1", "--format", "json"]
    document = json.loads(ganprint(*predict, *foreign, *paths)[1])
    found = [row["source"] for row in document["results"]]
    assert document["unknown_label"] == "none of these"
    assert found[:8].count("none of these") > 5 and found[8:].count("unknown") > 8


@pytest.mark.parametrize("command", ["predict", "verify"])
def test_what_is_said_where_no_file_could_be_used(model, ganprint, tmp_path, command):
    path, *_ = model
    for index in range(3):
        Image.new("RGB", (9, 9)).save(tmp_path / f"{index}.png")
    source = ["a"] if command == "verify" else []
    files = [tmp_path / f"{index}.png" for index in range(3)]
    status, _, err = ganprint(command, path, *source, *files)
    assert status == 1 and err.endswith("3 could not be used; there were no others\n")
    assert "all others" not in err and "set a smaller crop" not in err
    assert "(9, 9) is smaller than crop=(32, 32)" in err


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_sources_are_found_however_they_are_spelt(image_folder, fit, ganprint, tmp_path, form):
    folder, paths, _ = image_folder(labels=(unicodedata.normalize("NFD", "é"), "b"))
    assert fit(folder, tmp_path / "m.skops")[0] == 0
    source = unicodedata.normalize(form, "é")
    status, out, err = ganprint("verify", tmp_path / "m.skops", source, paths[0])
    assert status == 0, err
    document = json.loads(ganprint("predict", tmp_path / "m.skops", folder, "--format", "json")[1])
    assert len(document["results"]) == 16
