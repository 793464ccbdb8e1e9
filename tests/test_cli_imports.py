"""Commands do with the rest of the package what anyone can do: they import no private names."""

import ast
from pathlib import Path

import pytest

import sklearn_ganprint
from sklearn_ganprint import cli

#: Private names of the whole package, for whoever writes texts and files, or has workers.
COMMON = ("_output.", "_public.", "_compat.", "_batches.map_in_order", "_batches.workers_of_this")

FILES = sorted(Path(cli.__file__).parent.rglob("*.py"))
PACKAGE = sklearn_ganprint.__name__


def private_imports(source):
    """Names that a module imports from other packages of ours, and that are private there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            first, *parts = name.split(".")
            if first != PACKAGE or parts[:1] == ["cli"] or ".".join(parts).startswith(COMMON):
                continue
            if any(part.startswith("_") and not part.startswith("__") for part in parts):
                yield name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_commands_import_public_names_only(path):
    assert list(private_imports(path.read_text("utf-8"))) == []


def test_private_imports_are_seen():
    source = (
        "from sklearn_ganprint.files._batches import FileBatches\n"
        "from sklearn_ganprint.files import _batches, FileBatchClassifier\n"
        "from sklearn_ganprint._batches import Batches, map_in_order\n"
        "import sklearn_ganprint.persistence._models\n"
        "from sklearn_ganprint import __version__\n"
        "from sklearn_ganprint._output import printable\n"
        "from sklearn_ganprint.cli._main import main\n"
    )
    assert list(private_imports(source)) == [
        "sklearn_ganprint.files._batches.FileBatches",
        "sklearn_ganprint.files._batches",
        "sklearn_ganprint._batches.Batches",
        "sklearn_ganprint.persistence._models",
    ]
