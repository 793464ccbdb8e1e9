"""Noise residuals of images: what a denoiser takes away."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.residuals._blanks import MIN_DEVIATION, MIN_SHARE, residual_share
from sklearn_ganprint.residuals._blanks import is_grey as is_grey  # for commands
from sklearn_ganprint.residuals._blanks import lack_residual as lack_residual
from sklearn_ganprint.residuals._blanks import share_in_words as share_in_words
from sklearn_ganprint.residuals._cache import set_cache_size
from sklearn_ganprint.residuals._residual import LocalVarianceNormalizer, ResidualTransformer

__all__ = [
    "MIN_DEVIATION",
    "MIN_SHARE",
    "LocalVarianceNormalizer",
    "ResidualTransformer",
    "residual_share",
    "set_cache_size",
]

publish(globals())
