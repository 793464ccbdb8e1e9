"""Crops, on the pixel grid or off it."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint._images import ImageShape
from sklearn_ganprint.perturbations._base import BasePerturbation
from sklearn_ganprint.perturbations._noise import image_generator


class Crop(BasePerturbation):
    """A part of each image: aligned with the pixel grid, or shifted.

    Parameters
    ----------
    size : int or tuple of int, default=None
        Side of a square, or ``(height, width)``, in pixels. None keeps all that `trim` and
        `offset` leave.

    trim : int, default=0
        Pixels to cut off at each of the four borders first.

    offset : tuple of int, "center" or "random", default=(0, 0)
        Row and column at which the crop starts in what `trim` leaves, or where to put it:
        "random" gives each image an offset of its own.

    random_state : int, RandomState instance or None, default=None
        Used with ``offset="random"``. An int gives an image the same offset each time, in
        whichever batch it is.

    image_shape : tuple of int, default=None
        ``(H, W)`` or ``(H, W, C)`` of the images when they come as rows. Without it rows are
        taken as images of one line, with a warning.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the images.

    output_shape_ : tuple of int
        ``(H', W', C)`` of the crops.

    n_features_in_ : int
        Number of values of an image.

    feature_names_in_ : ndarray of str
        Names of the columns, if the images came as a data frame.

    See Also
    --------
    sklearn_ganprint.datasets.ImageReader : Crops images of different sizes as it reads them.

    Notes
    -----
    A fingerprint is tied to the pixel grid: it is found in crops that start at the same pixel as
    those that it was estimated from. To shift images against it, fit on ``Crop(size)`` and score
    on ``Crop(size, offset=(3, 5))``. Where a generator's pattern has a period, of 8 pixels say, an
    offset by a multiple of it comes near to none.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.perturbations import Crop
    >>> images = np.arange(36).reshape(1, 6, 6)
    >>> Crop(2, offset=(1, 3)).transform(images)
    array([[[ 9., 10.],
            [15., 16.]]])
    >>> Crop(trim=2).transform(images)
    array([[[14., 15.],
            [20., 21.]]])
    >>> print(Crop(2, offset=(1, 3)))
    crop 2 at 1,3
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BasePerturbation._parameter_constraints,
        "size": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "trim": [Interval(Integral, 0, None, closed="left")],
        "offset": [StrOptions({"center", "random"}), "array-like"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        *,
        trim: int = 0,
        offset: str | Sequence[int] = (0, 0),
        random_state: int | np.random.RandomState | None = None,
        image_shape: Sequence[int] | None = None,
    ) -> None:
        self.size = size
        self.trim = trim
        self.offset = offset
        self.random_state = random_state
        self.image_shape = image_shape

    def __str__(self) -> str:
        words = [f"trim {self.trim}"] if self.trim else []
        if self.size is not None:
            words.append("crop " + "x".join(map(str, np.ravel(self.size))))
        if not words:
            words.append("crop")
        if isinstance(self.offset, str):
            words.append(self.offset)
        elif np.any(self.offset):
            words.append("at " + ",".join(map(str, np.ravel(self.offset))))
        return " ".join(words)

    def _perturb(self, image: np.ndarray) -> np.ndarray:
        height, width, _ = self._output_shape(image.shape)
        top, left = self._start(image, height, width)
        return image[top : top + height, left : left + width]

    def _start(self, image: np.ndarray, height: int, width: int) -> Any:
        """First row and column of a crop of this size."""
        free = np.subtract(image.shape[:2], (height, width)) - 2 * self.trim
        if isinstance(self.offset, str):
            if self.offset == "center":
                return self.trim + free // 2
            rng = image_generator(image, self.random_state)
            return self.trim + rng.integers(free, endpoint=True)
        return np.add(self.trim, self.offset)

    def _output_shape(self, image_shape: ImageShape) -> ImageShape:
        room = np.subtract(image_shape[:2], 2 * self.trim)
        offset = np.zeros(2, int) if isinstance(self.offset, str) else _pair("offset", self.offset)
        size = room - offset if self.size is None else _pair("size", self.size)
        if min(size) < 1 or (offset + size > room).any():
            raise ValueError(
                f"{self!r} does not fit into images of {image_shape[0]}x{image_shape[1]} pixels."
            )
        return int(size[0]), int(size[1]), image_shape[2]


def _pair(name: str, value: Any) -> np.ndarray:
    """One whole number for each direction, none of them negative."""
    lengths = np.asarray(value)
    if lengths.shape not in ((), (2,)) or lengths.dtype.kind not in "iu" or lengths.min() < 0:
        raise ValueError(
            f"{name} must be whole numbers of pixels for rows and columns, such as (2, 5); "
            f"got {value!r}."
        )
    return np.broadcast_to(lengths, 2)
