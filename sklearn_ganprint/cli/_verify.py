"""``ganprint verify``: whether images are from the source that they are said to be from."""

import argparse
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from sklearn_ganprint.cli import (
    _answers,
    _arguments,
    _case,
    _console,
    _images,
    _models,
    _pages,
    _stability,
)
from sklearn_ganprint.cli._answers import Judgement, Rule, Scored
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Row, columns
from sklearn_ganprint.cli._models import Model

REQUIRES = ("rich", "skops", "jinja2", "matplotlib")
DESCRIPTION = (
    "Test for each image the hypothesis that SOURCE made it. The hypothesis is rejected where its "
    "p-value among SOURCE's own calibration images is at most the rate of false alarms, which "
    "holds for SOURCE's images. An image that is not rejected need not be from SOURCE: those of "
    "others may look like its own. The p-value of the others is small where hardly any image of "
    "the model's other sources looks as much like SOURCE's; one image of SOURCE is enough for it. "
    "Cameras are rejected below a peak-to-correlation energy of 60. Images that are flat, smooth "
    "or saturated have no verdict."
)

_COLUMNS = columns(
    *("file", "verdict", _console.P_VALUE),
    Column("score", "score", 4),
    *("fits_better", "best_other"),
    Column("best_other_score", "its score", 4),
    Column("margin", "margin", 4),
)
_OTHERS = Column("others_p_value", "p of others", 4)
_IN_TABLE = ("file", "verdict", "p_value", "others_p_value", "score", "margin", "fits_better")
_KEYS = (
    *(column.key for column in (*_COLUMNS, _OTHERS)),
    *("scores", "p_values", "error", "reason", "smallest_p_value"),
    *(column.key for column in _answers.EVIDENCE),
)


class Claim(NamedTuple):
    """The source that is claimed, its calibration images, and by what images are rejected."""

    source: str
    code: int
    n_images: int
    n_others: int
    rule: Rule


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add(parser, "model")
    parser.add_argument(
        "source", metavar="SOURCE", help="the source that is claimed, one of the model's"
    )
    share = "share of SOURCE's own images that may be rejected, in (0, 1)"
    _arguments.add(parser, "paths")
    _arguments.add(parser, "--false-alarm", what=share)
    _arguments.add(parser, "--format", "--jobs", "--stability")
    _arguments.add_out(parser, _case.CONTENT)


def run(args: argparse.Namespace) -> int:
    """Test images, print the result of each, and write a case."""
    _pages.begin_out(args)
    judgement = judge(args)
    judgement.print(args.format)
    return _case.write_case("verify", judgement, args)


def judge(args: argparse.Namespace) -> Judgement:
    """Test images."""
    model = _models.open_model(args.model)
    _stability.check_stability(args, model)
    claim = _claim(args, model)
    files, failures = _images.find_files(args.paths, args.out)
    MESSAGES.warn(claim.rule.warning())
    scored = _answers.score_files(model, files, failures, args.jobs, "verifying")
    make_rows = partial(_rows, model=model, claim=claim)
    rows = _answers.add_histories(make_rows(files, scored), model, scored)
    rows = _stability.add_stability(rows, model, args, make_rows, "verdict")
    stability = _stability.COLUMNS if args.stability else ()
    return Judgement(
        model,
        scored.failures,
        _document(args.model, claim, model),
        rows,
        [
            *_notes(_console.judged(rows), claim),
            *_answers.notes_of_evidence(rows, model, claim.source),
            *_stability.notes_of_stability(rows, args.stability),
        ],
        partial(_in_words, claim=claim),
        _COLUMNS,
        [
            *_shown(claim.rule),
            *_answers.shown_evidence(rows),
            *stability[:1],
            *_answers.shown_history(rows),
        ],
        (*_answers.HISTORY, _OTHERS, *_answers.FITTED, *_answers.EVIDENCE, *stability),
    )


def _rows(files: Sequence[str], scored: Scored, model: Model, claim: Claim) -> list[Row]:
    """Make one row a file, by its scores alone."""
    return _images.file_rows(files, scored.failures, _KEYS, lambda n: _row(n, model, scored, claim))


