"""``ganprint audit``, as it is used, and the part of it that ``fit`` does."""

import csv
import io
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import COMMAND, add_broken_files, killed_while_writing, no_leftovers
from PIL import Image

from sklearn_ganprint.datasets import load_image_folder
from sklearn_ganprint.experiments import audit_attribution

CONTROLS = [
    "attribution",
    "file properties",
    "equal histories",
    "compression shown",
    "shrunk",
    "denoised",
    "permuted labels",
]


def write_images(folder, name):
    """Three sources of eight images each, none of which is like another."""
    rng = np.random.default_rng(0)
    for number in range(24):
        label = "abc"[number // 8]
        content = Image.fromarray(rng.integers(40, 210, (6, 6, 3), dtype=np.uint8))
        noise = rng.normal(0, 3, (32, 32, 3))
        noise += np.roll(noise, 1 + "abc".index(label), axis=1)
        values = np.asarray(content.resize((32, 32), Image.Resampling.BICUBIC)) + noise
        (folder / label).mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
        image.save(folder / label / f"{name(number)}.png")
    return folder


@pytest.fixture
def folder(tmp_path):
    """Sources whose files are numbered on, so that none has the name of another."""
    return write_images(tmp_path / "sources", "{:03d}".format)


@pytest.fixture
def numbered(tmp_path):
    """Sources whose files are numbered alike."""
    return write_images(tmp_path / "sources", lambda number: number % 8)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_json_has_what_the_function_finds(folder, ganprint):
    status, out, err = ganprint("audit", folder, "--seed", 3, "--format", "json")
    assert status == 0 and "warning" not in err
    document = json.loads(out)
    bunch = load_image_folder(folder, load_content=False)
    expected = audit_attribution(bunch.filenames, bunch.target, random_state=3).to_dict()
    assert document["controls"] == expected["controls"]
    assert [row["control"] for row in document["controls"]] == CONTROLS
    assert (document["crop"], document["seed"], document["groups"]) == ([32, 32], 3, None)
    assert document["verdict"] == document["findings"][0]
    assert document["classes"] == {"a": 8, "b": 8, "c": 8}
    assert document["warnings"] == document["failures"] == []


def test_the_page_is_what_is_shown_and_groups_are_written_beside_it(numbered, tmp_path, ganprint):
    page, groups = tmp_path / "audit.txt", tmp_path / "groups.csv"
    options = ("--out", page, "--csv", groups, "--jobs", 2, "--batch-size", 5)
    status, out, err = ganprint("audit", numbered, *options)
    assert status == 0
    assert f"saved {page}" in err and f"saved {groups}" in err
    text = page.read_text("utf-8")
    assert text.startswith("ganprint audit ") and text.endswith(out)
    assert len(re.findall("^verdict: ", out, re.MULTILINE)) == 1
    assert re.search(
        r"24 of 24 images share a name with one of another class, such as '0', and look no more "
        r"alike than others; kept together, attribution is [01]\.\d\d(,| in place) .*--groups name",
        out,
    )
    rows = rows_of(groups.read_text("utf-8"))
    assert {(row["label"], os.path.dirname(row["path"])) for row in rows} == {
        (label, str(numbered / label)) for label in "abc"
    }
    stems = {Path(row["path"]).stem: row["group"] for row in rows}
    assert len(rows) == 24 and len(set(stems.values())) == 8
    assert all(row["group"] == stems[Path(row["path"]).stem] for row in rows)
    # The file stands for the folder, and nothing is left to be said of names.
    status, out, err = ganprint("audit", groups, "--format", "csv")
    assert status == 0 and [row["control"] for row in rows_of(out)] == CONTROLS


def test_groups_by_name_are_kept_together(numbered, ganprint):
    status, out, err = ganprint("audit", numbered, "--groups", "name", "--format", "csv")
    assert status == 0
    assert [row["control"] for row in rows_of(out)] == CONTROLS
    assert all(row["low"] <= row["accuracy"] <= row["high"] for row in rows_of(out))


def test_two_reports_go_to_two_files(folder, tmp_path, ganprint):
    status, out, err = ganprint("audit", folder, "--out", tmp_path / "a", "--csv", tmp_path / "a")
    assert (status, out) == (2, "") and "--out writes the same file" in err
    assert not (tmp_path / "a").exists()


def test_bad_files_are_named_and_left_out(folder, tmp_path, ganprint):
    damaged = sorted((folder / "b").iterdir())[2]
    damaged.write_bytes(damaged.read_bytes()[:-200])  # its header is whole
    broken = [*add_broken_files(folder / "a"), str(damaged)]
    groups = tmp_path / "groups.csv"
    options = ("--crop", 32, "--csv", groups, "--format", "json")
    status, out, err = ganprint("audit", folder, *options)
    document = json.loads(out)
    assert status == 1 and "4 could not be used; all others were" in err
    assert [failure["file"] for failure in document["failures"]] == broken
    assert all(err.count(name) == 1 for name in broken)
    assert document["classes"] == {"a": 8, "b": 7, "c": 8}
    written = {row["path"] for row in rows_of(groups.read_text("utf-8"))}
    assert len(written) == 23 and written.isdisjoint(broken)


def test_files_that_exist_are_left_alone(folder, tmp_path, ganprint):
    page = tmp_path / "audit.txt"
    page.write_text("mine")
    for option in ("--out", "--csv"):
        status, out, err = ganprint("audit", folder, option, page)
        assert (status, out) == (2, "")
        assert f"{option} {page}: the file exists; --force replaces it" in err
    assert page.read_text() == "mine"
    killed_while_writing(page)
    assert ganprint("audit", folder, "--out", page, "--force")[0] == 0
    assert "verdict: " in page.read_text("utf-8") and no_leftovers(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "expected a folder"),
        (["{folder}", "--out", "{folder}"], "this is a folder"),
        (["{folder}", "--out", "{folder}/x/y.txt"], "there is no folder"),
        (["{folder}", "--crop", "64"], "expected usable images of at least two labels"),
        (["{folder}/a"], "expected one folder per label"),
        (["{folder}", "--seed", "-1"], "from 0 to 2**32 - 1"),
    ],
)
def test_wrong_use_is_told(arguments, words, folder, ganprint):
    status, out, err = ganprint("audit", *(text.format(folder=folder) for text in arguments))
    assert (status, out) == (2, "")
    assert words in err


