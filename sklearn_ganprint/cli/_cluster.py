"""``ganprint cluster``: which unlabelled images share a source, without a model."""

import argparse
import os

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from sklearn_ganprint.cli import _arguments, _images
from sklearn_ganprint.cli._console import (
    MESSAGES,
    Column,
    CommandError,
    Row,
    Table,
    csv_file,
    one_line,
    print_results,
)
from sklearn_ganprint.cli._findings import NOWHERE, Clusters, cluster_names, in_words, pair_level
from sklearn_ganprint.cli.pages._folder import PAGE, begin_out, check_file, write_file, write_files
from sklearn_ganprint.cli.pages._views import draw_clusters, render_clusters
from sklearn_ganprint.clustering import FingerprintClustering
from sklearn_ganprint.comparison import ModelComparison, compare_models
from sklearn_ganprint.datasets import ImageReader, ImageReadError, confounds, content_keys
from sklearn_ganprint.files import FileBatchEstimator, NoResidualError
from sklearn_ganprint.fingerprints import energy
from sklearn_ganprint.residuals import ResidualTransformer

REQUIRES = ("rich", "jinja2", "matplotlib")
DESCRIPTION = (
    "Find how many sources made a set of unlabelled images, and which images share one. What was "
    "done to images, such as a compression, can look like a source. No file is moved or changed."
)

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
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


def run(args: argparse.Namespace) -> int:
    """Cluster images, write what is asked for, print the clusters."""
    if args.csv is not None:
        check_file("--csv", args.csv, force=args.force)
    begin_out(args)
    files, failures = _images.find_files(args.paths)
    bunch = _images.inspect_images(_images.outside(files, args.out), args, failures)
    crop = args.crop or _images.auto_crop(bunch)
    clusters = _cluster(bunch, crop, failures, args)
    for warning in clusters.warnings:
        MESSAGES.warn(warning)
    rows = _rows(clusters)
    index = _write(clusters, rows, args)
    _print(clusters, rows, index, args)
    if index:
        MESSAGES.say(f"pictures and explanations: {index}")
    return _images.exit_status(clusters.failures, int((clusters.labels > -2).sum()))


def _cluster(
    bunch: Bunch, crop: tuple[int, int], failures: list[ImageReadError], args: argparse.Namespace
) -> Clusters:
    """Cluster files, the greatest cluster first, and find out what may mislead."""
    clustering = _fit(bunch, crop, failures, args)
    blank = [failure for failure in failures if isinstance(failure, NoResidualError)]
    reasons = {failure.filename: failure.reason for failure in blank}
    failures = [failure for failure in failures if failure.filename not in reasons]
    inner = clustering.estimator_[-1]
    failed = {failure.filename for failure in failures}
    labels, order = _by_size(clustering.labels_, len(inner.fingerprints_))
    labels[[name in failed for name in bunch.filenames]] = -2
    fingerprints = inner.fingerprints_[order].reshape(-1, *inner.image_shape_)
    comparison = _compare(fingerprints)
    warnings = [*_warnings(bunch, labels), *_alike(comparison)]
    return Clusters(bunch, labels, fingerprints, comparison, crop, failures, warnings, reasons)


def _fit(
    bunch: Bunch, crop: tuple[int, int], failures: list[ImageReadError], args: argparse.Namespace
) -> FileBatchEstimator:
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
        return FileBatchEstimator(
            pipeline,
            reader=ImageReader(crop=crop, anchor=args.anchor),
            batch_size=args.batch_size,
            n_jobs=args.jobs,
            on_error=_images.collect_failures(failures),
            progress=progress,
        ).fit(bunch.filenames)


def _compare(fingerprints: np.ndarray) -> ModelComparison | None:
    if len(fingerprints) < 2:
        return None
    return compare_models(dict(zip(cluster_names(len(fingerprints)), fingerprints, strict=True)))


def _alike(comparison: ModelComparison | None) -> list[str]:
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


