"""
Which images share a source?
============================

A heap of images, no labels, and no idea how many sources there are. The images here are
**simulated**, by generators and cameras that come with the package: they show how the estimator is
used, and nothing about real generators.
"""

# %%
# Five sources made 30 images each, of contents of their own. Residuals keep their shape and their
# colours, which tell more than the luminance.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import FingerprintClustering, ResidualTransformer
from sklearn_ganprint.datasets import make_generator_images

bunch = make_generator_images(
    30, sources=["C1", "C2", "G1", "S1", "N1"], shared_content=False, n_jobs=2
)
sources = bunch.target_names[bunch.target]
pipeline = make_pipeline(
    ResidualTransformer(channels="rgb", flatten=False),
    FingerprintClustering(),
)
labels = pipeline.fit_predict(bunch.data)
clustering = pipeline[-1]
print(f"{clustering.n_clusters_} clusters, {np.sum(labels == -1)} images fit nowhere")
print(f"adjusted Rand index {adjusted_rand_score(sources, labels):.3f}")

# %%
# The labels, -1 for what fits nowhere, against the truth that the estimator has not seen. Clusters
# are kept apart only if it is sure that they are, so that their number may come out too small.
# Whoever knows the number can give it.
told = FingerprintClustering(5).fit(pipeline[0].transform(bunch.data))
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for axis, found, title in zip(
    axes, (labels, told.labels_), ("number not known", "n_clusters=5"), strict=True
):
    clusters = np.unique(found)
    counts = np.array(
        [[np.sum(found[sources == s] == c) for c in clusters] for s in bunch.target_names]
    )
    axis.imshow(counts, cmap="Blues", aspect="auto", vmax=45)
    axis.set(title=title, xlabel="cluster", ylabel="source")
    axis.set_xticks(range(len(clusters)), clusters)
    axis.set_yticks(range(len(bunch.target_names)), bunch.target_names)
    for (row, column), count in np.ndenumerate(counts):
        axis.text(column, row, count, ha="center", va="center")

# %%
# Each cluster has a fingerprint, the mean of its residuals, and new images are assigned to the
# clusters.
more = make_generator_images(
    10, sources=bunch.target_names.tolist(), shared_content=False, random_state=1, n_jobs=2
)
assigned = told.predict(pipeline[0].transform(more.data))
print(f"fingerprints of shape {told.fingerprints_.shape}")
print(f"new images: adjusted Rand index {adjusted_rand_score(more.target, assigned):.3f}")
