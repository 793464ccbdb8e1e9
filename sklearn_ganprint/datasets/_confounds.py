"""File properties that differ between classes, and could pass for the trace of a source."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

# Balanced accuracy in telling one class from the others that is worth a warning. 0.5 is
# chance; if half of many classes have one format and half another, each reaches 0.75.
_TELLING = 0.7


def confounds(bunch: Bunch) -> list[str]:
    """Name the file properties by which classes can be told apart without their pixels.

    Parameters
    ----------
    bunch : Bunch
        As `load_image_folder` returns it.

    Returns
    -------
    list of str
        A sentence for each of format, size, colour mode and JPEG quality that differs
        between classes; empty if none does.

    Notes
    -----
    What a format or a compression did to the pixels can pass for the trace of a source. Each
    class is told from all others by whether a value is more frequent inside or outside of it,
    leaving the judged image out. A property is reported if for some class this is right in
    70 % or more, averaged over inside and outside. JPEG quality: among JPEG files only.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.utils import Bunch
    >>> from sklearn_ganprint.datasets import confounds
    >>> bunch = Bunch(
    ...     target=np.repeat([0, 1, 2], 4), target_names=np.array(["gan", "real", "srgan"]),
    ...     formats=np.repeat(["PNG", "JPEG", "PNG"], 4), modes=np.full(12, "RGB"),
    ...     jpeg_quality=np.repeat([np.nan, 90.0, np.nan], 4),
    ...     widths=np.full(12, 256), heights=np.full(12, 256),
    ... )
    >>> confounds(bunch)
    ["format: 'real' is JPEG (4 of 4), all other classes are PNG (8 of 8)"]
    """
    sizes = [f"{w} x {h}" for w, h in zip(bunch.widths, bunch.heights, strict=True)]
    jpeg, everything = ~np.isnan(bunch.jpeg_quality), np.full(len(sizes), True)
    properties = [
        ("format", bunch.formats, everything),
        ("size", np.array(sizes, dtype=str), everything),
        ("colour mode", bunch.modes, everything),
        ("JPEG quality", bunch.jpeg_quality[jpeg].astype(int), jpeg),
    ]
    return [
        f"{name}: {_describe(values, bunch.target[among], bunch.target_names)}"
        for name, values, among in properties
        if _is_telling(values, bunch.target[among])
    ]


def _is_telling(values: NDArray[np.generic], target: NDArray[np.int64]) -> bool:
    """Whether some class is told from the others by how frequent its values are."""
    if len(np.unique(target)) < 2:
        return False
    _, codes = np.unique(values, return_inverse=True)
    return any(_balanced_accuracy(codes, target == label) >= _TELLING for label in set(target))


def _balanced_accuracy(codes: NDArray[np.intp], inside: NDArray[np.bool_]) -> float:
    """Leave-one-out accuracy of guessing `inside` from the codes, both sides weighing alike."""
    rates = []
    for side in (inside, ~inside):
        # The judged image is taken out of its own side: a value seen once proves nothing.
        own = (np.bincount(codes[side], minlength=codes.max() + 1) - 1) / max(side.sum() - 1, 1)
        other = np.bincount(codes[~side], minlength=codes.max() + 1) / (~side).sum()
        right = (own > other) + 0.5 * (own == other)
        rates.append(float(right[codes[side]].mean()))
    return sum(rates) / 2


def _describe(values: NDArray[np.generic], target: NDArray[np.int64], names: Sequence[str]) -> str:
    """Say which classes mostly have which value, classes with the same one together."""
    classes: dict[object, list[int]] = defaultdict(list)
    for label in np.unique(target):
        classes[Counter(values[target == label].tolist()).most_common(1)[0][0]].append(label)
    order = sorted(classes.items(), key=lambda item: len(item[1]))
    parts = []
    for value, labels in order:
        is_rest = len(order) > 1 and value == order[-1][0] and len(labels) > 1
        quoted = " and ".join(f"'{names[label]}'" for label in labels)
        who = "all other classes" if is_rest else quoted
        verb = "is" if len(labels) == 1 else "are"
        own = values[np.isin(target, labels)]
        parts.append(f"{who} {verb} {value} ({np.sum(own == value)} of {len(own)})")
    return ", ".join(parts)
