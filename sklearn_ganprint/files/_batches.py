"""Long lists of files, or of images, worked through batch by batch in joblib workers."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from sklearn_ganprint._batches import Batches, GroupedSum, Result, map_in_order, transform_batch
from sklearn_ganprint._compat import told
from sklearn_ganprint._images import by_shape
from sklearn_ganprint.datasets import ImageReader, ImageReadError, estimate_history
from sklearn_ganprint.datasets._decoding import ImageInfo
from sklearn_ganprint.datasets._items import image_names, is_image
from sklearn_ganprint.datasets._reader import ReadFiles, read_usable
from sklearn_ganprint.files._checkpoint import Checkpoint, go_on
from sklearn_ganprint.files._fitted import FileHistory, sketch
from sklearn_ganprint.residuals import _blanks
from sklearn_ganprint.residuals._cache import cache_unused

__all__ = ["MAX_SIDE", "MIN_SIDE", "NoResidualError", "UnreadableImageWarning"]

#: Values of the images of one batch, at the most: 48 MiB in uint8. Large photos come in fewer.
BATCH_VALUES = 3 << 24

#: Shortest side of the images that are judged by what takes any size, unless crops are smaller.
MIN_SIDE = 64

#: Longest side of the part that is judged of an image, unless crops are larger. It takes 16 times
#: as long as one of 256 pixels.
MAX_SIDE = 1024


class UnreadableImageWarning(UserWarning):
    """Some image files could not be used and were left out."""


class NoResidualError(ImageReadError):
    """An image file without a residual, from which nothing can be learned."""


class Reading(NamedTuple):
    """How items become images; without a reader they are images.

    With a `data_range` files without a residual count as failures.
    """

    reader: ImageReader | None = None
    size: tuple[int, int] | None = None
    data_range: float | None = None

    def load(self, items: Any, *, identify: bool = False) -> ReadFiles:
        """Return images, the positions of the items they are of, and the files that have failed."""
        if self.reader is None:
            return ReadFiles(items, np.arange(len(items)), [], [])
        images, kept, failures, infos = found = read_usable(
            self.reader, items, self.size, identify=identify
        )
        if self.data_range is None or not len(kept):
            return found
        blank = _blanks.lack_residual(images, self.data_range)
        for position in np.flatnonzero(blank):
            (share,) = _blanks.residual_share(images[position][np.newaxis], self.data_range)
            name = os.fsdecode(items[kept[position]])
            failures.append(NoResidualError(name, _blanks.share_in_words(share)))
        if not blank.any():
            return found
        images, infos = (_safe_indexing(values, ~blank) for values in (images, infos))
        return ReadFiles(images, kept[~blank], failures, infos)


@dataclass(eq=False)
class FileBatches(Batches):
    """Image files, or images, of which workers read and map one batch at a time.

    Files that could not be used in one map are left out of the next. What is done about each is
    `on_error`, as in :class:`FileBatchEstimator`; `progress` is called after each batch. Batches
    begin at the item `start`, and none goes beyond one of the `stops`. With `labels`, files of two
    classes at least must be left. With `looked_at`, one value a file, `histories` has by position
    what the first map finds out about files, and about pixels where it is true. What a `checkpoint`
    has of batches is taken from there.
    """

    items: Any
    reading: Reading = Reading()
    batch_size: int = 64
    n_jobs: int | None = None
    on_error: str | Callable[[ImageReadError], Any] = "warn"
    progress: Callable[[int, int], Any] | None = None
    start: int = 0
    stops: Sequence[int] = ()
    labels: np.ndarray | None = None
    on_history: Callable[[str, FileHistory], Any] | None = None
    looked_at: np.ndarray | None = None
    checkpoint: Checkpoint | None = None
    histories: dict[int, FileHistory] = field(default_factory=dict, init=False)
    failures: list[ImageReadError] = field(default_factory=list, init=False)
    usable: np.ndarray = field(init=False)

    @classmethod
    def of_files(
        cls,
        paths: Any,
        reader: ImageReader,
        *,
        size: tuple[int, int] | None = None,
        data_range: float | None = None,
        **options: Any,
    ) -> Self:
        """Batches of files whose images have one size, by default the most common one."""
        paths = as_paths(paths)
        return cls(paths, Reading(reader, size or reader.common_size(paths), data_range), **options)

    def __post_init__(self) -> None:
        self.usable = np.ones(len(self.items), dtype=bool)

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def first(self) -> Any:
        """One image, the first that can be used, to learn shapes from."""
        failures: list[ImageReadError] = []
        for position in range(len(self)):
            found = self.reading.load(self.items[position : position + 1])
            failures += found.failures
            if len(found.kept):
                return _repeated(found.images, self.reading.size)
        self._handle(failures)
        raise ValueError(f"None of the {len(self)} files can be used; the first: {failures[0]}")

    def cut(self) -> list[slice]:
        """Slices of at most `batch_size` usable items and at most `BATCH_VALUES` values."""
        in_memory = self.reading.reader is None
        shape = self.items.shape[1:] if in_memory else (3, *(self.reading.size or ()))
        size = min(self.batch_size, max(1, BATCH_VALUES // int(np.prod(shape))))
        n_items = int(np.count_nonzero(self.usable))
        ends = sorted({*range(size, n_items, size), *self.stops, n_items})
        ends = [end for end in ends if self.start < end <= n_items]
        return [slice(*ends) for ends in pairwise([self.start, *ends])]

    def map(self, function: Callable[..., Any], *args: Any, rows: Any = ()) -> Iterator[Result]:
        """Yield what becomes of each batch, in order, as they are ready; see to bad files."""
        n_used = 0
        for kept, value in self._outcomes(partial(_work, function=function, args=args), rows):
            if not n_used:
                self._warn_of_memory(value)
            n_used += len(kept)
            yield kept, value

    def reduce(
        self,
        function: Callable[..., Any],
        add: Callable[[Any, Any], Any],
        *args: Any,
        rows: Any = (),
    ) -> tuple[list[Result], Any]:
        """Map batches to pairs; add up the second values, on the workers if these are dask's."""
        total = GroupedSum(add)
        work = partial(_work_apart, function=function, args=args)
        return list(self._outcomes(work, rows, total)), total.finish()

    def _outcomes(
        self, work: Callable[..., Any], rows: Any, total: GroupedSum | None = None
    ) -> Iterator[Result]:
        """Yield what becomes of each batch that has usable files, and push parts to the total."""
        positions = np.flatnonzero(self.usable)
        failures: list[ImageReadError] = []
        batches = self.cut()
        tasks = self._tasks(positions, batches, [values[positions] for values in rows])
        if self.progress is not None and self.start:
            self.progress(self.start, len(positions))
        work = partial(work, self.reading, self.steps)
        run = partial(map_in_order, work, n_jobs=self.n_jobs, apart=total is not None)
        results = go_on(self.checkpoint, run, tasks, total)
        passed = told("pass over files", "batch", batches)
        for batch, result in zip(passed, results, strict=True):
            kept, value, failed, found = result
            self._handle(failed)
            failures += failed
            kept = positions[batch][kept]
            self.usable[positions[batch]] = False
            self.usable[kept] = True
            self.keep_histories(kept, found)
            if len(kept):
                yield kept, value
            if self.progress is not None:
                self.progress(batch.stop, len(positions))
        self._warn_of_failures(failures)
        self._check_labels()

    def _tasks(
        self, positions: np.ndarray, batches: list[slice], rows: list[np.ndarray]
    ) -> Iterator[tuple[Any, ...]]:
        """Yield items and rows of each batch, and which of the items are looked at, if any."""
        items = self.items if len(positions) == len(self) else self.items[positions]
        if self.reading.reader is not None:
            items = list(items)  # in an array, objects of classes of a notebook cannot be sent
        # Later maps read the same files; histories may be there as soon as the first task is asked.
        looks = self.looked_at if not self.histories else None
        return (
            (items[b], [own[b] for own in rows], None if looks is None else looks[positions[b]])
            for b in batches
        )

    def look(self) -> list[FileHistory | None]:
        """Read files for what is told of them alone, None of those that cannot be used."""
        if self.reading.reader is None:
            raise TypeError("X: expected paths of files, got images.")
        if self.looked_at is None:
            self.looked_at = np.zeros(len(self), dtype=bool)
        for _ in self.map(len):
            pass
        return [self.histories.get(position) for position in range(len(self))]

    def take_failures(self, failures: list[ImageReadError]) -> None:
        """See to files that failed before, and are not read again."""
        self._handle(failures)
        self._warn_of_failures(failures)

    def _handle(self, failures: Sequence[ImageReadError]) -> None:
        self.failures += failures
        for error in failures:
            if self.on_error == "raise":
                raise error
            if callable(self.on_error):
                self.on_error(error)

    def _warn_of_failures(self, failures: list[ImageReadError]) -> None:
        if failures and self.on_error == "warn":
            names = "\n".join(map(str, failures))
            warnings.warn(
                f"{len(failures)} of {len(self)} files could not be used:\n{names}",
                UnreadableImageWarning,
                stacklevel=6,
            )

    def keep_histories(self, kept: np.ndarray, found: Sequence[FileHistory]) -> None:
        for position, history in zip(kept.tolist(), found, strict=False):  # none in later maps
            self.histories[position] = history
            if self.on_history is not None:
                self.on_history(os.fsdecode(self.items[position]), history)

    def _warn_of_memory(self, rows: Any) -> None:
        """Say how much it takes to collect whole residuals, before it is taken."""
        if not isinstance(rows, np.ndarray) or self.reading.reader is None:
            return
        n_pixels = int(np.prod(self.reading.size or (1,)))
        one = rows[:1]  # a label may be any object
        size = one.nbytes * len(self) / 2**20
        # With copies rows are (n, n_versions, n_features), and each version is an image.
        if size >= 1 and one.size >= n_pixels * int(np.prod(rows.shape[1:-1])):
            warnings.warn(
                f"The last steps of this pipeline need all residuals at once: {len(self)} images "
                f"of {one.size} values take {size:.0f} MiB of memory. A last step with "
                f"partial_fit and merge, or a step that reduces residuals to features, does "
                f"without.",
                UserWarning,
                stacklevel=5,
            )

    def _check_labels(self) -> None:
        """Raise where files of fewer than two classes are left, and name what was lost.

        Estimators would raise too, each in words of its own that name no file.
        """
        if self.labels is None or len(left := set(self.labels[self.usable].tolist())) > 1:
            return
        lost = [label for label in np.unique(self.labels).tolist() if label not in left]
        first = "".join(f"; the first: {error}" for error in self.failures[:1])
        raise ValueError(f"At least 2 classes are needed, and of {lost} no file can be used{first}")


