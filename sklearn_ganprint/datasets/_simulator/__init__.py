"""Images of simulated generators and cameras, in memory and as files."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.utils import Bunch, check_random_state, gen_batches

from sklearn_ganprint._batches import map_in_order, one_blas_thread
from sklearn_ganprint._output import atomic, remove_abandoned
from sklearn_ganprint.datasets._simulator._sources import SOURCES, draw_scene, render

__all__ = ["FolderInUseError", "make_generator_images", "write_generator_images"]

#: The least height and width: what the deepest layers need.
_MIN_SIDE = 16

#: Scenes that one task works on, for all sources: drawing a scene takes longer than showing it.
_BATCH = 4

#: Settings that a folder was written with: a later call continues it, and never mixes settings.
SETTINGS_FILE = ".simulation.json"

#: To be raised whenever the pixels of any source change.
_ZOO_VERSION = 1

ImageSize = int | tuple[int, int]


def make_generator_images(
    n_images: int = 100,
    *,
    image_size: ImageSize = 128,
    sources: Sequence[str] | None = None,
    shared_content: bool = True,
    random_state: Any = 0,
    n_jobs: int | None = None,
) -> Bunch:
    """Make images of simulated generators and cameras, a zoo shaped like the paper's Table 1.

    Parameters
    ----------
    n_images : int, default=100
        Number of images of each source.
    image_size : int or tuple of int, default=128
        Side, or height and width, in pixels; at least 16.
    sources : sequence of str, default=None
        Which of the 22 sources: "C1" to "C9" (Cycle-GAN), "G1" to "G6" (Pro-GAN), "S1" to "S5"
        (Star-GAN), "N1" and "N2" (cameras). None makes all of them.
    shared_content : bool, default=True
        Whether image number i shows the same content in all sources; else each source has contents
        of its own, drawn alike.
    random_state : int, RandomState instance or None, default=0
        Draws the contents, and the noise of the cameras. The sources themselves are fixed: "C1" is
        the same generator whatever the seed.
    n_jobs : int, default=None
        Number of processes; None is 1 unless in a :func:`joblib.parallel_config` context.

    Returns
    -------
    Bunch
        Source by source:

        data : ndarray of uint8, shape (n_sources * n_images, height, width, 3)
        target : ndarray of int64; ``target_names[target]`` are the names of the sources
        target_names : ndarray of str, in the order asked for
        architectures : ndarray of str, the architecture of each target name
        groups : ndarray of int64, the content that an image shows
        DESCR : str, a summary.

    Raises
    ------
    ValueError
        If a source is unknown or named twice, or a number is too small.

    See Also
    --------
    write_generator_images : Writes the same images to files.
    load_samples : Output of real GANs.

    Notes
    -----
    Nothing that is found here holds for real generators until it is found there.

    A content is a stack of shapes with textures, shadows and blur, whose spectrum and edges are
    near those of photos. A generator shows it again by a chain of convolutions: hidden layers with
    zero padding, biases and leaky ReLU at three resolutions; transposed convolutions of stride 2
    (Cycle-GAN, Star-GAN), or repeated pixels and a learned constant (Pro-GAN); tanh, 8 bits.
    Siblings share 70 to 80 % of the variance of their weights, those of Star-GAN all weights: they
    differ by the condition, "S4" and "S5" the least. A camera multiplies by the pattern of its
    sensor, adds shot noise, fills in colours and compresses (JPEG, quality 95).

    With contents of its own for each source, 512 images each to fit on and 256 pixels, the paper's
    method in luminance is right in 91 % of the cases (the paper: 90.3 %). **With shared contents it
    is right more often, 97 %**: fingerprints then have their noise in common, which cancels when
    they are compared.

    Beside real GANs (bundled samples, and sets that are not part of the package), all by
    ``benchmarks/simulator.py``, in luminance:

    ================================  ==============  ============  =============
    figure                            simulated GANs  most of them  greatest
    ================================  ==============  ============  =============
    residual energy, grey levels ^ 2  7.9 to 8.2      2 to 11       11.1
    fingerprint energy                0.008 to 0.035  0.02 to 0.10  0.67
    16 px from the border or more     11 % to 48 %    8 % to 67 %   85 %
    of period 4                       2 % to 38 %     3 % to 53 %   78 %
    ================================  ==============  ============  =============

    Residual energies and the strength of fingerprints differ less than in real generators; there
    are no aligned contents such as faces, and no transformer, diffusion or super-resolution
    network; the cameras are simpler than cameras. Other processors may round values differently.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import make_generator_images
    >>> bunch = make_generator_images(2, image_size=32, sources=["C1", "S5", "N2"])
    >>> bunch.data.shape, bunch.data.dtype
    ((6, 32, 32, 3), dtype('uint8'))
    >>> bunch.architectures.tolist()
    ['Cycle-GAN', 'Star-GAN', 'camera']
    >>> bunch.groups.tolist()
    [0, 1, 0, 1, 0, 1]
    """
    _check_integer("n_images", n_images, 1)
    order = _make_order(image_size, sources, random_state, shared_content)
    names, (height, width) = order.names, order.size
    data = np.empty((len(names), n_images, height, width, 3), np.uint8)
    batches = list(gen_batches(n_images, _BATCH))
    parts = map_in_order(_make_batch, ((order, batch) for batch in batches), n_jobs)
    for batch, part in zip(batches, parts, strict=True):
        data[:, batch] = part
    groups = np.arange(len(names) * n_images)
    return Bunch(
        data=data.reshape(-1, height, width, 3),
        target=np.repeat(np.arange(len(names)), n_images),
        target_names=np.array(names),
        architectures=np.array([SOURCES[name].architecture for name in names]),
        groups=groups % n_images if shared_content else groups,
        DESCR=(
            f"{n_images} simulated images of {height} x {width} pixels by each of "
            f"{', '.join(names)}; {'all show the same' if shared_content else 'each has its own'} "
            f"contents."
        ),
    )


@dataclass(frozen=True)
class _Order:
    """Checked arguments, as they are handed to workers."""

    names: tuple[str, ...]
    size: tuple[int, int]
    seed: int
    shared_content: bool

    def images(self, index: int, names: Iterable[str] | None = None) -> Iterator[np.ndarray]:
        """Make one image of each source, or of those named: of one scene, or one scene each."""
        seed = self.seed, index
        with one_blas_thread():
            scene = draw_scene(seed, *self.size) if self.shared_content else None
            for name in self.names if names is None else names:
                number = 1 + list(SOURCES).index(name)
                yield render(name, scene or draw_scene((*seed, number), *self.size))


def _make_batch(order: _Order, batch: slice) -> np.ndarray:
    """Make images (n_sources, n, H, W, 3)."""
    shape = (len(order.names), batch.stop - batch.start, *order.size, 3)
    images = np.empty(shape, np.uint8)
    for position, index in enumerate(range(batch.start, batch.stop)):
        images[:, position] = list(order.images(index))
    return images


def _make_order(
    image_size: Any, sources: Sequence[str] | None, random_state: Any, shared_content: bool
) -> _Order:
    """Check the arguments of a call, and collect them."""
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    size = _check_size(image_size)
    return _Order(tuple(_check_sources(sources)), size, int(seed), bool(shared_content))


def _check_integer(name: str, value: Any, least: int) -> None:
    """Raise unless a value is a whole number that is large enough."""
    if not isinstance(value, Integral) or value is True or value is False:
        raise TypeError(f"{name} must be an integer, got {value!r}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}.")


def _check_size(image_size: Any) -> tuple[int, int]:
    sides = image_size if isinstance(image_size, tuple | list) else (image_size, image_size)
    if len(sides) != 2:
        raise ValueError(f"image_size must be a side or (height, width), got {image_size!r}.")
    for side in sides:
        _check_integer("image_size", side, _MIN_SIDE)
    return int(sides[0]), int(sides[1])


def _check_sources(sources: Sequence[str] | None) -> list[str]:
    if isinstance(sources, str):
        raise TypeError(f"sources must be a list of names, got the string {sources!r}.")
    names = list(SOURCES) if sources is None else list(sources)
    unknown = [name for name in names if name not in SOURCES]
    if unknown or not names:
        raise ValueError(f"sources must be some of {', '.join(SOURCES)}; got {sources!r}.")
    if len(set(names)) < len(names):
        raise ValueError(f"sources must name each source once, got {names}.")
    return names


def write_generator_images(
    folder: str | os.PathLike[str],
    n_images: int,
    *,
    image_size: ImageSize = 256,
    sources: Sequence[str] | None = None,
    shared_content: bool = True,
    random_state: int = 0,
    overwrite: bool = False,
    n_jobs: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> list[str]:
    """Write the images of :func:`make_generator_images` to files, in little memory.

    Parameters
    ----------
    folder : str or path-like
        Where to; images go to ``folder/ARCHITECTURE/SOURCE/0000.png`` and so on, all as PNG, so
        that the format tells nothing. Made if it does not exist.
    n_images : int
        Number of images of each source.
    image_size : int or tuple of int, default=256
        Side, or height and width, in pixels; at least 16.
    sources : sequence of str, default=None
        Which sources; None makes all 22.
    shared_content : bool, default=True
        As in :func:`make_generator_images`.
    random_state : int, default=0
        Draws the contents, and the noise of the cameras.
    overwrite : bool, default=False
        Whether simulated images that are in the folder already are removed, all of them. By default
        they are kept, which carries on with a run that was interrupted, or adds images and sources
        to it. Other files are left alone either way.
    n_jobs : int, default=None
        Number of processes; None is 1 unless in a :func:`joblib.parallel_config` context.
    progress : callable, default=None
        Called with the number of images done and that of all, now and then.

    Returns
    -------
    list of str
        The files, source by source.

    Raises
    ------
    ValueError
        If a source is unknown or named twice, or a number is too small.
    FolderInUseError
        A FileExistsError, if `overwrite` is not set and the folder holds files of other kinds, or
        images that were made with other settings.

    See Also
    --------
    make_generator_images : Makes them in memory; says what they are, and how near to real ones.
    load_image_folder : Reads them, with ``layout="nested"``.

    Notes
    -----
    An image is written whole or not at all. A hidden file in the folder tells with which settings
    its images were made.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn_ganprint.datasets import write_generator_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_generator_images(folder, 1, image_size=32, sources=["C1", "N2"])
    ...     [os.path.relpath(file, folder).replace(os.sep, "/") for file in files]
    ['Cycle-GAN/C1/0000.png', 'camera/N2/0000.png']
    """
    _check_integer("n_images", n_images, 1)
    _check_integer("random_state", random_state, 0)
    order = _make_order(image_size, sources, random_state, shared_content)
    folder = os.fspath(folder)
    settings = {"zoo": _ZOO_VERSION, "size": list(order.size), "seed": int(random_state)}
    _claim(folder, settings | {"shared_content": order.shared_content}, overwrite)
    for name in order.names:
        source_folder = os.path.dirname(_filename(folder, name, 0))
        os.makedirs(source_folder, exist_ok=True)
        remove_abandoned(Path(source_folder))  # also where no image is missing
    batches = list(gen_batches(n_images, _BATCH))
    done = map_in_order(_write_batch, ((order, batch, folder) for batch in batches), n_jobs)
    for batch, _ in zip(batches, done, strict=True):
        if progress is not None:
            progress(len(order.names) * batch.stop, len(order.names) * n_images)
    return [_filename(folder, name, index) for name in order.names for index in range(n_images)]


class FolderInUseError(FileExistsError):
    """A folder that holds what must not be mixed up with the images to be written.

    Parameters
    ----------
    reason : str
        What the folder holds; also an attribute, without the advice in the message.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import FolderInUseError
    >>> print(FolderInUseError("photos: expected an empty folder"))
    photos: expected an empty folder; name another folder, or pass overwrite=True to use this one
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; name another folder, or pass overwrite=True to use this one")
        self.reason = reason


