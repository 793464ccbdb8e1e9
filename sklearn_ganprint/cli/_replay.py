"""``ganprint replay``: whether a case comes out the same, and if not, what has changed."""

import argparse
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sklearn_ganprint.cli import _arguments, _case, _console, _images, _pages, _predict, _verify
from sklearn_ganprint.cli._answers import Question
from sklearn_ganprint.cli._console import CommandError, Row, Table, columns

REQUIRES = _predict.REQUIRES
DESCRIPTION = (
    "Judge the files of a case again, with the same model and parameters, and compare all that was "
    "said of each: answers exactly, scores and p-values up to rounding. The model and the files "
    "are found by the paths in the case, from the folder that its command ran in, and must have "
    "the digests in it. The exit status is 0 if all is the same, and 1 if anything has changed."
)

_QUESTIONS: dict[str, Callable[[argparse.Namespace], Question]] = {
    "predict": _predict.ask,
    "verify": _verify.ask,
}

#: Numbers are the same if they differ by no more than this, or than this share of the greater.
TOLERANCE = 1e-4

#: Bytes of a case that is read, at the most: some 20,000 images with 50 sources.
_LARGEST = 1 << 28

#: What a case says beside its images: of the model, and of all images together.
_OF_MODEL, _OF_ALL = ("model", "settings", "limits"), ("notes", "fingerprints")

_CHANGES = columns("what", "name", "key", "recorded", "now")
_MISSING = "missing"

#: What a case must hold, and each of its images, and in which type.
_TEXT, _OBJECT, _LIST = (str, "text"), (dict, "an object"), (list, "a list")
_FIELDS = {
    "command": _TEXT,
    "versions": _OBJECT,
    "parameters": _OBJECT,
    "model": _OBJECT,
    "images": _LIST,
}
_IN_MODEL = {"model": _TEXT, "sha256": _TEXT}
_IN_IMAGE = {"file": _TEXT, "sha256": (str | None, "text or null")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    what = "a folder from `ganprint predict --out` or `ganprint verify --out`"
    parser.add_argument("case", metavar="CASE", help=what)
    _arguments.add(parser, "--format", "--jobs")


def run(args: argparse.Namespace) -> int:
    """Judge a case again, and print what has changed."""
    case = read_case(os.path.join(args.case, _case.CASE))
    versions = list(_changed_versions(case["versions"]))
    model = list(_changed_file("model", case["model"]["model"], case["model"]["sha256"]))
    images = [
        change
        for each in case["images"]
        for change in _changed_file("image", each["file"], each["sha256"])
    ]
    changed = {change["name"] for change in images}
    again = [each for each in case["images"] if each["sha256"] and each["file"] not in changed]
    parts: tuple[str, ...] = ()
    statements: list[Row] = []
    answers: list[Row] = []
    if again and not model:  # answers of another model would be no repetition
        # What is said of all images together changes with them.
        parts = _OF_MODEL + (_OF_ALL if len(again) == len(case["images"]) else ())
        made = _make_again(case, again, args.jobs)
        statements = [change for key in parts for change in _changed_part(key, case, made)]
        answers = list(_changed_answers(again, made))
    else:
        again = []
    checked = [
        _count("versions", len(case["versions"]), versions),
        _count("model", 1, model),
        _count("images", len(case["images"]), images),
        _count("statements", len(parts), statements),
        _count("answers", len(again), answers),
    ]
    return _print(args, checked, [*versions, *model, *images, *statements, *answers])


def read_case(path: str) -> Row:
    """Read a case that anyone may have written, and check what is used of it."""
    case = _read_json(path)
    version = case.get("schema_version") if isinstance(case, dict) else None
    if version != _console.SCHEMA_VERSION:
        raise CommandError(
            f"{path}: expected a case with schema_version {_console.SCHEMA_VERSION}, found "
            f"{version!r:.40}; cases of later versions need a later sklearn_ganprint"
        )
    _check_fields(path, case, _FIELDS)
    if case["command"] not in _QUESTIONS:
        _refuse(path, "command", " or ".join(_QUESTIONS), case["command"])
    _check_fields(f"{path}: model", case["model"], _IN_MODEL)
    for number, image in enumerate(case["images"]):
        _check_fields(f"{path}: images[{number}]", image, _IN_IMAGE)
    parameters = _check_parameters(f"{path}: parameters", case["command"], case["parameters"])
    return {**case, "parameters": parameters}


def _read_json(path: str) -> Any:
    expected = "expected a folder from `ganprint predict --out` or `ganprint verify --out`"
    if not os.path.isfile(path):  # a pipe would wait for a writer
        raise CommandError(f"{path}: there is no such file; {expected}")
    if os.path.getsize(path) > _LARGEST:
        raise CommandError(f"{path}: larger than {_LARGEST >> 20} MiB, which no case is")
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream, parse_int=_finite, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path}: is damaged: it is not JSON: {error}; {expected}") from error


