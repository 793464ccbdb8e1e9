"""Whether an answer stays the same if an image is passed on: cut, resized and compressed again."""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sklearn_ganprint._batches import map_in_order
from sklearn_ganprint.cli import _answers, _images
from sklearn_ganprint.cli._answers import Scored
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Row
from sklearn_ganprint.cli._models import Model
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.perturbations import RandomHistory

#: What is told of copies, if they are asked for.
COLUMNS = (Column("stability", "stability", 2), Column("stability_answers", "answers for copies"))

#: What copies go through, as an image does that is passed on.
_PASSED_ON: dict[str, Any] = {
    **dict.fromkeys(("rotate", "blur", "sharpen", "contrast", "brightness", "noise", "webp")),
    **{"crop": (0.5, 0.95, 1.0), "resize": (0.5, 0.8, 1.1), "jpeg": (1.0, 70, 95)},
    **{"grey": 0.0, "rounds": (1,), "random_state": 0},
}


def check_stability(args: argparse.Namespace, model: Model) -> None:
    """Refuse copies of photos that are held against the sensor of a camera."""
    if args.stability is not None and model.match_energy is not None:
        raise CommandError(
            "--stability: copies are cropped and resized, and so off the pixels of the sensor that "
            "the fingerprints of cameras are of; leave this out"
        )


def add_stability(
    rows: Sequence[Row],
    model: Model,
    args: argparse.Namespace,
    judge: Callable[[Sequence[str], Scored], list[Row]],
    key: str,
) -> list[Row]:
    """Add to each row how many copies of its image get the same answer, if that is asked for.

    `judge` makes rows of files and their scores; the answer in a row is under `key`.
    """
    if args.stability is None:
        return list(rows)
    # What workers get has no functions of this process.
    model.whole.set_params(n_jobs=None, on_error="raise", progress=None, on_history=None)
    asked = [n for n, row in enumerate(rows) if row["score"] is not None and row[key] is not None]
    found: list[Row] = [{**row, "stability": None, "stability_answers": None} for row in rows]
    tasks = ((rows[n]["file"], model, args.stability) for n in asked)
    with MESSAGES.progress("judging copies") as progress:
        results = map_in_order(_assess_copies, tasks, args.jobs)
        for done, (position, both) in enumerate(zip(asked, results, strict=True), start=1):
            if isinstance(both, ImageReadError):
                MESSAGES.say(both)
            else:
                reasons = dict.fromkeys(_answers.like_none(both), "no residual")
                scored = _answers.add_p_values(model, both, [], reasons, {})
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
            return _answers.assess(model, [each.transform_whole(images)[0] for each in histories])
        copies = [each.transform(images) for each in histories]
        return _answers.assess(model, np.concatenate(copies))

    return _images.attempt(judge_copies, path)


def _stability(own: str, answers: Sequence[str | None]) -> Row:
    """Give the share of copies with an image's own answer, and the number of each answer."""
    counts = Counter("no answer" if answer is None else answer for answer in answers)
    return {
        "stability": counts[own] / len(answers),
        "stability_answers": dict(counts.most_common()),
    }


def notes_of_stability(rows: Sequence[Row], n_copies: int | None) -> list[str]:
    """Say what stability is, and how many answers flip."""
    if n_copies is None:
        return []
    shares = [row["stability"] for row in rows if row["stability"] is not None]
    return [
        f"stability: share of {n_copies} copies of an image, cropped by a few pixels, resized and "
        f"compressed to JPEG, with the same answer; below 1 for {sum(n < 1 for n in shares)} of "
        f"{len(shares)}. A verdict that flips is not one"
    ]
