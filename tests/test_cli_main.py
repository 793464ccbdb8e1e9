"""The command line itself: arguments, exit status, errors."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import COMMAND

import sklearn_ganprint

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    "args", [["--help"], ["fit", "--help"], ["cluster", "--help"], ["compare", "--help"]]
)
def test_help(ganprint, args):
    status, out, err = ganprint(*args)
    assert (status, err) == (0, "")
    assert "usage: ganprint" in out


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_waits_for_no_other_package(tmp_path, word):
    for name in ("joblib", "matplotlib", "numpy", "rich", "scipy", "sklearn"):
        (tmp_path / f"{name}.py").write_text("raise ImportError")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run([*COMMAND, word], capture_output=True, env=environment, text=True)
    assert (run.returncode, run.stderr) == (0, "")


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
        (["fit", "x", "--model", "m", "--kind", "magic"], "magic"),
        (["fit", "x", "--model", "m", "--groups", "folder"], "folder"),
        (["predict", "m"], "PATH"),
        (["predict", "m", "x", "--false-alarm", "0"], "between 0 and 1"),
        (["verify", "m", "a", "x", "--false-alarm", "1"], "between 0 and 1"),
        (["verify", "m", "a", "x", "--false-alarm", "nan"], "between 0 and 1"),
        (["verify", "m", "a", "x", "--false-alarm", "1%"], "'1%'"),
        (["verify", "m", "a"], "PATH"),
        (["evaluate", "m"], "DIR_OR_CSV"),
        (["evaluate", "m", "x", "--coverage", "1"], "a coverage between 0 and 1"),
        (["evaluate", "m", "x", "--layout", "imagenet"], "imagenet"),
        (["info", "m", "--format", "xml"], "xml"),
        (["cluster"], "PATH"),
        (["cluster", "x", "--clusters", "0"], "at least 1"),
        (["localize", "m"], "PATH"),
        (["localize", "m", "x", "--false-alarm", "2"], "between 0 and 1"),
        (["compare"], "A"),
        (["compare", "a", "b", "--trim", "-1"], "at least 0"),
        (["compare", "a", "b", "c"], "c"),
        (["demo", "--seed", "-1"], "--seed"),
    ],
)
def test_wrong_arguments(ganprint, args, word):
    status, out, err = ganprint(*args)
    assert (status, out) == (2, "")
    assert word in err


@pytest.mark.parametrize(
    ("args", "command"),
    [
        (["predict", "m", "x", "--crop", "9"], "predict"),
        (["fit", "x", "--model", "m", "--modle", "m"], "fit"),
        (["compare", "a", "b", "c"], "compare"),
        (["reproduce", "x", "--out", "o", "--\x1b[31m"], "reproduce"),
    ],
)
def test_usage_of_the_command_that_was_called(ganprint, args, command):
    status, _, err = ganprint(*args)
    assert status == 2
    assert err.startswith(f"usage: ganprint {command} [-h]")
    assert f"ganprint {command}: error: unrecognized arguments: " in err and "\x1b" not in err


@pytest.mark.parametrize(
    ("module", "args"),
    [
        ("rich", ["info", "m"]),
        ("skops", ["fit", "x", "--model", "m"]),
        ("skops", ["predict", "m", "x"]),
        ("skops", ["verify", "m", "a", "x"]),
        ("skops", ["evaluate", "m", "x"]),
        ("matplotlib", ["demo"]),
        ("jinja2", ["cluster", "x"]),
        ("skops", ["localize", "m", "x"]),
        ("skops", ["compare", "a", "b"]),
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
        [*COMMAND, "predict", path, *files[:n_files], "--format", form, "--false-alarm", "0.1"],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141
    assert re.fullmatch(r"(attributing: \d+ of \d+\n)*", err)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device here")
@pytest.mark.parametrize("words", [["--version"], ["info", "MODEL"]])
def test_a_full_disk_behind_stdout_is_one_line(words):
    saved = Path(__file__).parent / "models" / "paper_closed.skops"
    words = [str(saved) if word == "MODEL" else word for word in words]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )
    assert done.returncode == 2
    *warnings, error = done.stderr.splitlines()
    assert re.fullmatch("error: .*No space left on device", error)
    assert all("was written with scikit-learn" in line for line in warnings)


def test_interrupt_leaves_nothing(tmp_path, image_folder):
    folder, *_ = image_folder(n_per_class=150, shape=(128, 128, 3))
    target = tmp_path / "target"
    target.mkdir()
    arguments = ["fit", folder, "--model", target / "m.skops", "--fast", "--batch-size", "2"]
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
