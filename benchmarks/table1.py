"""The paper's Table 1 with real images: what `ganprint reproduce` and the default kind find.

Usage: python benchmarks/table1.py DIR [DIR ...] --out FOLDER [--images 20] [--seeds 3]
       [--kind robust] [--only {reproduce,kind}] [--sources NAME ...]

Each DIR has a folder per source. Sources of the paper's architectures and their relatives, by the
names in `ARCHITECTURES`, give 2 x 20 images each; a camera with fewer photos gives parts of 256
pixels of each. Parts of one photo, and images of one scene, face or latent, are on one side of
every split. `ganprint reproduce --controls` goes over them, at the size that all sources have and
at 256 pixels without those that are smaller. Then the default kind is fitted on halves, without
their groups: images as they are, at equal histories (JPEG of random quality 70 to 95), and shrunk
to a quarter and enlarged before that, which is the control. Prints the accuracy of each source;
FOLDER keeps what was done. --sources takes these sources alone, of any architecture and number of
images.
"""

import argparse
import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from common import header, line, mean_and_spread
from PIL import Image

from sklearn_ganprint import FileBatchEstimator, make_attribution_pipeline
from sklearn_ganprint.cli import main
from sklearn_ganprint.datasets import ImageReader

#: What the names of sources begin with, or that of their DIR, by architecture.
ARCHITECTURES = {
    "Cycle-GAN": r"cyclegan",
    "Pro-GAN": r"progan",
    "Star-GAN": r"stargan|siblings\w*/(?!real)",
    "pix2pix": r"pix2pix",
    "generated.photos": r"generated_photos",
    "camera": r"camera_|nikon_d90",
}
#: What of a file's name tells the scene: an ImageNet photo, a latent, a number before a version.
SCENE = (r"n\d{8}_\d+", r"c\d\d(?=$|_k)", r"^\d+(?=_|$)", r".+(?=__)")
#: Pixels of a side of what is read, and of photos that are cut into parts.
SIDE, PHOTO = 256, 1024


def listed(options: argparse.Namespace) -> list[dict[str, str]]:
    """Choose the images: rows with path, label, group and architecture."""
    rows, n_images, chosen = [], options.images, options.sources
    for source in sorted(path for name in options.directories for path in Path(name).iterdir()):
        name = f"{source.parent.name}/{source.name}"
        found = (key for key, form in ARCHITECTURES.items() if re.search(form, name))
        architecture = next(found, "other" if chosen else None)
        paths = sorted(path for path in source.iterdir() if path.is_file())
        if architecture == "camera" and 2 <= len(paths) < 2 * n_images:
            paths = [part for path in paths for part in parts(path, n_images, options.out)]
        enough = source.name in chosen if chosen else len(paths) >= 2 * n_images
        if architecture is None or not enough:
            continue
        n_kept = min(len(paths), 2 * n_images)
        keep = np.linspace(0, len(paths) - 1, n_kept).round().astype(int)
        for path in (paths[position].absolute() for position in keep):
            group = scene(path.stem, source.name)
            row = {"path": str(path), "label": source.name, "group": group}
            rows.append({**row, "architecture": architecture})
    return rows


def scene(stem: str, source: str) -> str:
    """Name what an image shows; latents are numbered anew by each source."""
    found = (match.group() for form in SCENE if (match := re.search(form, stem)))
    name = next(found, f"{source} {stem}")
    return f"{source} {name}" if re.fullmatch(r"c\d\d|DSC.*", name) else name


def parts(path: Path, n_parts: int, folder: Path) -> list[Path]:
    """Cut a photo into parts at the corners of its 16 x 16 blocks, and write them as PNG."""
    with Image.open(path) as opened:
        photo = opened.convert("RGB")
    if min(photo.size) < PHOTO:
        return []
    rng = np.random.default_rng(0)
    places = [
        (x, y)
        for x in range(0, photo.width - SIDE, SIDE)
        for y in range(0, photo.height - SIDE, SIDE)
    ]
    written = []
    for x, y in rng.permutation(places)[:n_parts].tolist():
        written.append(folder / "parts" / f"{path.stem}__{x:04d}_{y:04d}.png")
        written[-1].parent.mkdir(parents=True, exist_ok=True)
        photo.crop((x, y, x + SIDE, y + SIDE)).save(written[-1])
    return written


