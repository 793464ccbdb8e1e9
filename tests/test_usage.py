"""The estimators inside scikit-learn's own tools."""

import numpy as np
import pytest
import sklearn
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    RocCurveDisplay,
    log_loss,
    roc_auc_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.fixes import parse_version

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.denoisers import GaussianDenoiser, MedianDenoiser, WaveletDenoiser
from sklearn_ganprint.features import SpectralLineTransformer
from sklearn_ganprint.perturbations import Crop

pytestmark = pytest.mark.core


def attribution_pipeline(denoiser="wavelet", memory=None):
    steps = [("residual", ResidualTransformer(denoiser)), ("fingerprint", FingerprintClassifier())]
    return Pipeline(steps, memory=memory)


def noise_level(residuals):
    return np.log(np.square(residuals).mean(axis=1, keepdims=True))


@pytest.fixture
def halves(make_images):
    X, y = make_images(n_per_class=20, strength=3.0)
    return train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)


def test_pipeline(halves):
    X_fit, X_test, y_fit, y_test = halves
    assert attribution_pipeline().fit(X_fit, y_fit).score(X_test, y_test) > 0.9


def test_grid_search_over_denoisers_and_their_parameters(halves):
    X_fit, X_test, y_fit, y_test = halves
    grid = [
        {"residual__denoiser": [WaveletDenoiser()], "residual__denoiser__sigma": [2.0, 5.0]},
        {"residual__denoiser": [GaussianDenoiser(), MedianDenoiser(), "wiener"]},
    ]
    search = GridSearchCV(attribution_pipeline(), grid, cv=3).fit(X_fit, y_fit)
    assert len(search.cv_results_["params"]) == 5
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.score(X_test, y_test) > 0.9


def test_roc_and_confusion_displays_draw_the_fitted_pipeline(halves):
    X_fit, X_test, y_fit, y_test = halves
    pipeline = attribution_pipeline().fit(X_fit, y_fit)
    axes = Figure().subplots(1, 2)
    confusion = ConfusionMatrixDisplay.from_estimator(pipeline, X_test, y_test, ax=axes[0])
    assert confusion.confusion_matrix.sum() == len(y_test)
    scores = pipeline.decision_function(X_test)
    for column, label in enumerate(pipeline.classes_):
        display = RocCurveDisplay.from_predictions(
            y_test == label, scores[:, column], name=label, ax=axes[1]
        )
        assert display.roc_auc == pytest.approx(roc_auc_score(y_test == label, scores[:, column]))
        assert display.roc_auc > 0.9


def test_roc_of_two_sources_straight_from_the_estimator(halves):
    X_fit, X_test, y_fit, y_test = halves
    fit, test = y_fit != "c", y_test != "c"
    pipeline = attribution_pipeline().fit(X_fit[fit], y_fit[fit])
    display = RocCurveDisplay.from_estimator(
        pipeline, X_test[test], y_test[test], ax=Figure().subplots()
    )
    assert display.roc_auc > 0.9


def test_roc_auc_score_of_a_one_vs_rest_and_of_a_calibrated_pipeline(halves):
    X_fit, X_test, y_fit, y_test = halves
    calibrated = CalibratedClassifierCV(attribution_pipeline(), cv=3).fit(X_fit, y_fit)
    auc = roc_auc_score(y_test, calibrated.predict_proba(X_test), multi_class="ovr")
    assert auc > 0.9
    one_vs_rest = OneVsRestClassifier(attribution_pipeline()).fit(X_fit, y_fit)
    assert one_vs_rest.score(X_test, y_test) > 0.8


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(
            "temperature",
            marks=pytest.mark.skipif(
                parse_version(sklearn.__version__) < parse_version("1.8"),
                reason="scikit-learn 1.8 is the first with this method",
            ),
        ),
        "sigmoid",
    ],
)
def test_calibration_turns_correlations_into_probabilities(halves, method):
    X_fit, X_test, y_fit, y_test = halves
    calibrated = CalibratedClassifierCV(attribution_pipeline(), method=method, cv=3)
    probabilities = calibrated.fit(X_fit, y_fit).predict_proba(X_test)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert log_loss(y_test, probabilities) < np.log(3)


