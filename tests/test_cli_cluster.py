"""``ganprint cluster``, as it is used."""

import csv
import io
import json
import os
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import COMMAND, add_broken_files, no_leftovers
from PIL import Image

from sklearn_ganprint.datasets import load_image_folder


@pytest.fixture
def heap(tmp_path):
    """Noise of two kinds in one folder: 20 rough images, and 14 that are smoothed a little."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "heap"
    (folder / "deep").mkdir(parents=True)
    for index in range(34):
        image = rng.normal(128, 12, (64, 64, 3))
        if index >= 20:
            image = (image + np.roll(image, 1, axis=1)) / 2**0.5 - 53
        path = folder / f"{index:02d}.png" if index % 2 else folder / "deep" / f"{index:02d}.png"
        Image.fromarray(image.clip(0, 255).round().astype(np.uint8)).save(path)
    return folder


def kind(path):
    return "smooth" if int(Path(path).stem) >= 20 else "rough"


def test_cluster_finds_the_sources(heap, ganprint):
    status, out, err = ganprint("cluster", heap)
    lines = [line.split() for line in out.splitlines()]
    assert status == 0
    assert lines[2][:3] == ["cluster-1", "20", "PNG"] and lines[3][:3] == ["cluster-2", "14", "PNG"]
    assert lines[4] == ["2", "clusters", "in", "34", "images"]
    assert "--crop auto: 64 x 64 pixels" in err


def test_one_cluster_is_not_called_one_source(heap, ganprint, tmp_path):
    out = ganprint("cluster", heap, "--clusters", 1, "--out", tmp_path / "out")[1]
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    words = "o sources were told apart, which is no evidence that there is only one"
    assert words in out and words in page
    assert words not in ganprint("cluster", heap)[1]


def test_cluster_names_the_cluster_of_each_file(heap, ganprint):
    _, out, _ = ganprint("cluster", heap, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    pairs = Counter((kind(row["file"]), row["cluster"]) for row in rows)
    assert pairs == {("rough", "cluster-1"): 20, ("smooth", "cluster-2"): 14}
    document = json.loads(ganprint("cluster", heap, "--format", "json", "--clusters", 1)[1])
    assert {row["cluster"] for row in document["results"]} <= {"cluster-1", "nowhere"}
    assert (document["n_clusters"], document["crop"]) == (1, [64, 64])


def test_cluster_tells_families_of_close_clusters(heap, tmp_path, ganprint):
    """Three clusters of two sources: two are parts of one source, which has 20 more images."""
    more = np.random.default_rng(1).normal(128, 12, (20, 64, 64, 3)).clip(0, 255).round()
    for index, image in enumerate(more.astype(np.uint8), start=40):
        Image.fromarray(image).save(heap / f"{index}.png")
    arguments = "cluster", heap, "--clusters", 3, "--out", tmp_path / "page"
    document = json.loads(ganprint(*arguments, "--format", "json")[1])
    (family,) = document["families"]
    assert family["family"] == " or ".join(family["clusters"]) and len(family["clusters"]) == 2
    assert 0.006 < family["confused"] <= 0.5
    own = {row["cluster"] for row in document["results"] if row["family"] == family["family"]}
    assert own == set(family["clusters"])
    others = {row["family"] for row in document["results"] if row["cluster"] not in own}
    assert others == {None}
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert f"<strong>{family['family']}</strong> are close" in page
    _, out, _ = ganprint("cluster", heap, "--clusters", 3)
    assert f"family: {family['family']} (share confused" in out
    rows = ganprint("cluster", heap, "--format", "csv")[1].splitlines()
    assert rows[0] == "file,cluster,error,reason,family" and all(row[-1] == "," for row in rows[1:])


@pytest.mark.parametrize("options", [(), ("--clusters", 3)], ids=str)
@pytest.mark.parametrize("n_distinct", [1, 2, 4])
def test_cluster_puts_copies_together(n_distinct, options, tmp_path, ganprint):
    for index in range(5 * n_distinct):
        rng = np.random.default_rng(index % n_distinct)
        image = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / f"{index:02d}.png")
    out = tmp_path / "out"
    status, text, err = ganprint("cluster", tmp_path, "--format", "json", "--out", out, *options)
    document = json.loads(text, parse_constant=pytest.fail)
    clusters = [row["cluster"] for row in document["results"]]
    assert status == 0 and "nan" not in (out / "index.html").read_text().lower().split()
    assert clusters == clusters[:n_distinct] * 5
    assert document["n_clusters"] == (min(3, n_distinct) if options else 1)
    assert ("n_clusters=3 is more than" in err) == (bool(options) and n_distinct < 3)


@pytest.mark.parametrize("side", [1, 2, 3])
def test_cluster_of_tiny_images_writes_its_page(side, tmp_path, ganprint):
    for index in range(6):
        image = np.random.default_rng(index).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    status, out, _ = ganprint("cluster", tmp_path, "--format", "csv", "--out", tmp_path / "out")
    assert status == 0 and len(out.splitlines()) == 7
    assert (tmp_path / "out" / "index.html").is_file()


def test_cluster_writes_what_fit_and_compare_take(heap, tmp_path, ganprint, fit):
    labels = tmp_path / "labels.csv"
    ganprint("cluster", heap, "--csv", labels)
    bunch = load_image_folder(labels, load_content=False)
    assert bunch.target_names.tolist() == ["cluster-1", "cluster-2"]
    assert {kind(name) for name in bunch.filenames[bunch.target == 0]} == {"rough"}
    assert fit(labels, tmp_path / "m.skops")[0] == 0
    status, out, _ = ganprint("compare", labels, "--format", "csv")
    assert status == 0 and out.startswith("first,second,correlation")


def test_cluster_writes_a_page(heap, tmp_path, ganprint):
    folder = tmp_path / "deep" / "page"
    status, _, err = ganprint("cluster", heap, "--out", folder)
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert status == 0 and f"pictures and explanations: {folder / 'index.html'}" in err
    pictures = re.findall(r'src="([^"]+)"', page)
    written = {str(path.relative_to(folder)) for path in folder.rglob("*.*g") if path.is_file()}
    assert set(pictures) == written
    assert sum(name.startswith("images/cluster-") for name in pictures) == 24
    for name in pictures:
        Image.open(folder / name).verify()
    assert "://" not in page and "<script" not in page
    assert all(f"<li>{path}</li>" in page for path in heap.rglob("*.png"))
    assert len(load_image_folder(folder / "clusters.csv", load_content=False).filenames) == 34


def test_pictures_of_an_earlier_run_are_left_out(heap, ganprint, tmp_path):
    (heap / "page").mkdir()
    (heap / "page" / "map.png").write_bytes((heap / "01.png").read_bytes())
    (heap / "page2.png").write_bytes((heap / "01.png").read_bytes())

    def clustered(*options):
        assert (
            ganprint("cluster", heap, "--clusters", 2, "--csv", tmp_path / "c.csv", *options)[0]
            == 0
        )
        return set(load_image_folder(tmp_path / "c.csv", load_content=False).filenames)

    everything = set(map(str, heap.rglob("*.png")))
    assert clustered() == everything
    kept = clustered("--out", heap / "page", "--force")
    assert everything - kept == {str(heap / "page" / "map.png")}


def test_cluster_of_nothing_but_an_earlier_page(heap, ganprint):
    status, out, err = ganprint("cluster", heap, "--out", heap, "--force")
    assert (status, out) == (2, "")
    assert f"no image found outside of --out {heap}" in err


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_cluster_names_unusable_files(heap, ganprint, form):
    broken = add_broken_files(heap)
    status, out, err = ganprint("cluster", heap, "--format", form)
    assert status == 1
    for name in broken:
        assert len(re.findall(f"^{re.escape(name)}: .+", err, re.MULTILINE)) == 1
    assert err.endswith("3 could not be used; all others were\n")
    if form == "table":
        assert "2 clusters in 34 images" in out
        return
    rows = json.loads(out)["results"] if form == "json" else csv.DictReader(io.StringIO(out))
    assert {row["file"] for row in rows if row["error"]} == set(broken)


def test_cluster_warns_of_what_may_mislead(heap, ganprint):
    for path in heap.rglob("*.png"):
        if kind(path) == "smooth":
            Image.open(path).save(path.with_suffix(".jpg"), quality=100)
            path.unlink()
    path = heap / "01.png"
    (heap / "99.jpg").write_bytes((heap / "33.jpg").read_bytes())
    _, _, err = ganprint("cluster", heap)
    assert re.search(r"warning: format: .*'cluster-[12]' is .*done to the files, not by", err)
    assert "warning: 1 of the images are copies" in err
    assert "warning: 2 images are few" in ganprint("cluster", path, heap / "33.jpg")[2]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["missing"], "no image found"),
        (["heap/01.png"], "expected at least 2 images that can be used, found 1"),
        (["heap", "--clusters", 99], "--clusters 99: expected at least 99 images .* found 34"),
        (
            ["heap", "--crop", 99],
            "none of the 34 files can be used; the first: .*01.png: .*smaller",
        ),
        (["heap", "--out", "heap/01.png"], "--out heap/01.png: expected a folder, this is a file"),
        (["heap", "--out", "heap"], "--out heap: the folder is not empty"),
        (["heap", "--csv", "heap/01.png"], "--csv heap/01.png: the file exists; --force"),
        (["heap", "--csv", "none/x.csv"], "--csv none/x.csv: there is no folder none"),
    ],
)
def test_cluster_refuses(heap, ganprint, monkeypatch, args, words):
    monkeypatch.chdir(heap.parent)
    status, out, err = ganprint("cluster", *args)
    assert (status, out) == (2, "")
    assert re.search(f"^error: .*{words}", err, re.MULTILINE)


def test_cluster_that_cannot_write_leaves_no_page(heap, tmp_path, ganprint):
    (tmp_path / "page" / "figures").mkdir(parents=True)
    (tmp_path / "page" / "index.html").write_text("old")
    (tmp_path / "page" / "figures" / "fingerprint-cluster-1.png").mkdir()
    status, out, err = ganprint("cluster", heap, "--out", tmp_path / "page", "--force")
    assert (status, out) == (2, "") and "fingerprint-cluster-1.png" in err
    assert not (tmp_path / "page" / "index.html").exists()
    assert no_leftovers(tmp_path / "page" / "figures")


def test_interrupted_cluster_leaves_nothing(tmp_path, image_folder):
    folder, *_ = image_folder(n_per_class=60, shape=(96, 96, 3))
    arguments = ["cluster", folder, "--csv", tmp_path / "c.csv", "--batch-size", "2"]
    with subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("clustering"):
                break
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
    assert process.returncode == 130 and "Traceback" not in err
    assert os.listdir(tmp_path) == ["sources"]
