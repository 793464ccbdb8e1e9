"""Accuracy of the paper's method, over seeds, on the bundled samples and on folders of yours.

Usage: python benchmarks/accuracy.py [DIR ...] [--crop 256] [--groups name] [--seeds 5]

DIR has a folder per source. Half of each class is fitted on, the other half tested; with
``--groups name`` files of one name (one scene, translated several times) stay on one side. Nothing
is chosen on the test half. Prints mean and standard deviation over the seeds.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import Bunch

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint._images import LUMINANCE_WEIGHTS
from sklearn_ganprint.datasets import ImageReader, load_image_folder, load_samples
from sklearn_ganprint.denoisers import (
    BaseDenoiser,
    GaussianDenoiser,
    MedianDenoiser,
    WaveletDenoiser,
    WienerDenoiser,
)

LUMINANCE = np.array(LUMINANCE_WEIGHTS, dtype=np.float32)
DENOISERS = [
    WaveletDenoiser(),
    WaveletDenoiser(sigma=2.0),
    GaussianDenoiser(),
    MedianDenoiser(),
    WienerDenoiser(),
]


class NoDenoiser(BaseDenoiser):
    """Leaves the image in the residual: what content alone is worth."""

    def denoise(self, images: np.ndarray) -> np.ndarray:
        """Give zeros."""
        return np.zeros_like(images, dtype=np.float32)


def splits(data: Bunch, n_seeds: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Random halves, by group where there are groups that tell scenes apart."""
    for seed in range(n_seeds):
        if data.groups is None:
            splitter = StratifiedShuffleSplit(1, test_size=0.5, random_state=seed)
        else:
            splitter = GroupShuffleSplit(1, test_size=0.5, random_state=seed)
        yield next(splitter.split(data.target, data.target, data.groups))


def accuracies(residuals: np.ndarray, data: Bunch, n_seeds: int, trim: int = 0) -> np.ndarray:
    """Accuracy for each seed; `trim` pixels are cut from all sides of the residuals."""
    if trim:
        residuals = residuals[:, trim:-trim, trim:-trim]
    rows = residuals.reshape(len(residuals), -1)
    return np.array(
        [
            accuracy_score(
                data.target[test],
                FingerprintClassifier().fit(rows[fit], data.target[fit]).predict(rows[test]),
            )
            for fit, test in splits(data, n_seeds)
        ]
    )


def report(name: str, data: Bunch, n_seeds: int) -> None:
    """Print a table for one set of images."""
    n_classes = len(data.target_names)
    print(
        f"\n{name}: {len(data.target)} images of {n_classes} sources, chance {1 / n_classes:.3f}\n"
    )
    print("| denoiser | image merged | residuals merged | RGB | RGB, 8 px trimmed |")
    print("|---|---|---|---|---|", flush=True)
    grey = data.data @ LUMINANCE
    for denoiser in [*DENOISERS, NoDenoiser()]:
        rgb = ResidualTransformer(denoiser, channels="rgb", flatten=False).fit_transform(data.data)
        luminance = ResidualTransformer(denoiser, flatten=False).fit_transform(grey)
        found = [
            accuracies(luminance, data, n_seeds),
            accuracies(rgb @ LUMINANCE, data, n_seeds),
            accuracies(rgb, data, n_seeds),
            accuracies(rgb, data, n_seeds, trim=8),
        ]
        cells = " | ".join(f"{each.mean():.3f} ± {each.std():.3f}" for each in found)
        print(f"| `{denoiser}` | {cells} |", flush=True)


def main() -> None:
    """Measure the bundled samples, then each folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", metavar="DIR", nargs="*")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--groups", choices=["name"])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    samples = load_samples()
    # Every photo gave crops to every source; halves are drawn crop by crop.
    samples.groups = None
    report("bundled samples", samples, options.seeds)
    for directory in options.directories:
        reader = ImageReader(options.crop)
        data = load_image_folder(directory, reader=reader, groups=options.groups)
        report(directory, data, options.seeds)


if __name__ == "__main__":
    main()
