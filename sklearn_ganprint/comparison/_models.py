"""Whether two collections of images, or two models, share sources: their fingerprints compared."""

import math
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm

from sklearn_ganprint.comparison._sets import FingerprintSet, fingerprint_set
from sklearn_ganprint.correlation import correlations_and_errors
from sklearn_ganprint.correlation._comparison import Pairs, p_values_among_sources, z_scores

__all__ = ["FEWEST_SOURCES", "Match", "ModelComparison", "compare_models"]

_NULLS = ("auto", "sources", "chance")
#: Sources on the side that is compared with, at the least, for the null "sources".
FEWEST_SOURCES = 4

#: Two patterns of white noise of n pixels correlate with a standard deviation of ``1 / sqrt(n)``.
#: Sources that differ, photos of many cameras among them, stay below so many of these; halves of
#: one source hardly ever do.
LEAST_DEVIATIONS = 5.0

#: Directions of mean features that differ have a cosine of .1 by chance, about.
LEAST_SIMILARITY = 0.1


def _warn_of_other_residuals(first: FingerprintSet, second: FingerprintSet) -> None:
    """Warn if the residuals of two sets were made in different ways."""
    if first.residual is None or second.residual is None:
        return
    ways = [(made.residual.denoiser, made.residual.channels) for made in (first, second)]
    if repr(ways[0]) != repr(ways[1]):
        warnings.warn(
            f"The residuals of the two models were made in different ways, denoiser and channels "
            f"{ways[0]} and {ways[1]}: their fingerprints are less alike than they could be.",
            UserWarning,
            stacklevel=3,
        )


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
        Chance under `null` of a correlation at least as great or, with features, of correlation and
        similarity together.
    null : {"sources", "chance"}
        Null hypothesis of the p-values and z scores: correlations are those of the different
        sources compared here, or those of patterns that have nothing in common.
    least_correlation : float, default=0
        Pairs with a lower correlation share no source, however much they stand out among the
        others, unless they are similar enough; 0 with the null "chance".
    similarity : ndarray of float64, shape (k, m), or None, default=None
        Cosines of mean features, less the mean of the sources of the side that has more of them, or
        of both; None where fingerprints alone were compared.
    least_similarity : float or None, default=None
        Similarity from which on a pair may share a source whose correlation is too low for that,
        if it is not negative.
    """

    first_names: list[str]
    second_names: list[str]
    correlation: np.ndarray
    standard_error: np.ndarray
    p_value: np.ndarray
    null: str
    least_correlation: float = 0.0
    similarity: np.ndarray | None = None
    least_similarity: float | None = None

    @property
    def alike(self) -> np.ndarray:
        """Which pairs are alike enough to share a source, if they stand out among the others.

        Returns
        -------
        ndarray of bool, shape (k, m)
            Whether the correlation or the similarity is at least what it must be.
        """
        return np.asarray(self._are_alike(self.correlation, self.similarity))

    def _are_alike(self, correlation: Any, similarity: Any) -> Any:
        """Judge the correlation and the similarity, if there is one, of one pair or of many."""
        alike = correlation >= self.least_correlation
        if similarity is None or self.least_similarity is None:
            return alike
        return alike | ((similarity >= self.least_similarity) & (correlation > 0))

    @property
    def z_score(self) -> np.ndarray:
        """Normal deviates, whose upper tail is `p_value`.

        With the null "chance" they are the correlations over their standard errors.

        Returns
        -------
        ndarray of float64, shape (k, m)
            Greater is more alike; NaN where a fingerprint would meet itself.
        """
        if self.null == "chance":
            return z_scores(self.correlation, self.standard_error)
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
            Whether ``match.p_value_of_best`` is at most `level`, and the pair is `alike`.
        """
        alike = self._are_alike(match.correlation, self.similarity_of(match))
        return match.p_value_of_best <= level and bool(alike)

    def similarity_of(self, match: Match) -> float | None:
        """Return how similar the mean features of a match are.

        Parameters
        ----------
        match : Match
            One of :meth:`matches`.

        Returns
        -------
        float or None
            The cosine; None where fingerprints alone were compared.
        """
        if self.similarity is None:
            return None
        named = np.outer(
            [name == match.source for name in self.first_names],
            [name == match.match for name in self.second_names],
        )
        # Different sources may have one name.
        found = self.similarity[named & (self.correlation == match.correlation)]
        return float(found[0]) if len(found) else None

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each pair; pairs within one model are listed once.

        Returns
        -------
        list of dict
            Rows with the keys ``first``, ``second``, ``correlation``, ``z_score``, ``p_value`` and
            ``similarity``, which is None where fingerprints alone were compared.
        """
        listed, z_score = np.isfinite(self.correlation), self.z_score
        similarity = np.full(listed.shape, None) if self.similarity is None else self.similarity
        if self.first_names == self.second_names and not listed.diagonal().any():
            listed = np.triu(listed)
        return [
            {
                "first": self.first_names[i],
                "second": self.second_names[j],
                "correlation": float(self.correlation[i, j]),
                "z_score": float(z_score[i, j]),
                "p_value": float(self.p_value[i, j]),
                "similarity": similarity.item(i, j),
            }
            for i, j in np.argwhere(listed)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values that JSON can hold.

        Returns
        -------
        dict
            ``null``, ``first_names``, ``second_names``, ``matches``, ``pairs``,
            ``least_correlation`` and ``least_similarity``.
        """
        return {
            "null": self.null,
            "first_names": self.first_names,
            "second_names": self.second_names,
            "matches": [match._asdict() for match in self.matches()],
            "pairs": self.rows(),
            "least_correlation": self.least_correlation,
            "least_similarity": self.least_similarity,
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
        Pixels to leave out at each border of fingerprints, as in
        :func:`~sklearn_ganprint.correlation.compare_fingerprints`. Features stay as they are.
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
        If a model has no fingerprints, if the sizes differ, if one side alone has features, or if
        there are too few sources for the null asked for or for features.

    See Also
    --------
    estimate_fingerprints : Fingerprints of image files, to compare with those of a model.
    sklearn_ganprint.correlation.compare_fingerprints : Two fingerprints, by chance.

    Notes
    -----
    Different sources often have something in common: a JPEG grid, resizing, aligned content, or
    one architecture. Compared with chance that is significant. The null "sources" tests whether a
    pair is more alike than its two fingerprints are to others. It assumes that a source has at
    most one partner and that most pairs have none, which fewer than 4 sources cannot show. Of
    two sides with 4 sources or more p-values are geometric means of those of both orders.

    A pair can stand out among others and yet be hardly alike: photos of many cameras have nothing
    in common but what was done to them. So with "sources" a common source also requires a
    correlation of 5 standard deviations of white noise, which is .02 for 256 x 256 pixels: see
    :meth:`ModelComparison.is_found`.

    Where both sides have features, as :func:`estimate_fingerprints` makes them with
    ``like="fusion"``, their cosines count as much as the correlations: less what a source has in
    common with all others, and in units of their spread, the two are added up, and the sum is
    compared with that of the other pairs. Features tell architectures and processing apart rather
    than single networks, so that more is found in few images, and more relatives too. Then a
    cosine of 0.1 is enough for a common source, if the correlation is not negative. Where a side
    is compared with itself and has few sources, p-values are somewhat too small.

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
    _check_features(one, columns, null)
    _warn_of_other_residuals(one, columns)
    traces = _all_traces(one, other, trim)
    (correlation, error), *features = traces
    similarity = features[0][0] if features else None
    n_sources = max(correlation.shape)
    if null == "sources" and n_sources < FEWEST_SOURCES:
        raise ValueError(
            f"null: 'sources' takes at least {FEWEST_SOURCES} sources on one side to compare with, "
            f"got {len(one.names)} and {len(columns.names)}. Use null='chance'."
        )
    if null == "chance" or n_sources < FEWEST_SOURCES:
        null, least, p_value = "chance", 0.0, norm.sf(z_scores(correlation, error))
    else:
        null, p_value = "sources", _p_values(traces, one, other, trim)
        height, width = (side - 2 * trim for side in one.fingerprints.shape[1:3])
        least = min(1.0, LEAST_DEVIATIONS / math.sqrt(height * width))
    found = one.names, columns.names, correlation, error, p_value, null, least, similarity
    return ModelComparison(*found, None if similarity is None else LEAST_SIMILARITY)


def _check_features(one: FingerprintSet, columns: FingerprintSet, null: str) -> None:
    """Raise where there are features that cannot be compared."""
    sizes = [None if each.features is None else each.features.shape[1] for each in (one, columns)]
    if sizes == [None, None]:
        return
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"features: expected as many on both sides, or none, got {sizes[0]} and {sizes[1]}. "
            f"Estimate those of both alike."
        )
    n_sources = len(one.names), len(columns.names)
    if null == "chance" or max(n_sources) < FEWEST_SOURCES:
        raise ValueError(
            f"features: they are compared by the null 'sources' with {FEWEST_SOURCES} sources or "
            f"more on one side, got null={null!r}, and {n_sources[0]} and {n_sources[1]} sources. "
            f"Leave features out."
        )


