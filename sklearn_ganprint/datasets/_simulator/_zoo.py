"""The 22 sources of the paper's Table 1, as simulated here."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from sklearn_ganprint.datasets._simulator._cameras import Camera
from sklearn_ganprint.datasets._simulator._content import draw_content
from sklearn_ganprint.datasets._simulator._generators import FAMILIES, Generator


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


def render_all(
    names: Iterable[str], seed: int, index: int, size: tuple[int, int], shared_content: bool
) -> Iterator[np.ndarray]:
    """Make image number `index` of each source: of one scene, or of a scene for each."""
    scene = draw_scene((seed, index), *size) if shared_content else None
    for name in names:
        own = scene or draw_scene((seed, index, 1 + list(SOURCES).index(name)), *size)
        yield render(name, own)


def render(name: str, scene: Scene) -> np.ndarray:
    """Make the image (H, W, 3), uint8, that a source makes of a scene."""
    source = SOURCES[name]
    cut = slice(scene.height), slice(scene.width)
    if source.architecture == "camera":
        return _CAMERAS[source.member].photograph(scene.content[cut], scene.seed)
    image = _generator(name).generate(scene.content)[cut]
    return np.rint(image.clip(0, 255)).astype(np.uint8)


@cache
def _generator(name: str) -> Generator:
    architecture, member = SOURCES[name]
    return Generator(FAMILIES[architecture], member)
