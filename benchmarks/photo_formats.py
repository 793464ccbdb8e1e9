"""Images to tell photos and generators apart on, and ways of making their formats equal."""

import io
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from common import Split, halve
from PIL import Image, JpegImagePlugin
from sklearn.utils import Bunch

from sklearn_ganprint.perturbations import JPEGCompression, Resize

#: Label of the photos; generators count from 0.
PHOTO = -1


class Task(NamedTuple):
    """Images, their labels, which are relatives, and the halves of each seed."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    generators: list[str]
    groups: np.ndarray | None
    settings: list[dict[str, Any] | None]

    def halves(self, seed: int) -> Split:
        """Random halves of each class, or of the groups."""
        return halve(self.labels, self.groups, seed)

    def relatives(self, left_out: int) -> list[int]:
        """Find the generators of one family, by their names."""
        families = [name.split("_")[0] for name in self.generators]
        return [n for n, family in enumerate(families) if family == families[left_out]]


def make_task(name: str, data: Bunch, real: str, *, grouped: bool = True) -> Task:
    """Count the generators from 0, and read how photos were compressed."""
    names = data.target_names.tolist()
    if real not in names:
        raise SystemExit(f"{name}: expected a folder of photos, {real!r}, among {names}.")
    generators = [each for each in names if each != real]
    codes = np.array([PHOTO if each == real else generators.index(each) for each in names])
    labels = codes[data.target]
    settings = [
        jpeg_settings(path) if kind == "JPEG" and label == PHOTO else None
        for path, kind, label in zip(data.filenames, data.formats, labels, strict=True)
    ]
    groups = data.groups if grouped else None
    return Task(name, data.data, labels, generators, groups, settings)


def jpeg_settings(path: str) -> dict[str, Any]:
    """Tables and colour resolution that a file was compressed with."""
    with Image.open(path) as image:
        sampling = JpegImagePlugin.get_sampling(image)
        return {"qtables": image.quantization, "subsampling": sampling}


def compress(image: np.ndarray, settings: dict[str, Any] | None) -> np.ndarray:
    """To JPEG and back."""
    if settings is None:
        return image
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", **settings)
    return np.asarray(Image.open(stream))


def deal(task: Task, half: np.ndarray, seed: int) -> list[dict[str, Any] | None]:
    """Give the images of each generator the settings of the photos of a half, in equal shares."""
    rng = np.random.default_rng(seed)
    cards = [task.settings[n] for n in half[task.labels[half] == PHOTO]]
    dealt = [task.settings[n] for n in half]
    for generator in range(len(task.generators)):
        own = np.flatnonzero(task.labels[half] == generator)
        rounds = range(-(-len(own) // len(cards)))
        order = np.concatenate([rng.permutation(len(cards)) for _ in rounds])
        for n, card in zip(own, order, strict=False):
            dealt[n] = cards[card]
    return dealt


def with_history(task: Task, seed: int) -> np.ndarray:
    """Images with each generated one compressed as a photo of its half was."""
    images = task.images.copy()
    for half in task.halves(seed):
        for n, settings in zip(half, deal(task, half, seed), strict=True):
            if task.labels[n] != PHOTO:
                images[n] = compress(images[n], settings)
    return images


def equalised(task: Task) -> Iterator[tuple[str, Callable[[int], np.ndarray]]]:
    """Yield ways of making formats equal; the images of a seed in each."""
    is_jpeg = any(each is not None for each in task.settings)
    jpeg = JPEGCompression(90)
    yield "files as they are", lambda seed: task.images
    yield "JPEG 90 for all", lambda seed: jpeg.transform(task.images)
    if is_jpeg:
        yield "photos' history", lambda seed: with_history(task, seed)
        yield (
            "photos' history, then JPEG 90 for all",
            lambda seed: jpeg.transform(with_history(task, seed)),
        )


def describe(settings: dict[str, Any] | None) -> list[float]:
    """Put what a file says of its compression in numbers."""
    if settings is None:
        return [0, 0, -1]
    return [1, float(np.sum(settings["qtables"][0])), settings["subsampling"]]


def further_images(
    task: Task, photos: np.ndarray, seed: int, further: Bunch | None
) -> Iterator[tuple[str, np.ndarray]]:
    """Photos as if they were generated images, and the images of further generators."""
    rng = np.random.default_rng(seed)
    cards = [task.settings[n] for n in photos]

    def dealt(images: np.ndarray) -> np.ndarray:
        cut = rng.integers(len(cards), size=len(images))
        return np.stack([compress(x, cards[n]) for x, n in zip(images, cut, strict=True)])

    own = task.images[photos]
    yield "the photos, compressed once more", dealt(own)
    half = Resize(0.5).transform(own)
    yield "the photos halved", dealt(half)
    yield "the photos halved and enlarged by 2", dealt(Resize(2.0).transform(half))
    quarter = Resize(0.25).transform(own)
    yield "the photos quartered and enlarged by 4", dealt(Resize(4.0).transform(quarter))
    if further is not None:
        for code, name in enumerate(further.target_names):
            yield f"further generator {name}", dealt(further.data[further.target == code])
