"""Denoising filters ``f`` of the residual ``R = X - f(X)``, as small parameter objects."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.denoisers._base import BaseDenoiser, FunctionDenoiser
from sklearn_ganprint.denoisers._gaussian import GaussianDenoiser
from sklearn_ganprint.denoisers._median import MedianDenoiser
from sklearn_ganprint.denoisers._registry import DENOISERS, check_denoiser
from sklearn_ganprint.denoisers._wavelet import WaveletDenoiser
from sklearn_ganprint.denoisers._wiener import WienerDenoiser

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
