"""All fingerprints of one model against all of another."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from sklearn_ganprint.comparison._models import (
    FingerprintSet,
    fingerprint_set,
    warn_of_other_residuals,
)
from sklearn_ganprint.correlation import correlations_and_errors

_NULLS = ("auto", "sources", "chance")
#: Correlations of the fingerprints of two models, and their standard errors.
Pairs = tuple[np.ndarray, np.ndarray]
#: Sources on the side that is compared with, at the least, for the null "sources".
FEWEST = 4
#: Rounds of subtracting medians of rows and columns; the values hardly change after a few.
N_ROUNDS = 10

#: Two patterns of white noise of n pixels correlate with a standard deviation of ``1 / sqrt(n)``.
#: Sources that differ, photos of many cameras among them, stay below so many of these; halves of
#: one source hardly ever do.
LEAST_DEVIATIONS = 5.0


class Match(NamedTuple):
    """The source of the second model that is most alike to a source of the first.

    Attributes
    ----------
    source, match : str
        Names in the first and in the second model.
    correlation, z_score, p_value : float
        Values of the pair, as in :class:`ModelComparison`.
    p_value_of_best : float
        Chance of such a p-value among `n_compared` sources (Sidak). It is small if `source` shares
        something with `match` that it does not share with the other sources.
    n_compared : int
        Number of sources that `source` was compared with.
    """

    source: str
    match: str
    correlation: float
    z_score: float
    p_value: float
    p_value_of_best: float
    n_compared: int


@dataclass(frozen=True)
class ModelComparison:
    """How alike the fingerprints of two models are.

    Attributes
    ----------
    first_names, second_names : list of str
        Sources of the first model, which are the rows, and of the second, which are the columns.
    correlation : ndarray of float64, shape (k, m)
        Correlation indices; NaN where a fingerprint would meet itself.
    standard_error : ndarray of float64, shape (k, m)
        Their standard deviations by chance, as in
        :class:`~sklearn_ganprint.correlation.FingerprintComparison`.
    p_value : ndarray of float64, shape (k, m)
        Chance of a correlation at least as great under `null`.
    null : {"sources", "chance"}
        Null hypothesis of the p-values and z scores: correlations are those of the different
        sources compared here, or those of patterns that have nothing in common.
    least_correlation : float, default=0
        Pairs with a lower correlation share no source, however much they stand out among the
        others; 0 with the null "chance".
    """

    first_names: list[str]
    second_names: list[str]
    correlation: np.ndarray
    standard_error: np.ndarray
    p_value: np.ndarray
    null: str
    least_correlation: float = 0.0

    @property
    def z_score(self) -> np.ndarray:
        """Normal deviates, whose upper tail is `p_value`.

        With the null "chance" they are the correlations over their standard errors.
        """
        if self.null == "chance":
            return _z_scores(self.correlation, self.standard_error)
        return norm.isf(np.clip(self.p_value, 1e-300, 1 - 1e-16))

    def matches(self) -> list[Match]:
        """Return the most alike source of the second model for each source of the first.

        Returns
        -------
        list of Match
            One match for each of `first_names`: the source with the lowest p-value.
        """
        return [self._match(row) for row in range(len(self.first_names))]

    def _match(self, row: int) -> Match:
        # Student's tail can be 0 for several sources; the correlation then decides.
        best = int(np.lexsort([-self.correlation[row], self.p_value[row]])[0])
        p_value = float(self.p_value[row, best])
        n_compared = int(np.isfinite(self.p_value[row]).sum())
        return Match(
            self.first_names[row],
            self.second_names[best],
            float(self.correlation[row, best]),
            float(self.z_score[row, best]),
            p_value,
            float(-np.expm1(n_compared * np.log1p(-min(p_value, 1 - 1e-16)))),
            n_compared,
        )

    def is_found(self, match: Match, level: float) -> bool:
        """Return whether a match is a common source.

        Parameters
        ----------
        match : Match
            One of :meth:`matches`.
        level : float
            Chance of a match by accident, in (0, 1).

        Returns
        -------
        bool
            Whether ``match.p_value_of_best`` is at most `level` and ``match.correlation`` at least
            `least_correlation`.
        """
        return match.p_value_of_best <= level and match.correlation >= self.least_correlation

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each pair; pairs within one model are listed once.

        Returns
        -------
        list of dict
            Rows with the keys ``first``, ``second``, ``correlation``, ``z_score`` and ``p_value``.
        """
        listed, z_score = np.isfinite(self.correlation), self.z_score
        if self.first_names == self.second_names and not listed.diagonal().any():
            listed = np.triu(listed)
        return [
            {
                "first": self.first_names[i],
                "second": self.second_names[j],
                "correlation": float(self.correlation[i, j]),
                "z_score": float(z_score[i, j]),
                "p_value": float(self.p_value[i, j]),
            }
            for i, j in np.argwhere(listed)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values that JSON can hold.

        Returns
        -------
        dict
            ``null``, ``first_names``, ``second_names``, ``matches``, ``pairs`` and
            ``least_correlation``.
        """
        return {
            "null": self.null,
            "first_names": self.first_names,
            "second_names": self.second_names,
            "matches": [match._asdict() for match in self.matches()],
            "pairs": self.rows(),
            "least_correlation": self.least_correlation,
        }


def compare_models(
    first: Any, second: Any = None, *, trim: int = 0, null: str = "auto"
) -> ModelComparison:
    """Correlate all fingerprints of one model with all of another.

    Parameters
    ----------
    first : estimator, FingerprintSet or dict
        A fitted model, or fingerprints by name, as :func:`fingerprint_set` takes it.
    second : estimator, FingerprintSet or dict, default=None
        Another model, of images of the same size. None compares the sources of the first model
        with each other.
    trim : int, default=0
        Pixels to leave out at each border, as in
        :func:`~sklearn_ganprint.correlation.compare_fingerprints`.
    null : {"auto", "sources", "chance"}, default="auto"
        Null hypothesis of the p-values. "chance": patterns that have nothing in common. "sources":
        the other pairs, without what a fingerprint has in common with all others; one side needs
        at least 4 sources. "auto" is "sources" where there are as many, else "chance".

    Returns
    -------
    ModelComparison
        Correlations, z scores and p-values of all pairs, and the best match of each source.

    Raises
    ------
    ValueError
        If a model has no fingerprints, if the sizes differ, or if there are too few sources for
        the null asked for.

    See Also
    --------
    estimate_fingerprints : Fingerprints of image files, to compare with those of a model.
    sklearn_ganprint.correlation.compare_fingerprints : Two fingerprints, by chance.

    Notes
    -----
    Different sources often have something in common: a JPEG grid, resizing, aligned content, or
    one architecture. Compared with chance that is significant. The null "sources" tests whether a
    pair is more alike than its two fingerprints are to others. It assumes that a source has at
    most one partner and that most pairs have none, which fewer than 4 sources cannot show.

    A pair can stand out among others and yet be hardly alike: photos of many cameras have nothing
    in common but what was done to them. So with "sources" a common source also requires a
    correlation of 5 standard deviations of white noise, which is .02 for 256 x 256 pixels: see
    :meth:`ModelComparison.is_found`.

    The two collections must not hold the same images or copies of them, whose content would match.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.comparison import compare_models
    >>> rng = np.random.default_rng(0)
    >>> sources = dict(zip("abcde", rng.normal(size=(5, 64, 64)), strict=True))
    >>> cluster = {"cluster 0": sources["c"] + 3 * rng.normal(size=(64, 64))}
    >>> match = compare_models(cluster, sources).matches()[0]
    >>> match.match, match.p_value_of_best < 0.001
    ('c', True)
    """
    if null not in _NULLS:
        raise ValueError(f"null: expected one of {_NULLS}, got {null!r}.")
    one = fingerprint_set(first)
    other = None if second is None else fingerprint_set(second)
    columns = one if other is None else other
    warn_of_other_residuals(one, columns)
    correlation, error = _all_pairs(one, other, trim)
    n_sources = max(correlation.shape)
    if null == "sources" and n_sources < FEWEST:
        raise ValueError(
            f"null: 'sources' takes at least {FEWEST} sources on one side to compare with, got "
            f"{len(one.names)} and {len(columns.names)}. Use null='chance'."
        )
    if null == "chance" or n_sources < FEWEST:
        null, least, p_value = "chance", 0.0, norm.sf(_z_scores(correlation, error))
    else:
        null, p_value = "sources", _p_values((correlation, error), one, other, trim)
        height, width = (side - 2 * trim for side in one.fingerprints.shape[1:3])
        least = min(1.0, LEAST_DEVIATIONS / math.sqrt(height * width))
    return ModelComparison(one.names, columns.names, correlation, error, p_value, null, least)


def _p_values(
    pairs: Pairs, one: FingerprintSet, other: FingerprintSet | None, trim: int
) -> np.ndarray:
    """Compute p-values from the pairs across and, if one side has few, from those in the other."""
    if other is None or min(pairs[0].shape) >= FEWEST:
        return p_values_among_sources(pairs, symmetric=other is None)
    if len(other.names) >= FEWEST:
        return p_values_among_sources(pairs, _all_pairs(other, None, trim))
    return p_values_among_sources((pairs[0].T, pairs[1].T), _all_pairs(one, None, trim)).T


def _all_pairs(one: FingerprintSet, other: FingerprintSet | None, trim: int) -> Pairs:
    """Correlate the fingerprints of two sets or, with NaN on the diagonal, those within one."""
    itself, other = other is None, one if other is None else other
    if one.fingerprints.shape[1:] != other.fingerprints.shape[1:]:
        raise ValueError(
            f"Expected fingerprints of one size (height, width, channels), got "
            f"{one.fingerprints.shape[1:]} and {other.fingerprints.shape[1:]}. Fit both with one "
            f"crop, anchor and channels."
        )
    correlation, error = correlations_and_errors(one.fingerprints, other.fingerprints, trim=trim)
    if itself:
        np.fill_diagonal(correlation, np.nan)
        np.fill_diagonal(error, np.nan)
    return correlation, error


def _z_scores(correlation: np.ndarray, error: np.ndarray) -> np.ndarray:
    return np.divide(correlation, error, out=np.zeros_like(correlation), where=error != 0)


def p_values_among_sources(
    pairs: Pairs, others: Pairs | None = None, *, symmetric: bool = False
) -> np.ndarray:
    """Compute one-sided p-values of correlations (k, m) against pairs of different sources.

    A fingerprint of one side has at most one partner on the other. `others` (m, m) are pairs
    within the second side, which serve as further rows. `symmetric` says that `pairs` are within
    one model, so that every pair is there twice. NaN is where there is no pair.

    What a fingerprint has in common with all others, such as a JPEG grid or aligned content, adds
    to its whole row and column. So the medians of rows and columns are subtracted in turn (Tukey's
    median polish, which few pairs of one source do not disturb). The standard deviation is that of
    the rest without the greatest value of each row, which may be a match; with so few values
    Student's distribution takes the place of the normal one.
    """
    k, m = pairs[0].shape
    correlation, error = (
        pairs if others is None else map(np.vstack, zip(pairs, others, strict=True))
    )
    rest = correlation / _product_of_effects(error)
    for _ in range(N_ROUNDS):
        rest -= np.nanmedian(rest, axis=1, keepdims=True)
        rest -= np.nanmedian(rest, axis=0, keepdims=True)
    if symmetric:  # rows were first; a pair has one p-value, whichever comes first
        rest = (rest + rest.T) / 2
    null = np.sort(rest, axis=1)  # NaN go last
    greatest = np.isfinite(null[:k]).sum(axis=1) - 1
    null[np.arange(k), greatest] = np.nan
    # Pairs that are there twice count once.
    weight = np.ones((len(null), 1))
    weight[0 if symmetric else k :] = 0.5
    effects = m if symmetric else k + m - 1
    degrees = float((weight * np.isfinite(null)).sum()) - effects
    scale = np.sqrt(np.nansum(weight * null**2) / max(degrees, 1.0))
    with np.errstate(over="ignore"):  # copies have a scale of 0, and infinitely many of it
        standardized = rest[:k] / max(scale, np.finfo(np.float64).tiny)
    return student.sf(standardized, max(degrees, 1.0))


def _product_of_effects(error: np.ndarray) -> np.ndarray:
    """Smooth standard errors, which come from single pairs, to a factor for each row and column."""
    known = np.isfinite(error) & (error > 0)
    logarithm = np.where(known, np.log(np.where(known, error, 1.0)), np.nan)
    if not known.any():
        return np.ones_like(error)
    for axis in (0, 1):  # a fingerprint that is constant has no pair of a known error
        blank = ~known.any(axis=axis)
        logarithm.swapaxes(0, axis)[:, blank] = np.nanmean(logarithm)
    rows, columns = (np.nanmean(logarithm, axis=axis, keepdims=True) for axis in (1, 0))
    return np.exp(rows + columns - np.nanmean(logarithm))
