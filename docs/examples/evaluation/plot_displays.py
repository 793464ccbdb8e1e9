"""
The paper's figures from plain arrays
=====================================

Each display takes arrays and numbers, wherever they were computed. Here they come from the bundled
samples, 56 images of each source, which is little: the paper has 512 for a fingerprint alone.
"""

# %%
# Half of each source's images estimate its fingerprint, the other half test it.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score

from sklearn_ganprint import ResidualTransformer
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.fingerprints import energy
from sklearn_ganprint.plotting import (
    AutocorrelationDisplay,
    CorrelationHistogramDisplay,
    CorrelationMatrixDisplay,
    EnergyCurveDisplay,
    FingerprintDisplay,
    RobustnessCurveDisplay,
)

samples = load_samples()
residuals = ResidualTransformer(flatten=False).fit_transform(samples.data)[..., 0]
names = [str(name) for name in samples.target_names]
rng = np.random.default_rng(0)
by_source = [rng.permutation(residuals[samples.target == each]) for each in range(len(names))]
to_fit, to_test = [rows[:28] for rows in by_source], [rows[28:] for rows in by_source]
fingerprints = np.array([rows.mean(axis=0) for rows in to_fit])

# %%
# Noise averages out, the fingerprint stays (Fig. 2): of this network mostly near the borders, where
# its layers pad. Each picture has a scale of its own, or the row has one.
one = names.index("esrgan_slim_x4")
numbers = [2, 4, 8, 16, 28]
means = [to_fit[one][:n].mean(axis=0) for n in numbers]
FingerprintDisplay.from_series(means, numbers, names[one])
FingerprintDisplay.from_series(means, numbers, names[one], scale="common")

# %%
# The energy tends to that of the limit fingerprint (Fig. 3). Least squares with relative weights
# finds it, and ``(N E - mean |R|^2) / (N - 1)`` is an estimate without a fit. The energy of a mean
# depends on the images in it; each here is the average over many draws.
draws = [rng.permutation(by_source[one]) for _ in range(20)]
numbers = np.array([2, 4, 8, 16, 32, 56])
energies = np.mean([energy([rows[:n].mean(axis=0) for n in numbers]) for rows in draws], axis=0)
terms = np.column_stack([np.ones(len(numbers)), 1 / numbers])
limit, initial = np.linalg.lstsq(terms / energies[:, None], np.ones(len(numbers)))[0]
unbiased = (numbers * energies - energy(by_source[one]).mean()) / (numbers - 1)
EnergyCurveDisplay.from_energies(
    numbers,
    energies,
    curves={"fit E∞ + E0/N": lambda n: limit + initial / n},
    limit=limit,
    estimates={"unbiased": unbiased},
    name=names[one],
)

# %%
# The network enlarges four times, and there are peaks near multiples of 4 pixels (Fig. 4).
spectrum = np.abs(np.fft.fft2(fingerprints[one] - fingerprints[one].mean())) ** 2
autocorrelation = np.fft.fftshift(np.fft.ifft2(spectrum).real) / spectrum.mean()
AutocorrelationDisplay.from_autocorrelation(autocorrelation, names[one], max_lag=16, period=4)

# %%
# Residuals correlate with the fingerprint of their source, and hardly with others (Fig. 5).
correlations = [correlation_index(rows, fingerprints) for rows in to_test]
same = correlations[one][:, one]
cross = np.delete(correlations[one], one, axis=1).ravel()
auc = roc_auc_score(np.repeat([1, 0], [len(same), len(cross)]), np.concatenate([same, cross]))
CorrelationHistogramDisplay.from_correlations(same, cross, auc=auc, name=names[one])

# %%
# The means over all pairs of sources (Fig. 6). With the square root as scale, small correlations
# are seen beside the diagonal: some between the two networks of one family, none between photos of
# different cameras.
matrix = np.array([each.mean(axis=0) for each in correlations])
families = ["CycleGAN", "ESRGAN", "ESRGAN", "photos", "Real-ESRGAN", "SRGAN"]
# sphinx_gallery_thumbnail_number = 6
CorrelationMatrixDisplay.from_matrix(matrix, names, architectures=families, scale="sqrt")

# %%
# How many images does a fingerprint need? The same display serves for the strength of a
# perturbation. Intervals are of two standard errors.
numbers, curves, intervals = np.array([1, 2, 4, 8, 16, 28]), {}, {}
for key, cut in [("whole images", 0), ("8 pixels trimmed", 8)]:
    inner = np.s_[:, cut : 128 - cut, cut : 128 - cut]
    accuracies = []
    for n in numbers:
        few = np.array([rows[:n].mean(axis=0) for rows in to_fit])[inner]
        nearest = [correlation_index(rows[inner], few).argmax(axis=1) for rows in to_test]
        accuracies.append(np.mean(nearest == np.arange(len(names))[:, None]))
    accuracies = np.array(accuracies)
    error = 2 * np.sqrt(accuracies * (1 - accuracies) / sum(map(len, to_test)))
    curves[key] = numbers, accuracies
    intervals[key] = accuracies - error, accuracies + error
RobustnessCurveDisplay.from_curves(
    curves,
    intervals=intervals,
    chance=1 / len(names),
    xlabel="images of each fingerprint",
    log2=True,
)
plt.show()
