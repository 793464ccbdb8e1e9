"""What a model says of files: their scores and histories, and what is unknown by these."""

import argparse
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sklearn_ganprint.cli import _console, _models
from sklearn_ganprint.cli._arguments import DEFAULT_COVERAGE, DEFAULT_RATE
from sklearn_ganprint.cli._console import (
    MESSAGES,
    P_VALUE,
    Column,
    CommandError,
    Row,
    Table,
    columns,
)
from sklearn_ganprint.cli._images import collect_failures, history_cells, no_residual
from sklearn_ganprint.cli._models import Model
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.evidence import verbal_scale
from sklearn_ganprint.files import FileHistory, uncovered

#: What is said below a table of cameras.
_OF_ENERGIES = (
    "scores are peak-to-correlation energies; p-values decide nothing here, since they hold only "
    "for photos like those fitted on"
)

#: What is told of the history of each file; tables have the first two if an image lies outside.
HISTORY = columns(
    *("history", "outside", "format", "width", "height"),
    *("jpeg_quality", "pixel_jpeg_quality", "jpeg_grid", "judged"),
)

#: What is told of how strongly an image speaks for a source: against others, and one not known.
EVIDENCE = (
    Column("log10_lr_others", "log10 LR, others", 2),
    Column("log10_lr_unknown", "log10 LR, unknown", 2),
)

#: What is told of the image of the fit that a file is, or shows; tables have all if there is one.
FITTED = columns("fitted_on", Column("fitted_match", "match"), "fitted_source")

#: What an image is of a model of earlier versions, which has forgotten what it was fitted on.
NOT_KNOWN = "not known"

#: What an image is that fails the test of a claim.
REJECTED = "rejected"

#: What is judged of an image, if that is not a part of it.
WHOLE = "whole"


#: Sources of models that detect, as a sentence has them.
A_PHOTO = {"photo": "a photo"}


class Scored(NamedTuple):
    """Scores of files, of shape (n, n_classes), and what could not be used.

    The greatest score says which source. Models without calibration have no p-values. Images
    without a residual have no answer, for which `reasons` says why, by position.
    """

    scores: np.ndarray
    known_p_values: Any  # (n,): of the image's being from any source
    p_values: Any  # (n, n_classes): each among the source's own images
    others_p_values: Any  # (n, n_classes): each among the images of the other sources
    failures: list[ImageReadError]
    reasons: dict[int, str]
    histories: dict[str, FileHistory]
    log10_lrs: Any = None  # (2, n, n_classes): against other sources, and one that is not known


class Rule(NamedTuple):
    """By what images are called unknown, or rejected: by p-values, or by energies of cameras."""

    word: str  # "unknown" or "rejected"
    rate: float | None  # p-values up to this fail; None where energies decide, or nothing does
    least: float | None  # energy of a match
    smallest: float | None  # smallest p-value that there can be
    images: str  # those that p-values are calibrated on
    failing: str = "called unknown"  # what images are that fail

    @property
    def testable(self) -> bool:
        """Whether any image can fail."""
        return self.rate is None or self.smallest is None or self.smallest <= self.rate

    def passes(self, scores: Any, p_values: Any) -> Any:
        """Whether images do not fail, by the score and the p-value of each."""
        if self.least is not None:
            return scores >= self.least
        return np.isfinite(scores) if self.rate is None else p_values > self.rate

    def reason(self, score: float) -> str | None:
        """Say that an energy makes no match, if so."""
        if self.least is None or score >= self.least:
            return None
        return f"no match: an energy of {score:z.1f} is below {self.least:g}"

    def warning(self) -> str | None:
        """Say that no image can fail, if so."""
        if self.rate is None or self.smallest is None:
            return None
        return _models.few_images(self.rate, self.smallest, self.failing, self.images)

    def outcome(self, n_failed: int, n_images: int) -> str:
        """Say how many images fail, or that none can."""
        word = self.failing.removeprefix("called ")
        if not self.testable:
            return f"none can be {word} at a false-alarm rate of {self.rate:g}"
        by_energy = self.least is not None
        limit = f"energy below {self.least:g}" if by_energy else f"p-value at most {self.rate:g}"
        return f"{word} ({limit}): {n_failed} of {n_images}"

    def basis(self) -> str:
        """Say what the p-values are, or that they decide nothing."""
        if self.least is not None or self.smallest is None:
            return _OF_ENERGIES
        return _models.calibrated_on(self.images, self.smallest)

    def evidence(self, score: float, p_value: float | None) -> list[str]:
        """Say in a sentence what decides, and what it rests on; without a calibration, nothing."""
        if self.least is not None:
            return [f"Its energy is {score:z.1f}; photos match a camera from {self.least:g} on."]
        if p_value is None:
            return []
        return [f"The p-value of {p_value:.4f} is calibrated on {self.images}."]

    def p_value_column(self) -> Column:
        """Return a column of p-values with the digits that multiples of the smallest have."""
        if self.smallest is None:
            return P_VALUE
        digits = math.ceil(-math.log10(self.smallest) - 1e-9)
        return P_VALUE._replace(digits=min(4, max(1, digits)))


