"""``ganprint info``, as it is used."""

import csv
import io
import json
import re

import sklearn_ganprint
from sklearn_ganprint import load_model


def test_info(model, ganprint):
    path, *_ = model
    status, out, err = ganprint("info", path, "--format", "json")
    document = json.loads(out)
    fitted = load_model(path).estimator_[-1]
    assert (status, err) == (0, "")
    assert document["package_version"] == sklearn_ganprint.__version__
    assert (document["crop"], document["anchor"], document["channels"]) == (
        [32, 32],
        "top-left",
        "rgb",
    )
    assert document["denoiser"]["name"] == "WaveletDenoiser"
    assert document["denoiser"]["sigma"] == 5.0
    assert document["sources"][1] == {
        "source": "b",
        "images": 8,
        "fingerprint_energy": fitted.energy_[1],
    }


def test_info_as_table_and_csv(model, ganprint):
    path, *_ = model
    table = ganprint("info", path)[1]
    assert re.search(r"^crop +32 x 32", table, re.MULTILINE)
    assert re.search(r"^denoiser +WaveletDenoiser\(.*sigma=5\.0", table, re.MULTILINE)
    assert re.search(r"^c +8 +\d+\.\d{4}", table, re.MULTILINE)
    rows = list(csv.DictReader(io.StringIO(ganprint("info", path, "--format", "csv")[1])))
    assert [(row["source"], row["images"]) for row in rows] == [("a", "8"), ("b", "8"), ("c", "8")]