def _claim(args: argparse.Namespace, model: Model) -> Claim:
    """Find the claimed source in the model."""
    if model.open_set is None:
        raise CommandError(
            f"{args.model} has no calibration images, so there are no p-values to verify by; fit "
            f"it anew with `ganprint fit`"
        )
    source = str(_models.find_source(model, args.source, "SOURCE", args.model))
    code = model.labels.index(source)
    n_images = int(_models.calibration_counts(model.open_set)[code])
    n_others = model.open_set.calibration_set_.others_scores(code).size
    rate = _answers.choose_rate(model, args.false_alarm)
    smallest, images = 1 / (n_images + 1), f"{n_images} images of {source}"
    rejected = _answers.REJECTED
    rule = Rule(rejected, rate, model.match_energy, smallest, images, rejected)
    return Claim(source, code, n_images, n_others, rule)


def _row(position: int, model: Model, scored: Scored, claim: Claim) -> Row:
    """Judge one file, by the source's own images: the rate is promised for these alone."""
    if position in scored.reasons:
        return {"reason": scored.reasons[position]}
    names, code, rule = model.labels, claim.code, claim.rule
    scores, p_values = scored.scores[position], scored.p_values[position]
    ranked = (-scores).argsort(kind="stable")
    other = int(ranked[ranked != code][0])
    score, margin = float(scores[code]), float(scores[code] - scores[other])
    verdict = f"not {rule.word}" if rule.passes(score, p_values[code]) else rule.word
    return {
        "verdict": verdict if rule.testable else None,
        "p_value": float(p_values[code]),
        "others_p_value": float(scored.others_p_values[position, code]),
        "score": score,
        "margin": margin,
        "fits_better": names[other] if margin < 0 else None,
        "best_other": names[other],
        "best_other_score": float(scores[other]),
        "scores": dict(zip(names, scores.tolist(), strict=True)),
        "p_values": dict(zip(names, p_values.tolist(), strict=True)),
        "reason": rule.reason(score),
        "smallest_p_value": rule.smallest,
        **_answers.evidence(scored, position, code),
    }


def _document(path: str, claim: Claim, model: Model) -> Row:
    """Give the settings that verdicts rest on, as JSON has them."""
    rule = claim.rule
    return {
        "model": path,
        "source": claim.source,
        "false_alarm_rate": rule.rate,
        "calibration_images": claim.n_images,
        "smallest_p_value": rule.smallest,
        "match_energy": rule.least,
        "log10_lr_bounds": _answers.bounds_of_evidence(model),
    }


def _shown(rule: Rule) -> list[Column]:
    """Choose the columns of a table."""
    known = {column.key: column for column in (*_COLUMNS, _OTHERS)}
    known["p_value"] = rule.p_value_column()
    return [known[key] for key in _IN_TABLE if rule.least is None or "p_value" not in key]


def _in_words(row: Row, claim: Claim) -> list[str]:
    """Write the verdict on an image, and what it rests on."""
    source, rule = claim.source, claim.rule
    if row["score"] is None:
        return [f"No verdict: {row['reason']}."]
    if row["verdict"] is None:
        verdict = f"No verdict: there are too few calibration images of {source}."
    elif row["verdict"] == rule.word:
        verdict = f"Rejected: the image is not like those of {source}."
    else:
        verdict = f"Not rejected: the image is not unlike those of {source}."
        verdict += f" This is no proof that {source} made it."
    better = [f"{row['fits_better']} fits better."] if row["fits_better"] else []
    told = _answers.evidence_in_words(row, source)
    return [verdict, *better, *rule.evidence(row["score"], row["p_value"]), *told]


def _notes(rows: Sequence[Row], claim: Claim) -> list[str]:
    """Say what rejected means in a table, and what the p-values are."""
    rule = claim.rule
    tested = [row for row in rows if row["score"] is not None]
    n_rejected = sum(row["verdict"] == rule.word for row in tested)
    n_better = sum(row["fits_better"] is not None for row in tested)
    return [
        *_answers.notes_of_blank(len(rows) - len(tested), len(rows), "verdict"),
        f"{rule.outcome(n_rejected, len(tested))}; another source fits better: {n_better}",
        rule.basis(),
        *_note_of_others(tested, claim),
        *_answers.notes_of_histories(rows),
    ]


def _note_of_others(rows: Sequence[Row], claim: Claim) -> list[str]:
    """Count the images that are more like those of the source than images of others are."""
    if claim.rule.rate is None:
        return []
    n_unlike = sum(row["others_p_value"] <= claim.rule.rate for row in rows)
    return [
        f"evidence that none of the other sources made it (p of others at most "
        f"{claim.rule.rate:g}): {n_unlike} of {len(rows)}, by {claim.n_others} of their images"
    ]
