"""Models as the commands need them: opened, and described in words."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm
from sklearn.pipeline import Pipeline

from sklearn_ganprint._output import as_label
from sklearn_ganprint.classification import MATCH_ENERGY, FingerprintClassifier, PRNUClassifier
from sklearn_ganprint.cli._arguments import (
    ATTRIBUTE,
    DEFAULT_COVERAGE,
    DEFAULT_RATE,
    DETECT,
    LOCALIZATION_RATE,
    LOCALIZE,
)
from sklearn_ganprint.cli._console import CommandError, Row
from sklearn_ganprint.conformal import Calibration, greatest_coverage, round_up
from sklearn_ganprint.ensemble import DetectionClassifier
from sklearn_ganprint.experiments import Answers, judge_answers
from sklearn_ganprint.files import FileBatchEstimator, coverage_in_words
from sklearn_ganprint.localization import FingerprintLocalizer
from sklearn_ganprint.open_set import OpenSetClassifier, SourceLikelihoodRatios, scores_needed
from sklearn_ganprint.persistence import load_model
from sklearn_ganprint.pipelines import KINDS, make_attribution_pipeline
from sklearn_ganprint.residuals import ResidualTransformer

#: Names and types of the steps of a pipeline, and the names of what a step fuses.
Structure = list[tuple[str, str, list[str]]]

#: Kinds of saved models as they are not made any more.
FORMER_STRUCTURES: dict[str, Structure] = {
    "fusion-siblings": [("fusion", "FusionClassifier", ["fingerprint", "second_order"])],
    "nearest-mean": [
        ("features", "FeatureUnion", []),
        ("scaler", "StandardScaler", []),
        ("mean", "FingerprintClassifier", []),
    ],
}


#: What the answers of models that name sources do not show.
LIMITS_OF_ANSWERS = (
    "A p-value is no probability that a source made the image. It is the share of calibration "
    "images that look as untypical, the image counted in: small where hardly any does.",
    "A high p-value proves nothing. An image of a source that the model does not know may look "
    "like those of one that it knows.",
    "A likelihood ratio (LR) is no probability that a source made the image either. It weighs two "
    "propositions against each other, and says nothing of a third.",
    "The model can name its own sources alone. How often it calls images of others unknown is not "
    "known until it is tried on such images.",
)

#: What limits all models.
LIMITS = (
    "What images show can pass for a trace if the sources of the fit differ in it; ganprint "
    "audit measures that on the images of the fit, and not on others.",
    "Compression, resizing and other processing change a trace. Of an image that lies outside of "
    "what the fit covers, the answer may be wrong without a sign of it, and not everything that "
    "was done to an image can be seen in it.",
)


class Model(NamedTuple):
    """A loaded model and its parts."""

    whole: Any  # FileBatchEstimator
    open_set: Any  # OpenSetClassifier; None in models that have no p-values
    pipeline: Any  # Pipeline, or a classifier alone
    residual: Any  # ResidualTransformer, or None
    classifier: Any  # the pipeline's last step

    @property
    def labels(self) -> list[str]:
        """The sources by name."""
        return [str(label) for label in self.whole.classes_]

    @property
    def localizes(self) -> bool:
        """Whether the model finds parts of images, and attributes nothing."""
        return isinstance(self.classifier, FingerprintLocalizer)

    @property
    def detects(self) -> bool:
        """Whether the model tells photos from generated images, and no sources apart."""
        return isinstance(self.classifier, DetectionClassifier)

    @property
    def task(self) -> str:
        """What the model is for."""
        if self.localizes:
            return LOCALIZE
        return DETECT if self.detects else ATTRIBUTE

    @property
    def match_energy(self) -> float | None:
        """Energy from which on a photo is matched to a camera; None in other models.

        Photos are hardly ever like the flat fields that cameras are fitted on, so that their
        p-values would say nothing.
        """
        camera = isinstance(self.classifier, PRNUClassifier) and self.classifier.metric == "pce"
        return MATCH_ENERGY if camera else None

    @property
    def prediction_sets(self) -> Any:
        """What makes sets of sources from scores; None in models of cameras and in former ones."""
        if self.match_energy is not None:
            return None
        return getattr(self.open_set, "prediction_sets_", None)

    def sets(self, scores: np.ndarray, coverage: float) -> np.ndarray:
        """Make sets of sources from scores; sets of photo and generated keep the rate of either."""
        if self.detects:
            known = Calibration(self.prediction_sets.scores, self.prediction_sets.codes)
            return known.p_values(scores) > 1 - coverage
        return self.prediction_sets.predict_set(scores, coverage)

    @property
    def likelihood_ratios(self) -> Any:
        """What makes likelihood ratios from scores; None in models without sets."""
        if self.prediction_sets is None or not len(self.prediction_sets.codes):
            return None
        return _calibrated_once(self.open_set)

    @property
    def families(self) -> Any:
        """Families of sources that are confused; None in models without sets or sources."""
        return None if self.prediction_sets is None or self.detects else self.open_set.families_

    @property
    def smallest_known_p_value(self) -> float:
        """p-value of an image that looks less like each source than any calibration image."""
        if self.localizes:
            return 1 / (len(self.classifier.calibration_peaks_) + 1)
        lowest = np.full((1, len(self.open_set.classes_)), -np.inf)
        return float(self.open_set.calibration_set_.known_p_values(lowest)[0])

    @property
    def smallest_p_values(self) -> dict[str, float]:
        """Smallest p-value that `verify` can find for each source, among its own images."""
        counts = calibration_counts(self.open_set).tolist()
        return {label: 1 / (n + 1) for label, n in zip(self.labels, counts, strict=True)}

    @property
    def outcome(self) -> str:
        """What images are of which the p-value is too small."""
        if self.detects:  # "cannot tell" is said of those like both, too
            return "unlike both photos and generated images"
        return f"called {self.open_set.unknown_label_}"

    @property
    def calibration_way(self) -> str:
        """Whether p-values are calibrated on each source's own images, or on all pooled."""
        return "pooled" if self.localizes else str(self.open_set.calibration_)

    @property
    def energies(self) -> Any:
        """Energy of each source's fingerprint; None in models without one a source."""
        features = model_kind(self) == "nearest-mean"  # whose means are not of residuals
        return None if features else getattr(self.classifier, "energy_", None)

    @property
    def n_copies(self) -> int:
        """Number of processed copies of each image that the model is fitted on, too."""
        if self.localizes:
            return int(hasattr(self.classifier, "processed_peaks_"))
        return len(getattr(self.classifier, "versions_", ["original"])) - 1

    @property
    def calibration_units(self) -> str:
        """What p-values are calibrated on: images, or also copies that were made of them."""
        return "images and copies" if self.n_copies else "images"

    @property
    def calibration_in_words(self) -> str:
        """The images that p-values, or regions, are calibrated on."""
        if self.localizes:
            return f"{len(self.classifier.calibration_peaks_)} images pooled over all sources"
        counts = calibration_counts(self.open_set)
        if self.open_set.calibration_ == "pooled":
            return f"{counts.sum()} {self.calibration_units} pooled over all sources"
        return f"the {self.calibration_units} of each source, at least {counts.min()}"


