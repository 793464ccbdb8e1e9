"""``ganprint verify``, as it is used."""

import csv
import io
import json
import os
import re

import numpy as np
import pytest
from cli_helpers import add_broken_files
from PIL import Image

from sklearn_ganprint import load_model


def own_p_values(model, files, code):
    """p-values among the calibration images of one source, from their definition."""
    open_set = model.estimator_
    scores = open_set.typicality_scores(model.reader_.read(files))[:, code]
    own = open_set.calibration_scores_[open_set.calibration_codes_ == code, code]
    return [(1 + sum(own <= score)) / (1 + len(own)) for score in scores]


def p_values_of_others(model, files, code):
    """Shares of the calibration images of other sources that score as high, from the definition."""
    open_set = model.estimator_
    scores = open_set.typicality_scores(model.reader_.read(files))[:, code]
    others = open_set.calibration_scores_[open_set.calibration_codes_ != code, code]
    return [(1 + sum(others >= score)) / (1 + len(others)) for score in scores]


def test_verify_prints_verdicts(model, ganprint):
    path, folder, files = model
    status, out, err = ganprint("verify", path, "b", folder, "--false-alarm", 0.12)
    heads, _, *lines, outcome, judges, others, fitted, evidence = out.splitlines()
    assert (status, err) == (0, "verifying: 24 of 24\n")
    assert re.split("  +", heads.strip()) == [
        *("file", "verdict", "p-value", "p of others", "score", "margin", "fits better"),
        *("log10 LR, others", "log10 LR, unknown"),
        *("fitted on", "match", "fitted source"),
    ]
    found = [re.split("  +", line.strip()) for line in lines]
    assert [row[0] for row in found] == files
    assert {row[1] for row in found[:8] + found[16:]} == {"rejected"}
    assert {row[1] for row in found[8:16]} == {"not rejected"}
    assert [row[-6] for row in found] == ["a"] * 8 + ["-"] * 8 + ["c"] * 8
    assert [float(row[-5]) > 0 for row in found] == [False] * 8 + [True] * 8 + [False] * 8
    assert " if b made the image as if another of the model's sources did" in evidence
    assert outcome == "rejected (p-value at most 0.12): 16 of 24; another source fits better: 16"
    assert re.fullmatch(r"p-values .* 8 images of b \(.* 1 / 9\)", judges)
    assert re.fullmatch(r"evidence .* \(p of others .* 0.12\): 9 of 24, by 16 .*", others)
    assert fitted.startswith("images that the model was fitted on: 24 of 24 (same file); ")


@pytest.mark.parametrize("rate", [0.12, 0.5])
def test_verify_ranks_among_images_of_the_source(model, foreign, ganprint, rate):
    path, _, files = model
    files = [*files, *foreign]
    arguments = ["verify", path, "c", *files, "--false-alarm", rate, "--format", "json"]
    document = json.loads(ganprint(*arguments)[1])
    expected = np.array(own_p_values(load_model(path), files, 2))
    others = p_values_of_others(load_model(path), files, 2)
    rows = document["results"]
    np.testing.assert_allclose([row["p_value"] for row in rows], expected)
    rejected = [row["verdict"] == "rejected" for row in rows]
    assert rejected == (expected <= rate).tolist()
    assert [row["p_values"]["c"] for row in rows] == [row["p_value"] for row in rows]
    np.testing.assert_allclose([row["others_p_value"] for row in rows], others)
    assert (document["source"], document["false_alarm_rate"]) == ("c", rate)
    assert (document["calibration_images"], document["smallest_p_value"]) == (8, 1 / 9)


def test_verify_compares_with_the_other_sources(model, ganprint):
    path, _, files = model
    _, out, _ = ganprint("verify", path, "a", files[0], files[8], "--format", "csv")
    own, other = csv.DictReader(io.StringIO(out))
    assert not own["fits_better"] and float(own["margin"]) > 0
    assert other["fits_better"] == other["best_other"] == "b"
    margin = float(other["score"]) - float(other["best_other_score"])
    assert margin < 0 and float(other["margin"]) == pytest.approx(margin, abs=1e-5)


def test_verify_gives_no_verdict_where_none_can_be_rejected(model, foreign, ganprint):
    path, *_ = model
    status, out, err = ganprint("verify", path, "a", *foreign, "--format", "csv")
    assert status == 0
    assert re.fullmatch(
        "warning: no image can be rejected at a false-alarm rate of 0.01: .* 8 images of a, and "
        "none is below 1 / 9. .* --false-alarm 0.112 or more",
        err.splitlines()[0],
    )
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["verdict"] for row in rows} == {""}
    assert {row["p_value"] for row in rows} == {"0.111111"}
    out = ganprint("verify", path, "a", *foreign)[1]
    assert "none can be rejected" in out


