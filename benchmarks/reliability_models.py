"""What becomes of saved models that were damaged, changed or forged.

Usage: python benchmarks/reliability_models.py [--count 500 | --seconds 60] [--seed 0]

The models of tests/models are loaded and saved anew, changed in one of many ways, loaded and asked.
With "sealed" the digest is made to agree with what was changed, which damage never does: then only
what no fit leaves behind can be told. Each model is loaded in a process that is given 5 seconds and
whose memory is watched. Ends with status 1 if a change that can be told is not.
"""

import argparse
import collections
import io
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_ganprint import load_model, save_model
from sklearn_ganprint.persistence import ModelFileError

MODELS = Path(__file__).parents[1] / "tests" / "models"
HEADER, SCHEMA = "ganprint.json", "schema.json"
TIME_LIMIT, MEMORY_LIMIT = 5.0, 1 << 30
BOMB = 300 << 20
ODD_VALUES = (None, -1, 1e308, "", "x", [], {}, True, "9.9.9")

Members = dict[str, bytes]
Rng = np.random.Generator


def flip_bytes(content: bytearray, rng: Rng) -> None:
    """Change up to eight bytes."""
    for position in rng.integers(len(content), size=rng.integers(1, 9)):
        content[position] ^= int(rng.integers(1, 256))


def truncate(content: bytearray, rng: Rng) -> None:
    """Lose the end."""
    del content[int(rng.integers(len(content))) :]


def blank(content: bytearray, rng: Rng) -> None:
    """Lose a block, which reads as zeros."""
    start = int(rng.integers(len(content)))
    content[start : start + 512] = bytes(len(content[start : start + 512]))


def encrypt(content: bytearray, rng: Rng) -> None:
    """Set the flag of encryption of a member, in both places that have it."""
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(mark) + offset] |= 1


def edit_header(members: Members, rng: Rng) -> None:
    """Set a field of the header to something odd, or remove it."""
    header = json.loads(members[HEADER])
    key = str(rng.choice(sorted(header)))
    value = ODD_VALUES[rng.integers(len(ODD_VALUES))]
    if rng.integers(2):
        header[key] = value
    else:
        del header[key]
    members[HEADER] = json.dumps(header).encode()


def edit_schema(members: Members, rng: Rng) -> None:
    """Set a value somewhere in the schema to something odd, or remove it."""
    schema = json.loads(members[SCHEMA])
    places: list[tuple[Any, Any]] = []
    pending = [schema]
    while pending:
        node = pending.pop()
        keys = node if isinstance(node, dict) else range(len(node))
        for key in keys:
            places.append((node, key))
            if isinstance(node[key], dict | list):
                pending.append(node[key])
    node, key = places[rng.integers(len(places))]
    if rng.integers(2):
        node[key] = ODD_VALUES[rng.integers(len(ODD_VALUES))]
    else:
        del node[key]
    members[SCHEMA] = json.dumps(schema).encode()


def nest(members: Members, rng: Rng) -> None:
    """Nest the JSON of the header or of the schema deeper than any stack."""
    members[str(rng.choice([HEADER, SCHEMA]))] = b'{"a":' * 100_000 + b"1" + b"}" * 100_000


def swap_members(members: Members, rng: Rng) -> None:
    """Give two members each other's content."""
    one, other = rng.choice(sorted(members), 2, replace=False)
    members[one], members[other] = members[other], members[one]


def drop_member(members: Members, rng: Rng) -> None:
    """Remove a member."""
    del members[str(rng.choice(sorted(members)))]


def change_array(members: Members, change: Callable[[np.ndarray], Any], rng: Rng) -> None:
    """Write another array in the place of one."""
    names = sorted(name for name in members if name.endswith(".npy"))
    if names:
        name = str(rng.choice(names))
        stream = io.BytesIO()
        np.save(stream, change(np.load(io.BytesIO(members[name]))))
        members[name] = stream.getvalue()


def not_a_number(members: Members, rng: Rng) -> None:
    """Set values of an array to NaN or infinity."""

    def change(array: np.ndarray) -> np.ndarray:
        if array.dtype.kind == "f" and array.size:
            array.flat[rng.integers(array.size, size=3)] = rng.choice([np.nan, np.inf])
        return array

    change_array(members, change, rng)


def other_shape(members: Members, rng: Rng) -> None:
    """Cut, double, turn around or flatten an array."""
    changes = (
        lambda array: array[:-1] if array.ndim else array,
        lambda array: np.concatenate([array, array]) if array.ndim else array,
        np.transpose,
        np.ravel,
    )
    change_array(members, changes[rng.integers(len(changes))], rng)


