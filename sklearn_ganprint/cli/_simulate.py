"""``ganprint simulate``: images of simulated generators and cameras."""

import argparse
import os
from collections import Counter
from pathlib import Path

from sklearn_ganprint.cli import _arguments
from sklearn_ganprint.cli._console import MESSAGES, CommandError, Row, Table, columns, print_results
from sklearn_ganprint.datasets import FolderInUseError, write_generator_images

REQUIRES = ("rich",)
DESCRIPTION = (
    "Make images of 20 simulated generators and 2 cameras, a zoo shaped like Table 1 of the "
    "paper. A run that was interrupted goes on where it stopped."
)

_COLUMNS = columns("source", "architecture", "images", "folder")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder", metavar="DIR", help="the folder to write; images go to DIR/ARCHITECTURE/SOURCE/"
    )
    _arguments.add_number(parser, "--images", "images of each source", default=100)
    parser.add_argument(
        "--size",
        type=_arguments.size,
        default=(256, 256),
        metavar="N|HxW",
        help="their size in pixels (default: 256)",
    )
    parser.add_argument(
        "--sources",
        nargs="+",
        metavar="NAME",
        help="which sources: C1 to C9, G1 to G6, S1 to S5, N1, N2 (default: all)",
    )
    parser.add_argument(
        "--own-contents",
        action="store_true",
        help="contents of its own for each source; otherwise all show the same",
    )
    _arguments.add(parser, "--seed", what="which contents are drawn")
    _arguments.add(parser, "--jobs", "--format")
    force = "write into a folder that holds other files, which are left alone, or other simulated "
    _arguments.add(parser, "--force", help=f"{force}images, which are removed")


def run(args: argparse.Namespace) -> int:
    """Write the images, and print where they are."""
    if os.path.lexists(args.folder) and not os.path.isdir(args.folder):
        raise CommandError(f"{args.folder}: expected a folder, this is a file")
    with MESSAGES.progress("simulating") as progress:
        try:
            files = write_generator_images(
                args.folder,
                args.images,
                image_size=args.size,
                sources=args.sources,
                shared_content=not args.own_contents,
                random_state=args.seed,
                overwrite=args.force,
                n_jobs=args.jobs,
                progress=progress,
            )
        except FolderInUseError as error:
            reason = f"{error.reason}; name another folder, or write into it with --force"
            raise CommandError(reason) from error
    rows = [_row(folder, count) for folder, count in Counter(map(os.path.dirname, files)).items()]
    document = {"folder": args.folder, "size": args.size, "seed": args.seed, "sources": rows}
    print_results(args.format, document, Table(_COLUMNS, rows))
    return 0


def _row(folder: str, n_images: int) -> Row:
    architecture, source = Path(folder).parts[-2:]
    return {"source": source, "architecture": architecture, "images": n_images, "folder": folder}