def _by_size(labels: np.ndarray, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Renumber clusters, the greatest first; also give the old number of each."""
    order = np.argsort(-np.bincount(labels[labels >= 0], minlength=n_clusters), kind="stable")
    new = np.append(np.argsort(order), -1)  # -1, fits nowhere, stays
    return new[labels], order


def _warnings(bunch: Bunch, labels: np.ndarray) -> list[str]:
    """Say what else than sources may have made the clusters."""
    inside = labels >= 0
    names = np.array(cluster_names(labels.max() + 1))
    found = Bunch(target=labels[inside], target_names=names)
    for key in ("formats", "modes", "widths", "heights", "jpeg_quality"):
        found[key] = bunch[key][inside]
    warnings = [
        f"{difference}; clusters may differ by what was done to the files, not by their source"
        for difference in confounds(found)
    ]
    used = bunch.filenames[labels > -2].tolist()
    n_copies = len(used) - len(set(content_keys(used)))
    if n_copies:
        warnings.append(
            f"{n_copies} of the images are copies of others; each image was clustered once"
        )
    if len(used) < FEW:
        warnings.append(
            f"{len(used)} images are few: sources with fewer than about 10 images are hardly "
            f"found, and the number of sources in fewer than {FEW} images is unreliable"
        )
    return warnings


def _rows(clusters: Clusters) -> list[Row]:
    """Make one row a cluster, and one for what fits nowhere, if anything does."""
    energies = energy(clusters.fingerprints).tolist()
    codes = [*enumerate(clusters.names), (-1, NOWHERE)]
    return [
        {
            "cluster": name,
            "images": int((clusters.labels == code).sum()),
            **_images.file_properties(clusters.bunch, clusters.labels == code),
            "fingerprint_energy": energies[code] if code >= 0 else None,
        }
        for code, name in codes
        if code >= 0 or (clusters.labels == code).any()
    ]


def _write(clusters: Clusters, rows: list[Row], args: argparse.Namespace) -> str | None:
    """Write what is asked for; return the page's path if there is one."""
    labelled = csv_file(Table(_LABELS, _labelled(clusters)))
    if args.csv is not None:
        write_file(args.csv, labelled)
        MESSAGES.say(f"saved {args.csv}")
    if args.out is None:
        return None
    with MESSAGES.progress("drawing") as progress:
        write_files(args.out, draw_clusters(clusters, progress))
    page = render_clusters(clusters, rows, args).encode("utf-8")
    return write_files(args.out, [("clusters.csv", labelled), (PAGE, page)])


def _labelled(clusters: Clusters) -> list[Row]:
    """Make one row an image in a cluster; its path holds from any folder."""
    return [
        {"path": os.path.abspath(file), "label": name}
        for code, name in enumerate(clusters.names)
        for file in clusters.files_of(code)
    ]


def _file_rows(clusters: Clusters) -> list[Row]:
    """Make one row a file, those that failed last."""
    names = {code: name for code, name in enumerate(clusters.names)} | {-1: NOWHERE}
    pairs = zip(clusters.bunch.filenames.tolist(), clusters.labels.tolist(), strict=True)
    rows = [
        {"file": file, "cluster": names[code], "error": None, "reason": clusters.reasons.get(file)}
        for file, code in pairs
        if code > -2
    ]
    failed = {failure.filename: one_line(failure.reason) for failure in clusters.failures}
    return rows + [
        {"file": name, "cluster": None, "error": reason, "reason": None}
        for name, reason in failed.items()
    ]


def _print(
    clusters: Clusters, rows: list[Row], index: str | None, args: argparse.Namespace
) -> None:
    files, (height, width) = _file_rows(clusters), clusters.crop
    document = {
        "n_clusters": len(clusters.names),
        "crop": clusters.crop,
        "anchor": args.anchor,
        "warnings": clusters.warnings,
        "clusters": rows,
        "report": index,
        "results": files,
    }
    print_results(
        args.format,
        document,
        Table(_FILES, files),
        shown=[Table(_COLUMNS, rows).filled()],
        notes=[in_words(clusters), f"crop {height} x {width} ({args.anchor})"],
    )
