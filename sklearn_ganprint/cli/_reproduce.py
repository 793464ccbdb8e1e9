"""``ganprint reproduce``: the paper's figures and tables from one's own images."""

import argparse
import os
import shutil

import numpy as np
from sklearn.utils import Bunch

from sklearn_ganprint import experiments
from sklearn_ganprint.cli import _arguments, _images, _pages
from sklearn_ganprint.cli._console import MESSAGES, Column, Table, columns, print_results
from sklearn_ganprint.cli._demo import ACCURACY, notes_of_accuracy
from sklearn_ganprint.cli._reproduction import render_reproduction, write_figures
from sklearn_ganprint.datasets import ImageReader

REQUIRES = ("rich", "jinja2", "matplotlib")
DESCRIPTION = (
    "Repeat the experiments of 'Do GANs leave artificial fingerprints?' on a folder of images, and "
    "write figures, tables and one page. An interrupted run goes on where it was when the same "
    "command is given again."
)

#: Folder in OUT with what an interrupted run has computed.
_PARTS = "parts"

_LIMIT = Column("energy_limit", "fingerprint energy", 4)
_COLUMNS = columns("source", "architecture", *ACCURACY, _LIMIT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    source = (
        "a folder per source, or per architecture with a folder per source in it; or a CSV file "
        "with the columns path, label and perhaps group and architecture"
    )
    _arguments.add(parser, "source", help=source)
    out = "folder for the page, figures and tables"
    _arguments.add(parser, "--out", required=True, metavar="OUT", help=out)
    _add_images(parser)
    _add_method(parser)
    _arguments.add(parser, "--jobs", "--batch-size", "--format")
    _arguments.add(parser, "--force", help="replace the files of an earlier run in OUT")


def _add_images(parser: argparse.ArgumentParser) -> None:
    """Add what decides on the images."""
    _arguments.add(parser, "--layout", default="auto")
    parser.add_argument(
        "--architectures",
        metavar="CSV",
        help="a CSV file with the columns source and architecture: sources of one architecture "
        "are siblings; camera and real are not recompressed in the JPEG experiment",
    )
    groups = "keep files of one name, such as versions of one scene, on one side of the split"
    _arguments.add(parser, "--groups", what=groups)
    for name, what in (("fit", "to estimate each fingerprint from"), ("test", "to test it on")):
        default = "512, or 51.2 %% of the smallest source" if name == "fit" else "all others"
        parser.add_argument(
            f"--n-{name}",
            type=_arguments.positive,
            metavar="N",
            help=f"images of each source {what} (default: {default})",
        )
    _arguments.add(parser, "--crop", "--anchor")


def _add_method(parser: argparse.ArgumentParser) -> None:
    """Add what is done with the images."""
    _arguments.add(parser, "--channels", default="rgb", what="rgb")
    _arguments.add(parser, "--denoiser")
    parser.add_argument(
        "--jpeg",
        type=_arguments.quality,
        default=95,
        metavar="Q",
        help="JPEG quality of the recompression experiment (default: %(default)s)",
    )
    parser.add_argument(
        "--n-robustness",
        type=_arguments.natural,
        default=100,
        metavar="N",
        help="test images of each source in the robustness study, 0 for none "
        "(default: %(default)s)",
    )
    _arguments.add(parser, "--seed", what="draws which images are fitted on")


def run(args: argparse.Namespace) -> int:
    """Run all experiments, write OUT, print a table."""
    _check_out(args.out, args.force)
    bunch = _images.find_images(args, groups=args.groups, architectures=args.architectures)
    crop = args.crop or _images.auto_crop(bunch)
    result = _reproduce(bunch, crop, args)
    MESSAGES.warn(*result.warnings)
    with MESSAGES.progress("drawing") as progress:
        folders = os.path.join(args.out, "figures"), os.path.join(args.out, _PARTS)
        write_figures(result, *folders, progress)
    result.save(args.out)
    page = render_reproduction(result, bunch, crop, args)
    index = _pages.write_page(args.out, page)
    shutil.rmtree(os.path.join(args.out, _PARTS))
    _print(result, index, args)
    _pages.say_where(index, "report")
    return _images.exit_status([*bunch.failures, *result.failures], len(bunch.filenames))


def _check_out(out: str, force: bool) -> None:
    """Refuse a folder that holds something else than an interrupted run; try to write there."""
    interrupted = os.path.isdir(os.path.join(out, _PARTS))
    finished = os.path.lexists(os.path.join(out, _pages.PAGE))
    if finished or not interrupted:
        _pages.check_folder(out, force=force, files="the files of the earlier run")
    elif not force:
        MESSAGES.say(f"going on with the run that was interrupted in {out}; --force starts again")
    _pages.probe_folder(out)
    if force:
        shutil.rmtree(os.path.join(out, _PARTS), ignore_errors=True)


def _reproduce(
    bunch: Bunch, crop: tuple[int, int], args: argparse.Namespace
) -> experiments.ReproductionResult:
    settings = experiments.ReproductionSettings(
        n_fit=args.n_fit,
        n_test=args.n_test,
        denoiser=args.denoiser,
        channels=args.channels,
        jpeg_quality=args.jpeg,
        n_robustness=args.n_robustness,
        random_state=args.seed,
    )
    options = experiments.BatchOptions(
        batch_size=args.batch_size, n_jobs=args.jobs, on_error=MESSAGES.say
    )
    names, architectures = short_names(bunch), None
    if bunch.architectures is not None:
        architectures = dict(zip(names.tolist(), bunch.architectures.tolist(), strict=True))
    with MESSAGES.progress("reproducing") as progress:
        return experiments.reproduce_paper(
            bunch.filenames,
            names[bunch.target],
            settings,
            architectures=architectures,
            groups=bunch.groups,
            reader=ImageReader(crop=crop, anchor=args.anchor),
            folder=os.path.join(args.out, _PARTS),
            options=options,
            progress=progress,
        )


def short_names(bunch: Bunch) -> np.ndarray:
    """Name sources without their architecture where that is enough to tell them apart."""
    names = np.array([name.rpartition("/")[2] for name in bunch.target_names.tolist()])
    return names if len(set(names.tolist())) == len(names) else bunch.target_names


def _print(result: experiments.ReproductionResult, index: str, args: argparse.Namespace) -> None:
    print_results(
        args.format,
        {**result.to_dict(), "report": index},
        Table(_COLUMNS, result.rows()),
        notes=notes_of_accuracy(result.attribution),
    )
