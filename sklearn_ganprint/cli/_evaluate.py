"""``ganprint evaluate``: how often a model answers rightly, by source and by history of files."""

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sklearn_ganprint._output import as_label
from sklearn_ganprint.cli import _answers, _arguments, _console, _images, _models
from sklearn_ganprint.cli._answers import Rule
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Row, Table, columns
from sklearn_ganprint.cli._models import Model
from sklearn_ganprint.cli._scored import Scored, score_files
from sklearn_ganprint.datasets import list_images
from sklearn_ganprint.ensemble import PHOTO_NAMES
from sklearn_ganprint.experiments import Answers, judge_answers

REQUIRES = ("rich", "skops")
DESCRIPTION = (
    "Attribute labelled images as in predict, and tell how many answers are right (the one source "
    "that is named), unsure (several sources are named, the right one among them), unknown or "
    "wrong; for each source, and by what the files have been through. Labels that the model does "
    "not know are those of unknown sources. With models of `ganprint fit --task detect` photo or "
    "generated is the right answer for each source. Images that the model was fitted on make all "
    "shares better than they are: evaluate on others."
)

_SHARES = ("right", "unsure", "unknown", "wrong", "accuracy", "coverage")

#: Columns of a table of shares; CSV has the limits of the intervals instead.
_SHOWN = (
    *columns("images", Column("right", "right", 3), Column("interval", "95 % interval")),
    Column("unsure", "unsure", 3),
    Column("right_family", "right family", 3),
    *(Column(name, name, 3) for name in _SHARES[2:]),
    Column("set_size", "set size", 2),
)
#: By what images were grouped, the name of the group, and whether the model knows their sources.
_GROUP = ("by", "name", "known")
_IN_CSV = columns(
    *(*_GROUP, "images", *_SHARES, "set_size"),
    *(f"{name}_{limit}" for name in _SHARES for limit in ("low", "high")),
    "right_family",
)

#: Lowest JPEG quality of each class, and what files are of that never were JPEG, best first.
_QUALITIES = {90: "90-100", 70: "70-89", 50: "50-69", 0: "below 50"}
_NEVER_JPEG = "none"
_BEST_FIRST = [_NEVER_JPEG, *_QUALITIES.values()]

#: Wrong answers that are named below a table.
_NAMED = 3


class Judged(NamedTuple):
    """Files that could be used, their sources and histories, and the answers for them."""

    labels: np.ndarray  # (n,): of str
    named: np.ndarray  # (n,): the source that each file is attributed to, or "unknown"
    histories: list[Row]
    answers: Answers
    in_family: np.ndarray | None  # (n,): whether an answer names sources of the right family alone
    lost: dict[str, bool]  # sources without a file that could be used, and whether they are known

    def lines(self, by: str, names: Sequence[str | None], empty: Sequence[str] = ()) -> list[Row]:
        """Give the shares of the images of each name; those without one are in none.

        Names that are `empty` have a row without images.
        """
        given, found = np.array(names, dtype=object), []
        for known in (True, False):
            own = {name for name in names if name is not None}
            own |= {name for name in empty if self.lost[name] == known}
            for name in sorted(own, key=lambda name: _place(by, name)):
                shares = self.answers.shares(given == name, foreign=not known)
                if shares.images or name in empty:
                    line = {"by": by, "name": name, "known": known, **shares.to_dict()}
                    found.append({**line, "right_family": self._right_family(given == name, known)})
        return found

    def _right_family(self, where: np.ndarray, known: bool) -> float | None:
        """Share of the answers for images of known sources that are of the right family."""
        where = where & ~self.answers.foreign
        if self.in_family is None or not known or not where.any():
            return None
        return float(self.in_family[where].mean())


def _place(by: str, name: str) -> tuple[int, str]:
    """Return by what names are put in order: qualities by how good they are, all else as words."""
    return (_BEST_FIRST.index(name) if by == "JPEG quality" else 0), name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add(parser, "model")
    _arguments.add(parser, "source", what="; images that the model was not fitted on")
    _arguments.add(parser, "--layout", default="folders")
    what = "with a model of --task detect: the sources that are photos"
    _arguments.add(parser, "--photos", what=what)
    _arguments.add(parser, "--limit-per-source")
    _arguments.add(parser, "--seed", what="draws files with --limit-per-source")
    _arguments.add_answers(parser)


