"""
Fingerprints of some sizes, a detector for all
==============================================

The images of a heap have many sizes, and fingerprints exist for few of them: each is tied to the
pixel grid of one generator. An image of another size gets no score, and a fusion has to live with
that. So did the paper's authors in a challenge (Fig. 9): a network judged all images, fingerprints
those of the sizes that they had fingerprints for.

All images here are **simulated**, by generators and cameras that come with the package. They show
how such scores go together, and nothing about real generators.
"""

# %%
# Two generators are known, at the size that each makes: there are other images of them to estimate
# a fingerprint from. Two more, at other sizes, are not. Each shows scenes that a camera shows too,
# so that neither size nor content tells what is generated. All went through JPEG: without it the
# detector alone is hardly ever wrong, since the simulated cameras are simple ones.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import RocCurveDisplay, roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint import ResidualTransformer
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.datasets import make_generator_images
from sklearn_ganprint.features import SpectrumTransformer
from sklearn_ganprint.fingerprints import estimate_fingerprint
from sklearn_ganprint.perturbations import JPEGCompression


def simulate(n_images, size, sources, seed):
    """Images, whether they are generated, and which scenes they show."""
    bunch = make_generator_images(
        n_images, image_size=size, sources=sources, random_state=seed, n_jobs=2
    )
    images = JPEGCompression(95).fit_transform(bunch.data)
    return images, bunch.architectures[bunch.target] != "camera", bunch.groups


known = {(160, 160): "G6", (160, 192): "C4"}
unknown = {(128, 128): "S2", (112, 160): "C8"}
heap, generated, scenes = [], [], []
for seed, (size, generator) in enumerate((known | unknown).items()):
    images, labels, groups = simulate(30, size, [generator, "N2"], seed)
    heap.extend(images)
    generated.extend(labels)
    scenes.extend(1000 * seed + groups)
generated = np.array(generated)


def by_size(images):
    """Where in a list of images those of each size are."""
    places = {}
    for place, image in enumerate(images):
        places.setdefault(image.shape[:2], []).append(place)
    return places


print({size: len(places) for size, places in by_size(heap).items()})

# %%
# The detector has learned from other generators, another camera and another size what is generated.
# It sees the spectrum in 16 directions and three colours: 48 numbers, whatever the size. The steps
# before it learn nothing but a size, and are fitted anew for each.
residual = ResidualTransformer(channels="rgb", flatten=False)
spectrum = make_pipeline(residual, SpectrumTransformer(profile="azimuthal"))
detector = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis("lsqr", shrinkage=0.1))
images, labels, _ = simulate(30, (96, 96), ["C1", "G1", "S1", "N1"], 10)
detector.fit(spectrum.fit_transform(images), labels)


def detector_scores(images):
    """Score of each image, of any size."""
    scores = np.empty((len(images), 1))
    for places in by_size(images).values():
        features = spectrum.fit_transform(np.stack([images[place] for place in places]))
        scores[places, 0] = detector.decision_function(features)
    return scores


# %%
# A fingerprint's score is missing where an image has another size. NaN says so, and cannot be
# mistaken for a correlation. The fingerprints come from images outside the heap. Had they been
# estimated from images in it, as one may do once a cluster has been found there, those images would
# need leave-one-out scores.
fingerprints = {
    size: estimate_fingerprint(residual.fit_transform(simulate(64, size, [generator], 20)[0]))
    for size, generator in known.items()
}


def gated_correlations(images):
    """Correlation with each fingerprint, NaN for images of another size than its."""
    scores = np.full((len(images), len(fingerprints)), np.nan)
    sizes = by_size(images)
    for column, (size, fingerprint) in enumerate(fingerprints.items()):
        if places := sizes.get(size):
            residuals = residual.fit_transform(np.stack([images[place] for place in places]))
            scores[places, column] = correlation_index(residuals, [fingerprint])[:, 0]
    return scores


# %%
# The fusion is a regression on all these scores. ``SimpleImputer`` fills the gaps, and adds columns
# that tell where they were; from them the regression learns what a missing score is worth, the
# neutral value. Its weights are fitted out of fold, and images of one scene stay together, so that
# no image is judged by weights that were fitted to it. Each curve comes from such a regression,
# which gives the fingerprints alone a neutral value too.
scores = np.hstack([detector_scores(heap), gated_correlations(heap)])
fusion = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), LogisticRegression())
decisions = {
    name: cross_val_predict(
        fusion,
        scores[:, columns],
        generated,
        groups=scenes,
        cv=GroupKFold(5, shuffle=True, random_state=0),
        method="decision_function",
    )
    for name, columns in [("detector", [0]), ("fingerprints", [1, 2]), ("fusion", [0, 1, 2])]
}
figure, axis = plt.subplots(figsize=(5.5, 5), layout="constrained")
for name, decision in decisions.items():
    RocCurveDisplay.from_predictions(generated, decision, name=name, ax=axis)
axis.set_title("Generated or camera: simulated images of four sizes")
plt.show()

# %%
# The straight part of the fingerprints' curve is the half of the heap of which they say nothing.
# Size by size: where there is a fingerprint it finds what the detector misses, and where there is
# none the fusion is the detector.
print(f"{'AUC':<12}" + "".join(f"{name:>14}" for name in decisions))
for size, places in (by_size(heap) | {"all": range(len(heap))}).items():
    aucs = [roc_auc_score(generated[places], decision[places]) for decision in decisions.values()]
    print(f"{size!s:<12}" + "".join(f"{auc:>14.3f}" for auc in aucs))

# %%
# The columns that tell where scores are missing also tell an image's size. Here that is worth
# nothing, since one half of the images of each size is generated. In a heap where some size is
# nearly always generated the regression will use it: rightly if images to come are like the heap,
# and wrongly if not.
