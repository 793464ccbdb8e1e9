"""How near the simulated zoo is to real images: the same figures for both.

Usage: python benchmarks/simulator.py [DIR ...] [--images 200] [--size 256] [--fit 0.5]

Measures the simulated zoo, the bundled samples, and folders of yours, which have a folder per
source; with ``--groups name`` files of one name (one scene, several sources) stay together. Part of
the contents is fitted on, the rest tested. Luminance of wavelet residuals, as in the paper.

E: mean energy of a residual, in squared grey levels. F: energy of the fingerprint without that of
the noise in it, from two halves of the fitted images. inside: F without the outer 16 pixels, as a
part of F. period 2, 4, 8: part of F that repeats so. own: correlation of unseen residuals with the
fingerprint of their source; other: the greatest mean correlation with another one. sibling,
stranger: correlation of unseen residuals with fingerprints of the same and of other architectures.
"""

import argparse
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image
from sklearn.metrics import roc_auc_score
from sklearn.utils import Bunch, gen_batches

from sklearn_ganprint import ResidualTransformer
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.datasets import (
    ImageReader,
    load_image_folder,
    load_samples,
    make_generator_images,
)

PERIODS = (2, 4, 8)
BORDER = 16
TRIMS = (0, 8, 16)

#: Below it there is no fingerprint whose shape could be described.
LEAST_ENERGY = 0.003


def residuals(images: np.ndarray, quality: int | None = None) -> Iterator[np.ndarray]:
    """Luminance residuals (H, W), one image at a time, after a recompression if there is one."""
    transformer = ResidualTransformer(flatten=False)
    for batch in gen_batches(len(images), 32):
        part = images[batch] if quality is None else recompress(images[batch], quality)
        yield from transformer.fit_transform(part)[..., 0]


def recompress(images: np.ndarray, quality: int) -> np.ndarray:
    """Save as JPEG and read again."""
    result = np.empty_like(images)
    for image, target in zip(images, result, strict=True):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=quality)
        target[:] = np.asarray(Image.open(stream))
    return result


@dataclass
class Measured:
    """Sums over the fitted images of each source, in two halves, and energies of all of theirs."""

    halves: np.ndarray
    energies: np.ndarray
    n_fit: int

    @property
    def fingerprints(self) -> np.ndarray:
        """Mean residuals."""
        return self.halves.mean(0)


def fit(data: Bunch, chosen: np.ndarray, quality: int | None = None) -> Measured:
    """Fingerprints from the chosen images; the halves take turns."""
    n_classes = len(data.target_names)
    sums = np.zeros((2, n_classes, *data.data.shape[1:3]))
    counts, energies = np.zeros((2, n_classes), int), np.zeros(n_classes)
    labels = data.target[chosen]
    for residual, label in zip(residuals(data.data[chosen], quality), labels, strict=True):
        half = counts[:, label].sum() % 2
        sums[half, label] += residual
        counts[half, label] += 1
        energies[label] += np.mean(residual**2)
    total = counts.sum(0)
    return Measured(sums / counts[..., None, None], energies / total, int(total.min()))


def scores(
    data: Bunch, chosen: np.ndarray, fingerprints: np.ndarray, quality: int | None = None
) -> np.ndarray:
    """Correlations (n, n_trims, n_classes) of images with fingerprints, trimmed and not."""
    height, width = fingerprints.shape[1:]
    inner = [(slice(t, height - t), slice(t, width - t)) for t in TRIMS]
    flat = [
        fingerprints[:, rows, columns].reshape(len(fingerprints), -1) for rows, columns in inner
    ]
    found = []
    for batch in gen_batches(len(chosen), 256):
        part = np.stack(list(residuals(data.data[chosen[batch]], quality)))
        found.append(
            np.stack(
                [
                    correlation_index(part[:, rows, columns].reshape(len(part), -1), each)
                    for (rows, columns), each in zip(inner, flat, strict=True)
                ],
                axis=1,
            )
        )
    return np.concatenate(found)


