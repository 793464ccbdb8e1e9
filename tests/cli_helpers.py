"""What several tests of the command line need."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from PIL import Image

# To be killed in the middle of it.
from sklearn_ganprint._output import atomic

#: The command in a process of its own.
COMMAND = [sys.executable, "-m", "sklearn_ganprint"]

#: What is written as JSON.
SCHEMA = json.loads(
    (Path(__file__).parents[1] / "docs/schemas/ganprint-1.schema.json").read_text("utf-8")
)


def check_json(name, document):
    """Hold a document against its schema, which must describe all keys that the document has."""
    error = best_match(_strict_validator(name).iter_errors(document))
    assert error is None, f"{name}: {error.json_path}: {error.message}"


def read_case(folder):
    """Read the case in a folder, which must be as its schema says."""
    case = json.loads(Path(folder, "case.json").read_text("utf-8"))
    check_json("case", case)
    return case


@cache
def _strict_validator(name):
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": _closed(SCHEMA["$defs"])})


def _closed(schema):
    """Copy a schema with the parts that objects have, and without keys that are not named."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _closed(value) for key, value in schema.items() if key != "allOf"}
    for part in schema.get("allOf", ()):
        own = _closed(SCHEMA["$defs"][part["$ref"].rpartition("/")[2]])
        found["properties"] = own["properties"] | found.get("properties", {})
        found["required"] = own["required"] + found.get("required", [])
    if "properties" in found:
        found.setdefault("additionalProperties", False)
    return found


def add_broken_files(folder):
    """One readable file among others that each fail in a way of their own."""
    Path(folder, "text.png").write_text("no image")
    Path(folder, "empty.png").touch()
    Image.new("RGB", (5, 5)).save(Path(folder, "small.png"))
    return [os.path.join(folder, name) for name in ("empty.png", "small.png", "text.png")]


def no_leftovers(folder):
    return not [name for name in os.listdir(folder) if name.endswith(".part")]


def stop_once(words, found, signum):
    """Run a command, and send its processes a signal once `found()` is true; return its status."""
    process = subprocess.Popen(
        list(map(str, words)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # What runs the tests in the background may ignore Ctrl-C, which processes inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        while not found():
            assert process.poll() is None, "it has ended before there was anything to find"
            time.sleep(0.002)
        os.killpg(process.pid, signum)
    return process.returncode


def killed_while_writing(path):
    """Let a process be killed that was writing a file."""
    process = os.fork()
    if not process:
        with atomic(Path(path)) as part:
            part.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)
