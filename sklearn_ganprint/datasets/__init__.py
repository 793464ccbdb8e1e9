"""Images to work on: readers of files and folders, bundled samples, simulated generators."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.datasets._decoding import ImageReadError
from sklearn_ganprint.datasets._folder import (
    confounds,
    list_images,
    load_image_folder,
    load_samples,
)
from sklearn_ganprint.datasets._history import ImageHistory, estimate_history
from sklearn_ganprint.datasets._layouts import LAYOUTS
from sklearn_ganprint.datasets._reader import ImageReader, content_keys, inspect_images
from sklearn_ganprint.datasets._simulator import (
    FolderInUseError,
    make_generator_images,
    write_generator_images,
)

__all__ = [
    "LAYOUTS",
    "FolderInUseError",
    "ImageHistory",
    "ImageReadError",
    "ImageReader",
    "confounds",
    "content_keys",
    "estimate_history",
    "inspect_images",
    "list_images",
    "load_image_folder",
    "load_samples",
    "make_generator_images",
    "write_generator_images",
]

publish(globals())
