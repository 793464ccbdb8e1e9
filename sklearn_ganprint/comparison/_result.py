"""All fingerprints of one model against all of another."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm

from sklearn_ganprint.comparison._models import (
    FingerprintSet,
    fingerprint_set,
    warn_of_other_residuals,
)
from sklearn_ganprint.comparison._null import FEWEST, Pairs, p_values_among_sources
from sklearn_ganprint.correlation import correlations_and_errors

_NULLS = ("auto", "sources", "chance")

#: Two patterns of white noise of n pixels correlate with a standard deviation of ``1 / sqrt(n)``.
#: Sources that differ, photos of many cameras among them, stay below so many of these; halves of
#: one source hardly ever do.
LEAST_DEVIATIONS = 5.0


class Match(NamedTuple):
    """The most alike source of the second model, for a source of the first.

    Attributes
    ----------
    source, match : str
        Names in the first and in the second model.

    correlation, z_score, p_value : float
        Of the pair, as in :class:`ModelComparison`.

    p_value_of_best : float
        Chance of such a p-value among as many sources as were compared (Sidak): small if `source`
        shares something with `match` that it does not with the others.

    n_compared : int
        How many sources those are.
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
        The sources of the first model, in rows, and of the second, in columns.

    correlation : ndarray of float64, shape (k, m)
        Correlation indices; NaN where a fingerprint would meet itself.

    standard_error : ndarray of float64, shape (k, m)
        Their standard deviations by chance, as in
        :class:`~sklearn_ganprint.correlation.FingerprintComparison`.

    p_value : ndarray of float64, shape (k, m)
        Chance of a correlation as great, by `null`.

    null : {"sources", "chance"}
        What the p-values are by: how alike different sources are here, or patterns that have
        nothing in common. z scores are by the same.

    least_correlation : float, default=0
        Correlation below which a pair shares no source, however much it stands out among the
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
        """How far pairs stand out, by `null`: the normal deviates of which `p_value` is the tail.

        With the null "chance" those are the correlations over their standard errors.
        """
        if self.null == "chance":
            return _z_scores(self.correlation, self.standard_error)
        return norm.isf(np.clip(self.p_value, 1e-300, 1 - 1e-16))

    def matches(self) -> list[Match]:
        """Find the most alike source of the second model for each of the first.

        Returns
        -------
        list of Match
            In the order of `first_names`; the one of least p-value, and of equal ones the first.
        """
        found = []
        for row, name in enumerate(self.first_names):
            # Student's tail can be 0 for several; the correlation then decides.
            order = np.lexsort([-self.correlation[row], self.p_value[row]])
            best = int(order[0])
            p_value = float(self.p_value[row, best])
            n_compared = int(np.isfinite(self.p_value[row]).sum())
            found.append(
                Match(
                    name,
                    self.second_names[best],
                    float(self.correlation[row, best]),
                    float(self.z_score[row, best]),
                    p_value,
                    float(-np.expm1(n_compared * np.log1p(-min(p_value, 1 - 1e-16)))),
                    n_compared,
                )
            )
        return found

    def is_found(self, match: Match, level: float) -> bool:
        """Tell whether a source has a partner.

        Parameters
        ----------
        match : Match
            One of :meth:`matches`.

        level : float
            Chance of a partner by accident, in (0, 1).

        Returns
        -------
        bool
            Whether the match's ``p_value_of_best`` is at most `level`, and its correlation at least
            `least_correlation`.
        """
        return match.p_value_of_best <= level and match.correlation >= self.least_correlation

    def rows(self) -> list[dict[str, Any]]:
        """Give one row a pair; of one model with itself each pair is there once.

        Returns
        -------
        list of dict
            With the keys ``first``, ``second``, ``correlation``, ``z_score`` and ``p_value``.
        """
        return [
            {
                "first": self.first_names[i],
                "second": self.second_names[j],
                "correlation": float(self.correlation[i, j]),
                "z_score": float(self.z_score[i, j]),
                "p_value": float(self.p_value[i, j]),
            }
            for i, j in np.argwhere(self._pairs())
        ]

    def _pairs(self) -> np.ndarray:
        """Say which entries are pairs of two sources, each of which counts once."""
        finite = np.isfinite(self.correlation)
        itself = self.first_names == self.second_names and not finite.diagonal().any()
        return np.triu(finite) if itself else finite

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as plain values that JSON can hold.

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
    """Correlate all fingerprints of one model with all of another, and say what is chance.

    Parameters
    ----------
    first : estimator, FingerprintSet or dict
        A fitted model, or fingerprints by name, as :func:`fingerprint_set` takes it.

    second : estimator, FingerprintSet or dict, default=None
        Another, of images of the same size; None compares the sources of the first with each
        other.

    trim : int, default=0
        Pixels to leave out at each border, as in
        :func:`~sklearn_ganprint.correlation.compare_fingerprints`.

    null : {"auto", "sources", "chance"}, default="auto"
        What p-values are by. "chance": patterns that have nothing in common. "sources": the other
        pairs, less what each fingerprint has in common with all others; it takes 4 sources or
        more on one side. "auto" is "sources" where there are as many, else "chance".

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
    Different sources often have something in common: a JPEG grid, resizing, aligned content,
    siblings of one architecture. By chance alone that is significant. The null "sources" asks
    whether a pair is more alike than its two fingerprints are with others, which rests on each
    source having one partner at the most, and most pairs having none. Sources with fewer than 4
    others cannot be told from that.

    A pair can stand out among others and yet be hardly alike: photos of many cameras have nothing
    in common but what was done to them. So by "sources" a common source also takes a correlation of
    5 standard deviations of white noise, .02 of 256 x 256 pixels: see
    :meth:`ModelComparison.is_found`.

    Both collections must not hold the same images or versions of them, whose content would match.

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
    other = one if second is None else fingerprint_set(second)
    warn_of_other_residuals(one, other)
    correlation, error = _all_pairs(one, other, trim, itself=second is None)
    fewest = max(len(one.names), len(other.names)) if second is not None else len(one.names)
    if null == "sources" and fewest < FEWEST:
        raise ValueError(
            f"null: 'sources' takes at least {FEWEST} sources on one side to compare with, got "
            f"{len(one.names)} and {len(other.names)}. Use null='chance'."
        )
    kind = "chance" if null == "chance" or fewest < FEWEST else "sources"
    if kind == "chance":
        p_value = norm.sf(_z_scores(correlation, error))
    elif second is None:
        p_value = p_values_among_sources((correlation, error), symmetric=True)
    else:
        p_value = _by_sources((correlation, error), one, other, trim)
    least = 0.0 if kind == "chance" else _least_correlation(one.fingerprints.shape, trim)
    return ModelComparison(one.names, other.names, correlation, error, p_value, kind, least)


def _least_correlation(shape: tuple[int, ...], trim: int) -> float:
    n_pixels = (shape[1] - 2 * trim) * (shape[2] - 2 * trim)
    return min(1.0, LEAST_DEVIATIONS / math.sqrt(n_pixels))


def _by_sources(pairs: Pairs, one: FingerprintSet, other: FingerprintSet, trim: int) -> np.ndarray:
    """Take the pairs across; if one side has few, those within the other side as well."""
    if min(pairs[0].shape) >= FEWEST:
        return p_values_among_sources(pairs)
    turned = len(other.names) < FEWEST
    many = one if turned else other
    within = _all_pairs(many, many, trim, itself=True)
    if turned:
        return p_values_among_sources((pairs[0].T, pairs[1].T), within).T
    return p_values_among_sources(pairs, within)


def _all_pairs(one: FingerprintSet, other: FingerprintSet, trim: int, *, itself: bool) -> Pairs:
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
    return np.where(error == 0, 0.0, correlation / np.where(error == 0, 1.0, error))
