"""
Data frames, copies and caches
==============================

The conventions of scikit-learn that one does not think of until they are missing.
"""

# %%
# ``set_output`` gives residuals as a data frame, with a column for each pixel.
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.denoisers import WaveletDenoiser

samples = load_samples()
X, y = samples.data[::8, :32, :32], samples.target_names[samples.target][::8]
frame = ResidualTransformer().set_output(transform="pandas").fit_transform(X)
print(frame.iloc[:3, :4].round(2))

# %%
# A row is an image, pixel by pixel, whose shape the transformer knows.
figure, axes = plt.subplots(1, 2, figsize=(6.5, 3), layout="constrained")
axes[0].imshow(X[0])
axes[0].set_title("image")
axes[1].imshow(frame.iloc[0].to_numpy().reshape(32, 32), cmap="RdBu_r", vmin=-8, vmax=8)
axes[1].set_title("residual")
plt.show()

# %%
# ``clone`` copies parameters, those of the denoiser too, and nothing that was learned.
pipeline = Pipeline(
    [("residual", ResidualTransformer(WaveletDenoiser())), ("fingerprint", FingerprintClassifier())]
)
pipeline.set_params(residual__denoiser__sigma=3.0).fit(X, y)
copied = clone(pipeline)
print(copied["residual"].denoiser, hasattr(copied["fingerprint"], "fingerprints_"))

# %%
# ``memory`` keeps residuals on disk: a second fit with another metric does not compute them again.
with TemporaryDirectory() as cache:
    pipeline.set_params(memory=cache).fit(X, y)
    pipeline.set_params(fingerprint__metric="cosine").fit(X, y)
    print(pipeline["fingerprint"].class_count_)
