"""
Cross-validation that keeps scenes apart
========================================

Where several images show one scene, those of one scene must not fall on both sides of a split.
"""

# %%
# The samples come from a few photos, and ``groups`` says from which. A fold without a photo tells
# whether the fingerprint is found in scenes that it was not estimated from.
import numpy as np
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import confounds, load_samples

samples = load_samples()
X, y = samples.data, samples.target_names[samples.target]
pipeline = make_pipeline(ResidualTransformer(channels="rgb"), FingerprintClassifier())
for name, folds, groups in [
    ("images apart", StratifiedKFold(5, shuffle=True, random_state=0), None),
    ("photos apart", GroupKFold(5, shuffle=True, random_state=0), samples.groups),
]:
    predicted = cross_val_predict(pipeline, X, y, groups=groups, cv=folds)
    print(f"{name}: accuracy {np.mean(predicted == y):.3f}")

# %%
# The other way to fool oneself is by file properties that differ between the classes. For these
# samples there are none; for a folder of JPEG photos and PNG output there would be.
print("confounds:", confounds(samples) or "none")
