"""Fingerprints compared with each other: whether the stated rates of false alarms hold.

Usage: python benchmarks/comparison.py [DIR ...] [--crop 256] [--groups name] [--seeds 5]
                                       [--images 40] [--json FILE]
       python benchmarks/comparison.py DIR [DIR ...] --few [--equal] [--control] ...

Measures each DIR, which has a folder per source, or without any the simulated generators and
cameras, each with contents of its own. Images are split in random halves (by file name with
``--groups name``), and the fingerprints of one half are compared with those of the other. Prints,
and writes as JSON, for each null, and for 0, 8 and 16 pixels trimmed:

- the share of sources that are found in the other half at p <= .01;
- the share of pairs of different sources at p <= .01 and p <= .05, which should be as many, and of
  siblings, which are variants of one network, at p <= .01, which have something in common;
- the same where one source at a time is compared with all, and where no source is in both halves;
- with ``--groups name``, pairs of different sources within one half, which show the same contents.

With --few collections of few images are compared, by fingerprints and by the kind "fusion". A is
one source with 1, 5 or all images of one half, and B has 5 or all of the other half of each source,
with that of A and without it. Prints at a stated 5 %, and 1 %, the share of sources that get their
own as partner, of those that get another one, and of those that are not in B but get any, and which
ones these are. --equal and --control as in open_set.py.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from common import Split, describe, folders, halves, header, line, make_parser, write_json
from open_set import prepared
from sklearn.utils import Bunch

from sklearn_ganprint import ResidualTransformer, make_attribution_pipeline
from sklearn_ganprint.comparison import FingerprintSet, compare_models
from sklearn_ganprint.datasets import make_generator_images
from sklearn_ganprint.residuals import MIN_SHARE, residual_share

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

LEVELS = (0.05, 0.01)
ALL = 999
FEW = [(n_in_b, n_in_a) for n_in_b in (5, ALL) for n_in_a in (1, 5, ALL)]
FEW_COLUMNS = (
    *("kind", "images in B", "in A", "found at .05", "another", "not in B, given a partner"),
    *("found at .01", "another", "not in B"),
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


class Images:
    """Residuals and features of images, as they are or of equal histories."""

    def __init__(self, data: Bunch, options: argparse.Namespace) -> None:
        images = prepared(data.data, options)
        kept = residual_share(images) >= MIN_SHARE
        self.names = [str(name) for name in data.target_names]
        self.target = data.target[kept]
        self.groups = None if data.groups is None else np.asarray(data.groups)[kept]
        residual = ResidualTransformer(channels="rgb", flatten=False)
        self.residuals = residual.fit_transform(images[kept])
        self.features = make_attribution_pipeline("nearest-mean")[0].fit_transform(images[kept])

    def sources(self, rows: dict[int, np.ndarray], kind: str) -> FingerprintSet:
        """Average the images of each source, by its code."""
        residuals = np.stack([self.residuals[each].mean(axis=0) for each in rows.values()])
        features = np.stack([self.features[each].mean(axis=0) for each in rows.values()])
        names = [self.names[code] for code in rows]
        return FingerprintSet(names, residuals, None, features if kind == "fusion" else None)


def compare_few(images: Images, split: Split, seed: int) -> Iterator[tuple[Any, str, Any, bool]]:
    """Yield kind and numbers of images, source, partner at each level, and whether it is in B."""
    rng, codes = np.random.default_rng(seed), range(len(images.names))
    own = [[rng.permutation(part[images.target[part] == code]) for code in codes] for part in split]
    for n_in_b, n_in_a in FEW:
        known = {code: own[0][code][:n_in_b] for code in codes}
        for code in codes:
            for there in (True, False):
                b = {each: rows for each, rows in known.items() if there or each != code}
                for kind in ("fingerprint", "fusion"):
                    a = images.sources({code: own[1][code][:n_in_a]}, kind)
                    found = compare_models(a, images.sources(b, kind))
                    (match,) = found.matches()
                    partners = [match.match if found.is_found(match, p) else None for p in LEVELS]
                    yield (kind, n_in_b, n_in_a), images.names[code], partners, there


def report_few(name: str, data: Bunch, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print a table on collections of few images; return all figures."""
    print(f"\n{describe(name, data)}\n")
    images, found = Images(data, options), []
    for seed, split in enumerate(halves(images.target, images.groups, options.seeds)):
        found += compare_few(images, split, seed)
    print(header(FEW_COLUMNS), flush=True)
    table = []
    for key in sorted({each[0] for each in found}):
        own = [each[1:] for each in found if each[0] == key]
        shares, false = [], []
        for n, _ in enumerate(LEVELS):
            known = [(source, partners[n]) for source, partners, there in own if there]
            absent = [(source, partners[n]) for source, partners, there in own if not there]
            shares += [
                np.mean([source == partner for source, partner in known]),
                np.mean([partner not in (None, source) for source, partner in known]),
                np.mean([partner is not None for _, partner in absent]),
            ]
            pairs = Counter(f"{one} as {other}" for one, other in absent if other is not None)
            false.append(dict(pairs.most_common()))
        kind, *numbers = key
        written = ["half" if number == ALL else str(number) for number in numbers]
        print(line([kind, *written, *(f"{share:.2f}" for share in shares)]), flush=True)
        table.append({"key": key, "shares": [float(share) for share in shares], "false": false})
    for row in table:
        print(f"not in B, given a partner at {LEVELS[0]:g}, {row['key']}: {row['false'][0]}")
    return table


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
    parser.add_argument("--few", action="store_true", help="of few images, on folders")
    parser.add_argument("--equal", action="store_true", help="JPEG of random quality for all")
    parser.add_argument("--control", action="store_true", help="content alone")
    options = parser.parse_args()
    if options.few:
        few = {name: report_few(name, data, options) for name, data in folders(options)}
        write_json(few, options.json)
        return
    results = {name: report(name, data, options.seeds) for name, data in image_sets(options)}
    write_json(results, options.json)


if __name__ == "__main__":
    main()
