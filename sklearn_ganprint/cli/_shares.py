"""Shares of right and wrong answers, as commands print them."""

import numpy as np

from sklearn_ganprint.cli import _models
from sklearn_ganprint.cli._arguments import DEFAULT_COVERAGE, DEFAULT_RATE
from sklearn_ganprint.cli._console import Column, Row, columns
from sklearn_ganprint.cli._models import Model
from sklearn_ganprint.experiments import Answers, AnswerShares, judge_answers

_SHARES = ("right", "unsure", "unknown", "wrong", "accuracy", "coverage")

#: Columns of a table of shares; CSV has the limits of the intervals instead.
SHOWN = (
    *columns("images", Column("right", "right", 3), Column("interval", "95 % interval")),
    *(Column(name, name, 3) for name in _SHARES[1:]),
    Column("set_size", "set size", 2),
)
COLUMNS = columns(
    *("images", *_SHARES, "set_size"),
    *(f"{name}_{limit}" for name in _SHARES for limit in ("low", "high")),
)


def shares_row(shares: AnswerShares) -> Row:
    """Make the values of one row of a table, with the limits of intervals."""
    (row,) = shares.rows()
    for name in _SHARES:
        row[f"{name}_low"], row[f"{name}_high"] = shares.intervals.get(name, (None, None))
    low, high = row["right_low"], row["right_high"]
    row["interval"] = None if low is None else f"{low:.3f} to {high:.3f}"
    return row


def out_of_fold(model: Model) -> Row | None:
    """Tell how images of the fit are answered by models that have not seen them, if it is known.

    Images as they are stand apart from the processed copies of them, if the fit has made some.
    """
    sets = model.prediction_sets
    if sets is None:
        return None
    known = model.open_set.calibration_set_.known_p_values(model.open_set.calibration_scores_)
    few = _models.warning_of_few_for_sets(model, DEFAULT_COVERAGE) is not None
    answers = judge_answers(
        sets.scores,
        sets.codes,
        known=known > DEFAULT_RATE,
        sets=None if few else sets.predict_set(sets.scores, DEFAULT_COVERAGE),
    )
    processed = _processed(model, answers)
    return {
        "false_alarm_rate": DEFAULT_RATE,
        "coverage": None if few else DEFAULT_COVERAGE,
        "clean": answers.shares(~processed).to_dict(),
        "processed": answers.shares(processed).to_dict() if processed.any() else None,
    }


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
