"""What performance.py measures against, on, and with.

The plain functions are code as one writes it first, one image at a time. They are the yardstick of
speed in float32, and of accuracy in float64. The images are put together from the bundled samples.
"""

import gc
import importlib
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pywt
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import FileBatchClassifier, FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import ImageReader, load_samples

LUMINANCE_WEIGHTS = (0.299, 0.587, 0.114)
#: Side of the bundled samples, of which images of other sizes are put together.
TILE = 128
#: Fingerprints that residuals are compared with, and values of a residual.
N_CLASSES, RESIDUAL_VALUES = 22, 256 * 256


def wavelet_residual(image: np.ndarray, sigma: float = 5.0) -> np.ndarray:
    """Mihcak's residual of a grey image, in the image's float dtype."""
    height, width = image.shape
    approximation, *details = pywt.wavedec2(image, "db4", mode="symmetric", level=4)
    noise = [tuple(_noise(band, sigma) for band in bands) for bands in details]
    residual = pywt.waverec2([np.zeros_like(approximation), *noise], "db4", mode="symmetric")
    # Photos of odd sides come back with a row or a column more.
    return residual[:height, :width]


def _noise(band: np.ndarray, sigma: float) -> np.ndarray:
    """Keep of each coefficient the share that is noise."""
    energy = band**2
    variances = [
        np.maximum(uniform_filter(energy, window, mode="constant") - sigma**2, 0)
        for window in (3, 5, 7, 9)
    ]
    return band * (sigma**2 / (np.min(variances, axis=0) + sigma**2))


def luminance_residual(image: np.ndarray) -> np.ndarray:
    """Residuals of the channels of an RGB image, merged to luminance, in float32."""
    channels = (wavelet_residual(image[..., c].astype(np.float32)) for c in range(3))
    return sum(
        np.float32(weight) * residual
        for weight, residual in zip(LUMINANCE_WEIGHTS, channels, strict=True)
    )


def class_means(images: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean residual of each class of RGB images."""
    classes = [images[y == label] for label in np.unique(y)]
    return np.stack([np.mean([luminance_residual(i) for i in part], axis=0) for part in classes])


def gaussian_residual(image: np.ndarray) -> np.ndarray:
    """Residual of a Gaussian of one pixel, in the image's float dtype."""
    return image - gaussian_filter(image, 1.0)


def optional(module: str) -> Any:
    """Import a package that is only compared with, or give None."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def skimage_residual(image: np.ndarray) -> np.ndarray:
    """Residual of scikit-image's wavelet denoiser, which adapts per sub-band, not per pixel."""
    restoration = optional("skimage.restoration")
    return image - restoration.denoise_wavelet(image, sigma=5.0, wavelet="db4", wavelet_levels=4)


def prnu_residual(image: np.ndarray) -> np.ndarray:
    """Residual of the PyPI package prnu: a Wiener filter of 3 pixels, in float64."""
    extractor = optional("prnu").NoiseExtractor(image=image, disable_crop=True)
    # Where the image is flat it divides by zero, and says so.
    with np.errstate(all="ignore"):
        extractor.extract_noise()
    return extractor.noise_residual


def opencv_residual(image: np.ndarray) -> np.ndarray:
    """Gaussian residual by OpenCV, with the kernel and the borders of scipy.ndimage."""
    cv2 = optional("cv2")
    return image - cv2.GaussianBlur(image, (9, 9), 1.0, borderType=cv2.BORDER_REFLECT)


def mosaics(n: int, height: int, width: int) -> np.ndarray:
    """Put RGB images together from samples; both sides are multiples of 128.

    Their pixels are real, so that PNG files of them are as slow to decode as PNG files are.
    """
    samples = load_samples().data
    rows, columns = height // TILE, width // TILE
    # 5 and the number of samples have no common divisor: all of them have their turn.
    order = np.arange(n * rows * columns) * 5 % len(samples)
    tiles = samples[order].reshape(n, rows, columns, TILE, TILE, 3)
    return tiles.transpose(0, 1, 3, 2, 4, 5).reshape(n, height, width, 3)


def grey_mosaics(n: int, height: int, width: int) -> np.ndarray:
    """Grey images in uint8: the green channel of :func:`mosaics`."""
    return np.ascontiguousarray(mosaics(n, height, width)[..., 1])


def noise(n: int) -> np.ndarray:
    """Rows as long as residuals of 256 px: to score them, any values do."""
    return np.random.default_rng(0).standard_normal((n, RESIDUAL_VALUES), dtype=np.float32)


def write_files(folder: str, n: int) -> list[str]:
    """Write PNG files of 256 px."""
    paths = [str(Path(folder, f"{index}.png")) for index in range(n)]
    for path, image in zip(paths, mosaics(n, 256, 256), strict=True):
        Image.fromarray(image).save(path)
    return paths


def fitted(
    paths: Sequence[str], n_jobs: int = 1, reader: ImageReader | None = None
) -> FileBatchClassifier:
    """Fit the paper's method on files, each of the next class in turn."""
    pipeline = make_pipeline(ResidualTransformer(), FingerprintClassifier())
    classifier = FileBatchClassifier(pipeline, reader=reader, n_jobs=n_jobs)
    return classifier.fit(paths, np.arange(len(paths)) % N_CLASSES)


def alternate(*tasks: Callable[[], Any], repeats: int, warm_up: bool = True) -> np.ndarray:
    """Seconds that the tasks take, in turns: an array (repeats, tasks)."""
    for task in tasks if warm_up else ():
        task()
    gc.collect()
    gc.disable()
    try:
        return np.array([[_seconds(task) for task in tasks] for _ in range(repeats)])
    finally:
        gc.enable()


def _seconds(task: Callable[[], Any]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def memory(what: str, *arguments: Any) -> float:
    """Measure bytes in a fresh process: a process never gives its peak back."""
    command = [sys.executable, __file__, what, *map(str, arguments)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return float(done.stdout)


def _traced(images: np.ndarray) -> int:
    """Peak of what residuals take, themselves and the plan of the filter included."""
    # What is imported at the first call is no part of it.
    ResidualTransformer().fit_transform(images[:1, :TILE, :TILE])
    tracemalloc.start()
    ResidualTransformer().fit_transform(images)
    return tracemalloc.get_traced_memory()[1]


def _resident(folder: str, n_files: int) -> int:
    """Peak of this process once it has fitted and scored the files of a folder, repeated."""
    files = sorted(map(str, Path(folder).glob("*.png")))
    paths = (files * (n_files // len(files) + 1))[:n_files]
    fitted(paths).decision_function(paths)
    # Not getrusage, whose peak is that of the parent process if that was the larger one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "files":
        print(_resident(arguments[0], int(arguments[1])))
    else:
        print(_traced((grey_mosaics if what == "grey" else mosaics)(*map(int, arguments))))
