"""Denoising filters ``f`` of the residual ``R = X - f(X)``, as small parameter objects."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.denoisers._filters import (
    DENOISERS,
    BaseDenoiser,
    FunctionDenoiser,
    GaussianDenoiser,
    MedianDenoiser,
    WaveletDenoiser,
    WienerDenoiser,
    check_denoiser,
)

__all__ = [
    "DENOISERS",
    "BaseDenoiser",
    "FunctionDenoiser",
    "GaussianDenoiser",
    "MedianDenoiser",
    "WaveletDenoiser",
    "WienerDenoiser",
    "check_denoiser",
]

publish(globals())
