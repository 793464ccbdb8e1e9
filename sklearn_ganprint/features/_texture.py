"""From images to histograms of their local texture."""

from collections.abc import Iterator, Sequence
from itertools import product
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from sklearn.utils._param_validation import Interval

from sklearn_ganprint._batches import thread_map
from sklearn_ganprint._images import ImageShape, without_intensity
from sklearn_ganprint.denoisers import GaussianDenoiser
from sklearn_ganprint.features._base import ImageFeatures
from sklearn_ganprint.features._spectrum import MIN_SIDE

__all__ = ["TextureTransformer"]

#: Luminance (ITU-R BT.601) in thousandths of a grey level: whole numbers, which single precision
#: holds exactly. Equal differences are equal then, whatever colours they are of.
_LUMINANCE = np.array([299, 587, 114], np.float32)
_UNIT = 1000

#: Filter whose residuals are counted, and what is added to their deviation, in grey levels.
_DENOISER = GaussianDenoiser(0.7)
_LEAST_DEVIATION = 0.1

#: Neighbours of a pixel, clockwise from the upper left: the bits of a local binary pattern.
_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))

#: Step of differences in grey levels, and number of scales, unless others are chosen.
_STEP, _N_SCALES = 2.0, 2

#: How many values in a row are counted together, and the greatest value, beyond which all are one.
_DIFFERENCES, _RESIDUALS = (3, 2), (4, 1)

#: Number of features of :func:`part_textures`: of residuals, and of images.
N_RESIDUAL_TEXTURES, N_IMAGE_TEXTURES = 162, 1174

#: Directions, and the axis of each.
_DIRECTIONS = {"right": 1, "down": 0}


