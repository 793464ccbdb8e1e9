"""Conformal p-values, thresholds and prediction sets, from scores whose source is known."""

import math
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

__all__ = [
    "Calibration",
    "CalibrationWarning",
    "PredictionSets",
    "conformal_p_values",
    "conformal_threshold",
    "rejected_ranks",
    "scores_needed",
]


class CalibrationWarning(UserWarning):
    """There are too few calibration scores for the stated rate of false alarms, or coverage."""


class _KnownScores:
    """Scores of images whose source is known."""

    def __init__(self, scores: Any, codes: Any, pooled: bool = False) -> None:
        self.scores, self.codes, self.pooled = np.asarray(scores), np.asarray(codes), pooled
        if self.scores.ndim != 2 or np.isnan(self.scores).any():
            found = f"the shape {self.scores.shape}" if self.scores.ndim != 2 else "NaN"
            raise ValueError(f"scores: expected numbers of shape (n, n_classes), got {found}.")
        n, n_classes = self.scores.shape
        is_column = np.isin(self.codes, range(n_classes)).all() and self.codes.dtype.kind in "iu"
        if self.codes.shape != (n,) or not is_column:
            raise ValueError(
                f"codes: expected one integer from 0 to {n_classes - 1} for each of {n} rows of "
                f"scores, got {self.codes.dtype} of shape {self.codes.shape}."
            )

    @property
    def n_scores(self) -> int:
        """Number of scores that a score is ranked among.

        Returns
        -------
        int
            Number of calibration images; unless pooled, of the source with the fewest.
        """
        counts = np.bincount(self.codes, minlength=self.scores.shape[1])
        return int(counts.sum() if self.pooled else counts.min())

    def _check(self, scores: Any, method: str) -> np.ndarray:
        scores = np.asarray(scores, dtype=np.float64)
        n_classes = self.scores.shape[1]
        if scores.ndim != 2 or scores.shape[1] != n_classes:
            raise ValueError(
                f"scores: expected the shape (n, n_classes) = (n, {n_classes}) that "
                f"{method} returns, got {scores.shape}."
            )
        return scores


