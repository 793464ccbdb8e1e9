"""Accuracy of the paper's method with each denoiser, on the bundled samples and on folders.

Usage: python benchmarks/denoisers.py [DIR ...] [--crop 256] [--groups name] [--seeds 5]
                                      [--json FILE]

DIR has a folder per source. Half of each class is fitted on, the other half tested; with
``--groups name`` files of one name (one scene, translated several times) stay on one side. Nothing
is chosen on the test half. Prints mean and standard deviation over the seeds.
"""

import numpy as np
from common import (
    describe,
    halves,
    header,
    image_sets,
    line,
    make_parser,
    mean_and_spread,
    write_json,
)
from sklearn.metrics import accuracy_score
from sklearn.utils import Bunch

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint._images import LUMINANCE_WEIGHTS
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
COLUMNS = ("image merged", "residuals merged", "RGB", "RGB, 8 px trimmed")


class NoDenoiser(BaseDenoiser):
    """Leaves the image in the residual: what content alone is worth."""

    def denoise(self, images: np.ndarray) -> np.ndarray:
        """Give zeros."""
        return np.zeros_like(images, dtype=np.float32)


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
            for fit, test in halves(data.target, data.groups, n_seeds)
        ]
    )


def report(name: str, data: Bunch, n_seeds: int) -> dict[str, dict[str, list[float]]]:
    """Print a table for one set of images, and return the accuracy for every seed."""
    print(f"\n{describe(name, data)}\n")
    print(header(["denoiser", *COLUMNS]), flush=True)
    grey = data.data @ LUMINANCE
    rows = {}
    for denoiser in [*DENOISERS, NoDenoiser()]:
        rgb = ResidualTransformer(denoiser, channels="rgb", flatten=False).fit_transform(data.data)
        luminance = ResidualTransformer(denoiser, flatten=False).fit_transform(grey)
        found = [
            accuracies(luminance, data, n_seeds),
            accuracies(rgb @ LUMINANCE, data, n_seeds),
            accuracies(rgb, data, n_seeds),
            accuracies(rgb, data, n_seeds, trim=8),
        ]
        print(line([f"`{denoiser}`", *map(mean_and_spread, found)]), flush=True)
        rows[str(denoiser)] = dict(zip(COLUMNS, (each.tolist() for each in found), strict=True))
    return rows


def main() -> None:
    """Measure the bundled samples, then each folder."""
    options = make_parser(__doc__).parse_args()
    results = {name: report(name, data, options.seeds) for name, data in image_sets(options)}
    write_json(results, options.json)


if __name__ == "__main__":
    main()
