"""How good likelihood ratios are, on images as people find them.

Usage: python benchmarks/evidence.py [DIR ...] [--groups name] [--kind robust] [--unseen DIR]
       [--anchored] [--seeds 3] [--json FILE]

The bundled samples, then each DIR, which has a folder per source. Half of each class, or of the
groups, is fitted on; the other half is tested under the histories of benchmarks/web.py, some of
which no copy in the fit goes through. Prints, for each history and for all together, Cllr and the
least Cllr that a better calibration would have, and how often LRs mislead: the share above 1, and
above 100, for sources that did not make an image, in the mean and for the source with the most.
Against a source that is not known: the share of LRs below 1 for the own source, and with --unseen,
of the greatest LRs above 1 and above 10 for images of sources that no fit has seen.
"""

import warnings
from typing import Any

import numpy as np
from common import describe, halves, make_parser, mean_and_spread
from sklearn.utils import Bunch
from web import HISTORIES, print_table, processed, run

from sklearn_ganprint import OpenSetClassifier, make_attribution_pipeline
from sklearn_ganprint.evidence import cllr, cllr_min
from sklearn_ganprint.open_set import SourceLikelihoodRatios

TOGETHER = "all together"


def calibrated(clf: OpenSetClassifier, anchored: bool) -> SourceLikelihoodRatios:
    """Calibrate LRs, for all sources together or for each."""
    known = clf.likelihood_ratios_
    parts = known.sets, known.calibration, known.lacking
    return SourceLikelihoodRatios(*parts, versions=known.versions, anchored=anchored)


def log10_lrs(
    clf: OpenSetClassifier, ratios: SourceLikelihoodRatios, images: np.ndarray
) -> list[np.ndarray]:
    """Compute log10 LRs against other known sources, and against one that is not known."""
    scores, typicality = clf._both_scores(images).swapaxes(0, 1)  # in one pass over the images
    return [ratios.against_others(scores), ratios.against_unknown(typicality)]


def figures(
    others: np.ndarray, unknown: np.ndarray, own: np.ndarray, foreign: np.ndarray | None
) -> dict[str, float]:
    """Say how good LRs (n, n_classes) are; `foreign` are the greatest of images never seen."""
    above = [others[~column, c] > 0 for c, column in enumerate(own.T)]
    found = {
        "Cllr": cllr(others.ravel(), own.ravel()),
        "least Cllr": cllr_min(others.ravel(), own.ravel()),
        "misleading": np.concatenate(above).mean(),
        "for the worst": max(column.mean() for column in above),
        "above 100": (others[~own] > 2).mean(),
        "own below 1": (others[own] < 0).mean(),
        "unknown: own below 1": (unknown[own] < 0).mean(),
    }
    if foreign is not None:
        y = np.repeat([True, False], [own.sum(), len(foreign)])
        found["unknown: Cllr"] = cllr(np.concatenate([unknown[own], foreign]), y)
        found["unseen above 1"] = (foreign > 0).mean()
        found["unseen above 10"] = (foreign > 1).mean()
    return {name: float(value) for name, value in found.items()}


def measure(data: Bunch, options: Any, foreign: np.ndarray | None) -> dict[str, list[Any]]:
    """Fit on halves, and judge the LRs of the others under each history."""
    y = data.target_names[data.target]
    rows: dict[str, list[Any]] = {name: [] for name in [*HISTORIES, TOGETHER]}
    for fit, test in halves(data.target, data.groups, options.seeds):
        groups = {} if data.groups is None else {"groups": data.groups[fit]}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clf = OpenSetClassifier(make_attribution_pipeline(options.kind))
            clf.fit(data.data[fit], y[fit], **groups)
        ratios = calibrated(clf, options.anchored)
        own = y[test][:, np.newaxis] == clf.classes_
        found = []
        for history in HISTORIES:
            found.append(log10_lrs(clf, ratios, processed(data.data[test], history)))
            greatest = None
            if foreign is not None and history in ("clean", "JPEG 75"):
                _, unseen = log10_lrs(clf, ratios, processed(foreign, history))
                greatest = unseen.max(axis=1)
            rows[history].append(figures(*found[-1], own, greatest))
        everything = [np.concatenate(part) for part in zip(*found, strict=True)]
        rows[TOGETHER].append(figures(*everything, np.tile(own, (len(HISTORIES), 1)), None))
    return rows


def report(name: str, data: Bunch, options: Any, foreign: np.ndarray | None) -> dict[str, Any]:
    """Print a table of one set of images."""
    print(f"\n{describe(name, data)}\n", flush=True)
    found = measure(data, options, foreign)
    print_table(found, mean_and_spread)
    return found


def main() -> None:
    """Measure the bundled samples, then each folder."""
    parser = make_parser(__doc__)
    parser.add_argument("--anchored", action="store_true", help="calibrators for each source")
    run(parser, report)


if __name__ == "__main__":
    main()
