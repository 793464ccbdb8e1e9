"""
Which part comes from elsewhere
===============================

A piece of one generator's image, pasted into that of another, does not carry the trace that the
image is said to have. Windows of 16 pixels are enough to see it.
"""

# %%
# One half of the bundled images is fitted on. They are clean: each is by one source, whole.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_ganprint import make_localization_pipeline
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.localization import localize_images
from sklearn_ganprint.plotting import LocalizationDisplay

samples = load_samples()
X, y = samples.data, samples.target_names[samples.target]
pipeline = make_localization_pipeline().fit(X[::2], y[::2])
X, y = X[1::2], y[1::2]

# %%
# Into three images of the other half goes a square from another source, from another place there,
# so that its pixel grid does not fit either. The last image is left alone. A white patch, such as a
# saturated sky, has no trace at all.
rng = np.random.default_rng(0)
hosts = [np.flatnonzero(y == source)[0] for source in samples.target_names[[0, 2, 3, 4]]]
images, claimed = X[hosts].copy(), y[hosts]
for image, source in zip(images[:3], claimed[:3], strict=True):
    donor = X[rng.choice(np.flatnonzero(y != source))]
    image[40:88, 24:72] = donor[8:56, 70:118]
images[2, :30, 80:] = 255

# %%
# Red is where another source is more likely than the claimed one. The black line is where
# ``predict`` puts the region; hatched parts are flat, and nothing can be said of them.
figure, axes = plt.subplots(1, 4, figsize=(14, 3.2), layout="constrained")
for axis, image, source in zip(axes, images, claimed, strict=True):
    LocalizationDisplay.from_estimator(pipeline, image, source, ax=axis, name=f"by {source}?")
plt.show()

# %%
# The numbers behind the pictures. The threshold is set so that of clean images 5 % get a region.
found = localize_images(pipeline, images, claimed)
print("in a region:", found.masks.mean(axis=(1, 2)).round(3))
clean = localize_images(pipeline, X, y).masks.any(axis=(1, 2))
print(f"clean images with a region: {clean.mean():.3f}")

# %%
# Without a claim, the most likely source of the whole image takes its place. That goes wrong where
# most of an image is pasted in: the map is then of the rest.
print(localize_images(pipeline, images).claimed == claimed)
