"""What the package is meant to reach, what it reaches, and what the paper's method does.

Usage: python benchmarks/accuracy.py [--data DIR] [--seeds 5] [--only PART ...] [--json FILE]
                                     [--markdown]

DIR has the folders ``same_scene`` and ``siblings``, each with a folder per source; parts whose
folder is not there are left out, and those of the bundled samples always run. Runs the benchmarks
of the parts, which print tables of their own, and then one table of the figures that matter: mean
and standard deviation over the seeds, each on other halves. With ``--json`` what a part has found
is kept in FILE; a later run measures only what is not in there, or what ``--only`` names.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import autocorrelation
import better_fingerprints
import numpy as np
import open_set
import real_or_generated
from common import header, line, samples_by_crop, write_json
from photo_formats import make_task
from sklearn.utils import Bunch

from sklearn_ganprint.datasets import ImageReader, load_image_folder, load_samples

Figures = dict[str, Any]
Values = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Part:
    """A benchmark, on one set of images."""

    module: str
    load: Callable[[Path], Bunch]
    run: Callable[[str, Bunch, int], Figures]
    folder: str | None = None
    options: str = ""

    def command(self) -> str:
        """Give the command that runs it alone."""
        return " ".join(filter(None, [f"{self.module}.py", self.folder, self.options]))


@dataclass(frozen=True)
class Row:
    """One line of the table: where its figures are, and what they should be."""

    text: str
    part: str
    reached: Callable[[Figures], Values]
    paper: Callable[[Figures], Values] | None = None
    must: float | tuple[float, float] | None = None
    aim: float | None = None
    more_is_better: bool = True

    def cells(self, figures: dict[str, Figures]) -> list[str]:
        """Columns of the table."""
        reached = self.find(figures)
        paper = None if self.paper is None else self.find(figures, self.paper)
        return [
            self.text,
            *("" if each is None else mean_and_spread(each) for each in (paper, reached)),
            self._bound(self.must),
            self._bound(self.aim),
            "not measured" if reached is None else self.verdict(float(np.mean(reached))),
            f"`{PARTS[self.part].command()}`",
        ]

    def find(
        self, figures: dict[str, Figures], function: Callable[[Figures], Values] | None = None
    ) -> Values | None:
        """Give the figures of a row, None where an earlier run did not have it."""
        try:
            return (function or self.reached)(figures[self.part])
        except KeyError:
            return None

    def verdict(self, mean: float) -> str:
        """Say what the mean reaches."""
        if isinstance(self.must, tuple):
            return "reached" if self.must[0] <= mean <= self.must[1] else "**missed**"
        if self.must is None:
            return "for information"
        reaches = [
            bound is not None and (mean >= bound if self.more_is_better else mean <= bound)
            for bound in (self.must, self.aim)
        ]
        return "aim reached" if reaches[1] else "reached" if reaches[0] else "**missed**"

    def _bound(self, bound: float | tuple[float, float] | None) -> str:
        if isinstance(bound, tuple):
            return f"{bound[0]:g} to {bound[1]:g}"
        return "" if bound is None else f"{'≥' if self.more_is_better else '≤'} {bound:g}"


def mean_and_spread(values: Values) -> str:
    """Mean and standard deviation, small rates with one more digit."""
    digits = 4 if np.mean(values) < 0.02 else 3
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"


def autocorrelation_report(name: str, data: Bunch, n_seeds: int) -> Figures:
    """Run all of it but the search for a shrinkage."""
    return autocorrelation.report(name, data, n_seeds, search=False)


def real_report(name: str, data: Bunch, n_seeds: int) -> Figures:
    """Run it without further generators."""
    return real_or_generated.report(make_task(name, data, "real"), n_seeds, None)


def folder(name: str, crop: int = 256, groups: str | None = None) -> Callable[[Path], Bunch]:
    """Make what loads a set of the data directory."""
    reader = ImageReader(crop)
    return lambda directory: load_image_folder(directory / name, reader=reader, groups=groups)


SCENE = folder("same_scene", groups="name")
SIBLINGS = folder("siblings", crop=128, groups="name")
OF_SIBLINGS = ("siblings", "--crop 128 --groups name")
BY_NAME = ("same_scene", "--groups name")
PARTS = {
    "samples": Part("autocorrelation", lambda _: samples_by_crop(), autocorrelation_report),
    "photos apart": Part("autocorrelation", lambda _: load_samples(), autocorrelation_report),
    "samples open set": Part("open_set", lambda _: samples_by_crop(), open_set.report),
    "same_scene": Part("autocorrelation", SCENE, autocorrelation_report, *BY_NAME),
    "open set": Part("open_set", SCENE, open_set.report, *BY_NAME),
    "real": Part("real_or_generated", SCENE, real_report, *BY_NAME),
    "first order": Part("better_fingerprints", SCENE, better_fingerprints.report, *BY_NAME),
    "siblings": Part("autocorrelation", SIBLINGS, autocorrelation_report, *OF_SIBLINGS),
    "siblings, first order": Part(
        "better_fingerprints", SIBLINGS, better_fingerprints.report, *OF_SIBLINGS
    ),
}

#: Sides of what a stated rate of false alarms may come out at: half of it to twice.
RATE = {0.01: (0.005, 0.02), 0.05: (0.025, 0.1)}
PAPER = "fingerprint"
BEST = "fusion"
HALF = "half of each class"


def accuracy(row: str, model: str = BEST) -> Callable[[Figures], Values]:
    """Find a row and a column of the benchmark autocorrelation."""
    return lambda figures: figures["rows"][row][model]


def compared(text: str, part: str, row: str, must: Any = None, aim: Any = None) -> Row:
    """Make a row of the kind "fusion" beside the paper's fingerprint."""
    return Row(text, part, accuracy(row), accuracy(row, PAPER), must, aim)