@lru_cache(maxsize=1)
def _calibrated_once(open_set: OpenSetClassifier) -> SourceLikelihoodRatios:
    return open_set.likelihood_ratios_


def open_model(path: str, tasks: Sequence[str] = (ATTRIBUTE,)) -> Model:
    """Load a model that was made for some tasks by ``ganprint fit``, or in the same way."""
    whole, found = load_model(path), ""
    if isinstance(whole, FileBatchEstimator):
        model = model_parts(whole)
        scores = model.open_set is not None or isinstance(model.classifier, FingerprintClassifier)
        if model.task in tasks and (model.localizes or scores):
            return model
        if model.localizes:
            raise CommandError(
                f"{path} is for `ganprint localize`: it says where in an image a trace is "
                f"missing, and not who made the image. Fit a model without --task {LOCALIZE}"
            )
        if model.detects and ATTRIBUTE in tasks:
            raise CommandError(
                f"{path} is for `ganprint predict`: it says whether an image is a photo or "
                f"generated, and not who made it. Fit a model without --task {DETECT}"
            )
        found = f" over {type(model.classifier).__name__}"
    if ATTRIBUTE not in tasks:
        raise CommandError(
            f"{path}: expected a model from `ganprint fit --task {LOCALIZE}`, this is another; its "
            f"images can be fitted on again for that task"
        )
    raise CommandError(
        f"{path}: expected a model from `ganprint fit` (a FileBatchEstimator over an "
        f"OpenSetClassifier, or over a FingerprintClassifier), this is a "
        f"{type(whole).__name__}{found}; use it from Python"
    )


