"""What batches have become, kept in a folder, so that an interrupted run goes on where it was."""

import hashlib
import io
import json
import os
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np

import sklearn_ganprint
from sklearn_ganprint._batches import GroupedSum
from sklearn_ganprint._output import Url, absolute, remove_abandoned, write_file, write_json
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.datasets._storage import Held, find_member

_SETTINGS = "settings.json"

#: Parameters that change nothing about the results.
_OF_THE_RUN = ("checkpoint", "n_jobs", "on_error", "on_history", "progress")

#: Results are written once this many times as long has passed as writing the last ones took.
_PATIENCE = 10

#: What arrays are made of when they are read.
_OF_ARRAYS = {
    *(("numpy", name) for name in ("ndarray", "dtype")),
    *(("numpy._core.multiarray", name) for name in ("_reconstruct", "scalar")),
}


class Checkpoint:
    """Results of the maps of one fit, in order, in a folder; one of another fit is refused."""

    def __init__(self, folder: Any, settings: Mapping[str, Any]) -> None:
        self.folder, self._n_maps = Path(folder), 0
        check_settings(self.folder, settings)

    def next_map(self) -> "Log":
        """Give the log of the map that comes next."""
        self._n_maps += 1
        return Log(self.folder / f"map{self._n_maps:03d}")


class Log:
    """Results of the first batches of a map, and what they add up to, in numbered files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.total = folder, None
        self.results: list[Any] = []
        self._pending: list[Any] = []
        self._n_written, self._due = 0, 0.0
        folder.mkdir(exist_ok=True)
        while (path := self._path("results", self._n_written)).exists():
            self.results += load(path)
            self._n_written += 1
        if (path := self._path("total", self._n_written)).exists():
            self.total = load(path)

    def add(self, result: Any, total: Any, *, complete: bool) -> None:
        """Add what a batch has become; write if the total is complete, and it is time."""
        self._pending.append(result)
        if complete and time.monotonic() >= self._due:
            self.write(total)

    def write(self, total: Any) -> None:
        """Write the results that are not written yet, and the total of all of them."""
        if not self._pending:
            return
        if self._path("results", self._n_written).exists():
            raise ValueError(f"Another run writes into {self.folder.parent}: wait for its end.")
        began, number = time.monotonic(), self._n_written + 1
        # In this order, whatever a process that is killed leaves belongs together.
        if total is not None:
            save(self._path("total", number), total)
        save(self._path("results", self._n_written), self._pending)
        self._path("total", self._n_written).unlink(missing_ok=True)
        self._n_written, self._pending = number, []
        self._due = time.monotonic() + _PATIENCE * (time.monotonic() - began)

    def _path(self, what: str, number: int) -> Path:
        return self.folder / f"{what}{number:06d}"


def go_on(
    checkpoint: Checkpoint | None,
    run: Callable[[Iterator[Any]], Iterator[Any]],
    tasks: Iterator[Any],
    total: GroupedSum | None,
) -> Iterator[Any]:
    """Yield results of tasks: those that were kept before an interruption, then those of `run`.

    With a total, what is run gives pairs, of which the second values are added to it.
    """
    log = None if checkpoint is None else checkpoint.next_map()
    if log is not None:
        yield from log.results
        tasks = islice(tasks, len(log.results), None)
        if total is not None:
            total.total = log.total
    complete = True
    for result in run(tasks):
        if total is not None:
            result, part = result
            complete = total.push(part)
        if log is not None:
            log.add(result, total and total.total, complete=complete)
        yield result
    if log is not None:
        log.write(total and total.finish())


def map_answers(
    files: Any, batches: Any, function: Callable[..., Any], method: str, *args: Any
) -> Iterator[tuple[np.ndarray, Any]]:
    """Map batches to what a method of a fitted estimator says of them.

    If the estimator of files has a checkpoint, answers for files that are unchanged are from there.
    """
    asked = function, files.estimator_, method, *args
    if files.checkpoint is None or batches.reading.reader is None:
        yield from batches.map(*asked)
        return
    model = {"model": files.estimator_, "reader": files.predict_reader_, "arguments": args}
    settings = {"version": sklearn_ganprint.__version__, **_hashes(model)}
    checkpoint = Checkpoint(Path(files.checkpoint) / method.strip("_"), settings)
    log, stamps = checkpoint.next_map(), list(map(stamp, batches.items))
    kept = list(_unchanged(log.results, batches, stamps))
    for positions, *_ in kept:
        batches.usable[positions] = False
    places, n_failed = {os.fsdecode(item): n for n, item in enumerate(batches.items)}, 0
    try:
        for positions, value in batches.map(*asked):
            # With the files that failed on the way, or batches would be cut elsewhere.
            failed, n_failed = batches.failures[n_failed:], len(batches.failures)
            broken = np.array([places[error.filename] for error in failed], dtype=int)
            for chosen, told in ((broken, failed), (positions, value)):
                if any(stamps[position] for position in chosen.tolist()):  # or it never counts
                    log.add(_record(batches, stamps, chosen, told), None, complete=told is value)
            yield positions, value
    finally:
        log.write(None)
    for positions, value, histories in kept:
        if isinstance(value, list):
            batches.take_failures(value)
            continue
        batches.usable[positions] = True
        batches.keep_histories(positions, histories)
        yield positions, value


def _name(item: Any) -> str:
    """Return a name that holds from any folder; of a Url the text, which has no secrets."""
    return str(absolute(os.fsdecode(item)))


class _Record(NamedTuple):
    """Answers for some files, or the errors of those that could not be used."""

    names: list[str]
    stamps: list[Any]
    value: Any
    histories: list[Any]


def _record(batches: Any, stamps: list[Any], positions: np.ndarray, value: Any) -> _Record:
    chosen = positions.tolist()
    names = [_name(batches.items[position]) for position in chosen]
    histories = [batches.histories[n] for n in chosen if n in batches.histories]
    return _Record(names, [stamps[position] for position in chosen], value, histories)


def _unchanged(
    records: list[_Record], batches: Any, stamps: list[Any]
) -> Iterator[tuple[np.ndarray, Any, list[Any]]]:
    """Yield positions, answers and histories of the files whose stamps are those recorded."""
    places = {_name(item): place for place, item in enumerate(batches.items)}
    for names, known, value, histories in reversed(records):
        failed = isinstance(value, list)
        if batches.on_history is not None and not (histories or failed):
            continue  # they were not asked for then
        own, found = [], []
        for n, name in enumerate(names):
            place = places.get(name)
            if place is not None and known[n] is not None and stamps[place] == known[n]:
                del places[name]  # the last answer counts
                own.append(n)
                found.append(place)
        if own:
            reasons = [value[n].reason for n in own] if failed else []
            # Under the names that files have now.
            errors = list(map(ImageReadError, batches.items[found], reasons))
            chosen = errors if failed else value[own]
            yield np.array(found), chosen, [histories[n] for n in own] if histories else []


def settings_of(estimator: Any, items: Any, rows: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the results of a fit depend on: parameters, files, and one value for each."""
    params = {
        name: _plain(name, value)
        for name, value in estimator.get_params().items()
        if name.rpartition("__")[2] not in _OF_THE_RUN
    }
    stamps = hashlib.sha256(repr([(os.fsdecode(item), stamp(item)) for item in items]).encode())
    version = sklearn_ganprint.__version__
    return {"version": version, **params, "files": stamps.hexdigest(), **_hashes(rows)}


