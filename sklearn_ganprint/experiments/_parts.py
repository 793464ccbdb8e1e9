"""Parts of a long computation, kept in a folder so that it goes on where it was interrupted.

A part is what the images of one source are made into, batch by batch: sums of residuals, or scores.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sklearn_ganprint._batches import transform_batch
from sklearn_ganprint._output import atomic
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.experiments._selection import difference_hash
from sklearn_ganprint.files._batches import FileBatches
from sklearn_ganprint.files._checkpoint import check_settings
from sklearn_ganprint.fingerprints import energy

#: What the images of one source are made into: arrays by name, as they are kept in files.
Part: TypeAlias = dict[str, np.ndarray]

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
        if self.folder is not None:
            check_settings(self.folder, settings)

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


class View(NamedTuple):
    """A part of each residual: all rows and columns but those cut off at the four sides."""

    rows: slice = slice(None)
    columns: slice = slice(None)

    def of(self, residuals: np.ndarray) -> np.ndarray:
        """Cut residuals or fingerprints ``(..., H, W, C)``."""
        return residuals[..., self.rows, self.columns, :]


def sum_images(
    images: FileBatches, steps: Sequence[Any], begun: Begun, ends: Sequence[int]
) -> Part:
    """Sum the residuals of consecutive sets of images, which end before the positions `ends`.

    Return ``sums`` (k, H, W, C) in float32 and ``counts`` (k) of the sets that have an image which
    could be used, and ``residual_energies`` and ``hashes`` (n) of these images. `begun` has what
    there is already, and keeps more.
    """
    images.stops = ends
    for positions, value, done in _go_on(images, begun, _sum_batch, steps):
        kept, (batch_sum, energies, hashes) = begun.arrays, value
        end = np.searchsorted(ends, positions[-1] + 1)
        # One array for each set, since arrays are replaced and never changed.
        total, count = f"sum{end:02d}", f"count{end:02d}"
        added = {
            total: kept.get(total, 0) + batch_sum,
            count: kept.get(count, 0) + np.array(len(energies)),
            "residual_energies": _append(kept, "residual_energies", energies),
            "hashes": _append(kept, "hashes", hashes),
        }
        begun.keep({**kept, **added, "done": done})
    kept = begun.arrays
    if "hashes" not in kept:
        return {}
    totals, counts = (
        [kept[name] for name in sorted(kept) if name.startswith(kind)] for kind in ("sum", "count")
    )
    return {
        "sums": np.stack([total.astype(np.float32) for total in totals]),
        "counts": np.array(counts),
        "residual_energies": kept["residual_energies"],
        "hashes": kept["hashes"],
    }


def score_images(
    images: FileBatches,
    steps: Sequence[Any],
    begun: Begun,
    fingerprints: np.ndarray,
    views: Sequence[View],
) -> Part:
    """Correlate the residual of each image with each fingerprint (K, H, W, C), view by view.

    Return ``kept`` (n), positions of the images that could be used, ``scores`` (n_views, n, K) and
    ``hashes`` (n). `begun` has what there is already, and keeps more.
    """
    results = _go_on(images, begun, _score_batch, steps, fingerprints, list(views))
    for positions, (scores, hashes), done in results:
        kept = begun.arrays
        added = {
            "kept": _append(kept, "kept", positions),
            "scores": _append(kept, "scores", scores, axis=1),
            "hashes": _append(kept, "hashes", hashes),
        }
        begun.keep({**kept, **added, "done": done})
    names = ("kept", "scores", "hashes")
    return {name: begun.arrays[name] for name in names if name in begun.arrays}


def _go_on(
    images: FileBatches, begun: Begun, function: Callable[..., Any], *args: Any
) -> Iterator[tuple[np.ndarray, Any, np.ndarray]]:
    """Map the batches that are not done yet; also yield how many images are done with each."""
    images.start = int(begun.arrays.get("done", 0))
    ends = np.array([batch.stop for batch in images.cut()])
    for positions, value in images.map(function, *args):
        yield positions, value, ends[np.searchsorted(ends, positions[-1] + 1)]


def _append(kept: Part, name: str, values: np.ndarray, axis: int = 0) -> np.ndarray:
    return np.concatenate([kept[name], values], axis=axis) if name in kept else values


def _sum_batch(images: Any, steps: Sequence[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    residuals = transform_batch(images, steps)
    return residuals.sum(axis=0, dtype=np.float64), energy(residuals), difference_hash(images)


def _score_batch(
    images: Any, steps: Sequence[Any], fingerprints: np.ndarray, views: list[View]
) -> tuple[np.ndarray, np.ndarray]:
    residuals = transform_batch(images, steps)
    scores = [correlation_index(view.of(residuals), view.of(fingerprints)) for view in views]
    return np.stack(scores), difference_hash(images)
