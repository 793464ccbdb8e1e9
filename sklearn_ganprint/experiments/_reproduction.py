"""The paper's experiments on images of one's own, in bounded memory and with interruptions."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone

from sklearn_ganprint._output import write_csv
from sklearn_ganprint._public import renamed_parameter
from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.experiments import _fingerprints, _results, _run, _selection
from sklearn_ganprint.experiments._attribution import AttributionResult, attribution_result
from sklearn_ganprint.experiments._dependence import DependenceResult
from sklearn_ganprint.experiments._fingerprints import ConvergenceResult, CorrelationResult
from sklearn_ganprint.experiments._parts import Checkpoints, Part
from sklearn_ganprint.experiments._results import Result, RobustnessResult, plain
from sklearn_ganprint.experiments._run import BatchOptions, ReproductionSettings, Run, Scored
from sklearn_ganprint.files._batches import FileBatches, is_paths

__all__ = ["ReproductionResult", "reproduce_paper"]

#: Architectures and labels without a network: as in the paper, they are not recompressed.
NOT_GENERATED = frozenset({"camera", "real", "n/a"})
#: The images that are compressed in each reading of the JPEG experiment.
_READINGS = ("test images", "test images and those of the fingerprints")
#: Fewer test images a source than this give confidence intervals of tens of points.
_FEW_TESTS = 50
#: Energy, in squared grey levels, of what rounding leaves of a blank image.
_BLANK = 1e-6

#: What the paper states: an item and its value, by what is found in its place.
PAPER = {
    "sources": ("sources", "22: 9 Cycle-GAN, 6 Pro-GAN, 5 Star-GAN, 2 cameras"),
    "images": ("images of each to fit on and to test on", "512 and 488"),
    "limit": ("Fig. 3: limit of the energy", "0.0377 and 0.0088 (two sources, unit not stated)"),
    "auc": ("Fig. 5: AUC, same against cross", "0.990 and 0.998"),
    "d_prime": ("Fig. 5: d′ of these", "3.29 and 4.07 (from the AUC, if normal)"),
    "correlation": (
        "Fig. 6: mean correlation",
        "large with the own fingerprint, weaker with siblings, none with others",
    ),
    "accuracy": ("Fig. 8: accuracy", "90.3 %"),
    "recompressed": ("accuracy after JPEG compression (QF 95 in the paper)", "90.1 %"),
}


@dataclass(frozen=True, eq=False)
class ReproductionResult(Result):
    """What :func:`reproduce_paper` found, by figure of the paper.

    Attributes
    ----------
    convergence : tuple of ConvergenceResult
        Results of Fig. 2 to 4, in the order of the classes.
    correlation : CorrelationResult
        Results of Fig. 5 and 6.
    attribution : AttributionResult
        Results of Fig. 7 and 8.
    recompression : RobustnessResult
        Results of the JPEG experiment, in both readings of the paper.
    recompressed : tuple of str
        Sources whose images were compressed in the JPEG experiment.
    robustness : RobustnessResult or None
        The robustness study, which the paper leaves to future work; None if it was left out.
    warnings : tuple of str
        Reasons for which the figures may mislead.
    failures : tuple of (filename, reason)
        Files that could not be used.
    sizes : RobustnessResult or None
        Accuracy by the number of images that fingerprints are estimated from (families) and the
        side of the images in pixels (strengths); None without the study.
    dependence : DependenceResult or None
        Simulated generators of one and of two architectures compared; None without the study.
    controls : dict or None
        What else tells the sources apart, as :class:`AuditResult` puts it; None if not asked for.
    paper : dict of str to tuple of str
        What the paper states: an item and its value, by key.

    See Also
    --------
    reproduce_paper : Makes one.
    """

    paper: ClassVar[dict[str, tuple[str, str]]] = PAPER

    convergence: tuple[ConvergenceResult, ...]
    correlation: CorrelationResult
    attribution: AttributionResult
    recompression: RobustnessResult
    recompressed: tuple[str, ...]
    robustness: RobustnessResult | None
    warnings: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]
    sizes: RobustnessResult | None = None
    dependence: DependenceResult | None = None
    controls: dict[str, Any] | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each source.

        Returns
        -------
        list of dict
            Rows with ``source``, ``architecture``, ``n_fit``, ``n_test``, ``recall``, ``auc``, the
            limit of the fingerprint's energy by the fit, as printed, unbiased and from halves,
            and the period of its autocorrelation.
        """
        classes = self.attribution.rows()
        architectures = self.correlation.architectures or [None] * len(classes)
        return [
            {
                "source": row["name"],
                "architecture": architecture,
                **{key: row[key] for key in ("n_fit", "n_test", "recall", "auc")},
                "energy_limit": plain(convergence.fit.limit),
                "printed_limit": plain(convergence.printed_fit.limit),
                "unbiased_limit": plain(convergence.unbiased_limit),
                "split_half_limit": plain(convergence.split_half_limit),
                "period_rows": convergence.period[0],
                "period_columns": convergence.period[1],
            }
            for row, architecture, convergence in zip(
                classes, architectures, self.convergence, strict=True
            )
        ]

    def architecture_rows(self) -> list[dict[str, Any]]:
        """Return one row for each architecture, or system, in the order of the sources.

        Returns
        -------
        list of dict
            Rows with ``architecture``, numbers of ``sources``, of images to fit on of each
            (``n_fit``) and of test images (``n_test``), ``accuracy``, the share of these whose very
            source was right, the mean correlation with the ``own`` fingerprint, with those of
            ``sibling`` sources (None if there are none) and of ``other`` ones, the least ``auc`` of
            a source, and the means of the limits of the energy, ``energy_limit`` and
            ``unbiased_limit``. Empty if the architectures are not known.
        """
        rows, correlations, table = self.rows(), self.correlation.rows(), []
        for name in dict.fromkeys(self.correlation.architectures or ()):
            own = [row for row in rows if row["architecture"] == name]
            n_test, sources = [row["n_test"] for row in own], {row["source"] for row in own}
            pairs = [pair for pair in correlations if pair["source"] in sources]
            means = {
                relation: [pair["mean"] for pair in pairs if pair["relation"] == relation]
                for relation in ("own", "sibling", "other")
            }
            table.append(
                {
                    "architecture": name,
                    "sources": len(own),
                    "n_fit": own[0]["n_fit"],
                    "n_test": sum(n_test),
                    "accuracy": float(np.average([row["recall"] for row in own], weights=n_test)),
                    **{key: float(np.mean(some)) if some else None for key, some in means.items()},
                    "auc": min(row["auc"] for row in own),
                    **{
                        key: float(np.mean([row[key] for row in own]))
                        for key in ("energy_limit", "unbiased_limit")
                    },
                }
            )
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values that JSON can hold.

        Returns
        -------
        dict
            ``sources``, the rows, and one entry for each attribute.
        """
        return {
            "sources": self.rows(),
            **plain(vars(self)),
            "failures": [{"file": name, "reason": reason} for name, reason in self.failures],
            "architectures": self.architecture_rows(),
            "sizes": self.sizes and self._size_rows(),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``results.json`` and every table as CSV into a folder.

        Parameters
        ----------
        path : str or path-like
            The folder, which is made if there is none. Files of these names are replaced.

        Raises
        ------
        OSError
            If a file cannot be written.
        """
        folder = Path(path)
        (folder / "tables").mkdir(parents=True, exist_ok=True)
        for name, rows in self.tables().items():
            write_csv(folder / "tables" / f"{name}.csv", rows)
        super().save(folder / "results.json")

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return every table as rows, by name.

        Returns
        -------
        dict of str to list of dict
            The tables that :meth:`save` writes as CSV.
        """
        names = self.attribution.classes.astype(str).tolist()
        tables = {
            "sources": self.rows(),
            "energies": [row for source in self.convergence for row in source.rows()],
            "correlations": self.correlation.rows(),
            "confusion": [
                {"made by": name, **dict(zip(names, row, strict=True))}
                for name, row in zip(names, self.attribution.confusion.tolist(), strict=True)
            ],
            "recompression": self.recompression.rows(),
            "robustness": self.robustness.rows() if self.robustness else [],
            "sizes": self._size_rows(),
            "dependence": self.dependence.rows() if self.dependence else [],
            "controls": self.controls["controls"] if self.controls else [],
            "architectures": self.architecture_rows(),
        }
        return {name: rows for name, rows in tables.items() if rows}

    def _size_rows(self) -> list[dict[str, Any]]:
        """Return one row for each number and size of images."""
        rows = self.sizes.rows()[1:] if self.sizes else []
        return [
            {"images": int(row.pop("family")), "side": row.pop("strength"), **row} for row in rows
        ]


@renamed_parameter("passes", "options")
def reproduce_paper(
    X: Any,
    y: Any,
    settings: ReproductionSettings | None = None,
    *,
    architectures: Mapping[str, str] | None = None,
    groups: Any = None,
    reader: ImageReader | None = None,
    folder: Any = None,
    options: BatchOptions | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> ReproductionResult:
    """Run every experiment of the paper [1]_ on images, or on files in bounded memory.

    Parameters
    ----------
    X : array-like of images (n, H, W, C), or sequence of paths of length n
        The images.
    y : array-like of shape (n,)
        Source of each image.
    settings : ReproductionSettings, default=None
        Numbers of images, denoiser and further settings; None takes the defaults.
    architectures : dict, default=None
        Architecture of each source, by its label as a str. Sources of one architecture are
        siblings. Sources whose architecture or label is "camera", "real" or "n/a" are not
        recompressed in the JPEG experiment, as in the paper.
    groups : array-like of shape (n,), default=None
        Images of one group, such as one scene under several sources, are on one side of the split.
    reader : ImageReader, default=None
        How files become images. None reads whole images, which must all have one size.
    folder : path-like, default=None
        Folder for parts of the results, with which the same call continues after an interruption.
        None keeps nothing.
    options : BatchOptions, default=None
        Batch size, number of workers, and what is told of bad files.
    progress : callable, default=None
        Called as ``progress(n_done, n_images)`` after each batch. Images count as often as they are
        read.

    Returns
    -------
    ReproductionResult
        Results by figure of the paper.

    Raises
    ------
    ValueError
        If a source has too few images for the numbers asked for, none of its files to fit on can
        be used, no file to test on can be, or all images of a source are the same.

    Notes
    -----
    The images to fit on are read once, for fingerprints at growing N, and the test images once, for
    their correlations with all fingerprints; everything else follows from these. The JPEG
    experiment repeats both with compressed images, the robustness study scores some of the test
    images under each perturbation, and the study of sizes scores all of them once more. The memory
    holds a batch for each worker, and the fingerprints at all N.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import load_samples
    >>> from sklearn_ganprint.experiments import ReproductionSettings, reproduce_paper
    >>> samples = load_samples()
    >>> settings = ReproductionSettings(n_robustness=0, denoiser="gaussian")
    >>> sources = samples.target_names[samples.target]
    >>> result = reproduce_paper(samples.data, sources, settings, groups=samples.groups)
    >>> result.attribution.accuracy > result.attribution.chance
    True
    """
    y = _selection.check_sources(X, y, groups)
    settings, options = settings or ReproductionSettings(), options or BatchOptions()
    selection = _select(y, groups, settings)
    labels = selection.classes.astype(str).tolist()
    families = _families(labels, architectures)
    recompressed = _generated(labels, families)
    images = _batches(X, reader, options)
    depends_on = {**_run.identity(settings, images, selection), "generated": recompressed}
    checkpoints = Checkpoints(folder, depends_on)
    run = Run(images, selection, settings, checkpoints, recompressed, progress, options.on_error)
    controls = run.controls(y, groups) if settings.controls else None
    fitted = run.fit("clean", range(len(labels)))
    _check_fitted(selection.classes, fitted)
    scored = run.score("clean", selection.test, _run.last_fingerprints(fitted))
    if not np.isfinite(scored.scores).all(axis=(0, 2)).any():
        reasons = "; ".join(f"{file}: {why}" for file, why in list(run.failures.items())[:3])
        raise ValueError(f"No image to test on can be used: {reasons}")
    result = _put_together(run, y, families, fitted, scored)
    if settings.study:
        by_size = run.sizes(fitted)
        # The last has all images of full size.
        sizes = _measure(selection.classes, by_size, selection.test, clean=list(by_size)[-1])
        result = replace(result, sizes=sizes, dependence=run.study_dependence())
    return replace(result, controls=controls, failures=tuple(run.failures.items()))


def _select(y: np.ndarray, groups: Any, settings: ReproductionSettings) -> _selection.Selection:
    numbers = {"n_fit": settings.n_fit, "n_test": settings.n_test}
    selection = _selection.select_images(
        y, **numbers, groups=groups, random_state=settings.random_state
    )
    if selection.n_fit < 2:
        raise ValueError(
            "Expected at least 2 images a source to fit on, to see a fingerprint converge; got 1. "
            "Add images, or leave out the source with the fewest."
        )
    return selection


def _families(
    labels: Sequence[str], architectures: Mapping[str, str] | None
) -> tuple[str, ...] | None:
    """Return the architectures in the order of the sources."""
    if architectures is None:
        return None
    missing = sorted(set(labels) - set(architectures))
    if missing:
        raise ValueError(f"architectures: expected one for each source; none for {missing}.")
    return tuple(str(architectures[label]) for label in labels)


def _generated(labels: Sequence[str], families: tuple[str, ...] | None) -> list[int]:
    """Return the sources that a network made, as far as is known."""
    names = zip(labels, families or labels, strict=True)
    return [code for code, own in enumerate(names) if NOT_GENERATED.isdisjoint(map(str.lower, own))]


def _batches(X: Any, reader: ImageReader | None, options: BatchOptions) -> FileBatches:
    how: dict[str, Any] = {"batch_size": options.batch_size, "n_jobs": options.n_jobs}
    if not is_paths(X):
        return FileBatches(_selection.as_images(X), **how)
    return FileBatches.of_files(X, clone(reader or ImageReader()), **how)


def _check_fitted(classes: np.ndarray, fitted: Mapping[int, Part]) -> None:
    for label, part in zip(classes, fitted.values(), strict=True):
        if "sums" not in part:
            reasons = "; ".join(f"{file}: {why}" for file, why in part["failures"][:3])
            raise ValueError(f"No image of {str(label)!r} to fit on can be used: {reasons}")
        energies, hashes = part["residual_energies"], part["hashes"]
        # Copies in batches of different sizes differ by rounding.
        if len(energies) > 1 and not np.ptp(hashes) and np.allclose(energies, energies[0]):
            raise ValueError(
                f"All {len(energies)} images of {str(label)!r} to fit on are the same: what they "
                f"share is what they show, not a fingerprint. Expected different images."
            )


def _put_together(
    run: Run, y: np.ndarray, architectures: Any, fitted: dict[int, Part], scored: Scored
) -> ReproductionResult:
    """Do the JPEG experiment and the robustness study, and put all results together."""
    classes, scores = run.selection.classes, scored.scores[0]
    y_test = np.repeat(classes, [len(own) for own in run.selection.test])
    usable, (predicted,) = _attribute(classes, [scores])
    in_all, (clean, *readings) = _attribute(classes, [scores, *run.recompress(fitted)])
    variants = dict(zip(_READINGS, readings, strict=True))
    robustness = None
    if run.settings.n_robustness:
        changed = run.robustness(fitted), run.robustness_positions()
        robustness = _measure(classes, *changed, clean=_run.UNCHANGED)
    failures = tuple(run.failures.items())
    train, test = np.concatenate(run.selection.fit), np.concatenate(run.selection.test)
    if failures:
        train = train[[os.fsdecode(path) not in run.failures for path in run.images.items[train]]]
    sides = train, test[usable]
    return ReproductionResult(
        convergence=tuple(
            _fingerprints.convergence_from_sums(
                part["sums"], part["counts"], part["residual_energies"].mean(), name=str(label)
            )
            for label, part in zip(classes, fitted.values(), strict=True)
        ),
        correlation=_fingerprints.measure_correlations(
            scores[usable], y_test[usable], classes, architectures
        ),
        attribution=attribution_result(
            _classifier(classes, fitted), y, sides, scores[usable], predicted, failures
        ),
        recompression=_results.compare_predictions(y_test[in_all], clean, variants),
        recompressed=tuple(str(classes[code]) for code in run.recompressed),
        robustness=robustness,
        warnings=tuple(_warnings(run, architectures, fitted, scored.hashes)),
        failures=failures,
    )


def _attribute(
    classes: np.ndarray, scores: Collection[np.ndarray]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Attribute the images that have all scores; also return which images these are."""
    usable = np.all([np.isfinite(values).all(axis=1) for values in scores], axis=0)
    return usable, [classes[values[usable].argmax(axis=1)] for values in scores]


