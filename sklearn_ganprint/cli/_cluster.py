"""``ganprint cluster``: which unlabelled images share a source, without a model."""

import argparse
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from sklearn_ganprint._output import absolute
from sklearn_ganprint.cli import _arguments, _console, _images, _pages
from sklearn_ganprint.cli._console import MESSAGES, CommandError, Row, Table, columns
from sklearn_ganprint.clustering import FingerprintClustering
from sklearn_ganprint.comparison import ModelComparison, compare_models
from sklearn_ganprint.datasets import ImageReadError, confounds, content_keys
from sklearn_ganprint.files import FileBatchEstimator, NoResidualError
from sklearn_ganprint.fingerprints import autocorrelation, autocorrelation_period, energy
from sklearn_ganprint.open_set import SourceFamilies
from sklearn_ganprint.residuals import ResidualTransformer

REQUIRES = ("rich", "jinja2", "matplotlib")
DESCRIPTION = (
    "Find how many sources made a set of unlabelled images, and which images share one. What was "
    "done to images, such as a compression, can look like a source. No file is moved or changed."
)

#: What the cluster of an image is called that fits nowhere.
NOWHERE = "nowhere"

#: Chance that any two clusters are called alike by accident.
LEVEL = 0.01

#: What a single cluster says.
ONE = "no sources were told apart, which is no evidence that there is only one"

#: Images shown of each cluster, of those that fit nowhere, and names of files in a list.
_SHOWN, _SHOWN_NOWHERE, _NAMED = 12, 24, 1000

#: Of fewer images a source is hardly found, and of fewer in all the number of sources is not.
FEW = 20

_COLUMNS = columns("cluster", "images", *_images.PROPERTIES, _console.ENERGY)
_FILES = columns("file", "cluster", "error", "reason", "family")


class Clusters(NamedTuple):
    """What a run has found."""

    bunch: Bunch  # files whose header can be read
    labels: np.ndarray  # (n_files,): number of the cluster from 0, -1 nowhere, -2 not usable
    fingerprints: np.ndarray  # (n_clusters, H, W, C)
    comparison: ModelComparison | None  # of the clusters with each other, if there are several
    families: SourceFamilies  # of clusters that are close to each other
    crop: tuple[int, int]
    failures: list[ImageReadError]
    warnings: list[str]
    reasons: dict[str, str]  # of files that fit nowhere since they have no residual

    @property
    def names(self) -> list[str]:
        """Name of each cluster."""
        return cluster_names(len(self.fingerprints))

    @property
    def family_names(self) -> list[str | None]:
        """Family of each cluster; none of those that stand alone."""
        names, members = self.families.names, self.families.members_
        return [names[code] if len(members[code]) > 1 else None for code in self.families.codes_]

    @property
    def family_rows(self) -> list[Row]:
        """One row for each family of several clusters."""
        return _console.family_rows(self.families, self.names, "clusters")

    def files_of(self, name: str) -> list[str]:
        """Files of one cluster, or those that fit nowhere."""
        code = -1 if name == NOWHERE else self.names.index(name)
        return self.bunch.filenames[self.labels == code].tolist()


