"""What equal histories take away, and what they leave, by the controls of an audit.

Usage: python benchmarks/audit.py [DIR ...] [--crop 256] [--groups name] [--like CLASS]
       [--no-samples] [--json FILE]

The bundled samples, then each DIR, which has a folder per source, as they are and after
`experiments.equalize_histories` with several histories. Prints for each the side of the images that
is left, the controls of `experiments.audit_attribution`, and how well images that were once JPEG 75
or 95 are told from all others: half of the images, whatever their source, are compressed before
histories are made equal (chance .5). All images are written as PNG before they are audited.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import describe, header, image_sets, line, make_parser, write_json
from PIL import Image
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import CorrelationTransformer, SubclassDiscriminantAnalysis
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.experiments import (
    audit_attribution,
    equalize_histories,
    evaluate_attribution,
)
from sklearn_ganprint.perturbations import JPEGCompression, RandomHistory

NOTHING: dict[str, Any] = {
    **dict.fromkeys(("crop", "rotate", "resize", "blur", "sharpen", "contrast", "brightness")),
    **{"noise": None, "webp": None, "grey": 0.0, "full_colour": 0.0, "rounds": (1,)},
}
OFF_GRID = (1.0, 0.95, 0.95)

#: None is the default of `equalize_histories`.
HISTORIES: dict[str, RandomHistory | None] = {
    "JPEG 70-95": RandomHistory(**NOTHING | {"jpeg": (1.0, 70, 95)}),
    "crop, JPEG": RandomHistory(**NOTHING | {"crop": OFF_GRID, "jpeg": (1.0, 70, 95)}),
    "crop, x .75-.95, JPEG": RandomHistory(
        **NOTHING | {"crop": OFF_GRID, "resize": (1.0, 0.75, 0.95), "jpeg": (1.0, 70, 95)}
    ),
    "crop, x .5-.75, JPEG (default)": None,
}
CONTROLS = ("attribution", "file properties", "compression shown", "shrunk", "permuted labels")


def audited(images: np.ndarray, y: np.ndarray, groups: Any) -> dict[str, float]:
    """Write images as PNG files, and audit these."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, f"{number:05d}.png")) for number in range(len(images))]
        for image, path in zip(images, paths, strict=True):
            Image.fromarray(image).save(path, compress_level=1)
        result = audit_attribution(paths, y, groups=groups)
    return {name: result[name].accuracy for name in CONTROLS}


def earlier_told(images: np.ndarray, history: RandomHistory | None, quality: int) -> float:
    """How well images are told that were once JPEG, after equal histories."""
    once = np.random.default_rng(0).permutation(len(images)) % 2
    mixed = images.copy()
    mixed[once == 1] = JPEGCompression(quality).transform(images[once == 1])
    equal = equalize_histories(mixed, once, history=history).data
    pipeline = make_pipeline(CorrelationTransformer(), SubclassDiscriminantAnalysis())
    return evaluate_attribution(pipeline, equal, once).accuracy


def measure(data: Any, options: Any) -> dict[str, dict[str, float]]:
    """Audit the images as they are, and with histories made equal."""
    y, images = data.target_names[data.target], data.data
    before = audit_attribution(data.filenames, y, groups=data.groups, reader=options.reader)
    rows = {"as they are": {name: before[name].accuracy for name in CONTROLS}}
    rows["as they are"] = {"side": images.shape[1], **rows["as they are"]}
    wanted = {name: (history, None) for name, history in HISTORIES.items()}
    if options.like in data.target_names:
        wanted[f"the same, qualities of {options.like}"] = (None, options.like)
    for name, (history, like) in wanted.items():
        equal = equalize_histories(
            data.filenames, y, history=history, like=like, reader=options.reader
        )
        rows[name] = {"side": equal.data.shape[1], **audited(equal.data, y, data.groups)}
        if like is None:
            for quality in (75, 95):
                told = earlier_told(images, history and clone(history), quality)
                rows[name][f"once JPEG {quality}"] = told
    return rows


def main() -> None:
    """Measure the bundled samples, then each folder."""
    parser = make_parser(__doc__)
    parser.add_argument("--like", help="a class whose JPEG qualities all images get as well")
    parser.add_argument("--no-samples", action="store_true", help="the folders alone")
    options = parser.parse_args()
    results = {}
    for name, data in image_sets(options):
        if options.no_samples and name == "bundled samples":
            continue
        options.reader = None if name == "bundled samples" else ImageReader(options.crop)
        began = time.time()
        results[name] = found = measure(data, options)
        columns = list(found["JPEG 70-95"])
        print(f"\n{describe(name, data)}; {time.time() - began:.0f} s\n\n{header(['', *columns])}")
        for history, row in found.items():
            cells = [f"{row[key]:.3f}" if key in row else "" for key in columns[1:]]
            print(line([history, f"{row['side']:.0f}", *cells]), flush=True)
    write_json(results, options.json)


if __name__ == "__main__":
    main()
