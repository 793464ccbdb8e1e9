"""The record of what a command has found: ``case.json``, and a page to read and to print.

A case has beside the answer for each file its digest, pictures, reasons, and what it says itself.
"""

import argparse
import json
import platform
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from scipy import ndimage

import sklearn_ganprint
from sklearn_ganprint._batches import map_in_order
from sklearn_ganprint._output import json_text
from sklearn_ganprint.cli import _console, _images, _info, _models, _pages
from sklearn_ganprint.cli._answers import Judgement
from sklearn_ganprint.cli._console import MESSAGES, Row
from sklearn_ganprint.cli._models import Model
from sklearn_ganprint.comparison import FingerprintSet, fingerprint_set
from sklearn_ganprint.datasets import ImageReader, read_provenance
from sklearn_ganprint.ensemble import score_contributions, sum_contributions
from sklearn_ganprint.residuals import ResidualTransformer

#: What `--out` gets, as the help says it.
CONTENT = "a sheet for each image, and case.json, which `ganprint replay` runs again"

#: The file that a page is made of.
CASE = "case.json"

#: Parameters as they were given, with which `ganprint replay` runs a command again.
_PARAMETERS = ("model", "source", "paths", "false_alarm", "coverage", "stability")

_PACKAGES = ("numpy", "scipy", "scikit-learn", "Pillow", "PyWavelets")

#: What the other contents of a case do not show.
_LIMITS = (
    "Pictures of residuals, fingerprints and their agreement illustrate an answer. They are not "
    "what it rests on alone, and nothing should be read off them by eye.",
    "A digest tells that a file is the same as the one that was judged, not where it comes from.",
)

#: Longer side of pictures, in pixels. Of residuals and fingerprints the top-left part is shown as
#: it is: made smaller, little would be left of what is finer than that.
SIDE = 256

#: Colours end at this percentile of the absolute values.
_PERCENTILE = 99.5

#: JPEG quality of these pictures: noise takes three times the bytes of an image at 88.
_QUALITY = 75

#: Standard deviation of the Gaussian that products are smoothed by, as a share of the longer side.
_SMOOTHING = 1 / 24

#: Files in a case, by what they are.
_FILES = {
    "image": "images/{}.jpg",
    "residual": "residuals/{}.jpg",
    "map": "maps/{}.jpg",
    "fingerprint": "fingerprints/{}.jpg",
}


def begin(args: argparse.Namespace) -> None:
    """Begin the folder of a case; take pictures of an earlier one, and what names them, out of it.

    A case may come from elsewhere: what has no name that a case gives to pictures stays.
    """
    _pages.begin_out(args)
    earlier = Path(args.out or "", CASE)
    if args.out is None or not earlier.is_file():
        return
    try:
        document = json.loads(earlier.read_bytes())
        names = [name for each in document["images"] for name in each["pictures"].values()]
        names += [each["picture"] for each in document["fingerprints"].values()]
    except (ValueError, LookupError, TypeError, AttributeError):  # it is none
        return
    pattern = "|".join(form.format(r"[A-Za-z0-9_-]+") for form in _FILES.values())
    for picture in (earlier.parent / name for name in names if re.fullmatch(pattern, name)):
        if not picture.parent.is_symlink():
            picture.unlink(missing_ok=True)
    earlier.unlink()


def tell(judgement: Judgement, args: argparse.Namespace) -> int:
    """Print what was found, write a case if ``--out`` asks for one, and give the exit status."""
    judgement.print(args.format)
    if args.out is not None:
        document = make_document(judgement, args)
        page = _pages.render_page("case", args, case=document)
        content = f"{json_text(document)}\n".encode()
        _pages.say_where(_pages.write_page(args.out, page, [(CASE, content)]), "case")
    return _images.exit_status(len(judgement.failures), len(judgement.used))


