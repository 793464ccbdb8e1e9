"""The sources of the simulated zoo, scenes for them to show, and the cameras among them.

A scene is a stack of "dead leaves" [1]_: opaque shapes of random place, colour, orientation and
power-law size, each hiding what lies behind it, which gives the edges, the occlusions and the
power spectrum of natural scenes. Each leaf carries a texture of its own amplitude, is shaded
across, drops a soft shadow, and is more or less in focus.

References
----------
.. [1] A. B. Lee, D. Mumford, J. Huang, "Occlusion models for natural images: a statistical study of
   a scale-invariant dead leaves model", International Journal of Computer Vision 41, 2001.
"""

import io
import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.fft import irfft2, next_fast_len, rfftfreq
from scipy.ndimage import correlate, gaussian_filter

from sklearn_ganprint.datasets._simulator._generators import FAMILIES, Generator

#: Leaves of a picture, and their radii as parts of its shorter side.
_N_LEAVES = 150
_RADII = (0.02, 0.6)

#: Least and greatest standard deviation of a leaf's texture, in grey levels.
_TEXTURE = (0.7, 25.0)

#: Least and greatest blur of a picture's optics, in pixels.
_OPTICS = (0.35, 0.65)

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


def draw_content(seed: tuple[int, ...], height: int, width: int) -> np.ndarray:
    """Draw one picture of shape (height, width, 3), float32 in 0..255, as its seed alone says."""
    rng = np.random.default_rng(seed)
    scale = min(height, width)
    textures = np.stack([_noise(rng, height, width, slope) for slope in (0.5, 0.9, 1.4)])
    textures *= rng.lognormal(-0.1, 0.4)
    palette = _palette(rng)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = palette[0] + _amplitude(rng) * textures[1, ..., np.newaxis]
    low, high = _RADII
    # The power law of exponent 3: as many leaves at each scale as cover the same area.
    radii = scale / np.sqrt(rng.uniform(high**-2, low**-2, _N_LEAVES))
    # Large ones behind, more or less, or they would leave nothing else to see.
    for radius in radii[np.argsort(-radii * rng.lognormal(0, 0.7, _N_LEAVES))]:
        _add_leaf(picture, rng, float(radius), textures, palette)
    light = 1 + 0.18 * _noise(rng, height, width, 2.5)
    picture *= light[..., np.newaxis]
    blur = rng.uniform(*_OPTICS)
    picture = gaussian_filter(picture, (blur, blur, 0))
    np.clip(picture, 0, 255, out=picture)
    return picture


def _add_leaf(
    picture: np.ndarray,
    rng: np.random.Generator,
    radius: float,
    textures: np.ndarray,
    palette: np.ndarray,
) -> None:
    """Lay one leaf over the picture, in place, and its shadow around it."""
    # Plain floats all along: numpy's own would turn the pixels into float64.
    row, column = rng.uniform((0, 0), picture.shape[:2]).tolist()
    softness, depth = 0.3 + rng.exponential(0.35), 0.15 * radius + 1
    wobble = min(0.25, rng.exponential(0.1))
    reach = radius * (1 + 3 * wobble) + 2 * max(softness, depth)
    window = tuple(
        slice(max(0, int(centre - reach)), int(centre + reach) + 1) for centre in (row, column)
    )
    part, rough = picture[window], textures[:, *window]
    y = np.arange(part.shape[0], dtype=np.float32)[:, np.newaxis] + (window[0].start - row)
    x = np.arange(part.shape[1], dtype=np.float32) + (window[1].start - column)
    turn, stretch = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1)
    u = (math.cos(turn) * x + math.sin(turn) * y) / radius
    v = (math.cos(turn) * y - math.sin(turn) * x) / (radius * stretch)
    # A superellipse: from an ellipse to nearly a rectangle. Distance from its edge in pixels.
    power = (2.0, 2.0, 4.0, 12.0)[rng.integers(4)]
    distance = ((np.abs(u) ** power + np.abs(v) ** power) ** (1 / power) - 1) * radius * stretch
    distance += wobble * radius * rough[-1]
    colour = palette[rng.integers(1, len(palette))] + rng.normal(0, 9, 3).astype(np.float32)
    tilt_u, tilt_v = rng.normal(0, 18, 2).tolist()
    shade = tilt_u * u + tilt_v * v + _amplitude(rng) * rough[rng.integers(len(rough))]
    part *= 1 - rng.uniform(0, 0.35) * np.clip(1 - distance / (2 * depth), 0, 1)[..., np.newaxis]
    cover = np.clip(0.5 - distance / (2 * softness), 0, 1)
    part += cover[..., np.newaxis] * (colour + shade[..., np.newaxis] - part)


