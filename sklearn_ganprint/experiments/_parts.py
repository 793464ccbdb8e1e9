"""What images of one source are made into, batch by batch: sums of residuals, and scores."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from sklearn_ganprint._batches import transform_batch
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.experiments._checkpoints import Begun, Part
from sklearn_ganprint.experiments._selection import difference_hash
from sklearn_ganprint.files._batches import FileBatches
from sklearn_ganprint.fingerprints import energy


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
