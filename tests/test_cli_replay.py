"""``ganprint replay``, as it is used, and cases that were tampered with."""

import io
import json
import os
import shutil
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sklearn_ganprint.cli import main


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a model, files that were judged, and the case made of them."""
    folder, rng = tmp_path_factory.mktemp("replay"), np.random.default_rng(0)
    patterns = rng.normal(scale=6, size=(3, 32, 32, 3))
    (folder / "asked").mkdir()
    for name, pattern in zip("abc", patterns, strict=True):
        (folder / "fit" / name).mkdir(parents=True)
        for index in range(9):
            image = 128 + pattern + rng.normal(scale=2, size=pattern.shape)
            place = "asked" if index == 8 else f"fit/{name}"
            image = Image.fromarray(image.clip(0, 255).round().astype(np.uint8))
            image.save(folder / place / f"{name}{index}.png")
    (folder / "asked" / "note.txt").write_text("no image")
    run("fit", folder / "fit", "--model", folder / "m.skops", "--kind", "fingerprint")
    words = ["--out", folder / "case", "--false-alarm", 0.1, "--stability", 3]
    run("predict", folder / "m.skops", folder / "asked", *words)
    return folder


def run(*words):
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as err:
        assert main(list(map(str, words))) in (0, 1), err.getvalue()


@pytest.fixture
def case(made, tmp_path):
    """A copy of the case, which may be changed."""
    return shutil.copytree(made / "case", tmp_path / "case")


@pytest.fixture
def files(made, tmp_path):
    """The folder of model and files, which are put back after they were changed."""
    kept = shutil.copytree(made, tmp_path / "kept")
    yield made
    shutil.rmtree(made)
    shutil.copytree(kept, made)


@pytest.fixture
def changes(ganprint):
    """Replay a case; return the exit status and what has changed, by what it is of."""

    def replay(case, *options):
        status, out, err = ganprint("replay", case, "--format", "json", *options)
        assert status in (0, 1), err
        document = json.loads(out)
        assert document["same"] is (status == 0) is (not document["changes"])
        return status, {(c["what"], Path(c["name"]).name): c for c in document["changes"]}

    return replay


@pytest.fixture
def edit(case):
    """Change the content of ``case.json``."""

    def write(change):
        path = case / "case.json"
        document = json.loads(path.read_text("utf-8"))
        change(document)
        path.write_text(json.dumps(document), "utf-8")

    return write


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_case_comes_out_the_same(case, ganprint, changes, jobs):
    assert changes(case, "--jobs", jobs) == (0, {})
    status, out, _ = ganprint("replay", case, "--jobs", jobs)
    assert status == 0 and "the case comes out the same" in out
    counts = {line.split()[0]: line.split()[1:] for line in out.splitlines()[2:7]}
    assert counts["model"] == ["1", "0"] and counts["images"] == counts["answers"] == ["4", "0"]


def test_a_verdict_comes_out_the_same(model, ganprint, changes, tmp_path):
    path, folder, _ = model
    assert (
        ganprint("verify", path, "b", folder, "--out", tmp_path / "v", "--false-alarm", 0.2)[0] == 0
    )
    assert changes(tmp_path / "v") == (0, {})


def test_an_image_that_has_changed_is_named(files, case, changes, ganprint):
    Image.new("RGB", (32, 32), "red").save(files / "asked/a8.png")
    (files / "asked/b8.png").unlink()
    status, found = changes(case)
    assert (status, set(found)) == (1, {("image", "a8.png"), ("image", "b8.png")})
    assert found["image", "b8.png"]["now"] == "missing"
    assert len(found["image", "a8.png"]["now"]) == 64
    digests = [found["image", name]["recorded"] for name in ("a8.png", "b8.png")]
    assert all(digest in ganprint("replay", case)[1] for digest in digests)


def test_a_model_that_has_changed_is_named(files, case, ganprint, changes):
    path = files / "m.skops"
    run("fit", files / "fit", "--model", path, "--force", "--fast")
    status, found = changes(case)
    assert (status, set(found)) == (1, {("model", "m.skops")})
    path.unlink()
    assert changes(case)[1]["model", "m.skops"]["now"] == "missing"
    assert "no file was judged again" in ganprint("replay", case)[1]


def test_a_version_that_has_changed_is_named(case, edit, changes):
    edit(lambda document: document["versions"].update(numpy="1.0", other="2"))
    status, found = changes(case)
    assert (status, set(found)) == (1, {("version", "numpy"), ("version", "other")})
    numpy = found["version", "numpy"]
    assert (numpy["recorded"], numpy["now"]) == ("1.0", version("numpy"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("source", "c"), ("p_value", 0.9), ("error", "none"), ("answer", "Made by c.")],
        *[("p_value", None), ("stability_answers", {"a": 10**300})],
    ],
)
def test_an_answer_that_has_changed_is_named(case, edit, changes, ganprint, key, value):
    edit(lambda document: document["images"][0].update({key: value}))
    status, found = changes(case)
    assert (status, set(found)) == (1, {("answer", "a8.png")})
    assert found["answer", "a8.png"]["key"] == key
    assert (
        key in ganprint("replay", case)[1] and key in ganprint("replay", case, "--format", "csv")[1]
    )


@pytest.mark.parametrize(
    ("part", "key"),
    [("settings", "log10_lr_bounds"), ("model", "notes"), ("model", "kind"), ("limits", None)],
)
def test_what_is_said_beside_the_answers_is_compared(case, edit, changes, part, key):
    def change(document):
        if key is None:
            document[part].pop()
        else:
            document[part][key] = "1.000"

    edit(change)
    status, found = changes(case)
    assert (status, set(found)) == (1, {("statement", part)})
    assert found["statement", part]["key"] == key


@pytest.mark.parametrize("key", ["contributions", "provenance", "bytes", "correlation"])
def test_what_else_is_said_of_an_image_is_compared(case, edit, changes, key):
    edit(lambda document: document["images"][0].update({key: "other"}))
    status, found = changes(case)
    assert (status, found["answer", "a8.png"]["key"]) == (1, key)


@pytest.mark.parametrize(("change", "status"), [(0.9e-4, 0), (1.2e-4, 1)])
def test_numbers_are_compared_up_to_rounding(case, edit, changes, change, status):
    def add(document):
        scores = document["images"][1]["scores"]
        scores["c"] += change

    edit(add)
    assert changes(case)[0] == status


TAMPERED = {
    "images": [{"images": None}, {"images": [3]}, {"images": [{"file": 3, "sha256": None}]}],
    "sha256": [{"images": [{"file": "a.png"}]}, {"model": {"model": "m", "sha256": 3}}],
    "command": [{"command": "fit"}, {"command": ["predict"]}],
    "schema_version": [{"schema_version": 2}, {"schema_version": None}],
    "false_alarm": [{"parameters": {"false_alarm": value}} for value in (2, "x", [0.1], -1)],
    "stability": [{"parameters": {"stability": value}} for value in (0, 1.5, {}, 10**9)],
    "source": [{"command": "verify"}],
}


@pytest.mark.parametrize(
    ("key", "change"), [(key, change) for key, many in TAMPERED.items() for change in many]
)
def test_a_case_that_was_tampered_with_is_refused(case, edit, ganprint, key, change):
    edit(lambda document: document.update(change))
    status, out, err = ganprint("replay", case)
    assert (status, out) == (2, "")
    assert key in err and "case.json" in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[1]",
        b'{"a": 1',
        b"1" * 5000,
        b"null",
        b"[NaN]",
        b"[1e400]",
    ],
)
def test_what_is_no_case_is_refused(case, ganprint, content):
    (case / "case.json").write_bytes(content)
    status, out, err = ganprint("replay", case)
    assert (status, out) == (2, "") and "case.json" in err and "unexpected" not in err


def test_parameters_are_taken_as_the_command_line_takes_them(case, edit, changes):
    edit(lambda document: document["parameters"].update(false_alarm="0.1", stability="3"))
    assert changes(case) == (0, {})


def test_paths_in_a_case_open_files_alone(case, edit, changes):
    os.mkfifo(case / "pipe")
    names = ["/dev/zero", str(case / "pipe"), str(case), "a\0b", "x" * 5000, "\udcff"]
    edit(lambda d: d.update(images=[{"file": name, "sha256": "0" * 64} for name in names]))
    status, found = changes(case)
    assert status == 1 and len(found) == len(names)
    assert {change["now"] for change in found.values()} == {"missing"}


def test_a_folder_without_a_case(tmp_path, capsys):
    assert main(["replay", str(tmp_path)]) == 2
    assert (
        "there is no such file; expected a folder from `ganprint predict" in capsys.readouterr().err
    )


def test_what_is_missing_of_an_answer_is_named(case, edit, changes):
    edit(lambda document: document["images"][0].pop("p_value"))
    status, found = changes(case)
    assert (status, set(found)) == (1, {("answer", "a8.png")})
    assert found["answer", "a8.png"]["key"] == "p_value"
