"""Accuracy of attribution, unknown sources told from known ones, and answers held to the truth."""

import os
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.metrics import confusion_matrix, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.experiments._fingerprints import check_scores
from sklearn_ganprint.experiments._results import Result, plain, wilson_interval
from sklearn_ganprint.experiments._selection import check_sources
from sklearn_ganprint.files import FileBatchEstimator

__all__ = [
    "AnswerShares",
    "Answers",
    "AttributionResult",
    "evaluate_attribution",
    "judge_answers",
    "oscr",
]

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class AttributionResult(Result):
    """What :func:`evaluate_attribution` found on the held-out images.

    Attributes
    ----------
    estimator : estimator
        The classifier, fitted on the other images.
    classes : ndarray of shape (n_classes,)
        The class labels; every per-class array below is in their order.
    train_index, test_index : ndarray of int
        Positions in `X` of the images that were fitted on, and of those held out.
    y_test, y_pred : ndarray of shape (n_test,)
        True and attributed class of the held-out images.
    scores : ndarray of shape (n_test, n_classes)
        Score of each held-out image for each class.
    n_fit, n_test : ndarray of int, shape (n_classes,)
        Number of images fitted on and held out.
    accuracy : float
        Share of the held-out images that were attributed to their source.
    accuracy_interval : tuple of float
        Wilson's 95 % confidence interval of `accuracy`. It is about the choice of the test images
        only, not about that of the training images, and takes images as independent.
    chance : float
        Accuracy of always naming the class with most held-out images; ``1 / n_classes`` if all
        have equally many.
    recall : ndarray of float, shape (n_classes,)
        Share of each class's held-out images that were attributed to it.
    auc : ndarray of float, shape (n_classes,)
        One-vs-rest area under the ROC curve of each class's own score.
    confusion : ndarray of int, shape (n_classes, n_classes)
        Number of held-out images by true class (rows) and attributed class (columns). An image
        that was attributed to none of the classes is in no column.
    failures : tuple of (filename, reason)
        Files that could not be used, and are in none of the counts.
    """

    estimator: Any
    classes: np.ndarray
    train_index: np.ndarray
    test_index: np.ndarray
    y_test: np.ndarray
    y_pred: np.ndarray
    scores: np.ndarray
    n_fit: np.ndarray
    n_test: np.ndarray
    accuracy: float
    accuracy_interval: tuple[float, float]
    chance: float
    recall: np.ndarray
    auc: np.ndarray
    confusion: np.ndarray
    failures: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values that JSON can hold.

        Returns
        -------
        dict
            ``accuracy``, ``accuracy_interval``, ``chance``, ``n_fit`` and ``n_test`` in all,
            ``classes`` (a list of one dict a class), ``confusion`` and ``failures``.
        """
        return {
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "chance": self.chance,
            "n_fit": int(self.n_fit.sum()),
            "n_test": int(self.n_test.sum()),
            "classes": self.rows(),
            "confusion": self.confusion.tolist(),
            "failures": [{"file": name, "reason": reason} for name, reason in self.failures],
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each class.

        Returns
        -------
        list of dict
            Rows with ``name``, ``n_fit``, ``n_test``, ``recall`` and ``auc``.
        """
        names = ("n_fit", "n_test", "recall", "auc")
        columns = [getattr(self, name).tolist() for name in names]
        return [
            {"name": str(label), **dict(zip(names, row, strict=True))}
            for label, *row in zip(self.classes, *columns, strict=True)
        ]


