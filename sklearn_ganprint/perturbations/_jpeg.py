"""JPEG compression."""

import io
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint._images import ImageShape
from sklearn_ganprint.perturbations._base import BasePerturbation

#: Longest side that the usual JPEG library writes.
MAX_SIDE = 65500


class JPEGCompression(BasePerturbation):
    """Compression to JPEG and back, in memory.

    Parameters
    ----------
    quality : int, default=95
        Quality factor of the Independent JPEG Group's tables, from 1 to 100.

    subsampling : {"4:2:0", "4:2:2", "4:4:4"}, default="4:2:0"
        Resolution of the two colour planes: half in both directions, half horizontally, or full.
        Grey images have none.

    image_shape : tuple of int, default=None
        ``(H, W)`` or ``(H, W, C)`` of the images when they come as rows. Without it rows are
        taken as images of one line, with a warning.

    data_range : float, default=255.0
        The value of white.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the images.

    output_shape_ : tuple of int
        ``(H, W, C)`` of the compressed images.

    n_features_in_ : int
        Number of values of an image.

    feature_names_in_ : ndarray of str
        Names of the columns, if the images came as a data frame.

    See Also
    --------
    Resize : What services that share images often do before they compress.

    Notes
    -----
    JPEG holds 8-bit values. Images of any other dtype or range are brought to them, rounded and
    clipped to [0, 255], and brought back to their range after compression. Even at quality 100
    values change, by rounding in the frequency and the colour domain.

    Its blocks of 8 x 8 pixels start at the top-left pixel of what it is given. Images that are cut
    out of a JPEG file elsewhere, and compressed again, have two grids.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.perturbations import JPEGCompression
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    >>> compressed = JPEGCompression(quality=85).fit_transform(images)
    >>> compressed.shape, compressed.dtype
    ((4, 32, 32, 3), dtype('uint8'))
    >>> print(JPEGCompression(85))
    JPEG 85
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BasePerturbation._parameter_constraints,
        "quality": [Interval(Integral, 1, 100, closed="both")],
        "subsampling": [StrOptions({"4:2:0", "4:2:2", "4:4:4"})],
        "data_range": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        quality: int = 95,
        *,
        subsampling: str = "4:2:0",
        image_shape: Sequence[int] | None = None,
        data_range: float = 255.0,
    ) -> None:
        self.quality = quality
        self.subsampling = subsampling
        self.image_shape = image_shape
        self.data_range = data_range

    def __str__(self) -> str:
        return f"JPEG {self.quality}" + f" {self.subsampling}" * (self.subsampling != "4:2:0")

    def _perturb(self, image: np.ndarray) -> np.ndarray:
        if image.dtype == np.uint8 and self.data_range == 255:
            return self._round_trip(image)
        levels = np.rint(image * (255 / self.data_range)).clip(0, 255).astype(np.uint8)
        return self._round_trip(levels) * (self.data_range / 255)

    def _round_trip(self, image: np.ndarray) -> np.ndarray:
        """Compress an 8-bit image and read it again."""
        stream = io.BytesIO()
        pixels = image[..., 0] if image.shape[2] == 1 else image
        Image.fromarray(pixels).save(
            stream, "JPEG", quality=int(self.quality), subsampling=self.subsampling
        )
        with Image.open(stream, formats=["JPEG"]) as compressed:
            return np.asarray(compressed).reshape(image.shape)

    def _output_shape(self, image_shape: ImageShape) -> ImageShape:
        height, width, _ = image_shape
        if max(height, width) > MAX_SIDE:
            raise ValueError(
                f"JPEG images have at most {MAX_SIDE} pixels a side, got {height}x{width}. If "
                f"these are images as rows, set image_shape=(H, W[, C])."
            )
        return image_shape