def cluster_names(n_clusters: int) -> list[str]:
    """Name clusters by their numbers from 1."""
    return [f"cluster-{number}" for number in range(1, n_clusters + 1)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add(parser, "paths")
    number = "number of sources, if it is known (default: it is found)"
    _arguments.add_number(parser, "--clusters", number)
    _arguments.add(parser, "--crop", "--anchor")
    _arguments.add_out(parser, "images of each cluster and its fingerprint")
    parser.add_argument(
        "--csv",
        metavar="FILE",
        help="write a file with the columns path and label, which `ganprint fit` and `ganprint "
        "compare` take; what fits nowhere is not in it",
    )
    seed = "draws those that are clustered first of more than 5000 images"
    _arguments.add(parser, "--seed", what=seed)
    _arguments.add(parser, "--jobs", "--batch-size", "--format")


def run(args: argparse.Namespace) -> int:
    """Cluster images, write what is asked for, print the clusters."""
    if args.csv is not None:
        _pages.check_file("--csv", args.csv, force=args.force, read=args.paths)
    _pages.begin_out(args)
    failures: list[ImageReadError] = []
    files = list(_images.find_files(args, failures))
    bunch = _images.inspect_images(files, args, failures)
    crop = args.crop or _images.auto_crop(bunch)
    clusters = _cluster(bunch, crop, failures, args)
    MESSAGES.warn(*clusters.warnings)
    rows = _rows(clusters)
    index = _write(clusters, rows, args)
    _print(clusters, rows, index, args)
    _pages.say_where(index)
    return _images.exit_status(len(clusters.failures), int((clusters.labels > -2).sum()))


def _cluster(
    bunch: Bunch, crop: tuple[int, int], failures: list[ImageReadError], args: argparse.Namespace
) -> Clusters:
    """Cluster files, the greatest cluster first, and find out what may mislead."""
    clustering = _fit(bunch, crop, failures, args)
    reasons = {
        error.filename: error.reason for error in failures if isinstance(error, NoResidualError)
    }
    failures = [failure for failure in failures if failure.filename not in reasons]
    inner = clustering.estimator_[-1]
    failed = {failure.filename for failure in failures}
    labels, order = _by_size(clustering.labels_, len(inner.fingerprints_))
    labels[[name in failed for name in bunch.filenames]] = -2
    fingerprints = inner.fingerprints_[order].reshape(-1, *inner.fingerprint_shape_)
    named, comparison = dict(zip(cluster_names(len(fingerprints)), fingerprints, strict=True)), None
    if len(named) > 1:
        comparison = compare_models(named)
    warnings = [*_warnings(bunch, labels), *_alike(comparison)]
    close = inner.families_
    families = SourceFamilies.from_confusion(
        close.confusion_[np.ix_(order, order)], list(named), max_confusion=close.max_confusion
    )
    return Clusters(
        bunch, labels, fingerprints, comparison, families, crop, failures, warnings, reasons
    )


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
        ResidualTransformer(channels="rgb", flatten=False, intensity=True),
        FingerprintClustering(args.clusters, random_state=args.seed),
    )
    return _images.fit_files(pipeline, bunch, crop, args, failures, "clustering")


def _alike(comparison: ModelComparison | None) -> list[str]:
    """Name pairs of clusters whose fingerprints are more alike than those of different sources."""
    if comparison is None or comparison.null != "sources":
        return []
    level = _pair_level(comparison)
    return [
        f"the fingerprints of {row['first']} and {row['second']} are more alike than those of the "
        f"other clusters (correlation {row['correlation']:.2f}, p-value {row['p_value']:.1g}): the "
        f"two may be one source, or close relatives"
        for row in comparison.rows()
        if row["p_value"] <= level and row["correlation"] >= comparison.least_correlation
    ]


def _pair_level(comparison: ModelComparison) -> float:
    """p-value that a pair of clusters must have to stand out from as many as there are."""
    return LEVEL / len(comparison.rows())


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
    paths = [
        {"path": absolute(file), "label": name}
        for name in clusters.names
        for file in clusters.files_of(name)
    ]
    labelled = _console.csv_file(Table(columns("path", "label"), paths))
    if args.csv is not None:
        _pages.write_files("", [(args.csv, labelled)])
        MESSAGES.say(f"saved {args.csv}")
    if args.out is None:
        return None
    with MESSAGES.progress("drawing") as progress:
        _pages.write_files(args.out, _pictures(clusters, progress))
    return _pages.write_page(args.out, _page(clusters, rows, args), [("clusters.csv", labelled)])


def _file_rows(clusters: Clusters) -> list[Row]:
    """Make one row a file, those that failed last."""
    used = clusters.labels > -2
    files, codes = clusters.bunch.filenames[used].tolist(), clusters.labels[used]
    names, families = [*clusters.names, NOWHERE], [*clusters.family_names, None]  # nowhere is -1
    return _images.file_rows(
        files,
        clusters.failures,
        [column.key for column in _FILES],
        lambda n: {
            "cluster": names[codes[n]],
            "reason": clusters.reasons.get(files[n]),
            "family": families[codes[n]],
        },
    )


