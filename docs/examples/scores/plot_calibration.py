"""
From correlations to probabilities
==================================

A correlation of 0.04 is much or little, depending on the source. ``CalibratedClassifierCV`` turns
correlations into probabilities, out of fold.
"""

# %%
# Scores of images that a classifier was fitted on are too high, since each is part of its own
# fingerprint. Calibration on folds avoids that; so do ``leave_one_out_scores``.
import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import load_samples

samples = load_samples()
X, y = samples.data, samples.target_names[samples.target]
X_fit, X_test, y_fit, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
residual, classifier = ResidualTransformer(channels="rgb"), FingerprintClassifier()
rows = residual.fit_transform(X_fit)
classifier.fit(rows, y_fit)
own = np.searchsorted(classifier.classes_, y_fit)
for name, scores in [
    ("as fitted", classifier.correlate(rows)),
    ("leave one out", classifier.leave_one_out_scores(rows, y_fit)),
    ("new images", classifier.correlate(residual.transform(X_test))),
]:
    labels = np.searchsorted(classifier.classes_, y_test) if name == "new images" else own
    mean = scores[np.arange(len(labels)), labels].mean()
    print(f"mean correlation with the own fingerprint, {name:<14} {mean:.3f}")

# %%
pipeline = make_pipeline(residual, classifier)
calibrated = CalibratedClassifierCV(
    pipeline, method="temperature", cv=StratifiedKFold(5, shuffle=True, random_state=0)
).fit(X_fit, y_fit)
probabilities = calibrated.predict_proba(X_test)
print(f"log loss {log_loss(y_test, probabilities):.3f}")
print(f"of knowing nothing {np.log(len(calibrated.classes_)):.3f}")

# %%
# Calibrated, a stated probability should be the share of right answers: points near the diagonal.
import matplotlib.pyplot as plt

confidence = probabilities.max(axis=1)
right = calibrated.classes_[probabilities.argmax(axis=1)] == y_test
figure, axis = plt.subplots(figsize=(4.8, 4.4), layout="constrained")
axis.plot([0, 1], [0, 1], "--", color="gray")
for low, high in [(0.0, 0.5), (0.5, 0.8), (0.8, 1.01)]:
    among = (confidence >= low) & (confidence < high)
    if among.any():
        stated, found = confidence[among].mean(), right[among].mean()
        axis.plot(stated, found, "o", color="tab:blue")
        axis.annotate(f"{among.sum()} images ", (stated, found), ha="right")
axis.set(xlabel="stated probability", ylabel="share of right answers")
plt.show()
