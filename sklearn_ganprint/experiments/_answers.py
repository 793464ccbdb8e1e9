"""Answers of an open-set model, held against the truth."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ganprint.experiments._results import Result, plain
from sklearn_ganprint.experiments._robustness import wilson_interval

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class AnswerShares(Result):
    """Shares of images that get each kind of answer, as :class:`Answers` gives them.

    Attributes
    ----------
    images : int
        Number of images. Without any, all else is NaN.
    right : float
        Share that gets one source, the right one; NaN for images of unknown sources.
    unsure : float
        Share that gets a set of several sources which holds the right one; NaN for images of
        unknown sources.
    unknown : float
        Share that is called unknown: a false alarm, or right for images of unknown sources.
    wrong : float
        Share of all other images: those with a wrong source or a set without the right one, or
        with any source for images of unknown sources.
    accuracy : float
        Share whose nearest source is the right one, whatever the answer; NaN for images of
        unknown sources.
    coverage : float
        Share whose set holds the right source, those called unknown counted out; NaN without
        sets, and for images of unknown sources.
    set_size : float
        Mean number of sources in the sets of images that are not called unknown; NaN without sets.
    intervals : dict of str to tuple of float
        Wilson's 95 % confidence interval of each of these shares that is a number, by name. It is
        about the choice of the images, which it takes as independent.
    """

    images: int
    right: float
    unsure: float
    unknown: float
    wrong: float
    accuracy: float
    coverage: float
    set_size: float
    intervals: dict[str, tuple[float, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return the shares as plain values that JSON can hold.

        Returns
        -------
        dict
            All attributes by name. Values that are missing are None.
        """
        found: dict[str, Any] = plain(vars(self))
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return one row.

        Returns
        -------
        list of dict
            One row with all attributes but the intervals.
        """
        return [{name: value for name, value in self.to_dict().items() if name != "intervals"}]


class Answers(NamedTuple):
    """What an open-set model answers for each image, and whether it is right.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Column of the true source of each image; -1 for a source that the model does not know.
    nearest : ndarray of int, shape (n,)
        Column of the source with the greatest score.
    known : ndarray of bool, shape (n,)
        Whether an image is attributed, and not called unknown.
    sets : ndarray of bool, shape (n, n_classes)
        Sources that an answer names: none for an image that is called unknown.
    several : bool
        Whether answers may name several sources; otherwise they name the nearest.

    See Also
    --------
    judge_answers : Makes one of scores and sets.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import judge_answers
    >>> answers = judge_answers([[3.0, 1.0], [1.0, 2.0]], [0, 0])
    >>> answers.right.tolist(), answers.wrong.tolist()
    ([True, False], [False, True])
    """

    codes: NDArray[np.int64]
    nearest: NDArray[np.int64]
    known: Flags
    sets: Flags
    several: bool

    @property
    def foreign(self) -> Flags:
        """Whether an image is of a source that the model does not know."""
        return self.codes < 0

    @property
    def right(self) -> Flags:
        """Whether the right source is the only one in an answer."""
        return self._holds & (self.sets.sum(axis=1) == 1)

    @property
    def unsure(self) -> Flags:
        """Whether the right source is one of several in an answer."""
        return self._holds & (self.sets.sum(axis=1) > 1)

    @property
    def wrong(self) -> Flags:
        """Whether an answer names sources, and not the right one."""
        return self.known & ~self._holds

    @property
    def _holds(self) -> Flags:
        return self.sets[np.arange(len(self.codes)), self.codes] & ~self.foreign

    def shares(self, where: ArrayLike | None = None, *, foreign: bool = False) -> AnswerShares:
        """Count the answers for images of known sources, or for those of unknown ones.

        Parameters
        ----------
        where : array-like of bool, shape (n,), default=None
            Images that are counted; None counts all.
        foreign : bool, default=False
            Whether images of unknown sources are counted; otherwise those of known ones are.

        Returns
        -------
        AnswerShares
            Shares of these images.
        """
        own = self.foreign == foreign
        own = own if where is None else own & np.asarray(where, dtype=bool)
        flags = {"unknown": ~self.known, "wrong": self.wrong}
        if not foreign:
            flags |= {"right": self.right, "unsure": self.unsure}
            flags |= {"accuracy": self.nearest == self.codes}
            flags |= {"coverage": self._holds} if self.several else {}
        n = int(own.sum())
        names = ("right", "unsure", "unknown", "wrong", "accuracy", "coverage")
        counts = {name: int(flags[name][own].sum()) for name in names if n and name in flags}
        sizes = self.sets[own & self.known].sum(axis=1) if self.several else np.empty(0)
        return AnswerShares(
            images=n,
            **{name: counts[name] / n if name in counts else np.nan for name in names},
            set_size=float(sizes.mean()) if len(sizes) else np.nan,
            intervals={name: wilson_interval(count, n) for name, count in counts.items()},
        )


def judge_answers(
    scores: ArrayLike,
    codes: ArrayLike,
    *,
    known: ArrayLike | None = None,
    sets: ArrayLike | None = None,
) -> Answers:
    """Hold the answers of an open-set model against the true sources of images.

    Parameters
    ----------
    scores : array-like of shape (n, n_classes)
        Scores by which images are attributed, as ``class_scores`` of
        :class:`~sklearn_ganprint.OpenSetClassifier` returns them.
    codes : array-like of int, shape (n,)
        Column of the true source of each image; -1 for a source that the model does not know.
    known : array-like of bool, shape (n,), default=None
        Whether an image is attributed: its p-value is above the rate of false alarms. None
        attributes all.
    sets : array-like of bool, shape (n, n_classes), default=None
        Sources that cannot be ruled out, as ``predict_set`` returns them. An image that is not
        `known` has none; where a set of another is empty, the answer is the nearest source. None
        makes the nearest source the answer for all images.

    Returns
    -------
    Answers
        What is right, unsure, unknown and wrong, of each image and, by ``shares``, of many.

    Raises
    ------
    ValueError
        If `scores` are of another shape or NaN, the others do not go with them, or `codes` are not
        from -1 to ``n_classes - 1``.

    See Also
    --------
    evaluate_attribution : Fits on one part of images and tests on another.
    oscr : How well scores attribute known images and reject others, over all thresholds.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.experiments import judge_answers
    >>> scores = np.array([[5, 1, 0], [4, 3, 0], [1, 4, 0], [2, 1, 2]])
    >>> answers = judge_answers(
    ...     scores, [0, 1, 2, -1], known=[True, True, True, False], sets=scores >= 3
    ... )
    >>> shares = answers.shares()
    >>> shares.images, round(shares.right, 2), round(shares.unsure, 2), round(shares.wrong, 2)
    (3, 0.33, 0.33, 0.33)
    >>> answers.shares(foreign=True).unknown
    1.0
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or np.isnan(scores).any():
        raise ValueError(
            f"scores: expected numbers of shape (n, n_classes), got the shape {scores.shape}"
            f"{', some NaN' if np.isnan(scores).any() else ''}."
        )
    shape, codes = scores.shape, np.asarray(codes)
    known = np.ones(len(scores), dtype=bool) if known is None else np.asarray(known, dtype=bool)
    nearest = scores.argmax(axis=1)
    alone = nearest[:, np.newaxis] == np.arange(shape[1])
    given = alone if sets is None else np.asarray(sets, dtype=bool)
    if (codes.shape, known.shape, given.shape) != (shape[:1], shape[:1], shape):
        raise ValueError(
            f"Expected codes and known of shape {shape[:1]} and sets of shape {shape}, as scores "
            f"have it; got {codes.shape}, {known.shape} and {given.shape}."
        )
    if codes.dtype.kind not in "iu" or np.any((codes < -1) | (codes >= shape[1])):
        raise ValueError(
            f"codes: expected whole numbers from -1, for unknown sources, to {shape[1] - 1}, got "
            f"{np.unique(codes).tolist()}."
        )
    named = np.where(given.any(axis=1, keepdims=True), given, alone)
    return Answers(codes, nearest, known, named & known[:, np.newaxis], sets is not None)
