"""
Cross-validation that keeps scenes apart
========================================

Where several images show one scene, those of one scene must not fall on both sides of a split.
"""

# %%
# The samples come from a few photos, and ``groups`` says from which. A fold without a photo tells
# whether the fingerprint is found in scenes that it was not estimated from.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import confounds, load_samples

samples = load_samples()
X, y = samples.data, samples.target_names[samples.target]
pipeline = make_pipeline(ResidualTransformer(channels="rgb"), FingerprintClassifier())
shares = {}
for name, folds, groups in [
    ("images apart", StratifiedKFold(5, shuffle=True, random_state=0), None),
    ("photos apart", GroupKFold(5, shuffle=True, random_state=0), samples.groups),
]:
    predicted = cross_val_predict(pipeline, X, y, groups=groups, cv=folds)
    print(f"{name}: accuracy {np.mean(predicted == y):.3f}")
    shares[name] = [np.mean(predicted[y == source] == source) for source in samples.target_names]

# %%
# By source, the share of images that are attributed right.
figure, axis = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
for number, (name, values) in enumerate(shares.items()):
    axis.barh(np.arange(len(values)) + 0.4 * number, values, 0.38, label=name)
axis.set_yticks(np.arange(len(values)) + 0.2, samples.target_names)
axis.invert_yaxis()
axis.set_xlabel("share attributed right")
figure.legend(loc="outside upper center", ncols=2)
plt.show()

# %%
# The other way to fool oneself is by file properties that differ between the classes. For these
# samples there are none; for a folder of JPEG photos and PNG output there would be.
print("confounds:", confounds(samples) or "none")
