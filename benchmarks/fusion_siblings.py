"""Accuracy of the kind "fusion-siblings", for variants of one network, and of content alone.

Usage: python benchmarks/fusion_siblings.py DIR ... [--crop 128] [--groups name] [--seeds 5]
           [--json FILE]

DIR has a folder per source. Half of each class is fitted on and the other half tested; with
``--groups name`` files of one name stay on one side, in the folds of the fusion too. The rows of
content are of images that were shrunk to a quarter and enlarged again. Prints mean and standard
deviation over the seeds, of the fusion and of its members.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from autocorrelation import CONTENT
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
from sklearn.utils import Bunch

from sklearn_ganprint import make_attribution_pipeline
from sklearn_ganprint.perturbations import Resize

MODELS = ("fusion", "fusion-siblings")


def accuracies(
    model: str, images: np.ndarray, data: Bunch, splits: list[Split]
) -> dict[str, list[float]]:
    """Accuracy of the fusion and of each member, for each split."""
    found: dict[str, list[float]] = {}
    for fit, test in splits:
        params = {} if data.groups is None else {"fusion__groups": data.groups[fit]}
        pipeline = make_attribution_pipeline(model).fit(images[fit], data.target[fit], **params)
        seen = images[test]
        for step in [step for _, step in pipeline.steps[:-1]]:
            seen = step.transform(seen)
        fusion = pipeline["fusion"]
        for name, each in (("fused", fusion), *fusion.named_estimators_.items()):
            accuracy = float((each.predict(seen) == data.target[test]).mean())
            found.setdefault(name, []).append(accuracy)
    return found


def measurements(data: Bunch, n_seeds: int) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Yield a row of the table after the other."""
    splits = halves(data.target, data.groups, n_seeds)
    versions = {
        "half of each class": data.data,
        "8 px trimmed": data.data[:, 8:-8, 8:-8],
        CONTENT: Resize(0.25, restore=True).fit_transform(data.data),
    }
    for version, images in versions.items():
        for model in MODELS:
            yield f"{model}, {version}", accuracies(model, images, data, splits)


def report(name: str, data: Bunch, n_seeds: int) -> dict[str, Any]:
    """Print a table for one set of images, and return it."""
    print(f"\n{describe(name, data)}\n")
    print(header(["pipeline, images", "fused", "fingerprint", "autocorrelation"]), flush=True)
    rows = {}
    for row, found in measurements(data, n_seeds):
        print(line([row, *map(mean_and_spread, found.values())]), flush=True)
        rows[row] = found
    return {"images": len(data.target), "sources": data.target_names.tolist(), "rows": rows}


def main() -> None:
    """Measure each folder."""
    options = make_parser(__doc__).parse_args()
    results = {name: report(name, data, options.seeds) for name, data in folders(options)}
    write_json(results, options.json)


if __name__ == "__main__":
    main()
