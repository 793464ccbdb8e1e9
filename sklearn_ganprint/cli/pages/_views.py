"""What the pages of ``ganprint demo``, ``cluster``, ``compare`` and ``localize`` show."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_ganprint.cli import _findings
from sklearn_ganprint.cli._console import Row, judged, slugs
from sklearn_ganprint.cli._findings import NOWHERE, Clusters, Compared, Question
from sklearn_ganprint.cli.pages import _figures, _folder
from sklearn_ganprint.cli.pages._figures import png, thumbnail
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.denoisers import WaveletDenoiser
from sklearn_ganprint.experiments import AttributionResult
from sklearn_ganprint.fingerprints import autocorrelation, autocorrelation_period, energy

#: Images shown of each cluster, of those that fit nowhere, and names of files in a list.
_SHOWN, _SHOWN_NOWHERE, _NAMED = 12, 24, 1000
#: Images shown of each source that is compared.
_SHOWN_COMPARED = 6
#: Maps on the page of localize, those with regions first; all are in the folder.
_SHOWN_MAPS = 300

Progress = Callable[[int, int], None]


def _reasons(failures: Sequence[ImageReadError]) -> list[tuple[str, str]]:
    return [(failure.filename, failure.reason) for failure in failures]


def draw_demo(result: AttributionResult) -> dict[str, bytes]:
    """Draw the fingerprint of each source, the ROC curves and the confusion matrix, as files."""
    names = _demo_pictures(result)
    files = {
        names[str(label)]: png(_figures.class_fingerprint(result, label))
        for label in result.classes
    }
    return files | {
        "roc.png": png(_figures.roc_curves(result)),
        "confusion.png": png(_figures.confusion(result)),
    }


def _demo_pictures(result: AttributionResult) -> dict[str, str]:
    return {label: f"fingerprint-{part}.png" for label, part in slugs(result.classes).items()}


def render_demo(result: AttributionResult, samples: Bunch, args: argparse.Namespace) -> str:
    """Fill the template of the demo with the figures of one run."""
    height, width = samples.data.shape[1:3]
    return _folder.render_page(
        "demo",
        args,
        **result.to_dict(),
        fingerprints=_demo_pictures(result),
        worst=_greatest_confusion(result),
        n_right=int((result.y_pred == result.y_test).sum()),
        n_photos=_shared_photos(samples),
        size=f"{width} × {height}",
        formats=", ".join(np.unique(samples.formats)),
        channels=args.channels,
        denoiser=WaveletDenoiser().get_params(),
        seed=args.seed,
    )


def _greatest_confusion(result: AttributionResult) -> dict[str, Any] | None:
    """Return the two sources with the greatest share of images of one given to the other."""
    shares = result.confusion / result.n_test[:, np.newaxis]
    np.fill_diagonal(shares, 0)
    if not shares.any():
        return None
    made_by, given_to = np.unravel_index(shares.argmax(), shares.shape)
    return {
        "made_by": str(result.classes[made_by]),
        "given_to": str(result.classes[given_to]),
        "share": float(shares.max()),
    }


def _shared_photos(samples: Bunch) -> int | None:
    """Count the photos behind the images; None unless every source has images of all of them."""
    if samples.groups is None:
        return None
    pairs = set(zip(samples.groups.tolist(), samples.target.tolist(), strict=True))
    n_photos = len(np.unique(samples.groups))
    return n_photos if len(pairs) == n_photos * len(samples.target_names) else None


def draw_clusters(clusters: Clusters, progress: Progress) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each picture of the clusters."""
    n_pictures = len(clusters.names) + 1
    for done, name in enumerate([*clusters.names, NOWHERE], start=1):
        for picture, file in _cluster_images(clusters, name):
            yield picture, thumbnail(file)
        if name != NOWHERE:
            values = clusters.fingerprints[done - 1]
            yield f"figures/fingerprint-{name}.png", png(_figures.fingerprint(values, name))
            lags = png(_figures.autocorrelation(autocorrelation(values), name))
            yield f"figures/autocorrelation-{name}.png", lags
        progress(done, n_pictures)
    if clusters.comparison is not None:
        matrix = _figures.comparison(clusters.comparison, _findings.pair_level(clusters.comparison))
        yield "figures/correlations.png", png(matrix)


def _cluster_images(clusters: Clusters, name: str) -> list[tuple[str, str]]:
    """Return the names of thumbnails of a cluster, and of the files that these are made from."""
    most = _SHOWN_NOWHERE if name == NOWHERE else _SHOWN
    shown = _figures.spread(clusters.files_of(name), most)
    return [(f"images/{name}-{n:02d}.jpg", file) for n, file in enumerate(shown, start=1)]


