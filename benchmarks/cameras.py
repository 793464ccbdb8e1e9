"""Cameras by the pattern of their sensors: every variant, crops, and what large photos cost.

Usage: python benchmarks/cameras.py DIR [--unknown DIR] [--crops 3] [--json FILE]

DIR has two folders for each camera, ``NAME_flat`` with flat fields, which are fitted on, and
``NAME_natural`` with photos, which are tested, all of one size. ``--unknown`` is a folder with
photos of another camera, at least as large. Prints, and writes as JSON:

- for each variant, how many photos go to their camera, and the peak-to-correlation energy (PCE)
  with the right, a wrong, and no known camera;
- crops of the photos at random odd offsets, searched for in the fingerprints;
- the photos turned by half, as software does that applies EXIF orientations;
- the correlation of fingerprints from halves of the flat fields, of one camera and of two;
- CPU seconds and memory beside the photo by size, in a process each (Linux), on random pixels.
"""

import argparse
import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from common import header, line, write_json
from sklearn.base import clone

from sklearn_ganprint import PRNUClassifier, ResidualTransformer, make_attribution_pipeline
from sklearn_ganprint.correlation import compare_fingerprints
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.denoisers import WaveletDenoiser

SIGMAS = (3.0, 5.0)
CROPS = (1024, 512)
SIZES = {
    "6 MP": (2000, 3008, 3),
    "6 MP, grey": (2000, 3008, 1),
    "odd sides": (1999, 3001, 3),
    "14 MP": (3072, 4608, 3),
}

Photos = tuple[np.ndarray, np.ndarray]

COST = """
import json, re, sys, time
import numpy as np
from sklearn.base import clone
from sklearn_ganprint import make_attribution_pipeline

def peak():
    return int(re.search("VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

shape = json.loads(sys.argv[1])
rng = np.random.default_rng(0)
images = rng.integers(0, 256, (1, *shape), dtype=np.uint8)
pipeline = make_attribution_pipeline("prnu")
pipeline.fit(images[[0, 0], :64, :64], [0, 1])
before = peak()
start = time.process_time()
residuals = pipeline[0].fit_transform(images)
classifier = clone(pipeline[1]).partial_fit(residuals, [0], classes=[0, 1])
fitted = time.process_time()
classifier.predict(pipeline[0].transform(images))
print(json.dumps([fitted - start, time.process_time() - fitted, peak() - before]))
"""


def read(directory: Path, kind: str) -> Photos:
    """Read all photos of a kind, and the names of their cameras."""
    paths = sorted(directory.glob(f"*_{kind}/*"))
    if not paths:
        raise SystemExit(f"{directory}: expected folders named NAME_{kind} with photos")
    names = [path.parent.name.removesuffix(f"_{kind}") for path in paths]
    return ImageReader().read(paths), np.array(names)


def residuals(images: np.ndarray, sigma: float) -> np.ndarray:
    """Residuals of the luminance, with the intensity."""
    denoiser = WaveletDenoiser(sigma=sigma)
    return ResidualTransformer(denoiser, flatten=False, intensity=True).fit_transform(images)


