"""What counts as a batch of images, and how every estimator takes one in."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils._set_output import _get_container_adapter
from sklearn.utils.validation import _is_fitted, validate_data

from sklearn_ganprint._compat import Callbacks, Method, fit_context

#: Accepted as they are; anything else becomes the first of them.
IMAGE_DTYPES = (np.float64, np.float32, np.uint8, np.uint16)
FLOAT_DTYPES = (np.float64, np.float32)

#: Weights of red, green and blue in the luminance, ITU-R BT.601.
LUMINANCE_WEIGHTS = (0.299, 0.587, 0.114)

#: Weights of red, green and blue, in columns, in luminance, blue and red difference, as in JPEG.
YCBCR_WEIGHTS = np.column_stack(
    [
        LUMINANCE_WEIGHTS,
        (np.array([0, 0, 1]) - LUMINANCE_WEIGHTS) / 1.772,
        (np.array([1, 0, 0]) - LUMINANCE_WEIGHTS) / 1.402,
    ]
)

ImageShape = tuple[int, int, int]

#: Numbers of channels that images and their residuals have, and residuals with intensity too.
CHANNELS = (1, 3)
CHANNELS_AND_INTENSITY = (1, 2, 3, 4)


def batch_image_shape(X: Any, n_channels: Sequence[int] = CHANNELS) -> ImageShape | None:
    """Return the shape ``(H, W, C)`` of the images in `X`, or None where `X` is rows.

    Only ``X.shape`` is looked at: array-likes that refuse numpy functions and sparse matrices come
    in here before anything has validated them. Images without a channel axis have C = 1.
    """
    shape: tuple[int, ...] = tuple(getattr(X, "shape", ()))
    if len(shape) < 3:
        return None
    if len(shape) > 4:
        raise ValueError(
            f"Expected images of shape (n, H, W) or (n, H, W, C), or rows (n, n_features); "
            f"got an array of shape {shape}."
        )
    height, width = shape[1:3]
    channels = shape[3] if len(shape) == 4 else 1
    if channels not in n_channels:
        raise ValueError(
            f"Expected images with {', '.join(map(str, n_channels[:-1]))} or {n_channels[-1]} "
            f"channels in the last axis, got {channels} (X has shape {shape})."
        )
    if 0 in (height, width):
        raise ValueError(f"Expected images of at least one pixel, got X of shape {shape}.")
    if len(shape) == 3 and width == 3 and height > 3:
        warnings.warn(
            f"X of shape {shape} is read as {shape[0]} grey images of {height}x3 pixels. "
            f"If it is one colour image, pass X[np.newaxis].",
            stacklevel=2,
        )
    return int(height), int(width), int(channels)


def as_image_shape(image_shape: Sequence[int], n_channels: Sequence[int] = CHANNELS) -> ImageShape:
    """Check the parameter `image_shape`, ``(H, W)`` or ``(H, W, C)``, and add a channel of 1."""
    shape = tuple(int(length) for length in image_shape)
    if len(shape) == 2:
        shape = (*shape, 1)
    if len(shape) != 3 or min(shape) < 1 or shape[2] not in n_channels:
        allowed = f"(H, W) or (H, W, C) with C in {set(n_channels)}"
        raise ValueError(f"image_shape must be {allowed}, got {image_shape!r}.")
    return shape


def as_batch(X: Any) -> Any:
    """Stack and check what all classifiers are given; data frames stay, for their names."""
    checked = check_array(stack_images(X), allow_nd=True, ensure_all_finite=False)
    return X if hasattr(X, "iloc") else checked


def without_intensity(n_channels: int) -> int:
    """Return the number of channels less the last of 2 or 4, which is the intensity."""
    return n_channels - (n_channels % 2 == 0)


def stack_images(X: Any) -> Any:
    """Stack a list or tuple of image arrays, or of lists; anything else passes unchanged."""
    is_list = isinstance(X, (list, tuple))
    is_column = getattr(X, "ndim", 0) == 1 and getattr(X.dtype, "kind", "") == "O"
    first: Any = next(iter(X), None) if is_list or is_column else None
    if np.ndim(first) < 2:
        return X
    if isinstance(first, (list, tuple)):
        return np.asarray(X)
    if is_column or not hasattr(first, "ndim"):
        raise TypeError(
            f"X: expected images as an array (n, H, W) or (n, H, W, C), or a list of arrays; got "
            f"a {type(X).__name__} of {type(first).__name__}."
        )
    for index, image in enumerate(X):
        if np.shape(image) != X[0].shape:
            raise ValueError(
                f"All images must have one shape: image 0 has shape {X[0].shape}, image {index} "
                f"has shape {np.shape(image)}. Crop them to one size first."
            )
    return np.stack(X)


def shape_groups(images: Any) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield the positions of the images of each shape, and these images as one array."""
    if not differ_in_shape(images):
        yield np.arange(len(images)), stack_images(images)
        return
    positions: dict[tuple[int, ...], list[int]] = {}
    for position, image in enumerate(images):
        positions.setdefault(np.shape(image), []).append(position)
    for own in positions.values():
        yield np.array(own), np.stack([images[position] for position in own])


