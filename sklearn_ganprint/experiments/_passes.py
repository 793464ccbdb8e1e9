"""Passes over the images of one source, batch by batch: sums and scores, never residuals.

A worker reads a batch, computes its residuals, and sends back what is small. So the images of a
source may be more than the memory holds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sklearn_ganprint._steps import transform_batch
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.experiments._checkpoints import Begun
from sklearn_ganprint.experiments._selection import difference_hash
from sklearn_ganprint.files._batches import BatchResult, ImageSource
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
    steps : sequence of transformer
        Transformers that learn nothing, from images to residuals ``(n, H, W, C)``.

    batch_size : int
        Images in memory at a time, for each worker.

    n_jobs : int or None
        Number of workers.

    on_batch : callable
        Called as ``on_batch(n_images)`` after each batch.

    on_error : callable
        Called with the :class:`ImageReadError` of each file that cannot be used.
    """

    steps: Sequence[Any] = ()
    batch_size: int = 64
    n_jobs: int | None = None
    on_batch: Callable[[int], Any] = field(default=lambda n_images: None)
    on_error: Callable[[ImageReadError], Any] = field(default=lambda error: None)

    def sums(
        self, source: ImageSource, ends: Sequence[int], begun: Begun | None = None
    ) -> dict[str, np.ndarray]:
        """Add up residuals over consecutive sets of images.

        Parameters
        ----------
        source : ImageSource
            The images.

        ends : sequence of int
            Position behind the last image of each set, ascending; the last is that of all.

        begun : Begun, default=None
            What there is already, and where more is kept.

        Returns
        -------
        dict of ndarray
            ``sums`` (k, H, W, C) in float32 and ``counts`` (k) of the sets that have an image
            which could be used, ``residual_energies`` and ``hashes`` (n), one such an image.
        """

        def add(found: Arrays, part: BatchResult) -> Arrays:
            batch_sum, energies, hashes = part.value
            end = int(np.searchsorted(ends, part.batch.stop))
            total, count = f"sum{end:02d}", f"count{end:02d}"
            return {
                total: found.get(total, 0) + batch_sum,
                count: found.get(count, 0) + np.array(len(energies)),
                "residual_energies": _append(found, "residual_energies", energies),
                "hashes": _append(found, "hashes", hashes),
            }

        found = self._go_on(source, sum_batch, add, begun, self.steps, stops=ends)
        if "hashes" not in found:
            return {}
        totals = sorted(name for name in found if name.startswith("sum"))
        counts = sorted(name for name in found if name.startswith("count"))
        return {
            "sums": np.stack([found[name].astype(np.float32) for name in totals]),
            "counts": np.array([found[name] for name in counts]),
            **{name: found[name] for name in ("residual_energies", "hashes")},
        }

    def scores(
        self,
        source: ImageSource,
        fingerprints: np.ndarray,
        views: Sequence[View] = (View(),),
        begun: Begun | None = None,
    ) -> dict[str, np.ndarray]:
        """Correlation of each image with each fingerprint.

        Parameters
        ----------
        source : ImageSource
            The images.

        fingerprints : ndarray of shape (K, H, W, C)
            The fingerprints.

        views : sequence of View
            Parts of the residuals and fingerprints to correlate.

        begun : Begun, default=None
            What there is already, and where more is kept.

        Returns
        -------
        dict of ndarray
            ``kept`` (n), positions of the images that could be used, ``scores``
            (n_views, n, K) and ``hashes`` (n).
        """

        def add(found: Arrays, part: BatchResult) -> Arrays:
            scores, hashes = part.value
            return {
                "kept": _append(found, "kept", part.batch.start + part.kept),
                "scores": _append(found, "scores", scores, axis=1),
                "hashes": _append(found, "hashes", hashes),
            }

        found = self._go_on(source, score_batch, add, begun, self.steps, fingerprints, list(views))
        return {name: found[name] for name in ("kept", "scores", "hashes") if name in found}

    def _go_on(
        self,
        source: ImageSource,
        function: Any,
        add: Callable[[Arrays, BatchResult], Arrays],
        begun: Begun | None,
        steps: Sequence[Any],
        *args: Any,
        stops: Sequence[int] = (),
    ) -> Arrays:
        """Work through the batches that are not done yet, and keep what `add` makes of each."""
        begun = begun or Begun()
        done = int(begun.arrays.get(_DONE, 0))
        self.on_batch(done)
        batches = cut_batches(source.batches(self.batch_size), stops, done)
        for part in source.map(function, list(steps), *args, batches=batches, n_jobs=self.n_jobs):
            for error in part.failures:
                self.on_error(error)
            added = {} if part.value is None else add(begun.arrays, part)
            begun.keep({**begun.arrays, **added, _DONE: np.array(part.batch.stop)})
            self.on_batch(part.batch.stop - part.batch.start)
        return begun.arrays


def _append(found: Arrays, name: str, values: np.ndarray, axis: int = 0) -> np.ndarray:
    return np.concatenate([found[name], values], axis=axis) if name in found else values


def cut_batches(batches: Sequence[slice], stops: Sequence[int], done: int = 0) -> list[slice]:
    """Cut batches where a number of images is reached that is asked for, behind those done."""
    ends = sorted({*stops, *(batch.stop for batch in batches)})
    ends = [end for end in ends if done < end <= batches[-1].stop]
    return [slice(start, end) for start, end in zip([done, *ends], ends, strict=False)]


def sum_batch(images: Any, steps: list[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum the residuals; give energies and hashes one by one."""
    residuals = transform_batch(images, steps)
    return residuals.sum(axis=0, dtype=np.float64), energy(residuals), difference_hash(images)


def score_batch(
    images: Any, steps: list[Any], fingerprints: np.ndarray, views: list[View]
) -> tuple[np.ndarray, np.ndarray]:
    """Correlate the residuals with the fingerprints, view by view."""
    residuals = transform_batch(images, steps)
    scores = [correlation_index(view.of(residuals), view.of(fingerprints)) for view in views]
    return np.stack(scores), difference_hash(images)
