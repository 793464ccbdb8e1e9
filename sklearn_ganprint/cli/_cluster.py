"""``ganprint cluster``: which images of a heap share a source, without labels or a model."""

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn_ganprint.cli import _arguments
from sklearn_ganprint.cli._clusters import NOWHERE, Clusters, cluster_names, in_words, pair_level
from sklearn_ganprint.cli._console import (
    CSV_FORMATS,
    MESSAGES,
    Column,
    csv_file,
    print_csv,
    print_json,
    print_table,
    shown_columns,
)
from sklearn_ganprint.cli._errors import CommandError
from sklearn_ganprint.cli._images import (
    auto_crop,
    collect_failures,
    exit_status,
    file_properties,
    inspect_images,
)
from sklearn_ganprint.cli._scoring import find_files, outside
from sklearn_ganprint.cli._text import one_line
from sklearn_ganprint.cli.pages._folder import PAGE, begin_out, check_file, write_file, write_files

if TYPE_CHECKING:
    import numpy as np
    from sklearn.utils import Bunch

    from sklearn_ganprint import FileBatchClustering
    from sklearn_ganprint.comparison import ModelComparison
    from sklearn_ganprint.datasets import ImageReadError

REQUIRES = ("rich", "jinja2", "matplotlib")

#: Of fewer images a source is hardly found, and of fewer in all the number of sources is not.
FEW = 20

