"""
Fingerprints beside another classifier
======================================

``StackingClassifier`` learns from out-of-fold scores how much to believe each of its members, so
that no image is judged by a fingerprint that it is part of.
"""

# %%
# The other classifier looks at the spectrum of each residual, averaged over all directions: how
# strong noise of each frequency is. Both learn from the bundled samples as a site would have saved
# them, as JPEG, which makes it harder for either.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.experiments import mcnemar_test
from sklearn_ganprint.features import SpectrumTransformer
from sklearn_ganprint.perturbations import JPEGCompression

samples = load_samples()
y, photos = samples.target_names[samples.target], samples.groups
# Residuals learn nothing from images, so that they may be taken of all at once.
images_to_residuals = make_pipeline(
    JPEGCompression(85), ResidualTransformer(channels="rgb", flatten=False)
)
X = images_to_residuals.fit_transform(samples.data)

fingerprint = FingerprintClassifier()
spectrum = make_pipeline(
    SpectrumTransformer(profile="radial"),
    StandardScaler(),
    LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.03),
)


def stack(*members, cv):
    """Stack classifiers under a regression on their scores."""
    final = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return StackingClassifier([(str(i), each) for i, each in enumerate(members)], final, cv=cv)


# %%
# Mean and spread over three random halves. Two rows are there to judge the fusion by. A regression
# on the scores of the fingerprints alone already does better than the greatest score: this part of
# the gain is not due to the other classifier. And a stack that learns from scores of the images
# that its members were fitted on believes its members more than they deserve, fingerprints above
# all, since each of these images is part of one. It loses some of what it could gain.
folds = StratifiedKFold(5, shuffle=True, random_state=0)
candidates = {
    "fingerprint": fingerprint,
    "fingerprint, regression": stack(fingerprint, cv=folds),
    "spectrum": spectrum,
    "both, out of fold": stack(fingerprint, spectrum, cv=folds),
}
accuracies = {}
for fit, test in StratifiedShuffleSplit(3, test_size=0.5, random_state=0).split(X, y):
    fitted = {name: clone(each).fit(X[fit], y[fit]) for name, each in candidates.items()}
    members = fitted["fingerprint"], fitted["spectrum"]
    fitted["both, not out of fold"] = stack(*members, cv="prefit").fit(X[fit], y[fit])
    for name, classifier in fitted.items():
        accuracies.setdefault(name, []).append(classifier.score(X[test], y[test]))
means = {name: np.mean(values) for name, values in accuracies.items()}
spreads = {name: np.std(values, ddof=1) for name, values in accuracies.items()}
for name, mean in means.items():
    print(f"{name:<24} {mean:.3f} +- {spreads[name]:.3f}")
figure, axis = plt.subplots(figsize=(6.5, 2.8), layout="constrained")
axis.barh(list(means), list(means.values()), xerr=list(spreads.values()))
axis.invert_yaxis()
axis.set(xlim=(0, 1), xlabel="accuracy")
plt.show()

# %%
# The samples come from eight photos. Images of one scene belong into one fold, or the weights are
# learned where the members have an easier task than they will have later. ``StackingClassifier``
# has no ``groups``, but takes the folds themselves. Here one photo is kept for the test, more than
# half of all images, and each of the others is a fold.
test = photos == "dandelion"
X_fit, y_fit = X[~test], y[~test]
splits = list(LeaveOneGroupOut().split(X_fit, y_fit, groups=photos[~test]))
candidates = {
    "fingerprint": fingerprint,
    "spectrum": spectrum,
    "both, photos apart": stack(fingerprint, spectrum, cv=splits),
}
right = {
    name: clone(each).fit(X_fit, y_fit).predict(X[test]) == y[test]
    for name, each in candidates.items()
}
for name, each in right.items():
    print(f"{name:<24} {each.mean():.3f}")
difference = mcnemar_test(right["both, photos apart"], right["spectrum"])
print(f"both against spectrum: p = {difference.pvalue:.2f}")

# %%
# Everything is harder in a photo that is new. With 144 images of seven photos to learn from, the
# difference between the last two may well be chance; with milder compression the stack can also be
# the worse one. Weights are learned too, and learn from few photos what holds for these.
