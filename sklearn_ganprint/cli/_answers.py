"""How answers are told: what is unknown, in tables, in words, and in notes on all of them."""

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import numpy as np

from sklearn_ganprint.cli import _console, _images, _models
from sklearn_ganprint.cli._arguments import DEFAULT_COVERAGE, DEFAULT_RATE
from sklearn_ganprint.cli._console import MESSAGES, P_VALUE, Column, CommandError, Row, Table
from sklearn_ganprint.cli._models import Model
from sklearn_ganprint.cli._scored import (
    EVIDENCE,
    FITTED,
    HISTORY,
    NOT_KNOWN,
    STABILITY,
    WHOLE,
    Scored,
    add_stability,
    score_files,
)
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.evidence import verbal_scale

#: What is said below a table of cameras.
_OF_ENERGIES = (
    "scores are peak-to-correlation energies; p-values decide nothing here, since they hold only "
    "for photos like those fitted on"
)

#: Sources of models that detect, as a sentence has them.
A_PHOTO = {"photo": "a photo"}


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
        """Return a column of p-values whose digits give the smallest to within a twentieth."""
        smallest = self.smallest
        if smallest is None:
            return P_VALUE
        near = (n for n in range(1, 4) if abs(round(smallest, n) - smallest) <= smallest / 20)
        return P_VALUE._replace(digits=next(near, 4))


@dataclass
class Question:
    """What a command asks of each file; the command says what a row is, and how it is told."""

    model: Model
    path: str  # of the model
    cautions: Sequence[str | None]  # on answers that there cannot be
    rule: Rule

    command: ClassVar[str]
    title: ClassVar[str]  # of the work
    key: ClassVar[str]  # of the answer in a row
    missing: ClassVar[str]  # what there is none of, where there is no residual
    other: ClassVar[str]  # key of the source that is compared with the one favoured
    keys: ClassVar[Sequence[str]]  # of each row
    columns: ClassVar[Sequence[Column]]
    appended: ClassVar[Sequence[Column]]  # come last in CSV

    def row(self, position: int, scored: Scored) -> Row:
        """Answer for one file that has a residual, by its scores alone."""
        raise NotImplementedError

    def document(self) -> Row:
        """Give the settings that answers rest on, as JSON has them."""
        raise NotImplementedError

    @property
    def favoured(self) -> str:
        """The source that evidence is for, in words."""
        raise NotImplementedError

    def held_against(self, row: Row) -> str:
        """Name the source that an image is held against."""
        raise NotImplementedError

    def answer(self, row: Row) -> list[str]:
        """Write the answer for an image that has one."""
        raise NotImplementedError

    def shown(self, rows: Sequence[Row]) -> list[Column]:
        """Choose the columns of a table."""
        raise NotImplementedError

    def notes(self, rows: Sequence[Row]) -> list[str]:
        """Say what the answers in a table mean, of all that could be used."""
        raise NotImplementedError

    def as_shown(self, row: Row) -> Row:
        """Make the row of a table."""
        return row

    def rows(self, files: Sequence[str], scored: Scored) -> list[Row]:
        """Make one row a file, by scores alone."""

        def row(position: int) -> Row:
            if position in scored.reasons:
                return {"reason": scored.reasons[position]}
            return self.row(position, scored)

        return _images.file_rows(files, scored.failures, self.keys, row)

    def judge(self, args: argparse.Namespace) -> "Judgement":
        """Answer for all files that a command is given."""
        if args.stability is not None and self.model.match_energy is not None:
            raise CommandError(
                "--stability: copies are cropped and resized, and so off the pixels of the sensor "
                "that the fingerprints of cameras are of; leave this out"
            )
        (judgement,) = self.judge_in_parts(args)
        if args.stability is None:
            return judgement
        copies = args.stability, args.jobs
        rows = add_stability(judgement.rows, self.model, self.rows, self.key, *copies)
        return judgement._replace(rows=rows, n_copies=args.stability)

    def judge_in_parts(
        self, args: argparse.Namespace, n_files: int | None = None
    ) -> Iterator["Judgement"]:
        """Answer for the files that a command is given, some of them at a time."""
        failures: list[ImageReadError] = []
        files = _images.find_files(args, failures)
        MESSAGES.warn(*self.cautions)
        kept, title, n_before = getattr(args, "resume", None), self.title, 0
        while some := list(islice(files, n_files)):
            if n_files is not None:
                title = f"{self.title} {n_before + 1} to {n_before + len(some)}"
                kept = args.resume and os.path.join(args.resume, f"{n_before // n_files:06d}")
            scored = score_files(self.model, some, failures, args.jobs, title, kept)
            failures.clear()  # folders that cannot be listed come once
            rows = scored.add_histories(self.rows(some, scored))
            yield Judgement(self, rows, scored.failures)
            n_before += len(some)
        if failures:  # behind the last file of a whole part
            rows = _images.file_rows([], failures, self.keys, lambda _: {})
            yield Judgement(self, rows, failures)

    def in_words(self, row: Row) -> list[str]:
        """Write the answer for an image, and what it rests on."""
        if row["score"] is None:
            return [f"No {self.missing}: {row['reason']}."]
        told = _evidence_in_words(row, self.held_against(row), detects=self.model.detects)
        return [*self.answer(row), *self.rule.evidence(row["score"], row["p_value"]), *told]


class Judgement(NamedTuple):
    """What a command says of files: a row for each, and what is said of them together."""

    question: Question
    rows: list[Row]
    failures: Sequence[ImageReadError]
    n_copies: int | None = None  # that stability is of

    @property
    def used(self) -> list[Row]:
        """The rows of files that could be used."""
        return _console.judged(self.rows)

    @property
    def notes(self) -> list[str]:
        """What is said of all files together."""
        question, rows = self.question, self.used
        n_blank = sum(row["score"] is None for row in rows)
        blank = f"no {question.missing}, since there is no residual: {n_blank} of {len(rows)}"
        return [
            *([blank] if n_blank else []),
            *question.notes(rows),
            *_notes_of_histories(rows),
            *_notes_of_evidence(self.rows, question),
            *_notes_of_stability(self.rows, self.n_copies),
        ]

    def print(self, form: str) -> None:
        """Print it in the form that ``--format`` names."""
        question, rows = self.question, self.rows
        stability = STABILITY if self.n_copies else ()
        outside = HISTORY[:2] if any(row["outside"] for row in rows) else ()
        fitted = FITTED if any(row["fitted_on"] for row in rows) else ()
        evidence = [own for own in EVIDENCE if any(row[own.key] is not None for row in rows)]
        _console.print_file_results(
            form,
            question.document(),
            Table(question.columns, rows),
            shown=[*question.shown(rows), *evidence, *stability[:1], *outside, *fitted],
            notes=self.notes,
            as_shown=question.as_shown,
            appended=(*question.appended, *stability),
        )


def choose_rate(model: Model, given: float | None) -> float | None:
    """Return the rate of false alarms; models whose energies decide have none."""
    if (least := model.match_energy) is None:
        return given or DEFAULT_RATE
    if given is not None:
        MESSAGES.warn(f"--false-alarm: not used, since energies of {least:g} or more match")
    return None


class Settled(NamedTuple):
    """What decides which sources are named of an image."""

    cautions: Sequence[str | None]  # on answers that there cannot be
    rule: Rule
    coverage: float | None  # of sets; None where there are none
    with_sets: bool  # whether sets can leave out any source; else the nearest one is the answer


def settle_answers(args: argparse.Namespace, model: Model) -> Settled:
    """Find what is unknown to a model, and the coverage of its sets."""
    rule, coverage = _unknown_rule(args, model), _coverage(args, model)
    few, no_unknown = _models.warning_of_few_for_sets(model, coverage), rule.warning()
    if model.open_set is None:
        no_unknown = (
            f"{args.model} has no calibration images, so there are no p-values, and every image "
            f"gets a source, also one from none of them; models of this version's `ganprint fit` "
            f"have some"
        )
    return Settled((no_unknown, few), rule, coverage, few is None)


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


def bounds_of_evidence(model: Model) -> Row:
    """Give the bounds of log10 likelihood ratios that the calibration images support."""
    ratios = model.likelihood_ratios
    if ratios is None:
        return dict.fromkeys(("others", "unknown"))
    others, unknown = ratios.bounds
    return {"others": others, "unknown": unknown}


def _evidence_in_words(row: Row, source: str, *, detects: bool = False) -> list[str]:
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


def _notes_of_evidence(rows: Sequence[Row], question: Question) -> list[str]:
    """Say what the likelihood ratios of a table are, and what limits them."""
    if all(row[EVIDENCE[0].key] is None for row in rows):
        return []
    bounds = bounds_of_evidence(question.model)
    limits = [f"{low:.1f} to {high:.1f}" for low, high in filter(None, bounds.values())]
    unknown = ", or a source that the model lacks" if bounds["unknown"] else ""
    return [
        f"log10 LR: 2 where what is seen is 100 times as probable if {question.favoured} made the "
        f"image as if another of the model's sources did{unknown}; the calibration images "
        f"support {' and '.join(limits)} at most"
    ]


def _notes_of_histories(rows: Sequence[Row]) -> list[str]:
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


def _notes_of_stability(rows: Sequence[Row], n_copies: int | None) -> list[str]:
    """Say what stability is, and how many answers flip."""
    if n_copies is None:
        return []
    shares = [row["stability"] for row in rows if row["stability"] is not None]
    return [
        f"stability: share of {n_copies} copies of an image, cropped by a few pixels, resized and "
        f"compressed to JPEG, with the same answer; below 1 for {sum(n < 1 for n in shares)} of "
        f"{len(shares)}. A verdict that flips is not one"
    ]