def _repeated(images: Any, size: tuple[int, int] | None) -> np.ndarray:
    """Repeat images ``(n, H, W, C)`` that are smaller than the crop up to its size."""
    if size is None or images.shape[1:3] == size:
        return images
    missing = [(0, limit - length) for limit, length in zip(size, images.shape[1:3], strict=True)]
    return np.pad(images, [(0, 0), *missing, (0, 0)], mode="wrap")


def _work(
    reading: Reading,
    steps: Sequence[Any],
    items: Any,
    rows: Sequence[np.ndarray],
    looked_at: np.ndarray | None,
    *,
    function: Callable[..., Any],
    args: Sequence[Any],
) -> tuple[np.ndarray, Any, list[ImageReadError], list[FileHistory]]:
    """Read, compute, and send back what is small: what one worker does."""
    images, kept, failures, infos = reading.load(items, identify=looked_at is not None)
    if not len(kept):
        return kept, None, failures, []
    histories = [] if looked_at is None else list(map(_history, infos, images, looked_at[kept]))
    with cache_unused() if reading.reader is not None else nullcontext():
        images = transform_batch(images, steps)
        value = function(images, *(values[kept] for values in rows), *args)
        return kept, value, failures, histories


def _work_apart(*task: Any, **how: Any) -> tuple[Any, Any]:
    """Do the same with a function that returns a pair, of which the second value stays apart."""
    kept, pair, failures, histories = _work(*task, **how)
    value, part = pair or (None, None)
    return (kept, value, failures, histories), part


