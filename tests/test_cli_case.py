"""Cases: what ``predict`` and ``verify`` write with ``--out``."""

import csv
import hashlib
import html
import io
import json
import os
import re
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import add_broken_files, check_json, no_leftovers, read_case
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    FileBatchEstimator,
    FusionClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    SubclassDiscriminantAnalysis,
    load_model,
    save_model,
)
from sklearn_ganprint.cli import main
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.datasets import read_provenance
from sklearn_ganprint.features import AutocorrelationTransformer
from sklearn_ganprint.perturbations import RandomHistory

#: A file's name that pages and terminals would obey.
HOSTILE = "<script>alert(1)<\u202e\x1b[31m \N{GRINNING FACE}&.png"
SIDE = 64


def make_image(rng, pattern):
    tilt = np.linspace(0, rng.uniform(-60, 60), SIDE)[:, np.newaxis, np.newaxis]
    image = 128 + tilt + pattern + rng.normal(scale=2, size=(SIDE, SIDE, 3))
    return Image.fromarray(image.clip(0, 255).round().astype(np.uint8))


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A model of two sources, and a folder of files of all kinds to judge."""
    folder, rng = tmp_path_factory.mktemp("case"), np.random.default_rng(0)
    patterns = {name: rng.normal(scale=4, size=(SIDE, SIDE, 3)) for name in ("a", "b <i>")}
    for name, pattern in patterns.items():
        (folder / "fit" / name).mkdir(parents=True)
        for index in range(20):
            make_image(rng, pattern).save(folder / "fit" / name / f"{index:02d}.png")
    (folder / "mixed").mkdir()
    make_image(rng, patterns["a"]).save(folder / "mixed" / HOSTILE)
    make_image(rng, patterns["b <i>"]).save(folder / "mixed" / "j.jpg", quality=60)
    Image.new("RGB", (SIDE, SIDE), "white").save(folder / "mixed" / "white.png")
    said = PngInfo()
    said.add_text("parameters", "Steps: 20 <b>, Sampler: Euler")
    make_image(rng, patterns["a"]).save(folder / "mixed" / "said.png", pnginfo=said)
    add_broken_files(folder / "mixed")
    status, _, err = run("fit", folder / "fit", "--model", folder / "m.skops", "--fast")
    assert status == 0, err
    return folder


def run(*words):
    """Run a command before the test that it is for begins, and return what `ganprint` does."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = main(list(map(str, words)))
    return status, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module", params=["predict", "verify"])
def case(request, scene, tmp_path_factory):
    """The folder of a case of each command, its content, and what the command has printed."""
    model = [scene / "m.skops", *["a"] * (request.param == "verify")]
    out = tmp_path_factory.mktemp(request.param) / "out"
    options = ["--false-alarm", 0.1, "--format", "json", "--out", out]
    printed = run(request.param, *model, scene / "mixed", *options)
    check_json(request.param, json.loads(printed[1]))
    return out, read_case(out), printed


def test_a_case_has_what_was_printed(case):
    _, document, (status, out, err) = case
    printed = json.loads(out)
    results, version = printed.pop("results"), printed.pop("schema_version")
    assert status == 1 and "3 could not be used" in err
    assert (document["schema_version"], document["settings"]) == (version, printed)
    assert len(document["images"]) == len(results) == 7
    for image, row in zip(document["images"], results, strict=True):
        assert {key: image[key] for key in row} == row


def test_a_case_has_the_digest_of_each_file(case, scene):
    _, document, _ = case
    for each in [*document["images"], {**document["model"], "file": scene / "m.skops"}]:
        content = Path(each["file"]).read_bytes()
        assert each["sha256"] == hashlib.sha256(content).hexdigest()
        assert each["bytes"] == len(content)


def test_a_case_says_what_it_was_made_with(case, ganprint, scene):
    out, document, _ = case
    info = json.loads(ganprint("info", scene / "m.skops", "--format", "json")[1])
    del info["schema_version"]
    assert {key: document["model"][key] for key in info} == info
    page, (clean,) = (out / "index.html").read_text("utf-8"), info["likelihood_ratios"]
    cells = f"<td>{clean['cllr']:.3f}</td><td>{clean['cllr_min']:.3f}</td>"
    assert f'<td class="text">another source of the model</td>{cells}' in page
    assert document["versions"]["numpy"] == np.__version__
    assert document["command_line"].startswith(f"ganprint {document['command']} ")
    assert document["parameters"]["false_alarm"] == 0.1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", document["date"])


