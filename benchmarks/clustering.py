"""Blind clustering: how well images are sorted by source, without labels and with no number given.

Usage: python benchmarks/clustering.py --data SAME_SCENE [--wild DIR] [--siblings DIR] [--seeds 5]
                                       [--first-seed 0] [--json FILE] [--sizes 500 2000 5000]
                                       [--more DIR ...]

Each DIR of --more, with a folder per source, gives two rows: nine of ten of its images as they are,
and with equal histories, which is JPEG of a random quality from 70 to 95.

SAME_SCENE has a folder per source, with 80 images of 256 px each. Each row is measured on draws of
these images, by default of the seeds 0 to 4. Development used seeds of 100 and more. Prints, and
writes as JSON:

- adjusted Rand index (ARI), normalised mutual information (NMI) and purity against the true
  sources, where images that fit nowhere count as one more cluster;
- the number of clusters found over the number of sources;
- two controls: the ARI of images that were shrunk to a quarter and enlarged again, in which no
  fingerprint is left, and of denoised images in place of residuals;
- for each single source, and for halves and quarters of it, in how many cases one cluster is found;
- CPU seconds and memory for more and more images, which are shifted crops of those at hand.
"""

import argparse
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from common import header, line, mean_and_spread, write_json
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from sklearn_ganprint import FingerprintClustering, ResidualTransformer
from sklearn_ganprint.clustering import cluster_parts, part_spectra, part_textures
from sklearn_ganprint.datasets import ImageReader, load_image_folder
from sklearn_ganprint.perturbations import JPEGCompression, Resize

COLUMNS = (
    "ARI",
    "NMI",
    "purity",
    "clusters / sources",
    "fit nowhere",
    "ARI, shrunk",
    "ARI, denoised",
)
N_WILD = 128
SINGLE_SIZES = (80, 40, 20)


