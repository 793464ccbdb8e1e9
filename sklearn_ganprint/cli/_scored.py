"""What a model finds out about files: scores, histories, and whether copies get the same answer."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sklearn_ganprint._batches import map_in_order
from sklearn_ganprint.cli._console import MESSAGES, Column, Row, columns
from sklearn_ganprint.cli._images import attempt, collect_failures, history_cells, no_residual
from sklearn_ganprint.cli._models import Model
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.files import FileHistory, uncovered
from sklearn_ganprint.perturbations import RandomHistory

#: What is told of the history of each file; tables have the first two if an image lies outside.
HISTORY = columns(
    *("history", "outside", "format", "width", "height"),
    *("jpeg_quality", "pixel_jpeg_quality", "jpeg_grid", "judged"),
)

#: What is told of how strongly an image speaks for a source: against others, and one not known.
EVIDENCE = (
    Column("log10_lr_others", "log10 LR, others", 2),
    Column("log10_lr_unknown", "log10 LR, unknown", 2),
)

#: What is told of the image of the fit that a file is, or shows; tables have all if there is one.
FITTED = columns("fitted_on", Column("fitted_match", "match"), "fitted_source")

#: What is told of copies, if they are asked for.
STABILITY = (Column("stability", "stability", 2), Column("stability_answers", "answers for copies"))

#: What an image is of a model of earlier versions, which has forgotten what it was fitted on.
NOT_KNOWN = "not known"

#: What is judged of an image, if that is not a part of it.
WHOLE = "whole"

#: What copies go through, as an image does that is passed on.
_PASSED_ON: dict[str, Any] = {
    **dict.fromkeys(("rotate", "blur", "sharpen", "contrast", "brightness", "noise", "webp")),
    **{"crop": (0.5, 0.95, 1.0), "resize": (0.5, 0.8, 1.1), "jpeg": (1.0, 70, 95)},
    **{"grey": 0.0, "rounds": (1,), "random_state": 0},
}


class Scored(NamedTuple):
    """Scores of files, of shape (n, n_classes), and what could not be used.

    The greatest score says which source. Models without calibration have no p-values. Images
    without a residual have no answer, for which `reasons` says why, by position.
    """

    model: Model
    scores: np.ndarray
    known_p_values: Any  # (n,): of the image's being from any source
    p_values: Any  # (n, n_classes): each among the source's own images
    others_p_values: Any  # (n, n_classes): each among the images of the other sources
    failures: Sequence[ImageReadError]
    reasons: dict[int, str]
    histories: dict[str, FileHistory]
    log10_lrs: Any = None  # (2, n, n_classes): against other sources, and one that is not known

    def evidence(self, position: int, code: int) -> Row:
        """Say how strongly an image speaks for a source."""
        keys = [column.key for column in EVIDENCE]
        if self.log10_lrs is None:
            return dict.fromkeys(keys)
        values = self.log10_lrs[:, position, code].tolist()
        return {key: None if math.isnan(lr) else lr for key, lr in zip(keys, values, strict=True)}

    def add_histories(self, rows: Sequence[Row]) -> list[Row]:
        """Add to each row the history of its file, and the image of the fit that it is or shows."""
        histories = [self.histories.get(row["file"]) for row in rows]
        told = zip(rows, histories, _fitted(histories, self.model), strict=True)
        return [{**row, **_history(own, self.model), **fitted} for row, own, fitted in told]


def score_files(
    model: Model,
    files: list[str],
    failures: list[ImageReadError],
    n_jobs: int,
    title: str,
    checkpoint: str | None = None,
) -> Scored:
    """Score each file, in one pass over the pixels; `failures` are those there are already.

    A folder as `checkpoint` keeps scores, so that unchanged files are not read again.
    """
    failures = list(failures)
    histories: dict[str, FileHistory] = {}
    with MESSAGES.progress(title) as progress:
        model.whole.set_params(
            n_jobs=n_jobs,
            on_error=collect_failures(failures),
            progress=progress,
            on_history=histories.__setitem__,
            checkpoint=checkpoint,
        )
        both = _assess(model, files)
    reasons = {}
    # Few images with a residual look like none: few files are read again.
    for position in _like_none(both):
        image = model.whole.predict_reader_.read_one(files[position])
        if (reason := no_residual(model.pipeline, image)) is not None:
            reasons[position] = reason
    scored = _scored(model, both, reasons)
    log10_lrs = _log10_lrs(model, both)
    return scored._replace(failures=failures, histories=histories, log10_lrs=log10_lrs)


def _assess(model: Model, X: Any) -> np.ndarray:
    """Give scores, and how typical images are, of shape (n, 2, n_classes)."""
    if model.open_set is not None:
        return np.asarray(model.whole.assess(X))
    return np.stack([model.whole.class_scores(X)] * 2, axis=1)


def _like_none(both: np.ndarray) -> list[int]:
    """Find images that are as near to one source as to any other, as those without a residual."""
    judged = both[:, 1]
    return np.flatnonzero((judged == judged[:, :1]).all(axis=1)).tolist()


def _scored(model: Model, both: np.ndarray, reasons: dict[int, str]) -> Scored:
    """Add p-values to scores, if the model has some."""
    scores, judged = both.swapaxes(0, 1)
    if model.open_set is None:
        return Scored(model, scores, None, None, None, (), reasons, {})
    calibration = model.open_set.calibration_set_
    known = calibration.known_p_values(judged)
    own = calibration.p_values(judged, pooled=False)
    others = calibration.others_p_values(judged)
    return Scored(model, scores, known, own, others, (), reasons, {})


def _log10_lrs(model: Model, both: np.ndarray) -> np.ndarray:
    """Turn scores into log10 likelihood ratios, NaN where the model has none."""
    found, ratios = np.full((2, len(both), both.shape[2]), np.nan), model.likelihood_ratios
    if ratios is not None:
        found[0] = ratios.against_others(both[:, 0])
        if ratios.lacking is not None:
            found[1] = ratios.against_unknown(both[:, 1])
    return found


def _fitted(histories: Sequence[FileHistory | None], model: Model) -> list[Row]:
    keys = [column.key for column in FITTED]
    if getattr(model.whole, "fitted_files_", None) is None:
        return [dict.fromkeys(keys) | {"fitted_match": each and NOT_KNOWN} for each in histories]
    found = model.whole.find_fitted(histories)
    told = ([None] * len(keys) if image is None else map(str, image) for image in found)
    return [dict(zip(keys, values, strict=True)) for values in told]


def _history(history: FileHistory | None, model: Model) -> Row:
    summary = getattr(model.whole, "history_summary_", None)  # models of before have none
    found: Row = dict.fromkeys(column.key for column in HISTORY)
    if history is None:
        return found
    found.update(history_cells(history))
    found["outside"] = (uncovered(history, summary) if summary else None) or None
    height, width = model.whole.judged_part(history.height, history.width)
    whole = (height, width) == (history.height, history.width)
    part = f"{width} x {height} of {history.width} x {history.height}"
    found["judged"] = WHOLE if whole else part
    return found


def add_stability(
    rows: Sequence[Row],
    model: Model,
    judge: Callable[[Sequence[str], Scored], list[Row]],
    key: str,
    n_copies: int,
    n_jobs: int,
) -> list[Row]:
    """Add to each row how many copies of its image, passed on at random, get the same answer.

    `judge` makes rows of files and their scores; the answer in a row is under `key`.
    """
    # What workers get has no functions of this process.
    model.whole.set_params(
        n_jobs=None, on_error="raise", progress=None, on_history=None, checkpoint=None
    )
    asked = [n for n, row in enumerate(rows) if row["score"] is not None and row[key] is not None]
    found: list[Row] = [{**row, "stability": None, "stability_answers": None} for row in rows]
    tasks = ((rows[n]["file"], model, n_copies) for n in asked)
    with MESSAGES.progress("judging copies") as progress:
        results = map_in_order(_assess_copies, tasks, n_jobs)
        for done, (position, both) in enumerate(zip(asked, results, strict=True), start=1):
            if isinstance(both, ImageReadError):
                MESSAGES.say(both)
            else:
                scored = _scored(model, both, dict.fromkeys(_like_none(both), "no residual"))
                answers = [copy[key] for copy in judge([""] * len(both), scored)]
                found[position].update(_stability(rows[position][key], answers))
            progress(done, len(asked))
    return found


def _assess_copies(path: str, model: Model, n_copies: int) -> np.ndarray | ImageReadError:
    """Read the part of a file that is judged, process copies of it, and score these."""

    def judge_copies(name: str) -> np.ndarray:
        images = model.whole.predict_reader_.read_one(name)[np.newaxis]
        histories = [RandomHistory(draw=draw, **_PASSED_ON) for draw in range(n_copies)]
        if model.whole.takes_any_size:
            return _assess(model, [each.transform_whole(images)[0] for each in histories])
        copies = [each.transform(images) for each in histories]
        return _assess(model, np.concatenate(copies))

    return attempt(judge_copies, path)


def _stability(own: str, answers: Sequence[str | None]) -> Row:
    """Give the share of copies with an image's own answer, and the number of each answer."""
    counts = Counter("no answer" if answer is None else answer for answer in answers)
    return {
        "stability": counts[own] / len(answers),
        "stability_answers": dict(counts.most_common()),
    }