def make_document(judgement: Judgement, args: argparse.Namespace) -> Row:
    """Put together what is known of a case; pictures are written on the way."""
    question, given = judgement.question, vars(args)
    model = question.model
    rows = [_told(row, judgement) for row in judgement.rows]
    exhibits, fingerprints = examine(rows, model, args)
    nearest = _nearest(rows, model, args.jobs)
    described = _info.describe(args.model, model)
    return {
        "schema_version": _console.SCHEMA_VERSION,
        "command": question.command,
        "command_line": shlex.join(["ganprint", *args.words]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "parameters": {key: given[key] for key in _PARAMETERS if key in given},
        "model": {
            **described,
            "notes": _models.notes_of_out_of_fold(described["out_of_fold"]),
        },
        "settings": question.document(),
        "notes": judgement.notes,
        "limits": [*_models.LIMITS_OF_ANSWERS, *_models.LIMITS, *_LIMITS],
        "fingerprints": fingerprints,
        "images": [
            {**row, **exhibit, "nearest_images": near}
            for row, exhibit, near in zip(rows, exhibits, nearest, strict=True)
        ],
    }


def _nearest(rows: Sequence[Row], model: Model, n_jobs: int) -> list[list[Row]]:
    """Name the images of the fit that are the nearest to the image of each row, if known."""
    files, found = [row["file"] for row in _console.judged(rows)], {}
    if files and hasattr(model.whole, "nearest_fitted"):
        how = {"on_error": lambda error: None, "progress": None, "on_history": None}
        model.whole.set_params(n_jobs=n_jobs, **how)
        found = dict(zip(files, model.whole.nearest_fitted(files), strict=True))
    return [[image._asdict() for image in found.get(row["file"], ())] for row in rows]


def _told(row: Row, judgement: Judgement) -> Row:
    """Add the answer in words, and the two sources that the image is held against, if any."""
    question, answered = judgement.question, row["score"] is not None
    answer, *evidence = [""] if row["error"] else question.in_words(row)
    return {
        **row,
        "answer": answer or None,
        "evidence": " ".join(evidence) or None,
        "held_against": question.held_against(row) if answered else None,
        "other": row[question.other] if answered else None,
    }


def versions() -> dict[str, str]:
    """Return the versions of all that answers depend on."""
    return {
        "Python": platform.python_version(),
        "sklearn_ganprint": sklearn_ganprint.__version__,
        **{name: version(name) for name in _PACKAGES},
    }


class Trace(NamedTuple):
    """What makes residuals in a model, and the fingerprint of a source that they are held against.

    Models without fingerprints have residuals alone.
    """

    residual: ResidualTransformer
    fingerprint: np.ndarray | None  # (H, W, C)

    def signal(self, image: np.ndarray) -> np.ndarray:
        """Return what of an image (H, W, C) is correlated with fingerprints."""
        values = self.residual.transform(image[np.newaxis]).reshape(self.residual.residual_shape_)
        if not self.residual.intensity:
            return values
        return values[..., :-1] * values[..., -1:]


def find_traces(model: Model) -> dict[str, Trace | None]:
    """Find what makes residuals in a model, and the fingerprint of each source, if any."""
    try:
        found = fingerprint_set(model.whole)
    except ValueError:
        found = FingerprintSet([], np.empty((0, 0, 0, 0)), model.residual)
    if found.residual is None:
        return dict.fromkeys(model.labels)
    fingerprints = dict(zip(found.names, found.fingerprints, strict=True))
    return {name: Trace(found.residual, fingerprints.get(name)) for name in model.labels}


def correlation_map(signal: np.ndarray, fingerprint: np.ndarray) -> np.ndarray:
    """Map where a residual and a fingerprint of shape (H, W, C) agree; the mean is the correlation.

    The products of both, centred and of unit energy, are summed over channels and smoothed.
    """
    centred = [values.astype(np.float64) - values.mean() for values in (signal, fingerprint)]
    norm = np.prod([np.linalg.norm(values) for values in centred]) or 1.0
    products = (centred[0] * centred[1]).sum(axis=2) * (signal.shape[0] * signal.shape[1] / norm)
    # Mirrored at the borders, so that smoothing moves values and loses none.
    return ndimage.gaussian_filter(products, _SMOOTHING * max(products.shape), mode="reflect")


def signed_picture(values: np.ndarray) -> tuple[bytes, float]:
    """Draw values (H, W), blue below 0 and red above; return JPEG, and where the colours end."""
    scale = float(np.percentile(np.abs(values), _PERCENTILE)) or 1.0
    colours = mpl.colormaps["RdBu_r"](np.clip(values / (2 * scale) + 0.5, 0, 1), bytes=True)
    return _pages.small_copy(colours[..., :3], SIDE, _QUALITY), scale


def top_left(values: np.ndarray) -> np.ndarray:
    """Return the part of (H, W, C) that is shown, as the mean of its channels."""
    return values[:SIDE, :SIDE].mean(axis=2)


class Question(NamedTuple):
    """What is asked of an image: what makes it like one source more than like another."""

    reader: ImageReader
    pipeline: Any
    trace: Trace | None
    source: Any  # a class of the pipeline
    other: Any


def examine_file(path: str, question: Question | None) -> tuple[Row, dict[str, bytes]]:
    """Return what there is to say of a file beside its answer, and pictures of what was judged."""
    said = _images.attempt(read_provenance, path)
    facts = {**_images.digest(path), "provenance": said if isinstance(said, list) else None}
    pictures: dict[str, bytes] = {}
    whole = _images.attempt(ImageReader().read_one, path)
    if isinstance(whole, np.ndarray):
        pictures["image"] = _pages.small_copy(whole, SIDE)
    if question is None:
        return facts, pictures
    part = _images.attempt(question.reader.read_one, path)
    if isinstance(part, np.ndarray):  # else it has changed since
        facts["contributions"] = _contributions(part, question)
        if question.trace is not None:
            _show(part, question.trace, facts, pictures)
    return facts, pictures


def _show(image: np.ndarray, trace: Trace, facts: Row, pictures: dict[str, bytes]) -> None:
    """Add pictures of a residual, and of where it agrees with a fingerprint."""
    signal = trace.signal(image)
    pictures["residual"], facts["residual_scale"] = signed_picture(top_left(signal))
    if trace.fingerprint is not None:
        agreement = correlation_map(signal, trace.fingerprint)
        facts["correlation"] = float(agreement.mean())
        pictures["map"], facts["map_scale"] = signed_picture(agreement)


def _contributions(image: np.ndarray, question: Question) -> Row | None:
    """Say what the difference of two scores is made of, if that is known of the model."""
    pair = question.source, question.other
    try:
        found = score_contributions(question.pipeline, image[np.newaxis], *pair)
    except ValueError:  # a classifier, or a model of before, whose scores are not such sums
        return None
    groups = {name: float(value) for name, (value,) in sum_contributions(found).items()}
    return {"source": str(pair[0]), "other": str(pair[1]), "groups": groups}


def examine(
    rows: Sequence[Row], model: Model, args: argparse.Namespace
) -> tuple[list[Row], dict[str, Row]]:
    """Return what there is to say of the file of each row, and of the fingerprints shown.

    Images are held against the source and the other one that the row says. Pictures are written
    into ``--out``.
    """
    slugs = _pages.file_slugs(row["file"] for row in rows)
    asked = {row["held_against"] for row in rows} - {None}
    traces = {name: trace for name, trace in find_traces(model).items() if name in asked}
    tasks = ((row["file"], _question(row, model, traces)) for row in rows)
    found: list[Row] = []
    with MESSAGES.progress("drawing") as progress:
        for facts, pictures in map_in_order(examine_file, tasks, args.jobs):
            slug = slugs[rows[len(found)]["file"]]
            names = {kind: _FILES[kind].format(slug) for kind in pictures}
            _pages.write_files(args.out, zip(names.values(), pictures.values(), strict=True))
            found.append({**facts, "pictures": names})
            progress(len(found), len(rows))
    return found, _draw_fingerprints(traces, args.out)


def _question(row: Row, model: Model, traces: Mapping[str, Trace | None]) -> Question | None:
    """Ask what made the answer in a row, if there is one."""
    if (source := row["held_against"]) is None:
        return None
    classes = dict(zip(model.labels, model.whole.classes_.tolist(), strict=True))
    pair = classes[source], classes[row["other"]]
    return Question(model.whole.predict_reader_, model.pipeline, traces[source], *pair)


def _draw_fingerprints(traces: Mapping[str, Trace | None], out: str) -> dict[str, Row]:
    """Write a picture of each fingerprint; return its name, and where its colours end."""
    found, slugs = {}, _pages.slugs(traces)
    for name, trace in traces.items():
        if trace is not None and trace.fingerprint is not None:
            picture, scale = signed_picture(top_left(trace.fingerprint))
            file = _FILES["fingerprint"].format(slugs[name])
            _pages.write_files(out, [(file, picture)])
            found[name] = {"picture": file, "scale": scale}
    return found
