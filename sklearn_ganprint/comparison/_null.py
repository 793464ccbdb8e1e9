"""What correlations are worth, by those between sources that differ."""

import numpy as np
from scipy.stats import t as student

#: Fingerprints on the side that is compared with, at the least, for their own null.
FEWEST = 4
#: Rounds of taking medians of rows and columns away; they hardly change after a few.
N_ROUNDS = 10


#: Correlations of the fingerprints of two models, and their standard errors.
Pairs = tuple[np.ndarray, np.ndarray]


def p_values_among_sources(
    pairs: Pairs, others: Pairs | None = None, *, symmetric: bool = False
) -> np.ndarray:
    """p-values of correlations against those of pairs of different sources.

    Parameters
    ----------
    pairs : tuple of two ndarray of shape (k, m)
        Correlations of the fingerprints of one model with those of another, each of which has at
        most one partner in the other, and their standard errors; NaN where there is none.

    others : tuple of two ndarray of shape (m, m), default=None
        The same of the second model's fingerprints with each other, NaN on the diagonal. They
        serve as further rows, of pairs that differ.

    symmetric : bool, default=False
        Whether `pairs` are of one model with itself, so that each is there twice.

    Returns
    -------
    ndarray of float64, shape (k, m)
        p-values, one-sided.

    Notes
    -----
    What fingerprints have in common with all others, such as a JPEG grid or aligned content, adds
    to whole rows and columns. So the medians of rows and columns are taken away in turn (Tukey's
    median polish, which few pairs of one source do not disturb). The standard deviation is that
    of the rest without the greatest value of each row, which may be a match; with so few values
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
    """Smooth standard errors, each estimated from one pair, to one factor a row and a column."""
    known = np.isfinite(error) & (error > 0)
    logarithm = np.where(known, np.log(np.where(known, error, 1.0)), np.nan)
    if not known.any():
        return np.ones_like(error)
    for axis in (0, 1):  # a fingerprint that is constant has no pair of a known error
        blank = ~known.any(axis=axis)
        logarithm.swapaxes(0, axis)[:, blank] = np.nanmean(logarithm)
    rows, columns = (np.nanmean(logarithm, axis=axis, keepdims=True) for axis in (1, 0))
    return np.exp(rows + columns - np.nanmean(logarithm))