class Judgement(NamedTuple):
    """What a command says of files: a row for each, and all that is said of them together."""

    model: Model
    failures: list[ImageReadError]
    document: Row  # as JSON has it, but for the rows
    rows: list[Row]
    notes: list[str]
    in_words: Callable[[Row], list[str]]  # the answer of a row, and sentences on what it rests on
    columns: Sequence[Column]
    shown: Sequence[Column]  # columns of a table
    appended: Sequence[Column] = ()  # columns that come last in CSV
    as_shown: Callable[[Row], Row] = dict  # makes the row of a table

    def print(self, form: str) -> None:
        """Print it in the form that ``--format`` names."""
        _console.print_file_results(
            form,
            self.document,
            Table(self.columns, self.rows),
            shown=self.shown,
            notes=self.notes,
            as_shown=self.as_shown,
            appended=self.appended,
        )


def choose_rate(model: Model, given: float | None) -> float | None:
    """Return the rate of false alarms; models whose energies decide have none."""
    if (least := model.match_energy) is None:
        return given or DEFAULT_RATE
    if given is not None:
        MESSAGES.warn(f"--false-alarm: not used, since energies of {least:g} or more match")
    return None


def settle_answers(args: argparse.Namespace, model: Model) -> tuple[Rule, float | None, bool]:
    """Return what is unknown, the coverage of sets, and whether sets can leave out any source.

    What answers there cannot be is warned of before the work.
    """
    rule, coverage = _unknown_rule(args, model), _coverage(args, model)
    few, no_unknown = _models.warning_of_few_for_sets(model, coverage), rule.warning()
    if model.open_set is None:
        no_unknown = (
            f"{args.model} has no calibration images, so there are no p-values, and every image "
            f"gets a source, also one from none of them; models of this version's `ganprint fit` "
            f"have some"
        )
    MESSAGES.warn(no_unknown, few)
    return rule, coverage, few is None


def _unknown_rule(args: argparse.Namespace, model: Model) -> Rule:
    """Return what is unknown to a model; to one without p-values, nothing is."""
    if model.open_set is None and model.match_energy is None:
        if args.false_alarm is not None:
            raise CommandError(
                f"--false-alarm: {args.model} has no calibration images, so it can call nothing "
                f"unknown; fit it anew with `ganprint fit`"
            )
        return Rule("unknown", None, None, None, "")
    rate, least = choose_rate(model, args.false_alarm), model.match_energy
    if model.open_set is None:
        return Rule("unknown", rate, least, None, "")
    word, images = str(model.open_set.unknown_label_), model.calibration_in_words
    return Rule(word, rate, least, model.smallest_known_p_value, images, model.outcome)


def _coverage(args: argparse.Namespace, model: Model) -> float | None:
    """Find the coverage of sets; models of cameras and those of former versions have no sets."""
    if model.prediction_sets is not None:
        return args.coverage or DEFAULT_COVERAGE
    if args.coverage is not None:
        raise CommandError(
            f"--coverage: {args.model} makes no sets of sources: it is of cameras, or lacks class "
            f"scores of calibration images; leave this out, or fit the model anew"
        )
    return None


def score_files(
    model: Model, files: list[str], failures: list[ImageReadError], n_jobs: int, title: str
) -> Scored:
    """Score each file, in one pass over the pixels; `failures` are those there are already."""
    failures = list(failures)
    histories: dict[str, FileHistory] = {}
    with MESSAGES.progress(title) as progress:
        model.whole.set_params(
            n_jobs=n_jobs,
            on_error=collect_failures(failures),
            progress=progress,
            on_history=histories.__setitem__,
        )
        both = assess(model, files)
    reasons = {}
    # Few images with a residual look like none: few files are read again.
    for position in like_none(both):
        image = model.whole.predict_reader_.read_one(files[position])
        if (reason := no_residual(model.pipeline, image)) is not None:
            reasons[position] = reason
    scored = add_p_values(model, both, failures, reasons, histories)
    return scored._replace(log10_lrs=_log10_lrs(model, both))


def assess(model: Model, X: Any) -> np.ndarray:
    """Give scores, and how typical images are, of shape (n, 2, n_classes)."""
    if model.open_set is not None:
        return np.asarray(model.whole.assess(X))
    return np.stack([model.whole.class_scores(X)] * 2, axis=1)


def like_none(both: np.ndarray) -> list[int]:
    """Find images that are as near to one source as to any other, as those without a residual."""
    judged = both[:, 1]
    return np.flatnonzero((judged == judged[:, :1]).all(axis=1)).tolist()


def add_p_values(
    model: Model,
    both: np.ndarray,
    failures: list[ImageReadError],
    reasons: dict[int, str],
    histories: dict[str, FileHistory],
) -> Scored:
    """Add p-values to scores, if the model has some."""
    scores, judged = both.swapaxes(0, 1)
    if model.open_set is None:
        return Scored(scores, None, None, None, failures, reasons, histories)
    calibration = model.open_set.calibration_set_
    known = calibration.known_p_values(judged)
    own = calibration.p_values(judged, pooled=False)
    others = calibration.others_p_values(judged)
    return Scored(scores, known, own, others, failures, reasons, histories)


def _log10_lrs(model: Model, both: np.ndarray) -> np.ndarray:
    """Turn scores into log10 likelihood ratios, NaN where the model has none."""
    found, ratios = np.full((2, len(both), both.shape[2]), np.nan), model.likelihood_ratios
    if ratios is not None:
        found[0] = ratios.against_others(both[:, 0])
        if ratios.lacking is not None:
            found[1] = ratios.against_unknown(both[:, 1])
    return found


def evidence(scored: Scored, position: int, code: int) -> Row:
    """Say how strongly an image speaks for a source."""
    keys = [column.key for column in EVIDENCE]
    if scored.log10_lrs is None:
        return dict.fromkeys(keys)
    values = scored.log10_lrs[:, position, code].tolist()
    return {key: None if math.isnan(lr) else lr for key, lr in zip(keys, values, strict=True)}


def bounds_of_evidence(model: Model) -> Row:
    """Give the bounds of log10 likelihood ratios that the calibration images support."""
    ratios = model.likelihood_ratios
    if ratios is None:
        return dict.fromkeys(("others", "unknown"))
    others, unknown = ratios.bounds
    return {"others": others, "unknown": unknown}


def evidence_in_words(row: Row, source: str, *, detects: bool = False) -> list[str]:
    """Write how strongly an image speaks for a source, with both propositions."""
    first = f"{source} made the image"
    alternatives = ("another of the model's sources did", "a source did that the model lacks")
    if detects:
        first, alternatives = f"it is {A_PHOTO.get(source, source)}", ("it is not", "it is neither")
    told = [
        f"{_times(row[column.key])} as probable if {first} as if {alternative} "
        f"(log10 LR {row[column.key]:z.1f}: {verbal_scale(row[column.key])})"
        for column, alternative in zip(EVIDENCE, alternatives, strict=True)
        if row[column.key] is not None
    ]
    return [f"What is seen in it is {', and '.join(told)}."] if told else []


def _times(log10_lr: float) -> str:
    """Write a likelihood ratio with two digits, as a factor."""
    return f"{float(f'{10**log10_lr:.2g}'):g} times"


def shown_evidence(rows: Sequence[Row]) -> list[Column]:
    """Give the columns of a table on likelihood ratios, of which some rows have some."""
    return [column for column in EVIDENCE if any(row[column.key] is not None for row in rows)]


