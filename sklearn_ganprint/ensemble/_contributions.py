"""Why a source was named: what each feature contributes to the difference of two scores."""

from math import prod
from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from sklearn_ganprint._batches import last_step
from sklearn_ganprint._batches._metaestimators import (
    FittedOnParts,
    HoldsFingerprints,
    MakesParts,
    offers,
)
from sklearn_ganprint._images import FLOAT_DTYPES, as_batch, differ_in_shape, scaled_planes
from sklearn_ganprint.classification import (
    FingerprintClassifier,
    PRNUClassifier,
    SubclassDiscriminantAnalysis,
)
from sklearn_ganprint.classification._base import (
    all_scores,
    decision_scores,
    discriminant_distances,
    is_discriminant,
)
from sklearn_ganprint.classification._subclass import _log_density
from sklearn_ganprint.correlation._index import normalize
from sklearn_ganprint.ensemble._fusion import FusionClassifier
from sklearn_ganprint.ensemble._fusion_weights import about_mean
from sklearn_ganprint.residuals._cache import shared_residuals

#: Metrics of a FingerprintClassifier that are sums over pixels.
SUMS = ("correlation", "cosine")


class Contributions(NamedTuple):
    """What the features of one classifier contribute to the difference of two scores.

    Parameters
    ----------
    name : str
        Name of the classifier in its pipeline or fusion.
    feature_names : ndarray of str, shape (n_features,), or None
        Names of the features; None if these are pixels.
    values : ndarray of float64, shape (n, n_features) or (n, H, W, C)
        Contribution of each feature, or of each pixel: a map whose sum is a difference of
        correlations, or of energies.
    intercept : ndarray of float64, shape (n,)
        What no feature contributes: the difference at the reference of the features, and rounding.

    See Also
    --------
    score_contributions : Computes them.
    """

    name: str
    feature_names: np.ndarray | None
    values: np.ndarray
    intercept: np.ndarray


def score_contributions(estimator: Any, X: Any, first: Any, second: Any) -> list[Contributions]:
    """Compute what each feature contributes to the score of a class, less that of another.

    Contributions above 0 speak for the first class. They and the intercepts, of all classifiers
    together, sum to the difference of the two columns of ``class_scores``.

    Parameters
    ----------
    estimator : estimator
        A fitted pipeline or classifier, such as the `estimator_` of an :class:`OpenSetClassifier`.
        It ends with a :class:`FusionClassifier` of the following classifiers, or one of these: a
        :class:`FingerprintClassifier` with the metric "correlation" or "cosine", a
        :class:`PRNUClassifier` with "pce" and without search, a
        :class:`SubclassDiscriminantAnalysis`, a :class:`PooledDiscriminantAnalysis`, or another
        linear classifier of scikit-learn.
    X : array-like of shape (n, ...)
        What the estimator takes.
    first, second : label
        Two of its classes: the source that was named, and the one that it is compared with, such as
        the runner-up.

    Returns
    -------
    list of Contributions
        One entry for each classifier that is fused, then one with the constants of the fusion and
        no features. Without a fusion, one entry.

    Raises
    ------
    ValueError
        If a class is not known, both are the same, a classifier is none of these, or a former
        version has saved a :class:`SubclassDiscriminantAnalysis` without its `squashed_means_`.

    See Also
    --------
    sum_contributions : Sums them by group of features.
    sklearn_ganprint.plotting.ContributionsDisplay : Draws these sums.

    Notes
    -----
    A feature speaks for a class by how far it lies from a reference, in the direction of that
    class. The reference lies halfway between the means of both classes, and is 0 for correlations
    and for linear classifiers without means. Where features depend on each other, some speak
    against a class only to correct for others: sums over groups say more than single features.

    - Correlation, cosine: the product of the normalised residual and the difference of the
      normalised fingerprints, pixel by pixel. Energies are in proportion to such products.
    - Linear discriminants: ``(x - reference) (w_first - w_second)``.
    - The likelihood of a :class:`SubclassDiscriminantAnalysis`: parts of a class count, in
      reference and densities, by their share in the likelihood of the image. The difference f of
      log-densities is then quadratic, so that its slope, integrated along the straight line from
      the reference to the image [1]_, is the slope in the middle: features contribute
      ``(x - reference) f'((x + reference) / 2)``, with x the squashed features.
    - ``log(1 + d^2)`` of distances d: the difference of the squares, which is linear in the
      features, times the mean slope of the logarithm between both.
    - Fusion: contributions to the scores of each classifier, times its weights. What a score
      exceeds its floor by counts by its mean slope between both classes. Weights by class bring in
      other classes, of which each is compared with the second.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import PooledDiscriminantAnalysis
    >>> from sklearn_ganprint.ensemble import score_contributions
    >>> X = np.array([[0.0, 0], [2, 2], [4, 0], [6, 2]])
    >>> lda = PooledDiscriminantAnalysis(0.5).fit(X, ["camera", "camera", "gan", "gan"])
    >>> (found,) = score_contributions(lda, [[6.0, 2.0]], "gan", "camera")
    >>> dict(zip(found.feature_names, found.values[0].round(1).tolist()))
    {'x0': 32.0, 'x1': -5.3}
    """
    classifier, rows = last_step(estimator, X)
    check_is_fitted(classifier)
    pair = _code("first", first, classifier), _code("second", second, classifier)
    if pair[0] == pair[1]:
        raise ValueError(f"first, second: expected two classes, got {first!r} twice.")
    if isinstance(classifier, FusionClassifier):
        return _fusion_contributions(classifier, rows, *pair)
    values = _feature_contributions(classifier, rows, *pair)[:, 0]
    scores = decision_scores(classifier, rows)
    name = estimator.steps[-1][0] if isinstance(estimator, Pipeline) else type(classifier).__name__
    return [_with_names(name, estimator, values, scores[:, pair[0]] - scores[:, pair[1]])]


