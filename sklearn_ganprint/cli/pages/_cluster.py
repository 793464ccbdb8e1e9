"""The page of ``ganprint cluster`` and its pictures."""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from sklearn_ganprint.cli._findings import NOWHERE, Clusters, in_words, pair_level
from sklearn_ganprint.cli.pages._figures import autocorrelation, comparison, fingerprint, png
from sklearn_ganprint.cli.pages._folder import command_line, failed_files, render_page
from sklearn_ganprint.cli.pages._thumbnails import spread, thumbnail
from sklearn_ganprint.fingerprints import autocorrelation as autocorrelation_of
from sklearn_ganprint.fingerprints import autocorrelation_period

#: Images shown of each cluster, of those that fit nowhere, and names of files in a list.
_SHOWN, _SHOWN_NOWHERE, _NAMED = 12, 24, 1000


def draw_pictures(
    clusters: Clusters, progress: Callable[[int, int], None]
) -> Iterator[tuple[str, bytes]]:
    """Give the name and the content of each picture, one after the other."""
    names = clusters.names
    for code, name in enumerate([*names, NOWHERE]):
        yield from _thumbnails(clusters, code if name != NOWHERE else -1, name)
        if name != NOWHERE:
            values = clusters.fingerprints[code]
            yield f"figures/fingerprint-{name}.png", png(fingerprint(values, name))
            lags = png(autocorrelation(autocorrelation_of(values), name))
            yield f"figures/autocorrelation-{name}.png", lags
        progress(code + 1, len(names) + 1)
    if clusters.comparison is not None:
        matrix = comparison(clusters.comparison, pair_level(clusters.comparison))
        yield "figures/correlations.png", png(matrix)


def _thumbnails(clusters: Clusters, code: int, name: str) -> Iterator[tuple[str, bytes]]:
    for number, file in enumerate(_shown(clusters, code)):
        yield _thumbnail_name(name, number), thumbnail(file)


def _thumbnail_name(name: str, number: int) -> str:
    return f"images/{name}-{number + 1:02d}.jpg"


def _shown(clusters: Clusters, code: int) -> list[str]:
    return spread(clusters.files_of(code), _SHOWN if code >= 0 else _SHOWN_NOWHERE)


def render_clusters(
    clusters: Clusters, rows: list[dict[str, Any]], args: argparse.Namespace
) -> str:
    """Fill the template with what one run has found."""
    height, width = clusters.crop
    codes = {name: code for code, name in enumerate(clusters.names)} | {NOWHERE: -1}
    sections = [_section(clusters, codes[row["cluster"]], row) for row in rows]
    return render_page(
        "cluster",
        summary=in_words(clusters),
        n_clusters=len(clusters.names),
        n_given=args.clusters,
        warnings=clusters.warnings,
        clusters=[each for each in sections if each["cluster"] != NOWHERE],
        nowhere=next((each for each in sections if each["cluster"] == NOWHERE), None),
        failures=failed_files(clusters.failures),
        folders=", ".join(args.paths),
        size=f"{width} × {height}",
        anchor="at the top left" if args.anchor == "top-left" else "from the middle",
        command_line=command_line(args),
    )


def _section(clusters: Clusters, code: int, row: dict[str, Any]) -> dict[str, Any]:
    """Give what is shown of one cluster."""
    name, files = row["cluster"], clusters.files_of(code)
    shown = enumerate(_shown(clusters, code))
    return {
        **row,
        "thumbnails": [(_thumbnail_name(name, number), file) for number, file in shown],
        "files": files[:_NAMED],
        "n_more": max(0, len(files) - _NAMED),
        "period": _period(clusters, code) if code >= 0 else None,
    }


def _period(clusters: Clusters, code: int) -> str:
    rows, columns = autocorrelation_period(autocorrelation_of(clusters.fingerprints[code]))
    found = [
        f"every {period} pixels {way}"
        for period, way in ((rows, "down"), (columns, "across"))
        if period is not None
    ]
    return f"it repeats {' and '.join(found)}" if found else "no period stands out from the noise"
