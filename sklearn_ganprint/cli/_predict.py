"""``ganprint predict``: which of a model's sources made these images, or none of them.

Models of ``ganprint fit --task detect`` say whether they are photos or generated.
"""

import argparse
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_ganprint._output import parquet_file
from sklearn_ganprint.cli import _answers, _arguments, _case, _console, _images, _models, _pages
from sklearn_ganprint.cli._answers import Question
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Row, columns
from sklearn_ganprint.cli._scored import EVIDENCE, FITTED, HISTORY, Scored

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
_SET, _FAMILY = columns("set", "family")

#: Files whose answers are in memory at a time, and make a row group.
N_ROWS = 4096

_NUMBERS = "p_value score runner_up_score margin jpeg_quality log10_lr_others log10_lr_unknown"

#: Types of columns in Parquet by name, those of lists in a list; others are text.
_TYPES: Mapping[str, Any] = {
    **dict.fromkeys(_NUMBERS.split(), "double"),
    **dict.fromkeys(("width", "height", "pixel_jpeg_quality"), "int32"),
    **{"set": ["string"], "outside": ["string"], "jpeg_grid": ["int32"]},
}

#: Sources that a table names of a set, or of a family.
_NAMED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add(parser, "model", "paths")
    _arguments.add_answers(parser)
    _arguments.add(parser, "--stability")
    parser.add_argument(
        "--resume",
        metavar="DIR",
        help="keep scores in this folder, and read files only that are new or have changed since, "
        "as after an interruption",
    )
    parser.add_argument(
        "--parquet",
        metavar="FILE",
        help="write the columns of CSV to a Parquet file and print nothing; memory is the same for "
        "any number of images",
    )
    _arguments.add_out(parser, _case.CONTENT)


def run(args: argparse.Namespace) -> int:
    """Attribute images, print the result of each, and write a case."""
    if args.resume is not None and os.path.isdir(args.resume):
        _check_kept(args.resume)
    if args.parquet is not None:
        return _write_parquet(args)
    _case.begin(args)
    return _case.tell(ask(args).judge(args), args)


def _check_kept(folder: str) -> None:
    """Refuse a folder for scores that holds files, such as one of images: scores are in folders."""
    with os.scandir(folder) as entries:
        others = sorted(entry.name for entry in entries if entry.is_file())
    if others := [name for name in others if not name.startswith(".")]:
        raise CommandError(f"--resume {folder}: it holds other files, such as {others[0]}")


def _write_parquet(args: argparse.Namespace) -> int:
    """Write a row for each image to a file, part by part; return the exit status."""
    for option in ("out", "stability"):
        if getattr(args, option) is not None:
            raise CommandError(f"--parquet: leave out --{option}, or --parquet")
    if importlib.util.find_spec("pyarrow") is None:
        raise CommandError("--parquet needs pyarrow: pip install 'sklearn_ganprint[parquet]'")
    read = [args.model, *args.paths]
    _pages.check_file("--parquet", args.parquet, force=args.force, read=read)
    question, n_rows, n_failed = ask(args), 0, 0
    with parquet_file(Path(args.parquet), question.types) as append:
        for part in question.judge_in_parts(args, N_ROWS):
            append(part.rows)
            n_rows, n_failed = n_rows + len(part.rows), n_failed + len(part.failures)
    MESSAGES.say(f"saved {args.parquet}: {n_rows} row{'s' * (n_rows != 1)}")
    return _images.exit_status(n_failed, n_rows - n_failed)


def ask(args: argparse.Namespace) -> "Attribution":
    """Ask which sources made images."""
    model = _models.open_model(args.model, (_arguments.ATTRIBUTE, _arguments.DETECT))
    return Attribution(model, args.model, *_answers.settle_answers(args, model))


