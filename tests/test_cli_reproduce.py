"""``ganprint reproduce``, as it is used."""

import csv
import io
import json
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli_helpers import COMMAND, add_broken_files, check_json, no_leftovers
from matplotlib.figure import Figure
from PIL import Image

from sklearn_ganprint import ResidualTransformer

FAST = ("--n-robustness", "0", "--denoiser", "gaussian")


@pytest.fixture
def undrawn(monkeypatch):
    """Leave pictures empty where nobody looks at them: to draw them takes most of the time."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **params: file.write(b"drawn"))


class Page(HTMLParser):
    """The links of a page, and the text that a reader sees."""

    def __init__(self, path):
        super().__init__()
        self.links, self.text = [], ""
        self.feed(Path(path).read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        self.text += " ".join(data.split()) + " "


def test_writes_a_page_with_all_that_it_shows(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder(labels=("star/x", "star/y", "pro/z"), n_per_class=10)
    out = tmp_path / "out"
    status, text, err = ganprint("reproduce", folder, "--out", out, "--n-robustness", "2")
    assert status == 0, err
    assert "accuracy" in text and "pro" in text
    assert "largest source: 0.333" in text and "chance" not in text
    page = Page(out / "index.html")
    files = {link for link in page.links if not link.startswith("#")}
    assert len(files) > 50
    assert not [link for link in files if not (out / link).is_file()]
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    ids = set(re.findall(r'id="(\w+)"', (out / "index.html").read_text("utf-8")))
    assert anchors <= ids
    for words in ("30 images", "3 sources", "Fig. 8", "2 star", "90.3 %", "mean of 5 residuals"):
        assert words in page.text
    assert sorted(os.listdir(out)) == ["figures", "index.html", "results.json", "tables"]
    assert no_leftovers(out) and no_leftovers(out / "figures")


@pytest.mark.usefixtures("undrawn")
def test_study_and_controls(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder(labels=("star/x", "star/y", "pro/z"), n_per_class=10)
    out = tmp_path / "out"
    status, _, err = ganprint("reproduce", folder, "--out", out, "--study", "--controls", *FAST)
    assert status == 0, err
    page = Page(out / "index.html")
    files = [link for link in page.links if not link.startswith("#")]
    assert not [link for link in files if not (out / link).is_file()]
    assert {"#sizes", "#dependence", "#controls"} <= set(page.links)
    for words in ("another seed", "permuted labels", "By architecture", "32 px"):
        assert words in page.text
    document = json.loads((out / "results.json").read_text("utf-8"))
    check_json("results", document)
    for name in ("sizes", "dependence", "controls", "architectures"):
        assert document[name] and (out / "tables" / f"{name}.csv").is_file()


def test_pictures_come_in_both_formats_and_open(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder(labels=("a b", "a_b"))
    status, _, err = ganprint("reproduce", folder, "--out", tmp_path / "out", *FAST)
    assert status == 0, err
    figures = tmp_path / "out" / "figures"
    names = sorted(path.stem for path in figures.glob("*.png"))
    assert names == sorted(path.stem for path in figures.glob("*.svg"))
    # Two sources whose names look alike in a file's name, of which neither is lost.
    assert sum(name.startswith("energy-") for name in names) == 2
    for path in figures.glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 200
            image.verify()


@pytest.mark.usefixtures("undrawn")
def test_prints_json_that_equals_the_file(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder()
    args = ("--out", tmp_path / "out", "--format", "json", *FAST)
    status, text, _ = ganprint("reproduce", folder, *args)
    document = json.loads(text)
    assert status == 0
    assert document.pop("report") == str(tmp_path / "out" / "index.html")
    del document["schema_version"]
    assert document == json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert document["robustness"] is None
    assert [each["n_fit"] for each in document["sources"]] == [4, 4, 4]


@pytest.mark.usefixtures("undrawn")
def test_takes_its_options(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder(n_per_class=9)
    families = tmp_path / "families.csv"
    families.write_text("source,architecture\na,Pro\nb,Star\nc,camera\n")
    status, text, err = ganprint(
        *("reproduce", folder, "--out", tmp_path / "out", "--format", "csv", *FAST),
        *("--architectures", families, "--n-fit", "3", "--n-test", "4", "--jpeg", "60"),
        *("--crop", "24", "--channels", "luminance", "--seed", "3", "--jobs", "2"),
    )
    assert status == 0, err
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["architecture"], row["n_fit"], row["n_test"]) for row in rows] == [
        ("Pro", "3", "4"),
        ("Star", "3", "4"),
        ("camera", "3", "4"),
    ]
    page = Page(tmp_path / "out" / "index.html")
    assert "24 × 24 pixels, cut at the top left from images of 32 × 32" in page.text
    assert "The images of a, b were compressed at quality 60." in page.text
    assert "one fingerprint, of the luminance" in page.text


@pytest.mark.usefixtures("undrawn")
def test_groups_by_name_stay_on_one_side(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder(n_per_class=10)
    for index, path in enumerate(sorted(folder.rglob("*.png"))):
        path.rename(path.with_name(f"scene{index % 10}.png"))
    out = tmp_path / "out"
    status, *_ = ganprint("reproduce", folder, "--out", out, "--groups", "name", *FAST)
    assert status == 0
    assert "are on one side only" in Page(out / "index.html").text


@pytest.mark.usefixtures("undrawn")
def test_names_what_failed_and_uses_the_rest(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder(n_per_class=10)
    broken = add_broken_files(folder / "b")
    out = tmp_path / "out"
    status, _, err = ganprint("reproduce", folder, "--out", out, *FAST)
    assert status == 1
    assert all(f"{path}: " in err for path in broken[::2])
    assert (out / "index.html").is_file()


@pytest.mark.usefixtures("undrawn")
def test_goes_on_after_an_interruption(tmp_path, image_folder, ganprint, monkeypatch):
    folder, *_ = image_folder(n_per_class=10)
    out = tmp_path / "out"
    transform, calls = ResidualTransformer.transform, []

    def interrupted(self, X):
        calls.append(X)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return transform(self, X)

    monkeypatch.setattr(ResidualTransformer, "transform", interrupted)
    status, text, err = ganprint("reproduce", folder, "--out", out, *FAST)
    assert (status, text) == (130, "") and "interrupted" in err
    assert sorted(os.listdir(out)) == ["parts"]
    monkeypatch.setattr(ResidualTransformer, "transform", transform)
    status, _, err = ganprint("reproduce", folder, "--out", out, "--seed", "1", *FAST)
    assert status == 2 and "other settings (images, random_state)" in err
    status, first, err = ganprint("reproduce", folder, "--out", out, "--format", "json", *FAST)
    assert status == 0 and "going on" in err
    again = ("--out", tmp_path / "again", "--format", "json", *FAST)
    _, second, _ = ganprint("reproduce", folder, *again)
    documents = [json.loads(text) for text in (first, second)]
    for document in documents:
        del document["report"]
    assert documents[0] == documents[1]


@pytest.mark.usefixtures("undrawn")
def test_draws_no_figure_twice_after_an_interruption(tmp_path, image_folder, ganprint, monkeypatch):
    folder, *_ = image_folder(labels=("a", "b"))
    out = tmp_path / "out"
    drawn, savefig = [], Figure.savefig

    def interrupted(figure, file, **params):
        if params.get("format") == "png":
            drawn.append(figure)
            if len(drawn) == 5:
                raise KeyboardInterrupt
        return savefig(figure, file, **params)

    monkeypatch.setattr(Figure, "savefig", interrupted)
    assert ganprint("reproduce", folder, "--out", out, *FAST)[0] == 130
    assert ganprint("reproduce", folder, "--out", out, *FAST)[0] == 0
    n_figures = len(list((out / "figures").glob("*.png")))
    assert len(drawn) == n_figures + 1
    assert len(list((out / "figures").glob("*.svg"))) == n_figures > 5


@pytest.mark.usefixtures("undrawn")
def test_overwrites_nothing_unless_forced(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder()
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    status, text, err = ganprint("reproduce", folder, "--out", out, *FAST)
    assert (status, text) == (2, "") and "not empty" in err and "--force" in err
    assert os.listdir(out) == ["notes.txt"]
    status, *_ = ganprint("reproduce", folder, "--out", out, "--force", *FAST)
    assert status == 0 and (out / "notes.txt").read_text() == "mine"
    status, _, err = ganprint("reproduce", folder, "--out", out, *FAST)
    assert status == 2 and "not empty" in err


def test_out_that_cannot_be_written(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder(n_per_class=2)
    (tmp_path / "file").write_text("x")
    status, _, err = ganprint("reproduce", folder, "--out", tmp_path / "file")
    assert status == 2 and "expected a folder, this is a file" in err
    status, _, err = ganprint("reproduce", folder, "--out", "/proc/nowhere")
    assert status == 2 and "--out /proc/nowhere: cannot be written to" in err


@pytest.mark.parametrize(
    ("labels", "options", "words"),
    [
        (("a", "b"), ("--n-fit", "512"), r"513 images a source or more.*\{'a': 8, 'b': 8\}"),
        (("a",), (), "at least two labels"),
        (("a", "b"), ("--crop", "64"), "smaller than crop"),
        (("a", "b"), ("--layout", "genimage"), "expected"),
    ],
)
def test_images_that_do_not_do(tmp_path, image_folder, ganprint, labels, options, words):
    folder, *_ = image_folder(labels=labels)
    status, text, err = ganprint("reproduce", folder, "--out", tmp_path / "out", *options)
    assert (status, text) == (2, "")
    assert re.search(words, err.splitlines()[-1])


@pytest.mark.usefixtures("undrawn")
def test_sizes_that_differ_are_said(tmp_path, image_folder, ganprint):
    folder, *_ = image_folder(labels=("a", "b"))
    for path in (folder / "b").iterdir():
        Image.open(path).resize((48, 40)).save(path)
    out = tmp_path / "out"
    status, _, err = ganprint("reproduce", folder, "--out", out, *FAST)
    assert status == 0
    warning = "size: 'a' is 32 x 32 (8 of 8), 'b' is 48 x 40 (8 of 8)"
    assert warning in err and warning in Page(out / "index.html").text


def test_a_source_of_copies_is_refused(tmp_path, image_folder, ganprint):
    folder, paths, _ = image_folder(labels=("a", "b"))
    for path in paths[1:8]:
        Path(path).write_bytes(Path(paths[0]).read_bytes())
    status, _, err = ganprint("reproduce", folder, "--out", tmp_path / "out", *FAST)
    assert status == 2 and "images of 'a'" in err


def test_in_a_process_of_its_own(tmp_path, image_folder):
    folder, *_ = image_folder(labels=("a", "b"))
    command = [*COMMAND, "reproduce", str(folder), "--out", str(tmp_path / "out"), *FAST]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert f"ganprint reproduce {folder}" in Page(tmp_path / "out" / "index.html").text
