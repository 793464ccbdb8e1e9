"""What a case has of each file beside its answer: its digest, and pictures of its trace."""

import argparse
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from scipy import ndimage
from sklearn.pipeline import Pipeline

from sklearn_ganprint._batches import map_in_order
from sklearn_ganprint.cli import _images, _pages
from sklearn_ganprint.cli._console import MESSAGES, Row
from sklearn_ganprint.cli._models import Model
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.residuals import ResidualTransformer

#: Longer side of pictures, in pixels. Of residuals and fingerprints the top-left part is shown as
#: it is: made smaller, little would be left of what is finer than that.
SIDE = 256

#: Colours end at this percentile of the absolute values.
_PERCENTILE = 99.5

#: Standard deviation of the Gaussian that products are smoothed by, as a share of the longer side.
_SMOOTHING = 1 / 24

#: Files in a case, by what they are.
_FILES = {
    "image": "images/{}.jpg",
    "residual": "residuals/{}.jpg",
    "map": "maps/{}.jpg",
    "fingerprint": "fingerprints/{}.jpg",
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


def find_trace(model: Model, code: int) -> Trace | None:
    """Find the residual and the fingerprint of a source in a model that has some."""
    for steps in _branches(model):
        *before, last = steps
        residual = before[-1] if before else None
        if isinstance(residual, ResidualTransformer) and hasattr(last, "fingerprints_"):
            shape = getattr(last, "fingerprint_shape_", residual.residual_shape_)
            return Trace(residual, last.fingerprints_[code].reshape(shape))
    return None if model.residual is None else Trace(model.residual, None)


def _branches(model: Model) -> Iterator[list[Any]]:
    """Yield the steps from images to each classifier that a model has, or fuses."""
    steps = _steps(model.pipeline)
    yield steps
    for member in getattr(steps[-1], "estimators_", ()):
        yield [*steps[:-1], *_steps(member)]


def _steps(estimator: Any) -> list[Any]:
    return list(estimator.named_steps.values()) if isinstance(estimator, Pipeline) else [estimator]


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
    return _pages.small_copy(colours[..., :3], SIDE), scale


def top_left(values: np.ndarray) -> np.ndarray:
    """Return the part of (H, W, C) that is shown, as the mean of its channels."""
    return values[:SIDE, :SIDE].mean(axis=2)


def digest(path: str) -> Row:
    """Return the SHA-256 of a file and its size, or nothing of what cannot be read."""
    try:
        if stat.S_ISREG(os.stat(path).st_mode):  # a pipe would wait for a writer
            with open(path, "rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
                return {"sha256": found, "bytes": stream.tell()}
    except (OSError, ValueError):
        pass
    return {"sha256": None, "bytes": None}


def examine_file(
    path: str, reader: ImageReader, trace: Trace | None, judged: bool
) -> tuple[Row, dict[str, bytes]]:
    """Return what there is to say of a file beside its answer, and pictures if it was judged."""
    pictures: dict[str, bytes] = {}
    facts, part = digest(path), _images.attempt(reader.read_one, path) if judged else None
    if not isinstance(part, np.ndarray):  # or it has changed since
        return facts, pictures
    whole = _images.attempt(ImageReader().read_one, path)
    pictures["image"] = _pages.small_copy(whole if isinstance(whole, np.ndarray) else part, SIDE)
    if trace is not None:
        signal = trace.signal(part)
        pictures["residual"], facts["residual_scale"] = signed_picture(top_left(signal))
        if trace.fingerprint is not None:
            agreement = correlation_map(signal, trace.fingerprint)
            facts["correlation"] = float(agreement.mean())
            pictures["map"], facts["map_scale"] = signed_picture(agreement)
    return facts, pictures


def examine(
    rows: Sequence[Row], model: Model, args: argparse.Namespace
) -> tuple[list[Row], dict[str, Row]]:
    """Return what there is to say of the file of each row, and of the fingerprints shown.

    Residuals are held against the source that the row says, if any. Pictures are written into
    ``--out``.
    """
    slugs, reader = _pages.file_slugs(row["file"] for row in rows), model.whole.predict_reader_
    sources = {row["held_against"] for row in rows}
    traces = {
        name: find_trace(model, code) for code, name in enumerate(model.labels) if name in sources
    }
    tasks = (
        (row["file"], reader, traces.get(row["held_against"]), row["error"] is None) for row in rows
    )
    found: list[Row] = []
    with MESSAGES.progress("drawing") as progress:
        for facts, pictures in map_in_order(examine_file, tasks, args.jobs):
            slug = slugs[rows[len(found)]["file"]]
            names = {kind: _FILES[kind].format(slug) for kind in pictures}
            _pages.write_files(args.out, zip(names.values(), pictures.values(), strict=True))
            found.append({**facts, "pictures": names})
            progress(len(found), len(rows))
    return found, _draw_fingerprints(traces, args.out)


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
