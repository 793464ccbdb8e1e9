"""What estimators over files have in common: how they work through them."""

import warnings
from collections.abc import Callable, Iterator
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sklearn_ganprint._batches import Pass, Results
from sklearn_ganprint._images import IMAGE_DTYPES, ImageInputMixin
from sklearn_ganprint._steps import with_objects
from sklearn_ganprint.datasets import ImageReader, ImageReadError
from sklearn_ganprint.files._batches import (
    BatchResult,
    ImageSource,
    as_paths,
    common_size,
    is_paths,
    warn_of_memory,
)
from sklearn_ganprint.residuals._blanks import find_residual


class UnreadableImageWarning(UserWarning):
    """Some image files could not be used and were left out."""


class FileBatches(ImageInputMixin):
    """Parameters of both; maps over batches of files, and sees to bad ones and to progress."""

    reader_: ImageReader
    image_size_: tuple[int, int] | None
    failures_: list[tuple[str, str]]

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "reader": [ImageReader, None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "on_error": [StrOptions({"warn", "raise"}), callable],
        "progress": [callable, None],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        reader: ImageReader | None = None,
        batch_size: int = 64,
        n_jobs: int | None = None,
        on_error: str | Callable[[ImageReadError], Any] = "warn",
        progress: Callable[[int, int], Any] | None = None,
    ) -> None:
        self.estimator = estimator
        self.reader = reader
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.on_error = on_error
        self.progress = progress

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of the estimator and of the reader too.

        Parameters
        ----------
        **params : dict
            Parameters by name; those of the reader as ``reader__crop``. If `reader` is None, it
            becomes an :class:`~sklearn_ganprint.datasets.ImageReader`.

        Returns
        -------
        self
            The estimator itself.
        """
        params = with_objects(self, params, reader=lambda _: ImageReader())
        return super().set_params(**params)  # type: ignore[misc]

    def _source_to_fit(self, paths: Any) -> ImageSource:
        """Files to fit on; what an earlier fit on arrays has left is forgotten."""
        for name in ("n_features_in_", "feature_names_in_", "image_shape_"):
            self.__dict__.pop(name, None)
        data_range = getattr(find_residual(self.estimator), "data_range", None)
        size = common_size(paths, self.reader_)
        return ImageSource(as_paths(paths), self.reader_, size, data_range)

    def _source(self, X: Any) -> ImageSource:
        """Files, or images, like those fitted on."""
        if is_paths(X):
            return ImageSource(as_paths(X), self.reader_, self.image_size_)
        return self._array_source(self._validate_rows(X, reset=False, dtype=list(IMAGE_DTYPES)))

    def _array_source(self, rows: np.ndarray) -> ImageSource:
        """Rows in the shape of the images as which they came."""
        return ImageSource(rows.reshape(len(rows), *(self.image_shape_ or (-1,))))

    def _first_image(self, source: ImageSource) -> Any:
        """Load one image, the first that can be used, to learn shapes from."""
        failures: list[ImageReadError] = []
        for batch in source.batches(1):
            images, kept, failed = source[batch].load()
            failures += failed
            if len(kept):
                return images
        for error in failures:
            self._handle(error)
        reasons = "\n".join(map(str, failures[:10]))
        raise ValueError(f"None of the {len(source)} files can be used:\n{reasons}")

    def _answers(self, source: ImageSource) -> Callable[[Pass], Results]:
        """Answer the passes of a fit; files that fail in one are left out of the next."""
        usable = np.arange(len(source))

        def answer(wanted: Pass) -> Results:
            nonlocal usable
            looked_at, usable = usable, np.empty(0, dtype=int)
            rows = [each[looked_at] for each in wanted.rows]
            for part in self._map(
                source.take(looked_at), wanted.function, *wanted.args, rows=rows, fitting=True
            ):
                if part.value is None:
                    continue
                if not len(usable):
                    warn_of_memory(part.value, source)
                kept = looked_at[part.batch.start + part.kept]
                usable = np.append(usable, kept)
                yield kept, part.value

        return answer

    def _map(
        self, source: ImageSource, function: Any, *args: Any, rows: Any = (), fitting: bool = False
    ) -> Iterator[BatchResult]:
        """Map over batches, and see to bad files and to progress as the results come in."""
        failures: list[ImageReadError] = []
        batches = source.batches(self.batch_size)
        for part in source.map(function, *args, rows=rows, batches=batches, n_jobs=self.n_jobs):
            for error in part.failures:
                self._handle(error)
            failures += part.failures
            yield part
            if self.progress is not None:
                self.progress(part.batch.stop, len(source))
        if fitting:
            self.failures_ += [(error.filename, error.reason) for error in failures]
        if failures and self.on_error == "warn":
            names = "\n".join(map(str, failures))
            warnings.warn(
                f"{len(failures)} of {len(source)} files could not be used:\n{names}",
                UnreadableImageWarning,
                stacklevel=5,
            )

    def _handle(self, error: ImageReadError) -> None:
        if self.on_error == "raise":
            raise error
        if callable(self.on_error):
            self.on_error(error)

    def __sklearn_tags__(self) -> Any:
        """Declare that file names are strings."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags
