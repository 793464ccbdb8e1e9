"""``ganprint compare``: whether two collections of images, or two models, share sources."""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence

from sklearn_ganprint import comparison
from sklearn_ganprint._output import as_name
from sklearn_ganprint.cli import _arguments, _collections, _console, _images, _pages
from sklearn_ganprint.cli._collections import Collection
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Row, Table, columns
from sklearn_ganprint.cli._matches import (
    Compared,
    comparison_notes,
    p_number,
    sentences,
    verdict,
)
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.fingerprints import energy
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

#: Images shown of each source.
_SHOWN = 6

_EVIDENCE = (
    Column("correlation", "correlation", 4),
    Column("z_score", "z-score", 1),
    Column("p_value", "p-value"),
)
_SIMILARITY = Column("similarity", "similarity", 2)
_PAIRS = columns("first", "second", *_EVIDENCE)
_BEST = Column("p_value_of_best", "p as best of all")
_MATCHES = columns("source", Column("match", "most alike"), *_EVIDENCE, _BEST)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "first", type=as_name, metavar="A", help="a model, a folder of images, or a CSV file"
    )
    parser.add_argument(
        "second",
        type=as_name,
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
    chance = "chance that sources with nothing in common are called alike, in (0, 1)"
    _arguments.add(parser, "--false-alarm", what=chance)
    _arguments.add_out(parser, "the correlations and the fingerprints")
    _arguments.add(parser, "--jobs", "--batch-size", "--format")


def _add_ways(parser: argparse.ArgumentParser) -> None:
    """Add how fingerprints are made and compared."""
    parser.add_argument(
        "--kind",
        type=current_kind,
        choices=("fingerprint", "fusion", "prnu"),
        help="what collections of images are compared by: fingerprint, the mean residual (the "
        "default); fusion, that and the mean of features, with 4 or more sources on one side, "
        "which finds more in few images, and more relatives; prnu, the pattern of a sensor, of "
        "photos of full size. With a model fingerprints are made as in it",
    )
    _arguments.add(parser, "--crop")
    _arguments.add(parser, "--anchor", default=None)  # as in a model, if there is one
    trim = "pixels to leave out at each border, where unrelated networks leave like traces"
    _arguments.add_number(parser, "--trim", trim, _arguments.natural, 0)
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
    _pages.begin_out(args)
    compared = _compare(args)
    MESSAGES.warn(*compared.warnings)
    index = None
    if args.out is not None:
        with MESSAGES.progress("drawing") as progress:
            _pages.write_files(args.out, _pictures(compared, progress))
        index = _pages.write_page(args.out, _page(compared, args))
    _print(compared, index, args)
    _pages.say_where(index)
    n_used = sum(len(collection.images) for collection in compared.collections)
    return _images.exit_status(len(compared.failures), n_used)


def _compare(args: argparse.Namespace) -> Compared:
    failures: list[ImageReadError] = []
    paths = [path for path in (args.first, args.second) if path is not None]
    found = [
        _collections.open_collection(path, failures, one_source=args.one_source) for path in paths
    ]
    warnings = _collections.check_pair(*found) if len(found) > 1 else []
    _check_fusion(found, args)
    warnings += _collections.make_fingerprints(found, args, failures)
    sets = [collection.fingerprints for collection in found]
    if len(sets) == 1 and len(sets[0].names) < 2:
        raise CommandError(f"{args.first}: it has one source only; name B, to compare it with")
    try:
        result = comparison.compare_models(*sets, trim=args.trim, null=args.null)
    except ValueError as error:
        raise CommandError(f"{' and '.join(paths)}: {error}") from error
    warnings += _warnings_of_few(found, _advice(found, args))
    level = args.false_alarm or _arguments.DEFAULT_RATE
    return Compared(found, result, level, failures, warnings)


def _check_fusion(found: Sequence[Collection], args: argparse.Namespace) -> None:
    """Refuse features before files are read, where there is nothing to compare them with."""
    if args.kind != "fusion" or any(each.model for each in found):  # a model has its own kind
        return
    if args.null == "chance" or not _has_others(found):
        raise CommandError(
            f"--kind fusion: features are compared with those of other sources, which takes "
            f"{comparison.FEWEST_SOURCES} or more in A or in B and no --null chance; choose --kind "
            f"fingerprint"
        )


def _has_others(found: Sequence[Collection]) -> bool:
    """Say whether a side has sources enough to compare features with."""
    return max(len(each.counts) for each in found) >= comparison.FEWEST_SOURCES


def _advice(found: Sequence[Collection], args: argparse.Namespace) -> str:
    """Say what finds more in few images."""
    by_features = args.kind in (None, "fingerprint") and not any(each.model for each in found)
    more = "--kind fusion finds more; " if by_features and _has_others(found) else ""
    return f"{more}`ganprint fit --kind nearest-mean` and `ganprint verify` judge images one by one"


def _warnings_of_few(collections: Sequence[Collection], advice: str) -> list[str]:
    """Name the sources of no images, and those of too few for the size of their fingerprints."""
    found = []
    for collection in collections:
        counts = collection.counts
        if none := [source for source, n in counts.items() if not n]:
            found.append(
                f"no image is left of these sources of {collection.path}, and they are not "
                f"compared: {', '.join(none)}"
            )
        n_pixels = math.prod(collection.fingerprints.fingerprints.shape[1:3])
        few = {s: n for s, n in counts.items() if 0 < n * n_pixels < FEW * FEW_PIXELS}
        if few:
            listed = ", ".join(f"{source} ({n})" for source, n in few.items())
            found.append(
                f"few images in {collection.path}: {listed}; their fingerprints are noise and "
                f"content for the most part, and what is not found in them may still be there: "
                f"{advice}"
            )
    return found


def _print(compared: Compared, index: str | None, args: argparse.Namespace) -> None:
    result, matches = compared.result, compared.result.matches()
    rows = result.rows()
    document = {
        "first": args.first,
        "second": args.second,
        "size": compared.collections[0].fingerprints.fingerprints.shape[1:3],
        "trim": args.trim,
        "false_alarm_rate": compared.level,
        **result.to_dict(),
        "verdicts": [verdict(match, compared) for match in matches],
        "images": [compared.collections[n].counts for n in (0, -1)],
        "warnings": compared.warnings,
        "report": index,
        "failures": _images.failure_rows(compared.failures),
    }
    more = () if result.similarity is None else (_SIMILARITY,)
    shown = Table((*_PAIRS, *more), rows)
    if len(rows) > _MOST_PAIRS:
        similar = map(result.similarity_of, matches)
        best = zip(matches, similar, strict=True)
        listed = [{**match._asdict(), "similarity": similarity} for match, similarity in best]
        shown = Table((*_MATCHES, *more), listed)
    _console.print_results(
        args.format,
        document,
        Table(columns(*_PAIRS, "null", *more), [{**row, "null": result.null} for row in rows]),
        shown=[_with_p_in_words(shown)],
        notes=["", *sentences(matches, compared), *comparison_notes(compared)],
    )


def _with_p_in_words(table: Table) -> Table:
    keys = [key for key in table.keys if key.startswith("p_value")]
    rows = [{**row, **{key: p_number(row[key]) for key in keys}} for row in table.rows]
    return Table(table.columns, rows)


def _pictures(
    compared: Compared, progress: Callable[[int, int], None]
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each picture on the page."""
    result = compared.result
    n_pairs = len(result.rows())
    matrices = {"correlations": False}
    if result.similarity is not None:
        matrices["similarities"] = True
    for name, by_features in matrices.items() if n_pairs > 1 else ():
        matrix = _pages.comparison(result, compared.level / n_pairs, by_features=by_features)
        yield f"figures/{name}.png", _pages.png(matrix)
    # All fingerprints of A are drawn, and of B those that are most alike.
    partners = {match.match for match in result.matches()}
    todo = [
        (side, name, values)
        for side, found in enumerate(compared.collections)
        for name, values in zip(
            found.fingerprints.names, found.fingerprints.fingerprints, strict=True
        )
        if side == 0 or name in partners
    ]
    for done, (side, name, values) in enumerate(todo, start=1):
        source = _source(compared, side, name)
        yield source["figure"], _pages.png(_pages.fingerprint(values, name))
        for picture, file in source["thumbnails"]:
            yield picture, _pages.thumbnail(file)
        progress(done, len(todo))


def _page(compared: Compared, args: argparse.Namespace) -> str:
    """Fill the template with what one run has found."""
    result = compared.result
    matches = [
        {
            **match._asdict(),
            "similarity": result.similarity_of(match),
            "p_text": p_number(match.p_value_of_best),
            "verdict": verdict(match, compared),
            "pair_text": p_number(match.p_value),
            "found": result.is_found(match, compared.level),
            "sides": (_source(compared, 0, match.source), _source(compared, -1, match.match)),
        }
        for match in result.matches()
    ]
    return _pages.render_page(
        "compare",
        args,
        matches=sorted(matches, key=lambda match: match["p_value_of_best"]),
        n_found=sum(match["found"] for match in matches),
        notes=comparison_notes(compared),
        n_pairs=len(result.rows()),
        level=compared.level,
        null=result.null,
        least=result.least_correlation,
        least_similarity=result.least_similarity,
        warnings=compared.warnings,
        failures=compared.failures,
        size=compared.collections[0].fingerprints.fingerprints.shape[1:3],
    )


def _source(compared: Compared, side: int, name: str) -> Row:
    """Return what is shown of one source of A (0), or of B or A (-1)."""
    found = compared.collections[side]
    names, fingerprints = found.fingerprints.names, found.fingerprints.fingerprints
    code = names.index(name)
    slug = f"{'a' if found is compared.collections[0] else 'b'}-{_pages.slugs(names)[name]}"
    files = [file for file, label in found.images if label == name]
    shown = enumerate(_pages.spread(files, _SHOWN), start=1)
    return {
        "name": name,
        "figure": f"figures/fingerprint-{slug}.png",
        "energy": float(energy(fingerprints[code : code + 1])[0]),
        "n_images": found.counts.get(name),
        "thumbnails": [(f"images/{slug}-{number}.jpg", file) for number, file in shown],
    }
