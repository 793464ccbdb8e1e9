"""A long list of files, or of images, worked through batch by batch in joblib workers."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import gen_batches

from sklearn_ganprint._parallel import map_in_order
from sklearn_ganprint.datasets import ImageReader, ImageReadError
from sklearn_ganprint.residuals._blanks import lack_residual, residual_share, share_in_words
from sklearn_ganprint.residuals._cache import cache_unused

#: Values of the images of one batch, at the most: 48 MiB in uint8. Large photos come in fewer.
BATCH_VALUES = 3 << 24


class NoResidualError(ImageReadError):
    """An image file without a residual, from which nothing can be learned."""


class BatchResult(NamedTuple):
    """What a worker sends back: `value` of the `kept` items, and the files it could not use."""

    batch: slice
    kept: np.ndarray
    value: Any
    failures: list[ImageReadError]


@dataclass(frozen=True)
class ImageSource:
    """Images in memory (`reader` is None), or the files that a reader makes them from.

    With a `data_range` files without a residual count as failures.
    """

    items: Any
    reader: ImageReader | None = None
    image_size: tuple[int, int] | None = None
    data_range: float | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, batch: slice) -> "ImageSource":
        return replace(self, items=self.items[batch])

    def take(self, positions: np.ndarray) -> "ImageSource":
        """Give some of the items; all of them are not copied."""
        if len(positions) == len(self):
            return self
        return replace(self, items=self.items[positions])

    def load(self) -> tuple[Any, np.ndarray, list[ImageReadError]]:
        """Return images, the positions of the items they are of, and the files that have failed."""
        if self.reader is None:
            return self.items, np.arange(len(self)), []
        images, kept, failures = self.reader.try_read(self.items, expected_size=self.image_size)
        if self.data_range is None or not len(kept):
            return images, kept, failures
        blank = lack_residual(images, self.data_range)
        shares = residual_share(images[blank], self.data_range).tolist()
        failures += [
            NoResidualError(os.fsdecode(self.items[position]), share_in_words(share))
            for position, share in zip(kept[blank], shares, strict=True)
        ]
        return images if not blank.any() else images[~blank], kept[~blank], failures

    def batches(self, batch_size: int) -> list[slice]:
        """Slices of at most `batch_size` items and at most `BATCH_VALUES` values."""
        if self.reader is None:
            values = int(np.prod(self.items.shape[1:]))
        else:
            values = 3 * int(np.prod(self.image_size or (1,)))
        return list(gen_batches(len(self), min(batch_size, max(1, BATCH_VALUES // values))))

    def map(
        self,
        function: Callable[..., Any],
        *args: Any,
        rows: Sequence[np.ndarray] = (),
        batches: Sequence[slice],
        n_jobs: int | None,
    ) -> Iterator[BatchResult]:
        """Yield ``function(images, *rows, *args)`` of each batch, in order, as they are ready.

        `rows` are arrays with one entry an item, of which the function gets those of its images.
        """
        tasks = (
            (self[batch], batch, function, [each[batch] for each in rows], args)
            for batch in batches
        )
        yield from map_in_order(_work, tasks, n_jobs)


def _work(
    source: ImageSource,
    batch: slice,
    function: Callable[..., Any],
    rows: Sequence[np.ndarray],
    args: Sequence[Any],
) -> BatchResult:
    """Read, compute, and send back what is small: what one worker does."""
    images, kept, failures = source.load()
    with cache_unused() if source.reader is not None else nullcontext():
        value = function(images, *(each[kept] for each in rows), *args) if len(kept) else None
    return BatchResult(batch, kept, value, failures)


def is_paths(X: Any) -> bool:
    """Whether `X` is a sequence of file paths, and not of numbers."""
    if _is_path(X):
        raise TypeError(f"Expected a sequence of file paths, got one path: {X!r}. Pass a list.")
    X = _only_column(X)
    if getattr(X, "ndim", 1) != 1 or not hasattr(X, "__len__") or not len(X):
        return False
    return _is_path(next(iter(X)))


def as_paths(X: Any) -> np.ndarray:
    """File paths as an array of objects, which a list of indices can be taken from."""
    X = _only_column(X)
    paths = np.empty(len(X), dtype=object)
    paths[:] = list(X)
    return paths


def _only_column(X: Any) -> Any:
    """Return the only column of a data frame or 2-D array, and anything else as it is."""
    if len(getattr(X, "shape", ())) != 2 or not X.shape[0]:
        return X
    columns = list(getattr(X, "columns", ()))
    if X.shape[1] == 1:
        return X[columns[0]] if columns else X[:, 0]
    first = np.asarray(X[:1], dtype=object).ravel() if columns else ()
    texts = [name for name, value in zip(columns, first, strict=True) if _is_path(value)]
    if texts:
        raise TypeError(
            f"Expected file paths, got a data frame with the columns {columns}. Pass the column "
            f"that holds the paths, such as X[{texts[0]!r}]."
        )
    return X


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, bytes, os.PathLike))


def common_size(paths: Sequence[Any], reader: ImageReader) -> tuple[int, int] | None:
    """Height and width that most of the files have, by their headers, or the reader's crop."""
    return reader.common_size(as_paths(paths))


def apply_batch(images: Any, estimator: Any, method: str) -> np.ndarray:
    """Call a method of a fitted estimator, or of a pipeline's last step, on one batch."""
    if hasattr(estimator, method):
        return getattr(estimator, method)(images)
    return getattr(estimator[-1], method)(estimator[:-1].transform(images))


def warn_of_memory(rows: Any, source: ImageSource) -> None:
    """Say how much it takes to collect whole residuals, before it is taken."""
    if not isinstance(rows, np.ndarray) or source.reader is None:
        return
    n_pixels = int(np.prod(source.image_size or (1,)))
    size = rows[0].nbytes * len(source) / 2**20
    # With copies rows are (n, n_versions, n_features), and each version is an image.
    if size >= 1 and rows[0].size >= n_pixels * int(np.prod(rows.shape[1:-1])):
        warnings.warn(
            f"The last steps of this pipeline need all residuals at once: {len(source)} images "
            f"of {rows[0].size} values take {size:.0f} MiB of memory. A last step with "
            f"partial_fit and merge, or a step that reduces residuals to features, does without.",
            UserWarning,
            stacklevel=5,
        )