def run(args: argparse.Namespace) -> int:
    """Attribute labelled images, and print how many answers are right."""
    model = _models.open_model(args.model, (_arguments.ATTRIBUTE, _arguments.DETECT))
    listed = list_images(
        args.source,
        layout=args.layout,
        limit_per_source=args.limit_per_source,
        random_state=args.seed,
    )
    MESSAGES.say(*listed.failures)
    if not (files := listed.filenames.tolist()):
        raise CommandError(
            f"{args.source}: no image found; expected one folder of images per source"
        )
    truth = _truth(listed.labels, model, args)
    cautions, rule, coverage, with_sets = _answers.settle_answers(args, model)
    MESSAGES.warn(*cautions)
    scored = score_files(model, files, listed.failures, args.jobs, "evaluating")
    # Sets that hold all sources say nothing: the nearest one is the answer, but to a detector.
    coverage = coverage if with_sets or model.detects else None
    judged = _judge(scored, files, listed.labels, truth, rule, coverage)
    if not len(judged.labels):
        first = scored.failures[0]
        raise CommandError(f"none of the {len(files)} files can be used; the first: {first}")
    settings = {
        "model": args.model,
        "false_alarm_rate": rule.rate,
        "coverage": coverage,
        "unknown_label": rule.word,
        "match_energy": rule.least,
    }
    meaning = "all shares are better than they are for new images"
    MESSAGES.warn(*_answers.note_of_fitted(judged.histories, meaning))
    _print(args.format, settings, model, judged, scored)
    return _images.exit_status(len(scored.failures), len(judged.labels))


def _truth(labels: np.ndarray, model: Model, args: argparse.Namespace) -> np.ndarray:
    """Return the answer that is right for each label, a source or photo or generated."""
    if not model.detects:
        if args.photos:
            raise CommandError(f"--photos: {args.model} names sources; leave this out")
        return labels
    if not (photos := _images.named_photos(args.photos, sorted(set(labels)))):
        MESSAGES.warn(
            f"none of the sources is called {', '.join(PHOTO_NAMES)}, so all are taken for "
            f"generators; name those that are photos with --photos"
        )
    return np.where(np.isin(labels, photos), _arguments.PHOTO, _arguments.GENERATED)


def _judge(
    scored: Scored,
    files: Sequence[str],
    labels: np.ndarray,
    truth: np.ndarray,
    rule: Rule,
    coverage: float | None,
) -> Judged:
    """Hold the answers for all files that could be used against the right ones."""
    model, used = scored.model, ~np.isnan(scored.scores).any(axis=1)
    known = rule.passes(scored.scores.max(axis=1), scored.known_p_values)
    known[list(scored.reasons)] = False
    scores, known = scored.scores[used], known[used]
    codes = _codes(truth, model)
    # Of sources that the model knows, the model says how they are spelt.
    labels = np.where((codes < 0) | model.detects, labels, np.array(model.labels)[codes])
    gone = sorted(set(labels.tolist()) - set(labels[used].tolist()))
    lost = {label: bool((codes[labels == label] >= 0).all()) for label in gone}
    labels, codes = labels[used], codes[used]
    sets = None if coverage is None else model.sets(scores, coverage)
    if model.detects and sets is not None:
        known &= sets.any(axis=1)  # what is like neither cannot be told
    rows = [{"file": file} for file, use in zip(files, used, strict=True) if use]
    answers, spelt = judge_answers(scores, codes, known=known, sets=sets), np.array(model.labels)
    # All sources are equally near to an image without a residual, and the first is no answer.
    blank = np.isin(np.flatnonzero(used), list(scored.reasons))
    answers = answers._replace(nearest=np.where(blank, -1, answers.nearest))
    named = np.where(known, spelt[answers.nearest], rule.word)
    if model.detects:  # of both none is named, and the only one need not be the nearest
        one = answers.sets.sum(axis=1) == 1
        named = np.where(one, spelt[answers.sets.argmax(axis=1)], rule.word)
    histories, in_family = scored.add_histories(rows), _in_family(model, answers)
    return Judged(labels, named, histories, answers, in_family, lost)


def _codes(truth: np.ndarray, model: Model) -> np.ndarray:
    """Return the column of each right answer; -1 for what the model does not know."""
    names = {as_label(name): code for code, name in enumerate(model.labels)}
    return np.array([names.get(as_label(label), -1) for label in truth], dtype=int)


def _in_family(model: Model, answers: Answers) -> np.ndarray | None:
    """Tell which answers name the right family; where each source stands alone, there is none."""
    families = model.families
    if families is None or len(families.names) == len(model.labels):
        return None
    return families.of_sets(answers.sets) == families.codes_[answers.codes]


def _by_history(judged: Judged, model: Model) -> list[Row]:
    """Sum up the images by what their files and pixels show."""
    rows, found = judged.histories, []
    found += judged.lines("format", [row["format"] for row in rows])
    found += judged.lines("JPEG quality", [_quality(row) for row in rows])
    if _models.covered(model) is not None:
        covered = ["no" if row["outside"] else "yes" for row in rows]
        found += judged.lines("covered by the fit", covered)
    return found


def _quality(row: Row) -> str | None:
    """Name the class of the lowest JPEG quality that a file states or its pixels show."""
    if row["history"] is None:  # gone since it was scored
        return None
    shown = [row["jpeg_quality"], row["pixel_jpeg_quality"]]
    if not (known := [quality for quality in shown if quality is not None]):
        return _NEVER_JPEG
    return next(name for limit, name in _QUALITIES.items() if round(min(known)) >= limit)


