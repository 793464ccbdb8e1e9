"""What benchmarks of accuracy share: sets of images, random halves, and lines of tables."""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import Bunch

from sklearn_ganprint.datasets import ImageReader, load_image_folder, load_samples

Split = tuple[np.ndarray, np.ndarray]


def make_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser of the options that all benchmarks of accuracy have."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("directories", metavar="DIR", nargs="*")
    parser.add_argument("--crop", type=int, default=256, help="what is read of each image")
    parser.add_argument("--groups", choices=["name"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def samples_by_crop() -> Bunch:
    """Load the bundled samples, to be split by crop: every photo gave crops to every source."""
    return Bunch(**{**load_samples(), "groups": None})


def image_sets(options: argparse.Namespace) -> Iterator[tuple[str, Bunch]]:
    """Yield the bundled samples, then each folder, with their names."""
    yield "bundled samples", samples_by_crop()
    yield from folders(options)


def photo_or_prompt(filename: str) -> str:
    """Name of what an image shows: that of its file, up to a double underscore if there is one."""
    return Path(filename).stem.split("__")[0]


def folders(options: argparse.Namespace) -> Iterator[tuple[str, Bunch]]:
    """Yield each folder, with its name."""
    for directory in options.directories:
        reader = ImageReader(options.crop)
        groups = photo_or_prompt if options.groups else None
        yield directory, load_image_folder(directory, reader=reader, groups=groups)


def halve(target: np.ndarray, groups: np.ndarray | None, seed: int) -> Split:
    """Random halves of each class, or of the groups."""
    kind = StratifiedShuffleSplit if groups is None else GroupShuffleSplit
    return next(kind(1, test_size=0.5, random_state=seed).split(target, target, groups))


def halves(target: np.ndarray, groups: np.ndarray | None, n_seeds: int) -> list[Split]:
    """Random halves of each class, or of the groups, for each seed."""
    return [halve(target, groups, seed) for seed in range(n_seeds)]


def describe(name: str, data: Bunch) -> str:
    """Say what is measured."""
    n_classes = len(data.target_names)
    return (
        f"{name}: {len(data.target)} images of {n_classes} sources, {data.data.shape[1]} px; "
        f"chance {1 / n_classes:.3f}"
    )


def mean_and_spread(values: Sequence[float] | np.ndarray) -> str:
    """Mean and standard deviation over the seeds."""
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def line(cells: Sequence[str]) -> str:
    """Make a line of a table."""
    return f"| {' | '.join(cells)} |"


def header(columns: Sequence[str]) -> str:
    """Make the first two lines of a table."""
    return f"{line(columns)}\n{'|---' * len(columns)}|"


def write_json(results: dict[str, Any], path: Path | None) -> None:
    """Write the figures, if a file was named."""
    if path is not None:
        path.write_text(json.dumps(results, indent=2), encoding="utf-8")
