"""How well images are attributed to their sources, on images that the fit has not seen."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.experiments._measures import one_vs_rest_auc, wilson_interval
from sklearn_ganprint.experiments._results import Result
from sklearn_ganprint.files import FileBatchClassifier


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
        """Give the figures as plain values that JSON can hold.

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
        """Give one row a class.

        Returns
        -------
        list of dict
            With ``name``, ``n_fit``, ``n_test``, ``recall`` and ``auc``.
        """
        rows = zip(self.classes, self.n_fit, self.n_test, self.recall, self.auc, strict=True)
        return [
            {
                "name": str(label),
                "n_fit": int(n_fit),
                "n_test": int(n_test),
                "recall": float(recall),
                "auc": float(auc),
            }
            for label, n_fit, n_test, recall, auc in rows
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
    """Fit on some of the images, attribute the others, and say how well that went.

    Parameters
    ----------
    estimator : estimator
        A classifier or pipeline over images, or a :class:`FileBatchClassifier`. It is cloned, not
        changed.

    X : array-like of images, or sequence of paths of length n
        What the estimator takes.

    y : array-like of shape (n,)
        Source of each image.

    groups : array-like of shape (n,), default=None
        What must not be on both sides of the split, such as one scene under several sources.

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
    of ``decision_function``, which for two classes is taken as ``-s`` and ``s``.

    Files that cannot be used are left out of everything and listed in ``failures``; a
    :class:`FileBatchClassifier` with ``on_error="raise"`` raises instead.

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
    y = column_or_1d(y)
    check_consistent_length(X, y, groups)
    train, test = _split(y, groups, test_size, random_state)
    model, failures = _listening(estimator)
    model.fit(_safe_indexing(X, train), y[train])
    n_train_failures = len(failures)
    X_test = _safe_indexing(X, test)
    scores, y_pred = _score(model, X_test)
    usable = np.isfinite(scores).all(axis=1)
    failed = {error.filename for error in failures[:n_train_failures]}
    if failed:
        train = train[[os.fsdecode(path) not in failed for path in _safe_indexing(X, train)]]
    _stop_listening(model, estimator)
    listed = {error.filename: error.reason for error in failures}  # once, however often read
    return attribution_result(
        model, y, (train, test[usable]), scores[usable], y_pred[usable], tuple(listed.items())
    )


def _split(
    y: np.ndarray, groups: Any, test_size: float, random_state: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Positions to fit on and to hold out, each class on both sides."""
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
    """Clone the estimator; return with it the list that its bad files will be added to."""
    model = clone(estimator)
    failures: list[ImageReadError] = []

    def listen(error: ImageReadError) -> None:
        failures.append(error)
        if callable(estimator.on_error):
            estimator.on_error(error)

    if isinstance(model, FileBatchClassifier):
        # clone copies callables together with what they are bound to; here the caller's are meant
        on_error = estimator.on_error if estimator.on_error == "raise" else listen
        model.set_params(on_error=on_error, progress=estimator.progress)
    return model, failures


def _stop_listening(model: Any, estimator: Any) -> None:
    if isinstance(model, FileBatchClassifier):
        model.set_params(on_error=estimator.on_error)


def _score(model: Any, X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n, n_classes) and attributed classes, in one pass where that is possible."""
    inner = getattr(model, "estimator_", model)
    last = inner[-1] if isinstance(inner, Pipeline) else inner
    if isinstance(last, FingerprintClassifier) and last.metric == "correlation":
        scores = _correlate(model, X)
        return scores, model.classes_[scores.argmax(axis=1)]
    scores = np.asarray(model.decision_function(X))
    scores = np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
    return scores, model.predict(X)


def _correlate(model: Any, X: Any) -> np.ndarray:
    """Correlations, also from a pipeline, which hands on none but scikit-learn's methods."""
    if not isinstance(model, Pipeline):
        return model.correlate(X)
    return model[-1].correlate(model[:-1].transform(X) if len(model) > 1 else X)


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
    n_fit, n_test = (np.array([(y[side] == each).sum() for each in classes]) for side in sides)
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
