"""``ganprint verify``: whether images are from the source that they are said to be from."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from sklearn_ganprint.cli import _answers, _arguments, _case, _models
from sklearn_ganprint.cli._answers import Question, Rule
from sklearn_ganprint.cli._console import P_VALUE, Column, CommandError, Row, columns
from sklearn_ganprint.cli._scored import EVIDENCE, FITTED, HISTORY, Scored

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
    *("file", "verdict", P_VALUE),
    Column("score", "score", 4),
    *("fits_better", "best_other"),
    Column("best_other_score", "its score", 4),
    Column("margin", "margin", 4),
)
_OTHERS = Column("others_p_value", "p of others", 4)
_IN_TABLE = ("file", "verdict", "p_value", "others_p_value", "score", "margin", "fits_better")

#: What an image is that fails the test of a claim.
_REJECTED = "rejected"


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
    _case.begin(args)
    return _case.tell(ask(args).judge(args), args)


def ask(args: argparse.Namespace) -> "Claim":
    """Ask whether the claimed source made images; it must be one of the model."""
    model = _models.open_model(args.model)
    if model.open_set is None:
        raise CommandError(
            f"{args.model} has no calibration images, so there are no p-values to verify by; fit "
            f"it anew with `ganprint fit`"
        )
    source = str(_models.find_source(model, args.source, "SOURCE", args.model))
    code = model.labels.index(source)
    n_images = int(_models.calibration_counts(model.open_set)[code])
    rate = _answers.choose_rate(model, args.false_alarm)
    smallest, images = 1 / (n_images + 1), f"{n_images} {model.calibration_units} of {source}"
    rule = Rule(_REJECTED, rate, model.match_energy, smallest, images, _REJECTED)
    return Claim(model, args.model, [rule.warning()], rule, source, code, n_images)


@dataclass
class Claim(Question):
    """Whether the claimed source made images, by its own calibration images."""

    source: str
    code: int
    n_images: int

    command, title, key, missing, other = "verify", "verifying", "verdict", "verdict", "best_other"
    columns = _COLUMNS
    keys = (
        *(column.key for column in (*_COLUMNS, _OTHERS, *EVIDENCE)),
        *("scores", "p_values", "error", "reason", "smallest_p_value"),
    )
    appended = (*HISTORY, _OTHERS, *FITTED, *EVIDENCE)

    @property
    def favoured(self) -> str:
        """The source that is claimed."""
        return self.source

    def held_against(self, row: Row) -> str:
        """Name the source that an image is held against, the claimed one."""
        return self.source

    def row(self, position: int, scored: Scored) -> Row:
        """Judge one file, by the source's own images: the rate is promised for these alone."""
        names, code, rule = self.model.labels, self.code, self.rule
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
            **scored.evidence(position, code),
        }

    def document(self) -> Row:
        """Give the settings that verdicts rest on, as JSON has them."""
        return {
            "model": self.path,
            "source": self.source,
            "false_alarm_rate": self.rule.rate,
            "calibration_images": self.n_images,
            "smallest_p_value": self.rule.smallest,
            "match_energy": self.rule.least,
            "log10_lr_bounds": _answers.bounds_of_evidence(self.model),
        }

    def shown(self, rows: Sequence[Row]) -> list[Column]:
        """Choose the columns of a table."""
        known = {column.key: column for column in (*_COLUMNS, _OTHERS)}
        known["p_value"] = self.rule.p_value_column()
        by_energy = self.rule.least is not None
        return [known[key] for key in _IN_TABLE if not by_energy or "p_value" not in key]

    def answer(self, row: Row) -> list[str]:
        """Write the verdict on an image."""
        source = self.source
        if row["verdict"] is None:
            verdict = f"No verdict: there are too few calibration images of {source}."
        elif row["verdict"] == self.rule.word:
            verdict = f"Rejected: the image is not like those of {source}."
        else:
            verdict = f"Not rejected: the image is not unlike those of {source}."
            verdict += f" This is no proof that {source} made it."
        return [verdict, *([f"{row['fits_better']} fits better."] if row["fits_better"] else [])]

    def notes(self, rows: Sequence[Row]) -> list[str]:
        """Say what rejected means in a table, and what the p-values are."""
        rule, tested = self.rule, [row for row in rows if row["score"] is not None]
        n_rejected = sum(row["verdict"] == rule.word for row in tested)
        n_better = sum(row["fits_better"] is not None for row in tested)
        rejected = f"{rule.outcome(n_rejected, len(tested))}; another source fits better"
        notes = [f"{rejected}: {n_better}", rule.basis()]
        if rule.rate is not None:
            n_unlike = sum(row["others_p_value"] <= rule.rate for row in tested)
            n_others = self.model.open_set.calibration_set_.others_scores(self.code).size
            notes.append(
                f"evidence that none of the other sources made it (p of others at most "
                f"{rule.rate:g}): {n_unlike} of {len(tested)}, by {n_others} of their "
                f"{self.model.calibration_units}"
            )
        return notes
