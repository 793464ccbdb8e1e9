"""The window of versions: the oldest releases that are admitted are those that are tested."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[1]

#: Extras for those who work on the package; they take the newest of everything.
OF_DEVELOPERS = {"benchmark", "docs", "dev", "release"}


def admitted():
    """Name the lower bounds of all dependencies of users and tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    rows = [row for name, rows in extras.items() if name not in OF_DEVELOPERS for row in rows]
    for requirement in map(Requirement, [*project["dependencies"], *rows]):
        if requirement.name != project["name"]:
            (bound,) = requirement.specifier
            assert bound.operator == ">="
            yield canonicalize_name(requirement.name), Version(bound.version)


def test_the_oldest_releases_that_are_admitted_are_tested():
    lines = (ROOT / ".ci" / "oldest.txt").read_text("utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    tested = {canonicalize_name(name): Version(version) for name, version in pins}
    bounds = dict(admitted())
    assert {"numpy", "scikit-learn", "matplotlib", "skops", "pandas"} <= set(bounds)
    assert {name: tested.get(name) for name in bounds} == bounds
