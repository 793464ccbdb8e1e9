"""Accuracy of mean fingerprints of several kinds of residuals, and what is content in it.

Usage: python benchmarks/better_fingerprints.py [DIR ...] [--crop 256] [--groups name] [--seeds 5]
                                        [--json FILE]

Measures the bundled samples, then each DIR, which has a folder per source. Half of each class is
fitted on, or five images of that half, and the other half tested; with ``--groups name`` files of
one name stay on one side. Nothing is chosen on the test half: no parameter is chosen at all. Prints
mean and standard deviation over the seeds, and writes the accuracy for every seed with ``--json``.

The columns: half of each class; five images of each; half, on images that were shrunk to a quarter
and enlarged again, which leaves content and no fingerprint; half, with 8 and 16 pixels cut from all
sides before denoising.

Whatever the images, a fingerprint is a mean of residuals, and scores are inner products with it.
Both follow from the inner products of residuals, and those of several kinds side by side are sums.
So every row comes from the same few matrices, and is what the estimators would give.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from autocorrelation import few
from common import (
    Split,
    describe,
    folders,
    halves,
    header,
    line,
    make_parser,
    mean_and_spread,
    write_json,
)
from scipy import fft
from scipy.ndimage import uniform_filter
from sklearn.svm import SVC
from sklearn.utils import Bunch

from sklearn_ganprint import LocalVarianceNormalizer, ResidualTransformer
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.denoisers import GaussianDenoiser, WaveletDenoiser
from sklearn_ganprint.perturbations import Resize

Score = Callable[[np.ndarray, np.ndarray, Split], np.ndarray]

COLOURS = {"RGB": "rgb", "opponent": "opponent"}
DENOISERS = {
    "wavelet": WaveletDenoiser(),
    "Haar": WaveletDenoiser("haar"),
    "Gaussian": GaussianDenoiser(),
}
UNION = [f"{denoiser}, {colours}" for colours in COLOURS for denoiser in DENOISERS]
RGB = [name for name in UNION if name.endswith("RGB")]
OPPONENT = [name for name in UNION if name.endswith("opponent")]
WITHOUT = [kind for kind in UNION if kind != "Haar, opponent"]


class Row(NamedTuple):
    """A row of the table: kinds of residuals side by side, and what is made of them."""

    kinds: list[str]
    score: Score


def correlations(K: np.ndarray, means: np.ndarray, split: Split) -> np.ndarray:
    """Score by correlation with combinations `means` of the fitted residuals, one a column."""
    fit, test = split
    energies = np.einsum("ic,ij,jc->c", means, K[np.ix_(fit, fit)], means)
    return K[np.ix_(test, fit)] @ means / np.sqrt(energies)


def fingerprint(K: np.ndarray, y: np.ndarray, split: Split, common: float = 1.0) -> np.ndarray:
    """Score by fingerprints, of whose common part only a share is left."""
    members = np.eye(y.max() + 1)[y[split[0]]]
    means = members / members.sum(axis=0)
    return correlations(K, means - (1 - common) * means.mean(axis=1, keepdims=True), split)


def nearest(K: np.ndarray, y: np.ndarray, split: Split, unbiased: bool = False) -> np.ndarray:
    """Score by distance from fingerprints, which unlike correlation minds how strong they are.

    The energy of a mean holds the noise that is left in it; `unbiased` takes that off.
    """
    fit, test = split
    inner = K[np.ix_(fit, fit)]
    members = np.eye(y.max() + 1)[y[fit]]
    count = members.sum(axis=0)
    means = members / count
    energies = np.einsum("ic,ij,jc->c", means, inner, means)
    if unbiased:
        energies = (count * energies - inner.diagonal() @ means) / (count - 1)
    return K[np.ix_(test, fit)] @ means - energies / 2


def machine(K: np.ndarray, y: np.ndarray, split: Split) -> np.ndarray:
    """Score by support vector machines on residuals of unit norm, one for each pair of classes."""
    fit, test = split
    norms = np.sqrt(K.diagonal())
    K = K / np.outer(norms, norms)
    model = SVC(kernel="precomputed", C=10).fit(K[np.ix_(fit, fit)], y[fit])
    return model.decision_function(K[np.ix_(test, fit)])


def ridge(K: np.ndarray, y: np.ndarray, split: Split, alpha: float = 0.1) -> np.ndarray:
    """Score by ridge regression in its dual form, alpha relative to a residual's energy."""
    fit, test = split
    codes = np.eye(y.max() + 1)[y[fit]]
    inner = K[np.ix_(fit, fit)]
    penalty = alpha * np.trace(inner) / len(fit) * np.eye(len(fit))
    return K[np.ix_(test, fit)] @ np.linalg.solve(inner + penalty, codes - codes.mean(axis=0))


