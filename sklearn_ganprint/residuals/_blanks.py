"""Images without residual, since nearly all of their area is flat, smooth or saturated."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _check_method_params, _num_samples

from sklearn_ganprint._batches._metaestimators import MakesResiduals, offers
from sklearn_ganprint._images import ImageInputMixin, by_shape, stack_images

#: A pixel carries a residual if a channel of it differs by more than this from the mean of the two
#: pixels beside it, along the row or along the column, in 8-bit grey levels. Rounding alone makes
#: differences of 0.5 at the most, flat or sloping areas of an image none.
MIN_DEVIATION = 0.75

#: Share of the pixels that must carry a residual. Of real images at least .066 do, whether
#: compressed to a JPEG quality of 50 or blurred; of pages of text and of gradients at most .03.
MIN_SHARE = 0.05

#: Typicality of an image without residual: finite, and below that of every other.
LOWEST = float(np.finfo(np.float32).min)

#: Rows of an image that are looked at together; most images have shown enough in the first few.
_STRIP = 16


class BlankTeller:
    """What transformers of images share that tell which images have no residual."""

    data_range: float
    _validate_images: Callable[..., np.ndarray]

    def lacks_residual(self, X: Any) -> np.ndarray:
        """Mask the images without residual, which are flat, smooth or saturated.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Images, or images as rows; also a list of images of several sizes, where these are
            taken.

        Returns
        -------
        ndarray of bool, shape (n,)
            Where less than :data:`MIN_SHARE` of the pixels carry a residual.

        Raises
        ------
        ValueError
            If the images are not of the shape, or of a size, that is taken after ``fit``, or not
            finite.

        See Also
        --------
        residual_share : How much of each image carries a residual.
        """
        return by_shape(self._lacks_residual, X)

    def _lacks_residual(self, X: Any) -> np.ndarray:
        return lack_residual(self._cut(self._validate_images(X, reset=False)), self.data_range)

    def _cut(self, images: np.ndarray) -> np.ndarray:
        """Part of images that is used."""
        return images

    def _learn(self, images: np.ndarray, y: Any) -> None:
        # A single image, without labels, only tells the shape.
        if len(images) > 1 or y is not None:
            report_blank(lack_residual(images, self.data_range), y)


def residual_share(images: Any, data_range: float = 255.0) -> np.ndarray:
    """Compute the share of the pixels of each image that carry a residual.

    Parameters
    ----------
    images : array-like of shape (n, H, W) or (n, H, W, C)
        Images.
    data_range : float, default=255.0
        The value of white.

    Returns
    -------
    ndarray of float64, shape (n,)
        Shares in [0, 1]. An image of less than :data:`MIN_SHARE` has no residual.

    See Also
    --------
    ResidualTransformer.lacks_residual : Masks these images.

    Notes
    -----
    A pixel carries a residual if it is not saturated, if none of the eight pixels around it is, and
    if it differs by more than :data:`MIN_DEVIATION` 8-bit grey levels from the mean of its two
    neighbours along the row or along the column. Saturated pixels are 0 or white in all channels;
    where 16-bit images go beyond `data_range`, what white is is not known. The denoiser does not
    matter.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.residuals import residual_share
    >>> slope = np.tile(np.arange(64.0), (64, 1))
    >>> noise = np.random.default_rng(0).normal(scale=5, size=(64, 64))
    >>> residual_share(np.stack([slope, slope + 100 + noise])).round(1)
    array([0. , 0.9])
    """
    images = map(_channels, np.asarray(images))
    return np.array([_count(image, data_range) / image[..., 0].size for image in images])


def lack_residual(images: Iterable[np.ndarray], data_range: float) -> np.ndarray:
    """Mask the images ``(H, W[, C])`` without residual, reading as few rows as possible."""
    return np.array([_is_blank(image, data_range) for image in map(_channels, images)], dtype=bool)


def is_grey(image: np.ndarray) -> bool:
    """Tell whether the channels of an image are all alike, reading as few rows as possible."""
    strips = (image[top : top + _STRIP] for top in range(0, len(image), _STRIP))
    return all((strip == strip[..., :1]).all() for strip in strips)


def _is_blank(image: np.ndarray, data_range: float) -> bool:
    if min(image.shape[:2]) < 3:  # no pixel has neighbours all around it
        return image.size >= 9 and bool((image == image[:1, :1]).all())
    enough = MIN_SHARE * image[..., 0].size
    with np.errstate(invalid="ignore", over="ignore"):
        blank = _count(image, data_range, enough) < enough
    # What is not finite is refused where images are validated, and not passed over here.
    return blank and bool(np.isfinite(image).all())


def _channels(image: np.ndarray) -> np.ndarray:
    return image[..., np.newaxis] if image.ndim == 2 else image


def _count(image: np.ndarray, data_range: float, enough: float = np.inf) -> int:
    """Count the pixels of an image that carry a residual, at least up to `enough`."""
    (level, white), n_carrying = _grey_level(image, data_range), 0
    for top in range(0, len(image) - 2, _STRIP):
        n_carrying += int(_carrying(image[top : top + _STRIP + 2], level, white).sum())
        if n_carrying >= enough:
            break
    return n_carrying


def _grey_level(image: np.ndarray, data_range: float) -> tuple[float, float]:
    """Return one 8-bit grey level in the units of an image, and what is above is saturated.

    Ranges that do not fit are mistakes that have been warned of; the image is used as it is.
    """
    level = data_range / 255
    if data_range == 255 and image.dtype.kind == "f" and image.max() <= 1 and image.min() >= -1:
        level = 1 / 255
    elif image.dtype == np.uint16 and image.max() > data_range:
        return level, np.inf  # where white is, is not known
    return level, 254.5 * level


def _carrying(image: np.ndarray, level: float, white: float) -> np.ndarray:
    """Mask, less the border, of the pixels that carry a residual."""
    exact = {"uint8": np.int16, "float32": np.float32}.get(image.dtype.name, np.float64)
    planes = np.ascontiguousarray(np.moveaxis(image, -1, 0), exact)  # few channels are slow as last
    middle = 2 * planes[:, 1:-1, 1:-1]
    along_rows = np.abs(planes[:, 1:-1, :-2] + planes[:, 1:-1, 2:] - middle)
    along_columns = np.abs(planes[:, :-2, 1:-1] + planes[:, 2:, 1:-1] - middle)
    deviations = np.maximum(along_rows, along_columns).max(axis=0)
    deviates: np.ndarray = deviations > 2 * MIN_DEVIATION * level
    # Of images about 0, such as those scaled to [-1, 1], what is below 0 is no black.
    saturated = np.all((np.abs(planes) < level / 2) | (planes > white), axis=0)
    if saturated.any():
        near = saturated[:-2] | saturated[1:-1] | saturated[2:]
        deviates &= ~(near[:, :-2] | near[:, 1:-1] | near[:, 2:])
    return deviates


def share_in_words(share: float) -> str:
    """Describe why an image has no answer."""
    percent = f"{100 * (1 - share):.1f}".removesuffix(".0")
    return f"no residual: {percent} % of its pixels are flat, smooth or saturated"


def zero_rows(X: Any) -> np.ndarray:
    """Mask the residuals that are zero throughout."""
    X = np.asarray(X)
    if not X.size:
        return np.zeros(len(X), dtype=bool)
    rows = X.reshape(len(X), -1)
    blank: np.ndarray = ~np.any(rows[:, :64], axis=1)  # these few rule out nearly all of them
    found = np.flatnonzero(blank)
    blank[found] = ~np.any(rows[found], axis=1)
    return blank


def find_residual(estimator: Any) -> Any:
    """Return the transformer of an estimator that makes residuals, or None."""
    return next((part for part in _parts(estimator) if offers(part, MakesResiduals)), None)


def _parts(estimator: Any) -> list[Any]:
    return [estimator, *getattr(estimator, "get_params", dict)().values()]


def without_residual(estimator: Any, X: Any) -> np.ndarray:
    """Mask the rows that an estimator cannot judge: blank images, or residuals of zeros."""
    return by_shape(lambda images: _blank(estimator, stack_images(images)), X)


def _blank(estimator: Any, X: Any) -> np.ndarray:
    residual = find_residual(estimator)
    shape = getattr(X, "shape", ())
    if residual is not None and (image_shape := _image_shape(residual, estimator, shape)):
        images = np.asarray(X).reshape(-1, *image_shape)
        if images.dtype.kind in "fiu":
            return lack_residual(images, residual.data_range)
    elif residual is None and any(isinstance(part, ImageInputMixin) for part in _parts(estimator)):
        if isinstance(X, np.ndarray) and X.dtype.kind == "f":
            return zero_rows(X)
    return np.zeros(_num_samples(X), dtype=bool)


def _image_shape(residual: Any, estimator: Any, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape of images, also of those that come as rows; None if it is not known."""
    if len(shape) > 2:
        return (*shape[1:], 1)[:3]
    for owner in (residual, estimator):
        for name in ("image_shape_", "image_shape"):
            known = getattr(owner, name, None)
            if known is not None and len(shape) == 2 and np.prod(known) == shape[1]:
                return (*known, 1)[:3]
    return None


