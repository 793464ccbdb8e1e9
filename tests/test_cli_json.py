"""The schemas of what is written as JSON.

That commands print what their schemas say is tested wherever a test runs one, by ``ganprint``.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import SCHEMA, add_broken_files, check_json, read_case
from jsonschema import Draft202012Validator
from PIL import Image

#: Keys that a row of `predict` or `verify` need not have, and a row of a case.
UNASKED = {"stability", "stability_answers"}
UNKNOWN = {"correlation", "contributions", "residual_scale", "map_scale"}


def objects(schema):
    """Yield all schemas of objects that have names for what they hold."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from objects(each)


def test_schemas_are_valid_and_describe_each_key():
    Draft202012Validator.check_schema(SCHEMA)
    optional = []
    for schema in objects(SCHEMA):
        properties = schema["properties"]
        assert all(each["description"] for each in properties.values()), properties
        optional.append(properties.keys() - schema.get("required", ()))
    assert len(optional) > 50
    assert list(filter(None, optional)) == [
        UNASKED,
        {"sources", "clusters"},  # of a family, which has one of them
        {"source", "coverage"},  # parameters of either command
        UNKNOWN,
        {"image", "residual", "map"},  # pictures
        {"grey"},  # of what a model was fitted on, which models of before do not know
        {"image", "box", "image_size", "grey"},  # of files that could be localized in
    ]


def test_there_is_a_schema_of_each_command(ganprint):
    commands = re.findall(r"^ {4}(\w+)", ganprint("--help")[1], re.MULTILINE)
    named = {each["$ref"].rpartition("/")[2] for each in SCHEMA["anyOf"]}
    assert len(commands) > 10 and named == {*commands, "case", "results"}


@pytest.mark.parametrize("name", ["camera", "combined", "localization", "paper", "paper_closed"])
def test_former_models_answer_by_the_schema(name, tmp_path, ganprint):
    """They leave many answers out, as do cameras."""
    path = Path(__file__).parent / "models" / f"{name}.skops"
    Image.fromarray(np.load(path.with_name("answers.npz"))["images"][0]).save(tmp_path / "a.png")
    add_broken_files(tmp_path)
    document = json.loads(ganprint("info", path, "--format", "json")[1])
    assert document["covers"] is None
    command = "localize" if name == "localization" else "predict"
    status, out, _ = ganprint(command, path, tmp_path, "--format", "json")
    assert status == 1 and len(json.loads(out)["results"]) == 4


@pytest.mark.parametrize("command", ["predict", "verify"])
def test_documents_that_differ_fail(command, model, ganprint, tmp_path):
    path, folder, _ = model
    asked = [path, *["a"] * (command == "verify"), folder, *add_broken_files(folder)]
    options = ["--out", tmp_path / "out", "--stability", 1, "--format", "json"]
    _, out, _ = ganprint(command, *asked, *options)
    printed, case = json.loads(out), read_case(tmp_path / "out")
    for name, rows, document in ((command, "results", printed), ("case", "images", case)):
        schema = Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})
        row = document[rows][0]
        document[rows] = [row]
        assert schema.is_valid(document)
        for differing in differ(document):
            assert not schema.is_valid(differing)
        for differing in differ(row):
            assert not schema.is_valid(document | {rows: [differing]})
        later = document | {"key of a later version": 0}
        Draft202012Validator(SCHEMA).validate(later)
        with pytest.raises(AssertionError, match="later version"):
            check_json(name, later)


def differ(found):
    """Yield copies of an object that lack a key, or have a value of another type."""
    for key in found.keys() - UNASKED - UNKNOWN:
        yield {other: found[other] for other in found.keys() - {key}}
        yield found | {key: [{}]}
