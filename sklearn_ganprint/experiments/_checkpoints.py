"""Parts of a long computation kept in a folder, so that it goes on where it was interrupted."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_ganprint._atomic import atomic

_SETTINGS = "settings.json"

#: End of the names of parts that are not complete. Former versions had "-begun", with other arrays.
_BEGUN = "-partial"

#: Seconds between two writings of a part that has begun: so much is lost if the process is killed.
_SECONDS = 2.0


class Begun:
    """What there is of a part that is not complete: arrays by name.

    The arrays are replaced as a whole and never changed, so that at any moment, of an interruption
    too, they belong together.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.arrays: dict[str, np.ndarray] = {}
        if path is not None and path.exists():
            self.arrays = load_arrays(path)
        self._written = time.monotonic()

    def keep(self, arrays: dict[str, np.ndarray]) -> None:
        """Take the place of the arrays so far, and write them down if that is due."""
        self.arrays = arrays
        if time.monotonic() - self._written >= _SECONDS:
            self.write()

    def write(self) -> None:
        """Write the arrays down."""
        if self.path is not None and self.arrays:
            save_arrays(self.path, self.arrays)
        self._written = time.monotonic()


class Checkpoints:
    """Named groups of arrays in a folder, of one computation with one set of settings.

    Parameters
    ----------
    folder : path-like or None
        Where the parts are kept. None keeps nothing.

    settings : dict
        What the parts depend on, as plain values.

    Raises
    ------
    ValueError
        If the folder holds parts of other settings.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn_ganprint.experiments._checkpoints import Checkpoints
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     parts = Checkpoints(folder, {"seed": 0})
    ...     first = parts.get("sum", lambda: {"total": np.arange(3).sum()})
    ...     again = parts.get("sum", lambda: {"total": None})
    >>> int(again["total"])
    3
    """

    def __init__(self, folder: Any, settings: Mapping[str, Any]) -> None:
        self.folder = None if folder is None else Path(folder)
        self.settings = json.loads(json.dumps(settings))
        if self.folder is None:
            return
        found = stored_settings(self.folder)
        if found is not None and found != self.settings:
            differing = sorted(
                key for key in {*found, *self.settings} if found.get(key) != self.settings.get(key)
            )
            raise ValueError(
                f"{self.folder} holds parts of a run with other settings ({', '.join(differing)}). "
                f"Repeat that run with its settings, or use another folder."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        if found is None:
            with atomic(self.folder / _SETTINGS) as part:
                part.write_text(json.dumps(self.settings, indent=1), encoding="utf-8")

    def get(self, name: str, compute: Callable[[], dict[str, Any]]) -> dict[str, np.ndarray]:
        """Give the arrays that were kept under a name, or compute and keep them.

        Parameters
        ----------
        name : str
            Name of the part: letters, digits, "-" and "_".

        compute : callable
            Returns the arrays by name. Called where there is no such part.

        Returns
        -------
        dict of ndarray
            The arrays.
        """
        kept = self._load(name)
        if kept is not None:
            return kept
        arrays = {key: np.asarray(value) for key, value in compute().items()}
        if self.folder is not None:
            save_arrays(self._path(name), arrays)
            self._path(f"{name}{_BEGUN}").unlink(missing_ok=True)
        return arrays

    @contextmanager
    def begun(self, name: str) -> Iterator[Begun]:
        """Give what an interrupted computation of a part has kept, and keep it if interrupted."""
        begun = Begun(None if self.folder is None else self._path(f"{name}{_BEGUN}"))
        try:
            yield begun
        except BaseException:
            begun.write()
            raise

    def has(self, name: str) -> bool:
        """Whether there is a part of this name."""
        return self.folder is not None and self._path(name).exists()

    def _load(self, name: str) -> dict[str, np.ndarray] | None:
        if not self.has(name):
            return None
        return load_arrays(self._path(name))

    def _path(self, name: str) -> Path:
        if self.folder is None:
            raise RuntimeError("There is no folder.")
        return self.folder / f"{name}.npz"


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read arrays by name."""
    # No pickles: a file that was put there by someone else must not run code.
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, at once or not at all."""
    with atomic(path) as part, part.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def stored_settings(folder: Path) -> dict[str, Any] | None:
    """Read the settings of the run whose parts a folder holds; None if it holds none."""
    try:
        found: dict[str, Any] = json.loads((folder / _SETTINGS).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{folder / _SETTINGS} is not what was written there: {error}") from error
    return found