def energies(clf: Any, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Energy of each photo with its own camera and with the others."""
    scores = clf.class_scores(X)
    own = y[:, np.newaxis] == clf.classes_
    return {
        "correct": int((clf.classes_[scores.argmax(axis=1)] == y).sum()),
        "right": scores[own].tolist(),
        "wrong": scores[~own].tolist(),
    }


def spread(values: list[float]) -> str:
    """Least and greatest, as text."""
    return f"{min(values):.0f} to {max(values):.0f}" if values else "-"


def variants(flats: Photos, photos: Photos, unknown: np.ndarray | None) -> list[dict[str, Any]]:
    """Measure every way to make and filter fingerprints."""
    print(
        header(["estimate", "zero mean", "Wiener", "sigma", "right", "PCE right", "wrong", "none"])
    )
    rows = []
    for sigma in SIGMAS:
        X, X_test = residuals(flats[0], sigma), residuals(photos[0], sigma)
        X_none = None if unknown is None else residuals(unknown, sigma)
        for estimate, phases, wiener in product(
            ("mean", "maximum likelihood"), (False, True, "bayer"), (False, True)
        ):
            channels = slice(0, 1 if estimate == "mean" else 2)
            clf = PRNUClassifier(zero_mean=phases, wiener=wiener).fit(X[..., channels], flats[1])
            found = energies(clf, X_test[..., channels], photos[1])
            none = [] if X_none is None else clf.class_scores(X_none[..., channels]).ravel()
            names = {False: "no", True: "rows and columns", "bayer": "by Bayer phase"}
            found |= {"estimate": estimate, "zero_mean": names[phases], "wiener": wiener}
            rows.append(found | {"sigma": sigma, "none": list(map(float, none))})
            cells = [estimate, names[phases], "yes" if wiener else "no", f"{sigma:g}"]
            cells += [f"{found['correct']} of {len(photos[1])}", spread(found["right"])]
            print(line([*cells, spread(found["wrong"]), spread(list(none))]), flush=True)
    return rows


def crops(flats: Photos, photos: Photos, n_crops: int) -> list[dict[str, Any]]:
    """Cut crops at random odd offsets, and search for them."""
    print("\n" + header(["crop", "crops", "right camera", "place found", "PCE right", "wrong"]))
    pipeline = make_attribution_pipeline("prnu").fit(*flats)
    rng, rows = np.random.default_rng(0), []
    for side in CROPS:
        found, right, wrong = [], [], []
        for image, name in zip(*photos, strict=True):
            code = int(np.searchsorted(pipeline.classes_, name))
            for _ in range(n_crops):
                top, left = (2 * rng.integers(0, (n - side) // 2) + 1 for n in image.shape[:2])
                cut = image[np.newaxis, top : top + side, left : left + side]
                peaks = pipeline[-1].locate(clone(pipeline[0]).fit_transform(cut))
                at = peaks.offset[0, code].tolist() == [top, left]
                found.append((int(peaks.pce[0].argmax()) == code, at))
                right.append(float(peaks.pce[0, code]))
                wrong.append(float(np.delete(peaks.pce[0], code).max()))
        n_right, n_placed = (int(sum(each)) for each in zip(*found, strict=True))
        rows.append({"side": side, "right": right, "wrong": wrong, "placed": n_placed})
        cells = [f"{side} px", str(len(found)), str(n_right), str(n_placed)]
        print(line([*cells, spread(right), spread(wrong)]), flush=True)
    return rows


def turned(flats: Photos, photos: Photos) -> dict[str, Any]:
    """Attribute photos as they are, and turned by half."""
    print("\n" + header(["photos", "right camera", "PCE right", "wrong"]))
    pipeline, found = make_attribution_pipeline("prnu").fit(*flats), {}
    for name, images in (("as stored", photos[0]), ("turned by half", photos[0][:, ::-1, ::-1])):
        found[name] = energies(pipeline[-1], pipeline[:-1].transform(images), photos[1])
        cells = [name, f"{found[name]['correct']} of {len(images)}", spread(found[name]["right"])]
        print(line([*cells, spread(found[name]["wrong"])]), flush=True)
    return found


def halves(flats: Photos) -> dict[str, list[float]]:
    """Compare fingerprints of two or three flat fields each."""
    X, y = residuals(flats[0], SIGMAS[0]), flats[1]
    part = np.arange(len(y)) % 2
    models = [PRNUClassifier().fit(X[part == each], y[part == each]) for each in (0, 1)]
    images = [each.fingerprints_.reshape(-1, *each.fingerprint_shape_) for each in models]
    found: dict[str, list[float]] = {"same": [], "different": []}
    for (i, first), (j, second) in product(enumerate(images[0]), enumerate(images[1])):
        z = compare_fingerprints(first, second).z_score
        found["same" if i == j else "different"].append(z)
    print("\n" + header(["fingerprints of", "z score"]))
    for name, values in found.items():
        print(line([f"{name} camera", spread(values)]), flush=True)
    return found


def cost() -> list[dict[str, Any]]:
    """Measure seconds and memory of a photo of each size, with two cameras."""
    print("\n" + header(["photos", "CPU s to fit one", "to attribute one", "peak MB"]))
    rows = []
    for name, shape in SIZES.items():
        command = [sys.executable, "-c", COST, json.dumps(shape)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        fit, attribute, memory = json.loads(run.stdout)
        rows.append({"size": name, "fit": fit, "attribute": attribute, "memory": memory})
        print(line([name, f"{fit:.1f}", f"{attribute:.1f}", f"{memory:.0f}"]), flush=True)
    return rows


def main() -> None:
    """Measure the cameras in a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", metavar="DIR", type=Path)
    parser.add_argument("--unknown", metavar="DIR", type=Path)
    parser.add_argument("--crops", type=int, default=3, help="of each photo and size")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    flats, photos = read(options.directory, "flat"), read(options.directory, "natural")
    unknown = None
    if options.unknown is not None:
        unknown = ImageReader(flats[0].shape[1:3]).read(sorted(options.unknown.iterdir()))
    results = {
        "variants": variants(flats, photos, unknown),
        "crops": crops(flats, photos, options.crops),
        "turned": turned(flats, photos),
        "halves": halves(flats),
        "cost": cost(),
    }
    write_json(results, options.json)


if __name__ == "__main__":
    main()
