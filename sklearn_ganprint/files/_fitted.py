"""What a fit keeps of its files: what they have been through, and what they are recognised by."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.fft import dctn
from sklearn.pipeline import Pipeline

from sklearn_ganprint._batches import Batches, last_step
from sklearn_ganprint._images import by_shape
from sklearn_ganprint.datasets import ImageHistory
from sklearn_ganprint.perturbations import BasePerturbation, HistoryCoverage, check_perturbation

__all__ = ["FileHistory", "FittedImage", "NearImage", "coverage_in_words", "uncovered"]

#: Files of each class whose pixels are looked at in a fit: enough to say what it covers.
N_LOOKED_AT = 50

#: Formats that lose nothing, by Pillow's names: what one of them holds any of them can hold. Not
#: GIF, which has 256 colours.
LOSSLESS = frozenset({"PNG", "TIFF", "BMP", "PPM"})
_JPEG = frozenset({"JPEG", "MPO"})
_WRITTEN = {"WEBP": "WebP", "JPEG2000": "JPEG 2000", "MPO": "JPEG"}

# By how much the quality that pixels show may be wrong.
_TOLERANCE = 2

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


class FileHistory(NamedTuple):
    """What a file and its pixels show of the history of an image.

    Parameters
    ----------
    format : str
        Pillow's name of the format.
    width, height : int
        Size of the whole image in the file, in pixels.
    jpeg_quality : float or None
        Quality by the quantization tables of the file; None if it is not JPEG.
    pixels : ImageHistory or None
        What the pixels that were read show of compression; None if they were not looked at.
    sha256 : str or None
        SHA-256 digest of the file, in hexadecimal digits; None if it was not computed.
    sketch : bytes or None
        What the whole image shows, coarsely, in 44 bytes that
        :meth:`~sklearn_ganprint.FileBatchEstimator.find_fitted` compares; None if not computed.
    grey : bool or None
        Whether what was read has three channels that are equal; None if it was read as luminance.

    See Also
    --------
    sklearn_ganprint.datasets.estimate_history : Looks at the pixels.
    uncovered : Compares a history with what a fit covers.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import ImageHistory
    >>> from sklearn_ganprint.files import FileHistory
    >>> print(FileHistory("PNG", 300, 200, None, ImageHistory(70, (0, 3))))
    PNG, 300 x 200 pixels, once JPEG 70
    """

    format: str
    width: int
    height: int
    jpeg_quality: float | None = None
    pixels: ImageHistory | None = None
    sha256: str | None = None
    sketch: bytes | None = None
    grey: bool | None = None

    def __str__(self) -> str:
        parts = [self.written, f"{self.width} x {self.height} pixels"]
        if (quality := self.earlier_quality) is not None:
            parts.append(f"once JPEG {quality}")
        if self.grey:
            parts.append("grey")
        return ", ".join(parts)

    @property
    def written(self) -> str:
        """The format in words, with the quality of JPEG."""
        name = _WRITTEN.get(self.format, self.format)
        return name if self.jpeg_quality is None else f"{name} {self.jpeg_quality:.0f}"

    @property
    def earlier_quality(self) -> int | None:
        """Quality of the JPEG compression that pixels show and the file does not state."""
        quality = None if self.pixels is None else self.pixels.jpeg_quality
        stated = self.jpeg_quality
        if quality is None or (stated is not None and abs(quality - stated) <= _TOLERANCE):
            return None
        return quality


def some_of_each(codes: np.ndarray) -> np.ndarray:
    """Choose the files whose pixels are looked at: of each class some, evenly over its files."""
    chosen = np.zeros(len(codes), dtype=bool)
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        chosen[own[np.linspace(0, len(own) - 1, min(len(own), N_LOOKED_AT)).astype(int)]] = True
    return chosen


def summarize_histories(
    histories: Mapping[int, FileHistory], y: np.ndarray, estimator: Any
) -> dict[str, Any]:
    """Sum up the histories of the files at positions of `y`, and of the copies made of them.

    Plain values only, which models in files may hold.
    """
    classes, codes = np.unique(y, return_inverse=True)
    n_classes = len(classes)
    by_class: dict[str, list[int]] = {}
    looked_at, once_jpeg, untouched = [0] * n_classes, [0] * n_classes, 0
    grey = [0] * n_classes
    for position, history in histories.items():
        code = codes[position]
        by_class.setdefault(history.format, [0] * n_classes)[code] += 1
        grey[code] += bool(history.grey)
        if history.pixels is None:
            continue
        looked_at[code] += 1
        once = history.pixels.jpeg_quality is not None or history.format in _JPEG
        once_jpeg[code] += once
        untouched += history.format in LOSSLESS and not once
    found = list(histories.values())
    return {
        "formats": by_class,
        "short_side": _limits(min(each.width, each.height) for each in found),
        "long_side": _limits(max(each.width, each.height) for each in found),
        "jpeg_quality": _limits(each.jpeg_quality for each in found),
        "pixel_quality": _limits(each.pixels and each.pixels.jpeg_quality for each in found),
        "looked_at": looked_at,
        "once_jpeg": once_jpeg,
        "untouched": untouched,
        "grey": grey if _sees_colours(estimator) else None,
        "copies": {key: value and list(value) for key, value in _copies(estimator).items()},
    }


def _limits(values: Iterable[Any]) -> list[Any] | None:
    known = [value for value in values if value is not None]
    return [min(known), max(known)] if known else None


def _sees_colours(estimator: Any) -> bool:
    """Whether an estimator makes more of channels than luminance."""
    params = estimator.get_params().items()
    channels = {value for name, value in params if name.rpartition("__")[2] == "channels"}
    return channels != {"luminance"}


def _copies(estimator: Any) -> dict[str, Any]:
    """Return what the perturbations in an estimator cover together."""
    covered = [perturbation.covers()._asdict() for perturbation in _perturbations(estimator)]
    return {
        key: _limits(value for each in covered for value in each[key] or ())
        for key in HistoryCoverage._fields
    }


def _perturbations(estimator: Any) -> Iterator[BasePerturbation]:
    """Yield all perturbations among the parameters of an estimator, texts made to objects."""
    for name, value in estimator.get_params().items():
        of_copies = name.rpartition("__")[2] == "perturbations"
        given = value is not None and (of_copies or isinstance(value, BasePerturbation))
        pending = [value] if given else []
        while pending:
            current = pending.pop()
            if isinstance(current, str | BasePerturbation):
                yield check_perturbation(current)
            elif current is not None:
                pending += list(current)


def coverage_in_words(summary: Mapping[str, Any]) -> str:
    """Say which histories a fit covers.

    Parameters
    ----------
    summary : mapping
        ``history_summary_`` of a :class:`~sklearn_ganprint.FileBatchEstimator`.

    Returns
    -------
    str
        Formats and sizes of the files, what their pixels show of JPEG, and the processing that
        copies of them went through.

    See Also
    --------
    uncovered : Says what of one file a fit does not cover.

    Examples
    --------
    >>> from sklearn_ganprint import (
    ...     FileBatchEstimator, FingerprintClassifier, ResidualTransformer
    ... )
    >>> from sklearn_ganprint.datasets import load_samples
    >>> from sklearn_ganprint.files import coverage_in_words
    >>> from sklearn.pipeline import make_pipeline
    >>> samples = load_samples(load_content=False)
    >>> pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    >>> clf = FileBatchEstimator(pipeline).fit(samples.filenames, samples.target)
    >>> coverage_in_words(clf.history_summary_)
    'covers WebP, 128 x 128 pixels, pixels that were once JPEG 80 to 98 (40 of 300 looked at)'
    """
    names = [_WRITTEN.get(name, name) for name in summary["formats"]]
    if (stated := summary["jpeg_quality"]) is not None:
        names[names.index("JPEG")] = f"JPEG {_span(stated)}"
    short, long = summary["short_side"], summary["long_side"]
    sides = f"{long[0]} x {short[0]}"
    if short[0] != short[1] or long[0] != long[1]:
        sides += f" to {long[1]} x {short[1]}"
    parts = [*dict.fromkeys(names), f"{sides} pixels"]
    if (shown := summary["pixel_quality"]) is not None:
        n_files, n_once = sum(summary["looked_at"]), sum(summary["once_jpeg"])
        parts.append(f"pixels that were once JPEG {_span(shown)} ({n_once} of {n_files} looked at)")
    if grey := sum(summary.get("grey") or ()):  # which models of before do not know
        parts.append(f"{grey} grey")
    copies = HistoryCoverage(**summary["copies"])
    titles = {"JPEG": copies.jpeg, "WebP": copies.webp, "resizing by": copies.scale}
    made = [f"{title} {_span(value)}" for title, value in titles.items() if value is not None]
    return f"covers {', '.join(parts)}" + f"; copies: {', '.join(made)}" * bool(made)


def _span(limits: Sequence[float]) -> str:
    low, high = (f"{limit:.3g}" for limit in limits)
    return low if low == high else f"{low} to {high}"


def uncovered(history: FileHistory, summary: Mapping[str, Any]) -> list[str]:
    """Say what of the history of a file lies outside of what a fit covers.

    Parameters
    ----------
    history : FileHistory
        What is known of the file.
    summary : mapping
        ``history_summary_`` of a :class:`~sklearn_ganprint.FileBatchEstimator`.

    Returns
    -------
    list of str
        Remarks; empty if nothing is known to lie outside.

    See Also
    --------
    coverage_in_words : Says what a fit covers.

    Notes
    -----
    Answers on an image that lies outside may be wrong without a sign of it; inside, they need not
    be right. Resizing shows in the size only, and other processing in nothing.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import ImageHistory
    >>> from sklearn_ganprint.files import FileHistory, uncovered
    >>> summary = {
    ...     "formats": {"PNG": [40, 40]}, "jpeg_quality": None, "pixel_quality": None,
    ...     "short_side": [256, 256], "long_side": [256, 256], "looked_at": [40, 40],
    ...     "once_jpeg": [0, 0], "untouched": 80,
    ...     "copies": {"jpeg": [50, 99], "webp": None, "scale": [0.5, 2.0], "longest_side": None},
    ... }
    >>> uncovered(FileHistory("JPEG", 256, 256, 40.0), summary)
    ['JPEG 40; the fit covers 50 to 100']
    >>> history = FileHistory("PNG", 200, 120, None, ImageHistory(30, (0, 0)))
    >>> for remark in uncovered(history, summary):
    ...     print(remark)
    the pixels show JPEG of about 30; the fit covers 50 to 100
    200 x 120 pixels; the fit covers sides of 128 to 512
    >>> uncovered(FileHistory("WEBP", 256, 256), summary)
    ['WebP; the fit covers no WebP']
    """
    copies = HistoryCoverage(**summary["copies"])
    found = [
        _outside_formats(history, summary["formats"], copies),
        *_outside_qualities(history, summary, copies),
        _without_trace(history, summary),
        _without_colours(history, summary),
        _outside_sizes(history, summary, copies),
    ]
    return [remark for remark in found if remark is not None]


def _outside_formats(
    history: FileHistory, formats: Mapping[str, Any], copies: HistoryCoverage
) -> str | None:
    """Remark on a format other than JPEG that loses something."""
    own = history.format
    if own in LOSSLESS | _JPEG | set(formats) or (own == "WEBP" and copies.webp is not None):
        return None
    return f"{history.written}; the fit covers no {history.written}"


def _outside_qualities(
    history: FileHistory, summary: Mapping[str, Any], copies: HistoryCoverage
) -> Iterator[str]:
    """Remark on the quality of the file, and on another one that the pixels show."""
    known = (summary["jpeg_quality"], summary["pixel_quality"], copies.jpeg)
    covered = _limits(value for limits in known for value in limits or ())
    words = "no JPEG"
    if covered is not None:
        # Better than the best is hardly compressed at all.
        covered[1] = 100 if summary["untouched"] else covered[1]
        words = _span(covered)
    stated, earlier = history.jpeg_quality, history.earlier_quality
    if stated is not None and _is_outside(stated, covered):
        yield f"{history.written}; the fit covers {words}"
    if earlier is not None and _is_outside(earlier, covered, _TOLERANCE):
        yield f"the pixels show JPEG of about {earlier}; the fit covers {words}"


def _is_outside(value: float, limits: Sequence[float] | None, tolerance: float = 0) -> bool:
    return limits is None or not limits[0] - tolerance <= value <= limits[1] + tolerance


def _without_trace(history: FileHistory, summary: Mapping[str, Any]) -> str | None:
    """Remark on an image that shows no compression, where all those fitted on do."""
    if history.format not in LOSSLESS or history.pixels is None:
        return None
    traced = history.pixels.jpeg_quality is not None
    if traced or sum(summary["once_jpeg"]) < max(1, sum(summary["looked_at"])):
        return None
    return f"{history.written} without a trace of JPEG; all images of the fit have been JPEG"


def _without_colours(history: FileHistory, summary: Mapping[str, Any]) -> str | None:
    """Remark on an image without colours, where all those of a source of the fit have some."""
    grey = summary.get("grey") or ()  # None, or missing in models of before
    if not history.grey or all(grey):
        return None
    if not any(grey):
        return "grey; all images of the fit have colours"
    n_coloured = sum(not n for n in grey)
    return f"grey; all images of {n_coloured} of {len(grey)} sources of the fit have colours"


def _outside_sizes(
    history: FileHistory, summary: Mapping[str, Any], copies: HistoryCoverage
) -> str | None:
    smaller, larger = copies.scale or (1.0, 1.0)  # of copies; the originals are there too
    low = summary["short_side"][0] * min(1.0, smaller)
    high = summary["long_side"][1] * max(1.0, larger)
    if copies.longest_side is not None:
        low = min(low, copies.longest_side[0] * summary["short_side"][0] / high)
    sides = sorted((history.width, history.height))
    if low <= sides[0] + 1 and sides[1] - 1 <= high:
        return None
    words = f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
    return f"{history.width} x {history.height} pixels; the fit covers sides of {words}"


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
    for record, history in zip(fitted, found, strict=True):  # lists of numbers would take more
        record["sha256"] = np.frombuffer(bytes.fromhex(history.sha256 or ""), np.uint8)
        record["sketch"] = _values(history.sketch)
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
            sha256, sketched = (None, None) if history is None else (history.sha256, history.sketch)
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
