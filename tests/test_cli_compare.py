"""``ganprint compare``, as it is used."""

import csv
import io
import json
import re

import numpy as np
import pytest
from cli_helpers import add_broken_files
from PIL import Image

# Words for any p-values, and for correlations that images show by chance only.
from sklearn_ganprint.cli._matches import Compared, p_number, p_text, verdict
from sklearn_ganprint.comparison import compare_models, fingerprint_set
from sklearn_ganprint.persistence import load_model


@pytest.fixture
def halves(tmp_path, make_images):
    """Two folders A and B of other images of the same five sources, 10 of each."""
    X, y = make_images(n_per_class=20, labels=tuple("abcde"), strength=3)
    for index, (image, label) in enumerate(zip(X, y, strict=True)):
        path = tmp_path / "AB"[index % 2] / label / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "A", tmp_path / "B"


def pairs(out):
    return {(row["first"], row["second"]): row for row in csv.DictReader(io.StringIO(out))}


def test_compare_finds_each_partner(halves, ganprint):
    status, out, err = ganprint("compare", *halves)
    lines = out.splitlines()
    assert status == 0
    table = [line.split() for line in lines[2:7]]
    assert [(row[0], row[1]) for row in table] == [(each, each) for each in "abcde"]
    for each in "abcde":
        assert f"{each} of A and {each} of B share a source, or a close relative: p" in out
    assert "p-values are calibrated on the other pairs of sources" in lines[-1]
    assert "--crop auto: 32 x 32 pixels" in err
    assert "may still be there: --kind fusion finds more; `ganprint fit" in err
    listed = "a (10), b (10), c (10), d (10), e (10); their fingerprints are noise"
    assert [err.count(f"few images in {half}: {listed}") for half in halves] == [1, 1]


def test_compare_by_fingerprints_and_features(halves, tmp_path, ganprint):
    asked = ["compare", *halves, "--kind", "fusion"]
    _, out, err = ganprint(*asked, "--out", tmp_path / "page")
    assert out.splitlines()[0].split()[-1] == "similarity"
    assert "a of A and a of B share a source, or a close relative: p" in out
    assert "or a similarity of 0.1 or more, as relatives and one processing have too" in out
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "<em>similarity</em> of the mean features of 0.1" in page
    for name in ("correlations", "similarities"):
        assert f'src="figures/{name}.png"' in page
        Image.open(tmp_path / "page" / "figures" / f"{name}.png").verify()
    assert "few images" in err and "--kind fusion finds more" not in err
    _, csv_out, _ = ganprint(*asked, "--format", "csv")
    document = json.loads(ganprint(*asked, "--format", "json")[1])
    rows = pairs(csv_out)
    assert list(rows["a", "a"])[-2:] == ["null", "similarity"]
    for row in document["pairs"]:
        own = float(rows[row["first"], row["second"]]["similarity"])
        assert own == pytest.approx(row["similarity"], abs=1e-5)
    plain = json.loads(ganprint("compare", *halves, "--format", "json")[1])
    assert {row["similarity"] for row in plain["pairs"]} == {plain["least_similarity"]} == {None}
    correlations = [[row["correlation"] for row in each["pairs"]] for each in (document, plain)]
    assert correlations[0] == correlations[1]


def test_compare_by_features_says_where_processing_may_be_what_is_alike(halves, ganprint):
    for half, source in zip(halves, "ab", strict=True):
        for path in (half / source).iterdir():
            Image.open(path).save(path.with_suffix(".jpg"), quality=60)
            path.unlink()
    _, out, err = ganprint("compare", *halves, "--kind", "fusion")
    assert re.search(
        r"warning: format: 'a of A' and 'b of B' are JPEG \(20 of 20\), .* may be", err
    )
    assert "a of A and b of B have features in common, as one source, relatives or one " in out
    assert "--kind fusion finds more" not in err
    _, _, err = ganprint("compare", *halves)
    assert "what features are alike in" not in err


def test_compare_advises_what_can_be_followed(models, halves, ganprint):
    for asked in ([halves[0] / "a", halves[1] / "a"], [models[0], halves[1]]):
        err = ganprint("compare", *asked)[2]
        assert "few images in" in err and "--kind fusion" not in err
    _, _, err = ganprint("compare", models[0], halves[1], "--kind", "fusion")
    assert err.startswith("error: --crop, --anchor, --kind: leave these out")


def test_compare_names_sources_that_have_one_partner(halves, tmp_path, ganprint):
    words = "have one partner, e of B, so they may be one source"
    assert "have one partner" not in ganprint("compare", *halves)[1]
    for file in sorted((halves[0] / "e").iterdir())[::2]:
        other = halves[0] / "f" / file.name
        other.parent.mkdir(exist_ok=True)
        file.rename(other)
    _, out, _ = ganprint("compare", *halves, "--out", tmp_path / "page")
    assert f"\nthese sources of A {words}" in out
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert f"<p>These sources of A {words}" in page
    assert "have one partner" not in ganprint("compare", halves[0])[1]


