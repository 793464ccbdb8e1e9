"""``ganprint fit``: labelled images to a model in a file."""

import argparse
import math
import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn_ganprint.cli import _arguments
from sklearn_ganprint.cli._console import MESSAGES, Column, print_csv, print_json, print_table
from sklearn_ganprint.cli._errors import CommandError
from sklearn_ganprint.cli._text import one_line

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from sklearn_ganprint import FileBatchClassifier
    from sklearn_ganprint.datasets import ImageReadError

REQUIRES = ("rich", "skops")

#: The longest side that ``--crop auto`` takes, and the share of files that must give it.
_AUTO_SIDE = 256
_AUTO_SHARE = 0.95

#: Those of `load_image_folder`, which is not imported for its help.
LAYOUTS = (
    "folders",
    "nested",
    "auto",
    "forensynths",
    "gangen",
    "genimage",
    "140k-faces",
    "open-world-gan",
    "frank",
    "dresden",
    "vision",
    "artifact",
    "raise",
    "webdataset",
)

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
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default="folders",
        metavar="NAME",
        help="how the folder is laid out: a folder per source (folders, the default), "
        "ARCH/SOURCE/ (nested), either (auto), or as a known collection has it: "
        + ", ".join(LAYOUTS[3:]),
    )
    parser.add_argument("--model", required=True, metavar="FILE", help="the file to write")
    _add_fingerprint_arguments(parser)
    _arguments.add_jobs(parser)
    parser.add_argument(
        "--batch-size",
        type=_arguments.positive,
        default=64,
        metavar="N",
        help="files in memory at a time, for each worker (default: %(default)s)",
    )
    _arguments.add_format(parser)
    parser.add_argument("--force", action="store_true", help="replace the model if it exists")
    return parser


def _add_fingerprint_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what decides on the fingerprints themselves."""
    parser.add_argument(
        "--crop",
        type=_arguments.crop,
        metavar="auto|N|HxW",
        help="part of each image that is used, in pixels; auto (the default) is the largest square "
        f"of at most {_AUTO_SIDE} pixels that {_AUTO_SHARE:.0%} of the files can give".replace(
            "%", "%%"
        ),
    )
    parser.add_argument(
        "--anchor",
        choices=("top-left", "center"),
        default="top-left",
        help="where it is cut (default: %(default)s)",
    )
    parser.add_argument(
        "--channels",
        choices=("luminance", "rgb"),
        default="rgb",
        help="one fingerprint of the luminance, or one of each colour, which is more accurate "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--denoiser",
        choices=("wavelet", "gaussian", "median", "wiener"),
        default="wavelet",
        help="what takes the image's content away (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Fit a model, save it, and print what it was made of."""
    from sklearn_ganprint.persistence import save_model

    _check_target(args.model, args.force)
    bunch = _find_images(args)
    failures = list(bunch.failures)
    for failure in failures:
        MESSAGES.say(str(failure))
    crop = args.crop or _auto_crop(bunch)
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


def _find_images(args: argparse.Namespace) -> "Bunch":
    from sklearn_ganprint.datasets import ImageReader, confounds, load_image_folder

    reader = ImageReader(crop=args.crop, anchor=args.anchor)
    bunch = load_image_folder(
        args.source, layout=args.layout, reader=reader, load_content=False, n_jobs=args.jobs
    )
    for difference in confounds(bunch):
        MESSAGES.warn(f"{difference}; what tells these apart may be that, not the source")
    for copy, original in bunch.duplicates:
        MESSAGES.warn(f"{copy} is a copy of {original}; both are used")
    return bunch


def _auto_crop(bunch: "Bunch") -> tuple[int, int]:
    """Find the largest square, up to a limit, that nearly all of the files can give."""
    import numpy as np

    sides = np.sort(np.minimum(bunch.widths, bunch.heights))
    n_smaller = math.floor((1 - _AUTO_SHARE) * len(sides) + 1e-9)
    side = min(_AUTO_SIDE, int(sides[n_smaller]))
    n_fitting = int((sides >= side).sum())
    MESSAGES.say(
        f"--crop auto: {side} x {side} pixels, which {n_fitting} of {len(sides)} files can give"
    )
    return side, side


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