class Calibration(_KnownScores):
    """Scores of images whose source is known, which scores of other images are ranked among.

    Parameters
    ----------
    scores : array-like of float64, shape (n, n_classes)
        Scores of the calibration images for each source, greater is more typical, under models
        that have not seen these images.
    codes : array-like of int, shape (n,)
        Column of the source of each calibration image.
    pooled : bool, default=False
        Whether a rate of false alarms holds for the sources together: scores are ranked among
        those of all calibration images. Otherwise the rate holds for each source, and scores for
        a source are ranked among those of its own calibration images.

    See Also
    --------
    OpenSetClassifier : Has one as `calibration_set_`.
    conformal_p_values : The p-values for one source.

    Notes
    -----
    The hypothesis that an image comes from any of the sources takes the greatest of its scores.
    That choice is allowed for by ranking greatest scores among greatest scores (pooled) as in
    [1]_, or by asking that the image be rejected for each source. Neither needs the sources to be
    independent.

    References
    ----------
    .. [1] P. H. Westfall, S. S. Young, "Resampling-based multiple testing", Wiley, 1993.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.open_set import Calibration
    >>> scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.1], [0.3, 0.6], [0.2, 0.5]])
    >>> calibration = Calibration(scores, np.array([0, 0, 0, 1, 1]))
    >>> calibration.p_values([[0.85, 0.1]])
    array([[0.75      , 0.33333333]])
    >>> calibration.known_p_values([[0.85, 0.1]])
    array([0.75])
    >>> calibration.thresholds(0.4)
    array([0.7, 0.5])
    """

    def __init__(self, scores: Any, codes: Any, pooled: bool = False) -> None:
        super().__init__(scores, codes, pooled)  # here for its documentation, which is checked

    def p_values(self, scores: Any, *, pooled: bool | None = None) -> np.ndarray:
        """Compute a p-value for each source.

        Parameters
        ----------
        scores : array-like of shape (n, n_classes)
            Scores of images. Rows that are NaN stay so.
        pooled : bool, default=None
            Whether scores are ranked among those of all calibration images for their own source.
            None is the attribute.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            For an image of source c, the p-value in column c is at most a with a probability of at
            most a.

        Raises
        ------
        ValueError
            If `scores` has another number of columns.
        """
        pooled = self.pooled if pooled is None else pooled
        columns = [
            conformal_p_values(column, self._own_scores(None if pooled else code))
            for code, column in enumerate(self._check(scores, "typicality_scores").T)
        ]
        return np.column_stack(columns)

    def known_p_values(self, scores: Any) -> np.ndarray:
        """Compute the p-value of the hypothesis that an image comes from one of the sources.

        Parameters
        ----------
        scores : array-like of shape (n, n_classes)
            Scores of images. Rows that are NaN stay so.

        Returns
        -------
        ndarray of float64, shape (n,)
            At any rate, the sources are rejected together where this is at most that rate.

        Raises
        ------
        ValueError
            If `scores` has another number of columns.
        """
        if not self.pooled:
            return self.p_values(scores).max(axis=1)
        return conformal_p_values(
            self._check(scores, "typicality_scores").max(axis=1), self.scores.max(axis=1)
        )

    def others_p_values(self, scores: Any) -> np.ndarray:
        """Compute p-values of the hypotheses that another source than each made an image.

        Small ones are evidence for a source, however few images of it there are.

        Parameters
        ----------
        scores : array-like of shape (n, n_classes)
            Scores of images. Rows that are NaN stay so.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Share of the calibration images of all other sources together whose score for a source
            is as high, the image counted in. For an image that is like these, the p-value is at
            most a with a probability of at most a. Sources that are not among them, such as a
            relative of the source, may score higher.

        Raises
        ------
        ValueError
            If `scores` has another number of columns.

        See Also
        --------
        FingerprintDetector : Decides by the same with ``null="others"``.
        """
        columns = [
            conformal_p_values(-column, -self.others_scores(code))
            for code, column in enumerate(self._check(scores, "typicality_scores").T)
        ]
        return np.column_stack(columns)

    def others_scores(self, code: int) -> np.ndarray:
        """Return what the calibration images of other sources score for a source.

        Parameters
        ----------
        code : int
            Column of the source.

        Returns
        -------
        ndarray of float64, shape (n_others,)
            Without those of models that had no image of the source.
        """
        others = self.scores[self.codes != code, code]
        return others[np.isfinite(others)]

    def thresholds(self, false_alarm_rate: float) -> np.ndarray:
        """Compute the scores below which a source is rejected at a rate of false alarms.

        Parameters
        ----------
        false_alarm_rate : float
            Rate in (0, 1).

        Returns
        -------
        ndarray of float64, shape (n_classes,)
            Minus infinity where there are too few calibration scores.
        """
        n_classes = self.scores.shape[1]
        if self.pooled:
            limit = conformal_threshold(self.scores.max(axis=1), false_alarm_rate)
            return np.full(n_classes, limit)
        own = [self._own_scores(code) for code in range(n_classes)]
        return np.array([conformal_threshold(scores, false_alarm_rate) for scores in own])

    def _own_scores(self, code: int | None) -> np.ndarray:
        """Scores of the images of one source, or of all, for their own source."""
        if code is None:
            return self.scores[np.arange(len(self.codes)), self.codes]
        return self.scores[self.codes == code, code]