def evaluate_attribution(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    test_size: float = 0.5,
    random_state: int | None = 0,
) -> AttributionResult:
    """Fit on some of the images, and measure how well the others are attributed.

    Parameters
    ----------
    estimator : estimator
        A classifier or pipeline over images, or a :class:`FileBatchEstimator`. It is cloned, not
        changed.
    X : array-like of images, or sequence of paths of length n
        What the estimator takes.
    y : array-like of shape (n,)
        Source of each image.
    groups : array-like of shape (n,), default=None
        Images of one group, such as one scene under several sources, are on one side of the split.
    test_size : float, default=0.5
        Share of each class's images to hold out, in (0, 1). With `groups` the nearest that whole
        folds give: ``1/k`` or ``1 - 1/k``.
    random_state : int, default=0
        Seed of the split.

    Returns
    -------
    AttributionResult
        Counts, scores, accuracy, areas under the ROC curves, confusion matrix.

    Raises
    ------
    ValueError
        If a class has no image on one side of the split, or none of those can be read.

    Notes
    -----
    The split is stratified by class. Scores are correlations with each class's own fingerprint if
    the estimator ends with a :class:`FingerprintClassifier` that decides by them, and else those
    of ``decision_function``, which for two classes is taken as ``-s`` and ``s``, or of
    ``class_scores`` where there is none, as of :class:`OpenSetClassifier`.

    Files that cannot be used are left out of everything and listed in ``failures``; a
    :class:`FileBatchEstimator` with ``on_error="raise"`` raises instead.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
    >>> from sklearn_ganprint.datasets import load_samples
    >>> from sklearn_ganprint.experiments import evaluate_attribution
    >>> samples = load_samples()
    >>> pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    >>> result = evaluate_attribution(pipeline, samples.data, samples.target)
    >>> result.accuracy > result.chance
    True
    """
    y = check_sources(X, y, groups)
    train, test = split_classes(y, groups, test_size, random_state)
    model, failures = _listening(estimator)
    model.fit(_safe_indexing(X, train), y[train])
    if failed := {error.filename for error in failures}:
        train = train[[os.fsdecode(path) not in failed for path in _safe_indexing(X, train)]]
    scores, y_pred = _score(model, _safe_indexing(X, test))
    usable = np.isfinite(scores).all(axis=1)
    if isinstance(model, FileBatchEstimator):
        model.set_params(on_error=estimator.on_error)
    listed = {error.filename: error.reason for error in failures}  # once, however often read
    return attribution_result(
        model, y, (train, test[usable]), scores[usable], y_pred[usable], tuple(listed.items())
    )


def split_classes(
    y: np.ndarray, groups: Any, test_size: float, random_state: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions to fit on and to hold out, with each class on both sides."""
    if not 0 < test_size < 1:
        raise ValueError(f"test_size: expected a share in (0, 1), got {test_size!r}.")
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2 or counts.min() < 2:
        few = dict(zip(classes.tolist(), counts.tolist(), strict=True))
        raise ValueError(f"y: expected at least 2 classes of at least 2 images each, got {few}.")
    if groups is None:
        split = StratifiedShuffleSplit(1, test_size=test_size, random_state=random_state)
        train, test = next(split.split(y, y))
    else:
        train, test = _group_split(y, np.asarray(groups), test_size, random_state)
    for name, side in (("to fit on", train), ("to hold out", test)):
        lost = np.setdiff1d(y, y[side]).tolist()
        if lost:
            raise ValueError(
                f"The split leaves no image of {lost} {name}. Give each class more images, in "
                f"more groups, or change test_size or random_state."
            )
    return np.sort(train), np.sort(test)


def _group_split(
    y: np.ndarray, groups: np.ndarray, test_size: float, random_state: int | None
) -> tuple[np.ndarray, np.ndarray]:
    n_splits = max(2, round(1 / min(test_size, 1 - test_size)))
    if len(np.unique(groups)) < n_splits:
        raise ValueError(
            f"groups: expected at least {n_splits} groups for test_size={test_size:g}, got "
            f"{len(np.unique(groups))}."
        )
    split = StratifiedGroupKFold(n_splits, shuffle=True, random_state=random_state)
    large, small = next(split.split(y, y, groups))
    return (large, small) if test_size <= 0.5 else (small, large)


def _listening(estimator: Any) -> tuple[Any, list[ImageReadError]]:
    """Clone the estimator; also return the list that its bad files will be added to."""
    model = clone(estimator)
    failures: list[ImageReadError] = []

    def listen(error: ImageReadError) -> None:
        failures.append(error)
        if callable(estimator.on_error):
            estimator.on_error(error)

    if isinstance(model, FileBatchEstimator):
        # clone copies callables together with what they are bound to; here the caller's are meant
        on_error = estimator.on_error if estimator.on_error == "raise" else listen
        model.set_params(on_error=on_error, progress=estimator.progress)
    return model, failures


def _score(model: Any, X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (n, n_classes) and attributed classes, in one pass where that is possible."""
    inner = model.estimator_ if isinstance(model, FileBatchEstimator) else model
    last = inner[-1] if isinstance(inner, Pipeline) else inner
    if isinstance(last, FingerprintClassifier) and last.metric == "correlation":
        if isinstance(model, Pipeline):  # which hands on none but scikit-learn's methods
            X, model = model[:-1].transform(X) if len(model) > 1 else X, last
        scores = model.correlate(X)
        return scores, model.classes_[scores.argmax(axis=1)]
    name = "decision_function" if hasattr(model, "decision_function") else "class_scores"
    scores = np.asarray(getattr(model, name)(X))
    scores = np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
    return scores, model.predict(X)


def attribution_result(
    model: Any,
    y: np.ndarray,
    sides: tuple[np.ndarray, np.ndarray],
    scores: np.ndarray,
    y_pred: np.ndarray,
    failures: tuple[tuple[str, str], ...],
) -> AttributionResult:
    train, test = sides
    classes = np.unique(y)
    n_fit, n_test = (np.array([(y[side] == label).sum() for label in classes]) for side in sides)
    if 0 in n_fit or 0 in n_test:
        lost = classes[(n_fit == 0) | (n_test == 0)].tolist()
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failures[:3])
        raise ValueError(f"No file of {lost} can be used on one side of the split: {reasons}")
    y_pred = y_pred.astype(y.dtype) if y_pred.dtype == object else y_pred
    n_right = int((y_pred == y[test]).sum())
    confusion = confusion_matrix(y[test], y_pred, labels=classes)
    return AttributionResult(
        estimator=model,
        classes=classes,
        train_index=train,
        test_index=test,
        y_test=y[test],
        y_pred=y_pred,
        scores=scores,
        n_fit=n_fit,
        n_test=n_test,
        accuracy=n_right / len(test),
        accuracy_interval=wilson_interval(n_right, len(test)),
        chance=float(n_test.max() / len(test)),
        recall=confusion.diagonal() / n_test,
        auc=one_vs_rest_auc(scores, y[test], classes),
        confusion=confusion,
        failures=failures,
    )