def test_correlations_are_those_with_the_fingerprint(case, scene):
    _, document, _ = case
    model = load_model(scene / "m.skops")
    residual, fusion = model.estimator_.estimator_
    fingerprints = fusion.named_estimators_["fingerprint"].fingerprints_
    answered = [each for each in document["images"] if each["held_against"]]
    images = model.reader_.read([each["file"] for each in answered])
    rows = residual.transform(images).reshape(len(images), -1)
    codes = [model.classes_.tolist().index(each["held_against"]) for each in answered]
    expected = correlation_index(rows, fingerprints)[range(len(rows)), codes]
    np.testing.assert_allclose([each["correlation"] for each in answered], expected, atol=1e-5)
    assert len(answered) == 3 and expected[0] > 0.2


def test_a_case_names_the_nearest_images_of_the_fit(scene, ganprint, tmp_path):
    steps = ResidualTransformer(flatten=False), AutocorrelationTransformer(2)
    discriminant = make_pipeline(*steps, SubclassDiscriminantAnalysis())
    fusion = OpenSetClassifier(FusionClassifier([("lda", discriminant)]), false_alarm_rate=0.1)
    paths = sorted(map(str, (scene / "fit").glob("*/*.png")))
    whole = FileBatchEstimator(fusion).fit(paths, [Path(path).parent.name for path in paths])
    save_model(whole, tmp_path / "near.skops")
    out = tmp_path / "near"
    ganprint("predict", tmp_path / "near.skops", scene / "mixed", paths[3], "--out", out)
    rows = read_case(out)["images"]
    used = [row["file"] for row in rows if row["error"] is None]
    expected = dict(zip(used, whole.nearest_fitted(used), strict=True))
    for row in rows:
        told = [tuple(image.values()) for image in row["nearest_images"]]
        near = expected.get(row["file"], ())
        assert [image[:2] for image in told] == [image[:2] for image in near]
    own = rows[-1]["nearest_images"][0]
    assert (own["name"], own["source"]) == (Path(paths[3]).name, "a")
    assert own["distance"] == pytest.approx(0, abs=1e-3)
    page = (out / "index.html").read_text("utf-8")
    # White has none: without an answer there is nothing that they would illustrate.
    assert page.count("The nearest images of the fit") == len(used) - 1 == 4


def test_contributions_add_up_to_the_difference_of_scores(case):
    _, document, _ = case
    for each in document["images"]:
        if each["held_against"] is None:
            assert "contributions" not in each
            continue
        found = each["contributions"]
        scores = each["scores"]
        assert found["source"] == each["held_against"] and found["other"] != found["source"]
        margin = scores[found["source"]] - scores[found["other"]]
        assert sum(found["groups"].values()) == pytest.approx(margin, rel=1e-6, abs=1e-6)
        assert {"fingerprint", "second_order__whole_rr"} <= set(found["groups"])


def test_the_page_has_likelihood_ratios_and_their_bounds(case):
    folder, document, _ = case
    page = (folder / "index.html").read_text("utf-8")
    low, high = document["settings"]["log10_lr_bounds"]["others"]
    for each in document["images"]:
        value = each["log10_lr_others"]
        assert (value is None) is (each["held_against"] is None)
        if value is not None:
            assert low <= value <= high
            assert f"<td>{value:+.2f}</td><td>{low:+.2f} to {high:+.2f}</td>" in page


def test_a_case_has_what_files_say_of_themselves(case, scene):
    folder, document, _ = case
    found = {Path(each["file"]).name: each["provenance"] for each in document["images"]}
    assert found["said.png"] == read_provenance(scene / "mixed" / "said.png")
    assert found["text.png"] is None and found["white.png"] == []
    page = (folder / "index.html").read_text("utf-8")
    assert "Steps: 20 &lt;b&gt;" in page and "can be forged or stripped" in page


def test_images_of_the_fit_are_said(scene, ganprint, tmp_path):
    words = ["predict", scene / "m.skops", scene / "fit/a/03.png", "--out", tmp_path / "out"]
    assert ganprint(*words)[0] == 0
    page = (tmp_path / "out/index.html").read_text("utf-8")
    assert "The model was fitted on this image (same file: 03.png, a)" in page


