"""``ganprint fit``: labelled images to a model in a file."""

import argparse
import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from sklearn_ganprint.cli import _arguments
from sklearn_ganprint.cli._console import (
    CSV_FORMATS,
    MESSAGES,
    Column,
    print_csv,
    print_json,
    print_table,
    shown_columns,
)
from sklearn_ganprint.cli._errors import CommandError
from sklearn_ganprint.cli._images import (
    auto_crop,
    collect_failures,
    exit_status,
    file_properties,
    find_images,
)
from sklearn_ganprint.cli._models import (
    Model,
    as_fraction,
    calibration_counts,
    calibration_in_words,
    calibration_way,
    is_localizer,
    match_energy,
    model_parts,
    round_up,
    smallest_known_p_value,
    warning_of_few,
)
from sklearn_ganprint.cli._text import one_line
from sklearn_ganprint.cli.pages._folder import check_file

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline
    from sklearn.utils import Bunch

    from sklearn_ganprint import OpenSetClassifier
    from sklearn_ganprint.datasets import ImageReadError

REQUIRES = ("rich", "skops")

#: What images from no source are called, as in OpenSetClassifier.
UNKNOWN = "unknown"

_COLUMNS = (
    Column("source", "source"),
    Column("images", "images used"),
    Column("failed", "failed"),
    Column("formats", "format"),
    Column("sizes", "size"),
    Column("jpeg_quality", "JPEG quality", 0),
    Column("fingerprint_energy", "fingerprint energy", 4),
)
_MORE = (Column("smallest_p_value", "smallest p-value"),)

#: Sources of which `verify` cannot reject at this rate have few images.
FEW_RATE = 0.05


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command's arguments."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "fit",
        help="learn the traces of sources from labelled images",
        description="Learn what tells the sources apart, calibrate p-values on images that the "
        "scoring models have not seen, and save both as a model.",
    )
    parser.add_argument(
        "source",
        metavar="DIR_OR_CSV",
        help="a folder with one folder of images per source, or a CSV file with the columns "
        "path and label",
    )
    _arguments.add_layout(parser, default="folders")
    parser.add_argument("--model", required=True, metavar="FILE", help="the file to write")
    _arguments.add_kind(parser)
    _arguments.add_crop(parser)
    _arguments.add_residual(parser, None)
    parser.add_argument(
        "--groups",
        choices=("name",),
        help="files of one name, such as versions of one scene, calibrate together: none is scored "
        "by a model that has seen another (default: the column group of a CSV file, if any)",
    )
    _arguments.add_jobs(parser)
    _arguments.add_batch_size(parser)
    _arguments.add_format(parser)
    parser.add_argument("--force", action="store_true", help="replace the model if it exists")
    return parser


def run(args: argparse.Namespace) -> int:
    """Fit a model, save it, and print what it was made of."""
    from sklearn_ganprint.persistence import save_model

    check_file("--model", args.model, force=args.force)
    estimator = _estimator(args)
    bunch = find_images(args, groups=args.groups)
    failures = list(bunch.failures)
    crop = args.crop or auto_crop(bunch, whole=args.kind == "prnu")
    labels = _labels(args)
    model = _fit(estimator, bunch, crop, args, failures)
    save_model(model.whole, args.model)
    rows = _rows(bunch, model, failures, labels)
    for warning in (warning_of_few(model), _warning_of_sources(rows)):
        if warning:
            MESSAGES.warn(warning)
    _print(rows, model, args, failures)
    MESSAGES.say(f"saved {args.model}")
    return exit_status(failures, sum(row["images"] for row in rows))


def _estimator(args: argparse.Namespace) -> "OpenSetClassifier | Pipeline":
    """Make the pipeline that is asked for, with calibrated p-values."""
    from sklearn_ganprint import (
        OpenSetClassifier,
        make_attribution_pipeline,
        make_localization_pipeline,
    )

    if args.kind == _arguments.LOCALIZATION:
        pipeline = make_localization_pipeline(denoiser=args.denoiser)
        return pipeline.set_params(residual__channels=args.channels or "rgb")
    pipeline = make_attribution_pipeline(
        args.kind, denoiser=None if args.denoiser == "wavelet" else args.denoiser
    )
    if args.kind in ("fingerprint", "prnu"):
        default = pipeline["residual"].channels if args.kind == "prnu" else "rgb"
        pipeline.set_params(residual__channels=args.channels or default)
    elif args.channels == "luminance":
        raise CommandError(
            f"--channels {args.channels}: --kind {args.kind} rests on how the colours of a "
            f"residual depend on each other; --kind fingerprint takes {args.channels}"
        )
    return OpenSetClassifier(pipeline)