def test_compare_two_folders_of_one_source(halves, ganprint):
    first, second = halves
    _, out, _ = ganprint("compare", first / "a", second / "a")
    assert "a of A and a of B have a pattern in common: p" in out
    assert "p-values are calibrated" in out
    _, out, _ = ganprint("compare", first / "a", second / "b")
    assert "No evidence that a of A and b of B" in out


def test_compare_by_chance(halves, ganprint):
    document = json.loads(ganprint("compare", *halves, "--null", "chance", "--format", "json")[1])
    assert document["null"] == "chance"
    assert "a of A and a of B have a pattern in common: p" in document["verdicts"][0]
    status, _, err = ganprint("compare", halves[0] / "a", halves[1] / "a", "--null", "sources")
    assert status == 2 and "'sources' takes at least 4 sources" in err


def test_compare_folders_as_one_source(halves, ganprint):
    status, out, _ = ganprint("compare", *halves, "--one-source", "--format", "csv")
    assert status == 0 and set(pairs(out)) == {("A", "B")}


@pytest.fixture
def models(halves, tmp_path, fit):
    for folder in halves:
        assert fit(folder, tmp_path / f"{folder.name}.skops")[0] == 0
    return tmp_path / "A.skops", tmp_path / "B.skops"


def test_compare_says_what_the_models_say(models, halves, ganprint):
    expected = compare_models(*(fingerprint_set(load_model(path)) for path in models))
    found = pairs(ganprint("compare", *models, "--format", "csv")[1])
    for row in expected.rows():
        own = found[row["first"], row["second"]]
        for key in ("correlation", "z_score", "p_value"):
            assert float(own[key]) == pytest.approx(row[key], rel=1e-4, abs=1e-300)
    mixed = pairs(ganprint("compare", models[0], halves[1], "--format", "csv")[1])
    for key, row in mixed.items():
        own = float(found[key]["correlation"])
        assert float(row["correlation"]) == pytest.approx(own, rel=1e-3, abs=1e-5)


def test_compare_a_model_with_itself(models, ganprint):
    status, out, _ = ganprint("compare", models[0], "--format", "json")
    document = json.loads(out)
    assert status == 0 and document["second"] is None
    assert len(document["pairs"]) == 10 and len(document["verdicts"]) == 5
    assert all(row["first"] != row["second"] for row in document["pairs"])


def test_compare_models_that_differ(models, halves, tmp_path, fit, ganprint):
    for name, options, words in [
        ("small", ["--crop", 24], "another size: .*A.skops has 32 x 32, .*small.skops has 24 x 24"),
        ("centre", ["--anchor", "center"], "another anchor: "),
        ("grey", ["--channels", "luminance"], "another channels: "),
        ("median", ["--denoiser", "median"], "another denoiser: "),
    ]:
        assert fit(halves[1], tmp_path / f"{name}.skops", *options)[0] == 0
        status, out, err = ganprint("compare", models[0], tmp_path / f"{name}.skops")
        assert (status, out) == (2, "")
        assert re.match(f"error: cannot compare models of {words}", err), err


def test_compare_writes_a_page(halves, tmp_path, ganprint):
    folder = tmp_path / "page"
    status, _, err = ganprint("compare", *halves, "--out", folder)
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert status == 0 and f"pictures and explanations: {folder / 'index.html'}" in err
    written = {str(path.relative_to(folder)) for path in folder.rglob("*.*g")}
    assert set(re.findall(r'src="([^"]+)"', page)) == written
    assert len(written) == 1 + 2 * 5 + 2 * 5 * 6
    for name in written:
        Image.open(folder / name).verify()
    assert "<strong>5 of 5</strong> sources of A have a partner in B" in page
    assert "://" not in page and "<script" not in page


def test_compare_leaves_copies_out(halves, ganprint):
    first, second = halves
    copied = second / "b" / "copy.png"
    copied.write_bytes(next((first / "a").iterdir()).read_bytes())
    _, out, err = ganprint("compare", first, second, "--format", "json")
    assert "warning: 1 images of" in err and "left out of" in err
    assert json.loads(out)["images"][1]["b"] == 10


def test_compare_names_sources_of_which_no_image_is_left(halves, ganprint):
    first, second = halves
    (second / "damaged").mkdir()
    (second / "damaged" / "0.png").write_bytes(b"")
    (second / "copies").mkdir()
    (second / "copies" / "0.png").write_bytes(next((first / "a").iterdir()).read_bytes())
    _, out, err = ganprint("compare", first, second, "--format", "json")
    assert f"left of these sources of {second}, and they are not compared: copies, damaged" in err
    counts = json.loads(out)["images"][1]
    assert (counts["copies"], counts["damaged"]) == (0, 0)


def test_compare_leaves_out_files_that_a_model_was_fitted_on(models, halves, ganprint):
    fitted = next((halves[0] / "a").iterdir()).read_bytes()
    (halves[1] / "b" / "another name.png").write_bytes(fitted)
    for pair in ([models[0], halves[1]], [halves[1], models[0]]):
        _, out, err = ganprint("compare", *pair, "--format", "json")
        assert "warning: 1 images of" in err and "was fitted on" in err
        own = json.loads(out)["images"][pair.index(halves[1])]
        assert own["b"] == 10
    status, out, err = ganprint("compare", models[0], halves[0])
    assert (status, out) == (2, "") and err.startswith("error: all images of")


