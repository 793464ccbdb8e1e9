"""
From a folder of files
======================

The same pipeline over file paths, in bounded memory: what does not fit in memory as an array is
read, reduced to class means and forgotten, batch by batch.
"""

# %%
# ``load_image_folder`` takes a folder per source, or a CSV file of path, label and group. Here it
# reads the headers of the files only.
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    FileBatchEstimator,
    FingerprintClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.datasets import ImageReader, load_samples
from sklearn_ganprint.plotting import FingerprintDisplay

samples = load_samples(load_content=False)
paths, sources = samples.filenames, samples.target_names[samples.target]
fit_paths, test_paths, y_fit, y_test = train_test_split(
    paths, sources, test_size=0.5, stratify=sources, random_state=0
)

# %%
# The reader crops, and never resizes: a fingerprint is tied to the pixel grid.
classifier = FileBatchEstimator(
    make_pipeline(ResidualTransformer(channels="rgb"), FingerprintClassifier()),
    reader=ImageReader(crop=128, anchor="top-left"),
    batch_size=32,
)
classifier.fit(fit_paths, y_fit)
print(f"accuracy {classifier.score(test_paths, y_test):.3f}")

# %%
# Its fingerprints are those of a fit in memory.
figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for axis, source in zip(axes, classifier.classes_[[1, 2, 4]], strict=True):
    FingerprintDisplay.from_estimator(classifier, source, ax=axis)
plt.show()

# %%
# A file that cannot be used is named, and gets no answer rather than a wrong one.
with TemporaryDirectory() as folder:
    broken = Path(folder) / "broken.png"
    broken.write_bytes(b"not an image")
    named = []
    classifier.set_params(on_error=named.append)
    print(classifier.predict([test_paths[0], broken]))
    print([error.reason for error in named])

    # %%
    # The model goes into one file, with skops: loading it runs no code.
    save_model(classifier, Path(folder) / "model.skops")
    loaded = load_model(Path(folder) / "model.skops")
    print(loaded.predict(test_paths[:2]), y_test[:2])
