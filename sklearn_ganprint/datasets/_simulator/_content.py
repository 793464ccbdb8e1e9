"""Procedural pictures with the statistics of photos: what simulated sources show.

The picture is a stack of "dead leaves" [1]_: opaque shapes of random place, colour, orientation and
power-law size, each hiding what lies behind it, which gives the edges, the occlusions and the
power spectrum of natural scenes. Each leaf carries a texture of its own amplitude, is shaded
across, drops a soft shadow, and is more or less in focus.

References
----------
.. [1] A. B. Lee, D. Mumford, J. Huang, "Occlusion models for natural images: a statistical study of
   a scale-invariant dead leaves model", International Journal of Computer Vision 41, 2001.
"""

import math

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfftfreq
from scipy.ndimage import gaussian_filter

#: Leaves of a picture, and their radii as parts of its shorter side.
_N_LEAVES = 150
_RADII = (0.02, 0.6)

#: Least and greatest standard deviation of a leaf's texture, in grey levels.
_TEXTURE = (0.7, 25.0)

#: Least and greatest blur of a picture's optics, in pixels.
_OPTICS = (0.35, 0.65)


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
    """Noise of unit variance whose amplitude spectrum falls as frequency to the minus `slope`."""
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