def model_parts(whole: Any) -> Model:
    """Take a fitted FileBatchEstimator apart."""
    inner = whole.estimator_
    open_set = inner if isinstance(inner, OpenSetClassifier) else None
    pipeline = inner if open_set is None else open_set.estimator_
    steps = [step for _, step in pipeline.steps] if isinstance(pipeline, Pipeline) else [pipeline]
    residual = next((step for step in steps if isinstance(step, ResidualTransformer)), None)
    return Model(whole, open_set, pipeline, residual, steps[-1])


def find_source(model: Model, given: str, option: str, path: str) -> Any:
    """Return the label that a source is named by, however its letters are stored (NFC, NFD)."""
    labels = model.whole.classes_.tolist()
    for label in labels:
        if as_label(str(label)) == as_label(given):
            return label
    raise CommandError(
        f"{option}: expected one of the sources of {path}, {', '.join(map(str, labels))}; got "
        f"{given!r}"
    )


def model_kind(model: Model) -> str | None:
    """Tell the kind of pipeline by its steps; None is none that `ganprint fit` has made."""
    found = _structure(model.pipeline)
    for kind in KINDS:
        for tile_size in ("auto", None):
            if _structure(make_attribution_pipeline(kind, tile_size=tile_size)) == found:
                return kind
    return next((kind for kind, steps in FORMER_STRUCTURES.items() if steps == found), None)


def _structure(pipeline: Any) -> Structure:
    """Return the structure of a pipeline."""
    return [
        (name, type(step).__name__, [own for own, _ in getattr(step, "estimators", [])])
        for name, step in getattr(pipeline, "steps", [])
    ]


def covered(model: Model) -> str | None:
    """Say which histories the fit covers; models of before do not know."""
    summary = getattr(model.whole, "history_summary_", None)
    return None if summary is None else coverage_in_words(summary)


def calibration_counts(calibrated: Any) -> np.ndarray:
    """Count the calibration images of each source."""
    return np.bincount(calibrated.calibration_codes_, minlength=len(calibrated.classes_))


def warning_of_few(model: Model, rate: float | None = None) -> str | None:
    """Say that nothing can be called unknown at a rate, or no rate be kept, if so."""
    smallest, images = model.smallest_known_p_value, model.calibration_in_words
    if model.match_energy is not None:
        return None
    if not model.localizes:
        return few_images(rate or DEFAULT_RATE, smallest, model.outcome, images)
    rate = rate or LOCALIZATION_RATE
    if smallest <= rate:
        return None
    return (
        f"a false-alarm rate of {rate:g} cannot be kept: the threshold is calibrated on {images}, "
        f"and the lowest rate that they support is {as_fraction(smallest)}. Fit on more images, or "
        f"choose --false-alarm {round_up(smallest)} or more"
    )


def few_images(rate: float, smallest: float, outcome: str, images: str) -> str | None:
    """Say that no image can have an outcome at a rate, with the smallest rate at which one can."""
    if smallest <= rate:
        return None
    advice = f", or choose --false-alarm {round_up(smallest)} or more" if smallest < 1 else ""
    return (
        f"no image can be {outcome} at a false-alarm rate of {rate:g}: p-values are calibrated on "
        f"{images}, and none is below {as_fraction(smallest)}. Fit on more images{advice}"
    )


