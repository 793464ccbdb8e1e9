"""Sums and scores of the images of one source, made batch by batch, so that memory is bounded."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sklearn_ganprint._batches import transform_batch
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.experiments._checkpoints import Begun
from sklearn_ganprint.experiments._duplicates import difference_hash
from sklearn_ganprint.files._batches import FileBatches
from sklearn_ganprint.fingerprints import energy

Arrays: TypeAlias = dict[str, np.ndarray]

#: Name under which the number of images that are done is kept.
_DONE = "done"


class View(NamedTuple):
    """A part of each residual: all rows and columns but those cut off at the four sides."""

    rows: slice = slice(None)
    columns: slice = slice(None)

    def of(self, residuals: np.ndarray) -> np.ndarray:
        """Cut residuals or fingerprints ``(..., H, W, C)``."""
        return residuals[..., self.rows, self.columns, :]


@dataclass(frozen=True)
class Passes:
    """How images are gone through.

    Parameters
    ----------
    batch_size : int
        Images in memory at a time, for each worker.

    n_jobs : int or None
        Number of workers.

    on_error : callable
        Called with the :class:`ImageReadError` of each file that cannot be used.
    """

    batch_size: int = 64
    n_jobs: int | None = None
    on_error: Callable[[ImageReadError], Any] = field(default=lambda error: None)


def sum_residuals(
    batches: FileBatches, steps: Sequence[Any], ends: Sequence[int], begun: Begun
) -> Arrays:
    """Add up residuals over consecutive sets of images, which end before the positions `ends`.

    Return ``sums`` (k, H, W, C) in float32 and ``counts`` (k) of the sets that have an image which
    could be used, ``residual_energies`` and ``hashes`` (n), one such an image. `begun` has what
    there is already, and keeps more.
    """
    batches.stops = ends
    for positions, value, done in _go_on(batches, begun, sum_batch, steps):
        found, (batch_sum, energies, hashes) = begun.arrays, value
        end = int(np.searchsorted(ends, positions[-1] + 1))
        total, count = f"sum{end:02d}", f"count{end:02d}"
        added = {
            total: found.get(total, 0) + batch_sum,
            count: found.get(count, 0) + np.array(len(energies)),
            "residual_energies": _append(found, "residual_energies", energies),
            "hashes": _append(found, "hashes", hashes),
        }
        begun.keep({**found, **added, _DONE: done})
    found = begun.arrays
    if "hashes" not in found:
        return {}
    totals = sorted(name for name in found if name.startswith("sum"))
    counts = sorted(name for name in found if name.startswith("count"))
    return {
        "sums": np.stack([found[name].astype(np.float32) for name in totals]),
        "counts": np.array([found[name] for name in counts]),
        **{name: found[name] for name in ("residual_energies", "hashes")},
    }


def score_residuals(
    batches: FileBatches,
    steps: Sequence[Any],
    fingerprints: np.ndarray,
    views: Sequence[View],
    begun: Begun,
) -> Arrays:
    """Correlate each image with each fingerprint (K, H, W, C), in parts of both.

    Return ``kept`` (n), positions of the images that could be used, ``scores`` (n_views, n, K) and
    ``hashes`` (n). `begun` has what there is already, and keeps more.
    """
    results = _go_on(batches, begun, score_batch, steps, fingerprints, list(views))
    for positions, (scores, hashes), done in results:
        found = begun.arrays
        added = {
            "kept": _append(found, "kept", positions),
            "scores": _append(found, "scores", scores, axis=1),
            "hashes": _append(found, "hashes", hashes),
        }
        begun.keep({**found, **added, _DONE: done})
    found = begun.arrays
    return {name: found[name] for name in ("kept", "scores", "hashes") if name in found}


def _go_on(
    batches: FileBatches, begun: Begun, function: Callable[..., Any], *args: Any
) -> Iterator[tuple[np.ndarray, Any, np.ndarray]]:
    """Map the batches that are not done yet; also yield how many images are done with each."""
    batches.start = int(begun.arrays.get(_DONE, 0))
    ends = np.array([batch.stop for batch in batches.cut()])
    for positions, value in batches.map(function, *args):
        yield positions, value, ends[np.searchsorted(ends, positions[-1] + 1)]


def _append(found: Arrays, name: str, values: np.ndarray, axis: int = 0) -> np.ndarray:
    return np.concatenate([found[name], values], axis=axis) if name in found else values


def sum_batch(images: Any, steps: Sequence[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum the residuals; give energies and hashes one by one."""
    residuals = transform_batch(images, steps)
    return residuals.sum(axis=0, dtype=np.float64), energy(residuals), difference_hash(images)


def score_batch(
    images: Any, steps: Sequence[Any], fingerprints: np.ndarray, views: list[View]
) -> tuple[np.ndarray, np.ndarray]:
    """Correlate the residuals with the fingerprints, view by view."""
    residuals = transform_batch(images, steps)
    scores = [correlation_index(view.of(residuals), view.of(fingerprints)) for view in views]
    return np.stack(scores), difference_hash(images)
