"""
Fingerprints beside another detector
====================================

``StackingClassifier`` learns from out-of-fold scores how much to believe each of its members, so
that no image is judged by a fingerprint that it is part of.
"""

# %%
# The other classifier knows nothing of fingerprints: it looks at how much noise an image has in
# each colour channel, and how heavy its tails are.
import numpy as np
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import load_samples


def noise_statistics(residuals):
    """Log energy and log kurtosis of each colour channel of residuals ``(n, H, W, 3)``."""
    squares = np.square(residuals)
    energy = squares.mean(axis=(1, 2))
    return np.log(np.hstack([energy, np.square(squares).mean(axis=(1, 2)) / energy**2]))


samples = load_samples()
X, y = samples.data, samples.target_names[samples.target]
X_fit, X_test, y_fit, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)

fingerprint = make_pipeline(ResidualTransformer(channels="rgb"), FingerprintClassifier())
statistics = make_pipeline(
    ResidualTransformer("gaussian", channels="rgb", flatten=False),
    FunctionTransformer(noise_statistics),
    StandardScaler(),
    LogisticRegression(max_iter=1000),
)
stack = StackingClassifier(
    [("fingerprint", fingerprint), ("statistics", statistics)],
    final_estimator=make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    cv=StratifiedKFold(5, shuffle=True, random_state=0),
)

# %%
for name, classifier in [("fingerprint", fingerprint), ("statistics", statistics), ("both", stack)]:
    print(f"{name:<12} {classifier.fit(X_fit, y_fit).score(X_test, y_test):.3f}")
