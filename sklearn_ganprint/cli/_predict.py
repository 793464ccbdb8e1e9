"""``ganprint predict``: which of a model's sources made these images, or none of them."""

import argparse
from collections.abc import Sequence

import numpy as np

from sklearn_ganprint.cli import _arguments
from sklearn_ganprint.cli._console import (
    MESSAGES,
    Column,
    CommandError,
    Row,
    print_file_results,
)
from sklearn_ganprint.cli._images import exit_status, find_files
from sklearn_ganprint.cli._models import (
    OF_ENERGIES,
    Model,
    Scored,
    calibrated_on,
    calibration_in_words,
    file_rows,
    judged,
    match_energy,
    open_model,
    p_value_digits,
    score_files,
    smallest_known_p_value,
    smallest_p_values,
    too_low,
    warning_of_few,
)

REQUIRES = ("rich", "skops")
DESCRIPTION = (
    "Attribute each image to the source that it has the greatest score for, or call it unknown "
    "where the p-value of its being from any of them is at most the rate of false alarms. Low "
    "p-values speak against the sources; high ones prove nothing. Photos are attributed to a "
    "camera from a peak-to-correlation energy of 60 on. Images that are flat, smooth or saturated "
    "have no answer."
)

_COLUMNS = (
    Column("file", "file"),
    Column("source", "source"),
    Column("p_value", "p-value", 4),
    Column("nearest", "nearest"),
    Column("score", "score", 4),
    Column("runner_up", "runner-up"),
    Column("runner_up_score", "its score", 4),
    Column("margin", "margin", 4),
)
_KEYS = (
    *(column.key for column in _COLUMNS),
    *("scores", "p_values", "error", "reason", "smallest_p_value", "smallest_p_values"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add_model_and_images(parser)
    _arguments.add_false_alarm(
        parser, "share of the sources' own images that may be called unknown, in (0, 1)"
    )
    _arguments.add_format(parser)
    _arguments.add_jobs(parser)


def run(args: argparse.Namespace) -> int:
    """Attribute images and print the result of each."""
    model = open_model(args.model)
    rate = _rate(args, model)
    files, failures = find_files(args.paths)
    if warning := _warning(args.model, model, rate):
        MESSAGES.warn(warning)
    scored = score_files(model, files, failures, args.jobs, "attributing")
    rows = _rows(model, scored, rate)
    _print(rows, model, rate, args)
    return exit_status(scored.failures, len(judged(rows)))


def _rate(args: argparse.Namespace, model: Model) -> float | None:
    """Find the rate of false alarms; models of cameras and those without p-values have none."""
    if (least := match_energy(model)) is not None:
        if args.false_alarm is not None:
            MESSAGES.warn(f"--false-alarm: not used, since energies of {least:g} or more match")
        return None
    if model.open_set is not None:
        return args.false_alarm or _arguments.DEFAULT_RATE
    if args.false_alarm is not None:
        raise CommandError(
            f"--false-alarm: {args.model} has no calibration images, so it can call nothing "
            f"unknown; fit it anew with `ganprint fit`"
        )
    return None


def _warning(path: str, model: Model, rate: float | None) -> str | None:
    """Say before the work that no image will be called unknown, if so."""
    if model.open_set is not None:
        return warning_of_few(model, rate)
    return (
        f"{path} has no calibration images, so there are no p-values, and every image gets a "
        f"source, also one from none of them; models of this version's `ganprint fit` have some"
    )


def _rows(model: Model, scored: Scored, rate: float | None) -> list[Row]:
    """Make one row a file."""
    names, least = model.labels, match_energy(model)
    unknown = str(getattr(model.open_set, "unknown_label_", "unknown"))
    calibrated: Row = {}
    if model.open_set is not None:
        calibrated["smallest_p_value"] = smallest_known_p_value(model)
        calibrated["smallest_p_values"] = smallest_p_values(model)

    def row(position: int) -> Row:
        found = _ranked(scored.scores[position], names) | calibrated
        if model.open_set is None:
            return found
        p_value = float(scored.known_p_values[position])
        own = scored.p_values[position].tolist()
        found.update(p_value=p_value, p_values=dict(zip(names, own, strict=True)))
        found["reason"] = None if least is None else too_low(found["score"], least)
        if found["reason"] is not None or (rate is not None and p_value <= rate):
            found["source"] = unknown
        return found

    return file_rows(scored, _KEYS, row, blank={"source": unknown})


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


def _print(rows: Sequence[Row], model: Model, rate: float | None, args: argparse.Namespace) -> None:
    open_set = model.open_set
    smallest = None if open_set is None else smallest_known_p_value(model)
    document = {
        "model": args.model,
        "false_alarm_rate": rate,
        "calibration": None if open_set is None else open_set.calibration_,
        "smallest_p_value": smallest,
        "unknown_label": None if open_set is None else str(open_set.unknown_label_),
        "match_energy": match_energy(model),
    }
    # Two columns less where each image has the source that is nearest.
    hidden = {"runner_up_score"}
    if all(row["source"] == row["nearest"] for row in rows):
        hidden.add("nearest")
    if match_energy(model) is not None:
        hidden.add("p_value")
    columns = {column.key: column for column in _COLUMNS if column.key not in hidden}
    if smallest is not None and "p_value" in columns:
        columns["p_value"] = columns["p_value"]._replace(digits=p_value_digits(smallest))
    print_file_results(
        args.format,
        document,
        _COLUMNS,
        rows,
        shown=list(columns.values()),
        notes=_notes(judged(rows), model, rate),
    )


def _notes(rows: Sequence[Row], model: Model, rate: float | None) -> list[str]:
    """Say what the p-values of a table are, and what unknown means in it."""
    answered = [row for row in rows if row["score"] is not None]
    n_blank = len(rows) - len(answered)
    notes = [f"no answer, since there is no residual: {n_blank} of {len(rows)}"] if n_blank else []
    unknown = getattr(model.open_set, "unknown_label_", "unknown")
    n_unknown = sum(row["source"] != row["nearest"] for row in answered)
    if (least := match_energy(model)) is not None:
        outcome = f"{unknown} (energy below {least:g}): {n_unknown} of {len(answered)}"
        return [*notes, f"{outcome}; {OF_ENERGIES}"]
    if rate is None:
        return notes
    outcome = f"{unknown} (p-value at most {rate:g}): {n_unknown} of {len(answered)}"
    smallest = smallest_known_p_value(model)
    if smallest > rate:
        outcome = f"none can be {unknown} at a false-alarm rate of {rate:g}"
    return [*notes, f"{outcome}; {calibrated_on(calibration_in_words(model), smallest)}"]
