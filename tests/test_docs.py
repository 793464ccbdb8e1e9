"""Searches and commands that the documentation shows are right, and links lead somewhere."""

import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

import sklearn_ganprint
from sklearn_ganprint import FingerprintClassifier, FusionClassifier, ResidualTransformer
from sklearn_ganprint.cli._main import _parser
from sklearn_ganprint.denoisers import GaussianDenoiser
from sklearn_ganprint.ensemble._fusion import ALL_COPIES, COPIES
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
COMMANDS = sorted(
    {
        command
        for page in PAGES
        for block in re.findall(r"```\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for command in re.findall(r"^(?:.* && )?(ganprint .*)$", block, re.MULTILINE)
    }
)


def read(page):
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


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


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_that_pages_show_have_such_options(command):
    args = _parser().parse_args(shlex.split(command, comments=True)[1:])
    assert args.run.__module__ == f"sklearn_ganprint.cli._{command.split()[1]}"


def test_pages_tell_the_number_of_copies():
    most, all_together = COPIES[1], ALL_COPIES
    for text in (*map(read, ("web.md", "command_line.md")), FusionClassifier.__doc__):
        assert re.search(rf"\b{most} (of|for)\s+up\s+to\s+{all_together // most}\s", text)
    assert f"{all_together:,} over their number" in FusionClassifier.__doc__


def test_there_are_commands_to_parse():
    assert {command.split()[1] for command in COMMANDS} >= {"fit", "predict", "evaluate", "demo"}


def test_the_example_of_images_from_the_web_writes_its_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = BLOCK.findall((ROOT / "docs/web.md").read_text(encoding="utf-8"))
    exec(block, {})
    names = {path.parts[-3:] for path in tmp_path.rglob("*.*")}
    folders = [folder for folder, _, _ in names]
    assert {folder: folders.count(folder) for folder in folders} == {
        "known": 168,
        "clean": 168,
        "web": 168,
    }
    # No image is both fitted on and asked for.
    stems = {folder: {name[:3] for own, _, name in names if own == folder} for folder in folders}
    assert stems["clean"] == stems["web"]
    assert not stems["known"] & stems["web"]


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"], ids=lambda page: page.name
)
def test_links_between_pages_lead_to_files(page):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    made = ("auto_examples/", "pictures/")
    missing = [
        link for link in links if not (link.startswith(made) or (page.parent / link).exists())
    ]
    assert missing == []


def redirects():
    text = (ROOT / "docs/conf.py").read_text(encoding="utf-8")
    block = re.search(r"^redirects = \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE)
    return re.findall(r'"(\S+)": "(\S+)\.html"', block[1])


@pytest.mark.parametrize(("former", "page"), redirects())
def test_former_pages_lead_to_pages_that_are(former, page):
    folder = (ROOT / "docs" / former).parent
    sources = [folder / f"{page}.md", ROOT / "docs/examples" / f"{page}.py"]
    assert any(source.exists() for source in sources)
    assert not (ROOT / "docs" / f"{former}.md").exists()


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert pages <= set(re.findall(r"^([a-z_]+)$", index, re.MULTILINE))


@pytest.mark.parametrize(
    ("folder", "link"),
    [("", ""), ("https://host/api", "https://host/api/sklearn_ganprint.FusionClassifier.html")],
)
def test_diagrams_of_estimators_link_to_a_build_of_the_documentation(monkeypatch, folder, link):
    monkeypatch.setenv("GANPRINT_DOCS", folder)
    code = (
        "from sklearn_ganprint import FusionClassifier as Fusion; fusion = Fusion([])\n"
        "link = fusion._get_doc_link(); print(link); assert link in fusion._repr_html_()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == link


def estimators():
    """Yield the full names of public estimators that are not made to be subclassed."""
    for found in pkgutil.iter_modules(sklearn_ganprint.__path__, "sklearn_ganprint."):
        if "._" not in found.name and not found.name.endswith("__main__"):
            module = importlib.import_module(found.name)
            for name in getattr(module, "__all__", []):
                value = getattr(module, name)
                if hasattr(value, "_doc_link_template") and not name.startswith("Base"):
                    yield f"{value.__module__}.{name}"


@pytest.mark.parametrize("name", sorted(set(estimators())))
def test_estimators_have_the_page_that_diagrams_link_to(name):
    listed = (ROOT / "docs/api.rst").read_text(encoding="utf-8").split()
    assert name.removeprefix("sklearn_ganprint.") in listed
