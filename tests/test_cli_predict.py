"""``ganprint predict``, as it is used."""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import COMMAND, add_broken_files, no_leftovers, stop_once
from PIL import Image
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

import sklearn_ganprint
from sklearn_ganprint import (
    FileBatchClassifier,
    FingerprintClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.cli import _predict, main
from sklearn_ganprint.datasets import load_samples

pytestmark = pytest.mark.core


def test_predict_prints_source_and_runner_up(model, ganprint):
    path, folder, files = model
    status, out, err = ganprint("predict", path, folder / "a", files[-1], "--false-alarm", 0.04)
    *lines, note, fitted, evidence = out.splitlines()[2:]
    assert (status, err) == (0, "attributing: 9 of 9\n")
    expected = [*((file, "a") for file in files[:8]), (files[-1], "c")]
    assert [tuple(line.split()[:2]) for line in lines] == expected
    _, _, p_value, score, runner_up, margin, against_others, against_unknown, *image = lines[
        0
    ].split()
    assert evidence.startswith("log10 LR: 2 where what is seen is 100 times as probable if the")
    assert float(against_others) > 0.5 and float(against_unknown) > 0.5
    assert runner_up in ("b", "c")
    assert image == ["000.png", "same", "file", "a"]
    assert float(p_value) > 0.04
    assert float(score) > float(margin) > 0.1
    assert note.startswith("unknown (p-value at most 0.04): 0 of 9; p-values ")
    assert " 24 images pooled over all sources " in note and note.endswith(" 1 / 25)")
    assert fitted.startswith("images that the model was fitted on: 9 of 9 (same file); ")


def test_predict_says_what_the_model_says(model, foreign, ganprint):
    path, folder, files = model
    files = [*files, *foreign]
    arguments = ["predict", path, *files, "--false-alarm", 0.05, "--format", "json", "--jobs", 2]
    document = json.loads(ganprint(*arguments)[1])
    whole = load_model(path)
    images = whole.reader_.read(files)
    reference = whole.estimator_.set_params(false_alarm_rate=0.05).fit(
        images[:24], list("aaaaaaaabbbbbbbbcccccccc")
    )
    rows = document["results"]
    assert [row["source"] for row in rows] == reference.predict(images).tolist()
    assert [row["source"] for row in rows[24:]] == ["unknown"] * 8
    known = [row["p_value"] for row in rows]
    np.testing.assert_allclose(known, reference.known_p_values(images), atol=1e-6)
    scores = reference.class_scores(images)
    expected = {
        "scores": scores,
        "p_values": reference.calibration_set_.p_values(
            reference.typicality_scores(images), pooled=False
        ),
    }
    for key, values in expected.items():
        np.testing.assert_allclose([list(row[key].values()) for row in rows], values, atol=1e-6)
        assert list(rows[0][key]) == ["a", "b", "c"]
    assert (document["calibration"], document["smallest_p_value"]) == ("pooled", 1 / 25)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    """A model of one half of the bundled samples, and files of a part of the other."""
    folder = tmp_path_factory.mktemp("samples")
    samples = load_samples()
    for number, (image, code) in enumerate(zip(samples.data, samples.target, strict=True)):
        if number % 6 in (3, 5):
            continue
        half = folder / ("new" if number % 2 else "fit") / samples.target_names[code]
        half.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(half / f"{number:03d}.png")
    arguments = ["fit", folder / "fit", "--model", folder / "m", "--kind", "fingerprint"]
    assert main(list(map(str, arguments))) == 0
    return folder / "m", folder / "new"


def test_predict_names_the_sources_that_cannot_be_ruled_out(sampled, ganprint):
    path, folder = sampled
    document = json.loads(ganprint("predict", path, folder, "--format", "json")[1])
    rows, whole = document["results"], load_model(path)
    assert document["coverage"] == 0.95
    sets = whole.predict_set([row["file"] for row in rows])
    for row, members in zip(rows, sets, strict=True):
        assert set(row["set"]) == set(whole.classes_[members])
        scores = [row["scores"][source] for source in row["set"]]
        assert scores == sorted(scores, reverse=True)
        assert row["set"][:1] == ([] if row["source"] == "unknown" else [row["source"]])
        assert row["source"] in ("unknown", row["nearest"])
    held = [Path(row["file"]).parent.name in row["set"] for row in rows]
    assert np.mean(held) >= 0.9
    sizes = [len(row["set"]) for row in rows]
    assert min(sizes) <= 1 and 1 < max(sizes) <= 6


def test_predict_shows_sets_as_the_source(sampled, ganprint):
    path, folder = sampled
    rows = json.loads(ganprint("predict", path, folder, "--format", "json")[1])["results"]
    _, out, err = ganprint("predict", path, folder)
    assert "warning" not in err
    *lines, note, _, _, _ = out.splitlines()[2:]
    n_several = 0
    for line, row in zip(lines, rows, strict=True):
        names = [*row["set"][:3], *([f"{len(row['set']) - 3} more"] * (len(row["set"]) > 3))]
        expected = " or ".join(names) or "unknown"
        _, family, told, *_ = re.split("  +", line)
        assert told == expected
        assert family.split(" or ")[:3] == (row["family"] or "-").split(" or ")[:3]
        n_several += len(row["set"]) > 1
    assert note.startswith(f"several sources: {n_several} of {len(rows)}; ") and n_several
    out = ganprint("predict", path, folder, "--format", "csv")[1]
    table = csv.DictReader(io.StringIO(out))
    assert [line["set"] for line in table] == ["; ".join(row["set"]) for row in rows]
    assert table.fieldnames.index("set") == table.fieldnames.index("reason") + 1


def test_predict_tells_the_family_first(sampled, ganprint):
    path, folder = sampled
    rows = json.loads(ganprint("predict", path, folder, "--format", "json")[1])["results"]
    whole = load_model(path)
    names = whole.estimator_.families_.names
    assert 1 < len(names) < len(whole.classes_)
    for row, name in zip(rows, whole.predict_family([row["file"] for row in rows]), strict=True):
        assert row["family"] == (name if " or " in name else None)
        if row["family"] is not None:
            assert set(row["set"]) <= set(row["family"].split(" or "))
    n_families = sum(row["family"] is not None for row in rows)
    assert {len(row["set"]) for row in rows if row["family"]} >= {1, 2} and n_families < len(rows)
    out = ganprint("predict", path, folder)[1]
    assert re.match(r"file +family +source ", out)
    assert (
        f"each other: {n_families} of {len(rows)}; of the sources' own images, at most 5 %" in out
    )
    table = csv.DictReader(io.StringIO(ganprint("predict", path, folder, "--format", "csv")[1]))
    assert [line["family"] or None for line in table] == [row["family"] for row in rows]
    assert table.fieldnames[-6] == "family"


def test_predict_says_how_strongly_images_speak_for_the_nearest_source(sampled, ganprint):
    path, folder = sampled
    document = json.loads(ganprint("predict", path, folder, "--format", "json")[1])
    open_set = load_model(path).estimator_
    rows = document["results"]
    images = load_model(path).reader_.read([row["file"] for row in rows])
    expected = open_set.log10_likelihood_ratios(images)
    codes = [open_set.classes_.tolist().index(row["nearest"]) for row in rows]
    np.testing.assert_allclose(
        [row["log10_lr_others"] for row in rows], expected[range(len(rows)), codes], atol=1e-4
    )
    expected = open_set.log10_likelihood_ratios(images, against="unknown")[range(len(rows)), codes]
    np.testing.assert_allclose([row["log10_lr_unknown"] for row in rows], expected, atol=1e-4)
    low, high = document["log10_lr_bounds"]["others"]
    assert low < 0 < high and np.max([row["log10_lr_others"] for row in rows]) <= high
    assert np.mean([row["log10_lr_unknown"] > 0 for row in rows]) > 0.5


def test_predict_takes_a_coverage(sampled, ganprint):
    path, folder = sampled
    sizes = []
    for coverage in (0.5, 0.95, 0.99):
        arguments = ["predict", path, folder, "--coverage", coverage, "--format", "json"]
        rows = json.loads(ganprint(*arguments)[1])["results"]
        sizes.append(sum(len(row["set"]) for row in rows))
    assert sizes == sorted(set(sizes))
    for wrong in ("0", "1", "nan", "most"):
        status, _, err = ganprint("predict", path, folder, "--coverage", wrong)
        assert (status, "a coverage between 0 and 1" in err) == (2, True)


def test_predict_says_where_no_source_can_be_ruled_out(model, ganprint):
    path, folder, _ = model
    _, out, err = ganprint("predict", path, folder, "--coverage", 0.97)
    assert re.search(
        r"warning: no source can be ruled out at a coverage of 0\.97, .*: it takes 33 calibration "
        r"images, and there are 24 pooled over all sources\. .* --coverage 0\.96 or less",
        err,
    )
    assert " or " not in out[: out.index("log10 LR: ")]
    arguments = ["predict", path, folder, "--coverage", 0.97, "--format", "json"]
    rows = json.loads(ganprint(*arguments)[1])["results"]
    assert {tuple(sorted(row["set"])) for row in rows} == {("a", "b", "c")}


def test_former_models_have_no_sets(model, ganprint):
    path, folder, _ = model
    whole = load_model(path)
    del whole.estimator_.calibration_class_scores_
    save_model(whole, path)
    document = json.loads(ganprint("predict", path, folder, "--format", "json")[1])
    assert document["coverage"] is None
    assert {row["set"] for row in document["results"]} == {None}
    assert {row["family"] for row in document["results"]} == {None}
    assert [row["source"] for row in document["results"]] == list("aaaaaaaabbbbbbbbcccccccc")
    status, out, err = ganprint("predict", path, folder, "--coverage", 0.9)
    assert (status, out) == (2, "")
    assert re.fullmatch(
        "error: --coverage: .* makes no sets of sources.* fit the model anew\n", err
    )


def test_predict_shows_the_nearest_source_of_unknown_images(model, foreign, ganprint):
    path, _, files = model
    _, out, _ = ganprint("predict", path, files[0], *foreign, "--false-alarm", 0.05)
    heads, _, *lines, note, _, _ = out.splitlines()
    assert re.split("  +", heads.strip()) == [
        *("file", "source", "p-value", "nearest", "score", "runner-up", "margin"),
        *("log10 LR, others", "log10 LR, unknown"),
        *("fitted on", "match", "fitted source"),
    ]
    assert lines[0].split()[1] == lines[0].split()[3] == "a"
    assert {line.split()[1] for line in lines[1:]} == {"unknown"}
    assert {line.split()[3] for line in lines[1:]} <= {"a", "b", "c"}
    assert note.startswith("unknown (p-value at most 0.05): 8 of 9")


def test_predict_says_where_nothing_can_be_unknown(model, foreign, ganprint):
    path, *_ = model
    status, out, err = ganprint("predict", path, *foreign)
    assert status == 0
    assert re.fullmatch(
        "warning: no image can be called unknown at a false-alarm rate of 0.01: .* 24 images "
        "pooled over all sources, and none is below 1 / 25. .* --false-alarm 0.04 or more",
        err.splitlines()[0],
    )
    assert "none can be unknown" in out
    assert not re.search(r"\.png +unknown", out)


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_predict_without_calibration(closed_model, foreign, ganprint, form):
    path, _, files = closed_model
    status, out, err = ganprint("predict", path, files[-1], *foreign, "--format", form)
    assert status == 0
    assert re.match("warning: .*closed.skops has no calibration images, .*no p-values", err)
    if form == "table":
        assert re.search(r"\.png +c +- +\d", out) and "calibrated" not in out
        return
    rows = json.loads(out)["results"] if form == "json" else csv.DictReader(io.StringIO(out))
    rows = list(rows)
    assert not any(row["p_value"] for row in rows)
    assert rows[0]["source"] == "c"
    assert {row["source"] for row in rows[1:]} <= {"a", "b", "c"}
    assert form == "csv" or rows[0]["scores"]["c"] == rows[0]["score"]


def test_predict_without_calibration_takes_no_rate(closed_model, ganprint):
    path, folder, _ = closed_model
    status, out, err = ganprint("predict", path, folder, "--false-alarm", 0.05)
    assert (status, out) == (2, "")
    assert re.fullmatch("error: --false-alarm: .* has no calibration images.*\n", err)


def test_predict_by_another_metric(closed_model, ganprint):
    path, _, files = closed_model
    model = load_model(path)
    model.estimator_[-1].metric = "cosine"
    save_model(model, path)
    rows = json.loads(ganprint("predict", path, *files, "--format", "json")[1])["results"]
    expected = model.decision_function(files)
    np.testing.assert_allclose([list(row["scores"].values()) for row in rows], expected, rtol=1e-5)


def test_predict_between_two_sources(tmp_path, image_folder, fit, ganprint):
    folder, paths, y = image_folder(labels=("a", "b"))
    fit(folder, tmp_path / "m")
    rows = json.loads(ganprint("predict", tmp_path / "m", *paths, "--format", "json")[1])["results"]
    assert [row["source"] for row in rows] == y.tolist()
    assert {row["runner_up"] for row in rows} == {"a", "b"}


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
        assert [line.split()[0] for line in out.splitlines()[2:-3]] == files[:8]
        return
    rows = json.loads(out)["results"] if form == "json" else csv.DictReader(io.StringIO(out))
    rows = {row["file"]: row for row in rows}
    assert sorted(rows) == sorted([*files[:8], *broken])
    assert {name for name, row in rows.items() if not row["source"]} == set(broken)
    assert rows[broken[0]]["error"] == "the file is empty (0 bytes)"
    assert not rows[files[0]]["error"]
    assert not rows[broken[0]]["p_value"] and float(rows[files[0]]["p_value"]) > 0


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
    assert r"\x1b[2Jline\nend.png" in out
    assert r"\xff.png: the file is empty" in err
    _, out, _ = ganprint("predict", path, os.fsdecode(heap), "--format", "json")
    names = [os.path.basename(row["file"]) for row in json.loads(out)["results"]]
    assert names == ["\x1b[2Jline\nend.png", "[bold]x[red].png", "caf\udce9.png", "\udcff.png"]
    csv_table = [*COMMAND, "predict", path, heap, "--format", "csv"]
    out = subprocess.run(csv_table, capture_output=True, check=False).stdout
    assert b"caf\xe9.png," in out and b'\x1b[2Jline\nend.png",' in out


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


@pytest.mark.filterwarnings("ignore:FingerprintClassifier takes noise residuals:UserWarning")
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


def classify_otherwise(path):
    pipeline = make_pipeline(ResidualTransformer("gaussian"), GaussianNB())
    images = np.random.default_rng(0).uniform(0, 255, (8, 8, 8))
    save_model(FileBatchClassifier(pipeline).fit(images, list("aaaabbbb")), path)


@pytest.mark.parametrize("command", ["predict", "info"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (Path.unlink, "No such file"),
        (damage, "damaged|truncated"),
        (truncate, "truncated"),
        (hold_no_files, "expected a model from `ganprint fit`.* this is a FingerprintClassifier;"),
        (classify_otherwise, "expected a model .* over GaussianNB;"),
        (lambda path: path.write_text("not a model"), "not a model file"),
    ],
)
def test_unusable_models(model, ganprint, command, spoil, words):
    path, folder, _ = model
    spoil(path)
    status, out, err = ganprint(command, path, *([folder] if command == "predict" else []))
    assert (status, out) == (2, "")
    assert re.fullmatch(f"error: .*model.skops: .*({words}).*\n", err)


def test_models_from_the_future(model, ganprint, monkeypatch):
    path, folder, _ = model
    monkeypatch.setattr(sklearn_ganprint, "__version__", "0.0.1")
    status, out, err = ganprint("predict", path, folder)
    assert status == 0
    assert re.match(r"warning: .*which is newer than this, 0\.0\.1\. Upgrade .*\n", err)
    monkeypatch.setattr("sklearn_ganprint.persistence._models.FORMAT_VERSION", 0)
    status, out, err = ganprint("predict", path, folder)
    assert (status, out) == (2, "")
    assert "Upgrade sklearn_ganprint" in err


@pytest.mark.parametrize(("signum", "ends"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_scores_are_kept_and_unchanged_files_not_read_again(
    tmp_path, image_folder, fit, ganprint, signum, ends
):
    folder, paths, _ = image_folder(n_per_class=20)
    assert fit(folder, tmp_path / "m", "--batch-size", 1)[0] == 0
    words = ["predict", tmp_path / "m", folder, "--format", "json"]
    whole = ganprint(*words)[1]
    words += ["--resume", tmp_path / "kept"]
    log = tmp_path / "kept/both_scores/map001"
    assert stop_once([*COMMAND, *words], lambda: list(log.glob("results*")), signum) == ends
    assert signum == signal.SIGKILL or no_leftovers(log)
    assert ganprint(*words)[1] == whole
    for path in paths[1:]:  # what is kept is told of files that could not be read any more
        times = os.stat(path)
        Path(path).write_bytes(b"-" * times.st_size)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert ganprint(*words)[1] == whole
    os.utime(paths[1])
    status, out, _ = ganprint(*words)
    failed = [row["file"] for row in json.loads(out)["results"] if row["error"]]
    assert (status, failed) == (1, paths[1:2])


def test_scores_are_not_kept_among_images(model, ganprint):
    path, folder, files = model
    images = Path(files[0]).parent
    status, out, err = ganprint("predict", path, folder, "--resume", images)
    assert (status, out) == (
        2,
        "",
    ) and f"it holds other files, such as {Path(files[0]).name}" in err
    assert sorted(images.iterdir()) == [Path(file) for file in files if Path(file).parent == images]


def test_rows_are_written_part_by_part(tmp_path, model, ganprint, monkeypatch):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path, folder, files = model
    Path(files[3]).write_bytes(b"")
    words = ["predict", path, folder, "--false-alarm", 0.04]
    csv_rows = list(csv.DictReader(io.StringIO(ganprint(*words, "--format", "csv")[1])))
    expected = json.loads(ganprint(*words, "--format", "json")[1])["results"]
    monkeypatch.setattr(_predict, "N_ROWS", 10)  # of 24 files
    words += ["--parquet", tmp_path / "rows", "--resume", tmp_path / "kept"]
    status, out, err = ganprint(*words)
    assert (status, out) == (1, "") and err.count(f"{files[3]}: the file is empty") == 1
    assert f"saved {tmp_path / 'rows'}: 24 rows" in err
    with parquet.ParquetFile(tmp_path / "rows") as written:
        assert written.num_row_groups == 3
        table = written.read()
    assert table.column_names == list(csv_rows[0])
    rows = table.to_pylist()
    scores = [[row["score"] or 0 for row in found] for found in (rows, expected)]
    np.testing.assert_allclose(*scores, rtol=1e-5)
    for key in ("file", "source", "set", "error", "width", "history", "fitted_match"):
        assert [row[key] for row in rows] == [row[key] for row in expected], key
    status, _, err = ganprint(*words)
    assert status == 2 and "--parquet" in err and "the file exists" in err
    assert ganprint(*words, "--force")[0] == 1
    assert parquet.read_table(tmp_path / "rows").equals(table)


def _parquet(path):
    return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()


@pytest.mark.parametrize("n_rows", [10, 26])  # 26 of 26 files: a link behind them fails
def test_each_file_is_answered_for_once(tmp_path, model, ganprint, monkeypatch, n_rows):
    path, folder, files = model
    hidden, missing, up = folder / "a/.x.png", folder / "no.png", folder / "c/up"
    shutil.copy(files[0], hidden)
    up.symlink_to(folder, target_is_directory=True)
    given = [hidden, missing, folder / "b", folder, files[0], folder / "c", hidden, folder]
    expected = [*given[:2], *files[8:16], *files[:8], *files[16:], up]
    whole = json.loads(ganprint("predict", path, *given, "--format", "json")[1])["results"]
    assert [row["file"] for row in whole] == list(map(str, expected))
    monkeypatch.setattr(_predict, "N_ROWS", n_rows)
    status, _, err = ganprint("predict", path, *given, "--parquet", tmp_path / "rows")
    rows = _parquet(tmp_path / "rows")
    assert sorted(row["file"] for row in rows) == sorted(map(str, expected))
    assert [row["file"] for row in rows if not row["error"]] == [
        str(path) for path in (hidden, *expected[2:-1])
    ]
    assert (status, err.count(f"{up}: leads to")) == (1, 1), err
    assert "2 could not be used; all others were" in err and ": 27 rows" in err


def test_an_archive_in_a_folder_is_a_file_there_and_a_folder_by_its_name(model, ganprint):
    path, folder, files = model
    archive = folder / "c/x.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name in ("0.png", "in/1.png"):
            opened.write(files[0], name)
    inside = [archive / "0.png", archive / "in/1.png"]
    for given, expected in (
        ([folder / "c", archive], [*files[16:], archive, *inside]),
        ([archive, archive / "in", folder / "c"], [*inside, *files[16:], archive]),
    ):
        rows = json.loads(ganprint("predict", path, *given, "--format", "json")[1])["results"]
        assert [row["file"] for row in rows] == list(map(str, expected))


def test_a_folder_is_listed_when_the_files_before_it_are_answered_for(
    tmp_path, model, ganprint, monkeypatch
):
    path, folder, files = model
    late = folder / "b/late.png"

    class Stderr(io.StringIO):
        def write(self, text):
            if "attributing 1 to 8: 8 of 8" in text:
                shutil.copy(files[0], late)
            return super().write(text)

    monkeypatch.setattr(_predict, "N_ROWS", 8)  # those in the first folder
    monkeypatch.setattr(sys, "stderr", Stderr())
    assert ganprint("predict", path, folder, "--parquet", tmp_path / "rows")[0] == 0
    rows = _parquet(tmp_path / "rows")
    assert [row["file"] for row in rows] == [*files[:16], str(late), *files[16:]]


def test_scores_that_are_kept_are_no_files_to_answer_for(tmp_path, model, ganprint, monkeypatch):
    path, folder, _ = model
    monkeypatch.setattr(_predict, "N_ROWS", 10)
    monkeypatch.chdir(folder)
    words = ["predict", path, ".", "--parquet", tmp_path / "rows", "--resume", "kept", "--force"]
    assert ganprint(*words)[0] == 0
    rows = _parquet(tmp_path / "rows")
    assert len(rows) == 24 and sorted(os.listdir("kept")) == ["000000", "000001", "000002"]
    assert ganprint(*words)[0] == 0 and _parquet(tmp_path / "rows") == rows
    status, _, err = ganprint("predict", path, "kept", "--resume", "kept")
    assert status == 2 and "no image found outside of --resume kept" in err


@pytest.mark.parametrize("other", [("--out", "case"), ("--stability", 2)])
def test_rows_alone_go_into_a_parquet_file(model, ganprint, other):
    path, folder, _ = model
    status, _, err = ganprint("predict", path, folder, "--parquet", "rows", *other)
    assert status == 2 and f"--parquet: leave out {other[0]}" in err
