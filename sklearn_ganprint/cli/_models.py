"""Models as the commands need them: opened, described in words, and asked for scores."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from sklearn_ganprint._output import as_label
from sklearn_ganprint.classification import MATCH_ENERGY, FingerprintClassifier, PRNUClassifier
from sklearn_ganprint.cli._arguments import DEFAULT_RATE, LOCALIZATION_RATE, LOCALIZE
from sklearn_ganprint.cli._console import MESSAGES, P_VALUE, Column, CommandError, Row, columns
from sklearn_ganprint.cli._images import collect_failures
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.files import FileBatchEstimator, FileHistory, coverage_in_words, uncovered
from sklearn_ganprint.localization import FingerprintLocalizer
from sklearn_ganprint.open_set import OpenSetClassifier, scores_needed
from sklearn_ganprint.persistence import load_model
from sklearn_ganprint.pipelines import KINDS, make_attribution_pipeline
from sklearn_ganprint.residuals import (
    MIN_SHARE,
    ResidualTransformer,
    residual_share,
    share_in_words,
)

#: What is said below a table of cameras.
OF_ENERGIES = (
    "scores are peak-to-correlation energies; p-values decide nothing here, since they hold only "
    "for photos like those fitted on"
)

#: A kind that is not made any more, whose saved models there are, and its steps.
SIBLINGS = "fusion-siblings"
OF_SIBLINGS = [("fusion", "FusionClassifier", ["fingerprint", "second_order"])]

#: What is told of the history of each file; tables have the first two if an image lies outside.
HISTORY = columns(
    *("history", "outside", "format", "width", "height"),
    *("jpeg_quality", "pixel_jpeg_quality", "jpeg_grid", "judged"),
)

#: What is judged of an image, if that is not a part of it.
WHOLE = "whole"


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
    def calibration_way(self) -> str:
        """Whether p-values are calibrated on each source's own images, or on all pooled."""
        return "pooled" if self.localizes else str(self.open_set.calibration_)

    @property
    def n_copies(self) -> int:
        """Number of processed copies of each image that the model is fitted on, too."""
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


class Scored(NamedTuple):
    """Files, their scores of shape (n, n_classes), and what could not be used.

    The greatest score says which source. Models without calibration have no p-values. Images
    without a residual have no answer, for which `reasons` says why, by position.
    """

    files: list[str]
    scores: np.ndarray
    known_p_values: Any  # (n,): of the image's being from any source
    p_values: Any  # (n, n_classes): each among the source's own images
    failures: list[ImageReadError]
    reasons: dict[int, str]
    histories: dict[str, FileHistory]


def open_model(path: str, *, localizers: bool = False) -> Model:
    """Load a model that was made by ``ganprint fit``, or in the same way.

    Models that localize, and attribute nothing, are taken only if `localizers`.
    """
    whole, found = load_model(path), ""
    if isinstance(whole, FileBatchEstimator):
        model = model_parts(whole)
        if model.localizes and not localizers:
            raise CommandError(
                f"{path} is for `ganprint localize`: it says where in an image a trace is "
                f"missing, and not who made the image. Fit a model without --task {LOCALIZE}"
            )
        known = model.localizes or isinstance(model.classifier, FingerprintClassifier)
        if known or model.open_set is not None:
            return model
        found = f" over {type(model.classifier).__name__}"
    raise CommandError(
        f"{path}: expected a model from `ganprint fit` (a FileBatchEstimator over an "
        f"OpenSetClassifier, or over a FingerprintClassifier), this is a "
        f"{type(whole).__name__}{found}; use it from Python"
    )