def lying_array(members: Members, rng: Rng) -> None:
    """Announce an array of a terabyte."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f8", "fortran_order": False, "shape": (1 << 37,)}
    )
    members[str(rng.choice(sorted(members)))] = stream.getvalue()


def inflate(members: Members, rng: Rng) -> None:
    """Make a member of zeros, which shrink to next to nothing."""
    members[str(rng.choice(sorted(members)))] = bytes(BOMB)


OF_FILE = (flip_bytes, truncate, blank, encrypt)
OF_MEMBERS = (
    edit_header,
    edit_schema,
    nest,
    swap_members,
    drop_member,
    not_a_number,
    other_shape,
    lying_array,
    inflate,
)
#: What is told even if the digest agrees.
TOLD_SEALED = {"nest", "lying_array", "inflate"}


def mutate(path: Path, rng: Rng) -> tuple[bytes, str, bool]:
    """Change the content of a model; return it, what was done, and whether the digest agrees."""
    mutation = (OF_FILE + OF_MEMBERS)[rng.integers(len(OF_FILE + OF_MEMBERS))]
    if mutation in OF_FILE:
        content = bytearray(path.read_bytes())
        mutation(content, rng)
        return bytes(content), mutation.__name__, False
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    mutation(members, rng)
    sealed = bool(rng.integers(2))
    if sealed:
        unseal(members)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue(), mutation.__name__, sealed


def unseal(members: Members) -> None:
    """Make the header one of format 1, which had no digest that could disagree."""
    try:
        header = json.loads(members[HEADER])
        header["format_version"] = min(header["format_version"], 1)
        header.pop("sha256", None)
        members[HEADER] = json.dumps(header).encode()
    except (KeyError, TypeError, ValueError, RecursionError, AttributeError):
        pass  # it is the header that was changed


def answer(path: Path, images: np.ndarray) -> list[np.ndarray]:
    """Load a model and ask it."""
    model = load_model(path)
    model = getattr(model, "estimator_", model) if hasattr(model, "reader_") else model
    images = images[:, 2:-2, 2:-2] if path.stem == "thorough" else images
    names = ("predict", "decision_function", "score_samples", "transform")
    return [np.asarray(getattr(model, name)(images)) for name in names if hasattr(model, name)]


def alike(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    """Whether all answers are equal."""
    return len(found) == len(expected) and all(
        each.shape == other.shape and np.array_equal(each, other, equal_nan=each.dtype.kind == "f")
        for each, other in zip(found, expected, strict=True)
    )


def serve(connection: Any, images: np.ndarray) -> None:
    """Load models one after the other, as a process of its own."""
    warnings.simplefilter("ignore")
    while True:
        path, expected = connection.recv()
        try:
            load_model(path)
        except ModelFileError as error:
            outcome = "refused" if str(error) else "refused without a reason"
        except BaseException as error:
            outcome = f"crash: {type(error).__name__}"
        else:
            try:
                same = alike(answer(path, images), expected)
                outcome = "answers alike" if same else "answers otherwise"
            except BaseException as error:
                outcome = f"fails when asked: {type(error).__name__}"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        connection.send("over 1 GB" if peak > MEMORY_LIMIT else outcome)


class Worker:
    """A process that loads models; another one takes its place if it does not come back."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images
        self.start()

    def start(self) -> None:
        """Start the process, and wait until it has imported what it needs."""
        self.connection, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(theirs, self.images), daemon=True
        )
        self.process.start()
        theirs.close()

    def outcome(self, path: Path, expected: list[np.ndarray]) -> str:
        """Load one model, and say what became of it."""
        self.connection.send((path, expected))
        try:
            if self.connection.poll(TIME_LIMIT):
                found: str = self.connection.recv()
                if found != "over 1 GB":
                    return found
            else:
                found = f"over {TIME_LIMIT:g} s"
        except EOFError:
            found = "process died"
        self.process.kill()
        self.start()
        self.outcome(path.with_name("intact.skops"), [])  # imports take their time too
        return found


def main() -> int:
    """Change models until the count or the time is reached, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    warnings.simplefilter("ignore")
    images = np.load(MODELS / "answers.npz")["images"]
    with tempfile.TemporaryDirectory() as folder:
        return run(options, rng, images, Path(folder))


def run(options: argparse.Namespace, rng: Rng, images: np.ndarray, folder: Path) -> int:
    """Save the models as this version does, and change them one by one."""
    (folder / "saved").mkdir()
    saved = [folder / "saved" / path.name for path in sorted(MODELS.glob("*.skops"))]
    for path in saved:
        save_model(load_model(MODELS / path.name), path)
    expected = [answer(path, images) for path in saved]
    (folder / "intact.skops").write_bytes(saved[0].read_bytes())
    worker, begin = Worker(images), time.monotonic()
    worker.connection.send((folder / "intact.skops", []))
    worker.connection.recv()
    counts: dict[tuple[str, bool], collections.Counter[str]] = {}
    for _ in range(options.count):
        if time.monotonic() - begin > options.seconds:
            break
        index = int(rng.integers(len(saved)))
        content, done, sealed = mutate(saved[index], rng)
        path = folder / saved[index].name
        path.write_bytes(content)
        outcome = worker.outcome(path, expected[index])
        counts.setdefault((done, sealed), collections.Counter())[outcome] += 1
    worker.process.kill()
    return report(counts)


def report(counts: dict[tuple[str, bool], "collections.Counter[str]"]) -> int:
    """Print a table of outcomes; 1 if one of them may not be."""
    print("| change | sealed | outcomes |\n|---|---|---|")
    status = 0
    for (done, sealed), outcomes in sorted(counts.items()):
        words = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common())
        print(f"| {done} | {'yes' if sealed else 'no'} | {words} |")
        allowed = {"refused", "answers alike"}
        if sealed and done not in TOLD_SEALED:
            allowed |= {name for name in outcomes if name.startswith(("answers", "fails"))}
        status |= bool(set(outcomes) - allowed)
    total = sum((outcomes for outcomes in counts.values()), collections.Counter())
    print(f"\n{sum(total.values())} models: {dict(total.most_common())}")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