def _history(info: ImageInfo, image: np.ndarray, look: bool) -> FileHistory:
    """Tell what a file has been through, by its header and, if these are looked at, its pixels."""
    return FileHistory(
        *(info.format, info.width, info.height),
        info.jpeg_quality if info.jpeg_quality > 0 else None,
        estimate_history(image) if look else None,
        info.sha256,
        sketch(info.samples),
        _blanks.is_grey(image) if image.ndim == 3 and image.shape[2] == 3 else None,
    )


def apply_batch(images: Any, estimator: Any, method: str, *args: Any) -> np.ndarray:
    """Call a method of a fitted estimator, or of a pipeline's last step, on one batch."""
    return by_shape(lambda same: _apply_to_one_shape(same, estimator, method, args), images)


def _apply_to_one_shape(images: Any, estimator: Any, method: str, args: Any) -> np.ndarray:
    if not hasattr(estimator, method):
        if len(estimator) > 1:  # a pipeline without steps does not transform
            images = estimator[:-1].transform(images)
        estimator = estimator[-1]
    # set_config may ask for data frames.
    return np.asarray(getattr(estimator, method)(images, *args))


def is_paths(X: Any) -> bool:
    """Whether `X` is a sequence of file paths, or of images in place of these, not of numbers."""
    if _is_path(X):
        raise TypeError(f"Expected a sequence of file paths, got one path: {X!r}. Pass a list.")
    if isinstance(X, Iterator | Set):  # which can be gone through once, or in any order
        raise TypeError(
            f"Expected a sequence of file paths or images, got a {type(X).__name__}. Pass a list."
        )
    X = _only_column(X)
    if getattr(X, "ndim", 1) != 1 or not hasattr(X, "__len__"):
        return False
    if not len(X):
        raise ValueError("Expected at least one file path or image, got none.")
    first = next(iter(X))
    return _is_path(first) or is_image(first)


