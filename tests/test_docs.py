"""The searches that the documentation shows run as they stand there."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.denoisers import GaussianDenoiser
from sklearn_ganprint.features import SpectralLineTransformer

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
SEARCHES = [
    (page.name, block)
    for page in PAGES
    for block in BLOCK.findall(page.read_text(encoding="utf-8"))
    if "SearchCV(" in block
]


@pytest.fixture
def names(make_images):
    """What the pages have defined before they search, small."""
    X, y = make_images(n_per_class=12)
    residual = ResidualTransformer(GaussianDenoiser(2.0), channels="rgb", flatten=False)
    return {
        **{"images": X, "sources": y, "X": X, "y": y, "folds": np.tile(["f", "g", "h"], 12)},
        **{"samples": Bunch(data=X), "generated": y == "a"},
        **{"make_pipeline": make_pipeline, "LeaveOneGroupOut": LeaveOneGroupOut},
        "GridSearchCV": GridSearchCV,
        "pipeline": make_pipeline(ResidualTransformer(channels="rgb"), FingerprintClassifier()),
        "classifier": make_pipeline(ResidualTransformer(), FingerprintClassifier()),
        "detector": make_pipeline(residual, SpectralLineTransformer(), LogisticRegression()),
    }


@pytest.mark.parametrize(("page", "block"), SEARCHES, ids=[page for page, _ in SEARCHES])
def test_searches_that_pages_show_run(names, page, block):
    # The searches that a block leaves without a name are given one.
    exec(re.sub(r"^GridSearchCV\(", "search = GridSearchCV(", block, flags=re.MULTILINE), names)
    assert isinstance(names["search"], GridSearchCV)
    assert np.isfinite(names["search"].cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_searches_in_blocks_that_run(page):
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert not re.search(r"SearchCV\(", prose)


def test_there_are_searches_to_run():
    assert {page for page, _ in SEARCHES} >= {"getting_started.md", "perturbations.md"}
