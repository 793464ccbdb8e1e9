"""What estimators over files have in common: how they work through them."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sklearn_ganprint._images import IMAGE_DTYPES, ImageInputMixin
from sklearn_ganprint._metaestimators import with_objects
from sklearn_ganprint.datasets import ImageReader, ImageReadError
from sklearn_ganprint.files._batches import FileBatches, Reading, as_paths, common_size, is_paths
from sklearn_ganprint.residuals._blanks import find_residual


class FileBatchBase(ImageInputMixin):
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

    def _batches_to_fit(self, X: Any, y: Any = "no_validation") -> tuple[FileBatches, Any]:
        """Batches of files, or of validated images, and labels."""
        self.reader_ = ImageReader() if self.reader is None else clone(self.reader)
        if is_paths(X):
            # What an earlier fit on arrays has left is forgotten.
            for name in ("n_features_in_", "feature_names_in_", "image_shape_"):
                self.__dict__.pop(name, None)
            size = common_size(X, self.reader_)
            data_range = getattr(find_residual(self.estimator), "data_range", None)
            batches = self._batches(as_paths(X), Reading(self.reader_, size, data_range))
        else:
            validated = self._validate_rows(X, y, reset=True, dtype=list(IMAGE_DTYPES))
            rows, y = validated if isinstance(validated, tuple) else (validated, y)
            batches = self._array_batches(rows)
        self.image_size_ = batches.reading.size
        return batches, y

    def _batches_like(self, X: Any) -> FileBatches:
        """Batches of files, or of images, like those fitted on."""
        if is_paths(X):
            return self._batches(as_paths(X), Reading(self.reader_, self.image_size_))
        return self._array_batches(self._validate_rows(X, reset=False, dtype=list(IMAGE_DTYPES)))

    def _array_batches(self, rows: np.ndarray) -> FileBatches:
        """Batches of rows in the shape of the images as which they came."""
        return self._batches(rows.reshape(len(rows), *(self.image_shape_ or (-1,))), Reading())

    def _batches(self, items: np.ndarray, reading: Reading) -> FileBatches:
        return FileBatches(
            items, reading, self.batch_size, self.n_jobs, self.on_error, self.progress
        )

    def __sklearn_tags__(self) -> Any:
        """Declare that file names are strings."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags
