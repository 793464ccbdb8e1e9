"""
Autocorrelation
===============

What a generator does to neighbouring pixels and to the colours of one pixel tells networks apart
that leave hardly any pattern common to their images.
"""

# %%
# Two pipelines from images to sources. "fingerprint" averages the residuals of each source;
# "autocorrelation" correlates each residual with itself, shifted by a few pixels and across
# colours, and learns from whole images and from their tiles.
import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_ganprint import make_attribution_pipeline
from sklearn_ganprint.datasets import load_samples

samples = load_samples()
X, y = samples.data, samples.target_names[samples.target]
X_fit, X_test, y_fit, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
for kind in ("fingerprint", "autocorrelation"):
    pipeline = make_attribution_pipeline(kind).fit(X_fit, y_fit)
    print(f"{kind}: accuracy {pipeline.score(X_test, y_test):.3f}")

# %%
# The features have names: two channels, and the lag downwards and to the right. Those of the red
# channel with itself, averaged over the images of a source, make a picture; one half of the lags is
# the other half mirrored, and lag 0 is 1 by definition.
import matplotlib.pyplot as plt

from sklearn_ganprint import AutocorrelationTransformer

residuals = pipeline["residual"].transform(X)
correlations = AutocorrelationTransformer(4).set_output(transform="pandas")
features = correlations.fit_transform(residuals)
own = features.filter(regex=r"^rr\[")
figure, axes = plt.subplots(1, 6, figsize=(13, 2.6), layout="constrained")
for axis, source in zip(axes, samples.target_names, strict=True):
    half = own[y == source].mean().to_numpy()
    lags = np.concatenate([half[::-1], [np.nan], half]).reshape(9, 9)
    picture = axis.imshow(lags, extent=(-4.5, 4.5, 4.5, -4.5), cmap="RdBu_r", vmin=-0.5, vmax=0.5)
    axis.set(xticks=[-4, 0, 4], yticks=[-4, 0, 4])
    axis.set_title(source, fontsize="small")
axes[0].set_ylabel("lag downwards")
figure.colorbar(picture, ax=axes, label="correlation", shrink=0.8)
plt.show()

# %%
# Everything inside is reached by its name, in a grid search too.
pipeline.set_params(features__transformer__max_lag=2, classifier__estimator__lda__shrinkage=0.1)
print(f"lags up to 2: accuracy {pipeline.fit(X_fit, y_fit).score(X_test, y_test):.3f}")

# %%
# Two images of each source may be all that there is. The tiles of an image then count as samples.
few = np.concatenate([np.flatnonzero(y_fit == source)[:2] for source in samples.target_names])
for tile_size in (None, 32):
    pipeline = make_attribution_pipeline("autocorrelation", tile_size=tile_size)
    score = pipeline.fit(X_fit[few], y_fit[few]).score(X_test, y_test)
    print(f"two images a source, tiles of {tile_size}: accuracy {score:.3f}")