def test_stacking_fuses_fingerprint_scores_with_another_classifier(halves):
    X_fit, X_test, y_fit, y_test = halves
    other = make_pipeline(
        ResidualTransformer("gaussian"),
        FunctionTransformer(noise_level),
        StandardScaler(),
        LogisticRegression(),
    )
    stack = StackingClassifier(
        [("fingerprint", attribution_pipeline()), ("noise", other)],
        final_estimator=LogisticRegression(),
        cv=3,
    ).fit(X_fit, y_fit)
    assert stack.transform(X_test).shape == (len(X_test), 6)
    assert stack.score(X_test, y_test) > 0.9


def test_grouped_cross_validation_keeps_scenes_apart(make_images):
    X, y = make_images(n_per_class=12)
    scenes = np.tile(np.arange(4), len(y) // 4)
    predicted = cross_val_predict(
        attribution_pipeline(), X, y, groups=scenes, cv=GroupKFold(4), method="decision_function"
    )
    assert predicted.shape == (len(y), 3)
    assert np.mean(predicted.argmax(axis=1) == np.unique(y, return_inverse=True)[1]) > 0.9


def test_residuals_as_a_data_frame_keep_their_columns_through_the_classifier(halves):
    X_fit, _, y_fit, _ = halves
    pipeline = attribution_pipeline("gaussian").set_output(transform="pandas").fit(X_fit, y_fit)
    names = pipeline["fingerprint"].feature_names_in_
    assert names[0] == "residualtransformer0"
    assert len(names) == pipeline["fingerprint"].n_features_in_ == 32 * 32


def test_clone_gives_an_unfitted_copy_with_the_same_parameters(halves):
    X_fit, _, y_fit, _ = halves
    pipeline = attribution_pipeline(WaveletDenoiser(sigma=3.0)).fit(X_fit, y_fit)
    copied = clone(pipeline)
    assert copied["residual"].denoiser.sigma == 3.0
    assert copied["residual"].denoiser is not pipeline["residual"].denoiser
    assert not hasattr(copied["fingerprint"], "fingerprints_")


class CountingDenoiser(GaussianDenoiser):
    """Counts images across copies: clone and the cache make new objects."""

    n_images = 0

    def residual(self, images):
        type(self).n_images += int(np.prod(np.shape(images)[:-2]))
        return super().residual(images)


def test_a_cached_pipeline_computes_each_residual_once(halves, tmp_path):
    X_fit, _, y_fit, _ = halves
    CountingDenoiser.n_images = 0
    pipeline = attribution_pipeline(CountingDenoiser(), memory=str(tmp_path))
    for metric in ("correlation", "cosine"):
        pipeline.set_params(fingerprint__metric=metric).fit(X_fit, y_fit)
    # three colour channels of each image, once
    assert CountingDenoiser.n_images == 3 * len(X_fit)


def test_cross_validation_in_processes_gives_the_same(halves):
    X_fit, _, y_fit, _ = halves
    alone = cross_val_score(attribution_pipeline("gaussian"), X_fit, y_fit, cv=3)
    together = cross_val_score(attribution_pipeline("gaussian"), X_fit, y_fit, cv=3, n_jobs=2)
    np.testing.assert_array_equal(together, alone)


def test_lines_tell_photos_from_images_of_a_generator_that_was_not_fitted():
    samples = load_samples()
    sources = samples.target_names[samples.target]
    generated = sources != "real"
    folds = sources.copy()
    folds[~generated] = np.resize(np.unique(sources[generated]), np.sum(~generated))
    detector = make_pipeline(
        Crop(trim=8),
        ResidualTransformer(GaussianDenoiser(2.0), channels="rgb", flatten=False),
        SpectralLineTransformer(),
        StandardScaler(),
        LogisticRegression(C=0.03, class_weight="balanced"),
    )
    areas = cross_val_score(
        *(detector, samples.data, generated), groups=folds, cv=LeaveOneGroupOut(), scoring="roc_auc"
    )
    assert areas.shape == (5,) and areas.min() > 0.9