def _write_batch(order: _Order, batch: slice, folder: str) -> None:
    """Write the images that are not there yet."""
    for index in range(batch.start, batch.stop):
        files = {name: _filename(folder, name, index) for name in order.names}
        missing = {name: path for name, path in files.items() if not os.path.exists(path)}
        if not missing:  # so that not even a scene is drawn
            continue
        for path, image in zip(missing.values(), order.images(index, missing), strict=True):
            with atomic(Path(path)) as part:
                Image.fromarray(image).save(part, "PNG", compress_level=3)


def _filename(folder: str, name: str, index: int) -> str:
    return os.path.join(folder, SOURCES[name].architecture, name, f"{index:04d}.png")


def _claim(folder: str, settings: dict[str, Any], overwrite: bool) -> None:
    """Write the settings into the folder, or check that they are those written in it."""
    path = Path(folder, SETTINGS_FILE)
    remove_abandoned(Path(folder))  # all there is, if the settings were never written
    if overwrite:
        # All of them, and before the new settings are there: none may ever pass for a new one.
        _remove_images(folder)
    elif os.path.isdir(folder) and os.listdir(folder):
        _check_settings(path, settings)
    os.makedirs(folder, exist_ok=True)
    with atomic(path) as part:
        part.write_text(json.dumps(settings), encoding="utf-8")


def _remove_images(folder: str) -> None:
    for name, source in SOURCES.items():
        for path in Path(folder, source.architecture, name).glob("*.png"):
            if path.stem.isdecimal():
                path.unlink()


def _check_settings(path: Path, settings: dict[str, Any]) -> None:
    if not path.is_file():
        raise FolderInUseError(
            f"{path.parent}: expected an empty folder, or one that simulated images were written "
            f"to, found other files"
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FolderInUseError(f"{path}: expected settings as JSON, {error}") from error
    if found != settings:
        raise FolderInUseError(
            f"{path.parent}: holds images that were made with {found}, asked for is {settings}"
        )
