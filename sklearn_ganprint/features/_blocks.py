"""From images to statistics by position in blocks of 8 x 8 pixels."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from scipy import fft

from sklearn_ganprint._images import YCBCR_WEIGHTS, ImageShape
from sklearn_ganprint.denoisers import GaussianDenoiser
from sklearn_ganprint.features._base import POWER_FLOOR, ImageFeatures

__all__ = ["BlockTransformer"]

#: Side of a block, in pixels, as in JPEG and of the patches of many autoencoders.
_SIDE = 8

_DENOISER = GaussianDenoiser(0.7)

#: Discrete cosine transform of a column, orthonormal.
_DCT = fft.dct(np.eye(_SIDE), axis=0, norm="ortho").astype(np.float32)

#: Least power of a residual, in squared grey levels: below it are errors of single precision, as
#: of colour differences of grey images.
_ROUNDING = 1e-8

#: Coefficients below this are zeros, in grey levels. It is a little less than a half, since some
#: coefficients of grey images are multiples of 1/8, and rounding would tell for those of a half.
_ZERO = np.float32(0.4995)

#: Added before logarithms: to magnitudes of spectra, mean coefficients, and their shape.
_SPECTRUM_FLOOR, _MEAN_FLOOR, _SHAPE_FLOOR = np.float32(0.3), np.float32(0.05), np.float32(0.1)

#: Frequencies of a spectrum of 8 x 8 real values that are not conjugates of others. The lowest is
#: not one of them: means over the whole image tell nothing of positions, and are 0.
_FREQUENCIES = [
    (row, column)
    for row, column in product(range(_SIDE), range(_SIDE // 2 + 1))
    if (row, column) != (0, 0) and (row <= _SIDE // 2 or column % (_SIDE // 2))
]
_ROWS, _COLUMNS = np.array(_FREQUENCIES).T

#: Planes of colour images: luminance, blue and red difference.
_COLOURS = ("y", "cb", "cr")


class BlockTransformer(ImageFeatures):
    """Statistics of each image by position in blocks of 8 x 8 pixels, in one row.

    What repeats every 8 pixels or a part of that, such as the grid of JPEG and of decoders that
    enlarge an image step by step, and how values are distributed over frequencies. Blocks lie from
    the top left of an image on. Images may have any size.

    Parameters
    ----------
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
    TextureTransformer : Histograms of local texture.

    Notes
    -----
    Planes are the luminance and colour differences (ITU-R BT.601). With their residuals r by
    ``GaussianDenoiser(0.7)``, over the root of the mean square, and coefficients d of the
    orthonormal DCT of blocks of each plane less 128, features are, in this order, each of all
    planes:

    - ``log_kurtosis[y]`` and ``log_mean_abs[y]``, the logarithms of the means of r**4 and abs(r);
    - ``residual_y[u,v]`` and ``abs_residual_y[u,v]``, the spectra of r and abs(r), averaged over
      blocks: log(F + 0.3) of the magnitude F at u / 8 down and v / 8 to the right, with noise
      whose expectation of F**2 is its variance;
    - ``dct_mean_y[u,v]``, log(m + 0.05) with m the mean of abs(d);
    - ``dct_shape_y[u,v]``, log(s / (m**2 + 0.001) + 0.1) with s the mean of d**2: 2 for a Laplace
      distribution, pi / 2 for a normal one;
    - ``dct_zeros_y[u,v]``, the share of abs(d) below 0.4995.

    Of spectra one of each two conjugate frequencies is there. RGB images have 780 features, grey
    ones 260, whatever their size; an RGB image of 256 px takes about 1 ms of one core. Rows and
    columns that fill no block only count for the first two.

    Sides of less than 8 pixels are refused. Images of one line have no blocks, and means of 0.
    Residuals of a mean square below 1e-8 are rounding, and taken to be 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.features import BlockTransformer
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    >>> transformer = BlockTransformer().fit(images)
    >>> transformer.get_feature_names_out()[[0, 6, -1]].tolist()
    ['log_kurtosis[y]', 'residual_y[0,1]', 'dct_zeros_cr[7,7]']
    >>> transformer.transform(images).shape, transformer.transform(images[:, :30, :20]).shape
    ((4, 780), (4, 780))
    """

    def __init__(
        self,
        *,
        image_shape: Sequence[int] | None = None,
        data_range: float = 255.0,
        n_jobs: int | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.data_range = data_range
        self.n_jobs = n_jobs

    def _size_needed(self, n_channels: int) -> tuple[int, str, str]:
        return _SIDE, f"blocks of {_SIDE} pixels a side", ""

    def _row(self, planes: np.ndarray) -> np.ndarray:
        colours = _colours(planes)
        # Plane by plane, which then stay in the cache.
        features = [
            [*_of_residual(residual), *_of_coefficients(plane)]
            for plane, residual in zip(colours, _DENOISER.residual(colours), strict=True)
        ]
        return np.hstack([value for own in zip(*features, strict=True) for value in own])

    def _names(self, image_shape: ImageShape) -> list[str]:
        planes = _COLOURS if image_shape[2] == 3 else ("l",)
        names = [
            f"{name}[{plane}]" for name in ("log_kurtosis", "log_mean_abs") for plane in planes
        ]
        coefficients = list(product(range(_SIDE), repeat=2))
        for name, places in (
            ("residual", _FREQUENCIES),
            ("abs_residual", _FREQUENCIES),
            ("dct_mean", coefficients),
            ("dct_shape", coefficients),
            ("dct_zeros", coefficients),
        ):
            names += [f"{name}_{plane}[{u},{v}]" for plane in planes for u, v in places]
        return names


def _colours(planes: np.ndarray) -> np.ndarray:
    """Luminance and colour differences ``(C, H, W)``."""
    weights = YCBCR_WEIGHTS.T if len(planes) == 3 else np.eye(1)
    colours = weights.astype(np.float32) @ planes.reshape(len(planes), -1)
    return colours.reshape(planes.shape)


def _of_residual(residual: np.ndarray) -> list[Any]:
    """Features of the residual ``(H, W)`` of a plane."""
    squares = np.square(residual)
    if squares.mean() < _ROUNDING:
        squares, residual = np.zeros((2, *residual.shape), np.float32)
    power = squares.mean() + np.float32(POWER_FLOOR)
    kurtosis = np.square(squares, out=squares).mean() / power**2
    deviation = np.sqrt(power)
    magnitudes = np.abs(residual, out=squares)
    return [
        np.log(kurtosis + np.float32(POWER_FLOOR)),
        np.log(magnitudes.mean() / deviation + np.float32(POWER_FLOOR)),
        _spectrum(residual, deviation),
        _spectrum(magnitudes, deviation),
    ]


def _spectrum(plane: np.ndarray, deviation: np.float32) -> np.ndarray:
    """Spectrum of the mean block of a plane ``(H, W)``, in units of its deviation."""
    blocks = _blocks(plane)
    n_blocks = blocks.shape[0] * blocks.shape[2]
    magnitudes = np.abs(fft.rfft2(_mean_block(blocks) / deviation))[_ROWS, _COLUMNS]
    return np.log(magnitudes * np.float32(np.sqrt(n_blocks) / _SIDE) + _SPECTRUM_FLOOR)


def _of_coefficients(plane: np.ndarray) -> list[np.ndarray]:
    """Features of the DCT coefficients of a plane ``(H, W)``."""
    blocks = _blocks(plane)
    n_rows, _, n_columns, _ = blocks.shape
    down = _DCT @ blocks.reshape(n_rows, _SIDE, n_columns * _SIDE)
    coefficients = (down.reshape(-1, _SIDE) @ _DCT.T).reshape(blocks.shape)
    coefficients[:, 0, :, 0] -= _SIDE * 128  # instead of 128 less in each pixel
    magnitudes = np.abs(coefficients, out=coefficients)
    means = _mean_block(magnitudes)
    zeros = _mean_block((magnitudes < _ZERO).astype(np.float32))
    squares = _mean_block(np.square(magnitudes, out=magnitudes))
    shape = squares / (means**2 + np.float32(1e-3))
    features = np.log(means + _MEAN_FLOOR), np.log(shape + _SHAPE_FLOOR), zeros
    return [values.ravel() for values in features]


def _blocks(plane: np.ndarray) -> np.ndarray:
    """Cut a plane ``(H, W)`` into blocks ``(n_rows, 8, n_columns, 8)``."""
    n_rows, n_columns = (side // _SIDE for side in plane.shape)
    whole = plane[: n_rows * _SIDE, : n_columns * _SIDE]
    return whole.reshape(n_rows, _SIDE, n_columns, _SIDE)


def _mean_block(blocks: np.ndarray) -> np.ndarray:
    """Average blocks ``(n_rows, 8, n_columns, 8)``; 0 if there are none."""
    n_blocks = blocks.shape[0] * blocks.shape[2]
    return blocks.sum(axis=0).sum(axis=1) / np.float32(max(n_blocks, 1))
