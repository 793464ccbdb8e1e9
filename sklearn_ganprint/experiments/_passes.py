"""Passes over the images of one source, batch by batch: sums and scores, never residuals.

A worker reads a batch, computes its residuals, and sends back what is small. So the images of a
source may be more than the memory holds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from sklearn_ganprint._batches import BatchResult, ImageSource
from sklearn_ganprint._steps import transform_batch
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.experiments._duplicates import difference_hash
from sklearn_ganprint.fingerprints import energy


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

    def sums(self, source: ImageSource, ends: Sequence[int]) -> dict[str, np.ndarray]:
        """Add up residuals over consecutive sets of images.

        Parameters
        ----------
        source : ImageSource
            The images.

        ends : sequence of int
            Position behind the last image of each set, ascending; the last is that of all.

        Returns
        -------
        dict of ndarray
            ``sums`` (k, H, W, C) in float32 and ``counts`` (k) of the sets that have an image
            which could be used, ``residual_energies`` and ``hashes`` (n), one such an image.
        """
        sums: dict[int, np.ndarray] = {}
        counts: dict[int, int] = {}
        energies, hashes = [], []
        for part in self._map(source, sum_batch, ends, list(self.steps)):
            if part.value is None:
                continue
            batch_sum, batch_energies, batch_hashes = part.value
            end = int(np.searchsorted(ends, part.batch.stop))
            sums[end] = sums.get(end, 0) + batch_sum
            counts[end] = counts.get(end, 0) + len(batch_energies)
            energies.append(batch_energies)
            hashes.append(batch_hashes)
        if not sums:
            return {}
        return {
            "sums": np.stack(list(sums.values())).astype(np.float32),
            "counts": np.array(list(counts.values())),
            "residual_energies": np.concatenate(energies),
            "hashes": np.concatenate(hashes),
        }

    def scores(
        self,
        source: ImageSource,
        fingerprints: np.ndarray,
        views: Sequence[View] = (View(),),
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

        Returns
        -------
        dict of ndarray
            ``kept`` (n), positions of the images that could be used, ``scores``
            (n_views, n, K) and ``hashes`` (n).
        """
        kept, scores, hashes = [], [], []
        for part in self._map(source, score_batch, (), list(self.steps), fingerprints, list(views)):
            if part.value is not None:
                kept.append(part.batch.start + part.kept)
                scores.append(part.value[0])
                hashes.append(part.value[1])
        if not kept:
            return {}
        return {
            "kept": np.concatenate(kept),
            "scores": np.concatenate(scores, axis=1),
            "hashes": np.concatenate(hashes),
        }

    def _map(
        self, source: ImageSource, function: Any, stops: Sequence[int], *args: Any
    ) -> Iterator[BatchResult]:
        batches = cut_batches(source.batches(self.batch_size), stops)
        for part in source.map(function, *args, batches=batches, n_jobs=self.n_jobs):
            for error in part.failures:
                self.on_error(error)
            yield part
            self.on_batch(part.batch.stop - part.batch.start)


def cut_batches(batches: Sequence[slice], stops: Sequence[int]) -> list[slice]:
    """Cut batches where a number of images is reached that is asked for."""
    ends = sorted({*stops, *(batch.stop for batch in batches)})
    starts = [0, *ends[:-1]]
    return [
        slice(start, end)
        for start, end in zip(starts, ends, strict=True)
        if end <= batches[-1].stop
    ]


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
