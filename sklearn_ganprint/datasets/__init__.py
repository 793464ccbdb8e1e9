"""Images to work on: readers of files and folders, bundled samples, simulated generators."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.datasets._confounds import confounds
from sklearn_ganprint.datasets._decoding._decode import ImageReadError
from sklearn_ganprint.datasets._folder import load_image_folder
from sklearn_ganprint.datasets._reader import ImageReader
from sklearn_ganprint.datasets._samples import load_samples
from sklearn_ganprint.datasets._simulator._simulated import make_generator_images
from sklearn_ganprint.datasets._simulator._simulated_files import write_generator_images

__all__ = [
    "ImageReadError",
    "ImageReader",
    "confounds",
    "load_image_folder",
    "load_samples",
    "make_generator_images",
    "write_generator_images",
]

publish(globals())