def test_the_table_of_answers_says_what_nothing_vouches_for(scene, ganprint, tmp_path):
    asked = [scene / "fit/a/03.png", scene / "mixed/said.png", scene / "mixed/white.png"]
    assert ganprint("predict", scene / "m.skops", *asked, "--out", tmp_path / "out")[0] == 0
    page = (tmp_path / "out/index.html").read_text("utf-8")
    table = page.split("<h2>The answers</h2>")[1].split("</table>")[0]
    assert table.count("(in the fit: same file)") == 1
    case = read_case(tmp_path / "out")
    for each in case["images"][:2]:
        row = next(row for row in table.split("<tr>") if each["file"] in row)
        for key, bounds in case["settings"]["log10_lr_bounds"].items():
            assert (f"log10 LR, {key}</th>" in table) is (bounds is not None)
            assert bounds is None or f"<td>{each[f'log10_lr_{key}']:+.2f}</td>" in row


def test_answers_in_words(case):
    _, document, _ = case
    found = {Path(each["file"]).name: each["answer"] for each in document["images"]}
    p_value = {Path(each["file"]).name: each["p_value"] for each in document["images"]}[HOSTILE]
    assert found["white.png"].startswith("No ") and "no residual" in found["white.png"]
    assert found["text.png"] is None
    begin = {"predict": "Attributed to a", "verify": "Not rejected: the image is not unlike"}
    assert found[HOSTILE].startswith(begin[document["command"]])
    (evidence,) = (e["evidence"] for e in document["images"] if Path(e["file"]).name == HOSTILE)
    assert evidence.startswith(f"The p-value of {p_value:.4f} is calibrated on ")


def test_the_page_has_all_files_and_obeys_no_name(case):
    folder, document, _ = case
    page = (folder / "index.html").read_text("utf-8")
    assert "<script" not in page and "\u202e" not in page and "\x1b" not in page
    assert "&lt;script&gt;alert(1)&lt;\\u202e\\x1b[31m \N{GRINNING FACE}&amp;.png" in page
    assert page.count('<section class="sheet"') == 4
    assert all(each["sha256"] in page for each in document["images"])
    answers = [each["answer"] for each in document["images"] if each["error"] is None]
    assert all(answer in html.unescape(page) for answer in answers)
    assert "no probability that a source made the image" in page
    assert not re.search(r'(src|href)="(https?:)?//|@import|url\(', page)
    links = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert all((folder / name).is_file() for name in links)
    assert len(set(links)) == 4 + 3 + 3 + len(document["fingerprints"]) + 1
    assert no_leftovers(folder)


def test_a_case_does_not_depend_on_the_workers(case, scene, ganprint, tmp_path):
    folder, document, _ = case
    words = ["--false-alarm", 0.1, "--out", tmp_path / "other", "--jobs", 2]
    source = ["a"] if document["command"] == "verify" else []
    ganprint(document["command"], scene / "m.skops", *source, scene / "mixed", *words)
    other = read_case(tmp_path / "other")
    assert other["images"] == document["images"]
    for picture in folder.glob("*/*.jpg"):
        assert (tmp_path / "other" / picture.relative_to(folder)).read_bytes() == (
            picture.read_bytes()
        )


def test_pictures_of_an_earlier_case_go_and_nothing_else(scene, ganprint, tmp_path):
    words = ["predict", scene / "m.skops", "--out", tmp_path, "--force"]
    assert ganprint(*words, scene / "mixed" / "j.jpg")[0] == 0
    kinds = ["images", "maps", "residuals"]
    assert [os.listdir(tmp_path / kind) for kind in kinds] == [["j.jpg"]] * 3
    (tmp_path / "images" / "mine.jpg").touch()
    (tmp_path / "mine.jpg").touch()
    path = tmp_path / "case.json"
    document = json.loads(path.read_text("utf-8"))
    document["images"][0]["pictures"]["map"] = "mine.jpg"
    document["images"][0]["pictures"]["residual"] = "images/../images/mine.jpg"
    path.write_text(json.dumps(document), "utf-8")
    assert ganprint(*words, scene / "mixed" / "said.png")[0] == 0
    shown = [sorted(os.listdir(tmp_path / kind)) for kind in kinds]
    assert shown == [["mine.jpg", "said.jpg"], ["j.jpg", "said.jpg"], ["j.jpg", "said.jpg"]]
    assert (tmp_path / "mine.jpg").exists()


