"""Fingerprints from residuals, their energy and their autocorrelation.

Every function takes arrays that keep the shape of the image.
"""

from sklearn_ganprint._public import former_names, publish
from sklearn_ganprint.fingerprints._autocorrelation import autocorrelation, autocorrelation_period
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
    maximum_likelihood_fingerprint,
    nested_fingerprints,
    wiener_dft,
    zero_mean,
)

__all__ = [
    "EnergyFit",
    "autocorrelation",
    "autocorrelation_period",
    "class_sums",
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
__getattr__ = former_names(__name__, {"divide_by_intensity": "_estimate"})
