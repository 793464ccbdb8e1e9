"""The page of ``ganprint compare`` and its pictures."""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from sklearn_ganprint.cli._console import slugs
from sklearn_ganprint.cli._findings import Compared, comparison_notes, p_number, verdict
from sklearn_ganprint.cli.pages._figures import comparison, fingerprint, png
from sklearn_ganprint.cli.pages._folder import command_line, failed_files, render_page
from sklearn_ganprint.cli.pages._thumbnails import spread, thumbnail
from sklearn_ganprint.fingerprints import energy

#: Images shown of a source.
_SHOWN = 6

#: Names of the two sides in those of files.
_SIDES = ("a", "b")


def draw_pictures(
    compared: Compared, progress: Callable[[int, int], None]
) -> Iterator[tuple[str, bytes]]:
    """Give the name and the content of each picture, one after the other."""
    result = compared.result
    n_pairs = len(result.rows())
    if n_pairs > 1:
        yield "figures/correlations.png", png(comparison(result, compared.level / n_pairs))
    todo = [(side, code) for side, codes in enumerate(_drawn(compared)) for code in codes]
    for done, (side, code) in enumerate(todo, start=1):
        names = compared.sets[side].names
        values = compared.sets[side].fingerprints[code]
        yield _figure_name(compared, side, code), png(fingerprint(values, names[code]))
        for number, file in enumerate(_shown(compared, side, names[code])):
            yield f"{_copy_name(compared, side, code)}-{number + 1}.jpg", thumbnail(file)
        progress(done, len(todo))


def _drawn(compared: Compared) -> tuple[list[int], list[int]]:
    """Choose the fingerprints that are drawn: all of A, and of B those that are most alike."""
    first, second = compared.sets
    if compared.collections[1] is None:
        return list(range(len(first.names))), []
    wanted = {match.match for match in compared.result.matches()}
    return list(range(len(first.names))), [
        code for code, name in enumerate(second.names) if name in wanted
    ]


def _figure_name(compared: Compared, side: int, code: int) -> str:
    names = compared.sets[side].names
    return f"figures/fingerprint-{_SIDES[side]}-{slugs(names)[names[code]]}.png"


def _copy_name(compared: Compared, side: int, code: int) -> str:
    names = compared.sets[side].names
    return f"images/{_SIDES[side]}-{slugs(names)[names[code]]}"


def _shown(compared: Compared, side: int, name: str) -> list[str]:
    """Choose some images of a source."""
    files_of = compared.collections[side]
    if files_of is None:
        return []
    failed = {failure.filename for failure in compared.failures}
    pairs = zip(files_of.files, files_of.labels, strict=True)
    return spread([file for file, each in pairs if each == name and file not in failed], _SHOWN)


def render_comparison(compared: Compared, args: argparse.Namespace) -> str:
    """Fill the template with what one run has found."""
    result, itself = compared.result, compared.collections[1] is None
    matches = [
        {
            **match._asdict(),
            "p_text": p_number(match.p_value_of_best),
            "verdict": verdict(match, compared),
            "pair_text": p_number(match.p_value),
            "found": result.is_found(match, compared.level),
            "sides": (
                _source(compared, 0, match.source),
                _source(compared, 0 if itself else 1, match.match),
            ),
        }
        for match in result.matches()
    ]
    height, width = compared.sets[0].fingerprints.shape[1:3]
    return render_page(
        "compare",
        first=args.first,
        second=None if itself else args.second,
        matches=sorted(matches, key=lambda match: match["p_value_of_best"]),
        n_found=sum(match["found"] for match in matches),
        notes=comparison_notes(compared),
        n_pairs=len(result.rows()),
        level=compared.level,
        null=result.null,
        least=result.least_correlation,
        warnings=compared.warnings,
        failures=failed_files(compared.failures),
        size=f"{width} × {height}",
        trim=args.trim,
        command_line=command_line(args),
    )


def _source(compared: Compared, side: int, name: str) -> dict[str, Any]:
    """Give what is shown of one source."""
    found = compared.sets[side]
    code = found.names.index(name)
    copies = _copy_name(compared, side, code)
    return {
        "name": name,
        "figure": _figure_name(compared, side, code),
        "energy": float(energy(found.fingerprints[code : code + 1])[0]),
        "n_images": compared.counts[side].get(name),
        "thumbnails": [
            (f"{copies}-{number + 1}.jpg", file)
            for number, file in enumerate(_shown(compared, side, name))
        ],
    }
