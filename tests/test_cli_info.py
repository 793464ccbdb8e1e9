"""``ganprint info``, as it is used."""

import csv
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sklearn_ganprint
from sklearn_ganprint import (
    DetectionClassifier,
    FileBatchClassifier,
    FileBatchEstimator,
    FingerprintClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint._output import printable
from sklearn_ganprint.evidence import cllr, cllr_min

MODELS = Path(__file__).parent / "models"


def test_info(model, ganprint):
    path, *_ = model
    status, out, err = ganprint("info", path, "--format", "json")
    document = json.loads(out)
    fitted = load_model(path).estimator_.estimator_[-1]
    assert (status, err) == (0, "")
    assert document["package_version"] == sklearn_ganprint.__version__
    assert (document["crop"], document["anchor"], document["channels"]) == (
        [32, 32],
        "top-left",
        "rgb",
    )
    assert document["denoiser"]["name"] == "WaveletDenoiser"
    assert document["denoiser"]["sigma"] == 5.0
    assert (document["kind"], document["calibration"]) == ("fingerprint", "pooled")
    assert document["smallest_p_value"] == 1 / 25
    assert document["weights"] is None
    content = path.read_bytes()
    assert document["sha256"] == hashlib.sha256(content).hexdigest()
    assert document["bytes"] == len(content)
    assert document["sources"][1] == {
        "source": "b",
        "images": 8,
        "calibration_images": 8,
        "smallest_p_value": 1 / 9,
        "fingerprint_energy": fitted.energy_[1],
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("paper", "fingerprint"),
        ("spectral", "autocorrelation"),
        ("combined", "fusion"),
        ("thorough", "fusion-siblings"),
        ("camera", "prnu"),
        ("format_2_2026-11/nearest-mean", "nearest-mean"),
        ("localization", "localization"),
    ],
)
def test_info_names_the_current_kind_of_former_models(ganprint, name, kind):
    path = MODELS / f"{name}.skops"
    status, out, _ = ganprint("info", path, "--format", "json")
    document = json.loads(out)
    assert (status, document["kind"]) == (0, kind)
    assert document["task"] == ("localize" if kind == "localization" else "attribute")


def test_info_as_table_and_csv(model, ganprint):
    path, *_ = model
    table = ganprint("info", path)[1]
    assert re.search(r"^crop +32 x 32", table, re.MULTILINE)
    assert re.search(r"^denoiser +WaveletDenoiser\(.*sigma=5", table, re.MULTILINE)
    assert re.search(r"^p_values_by +24 images pooled over all sources", table, re.MULTILINE)
    assert re.search(r"^c +8 +8 +0\.1111 +\d+\.\d{4}", table, re.MULTILINE)
    rows = list(csv.DictReader(io.StringIO(ganprint("info", path, "--format", "csv")[1])))
    assert [(row["source"], row["images"]) for row in rows] == [("a", "8"), ("b", "8"), ("c", "8")]


def test_info_of_a_model_without_calibration(closed_model, ganprint):
    path, *_ = closed_model
    document = json.loads(ganprint("info", path, "--format", "json")[1])
    assert (document["kind"], document["calibration"]) == ("fingerprint", None)
    assert document["sources"][0]["calibration_images"] is None
    table = ganprint("info", path)[1]
    assert re.search(r"^calibration +- *$", table, re.MULTILINE)
    assert re.search(r"^source +images +fingerprint energy *$", table, re.MULTILINE)


def test_info_tells_families_and_how_sources_are_joined(tmp_path, image_folder, ganprint):
    _, paths, y = image_folder(n_per_class=20, strength=0.2)
    pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    whole = FileBatchEstimator(OpenSetClassifier(pipeline, false_alarm_rate=0.1)).fit(paths, y)
    save_model(whole, tmp_path / "m")
    document = json.loads(ganprint("info", tmp_path / "m", "--format", "json")[1])
    confusion = whole.estimator_.families_.confusion_
    pair = np.unravel_index(np.nanargmax(confusion), (3, 3))
    first, last = document["hierarchy"]
    assert first == {
        "sources": ["abc"[code] for code in pair],
        "confused": pytest.approx(confusion[pair]),
    }
    other = ({0, 1, 2} - set(pair)).pop()
    assert last["confused"] == pytest.approx(confusion[other, list(pair)].mean())
    assert sorted(last["sources"]) == [*"abc"]
    expected = [name for name in whole.estimator_.families_.names if " or " in name]
    assert [family["family"] for family in document["families"]] == expected
    assert document["families"][0]["sources"] == expected[0].split(" or ")
    share = document["families"][0]["confused"]
    assert re.search(rf"^{expected[0]} +{share:.3f} *$", ganprint("info", tmp_path / "m")[1], re.M)


def test_info_of_models_without_families(model, closed_model, ganprint):
    path, *_ = model
    document = json.loads(ganprint("info", path, "--format", "json")[1])
    assert document["families"] == [] and len(document["hierarchy"]) == 2
    assert "share confused" not in ganprint("info", path)[1]
    document = json.loads(ganprint("info", closed_model[0], "--format", "json")[1])
    assert (document["families"], document["hierarchy"]) == (None, None)