def load(folder: Path, crop: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Images and sources of a folder; crops from the top-left corner."""
    data = load_image_folder(folder, reader=ImageReader(crop))
    return data.data, np.asarray(data.target)


def load_wild(folder: Path, crop: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Images of the sources in a folder that are large enough."""
    images, sources = [], []
    for number, source in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        files = sorted(source.iterdir())
        if min(ImageReader().read(files[:1]).shape[1:3]) >= crop:
            images.append(ImageReader(crop).read(files))
            sources += [number] * len(files)
    return np.concatenate(images), np.array(sources)


def residuals(images: np.ndarray) -> np.ndarray:
    """Residuals in colour, and the luminance of the images behind them."""
    transformer = ResidualTransformer(channels="rgb", flatten=False, intensity=True)
    return transformer.fit_transform(images)


def denoised(images: np.ndarray) -> np.ndarray:
    """Take the residuals from images: what the denoiser leaves, which is not content only."""
    kept = images.astype(np.float32) - residuals(images)[..., :-1]
    luminance = kept @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.concatenate([kept, luminance[..., np.newaxis]], axis=3)


def shrunk(images: np.ndarray) -> np.ndarray:
    """Residuals of images that were shrunk to a quarter and enlarged again."""
    blurred = Resize(0.25, restore=True).fit_transform(images)
    return residuals(np.asarray(blurred).reshape(images.shape))


KINDS = {"residuals": residuals, "shrunk": shrunk, "denoised": denoised}


def draw(sources: np.ndarray, sizes: Any, rng: np.random.Generator) -> np.ndarray:
    """Choose so many images of each source, in the order in which they were loaded."""
    labels = np.unique(sources)
    chosen = [
        rng.choice(np.flatnonzero(sources == label), size, replace=False)
        for label, size in zip(labels, np.broadcast_to(sizes, len(labels)), strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def features(residuals: np.ndarray) -> np.ndarray:
    """Features as FingerprintClustering has them."""
    return np.concatenate([part_spectra(residuals), part_textures(residuals)], axis=2)


def clusters(parts: np.ndarray) -> Any:
    """Cluster such features."""
    return cluster_parts(parts, n_textures=1336)


def score(sources: np.ndarray, parts: np.ndarray) -> dict[str, float]:
    """Cluster features as FingerprintClustering does, and compare with the sources."""
    labels = clusters(parts).labels(parts[:, 0])
    table = contingency_matrix(sources, labels)
    return {
        "ari": float(adjusted_rand_score(sources, labels)),
        "nmi": float(normalized_mutual_info_score(sources, labels)),
        "purity": float(table.max(axis=0).sum() / table.sum()),
        "ratio": float((labels.max() + 1) / len(table)),
        "nowhere": float((labels < 0).mean()),
    }


def equal_histories(images: np.ndarray) -> np.ndarray:
    """Compress each image as JPEG of a random quality from 70 to 95."""
    qualities = np.random.default_rng(0).integers(70, 96, len(images))
    made = np.empty_like(images)
    for quality in np.unique(qualities):
        own = qualities == quality
        compressed = JPEGCompression(int(quality)).fit_transform(images[own])
        made[own] = np.asarray(compressed).reshape(images[own].shape)
    return made


class Rows:
    """The rows of the table: draws of images, and what is made of them first."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.images, self.sources = load(options.data)
        self.extra = load_wild(options.wild) if options.wild else None
        self.siblings = load(options.siblings, 128) if options.siblings else None
        self.more = options.more
        self.seeds = range(options.first_seed, options.first_seed + options.seeds)

    def versions(self) -> Iterator[tuple[str, np.ndarray, np.ndarray, Any, bool]]:
        """Yield name, images, sources, sizes of the sources, and whether others are mixed in."""
        images, sources = self.images, self.sources
        n_sources = len(np.unique(sources))
        uneven = np.linspace(10, 80, n_sources).round().astype(int)
        yield "64 a source", images, sources, 64, False
        yield "10 to 80 a source", images, sources, uneven, False
        yield "20 a source", images, sources, 20, False
        if self.extra is not None:
            yield "64 a source, 20 % other", images, sources, 64, True
        for quality in (95, 85):
            recompressed = JPEGCompression(quality).fit_transform(images)
            shaped = np.asarray(recompressed).reshape(images.shape)
            yield f"64 a source, JPEG {quality}", shaped, sources, 64, False
        yield "64 a source, 128 px crops", images[:, :128, :128], sources, 64, False
        if self.siblings is not None:
            yield "siblings, 64 a source", *self.siblings, 64, False
        yield "64 a source, equal histories", equal_histories(images), sources, 64, False
        for folder in self.more:
            images, sources = load(folder)
            yield f"{folder.name}, as they are", images, sources, None, False
            yield f"{folder.name}, equal histories", equal_histories(images), sources, None, False

    def draws(
        self, sources: np.ndarray, sizes: Any, mixed: bool
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield positions of images, and of others that are mixed in, for each seed."""
        for seed in self.seeds:
            rng = np.random.default_rng(seed)
            if sizes is None:
                chosen = np.sort(rng.permutation(len(sources))[: 9 * len(sources) // 10])
            else:
                shuffled = sizes if np.isscalar(sizes) else rng.permutation(sizes)
                chosen = draw(sources, shuffled, rng)
            n_extra = N_WILD if mixed else 0
            others = rng.choice(len(self.extra[1]), n_extra, replace=False) if mixed else []
            yield chosen, np.sort(np.array(others, dtype=int))


def measure(rows: Rows) -> dict[str, Any]:
    """Measure each row, on residuals and on content; print a table."""
    print(header(["images", *COLUMNS]), flush=True)
    results = {}
    for name, images, sources, sizes, mixed in rows.versions():
        found: dict[str, list[dict[str, float]]] = {}
        for kind, transform in KINDS.items():
            X = features(transform(images))
            extra = features(transform(rows.extra[0])) if mixed else None
            for chosen, others in rows.draws(sources, sizes, mixed):
                used, truth = X[chosen], sources[chosen]
                if mixed:
                    used = np.concatenate([used, extra[others]])
                    truth = np.concatenate([truth, 1000 + rows.extra[1][others]])
                found.setdefault(kind, []).append(score(truth, used))
        results[name] = found
        print(line([name, *cells(found)]), flush=True)
    return results


def cells(found: dict[str, list[dict[str, float]]]) -> list[str]:
    """Figures of a row as text."""
    ours = {key: [each[key] for each in found["residuals"]] for key in found["residuals"][0]}
    return [
        mean_and_spread(ours["ari"]),
        f"{np.mean(ours['nmi']):.3f}",
        f"{np.mean(ours['purity']):.3f}",
        f"{np.mean(ours['ratio']):.2f}",
        f"{np.mean(ours['nowhere']):.3f}",
        *(f"{np.mean([each['ari'] for each in found[kind]]):.3f}" for kind in list(KINDS)[1:]),
    ]


def measure_single(rows: Rows) -> dict[str, list[int]]:
    """Count the clusters found in each source alone, and in parts of it."""
    X, results = features(residuals(rows.images)), {}
    labels = np.unique(rows.sources)
    print(f"\n{header(['of one source', 'one cluster found', 'clusters'])}", flush=True)
    for size in SINGLE_SIZES:
        counts = []
        for seed in rows.seeds:
            rng = np.random.default_rng(seed)
            for label in labels:
                own = np.flatnonzero(rows.sources == label)
                chosen = np.sort(rng.choice(own, min(size, len(own)), replace=False))
                counts.append(len(clusters(X[chosen]).centers))
            if size >= len(own):  # all of them: no draw
                break
        results[str(size)] = counts
        share = f"{sum(count == 1 for count in counts)} of {len(counts)}"
        print(line([str(size), share, f"{min(counts)} to {max(counts)}"]), flush=True)
    return results


def time_fit(folder: Path, size: int) -> dict[str, float]:
    """CPU seconds of a fit to residuals that are in memory already, and how much more it takes."""
    X = residuals(load(folder)[0])
    rng = np.random.default_rng(size)
    rolled = np.empty((size, *X.shape[1:]), X.dtype)
    for number in range(size):
        shift = tuple(rng.integers(0, X.shape[1], 2))
        rolled[number] = np.roll(X[number % len(X)], shift, axis=(0, 1))
    # On Linux this sets the peak back to what is in use now.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = peak()
    start = time.process_time()
    FingerprintClustering().fit(rolled)
    seconds = time.process_time() - start
    return {"seconds": seconds, "mib": peak() - before}


def peak() -> float:
    """Greatest memory of this process so far, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure_time(folder: Path, sizes: list[int]) -> dict[str, dict[str, float]]:
    """Time fits, each in a process of its own, whose greatest memory is that of the fit."""
    results = {}
    print(f"\n{header(['images', 'CPU seconds', 'MiB beside the residuals'])}", flush=True)
    for size in sizes:
        with get_context("spawn").Pool(1) as pool:
            found = pool.apply(time_fit, (folder, size))
        results[str(size)] = found
        print(line([str(size), f"{found['seconds']:.0f}", f"{found['mib']:.0f}"]), flush=True)
    return results


def main() -> None:
    """Measure all rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="DIR", required=True)
    parser.add_argument("--wild", type=Path, metavar="DIR")
    parser.add_argument("--siblings", type=Path, metavar="DIR")
    parser.add_argument("--more", type=Path, metavar="DIR", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--sizes", type=int, nargs="*", default=[500, 2000, 5000])
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    rows = Rows(options)
    results = {"rows": measure(rows), "single": measure_single(rows)}
    write_json({**results, "time": measure_time(options.data, options.sizes)}, options.json)


if __name__ == "__main__":
    main()