def folded(pattern: np.ndarray, period: int) -> np.ndarray:
    """Mean over all places that are a multiple of the period apart."""
    height, width = (side // period * period for side in pattern.shape)
    tiles = pattern[:height, :width].reshape(height // period, period, width // period, period)
    return tiles.mean((0, 2))


def report(name: str, data: Bunch, share: float) -> None:
    """Print the figures of one set."""
    fitted, tested = split(data, share)
    measured = fit(data, fitted)
    found = scores(data, tested, measured.fingerprints)
    labels = data.target[tested]
    print(
        f"\n{name}: {len(data.target_names)} sources, N = {measured.n_fit}, M = "
        f"{np.bincount(labels).min()}, {data.data.shape[1]} x {data.data.shape[2]} pixels\n"
    )
    print_sources(data, measured, found[:, 0], labels)
    print_overall(data, found, labels)
    quality = 95
    after = scores(data, tested, measured.fingerprints, quality)
    both = scores(data, tested, fit(data, fitted, quality).fingerprints, quality)
    print(
        f"accuracy after JPEG {quality}, of the tested images | of all: "
        f"{accuracy(after[:, 0], labels):.3f} | {accuracy(both[:, 0], labels):.3f}",
        flush=True,
    )


def split(data: Bunch, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of fitted and of tested images: whole groups, or a part of each source."""
    if data.groups is None:
        ranks = np.concatenate([np.arange(n) for n in np.bincount(data.target)])
        order = np.random.default_rng(0).random(ranks.max() + 1).argsort().argsort()
        chosen = order[ranks] < share * len(order)
    else:
        names = np.unique(data.groups)
        picked = np.random.default_rng(0).permutation(names)[: int(share * len(names))]
        chosen = np.isin(data.groups, picked)
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def print_sources(data: Bunch, measured: Measured, found: np.ndarray, labels: np.ndarray) -> None:
    """Print a line for each source."""
    print("| source | E | F | inside | period 2, 4, 8 | own | other |")
    print("|---|---|---|---|---|---|---|")
    for label, source in enumerate(data.target_names):
        first, second = measured.halves[:, label]
        product = first * second
        inside = product[BORDER:-BORDER, BORDER:-BORDER].sum() / product.sum()
        parts = [np.mean(folded(first, p) * folded(second, p)) / product.mean() for p in PERIODS]
        shape = f"{inside:.2f} | {', '.join(f'{part:.2f}' for part in parts)}"
        if product.mean() < LEAST_ENERGY:
            shape = "– | –"
        own = found[labels == label]
        print(
            f"| {source} | {measured.energies[label]:.2f} | {product.mean():.4f} "
            f"| {shape} "
            f"| {own[:, label].mean():.3f} ± {own[:, label].std():.3f} "
            f"| {np.delete(own.mean(0), label).max(initial=-1):.3f} |"
        )


def print_overall(data: Bunch, found: np.ndarray, labels: np.ndarray) -> None:
    """Print what takes all sources together."""
    trimmed = [f"{accuracy(found[:, i], labels):.3f}" for i in range(len(TRIMS))]
    print(f"\naccuracy with {', '.join(map(str, TRIMS))} pixels trimmed: {', '.join(trimmed)}")
    full = found[:, 0]
    own = np.arange(full.shape[1]) == labels[:, None]
    groups = {"own": own, "stranger": ~own}
    kinds = data.get("architectures")
    if kinds is not None:
        sibling = (kinds == kinds[labels][:, None]) & ~own
        groups = {"own": own, "sibling": sibling, "stranger": ~own & ~sibling}
        for kind in dict.fromkeys(kinds.tolist()):
            of_kind = kinds[labels] == kind
            print(f"  {kind}: {accuracy(full[of_kind], labels[of_kind]):.3f}")
    for word, mask in groups.items():
        print(f"correlation, {word}: {full[mask].mean():.4f} ± {full[mask].std():.4f}")
        if word != "own":
            known = np.repeat([True, False], [own.sum(), mask.sum()])
            area = roc_auc_score(known, np.concatenate([full[own], full[mask]]))
            print(f"AUC of own against {word}: {area:.4f}")


def accuracy(scored: np.ndarray, labels: np.ndarray) -> float:
    """Part of the images whose own fingerprint correlates most."""
    return float(np.mean(scored.argmax(1) == labels))


def main() -> None:
    """Measure the zoo, the bundled samples, and each folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", metavar="DIR", nargs="*")
    parser.add_argument(
        "--images", type=int, default=200, help="simulated images a source; 0: none"
    )
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--fit", type=float, default=0.5, help="part that is fitted on")
    parser.add_argument("--groups", choices=["name"])
    options = parser.parse_args()
    if options.images:
        zoo = make_generator_images(
            options.images,
            image_size=options.size,
            shared_content=options.groups is not None,
            n_jobs=-1,
        )
        zoo.groups = zoo.groups if options.groups else None
        report("simulated zoo", zoo, options.fit)
    samples = load_samples()
    samples.groups = None
    report("bundled samples", samples, options.fit)
    for directory in options.directories:
        reader = ImageReader(options.size)
        report(
            directory,
            load_image_folder(directory, reader=reader, groups=options.groups),
            options.fit,
        )


if __name__ == "__main__":
    main()
