"""Sources that were never fitted on: how many are found, at which rate of false alarms.

Usage: python benchmarks/open_set.py [DIR ...] [--crop 256] [--groups name] [--seeds 5] [--jobs 1]
                                     [--robust] [--equal] [--control] [--json FILE]

Measures the bundled samples, then each DIR, which has a folder per source. Each source is left out
in turn; half of the images of the others is fitted on, thresholds included, and the other half and
the images left out are tested. With ``--groups name`` files of one name (one scene, translated
several times) stay on one side, in the inner folds too. With --robust the default kind is measured
alone, on the folders; --equal gives all images JPEG of qualities 70 to 95 at random, --control
shrinks them to a quarter and enlarges them before, so that only content is left. Prints, and writes
as JSON:

- AUROC of known against unknown, its mean over the sources left out and the worst of them;
- the share of unknown images that is found at a stated 1 % and 5 % of false alarms, and with the
  threshold that 1 % of the tested known images are below ("oracle", which nobody has);
- the share of known images called unknown at a stated 1 % and 5 %.
"""

import argparse
import time
from typing import Any

import numpy as np
from autocorrelation import classifier, fusion, traces
from common import (
    Split,
    describe,
    folders,
    halves,
    header,
    image_sets,
    line,
    make_parser,
    write_json,
)
from joblib import Parallel, delayed
from PIL import Image
from sklearn.metrics import roc_auc_score
from sklearn.utils import Bunch
from web import jpeg, shrunk_and_enlarged

from sklearn_ganprint import FingerprintClassifier, OpenSetClassifier, make_attribution_pipeline

RATES = (0.01, 0.05)
COLUMNS = (
    *("AUROC", "worst", "found at 1 %", "at 5 %", "oracle"),
    *("false alarms at 1 %", "at 5 %"),
)


def prepared(images: np.ndarray, options: argparse.Namespace) -> np.ndarray:
    """Give images histories of one distribution, or leave nothing but content."""
    if options.control:
        images = shrunk_and_enlarged(images)
    if not options.equal:
        return images
    qualities = np.random.default_rng(0).integers(70, 96, len(images)).tolist()
    saved = map(jpeg, map(Image.fromarray, images), qualities)
    return np.stack([np.asarray(image) for image in saved])


def models(images: np.ndarray, robust: bool) -> dict[str, tuple[Any, np.ndarray]]:
    """Each model, and what it takes."""
    if robust:
        return {"robust": (make_attribution_pipeline("robust"), images)}
    side = min(images.shape[1:3])
    seen = traces(images, (side // 4, side // 2))
    side -= 16
    trimmed = traces(images[:, 8:-8, 8:-8], (side // 4, side // 2))
    return {
        "fingerprint": (FingerprintClassifier(), seen.residuals),
        "autocorrelation": (classifier(), seen.parts[:, :1]),
        "autocorrelation, tiles": (classifier(), seen.parts),
        "fusion": fusion(seen),
        "fingerprint, 8 px trimmed": (FingerprintClassifier(), trimmed.residuals),
        "autocorrelation, tiles, 8 px trimmed": (classifier(), trimmed.parts),
        "fusion, 8 px trimmed": fusion(trimmed),
    }


def measure(
    estimator: Any, rows: np.ndarray, data: Bunch, left_out: int, split: Split
) -> dict[str, float]:
    """Leave one source out, fit on half of the others, and test on the rest."""
    fit, test = split
    fit = fit[data.target[fit] != left_out]
    known = test[data.target[test] != left_out]
    unknown = test[data.target[test] == left_out]
    params = {} if data.groups is None else {"groups": data.groups[fit]}
    clf = OpenSetClassifier(estimator, calibration="pooled").fit(
        rows[fit], data.target[fit], **params
    )
    p_known, p_unknown = clf.known_p_values(rows[known]), clf.known_p_values(rows[unknown])
    known, unknown = clf.score_samples(rows[known]), clf.score_samples(rows[unknown])
    truth = np.repeat([1, 0], [len(known), len(unknown)])
    found = {
        "auroc": roc_auc_score(truth, np.concatenate([known, unknown])),
        "oracle": (unknown < np.quantile(known, 0.01)).mean(),
    }
    for rate in RATES:
        found[f"detected at {rate:.0%}"] = (p_unknown <= rate).mean()
        found[f"false alarms at {rate:.0%}"] = (p_known <= rate).mean()
    return {name: float(value) for name, value in found.items()}


def over_sources(
    estimator: Any, rows: np.ndarray, data: Bunch, n_seeds: int, n_jobs: int = 1
) -> dict[str, np.ndarray]:
    """Leave each source out in turn; figures of shape (n_sources, n_seeds)."""
    sources = range(len(data.target_names))
    splits = halves(data.target, data.groups, n_seeds)
    tasks = (
        delayed(measure)(estimator, rows, data, left_out, split)
        for left_out in sources
        for split in splits
    )
    found = Parallel(n_jobs=n_jobs)(tasks)
    return {key: np.reshape([each[key] for each in found], (len(sources), -1)) for key in found[0]}


def cells(table: dict[str, np.ndarray]) -> list[str]:
    """Figures of a model as text; the spread is over the seeds."""
    mean = {key: values.mean() for key, values in table.items()}
    return [
        f"{mean['auroc']:.3f} ± {table['auroc'].mean(axis=0).std():.3f}",
        f"{table['auroc'].mean(axis=1).min():.2f}",
        f"{mean['detected at 1%']:.2f}",
        f"{mean['detected at 5%']:.2f}",
        f"{mean['oracle']:.2f}",
        f"{mean['false alarms at 1%']:.4f}",
        f"{mean['false alarms at 5%']:.3f}",
    ]


def report(name: str, data: Bunch, options: argparse.Namespace) -> dict[str, Any]:
    """Print a table for one set of images; return all figures."""
    print(f"\n{describe(name, data)}\n")
    images = prepared(data.data, options)
    print(header(["model", *COLUMNS]), flush=True)
    results = {}
    for model, (estimator, rows) in models(images, options.robust).items():
        start = time.perf_counter()
        table = over_sources(estimator, rows, data, options.seeds, options.jobs)
        print(line([model, *cells(table)]), flush=True)
        results[model] = {
            "seconds": time.perf_counter() - start,
            "sources": [str(source) for source in data.target_names],
            **{key: values.tolist() for key, values in table.items()},
        }
    return results


def main() -> None:
    """Measure the bundled samples, then each folder."""
    parser = make_parser(__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--robust", action="store_true", help="the default kind, on folders")
    parser.add_argument("--equal", action="store_true", help="JPEG of random quality for all")
    parser.add_argument("--control", action="store_true", help="content alone")
    options = parser.parse_args()
    sets = folders(options) if options.robust else image_sets(options)
    results = {name: report(name, data, options) for name, data in sets}
    write_json(results, options.json)


if __name__ == "__main__":
    main()
