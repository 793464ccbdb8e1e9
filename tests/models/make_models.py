"""Save one small model of each kind, and what it answers on images that are kept beside it.

Run with the version of the package whose models are to be kept, from the top of the repository:
``PYTHONPATH=tests python tests/models/make_models.py FOLDER [NAME ...]``. The folder must be new;
without names it gets a model of each kind.
"""

import argparse
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
from estimators import DENOISERS, FEATURES, PERTURBATIONS, attribution_pipeline, residual
from PIL import Image
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    AugmentedClassifier,
    FileBatchClassifier,
    FileBatchClustering,
    FileBatchEstimator,
    FingerprintClassifier,
    FingerprintClustering,
    FingerprintDetector,
    FusionClassifier,
    OpenSetClassifier,
    PRNUClassifier,
    ResidualTransformer,
    make_attribution_pipeline,
    make_detection_pipeline,
    make_localization_pipeline,
    save_model,
)
from sklearn_ganprint.datasets import ImageReader, make_generator_images
from sklearn_ganprint.perturbations import Crop

SIZE = 20

#: Names of the files of each kind, which were its names when the first of them were written.
NAMES = {
    "paper": "fingerprint",
    "spectral": "autocorrelation",
    "combined": "fusion",
    "camera": "prnu",
}


def kinds():
    """Make what ``ganprint fit`` fits, and a model without calibration, all over files."""
    reader = ImageReader(crop=SIZE, anchor="center")
    for name, kind in NAMES.items():
        tiles = "auto" if kind in ("fingerprint", "prnu") else 8
        pipeline = make_attribution_pipeline(kind, tile_size=tiles)
        lags = [name for name in pipeline.get_params() if name.endswith("__max_lag")]
        pipeline.set_params(**dict.fromkeys(lags, 2))  # few features, and so small files
        if kind == "fingerprint":
            pipeline.set_params(residual__channels="rgb")
        yield name, FileBatchClassifier(OpenSetClassifier(pipeline), reader=reader)
    yield (
        "paper_closed",
        FileBatchClassifier(make_attribution_pipeline("fingerprint"), reader=reader),
    )
    yield "robust", FileBatchClassifier(OpenSetClassifier(small_robust()), reader=reader)
    nearest = OpenSetClassifier(attribution_pipeline("nearest-mean"))
    yield "nearest-mean", FileBatchEstimator(nearest, reader=reader)
    detection = OpenSetClassifier(small_detection(), calibration="source", unknown_label="neither")
    yield "detection", FileBatchEstimator(detection, reader=reader)
    localizer = make_localization_pipeline(window_size=8)
    localizer.set_params(localizer__min_region=64)
    yield "localization", FileBatchClassifier(localizer, reader=reader)
    clustering = make_pipeline(residual(), FingerprintClustering(3, random_state=0))
    yield "clustering", FileBatchClustering(clustering, reader=reader)


def small_robust():
    """Make the default kind with few features, and background sources without noise."""
    pipeline = attribution_pipeline("robust")
    return pipeline.set_params(fusion__background=["source 5", "source 7", "source 19"])


def small_detection():
    """Make the pipeline that tells photos from generated images with few copies and features."""
    features = "detection__correlations__features"
    return make_detection_pipeline().set_params(
        **{"detection__n_copies": 2, f"{features}__texture__n_scales": 1},
        **{f"{features}__correlations__{name}": 1 for name in ("max_lag", "colour_lag")},
        **{f"{features}__correlations__window": 3},
    )


def steps():
    """Make pipelines of each denoiser, feature and perturbation."""
    for denoiser in DENOISERS:
        yield type(denoiser).__name__, residual(denoiser)
    for feature in FEATURES:
        yield type(feature).__name__, make_pipeline(residual(channels="rgb"), feature)
    for perturbation in PERTURBATIONS:
        classifier = FingerprintClassifier("cosine")
        yield type(perturbation).__name__, make_pipeline(perturbation, residual(), classifier)


def classifiers():
    yield (
        "augmented",
        AugmentedClassifier(
            make_pipeline(residual(), FingerprintClassifier()),
            [step for step in PERTURBATIONS if not isinstance(step, Crop)],
        ),
    )
    yield (
        "fusion",
        FusionClassifier(
            [
                ("fingerprint", make_pipeline(residual(), FingerprintClassifier("unbiased"))),
                ("prnu", make_pipeline(residual(channels="luminance"), PRNUClassifier())),
            ]
        ),
    )
    classifier = make_pipeline(residual(), FingerprintClassifier())
    yield "detector", FingerprintDetector(classifier, source="C1")
    yield "detector_alone", make_pipeline(ResidualTransformer("gaussian"), FingerprintDetector())
    camera = PRNUClassifier(zero_mean="bayer", wiener=True, metric="correlation")
    yield "prnu", make_pipeline(residual(intensity=True), camera)


def answers(name, model, images):
    """Ask a model all that it can answer in arrays; of what is large, for two images."""
    asked_for = ("predict", "decision_function", "transform", "score_samples", "p_values")
    for method in (*asked_for, "class_scores", "predict_set", "predict_family"):
        if hasattr(model, method):
            asked = images[:2] if method == "transform" else images
            yield f"{name}.{method}", np.asarray(getattr(model, method)(asked))
    if name == "localization":
        yield f"{name}.localization_map", model[-1].localization_map(model[0].transform(images[:2]))


def write_images(folder, images):
    paths = [str(Path(folder, f"{index:03d}.png")) for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def save_small(model, path):
    """Save a model, and compress its members, which zip files may."""
    save_model(model, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for member, content in members.items():
            archive.writestr(member, content)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="name")
    args = parser.parse_args()
    args.folder.mkdir()  # older models are to stay
    warnings.simplefilter("ignore")
    sources = ["C1", "G3", "N2"]
    made = make_generator_images(16, image_size=SIZE, sources=sources, random_state=7)
    images, y = made.data, made.target_names[made.target]
    kept = np.concatenate([np.flatnonzero(y == name)[-3:] for name in np.unique(y)])
    queries = images[kept]
    fitted_on = np.setdiff1d(np.arange(len(images)), kept)
    images, y = images[fitted_on], y[fitted_on]
    expected = {"images": queries}
    with tempfile.TemporaryDirectory() as folder:
        paths = write_images(folder, images)
        over_files = [(name, model, paths) for name, model in kinds()]
        in_memory = [(name, model, images) for name, model in (*steps(), *classifiers())]
        for name, model, given in (*over_files, *in_memory):
            if args.names and name not in args.names:
                continue
            if name == "detection":
                model.fit(given, np.where(y == "N2", "photo", "generated"), sources=y)
            else:
                model.fit(given, y)
            save_small(model, args.folder / f"{name}.skops")
            asked = model.estimator_ if given is paths else model
            expected.update(answers(name, asked, queries))
    np.savez_compressed(args.folder / "answers.npz", **expected)


if __name__ == "__main__":
    main()