def _print(form: str, settings: Row, model: Model, judged: Judged, scored: Scored) -> None:
    """Print all images, those of each source, and those of each history."""
    labels = judged.labels.tolist()
    totals = judged.lines("all", ["all"] * len(labels))
    sources = judged.lines("source", labels, [*judged.lost])
    histories = _by_history(judged, model)
    if model.detects:
        right = np.array(model.labels)[judged.answers.codes]
        histories = judged.lines("right answer", right.tolist()) + histories
    document = {
        **settings,
        "all": {"known": None, "unknown": None}
        | {("known" if line["known"] else "unknown"): _without(line, *_GROUP) for line in totals},
        "sources": [_without(line, "by") for line in sources],
        "histories": histories,
        "confusion": {
            label: dict(Counter(judged.named[judged.labels == label].tolist()).most_common())
            for label in sorted({*labels, *judged.lost})
        },
        "failures": _images.failure_rows(scored.failures),
        "fitted_on": _answers.count_fitted(judged.histories),
    }
    _console.print_results(
        form,
        document,
        Table(_IN_CSV, list(map(_row, [*sources, *totals, *histories]))),
        shown=_tables(sources, totals, histories),
        notes=[*_notes(settings, judged, model), *_answers.note_of_parts(judged.histories)],
    )


def _without(line: Row, *keys: str) -> Row:
    return {key: value for key, value in line.items() if key not in keys}


def _row(line: Row) -> Row:
    """Make the row of a table, which has the limits of intervals."""
    limits = {name: line["intervals"].get(name, (None, None)) for name in _SHARES}
    low, high = limits["right"]
    return {
        **line,
        **{f"{name}_low": low for name, (low, _) in limits.items()},
        **{f"{name}_high": high for name, (_, high) in limits.items()},
        "interval": None if low is None else f"{low:.3f} to {high:.3f}",
        "history": f"{line['by']}: {line['name']}",
        "sources": None if line["known"] else "unknown ones",
    }


def _tables(sources: list[Row], totals: list[Row], histories: list[Row]) -> list[Table]:
    """Make a table of the sources, and one of the histories where these differ."""
    names = {True: "all known sources", False: "all unknown sources"}
    rows = [*sources, *({**line, "name": names[line["known"]]} for line in totals)]
    tables = [Table((Column("name", "source"), *_SHOWN), list(map(_row, rows))).filled()]
    classes = Counter(by for by, _ in {(line["by"], line["name"]) for line in histories})
    rows = [_row(line) for line in histories if classes[line["by"]] > 1]
    if rows:
        tables.append(Table((*columns("history", "sources"), *_SHOWN), rows).filled())
    return tables


def _notes(settings: Row, judged: Judged, model: Model) -> list[str]:
    """Say which answers are wrong, for which sources, and what the words of a table mean."""
    notes, foreign = [], judged.answers.foreign
    if judged.lost:
        names = ", ".join(judged.lost)
        notes.append(f"no file could be used of {names}, so that nothing here is about these")
    if not foreign.all():
        notes.append(f"wrong{_wrong(judged, foreign=False)}")
    if foreign.any():
        names = ", ".join(sorted(set(judged.labels[foreign])))
        notes.append(f"the model does not know {names}, where unknown is the right answer")
        notes.append(f"wrong of unknown sources{_wrong(judged, foreign=True)}")
    if judged.in_family is not None:
        families = [name for name in model.families.names if name not in model.labels]
        notes.append(
            f"right family: all sources that are named are of the image's own family; families of "
            f"several sources: {'; '.join(families)}"
        )
    if model.detects:
        notes.append(f"predict says {settings['unknown_label']} of all that is unsure or unknown")
    return [*notes, *_meaning(settings)]


def _wrong(judged: Judged, *, foreign: bool) -> str:
    """Count the wrong answers for known or unknown sources, and name the most common ones."""
    of = judged.answers.foreign == foreign
    wrong, intervals = of & judged.answers.wrong, judged.answers.shares(foreign=foreign).intervals
    pairs = zip(judged.labels[wrong], judged.named[wrong], strict=True)
    totals = Counter(judged.labels.tolist())
    most = [
        f"{n} of {totals[label]} of {label} are taken for {answer}"
        for (label, answer), n in Counter(pairs).most_common(_NAMED)
    ]
    details = f"; most often {', '.join(most)}" if most else ""
    low, high = intervals["wrong"]
    return f": {wrong.sum()} of {of.sum()} (95 % interval: {low:.3f} to {high:.3f}){details}"


def _meaning(settings: Row) -> list[str]:
    """Say what unknown and unsure mean in a table."""
    meaning = []
    if (rate := settings["false_alarm_rate"]) is not None:
        meaning.append(f"unknown: p-value at most {rate:g}")
    if (least := settings["match_energy"]) is not None:
        meaning.append(f"unknown: energy below {least:g}")
    if (coverage := settings["coverage"]) is not None:
        meaning.append(
            f"unsure: the right source is one of several in a set, at a coverage of {coverage:g}"
        )
    return ["; ".join(meaning)] if meaning else []
