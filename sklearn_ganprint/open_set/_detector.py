"""The detector of images of one source."""

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin
from sklearn.utils import get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _num_samples, check_is_fitted

from sklearn_ganprint._batches import _metaestimators
from sklearn_ganprint._batches._metaestimators import FitsParts, RoutesFitParams, ScoresSamples
from sklearn_ganprint._compat import Callbacks, fit_context
from sklearn_ganprint._images import stack_images
from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.classification._base import sources
from sklearn_ganprint.conformal import (
    Calibration,
    CalibrationWarning,
    advice_on_rate,
    scores_needed,
)
from sklearn_ganprint.open_set import _calibration
from sklearn_ganprint.open_set._calibration import ScoreFunction
from sklearn_ganprint.residuals._blanks import LOWEST, leave_out_blank


class FingerprintDetector(
    RoutesFitParams, Callbacks, OutlierMixin, MetaEstimatorMixin, BaseEstimator
):
    """Detect the images of one source, at a stated rate of false alarms.

    Parameters
    ----------
    estimator : estimator, default=None
        Scores images. None is ``FingerprintClassifier("cosine")``, the correlation of a residual
        and the mean one without centring, which residuals hardly need. With `source` any
        classifier serves; without it an outlier detector, or a pipeline that ends with one, too.
    source : str or number, default=None
        The label in `y` of the source to detect; the other images are examples of the rest of
        the world. None takes all images to be of the source, and ignores `y`.
    null : {"source", "others"}, default="source"
        The null hypothesis about an image. "source": the image is of the source; a false alarm
        calls an image of the source foreign. "others": the image is foreign, like those of the
        other labels in `y` together; a false alarm takes one of these for the source's. The rate
        says nothing about foreign images that are unlike those in `y`.
    false_alarm_rate : float, default=0.01
        Rate of false alarms, in (0, 1). A rate r takes ``1 / r - 1`` images for which the null
        hypothesis is true, 99 for 1 %: with fewer it is never rejected, and a
        :class:`CalibrationWarning` says so.
    score_function : {"auto", "decision", "mahalanobis"} or callable, default="auto"
        How typical an image is of the source, as in :class:`OpenSetClassifier`.
    cv : int, splitter or iterable, default=None
        How images are kept out of the models that score them, as in :class:`OpenSetClassifier`.
    n_jobs : int, default=None
        Number of folds fitted at a time.

    Attributes
    ----------
    estimator_ : estimator
        The estimator, fitted on all images.
    calibration_scores_ : ndarray of float64, shape (n_calibration,)
        Scores of the images for which the null hypothesis is true, under models that have not
        seen them.
    offset_ : float
        An image is taken for the source's if its score is at least this; infinite if there are too
        few calibration scores.
    n_features_in_ : int
        Number of features, if the fitted estimator has it.
    feature_names_in_ : ndarray of str
        Names of the columns, if the fitted estimator has them.

    See Also
    --------
    OpenSetClassifier : Several known sources, or none of them.

    Notes
    -----
    p-values are conformal, see :func:`conformal_p_values`. Those of ``null="source"`` show how
    well an image agrees with the source, which an image of a close relative may do as well;
    those of ``null="others"`` are evidence that it is the source's.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.open_set import FingerprintDetector
    >>> rng = np.random.default_rng(0)
    >>> patterns = rng.normal(size=(2, 1024))
    >>> own, foreign = (p + rng.normal(scale=3, size=(100, 1024)) for p in patterns)
    >>> detector = FingerprintDetector().fit(own)
    >>> detector.predict(foreign[:4])
    array([-1, -1, -1, -1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "source": [str, Real, "boolean", None],
        "null": [StrOptions({"source", "others"})],
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither")],
        "score_function": [StrOptions({"auto", *_calibration.SCORE_FUNCTIONS}), callable],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        source: Any = None,
        null: str = "source",
        false_alarm_rate: float = 0.01,
        score_function: str | ScoreFunction = "auto",
        cv: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.source = source
        self.null = null
        self.false_alarm_rate = false_alarm_rate
        self.score_function = score_function
        self.cv = cv
        self.n_jobs = n_jobs

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of the estimator too.

        Parameters
        ----------
        **params : dict
            Parameters by name. If `estimator` is None and parameters of it are set, it becomes
            the one that it stands for.

        Returns
        -------
        FingerprintDetector
            The detector itself.
        """
        made = _metaestimators.with_objects(
            self, params, estimator=lambda _: FingerprintClassifier("cosine")
        )
        return super().set_params(**made)

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the estimator, and set the threshold on images that models have not seen.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.
        y : array-like of shape (n,), default=None
            Source of each image; ignored if `source` is None.
        **params : dict
            `groups` goes to the splitter, the others to ``fit`` of the estimator, as in
            :class:`OpenSetClassifier`.

        Returns
        -------
        FingerprintDetector
            The fitted detector.

        Raises
        ------
        ValueError
            If `y` lacks images of the source, or of others where they are needed.
        """
        X, y = self._check_labels(X, y)
        estimator = self._checked_estimator()
        X, y, params = leave_out_blank(estimator, X, y, **params)
        self.estimator_, scores, codes = _calibration.fit_and_calibrate(
            self, estimator, X, y, _metaestimators.route(self, params)
        )
        _calibration.take_over_features(self, self.estimator_)
        column = self._column()
        holds = (codes == column) == (self.null == "source")
        self.calibration_scores_ = scores[holds, 1, column]
        return self._set_offset(self._calibration_set())

    def fit_predict(self, X: Any, y: Any = None, **params: Any) -> np.ndarray:
        """Fit, and classify the same images.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.
        y : array-like of shape (n,), default=None
            Source of each image; ignored if `source` is None.
        **params : dict
            As in :meth:`fit`.

        Returns
        -------
        ndarray of int, shape (n,)
            1 for images of the source, -1 for foreign ones. Images that the estimator was fitted
            on score higher for the source than new ones.
        """
        return self.fit(X, y, **params).predict(X)

    def score_samples(self, X: Any) -> np.ndarray:
        """Score how typical images are of the source.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n,)
            Scores, greater is more typical.
        """
        check_is_fitted(self)
        return _calibration.typicality_scores(self.estimator_, X, self.score_function)[
            :, self._column()
        ]

    def decision_function(self, X: Any) -> np.ndarray:
        """Score images for the source, less the threshold.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n,)
            ``score_samples(X) - offset_``: negative for images taken for foreign ones.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Classify images as those of the source or foreign ones.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of int, shape (n,)
            1 for images of the source, -1 for foreign ones and for those without a residual.
        """
        scores = self.score_samples(X)
        return np.where((scores >= self.offset_) & (scores > LOWEST), 1, -1)

    def p_values(self, X: Any) -> np.ndarray:
        """Compute the p-value of the null hypothesis for each image.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n,)
            The null hypothesis is rejected where this is at most `false_alarm_rate`.
        """
        scores = self._sign() * self.score_samples(X)
        return self._calibration_set().p_values(scores[:, np.newaxis])[:, 0]

    def _check_labels(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        if self.source is None:
            if self.null == "others":
                raise ValueError("null='others' needs `source`, and images of others in X and y.")
            return indexable(stack_images(X))[0], np.zeros(_num_samples(X), dtype=int)
        if y is None:
            raise ValueError(f"source={self.source!r} needs y: the source of each image.")
        X, y = indexable(stack_images(X), _metaestimators.label_column(y))
        labels = np.unique(y).tolist()
        if self.source not in labels or len(labels) < 2:
            raise ValueError(
                f"y must hold the source {self.source!r} and at least one other, got {labels}."
            )
        return X, y

    def _inner(self) -> Any:
        return FingerprintClassifier("cosine") if self.estimator is None else self.estimator

    def _checked_estimator(self) -> Any:
        estimator = self._inner()
        one_class = _metaestimators.offers(estimator, ScoresSamples) or _metaestimators.offers(
            estimator, FitsParts
        )
        if self.source is None and not one_class:
            raise ValueError(
                f"{estimator!r} tells sources apart, and needs images of others: set `source` and "
                f"pass y. Without them use an outlier detector, or no estimator."
            )
        return estimator

    def _column(self) -> int:
        """Position of the source among the classes of the estimator."""
        classes = sources(self.estimator_)
        return 0 if self.source is None else int(np.searchsorted(classes, self.source))

    def _sign(self) -> int:
        """Sign with which low scores speak against the null hypothesis."""
        return 1 if self.null == "source" else -1

    def _calibration_set(self) -> Calibration:
        """Scores of calibration images, low ones against the null hypothesis."""
        scores = self._sign() * self.calibration_scores_[:, np.newaxis]
        return Calibration(scores, np.zeros(len(scores), dtype=int))

    def _set_offset(self, calibration: Calibration) -> Self:
        limit = self._sign() * float(calibration.thresholds(self.false_alarm_rate)[0])
        # A score equal to the limit does not reject the null hypothesis, whichever it is.
        self.offset_ = limit if self.null == "source" else float(np.nextafter(limit, np.inf))
        n = calibration.n_scores
        if n < scores_needed(self.false_alarm_rate):
            warnings.warn(
                f"The hypothesis that an image is of the {self.null} is never rejected: a "
                f"false-alarm rate of {self.false_alarm_rate:g} needs "
                f"{scores_needed(self.false_alarm_rate)} calibration scores, and there are {n}. "
                f"{advice_on_rate(n)}",
                CalibrationWarning,
                stacklevel=4,
            )
        return self

    def __sklearn_tags__(self) -> Any:
        """Take over the wrapped estimator's input tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self._inner()).input_tags
        return tags