@dataclass
class Attribution(Question):
    """Which sources made images, or none of them."""

    coverage: float | None
    with_sets: bool

    command, title, key, missing, other = "predict", "attributing", "source", "answer", "runner_up"
    favoured = "the nearest source"
    columns = _COLUMNS
    keys = (
        *(column.key for column in (*_COLUMNS, *EVIDENCE)),
        *("scores", "p_values", "error", "reason", "smallest_p_value", "smallest_p_values"),
        *("set", "family"),
    )
    appended = (_SET, *HISTORY, _FAMILY, *FITTED, *EVIDENCE)

    @property
    def types(self) -> dict[str, Any]:
        """The types of columns of CSV, in their order."""
        keys = [column.key for column in self.columns]
        keys += ["error", "reason", *(column.key for column in self.appended)]
        return {key: _TYPES.get(key, "string") for key in keys}

    def rows(self, files: Sequence[str], scored: Scored) -> list[Row]:
        """Make one row a file, with the sources in its set."""
        rows = super().rows(files, scored)
        for row in rows:
            if row["error"] is None and row["score"] is None:
                row["source"] = self.rule.word
        if self.coverage is not None:
            self._add_sets(rows, scored, self.coverage)
            if self.model.detects:
                rows = [self._decided(row) for row in rows]
        return rows

    def row(self, position: int, scored: Scored) -> Row:
        """Say of one file which sources are the nearest, and whether it is unknown."""
        scores, names = scored.scores[position], self.model.labels
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
            **scored.evidence(position, int(first)),
        }
        if self.model.open_set is None:
            return row
        p_value = float(scored.known_p_values[position])
        return {
            **row,
            "source": row["source"] if self.rule.passes(row["score"], p_value) else self.rule.word,
            "p_value": p_value,
            "p_values": dict(zip(names, scored.p_values[position].tolist(), strict=True)),
            "smallest_p_value": self.rule.smallest,
            "smallest_p_values": self.model.smallest_p_values,
            "reason": self.rule.reason(row["score"]),
        }

    def _add_sets(self, rows: Sequence[Row], scored: Scored, coverage: float) -> None:
        """List the sources in the set of each file, the likeliest first; of unknown images none.

        Where they are of one family, it is named, unless it has one source alone.
        """
        model = self.model
        members, families = model.sets(scored.scores, coverage), model.families
        found = np.full(len(members), -1) if families is None else families.of_sets(members)
        # Behind the files are folders that could not be listed.
        for row, own, held, family in zip(rows, scored.scores, members, found, strict=False):
            if row["error"] is None:
                ranked = (-own).argsort(kind="stable") if row["source"] == row["nearest"] else ()
                row["set"] = [model.labels[code] for code in ranked if held[code]]
                if row["set"] and family >= 0 and len(families.members_[family]) > 1:
                    row["family"] = families.names[family]

    def _decided(self, row: Row) -> Row:
        """Give the one thing that an image may be; of two, or none, no one can tell."""
        if row["score"] is None:
            return row
        if len(row["set"]) == 1:
            return {**row, "source": row["set"][0]}
        like = "like photos and like" if row["set"] else "unlike photos and unlike"
        return {**row, "source": self.rule.word, "reason": f"{like} generated images"}

    def document(self) -> Row:
        """Give the settings that answers rest on, as JSON has them."""
        rule, open_set = self.rule, self.model.open_set
        return {
            "model": self.path,
            "false_alarm_rate": rule.rate,
            "calibration": None if open_set is None else open_set.calibration_,
            "smallest_p_value": rule.smallest,
            "unknown_label": None if open_set is None else rule.word,
            "match_energy": rule.least,
            "coverage": self.coverage,
            "log10_lr_bounds": _answers.bounds_of_evidence(self.model),
        }

    def shown(self, rows: Sequence[Row]) -> list[Column]:
        """Choose the columns of a table: fewer where each image has the source that is nearest."""
        hidden = {"runner_up_score"}
        if all(row["source"] == row["nearest"] for row in rows):
            hidden.add("nearest")
        if self.rule.least is not None:
            hidden.add("p_value")
        known = {column.key: column for column in _COLUMNS}
        known["p_value"] = self.rule.p_value_column()
        file, *others = (column for key, column in known.items() if key not in hidden)
        with_families = self.with_sets and any(row["family"] is not None for row in rows)
        return [file, *([_FAMILY] if with_families else []), *others]

    def as_shown(self, row: Row) -> Row:
        """Name all sources of a set as the source, the likeliest first; cut long names."""
        if not self.with_sets:
            return row
        names = row["set"] or []
        several = len(names) > 1 and row["source"] in names
        source = _alternatives(names) if several else row["source"]
        return {**row, "source": source, "family": self._short_families.get(row["family"])}

    @cached_property
    def _short_families(self) -> Mapping[str | None, str]:
        """The names of families as a table has them; models without sets have none."""
        if (families := self.model.families) is None:
            return {}
        labels = self.model.labels
        members = [[labels[code] for code in own] for own in families.members_]
        return dict(zip(families.names, map(_alternatives, members), strict=True))

    def held_against(self, row: Row) -> str:
        """Name the source that an image is held against, the nearest."""
        return str(row["nearest"])

    def answer(self, row: Row) -> list[str]:
        """Write the answer for an image."""
        source, unknown = row["source"], row["source"] == self.rule.word
        if self.model.detects:
            if unknown:
                told = f"It cannot be told whether this is a photo or generated: {row['reason']}."
            else:
                told = f"Judged to be {_answers.A_PHOTO.get(source, source)}."
            return [told]
        if unknown:
            nearest = f"the nearest is {row['nearest']}"
            return [f"Attributed to none of the model's sources; {nearest}."]
        others = [name for name in row["set"] or () if name != source] if self.with_sets else []
        if 1 < len(row["scores"]) == len(others) + 1:
            return [f"None of the model's sources can be ruled out; the nearest is {source}."]
        but = f"; {_and(others)} cannot be ruled out" if others else ""
        return [f"Attributed to {source}{but}."]

    def notes(self, rows: Sequence[Row]) -> list[str]:
        """Say what several sources in a table mean, what unknown does, and what p-values are."""
        rule, answered = self.rule, [row for row in rows if row["score"] is not None]
        notes = []
        if self.with_sets and self.coverage is not None:
            notes += self._notes_of_sets(rows, self.coverage)
        if rule.rate is not None or rule.least is not None:
            n_unknown = sum(row["source"] != row["nearest"] and not row["set"] for row in answered)
            notes.append(f"{rule.outcome(n_unknown, len(answered))}; {rule.basis()}")
        return notes

    def _notes_of_sets(self, rows: Sequence[Row], coverage: float) -> list[str]:
        """Say what several sources, or a family, in a table mean, if there are some."""
        several = sum(len(row["set"] or ()) > 1 for row in rows)
        n_families = sum(row["family"] is not None for row in rows)
        covered, missed = 100 * coverage, 100 * (1 - coverage)
        notes = []
        if self.model.detects:
            notes.append(
                f"like both, and so {self.rule.word}: {several} of {len(rows)}; of photos and of "
                f"generated images like those fitted on, at most {missed:g} % get a wrong answer. "
                f"Photos of other kinds may be called generated"
            )
        elif several:
            notes.append(
                f"several sources: {several} of {len(rows)}; of the sources' own images, at least "
                f"{covered:g} % have theirs among those named, less those called unknown"
            )
        if n_families:
            notes.append(
                f"family: sources that the model confuses with each other: {n_families} of "
                f"{len(rows)}; of the sources' own images, at most {missed:g} % get a family or a "
                f"source that is not theirs"
            )
        return notes


def _alternatives(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    rest = [f"{more} more"] if more > 0 else []
    return " or ".join([*names[:_NAMED], *rest])


def _and(names: Sequence[str]) -> str:
    """List names as a sentence does."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