def test_sources_of_one_image_are_too_few(folder, ganprint):
    for path in sorted((folder / "a").iterdir())[1:]:
        path.unlink()
    status, out, err = ganprint("audit", folder)
    assert (status, out) == (2, "") and "at least 4 images of each class" in err


def test_an_interruption_leaves_nothing(tmp_path, image_folder):
    folder, *_ = image_folder(n_per_class=60, shape=(96, 96, 3))
    arguments = ["audit", folder, "--out", tmp_path / "audit.txt", "--batch-size", "2"]
    with subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("auditing"):
                break
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
    assert process.returncode == 130 and err.endswith("interrupted\n")
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == ["sources"]


def quick_line(err):
    (line,) = (line for line in err.splitlines() if line.startswith("quick audit: "))
    return line


def test_fit_says_what_a_quick_audit_finds(numbered, tmp_path, fit):
    line = quick_line(fit(numbered, tmp_path / "m")[2])
    assert "24 of 24 images share a name with one of another class, such as '0'" in line
    assert "`ganprint audit`" in line
    by_name = quick_line(fit(numbered, tmp_path / "m", "--force", "--groups", "name")[2])
    assert "found nothing more" in by_name


def test_fit_does_not_say_twice_what_files_differ_in(folder, tmp_path, fit):
    for path in sorted((folder / "a").iterdir()):
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    status, out, err = fit(folder, tmp_path / "m")
    assert status == 0 and err.count("warning: format: 'a' is BMP") == 1
    assert "file properties" not in quick_line(err)


def test_fit_names_images_of_several_sources(tmp_path, fit):
    rng = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / "x" / label).mkdir(parents=True)
        for number in range(8):
            image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
            image.save(tmp_path / "x" / label / f"{label}{number}.png")
    assert "found nothing more" in quick_line(fit(tmp_path / "x", tmp_path / "m")[2])
    image.putpixel((0, 0), (0, 0, 0))
    image.save(tmp_path / "x" / "a" / "version.png")
    line = quick_line(fit(tmp_path / "x", tmp_path / "m", "--force")[2])
    assert "2 of 17 images that were looked at are nearly like one of another class" in line
