"""Which images a model was fitted on: their files, and what they show."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.fft import dctn
from sklearn.pipeline import Pipeline

from sklearn_ganprint._batches import Batches
from sklearn_ganprint._images import by_shape
from sklearn_ganprint.classification._base import last_step
from sklearn_ganprint.files._histories import FileHistory

__all__ = ["FittedImage", "NearImage"]

#: Half-waves that the frequencies of a sketch have down and across, together, at the most.
_WAVES = 8
#: Root mean square in grey levels, of frequencies of at least so many half-waves, from which on an
#: image shows enough to be told from others: flat fields of a lens reach 4.7.
_LEAST, _DETAIL = 5.0, 3
#: Correlation of sketches from which on two images show the same. Of 1932 photos and generated
#: images, faces that are aligned alike among them, it is passed by two pairs that do not.
_ALIKE = 0.9
#: Grey images that count towards the mean of each source, which would else be its only image.
_GREY = 4

#: Bytes of a name that are kept.
_NAME = 64

#: What is kept of each file, behind its name: position of its class, or -1; digest; sketch.
_RECORD: list[Any] = [("source", "<i4"), ("sha256", "u1", 32), ("sketch", "i1", 44)]


class FittedImage(NamedTuple):
    """An image of a fit that is recognised in another file.

    Parameters
    ----------
    name : str
        Base name of the file that was fitted on, at most 64 bytes of it.
    match : {"same file", "same content"}
        Whether all bytes are the same, or the images show the same: one is a copy of the other
        that was compressed, resized or cut by a little, or both are versions of one picture.
    source : object
        Class of the image in the fit; None if the fit had no classes.

    See Also
    --------
    sklearn_ganprint.FileBatchEstimator.find_fitted : Recognises images.

    Examples
    --------
    >>> from sklearn_ganprint.files import FittedImage
    >>> FittedImage("harbour.png", "same file", "srgan").name
    'harbour.png'
    """

    name: str
    match: str
    source: Any


class NearImage(NamedTuple):
    """An image of a fit that an image is near to.

    Parameters
    ----------
    name : str
        Base name of the file that was fitted on, at most 64 bytes of it.
    source : object
        Class of the image in the fit.
    distance : float
        Distance by the coordinates of :class:`~sklearn_ganprint.SubclassDiscriminantAnalysis`, in
        standard deviations within parts of classes.

    See Also
    --------
    sklearn_ganprint.FileBatchEstimator.nearest_fitted : Finds the nearest images.

    Examples
    --------
    >>> from sklearn_ganprint.files import NearImage
    >>> NearImage("harbour.png", "srgan", 3.5).distance
    3.5
    """

    name: str
    source: Any
    distance: float


def sketch(samples: np.ndarray) -> bytes:
    """Give the low frequencies of an image, as small integers; all 0 if it hardly shows anything.

    `samples` are of its luminance, (side, side). Frequencies get weights by which those of most
    photos are about as large as each other.
    """
    waves = dctn(samples, norm="ortho")[: _WAVES + 1, : _WAVES + 1] / len(samples)
    down, across = np.indices(waves.shape)
    chosen = (down + across > 0) & (down + across <= _WAVES)
    values = (waves * np.hypot(down, across))[chosen]
    if np.linalg.norm(waves[chosen & (down + across >= _DETAIL)]) < _LEAST:
        values[:] = 0
    return np.rint(127 * values / (np.abs(values).max() or 1)).astype(np.int8).tobytes()


def record_type(n_bytes: int) -> np.dtype:
    """Return the type of the records that `remember` makes, with names of so many bytes."""
    return np.dtype([("name", f"S{n_bytes}"), *_RECORD])


def is_record(dtype: np.dtype) -> bool:
    """Whether this is the type of such records."""
    return dtype == record_type(max(1, dtype.itemsize - np.dtype(_RECORD).itemsize))


def remember(
    paths: np.ndarray, histories: Mapping[int, FileHistory], y: np.ndarray, classes: Any
) -> np.ndarray:
    """Return what the files of a fit are recognised by, as an array of records, one a file.

    `histories` are by position in `paths` and `y`. Of paths only base names are kept, since models
    are passed on.
    """
    positions, found = list(histories), list(histories.values())
    names = [os.fsencode(os.path.basename(os.fsdecode(path)))[:_NAME] for path in paths[positions]]
    codes = {label: code for code, label in enumerate(np.asarray(classes).tolist())}
    fitted = np.empty(len(found), dtype=record_type(max(map(len, names))))
    fitted["name"] = names
    fitted["source"] = [codes.get(label, -1) for label in y[positions].tolist()]
    fitted["sha256"] = [list(bytes.fromhex(history.sha256 or "")) for history in found]
    fitted["sketch"] = [_values(history.sketch) for history in found]
    return fitted


class FittedFiles:
    """The files of a fit, looked up by what a fitted estimator has remembered of them."""

    def __init__(self, records: np.ndarray, classes: Any, coordinates: np.ndarray) -> None:
        self.records, self.coordinates = records, coordinates
        self.classes = np.asarray(classes).tolist()

    @classmethod
    def of(cls, estimator: Any) -> Self:
        """Take what a FileBatchEstimator knows; raise if that is nothing."""
        records = getattr(estimator, "fitted_files_", None)
        if records is None:
            raise ValueError(
                "It is not known which files this estimator was fitted on: it was fitted on "
                "arrays, or saved by an earlier version. Fit it on files."
            )
        return cls(records, getattr(estimator, "classes_", ()), known_coordinates(estimator))

    def find(self, histories: Iterable[FileHistory | None]) -> list[FittedImage | None]:
        """Recognise files by their digests, or by their sketches."""
        digests = {row.tobytes().hex(): n for n, row in enumerate(self.records["sha256"])}
        shown = _Shown(self.records["sketch"], self.records["source"])
        found: list[FittedImage | None] = []
        for history in histories:
            sha256, sketched = (None, None) if history is None else history[-2:]
            match, position = "same file", digests.get(sha256)
            if position is None:
                match, position = "same content", shown.find(sketched)
            if position is None:
                found.append(None)
            else:
                name, source = self[position]
                found.append(FittedImage(name, match, source))
        return found

    def nearest(self, batches: Batches, estimator: Any, n: int) -> list[list[NearImage]]:
        """Name the files that are nearest to each image in batches; none to one that failed."""
        found: list[list[NearImage]] = [[] for _ in range(len(batches))]
        for positions, rows in batches.map(project, estimator):
            for position, row in zip(positions.tolist(), rows, strict=True):
                distances = np.linalg.norm(self.coordinates - row, axis=1)
                nearest = distances.argsort(kind="stable")[:n]
                found[position] = [NearImage(*self[i], float(distances[i])) for i in nearest]
        return found

    def __getitem__(self, position: int) -> tuple[str, Any]:
        """Give the name and the class of a file."""
        name, code, *_ = self.records[position]
        return os.fsdecode(name), self.classes[code] if code >= 0 else None


def known_coordinates(estimator: Any) -> np.ndarray:
    """Return the coordinates of the files of a fit, none if no fusion in the estimator has some."""
    n_files = np.shape(getattr(estimator, "fitted_files_", ()))
    while estimator is not None and not hasattr(estimator, "fitted_coordinates_"):
        is_pipeline = isinstance(estimator, Pipeline)
        estimator = estimator[-1] if is_pipeline else getattr(estimator, "estimator_", None)
    # Around the fusion there may be copies, each of which is an image to it.
    found = getattr(estimator, "fitted_coordinates_", np.empty((0, 0)))
    return found if found.shape[:1] == n_files else np.empty((0, 0))


def project(images: Any, estimator: Any) -> np.ndarray:
    """Compute the coordinates of images by the fusion in an estimator."""
    return by_shape(lambda same: _project(same, estimator), images)


def _project(images: Any, estimator: Any) -> np.ndarray:
    estimator, images = last_step(estimator, images)
    while not hasattr(estimator, "fitted_coordinates_"):
        estimator, images = last_step(estimator.estimator_, images)
    steps = (last_step(member, images) for member in estimator.estimators_)
    classifier, features = next(pair for pair in steps if hasattr(pair[0], "coordinates"))
    return classifier.coordinates(features)


class _Shown:
    """What the images of a fit show, each apart from what those of its source have in common."""

    def __init__(self, sketches: np.ndarray, sources: np.ndarray) -> None:
        rows = _unit_rows(sketches)
        members = np.arange(sources.max() + 2)[:, np.newaxis] == sources + 1
        means = members @ rows / (members.sum(axis=1, keepdims=True) + _GREY)
        self.common = means[sources + 1]
        self.own = _unit_rows(rows - self.common) * rows.any(axis=1, keepdims=True)

    def find(self, sketched: bytes | None) -> int | None:
        """Return the position of the image that shows most nearly the same, if one does."""
        if sketched is None or not any(sketched):
            return None
        row = _unit_rows(_values(sketched))
        alike = (_unit_rows(row - self.common) * self.own).sum(axis=1)
        nearest = int(alike.argmax())
        return nearest if alike[nearest] >= _ALIKE else None


def _values(sketched: bytes | None) -> np.ndarray:
    return np.frombuffer(sketched or b"", np.int8)


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    """Return rows of unit length, or of 0."""
    rows = rows.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.divide(rows, lengths, out=rows, where=lengths > 0)
