"""``ganprint fit``: labelled images to a model in a file."""

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn_ganprint.cli import _arguments
from sklearn_ganprint.cli._console import MESSAGES, Column, print_csv, print_json, print_table
from sklearn_ganprint.cli._errors import CommandError
from sklearn_ganprint.cli._images import auto_crop, find_images
from sklearn_ganprint.cli._text import one_line

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from sklearn_ganprint import FileBatchClassifier
    from sklearn_ganprint.datasets import ImageReadError

REQUIRES = ("rich", "skops")

_COLUMNS = (
    Column("source", "source"),
    Column("images", "images used"),
    Column("failed", "failed"),
    Column("formats", "format"),
    Column("sizes", "size"),
    Column("jpeg_quality", "JPEG quality (median)", 0),
    Column("fingerprint_energy", "fingerprint energy", 4),
)


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command's arguments."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "fit",
        help="estimate fingerprints from labelled images",
        description="Estimate the fingerprint of each source and save them as a model.",
    )
    parser.add_argument(
        "source",
        metavar="DIR_OR_CSV",
        help="a folder with one folder of images per source, or a CSV file with the columns "
        "path and label",
    )
    _arguments.add_layout(parser, default="folders")
    parser.add_argument("--model", required=True, metavar="FILE", help="the file to write")
    _arguments.add_crop(parser)
    _arguments.add_residual(parser)
    _arguments.add_jobs(parser)
    _arguments.add_batch_size(parser)
    _arguments.add_format(parser)
    parser.add_argument("--force", action="store_true", help="replace the model if it exists")
    return parser


def run(args: argparse.Namespace) -> int:
    """Fit a model, save it, and print what it was made of."""
    from sklearn_ganprint.persistence import save_model

    _check_target(args.model, args.force)
    bunch = find_images(args)
    failures = list(bunch.failures)
    crop = args.crop or auto_crop(bunch)
    classifier = _fit(bunch, crop, args, failures)
    save_model(classifier, args.model)
    rows = _rows(bunch, classifier, failures, _labels(args))
    _print(rows, crop, args, failures)
    MESSAGES.say(f"saved {args.model}")
    if failures:
        MESSAGES.say(f"{len(failures)} could not be used; all others were")
    return 1 if failures else 0


def _check_target(model: str, force: bool) -> None:
    """Refuse before hours of work, not after them."""
    if os.path.isdir(model):
        raise CommandError(f"--model {model}: expected the name of a file, this is a folder")
    if os.path.lexists(model) and not force:
        raise CommandError(f"--model {model}: the file exists; --force replaces it")
    folder = os.path.dirname(model) or "."
    if not os.path.isdir(folder):
        raise CommandError(f"--model {model}: there is no folder {folder}")


def _fit(
    bunch: "Bunch",
    crop: tuple[int, int],
    args: argparse.Namespace,
    failures: "list[ImageReadError]",
) -> "FileBatchClassifier":
    from sklearn.pipeline import make_pipeline

    from sklearn_ganprint import FileBatchClassifier, FingerprintClassifier, ResidualTransformer
    from sklearn_ganprint.datasets import ImageReader

    def fail(error: "ImageReadError") -> None:
        MESSAGES.say(str(error))
        failures.append(error)

    with MESSAGES.progress("fitting") as progress:
        classifier = FileBatchClassifier(
            make_pipeline(
                ResidualTransformer(args.denoiser, channels=args.channels), FingerprintClassifier()
            ),
            reader=ImageReader(crop=crop, anchor=args.anchor),
            batch_size=args.batch_size,
            n_jobs=args.jobs,
            on_error=fail,
            progress=progress,
        )
        classifier.fit(bunch.filenames, bunch.target_names[bunch.target])
    return classifier.set_params(n_jobs=None)  # of this machine, not of the model


def _rows(
    bunch: "Bunch",
    classifier: "FileBatchClassifier",
    failures: "Sequence[ImageReadError]",
    labels: dict[str, str],
) -> list[dict[str, Any]]:
    """Make one row a source, of what it gave."""
    failed = Counter(labels[each.filename] for each in failures if each.filename in labels)
    last = classifier.estimator_[-1]
    names = classifier.classes_.tolist()
    found = dict(zip(names, zip(last.class_count_, last.energy_, strict=True), strict=True))
    rows = []
    for source in sorted({*names, *failed, *bunch.target_names.tolist()}):
        count, energy = found.get(source, (0, None))
        rows.append(
            {
                "source": source,
                "images": int(count),
                "failed": failed[source],
                **_file_properties(bunch, source),
                "fingerprint_energy": None if energy is None else float(energy),
            }
        )
    return rows


def _labels(args: argparse.Namespace) -> dict[str, str]:
    """Return the label of each file, also of those that the loader left out."""
    from sklearn_ganprint.datasets._layouts import list_container

    entries = list_container(args.source, args.layout).entries
    return {entry.filename: entry.label for entry in entries}


def _file_properties(bunch: "Bunch", source: str) -> dict[str, Any]:
    """Sum up a source's files: formats and sizes, most frequent first, and JPEG quality."""
    import numpy as np

    own = bunch.target_names[bunch.target] == source
    quality = bunch.jpeg_quality[own]
    quality = quality[~np.isnan(quality)]
    sizes = [f"{w} x {h}" for w, h in zip(bunch.widths[own], bunch.heights[own], strict=True)]
    return {
        "formats": [name for name, _ in Counter(bunch.formats[own].tolist()).most_common()],
        "sizes": [size for size, _ in Counter(sizes).most_common()],
        "jpeg_quality": float(np.median(quality)) if len(quality) else None,
    }


def _print(
    rows: list[dict[str, Any]],
    crop: tuple[int, int],
    args: argparse.Namespace,
    failures: "Sequence[ImageReadError]",
) -> None:
    if args.format == "csv":
        print_csv(_COLUMNS, rows)
    elif args.format == "table":
        print_table(_COLUMNS, rows)
        print(f"crop {crop[0]} x {crop[1]} ({args.anchor}), {args.channels}, {args.denoiser}")
    else:
        document = {
            "model": args.model,
            "crop": crop,
            "anchor": args.anchor,
            "channels": args.channels,
            "denoiser": args.denoiser,
            "sources": rows,
            "failures": [{"file": e.filename, "reason": one_line(e.reason)} for e in failures],
        }
        print_json(document)
