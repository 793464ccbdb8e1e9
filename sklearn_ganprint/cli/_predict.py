"""``ganprint predict``: which of a model's sources made these images, or none of them."""

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from sklearn_ganprint.cli import _arguments, _console, _images, _models
from sklearn_ganprint.cli._arguments import DEFAULT_COVERAGE
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Row, Table, columns
from sklearn_ganprint.cli._models import Model, Scored

REQUIRES = ("rich", "skops")
DESCRIPTION = (
    "Attribute each image to the source that it has the greatest score for, name others beside it "
    "that cannot be ruled out, or call it unknown where the p-value of its being from any of them "
    "is at most the rate of false alarms. Low p-values speak against the sources; high ones prove "
    "nothing. Photos are attributed to a camera from a peak-to-correlation energy of 60 on. Images "
    "that are flat, smooth or saturated have no answer."
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
)

#: Sources that a table names of a set.
_NAMED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add(parser, "model", "paths")
    share = "share of the sources' own images that may be called unknown, in (0, 1)"
    _arguments.add(parser, "--false-alarm", what=share)
    _arguments.add(parser, "--coverage", "--format", "--jobs")


def run(args: argparse.Namespace) -> int:
    """Attribute images and print the result of each."""
    model = _models.open_model(args.model)
    rate, coverage = choose_rate(args, model), choose_coverage(args, model)
    files, failures = _images.find_files(args.paths)
    few = _models.warning_of_few_for_sets(model, coverage)
    MESSAGES.warn(warning_of_no_unknown(args.model, model, rate), few)
    scored = _models.score_files(model, files, failures, args.jobs, "attributing")
    rows = _models.add_histories(_rows(model, scored, rate), model, scored)
    judged, notes = _console.judged(rows), []
    if coverage is not None:
        _add_sets(rows, model, scored.scores, coverage)
        notes = _notes_of_sets(judged, coverage) if few is None else []
    notes += [*_notes(judged, model, rate), *_models.note_of_parts(judged)]
    document = _document(args, model, rate, coverage)
    # Where sets say nothing, the nearest source does.
    _print(rows, notes, model, document, args.format, as_shown=_named if few is None else dict)
    return _images.exit_status(scored.failures, len(judged))


def choose_rate(args: argparse.Namespace, model: Model) -> float | None:
    """Find the rate of false alarms; models of cameras and those without p-values have none."""
    if model.open_set is not None or model.match_energy is not None:
        return _models.choose_rate(model, args.false_alarm)
    if args.false_alarm is not None:
        raise CommandError(
            f"--false-alarm: {args.model} has no calibration images, so it can call nothing "
            f"unknown; fit it anew with `ganprint fit`"
        )
    return None


def choose_coverage(args: argparse.Namespace, model: Model) -> float | None:
    """Find the coverage of sets; models of cameras and those of former versions have no sets."""
    if model.prediction_sets is not None:
        return args.coverage or DEFAULT_COVERAGE
    if args.coverage is not None:
        raise CommandError(
            f"--coverage: {args.model} makes no sets of sources: it is of cameras, or lacks class "
            f"scores of calibration images; leave this out, or fit the model anew"
        )
    return None


def warning_of_no_unknown(path: str, model: Model, rate: float | None) -> str | None:
    """Say before the work that no image will be called unknown, if so."""
    if model.open_set is not None:
        return _models.warning_of_few(model, rate)
    return (
        f"{path} has no calibration images, so there are no p-values, and every image gets a "
        f"source, also one from none of them; models of this version's `ganprint fit` have some"
    )


def _rows(model: Model, scored: Scored, rate: float | None) -> list[Row]:
    """Make one row a file."""
    names, least = model.labels, model.match_energy
    unknown = str(getattr(model.open_set, "unknown_label_", "unknown"))
    calibrated: Row = {}
    if model.open_set is not None:
        calibrated["smallest_p_value"] = model.smallest_known_p_value
        calibrated["smallest_p_values"] = model.smallest_p_values

    def row(position: int) -> Row:
        if position in scored.reasons:
            return {"source": unknown, "reason": scored.reasons[position]}
        found = _ranked(scored.scores[position], names) | calibrated
        if model.open_set is None:
            return found
        p_value = float(scored.known_p_values[position])
        own = scored.p_values[position].tolist()
        found.update(p_value=p_value, p_values=dict(zip(names, own, strict=True)))
        found["reason"] = None if least is None else _models.too_low(found["score"], least)
        if found["reason"] is not None or (rate is not None and p_value <= rate):
            found["source"] = unknown
        return found

    return _images.file_rows(scored.files, scored.failures, _KEYS, row)


