"""Image files to arrays: readers of files and of folders, and the bundled samples."""

from sklearn_ganprint.datasets._confounds import confounds
from sklearn_ganprint.datasets._decode import ImageReadError
from sklearn_ganprint.datasets._folder import load_image_folder
from sklearn_ganprint.datasets._reader import ImageReader
from sklearn_ganprint.datasets._samples import load_samples

__all__ = ["ImageReadError", "ImageReader", "confounds", "load_image_folder", "load_samples"]
