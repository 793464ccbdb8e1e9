"""A classifier that can answer: none of these."""

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, _fit_context, clone
from sklearn.utils import get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import MetadataRouter, _routing_enabled
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from sklearn_ganprint._batches import (
    Batches,
    at,
    fit_batches,
    fit_steps,
    pipeline_memory,
    replace_last,
    split_steps,
    without_leading,
)
from sklearn_ganprint._routing import FitParams, last_step_params, pipeline_params, route
from sklearn_ganprint.conformal import (
    CalibrationWarning,
    conformal_threshold,
    scores_needed,
)
from sklearn_ganprint.ensemble import FusionClassifier
from sklearn_ganprint.open_set._calibration import (
    Calibration,
    calibrate,
    leave_one_out,
    leaves_one_out,
    routing,
)
from sklearn_ganprint.open_set._judging import JudgingMixin
from sklearn_ganprint.open_set._labels import unknown_label
from sklearn_ganprint.open_set._scores import (
    SOURCE_SCORES,
    ScoreFunction,
    label_and_score,
)
from sklearn_ganprint.residuals._blanks import LOWEST, leave_out_blank


class OpenSetClassifier(JudgingMixin, MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Attribute images to a known source, or to none at a stated rate of false alarms.

    A false alarm is an image of a known source that is called unknown. The threshold is set on
    scores that training images get from models that have not seen them.

    Parameters
    ----------
    estimator : estimator
        A classifier, or a pipeline that ends with one.

    false_alarm_rate : float, default=0.01
        Share of the known sources' images that may be called unknown, in (0, 1). A rate r takes
        ``1 / r - 1`` calibration scores, 99 for 1 %: with fewer no image is called unknown, and a
        :class:`CalibrationWarning` says so.

    score_function : {"auto", "decision", "mahalanobis"} or callable, default="auto"
        Nearness to each source, of which the greatest decides. "mahalanobis" is the negative
        distance in the space of a linear discriminant analysis, see
        :func:`discriminant_distances`. "decision" is what the classifier decides by: correlations
        of a :class:`~sklearn_ganprint.FingerprintClassifier`, else ``decision_function`` or
        ``predict_proba``. "auto" is "mahalanobis" after a discriminant analysis, typicality after
        a :class:`~sklearn_ganprint.FusionClassifier`, else "decision".
        A callable is given the last step of the fitted pipeline and what reaches that step, and
        returns scores of shape (n, n_classes), finite, greater is nearer.

    calibration : {"auto", "source", "pooled"}, default="auto"
        For whom the rate holds. "source": for each source, each with a threshold of its own, for
        which each needs enough images. "pooled": for the sources together, in the shares that
        they have in the training images; one that differs from the others may get more false
        alarms. "auto" is "source" if all sources have enough images, else "pooled".

    unknown_label : str or number, default=None
        What ``predict`` calls images of no known source. None is "unknown" for labels that are
        strings; for numbers -1, or one less than the lowest label if that is negative.

    cv : int, splitter or iterable, default=None
        How training images are kept out of the models that score them. None leaves one out at a
        time where that takes no second fit (:class:`~sklearn_ganprint.FingerprintClassifier` after
        steps that learn nothing, without groups), and otherwise is 10 folds, fewer if a source has
        fewer images. An integer makes stratified folds, by group if ``fit`` is given `groups`.

    n_jobs : int, default=None
        Number of folds fitted at a time.

    Attributes
    ----------
    estimator_ : estimator
        The estimator, fitted on all images.

    classes_ : ndarray of shape (n_classes,)
        The known sources; the unknown label is not one of them.

    unknown_label_ : str or number
        What images of no known source are called.

    calibration_ : {"source", "pooled"}
        For whom the rate holds.

    calibration_scores_ : ndarray of float64, shape (n_calibration, n_classes)
        Scores of training images under models that have not seen them.

    calibration_codes_ : ndarray of int, shape (n_calibration,)
        Index in `classes_` of the source of each.

    thresholds_ : ndarray of float64, shape (n_classes,)
        An image is unknown if its score for each source is below that source's threshold.

    n_features_in_ : int
        Number of features, if the fitted estimator tells.

    feature_names_in_ : ndarray of str
        Names of the columns, if the fitted estimator tells.

    See Also
    --------
    FingerprintDetector : One source against the rest of the world.
    sklearn_ganprint.FingerprintClassifier : Attributes every image, however low its score.

    Notes
    -----
    p-values are conformal [1]_: ranks among the calibration scores, right whatever distribution
    these have, if new images of the sources are like those fitted on. Recompressed or resized
    ones are not. Choosing the greatest of many scores is allowed for by ranking greatest scores
    among greatest scores ("pooled") as in [2]_, or by asking that each source be rejected
    ("source"); neither needs the sources to be independent.

    There is no ``decision_function`` or ``predict_proba``: scikit-learn's tools take the greatest
    of their columns to be what ``predict`` says. Scores of the known sources against each other
    are those of `estimator_`.

    Images without a residual, see :func:`~sklearn_ganprint.residuals.residual_share`, have no
    answer: their typicality is the lowest finite one, and they are unknown at any rate. In ``fit``
    they are left out with a warning.

    The model fitted on all images is a little better than those of the folds, so that false
    alarms tend to be rarer than stated.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", Springer,
       2005.
    .. [2] P. H. Westfall, S. S. Young, "Resampling-based multiple testing", Wiley, 1993.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import FingerprintClassifier
    >>> from sklearn_ganprint.open_set import OpenSetClassifier
    >>> rng = np.random.default_rng(0)
    >>> patterns = rng.normal(size=(3, 1024))
    >>> y = np.repeat(["camera", "gan", "other"], 60)
    >>> residuals = np.repeat(patterns, 60, axis=0) + rng.normal(scale=3, size=(180, 1024))
    >>> known = y != "other"
    >>> clf = OpenSetClassifier(FingerprintClassifier()).fit(residuals[known], y[known])
    >>> clf.predict(residuals[~known])[:3]
    array(['unknown', 'unknown', 'unknown'], dtype='<U7')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither")],
        "score_function": [StrOptions(set(SOURCE_SCORES)), callable],
        "calibration": [StrOptions({"auto", "source", "pooled"})],
        "unknown_label": [str, Real, None],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        false_alarm_rate: float = 0.01,
        score_function: str | ScoreFunction = "auto",
        calibration: str = "auto",
        unknown_label: str | float | None = None,
        cv: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.false_alarm_rate = false_alarm_rate
        self.score_function = score_function
        self.calibration = calibration
        self.unknown_label = unknown_label
        self.cv = cv
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, **params: Any) -> Self:
        """Fit the estimator, and set the thresholds on images that models have not seen.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        y : array-like of shape (n,)
            Source of each image, all of them known.

        **params : dict
            `groups` goes to the splitter, so that images of one group, such as translations of
            one photo, are never on both sides of a fold. All else goes to the estimator's
            ``fit``. With metadata routing enabled, each goes where it is requested.

        Returns
        -------
        OpenSetClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are fewer than two classes, the unknown label is one of them, or no image of a
            class has a residual.
        """
        X, y = indexable(X, column_or_1d(y, warn=True))
        X, y, params = leave_out_blank(self.estimator, X, y, **params)
        if set(params) <= {"groups"}:
            return self.fit_batches(Batches(X), y, **params)
        # For any step: only the whole pipeline knows which.
        routed = route(self, params)
        self._check_classes(y)
        fitted = clone(self.estimator).fit(X, y, **routed.fit)
        return self._store(fitted, self._calibrate(self.estimator, fitted, X, y, routed))

    def fit_batches(self, batches: Batches, y: np.ndarray, **params: Any) -> Self:
        """Fit on batches of images that need not be in memory.

        Parameters
        ----------
        batches : Batches
            The images.

        y : ndarray of shape (n,)
            Source of each image.

        **params : dict
            `groups` goes to the splitter, all else to the ``fit`` of the estimator's last step.

        Returns
        -------
        OpenSetClassifier
            The fitted classifier.
        """
        self._validate_params()
        self._check_classes(y)
        estimator = clone(self.estimator)
        leading, rest = split_steps(estimator)
        fit, split = route(self, params)
        if self._knows_unseen_scores(rest[0]):
            params = fit if _routing_enabled() else params
            fitted = fit_batches(estimator, batches, y, params)
            fusion = rest[0]
            scores = fusion.out_of_fold_typicality_
            if self.score_function == "decision":
                scores = fusion.out_of_fold_scores_
            return self._store(fitted, Calibration(scores, fusion.out_of_fold_codes_))
        own = last_step_params(estimator, fit)
        if self.cv is None and not split and leaves_one_out(estimator, self.score_function):
            fitted = fit_batches(estimator, batches, y, fit)
            scores, kept = batches.collect(leave_one_out, fitted, rows=(y, *own.values()))
            return self._store(fitted, Calibration(scores, fitted.classes_.searchsorted(y[kept])))
        X, kept = batches.behind(leading).collect()
        fitted = fit_steps(rest, X, y[kept], pipeline_memory(estimator), **at(kept, own))
        fitted = replace_last(estimator, fitted)
        learner = without_leading(self.estimator)
        routed = FitParams(pipeline_params(learner, at(kept, fit)), at(kept, split))
        found = self._calibrate(learner, without_leading(fitted), X, y[kept], routed)
        return self._store(fitted, found)

    def _knows_unseen_scores(self, estimator: Any) -> bool:
        """Whether an estimator's fit gives the scores to calibrate with."""
        own = self.cv is None and self.score_function in ("auto", "decision")
        return own and isinstance(estimator, FusionClassifier)

    def _check_classes(self, y: np.ndarray) -> None:
        check_classification_targets(y)
        if len(classes := np.unique(y)) < 2:
            raise ValueError(
                f"OpenSetClassifier needs images of at least 2 classes, got "
                f"{len(classes)} class: {classes.tolist()}. FingerprintDetector is for one source."
            )

    def _calibrate(
        self, estimator: Any, fitted: Any, X: Any, y: np.ndarray, params: FitParams
    ) -> Calibration:
        return calibrate(
            estimator,
            fitted,
            X,
            y,
            score_function=self.score_function,
            cv=self.cv,
            params=params,
            n_jobs=self.n_jobs,
        )

    def _store(self, fitted: Any, found: Calibration) -> Self:
        """Keep the fitted estimator, and what its scores of unseen images say."""
        self.estimator_, self.classes_ = fitted, fitted.classes_
        self.unknown_label_ = unknown_label(self.unknown_label, self.classes_)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(fitted, name):
                setattr(self, name, getattr(fitted, name))
        return self._set_thresholds(found)

    def predict(self, X: Any) -> np.ndarray:
        """Attribute each image to a known source, or to none.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of shape (n,)
            The estimator's prediction, or the unknown label where the score for each source is
            below that source's threshold, or the image has no residual.
        """
        check_is_fitted(self)
        labels, scores = label_and_score(self.estimator_, X, self.score_function)
        known = ((scores >= self.thresholds_) & (scores > LOWEST)).any(axis=1)
        return labels if known.all() else np.where(known, labels, self.unknown_label_)

    def _set_thresholds(self, found: Calibration) -> Self:
        self.calibration_scores_, self.calibration_codes_ = found
        n_classes = len(self.classes_)
        counts = np.bincount(found.codes, minlength=n_classes)
        self.calibration_ = self.calibration
        if self.calibration == "auto":
            enough = counts.min() >= scores_needed(self.false_alarm_rate)
            self.calibration_ = "source" if enough else "pooled"
        if self.calibration_ == "pooled":
            limit = conformal_threshold(found.scores.max(axis=1), self.false_alarm_rate)
            self.thresholds_ = np.full(n_classes, limit)
        else:
            own = self._own_scores()
            limits = [own[self._calibrates(code)] for code in range(n_classes)]
            self.thresholds_ = np.array(
                [conformal_threshold(each, self.false_alarm_rate) for each in limits]
            )
        self._warn_of_few(counts)
        return self

    def _warn_of_few(self, counts: np.ndarray) -> None:
        """Say why nothing can be called unknown, if so."""
        n = counts.sum() if self.calibration_ == "pooled" else counts.min()
        if n >= scores_needed(self.false_alarm_rate):
            return
        whose = "in all" if self.calibration_ == "pooled" else "for the smallest source"
        warnings.warn(
            f"No image can be called unknown: a false-alarm rate of {self.false_alarm_rate:g} "
            f"needs {scores_needed(self.false_alarm_rate)} calibration scores, and there are {n} "
            f"{whose}, with which no p-value is below 1 / {n + 1}. Fit on more images, or choose "
            f"a false_alarm_rate of {1 / (n + 1):.3g} or more.",
            CalibrationWarning,
            stacklevel=3,
        )

    def get_metadata_routing(self) -> MetadataRouter:
        """Say which fit parameters go to the estimator and which to the splitter.

        Returns
        -------
        MetadataRouter
            The routing.
        """
        return routing(self)

    def __sklearn_tags__(self) -> Any:
        """Take over the wrapped estimator's tags."""
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.classifier_tags, tags.input_tags = inner.classifier_tags, inner.input_tags
        return tags