def _add_sets(rows: Sequence[Row], model: Model, scores: np.ndarray, coverage: float) -> None:
    """List the sources in the set of each file, the likeliest first; of unknown images none."""
    members = model.prediction_sets.predict_set(scores, coverage)
    # Behind the files are folders that could not be listed.
    for row, own, held in zip(rows, scores, members, strict=False):
        if row["error"] is None:
            ranked = (-own).argsort(kind="stable") if row["source"] == row["nearest"] else ()
            row["set"] = [model.labels[code] for code in ranked if held[code]]


def _ranked(scores: np.ndarray, names: Sequence[str]) -> Row:
    """Tell the nearest sources of one image by its scores."""
    # Stable: of equal scores the first class wins, as in predict.
    first, second = (-scores).argsort(kind="stable")[:2]
    return {
        "source": names[first],
        "nearest": names[first],
        "score": float(scores[first]),
        "runner_up": names[second],
        "runner_up_score": float(scores[second]),
        "margin": float(scores[first] - scores[second]),
        "scores": dict(zip(names, scores.tolist(), strict=True)),
    }


def _named(row: Row) -> Row:
    """Name all sources of a set as the source in a table, the likeliest first."""
    if len(names := row["set"] or []) < 2:
        return row
    more = len(names) - _NAMED
    rest = [f"{more} more"] if more > 0 else []
    return {**row, "source": " or ".join([*names[:_NAMED], *rest])}


def _document(
    args: argparse.Namespace, model: Model, rate: float | None, coverage: float | None
) -> Row:
    """Tell in JSON what is asked of which model."""
    open_set = model.open_set
    return {
        "model": args.model,
        "false_alarm_rate": rate,
        "calibration": None if open_set is None else open_set.calibration_,
        "smallest_p_value": None if open_set is None else model.smallest_known_p_value,
        "unknown_label": None if open_set is None else str(open_set.unknown_label_),
        "match_energy": model.match_energy,
        "coverage": coverage,
    }


def _print(
    rows: Sequence[Row],
    notes: Sequence[str],
    model: Model,
    document: Row,
    form: str,
    as_shown: Callable[[Row], Row],
) -> None:
    # Two columns less where each image has the source that is nearest.
    hidden = {"runner_up_score"}
    if all(row["source"] == row["nearest"] for row in rows):
        hidden.add("nearest")
    if model.match_energy is not None:
        hidden.add("p_value")
    shown = {column.key: column for column in _COLUMNS if column.key not in hidden}
    smallest = document["smallest_p_value"]
    if smallest is not None and "p_value" in shown:
        shown["p_value"] = _models.p_value_column(smallest)
    _console.print_file_results(
        form,
        document,
        Table(_COLUMNS, rows),
        shown=[*shown.values(), *_models.shown_history(rows)],
        notes=[*notes, *_models.note_of_outside(_console.judged(rows))],
        as_shown=as_shown,
        appended=(*columns("set"), *_models.HISTORY),
    )


def _notes_of_sets(rows: Sequence[Row], coverage: float) -> list[str]:
    """Say in how many rows of a table several sources are named, and what that means."""
    n_several = sum(len(row["set"]) > 1 for row in rows)
    if not n_several:
        return []
    return [
        f"several sources: {n_several} of {len(rows)}; of the sources' own images, at least "
        f"{100 * coverage:g} % have theirs among those named, less those called unknown"
    ]


def _notes(rows: Sequence[Row], model: Model, rate: float | None) -> list[str]:
    """Say what the p-values of a table are, and what unknown means in it."""
    answered = [row for row in rows if row["score"] is not None]
    n_blank = len(rows) - len(answered)
    notes = [f"no answer, since there is no residual: {n_blank} of {len(rows)}"] if n_blank else []
    unknown = getattr(model.open_set, "unknown_label_", "unknown")
    n_unknown = sum(row["source"] != row["nearest"] for row in answered)
    if (least := model.match_energy) is not None:
        outcome = f"{unknown} (energy below {least:g}): {n_unknown} of {len(answered)}"
        return [*notes, f"{outcome}; {_models.OF_ENERGIES}"]
    if rate is None:
        return notes
    outcome = f"{unknown} (p-value at most {rate:g}): {n_unknown} of {len(answered)}"
    smallest = model.smallest_known_p_value
    if smallest > rate:
        outcome = f"none can be {unknown} at a false-alarm rate of {rate:g}"
    images = model.calibration_in_words
    return [*notes, f"{outcome}; {_models.calibrated_on(images, smallest)}"]
