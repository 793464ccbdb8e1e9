"""``ganprint fit``: labelled images to a model in a file."""

import argparse
import os
import shutil
import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import chain, count

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from sklearn_ganprint import conformal, pipelines
from sklearn_ganprint.cli import _arguments, _console, _images, _models
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Row, Table, columns
from sklearn_ganprint.cli._models import Model
from sklearn_ganprint.cli._pages import check_file
from sklearn_ganprint.datasets import ImageReadError, list_images
from sklearn_ganprint.localization import LocalizationWarning
from sklearn_ganprint.open_set import CalibrationWarning, OpenSetClassifier
from sklearn_ganprint.persistence import save_model

REQUIRES = ("rich", "skops")
DESCRIPTION = (
    "Learn what tells the sources apart, calibrate p-values on images that the scoring models "
    "have not seen, and save both as a model."
)

#: The kind of model that is fitted unless another is asked for.
DEFAULT_KIND = "robust"

#: The kind that ``--fast`` fits, and the one that ``--copies`` is for.
FAST_KIND = "fusion"
COPYING_KIND = "robust"

#: What images from no source are called, as in OpenSetClassifier.
UNKNOWN = "unknown"

_USED = Column("images", "images used")
_COLUMNS = columns("source", _USED, "failed", *_images.PROPERTIES, _console.ENERGY)

#: Sources of which `verify` cannot reject at this rate have few images.
FEW_RATE = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add(parser, "source")
    _arguments.add(parser, "--layout", default="folders")
    _arguments.add(parser, "--seed", what="draws files with --limit-per-source")
    parser.add_argument("--model", required=True, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--task",
        choices=(_arguments.ATTRIBUTE, _arguments.DETECT, _arguments.LOCALIZE),
        default=_arguments.ATTRIBUTE,
        help="what the model is for: attribute, to tell who made an image (ganprint predict, "
        "verify); detect, to tell photos from generated images, also of generators that are not in "
        "the fit (ganprint predict); localize, to find the parts of an image that come from "
        "elsewhere (ganprint localize) (default: %(default)s)",
    )
    what = "with --task detect: the sources that are photos, each kind one"
    _arguments.add(parser, "--photos", what=what)
    _add_kinds(parser)
    _arguments.add(parser, "--crop", "--anchor", "--limit-per-source")
    _arguments.add(parser, "--channels", what="rgb; with --kind prnu luminance")
    _arguments.add(parser, "--denoiser")
    groups = (
        "files of one name, such as versions of one scene, calibrate together: none is scored by "
        "a model that has seen another (default: the column group of a CSV file, if any)"
    )
    _arguments.add(parser, "--groups", what=groups)
    _arguments.add(parser, "--jobs", "--batch-size", "--format")
    _arguments.add(parser, "--resume", what="the folder FILE.partial")
    _arguments.add(parser, "--force", help="replace the model if it exists")


def _add_kinds(parser: argparse.ArgumentParser) -> None:
    kinds = "; ".join(f"{kind}, {traces}" for kind, traces in pipelines.KINDS.items())
    parser.add_argument(
        "--kind",
        type=_arguments.kind,
        metavar=f"{{{','.join(pipelines.KINDS)}}}",
        help=f"the traces that images are attributed by: {kinds} (default: {DEFAULT_KIND})",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help=f"for images that were never processed again: --kind {FAST_KIND}, fitted on the "
        f"images as they are and no copies; of compressed, resized or cropped images its answers "
        f"are often wrong",
    )
    copies = (
        f"number of processed copies of each image that --kind {COPYING_KIND} is fitted on: "
        f"compressed, resized, cropped and more (default: 20, fewer of more than 1000 images)"
    )
    _arguments.add_number(parser, "--copies", copies, _arguments.copies)


def run(args: argparse.Namespace) -> int:
    """Fit a model, save it, and print what it was made of."""
    _settle_task(args)
    estimator = _estimator(args)
    check_file("--model", args.model, force=args.force, read=[args.source])
    any_size = _images.takes_any_size(estimator)
    drawn = {"limit_per_source": args.limit_per_source, "random_state": args.seed}
    bunch = _images.find_images(args, any_size=any_size, groups=args.groups, **drawn)
    if args.task == _arguments.DETECT:
        args.photos = _images.find_photos(args.photos, bunch.target_names.tolist())
    failures = list(bunch.failures)
    whole_from = 0 if args.kind == "prnu" else float("inf")  # of a sensor all is used
    if args.crop:
        _images.check_crop(bunch, args.crop)
    crop = args.crop or _images.auto_crop(bunch, whole_from=whole_from, any_size=any_size)
    findings = _images.look_before_fit(bunch, crop, args)
    labels = _labels(args)
    model = _fit(estimator, bunch, crop, args, failures)
    save_model(model.whole, args.model, findings=findings)
    if args.resume:
        shutil.rmtree(os.path.realpath(_kept(args)))
    MESSAGES.warn(_models.warning_of_few(model))
    rows = _rows(bunch, model, failures, labels)
    MESSAGES.warn(_warning_of_sources(rows, model), _warning_of_pixels(bunch, model))
    _print(rows, model, args, failures)
    MESSAGES.say(f"saved {args.model}")
    return _images.exit_status(len(failures), sum(row["images"] for row in rows))


