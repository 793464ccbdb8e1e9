"""
Fingerprints in a pipeline
==========================

Residuals, fingerprints and attribution as one scikit-learn pipeline, and what the fingerprints
look like.
"""

# %%
# The bundled samples are output of several GANs, and untouched photos. Every source was given
# other parts of the same photos, so that content does not tell them apart.
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import load_samples

samples = load_samples()
X, y = samples.data, samples.target_names[samples.target]
X_fit, X_test, y_fit, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)

# %%
# The transformer takes the noise residual of each image; the classifier averages them over each
# source, and attributes an image to the source whose average its residual correlates with most.
pipeline = make_pipeline(ResidualTransformer(channels="rgb"), FingerprintClassifier())
pipeline.fit(X_fit, y_fit)
print(f"accuracy {pipeline.score(X_test, y_test):.3f}, chance {1 / len(pipeline.classes_):.3f}")

# %%
# The diagram of a pipeline links each step to its page.
pipeline

# %%
# A fingerprint is a picture of a few grey levels, or less.
import matplotlib.pyplot as plt

from sklearn_ganprint.plotting import FingerprintDisplay

luminance = make_pipeline(ResidualTransformer(), FingerprintClassifier()).fit(X_fit, y_fit)
figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for axis, source in zip(axes, luminance.classes_, strict=False):
    FingerprintDisplay.from_estimator(luminance, source, ax=axis)
plt.show()