def _amplitude(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(_TEXTURE))))


def _palette(rng: np.random.Generator) -> np.ndarray:
    """Draw colours (n, 3), mostly between blue and orange, as those of daylight are."""
    n = 8
    warmth, greenness = rng.normal(0, 22, n), rng.normal(0, 8, n)
    grey = np.clip(rng.normal(rng.normal(120, 18), 55, n), 12, 240)
    axes = np.array([[1.0, 0.1, -1.0], [-0.5, 1.0, -0.5]])
    colours = grey[:, np.newaxis] + np.column_stack([warmth, greenness]) @ axes
    return colours.astype(np.float32)


def _noise(rng: np.random.Generator, height: int, width: int, slope: float) -> np.ndarray:
    """Draw noise of unit variance whose amplitude falls as frequency to the minus `slope`."""
    rows, columns = (next_fast_len(n, real=True) for n in (height, width))
    frequency = np.hypot(
        np.minimum(np.arange(rows), rows - np.arange(rows))[:, np.newaxis] / rows, rfftfreq(columns)
    )
    frequency[0, 0] = np.inf
    gain = (frequency**-slope).astype(np.float32)
    spectrum = gain * (
        rng.standard_normal(gain.shape, dtype=np.float32)
        + 1j * rng.standard_normal(gain.shape, dtype=np.float32)
    )
    noise = irfft2(spectrum, s=(rows, columns))[:height, :width]
    return noise / noise.std()


class Source(NamedTuple):
    """A generator or a camera: its architecture, and which of its siblings it is."""

    architecture: str
    member: int


#: Two bodies whose sensors differ in their pattern, and a little in its strength and in noise.
_CAMERAS = (
    Camera(index=100, prnu=0.0065, shot=2.0e-4, read=2e-6),
    Camera(index=101, prnu=0.0060, shot=1.5e-4, read=1e-6),
)

#: By their abbreviations, in the order of the table.
SOURCES = {
    f"{letter}{1 + member}": Source(architecture, member)
    for letter, architecture, n_members in (
        ("C", "Cycle-GAN", 9),
        ("G", "Pro-GAN", 6),
        ("S", "Star-GAN", 5),
        ("N", "camera", 2),
    )
    for member in range(n_members)
}

#: What generators need: height and width are cut from the next multiple of this.
_STRIDE = 4


class Scene(NamedTuple):
    """A picture to be shown by sources, and the seed that it was drawn from."""

    content: np.ndarray
    seed: tuple[int, ...]
    height: int
    width: int


def draw_scene(seed: tuple[int, ...], height: int, width: int) -> Scene:
    """Draw a scene, with a few rows and columns more than asked for if the size needs it."""
    full = (-(-side // _STRIDE) * _STRIDE for side in (height, width))
    return Scene(draw_content(seed, *full), seed, height, width)


def render(name: str, scene: Scene) -> np.ndarray:
    """Make the image (H, W, 3), uint8, that a source makes of a scene."""
    source = SOURCES[name]
    if source.architecture != "camera":
        return paint(_generator(name), scene)
    content = scene.content[: scene.height, : scene.width]
    return _CAMERAS[source.member].photograph(content, scene.seed)


def paint(generator: Generator, scene: Scene) -> np.ndarray:
    """Make the image (H, W, 3), uint8, that a generator makes of a scene."""
    image = generator.generate(scene.content)[: scene.height, : scene.width]
    return np.rint(image.clip(0, 255)).astype(np.uint8)


@cache
def _generator(name: str) -> Generator:
    architecture, member = SOURCES[name]
    return Generator(FAMILIES[architecture], member)