def _settle_task(args: argparse.Namespace) -> None:
    """Choose the kind that was not named; a model that localizes has none."""
    if args.kind == _arguments.FORMER_KIND:
        args.task, args.kind = _arguments.LOCALIZE, None
    if args.photos and args.task != _arguments.DETECT:
        raise CommandError(f"--photos: leave this out, or choose --task {_arguments.DETECT}")
    if args.task != _arguments.ATTRIBUTE:
        given = {f"--kind {args.kind}": args.kind, "--fast": args.fast}
        if args.task == _arguments.LOCALIZE:
            given[f"--copies {args.copies}"] = args.copies
        for named in filter(given.get, given):
            raise CommandError(f"{named}: leave this out with --task {args.task}")
        return
    if args.fast and args.kind not in (None, FAST_KIND):
        raise CommandError(
            f"--fast is --kind {FAST_KIND}, got --kind {args.kind}; leave one of them out"
        )
    args.kind = args.kind or (FAST_KIND if args.fast else DEFAULT_KIND)
    if args.copies and args.kind != COPYING_KIND:
        named = "--fast" if args.fast else f"--kind {args.kind}"
        raise CommandError(
            f"--copies {args.copies}: {named} makes no copies; leave --copies out, or choose "
            f"--kind {COPYING_KIND}"
        )


def _estimator(args: argparse.Namespace) -> OpenSetClassifier | Pipeline:
    """Make the pipeline that is asked for, with calibrated p-values."""
    if args.task == _arguments.LOCALIZE:
        pipeline = pipelines.make_localization_pipeline(denoiser=args.denoiser)
        return pipeline.set_params(residual__channels=args.channels or "rgb")
    if detects := args.task == _arguments.DETECT:
        pipeline = pipelines.make_detection_pipeline(denoiser=args.denoiser)
    else:
        pipeline = pipelines.make_attribution_pipeline(
            args.kind, denoiser=None if args.denoiser == "wavelet" else args.denoiser
        )
    if args.copies:
        pipeline[-1].set_params(n_copies=args.copies)
    params = pipeline.get_params().items()
    anchors = [name for name, value in params if name.endswith("__anchor") and value is not None]
    pipeline.set_params(**dict.fromkeys(anchors, args.anchor))
    if args.kind in ("fingerprint", "prnu"):
        default = pipeline["residual"].channels if args.kind == "prnu" else "rgb"
        pipeline.set_params(residual__channels=args.channels or default)
    elif args.channels == "luminance":
        made = f"--kind {args.kind}" if args.kind else f"--task {args.task}"
        raise CommandError(
            f"--channels {args.channels}: {made} rests on how the colours of a "
            f"residual depend on each other; --kind fingerprint takes {args.channels}"
        )
    if detects:
        return OpenSetClassifier(
            pipeline, calibration="source", unknown_label=_arguments.CANNOT_TELL
        )
    return OpenSetClassifier(pipeline)


def _kept(args: argparse.Namespace) -> str:
    """Name the folder where ``--resume`` keeps what is done of a fit."""
    return f"{args.model}.partial"


def _fit(
    estimator: OpenSetClassifier | Pipeline,
    bunch: Bunch,
    crop: tuple[int, int],
    args: argparse.Namespace,
    failures: list[ImageReadError],
) -> Model:
    y = sources = bunch.target_names[bunch.target]
    params = {"groups": bunch.groups}
    if args.task == _arguments.DETECT:
        y = np.where(np.isin(sources, args.photos), _arguments.PHOTO, _arguments.GENERATED)
        params["sources"] = sources
    else:
        _name_unknown(estimator, bunch.target_names.tolist())
    with warnings.catch_warnings():
        # They speak of parameters, and of the rate of the fit; the rate is chosen when predicting.
        warnings.simplefilter("ignore", CalibrationWarning)
        warnings.simplefilter("ignore", LocalizationWarning)
        kept = _kept(args) if args.resume else None
        classifier = _images.fit_files(
            estimator, bunch, crop, args, failures, "fitting", kept, y=y, **params
        )
    # The number of workers is of this machine, not of the model.
    return _models.model_parts(classifier.set_params(n_jobs=None))


def _name_unknown(estimator: OpenSetClassifier | Pipeline, sources: Sequence[str]) -> None:
    """Call images of no source "none of these" where a source is called "unknown"."""
    if UNKNOWN not in sources or "unknown_label" not in estimator.get_params(deep=False):
        return
    names = chain(["none of these"], (f"none of these ({number})" for number in count(2)))
    label = next(name for name in names if name not in sources)
    estimator.set_params(unknown_label=label)
    MESSAGES.say(f"a source is called {UNKNOWN!r}: images from no source get the name {label!r}")


