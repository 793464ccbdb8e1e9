"""``ganprint evaluate``, as it is used, and what ``fit`` and ``info`` tell of images left out."""

import contextlib
import csv
import io
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import check_json
from PIL import Image
from scipy.stats import binomtest, norm
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    FileBatchEstimator,
    FingerprintClassifier,
    FusionClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.cli import main
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.perturbations import JPEGCompression

MODELS = Path(__file__).parent / "models"
UNKNOWN = "srgan_x4"
SHARES = ("right", "unsure", "unknown", "wrong", "accuracy", "coverage")


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    """A model of one half of the bundled samples but for one source, and files of the other."""
    folder = tmp_path_factory.mktemp("samples")
    samples = load_samples()
    for number, (image, code) in enumerate(zip(samples.data, samples.target, strict=True)):
        source, is_new = samples.target_names[code], number % 2 == 1
        if source == UNKNOWN and not is_new:
            continue
        half = folder / ("new" if is_new else "fit") / source
        half.mkdir(parents=True, exist_ok=True)
        form = "jpg" if number % 3 == 1 else "png"
        quality = (60, 95, 40)[number // 6 % (3 if is_new else 2)]
        Image.fromarray(image).save(half / f"{number}.{form}", quality=quality)
    arguments = ["fit", folder / "fit", "--model", folder / "m", "--kind", "fingerprint"]
    assert main(list(map(str, arguments))) == 0
    return folder / "m", folder / "new"


@pytest.fixture(scope="module")
def printed(sampled):
    """What the command prints in each form, and predict of the same files as JSON."""

    def run(command, form):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            assert main([command, *map(str, sampled), "--format", form]) == 0
        assert "warning" not in err.getvalue()
        return out.getvalue()

    forms = {form: run("evaluate", form) for form in ("table", "csv", "json")}
    return {**forms, "predict": run("predict", "json")}


@pytest.fixture
def document(printed):
    """What the command finds, and the rows of predict for the same files."""
    found, predicted = json.loads(printed["json"]), json.loads(printed["predict"])
    check_json("evaluate", found)
    check_json("predict", predicted)
    return found, predicted["results"]


def true_source(row):
    return Path(row["file"]).parent.name


def outcome(row):
    """The answer of predict for one file, held against the name of its folder."""
    if row["source"] == "unknown":
        return "unknown"
    if true_source(row) not in row["set"]:
        return "wrong"
    return "right" if len(row["set"]) == 1 else "unsure"


def check_shares(found, rows, *, known):
    """Hold shares against the answers of predict for the same files."""
    outcomes = Counter(map(outcome, rows))
    assert found["images"] == len(rows) > 0
    expected = {name: outcomes[name] / len(rows) for name in SHARES[:4]}
    expected["accuracy"] = np.mean([row["nearest"] == true_source(row) for row in rows])
    expected["coverage"] = expected["right"] + expected["unsure"]
    told = SHARES if known else ("unknown", "wrong")
    for name in SHARES:
        value = pytest.approx(expected[name]) if name in told else None
        assert found[name] == value, name
    sizes = [len(row["set"]) for row in rows if row["source"] != "unknown"]
    assert found["set_size"] == pytest.approx(np.mean(sizes))
    assert set(found["intervals"]) == set(told)


def test_shares_are_counts_of_what_predict_answers(document):
    found, rows = document
    for known, key in ((True, "known"), (False, "unknown")):
        own = [row for row in rows if (true_source(row) != UNKNOWN) == known]
        check_shares(found["all"][key], own, known=known)
    assert {outcome(row) for row in rows} == {"right", "unsure", "unknown", "wrong"}
    names = [source["name"] for source in found["sources"]]
    assert names == [*sorted({true_source(row) for row in rows} - {UNKNOWN}), UNKNOWN]
    for source in found["sources"]:
        own = [row for row in rows if true_source(row) == source["name"]]
        assert source["known"] == (source["name"] != UNKNOWN)
        check_shares(source, own, known=source["known"])


def test_some_files_of_each_source_are_enough(sampled, ganprint):
    model, folder = sampled
    drawn = "--limit-per-source", 3, "--seed", 1, "--format", "json"
    found = json.loads(ganprint("evaluate", model, folder, *drawn)[1])
    assert {source["images"] for source in found["sources"]} == {3}


def test_right_families_are_counted(sampled, document, printed):
    found, rows = document
    names = load_model(sampled[0]).estimator_.families_.names
    family_of = {source: name for name in names for source in name.split(" or ")}

    def share(own):
        right = [{family_of[s] for s in row["set"]} == {family_of[true_source(row)]} for row in own]
        return pytest.approx(np.mean(right))

    known = [row for row in rows if true_source(row) != UNKNOWN]
    total = found["all"]["known"]
    assert total["right_family"] == share(known) and total["right_family"] > total["right"]
    assert found["all"]["unknown"]["right_family"] is None
    for source in found["sources"][:-1]:
        own = [row for row in known if true_source(row) == source["name"]]
        assert source["right_family"] == share(own)
    out = printed["table"]
    together = "; ".join(name for name in names if " or " in name)
    assert f"families of several sources: {together}\n" in out and "unsure   right family" in out
    table = csv.DictReader(io.StringIO(printed["csv"]))
    assert float(next(table)["right_family"]) == share(
        [row for row in known if true_source(row) == found["sources"][0]["name"]]
    )


def test_without_families_no_share_of_them_is_told(model, ganprint):
    path, folder, _ = model
    known = json.loads(ganprint("evaluate", path, folder, "--format", "json")[1])["all"]["known"]
    assert known["right_family"] is None
    assert "family" not in ganprint("evaluate", path, folder)[1]


def quality_class(row):
    qualities = [row["jpeg_quality"], row["pixel_jpeg_quality"]]
    lowest = min((round(quality) for quality in qualities if quality is not None), default=None)
    classes = {"none": [None], "below 50": range(50), "50-69": range(50, 70)}
    classes |= {"70-89": range(70, 90), "90-100": range(90, 101)}
    return next(name for name, members in classes.items() if lowest in members)


@pytest.mark.parametrize(
    ("by", "name_of", "expected"),
    [
        ("format", lambda row: row["format"], {"JPEG", "PNG"}),
        ("JPEG quality", quality_class, {"none", "below 50", "50-69", "70-89", "90-100"}),
        ("covered by the fit", lambda row: "no" if row["outside"] else "yes", {"no", "yes"}),
    ],
)
def test_shares_by_what_files_have_been_through(document, by, name_of, expected):
    found, rows = document
    lines = [line for line in found["histories"] if line["by"] == by]
    assert {line["name"] for line in lines} == expected
    assert len({(line["name"], line["known"]) for line in lines}) == len(lines)
    assert sum(line["images"] for line in lines) == len(rows)
    for line in lines:
        own = [row for row in rows if name_of(row) == line["name"]]
        own = [row for row in own if (true_source(row) != UNKNOWN) == line["known"]]
        check_shares(line, own, known=line["known"])


def test_the_confusion_matrix_counts_every_answer(document):
    found, rows = document
    pairs = Counter((true_source(row), row["source"]) for row in rows)
    counts = {(s, a): n for s, own in found["confusion"].items() for a, n in own.items()}
    assert counts == dict(pairs)
    assert found["unknown_label"] == "unknown"


def test_the_table_and_its_notes(document, printed):
    found, rows = document
    first, second = printed["table"].split("\n\n")
    lines = [re.split("  +", line.strip()) for line in first.splitlines()]
    assert lines[0][:5] == ["source", "images", "right", "95 % interval", "unsure"]
    assert [line[0] for line in lines[2:]] == [
        *(source["name"] for source in found["sources"]),
        *("all known sources", "all unknown sources"),
    ]
    total, shares = lines[-2], found["all"]["known"]
    low, high = shares["intervals"]["right"]
    assert total[1:5] == [
        *(str(shares["images"]), f"{shares['right']:.3f}"),
        *(f"{low:.3f} to {high:.3f}", f"{shares['unsure']:.3f}"),
    ]
    *_, wrong, stranger, wrong_of_strangers, _, meaning = second.splitlines()
    n_wrong = sum(outcome(row) == "wrong" for row in rows if true_source(row) != UNKNOWN)
    intervals = (found["all"][name]["intervals"]["wrong"] for name in ("known", "unknown"))
    of_known, of_unknown = (f" (95 % interval: {low:.3f} to {high:.3f})" for low, high in intervals)
    assert wrong.startswith(f"wrong: {n_wrong} of {shares['images']}{of_known}; most often ")
    assert f" of 28{of_unknown}; " in wrong_of_strangers
    assert stranger == f"the model does not know {UNKNOWN}, where unknown is the right answer"
    pairs = Counter(row["nearest"] for row in rows if true_source(row) == UNKNOWN and row["set"])
    (nearest, n), *_ = pairs.most_common(1)
    assert f"{n} of 28 of {UNKNOWN} are taken for {nearest}" in wrong_of_strangers
    assert meaning.startswith("unknown: p-value at most 0.01; unsure: ")
    assert "format: JPEG" in second and "JPEG quality: 50-69" in second


def test_csv_has_a_row_for_each_part_with_intervals(document, printed):
    found, _ = document
    table = csv.DictReader(io.StringIO(printed["csv"]))
    rows = list(table)
    assert len(rows) == len(found["sources"]) + 2 + len(found["histories"])
    (total,) = (row for row in rows if row["by"] == "all" and row["known"] == "True")
    n = int(total["images"])
    for name in SHARES:
        count = round(float(total[name]) * n)
        reference = binomtest(count, n).proportion_ci(method="wilson")
        limits = float(total[f"{name}_low"]), float(total[f"{name}_high"])
        np.testing.assert_allclose(limits, (reference.low, reference.high), rtol=1e-5)
    (stranger,) = (row for row in rows if row["name"] == UNKNOWN)
    assert (stranger["known"], stranger["right"], stranger["right_low"]) == ("False", "", "")


def test_rate_and_coverage_are_taken(sampled, ganprint):
    totals = []
    for options in (("--coverage", 0.5), ("--coverage", 0.99), ("--false-alarm", 0.3)):
        out = ganprint("evaluate", *sampled, *options, "--format", "json", "--jobs", 2)[1]
        totals.append(json.loads(out)["all"]["known"])
    low, high, many = totals
    assert low["set_size"] < high["set_size"] and low["coverage"] < high["coverage"]
    assert many["unknown"] > low["unknown"]


def test_a_list_of_files_one_of_which_is_broken(model, ganprint, tmp_path):
    path, _, files = model
    (tmp_path / "broken.png").write_text("no image")
    names = [*files[:2], files[-1], tmp_path / "broken.png"]
    rows = [f"{name},{label}" for name, label in zip(names, "abcc", strict=True)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    options = ["--false-alarm", 0.05, "--format", "json"]
    status, out, err = ganprint("evaluate", path, tmp_path / "list.csv", *options)
    found = json.loads(out)
    assert status == 1 and err.endswith("1 could not be used; all others were\n")
    assert found["confusion"] == {"a": {"a": 1}, "b": {"a": 1}, "c": {"c": 1}}
    assert found["failures"][0]["file"] == str(tmp_path / "broken.png")
    assert found["all"]["unknown"] is None and found["all"]["known"]["images"] == 3
    assert found["all"]["known"]["accuracy"] == pytest.approx(2 / 3)


def test_where_no_source_can_be_ruled_out_the_nearest_is_the_answer(model, ganprint):
    path, folder, _ = model
    status, out, err = ganprint("evaluate", path, folder, "--coverage", 0.97, "--format", "json")
    found = json.loads(out)
    assert status == 0 and "no source can be ruled out at a coverage of 0.97" in err
    known = found["all"]["known"]
    assert (found["coverage"], known["coverage"], known["unsure"]) == (None, None, 0)
    assert known["right"] == known["accuracy"] == 1
    assert "coverage" not in ganprint("evaluate", path, folder, "--coverage", 0.97)[1]


def test_models_without_calibration(closed_model, ganprint):
    path, folder, _ = closed_model
    status, out, err = ganprint("evaluate", path, folder, "--format", "json")
    found = json.loads(out)
    assert status == 0 and "has no calibration images" in err
    assert (found["false_alarm_rate"], found["coverage"]) == (None, None)
    assert found["all"]["known"]["right"] == 1 and found["all"]["known"]["unknown"] == 0
    status, out, err = ganprint("evaluate", path, folder, "--false-alarm", 0.1)
    assert (status, out) == (2, "") and "has no calibration images" in err


def test_images_of_unknown_sources_alone(model, foreign, ganprint):
    path, *_ = model
    options = ["--false-alarm", 0.05, "--format"]
    folder = Path(foreign[0]).parent
    (folder / "x").mkdir()
    for file in map(Path, foreign):
        file.rename(folder / "x" / file.name)
    found = json.loads(ganprint("evaluate", path, folder, *options, "json")[1])
    assert found["all"]["known"] is None and found["all"]["unknown"]["unknown"] == 1
    assert found["confusion"] == {"x": {"unknown": 8}}
    out = ganprint("evaluate", path, folder, *options, "table")[1]
    assert "the model does not know x" in out and "all known sources" not in out


def test_images_without_a_residual_are_unknown(model, ganprint):
    path, folder, files = model
    Image.new("RGB", (32, 32), "white").save(files[0])
    found = json.loads(ganprint("evaluate", path, folder, "--format", "json")[1])
    assert found["confusion"]["a"] == {"a": 7, "unknown": 1}
    assert found["all"]["known"]["unknown"] == pytest.approx(1 / 24)
    # The first source is no nearer to such an image than others.
    assert found["sources"][0]["accuracy"] == 7 / 8


def test_sources_without_a_usable_file_have_a_row_of_no_images(model, ganprint, tmp_path):
    path, _, files = model
    rows = [f"{files[0]},a", f"{files[-1]},strange"]
    for label in ("b", "lost"):
        (tmp_path / f"{label}.png").write_text("no image")
        rows.append(f"{tmp_path / label}.png,{label}")
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    command = ["evaluate", path, tmp_path / "list.csv", "--false-alarm", 0.05]
    found = json.loads(ganprint(*command, "--format", "json")[1])
    counts = [(row["name"], row["known"], row["images"]) for row in found["sources"]]
    assert counts == [("a", True, 1), ("b", True, 0), ("lost", False, 0), ("strange", False, 1)]
    empty = found["sources"][1]
    assert {empty[name] for name in SHARES} == {None} and empty["intervals"] == {}
    assert found["confusion"]["b"] == found["confusion"]["lost"] == {}
    assert (found["all"]["known"]["images"], found["all"]["unknown"]["images"]) == (1, 1)
    out = ganprint(*command)[1]
    assert "no file could be used of b, lost, so that nothing here is about these\n" in out
    assert re.search(r"\nb +0 +- +- ", out)
    rows = list(csv.DictReader(io.StringIO(ganprint(*command, "--format", "csv")[1])))
    assert [row["images"] for row in rows if row["name"] in ("b", "lost")] == ["0", "0"]


def test_qualities_are_in_the_order_of_quality(document):
    lines = [line for line in document[0]["histories"] if line["by"] == "JPEG quality"]
    known = [line["name"] for line in lines if line["known"]]
    assert known == ["none", "90-100", "70-89", "50-69", "below 50"]


@pytest.mark.parametrize("what", ["empty", "flat", "missing", "hollow", "broken", "localization"])
def test_wrong_use(model, ganprint, tmp_path, what):
    path, folder, files = model
    words = {
        "empty": "expected one folder per label with images in it, found 0 files",
        "flat": "expected one folder per label with images in it, found 1 files",
        "missing": "found nothing of that name",
        "hollow": "no image found",
        "broken": "none of the 1 files can be used; the first: ",
        "localization": "is for `ganprint localize`",
    }
    target = tmp_path / what
    if what == "localization":
        path, target = MODELS / "localization.skops", folder
    elif what != "missing":
        (target / "a" if what in ("hollow", "broken") else target).mkdir(parents=True)
    if what == "flat":
        Path(files[0]).rename(target / "1.png")
    if what == "broken":
        (target / "a" / "1.png").touch()
    status, out, err = ganprint("evaluate", path, target)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("error: ") and words[what] in err


def left_out(open_set, where):
    """Accuracy, coverage and share called unknown of calibration images, one at a time."""
    own = [i for i, chosen in enumerate(where) if chosen]
    scores, codes = open_set.calibration_class_scores_, open_set.calibration_codes_
    p_values = open_set.calibration_set_.known_p_values(open_set.calibration_scores_)
    sets = open_set.prediction_sets_.predict_set(scores, 0.95)
    known = p_values > 0.01
    return {
        "images": len(own),
        "accuracy": np.mean([np.argmax(scores[i]) == codes[i] for i in own]),
        "coverage": np.mean([known[i] and sets[i, codes[i]] for i in own]),
        "unknown": np.mean([not known[i] for i in own]),
    }


def check_left_out(found, expected):
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_fit_and_info_tell_of_images_left_out(image_folder, fit, ganprint, tmp_path):
    folder, _, _ = image_folder(n_per_class=40, strength=0.2)
    found = json.loads(fit(folder, tmp_path / "m", "--format", "json")[1])["out_of_fold"]
    open_set = load_model(tmp_path / "m").estimator_
    assert (found["false_alarm_rate"], found["coverage"], found["processed"]) == (0.01, 0.95, None)
    expected = left_out(open_set, np.ones(120, dtype=bool))
    check_left_out(found["clean"], expected)
    assert 0.4 < expected["accuracy"] < 1
    assert json.loads(ganprint("info", tmp_path / "m", "--format=json")[1])["out_of_fold"] == found
    words = f"images as they are, accuracy {expected['accuracy']:.3f} (95 % interval "
    note = f"under models that have not seen them: {words}"
    assert note in ganprint("info", tmp_path / "m")[1]
    *_, first, second, _ = fit(folder, tmp_path / "other")[1].splitlines()
    assert first.startswith(note) and "processed" not in first
    assert f"coverage of sets {expected['coverage']:.3f} (mean size " in first
    assert first.endswith(f"unknown {expected['unknown']:.3f}")
    assert second.startswith("accuracy is a finding; coverage and the share called unknown are not")


def test_processed_copies_stand_apart(image_folder, ganprint, tmp_path):
    _, paths, y = image_folder(n_per_class=12, strength=2.4)
    last = {"mean": FingerprintClassifier(), "linear": LogisticRegression()}
    members = [(k, make_pipeline(ResidualTransformer("gaussian"), v)) for k, v in last.items()]
    fusion = FusionClassifier(members, perturbations=[JPEGCompression(30), JPEGCompression(60)])
    whole = FileBatchEstimator(OpenSetClassifier(fusion)).fit(paths, y)
    save_model(whole, tmp_path / "m")
    document = json.loads(ganprint("info", tmp_path / "m", "--format=json")[1])
    assert list(document["weights"]) == ["mean", "linear", "mean above its floor"]
    found = document["out_of_fold"]
    versions = whole.estimator_.estimator_.out_of_fold_versions_
    for key, where in (("clean", versions == 0), ("processed", versions > 0)):
        check_left_out(found[key], left_out(whole.estimator_, where))
    assert (found["clean"]["images"], found["processed"]["images"]) == (36, 72)
    # Copies are no more images than there are, and half of an image counts as half.
    shares = {name: found["processed"][name] for name in found["processed"]["intervals"]}
    assert any(share * 72 % 2 == pytest.approx(1) for share in shares.values())
    for name, share in shares.items():
        for limit in found["processed"]["intervals"][name]:
            if limit != share:  # none or all of the images
                deviation = abs(share - limit) / np.sqrt(limit * (1 - limit) / 36)
                assert deviation == pytest.approx(norm.ppf(0.975)), name
    own, wrong = whole.estimator_.likelihood_ratios_.out_of_fold()
    clean, processed = document["likelihood_ratios"]
    for row, where in ((clean, versions == 0), (processed, versions > 0)):
        assert row["own_below_1"] == np.mean(own[where] < 0)
        assert row["wrong_above_1"] == pytest.approx(np.nanmean((wrong > 0)[where]) * 3 / 2)
    assert processed["own_below_1"] > clean["own_below_1"]
    assert "; processed copies, accuracy 0." in ganprint("info", tmp_path / "m")[1]
    told = ganprint("verify", tmp_path / "m", "a", paths[0])[1]
    assert "calibrated on 36 images and copies of a (" in told
    assert "by 72 of their images and copies" in told


@pytest.mark.parametrize("name", ["paper", "combined", "camera", "localization"])
def test_models_without_class_scores_of_images_left_out(ganprint, name):
    path = MODELS / f"{name}.skops"
    assert json.loads(ganprint("info", path, "--format=json")[1])["out_of_fold"] is None
    assert "have not seen" not in ganprint("info", path)[1]


def test_with_few_images_there_is_no_coverage(image_folder, fit, tmp_path):
    folder, *_ = image_folder(n_per_class=5)
    found = json.loads(fit(folder, tmp_path / "m", "--format=json")[1])["out_of_fold"]
    assert (found["coverage"], found["clean"]["coverage"]) == (None, None)
    *_, first, second, _ = fit(folder, tmp_path / "other")[1].splitlines()
    assert "coverage" not in first
    assert second.startswith("accuracy is a finding; the share called unknown is not, since p-")
