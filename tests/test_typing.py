"""What type checkers make of the package in the code of its users.

`.ci/release` checks this file with mypy and pyright in their strict modes; it runs as a test, too.
"""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from sklearn_ganprint import (
    FileBatchEstimator,
    FingerprintClassifier,
    FingerprintClustering,
    FusionClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    load_model,
    make_attribution_pipeline,
    save_model,
)
from sklearn_ganprint.classification import PRNUClassifier
from sklearn_ganprint.conformal import Calibration
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.datasets import ImageBunch, ImageReader, load_image_folder
from sklearn_ganprint.denoisers import GaussianDenoiser
from sklearn_ganprint.files import FittedImage
from sklearn_ganprint.fingerprints import estimate_fingerprint
from sklearn_ganprint.plotting import CorrelationMatrixDisplay, FingerprintDisplay


def test_residuals_fingerprints_and_scores(make_images: Any) -> None:
    images: NDArray[np.uint8]
    images, y = make_images()
    residual = ResidualTransformer(GaussianDenoiser(2.0), channels="rgb", data_range=255.0)
    rows = assert_type(residual.fit(images).transform(images), np.ndarray)
    classifier = assert_type(FingerprintClassifier("cosine").fit(rows, y), FingerprintClassifier)
    assert_type(classifier.predict(rows), np.ndarray)
    assert_type(classifier.classes_, np.ndarray)
    assert_type(classifier.merge(classifier), FingerprintClassifier)
    mean = assert_type(estimate_fingerprint(rows[y == "a"]), np.ndarray)
    scores = assert_type(correlation_index(rows, classifier.fingerprints_), np.ndarray)
    assert np.allclose(mean, classifier.fingerprints_[0], atol=1e-4)
    assert np.allclose(scores, classifier.correlate(rows))


def test_estimators_that_wrap_others(make_residuals: Any) -> None:
    residuals: NDArray[np.float64]
    residuals, y = make_residuals()
    detector = OpenSetClassifier(FingerprintClassifier(), false_alarm_rate=0.05)
    assert_type(detector.fit(residuals, y), OpenSetClassifier)
    assert_type(detector.p_values(residuals), np.ndarray)
    assert_type(detector.predict_set(residuals, coverage=0.9), np.ndarray)
    assert_type(detector.calibration_set_, Calibration)
    fusion = FusionClassifier([("a", FingerprintClassifier()), ("b", FingerprintClassifier())])
    assert_type(fusion.fit(residuals, y).predict_proba(residuals), np.ndarray)
    clustering = FingerprintClustering(image_shape=(16, 32)).fit(residuals)
    assert_type(clustering, FingerprintClustering)
    assert_type(clustering.predict(residuals), np.ndarray)
    assert set(detector.predict(residuals)) <= {"a", "b", "c", "unknown"}


def test_files_and_models(image_folder: Any, tmp_path: Path) -> None:
    folder: Path
    folder, *_ = image_folder()
    images = load_image_folder(folder, reader=ImageReader(crop=(32, 32)), load_content=False)
    files = assert_type(images, ImageBunch).filenames
    assert_type(images.target, NDArray[np.int64])
    estimator = FileBatchEstimator(make_attribution_pipeline("fingerprint"), batch_size=8)
    assert_type(estimator.fit(files, images.target), FileBatchEstimator)
    assert_type(estimator.predict(files), np.ndarray)
    assert_type(estimator.find_fitted(files[:1]), list[FittedImage | None])
    save_model(estimator, tmp_path / "model.skops")
    loaded: FileBatchEstimator = load_model(tmp_path / "model.skops")
    assert assert_type(loaded.score(files, images.target), float) == 1.0


def test_displays(make_residuals: Any, ax: Axes) -> None:
    residuals: NDArray[np.float64]
    residuals, y = make_residuals(n_features=256)
    classifier = FingerprintClassifier().fit(residuals, y)
    matrix = classifier.correlate(residuals[::12])
    display = CorrelationMatrixDisplay.from_matrix(matrix, ["a", "b", "c"], ax=ax)
    assert_type(display, CorrelationMatrixDisplay)
    shown = FingerprintDisplay.from_estimator(classifier, "a", image_shape=(16, 16), ax=ax)
    assert_type(shown, FingerprintDisplay)
    assert_type(PRNUClassifier(metric="pce").metric, str)
    assert display.ax_ is ax
