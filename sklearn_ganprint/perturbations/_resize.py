"""Resizing."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint._images import ImageShape
from sklearn_ganprint.perturbations._base import BasePerturbation

FILTERS = {each.name.lower(): each for each in Image.Resampling}


class Resize(BasePerturbation):
    """Resizing by a factor, and back to the original size if asked.

    Parameters
    ----------
    scale : float, default=0.5
        New length of each side over the old one. Lengths are rounded, and at least one pixel.

    restore : bool, default=False
        Whether to resize back to the original size.

    resample : str, default="bicubic"
        Pillow's filter: "nearest", "box", "bilinear", "hamming", "bicubic" or "lanczos". All but
        "nearest" are made wider when they shrink, against aliasing.

    image_shape : tuple of int, default=None
        ``(H, W)`` or ``(H, W, C)`` of the images when they come as rows. Without it rows are
        taken as images of one line, with a warning.

    data_range : float, default=255.0
        The value of white, at which uint16 images are clipped.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the images.

    output_shape_ : tuple of int
        ``(H', W', C)`` of the resized images.

    n_features_in_ : int
        Number of values of an image.

    feature_names_in_ : ndarray of str
        Names of the columns, if the images came as a data frame.

    See Also
    --------
    Crop : Brings enlarged images to the size that an estimator was fitted on.

    Notes
    -----
    Unless restored the images change their size, and an estimator that was fitted on images of the
    original size refuses them. Either it is fitted on crops of the smaller size, or enlarged images
    are cropped. The pixel grid, to which a fingerprint is tied, is another one in any case.

    8-bit images are resized with Pillow's own 8-bit arithmetic, as programs do that resize files;
    the smaller image between the two steps of `restore` is 8-bit too. All others are resized in
    single precision. "bicubic" and "lanczos" overshoot at edges: integers are clipped to
    [0, white], floats are not.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.perturbations import Resize
    >>> images = np.full((4, 32, 48, 3), 7, dtype=np.uint8)
    >>> Resize(0.75).fit_transform(images).shape
    (4, 24, 36, 3)
    >>> Resize(0.75, restore=True).fit_transform(images).shape
    (4, 32, 48, 3)
    >>> print(Resize(0.75, restore=True))
    resize 0.75 and back
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BasePerturbation._parameter_constraints,
        "scale": [Interval(Real, 0, None, closed="neither")],
        "restore": ["boolean"],
        "resample": [StrOptions(set(FILTERS))],
        "data_range": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        scale: float = 0.5,
        *,
        restore: bool = False,
        resample: str = "bicubic",
        image_shape: Sequence[int] | None = None,
        data_range: float = 255.0,
    ) -> None:
        self.scale = scale
        self.restore = restore
        self.resample = resample
        self.image_shape = image_shape
        self.data_range = data_range

    def __str__(self) -> str:
        filtered = f" {self.resample}" * (self.resample != "bicubic")
        return f"resize {self.scale:g}{filtered}" + " and back" * self.restore

    def _perturb(self, image: np.ndarray) -> np.ndarray:
        if image.dtype == np.uint8:
            pixels = image[..., 0] if image.shape[2] == 1 else image
            return self._resized(pixels).reshape(self._output_shape(image.shape))
        # Pillow knows floats in single planes only.
        planes = np.moveaxis(image, -1, 0).astype(np.float32, order="C")
        return np.stack([self._resized(plane) for plane in planes], axis=-1)

    def _resized(self, pixels: np.ndarray) -> np.ndarray:
        """Resize an image ``(H, W, 3)`` or a plane ``(H, W)``."""
        height, width = self._scaled(*pixels.shape[:2])
        image, resample = Image.fromarray(pixels), FILTERS[self.resample]
        resized = image.resize((width, height), resample)
        return np.asarray(resized.resize(image.size, resample) if self.restore else resized)

    def _scaled(self, *lengths: int) -> list[int]:
        return [max(1, round(length * self.scale)) for length in lengths]

    def _output_shape(self, image_shape: ImageShape) -> ImageShape:
        if self.restore:
            return image_shape
        height, width = self._scaled(*image_shape[:2])
        return height, width, image_shape[2]
