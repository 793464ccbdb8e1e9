"""``ganprint compare``: whether two collections of images, or two models, share sources."""

import argparse
import math
import os
from collections.abc import Sequence

from sklearn_ganprint.cli import _arguments, _collections, _findings, _images
from sklearn_ganprint.cli._collections import Collection
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Table, print_results
from sklearn_ganprint.cli._findings import Compared
from sklearn_ganprint.cli.pages._folder import PAGE, begin_out, write_files
from sklearn_ganprint.cli.pages._views import draw_comparison, render_comparison
from sklearn_ganprint.comparison import compare_models
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.pipelines import current_kind

REQUIRES = ("rich", "skops", "jinja2", "matplotlib")
DESCRIPTION = (
    "Correlate the fingerprints of two collections with each other, and say whether they have more "
    "in common than chance or than other sources have. A collection is a model, a folder of images "
    "of one source, or one with a folder per source, or a CSV file such as `ganprint cluster` "
    "writes."
)

#: A fingerprint of fewer images, of 256 x 256 pixels, is noise and content for the most part; of
#: larger images fewer do.
FEW, FEW_PIXELS = 20, 256 * 256

#: As many pairs as a table lists; of more it lists the best match of each source.
_MOST_PAIRS = 24

_PAIRS = (
    Column("first", "first"),
    Column("second", "second"),
    Column("correlation", "correlation", 4),
    Column("z_score", "z-score", 1),
    Column("p_value", "p-value"),
)
_MATCHES = (
    Column("source", "source"),
    Column("match", "most alike"),
    *_PAIRS[2:],
    Column("p_value_of_best", "p as best of all"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("first", metavar="A", help="a model, a folder of images, or a CSV file")
    parser.add_argument(
        "second",
        metavar="B",
        nargs="?",
        help="another (default: the sources of A are compared with each other)",
    )
    parser.add_argument(
        "--one-source",
        action="store_true",
        help="take each folder for one source, with all folders in it",
    )
    _add_ways(parser)
    _arguments.add_false_alarm(
        parser, "chance that sources with nothing in common are called alike, in (0, 1)"
    )
    _arguments.add_out(parser, "the correlations and the fingerprints")
    _arguments.add_jobs(parser)
    _arguments.add_batch_size(parser)
    _arguments.add_format(parser)


def _add_ways(parser: argparse.ArgumentParser) -> None:
    """Add how fingerprints are made and compared."""
    parser.add_argument(
        "--kind",
        type=current_kind,
        choices=("fingerprint", "prnu"),
        help="how fingerprints of two collections of images are made: fingerprint, the mean "
        "residual (the default); prnu, the pattern of a sensor, of photos of full size. With a "
        "model they are made as in it",
    )
    _arguments.add_crop(parser, None)
    parser.add_argument(
        "--trim",
        type=_arguments.natural,
        default=0,
        metavar="N",
        help="pixels to leave out at each border, where unrelated networks leave like traces "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--null",
        choices=("auto", "sources", "chance"),
        default="auto",
        help="what p-values are calibrated on: sources, the other pairs of sources, assuming that "
        "each source has at most one partner; chance, patterns that have nothing in common; auto, "
        "sources if one collection has 4 or more (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Compare, write what is asked for, print what was found."""
    begin_out(args)
    compared = _compare(args)
    for warning in compared.warnings:
        MESSAGES.warn(warning)
    index = _write(compared, args)
    _print(compared, index, args)
    if index:
        MESSAGES.say(f"pictures and explanations: {index}")
    return _images.exit_status(compared.failures, sum(sum(own.values()) for own in compared.counts))


def _compare(args: argparse.Namespace) -> Compared:
    failures: list[ImageReadError] = []
    paths = [args.first] if args.second is None else [args.first, args.second]
    found = [
        _collections.open_collection(path, failures, one_source=args.one_source) for path in paths
    ]
    warnings = _settle(found)
    models = [collection.model for collection in found if collection.model is not None]
    reader = _collections.make_reader(found, args)
    like = models[0].whole if models else "prnu" if args.kind == "prnu" else None
    sets = [
        _collections.fingerprints_of(collection, like, reader, args, failures)
        for collection in found
    ]
    if len(sets) == 1 and len(sets[0].names) < 2:
        raise CommandError(f"{args.first}: it has one source only; name B, to compare it with")
    try:
        result = compare_models(*sets, trim=args.trim, null=args.null)
    except ValueError as error:
        raise CommandError(f"{' and '.join(paths)}: {error}") from error
    failed = {failure.filename for failure in failures}
    counts = [collection.counts(failed) for collection in found]
    warnings += _warnings_of_few(found, counts, sets[0].fingerprints.shape[1:3])
    return Compared(
        (found[0], found[1] if len(found) == 2 else None),
        (sets[0], sets[-1]),
        result,
        args.false_alarm or _arguments.DEFAULT_RATE,
        (counts[0], counts[-1]),
        failures,
        warnings,
    )


def _warnings_of_few(
    found: Sequence[Collection], counts: Sequence[dict[str, int]], size: tuple[int, ...]
) -> list[str]:
    """Name the sources of too few images for the size of their fingerprints."""
    n_pixels = math.prod(size)
    return [
        f"{source} in {collection.path} has {n} images, which is few: its fingerprint is noise "
        f"and content for the most part, and what is not found in it may still be there"
        for collection, own in zip(found, counts, strict=True)
        for source, n in own.items()
        if n * n_pixels < FEW * FEW_PIXELS
    ]


def _settle(found: list[Collection]) -> list[str]:
    """See to it that both collections can be compared; say what was left out for that."""
    if len(found) == 1:
        return []
    first, second = found
    if os.path.realpath(first.path) == os.path.realpath(second.path):
        raise CommandError(
            f"{second.path}: this is A once more; leave out B to compare its sources with "
            f"each other"
        )
    if first.model is not None and second.model is not None:
        _collections.check_models(first.model, second.model, [first.path, second.path])
        return []
    if first.model is not None or second.model is not None:
        return []
    found[1], n_copies = _collections.leave_out_copies(first, second)
    if not n_copies:
        return []
    return [
        f"{n_copies} images of {second.path} are copies of images of {first.path}, whose content "
        f"would match; they were left out of {second.path}"
    ]


def _write(compared: Compared, args: argparse.Namespace) -> str | None:
    if args.out is None:
        return None
    with MESSAGES.progress("drawing") as progress:
        write_files(args.out, draw_comparison(compared, progress))
    return write_files(args.out, [(PAGE, render_comparison(compared, args).encode("utf-8"))])


def _print(compared: Compared, index: str | None, args: argparse.Namespace) -> None:
    result, matches = compared.result, compared.result.matches()
    rows = result.rows()
    document = {
        "first": args.first,
        "second": args.second,
        "size": compared.sets[0].fingerprints.shape[1:3],
        "trim": args.trim,
        "false_alarm_rate": compared.level,
        **result.to_dict(),
        "verdicts": [_findings.verdict(match, compared) for match in matches],
        "images": compared.counts,
        "warnings": compared.warnings,
        "report": index,
        "failures": _images.failure_rows(compared.failures),
    }
    shown = Table(_PAIRS, rows)
    if len(rows) > _MOST_PAIRS:
        shown = Table(_MATCHES, [match._asdict() for match in matches])
    print_results(
        args.format,
        document,
        Table((*_PAIRS, Column("null", "null")), [{**row, "null": result.null} for row in rows]),
        shown=[_with_p_in_words(shown)],
        notes=["", *_findings.sentences(matches, compared), *_findings.comparison_notes(compared)],
    )


def _with_p_in_words(table: Table) -> Table:
    keys = [column.key for column in table.columns if column.key.startswith("p_value")]
    rows = [{**row, **{key: _findings.p_number(row[key]) for key in keys}} for row in table.rows]
    return Table(table.columns, rows)