def _warning_of_sources(rows: list[Row], model: Model) -> str | None:
    """Say which sources have few images, and what false-alarm rate can be kept with them."""
    few = [row for row in rows if (row["smallest_p_value"] or 0) > FEW_RATE]
    if not few:
        return None
    listed = ", ".join(
        f"{row['source']} ({row['images']} images: {conformal.round_up(row['smallest_p_value'])})"
        for row in few
    )
    return (
        f"few images: an image can be rejected as not from one of these sources only at a "
        f"false-alarm rate of 1 / ({model.calibration_units} + 1) or more, and p-values come in "
        f"steps of it: {listed}. `ganprint verify` also tells how few images of the other sources "
        f"look as much like one of these"
    )


def _warning_of_pixels(bunch: Bunch, model: Model) -> str | None:
    """Say which sources were once compressed, where others were not and files do not show it.

    As in `confounds`, a property is told that is right of 70 % of the images on either side.
    """
    summary = model.whole.history_summary_
    if summary is None or any(warning.startswith("format") for warning in bunch.warnings):
        return None
    once, n_files = np.array(summary["once_jpeg"]), np.array(summary["looked_at"])
    own = once / np.maximum(n_files, 1)
    others = (once.sum() - once) / np.maximum(n_files.sum() - n_files, 1)
    sides = own >= 0.5
    if np.abs(own - others).max() < 0.4 or sides.all() or not sides.any():
        return None
    names = np.array(model.labels)
    return (
        f"sources differ in history: the pixels of {', '.join(names[sides])} show JPEG "
        f"compression, those of {', '.join(names[~sides])} do not; a model may learn this instead "
        f"of the source"
    )


def _rows(
    bunch: Bunch, model: Model, failures: Sequence[ImageReadError], labels: dict[str, str]
) -> list[Row]:
    """Make one row a source, of what it gave."""
    unusable = {failure.filename for failure in failures}
    failed = Counter(labels[name] for name in unusable if name in labels)
    used = Counter(labels[name] for name in bunch.filenames if name not in unusable)
    energies = [] if model.energies is None else model.energies
    energy = dict(zip(model.labels, map(float, energies), strict=False))
    by_p_values = model.open_set is not None and model.match_energy is None
    smallest = model.smallest_p_values if by_p_values else {}
    return [
        {
            "source": source,
            "images": used[source],
            "failed": failed[source],
            **_images.file_properties(bunch, bunch.target_names[bunch.target] == source),
            "fingerprint_energy": energy.get(source),
            "smallest_p_value": smallest.get(source),
        }
        for source in sorted({*used, *failed, *bunch.target_names.tolist()})
    ]


def _labels(args: argparse.Namespace) -> dict[str, str]:
    """Return the label of each file, also of those that the loader left out."""
    listed = list_images(args.source, layout=args.layout)
    return dict(zip(listed.filenames, listed.labels.tolist(), strict=True))


def _print(
    rows: list[Row], model: Model, args: argparse.Namespace, failures: Sequence[ImageReadError]
) -> None:
    channels = None if model.residual is None else model.residual.channels
    notes, unseen = _notes(model, args, channels), _models.out_of_fold(model)
    notes += [
        *_models.notes_of_out_of_fold(unseen),
        _models.calibrated_on(
            model.calibration_in_words,
            model.smallest_known_p_value,
            "regions" if model.localizes else "p-values",
        ),
    ]
    document = {
        "model": args.model,
        "task": args.task,
        "kind": args.kind or (_arguments.FORMER_KIND if model.localizes else None),
        "crop": model.whole.reader_.crop,
        "anchor": args.anchor,
        "channels": channels,
        "denoiser": args.denoiser,
        "groups": args.groups,
        "calibration": model.calibration_way,
        "smallest_p_value": model.smallest_known_p_value,
        "out_of_fold": unseen,
        "sources": rows,
        "failures": _images.failure_rows(failures),
        "histories": model.whole.history_summary_,
        "copies": model.n_copies,
        "photos": args.photos,
    }
    _console.print_results(
        args.format,
        document,
        Table(columns(*_COLUMNS, "smallest_p_value"), rows),
        shown=[Table(_COLUMNS, rows).filled()],
        notes=notes,
    )


def _notes(model: Model, args: argparse.Namespace, channels: str | None) -> list[str]:
    """Say how the model was made."""
    height, width = model.whole.reader_.crop
    residual = f"{channels}, {args.denoiser}" if channels else "several residuals"
    notes = [*filter(None, [_models.covered(model)])]
    notes += [f"{args.kind or args.task}: crop {height} x {width} ({args.anchor}), {residual}"]
    if args.photos:
        notes.append(f"photos: {', '.join(args.photos)}; all others: generated")
    if model.n_copies:
        copies = "1 copy" if model.n_copies == 1 else f"{model.n_copies} copies"
        notes.append(f"fitted on each image and {copies}, processed as images on the web are")
    if model.whole.takes_any_size:
        reader = model.whole.predict_reader_
        least, (height, width) = reader.min_side, reader.crop
        notes.append(
            f"images of any size from {least} x {least} pixels on are judged, of larger ones "
            f"{height} x {width}"
        )
    if (least := model.match_energy) is not None:
        notes.append(f"photos match a camera from a peak-to-correlation energy of {least:g} on")
    return notes