def unknown(figure: str, model: str = BEST) -> Callable[[Figures], Values]:
    """Find a figure of the open set, the mean over the sources left out."""
    return lambda figures: np.mean(figures[model][figure], axis=0)


def worst(model: str = BEST) -> Callable[[Figures], Values]:
    """Find the AUROC of the source that is worst over all seeds."""
    return lambda figures: min(figures[model]["auroc"], key=np.mean)


def autocorrelation_rows() -> Iterator[Row]:
    """Clean images."""
    yield compared("bundled samples, half of each class", "samples", HALF)
    yield compared("... photos apart", "photos apart", HALF)
    yield compared("same scene, 8 sources, 40 + 40", "same_scene", HALF, 0.996, 1.0)
    for n_images, must in ((2, (0.92, 0.97)), (5, (0.98, 0.995)), (10, (0.995, 1.0))):
        text = f"... fitted on {n_images} images a class"
        yield compared(text, "same_scene", f"{n_images} images a class", *must)
    for trim in (8, 16):
        yield compared(f"... {trim} px trimmed", "same_scene", f"{HALF}, {trim} px trimmed")
    yield compared("siblings, 4 sources, 75 + 75, by face", "siblings", HALF)


def better_fingerprint_rows() -> Iterator[Row]:
    """Judge by fingerprints alone, also without borders, and by content alone."""
    best, plain = "union of six", "wavelet, RGB, not normalized"
    texts = {HALF: "0 px", "8 px trimmed": "8 px", "16 px trimmed": "16 px"}
    for column, trim in texts.items():
        text = f"fingerprints of six residuals, {trim} trimmed"
        yield Row(text, "first order", accuracy(best, column), accuracy(plain, column))
    for column, text in ((HALF, "fingerprints of six residuals"), ("content", "... content only")):
        part = "siblings, first order"
        yield Row(f"siblings: {text}", part, accuracy(best, column), accuracy(plain, column))


def area(way: str, method: str, *, worst: bool = False) -> Callable[[Figures], Values]:
    """Find the area of photos against a generator left out, by how formats were made equal."""

    def find(figures: Figures) -> Values:
        areas = np.array(figures["rows"][way][method])
        return areas[:, areas.mean(axis=0).argmin()] if worst else areas.mean(axis=1)

    return find


def real_rows() -> Iterator[Row]:
    """Tell photos from generators that were never fitted on."""
    texts = ("photo or generated, generator unseen: AUC, formats made equal", "... of the worst")
    for text, worst in zip(texts, (False, True), strict=True):
        bounds = () if worst else (0.95, 0.99)
        yield Row(text, "real", area("photos' history", "lines", worst=worst), None, *bounds)
    reached, paper = (area("files as they are", each) for each in ("lines", "fingerprints"))
    yield Row("... files as they are", "real", reached, paper)


def control_rows() -> Iterator[Row]:
    """Measure what is not a fingerprint, and could pass for one."""
    for name, part in (("same scene", "same_scene"), ("siblings", "siblings")):
        content = "denoised image in place of the residual"
        yield compared(f"{name}: denoised images only", part, content)
        yield compared(f"{name}: shrunk and enlarged images", part, autocorrelation.CONTENT)
        yield compared(f"{name}: labels permuted", part, "labels permuted")
        forest = "random forest on format, size and JPEG quality"
        yield Row(f"{name}: file properties only", part, accuracy(forest, ""))


def open_set_rows() -> Iterator[Row]:
    """Judge sources that were never fitted on."""
    part = "open set"
    yield Row(
        "unknown sources: AUROC", part, unknown("auroc"), unknown("auroc", PAPER), 0.955, 0.99
    )
    yield Row("... of the worst", part, worst(), worst(PAPER), 0.90, 0.95)
    found = "detected at 1%"
    yield Row("... found at 1 %", part, unknown(found), unknown(found, PAPER), 0.45, 0.80)
    for rate, must in RATE.items():
        alarms = f"false alarms at {rate:.0%}"
        text = f"... false alarms, {rate:.0%} stated"
        yield Row(text, part, unknown(alarms), unknown(alarms, PAPER), must)


ROWS = [
    *autocorrelation_rows(),
    *open_set_rows(),
    *real_rows(),
    *better_fingerprint_rows(),
    *control_rows(),
]
COLUMNS = ("task", "the paper's method", "reached", "must", "aim", "verdict", "command")


def measure(options: argparse.Namespace) -> dict[str, Figures]:
    """Run the parts that are asked for; give all figures that are known."""
    path = options.json
    figures = json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else {}
    for name, part in PARTS.items():
        wanted = name in options.only if options.only else name not in figures
        if part.folder and not (options.data and (options.data / part.folder).is_dir()):
            wanted = False
        if wanted:
            data = part.load(options.data)
            figures[name] = part.run(part.folder or "bundled samples", data, options.seeds)
            write_json(figures, path)
    return figures


def table(figures: dict[str, Figures], *, markdown: bool) -> str:
    """Make the table for documents, of what was measured, or all of it for a terminal."""
    if markdown:
        rows = [row.cells(figures) for row in ROWS if row.find(figures) is not None]
        return "\n".join([header(COLUMNS), *map(line, rows)])
    rows = [row.cells(figures) for row in ROWS]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [COLUMNS, *rows]
    )


def main() -> None:
    """Measure what is not known yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[], metavar="PART")
    parser.add_argument("--json", "--output", type=Path, metavar="FILE")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    figures = measure(options)
    print(f"\n{table(figures, markdown=options.markdown)}")


if __name__ == "__main__":
    main()