def test_verify_names_unreadable_files(model, ganprint, tmp_path):
    path, folder, files = model
    broken = [*add_broken_files(folder / "a"), str(tmp_path / "missing.png")]
    status, out, err = ganprint("verify", path, "a", folder / "a", broken[-1], "--format", "json")
    assert status == 1
    assert "4 could not be used" in err
    rows = {row["file"]: row for row in json.loads(out)["results"]}
    assert sorted(rows) == sorted([*files[:8], *broken])
    for name in broken:
        assert rows[name]["error"] and name in err
        assert rows[name]["verdict"] is rows[name]["p_value"] is None
    assert rows[files[0]]["p_value"] > 0


def test_verify_of_a_source_that_the_model_does_not_know(model, ganprint):
    path, _, files = model
    for name in ("d", files[0], "unknown"):
        status, out, err = ganprint("verify", path, name, files[0])
        assert (status, out) == (2, "")
        assert re.fullmatch(f"error: SOURCE: expected one of .*, a, b, c; got '{name}'\n", err)


def test_verify_without_calibration(closed_model, ganprint):
    path, _, files = closed_model
    status, out, err = ganprint("verify", path, "a", *files)
    assert (status, out) == (2, "")
    assert re.fullmatch("error: .*closed.skops has no calibration images.*ganprint fit.*\n", err)


def test_verify_without_any_image(model, ganprint, tmp_path):
    path, *_ = model
    status, out, err = ganprint("verify", path, "a", tmp_path / "missing.png")
    assert (status, out) == (2, "")
    assert re.fullmatch("error: no image found: .*\n", err)


def test_two_images_a_source_say_how_little_they_are_worth(tmp_path, image_folder, fit, ganprint):
    folder, files, _ = image_folder(n_per_class=2)
    status, out, err = fit(folder, tmp_path / "m", "--format", "json")
    assert [row["smallest_p_value"] for row in json.loads(out)["sources"]] == [1 / 3] * 3
    few = ", ".join(f"{name} (2 images: 0.334)" for name in "abc")
    assert "1 / (images + 1)" in err and few in err
    _, out, _ = ganprint("verify", tmp_path / "m", "a", *files, "--false-alarm", 0.4)
    assert re.fullmatch(r"p-values .* 2 images of a \(.* 1 / 3\)", out.splitlines()[-4])
    shown = {re.split("  +", line.strip())[2] for line in out.splitlines()[2:-5]}
    assert shown <= {"0.33", "0.67", "1.00"}
    _, out, _ = ganprint("predict", tmp_path / "m", *files, "--format", "json")
    rows = json.loads(out)["results"]
    assert {row["smallest_p_value"] for row in rows} == {1 / 7}
    assert rows[0]["smallest_p_values"] == dict.fromkeys("abc", 1 / 3)
    assert (
        ganprint("predict", tmp_path / "m", *files)[1]
        .splitlines()[-3]
        .endswith(" 6 images pooled over all sources (smallest possible: 1 / 7)")
    )


def test_a_single_image_of_a_source_is_verified_by_the_others(tmp_path, make_filtered, ganprint):
    X, y = make_filtered(n_per_class=13, side=64)
    files = []
    for number, (image, label) in enumerate(zip(X, y, strict=True)):
        files.append(tmp_path / ("new" if number % 13 > 9 else "fit") / label / f"{number}.png")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        if label != "colour" or number % 13 in (0, 10, 11, 12):
            Image.fromarray(image).save(files[-1])
    options = ["--kind", "nearest-mean", "--model", tmp_path / "m"]
    status, _, err = ganprint("fit", tmp_path / "fit", *options)
    assert status == 0 and "colour (1 images: 1)" in err
    _, out, _ = ganprint("verify", tmp_path / "m", "colour", tmp_path / "new", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    others = {os.path.basename(os.path.dirname(row["file"])): [] for row in rows}
    for row in rows:
        assert (row["verdict"], row["p_value"]) == ("", "1")
        others[os.path.basename(os.path.dirname(row["file"]))].append(float(row["others_p_value"]))
    assert others["colour"] == pytest.approx([1 / 19] * 3)
    assert min(others["down"] + others["right"]) > 0.05
    for command in ("predict", "evaluate"):
        assert ganprint(command, tmp_path / "m", tmp_path / "new")[0] == 0
    assert "nearest-mean" in ganprint("info", tmp_path / "m")[1]
