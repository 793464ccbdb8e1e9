"""The classifier that calls images of no known source unknown."""

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import deprecated, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint._batches import Batches, last_step, split_steps, takes_any_size
from sklearn_ganprint._batches._metaestimators import (
    Mergeable,
    RoutesFitParams,
    check_classes,
    check_fit_params,
    label_column,
    offers,
    route,
)
from sklearn_ganprint._compat import Callbacks, fit_context
from sklearn_ganprint._images import stack_images
from sklearn_ganprint.conformal import (
    Calibration,
    CalibrationWarning,
    PredictionSets,
    advice_on_coverage,
    advice_on_rate,
    scores_needed,
)
from sklearn_ganprint.open_set import _calibration
from sklearn_ganprint.open_set._calibration import ScoreFunction
from sklearn_ganprint.open_set._sources import SourceFamilies, SourceLikelihoodRatios
from sklearn_ganprint.residuals._blanks import LOWEST, leave_out_blank, without_residual


class OpenSetClassifier(
    RoutesFitParams, Callbacks, MetaEstimatorMixin, ClassifierMixin, BaseEstimator
):
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
        How typical an image is of each source. "mahalanobis" is the negative distance in the
        space of a linear discriminant analysis, see :func:`discriminant_distances`. "decision" is
        what the classifier decides by: correlations of a
        :class:`~sklearn_ganprint.FingerprintClassifier`, else ``decision_function`` or
        ``predict_proba``. "auto" is ``typicality_scores`` of the classifier if it has them, as a
        :class:`~sklearn_ganprint.FusionClassifier` does, "mahalanobis" after a discriminant
        analysis, else "decision".
        A callable is given the last step of the fitted pipeline and what reaches that step, and
        returns finite scores of shape (n, n_classes), greater is more typical.
    calibration : {"auto", "source", "pooled"}, default="auto"
        What the rate, and a coverage, hold for. "source": each source, with a threshold of its own,
        which takes enough images of each. "pooled": the sources together, in the shares that they
        have in the training images; a source that differs from the others may get more false
        alarms. "auto" is "source" if all sources have enough images, among which copies that the
        estimator makes do not count, else "pooled".
    unknown_label : str or number, default=None
        What ``predict`` calls images of no known source. None is "unknown" for labels that are
        strings; for numbers -1, or one less than the lowest label if that is negative.
    cv : int, splitter or iterable, default=None
        How training images are kept out of the models that score them. None leaves one out at a
        time where that takes no second fit (:class:`~sklearn_ganprint.FingerprintClassifier` after
        steps that learn nothing, without groups), and otherwise is 10 folds. An integer makes
        stratified folds, by group if ``fit`` is given `groups`.
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
        What the rate and a coverage hold for.
    calibration_scores_ : ndarray of float64, shape (n_calibration, n_classes)
        Scores of training images under models that have not seen them.
    calibration_codes_ : ndarray of int, shape (n_calibration,)
        Index in `classes_` of the source of each calibration image.
    calibration_class_scores_ : ndarray of float64, shape (n_calibration, n_classes)
        Class scores of the same images under the same models. Models that former versions have
        saved lack them, and those of an estimator that has no class scores.
    calibration_set_ : Calibration
        Typicality scores and codes, to compute p-values from typicality scores at hand.
    prediction_sets_ : PredictionSets
        Class scores and codes, to compute sets of sources from class scores at hand.
    families_ : SourceFamilies
        Families of sources that are confused with each other.
    thresholds_ : ndarray of float64, shape (n_classes,)
        An image is unknown if its score for each source is below that source's threshold.
    n_features_in_ : int
        Number of features, if the fitted estimator has it.
    feature_names_in_ : ndarray of str
        Names of the columns, if the fitted estimator has them.

    See Also
    --------
    FingerprintDetector : One source against the rest of the world.
    sklearn_ganprint.FingerprintClassifier : Attributes every image, however low its score.

    Notes
    -----
    p-values are conformal [1]_: ranks among the calibration scores, right whatever distribution
    these have, if new images of the sources are like those fitted on. Recompressed or resized
    ones are not. :class:`Calibration` allows for the choice of the greatest of many scores.

    There is no ``decision_function`` or ``predict_proba``, since tools of scikit-learn take the
    greatest column for the prediction. ``class_scores`` are those of `estimator_`.

    Images without a residual, see :func:`~sklearn_ganprint.residuals.residual_share`, have the
    lowest finite typicality, and are unknown at any rate. ``fit`` leaves them out with a warning.

    The model fitted on all images is a little better than the models of the folds, so that false
    alarms tend to be rarer than stated.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", Springer,
       2005.

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
    >>> clf.predict_set(residuals[[0, 60, 120]])
    array([[ True, False],
           [False,  True],
           [False, False]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither")],
        "score_function": [StrOptions({"auto", *_calibration.SCORE_FUNCTIONS}), callable],
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

    @property
    def _takes_any_size(self) -> bool:
        return takes_any_size(self.estimator)

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, **params: Any) -> Self:
        """Fit the estimator, and set the thresholds on images that models have not seen.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.
        y : array-like of shape (n,)
            Source of each image.
        **params : dict
            `groups` goes to the splitter, so that images of one group, such as translations of
            one photo, are never on both sides of a fold. `sources` goes to a last step such as
            :class:`~sklearn_ganprint.DetectionClassifier`, and the others to ``fit`` of the
            estimator. With metadata routing enabled, parameters go where they are requested.

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
        X, y = indexable(stack_images(X), label_column(y))
        X, y, params = leave_out_blank(self.estimator, X, y, **params)
        check_classes(self, y, " FingerprintDetector is for one source.")
        if set(params) <= {"groups", "sources"}:
            params = check_fit_params(y, **params)
            found = _calibration.fit_and_calibrate_batches(self, Batches(X), y, params)
        else:  # parameters for any step, which only the whole pipeline can hand on
            found = _calibration.fit_and_calibrate(self, self.estimator, X, y, route(self, params))
        return self._store(*found)

    def fit_batches(self, batches: Batches, y: np.ndarray, **params: Any) -> Self:
        """Fit on batches of images that need not be in memory.

        Parameters
        ----------
        batches : Batches
            The images.
        y : ndarray of shape (n,)
            Source of each image.
        **params : dict
            `groups` goes to the splitter, the others to ``fit`` of the last step of the estimator.

        Returns
        -------
        OpenSetClassifier
            The fitted classifier.
        """
        self._validate_params()
        check_classes(self, y, " FingerprintDetector is for one source.")
        return self._store(*_calibration.fit_and_calibrate_batches(self, batches, y, params))

    def _store(self, fitted: Any, scores: np.ndarray, codes: np.ndarray) -> Self:
        """Keep the fitted estimator, and set thresholds from its scores of unseen images."""
        self.estimator_, self.classes_ = fitted, fitted.classes_
        self.unknown_label_ = _unknown_label(self.unknown_label, self.classes_)
        _calibration.take_over_features(self, fitted)
        decision, self.calibration_scores_ = np.ascontiguousarray(scores.swapaxes(0, 1))
        self.calibration_codes_ = codes
        self.__dict__.pop("calibration_class_scores_", None)
        if not np.isnan(decision).any():
            self.calibration_class_scores_ = decision
        self.calibration_ = self.calibration
        if self.calibration == "auto":
            # Copies of an image are too much like it to count as further ones.
            as_made = self._versions(codes) == 0
            by_source = Calibration(self.calibration_scores_[as_made], codes[as_made])
            enough = by_source.n_scores >= scores_needed(self.false_alarm_rate)
            self.calibration_ = "source" if enough else "pooled"
        self.thresholds_ = self.calibration_set_.thresholds(self.false_alarm_rate)
        self._warn_of_few(self.calibration_set_.n_scores)
        return self

    def _warn_of_few(self, n: int) -> None:
        """Warn if there are too few calibration scores to call any image unknown."""
        if n >= scores_needed(self.false_alarm_rate):
            return
        warnings.warn(
            f"No image can be called unknown: a false-alarm rate of {self.false_alarm_rate:g} "
            f"needs {scores_needed(self.false_alarm_rate)} calibration scores, and there are {n} "
            f"{self._of_which()}, with which no p-value is below 1 / {n + 1}. {advice_on_rate(n)}",
            CalibrationWarning,
            stacklevel=3,
        )

    def _warn_of_few_for_sets(self, n: int, coverage: float) -> None:
        """Warn if there are too few calibration scores to leave any source out of a set."""
        if n >= scores_needed(1 - coverage):
            return
        which = (
            "All sources are" if self.calibration_ == "pooled" else "A source with few images is"
        )
        warnings.warn(
            f"{which} in each set: a coverage of {coverage:g} needs "
            f"{scores_needed(1 - coverage)} calibration scores, and there are {n} "
            f"{self._of_which()}. {advice_on_coverage(n)}",
            CalibrationWarning,
            stacklevel=3,
        )

    def _of_which(self) -> str:
        return "in all" if self.calibration_ == "pooled" else "for the smallest source"

    @property
    def calibration_set_(self) -> Calibration:
        """Scores of the calibration images."""
        check_is_fitted(self)
        pooled = self.calibration_ == "pooled"
        return Calibration(self.calibration_scores_, self.calibration_codes_, pooled)

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
        classifier, rows = last_step(self.estimator_, X)
        if _calibration.gives_both(classifier, self.score_function):
            decision, scores = classifier._both_scores(rows).swapaxes(0, 1)
            labels = classifier.classes_[decision.argmax(axis=1)]
        else:
            labels = classifier.predict(rows)
            scores = _calibration.step_scores(classifier, rows, self.score_function)
        known = self._are_known(scores) & ~without_residual(self.estimator_, X)
        return labels if known.all() else np.where(known, labels, self.unknown_label_)

    def predict_set(self, X: Any, coverage: float = 0.95) -> np.ndarray:
        """Give each image a set of sources, which holds its own at a stated coverage.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.
        coverage : float, default=0.95
            Share of the known sources' images whose set is to hold their source, in (0, 1). The
            images that are called unknown, at most `false_alarm_rate` of them, come off it.

        Returns
        -------
        ndarray of bool, shape (n, n_classes)
            Whether a source of `classes_` is in the set of an image. The set of an image that
            ``predict`` calls unknown is empty: none of the known sources.

        Raises
        ------
        AttributeError
            If there are no `calibration_class_scores_`.
        ValueError
            If `coverage` is not in (0, 1).

        Warns
        -----
        CalibrationWarning
            If there are too few calibration scores, so that sets hold all sources.

        See Also
        --------
        PredictionSets : How the sets are made.
        """
        sets = self.prediction_sets_
        sets.thresholds(coverage)
        self._warn_of_few_for_sets(sets.n_scores, coverage)
        scores, typicality = self._both_scores(X).swapaxes(0, 1)
        return sets.predict_set(scores, coverage) & self._are_known(typicality)[:, np.newaxis]

    @property
    def prediction_sets_(self) -> PredictionSets:
        """Class scores of the calibration images."""
        check_is_fitted(self)
        if not hasattr(self, "calibration_class_scores_"):
            raise AttributeError(
                "Prediction sets need class scores of calibration images, which this model lacks: "
                "a former version has saved it, or its estimator has no class scores. Fit it "
                "anew, with a classifier that has decision_function or predict_proba."
            )
        pooled = self.calibration_ == "pooled"
        return PredictionSets(self.calibration_class_scores_, self.calibration_codes_, pooled)

    def predict_family(self, X: Any, coverage: float = 0.95) -> np.ndarray:
        """Give each image the family of sources that its prediction set lies in.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.
        coverage : float, default=0.95
            Of the prediction sets, as in :meth:`predict_set`, in (0, 1).

        Returns
        -------
        ndarray of str, shape (n,)
            Name of the family of `families_` that all sources of an image's set are of, such as
            "ldif or stab", or the name of a source that stands alone. Where a set has sources of
            several families the name is empty. Where ``predict`` says unknown it is the unknown
            label.

        Raises
        ------
        AttributeError
            If there are no `calibration_class_scores_`.
        ValueError
            If `coverage` is not in (0, 1).

        Warns
        -----
        CalibrationWarning
            If there are too few calibration scores, so that sets hold all sources.

        See Also
        --------
        predict_set : The sources that cannot be ruled out.

        Notes
        -----
        A family holds each source of the set inside it, hence an image's own whenever the set does.
        So of the known sources' images, at most a share of ``1 - coverage`` gets the name of a
        family that is not theirs, however families were found. That is a share of all images, and
        not of those that get a name.
        """
        families, members = self.families_, self.predict_set(X, coverage)
        names = np.array([*families.names, ""])  # the last one for -1, which is no family
        found = names[families.of_sets(members)]
        return np.where(members.any(axis=1), found, str(self.unknown_label_))

    @property
    def families_(self) -> SourceFamilies:
        """Families of sources that are confused with each other, in images as they are.

        Processed copies of images, which a fusion may be fitted on, count as no confusion: what
        they have lost says nothing about how much alike sources are.
        """
        sets = self.prediction_sets_
        as_made = self._versions(sets.codes) == 0
        return SourceFamilies(sets.scores[as_made], sets.codes[as_made], self.classes_)

    def _versions(self, codes: np.ndarray) -> np.ndarray:
        """Tell calibration scores of images as they are, 0, from those of copies."""
        last = split_steps(self.estimator_)[1][-1]
        versions = np.asarray(getattr(last, "out_of_fold_versions_", ()))
        return versions if versions.shape == codes.shape else np.zeros_like(codes)

    def _are_known(self, typicality: np.ndarray) -> np.ndarray:
        """Whether each image is typical enough of a source to be called known."""
        return np.any((typicality >= self.thresholds_) & (typicality > LOWEST), axis=1)

    def _both_scores(self, X: Any) -> np.ndarray:
        """Class and typicality scores, shape (n, 2, n_classes), in one pass over the images."""
        check_is_fitted(self)
        classifier, rows = last_step(self.estimator_, X)
        scores = _calibration.both_scores(classifier, rows, self.score_function)
        scores[without_residual(self.estimator_, X), 1] = LOWEST
        return scores

    def class_scores(self, X: Any) -> np.ndarray:
        """Score the known sources against each other, as the estimator does.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Scores; the estimator predicts the class with the greatest one.
        """
        check_is_fitted(self)
        return _calibration.step_scores(*last_step(self.estimator_, X), "decision")

    def typicality_scores(self, X: Any) -> np.ndarray:
        """Score how typical an image is of each source, which p-values and thresholds rest on.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Scores as `score_function` says, greater is more typical. Images without a residual
            have the lowest finite number of single precision.

        See Also
        --------
        Calibration : Turns these scores into p-values.
        """
        check_is_fitted(self)
        return _calibration.typicality_scores(self.estimator_, X, self.score_function)

    def score_samples(self, X: Any) -> np.ndarray:
        """Score for the most typical source, whatever the rate of false alarms.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n,)
            Greatest score over the known sources: low where an image is of none of them.
        """
        return self.typicality_scores(X).max(axis=1)

    def p_values(self, X: Any) -> np.ndarray:
        """Compute a p-value for each source, small where an image is untypical of the source.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            For an image of source c, the p-value in column c is at most a with a probability of at
            most a.

        See Also
        --------
        known_p_values : One p-value for all known sources together.
        """
        return self.calibration_set_.p_values(self.typicality_scores(X))

    def known_p_values(self, X: Any) -> np.ndarray:
        """Compute the p-value of the hypothesis that an image comes from one of the known sources.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n,)
            An image is called unknown where this is at most `false_alarm_rate`.

        See Also
        --------
        p_values : A p-value for each source.
        """
        return self.calibration_set_.known_p_values(self.typicality_scores(X))

    def log10_likelihood_ratios(self, X: Any, against: str = "others") -> np.ndarray:
        """Compute how strongly images speak for each source, as logarithms of likelihood ratios.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.
        against : {"others", "unknown"}, default="others"
            The alternative to the source: another of the known sources, or one that is not known.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            2 where what is seen in an image is 100 times as probable if the source of the column
            made it than if the alternative is true. Images without a residual have NaN.

        Raises
        ------
        AttributeError
            If there are no `calibration_class_scores_`, or the estimator has no scores of images by
            models without their source.
        ValueError
            If `against` is something else.

        See Also
        --------
        SourceLikelihoodRatios : How they are calibrated, and what limits them.
        """
        if against not in ("others", "unknown"):
            raise ValueError(f"against must be 'others' or 'unknown', got {against!r}.")
        lrs = self.likelihood_ratios_
        if against == "unknown" and lrs.lacking is None:
            raise AttributeError(
                "Likelihood ratios against a source that is not known need scores of images by "
                "models without their source, which this model lacks. Fit it anew on three sources "
                "or more, with an estimator of the kind 'robust' or 'fingerprint'."
            )
        scores, typicality = self._both_scores(X).swapaxes(0, 1)
        blank = typicality.max(axis=1) <= LOWEST
        found = (
            lrs.against_others(scores) if against == "others" else lrs.against_unknown(typicality)
        )
        found[blank] = np.nan
        return found

    @property
    def likelihood_ratios_(self) -> SourceLikelihoodRatios:
        """Class and typicality scores of the calibration images, to compute LRs from scores.

        Typicality scores without the source of an image are there with three sources or more, for
        a :class:`~sklearn_ganprint.FusionClassifier` that has them, and for classifiers whose
        scores for the other sources are the same without it.
        """
        sets, calibration = self.prediction_sets_, self.calibration_set_
        last, lacking = split_steps(self.estimator_)[1][-1], None
        if _calibration.scores_unseen(self):
            lacking = getattr(last, "out_of_class_typicality_", None)
        if offers(last, Mergeable) and len(self.classes_) > 2:
            is_own = sets.codes[:, np.newaxis] == np.arange(len(self.classes_))
            lacking = np.where(is_own, -np.inf, calibration.scores)
        versions = self._versions(sets.codes)
        return SourceLikelihoodRatios(sets, calibration, lacking, versions=versions)

    @deprecated("use class_scores and typicality_scores. It will be gone in version 0.3.")
    def assess(self, X: Any) -> np.ndarray:
        """Compute both kinds of scores.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n, 2, n_classes)
            What :meth:`class_scores` and :meth:`typicality_scores` return.
        """
        return self._both_scores(X)

    @deprecated("use calibration_set_.p_values(scores). It will be gone in version 0.3.")
    def p_values_from_scores(self, scores: Any, *, calibration: str | None = None) -> np.ndarray:
        """Turn scores of images into a p-value for each source.

        Parameters
        ----------
        scores : array-like of shape (n, n_classes)
            What :meth:`typicality_scores` returns.
        calibration : {"source", "pooled"}, default=None
            Calibration images that scores are ranked among. None is `calibration_`.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            As :meth:`p_values` returns them.
        """
        if calibration not in ("source", "pooled", None):
            raise ValueError(
                f"calibration must be 'source', 'pooled' or None, got {calibration!r}."
            )
        pooled = None if calibration is None else calibration == "pooled"
        return self.calibration_set_.p_values(scores, pooled=pooled)

    @deprecated("use calibration_set_.known_p_values(scores). It will be gone in version 0.3.")
    def known_p_values_from_scores(self, scores: Any) -> np.ndarray:
        """Turn scores into the p-value of an image's coming from one of the known sources.

        Parameters
        ----------
        scores : array-like of shape (n, n_classes)
            What :meth:`typicality_scores` returns.

        Returns
        -------
        ndarray of float64, shape (n,)
            As :meth:`known_p_values` returns them.
        """
        return self.calibration_set_.known_p_values(scores)

    def __sklearn_tags__(self) -> Any:
        """Take over the wrapped estimator's tags."""
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.classifier_tags, tags.input_tags = inner.classifier_tags, inner.input_tags
        return tags


def _unknown_label(label: Any, classes: np.ndarray) -> Any:
    """Label of images of no known source, of the type that the classes have."""
    numeric = np.issubdtype(classes.dtype, np.number) or classes.dtype == bool
    if label is None:
        return min(-1, int(classes.min()) - 1) if numeric else _check_free("unknown", classes)
    if isinstance(label, str) == numeric:
        raise ValueError(
            f"unknown_label must be of the same type as the labels in y, a "
            f"{'number' if numeric else 'string'}, got {label!r}. Metrics refuse a mixture."
        )
    return _check_free(label, classes)


def _check_free(label: Any, classes: np.ndarray) -> Any:
    if label in classes.tolist():
        raise ValueError(
            f"The unknown label {label!r} is one of the classes in y. Set unknown_label to "
            f"something else."
        )
    return label
