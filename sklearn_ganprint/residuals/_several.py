"""Residuals of the same images by several denoisers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_ganprint.denoisers import check_denoiser
from sklearn_ganprint.denoisers._filters import residuals_by_each
from sklearn_ganprint.residuals._blanks import lack_residual
from sklearn_ganprint.residuals._cache import ResidualKeeper
from sklearn_ganprint.residuals._residual import ResidualTransformer


class SeveralResiduals:
    """Computes residuals of chunks of images by several denoisers, in any thread.

    Each is that of ``ResidualTransformer(denoiser, channels="rgb")``, and kept where that keeps
    it. `images` are all images, validated; chunks are of their shape and dtype.
    """

    def __init__(self, denoisers: Sequence[Any], data_range: float, images: np.ndarray) -> None:
        self.denoisers = [check_denoiser(denoiser) for denoiser in denoisers]
        self.transformer = ResidualTransformer(channels="rgb", data_range=data_range)
        recipes = [self.transformer._recipe(denoiser, images) for denoiser in self.denoisers]
        self.dtype = self.transformer._dtype(images)
        self.keeper = ResidualKeeper(recipes)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Compute residuals ``(n_denoisers, n, C, H, W)`` of images ``(n, H, W, C)``."""
        planes = self.transformer._planes(images)
        residuals = np.empty((len(self.denoisers), *planes.shape), self.dtype)
        # As ResidualTransformer has them.
        as_images = list(np.moveaxis(residuals, 2, -1))
        if missing := self._missing(images, as_images):
            denoisers = [self.denoisers[place] for place in missing]
            for channel in range(planes.shape[1]):
                found = residuals_by_each(denoisers, planes[:, channel])
                for place, own in zip(missing, found, strict=True):
                    residuals[place, :, channel] = own
            residuals[:, lack_residual(images, self.transformer.data_range)] = 0
            self.keeper.keep(images, as_images)
        return residuals

    def _missing(self, images: np.ndarray, residuals: list[np.ndarray]) -> list[int]:
        """Return the places of the residuals to compute.

        Rounding depends on which filters share a transform. Of residuals that can be known, all are
        computed or none, so that they are what they would be without a cache.
        """
        missing = self.keeper.missing(images, residuals)
        can_be_known = [
            place for place, recipe in enumerate(self.keeper.recipes) if recipe is not None
        ]
        return missing if set(missing).isdisjoint(can_be_known) else list(range(len(residuals)))
