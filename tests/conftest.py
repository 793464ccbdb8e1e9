"""Factories of small data with a known answer."""

import json
import os
import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from cli_helpers import check_json
from hypothesis import settings
from matplotlib.figure import Figure
from PIL import Image

from sklearn_ganprint import FileBatchClassifier, make_attribution_pipeline, save_model
from sklearn_ganprint.cli import main

# The workers, one for each core, would take each other's cores with threads of their own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Whether a law holds is tested, not how fast.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture
def make_residuals():
    """Residual rows: one fixed random pattern a class, plus noise."""

    def make(n_per_class=12, labels=("a", "b", "c"), n_features=512, noise=2.0, seed=0):
        rng = np.random.default_rng(seed)
        patterns = rng.normal(size=(len(labels), n_features))
        X = np.repeat(patterns, n_per_class, axis=0)
        X += rng.normal(scale=noise, size=X.shape)
        return X, np.repeat(np.array(labels), n_per_class)

    return make


@pytest.fixture
def make_images():
    """8-bit images of one size: smooth content of their own, and the pattern of their source."""

    def make(n_per_class=8, labels=("a", "b", "c"), shape=(32, 32, 3), strength=6.0, seed=0):
        rng = np.random.default_rng(seed)
        patterns = rng.normal(scale=strength, size=(len(labels), *shape))
        rows, columns = np.meshgrid(*(np.linspace(0, 1, n) for n in shape[:2]), indexing="ij")
        tilt = rng.uniform(-60, 60, size=(len(labels) * n_per_class, 2))
        content = 128 + tilt[:, :1, None] * rows + tilt[:, 1:, None] * columns
        if len(shape) == 3:
            content = content[..., np.newaxis]
        X = content + np.repeat(patterns, n_per_class, axis=0)
        X += rng.normal(scale=2, size=X.shape)
        return X.clip(0, 255).round().astype(np.uint8), np.repeat(np.array(labels), n_per_class)

    return make


@pytest.fixture
def make_filtered():
    """Images of one content kind whose sources differ in how neighbouring pixels depend."""

    def make(n_per_class=6, side=40, seed=0):
        rng = np.random.default_rng(seed)
        noise = rng.normal(scale=8, size=(3, n_per_class, side, side, 3))
        noise[0] += np.roll(noise[0], 1, axis=1)
        noise[1] += np.roll(noise[1], 1, axis=2)
        noise[2] += np.roll(noise[2], 1, axis=3)
        images = (128 + noise).clip(0, 255).round().astype(np.uint8)
        return images.reshape(-1, side, side, 3), np.repeat(
            ["down", "right", "colour"], n_per_class
        )

    return make


@pytest.fixture
def ax():
    """Axes of a figure that pyplot knows nothing of."""
    return Figure().subplots()


@pytest.fixture
def pyplot():
    """Where displays without axes make their figures, which are closed again."""
    mpl.use("Agg")
    yield plt
    plt.close("all")


@pytest.fixture
def image_folder(tmp_path, make_images):
    """Image files in a folder per source; returns the folder, the paths and the labels."""

    def make(**params):
        X, y = make_images(**params)
        paths = []
        for index, (image, label) in enumerate(zip(X, y, strict=True)):
            path = tmp_path / "sources" / label / f"{index:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.squeeze()).save(path)
            paths.append(str(path))
        return tmp_path / "sources", paths, y

    return make


@pytest.fixture
def ganprint(capsys):
    """Run a command in this process; return exit status, stdout and stderr.

    What it prints as JSON must be as its schema says, whatever a test asks of it.
    """

    def run(*args):
        capsys.readouterr()
        # A command tells of warnings on stderr, where tests look for them.
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            status = main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        if out.startswith("{"):
            check_json(args[0], json.loads(out))
        return status, out, err

    return run


@pytest.fixture
def fit(ganprint):
    """Run ``ganprint fit``, of the kind that takes least time unless the options say otherwise."""

    def run(source, model, *options):
        return ganprint("fit", source, "--model", model, "--kind", "fingerprint", *options)

    return run


@pytest.fixture
def model(tmp_path, image_folder, fit):
    """A model of three sources, the folder that it was fitted on, and its files."""
    folder, paths, _ = image_folder()
    status, _, err = fit(folder, tmp_path / "model.skops")
    assert status == 0, err
    return tmp_path / "model.skops", folder, paths


@pytest.fixture
def closed_model(tmp_path, image_folder):
    """A model without calibration images, its folder and its files, as older versions made it."""
    folder, paths, y = image_folder()
    classifier = FileBatchClassifier(make_attribution_pipeline("fingerprint")).fit(paths, y)
    save_model(classifier, tmp_path / "closed.skops")
    return tmp_path / "closed.skops", folder, paths


@pytest.fixture
def foreign(tmp_path, make_images):
    """Files of images of sources that no model here knows."""
    paths = [tmp_path / "foreign" / f"{index:02d}.png" for index in range(8)]
    paths[0].parent.mkdir()
    for path, image in zip(paths, make_images(seed=1)[0], strict=False):
        Image.fromarray(image).save(path)
    return [str(path) for path in paths]