def _finite(text: str) -> float:
    """Read a number that can be compared with others."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"the number {text:.20} is not finite")
    return int(text) if text.lstrip("-").isdecimal() else number


def _check_fields(where: str, found: Any, fields: dict[str, tuple[Any, str]]) -> None:
    """Raise unless an object has fields of these types."""
    if not isinstance(found, dict):
        raise CommandError(f"{where}: is damaged: expected an object, found {found!r:.40}")
    for key, (kind, words) in fields.items():
        if key not in found or not isinstance(found[key], kind):
            _refuse(where, key, words, found.get(key))


def _check_parameters(where: str, command: str, found: Row) -> Row:
    """Return parameters as the command line takes them."""
    if command == "verify":
        _check_fields(where, found, {"source": _TEXT})
    checks = {
        "false_alarm": _arguments.rate,
        "coverage": _arguments.coverage,
        "stability": _arguments.stability,
    }
    given: Row = {"source": found.get("source"), **dict.fromkeys(checks)}
    for key, check in checks.items():
        if (value := found.get(key)) is not None:
            try:
                given[key] = check(str(value))
            except argparse.ArgumentTypeError as error:
                raise CommandError(f"{where}: is damaged: {key}: {error}") from error
    return given


def _refuse(where: str, key: str, expected: str, found: Any) -> None:
    raise CommandError(f"{where}: is damaged: {key}: expected {expected}, found {found!r:.40}")


def _changed_versions(recorded: Row) -> Iterator[Row]:
    """Name the packages that have another version now."""
    now = _case.versions()
    for name in sorted({*recorded, *now}):
        yield from _change("version", name, None, recorded.get(name), now.get(name))


def _changed_file(what: str, path: str, recorded: str | None) -> Iterator[Row]:
    """Say that a file has another digest, or is not there."""
    found = _images.digest(path)["sha256"]
    if found != recorded:
        now = _MISSING if found is None else found
        yield from _change(what, path, "sha256", recorded, now)


def _make_again(case: Row, images: Sequence[Row], n_jobs: int) -> Row:
    """Judge files again, and make a case of them."""
    with tempfile.TemporaryDirectory() as folder:
        given = {
            **case["parameters"],
            "model": case["model"]["model"],
            "paths": [image["file"] for image in images],
            "out": folder,
            "jobs": n_jobs,
            "words": [],
        }
        args = argparse.Namespace(**given)
        return _case.make_document(_QUESTIONS[case["command"]](args).judge(args), args)


def _changed_part(key: str, case: Row, made: Row) -> Iterator[Row]:
    """Compare what a case says of its model, or of all images together."""
    recorded, now = case.get(key), made[key]
    if isinstance(now, dict) and isinstance(recorded, dict):
        for name in now:
            yield from _change("statement", key, name, recorded.get(name), now[name])
    else:
        yield from _change("statement", key, None, recorded, now)


def _changed_answers(images: Sequence[Row], made: Row) -> Iterator[Row]:
    """Compare all that is said of each image."""
    found = {row["file"]: row for row in made["images"]}
    for image in images:
        for key, now in found[image["file"]].items():
            if key != "pictures":  # whose names go by those of all files
                yield from _change("answer", image["file"], key, image.get(key), now)


def is_same(recorded: Any, now: Any) -> bool:
    """Whether two values of JSON are equal, numbers up to rounding."""
    if isinstance(now, float) and isinstance(recorded, int | float):
        return math.isclose(recorded, now, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(now, dict) and isinstance(recorded, dict):
        return now.keys() == recorded.keys() and all(
            is_same(recorded[key], now[key]) for key in now
        )
    if isinstance(now, list | tuple) and isinstance(recorded, list):
        return len(now) == len(recorded) and all(map(is_same, recorded, now))
    return bool(recorded == now)


def _change(what: str, name: str, key: str | None, recorded: Any, now: Any) -> Iterator[Row]:
    if not is_same(recorded, now):
        yield {"what": what, "name": name, "key": key, "recorded": recorded, "now": now}


def _count(what: str, n: int, changes: Sequence[Row]) -> Row:
    """Count what is the same, and what has changed."""
    n_changed = len({change["name"] for change in changes})
    return {"what": what, "same": n - n_changed, "changed": n_changed}


def _print(args: argparse.Namespace, checked: Sequence[Row], changes: Sequence[Row]) -> int:
    """Print what is the same and what has changed, and give the exit status."""
    same = not changes
    document = {
        "case": args.case,
        "same": same,
        "tolerance": TOLERANCE,
        "checked": list(checked),
        "changes": list(changes),
    }
    tables = [Table(columns("what", "same", "changed"), checked)]
    if changes:
        tables.append(Table(_CHANGES, [_in_cells(change) for change in changes]).filled())
    notes = [f"the case {'comes' if same else 'does not come'} out the same"]
    if checked[-1]["same"] + checked[-1]["changed"]:
        close = f"scores and p-values within {TOLERANCE:g}"
        notes.append(f"answers were compared exactly, {close}")
    else:
        notes.append("no file was judged again: the model, or each file, has changed or is missing")
    _console.print_results(
        args.format, document, Table(_CHANGES, changes), shown=tables, notes=notes
    )
    return 0 if same else 1


def _in_cells(change: Row) -> Row:
    """Write the values of a change so that each is one short cell, which a digest fits into."""
    return change | {key: _pages.cut(str(change[key]), 64) for key in ("recorded", "now")}