def halve(labels: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """Tell which images are fitted on: about half of the groups of each source, whole groups."""
    rng = np.random.default_rng(seed)
    fitted: dict[str, bool] = {}
    # Groups of several sources first: they are halved together.
    for label in sorted(set(labels), key=lambda name: (-shared(name, labels, groups), name)):
        own, counts = np.unique(groups[labels == label], return_counts=True)
        order = rng.permutation(len(own))
        n_fit = sum(n for group, n in zip(own, counts, strict=True) if fitted.get(group))
        for position in order:
            if own[position] not in fitted:
                more = n_fit + counts[position] / 2 <= counts.sum() / 2
                fitted[own[position]] = bool(more)
                n_fit += int(more) * counts[position]
    return np.array([fitted[group] for group in groups])


def shared(label: str, labels: np.ndarray, groups: np.ndarray) -> int:
    """Count the groups that a source has in common with others."""
    return len(np.intersect1d(groups[labels == label], groups[labels != label]))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Compress, and read again."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def shrunk(image: Image.Image) -> Image.Image:
    """Shrink to a quarter and enlarge: only content is left."""
    small = image.resize((image.width // 4, image.height // 4), Image.Resampling.BICUBIC)
    return small.resize(image.size, Image.Resampling.BICUBIC)


CONDITIONS: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "as they are": lambda image, quality: image,
    "equal histories": jpeg,
    "shrunk and enlarged": lambda image, quality: jpeg(shrunk(image), quality),
}


def prepared(rows: Sequence[dict[str, str]], condition: str, folder: Path) -> list[str]:
    """Write the images of one condition as PNG, cut at the top left."""
    rng, paths = np.random.default_rng(0), []
    for number, row in enumerate(rows):
        quality = int(rng.integers(70, 96))
        path = folder / condition / row["label"] / f"{number:05d}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(row["path"]) as opened:
                box = (0, 0, min(SIDE, opened.width), min(SIDE, opened.height))
                image = opened.convert("RGB").crop(box)
            CONDITIONS[condition](image, quality).save(path)
        paths.append(str(path))
    return paths


def attributed(paths: list[str], labels: np.ndarray, fit: np.ndarray, kind: str) -> np.ndarray:
    """Fit on one side, and name the source of each image of the other."""
    reader = ImageReader((SIDE, SIDE), min_side=64)
    model = FileBatchEstimator(make_attribution_pipeline(kind), reader=reader)
    files = np.array(paths, dtype=object)
    return model.fit(files[fit].tolist(), labels[fit]).predict(files[~fit].tolist())


def default_kind(rows: Sequence[dict[str, str]], options: argparse.Namespace) -> None:
    """Measure the default kind, seed by seed, and print the accuracy of each source."""
    labels, groups = (np.array([row[key] for row in rows]) for key in ("label", "group"))
    kept = options.out / "answers.json"
    answers = json.loads(kept.read_text()) if kept.exists() else {}
    for seed in range(options.seeds):
        fit = halve(labels, groups, seed)
        for condition in CONDITIONS:
            key = f"{condition}, {seed}"
            if key not in answers:
                paths = prepared(rows, condition, options.out)
                answers[key] = attributed(paths, labels, fit, options.kind).tolist()
                kept.write_text(json.dumps(answers))
                right = np.mean(labels[~fit] == answers[key])
                print(f"half {seed}, {condition}: {right:.3f}", flush=True)
    siblings = sorted({row["label"] for row in rows if row["architecture"] == "Star-GAN"})
    accuracies: dict[str, list[str]] = {}
    for condition in CONDITIONS:
        found = []
        for seed in range(options.seeds):
            test = labels[~halve(labels, groups, seed)]
            named = np.array(answers[f"{condition}, {seed}"])
            right, star = test == named, np.isin(test, siblings)
            as_one = right | star & np.isin(named, siblings)
            means = [right.mean()]
            if siblings:
                means += [right[star].mean(), right[~star].mean(), as_one.mean()]
            found.append([*means, *(right[test == label].mean() for label in np.unique(labels))])
        accuracies[condition] = [mean_and_spread(column) for column in np.transpose(found)]
    names = ["all", *(("Star-GAN", "all others", "all, Star-GAN as one") if siblings else ())]
    print(header(["source", *CONDITIONS]))
    for cells in zip([*names, *np.unique(labels)], *accuracies.values(), strict=True):
        print(line(cells))


def reproduce(rows: Sequence[dict[str, str]], options: argparse.Namespace) -> None:
    """Run `ganprint reproduce`, and print a row for each architecture, and the controls."""
    for side in (128, SIDE):
        chosen = [row for row in rows if least_side(row["path"]) >= side]
        listing, out = options.out / f"table1-{side}.csv", options.out / f"reproduced-{side}"
        with listing.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, rows[0])
            writer.writeheader()
            writer.writerows(chosen)
        command = ["reproduce", str(listing), "--out", str(out), "--crop", str(side)]
        if not (out / "results.json").exists():
            main([*command, "--controls", "--n-robustness", "0"])
        found = json.loads((out / "results.json").read_text(encoding="utf-8"))
        for table in (found["architectures"], found["controls"]["controls"]):
            print(f"\n{side} px\n\n{header(list(table[0]))}")
            for row in table:
                print(line([f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()]))


def least_side(path: str) -> int:
    """Read the shorter side of an image."""
    with Image.open(path) as image:
        return min(image.size)


def run(options: argparse.Namespace) -> None:
    """List the images, reproduce the paper on them, and measure the default kind."""
    options.out.mkdir(parents=True, exist_ok=True)
    rows = listed(options)
    for name, measure in {"reproduce": reproduce, "kind": default_kind}.items():
        if options.only in (None, name):
            measure(rows, options)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", metavar="DIR", nargs="+")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--images", type=int, default=20, help="of each source, on each side")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=["reproduce", "kind"])
    parser.add_argument("--kind", default="robust")
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="these sources alone")
    run(parser.parse_args())
