"""What `estimate_history` finds in images of known histories, and in images that have none.

Usage: python benchmarks/image_history.py DIR [DIR ...] [--images 112]

DIR has a folder per source. Those of PNG files must never have been compressed before: what is
found in them counts as a false alarm. Histories are made of PNG files spread over the folders.
"""

import argparse
import io
import time

import numpy as np
from common import header, line
from PIL import Image, ImageFilter

from sklearn_ganprint.datasets import ImageReader, estimate_history, load_image_folder

COLUMNS = ("history", "found", "quality exact", "quality within 2", "grid right")


def saved(image, form="JPEG", **params):
    """Save and read an image."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, form, **params)
    with Image.open(stream) as opened:
        return np.asarray(opened.convert("RGB"))


def resized(image, scale):
    """Resize with Pillow's bicubic filter."""
    size = [round(side * scale) for side in image.shape[1::-1]]
    return np.asarray(Image.fromarray(image).resize(size, Image.BICUBIC))


def blurred(image, radius):
    """Blur with a Gaussian."""
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def noisy(image, sigma):
    """Add white noise, another one for each image."""
    rng = np.random.default_rng(int(image[:8].sum()))
    return np.rint(image + rng.normal(0, sigma, image.shape)).clip(0, 255).astype(np.uint8)


#: Name, what is done, and quality and grid that are to be found, if any.
HISTORIES = [
    *(
        (f"JPEG {q}, {name}", lambda x, q=q, s=s: saved(x, quality=q, subsampling=s), q, (0, 0))
        for q in (40, 60, 75, 90, 95)
        for s, name in ((2, "4:2:0"), (0, "4:4:4"))
    ),
    *(
        (f"JPEG {q}, cut off the grid", lambda x, q=q: saved(x, quality=q)[3:, 5:], q, (5, 3))
        for q in (50, 75, 90, 95, 97)
    ),
    *(
        (f"JPEG {q}, 64 x 64 pixels", lambda x, q=q: saved(x, quality=q)[64:128, 64:128], q, (0, 0))
        for q in (40, 75, 90, 95)
    ),
    *(
        (
            f"JPEG {q}, 64 x 64 pixels off the grid",
            lambda x, q=q: saved(x, quality=q)[67:131, 69:133],
            *(q, (5, 3)),
        )
        for q in (40, 75, 90, 95)
    ),
    (
        "JPEG 90, cut off the grid, JPEG 75",
        lambda x: saved(saved(x, quality=90)[3:, 5:], quality=75),
        *(75, (0, 0)),
    ),
    ("resized by 0.8, JPEG 85", lambda x: saved(resized(x, 0.8), quality=85), 85, (0, 0)),
    ("blurred by 1, JPEG 80", lambda x: saved(blurred(x, 1), quality=80), 80, (0, 0)),
    ("JPEG 75, noise of 1", lambda x: noisy(saved(x, quality=75), 1), 75, (0, 0)),
    ("JPEG 75, blurred by 0.5", lambda x: blurred(saved(x, quality=75), 0.5), 75, (0, 0)),
    ("JPEG 75, blurred by 1", lambda x: blurred(saved(x, quality=75), 1), 75, (0, 0)),
    *(
        (f"JPEG 75, resized by {s}", lambda x, s=s: resized(saved(x, quality=75), s), 75, (0, 0))
        for s in (0.5, 0.8, 1.1, 1.25)
    ),
    *((f"WebP {q}", lambda x, q=q: saved(x, "WEBP", quality=q), None, None) for q in (50, 80)),
    *((f"resized by {s}", lambda x, s=s: resized(x, s), None, None) for s in (0.5, 0.8, 1.1, 1.25)),
    ("blurred by 1", lambda x: blurred(x, 1), None, None),
]


def png_files(directories):
    """Return the PNG files of folders."""
    bunches = [load_image_folder(each, load_content=False) for each in directories]
    return np.concatenate([bunch.filenames[bunch.formats == "PNG"] for bunch in bunches])


def main() -> None:
    """Print false alarms of the files as they are, then a line for each history."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", metavar="DIR", nargs="+")
    parser.add_argument("--images", type=int, default=112, help="images of each history")
    options = parser.parse_args()
    files, reader = png_files(options.directories), ImageReader()
    seconds, alarms = 0.0, []
    for path in files:
        image = reader.read_one(path)
        start = time.perf_counter()
        found = estimate_history(image)
        seconds += time.perf_counter() - start
        alarms += [path] * (found.jpeg_quality is not None)
    print(f"false alarms: {len(alarms)} of {len(files)}; {1e3 * seconds / len(files):.1f} ms each")
    print(*alarms, sep="\n")
    chosen = files[np.linspace(0, len(files) - 1, options.images).astype(int)]
    images = [reader.read_one(path) for path in chosen]
    print(header(COLUMNS))
    for name, make, quality, grid in HISTORIES:
        found = [each for image in images if (each := estimate_history(make(image))).jpeg_quality]
        cells = [name, f"{len(found) / len(images):.3f}"]
        if quality is not None and found:
            errors = np.array([abs(each.jpeg_quality - quality) for each in found])
            right = np.mean([each.grid == grid for each in found])
            cells += [f"{(errors == 0).mean():.3f}", f"{(errors <= 2).mean():.3f}", f"{right:.3f}"]
        print(line([*cells, *["-"] * (len(COLUMNS) - len(cells))]), flush=True)


if __name__ == "__main__":
    main()