class TextureTransformer(ImageFeatures):
    """Histograms of the local texture of each image, in one row.

    How often three differences of neighbours follow each other, which of its neighbours a pixel is
    darker than, and how often four residuals follow each other: statistics of high order, which
    hold much that correlations do not, also after compression and resizing. Images may have any
    size.

    Parameters
    ----------
    step : float, default=2.0
        Step that differences of neighbours are quantised with, in 8-bit grey levels.
    n_scales : int, default=2
        Number of scales: full, half, and so on. Of the full scale alone are residuals.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of images that come as rows; None takes a row as one line, and warns.
    data_range : float, default=255.0
        The value of white.
    n_jobs : int, default=None
        Number of threads; None is 1 unless in a :func:`joblib.parallel_config` context.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the images of the fit. Others may have another height and width.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of values of an image, and names of the columns of a data frame.

    See Also
    --------
    CorrelationTransformer : Correlations of residuals; both go together in a ``FeatureUnion``.
    BlockTransformer : Statistics by position in blocks of 8 x 8 pixels.

    Notes
    -----
    Features are square roots of shares, so that distances between rows are Hellinger distances, in
    this order:

    - At each scale, right and down: three differences of neighbours in a row, in their own
      direction, rounded to multiples of `step` within -2 and 2 (subtractive pixel adjacency [1]_,
      in the form of rich models [2]_), as ``difference0_right[-1,0,2]``: 125 each.
    - At each scale: local binary patterns [3]_ of the 3 x 3 pixels, as ``pattern0[17]``: bits, from
      the lowest one on, tell whether the neighbours are brighter, clockwise from the upper left:
      256.
    - Right and down: four residuals of ``GaussianDenoiser(0.7)`` in a row, in units of their
      deviation plus 0.1, rounded to -1, 0 or 1, as ``residual_down[0,1,-1,0]``: 81 each.

    All are those of the luminance (ITU-R BT.601), rounded to thousandths of a grey level; halves
    are rounded to even numbers. Means of 2 x 2 pixels are half a scale. With two scales there are
    1174 features. An RGB image of 256 px takes about 0.9 ms of one core.

    Sides of less than 4 pixels at the smallest scale are refused. Images of one line have shares of
    0 where there is nothing to count.

    References
    ----------
    .. [1] Pevny, Bas, Fridrich, "Steganalysis by Subtractive Pixel Adjacency Matrix", IEEE TIFS
       2010.
    .. [2] Fridrich, Kodovsky, "Rich Models for Steganalysis of Digital Images", IEEE TIFS 2012.
    .. [3] Ojala, Pietikainen, Maenpaa, "Multiresolution Gray-Scale and Rotation Invariant Texture
       Classification with Local Binary Patterns", IEEE TPAMI 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.features import TextureTransformer
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    >>> transformer = TextureTransformer().fit(images)
    >>> transformer.get_feature_names_out()[[0, 250, -1]].tolist()
    ['difference0_right[-2,-2,-2]', 'pattern0[0]', 'residual_down[1,1,1,1]']
    >>> transformer.transform(images).shape, transformer.transform(images[:, :30, :20]).shape
    ((4, 1174), (4, 1174))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ImageFeatures._parameter_constraints,
        "step": [Interval(Real, 0, None, closed="neither")],
        "n_scales": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        step: float = _STEP,
        *,
        n_scales: int = _N_SCALES,
        image_shape: Sequence[int] | None = None,
        data_range: float = 255.0,
        n_jobs: int | None = None,
    ) -> None:
        self.step = step
        self.n_scales = n_scales
        self.image_shape = image_shape
        self.data_range = data_range
        self.n_jobs = n_jobs

    def _size_needed(self, n_channels: int) -> tuple[int, str, str]:
        return 4 << (self.n_scales - 1), f"n_scales={self.n_scales}", ", or set fewer scales"

    def _row(self, planes: np.ndarray) -> np.ndarray:
        return _image_texture(_luminance(planes), self.step, self.n_scales)

    def _names(self, image_shape: ImageShape) -> list[str]:
        names = []
        for scale in range(self.n_scales):
            for direction in _DIRECTIONS:
                names += _names_in_a_row(f"difference{scale}_{direction}", *_DIFFERENCES)
            names += [f"pattern{scale}[{code}]" for code in range(256)]
        for direction in _DIRECTIONS:
            names += _names_in_a_row(f"residual_{direction}", *_RESIDUALS)
        return names


def part_textures(images: np.ndarray, n_jobs: int | None = None) -> np.ndarray:
    """Return the textures of residuals and of their four quarters, and those of the images.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, C)
        Residuals. The last of 2 or 4 channels is the luminance of the images, as
        :class:`~sklearn_ganprint.ResidualTransformer` makes it with ``intensity=True``.
    n_jobs : int, default=None
        Number of threads.

    Returns
    -------
    ndarray of float32, shape (n, 5, 162) or (n, 5, 1336)
        How often four values in a row follow each other, right and down, in the whole, then in
        its quarters: the features ``residual_right`` and ``residual_down`` that
        :class:`~sklearn_ganprint.features.TextureTransformer` has of an image. With the luminance,
        all 1174 that it has of the images follow. Residuals with a side of less than 16 pixels
        have none, ``(n, 1, 0)``.

    See Also
    --------
    part_spectra : What goes before them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.clustering import part_textures
    >>> part_textures(np.random.default_rng(0).normal(size=(3, 128, 128, 3))).shape
    (3, 5, 162)
    """
    n, *sides, n_channels = images.shape
    if min(sides) < MIN_SIDE:
        return np.empty((n, 1, 0), np.float32)
    rows, columns = ((slice(side // 2), slice(side - side // 2, side)) for side in sides)
    parts = [(slice(None), slice(None)), *product(rows, columns)]
    colours = without_intensity(n_channels)

    def compute(image: np.ndarray) -> np.ndarray:
        planes = np.ascontiguousarray(np.moveaxis(image, -1, 0))
        residual = _luminance(planes[:colours])
        textures = [[_residual_texture(residual[part]) for part in parts]]
        if colours < n_channels:
            intensity = _luminance(planes[colours:])
            textures.append([_image_texture(intensity[part]) for part in parts])
        return np.concatenate(textures, axis=1)

    return np.stack(thread_map(compute, images, n_jobs))


def _luminance(planes: np.ndarray) -> np.ndarray:
    """Luminance ``(H, W)`` in whole thousandths of a grey level."""
    n_channels, height, width = planes.shape
    weights = _LUMINANCE if n_channels == 3 else _LUMINANCE.sum(keepdims=True)
    luminance = weights @ planes.reshape(n_channels, -1)
    return np.rint(luminance, out=luminance).reshape(height, width)


def _image_texture(
    luminance: np.ndarray, step: float = _STEP, n_scales: int = _N_SCALES
) -> np.ndarray:
    """Return the features that a TextureTransformer has of one image."""
    shares = np.concatenate([*_of_scales(luminance, step, n_scales)])
    return np.concatenate([np.sqrt(shares, dtype=np.float32), _residual_texture(luminance)])


def _of_scales(plane: np.ndarray, step: float, n_scales: int) -> Iterator[np.ndarray]:
    """Yield the shares of differences and patterns at each scale."""
    for scale in range(n_scales):
        plane = _half(plane) if scale else plane
        for axis in _DIRECTIONS.values():
            differences = plane[1:] - plane[:-1] if axis == 0 else plane[:, 1:] - plane[:, :-1]
            steps = _quantised(differences, step * _UNIT, _DIFFERENCES[1])
            yield _shares(_in_a_row(steps, axis, *_DIFFERENCES), 125)
        yield _shares(_patterns(plane), 256)


def _residual_texture(luminance: np.ndarray) -> np.ndarray:
    """Return square roots of the shares of residuals in a row, in units of their deviation."""
    residual = _DENOISER.residual(luminance / np.float32(_UNIT))
    deviation = np.sqrt(np.square(residual).mean()) + _LEAST_DEVIATION
    steps = _quantised(residual, float(deviation), _RESIDUALS[1])
    rows = (_in_a_row(steps, axis, *_RESIDUALS) for axis in _DIRECTIONS.values())
    return np.sqrt(np.concatenate([_shares(row, 81) for row in rows]), dtype=np.float32)


def _half(plane: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels."""
    height, width = (side // 2 * 2 for side in plane.shape)
    rows = plane[:height:2, :width] + plane[1:height:2, :width]
    return (rows[:, ::2] + rows[:, 1::2]) / 4


def _quantised(values: np.ndarray, step: float, greatest: int) -> np.ndarray:
    """Return ``clip(rint(values / step), -greatest, greatest) + greatest``, in bytes.

    Comparisons of bytes are faster than a division and a conversion.
    """
    steps = np.zeros(values.shape, np.uint8)
    for multiple in range(greatest):
        # Halves go to even numbers: those above 0.5 begin behind it, those above 1.5 with it.
        reached = (np.greater, np.greater_equal)[multiple % 2]
        passed = (np.greater_equal, np.greater)[multiple % 2]
        border = values.dtype.type((multiple + 0.5) * step)
        steps += reached(values, border).view(np.uint8)
        steps += passed(values, -border).view(np.uint8)
    return steps


def _in_a_row(steps: np.ndarray, axis: int, n_values: int, greatest: int) -> np.ndarray:
    """Return codes of so many values in a row along an axis: their digits, the first one first."""
    length = max(steps.shape[axis] - n_values + 1, 0)
    parts = [
        steps[start : start + length] if axis == 0 else steps[:, start : start + length]
        for start in range(n_values)
    ]
    codes = parts[0]
    for part in parts[1:]:
        codes = codes * np.uint8(2 * greatest + 1) + part
    return codes


def _patterns(plane: np.ndarray) -> np.ndarray:
    """Return the local binary patterns of all pixels but those at the border."""
    height, width = plane.shape
    if min(height, width) < 3:
        return np.empty((0, 0), np.uint8)
    # In one run over the plane, which is faster; what wraps around at its sides is left out below.
    pixels, reach = plane.ravel(), width + 1
    middle = pixels[reach:-reach]
    codes = np.zeros((height - 2) * width, np.uint8)
    inner = codes[: len(middle)]
    for down, right in reversed(_NEIGHBOURS):
        start = reach + down * width + right
        inner += inner
        inner += (pixels[start : start + len(middle)] > middle).view(np.uint8)
    return codes.reshape(height - 2, width)[:, :-2]


def _shares(codes: np.ndarray, n_codes: int) -> np.ndarray:
    """Return the share of each code; 0 if there are none."""
    if not codes.size:
        return np.zeros(n_codes)
    # Pillow counts bytes in a third of the time that np.bincount takes.
    counts = Image.fromarray(codes).histogram()[:n_codes]
    return np.array(counts) / codes.size


def _names_in_a_row(prefix: str, n_values: int, greatest: int) -> list[str]:
    """Name the codes of values in a row."""
    values = product(range(-greatest, greatest + 1), repeat=n_values)
    return [f"{prefix}[{','.join(map(str, row))}]" for row in values]