def sum_contributions(contributions: list[Contributions]) -> dict[str, np.ndarray]:
    """Sum contributions by group of features.

    Parameters
    ----------
    contributions : list of Contributions
        What :func:`score_contributions` returns.

    Returns
    -------
    dict of str to ndarray of float64, shape (n,)
        Sums over features whose names are the same up to a bracket, such as those of all lags
        between two channels, by the names of classifier and group, joined by "__"; over all pixels,
        by the name of the classifier; and over all intercepts, as "intercept".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.ensemble import Contributions, sum_contributions
    >>> names, values = np.array(["rr[0,1]", "rr[1,0]", "rg[0,0]"]), np.array([[1.0, -3.0, 4.0]])
    >>> sum_contributions([Contributions("lda", names, values, np.array([0.5]))])
    {'lda__rr': array([-2.]), 'lda__rg': array([4.]), 'intercept': array([0.5])}
    """
    sums: dict[str, np.ndarray] = {}
    for part in contributions:
        if part.feature_names is None:
            sums[part.name] = part.values.sum(axis=(1, 2, 3))
            continue
        for feature, values in zip(part.feature_names, part.values.T, strict=True):
            group = f"{part.name}__{feature.partition('[')[0]}"
            sums[group] = sums.get(group, 0) + values
    return {**sums, "intercept": np.sum([part.intercept for part in contributions], axis=0)}


def _code(parameter: str, label: Any, classifier: Any) -> int:
    found = np.flatnonzero(classifier.classes_ == label)
    if len(found) != 1:
        raise ValueError(
            f"{parameter}: expected one of the classes {classifier.classes_.tolist()}, got "
            f"{label!r}."
        )
    return int(found[0])


def _with_names(
    name: str, estimator: Any, values: np.ndarray, difference: np.ndarray
) -> Contributions:
    """Name the features, or give pixels their shape; the intercept is what the features leave."""
    intercept = difference - values.sum(axis=1)
    *steps, classifier = _steps_to_last(estimator)
    shapes = [getattr(step, "residual_shape_", None) for step in steps]
    shapes += [getattr(classifier, name, None) for name in ("image_shape_", "fingerprint_shape_")]
    for shape in shapes if offers(classifier, HoldsFingerprints) else ():
        if shape is not None and prod(shape) == values.shape[1]:
            return Contributions(name, None, values.reshape(-1, *shape), intercept)
    return Contributions(name, _feature_names(steps, classifier), values, intercept)


def _steps_to_last(estimator: Any) -> list[Any]:
    """List the fitted steps up to the one that ``last_step`` returns."""
    if isinstance(estimator, Pipeline):
        *steps, last = (step for _, step in estimator.steps if step not in (None, "passthrough"))
        return [*steps, *_steps_to_last(last)]
    return _steps_to_last(estimator.estimator_) if offers(estimator, FittedOnParts) else [estimator]