class PredictionSets(_KnownScores):
    """Sets of sources that hold an image's own source, at a stated coverage.

    A set holds the sources that are probable enough for an image. How probable that is, is set on
    images whose source is known.

    Parameters
    ----------
    scores : array-like of float64, shape (n, n_classes)
        Scores by which the calibration images are attributed, greater is nearer, under models that
        have not seen these images.
    codes : array-like of int, shape (n,)
        Column of the source of each calibration image.
    pooled : bool, default=False
        Whether a coverage holds for the sources together. Otherwise it holds for the images of
        each source, also of one that is broader than the others (class-conditional, or Mondrian).

    Attributes
    ----------
    scale : float
        The probabilities of the sources are the softmax of `scale` times the scores.

    See Also
    --------
    OpenSetClassifier.predict_set : The sets of images.
    Calibration : Says that an image is from none of the sources.

    Notes
    -----
    A set holds the sources whose probability is at least a threshold (LAC) [1]_:
    :func:`conformal_threshold` of the probabilities that calibration images give their own source.
    That guarantees the mean coverage, whatever the distribution of the scores, if new images are
    exchangeable with those of the calibration. With too few of them, see :func:`scores_needed`,
    sets hold all sources.

    Where most calibration images are easy, that threshold is high, and sets hold one source also
    for an image that is hard: coverage is kept on average, and not for such images. A threshold is
    therefore at most ``1 - coverage``, so that no source that is as probable as that is left out.
    Sets of hard images then keep the coverage about as far as probabilities are right. Adaptive
    prediction sets (APS) [2]_ aim at the same, and come out larger for easy images. The nearest
    source is in each set.

    `scale` makes the sources of the calibration images most likely, and that of one more image
    that is attributed wrongly, by a margin of the scores' spread. Strictly, coverage is guaranteed
    for a scale that other images have set.

    References
    ----------
    .. [1] M. Sadinle, J. Lei, L. Wasserman, "Least ambiguous set-valued classifiers with bounded
       error levels", Journal of the American Statistical Association 114, 2019.
    .. [2] Y. Romano, M. Sesia, E. Candes, "Classification with valid and adaptive coverage",
       NeurIPS, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.open_set import PredictionSets
    >>> rng = np.random.default_rng(0)
    >>> codes = np.repeat([0, 1, 2], 100)
    >>> scores = 4 * np.eye(3)[codes] + rng.normal(size=(300, 3))
    >>> sets = PredictionSets(scores, codes)
    >>> sets.predict_set([[4, 0, 0], [2, 2, 0]], coverage=0.95)
    array([[ True, False, False],
           [ True,  True, False]])
    """

    def __init__(self, scores: Any, codes: Any, pooled: bool = False) -> None:
        super().__init__(scores, codes, pooled)
        self.scale = _likely_scale(self.scores, self.codes)

    def predict_set(self, scores: Any, coverage: float = 0.95) -> np.ndarray:
        """Tell which sources are in the sets of images.

        Parameters
        ----------
        scores : array-like of shape (n, n_classes)
            Scores of images.
        coverage : float, default=0.95
            Share of the images whose set is to hold their source, in (0, 1).

        Returns
        -------
        ndarray of bool, shape (n, n_classes)
            Whether a source is in the set of an image. Rows that are NaN have empty sets.

        Raises
        ------
        ValueError
            If `scores` has another number of columns, or `coverage` is not in (0, 1).
        """
        probabilities = self._probabilities(self._check(scores, "class_scores"))
        greatest = probabilities.max(axis=1, keepdims=True)
        return probabilities >= np.minimum(self.thresholds(coverage), greatest)

    def thresholds(self, coverage: float = 0.95) -> np.ndarray:
        """Compute the probabilities from which on sources are in a set.

        Parameters
        ----------
        coverage : float, default=0.95
            Share of the images whose set is to hold their source, in (0, 1).

        Returns
        -------
        ndarray of float64, shape (n_classes,)
            At most ``1 - coverage``; minus infinity where there are too few calibration images.

        Raises
        ------
        ValueError
            If `coverage` is not in (0, 1).
        """
        if not (isinstance(coverage, int | float | np.floating) and 0 < coverage < 1):
            raise ValueError(f"coverage must be in (0, 1), got {coverage!r}.")
        known = self._probabilities(self.scores)[np.arange(len(self.codes)), self.codes]
        limits = [
            conformal_threshold(known if self.pooled else known[self.codes == code], 1 - coverage)
            for code in range(self.scores.shape[1])
        ]
        return np.minimum(limits, 1 - coverage)

    def _probabilities(self, scores: np.ndarray) -> np.ndarray:
        return softmax(self.scale * scores, axis=1)


def _likely_scale(scores: np.ndarray, codes: np.ndarray) -> float:
    """Find the factor of scores with which their softmax makes the known sources most likely."""
    if not len(codes):
        return 1.0  # of one image a source none is left to be scored
    behind = scores - scores[np.arange(len(codes)), codes][:, np.newaxis]
    # A source that a model has not seen scores minus infinity.
    spread = float(np.sqrt(np.mean(np.square(behind[np.isfinite(behind)])))) or 1.0

    def loss(scale: float) -> float:
        # Without the last image a scale would be infinite where all are attributed rightly.
        return float(logsumexp(scale / spread * behind, axis=1).sum() + np.logaddexp(0, scale))

    return float(minimize_scalar(loss, bounds=(1e-3, 1e3), method="bounded").x / spread)