def _classifier(classes: np.ndarray, fitted: Mapping[int, Part]) -> FingerprintClassifier:
    parts = [fitted[code] for code in sorted(fitted)]
    return FingerprintClassifier().partial_fit_sums(
        np.stack([part["sums"].sum(axis=0, dtype=np.float64) for part in parts]),
        [part["counts"].sum() for part in parts],
        classes,
    )


def _measure(
    classes: np.ndarray,
    scores: Mapping[tuple[str, float], np.ndarray],
    positions: Collection[np.ndarray],
    clean: tuple[str, float],
) -> RobustnessResult:
    """Compare attributions of each source's images after changes with those of `clean`."""
    usable, predicted = _attribute(classes, scores.values())
    y = np.repeat(classes, [*map(len, positions)])
    points = dict(zip(scores, predicted, strict=True))
    return _results.measure_robustness(y[usable], points[clean], points)


def _warnings(
    run: Run,
    architectures: tuple[str, ...] | None,
    fitted: Mapping[int, Part],
    hashes: list[np.ndarray],
) -> Iterator[str]:
    """Yield reasons for which the figures may mislead."""
    if run.selection.n_fit < _selection.PAPER_FIT:
        fewest = min(part["counts"].sum() for part in fitted.values())
        yield (
            f"A fingerprint is the mean of {fewest} residuals, where the paper has "
            f"{_selection.PAPER_FIT}: it holds more noise, and fewer images are attributed rightly."
        )
    fewest = min(map(len, hashes))
    if fewest < _FEW_TESTS:
        yield (
            f"A source has as few as {fewest} test images: what is said of single sources is "
            f"uncertain by ten points and more."
        )
    if architectures is None:
        yield "The architectures of the sources are not known, so siblings cannot be shown as such."
    for code, label in enumerate(run.selection.classes):
        blank = int((fitted[code]["residual_energies"] < _BLANK).sum())
        if blank:
            yield f"{blank} images of {str(label)!r} to fit on are blank: nothing is left of them."
        alike = _selection.near_duplicates(hashes[code], fitted[code]["hashes"])
        n_alike = len(np.unique(alike[:, 0]))
        if n_alike:
            yield (
                f"{n_alike} of {len(hashes[code])} test images of {str(label)!r} look "
                f"nearly the same as one that its fingerprint was estimated from: near-duplicates "
                f"make it look better than it is. Give such images one group."
            )