def render_clusters(
    clusters: Clusters, rows: list[dict[str, Any]], args: argparse.Namespace
) -> str:
    """Fill the template of cluster with what one run has found."""
    height, width = clusters.crop
    sections = [_cluster_section(clusters, row) for row in rows]
    return _folder.render_page(
        "cluster",
        args,
        summary=_findings.in_words(clusters),
        n_clusters=len(clusters.names),
        n_given=args.clusters,
        warnings=clusters.warnings,
        clusters=[section for section in sections if section["cluster"] != NOWHERE],
        nowhere=next((section for section in sections if section["cluster"] == NOWHERE), None),
        failures=_reasons(clusters.failures),
        folders=", ".join(args.paths),
        size=f"{width} × {height}",
        anchor=_folder.place_in_words(args.anchor),
    )


def _cluster_section(clusters: Clusters, row: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown of one cluster."""
    name = row["cluster"]
    files, period = clusters.files_of(name), None
    if name != NOWHERE:
        lags = autocorrelation(clusters.fingerprints[clusters.names.index(name)])
        period = _folder.period_in_words(autocorrelation_period(lags))
    return {
        **row,
        "thumbnails": _cluster_images(clusters, name),
        "files": files[:_NAMED],
        "n_more": max(0, len(files) - _NAMED),
        "period": period,
    }


def draw_comparison(compared: Compared, progress: Progress) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each picture of a comparison."""
    result = compared.result
    n_pairs = len(result.rows())
    if n_pairs > 1:
        yield "figures/correlations.png", png(_figures.comparison(result, compared.level / n_pairs))
    # All fingerprints of A are drawn, and of B those that are most alike.
    todo = [(0, name) for name in compared.sets[0].names]
    if compared.collections[1] is not None:
        partners = {match.match for match in result.matches()}
        todo += [(1, name) for name in compared.sets[1].names if name in partners]
    for done, (side, name) in enumerate(todo, start=1):
        source = _compared_source(compared, side, name)
        values = compared.sets[side].fingerprints[compared.sets[side].names.index(name)]
        yield source["figure"], png(_figures.fingerprint(values, name))
        for picture, file in source["thumbnails"]:
            yield picture, thumbnail(file)
        progress(done, len(todo))


def render_comparison(compared: Compared, args: argparse.Namespace) -> str:
    """Fill the template of compare with what one run has found."""
    result, itself = compared.result, compared.collections[1] is None
    matches = [
        {
            **match._asdict(),
            "p_text": _findings.p_number(match.p_value_of_best),
            "verdict": _findings.verdict(match, compared),
            "pair_text": _findings.p_number(match.p_value),
            "found": result.is_found(match, compared.level),
            "sides": (
                _compared_source(compared, 0, match.source),
                _compared_source(compared, 0 if itself else 1, match.match),
            ),
        }
        for match in result.matches()
    ]
    height, width = compared.sets[0].fingerprints.shape[1:3]
    return _folder.render_page(
        "compare",
        args,
        first=args.first,
        second=None if itself else args.second,
        matches=sorted(matches, key=lambda match: match["p_value_of_best"]),
        n_found=sum(match["found"] for match in matches),
        notes=_findings.comparison_notes(compared),
        n_pairs=len(result.rows()),
        level=compared.level,
        null=result.null,
        least=result.least_correlation,
        warnings=compared.warnings,
        failures=_reasons(compared.failures),
        size=f"{width} × {height}",
        trim=args.trim,
    )


def _compared_source(compared: Compared, side: int, name: str) -> dict[str, Any]:
    """Return what is shown of one source of a side."""
    found, files = compared.sets[side], []
    code, slug = found.names.index(name), f"{'ab'[side]}-{slugs(found.names)[name]}"
    given = compared.collections[side]
    if given is not None:
        failed = {failure.filename for failure in compared.failures}
        files = [x for x, label in given.images if label == name and x not in failed]
    shown = enumerate(_figures.spread(files, _SHOWN_COMPARED), start=1)
    return {
        "name": name,
        "figure": f"figures/fingerprint-{slug}.png",
        "energy": float(energy(found.fingerprints[code : code + 1])[0]),
        "n_images": compared.counts[side].get(name),
        "thumbnails": [(f"images/{slug}-{number}.jpg", file) for number, file in shown],
    }


def render_localization(
    rows: Sequence[Row], question: Question, notes: Sequence[str], args: argparse.Namespace
) -> str:
    """Fill the template of localize with what one run has found."""
    images = judged(rows)
    images.sort(key=lambda row: (row["false_region"] != "yes", -(row["score"] or 0)))
    height, width = question.size
    localizer = question.model.classifier
    return _folder.render_page(
        "localize",
        args,
        images=images[:_SHOWN_MAPS],
        n_more=max(0, len(images) - _SHOWN_MAPS),
        n_images=len(images),
        n_found=sum(row["false_region"] == "yes" for row in images),
        failures=[(row["file"], row["error"]) for row in rows if row["error"]],
        claimed=None if question.claimed is None else str(question.claimed),
        sources=[str(label) for label in question.model.whole.classes_],
        notes=notes,
        size=f"{width} × {height}",
        threshold=localizer.threshold_,
        min_region=localizer.min_region,
        window_size=localizer.window_size,
        model=args.model,
    )
