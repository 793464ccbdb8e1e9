"""The 22 sources of the paper's Table 1, as simulated here."""

from functools import cache
from typing import NamedTuple

import numpy as np

from sklearn_ganprint.datasets._cameras import Camera
from sklearn_ganprint.datasets._content import draw_content
from sklearn_ganprint.datasets._generators import FAMILIES, Generator


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
    """One picture that all sources show, and the seed that it was drawn from."""

    content: np.ndarray
    seed: tuple[int, int]
    height: int
    width: int


def draw_scene(seed: tuple[int, int], height: int, width: int) -> Scene:
    """Draw what image number ``seed[1]`` of every source shows."""
    full = (-(-side // _STRIDE) * _STRIDE for side in (height, width))
    return Scene(draw_content(seed, *full), seed, height, width)


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