def as_paths(X: Any) -> np.ndarray:
    """File paths as an array of objects, which a list of indices can be taken from."""
    X = _only_column(X)
    paths = np.empty(len(X), dtype=object)
    paths[:] = image_names(X)
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


def reader_of_any_size(reader: ImageReader, size: tuple[int, int]) -> ImageReader:
    """Give a reader that keeps images smaller than `size` whole, and reads more of larger ones."""
    # By an even number more, or the middle of an image would not be that of its crop.
    crop = tuple(side + max(0, MAX_SIDE - side) // 2 * 2 for side in size)
    return clone(reader).set_params(crop=crop, min_side=min(MIN_SIDE, *size))


def check_min_side(reader: ImageReader, estimator: Any, *, any_size: bool) -> None:
    """Raise if images of several sizes may come, and the estimator takes one size."""
    if reader.min_side is not None and not any_size:
        raise ValueError(
            f"reader: images smaller than the crop are kept with min_side={reader.min_side}, but "
            f"this {type(estimator).__name__} takes images of one size. Set min_side to None, or "
            f"the anchor of a ResidualTransformer that images meet first."
        )


def part_that_is_read(reader: ImageReader, height: int, width: int) -> tuple[int, int]:
    """Return how many rows and columns are read of an image of this size."""
    limits = (height, width) if reader.crop is None else np.broadcast_to(reader.crop, 2).tolist()
    return min(height, limits[0]), min(width, limits[1])