_COLUMNS = (
    Column("cluster", "cluster"),
    Column("images", "images"),
    Column("formats", "format"),
    Column("sizes", "size"),
    Column("jpeg_quality", "JPEG quality", 0),
    Column("fingerprint_energy", "fingerprint energy", 4),
)
_FILES = tuple(Column(key, key) for key in ("file", "cluster", "error", "reason"))
_LABELS = (Column("path", "path"), Column("label", "label"))


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command's arguments."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "cluster",
        help="sort unlabelled images by their source",
        description="Find how many sources made the images of a heap, and which images share one. "
        "Nothing need be known of them. What was done to images, such as a compression, can look "
        "like a source. No file is moved or changed.",
    )
    _arguments.add_paths(parser)
    parser.add_argument(
        "--clusters",
        type=_arguments.positive,
        metavar="N",
        help="number of sources, if it is known (default: it is found)",
    )
    _arguments.add_crop(parser)
    _arguments.add_out(parser, "images of each cluster and its fingerprint")
    parser.add_argument(
        "--csv",
        metavar="FILE",
        help="write a file with the columns path and label, which `ganprint fit` and `ganprint "
        "compare` take; what fits nowhere is not in it",
    )
    _arguments.add_seed(parser, "draws those that are clustered first of more than 5000 images")
    _arguments.add_jobs(parser)
    _arguments.add_batch_size(parser)
    _arguments.add_format(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Cluster images, write what is asked for, print the clusters."""
    _check_targets(args)
    files, failures = find_files(args.paths)
    bunch = inspect_images(outside(files, args.out), args, failures)
    crop = args.crop or auto_crop(bunch)
    clusters = _cluster(bunch, crop, failures, args)
    for warning in clusters.warnings:
        MESSAGES.warn(warning)
    rows = _rows(clusters)
    index = _write(clusters, rows, args)
    _print(clusters, rows, index, args)
    if index:
        MESSAGES.say(f"pictures and explanations: {index}")
    return exit_status(clusters.failures, int((clusters.labels > -2).sum()))


def _check_targets(args: argparse.Namespace) -> None:
    """Refuse before the work what could not be written after it."""
    if args.csv is not None:
        check_file("--csv", args.csv, force=args.force)
    begin_out(args)


def _cluster(
    bunch: "Bunch",
    crop: tuple[int, int],
    failures: "list[ImageReadError]",
    args: argparse.Namespace,
) -> Clusters:
    """Cluster files, the greatest cluster first, and find out what may mislead."""
    from sklearn_ganprint.files import NoResidualError

    clustering = _fit(bunch, crop, failures, args)
    reasons = {each.filename: each.reason for each in failures if isinstance(each, NoResidualError)}
    failures = [each for each in failures if each.filename not in reasons]
    inner = clustering.estimator_[-1]
    failed = {each.filename for each in failures}
    labels, order = _by_size(clustering.labels_, len(inner.fingerprints_))
    labels[[name in failed for name in bunch.filenames]] = -2
    fingerprints = inner.fingerprints_[order].reshape(-1, *inner.image_shape_)
    comparison = _compare(fingerprints)
    warnings = [*_warnings(bunch, labels), *_alike(comparison)]
    return Clusters(bunch, labels, fingerprints, comparison, crop, failures, warnings, reasons)


def _fit(
    bunch: "Bunch",
    crop: tuple[int, int],
    failures: "list[ImageReadError]",
    args: argparse.Namespace,
) -> "FileBatchClustering":
    from sklearn.pipeline import make_pipeline

    from sklearn_ganprint import FileBatchClustering, FingerprintClustering, ResidualTransformer
    from sklearn_ganprint.datasets import ImageReader

    n_images = len(bunch.filenames)
    if n_images < (fewest := max(2, args.clusters or 2)):
        option = "" if args.clusters is None else f"--clusters {args.clusters}: "
        raise CommandError(
            f"{option}expected at least {fewest} images that can be used, found {n_images}"
        )
    pipeline = make_pipeline(
        ResidualTransformer(channels="rgb", flatten=False),
        FingerprintClustering(args.clusters, random_state=args.seed),
    )
    with MESSAGES.progress("clustering") as progress:
        return FileBatchClustering(
            pipeline,
            reader=ImageReader(crop=crop, anchor=args.anchor),
            batch_size=args.batch_size,
            n_jobs=args.jobs,
            on_error=collect_failures(failures),
            progress=progress,
        ).fit(bunch.filenames)


def _compare(fingerprints: "np.ndarray") -> "ModelComparison | None":
    from sklearn_ganprint.comparison import compare_models

    if len(fingerprints) < 2:
        return None
    return compare_models(dict(zip(cluster_names(len(fingerprints)), fingerprints, strict=True)))


def _alike(comparison: "ModelComparison | None") -> list[str]:
    """Name pairs of clusters whose fingerprints are more alike than those of different sources."""
    if comparison is None or comparison.null != "sources":
        return []
    level = pair_level(comparison)
    return [
        f"the fingerprints of {row['first']} and {row['second']} are more alike than those of the "
        f"other clusters (correlation {row['correlation']:.2f}, p-value {row['p_value']:.1g}): the "
        f"two may be one source, or close relatives"
        for row in comparison.rows()
        if row["p_value"] <= level and row["correlation"] >= comparison.least_correlation
    ]


def _by_size(labels: "np.ndarray", n_clusters: int) -> "tuple[np.ndarray, np.ndarray]":
    """Renumber clusters, the greatest first; also give the old number of each."""
    import numpy as np

    order = np.argsort(-np.bincount(labels[labels >= 0], minlength=n_clusters), kind="stable")
    new = np.append(np.argsort(order), -1)  # -1, fits nowhere, stays
    return new[labels], order


def _warnings(bunch: "Bunch", labels: "np.ndarray") -> list[str]:
    """Say what else than sources may have made the clusters."""
    import numpy as np
    from sklearn.utils import Bunch

    from sklearn_ganprint.datasets import confounds
    from sklearn_ganprint.datasets._reader import content_keys

    inside = labels >= 0
    names = np.array(cluster_names(labels.max() + 1))
    found = Bunch(target=labels[inside], target_names=names)
    for key in ("formats", "modes", "widths", "heights", "jpeg_quality"):
        found[key] = bunch[key][inside]
    warnings = [
        f"{difference}; these may differ by what was done to the files, not by their source"
        for difference in confounds(found)
    ]
    used = bunch.filenames[labels > -2].tolist()
    n_copies = len(used) - len(set(content_keys(used, None)))
    if n_copies:
        warnings.append(
            f"{n_copies} of the images are copies of others; each image was clustered once"
        )
    if len(used) < FEW:
        warnings.append(
            f"{len(used)} images are few: sources of less than about 10 images are hardly found, "
            f"and of less than {FEW} in all the number of sources is not to be relied on"
        )
    return warnings


def _rows(clusters: Clusters) -> list[dict[str, Any]]:
    """Make one row a cluster, and one for what fits nowhere, if anything does."""
    from sklearn_ganprint.fingerprints import energy

    energies = energy(clusters.fingerprints).tolist()
    codes = [*enumerate(clusters.names), (-1, NOWHERE)]
    return [
        {
            "cluster": name,
            "images": int((clusters.labels == code).sum()),
            **file_properties(clusters.bunch, clusters.labels == code),
            "fingerprint_energy": energies[code] if code >= 0 else None,
        }
        for code, name in codes
        if code >= 0 or (clusters.labels == code).any()
    ]


def _write(clusters: Clusters, rows: list[dict[str, Any]], args: argparse.Namespace) -> str | None:
    """Write what is asked for; return the page's path if there is one."""
    labelled = csv_file(_LABELS, _labelled(clusters))
    if args.csv is not None:
        write_file(args.csv, labelled)
        MESSAGES.say(f"saved {args.csv}")
    if args.out is None:
        return None
    from sklearn_ganprint.cli.pages._cluster import draw_pictures, render_clusters

    with MESSAGES.progress("drawing") as progress:
        write_files(args.out, draw_pictures(clusters, progress))
    page = render_clusters(clusters, rows, args).encode("utf-8")
    return write_files(args.out, [("clusters.csv", labelled), (PAGE, page)])


def _labelled(clusters: Clusters) -> list[dict[str, Any]]:
    """Make one row an image in a cluster; its path holds from any folder."""
    return [
        {"path": os.path.abspath(file), "label": name}
        for code, name in enumerate(clusters.names)
        for file in clusters.files_of(code)
    ]


def _file_rows(clusters: Clusters) -> list[dict[str, Any]]:
    """Make one row a file, those that failed last."""
    names = {code: name for code, name in enumerate(clusters.names)} | {-1: NOWHERE}
    pairs = zip(clusters.bunch.filenames.tolist(), clusters.labels.tolist(), strict=True)
    rows = [
        {"file": file, "cluster": names[code], "error": None, "reason": clusters.reasons.get(file)}
        for file, code in pairs
        if code > -2
    ]
    failed = {each.filename: one_line(each.reason) for each in clusters.failures}
    return rows + [
        {"file": name, "cluster": None, "error": reason, "reason": None}
        for name, reason in failed.items()
    ]


def _print(
    clusters: Clusters,
    rows: Sequence[dict[str, Any]],
    index: str | None,
    args: argparse.Namespace,
) -> None:
    if args.format in CSV_FORMATS:
        print_csv(_FILES, _file_rows(clusters), args.format)
    elif args.format == "json":
        document = {
            "n_clusters": len(clusters.names),
            "crop": clusters.crop,
            "anchor": args.anchor,
            "warnings": clusters.warnings,
            "clusters": rows,
            "report": index,
            "results": _file_rows(clusters),
        }
        print_json(document)
    else:
        print_table(shown_columns(_COLUMNS, rows), rows)
        print(in_words(clusters))
        height, width = clusters.crop
        print(f"crop {height} x {width} ({args.anchor})")
