"""``ganprint predict``: which of a model's sources made these images, or none of them.

Models of ``ganprint fit --task detect`` say whether they are photos or generated.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

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
from sklearn_ganprint.cli._console import Column, Row, columns
from sklearn_ganprint.cli._models import Model

REQUIRES = ("rich", "skops", "jinja2", "matplotlib")
DESCRIPTION = (
    "Attribute each image to the source that it has the greatest score for, name others beside it "
    "that cannot be ruled out, or call it unknown where the p-value of its being from any of them "
    "is at most the rate of false alarms. Low p-values speak against the sources; high ones prove "
    "nothing. Photos are attributed to a camera from a peak-to-correlation energy of 60 on. Images "
    "that are flat, smooth or saturated have no answer. Models of `ganprint fit --task detect` "
    "have the sources photo and generated, and call what is like both or like neither cannot tell."
)

_COLUMNS = columns(
    *("file", "source", _console.P_VALUE, "nearest"),
    Column("score", "score", 4),
    Column("runner_up", "runner-up"),
    Column("runner_up_score", "its score", 4),
    Column("margin", "margin", 4),
)
_KEYS = (
    *(column.key for column in _COLUMNS),
    *("scores", "p_values", "error", "reason", "smallest_p_value", "smallest_p_values", "set"),
    "family",
    *(column.key for column in _answers.EVIDENCE),
)

_FAMILY = Column("family", "family")

#: Sources that a table names of a set, or of a family.
_NAMED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add(parser, "model", "paths")
    _arguments.add_answers(parser)
    _arguments.add(parser, "--stability")
    _arguments.add_out(parser, _case.CONTENT)


def run(args: argparse.Namespace) -> int:
    """Attribute images, print the result of each, and write a case."""
    _pages.begin_out(args)
    judgement = judge(args)
    judgement.print(args.format)
    return _case.write_case("predict", judgement, args)


def judge(args: argparse.Namespace) -> Judgement:
    """Attribute images."""
    model = _models.open_model(args.model, (_arguments.ATTRIBUTE, _arguments.DETECT))
    _stability.check_stability(args, model)
    files, failures = _images.find_files(args.paths, args.out)
    rule, coverage, with_sets = _answers.settle_answers(args, model)
    scored = _answers.score_files(model, files, failures, args.jobs, "attributing")
    make_rows = partial(_rows, model=model, rule=rule, coverage=coverage)
    rows = _answers.add_histories(make_rows(files, scored), model, scored)
    rows = _stability.add_stability(rows, model, args, make_rows, "source")
    stability = _stability.COLUMNS if args.stability else ()
    # Where sets say nothing, the nearest source does.
    settled = coverage if with_sets else None
    with_families = settled is not None and any(row["family"] is not None for row in rows)
    return Judgement(
        model,
        scored.failures,
        _document(args.model, model, rule, coverage),
        rows,
        [
            *_notes(_console.judged(rows), rule, settled, detects=model.detects),
            *_answers.notes_of_evidence(rows, model, "the nearest source"),
            *_stability.notes_of_stability(rows, args.stability),
        ],
        partial(_in_words, rule=rule, detects=model.detects, with_sets=with_sets),
        _COLUMNS,
        [
            *_shown(rows, rule, with_families=with_families),
            *_answers.shown_evidence(rows),
            *stability[:1],
            *_answers.shown_history(rows),
        ],
        (
            *columns("set"),
            *_answers.HISTORY,
            *(_FAMILY, *_answers.FITTED, *_answers.EVIDENCE, *stability),
        ),
        partial(_named, families=_short_families(model)) if with_sets else dict,
    )


def _rows(
    files: Sequence[str], scored: Scored, model: Model, rule: Rule, coverage: float | None
) -> list[Row]:
    """Make one row a file, by its scores alone."""
    rows = _images.file_rows(files, scored.failures, _KEYS, lambda n: _row(n, model, scored, rule))
    if coverage is not None:
        _add_sets(rows, model, scored.scores, coverage)
        if model.detects:
            rows = [_decided(row, rule) for row in rows]
    return rows


def _row(position: int, model: Model, scored: Scored, rule: Rule) -> Row:
    """Say of one file which sources are the nearest, and whether it is unknown."""
    if position in scored.reasons:
        return {"source": rule.word, "reason": scored.reasons[position]}
    scores, names = scored.scores[position], model.labels
    # Stable: of equal scores the first class wins, as in predict.
    first, second = (-scores).argsort(kind="stable")[:2]
    row = {
        "source": names[first],
        "nearest": names[first],
        "score": float(scores[first]),
        "runner_up": names[second],
        "runner_up_score": float(scores[second]),
        "margin": float(scores[first] - scores[second]),
        "scores": dict(zip(names, scores.tolist(), strict=True)),
        **_answers.evidence(scored, position, int(first)),
    }
    if model.open_set is None:
        return row
    p_value = float(scored.known_p_values[position])
    return {
        **row,
        "source": row["source"] if rule.passes(row["score"], p_value) else rule.word,
        "p_value": p_value,
        "p_values": dict(zip(names, scored.p_values[position].tolist(), strict=True)),
        "smallest_p_value": rule.smallest,
        "smallest_p_values": model.smallest_p_values,
        "reason": rule.reason(row["score"]),
    }


def _add_sets(rows: Sequence[Row], model: Model, scores: np.ndarray, coverage: float) -> None:
    """List the sources in the set of each file, the likeliest first; of unknown images none.

    Where they are of one family, it is named, unless it has one source alone.
    """
    members = model.sets(scores, coverage)
    families = model.families
    found = np.full(len(members), -1) if families is None else families.of_sets(members)
    # Behind the files are folders that could not be listed.
    for row, own, held, family in zip(rows, scores, members, found, strict=False):
        if row["error"] is None:
            ranked = (-own).argsort(kind="stable") if row["source"] == row["nearest"] else ()
            row["set"] = [model.labels[code] for code in ranked if held[code]]
            if row["set"] and family >= 0 and len(families.members_[family]) > 1:
                row["family"] = families.names[family]


def _decided(row: Row, rule: Rule) -> Row:
    """Give the one thing that an image may be as the answer; of two, or none, no one can tell."""
    if row["score"] is None:
        return row
    if len(row["set"]) == 1:
        return {**row, "source": row["set"][0]}
    like = "like photos and like" if row["set"] else "unlike photos and unlike"
    return {**row, "source": rule.word, "reason": f"{like} generated images"}


def _named(row: Row, families: Mapping[str, str]) -> Row:
    """Name all sources of a set as the source in a table, the likeliest first; cut long names."""
    names = row["set"] or []
    several = len(names) > 1 and row["source"] in names
    source = _alternatives(names) if several else row["source"]
    return {**row, "source": source, "family": families.get(row["family"])}


def _short_families(model: Model) -> dict[str, str]:
    """Give the names of families as a table has them; models without sets have none."""
    if (families := model.families) is None:
        return {}
    labels = model.labels
    members = [[labels[code] for code in own] for own in families.members_]
    return dict(zip(families.names, map(_alternatives, members), strict=True))


def _alternatives(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    rest = [f"{more} more"] if more > 0 else []
    return " or ".join([*names[:_NAMED], *rest])


def _document(path: str, model: Model, rule: Rule, coverage: float | None) -> Row:
    """Give the settings that answers rest on, as JSON has them."""
    calibrated = model.open_set is not None
    return {
        "model": path,
        "false_alarm_rate": rule.rate,
        "calibration": model.open_set.calibration_ if calibrated else None,
        "smallest_p_value": rule.smallest,
        "unknown_label": rule.word if calibrated else None,
        "match_energy": rule.least,
        "coverage": coverage,
        "log10_lr_bounds": _answers.bounds_of_evidence(model),
    }


def _shown(rows: Sequence[Row], rule: Rule, *, with_families: bool) -> list[Column]:
    """Choose the columns of a table: two less where each image has the source that is nearest."""
    hidden = {"runner_up_score"}
    if all(row["source"] == row["nearest"] for row in rows):
        hidden.add("nearest")
    if rule.least is not None:
        hidden.add("p_value")
    file, *others = ({c.key: c for c in _COLUMNS} | {"p_value": rule.p_value_column()}).values()
    first = (file, _FAMILY) if with_families else (file,)
    return [*first, *(column for column in others if column.key not in hidden)]


def _in_words(row: Row, rule: Rule, *, detects: bool, with_sets: bool) -> list[str]:
    """Write the answer for an image, and what it rests on."""
    if row["score"] is None:
        return [f"No answer: {row['reason']}."]
    others = [name for name in row["set"] or () if name != row["source"]] if with_sets else []
    if detects:
        answer = f"Judged to be {_answers.A_PHOTO.get(row['source'], row['source'])}."
        if row["source"] == rule.word:
            answer = f"It cannot be told whether this is a photo or generated: {row['reason']}."
    elif row["source"] == rule.word:
        answer = f"Attributed to none of the model's sources; the nearest is {row['nearest']}."
    elif 1 < len(row["scores"]) == len(others) + 1:
        answer = f"None of the model's sources can be ruled out; the nearest is {row['source']}."
    else:
        but = f"; {_and(others)} cannot be ruled out" if others else ""
        answer = f"Attributed to {row['source']}{but}."
    told = _answers.evidence_in_words(row, row["nearest"], detects=detects)
    return [answer, *rule.evidence(row["score"], row["p_value"]), *told]


def _and(names: Sequence[str]) -> str:
    """List names as a sentence does."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _notes(rows: Sequence[Row], rule: Rule, coverage: float | None, *, detects: bool) -> list[str]:
    """Say what several sources in a table mean, what unknown does, and what p-values are."""
    notes = []
    several = [row for row in rows if len(row["set"] or ()) > 1]
    if detects and coverage is not None:
        notes.append(
            f"like both, and so {rule.word}: {len(several)} of {len(rows)}; of photos and of "
            f"generated images like those fitted on, at most {100 * (1 - coverage):g} % get a "
            f"wrong answer. Photos of other kinds may be called generated"
        )
    elif coverage is not None and several:
        notes.append(
            f"several sources: {len(several)} of {len(rows)}; of the sources' own images, at least "
            f"{100 * coverage:g} % have theirs among those named, less those called unknown"
        )
    n_families = sum(row["family"] is not None for row in rows)
    if coverage is not None and n_families:
        notes.append(
            f"family: sources that the model confuses with each other: {n_families} of "
            f"{len(rows)}; of the sources' own images, at most {100 * (1 - coverage):g} % get a "
            f"family or a source that is not theirs"
        )
    answered = [row for row in rows if row["score"] is not None]
    notes += _answers.notes_of_blank(len(rows) - len(answered), len(rows), "answer")
    if rule.rate is not None or rule.least is not None:
        n_unknown = sum(row["source"] != row["nearest"] and not row["set"] for row in answered)
        notes.append(f"{rule.outcome(n_unknown, len(answered))}; {rule.basis()}")
    return [*notes, *_answers.notes_of_histories(rows)]