def conformal_p_values(scores: Any, calibration: Any) -> np.ndarray:
    """Compute the share of scores that are as low as a score, the score itself counted in.

    Parameters
    ----------
    scores : array-like of shape (m,)
        Scores, greater is more typical. NaN, where there is no score, stays NaN.
    calibration : array-like of shape (n,)
        Scores of images for which the hypothesis is true, in any order. None may have helped to
        make the scoring rule.

    Returns
    -------
    ndarray of float64, shape (m,)
        P-values from ``1 / (n + 1)`` to 1, small where a score is atypically low.

    See Also
    --------
    conformal_threshold : The score at which they reach a given rate.

    Notes
    -----
    ``p = (1 + #{calibration <= score}) / (n + 1)`` [1]_. If the new score and the n others are
    exchangeable, ``P(p <= a) <= a`` for every a, whatever their distribution.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", Springer,
       2005.

    Examples
    --------
    >>> from sklearn_ganprint.open_set import conformal_p_values
    >>> conformal_p_values([0.0, 2.5, 9.0], [1.0, 2.0, 3.0, 4.0])
    array([0.2, 0.6, 1. ])
    """
    ordered = np.sort(np.asarray(calibration, dtype=np.float64))
    scores = np.asarray(scores, dtype=np.float64)
    p_values = (1 + np.searchsorted(ordered, scores, side="right")) / (len(ordered) + 1)
    # searchsorted takes NaN for the greatest number, hence for the most typical score.
    return np.where(np.isnan(scores), np.nan, p_values)


def conformal_threshold(calibration: Any, false_alarm_rate: float) -> float:
    """Compute the score below which the conformal p-value is at most a given rate.

    Parameters
    ----------
    calibration : array-like of shape (n,)
        Scores of images for which the hypothesis is true.
    false_alarm_rate : float
        Rate in (0, 1).

    Returns
    -------
    float
        The k-th lowest calibration score, k being the whole part of
        ``false_alarm_rate * (n + 1)``; minus infinity, which no score is below, if k is 0.

    See Also
    --------
    scores_needed : How many scores it takes for a threshold that is finite.

    Examples
    --------
    >>> from sklearn_ganprint.open_set import conformal_threshold
    >>> conformal_threshold(range(99), 0.02)
    1.0
    >>> conformal_threshold(range(98), 0.01)
    -inf
    """
    ordered = np.sort(np.asarray(calibration, dtype=np.float64))
    k = rejected_ranks(len(ordered), false_alarm_rate)
    return float(ordered[k - 1]) if k else -math.inf


def scores_needed(false_alarm_rate: float) -> int:
    """Count the calibration scores without which nothing can be rejected at a rate.

    Parameters
    ----------
    false_alarm_rate : float
        Rate in (0, 1).

    Returns
    -------
    int
        The least n for which ``1 / (n + 1)``, the least p-value, is at most the rate.

    Examples
    --------
    >>> from sklearn_ganprint.open_set import scores_needed
    >>> scores_needed(0.01), scores_needed(0.05)
    (99, 19)
    """
    n = max(1, math.ceil(1 / false_alarm_rate) - 1)
    return n if rejected_ranks(n, false_alarm_rate) else n + 1


def advice_on_rate(n: int) -> str:
    """Say what lets an image be rejected by its rank among others.

    Parameters
    ----------
    n : int
        Number of the others.

    Returns
    -------
    str
        A sentence, with the least rate at which one is, rounded up.
    """
    if not n:
        return "Fit on more images."
    # At a rate that is rounded down, none would be rejected still.
    least = round_up(1 / (n + 1))
    return f"Fit on more images, or choose a false_alarm_rate of {least} or more."


def advice_on_coverage(n: int) -> str:
    """Say what lets a source be left out of a set by ranks among scores.

    Parameters
    ----------
    n : int
        Number of the scores.

    Returns
    -------
    str
        A sentence, with the greatest coverage at which one is, rounded down.
    """
    if not n:
        return "Fit on more images."
    return f"Fit on more images, or choose a coverage of {greatest_coverage(n):g} or less."


def round_up(p_value: float) -> str:
    """Write a p-value in three digits, which are no less than it.

    Parameters
    ----------
    p_value : float
        A p-value above 0.

    Returns
    -------
    str
        The digits.
    """
    digits = 2 - math.floor(math.log10(p_value))
    # 0.04 * 10**4 and its like may come out just above the whole number.
    return f"{math.ceil(p_value * 10**digits - 1e-9) / 10**digits:.3g}"


def greatest_coverage(n: int) -> float:
    """Return the greatest coverage at which a source can be left out of a set.

    Parameters
    ----------
    n : int
        Number of the scores by whose ranks it is.

    Returns
    -------
    float
        The coverage, rounded down to three decimals.
    """
    return math.floor(1000 * n / (n + 1)) / 1000


def rejected_ranks(n: int, false_alarm_rate: float) -> int:
    """Count the ranks of a new score among others at which it is rejected.

    Parameters
    ----------
    n : int
        Number of the others.
    false_alarm_rate : float
        Rate in (0, 1).

    Returns
    -------
    int
        Number of ranks, from the lowest one.
    """
    # 0.01 * 100 and its like may come out just below the whole number.
    return math.floor(false_alarm_rate * (n + 1) + 1e-9)
