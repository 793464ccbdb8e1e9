"""The cameras of the simulated zoo: from a scene to the pixels of a JPEG file."""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy.ndimage import correlate

#: Sensor pixels beyond each side of the picture. Even, so that the colour filters stay in place:
#: a photo is cut out of a frame, so its borders show no trace of the frame's.
_MARGIN = 8

_GAMMA = 2.2

#: Weights of the neighbours where one pixel in four has the colour, and where two have it.
_TENT = np.array([[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]])
_CROSS = np.array([[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]])


@dataclass(frozen=True)
class Camera:
    """What tells one camera from another.

    `prnu` is the standard deviation of the photo-response non-uniformity; `shot` and `read` are
    the variance of the noise at white and at black, where white is 1.
    """

    index: int
    prnu: float
    shot: float
    read: float
    quality: int = 95

    def photograph(self, scene: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
        """Take a photo (H, W, 3), uint8, of a scene in 0..255; the seed is that of its noise."""
        height, width = scene.shape[:2]
        margin = ((_MARGIN, _MARGIN + height % 2), (_MARGIN, _MARGIN + width % 2), (0, 0))
        light = (np.pad(scene, margin, mode="reflect") / 255) ** _GAMMA
        electrons = mosaic(light) * (1 + self.prnu * sensor_pattern(self.index, *light.shape[:2]))
        noise = np.random.default_rng((*seed, *b"noise", self.index)).standard_normal(
            electrons.shape
        )
        raw = electrons + np.sqrt(self.shot * electrons + self.read) * noise
        # The tone curve comes first: after it, noise would darken the pixels that have their own
        # colour more than those that got a mean, a pattern of period 2 that photos do not show.
        developed = 255 * demosaic(np.clip(raw, 0, 1) ** (1 / _GAMMA))
        inner = developed[_MARGIN : _MARGIN + height, _MARGIN : _MARGIN + width]
        return self._compress(np.rint(inner).astype(np.uint8))

    def _compress(self, pixels: np.ndarray) -> np.ndarray:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=self.quality, subsampling="4:2:2")
        return np.asarray(Image.open(stream))


@lru_cache(maxsize=4)
def sensor_pattern(index: int, height: int, width: int) -> np.ndarray:
    """Draw a sensor's pattern, row by row: a smaller picture shows a part of a larger."""
    rows = [
        np.random.default_rng((*b"sensor", index, row)).standard_normal(width)
        for row in range(height)
    ]
    pattern = np.stack(rows)
    pattern.flags.writeable = False
    return pattern


def mosaic(light: np.ndarray) -> np.ndarray:
    """Keep one colour a pixel, (H, W, 3) to (H, W): red and green, green and blue in turn."""
    raw = np.empty(light.shape[:2], light.dtype)
    for row, column, colour in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        raw[row::2, column::2] = light[row::2, column::2, colour]
    return raw


def demosaic(raw: np.ndarray) -> np.ndarray:
    """Fill in the colours that each pixel lacks by the mean of its neighbours', bilinearly."""
    seen = np.zeros((*raw.shape, 3), raw.dtype)
    for row, column, colour in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        seen[row::2, column::2, colour] = raw[row::2, column::2]
    for colour, kernel in enumerate((_TENT, _CROSS, _TENT)):
        correlate(seen[..., colour], kernel, seen[..., colour], mode="mirror")
    return seen