def leave_out_blank(estimator: Any, X: Any, y: Any, **rows: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Leave images without residual out of a fit, with a warning; raise if a class has no others.

    Images are stacked. `rows` are parameters with one entry an image, which are returned without
    those too.
    """
    blank = _blank(estimator, X)
    report_blank(blank, y)
    if not blank.any():
        return X, y, rows
    kept = np.flatnonzero(~blank)
    rows = _check_method_params(X, rows, indices=kept)
    return _safe_indexing(X, kept), _safe_indexing(y, kept), rows


def report_blank(blank: np.ndarray, y: Any = None) -> None:
    """Warn of images without residual; raise if a class has no others."""
    if not blank.any():
        return
    if y is not None and type_of_target(y) in ("binary", "multiclass"):
        y = np.asarray(y).ravel()
        lost = np.setdiff1d(y[blank], y[~blank]).tolist()
        if lost:
            raise ValueError(
                f"No image of {lost} has a residual: nearly all of its area is flat, smooth or "
                f"saturated. Leave these classes out, or set data_range of the "
                f"ResidualTransformer to what white is."
            )
    positions = np.flatnonzero(blank)
    listed = ", ".join(map(str, positions[:10])) + (", ..." if len(positions) > 10 else "")
    warnings.warn(
        f"{len(positions)} of {len(blank)} images have no residual: nearly all of their area is "
        f"flat, smooth or saturated. Nothing can be learned from them. Their positions: {listed}.",
        stacklevel=4,
    )