def test_info_of_a_pipeline_of_ones_own(tmp_path, image_folder, ganprint):
    _, paths, y = image_folder()
    pipeline = make_pipeline(ResidualTransformer("median"), PCA(5), LogisticRegression())
    open_set = OpenSetClassifier(pipeline, false_alarm_rate=0.1)
    save_model(FileBatchClassifier(open_set).fit(paths, y), tmp_path / "m")
    document = json.loads(ganprint("info", tmp_path / "m", "--format", "json")[1])
    assert (document["kind"], document["classifier"]) == (None, "LogisticRegression")
    assert document["channels"] == "luminance"


def figures(own, wrong):
    """The figures of `info` for LRs of the right sources, and of wrong ones."""
    log10_lrs, y = [*own, *wrong], [True] * len(own) + [False] * len(wrong)
    return {
        "images": len(own),
        "cllr": pytest.approx(cllr(log10_lrs, y)),
        "cllr_min": pytest.approx(cllr_min(log10_lrs, y)),
        "own_below_1": pytest.approx(sum(lr < 0 for lr in own) / len(own)),
        "wrong_above_1": pytest.approx(sum(lr > 0 for lr in wrong) / len(wrong)),
        "wrong_above_100": pytest.approx(sum(lr > 2 for lr in wrong) / len(wrong)),
    }


def test_info_tells_how_good_likelihood_ratios_are(tmp_path, image_folder, ganprint):
    _, paths, y = image_folder(n_per_class=14, strength=0.3)
    pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    whole = FileBatchEstimator(OpenSetClassifier(pipeline, false_alarm_rate=0.1)).fit(paths, y)
    save_model(whole, tmp_path / "m")
    found = json.loads(ganprint("info", tmp_path / "m", "--format", "json")[1])["likelihood_ratios"]
    expected = []
    for against in ("others", "unknown"):
        own, wrong = whole.estimator_.likelihood_ratios_.out_of_fold(against)
        lrs = [[lr for lr in row if not np.isnan(lr)] for row in wrong]
        named = sum(lrs, []) if against == "others" else [max(row) for row in lrs]
        sources = [
            {"source": label} | figures(own[y == label], wrong[y != label, code])
            for code, label in enumerate("abc")
        ]
        total = {"history": "clean", "against": against} | figures(own, named)
        expected.append(total | {"sources": sources})
    assert found == expected
    assert 0 < found[0]["own_below_1"] < 0.5
    assert 0 < found[0]["wrong_above_1"] < 0.5
    cells = f"clean +others +42 +{found[0]['cllr']:.3f} +{found[0]['cllr_min']:.3f} "
    assert re.search(f"^{cells}", ganprint("info", tmp_path / "m")[1], re.MULTILINE)


def test_of_one_image_no_likelihood_ratio_is_judged(tmp_path, image_folder, ganprint):
    _, paths, y = image_folder(n_per_class=3, labels=("a", "b"))
    pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    one = [([1, 2, 3, 4, 5], [0])]
    open_set = OpenSetClassifier(pipeline, cv=one, false_alarm_rate=0.5)
    save_model(FileBatchEstimator(open_set).fit(paths, y), tmp_path / "m")
    status, out, _ = ganprint("info", tmp_path / "m", "--format", "json")
    document = json.loads(out)
    assert (status, document["out_of_fold"]["clean"]["images"]) == (0, 1)
    assert document["likelihood_ratios"] is None


#: Names that are Markdown, HTML, links or templates, or turn text around.
HOSTILE = [
    "a|b||c",
    "`code` ``",
    "<script>alert(1)</script> &amp;",
    "line\nend\r\n# heading",
    "[x](http://evil.example) ![y](z)",
    "www.evil.example, https://evil.example",
    "**bold** _it_ ~~no~~ \\",
    "{{ 7 * 7 }} $x^2$",
    "\u202etxt",
    "    - # 1. > code",
]


def table_cells(markdown):
    """The cells of each row of all tables in Markdown, which must be nothing but text."""
    rows = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and token.level == 4:
            assert {child.type for child in token.children} <= {"text"}, token.content
            rows[-1].append("".join(child.content for child in token.children))
    return rows


def test_names_stay_text_in_a_card(tmp_path, image_folder, ganprint):
    _, paths, y = image_folder(n_per_class=4, labels=tuple("abcdefghij"))
    y = np.array(HOSTILE)[np.searchsorted(list("abcdefghij"), y)]
    pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    whole = FileBatchEstimator(OpenSetClassifier(pipeline, false_alarm_rate=0.1)).fit(paths, y)
    save_model(whole, tmp_path / "<b>|`m`")
    status, _, err = ganprint("info", tmp_path / "<b>|`m`", "--card", tmp_path / "card.md")
    assert (status, err) == (0, f"model card: {tmp_path / 'card.md'}\n")
    text = (tmp_path / "card.md").read_text("utf-8")
    rows, names = table_cells(text), [printable(name).strip() for name in sorted(HOSTILE)]
    assert [row[0] for row in rows[1:11]] == names
    assert {tuple(row[1:]) for row in rows[1:11]} == {("4", "4", "0.2000")}
    assert [row[0] for row in rows if len(row) == 7][2:12] == names
    assert len([row for row in rows if len(row) == 7]) == 24
    assert text.startswith("# Model card: &lt;b&gt;&#124;\\`m\\`\n")
    assert "<script" not in text and "\u202e" not in text


