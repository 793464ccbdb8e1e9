"""``ganprint info``, as it is used."""

import csv
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sklearn_ganprint
from sklearn_ganprint import (
    FileBatchClassifier,
    FileBatchEstimator,
    FingerprintClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)


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
        ("localization", "localization"),
    ],
)
def test_info_names_the_current_kind_of_former_models(ganprint, name, kind):
    path = Path(__file__).parent / "models" / f"{name}.skops"
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


def test_info_writes_a_model_card(model, ganprint, tmp_path):
    path, card = model[0], tmp_path / "card.md"
    out = ganprint("info", path)[1]
    assert ganprint("info", path, "--card", card)[:2] == (0, out)
    text, digest = card.read_text("utf-8"), hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"# Model card: `{path}`\n" in text and f"| SHA-256 | `{digest}` |" in text
    document = json.loads(ganprint("info", path, "--format", "json")[1])
    for source in document["sources"]:
        assert f"| `{source['source']}` | {source['calibration_images']} |\n" in text
    found = document["out_of_fold"]["clean"]["accuracy"]
    assert f"accuracy {found:.3f} (95 % interval " in text and document["covers"] in text
    assert "A high p-value proves nothing." in text
    status, _, err = ganprint("info", path, "--card", card)
    assert status == 2 and "--force replaces it" in err
    assert ganprint("info", path, "--card", card, "--force")[0] == 0


def test_cards_of_any_names_and_models(image_folder, closed_model, ganprint, tmp_path):
    name = "[x](javascript:1)`|<b>\u202e"
    folder, *_ = image_folder(labels=(name, "b"))
    assert ganprint("fit", folder, "--model", tmp_path / "l", "--task", "localize")[0] == 0
    assert ganprint("info", tmp_path / "l", "--card", tmp_path / "l.md")[0] == 0
    text = (tmp_path / "l.md").read_text("utf-8")
    assert "| `[x](javascript:1)'\\|<b>\\u202e` | 8 |" in text and "Finds parts" in text
    assert ganprint("info", closed_model[0], "--card", tmp_path / "c.md")[0] == 0
    assert "| p-values | none |" in (tmp_path / "c.md").read_text("utf-8")
