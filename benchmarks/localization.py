"""Splices: how well their pixels are found, and how many clean images get a false region.

Usage: python benchmarks/localization.py [DIR ...] [--crop 256] [--sizes 128 64 32] [--large DIR]
                                         [--seeds 5] [--most 96] [--json FILE]

Measures the bundled samples, then each DIR, which has a folder per source. Half of the images of
each source is fitted on, thresholds included. Into images of the other half a square is pasted, at
a random place, from a random place of another image of that half, so that its pixel grid is
shifted. Residuals are taken afterwards. Prints, and writes as JSON, for each side of the square:

- "known": the square comes from another source that was fitted on;
- "unknown": from a source that was left out of the fit, another one for each seed;
- "same": from another image of the same source, as a control: it has the same trace, and what is
  found of it is content, or the shifted grid;
- "unclaimed": as "known", but the claimed source is not given;

and of each of them

- AUC of the map within an image, its mean over the images, where what is not a number counts as
  the least value; and of the pixels of all images together;
- F1 within an image, its mean over the images: of the regions that ``predict`` marks, and at the
  one threshold of the maps that is best for all images together, which nobody has;
- Matthews' correlation of the regions with the truth, its mean over the images;
- the share of images with a region that overlaps the square.

The share of clean images with a region of 400 pixels or more stands above the table. Below it
stand, for images that were processed as a whole, the share of untouched ones with a region, with
and without a claim, and the share whose history is told to differ; and the table of squares that
were pasted before the whole image was compressed. With
``--large`` squares of 256 px in the images of that folder, whole, are measured in the same way.
At the end stand seconds and memory for images of 1 and 14 megapixels.
"""

import time
import tracemalloc
from typing import Any, NamedTuple

import numpy as np
from common import (
    describe,
    halve,
    header,
    image_sets,
    line,
    make_parser,
    mean_and_spread,
    samples_by_crop,
    write_json,
)
from scipy import ndimage
from sklearn.metrics import matthews_corrcoef, roc_auc_score
from sklearn.utils import Bunch

from sklearn_ganprint import make_localization_pipeline
from sklearn_ganprint.datasets import ImageReader, load_image_folder
from sklearn_ganprint.localization import localize_images
from sklearn_ganprint.perturbations import Crop, RandomHistory, check_perturbation

#: What whole images go through.
OTHERS = ("crop", "rotate", "resize", "blur", "sharpen", "contrast", "brightness", "noise", "jpeg")
HISTORIES = {
    **{text: check_perturbation(text) for text in ("jpeg 90", "jpeg 75", "jpeg 50")},
    "webp 80": RandomHistory(**dict.fromkeys(OTHERS), grey=0.0, webp=(1.0, 80, 80), rounds=(1,)),
    **{text: check_perturbation(text) for text in ("resize 0.8", "blur 1")},
    "cut off the grid": Crop(offset=(3, 5)),
}
#: What spliced images go through.
COMPRESSED = ("jpeg 90", "jpeg 75")
MEASURES = ("AUC", "AUC pooled", "F1", "best F1", "MCC", "found")
#: Pixels that count as a false region.
REGION = 400
#: For squares of 256 px; tried on seeds from 100 on.
LARGE_WINDOWS = {"localizer__window_size": 32, "localizer__smoothing": 5}


class Plan(NamedTuple):
    """What is measured of a set of images."""

    sizes: list[int]
    most: int
    n_seeds: int
    params: dict[str, Any]

    def make_pipeline(self) -> Any:
        """Make the pipeline to be fitted."""
        return make_localization_pipeline().set_params(**self.params)