def differ_in_shape(images: Any) -> bool:
    """Whether these are images of several shapes, in a list; anything else has one shape."""
    if not isinstance(images, (list, tuple)) or not len(images):
        return False
    shapes = {getattr(image, "shape", ()) for image in images}
    return len(shapes) > 1 and min(map(len, shapes)) > 1


def by_shape(function: Callable[[Any], Any], images: Any) -> Any:
    """Call a function on the images of one shape after another; join what it returns in order.

    What it returns may be rows, or images, which then are a list.
    """
    if not differ_in_shape(images):
        return function(images)
    positions, parts = [], []
    for own, group in shape_groups(images):
        positions.append(own)
        parts.append(function(group))
    order = np.concatenate(positions).argsort()
    shapes = {part.shape[1:] if isinstance(part, np.ndarray) else None for part in parts}
    if len(shapes) == 1 and None not in shapes:
        return np.concatenate(parts)[order]
    values = [value for part in parts for value in part]
    return [values[position] for position in order]


def warn_of_wrong_range(images: np.ndarray, data_range: float) -> None:
    """Warn of values that do not fit `data_range`; they are used as they are."""
    high = images.max()
    if data_range == 255 and 0 < high <= 1 and images.min() >= 0:
        found, white = "All values lie within [0, 1]", "1.0"
    elif images.dtype == np.uint16 and high > data_range:
        found, white = "16-bit images are brighter than white", "65535"
    else:
        return
    warnings.warn(
        f"{found}, but data_range is {data_range:g}. If white is {float(white):g} in these images, "
        f"set data_range={white}.",
        stacklevel=3,
    )


