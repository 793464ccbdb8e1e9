"""``ganprint reproduce``: the paper's figures and tables from one's own images."""

import argparse
import os
import shutil
from typing import TYPE_CHECKING, Any

from sklearn_ganprint.cli import _arguments
from sklearn_ganprint.cli._console import MESSAGES, Column, print_csv, print_json, print_table
from sklearn_ganprint.cli._errors import CommandError
from sklearn_ganprint.cli._pages import check_folder, write_files

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from sklearn_ganprint.datasets import ImageReader
    from sklearn_ganprint.experiments import ReproductionResult, ReproductionSettings

REQUIRES = ("rich", "jinja2", "matplotlib")

#: Folder in OUT with what an interrupted run has computed, and the page that a whole one ends with.
_PARTS, _PAGE = "parts", "index.html"

_COLUMNS = (
    Column("source", "source"),
    Column("architecture", "architecture"),
    Column("n_fit", "images fitted"),
    Column("n_test", "images tested"),
    Column("recall", "attributed right", 3),
    Column("auc", "one-vs-rest AUC", 3),
    Column("energy_limit", "fingerprint energy", 4),
)


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command's arguments."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "reproduce",
        help="every figure and table of the paper, for your own images",
        description="Repeat the experiments of 'Do GANs leave artificial fingerprints?' on a "
        "folder of images, and write figures, tables and one page. An interrupted run goes on "
        "where it was when the same command is given again.",
    )
    parser.add_argument(
        "source",
        metavar="DIR_OR_CSV",
        help="a folder per source, or per architecture with a folder per source in it; or a CSV "
        "file with the columns path, label and perhaps group and architecture",
    )
    parser.add_argument(
        "--out", required=True, metavar="OUT", help="folder for the page, figures and tables"
    )
    _add_images(parser)
    _add_method(parser)
    _arguments.add_jobs(parser)
    _arguments.add_batch_size(parser)
    _arguments.add_format(parser)
    parser.add_argument(
        "--force", action="store_true", help="replace the files of an earlier run in OUT"
    )
    return parser


def _add_images(parser: argparse.ArgumentParser) -> None:
    """Add what decides on the images."""
    _arguments.add_layout(parser)
    parser.add_argument(
        "--architectures",
        metavar="CSV",
        help="a CSV file with the columns source and architecture: sources of one architecture "
        "are siblings; camera and real are not recompressed in the JPEG experiment",
    )
    parser.add_argument(
        "--groups",
        choices=("name",),
        help="keep files of one name, such as versions of one scene, on one side of the split",
    )
    for name, what in (("fit", "to estimate each fingerprint from"), ("test", "to test it on")):
        default = "512, or 51.2 %% of the smallest source" if name == "fit" else "all others"
        parser.add_argument(
            f"--n-{name}",
            type=_arguments.positive,
            metavar="N",
            help=f"images of each source {what} (default: {default})",
        )
    _arguments.add_crop(parser)


def _add_method(parser: argparse.ArgumentParser) -> None:
    """Add what is done with the images."""
    _arguments.add_residual(parser)
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
    _arguments.add_seed(parser, "draws which images are fitted on")


def run(args: argparse.Namespace) -> int:
    """Run all experiments, write OUT, print a table."""
    _check_out(args.out, args.force)
    from sklearn_ganprint.cli._reproduce_page import render_reproduction, write_reproduction

    bunch, reader = _find_images(args)
    result = _reproduce(bunch, reader, args)
    MESSAGES.say("drawing")
    write_reproduction(result, args.out)
    page = render_reproduction(result, bunch, args)
    # The page comes last: where there is one, all that it shows is there too.
    index = write_files(args.out, {_PAGE: page.encode("utf-8")})
    shutil.rmtree(os.path.join(args.out, _PARTS), ignore_errors=True)
    _print(result, index, args)
    MESSAGES.say(f"report: {index}")
    n_failures = len(bunch.failures) + len(result.failures)
    if n_failures:
        MESSAGES.say(f"{n_failures} could not be used; all others were")
    return 1 if n_failures else 0