def _hashes(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: _hash(name, value) for name, value in values.items()}


def _hash(name: str, value: Any) -> str:
    try:
        return str(joblib.hash(value))
    except pickle.PicklingError as error:
        raise ValueError(
            f"{name}: expected what a later run can be told by, got {value!r}. Set checkpoint to "
            f"None, or take functions of a module in place of lambdas and local ones."
        ) from error


def _plain(name: str, value: Any) -> Any:
    """Write a parameter for comparison; estimators by type, since their own ones are there too."""
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, list) and value and all(isinstance(part, tuple) for part in value):
        return [str(name) for name, *_ in value]
    return type(value).__qualname__ if hasattr(value, "get_params") else _hash(name, value)


def stamp(item: Any) -> tuple[Any, ...] | None:
    """Return what changes with an image: size and time of its file, or of the archive it is in.

    Of an image in memory, the digest; None of what is at a URL, and of what cannot be opened.
    """
    if isinstance(item, Url):
        return None
    try:
        if isinstance(item, Held):
            return (hashlib.sha256(item.open().getbuffer()).hexdigest(),)
        member = find_member(os.fsdecode(item))
        found = os.stat(item if member is None else member.archive)
    except Exception:  # what a program is asked for may raise anything; it is told when it is read
        return None
    return found.st_size, found.st_mtime_ns


def check_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make a folder for what is kept of a run; refuse one of others, or of other settings."""
    path, given = folder / _SETTINGS, json.loads(json.dumps(settings))
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        # Answers lie in folders of their own in it.
        if others := [other for other in folder.iterdir() if not (other / _SETTINGS).exists()]:
            raise ValueError(
                f"{folder} is no folder of an interrupted run: it holds {others[0].name}. Move "
                f"that, or use another folder."
            ) from None
        write_json(path, given)
        return
    except ValueError as error:
        raise ValueError(f"{path} is not what was written there: {error}") from error
    if found != given:
        names = {name for name in {*found, *given} if found.get(name) != given.get(name)}
        # Without those of an estimator that is another one altogether.
        names = {name for name in names if names.isdisjoint(_above(name))}
        raise ValueError(
            f"{folder} holds parts of a run with other settings ({', '.join(sorted(names))}). "
            f"Repeat that run with its settings, remove the folder, or use another one."
        )


def _above(name: str) -> list[str]:
    """Return the parameters that a parameter is one of."""
    parts = name.split("__")
    return ["__".join(parts[:n]) for n in range(1, len(parts))]


def save(path: Path, value: Any) -> None:
    """Write arrays, plain values and objects of this package, at once or not at all."""
    stream = io.BytesIO()
    _Writer(stream, protocol=4).dump(value)
    stream.seek(0)
    _Reader(stream).load()  # or it could not be read when it is needed
    write_file(path, stream.getvalue())


def load(path: Path) -> Any:
    """Read what was written; nothing in a file that someone else has put there is run."""
    with path.open("rb") as stream:
        return _Reader(stream).load()


class _Writer(pickle.Pickler):
    """Writes errors by their parts: other packages change how exceptions are pickled."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, ImageReadError):
            return type(value), (value.filename, value.reason)
        return NotImplemented


def _is_harmless(found: type) -> bool:
    """Return whether a class is ours, and none of those that write when they are made."""
    package, _, part = found.__module__.partition(".")
    is_below = not part.startswith(("cli", "experiments")) and found not in (Checkpoint, Log)
    return package == sklearn_ganprint.__name__ and is_below


class _Reader(pickle.Unpickler):
    """Reads arrays and objects of this package alone, so that it runs no code of others."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _OF_ARRAYS:
            return super().find_class(module, name)
        package, _, _ = module.partition(".")
        if package == sklearn_ganprint.__name__ and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and _is_harmless(found):
                return found
        raise pickle.UnpicklingError(
            f"Expected arrays and estimators of {sklearn_ganprint.__name__} as what is kept of "
            f"batches, found {module}.{name}. Fit without checkpoint."
        )
