"""From images to statistics by position in blocks of 8 x 8 pixels."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from scipy import fft

from sklearn_ganprint._images import YCBCR_WEIGHTS, ImageShape
from sklearn_ganprint.denoisers import GaussianDenoiser
from sklearn_ganprint.features._base import POWER_FLOOR, ImageFeatures

#: Side of a block, in pixels, as in JPEG and of the patches of many autoencoders.
_SIDE = 8

_DENOISER = GaussianDenoiser(0.7)

#: Discrete cosine transform of a column, orthonormal.
_DCT = fft.dct(np.eye(_SIDE), axis=0, norm="ortho").astype(np.float32)

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
    With planes x, the luminance and colour differences (ITU-R BT.601) less 128, residuals r of
    ``GaussianDenoiser(0.7)`` over the root of their mean square, and coefficients d of the
    orthonormal DCT of blocks of x, the features are, in this order, each of all planes:

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

    def _features(self, planes: np.ndarray) -> np.ndarray:
        colours = self._colours(planes)
        residuals = _DENOISER.residual(colours)
        rows = [
            np.concatenate([*_of_residuals(residual), *_of_coefficients(image)], axis=None)
            for image, residual in zip(colours, residuals, strict=True)
        ]
        return np.stack(rows).astype(np.float64 if planes.dtype == np.float64 else np.float32)

    def _colours(self, planes: np.ndarray) -> np.ndarray:
        """Luminance and colour differences ``(n, C, H, W)``, less 128."""
        levels = self._in_grey_levels(planes)
        if levels.shape[1] == 3:
            weights = YCBCR_WEIGHTS.T.astype(np.float32)
            levels = (weights @ levels.reshape(len(levels), 3, -1)).reshape(levels.shape)
        levels -= 128
        return levels

    def _names(self, image_shape: ImageShape) -> list[str]:
        planes = _COLOURS if image_shape[2] == 3 else ("l",)
        names = [f"{name}[{plane}]" for name in ("log_kurtosis", "log_mean_abs") for plane in planes]
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


def _of_residuals(residuals: np.ndarray) -> list[np.ndarray]:
    """Features of the residuals ``(C, H, W)`` of one image."""
    squares = np.square(residuals)
    power = squares.mean(axis=(1, 2)) + np.float32(POWER_FLOOR)
    deviation = np.sqrt(power)
    kurtosis = np.square(squares, out=squares).mean(axis=(1, 2)) / power**2
    magnitudes = np.abs(residuals, out=squares)
    mean_abs = magnitudes.mean(axis=(1, 2)) / deviation
    return [
        np.log(kurtosis + np.float32(POWER_FLOOR)),
        np.log(mean_abs + np.float32(POWER_FLOOR)),
        _spectra(residuals, deviation),
        _spectra(magnitudes, deviation),
    ]


def _spectra(planes: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Spectra of the mean block of planes ``(C, H, W)``, in units of their deviation."""
    blocks = _blocks(planes)
    n_blocks = blocks.shape[1] * blocks.shape[3]
    means = _mean_block(blocks) / deviation[:, np.newaxis, np.newaxis]
    magnitudes = np.abs(fft.rfft2(means))[:, _ROWS, _COLUMNS]
    return np.log(magnitudes * np.float32(np.sqrt(n_blocks) / _SIDE) + _SPECTRUM_FLOOR)


def _of_coefficients(planes: np.ndarray) -> list[np.ndarray]:
    """Features of the DCT coefficients of planes ``(C, H, W)`` of one image."""
    blocks = _blocks(planes)
    n_planes, n_rows, _, n_columns, _ = blocks.shape
    down = _DCT @ blocks.reshape(n_planes * n_rows, _SIDE, n_columns * _SIDE)
    coefficients = (down.reshape(-1, _SIDE) @ _DCT.T).reshape(blocks.shape)
    magnitudes = np.abs(coefficients, out=coefficients)
    means = _mean_block(magnitudes)
    zeros = _mean_block((magnitudes < _ZERO).astype(np.float32))
    squares = _mean_block(np.square(magnitudes, out=magnitudes))
    shape = squares / (means**2 + np.float32(1e-3))
    return [np.log(means + _MEAN_FLOOR), np.log(shape + _SHAPE_FLOOR), zeros]


def _blocks(planes: np.ndarray) -> np.ndarray:
    """Cut planes ``(C, H, W)`` into blocks ``(C, n_rows, 8, n_columns, 8)``."""
    n_rows, n_columns = (side // _SIDE for side in planes.shape[1:])
    whole = planes[:, : n_rows * _SIDE, : n_columns * _SIDE]
    return whole.reshape(len(planes), n_rows, _SIDE, n_columns, _SIDE)


def _mean_block(blocks: np.ndarray) -> np.ndarray:
    """Average blocks ``(C, n_rows, 8, n_columns, 8)``; 0 if there are none."""
    n_blocks = blocks.shape[1] * blocks.shape[3]
    mean: np.ndarray = blocks.sum(axis=1).sum(axis=2) / np.float32(max(n_blocks, 1))
    return mean
