"""Fingerprints from residuals, their energy and their autocorrelation.

Every function takes arrays that keep the shape of the image.
"""

from sklearn_ganprint._public import publish
from sklearn_ganprint.fingerprints._autocorrelation import autocorrelation, autocorrelation_period
from sklearn_ganprint.fingerprints._camera import (
    divide_by_intensity,
    maximum_likelihood_fingerprint,
    wiener_dft,
    zero_mean,
)
from sklearn_ganprint.fingerprints._energy import (
    EnergyFit,
    energy,
    fit_energy,
    split_half_energy,
    unbiased_energy,
)
from sklearn_ganprint.fingerprints._estimate import (
    class_sums,
    doubling_counts,
    estimate_fingerprint,
    nested_fingerprints,
)

__all__ = [
    "EnergyFit",
    "autocorrelation",
    "autocorrelation_period",
    "class_sums",
    "divide_by_intensity",
    "doubling_counts",
    "energy",
    "estimate_fingerprint",
    "fit_energy",
    "maximum_likelihood_fingerprint",
    "nested_fingerprints",
    "split_half_energy",
    "unbiased_energy",
    "wiener_dft",
    "zero_mean",
]

publish(globals())
