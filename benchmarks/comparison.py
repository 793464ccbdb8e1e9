"""Fingerprints compared with each other: whether the stated rates of false alarms hold.

Usage: python benchmarks/comparison.py [DIR ...] [--crop 256] [--groups name] [--seeds 5]
                                       [--images 40] [--json FILE]

Measures each DIR, which has a folder per source, or without any the simulated generators and
cameras, each with contents of its own. Images are split in random halves (by file name with
``--groups name``), and the fingerprints of one half are compared with those of the other. Prints,
and writes as JSON, for each null, and for 0, 8 and 16 pixels trimmed:

- the share of sources that are found in the other half at p <= .01;
- the share of pairs of different sources at p <= .01 and p <= .05, which should be as many, and of
  siblings, which are variants of one network, at p <= .01, which have something in common;
- the same where one source at a time is compared with all, and where no source is in both halves;
- with ``--groups name``, pairs of different sources within one half, which show the same contents.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from common import folders, halves, header, line, make_parser, write_json
from sklearn.utils import Bunch

from sklearn_ganprint import ResidualTransformer
from sklearn_ganprint.comparison import FingerprintSet, compare_models
from sklearn_ganprint.datasets import make_generator_images

TRIMS = (0, 8, 16)
COLUMNS = (
    "compared",
    "px trimmed",
    "p-values by",
    "found at .01",
    "false at .01",
    "at .05",
    "siblings",
)

Sets = tuple[FingerprintSet, FingerprintSet]
Found = tuple[np.ndarray, np.ndarray, np.ndarray]


def image_sets(options: Any) -> Iterator[tuple[str, Bunch]]:
    """Yield each folder, or the simulated sources, with their names."""
    if options.directories:
        yield from folders(options)
        return
    simulated = make_generator_images(options.images, image_size=128, shared_content=False)
    yield "simulated", Bunch(**{**simulated, "groups": None})


def fingerprints(residuals: np.ndarray, data: Bunch, split: Any) -> Sets:
    """Mean residual of each source, in both halves."""
    names = [str(name) for name in data.target_names]
    halves = []
    for part in split:
        means = [residuals[part][data.target[part] == code].mean(0) for code in range(len(names))]
        halves.append(FingerprintSet(names, np.stack(means)))
    return halves[0], halves[1]


def subset(sources: FingerprintSet, codes: Any) -> FingerprintSet:
    """Take some of the sources."""
    return FingerprintSet([sources.names[code] for code in codes], sources.fingerprints[codes])


def split_by_truth(pair: Sets, family: dict[str, str], **params: Any) -> Found:
    """p-values of pairs of one source, of different ones, and of siblings."""
    p_value = compare_models(*pair, **params).p_value
    same = np.equal.outer(*(np.array(each.names) for each in pair))
    related = np.equal.outer(*(np.array([family[name] for name in each.names]) for each in pair))
    return p_value[same], p_value[~related], p_value[related & ~same]


def comparisons(sets: Sets, grouped: bool) -> Iterator[tuple[str, str, list[Found]]]:
    """Yield what is compared, the null, and a function of the trim."""
    first, second = sets
    codes = np.arange(len(first.names))
    for null in ("chance", "sources"):
        yield "all with all", null, [(first, second)]
    yield "one with all", "sources", [(subset(first, [code]), second) for code in codes[::3]]
    left, right = subset(first, codes[::2]), subset(second, codes[1::2])
    yield "no source in both", "sources", [(left, right)]
    if grouped:
        for null in ("chance", "sources"):
            yield "same contents", null, [(subset(first, codes[::2]), subset(first, codes[1::2]))]


def measure(data: Bunch, n_seeds: int) -> list[dict[str, Any]]:
    """Measure one set of images."""
    names = [str(name) for name in data.target_names]
    architectures = data.get("architectures")
    family = dict(zip(names, names if architectures is None else architectures, strict=True))
    residual = ResidualTransformer(channels="rgb", flatten=False)
    residuals = residual.fit_transform(data.data)
    pooled: dict[tuple[str, int, str], list[Found]] = {}
    for split in halves(data.target, data.groups, n_seeds):
        sets = fingerprints(residuals, data, split)
        for what, null, pairs in comparisons(sets, data.groups is not None):
            if null == "sources" and max(len(each.names) for each in pairs[0]) < 4:
                continue
            for trim in TRIMS:
                found = [split_by_truth(pair, family, trim=trim, null=null) for pair in pairs]
                pooled.setdefault((what, trim, null), []).extend(found)
    rows = []
    for (what, trim, null), found in pooled.items():
        same, different, siblings = (np.concatenate(each) for each in zip(*found, strict=True))
        rows.append(
            {
                "compared": what,
                "trim": trim,
                "null": null,
                "found": share(same, 0.01),
                "false_at_1": share(different, 0.01),
                "false_at_5": share(different, 0.05),
                "siblings": share(siblings, 0.01),
                "pairs": len(different),
            }
        )
    return rows


def share(p_values: np.ndarray, level: float) -> float | None:
    """Give the share of p-values up to a level."""
    return float((p_values <= level).mean()) if len(p_values) else None


def report(name: str, data: Bunch, n_seeds: int) -> list[dict[str, Any]]:
    """Print a table for one set of images; return all figures."""
    print(f"\n{name}: {len(data.target_names)} sources, {len(data.target)} images, two halves\n")
    print(header(COLUMNS), flush=True)
    rows = measure(data, n_seeds)
    for row in rows:
        cells = [row["compared"], str(row["trim"]), row["null"]]
        shares = [row[key] for key in ("found", "false_at_1", "false_at_5", "siblings")]
        cells += ["-" if each is None else f"{each:.3f}" for each in shares]
        print(line(cells), flush=True)
    return rows


def main() -> None:
    """Measure the simulated sources, then each folder."""
    parser = make_parser(__doc__)
    parser.add_argument("--images", type=int, default=40, help="of each simulated source")
    options = parser.parse_args()
    results = {name: report(name, data, options.seeds) for name, data in image_sets(options)}
    write_json(results, options.json)


if __name__ == "__main__":
    main()
