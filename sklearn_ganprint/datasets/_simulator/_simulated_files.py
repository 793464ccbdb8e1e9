"""Images of simulated generators and cameras, as files."""

import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.utils import gen_batches

from sklearn_ganprint._atomic import atomic, remove_abandoned
from sklearn_ganprint._parallel import map_in_order
from sklearn_ganprint.datasets._simulator._simulated import (
    BATCH,
    ImageSize,
    Order,
    check_integer,
    make_order,
)
from sklearn_ganprint.datasets._simulator._zoo import SOURCES

#: What a folder was made with, so that a later call can carry on and cannot mix up.
SETTINGS_FILE = ".simulation.json"

#: To be raised whenever the pixels of any source change.
_ZOO_VERSION = 1


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
        Whether image number i shows the same content in all sources; else each source has contents
        of its own, drawn alike.

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
    check_integer("n_images", n_images, 1)
    check_integer("random_state", random_state, 0)
    order = make_order(image_size, sources, random_state, shared_content)
    folder = os.fspath(folder)
    settings = {
        "size": list(order.size),
        "seed": int(random_state),
        "shared_content": order.shared_content,
    }
    _claim(folder, settings, overwrite)
    for name in order.names:
        source_folder = os.path.dirname(_filename(folder, name, 0))
        os.makedirs(source_folder, exist_ok=True)
        remove_abandoned(Path(source_folder))  # also where no image is missing
    batches = list(gen_batches(n_images, BATCH))
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
        What the folder holds.

    Attributes
    ----------
    reason : str
        What the folder holds, without the advice in the message.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import FolderInUseError
    >>> print(FolderInUseError("photos: expected an empty folder"))
    photos: expected an empty folder; name another folder, or pass overwrite=True to use this one
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; name another folder, or pass overwrite=True to use this one")
        self.reason = reason


def _write_batch(order: Order, batch: slice, folder: str) -> None:
    """Write the images that are not there yet."""
    for index in range(batch.start, batch.stop):
        files = {name: _filename(folder, name, index) for name in order.names}
        missing = {name: path for name, path in files.items() if not os.path.exists(path)}
        if not missing:  # so that not even a scene is drawn
            continue
        for path, image in zip(missing.values(), order.images(index, missing), strict=True):
            with atomic(Path(path)) as part:
                part.write_bytes(_encode(image))


def _encode(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def _filename(folder: str, name: str, index: int) -> str:
    return os.path.join(folder, SOURCES[name].architecture, name, f"{index:04d}.png")


def _claim(folder: str, settings: dict[str, Any], overwrite: bool) -> None:
    """Note down the settings in the folder, or see that they are those noted down in it."""
    settings = {"zoo": _ZOO_VERSION, **settings}
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
    found = _read_settings(path)
    if found != settings:
        raise FolderInUseError(
            f"{path.parent}: holds images that were made with {found}, asked for is {settings}"
        )


def _read_settings(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FolderInUseError(f"{path}: expected settings as JSON, {error}") from error