def _p_values(
    traces: list[Pairs], one: FingerprintSet, other: FingerprintSet | None, trim: int
) -> np.ndarray:
    """Compute p-values from the pairs across and, if one side has few, from those in the other."""
    if other is None:
        return p_values_among_sources(traces, symmetric=True)
    turned = [(values.T, error.T) for values, error in traces]
    if min(traces[0][0].shape) >= FEWEST_SOURCES:
        # A pair has one p-value, whichever side comes first. The greater of two would hide what is
        # found where several sources of one side have the same partner.
        both = p_values_among_sources(traces), p_values_among_sources(turned).T
        return np.sqrt(both[0]) * np.sqrt(both[1])
    if len(other.names) >= FEWEST_SOURCES:
        return p_values_among_sources(traces, _all_traces(other, None, trim))
    return p_values_among_sources(turned, _all_traces(one, None, trim)).T


def _all_traces(one: FingerprintSet, other: FingerprintSet | None, trim: int) -> list[Pairs]:
    """Make all pairs of fingerprints, and of features if there are some."""
    traces = [_all_pairs(one, other, trim)]
    if one.features is None:
        return traces
    similarity = _similarity(one.features, None if other is None else other.features)
    return [*traces, (similarity, np.ones_like(similarity))]


def _similarity(one: np.ndarray, other: np.ndarray | None) -> np.ndarray:
    """Compute cosines of mean features or, with NaN on the diagonal, of those within one side."""
    both = [np.asarray(each, np.float64) for each in (one, one if other is None else other)]
    most = max(map(len, both))
    center = np.mean([each.mean(axis=0) for each in both if len(each) == most], axis=0)
    rests = [each - center for each in both]
    norms = [np.linalg.norm(rest, axis=1, keepdims=True) for rest in rests]
    first, second = (
        rest / np.where(norm > 0, norm, 1.0) for rest, norm in zip(rests, norms, strict=True)
    )
    cosines = first @ second.T
    if other is None:
        np.fill_diagonal(cosines, np.nan)
    return cosines


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
