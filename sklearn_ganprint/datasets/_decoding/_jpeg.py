"""How strongly a JPEG file was compressed, read off its quantization tables."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

# Table K.1 of ITU-T T.81, row by row: the table that the IJG library scales. Pillow
# hands tables out in this order too (not in the zigzag order of the file).
_STANDARD_LUMINANCE = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61),
        *(12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56),
        *(14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77),
        *(24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101),
        *(72, 92, 95, 98, 112, 100, 103, 99),
    ],
    dtype=np.int64,
)


def _scaled_tables() -> NDArray[np.int64]:
    """Return the luminance tables of the IJG qualities 1 to 100, one a row."""
    quality = np.arange(1, 101)
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables = (_STANDARD_LUMINANCE * percent[:, np.newaxis] + 50) // 100
    return np.clip(tables, 1, 255)


_TABLES = _scaled_tables()


def estimate_jpeg_quality(quantization_tables: Mapping[int, Sequence[int]]) -> float:
    r"""Estimate the IJG quality setting that a JPEG file was saved with.

    Parameters
    ----------
    quantization_tables : mapping of int to sequence of 64 ints
        Quantization tables by their number, each in row order, as in the ``quantization``
        attribute of an opened Pillow image. The table with the lowest number is taken as
        the luminance table.

    Returns
    -------
    float
        Quality from 1 (coarsest) to 100 (finest).

    Raises
    ------
    ValueError
        If there is no table, or the luminance table has not 64 entries.

    Notes
    -----
    Quality :math:`q` scales the standard luminance table :math:`T` by
    :math:`s = \lfloor 5000 / q \rfloor` per cent below 50 and by :math:`s = 200 - 2q` from
    there on, as :math:`\lfloor (s T + 50) / 100 \rfloor`, held within 1 and 255. The
    quality with the least sum of absolute differences to the given table is returned.
    It is exact for files written by libjpeg and its kin. Cameras and image editors have
    tables of their own, for which the number is the nearest equivalent and no more.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> from sklearn_ganprint.datasets._decoding._jpeg import estimate_jpeg_quality
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (16, 16)).save(file, "JPEG", quality=83)
    >>> estimate_jpeg_quality(Image.open(file).quantization)
    83.0
    """
    if not quantization_tables:
        raise ValueError("quantization_tables: expected at least one table, got none")
    table = np.asarray(quantization_tables[min(quantization_tables)], dtype=np.int64)
    if table.shape != (64,):
        raise ValueError(
            "quantization_tables: expected 64 entries in the luminance table, "
            f"got an array of shape {table.shape}"
        )
    return float(1 + np.abs(_TABLES - table).sum(axis=1).argmin())
