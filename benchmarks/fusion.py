"""Whether a fusion is worse than its best member, with groups and without, clean and compressed.

Usage: python benchmarks/fusion.py DIR ... [--leave-out NAME ...] [--crop 256] [--quality 75]
       [--seeds 3] [--json FILE]

DIR has a folder per source. Files of one name, up to a double underscore if there is one, show the
same photo or prompt and stay on one side of the halves that are fitted on and tested. Prints mean
accuracies over the seeds, and the fusion's less that of the better member; `--json` has all. The
fusion is fitted on clean images and tested on both kinds, then on compressed ones.
"""

import argparse
import warnings
from typing import Any

import numpy as np
from common import describe, halves, header, line, make_parser, photo_or_prompt, write_json
from sklearn.utils import Bunch

from sklearn_ganprint import make_attribution_pipeline
from sklearn_ganprint.datasets import ImageReader, load_image_folder
from sklearn_ganprint.perturbations import JPEGCompression

#: What is fitted on, and what is tested.
CASES = (("clean", "clean"), ("JPEG", "JPEG"), ("clean", "JPEG"))


def load(directory: str, options: argparse.Namespace) -> Bunch:
    """Load a folder without the sources that are to be left out."""
    reader = ImageReader(options.crop)
    data = load_image_folder(directory, reader=reader, groups=photo_or_prompt)
    kept = ~np.isin(data.target_names[data.target], options.leave_out)
    names, target = np.unique(data.target_names[data.target[kept]], return_inverse=True)
    return Bunch(data=data.data[kept], target=target, target_names=names, groups=data.groups[kept])


def accuracies(data: Bunch, options: argparse.Namespace) -> dict[tuple[str, str, bool], Any]:
    """Accuracies of the fusion and of each member, by what is fitted and tested, and groups."""
    *steps, (_, fusion) = make_attribution_pipeline("fusion").steps
    images = {"clean": data.data, "JPEG": JPEGCompression(options.quality).fit_transform(data.data)}
    for _, step in steps:
        images = {name: step.fit_transform(each) for name, each in images.items()}
    found: dict[tuple[str, str, bool], Any] = {}
    for fit, test in halves(data.target, data.groups, options.seeds):
        for grouped in (True, False):
            groups = data.groups[fit] if grouped else None
            for name, rows in images.items():
                clf = fusion.fit(rows[fit], data.target[fit], groups=groups)
                models = {"fused": clf, **clf.named_estimators_}
                for fitted, tested in CASES:
                    if fitted != name:
                        continue
                    row = found.setdefault((fitted, tested, grouped), {})
                    for model, each in models.items():
                        score = (each.predict(images[tested][test]) == data.target[test]).mean()
                        row.setdefault(model, []).append(float(score))
    return found


def report(name: str, data: Bunch, options: argparse.Namespace) -> dict[str, Any]:
    """Print a table for one set of images, and return accuracies."""
    print(f"\n{describe(name, data)}\n")
    found = accuracies(data, options)
    _, *members = next(iter(found.values()))
    print(header(["fitted on", "tested on", "groups", *members, "fused", "fused less best"]))
    for (fitted, tested, grouped), row in found.items():
        means = {model: np.mean(values) for model, values in row.items()}
        alone = [means[member] for member in members]
        cells = [f"{each:.3f}" for each in (*alone, means["fused"])]
        less = f"{means['fused'] - max(alone):+.3f}"
        print(line([fitted, tested, "given" if grouped else "none", *cells, less]), flush=True)
    return {f"{a} to {b}, groups {g}": row for (a, b, g), row in found.items()}


def main() -> None:
    """Measure each folder."""
    parser = make_parser(__doc__)
    parser.add_argument("--leave-out", metavar="NAME", nargs="*", default=[])
    parser.add_argument("--quality", type=int, default=75)
    parser.set_defaults(seeds=3)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*Pass groups to fit")
    results = {name: report(name, load(name, options), options) for name in options.directories}
    write_json(results, options.json)


if __name__ == "__main__":
    main()