def one_vs_rest_auc(scores: Any, y: Any, classes: Any) -> np.ndarray:
    """Return the area under the ROC curve of each class's own score against all others (Fig. 7).

    NaN where `y` holds no image of the class, or no other.
    """
    scores, y, classes = check_scores(scores, y, classes)
    areas = np.full(len(classes), np.nan)
    for column, label in enumerate(classes):
        own = y == label
        if own.any() and not own.all():
            areas[column] = roc_auc_score(own, scores[:, column])
    return areas


def oscr(known: Any, correct: Any, unknown: Any) -> float:
    """Compute the area under the open-set classification rate curve.

    Parameters
    ----------
    known : array-like of shape (n,)
        Scores of images of known sources, greater is more surely known.
    correct : array-like of bool, shape (n,)
        Whether each was attributed to its source.
    unknown : array-like of shape (m,)
        Scores of images of unknown sources.

    Returns
    -------
    float
        Between 0 and 1. The AUROC of known against unknown if all attributions are right, and at
        most the accuracy.

    Raises
    ------
    ValueError
        If `known` and `correct` differ in length, a side has no image, or a score is NaN.

    See Also
    --------
    sklearn_ganprint.OpenSetClassifier : Accepts or rejects images.

    Notes
    -----
    The curve of Dhamija et al. [1]_ is the share of known images that are accepted and attributed
    rightly, over the share of unknown ones that are accepted. The area under it is the chance
    that a known image is attributed rightly and scores higher than an unknown one; ties count
    half.

    References
    ----------
    .. [1] A. R. Dhamija, M. Guenther, T. E. Boult, "Reducing network agnostophobia", NeurIPS 2018.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import oscr
    >>> oscr([3.0, 2.0, 4.0, 0.5], [True, True, False, True], [1.0, 2.5])
    0.375
    """
    known, correct = np.asarray(known, dtype=np.float64), np.asarray(correct, dtype=bool)
    ordered = np.sort(_check_some(unknown, "unknown"))
    if len(_check_some(known, "known")) != len(correct):
        raise ValueError(
            f"known and correct: expected one length, got {len(known)} and {len(correct)}."
        )
    lower = np.searchsorted(ordered, known, side="left")
    not_higher = np.searchsorted(ordered, known, side="right")
    return float((correct * (lower + not_higher)).mean() / (2 * len(ordered)))


def detection_rate(known: Any, unknown: Any, false_alarm_rate: float) -> float:
    """Return the share of unknown images that score below a quantile of the known ones."""
    if not 0 < false_alarm_rate < 1:
        raise ValueError(f"false_alarm_rate: expected a number in (0, 1), got {false_alarm_rate}.")
    limit = np.quantile(_check_some(known, "known"), false_alarm_rate)
    return float((_check_some(unknown, "unknown") < limit).mean())


def _check_some(scores: Any, name: str) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"{name}: expected at least one score, got shape {scores.shape}.")
    if np.isnan(scores).any():  # which would be the greatest of all
        raise ValueError(f"{name}: expected scores, got NaN; leave out images without an answer.")
    return scores


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
        return plain(vars(self))

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
