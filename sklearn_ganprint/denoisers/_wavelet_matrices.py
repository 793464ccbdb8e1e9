"""The matrices of one level of a discrete wavelet transform along an axis."""

from functools import lru_cache
from typing import Any

import numpy as np
import pywt
from scipy import sparse

from sklearn_ganprint.denoisers._banded import BandedMatrix, identity_columns

#: Sides up to which matrices are kept, so that images of every size have theirs soon.
KEPT_SIDE = 1024


def level_matrices(
    n: int, wavelet: str, mode: str, dtype: str, scale: float
) -> tuple[BandedMatrix, BandedMatrix]:
    """Return the matrices of one level along n pixels, which scale there and back again."""
    find = _cut_matrices if n <= KEPT_SIDE else _cut_matrices.__wrapped__
    return find(n, wavelet, mode, dtype, scale)


@lru_cache(maxsize=512)
def _cut_matrices(
    n: int, wavelet: str, mode: str, dtype: str, scale: float
) -> tuple[BandedMatrix, BandedMatrix]:
    forward, inverse = _transform_matrices(n, wavelet, mode)
    return BandedMatrix(forward * scale, dtype), BandedMatrix(inverse / scale, dtype)


@lru_cache(maxsize=64)
def _transform_matrices(n: int, wavelet: str, mode: str) -> tuple[Any, Any]:
    """Make the matrices of one level along n pixels, there and back; low and high alternate.

    They are read off PyWavelets, so that every wavelet and mode is what it says there.
    """
    forward, inverse = [], []
    for unit in identity_columns(n):
        bands = np.stack(pywt.dwt(unit, wavelet, mode, axis=0), axis=1)
        forward.append(sparse.csc_array(bands.reshape(-1, unit.shape[1])))
    for unit in identity_columns(forward[0].shape[0]):
        low, high = np.ascontiguousarray(unit[0::2]), np.ascontiguousarray(unit[1::2])
        inverse.append(sparse.csc_array(pywt.idwt(low, high, wavelet, mode, axis=0)[:n]))
    return sparse.hstack(forward, format="csr"), sparse.hstack(inverse, format="csr")
