"""``ganprint verify``: whether images are from the source that they are said to be from."""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

from sklearn_ganprint.cli import _arguments, _console, _images, _models
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Row, Table, columns
from sklearn_ganprint.cli._models import Model, Scored

REQUIRES = ("rich", "skops")
DESCRIPTION = (
    "Test for each image the hypothesis that SOURCE made it. The hypothesis is rejected where its "
    "p-value among SOURCE's own calibration images is at most the rate of false alarms, which "
    "holds for SOURCE's images. An image that is not rejected need not be from SOURCE: those of "
    "others may look like its own. Cameras are rejected below a peak-to-correlation energy of 60. "
    "Images that are flat, smooth or saturated have no verdict."
)

_COLUMNS = columns(
    *("file", "verdict", _console.P_VALUE),
    Column("score", "score", 4),
    *("fits_better", "best_other"),
    Column("best_other_score", "its score", 4),
    Column("margin", "margin", 4),
)
_IN_TABLE = ("file", "verdict", "p_value", "score", "margin", "fits_better")
_KEYS = (
    *(column.key for column in _COLUMNS),
    *("scores", "p_values", "error", "reason", "smallest_p_value"),
)


class Claim(NamedTuple):
    """The source that is claimed, and how it can be tested."""

    source: str
    code: int
    rate: float | None  # None where energies decide
    n_images: int
    least: float | None  # energy of a match, for cameras

    @property
    def smallest(self) -> float:
        """Smallest p-value that there can be."""
        return 1 / (self.n_images + 1)

    @property
    def testable(self) -> bool:
        """Whether any image can be rejected."""
        return self.rate is None or self.smallest <= self.rate

    @property
    def images(self) -> str:
        """The images that p-values are calibrated on."""
        return f"{self.n_images} images of {self.source}"

    def warning(self) -> str | None:
        """Say that no image can be rejected, if so."""
        if self.rate is None:
            return None
        return _models.few_images(self.rate, self.smallest, "rejected", self.images)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add(parser, "model")
    parser.add_argument(
        "source", metavar="SOURCE", help="the source that is claimed, one of the model's"
    )
    share = "share of SOURCE's own images that may be rejected, in (0, 1)"
    _arguments.add(parser, "paths")
    _arguments.add(parser, "--false-alarm", what=share)
    _arguments.add(parser, "--format", "--jobs")


def run(args: argparse.Namespace) -> int:
    """Test images and print the result of each."""
    model = _models.open_model(args.model)
    claim = _claim(args, model)
    files, failures = _images.find_files(args.paths)
    MESSAGES.warn(claim.warning())
    scored = _models.score_files(model, files, failures, args.jobs, "verifying")
    rows = _images.file_rows(
        files, scored.failures, _KEYS, lambda n: _row(scored, n, model.labels, claim)
    )
    rows = _models.add_histories(rows, model, scored)
    _print(rows, claim, args)
    return _images.exit_status(scored.failures, len(_console.judged(rows)))


def _claim(args: argparse.Namespace, model: Model) -> Claim:
    """Find the claimed source in the model."""
    if model.open_set is None:
        raise CommandError(
            f"{args.model} has no calibration images, so there are no p-values to verify by; fit "
            f"it anew with `ganprint fit`"
        )
    label = _models.find_source(model, args.source, "SOURCE", args.model)
    code = model.whole.classes_.tolist().index(label)
    n_images = int(_models.calibration_counts(model.open_set)[code])
    rate = _models.choose_rate(model, args.false_alarm)
    return Claim(str(label), code, rate, n_images, model.match_energy)


def _row(scored: Scored, position: int, names: Sequence[str], claim: Claim) -> Row:
    """Judge one file, by the source's own images: the rate is promised for these alone."""
    if position in scored.reasons:
        return {"reason": scored.reasons[position]}
    scores, p_values = scored.scores[position], scored.p_values[position]
    code = claim.code
    ranked = (-scores).argsort(kind="stable")
    other = int(ranked[ranked != code][0])
    reason = None if claim.least is None else _models.too_low(float(scores[code]), claim.least)
    below = claim.rate is not None and p_values[code] <= claim.rate
    verdict = "rejected" if below or reason is not None else "not rejected"
    margin = float(scores[code] - scores[other])
    return {
        "verdict": verdict if claim.testable else None,
        "p_value": float(p_values[code]),
        "score": float(scores[code]),
        "margin": margin,
        "fits_better": names[other] if margin < 0 else None,
        "best_other": names[other],
        "best_other_score": float(scores[other]),
        "scores": dict(zip(names, scores.tolist(), strict=True)),
        "p_values": dict(zip(names, p_values.tolist(), strict=True)),
        "reason": reason,
        "smallest_p_value": claim.smallest,
    }


def _print(rows: Sequence[Row], claim: Claim, args: argparse.Namespace) -> None:
    document = {
        "model": args.model,
        "source": claim.source,
        "false_alarm_rate": claim.rate,
        "calibration_images": claim.n_images,
        "smallest_p_value": claim.smallest,
        "match_energy": claim.least,
    }
    known = {column.key: column for column in _COLUMNS}
    known["p_value"] = _models.p_value_column(claim.smallest)
    judged = _console.judged(rows)
    shown = [known[key] for key in _IN_TABLE if claim.least is None or key != "p_value"]
    _console.print_file_results(
        args.format,
        document,
        Table(_COLUMNS, rows),
        shown=[*shown, *_models.shown_history(rows)],
        notes=[
            *_notes(judged, claim),
            *_models.note_of_parts(judged),
            *_models.note_of_outside(judged),
        ],
        appended=_models.HISTORY,
    )


def _notes(rows: Sequence[Row], claim: Claim) -> list[str]:
    """Say what the p-values of a table are, and what rejected means in it."""
    tested = [row for row in rows if row["score"] is not None]
    n_blank = len(rows) - len(tested)
    notes = [f"no verdict, since there is no residual: {n_blank} of {len(rows)}"] if n_blank else []
    n_rejected = sum(row["verdict"] == "rejected" for row in tested)
    n_better = sum(row["fits_better"] is not None for row in tested)
    better = f"another source fits better: {n_better}"
    if claim.least is not None:
        outcome = f"rejected (energy below {claim.least:g}): {n_rejected} of {len(tested)}"
        return [*notes, f"{outcome}; {better}", _models.OF_ENERGIES]
    outcome = f"rejected (p-value at most {claim.rate:g}): {n_rejected} of {len(tested)}"
    if not claim.testable:
        outcome = f"none can be rejected at a false-alarm rate of {claim.rate:g}"
    return [*notes, f"{outcome}; {better}", _models.calibrated_on(claim.images, claim.smallest)]
