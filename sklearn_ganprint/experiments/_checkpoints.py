"""Parts of a long computation kept in a folder, so that it goes on where it was interrupted."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from sklearn_ganprint._output import atomic

#: What the images of one source are made into: arrays by name, as they are kept in files.
Part: TypeAlias = dict[str, np.ndarray]

_SETTINGS = "settings.json"

#: End of the names of parts that are not complete.
_BEGUN = "-begun"

#: Seconds between two writings of a part that has begun: so much is lost if the process is killed.
_SECONDS = 2.0


class Begun:
    """Arrays by name of a part that is not complete.

    The arrays are replaced as a whole and never changed, so that at any moment, of an interruption
    too, they belong together.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.arrays = {} if path is None or not path.exists() else load_arrays(path)
        self._written = time.monotonic()

    def keep(self, arrays: dict[str, np.ndarray]) -> None:
        """Replace the arrays, and write them if that is due."""
        self.arrays = arrays
        if time.monotonic() - self._written >= _SECONDS:
            self.write()

    def write(self) -> None:
        """Write the arrays."""
        if self.path is not None and self.arrays:
            save_arrays(self.path, self.arrays)
        self._written = time.monotonic()


class Checkpoints:
    """Named groups of arrays in a folder, of one computation with one set of settings.

    A folder of None keeps nothing; a folder with parts of other settings is refused.
    """

    def __init__(self, folder: Any, settings: Mapping[str, Any]) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        given, found = json.loads(json.dumps(settings)), _read_settings(self.folder / _SETTINGS)
        if found is not None and found != given:
            names = sorted(name for name in {*found, *given} if found.get(name) != given.get(name))
            raise ValueError(
                f"{self.folder} holds parts of a run with other settings ({', '.join(names)}). "
                f"Repeat that run with its settings, or use another folder."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        if found is None:
            with atomic(self.folder / _SETTINGS) as part:
                part.write_text(json.dumps(given, indent=1), encoding="utf-8")

    def get(self, name: str, compute: Callable[[], dict[str, Any]]) -> dict[str, np.ndarray]:
        """Return the arrays that were kept under a name, or compute and keep them.

        A name consists of letters, digits, "-" and "_".
        """
        path, begun = self._path(name), self._path(f"{name}{_BEGUN}")
        if path is not None and path.exists():
            return load_arrays(path)
        arrays = {key: np.asarray(value) for key, value in compute().items()}
        if path is not None and begun is not None:
            save_arrays(path, arrays)
            begun.unlink(missing_ok=True)
        return arrays

    @contextmanager
    def begun(self, name: str) -> Iterator[Begun]:
        """Yield what an interrupted computation of a part has kept, and keep it if interrupted."""
        begun = Begun(self._path(f"{name}{_BEGUN}"))
        try:
            yield begun
        except BaseException:
            begun.write()
            raise

    def _path(self, name: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{name}.npz"


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read arrays by name."""
    # No pickles: a file that was put there by someone else must not run code.
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, at once or not at all."""
    with atomic(path) as part, part.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _read_settings(path: Path) -> dict[str, Any] | None:
    """Read the settings of the run whose parts a folder holds; None if it holds none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is not what was written there: {error}") from error
    return found