def test_a_folder_that_is_not_empty_stays(scene, ganprint, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    words = ["predict", scene / "m.skops", scene / "mixed", "--out", tmp_path]
    status, out, err = ganprint(*words)
    assert (status, out) == (2, "") and "--force" in err
    assert os.listdir(tmp_path) == ["mine.txt"]
    assert ganprint(*words, "--force")[0] == 1
    assert {"mine.txt", "case.json", "index.html"} <= {*os.listdir(tmp_path)}


@pytest.mark.parametrize("kind", ["autocorrelation", "prnu"])
def test_cases_of_models_with_and_without_fingerprints(scene, ganprint, tmp_path, kind):
    model, out = tmp_path / "k.skops", tmp_path / "out"
    assert ganprint("fit", scene / "fit", "--model", model, "--kind", kind)[0] == 0
    assert ganprint("predict", model, scene / "fit/a/00.png", "--out", out)[0] == 0
    document = read_case(out)
    assert sorted(document["images"][0]["pictures"]) == (
        ["image", "map", "residual"] if kind == "prnu" else ["image", "residual"]
    )
    assert "The image" in (out / "index.html").read_text("utf-8")
    status, _, err = ganprint("predict", model, scene / "fit/a/00.png", "--stability", 2)
    assert (status, "off the pixels of the sensor" in err) == (
        (2, True) if kind == "prnu" else (0, False)
    )


def copies_of(image, n_copies):
    """Copies as an image is passed on: cut by a few pixels, resized, compressed to JPEG."""
    off = dict.fromkeys(("rotate", "blur", "sharpen", "contrast", "brightness", "noise", "webp"))
    shares = {"crop": (0.5, 0.95, 1), "resize": (0.5, 0.8, 1.1), "jpeg": (1, 70, 95), "grey": 0}
    return [
        RandomHistory(**off, **shares, rounds=[1], draw=draw).transform(image[np.newaxis])[0]
        for draw in range(n_copies)
    ]


def test_stability_is_the_share_of_copies_with_the_same_answer(scene, ganprint):
    files = [str(path) for path in sorted((scene / "fit/a").glob("*.png"))[:3]]
    words = ["predict", scene / "m.skops", *files, "--false-alarm", 0.1, "--stability", 6]
    status, out, _ = ganprint(*words, "--format", "json")
    model = load_model(scene / "m.skops")
    open_set = model.estimator_.set_params(false_alarm_rate=0.1)
    rows = json.loads(out)["results"]
    for row, image in zip(rows, model.reader_.read(files), strict=True):
        copies = np.stack(copies_of(image, 6))
        known = open_set.known_p_values(copies) > 0.1
        answers = np.where(
            known, model.classes_[open_set.class_scores(copies).argmax(1)], "unknown"
        )
        assert row["stability_answers"] == Counter(answers.tolist())
        assert row["stability"] == Counter(answers.tolist())[row["source"]] / 6
    assert status == 0 and rows[0]["stability"] < 1
    table = list(csv.DictReader(io.StringIO(ganprint(*words, "--format", "csv")[1])))
    assert list(table[0])[-2:] == ["stability", "stability_answers"]
    name, count = next(iter(rows[0]["stability_answers"].items()))
    assert table[0]["stability_answers"].startswith(f"{name}: {count}")


def test_stability_of_verdicts_and_of_what_has_none(scene, ganprint, tmp_path):
    words = ["verify", scene / "m.skops", "a", scene / "mixed", "--out", tmp_path / "out"]
    status, out, _ = ganprint(*words, "--false-alarm", 0.1, "--stability", 4, "--jobs", 2)
    assert status == 1 and "A verdict that flips is not one" in out
    rows = read_case(tmp_path / "out")["images"]
    for row in rows:
        if row["verdict"] is None:
            assert row["stability"] is row["stability_answers"] is None
        else:
            assert sum(row["stability_answers"].values()) == 4
            assert row["stability"] == row["stability_answers"].get(row["verdict"], 0) / 4
    page = (tmp_path / "out/index.html").read_text("utf-8")
    assert page.count('class="strip"') == sum(row["verdict"] is not None for row in rows) == 3


def test_stability_takes_a_number_of_copies(scene, ganprint):
    status, _, err = ganprint("predict", scene / "m.skops", scene / "mixed", "--stability", 0)
    assert status == 2 and "--stability" in err


def test_sources_of_one_image_make_a_model_and_a_case(image_folder, ganprint, tmp_path):
    folder, paths, _ = image_folder(n_per_class=1, shape=(64, 64, 3))
    status, _, err = ganprint("fit", folder, "--model", tmp_path / "m", "--kind", "nearest-mean")
    assert status == 0, err
    assert ganprint("info", tmp_path / "m")[0] == 0
    assert ganprint("predict", tmp_path / "m", paths[0], "--out", tmp_path / "case")[0] == 0
    assert read_case(tmp_path / "case")["model"]["out_of_fold"] is None
