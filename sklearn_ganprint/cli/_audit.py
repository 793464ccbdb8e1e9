"""``ganprint audit``: what beside its traces tells sources apart, before a figure is believed."""

import argparse
import io
import os
import shlex
from contextlib import redirect_stdout

import numpy as np
from sklearn.utils import Bunch

from sklearn_ganprint._output import absolute, printable
from sklearn_ganprint.cli import _arguments, _console, _images
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Row, Table, columns
from sklearn_ganprint.cli._pages import check_file, write_files
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.experiments import AuditResult, audit_attribution

REQUIRES = ("rich",)
DESCRIPTION = (
    "Tell the sources of labelled images apart by what is no trace of them: properties of files, "
    "compression that pixels show, images shrunk and enlarged, images without their residual, "
    "permuted labels. Look for duplicates, and for names that several sources share. Run it before "
    "you believe how accurate an attribution is."
)

_ACCURACY = Column("accuracy", "accuracy", 3)
_CHANCE = Column("chance", "chance", 3)
_WHAT = Column("what", "what is left to tell sources by")
_SHOWN = columns("control", _ACCURACY, "interval", _CHANCE, _WHAT)
_IN_CSV = columns("control", _ACCURACY, "low", "high", _CHANCE, "images", _WHAT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add(parser, "source", what="; the CSV file may have a column group")
    _arguments.add(parser, "--layout", default="folders")
    _arguments.add(parser, "--limit-per-source")
    _arguments.add(parser, "--crop", "--anchor")
    _arguments.add(
        parser,
        "--groups",
        what="keep files of one name, such as versions of one scene, on one side of the split "
        "(default: the column group of a CSV file, if any)",
    )
    _arguments.add(
        parser,
        "--seed",
        what="draws the halves of which each is attributed by a model of the other, and files with "
        "--limit-per-source",
    )
    parser.add_argument("--out", metavar="FILE", help="write what is shown to a text file as well")
    parser.add_argument(
        "--csv",
        metavar="FILE",
        help="write a CSV file with the columns path, label and group, in which duplicates and "
        "shared names are one group; fit, reproduce and audit take it in place of the folder",
    )
    _arguments.add(parser, "--force", help="replace these files if they exist")
    _arguments.add(parser, "--jobs", "--batch-size", "--format")


def run(args: argparse.Namespace) -> int:
    """Measure all controls, write what is asked for, print what was found."""
    for option, path in (("--out", args.out), ("--csv", args.csv)):
        if path is not None:
            check_file(option, path, force=args.force, read=[args.source])
    if args.out is not None and args.csv is not None:
        if os.path.realpath(args.out) == os.path.realpath(args.csv):
            raise CommandError(f"--csv {args.csv}: --out writes the same file; name another")
    drawn = {"limit_per_source": args.limit_per_source, "random_state": args.seed}
    bunch = _images.find_images(args, groups=args.groups, **drawn)
    failures = list(bunch.failures)
    if args.crop:
        _images.check_crop(bunch, args.crop)
    crop = args.crop or _images.auto_crop(bunch)
    with MESSAGES.progress("auditing") as progress:
        result = audit_attribution(
            bunch.filenames,
            bunch.target_names[bunch.target],
            groups=bunch.groups,
            reader=ImageReader(crop, anchor=args.anchor),
            random_state=args.seed,
            batch_size=args.batch_size,
            n_jobs=args.jobs,
            on_error=_images.collect_failures(failures),
            progress=progress,
        )
    notes = _notes(result, crop, args)
    _write(result, bunch, notes, args)
    document = {
        "source": args.source,
        "crop": crop,
        "anchor": args.anchor,
        "groups": args.groups,
        "seed": args.seed,
        **result.to_dict(),
        "warnings": bunch.warnings,
        "failures": _images.failure_rows(failures),
    }
    in_csv, shown = Table(_IN_CSV, result.rows()), _table(result)
    _console.print_results(args.format, document, in_csv, shown=[shown], notes=notes)
    return _images.exit_status(len(failures), len(result.names))


def _write(result: AuditResult, bunch: Bunch, notes: list[str], args: argparse.Namespace) -> None:
    """Write the page of text and the CSV file, each whole or not at all."""
    files = []
    if args.out is not None:
        warnings = [f"warning: {warning}" for warning in bunch.warnings]
        with redirect_stdout(io.StringIO()) as page:
            print(f"{shlex.join(['ganprint', *map(printable, args.words)])}\n")
            _console.print_results("table", {}, _table(result), notes=[*notes, *warnings])
        files.append((args.out, page.getvalue().encode()))
    if args.csv is not None:
        rows = _group_rows(result, bunch)
        files.append((args.csv, _console.csv_file(Table(columns("path", "label", "group"), rows))))
    write_files("", files)
    MESSAGES.say(*(f"saved {path}" for path, _ in files))


def _group_rows(result: AuditResult, bunch: Bunch) -> list[Row]:
    """Make one row for each image that could be used."""
    kept = np.isin(bunch.filenames, result.names)
    groups = result.groups
    if groups is None:
        groups = np.arange(kept.sum()) if bunch.groups is None else bunch.groups[kept]
    labels = bunch.target_names[bunch.target[kept]]
    triples = zip(result.names, labels.tolist(), groups.tolist(), strict=True)
    return [
        {"path": absolute(path), "label": label, "group": group} for path, label, group in triples
    ]


def _table(result: AuditResult) -> Table:
    rows = [{**row, "interval": f"{row['low']:.3f} to {row['high']:.3f}"} for row in result.rows()]
    return Table(_SHOWN, rows)


def _notes(result: AuditResult, crop: tuple[int, int], args: argparse.Namespace) -> list[str]:
    """Say what was found, and what the figures are."""
    verdict, *others = result.findings
    return [
        "",
        f"verdict: {verdict}",
        *(f"also: {finding}" for finding in others),
        "",
        f"{len(result.names)} images of {len(result.counts)} sources, {crop[0]} x {crop[1]} pixels "
        f"({args.anchor}); each half is attributed by a model of the other, the same halves for "
        f"all controls",
        "intervals: Wilson's, 95 %, as if images were independent; chance: always naming the "
        "largest source",
    ]