def notes_of_evidence(rows: Sequence[Row], model: Model, source: str) -> list[str]:
    """Say what the likelihood ratios of a table are, and what limits them."""
    if all(row[EVIDENCE[0].key] is None for row in rows):
        return []
    bounds = bounds_of_evidence(model)
    limits = [f"{low:.1f} to {high:.1f}" for low, high in filter(None, bounds.values())]
    unknown = ", or a source that the model lacks" if bounds["unknown"] else ""
    return [
        f"log10 LR: 2 where what is seen is 100 times as probable if {source} made the image as "
        f"if another of the model's sources did{unknown}; the calibration images support "
        f"{' and '.join(limits)} at most"
    ]


def add_histories(rows: Sequence[Row], model: Model, scored: Scored) -> list[Row]:
    """Add to each row the history of its file, and the image of the fit that it is or shows."""
    histories = [scored.histories.get(row["file"]) for row in rows]
    told = zip(rows, histories, _fitted(histories, model), strict=True)
    return [{**row, **_history(history, model), **fitted} for row, history, fitted in told]


def _fitted(histories: Sequence[FileHistory | None], model: Model) -> list[Row]:
    keys = [column.key for column in FITTED]
    if getattr(model.whole, "fitted_files_", None) is None:
        return [dict.fromkeys(keys) | {"fitted_match": each and NOT_KNOWN} for each in histories]
    found = model.whole.find_fitted(histories)
    told = ([None] * len(keys) if image is None else map(str, image) for image in found)
    return [dict(zip(keys, values, strict=True)) for values in told]


def _history(history: FileHistory | None, model: Model) -> Row:
    summary = getattr(model.whole, "history_summary_", None)  # models of before have none
    found: Row = dict.fromkeys(column.key for column in HISTORY)
    if history is None:
        return found
    found.update(history_cells(history))
    found["outside"] = (uncovered(history, summary) if summary else None) or None
    height, width = model.whole.judged_part(history.height, history.width)
    whole = (height, width) == (history.height, history.width)
    part = f"{width} x {height} of {history.width} x {history.height}"
    found["judged"] = WHOLE if whole else part
    return found


def shown_history(rows: Sequence[Row]) -> tuple[Column, ...]:
    """Give the columns of a table on histories, and on images of the fit, if there are some."""
    outside = HISTORY[:2] if any(row["outside"] for row in rows) else ()
    return outside + (FITTED if any(row["fitted_on"] for row in rows) else ())


def notes_of_histories(rows: Sequence[Row]) -> list[str]:
    """Count the images that are judged by a part, and those that the fit does not cover."""
    notes = note_of_parts(rows)
    n_outside = sum(row["outside"] is not None for row in rows)
    if n_outside:
        notes.append(
            f"outside of what the fit covers: {n_outside} of {len(rows)}, whose answers may be "
            f"wrong without a sign of it"
        )
    return notes + note_of_fitted(rows, "their answers say nothing about new images")


def note_of_fitted(rows: Sequence[Row], meaning: str) -> list[str]:
    """Count the images that the model was fitted on, or that show the same, if there are some."""
    matches = count_fitted(rows)
    if NOT_KNOWN in matches:
        return ["it is not known which images the model was fitted on"]
    found = ", ".join(f"{n} of {len(rows)} ({match})" for match, n in matches.items())
    return [f"images that the model was fitted on: {found}; {meaning}"] if found else []


def count_fitted(rows: Sequence[Row]) -> dict[str, int]:
    """Count the images by how they match images of the fit."""
    matches = Counter(row["fitted_match"] for row in rows if row["fitted_match"] is not None)
    return dict(sorted(matches.items(), reverse=True))  # same file, same content


def note_of_parts(rows: Sequence[Row]) -> list[str]:
    """Count the images that are judged by a part of them, if there are some."""
    parts = [row["judged"] for row in rows if row["judged"] not in (WHOLE, None)]
    if not parts:
        return []
    return [f"judged by a part: {len(parts)} of {len(rows)}, such as {parts[0]} pixels"]


def notes_of_blank(n_blank: int, n_images: int, missing: str) -> list[str]:
    """Count the images without a residual, which have no answer or verdict."""
    if not n_blank:
        return []
    return [f"no {missing}, since there is no residual: {n_blank} of {n_images}"]