def _print(
    clusters: Clusters, rows: list[Row], index: str | None, args: argparse.Namespace
) -> None:
    files, families = _file_rows(clusters), clusters.family_rows
    height, width = clusters.crop
    document = {
        "n_clusters": len(clusters.names),
        "crop": clusters.crop,
        "anchor": args.anchor,
        "warnings": clusters.warnings,
        "clusters": rows,
        "report": index,
        "results": files,
        "families": families,
    }
    _console.print_results(
        args.format,
        document,
        Table(_FILES, files),
        shown=[Table(_COLUMNS, rows).filled()],
        notes=[
            _in_words(clusters),
            *([ONE] if len(clusters.names) == 1 else []),
            *(
                f"family: {row['family']} (share confused {row['confused']:.3f}): close clusters, "
                "which may be one source, or relatives"
                for row in families
            ),
            f"crop {height} x {width} ({args.anchor})",
        ],
    )


def _in_words(clusters: Clusters) -> str:
    """Sum up what was found."""
    n_used = int((clusters.labels > -2).sum())
    n_nowhere = int((clusters.labels == -1).sum())
    n_clusters = len(clusters.names)
    plural = "" if n_clusters == 1 else "s"
    rest = f"; {n_nowhere} fit nowhere" if n_nowhere else ""
    if clusters.reasons:
        rest += f", {len(clusters.reasons)} of them without a residual"
    return f"{n_clusters} cluster{plural} in {n_used} images{rest}"


def _pictures(
    clusters: Clusters, progress: Callable[[int, int], None]
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each picture on the page."""
    for done, name in enumerate([*clusters.names, NOWHERE], start=1):
        for picture, file in _thumbnails(clusters, name):
            yield picture, _pages.thumbnail(file)
        if name != NOWHERE:
            values = clusters.fingerprints[done - 1]
            drawn = _pages.fingerprint(values, name)
            yield f"figures/fingerprint-{name}.png", _pages.png(drawn)
            drawn = _pages.autocorrelation(autocorrelation(values), name)
            yield f"figures/autocorrelation-{name}.png", _pages.png(drawn)
        progress(done, len(clusters.names) + 1)
    if clusters.comparison is not None:
        drawn = _pages.comparison(clusters.comparison, _pair_level(clusters.comparison))
        yield "figures/correlations.png", _pages.png(drawn)
        drawn = _pages.families(clusters.families, clusters.names)
        yield "figures/families.png", _pages.png(drawn)


def _thumbnails(clusters: Clusters, name: str) -> list[tuple[str, str]]:
    """Return the names of thumbnails of a cluster, and of the files that these are made from."""
    most = _SHOWN_NOWHERE if name == NOWHERE else _SHOWN
    shown = _pages.spread(clusters.files_of(name), most)
    return [(f"images/{name}-{n:02d}.jpg", file) for n, file in enumerate(shown, start=1)]


def _page(clusters: Clusters, rows: list[Row], args: argparse.Namespace) -> str:
    """Fill the template with what one run has found."""
    sections = {row["cluster"]: _section(clusters, row) for row in rows}
    nowhere = sections.pop(NOWHERE, None)
    return _pages.render_page(
        "cluster",
        args,
        summary=_in_words(clusters),
        one=ONE if len(clusters.names) == 1 else None,
        n_blank=len(clusters.reasons),
        n_clusters=len(clusters.names),
        warnings=clusters.warnings,
        clusters=list(sections.values()),
        nowhere=nowhere,
        families=clusters.family_rows,
        failures=clusters.failures,
        folders=", ".join(args.paths),
        size=clusters.crop,
    )


def _section(clusters: Clusters, row: Row) -> Row:
    """Return what is shown of one cluster."""
    name = row["cluster"]
    files, period = clusters.files_of(name), None
    if name != NOWHERE:
        lags = autocorrelation(clusters.fingerprints[clusters.names.index(name)])
        period = autocorrelation_period(lags)
    return {
        **row,
        "thumbnails": _thumbnails(clusters, name),
        "files": files[:_NAMED],
        "n_more": max(0, len(files) - _NAMED),
        "period": period,
    }