def splice(
    data: Bunch, hosts: np.ndarray, donors: np.ndarray, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paste a square of each donor into each host; return the images, and where it is."""
    images = data.data[hosts].copy()
    truth = np.zeros(images.shape[:3], dtype=bool)
    for image, mask, donor in zip(images, truth, data.data[donors], strict=True):
        (top, left), (up, aside) = (
            rng.integers(0, np.subtract(image.shape[:2], side) + 1) for _ in range(2)
        )
        image[top : top + side, left : left + side] = donor[up : up + side, aside : aside + side]
        mask[top : top + side, left : left + side] = True
    return images, truth


def draw_donors(
    data: Bunch, hosts: np.ndarray, pool: np.ndarray, same: bool, rng: np.random.Generator
) -> np.ndarray:
    """Draw an image for each host, of another source or of the same, and never itself."""
    target = data.target
    return np.array(
        [rng.choice(pool[((target[pool] == target[h]) == same) & (pool != h)]) for h in hosts]
    )


def in_batches(pipeline: Any, images: np.ndarray, claimed: Any) -> tuple[np.ndarray, np.ndarray]:
    """Make maps and masks of many images."""
    parts = [slice(start, start + 8) for start in range(0, len(images), 8)]
    found = [
        localize_images(pipeline, images[part], None if claimed is None else claimed[part])
        for part in parts
    ]
    return tuple(np.concatenate([each[part] for each in found]) for part in (0, 1))


def f1(mask: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """F1 of each image."""
    both = (mask & truth).sum(axis=(1, 2))
    return 2 * both / (mask.sum(axis=(1, 2)) + truth.sum(axis=(1, 2)))


def measure(maps: np.ndarray, masks: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Compare maps and masks with the truth."""
    maps = np.where(np.isnan(maps), np.nanmin(maps), maps)
    # Every other pixel: they are alike, and ranks of all of them take long.
    some, where = maps[:, ::2, ::2], truth[:, ::2, ::2]
    pairs = list(zip(where.reshape(len(maps), -1), some.reshape(len(maps), -1), strict=True))
    levels = np.quantile(some, np.linspace(0.5, 0.998, 40))
    mcc = [matthews_corrcoef(t.ravel(), m.ravel()) for t, m in zip(truth, masks, strict=True)]
    found = {
        "AUC": np.mean([roc_auc_score(*pair) for pair in pairs]),
        "AUC pooled": roc_auc_score(where[:, ::2, ::2].ravel(), some[:, ::2, ::2].ravel()),
        "F1": f1(masks, truth).mean(),
        "best F1": max(f1(some >= level, where).mean() for level in levels),
        "MCC": np.mean(mcc),
        "found": (masks & truth).any(axis=(1, 2)).mean(),
    }
    return {key: float(value) for key, value in found.items()}


def has_region(mask: np.ndarray) -> bool:
    """Whether a mask has a region that counts."""
    return bool(np.bincount(ndimage.label(mask)[0].ravel())[1:].max(initial=0) >= REGION)


def one_seed(data: Bunch, plan: Plan, seed: int) -> dict[str, dict[str, float]]:
    """Fit on half, and measure on the other half."""
    fit, test = halve(data.target, data.groups, seed)
    names, rng = data.target_names[data.target], np.random.default_rng(seed)
    start = time.perf_counter()
    pipeline = plan.make_pipeline().fit(data.data[fit], names[fit])
    seconds = time.perf_counter() - start
    _, masks = in_batches(pipeline, data.data[test], names[test])
    false = np.array([has_region(mask) for mask in masks])
    by_source = {str(each): float(false[names[test] == each].mean()) for each in data.target_names}
    found: dict[str, Any] = {
        "clean": {"false regions": float(np.mean(false)), "fit seconds": seconds, **by_source}
    }
    hosts = rng.permutation(test)[: plan.most]
    found["processed"] = processed_as_a_whole(pipeline, data.data[test], names[test])
    for side in plan.sizes:
        donors = draw_donors(data, hosts, test, False, rng)
        images, truth = splice(data, hosts, donors, side, rng)
        for history in COMPRESSED:
            processed = HISTORIES[history].fit_transform(images)
            found[f"known {side} {history}"] = measure(
                *in_batches(pipeline, processed, names[hosts]), truth
            )
        found[f"known {side}"] = measure(*in_batches(pipeline, images, names[hosts]), truth)
        if side == plan.sizes[0]:
            found[f"unclaimed {side}"] = measure(*in_batches(pipeline, images, None), truth)
        few = hosts[: max(8, plan.most // 4)]
        images, truth = splice(data, few, draw_donors(data, few, test, True, rng), side, rng)
        found[f"same {side}"] = measure(*in_batches(pipeline, images, names[few]), truth)
    return found | unknown_donors(data, plan, (fit, test), seed)


def processed_as_a_whole(
    pipeline: Any, images: np.ndarray, names: np.ndarray
) -> dict[str, dict[str, float]]:
    """Process untouched images: shares with a region, and of those whose history differs."""
    found = {}
    for history, perturbation in HISTORIES.items():
        processed = perturbation.fit_transform(images)
        answer, differs = localize_images(pipeline, processed, return_processed=True)
        without = np.array([has_region(mask) for mask in answer.masks])
        # The claim changes nothing where it is the likeliest source.
        with_claim, other = without.copy(), answer.claimed != names
        if other.any():
            masks = localize_images(pipeline, processed[other], names[other]).masks
            with_claim[other] = [has_region(mask) for mask in masks]
        found[history] = {
            "claimed": float(with_claim.mean()),
            "unclaimed": float(without.mean()),
            "history differs": float(differs.mean()),
        }
    return found


def unknown_donors(
    data: Bunch, plan: Plan, split: tuple[np.ndarray, np.ndarray], seed: int
) -> dict[str, dict[str, float]]:
    """Leave one source out, another for each seed, and paste squares of it."""
    fit, test = split
    names, rng = data.target_names[data.target], np.random.default_rng(1000 + seed)
    n_sources = len(data.target_names)
    if n_sources < 3:
        return {}
    left_out = seed % n_sources
    known = fit[data.target[fit] != left_out]
    pipeline = plan.make_pipeline().fit(data.data[known], names[known])
    hosts = rng.permutation(test[data.target[test] != left_out])[: plan.most]
    donors = rng.choice(test[data.target[test] == left_out], len(hosts))
    found = {}
    for side in plan.sizes:
        images, truth = splice(data, hosts, donors, side, rng)
        found[f"unknown {side}"] = measure(*in_batches(pipeline, images, names[hosts]), truth)
    return found


def report(name: str, data: Bunch, plan: Plan) -> dict[str, Any]:
    """Print a table for one set of images; return all figures."""
    plan = plan._replace(sizes=[n for n in plan.sizes if 2 * n <= min(data.data.shape[1:3])])
    seeds = [one_seed(data, plan, seed) for seed in range(plan.n_seeds)]
    clean = [seed["clean"] for seed in seeds]
    print(f"\n{describe(name, data)} {plan.params or ''}")
    print(f"fitted in {mean_and_spread([each['fit seconds'] for each in clean])} s")
    print(
        "clean images with a false region, at a stated 0.050: "
        f"{mean_and_spread([each['false regions'] for each in clean])}\n"
    )
    print(header(["square", *MEASURES]))
    for key in [key for key in seeds[0] if key not in ("clean", "processed")]:
        cells = [mean_and_spread([seed[key][each] for seed in seeds]) for each in MEASURES]
        print(line([f"{key} px", *cells]), flush=True)
    print("\n" + header(["untouched, processed", "claimed", "unclaimed", "history differs"]))
    for history, measures in seeds[0]["processed"].items():
        cells = [
            mean_and_spread([seed["processed"][history][each] for seed in seeds])
            for each in measures
        ]
        print(line([history, *cells]), flush=True)
    return {"seeds": seeds}


def cost(side_lengths: list[tuple[int, int]]) -> dict[str, Any]:
    """Seconds and memory of a map, from the image on, for images of two sizes."""
    data = samples_by_crop()
    names = data.target_names[data.target]
    pipeline = make_localization_pipeline().fit(data.data[::2], names[::2])
    rng = np.random.default_rng(0)
    print("\n" + header(["image", "seconds", "of them residual", "MiB above the image"]))
    found = {}
    for height, width in side_lengths:
        image = rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
        start = time.perf_counter()
        localize_images(pipeline, image, names[0])
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        type(pipeline[0])(channels="rgb", flatten=False).fit_transform(image)
        residual = time.perf_counter() - start
        tracemalloc.start()
        localize_images(pipeline, image, names[0])
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        key = f"{height} x {width}"
        print(line([key, f"{seconds:.1f}", f"{residual:.1f}", f"{peak:.0f}"]), flush=True)
        found[key] = {"seconds": seconds, "residual": residual, "MiB": peak}
    return found


def main() -> None:
    """Measure the bundled samples, each folder, and what it costs."""
    parser = make_parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 64, 32])
    parser.add_argument("--most", type=int, default=96, help="spliced images of each kind")
    parser.add_argument("--large", metavar="DIR", help="a folder of larger images, taken whole")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    plan = Plan(options.sizes, options.most, options.seeds, {})
    for name, data in image_sets(options):
        results[name] = report(name, data, plan)
    if options.large:
        data = load_image_folder(options.large, reader=ImageReader(), groups=options.groups)
        for params in ({}, LARGE_WINDOWS):
            large = plan._replace(sizes=[256], params=params)
            results[f"{options.large}, whole {params}"] = report(options.large, data, large)
    results["cost"] = cost([(1024, 1024), (3072, 4608)])
    write_json(results, options.json)


if __name__ == "__main__":
    main()
