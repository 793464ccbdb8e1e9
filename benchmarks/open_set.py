"""Sources that were never fitted on: how many are found, at which rate of false alarms.

Usage: python benchmarks/open_set.py [DIR ...] [--crop 256] [--groups name] [--seeds 5] [--jobs 1]
                                     [--robust | --few] [--equal] [--control] [--json FILE]

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

With --few claims are verified instead: each source in turn has 1, 2, 5 or all images in the fit,
and the source after it has none. Prints, of images as they are and as JPEG 75, how well scores for
the source part its images from those of the others (AUROC), in which share of its images there is
evidence at 5 % that no other source made them (p-value of the others), and the same share of the
images of other known sources and of the source that is left out: false evidence.
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
    mean_and_spread,
    write_json,
)
from joblib import Parallel, delayed
from PIL import Image
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch
from web import jpeg, shrunk_and_enlarged

from sklearn_ganprint import (
    FingerprintClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    make_attribution_pipeline,
)
from sklearn_ganprint.residuals import MIN_SHARE, residual_share

RATES = (0.01, 0.05)
FEW = (1, 2, 5, 999)
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


FEW_COLUMNS = [
    f"{figure}{history}"
    for history in ("", ", JPEG 75")
    for figure in ("AUROC", "found at 5 %", "false", "of a source left out")
]


def verify(
    estimator: Any, versions: list[np.ndarray], data: Bunch, chosen: tuple[int, int], split: Split
) -> list[float]:
    """Fit with few images of a source and without the next; verify the others as the source's."""
    (source, n_images), (fit, test) = chosen, split
    left_out = (source + 1) % len(data.target_names)
    target = data.target[fit]
    own = np.random.default_rng(0).permutation(fit[target == source])[:n_images]
    fit = np.concatenate([fit[(target != source) & (target != left_out)], own])
    clf = OpenSetClassifier(clone(estimator), calibration="pooled", false_alarm_rate=0.05)
    params = {} if data.groups is None else {"groups": data.groups[fit]}
    clf.fit(versions[0][fit], data.target[fit], **params)
    column, figures = np.searchsorted(clf.classes_, source), []
    for rows in versions:
        scores = clf.typicality_scores(rows[test])
        found = clf.calibration_set_.others_p_values(scores)[:, column] <= 0.05
        is_own, is_new = (data.target[test] == code for code in (source, left_out))
        known = ~is_own & ~is_new
        auroc = roc_auc_score(is_own[~is_new], scores[~is_new, column])
        figures += [auroc, *(found[rows].mean() for rows in (is_own, known, is_new))]
    return figures


def report_few(name: str, data: Bunch, options: argparse.Namespace) -> dict[str, Any]:
    """Print a table on sources of few images for one set of images; return all figures."""
    print(f"\n{describe(name, data)}\n")
    print(header(["model", "images", *FEW_COLUMNS]), flush=True)
    images = prepared(data.data, options)
    kept = residual_share(images) >= MIN_SHARE  # of one image without a residual no model is made
    groups = None if data.groups is None else data.groups[kept]
    images, data = images[kept], Bunch(**{**data, "target": data.target[kept], "groups": groups})
    saved = np.stack([np.asarray(jpeg(Image.fromarray(image), 75)) for image in images])
    residual = ResidualTransformer(channels="rgb")
    traces, *nearest = (step for _, step in make_attribution_pipeline("nearest-mean").steps)
    models = {
        "nearest-mean": (make_pipeline(*nearest), traces),
        "fingerprint": (FingerprintClassifier(), residual),
    }
    splits, results = halves(data.target, data.groups, options.seeds), {}
    for model, (estimator, transformer) in models.items():
        versions = [transformer.fit_transform(own) for own in (images, saved)]
        for n_images in FEW:
            table = [
                [verify(estimator, versions, data, (source, n_images), split) for split in splits]
                for source in range(len(data.target_names))
            ]
            by_seed = np.mean(table, axis=0)
            number = "half" if n_images > 99 else str(n_images)
            shown = [mean_and_spread(values) for values in by_seed.T]
            print(line([model, number, *shown]), flush=True)
            results[f"{model}, {number}"] = dict(zip(FEW_COLUMNS, by_seed.T.tolist(), strict=True))
    return results


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
    parser.add_argument("--few", action="store_true", help="claims, with few images, on folders")
    parser.add_argument("--equal", action="store_true", help="JPEG of random quality for all")
    parser.add_argument("--control", action="store_true", help="content alone")
    options = parser.parse_args()
    sets = folders(options) if options.robust or options.few else image_sets(options)
    make_report = report_few if options.few else report
    results = {name: make_report(name, data, options) for name, data in sets}
    write_json(results, options.json)


if __name__ == "__main__":
    main()
