"""What files have been through, what a fit on files covers, and what it does not."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sklearn_ganprint.datasets import ImageHistory
from sklearn_ganprint.perturbations import BasePerturbation, HistoryCoverage, check_perturbation

__all__ = ["FileHistory", "coverage_in_words", "uncovered"]

#: Files of each class whose pixels are looked at in a fit: enough to say what it covers.
N_LOOKED_AT = 50

#: Formats that lose nothing, by Pillow's names: what one of them holds any of them can hold.
LOSSLESS = frozenset({"PNG", "TIFF", "BMP", "GIF", "PPM"})
_JPEG = frozenset({"JPEG", "MPO"})
_WRITTEN = {"WEBP": "WebP", "JPEG2000": "JPEG 2000", "MPO": "JPEG"}

# By how much the quality that pixels show may be wrong.
_TOLERANCE = 2


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

    def __str__(self) -> str:
        parts = [self.written, f"{self.width} x {self.height} pixels"]
        if (quality := self.earlier_quality) is not None:
            parts.append(f"once JPEG {quality}")
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
    for position, history in histories.items():
        code = codes[position]
        by_class.setdefault(history.format, [0] * n_classes)[code] += 1
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
        "copies": {key: value and list(value) for key, value in _copies(estimator).items()},
    }


def _limits(values: Iterable[Any]) -> list[Any] | None:
    known = [value for value in values if value is not None]
    return [min(known), max(known)] if known else None


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