def warning_of_few_for_sets(model: Model, coverage: float | None) -> str | None:
    """Say that no source can be left out of a set at a coverage, if so."""
    if coverage is None:
        return None
    sets, needed = model.prediction_sets, scores_needed(1 - coverage)
    if (n := sets.n_scores) >= needed:
        return None
    where = "pooled over all sources" if sets.pooled else "of the source with the fewest"
    most = greatest_coverage(n)
    advice = f", or choose --coverage {most:g} or less" if most > 0 else ""
    what = "sets hold all, and a table names the nearest alone"
    if model.detects:
        what = "no image is called photo or generated"
    return (
        f"no source can be ruled out at a coverage of {coverage:g}, so that {what}: it takes "
        f"{needed} calibration images, and there are {n} {where}. Fit on more images{advice}"
    )


def calibrated_on(images: str, smallest: float, what: str = "p-values") -> str:
    """Name the images that answers are calibrated on, and what these are worth at the least."""
    lowest = "smallest possible" if what == "p-values" else "lowest possible rate"
    return f"{what} are calibrated on {images} ({lowest}: {as_fraction(smallest)})"


def as_fraction(smallest: float) -> str:
    """Write the smallest of all p-values exactly."""
    return f"1 / {round(1 / smallest)}"


def out_of_fold(model: Model) -> Row | None:
    """Tell how images of the fit are answered by models that have not seen them, if it is known.

    Images as they are stand apart from the processed copies of them, if the fit has made some.
    """
    sets = model.prediction_sets
    if sets is None or not len(sets.codes):  # none of one image a source
        return None
    known = model.open_set.calibration_set_.known_p_values(model.open_set.calibration_scores_)
    few = warning_of_few_for_sets(model, DEFAULT_COVERAGE) is not None
    answers = judge_answers(
        sets.scores,
        sets.codes,
        known=known > DEFAULT_RATE,
        sets=None if few else model.sets(sets.scores, DEFAULT_COVERAGE),
    )
    processed = _processed(model, answers)
    clean = answers.shares(~processed).to_dict()
    return {
        "false_alarm_rate": DEFAULT_RATE,
        "coverage": None if few else DEFAULT_COVERAGE,
        "clean": clean,
        "processed": _of_copies(answers.shares(processed).to_dict(), clean["images"])
        if processed.any()
        else None,
    }


def _of_copies(shares: Row, n_images: int) -> Row:
    """Widen the intervals of copies: those of one image are answered alike, and count as one."""
    intervals = {name: _wilson(shares[name], n_images) for name in shares["intervals"]}
    return shares | {"intervals": intervals}


def _wilson(share: float, n: int) -> list[float]:
    """Return Wilson's 95 % interval of a share, which need not be a whole number of n images."""
    square = norm.ppf(0.975) ** 2 / n
    middle, half = share + square / 2, math.sqrt(square * (share * (1 - share) + square / 4))
    return [max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))]


def _processed(model: Model, answers: Answers) -> np.ndarray:
    """Tell copies from the images themselves; models of before have no copies."""
    versions = np.asarray(getattr(model.classifier, "out_of_fold_versions_", ()))
    if versions.shape != answers.codes.shape:
        return np.zeros(len(answers.codes), dtype=bool)
    return versions > 0


def notes_of_out_of_fold(found: Row | None) -> list[str]:
    """Say in words what `out_of_fold` has found, and what of it is no finding."""
    if found is None:
        return []
    parts = [f"images as they are, {_in_words(found['clean'])}"]
    if found["processed"] is not None:
        parts.append(f"processed copies, {_in_words(found['processed'])}")
    no_finding = "the share called unknown is not, since p-values are"
    if found["coverage"] is not None:
        no_finding = "coverage and the share called unknown are not, since sets and p-values are"
    return [
        f"under models that have not seen them: {'; '.join(parts)}",
        f"accuracy is a finding; {no_finding} calibrated on these same images",
    ]


def _in_words(shares: Row) -> str:
    low, high = shares["intervals"]["accuracy"]
    words = f"accuracy {shares['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f})"
    if shares["coverage"] is not None:
        size = "-" if shares["set_size"] is None else f"{shares['set_size']:.2f}"
        words += f", coverage of sets {shares['coverage']:.3f} (mean size {size})"
    return f"{words}, unknown {shares['unknown']:.3f}"
