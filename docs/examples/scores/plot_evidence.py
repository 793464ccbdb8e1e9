"""
Likelihood ratios
=================

How much more probable is a score if the image comes from a certain generator than if it comes from
another source? And how good are the answers?
"""

# %%
# Scores for one source, by models that have seen no image of the same scene.
import numpy as np
from matplotlib import pyplot as plt
from sklearn.metrics import DetCurveDisplay
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.evidence import (
    LikelihoodRatioCalibrator,
    cllr,
    cllr_min,
    misleading_rates,
    verbal_scale,
)
from sklearn_ganprint.plotting import ECEDisplay, PAVDisplay, TippettDisplay

samples = load_samples()
y = samples.target_names[samples.target]
residuals = ResidualTransformer(channels="rgb").fit_transform(samples.data)
classifier, scenes = FingerprintClassifier(), LeaveOneGroupOut()
all_scores = cross_val_predict(
    classifier, residuals, y, groups=samples.groups, cv=scenes, method="decision_function"
)
source = "esrgan_slim_x4"
scores = all_scores[:, list(np.unique(y)).index(source)]
from_source = y == source

# %%
# The first proposition: the image comes from this network. The alternative: it comes from another
# of the sources. Calibrators are fitted without the scenes whose LRs they compute.
log10_lrs = np.empty(len(scores))
for fit, test in scenes.split(scores, groups=samples.groups):
    calibrator = LikelihoodRatioCalibrator().fit(scores[fit], from_source[fit])
    log10_lrs[test] = calibrator.log10_likelihood_ratios(scores[test])
print(f"Cllr {cllr(log10_lrs, from_source):.2f}, least {cllr_min(log10_lrs, from_source):.2f}")
missed, misled = misleading_rates(log10_lrs, from_source)
print(f"misleading: {missed:.1%} of its own images, {misled:.1%} of the others")
print(f"greatest LR {10 ** log10_lrs.max():.0f}: {verbal_scale(log10_lrs.max())}")

# %%
# With few images the bounds are narrow: no LR is far above the number of images of the alternative.
for method in ("logistic", "kde", "isotonic"):
    calibrator = LikelihoodRatioCalibrator(method).fit(scores, from_source)
    places = np.linspace(scores.min(), scores.max(), 300)
    plt.plot(places, calibrator.log10_likelihood_ratios(places), label=method)
plt.plot(scores[from_source], np.full(from_source.sum(), 2.6), "|", color="C0")
plt.plot(scores[~from_source], np.full((~from_source).sum(), -2.0), "|", color="C1")
plt.gca().set(xlabel=f"correlation with the fingerprint of {source}", ylabel="log10 LR")
plt.legend()

# %%
# Tippett plot: the share of LRs above each value. Where the curves cross the line at LR = 1 is how
# often the evidence misleads.
TippettDisplay.from_likelihood_ratios(log10_lrs, from_source, name=source)

# %%
# PAV plot: calibrated LRs lie along the diagonal. Arrows are images among which the others have
# none.
PAVDisplay.from_likelihood_ratios(log10_lrs, from_source, name=source)

# %%
# Empirical cross-entropy: what is still unknown after the evidence, by what was believed before.
ECEDisplay.from_likelihood_ratios(log10_lrs, from_source, name=source)

# %%
# DET curve, by scikit-learn.
DetCurveDisplay.from_predictions(from_source, log10_lrs, name=source)