def open_localizer(path: str) -> Model:
    """Load a model that was made by ``ganprint fit --task localize``."""
    whole = load_model(path)
    if isinstance(whole, FileBatchEstimator):
        model = model_parts(whole)
        if model.localizes:
            return model
    raise CommandError(
        f"{path}: expected a model from `ganprint fit --task {LOCALIZE}`, this is another; its "
        f"images can be fitted on again for that task"
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
    return SIBLINGS if found == OF_SIBLINGS else None


def _structure(pipeline: Any) -> list[tuple[str, str, list[str]]]:
    """Names and types of the steps, and the names of what a step fuses."""
    return [
        (name, type(step).__name__, [own for own, _ in getattr(step, "estimators", [])])
        for name, step in getattr(pipeline, "steps", [])
    ]


def choose_rate(model: Model, given: float | None) -> float | None:
    """Return the rate of false alarms; models whose energies decide have none."""
    if (least := model.match_energy) is None:
        return given or DEFAULT_RATE
    if given is not None:
        MESSAGES.warn(f"--false-alarm: not used, since energies of {least:g} or more match")
    return None


def too_low(score: float, least: float) -> str | None:
    """Say that an energy makes no match, if so."""
    return None if score >= least else f"no match: an energy of {score:.1f} is below {least:g}"


def score_files(
    model: Model, files: list[str], failures: list[ImageReadError], n_jobs: int, title: str
) -> Scored:
    """Score each file, in one pass over the pixels; `failures` are those there are already."""
    failures, known, own = list(failures), None, None
    histories: dict[str, FileHistory] = {}
    with MESSAGES.progress(title) as progress:
        model.whole.set_params(
            n_jobs=n_jobs,
            on_error=collect_failures(failures),
            progress=progress,
            on_history=histories.__setitem__,
        )
        if model.open_set is None:
            scores = judged = model.whole.class_scores(files)
        else:
            scores, judged = model.whole.assess(files).swapaxes(0, 1)
            calibration = model.open_set.calibration_set_
            known = calibration.known_p_values(judged)
            own = calibration.p_values(judged, pooled=False)
    return Scored(files, scores, known, own, failures, _reasons(model, files, judged), histories)


def covered(model: Model) -> str | None:
    """Say which histories the fit covers; models of before do not know."""
    summary = getattr(model.whole, "history_summary_", None)
    return None if summary is None else coverage_in_words(summary)


def add_histories(rows: Sequence[Row], model: Model, scored: Scored) -> list[Row]:
    """Add to each row the history of its file, what of it no fit covers, and what was judged."""
    return [{**row, **_history(scored.histories.get(row["file"]), model)} for row in rows]


def _history(history: FileHistory | None, model: Model) -> Row:
    summary = getattr(model.whole, "history_summary_", None)  # models of before have none
    found: Row = dict.fromkeys(column.key for column in HISTORY)
    if history is None:
        return found
    found.update(history._asdict(), history=str(history))
    pixels = found.pop("pixels")
    found.update(pixel_jpeg_quality=pixels.jpeg_quality, jpeg_grid=pixels.grid)
    found["outside"] = (uncovered(history, summary) if summary else None) or None
    height, width = model.whole.judged_part(history.height, history.width)
    whole = (height, width) == (history.height, history.width)
    part = f"{width} x {height} of {history.width} x {history.height}"
    found["judged"] = WHOLE if whole else part
    return found


def shown_history(rows: Sequence[Row]) -> tuple[Column, ...]:
    """Give the columns of a table on histories: none where all that is known is covered."""
    return HISTORY[:2] if any(row["outside"] for row in rows) else ()


def note_of_outside(rows: Sequence[Row]) -> list[str]:
    """Count the images that lie outside of what the fit covers, if there are some."""
    n_outside = sum(row["outside"] is not None for row in rows)
    if not n_outside:
        return []
    return [
        f"outside of what the fit covers: {n_outside} of {len(rows)}, whose answers may be wrong "
        f"without a sign of it"
    ]


def note_of_parts(rows: Sequence[Row]) -> list[str]:
    """Count the images that are judged by a part of them, if there are some."""
    parts = [row["judged"] for row in rows if row["judged"] not in (WHOLE, None)]
    if not parts:
        return []
    return [f"judged by a part: {len(parts)} of {len(rows)}, such as {parts[0]} pixels"]


def _reasons(model: Model, files: list[str], scores: np.ndarray) -> dict[int, str]:
    """Say of each image without a residual how little of it carries one."""
    reader = model.whole.predict_reader_
    # As near to one source as to any other: few others are, so that few files are read again.
    suspects = np.flatnonzero((scores == scores[:, :1]).all(axis=1))
    reasons = ((n, no_residual(model.pipeline, reader.read_one(files[n]))) for n in suspects)
    return {int(position): reason for position, reason in reasons if reason is not None}


def no_residual(pipeline: Any, image: np.ndarray) -> str | None:
    """Say why an image has no answer, if it has no residual."""
    params = pipeline.get_params().items()
    ranges = [value for name, value in params if name.rpartition("__")[2] == "data_range"]
    share = float(residual_share(image[np.newaxis], *ranges[:1])[0])
    return None if share >= MIN_SHARE else share_in_words(share)


def calibration_counts(calibrated: Any) -> np.ndarray:
    """Count the calibration images of each source."""
    return np.bincount(calibrated.calibration_codes_, minlength=len(calibrated.classes_))


def warning_of_few(model: Model, rate: float | None = None) -> str | None:
    """Say that nothing can be called unknown at a rate, or no rate be kept, if so."""
    smallest, images = model.smallest_known_p_value, model.calibration_in_words
    if model.match_energy is not None:
        return None
    if not model.localizes:
        return few_images(rate or DEFAULT_RATE, smallest, "called unknown", images)
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
    most = math.floor(1000 * n / (n + 1)) / 1000
    advice = f", or choose --coverage {most:g} or less" if most > 0 else ""
    return (
        f"no source can be ruled out at a coverage of {coverage:g}, so that sets hold all, and a "
        f"table names the nearest alone: it takes {needed} calibration images, and there are {n} "
        f"{where}. Fit on more images{advice}"
    )


def calibrated_on(images: str, smallest: float, what: str = "p-values") -> str:
    """Name the images that answers are calibrated on, and what these are worth at the least."""
    lowest = "smallest possible" if what == "p-values" else "lowest possible rate"
    return f"{what} are calibrated on {images} ({lowest}: {as_fraction(smallest)})"


def p_value_column(smallest: float) -> Column:
    """Return a column of p-values with the digits that multiples of the smallest have."""
    return P_VALUE._replace(digits=min(4, max(1, math.ceil(-math.log10(smallest) - 1e-9))))


def as_fraction(smallest: float) -> str:
    """Write the smallest of all p-values exactly."""
    return f"1 / {round(1 / smallest)}"


def round_up(p_value: float) -> str:
    """Write a p-value in three digits, which are no less than it."""
    digits = 2 - math.floor(math.log10(p_value))
    # 0.04 * 10**4 and its like may come out just above the whole number.
    return f"{math.ceil(p_value * 10**digits - 1e-9) / 10**digits:.3g}"