def _fit(
    estimator: "OpenSetClassifier | Pipeline",
    bunch: "Bunch",
    crop: tuple[int, int],
    args: argparse.Namespace,
    failures: "list[ImageReadError]",
) -> Model:
    from sklearn_ganprint import FileBatchClassifier
    from sklearn_ganprint.datasets import ImageReader
    from sklearn_ganprint.localization import LocalizationWarning
    from sklearn_ganprint.open_set import CalibrationWarning

    _name_unknown(estimator, bunch.target_names.tolist())
    with MESSAGES.progress("fitting") as progress, warnings.catch_warnings():
        # They speak of parameters, and of the rate of the fit; the rate is chosen when predicting.
        warnings.simplefilter("ignore", CalibrationWarning)
        warnings.simplefilter("ignore", LocalizationWarning)
        classifier = FileBatchClassifier(
            estimator,
            reader=ImageReader(crop=crop, anchor=args.anchor),
            batch_size=args.batch_size,
            n_jobs=args.jobs,
            on_error=collect_failures(failures),
            progress=progress,
        )
        sources = bunch.target_names[bunch.target]
        classifier.fit(bunch.filenames, sources, groups=bunch.groups)
    return model_parts(classifier.set_params(n_jobs=None))  # of this machine, not of the model


def _name_unknown(estimator: "OpenSetClassifier | Pipeline", sources: Sequence[str]) -> None:
    """Call images of no source "none of these" where a source is called "unknown"."""
    if UNKNOWN not in sources or "unknown_label" not in estimator.get_params(deep=False):
        return
    names = chain(["none of these"], (f"none of these ({number})" for number in count(2)))
    label = next(name for name in names if name not in sources)
    estimator.set_params(unknown_label=label)
    MESSAGES.say(f"a source is called {UNKNOWN!r}: images from no source get the name {label!r}")


def _smallest_p_values(model: Model) -> dict[str, float]:
    """Smallest p-value that `verify` can find for each source; none where it goes by others."""
    if is_localizer(model) or match_energy(model) is not None:
        return {}
    counts = calibration_counts(model.open_set).tolist()
    pairs = zip(model.whole.classes_, counts, strict=True)
    return {str(source): 1 / (count + 1) for source, count in pairs}


def _warning_of_sources(rows: list[dict[str, Any]]) -> str | None:
    """Say which sources have few images, and what false-alarm rate can be kept with them."""
    few = [row for row in rows if (row["smallest_p_value"] or 0) > FEW_RATE]
    if not few:
        return None
    listed = ", ".join(
        f"{row['source']} ({row['images']} images: {round_up(row['smallest_p_value'])})"
        for row in few
    )
    return (
        f"few images: an image can be rejected as not from one of these sources only at a "
        f"false-alarm rate of 1 / (images + 1) or more, and p-values come in steps of "
        f"it: {listed}"
    )


def _rows(
    bunch: "Bunch",
    model: Model,
    failures: "Sequence[ImageReadError]",
    labels: dict[str, str],
) -> list[dict[str, Any]]:
    """Make one row a source, of what it gave."""
    unusable = {each.filename for each in failures}
    failed = Counter(labels[name] for name in unusable if name in labels)
    used = Counter(labels[name] for name in bunch.filenames if name not in unusable)
    # Only kinds with one fingerprint a source have an energy of it.
    energies = getattr(model.classifier, "energy_", [None] * len(model.whole.classes_))
    energy = dict(zip(model.whole.classes_.tolist(), energies, strict=True))
    smallest = _smallest_p_values(model)
    return [
        {
            "source": source,
            "images": used[source],
            "failed": failed[source],
            **file_properties(bunch, bunch.target_names[bunch.target] == source),
            "fingerprint_energy": None if energy.get(source) is None else float(energy[source]),
            "smallest_p_value": smallest.get(source),
        }
        for source in sorted({*used, *failed, *bunch.target_names.tolist()})
    ]


def _labels(args: argparse.Namespace) -> dict[str, str]:
    """Return the label of each file, also of those that the loader left out."""
    from sklearn_ganprint.datasets import list_images

    listed = list_images(args.source, layout=args.layout)
    return dict(zip(listed.filenames, listed.labels.tolist(), strict=True))


def _print(
    rows: list[dict[str, Any]],
    model: Model,
    args: argparse.Namespace,
    failures: "Sequence[ImageReadError]",
) -> None:
    height, width = model.whole.reader_.crop
    smallest = smallest_known_p_value(model)
    channels = None if model.residual is None else model.residual.channels
    if args.format in CSV_FORMATS:
        print_csv((*_COLUMNS, *_MORE), rows, args.format)
    elif args.format == "table":
        print_table(shown_columns(_COLUMNS, rows), rows)
        residual = f"{channels}, {args.denoiser}" if channels else "several residuals"
        settings = f"crop {height} x {width} ({args.anchor}), {residual}"
        print(f"{args.kind}: {settings}")
        if (least := match_energy(model)) is not None:
            print(f"photos match a camera from a peak-to-correlation energy of {least:g} on")
        judges = calibration_in_words(model)
        what = "regions" if is_localizer(model) else "p-values"
        print(f"{what} by {judges}: at least {as_fraction(smallest)}")
    else:
        document = {
            "model": args.model,
            "kind": args.kind,
            "crop": (height, width),
            "anchor": args.anchor,
            "channels": channels,
            "denoiser": args.denoiser,
            "groups": args.groups,
            "calibration": calibration_way(model),
            "smallest_p_value": smallest,
            "sources": rows,
            "failures": [{"file": e.filename, "reason": one_line(e.reason)} for e in failures],
        }
        print_json(document)
