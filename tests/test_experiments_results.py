import csv
import json

import numpy as np
import pytest

from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.experiments import (
    compare_predictions,
    evaluate_attribution,
    measure_correlations,
)


@pytest.fixture
def result():
    return compare_predictions(["ä", "b"], ["ä", "b"], {"line\n\udcff": ["ä", "ä"]})


def test_plain_values_only():
    # A source without images has no mean, and scores without spread are infinitely far apart.
    scores = np.array([[np.float32(1), 0, 0], [1, 0, 0]])
    document = measure_correlations(scores, ["a", "a"], ["a", "b", "c"]).to_dict()
    assert document["mean"][1] == document["d_prime"][0] == [None, None, None]
    assert document["mean"][0] == [1, 0, 0]

    def types(value):
        if isinstance(value, dict):
            return set(map(type, value)).union(*map(types, value.values()))
        return set().union(*map(types, value)) if isinstance(value, list) else {type(value)}

    assert types(document) <= {str, int, float, type(None)}


def test_json_comes_back(result, tmp_path):
    result.save(str(tmp_path / "result.json"))
    text = (tmp_path / "result.json").read_text(encoding="utf-8")
    assert json.loads(text) == result.to_dict()


def test_csv_comes_back(result, tmp_path):
    result.to_csv(tmp_path / "result.csv")
    how = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    with open(tmp_path / "result.csv", **how) as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == ["clean", "line\n\udcff"]
    assert float(rows[1]["difference_low"]) == result.rows()[1]["difference_low"]
    assert list(rows[0]) == list(result.rows()[0])


@pytest.mark.parametrize("method", ["save", "to_csv"])
def test_files_are_replaced_at_once_or_not_at_all(result, tmp_path, method):
    path = tmp_path / "result"
    path.write_text("old")
    getattr(result, method)(path)
    assert path.read_bytes() not in (b"old", b"")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match="no folder"):
        getattr(result, method)(tmp_path / "missing" / "result")


def test_attribution_is_a_result_too(make_residuals, tmp_path):
    attribution = evaluate_attribution(FingerprintClassifier(), *make_residuals())
    attribution.to_csv(tmp_path / "classes.csv")
    header, *rows = (tmp_path / "classes.csv").read_text().splitlines()
    assert header == "name,n_fit,n_test,recall,auc"
    assert [row.split(",")[:3] for row in rows] == [[each, "6", "6"] for each in "abc"]