def warn_of_images(rows: np.ndarray, *, integers: bool, name: str) -> None:
    """Warn of images in place of residuals; they are used as they are.

    Residuals have negative values. Features may have none, but are not whole numbers of grey
    levels. Few or constant values are not judged.
    """
    # A few rows, and the beginning of long ones, tell as much as all.
    some = np.asarray(rows[:: max(1, len(rows) // 8), :8192])
    if _QUIET.get() or some.shape[1] < 64:
        return
    low, high = float(some.min()), float(some.max())
    if low < 0 or high == low:
        return
    levels = some * (255 if high <= 1 else 1)
    whole = integers or bool((np.abs(levels - np.rint(levels)) < 1e-3).all())
    far = high <= 255 and some.shape[1] >= 256 and some.mean() > some.std()
    if whole or far:
        warnings.warn(
            f"{name} takes noise residuals, but X looks like images: its values go from "
            f"{low:g} to {high:g}, and none is negative. Put a ResidualTransformer before "
            f"it, as in make_pipeline(ResidualTransformer(), {name}()).",
            stacklevel=4,
        )


#: Whether images in place of residuals have been warned of already, or will be.
_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def quiet_about_images() -> Iterator[None]:
    """Suppress warnings of images in place of residuals: one warning a fit is enough."""
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)


def scaled_planes(image: Any, dtype: Any = np.float64, *, centre: bool = True) -> np.ndarray:
    """Return the channels ``(C, H, W)`` of a finite image ``(H, W[, C])``, less their means.

    They are scaled to 1 at the most, so that no square overflows. What rounding leaves of a
    constant channel becomes 0.
    """
    assert_all_finite(image)
    planes = np.ascontiguousarray(np.moveaxis(np.atleast_3d(image), 2, 0))
    mean = planes.mean(axis=(1, 2), dtype=np.float64) if centre else np.zeros(len(planes))
    planes = planes.astype(dtype) - mean.astype(dtype)[:, np.newaxis, np.newaxis]
    peaks = np.abs(planes).max(axis=(1, 2))
    planes[peaks <= 4 * np.finfo(dtype).eps * np.abs(mean)] = 0
    planes /= np.abs(planes).max() or 1
    return planes


class ImageInputMixin(Callbacks):
    """Lets an estimator take images, or rows, and know which shape they have.

    Images are flattened *before* scikit-learn's own validation, since on n-dimensional input
    that would count the image height as ``n_features_in_``. The one data path of the package:
    every estimator passes through :meth:`_validate_images` or :meth:`_validate_rows`.
    """

    _n_channels: ClassVar[Sequence[int]] = CHANNELS
    _takes_residuals: ClassVar[bool] = False

    @property
    def _takes_any_size(self) -> bool:
        """Whether images of other sizes than that fitted on give rows as long as its rows.

        A subclass that does so sets this to True, and need not do more: images of its number of
        channels then reach it whatever their size, lists of images of several sizes too.
        """
        return False

    def _validate_rows(
        self, X: Any, y: Any = "no_validation", *, reset: bool, **checks: Any
    ) -> Any:
        """Validate images or rows, return rows ``(n, n_features)`` (and `y` if it is given)."""
        X = stack_images(X)
        shape = batch_image_shape(X, self._n_channels)
        if shape is not None:
            self._check_image_shape(shape, fitted=not reset)
            # np.asarray: the array-likes of other libraries may not know reshape(n, -1)
            X = np.asarray(X).reshape(len(X), int(np.prod(shape)))
        checks.setdefault("dtype", list(FLOAT_DTYPES))
        if shape is not None and not reset and self._takes_any_size:
            return check_array(
                X, estimator=self, **checks
            )  # n_features_in_ is of the size fitted on
        validated = validate_data(self, X, y, reset=reset, **checks)
        if reset:
            self.image_shape_ = shape
            self._warn_of_images(validated[0] if isinstance(validated, tuple) else validated, X)
        return validated

    def _warn_of_images(self, rows: Any, X: Any) -> None:
        """Warn if images come, as `X` before validation, where residuals should."""
        # Not all that comes in here is validated: sparse matrices and objects do too.
        if self._takes_residuals and rows.ndim > 1 and rows.dtype.kind in "fui":
            integers = getattr(getattr(X, "dtype", None), "kind", "f") in "ui"
            rows = rows.reshape(len(rows), -1)
            warn_of_images(rows, integers=integers, name=type(self).__name__)

    def _validate_images(self, X: Any, *, reset: bool, **checks: Any) -> np.ndarray:
        """Validate images or rows, return a view ``(n, H, W, C)``."""
        checks.setdefault("dtype", list(FLOAT_DTYPES if self._takes_residuals else IMAGE_DTYPES))
        shape = batch_image_shape(stack_images(X), self._n_channels)
        rows = self._validate_rows(X, reset=reset, **checks)
        shape = self._resolve_image_shape(shape, rows.shape[1])
        if reset:
            self.image_shape_ = shape
        return rows.reshape(len(rows), *shape)

    def _check_image_shape(self, shape: ImageShape, *, fitted: bool) -> None:
        """Raise if image shapes differ, which says more than that the lengths of rows do."""
        expected = getattr(self, "image_shape_", None) if fitted else None
        expected = expected or self._parameter_shape()
        if expected is not None and self._takes_any_size:
            expected = (*shape[:2], expected[2])
        if expected is not None and shape != expected:
            raise ValueError(
                f"X has images of shape {shape} (height, width, channels), but "
                f"{type(self).__name__} is expecting images of shape {expected}."
            )

    def _resolve_image_shape(self, shape: ImageShape | None, n_features: int) -> ImageShape:
        """Return the shape of the batch, else the fitted one, else `image_shape`, else a line."""
        shape = shape or getattr(self, "image_shape_", None)
        if shape is not None:
            return shape
        shape = self._parameter_shape()
        if shape is None:
            warnings.warn(
                f"{type(self).__name__} got rows without image_shape: each row is taken as an "
                f"image of one line. Pass images (n, H, W[, C]), or set image_shape=(H, W[, C]).",
                stacklevel=3,
            )
            return 1, n_features, 1
        if n_features != np.prod(shape):
            raise ValueError(
                f"Rows of {n_features} values do not hold images of image_shape={shape}, which "
                f"have {int(np.prod(shape))} values."
            )
        return shape

    def _parameter_shape(self) -> ImageShape | None:
        shape: Sequence[int] | None = getattr(self, "image_shape", None)
        return None if shape is None else as_image_shape(shape, self._n_channels)

    def __sklearn_tags__(self) -> Any:
        """Declare that images are accepted beside rows."""
        tags = super().__sklearn_tags__()
        # two_d_array stays True: without it check_estimator would run one single check
        tags.input_tags.three_d_array = True
        return tags


def rows_as_asked(transform: Method) -> Method:
    """Put rows that `transform` returns into the container that is asked for."""

    @wraps(transform)
    def wrapped(self: Any, X: Any) -> Any:
        rows = transform(self, X)
        adapter = _get_container_adapter("transform", self)
        if adapter is None or rows.ndim != 2:
            return rows
        # Before fit columns have no names.
        names = self.get_feature_names_out() if _is_fitted(self) else None
        return adapter.create_container(rows, X, columns=names)

    return wrapped  # type: ignore[return-value]


class ImageTransformer(
    ImageInputMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Base of transformers of images, or residuals, that learn nothing but the shape.

    A subclass writes ``_transform_images(images)``, from and to ``(n, H, W, C)`` or to rows. If it
    changes the shape it writes ``_output_shape(image_shape)``, and ``_learn(images, y)`` if ``fit``
    stores or reports more. With a parameter `flatten` images come out as rows where that is true;
    with `data_range`, values that do not fit it are warned of.

    Rows come out as ``set_output`` and the global option ask. Images come out as arrays whatever
    they ask, since no data frame holds any and the next step needs their shape.
    """

    _kept_dtypes: ClassVar[Sequence[Any]] = FLOAT_DTYPES

    image_shape_: ImageShape

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # scikit-learn's own wrapping would try to make data frames of images.
        super().__init_subclass__(**{**kwargs, "auto_wrap_output_keys": None})

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Validate the images or residuals and store their shape; nothing else is learned.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Images or residuals, or the same as rows.
        y : array-like of shape (n,), default=None
            Nothing is learned from it.

        Returns
        -------
        self
            The transformer itself.

        Raises
        ------
        ValueError
            If `X` is not finite, or of a shape that cannot be transformed.
        """
        self._learn(self._take(X, reset=True), y)
        return self

    @rows_as_asked
    def transform(self, X: Any) -> np.ndarray:
        """Transform images or residuals.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Images or residuals, or the same as rows. A transformer that takes any size also takes
            a list of images of several sizes.

        Returns
        -------
        ndarray of shape (n, n_features_out) or (n, H, W, C')
            What the transformer makes of them: residuals and features in float32 unless `X` is
            float64, perturbed images in the form and the dtype of `X`.

        Raises
        ------
        ValueError
            If `X` is not of the shape seen in ``fit``, not finite, or of a size that cannot be
            transformed.
        """
        if self._takes_any_size:
            return by_shape(self._transform, X)
        return self._transform(X)

    def _transform(self, X: Any) -> np.ndarray:
        X = stack_images(X)
        return self._in_form(self._transform_images(self._take(X, reset=False)), X)

    def set_output(self, *, transform: str | None = None) -> Any:
        """Set the container of rows; images are arrays in any case.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Container of what ``transform`` returns, if that is rows. None changes nothing.

        Returns
        -------
        self
            The transformer itself.
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    def _transform_images(self, images: np.ndarray) -> np.ndarray:
        """Transform validated images ``(n, H, W, C)``."""
        raise NotImplementedError

    def _in_form(self, output: np.ndarray, X: Any) -> np.ndarray:
        """Return images as rows or as they are."""
        return output.reshape(len(output), -1) if getattr(self, "flatten", False) else output

    def _learn(self, images: np.ndarray, y: Any) -> None:
        """Store what follows from the shape of the images."""

    def _output_shape(self, image_shape: ImageShape) -> ImageShape:
        """Return the shape of what an image of this shape becomes."""
        return image_shape

    @property
    def _n_features_out(self) -> int:
        return int(np.prod(self._output_shape(self.image_shape_)))

    def _take(self, X: Any, *, reset: bool) -> np.ndarray:
        """Validate images, and warn of values that do not fit `data_range`."""
        if not reset:
            self._validate_params()  # images are transformed without a fit too
        images = self._validate_images(X, reset=reset)
        if hasattr(self, "data_range"):
            warn_of_wrong_range(images, self.data_range)
        return images

    def __sklearn_tags__(self) -> Any:
        """Declare that nothing but the shape is learned, and which dtypes are kept."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = [np.dtype(kept).name for kept in self._kept_dtypes]
        return tags