@pytest.mark.parametrize(
    ("name", "purpose", "limited"),
    [
        ("paper_closed", "which of its sources made an image (`ganprint predict`)", True),
        ("combined", "`ganprint verify`", True),
        ("format_2/robust", "Processed copies, against others", True),
        ("camera", "which of its cameras took a photo", True),
        ("localization", "which parts of an image", False),
    ],
)
def test_cards_of_other_models(tmp_path, ganprint, name, purpose, limited):
    assert ganprint("info", MODELS / f"{name}.skops", "--card", tmp_path / "card.md")[0] == 0
    text = (tmp_path / "card.md").read_text("utf-8")
    assert purpose in text and "None" not in text
    assert ("A p-value is no probability" in text) == limited
    assert "Compression, resizing and other processing change a trace." in text
    assert "No names or digests of files." in text
    digest = hashlib.sha256((MODELS / f"{name}.skops").read_bytes()).hexdigest()
    assert f"SHA-256 digest of its file, {digest}" in text


def test_card_of_a_detector(tmp_path, image_folder, ganprint):
    _, paths, y = image_folder(n_per_class=8, labels=("generated", "photo"))
    pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    detector = DetectionClassifier([("mean", pipeline)])
    open_set = OpenSetClassifier(detector, false_alarm_rate=0.1)
    save_model(FileBatchEstimator(open_set).fit(paths, y), tmp_path / "m")
    assert ganprint("info", tmp_path / "m", "--card", tmp_path / "card.md")[0] == 0
    text = (tmp_path / "card.md").read_text("utf-8")
    assert "whether an image is a photo or generated" in text
    assert "Of 16 files: base name" in text
    assert ["photo", "8", "8", "0.1111"] in table_cells(text)


def test_a_card_is_not_replaced_unless_forced(model, tmp_path, ganprint):
    card = tmp_path / "card.md"
    card.write_text("mine")
    status, out, err = ganprint("info", model[0], "--card", card)
    assert (status, out) == (2, "")
    assert err == f"error: --card {card}: the file exists; --force replaces it\n"
    assert card.read_text() == "mine"
    assert ganprint("info", model[0], "--card", card, "--force")[0] == 0
    assert card.read_text().startswith("# Model card: model.skops\n")


@pytest.mark.parametrize("words", [
    ("info", "{model}", "--card", "{model}"),
    ("predict", "{model}", "{image}", "--parquet", "{model}"),
    ("predict", "{model}", "{image}", "--parquet", "{image}"),
    ("cluster", "{image}", "--csv", "{image}"),
    ("fit", "{table}", "--model", "{table}"),
    ("audit", "{table}", "--out", "{table}"),
    ("audit", "{table}", "--csv", "{table}"),
])  # fmt: skip
def test_what_a_command_reads_is_not_lost(model, tmp_path, ganprint, words):
    names = {"model": model[0], "image": model[2][0], "table": tmp_path / "table.csv"}
    names["table"].write_text(f"path,label\n{names['image']},a\n")
    *command, target = (word.format(**names) for word in words)
    before = Path(target).read_bytes()
    (tmp_path / "link").symlink_to(target)
    for path in (target, tmp_path / "link"):
        status, out, err = ganprint(*command, path, "--force")
        assert (status, out) == (2, "") and "is read, and would be lost" in err
        assert Path(target).read_bytes() == before


@pytest.mark.parametrize("found", [None, ["a is <b>JPEG</b>"], [], [{"a": 1}] * 40])
def test_what_was_found_before_a_fit_is_told(model, ganprint, tmp_path, found):
    path, *_ = model
    save_model(load_model(path), tmp_path / "m", findings=found)
    status, out, _ = ganprint("info", tmp_path / "m", "--format", "json")
    expected = None if found is None else [str(text) for text in found[:20]]
    assert (status, json.loads(out)["findings"]) == (0, expected)
    _, out, _ = ganprint("info", tmp_path / "m", "--card", tmp_path / "card.md")
    assert [line for line in out.splitlines() if line.startswith("found before the fit: ")] == [
        f"found before the fit: {text}" for text in expected or ()
    ]
    card = (tmp_path / "card.md").read_text("utf-8")
    assert ("An audit of seconds has found nothing" in card) == (found == [])
    assert ("a is &lt;b&gt;JPEG" in card) == (found == ["a is <b>JPEG</b>"])