ROWS: dict[str, Row] = {
    **{f"{kind}, not normalized": Row([f"{kind}, plain"], fingerprint) for kind in UNION},
    **{kind: Row([kind], fingerprint) for kind in UNION},
    "union of three, RGB": Row(RGB, fingerprint),
    "union of three, opponent": Row(OPPONENT, fingerprint),
    "union of six": Row(UNION, fingerprint),
    "union of five, without Haar, opponent": Row(WITHOUT, fingerprint),
    "wavelet, RGB, not normalized, distance": Row(["wavelet, RGB, plain"], nearest),
    "wavelet, RGB, distance": Row(["wavelet, RGB"], nearest),
    "union of five, without Haar, opponent, distance": Row(WITHOUT, nearest),
    "union of six, distance": Row(UNION, nearest),
    "union of six, unbiased distance": Row(UNION, partial(nearest, unbiased=True)),
    "union of six, ridge": Row(UNION, ridge),
    "union of six, linear support vector machines": Row(UNION, machine),
    "union of six, common fingerprint removed": Row(UNION, partial(fingerprint, common=0.0)),
    "union of six, half of it removed": Row(UNION, partial(fingerprint, common=0.5)),
    "wavelet, RGB, not normalized, whitened": Row(["wavelet, RGB, plain, white"], fingerprint),
    "wavelet, RGB, whitened": Row(["wavelet, RGB, white"], fingerprint),
}


def gram(residuals: np.ndarray) -> np.ndarray:
    """Inner products of residuals, each less its mean."""
    rows = residuals.reshape(len(residuals), -1)
    rows -= rows.mean(axis=1, keepdims=True)
    return (rows @ rows.T).astype(np.float64)


def whitened(residuals: np.ndarray) -> np.ndarray:
    """Divide residuals by the root of their mean power spectrum, smoothed over 3 x 3."""
    spectra = fft.rfft2(residuals, axes=(1, 2))
    power = uniform_filter(np.square(np.abs(spectra)).mean(axis=0), (3, 3, 0))
    spectra /= np.sqrt(power + 1e-3 * power.mean())
    return fft.irfft2(spectra, s=residuals.shape[1:3], axes=(1, 2))


def grams(images: np.ndarray) -> dict[str, np.ndarray]:
    """Inner products of all kinds of residuals of images."""
    found = {}
    normalizer = LocalVarianceNormalizer(flatten=False)
    for colours, channels in COLOURS.items():
        for name, denoiser in DENOISERS.items():
            kind = f"{name}, {colours}"
            transformer = ResidualTransformer(denoiser, channels=channels, flatten=False)
            residuals = transformer.fit_transform(images)
            even = normalizer.fit_transform(residuals)
            if kind == "wavelet, RGB":
                found[f"{kind}, plain, white"] = gram(whitened(residuals))
                found[f"{kind}, white"] = gram(whitened(even))
            found[f"{kind}, plain"] = gram(residuals)
            found[kind] = gram(even)
    return found


def accuracies(
    row: Row, inner: dict[str, np.ndarray], y: np.ndarray, splits: Iterable[Split]
) -> list[float]:
    """Accuracy on the second part of each split, fitted on the first."""
    K = sum(inner[kind] for kind in row.kinds)
    return [
        float((row.score(K, y, split).argmax(axis=1) == y[split[1]]).mean()) for split in splits
    ]


def measurements(data: Bunch, n_seeds: int) -> dict[str, dict[str, list[float]]]:
    """Accuracies by row and column."""
    y, splits = data.target, halves(data.target, data.groups, n_seeds)
    content = Resize(0.25, restore=True).fit_transform(data.data)
    columns = {
        "half of each class": (data.data, splits),
        "5 images a class": (data.data, few(y, splits, 5)),
        "content": (content, splits),
        "8 px trimmed": (data.data[:, 8:-8, 8:-8], splits),
        "16 px trimmed": (data.data[:, 16:-16, 16:-16], splits),
    }
    found: dict[str, dict[str, list[float]]] = {name: {} for name in ROWS}
    inner, of = {}, None
    for column, (images, parts) in columns.items():
        if images is not of:
            inner, of = grams(images), images
        for name, row in ROWS.items():
            found[name][column] = accuracies(row, inner, y, parts)
    return found


def report(name: str, data: Bunch, n_seeds: int) -> dict[str, Any]:
    """Print a table for one set of images, and return it."""
    print(f"\n{describe(name, data)}\n")
    rows = measurements(data, n_seeds)
    columns = list(next(iter(rows.values())))
    print(header(["residuals", *columns]))
    for row, found in rows.items():
        print(line([row, *(mean_and_spread(found[each]) for each in columns)]), flush=True)
    return {"images": len(data.target), "sources": data.target_names.tolist(), "rows": rows}


def main() -> None:
    """Measure the bundled samples, then each folder."""
    options = make_parser(__doc__).parse_args()
    # Every photo gave crops to every source; halves are drawn photo by photo.
    sets = [("bundled samples", load_samples()), *folders(options)]
    results = {name: report(name, data, options.seeds) for name, data in sets}
    write_json(results, options.json)


if __name__ == "__main__":
    main()