def test_compare_names_unusable_files(halves, ganprint):
    first, second = halves
    broken = [*add_broken_files(first / "a"), str(first / "beside.txt")]
    (first / "beside.txt").write_text("x")
    status, out, err = ganprint("compare", first, second, "--format", "json", "--crop", 32)
    assert status == 1
    for name in broken:
        assert len(re.findall(f"^{re.escape(name)}: .+", err, re.MULTILINE)) == 1
    assert json.loads(out)["images"][0]["a"] == 10
    assert {each["file"] for each in json.loads(out)["failures"]} == set(broken)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["A", "none"], "none: expected a model, a folder of images or a CSV file, found nothing"),
        (["A", "A"], "A: this is A once more; leave out B"),
        (["A/a"], "A/a: it has one source only; name B"),
        (["A", "A/a/0.png"], "A/a/0.png: one image has no fingerprint"),
        (["A", "empty"], "empty: expected images, or a folder of them"),
        (["A/a", "copy"], "all images of copy are copies of images of A/a"),
        (["A", "B", "--crop", 99], "none of the 100 files can be used"),
        (["A", "B", "--trim", 16], "A and B: trim: expected"),
        (["A", "notes.txt"], "notes.txt: not a model file"),
        (["A", "bad.csv"], "bad.csv: expected the comma-separated columns"),
        (["A", "B", "--out", "A"], "--out A: the folder is not empty"),
        (["A/a", "B/a", "--kind", "fusion"], "--kind fusion: .* takes 4 or more in A or in B"),
        (["A", "B", "--kind", "fusion", "--null", "chance"], "--kind fusion: .* no --null chance"),
    ],
)
def test_compare_refuses(halves, ganprint, monkeypatch, args, words):
    root = halves[0].parent
    monkeypatch.chdir(root)
    for name in ("empty", "copy"):
        (root / name).mkdir()
    for path in (root / "A" / "a").iterdir():
        (root / "copy" / path.name).write_bytes(path.read_bytes())
    for name in ("notes.txt", "bad.csv"):
        (root / name).write_text("x\n")
    status, out, err = ganprint("compare", *args)
    assert (status, out) == (2, "")
    assert re.search(f"^error: {words}", err, re.MULTILINE), err


def test_compare_with_a_model_takes_its_crop(models, halves, ganprint):
    for option in (["--crop", 16], ["--anchor", "center"], ["--kind", "prnu"]):
        status, _, err = ganprint("compare", models[0], halves[1], *option)
        assert status == 2
        assert re.match("error: --crop, --anchor, --kind: .*A.skops says what is cut", err)


def test_compare_names_a_model_without_fingerprints(halves, tmp_path, fit, ganprint):
    model = tmp_path / "few.skops"
    assert fit(halves[1], model, "--kind", "autocorrelation")[0] == 0
    for asked in ([halves[0], model], [model, halves[0]], [model]):
        status, out, err = ganprint("compare", *asked)
        assert (status, out) == (2, "")
        assert f"error: {model}: FileBatchEstimator has no fingerprints to compare" in err


def test_compare_sensor_patterns(halves, tmp_path, fit, ganprint):
    first, second = halves
    options = ["--kind", "prnu", "--format", "csv"]
    found = pairs(ganprint("compare", first, second, *options)[1])
    status, _, err = ganprint("fit", first, "--model", tmp_path / "cam.skops", "--kind", "prnu")
    assert status == 0, err
    model = tmp_path / "cam.skops"
    for key, row in pairs(ganprint("compare", model, second, "--format", "csv")[1]).items():
        assert float(row["correlation"]) == pytest.approx(
            float(found[key]["correlation"]), abs=1e-5
        )
    _, former, err = ganprint("compare", first, second, "--kind", "camera", "--format", "csv")
    assert pairs(former) == found and "'camera' was renamed to 'prnu'" in err
    means = pairs(ganprint("compare", first, second, "--format", "csv")[1])
    assert means["a", "a"]["correlation"] != found["a", "a"]["correlation"]


@pytest.mark.parametrize(
    ("p_value", "number"),
    [(0.5, "0.500"), (0.00012, "1.2e-04"), (0, "< 1e-12"), (1e-13, "< 1e-12")],
)
def test_p_values_in_words(p_value, number):
    assert p_number(p_value) == number
    assert p_text(p_value) == ("p < 1e-12" if p_value < 1e-12 else f"p = {number}")


@pytest.mark.parametrize(("strength", "expected"), [(0.04, False), (0.2, True)])
def test_small_correlations_are_called_no_evidence(strength, expected):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 8, 128, 128))
    second[0] += strength * first[0]
    found = compare_models(*(dict(zip("abcdefgh", each, strict=True)) for each in (first, second)))
    match = found.matches()[0]
    words = verdict(match, Compared([], found, 0.01, [], []))
    assert words.startswith("No evidence that a and a share a source") is not expected
    assert ("below 0.0391" in words) is not expected