def _feature_names(steps: list[Any], classifier: Any) -> np.ndarray:
    """Return what the steps call the features that reach a classifier, or "x0", "x1" ..."""
    names = None
    if all(hasattr(step, "get_feature_names_out") for step in steps):
        for step in steps:
            names = step.get_feature_names_out(names)
            if offers(step, MakesParts):  # the first part is the whole
                names = names[: len(names) // step.n_parts_]
    return _check_feature_names_in(classifier) if names is None else names


def _fusion_contributions(
    fusion: FusionClassifier, X: Any, first: int, second: int
) -> list[Contributions]:
    X = X if differ_in_shape(X) else as_batch(X)
    with shared_residuals():
        reached = [last_step(model, X) for model in fusion.estimators_]
        scores = [all_scores(*own) for own in reached]
    weights = _score_weights(fusion, np.concatenate(scores, axis=1), first, second)
    ends = np.cumsum([own.shape[1] for own in scores])[:-1]
    found = []
    for (name, model), (classifier, rows), own, weight in zip(
        fusion.named_estimators_.items(),
        reached,
        scores,
        np.split(weights, ends, axis=1),
        strict=True,
    ):
        values = np.zeros(1)
        for code in np.union1d(first, np.flatnonzero(weight.any(axis=(0, 1)))):
            each = _feature_contributions(classifier, rows, code, second, typicality=True)
            values = values + np.einsum("is,isf->if", weight[:, :, code], each)
        difference = np.einsum("isc,isc->i", weight, own - own[..., [second]])
        found.append(_with_names(name, model, values, difference))
    constant = np.full(len(weights), fusion.intercept_[first] - fusion.intercept_[second])
    return [*found, Contributions("fusion", np.array([]), np.empty((len(weights), 0)), constant)]


def _score_weights(
    fusion: FusionClassifier, scores: np.ndarray, first: int, second: int
) -> np.ndarray:
    """Weigh what scores (n, n_scores, n_classes) exceed those of the second class by."""
    by_class = fusion.class_weights_[first] - fusion.class_weights_[second]
    by_class[:, first] += fusion.weights_
    by_class[:, second] -= fusion.weights_
    by_class = about_mean(by_class) / fusion.scales_[:, np.newaxis]
    by_class[:, second] = 0  # which exceeds itself by nothing
    # A DetectionClassifier takes the first score of each classifier.
    kept = getattr(fusion, "first_scores_", np.arange(scores.shape[1]))
    weights = np.zeros(scores.shape)
    weights[:, kept] = by_class[: len(kept)]
    having = np.flatnonzero(np.isfinite(fusion.floors_))
    above = scores[:, kept[having]] - fusion.floors_[having, np.newaxis]
    rise, run = (part - part[..., [second]] for part in (above.clip(min=0), above))
    slope = np.divide(rise, run, out=np.zeros(run.shape), where=run != 0)
    weights[:, kept[having]] += by_class[len(kept) :] * slope
    return weights


def _feature_contributions(
    classifier: Any, rows: Any, first: int, second: int, *, typicality: bool = False
) -> np.ndarray:
    """Contributions (n, n_scores, n_features) to what the scores of two classes differ by.

    Scores are those of ``all_scores`` with `typicality`, else those that a classifier decides by.
    """
    if isinstance(classifier, SubclassDiscriminantAnalysis):
        return _subclass_contributions(classifier, rows, first, second)
    metric = getattr(classifier, "metric", None)
    if isinstance(classifier, LinearClassifierMixin):
        values = _linear_contributions(classifier, rows, first, second)
        if typicality and is_discriminant(classifier):
            # Squares of distances differ by twice the line, which two classes have twice already.
            distances = discriminant_distances(classifier, rows)
            slope = _mean_slope(distances[:, first], distances[:, second])
            values *= slope * (1 if len(classifier.coef_) == 1 else 2)
    elif isinstance(classifier, FingerprintClassifier) and metric in SUMS:
        values = _pixel_contributions(classifier, rows, first, second)
    elif isinstance(classifier, PRNUClassifier) and metric == "pce" and not classifier.search:
        values = _sensor_contributions(classifier, rows, first, second)
    else:
        raise ValueError(
            f"Expected a FusionClassifier, a SubclassDiscriminantAnalysis, a linear classifier, a "
            f"FingerprintClassifier with one of the metrics {SUMS}, or a PRNUClassifier with the "
            f"metric 'pce' and without search, got {classifier!r}."
        )
    return values[:, np.newaxis]


def _pixel_contributions(classifier: Any, rows: Any, first: int, second: int) -> np.ndarray:
    """Products of a residual and the difference of two fingerprints."""
    rows = classifier._validate_rows(rows, reset=False).astype(np.float64)
    fingerprints = classifier.fingerprints_[[first, second]]
    for values in (rows, fingerprints):
        normalize(values, centre=classifier.metric == "correlation")
    return rows * (fingerprints[0] - fingerprints[1])


def _sensor_contributions(
    classifier: PRNUClassifier, rows: Any, first: int, second: int
) -> np.ndarray:
    """Shares of each energy in proportion to products of a residual and a fingerprint."""
    rows = classifier._validate_rows(rows, reset=False)
    scores = classifier.class_scores(rows)
    signals = np.stack([scaled_planes(signal) for signal in classifier._signals(rows)[0]])
    values = np.zeros(signals.shape)
    for code, sign in ((first, 1), (second, -1)):
        products = signals * scaled_planes(classifier._fingerprint_images()[code])
        peak = products.sum(axis=(1, 2, 3), keepdims=True)
        energy = sign * scores[:, code].reshape(peak.shape)
        values += products * np.divide(energy, peak, out=np.zeros(peak.shape), where=peak != 0)
    return np.moveaxis(values, 1, -1).reshape(len(values), -1)


def _linear_contributions(classifier: Any, rows: Any, first: int, second: int) -> np.ndarray:
    """Products of weights and features, about the middle of two means if there are some."""
    rows = validate_data(classifier, rows, reset=False, dtype=np.float64)
    coef = np.asarray(classifier.coef_, np.float64)
    coef = np.vstack([-coef, coef]) if len(coef) == 1 else coef
    means = getattr(classifier, "means_", np.zeros(coef.shape))
    return (rows - (means[first] + means[second]) / 2) * (coef[first] - coef[second])


def _subclass_contributions(
    model: SubclassDiscriminantAnalysis, rows: Any, first: int, second: int
) -> np.ndarray:
    """Contributions (n, 2, n_features) to both scores."""
    if not hasattr(model, "squashed_means_"):
        raise ValueError(
            "Contributions need the means of all features, squashed_means_, which this model "
            "lacks: a former version has saved it. Fit it anew."
        )
    rows = validate_data(model, rows, reset=False, dtype=list(FLOAT_DTYPES))
    along = model.coordinates(rows)
    # Shares of the parts in both scores: of the second class they are below 0.
    likely, nearest = np.zeros((2, len(rows), len(model.means_)))
    slopes, distances = np.zeros((2, *along.shape)), []
    for code, sign in ((first, 1), (second, -1)):
        own = np.flatnonzero(model.subclass_codes_ == code)
        kinds = zip(model.means_[own], model.covariances_[own], strict=True)
        densities = np.transpose([_log_density(along, *kind) for kind in kinds])
        likely[:, own] = sign * softmax(densities, axis=1)
        squares = np.square(along[:, np.newaxis] - model.means_[own]).sum(axis=2)
        nearest[np.arange(len(rows)), own[squares.argmin(axis=1)]] = sign
        distances.append(squares.min(axis=1))
    middle = (along + np.abs(likely) / 2 @ model.means_) / 2
    for share, mean, covariance in zip(likely.T, model.means_, model.covariances_, strict=True):
        if share.any():
            slopes[0] += share[:, np.newaxis] * np.linalg.solve(covariance, (mean - middle).T).T
    slopes[1] = 2 * _mean_slope(*distances) * (nearest @ model.means_)
    squashed = model._squashed(rows.astype(np.float64))
    about = [squashed - np.abs(shares) / 2 @ model.squashed_means_ for shares in (likely, nearest)]
    return np.stack(about, axis=1) * np.moveaxis(slopes @ model.components_, 0, 1)


def _mean_slope(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean slope (n, 1) of ``log(1 + d^2)`` between two squared distances."""
    step = (second - first) / (1 + first)
    slope = np.divide(np.log1p(step), step, out=np.ones(len(step)), where=step != 0)
    return (slope / (1 + first))[:, np.newaxis]
