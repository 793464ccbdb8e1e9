"""Likelihood ratios of two propositions about an image, from scores, and how good they are."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KernelDensity
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from sklearn_ganprint._compat import Callbacks, fit_context

__all__ = [
    "LikelihoodRatioCalibrator",
    "cllr",
    "cllr_min",
    "empirical_bounds",
    "misleading_rates",
    "verbal_scale",
]

#: Scores as low as that say that an image has no residual; no other score is near.
_LOWEST = float(np.finfo(np.float32).min)

#: Bounds are multiples of that, in log10.
_STEP = 0.01

#: LRs of 0 and infinity count as these, in log10, where bounds are looked for.
_EXTREMES = (-9.0, 9.0)

#: log10 LRs from which on the guideline of ENFSI has another word.
_SUPPORT = (
    (np.log10(2), "weak"),
    (1, "moderate"),
    (2, "moderately strong"),
    (3, "strong"),
    (4, "very strong"),
    (6, "extremely strong"),
)


class LikelihoodRatioCalibrator(Callbacks, BaseEstimator):
    """Turn scores into likelihood ratios of two propositions.

    The likelihood ratio (LR) is how much more probable a score is if the first proposition is true
    than if the alternative is. It says how strong the evidence is. It is no probability that a
    proposition is true, which also depends on all else that is known of the case.

    Parameters
    ----------
    method : {"logistic", "kde", "isotonic"}, default="logistic"
        How the LR depends on the score. "logistic": its logarithm is a line, by logistic
        regression; needs the fewest scores. "kde": ratio of two densities, each a sum of normal
        kernels; for scores whose distributions are of other forms. "isotonic": never less for a
        greater score, by pooling adjacent violators (PAV); needs the most scores.
    bounds : bool, default=True
        Whether LRs are limited to what the calibration scores can support, see
        :func:`empirical_bounds`.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels: that of the alternative, and that of the first proposition.
    lower_bound_, upper_bound_ : float
        Bounds of log10 LRs; infinite without `bounds`.
    score_range_ : ndarray of float64, shape (2,)
        Least and greatest calibration score.
    coef_, intercept_ : float
        Slope and intercept of the log10 LR ("logistic").
    scores_, score_codes_ : ndarray of float64 and of int, shape (n,)
        Calibration scores, and index in `classes_` of their labels ("kde").
    bandwidths_ : ndarray of float64, shape (2,)
        Standard deviations of the kernels of each label ("kde").
    X_thresholds_, y_thresholds_ : ndarray of float64, shape (n_knots,)
        Scores, and the share of the first proposition, if both were equally frequent, between
        which lines are drawn ("isotonic").

    See Also
    --------
    cllr : How good LRs are.
    sklearn_ganprint.conformal.conformal_p_values : Ask how typical a score is of one proposition.

    Notes
    -----
    Scores come as one column, as :class:`sklearn.isotonic.IsotonicRegression` takes them. The
    models that made them must not have seen the images. Both propositions weigh the same, however
    many scores there are of each, so that LRs hold no prior odds [1]_. Without bounds, "isotonic"
    gives infinite LRs above all scores of the alternative, and 0 below all of the first
    proposition.

    No method extrapolates: scores below or above all calibration scores count as the least or
    greatest of these. So does the lowest finite number of single precision, which images without
    residual score. An LR for such an image says no more than that its score is low.

    The logistic regression is that of [1]_ with one score more for each proposition, which is
    spread evenly over the scores of the other, after [2]_. That is what the bounds count as well.
    Without it, as in ``LogitCalibrator`` of the library lir [3]_, the slope is infinite where a
    threshold separates the propositions, unless a penalty limits it, and then LRs depend on the
    unit of the scores. Kernels are as wide as for one normal distribution,
    ``(4 / (3 n))**(1 / 5)`` standard deviations [4]_, which lir calls "silverman".

    References
    ----------
    .. [1] G. S. Morrison, "Tutorial on logistic-regression calibration and fusion", Australian
       Journal of Forensic Sciences 45(2), 2013.
    .. [2] J. C. Platt, "Probabilistic outputs for support vector machines", Advances in Large
       Margin Classifiers, MIT Press, 1999.
    .. [3] Netherlands Forensic Institute, "lir, a library for likelihood ratios",
       https://github.com/NetherlandsForensicInstitute/lir
    .. [4] B. W. Silverman, "Density estimation for statistics and data analysis", eq. 3.28,
       Chapman and Hall, 1986.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.evidence import LikelihoodRatioCalibrator
    >>> rng = np.random.default_rng(0)
    >>> from_a = np.repeat([True, False], [200, 1000])
    >>> scores = rng.normal(size=1200) + 3 * from_a
    >>> calibrator = LikelihoodRatioCalibrator().fit(scores, from_a)
    >>> calibrator.log10_likelihood_ratios([0.0, 1.5, 3.0, 9.0]).round(1)
    array([-1.8,  0. ,  1.9,  2.5])
    >>> calibrator.upper_bound_
    2.5
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "method": [StrOptions({"logistic", "kde", "isotonic"})],
        "bounds": ["boolean"],
    }

    def __init__(self, method: str = "logistic", *, bounds: bool = True) -> None:
        self.method = method
        self.bounds = bounds

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, scores: Any, y: Any) -> Self:
        """Fit the method to scores of which it is known which proposition is true.

        Parameters
        ----------
        scores : array-like of shape (n,) or (n, 1)
            Finite scores.
        y : array-like of shape (n,)
            Whether the first proposition is true. Of other labels than bool, the second in order
            means that it is.

        Returns
        -------
        LikelihoodRatioCalibrator
            The fitted calibrator.

        Raises
        ------
        ValueError
            If scores are not finite or of another shape, or `y` has not two labels.
        """
        scores = _as_column("scores", scores)
        self.classes_, codes = _two_labels(scores, y)
        real = scores > _LOWEST
        least = scores[real].min() if real.any() else 0.0
        scores = np.maximum(scores, least)
        self.score_range_ = np.array([least, scores.max()])
        _FITS[self.method](self, scores, codes)
        self.lower_bound_, self.upper_bound_ = -np.inf, np.inf
        if self.bounds:
            log10_lrs = self.log10_likelihood_ratios(scores)
            self.lower_bound_, self.upper_bound_ = empirical_bounds(log10_lrs, codes)
        return self

    def log10_likelihood_ratios(self, scores: Any) -> np.ndarray:
        """Compute the common logarithm of the LR of each score.

        Parameters
        ----------
        scores : array-like of shape (n,) or (n, 1)
            Finite scores.

        Returns
        -------
        ndarray of float64, shape (n,)
            2 if the score is 100 times as probable under the first proposition as under the
            alternative, -2 if it is so the other way round. From `lower_bound_` to `upper_bound_`.

        Raises
        ------
        ValueError
            If scores are not finite or of another shape.
        """
        check_is_fitted(self)
        scores = np.clip(_as_column("scores", scores), *self.score_range_)
        return np.clip(_CURVES[self.method](self, scores), self.lower_bound_, self.upper_bound_)

    def __sklearn_tags__(self) -> Any:
        """Declare that scores are one column, and labels needed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = True, False
        tags.target_tags.required = True
        return tags


def _fit_logistic(calibrator: Any, scores: np.ndarray, codes: np.ndarray) -> None:
    mean, scale = scores.mean(), scores.std() or 1.0
    counts = np.bincount(codes)
    # Weights of one in all for each proposition make prior odds even, so that posterior odds are
    # LRs. One score more of each proposition is spread over the scores of the other.
    own, other = 1 / (counts[codes] + 1), 1 / (counts[1 - codes] + 1) / counts[codes]
    rows = np.tile((scores - mean) / scale, 2)[:, np.newaxis]
    # The penalty does nothing but fix the slope where all scores are equal.
    regression = LogisticRegression(C=1e10, solver="newton-cg", tol=1e-9, max_iter=1000)
    regression.fit(rows, np.append(codes, 1 - codes), np.append(own, other))
    calibrator.coef_ = float(regression.coef_[0, 0] / scale / np.log(10))
    calibrator.intercept_ = float(regression.intercept_[0] / np.log(10) - calibrator.coef_ * mean)


def _line(calibrator: Any, scores: np.ndarray) -> np.ndarray:
    return calibrator.coef_ * scores + calibrator.intercept_


def _fit_densities(calibrator: Any, scores: np.ndarray, codes: np.ndarray) -> None:
    calibrator.scores_, calibrator.score_codes_ = scores, codes
    own = [scores[codes == code] for code in (0, 1)]
    # Scores that are all equal have no width of their own.
    calibrator.bandwidths_ = np.array(
        [(4 / (3 * len(x))) ** 0.2 * (x.std() or scores.std() or 1.0) for x in own]
    )


def _ratio_of_densities(calibrator: Any, scores: np.ndarray) -> np.ndarray:
    alternative, first = (
        KernelDensity(bandwidth=width)
        .fit(calibrator.scores_[calibrator.score_codes_ == code, np.newaxis])
        .score_samples(scores[:, np.newaxis])
        for code, width in enumerate(calibrator.bandwidths_)
    )
    return (first - alternative) / np.log(10)


def _fit_isotonic(calibrator: Any, scores: np.ndarray, codes: np.ndarray) -> None:
    weights = 1 / np.bincount(codes)[codes]
    regression = IsotonicRegression().fit(scores, codes, weights)
    calibrator.X_thresholds_ = regression.X_thresholds_
    calibrator.y_thresholds_ = regression.y_thresholds_


def _odds_of_shares(calibrator: Any, scores: np.ndarray) -> np.ndarray:
    shares = np.interp(scores, calibrator.X_thresholds_, calibrator.y_thresholds_)
    with np.errstate(divide="ignore"):
        return np.log10(shares) - np.log10(1 - shares)


_FITS = {"logistic": _fit_logistic, "kde": _fit_densities, "isotonic": _fit_isotonic}
_CURVES = {"logistic": _line, "kde": _ratio_of_densities, "isotonic": _odds_of_shares}


def empirical_bounds(log10_lrs: Any, y: Any) -> tuple[float, float]:
    """Compute the empirical lower and upper bound (ELUB) of log10 LRs.

    Few images support no great LRs: of 100 images of other sources, none of which is mistaken for
    one of source A, it cannot follow that one in a million is.

    Parameters
    ----------
    log10_lrs : array-like of shape (n,)
        LRs of images of which it is known which proposition is true; may be infinite.
    y : array-like of shape (n,)
        Whether the first proposition is true, or two labels.

    Returns
    -------
    lower, upper : float
        Bounds, multiples of 0.01, at most and at least 0.

    Raises
    ------
    ValueError
        If an LR is NaN, or `y` has not two labels.

    Notes
    -----
    Whoever decides for the first proposition where the LR is above t, as is best at prior odds of
    1 / t if the LRs are right, should lose no more by that than without the evidence [1]_::

        (misses + 1) / (n_first + 1) + t * (false alarms + 1) / (n_other + 1) <= min(1, t)

    with one misleading LR added for each proposition. The bounds are the last t in either
    direction before the first one where that fails. None is beyond the LRs at hand, nor far beyond
    the number of images. The authors add misleading LRs to one proposition, with increasing
    strength; one for each, as in the library lir, is more cautious, and gives the same figures as
    lir does.

    References
    ----------
    .. [1] P. Vergeer, A. van Es, A. de Jongh, I. Alberink, R. Stoel, "Numerical likelihood ratios
       outputted by LR systems are often based on extrapolation: when to stop extrapolating?",
       Science and Justice 56, 2016.

    Examples
    --------
    >>> from sklearn_ganprint.evidence import empirical_bounds
    >>> empirical_bounds([6.0] * 50 + [-6.0] * 300, [1] * 50 + [0] * 300)
    (-1.7, 2.46)
    """
    other, first = _by_proposition(log10_lrs, y)
    other, first = np.sort(np.clip(other, *_EXTREMES)), np.sort(np.clip(first, *_EXTREMES))
    least = max(min(other[0], first[0]), -np.log10(len(first) + 1))
    greatest = min(max(other[-1], first[-1]), np.log10(len(other) + 1))
    steps = np.arange(min(0, least // _STEP), max(0, greatest // _STEP + 1) + 1)
    thresholds = steps * _STEP
    misses = np.searchsorted(first, thresholds, side="right")
    false_alarms = len(other) - np.searchsorted(other, thresholds, side="right")
    odds = 10**thresholds
    loss = (misses + 1) / (len(first) + 1) + odds * (false_alarms + 1) / (len(other) + 1)
    failed = steps[np.minimum(1, odds) / loss < 1]
    lower = np.max(failed[failed <= 0] + 1, initial=steps[0])
    upper = np.min(failed[failed >= 0] - 1, initial=steps[-1])
    return round(float(min(lower, 0)) * _STEP, 2), round(float(max(upper, 0)) * _STEP, 2)


def cllr(log10_lrs: Any, y: Any) -> float:
    """Compute the log likelihood ratio cost (Cllr) of LRs.

    Parameters
    ----------
    log10_lrs : array-like of shape (n,)
        LRs of images of which it is known which proposition is true; may be infinite.
    y : array-like of shape (n,)
        Whether the first proposition is true, or two labels.

    Returns
    -------
    float
        0 for LRs that are right and infinitely strong, 1 for LRs that are all 1. More than 1 is
        worse than no evidence: some LRs are strong and misleading.

    Raises
    ------
    ValueError
        If an LR is NaN, or `y` has not two labels.

    See Also
    --------
    cllr_min : What of it better calibration cannot take away.

    Notes
    -----
    ``(mean(log2(1 + 1 / LR)) + mean(log2(1 + LR))) / 2``, the first mean over the images for which
    the first proposition is true, and the second over the others [1]_.

    References
    ----------
    .. [1] N. Brummer, J. du Preez, "Application-independent evaluation of speaker detection",
       Computer Speech and Language 20(2-3), 2006.

    Examples
    --------
    >>> from sklearn_ganprint.evidence import cllr
    >>> y = [True, True, False, False]
    >>> cllr([0, 0, 0, 0], y), round(cllr([2, 1, -1, -2], y), 3), round(cllr([2, 1, 3, -2], y), 3)
    (1.0, 0.076, 2.533)
    """
    other, first = (values / np.log10(2) for values in _by_proposition(log10_lrs, y))
    return float(np.logaddexp2(0, -first).mean() + np.logaddexp2(0, other).mean()) / 2


def cllr_min(log10_lrs: Any, y: Any) -> float:
    """Compute the least Cllr that LRs in the same order could have.

    Parameters
    ----------
    log10_lrs : array-like of shape (n,)
        LRs of images of which it is known which proposition is true, or scores.
    y : array-like of shape (n,)
        Whether the first proposition is true, or two labels.

    Returns
    -------
    float
        From 0, if the LRs separate the propositions, to 1. How much Cllr exceeds it is the
        calibration loss.

    Raises
    ------
    ValueError
        If an LR is NaN, or `y` has not two labels.

    See Also
    --------
    cllr : The cost itself.

    Notes
    -----
    The LRs are those that pooling adjacent violators (PAV) makes of the same images [1]_, which
    makes it a little too low for few images.

    References
    ----------
    .. [1] N. Brummer, J. du Preez, "Application-independent evaluation of speaker detection",
       Computer Speech and Language 20(2-3), 2006.

    Examples
    --------
    >>> from sklearn_ganprint.evidence import cllr, cllr_min
    >>> log10_lrs, y = [3, 1, 2, 0, 1, -1], [1, 1, 1, 0, 0, 0]
    >>> round(cllr(log10_lrs, y), 3), round(cllr_min(log10_lrs, y), 3)
    (0.792, 0.333)
    """
    return cllr(_pav_log10_lrs(log10_lrs, y), y)


def misleading_rates(log10_lrs: Any, y: Any, strength: float = 0.0) -> tuple[float, float]:
    """Compute the rates of misleading evidence.

    Parameters
    ----------
    log10_lrs : array-like of shape (n,)
        LRs of images of which it is known which proposition is true; may be infinite.
    y : array-like of shape (n,)
        Whether the first proposition is true, or two labels.
    strength : float, default=0.0
        The log10 LR above which, or below minus which, evidence counts, at least 0.

    Returns
    -------
    for_alternative, for_first : float
        Share of the images for which the first proposition is true whose evidence is for the
        alternative, and share of the other images whose evidence is for the first proposition.

    Raises
    ------
    ValueError
        If an LR is NaN, or `y` has not two labels.

    Notes
    -----
    Where LRs are right, LRs above k occur in a share of at most 1 / k of the images for which the
    alternative is true, and LRs below 1 / k likewise [1]_.

    References
    ----------
    .. [1] R. Royall, "On the probability of observing misleading statistical evidence", Journal of
       the American Statistical Association 95, 2000.

    Examples
    --------
    >>> from sklearn_ganprint.evidence import misleading_rates
    >>> log10_lrs, y = [3, 1, -0.5, 0.3, -1, -2.5], [1, 1, 1, 0, 0, 0]
    >>> misleading_rates(log10_lrs, y), misleading_rates(log10_lrs, y, strength=2)
    ((0.3333333333333333, 0.3333333333333333), (0.0, 0.0))
    """
    other, first = _by_proposition(log10_lrs, y)
    return float(np.mean(first < -strength)), float(np.mean(other > strength))


def verbal_scale(log10_lr: float) -> str:
    """Put an LR into the words of the ENFSI guideline.

    Parameters
    ----------
    log10_lr : float
        Common logarithm of the LR.

    Returns
    -------
    str
        "no support for either proposition" (LR from 1 / 2 to 2), or "weak" (from 2 on), "moderate"
        (10), "moderately strong" (100), "strong" (1000), "very strong" (10 000) or "extremely
        strong support" (1 000 000) "for the first proposition", or of LRs that are as much less
        than 1 "for the alternative".

    Raises
    ------
    ValueError
        If the LR is NaN.

    Notes
    -----
    The words are those of [1]_. They replace no number: LRs of 110 and 900 have the same.

    References
    ----------
    .. [1] European Network of Forensic Science Institutes, "ENFSI guideline for evaluative
       reporting in forensic science", version 3.0, 2015.

    Examples
    --------
    >>> from sklearn_ganprint.evidence import verbal_scale
    >>> verbal_scale(2.1)
    'moderately strong support for the first proposition'
    >>> verbal_scale(-0.5)
    'weak support for the alternative'
    """
    if np.isnan(log10_lr):
        raise ValueError("log10_lr: expected a number, got NaN.")
    limits, words = zip(*_SUPPORT, strict=True)
    step = int(np.searchsorted(limits, abs(log10_lr), side="right"))
    if step == 0:
        return "no support for either proposition"
    whom = "the first proposition" if log10_lr > 0 else "the alternative"
    return f"{words[step - 1]} support for {whom}"


def _pav_log10_lrs(log10_lrs: Any, y: Any) -> np.ndarray:
    """Compute the best LRs in the same order, by pooling adjacent violators."""
    # Ranks are finite, as LRs need not be.
    ranks = np.unique(_as_lrs(log10_lrs), return_inverse=True)[1]
    pav = LikelihoodRatioCalibrator("isotonic", bounds=False).fit(ranks, y)
    return pav.log10_likelihood_ratios(ranks)


def _by_proposition(log10_lrs: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the LRs where the alternative is true, and those where the first proposition is."""
    log10_lrs = _as_lrs(log10_lrs)
    codes = _two_labels(log10_lrs, y)[1]
    return log10_lrs[codes == 0], log10_lrs[codes == 1]


def _as_lrs(log10_lrs: Any) -> np.ndarray:
    log10_lrs = _as_column("log10_lrs", log10_lrs, ensure_all_finite=False)
    if np.isnan(log10_lrs).any():
        raise ValueError("log10_lrs: expected numbers, got NaN.")
    return log10_lrs


def _as_column(name: str, values: Any, **params: Any) -> np.ndarray:
    """Return the numbers of one column."""
    params = {"ensure_2d": False, "dtype": np.float64, "input_name": name} | params
    values = check_array(values, **params)
    if values.size != len(values):
        raise ValueError(
            f"{name}: expected one column, of shape (n,) or (n, 1), got {values.shape}."
        )
    return values.ravel()


def _two_labels(values: np.ndarray, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the two labels, and the index of that of each value."""
    y = column_or_1d(y)
    check_consistent_length(values, y)
    labels, codes = np.unique(y, return_inverse=True)
    if len(labels) != 2:
        raise ValueError(
            f"y: expected two labels, which tell whether the first proposition is true or the "
            f"alternative, got {len(labels)}: {labels[:5].tolist()}."
        )
    return labels, codes
