"""The paper's experiments on images of one's own, in bounded memory and with interruptions."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ganprint._public import renamed_parameter
from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.experiments import _run, _selection
from sklearn_ganprint.experiments._attribution import attribution_result
from sklearn_ganprint.experiments._fingerprints import convergence_from_sums, measure_correlations
from sklearn_ganprint.experiments._parts import Checkpoints, Part
from sklearn_ganprint.experiments._reproduction_result import ReproductionResult
from sklearn_ganprint.experiments._results import (
    RobustnessResult,
    compare_predictions,
    measure_robustness,
)
from sklearn_ganprint.experiments._run import BatchOptions, ReproductionSettings, Run, Scored
from sklearn_ganprint.files._batches import FileBatches, is_paths

__all__ = ["reproduce_paper"]

#: Architectures and labels without a network: as in the paper, they are not recompressed.
NOT_GENERATED = frozenset({"camera", "real", "n/a"})
#: The images that are compressed in each reading of the JPEG experiment.
_READINGS = ("test images", "test images and those of the fingerprints")
#: Fewer test images a source than this give confidence intervals of tens of points.
_FEW_TESTS = 50
#: Energy, in squared grey levels, of what rounding leaves of a blank image.
_BLANK = 1e-6


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
    y = column_or_1d(y)
    check_consistent_length(X, y, groups)
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
    result = _results(run, y, families, fitted, scored)
    if settings.study:
        result = replace(result, sizes=_sizes(run, fitted), dependence=run.study_dependence())
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
    return [
        code
        for code, pair in enumerate(names)
        if NOT_GENERATED.isdisjoint(name.lower() for name in pair)
    ]


def _batches(X: Any, reader: ImageReader | None, options: BatchOptions) -> FileBatches:
    how: dict[str, Any] = {"batch_size": options.batch_size, "n_jobs": options.n_jobs}
    if not is_paths(X):
        return FileBatches(np.asarray(X), **how)
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


def _results(
    run: Run, y: np.ndarray, architectures: Any, fitted: dict[int, Part], scored: Scored
) -> ReproductionResult:
    """Do the JPEG experiment and the robustness study, and put all results together."""
    classes, scores = run.selection.classes, scored.scores[0]
    y_test = np.repeat(classes, [len(own) for own in run.selection.test])
    usable, (predicted,) = _attribute(classes, [scores])
    in_all, (clean, *readings) = _attribute(classes, [scores, *run.recompress(fitted)])
    variants = dict(zip(_READINGS, readings, strict=True))
    robustness = _robustness(run, fitted) if run.settings.n_robustness else None
    failures = tuple(run.failures.items())
    train, test = np.concatenate(run.selection.fit), np.concatenate(run.selection.test)
    if failures:
        train = train[[os.fsdecode(path) not in run.failures for path in run.images.items[train]]]
    sides = train, test[usable]
    return ReproductionResult(
        convergence=tuple(
            convergence_from_sums(
                fitted[code]["sums"],
                fitted[code]["counts"],
                float(fitted[code]["residual_energies"].mean()),
                name=str(label),
            )
            for code, label in enumerate(classes)
        ),
        correlation=measure_correlations(scores[usable], y_test[usable], classes, architectures),
        attribution=attribution_result(
            _classifier(classes, fitted), y, sides, scores[usable], predicted, failures
        ),
        recompression=compare_predictions(y_test[in_all], clean, variants),
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


def _robustness(run: Run, fitted: dict[int, Part]) -> RobustnessResult:
    scores, classes = run.robustness(fitted), run.selection.classes
    y = np.repeat(classes, [len(own) for own in run.robustness_positions()])
    usable, predicted = _attribute(classes, scores.values())
    predictions = dict(zip(scores, predicted, strict=True))
    return measure_robustness(y[usable], predictions[_run.UNCHANGED], predictions)


def _sizes(run: Run, fitted: dict[int, Part]) -> RobustnessResult:
    scores, classes = run.sizes(fitted), run.selection.classes
    usable, predicted = _attribute(classes, scores.values())
    y = np.repeat(classes, [len(own) for own in run.selection.test])[usable]
    # The last has all images of full size.
    names = [(str(number), float(side)) for number, side in scores]
    points = dict(zip(names, predicted, strict=True))
    return measure_robustness(y, predicted[-1], points)


def _warnings(
    run: Run,
    architectures: tuple[str, ...] | None,
    fitted: Mapping[int, Part],
    hashes: list[np.ndarray],
) -> Iterator[str]:
    """Yield reasons for which the figures may mislead."""
    selection = run.selection
    if selection.n_fit < _selection.PAPER_FIT:
        yield (
            f"Each fingerprint is the mean of {selection.n_fit} residuals, where the paper has "
            f"{_selection.PAPER_FIT}: it holds more noise, and fewer images are attributed rightly."
        )
    fewest = min(map(len, selection.test))
    if fewest < _FEW_TESTS:
        yield (
            f"A source has as few as {fewest} test images: what is said of single sources is "
            f"uncertain by ten points and more."
        )
    if architectures is None:
        yield "The architectures of the sources are not known, so siblings cannot be shown as such."
    for code, label in enumerate(selection.classes):
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
