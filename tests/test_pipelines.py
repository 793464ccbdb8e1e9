import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint import (
    FileBatchClassifier,
    FingerprintClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    load_model,
    make_attribution_pipeline,
    save_model,
)
from sklearn_ganprint.denoisers import GaussianDenoiser, WaveletDenoiser
from sklearn_ganprint.features import AutocorrelationTransformer
from sklearn_ganprint.open_set import discriminant_distances
from sklearn_ganprint.pipelines import KINDS


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


@pytest.mark.parametrize("tile_size", [None, 20, (17, 20)])
def test_spectral_knows_sources_without_a_fingerprint(make_filtered, tile_size):
    X, y = make_filtered(n_per_class=24)
    X_fit, X_test, y_fit, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
    pipeline = make_attribution_pipeline("spectral", tile_size=tile_size)
    assert pipeline.fit(X_fit, y_fit).score(X_test, y_test) > 0.9
    assert make_attribution_pipeline("paper").fit(X_fit, y_fit).score(X_test, y_test) < 0.6


def test_tiles_make_two_images_a_class_enough(make_filtered):
    X, y = make_filtered(n_per_class=10)
    few = np.arange(len(y)) % 10 < 2
    scores = [
        make_attribution_pipeline("spectral", tile_size=tile_size)
        .fit(X[few], y[few])
        .score(X[~few], y[~few])
        for tile_size in (None, 20)
    ]
    assert scores[0] < 0.8
    assert scores[1] > 0.95


def test_paper_is_residual_and_fingerprint(make_images):
    X, y = make_images()
    pipeline = make_attribution_pipeline("paper", denoiser="gaussian")
    residuals = ResidualTransformer("gaussian").fit_transform(X)
    expected = FingerprintClassifier().fit(residuals, y).decision_function(residuals)
    np.testing.assert_array_equal(pipeline.fit(X, y).decision_function(X), expected)


def test_spectral_is_features_and_discriminant_analysis(make_filtered):
    X, y = make_filtered()
    actual = make_attribution_pipeline("spectral", tile_size=None).fit(X, y).decision_function(X)
    residuals = ResidualTransformer(channels="rgb", flatten=False).fit_transform(X)
    features = AutocorrelationTransformer().fit_transform(residuals)
    scaled = StandardScaler().fit_transform(features)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.03).fit(scaled, y)
    np.testing.assert_allclose(actual, lda.decision_function(scaled), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_files_give_the_same_as_images(image_folder, kind):
    _, paths, y = image_folder(n_per_class=4, shape=(96, 96, 3))
    pipeline = make_attribution_pipeline(kind, tile_size=48)
    clf = FileBatchClassifier(pipeline, batch_size=5).fit(paths, y)
    X = clf.reader_.read(paths)
    expected = pipeline.fit(X, y).decision_function(X)
    np.testing.assert_allclose(clf.decision_function(paths), expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("tile_size", [None, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_pipeline_gives_the_same_scores(make_filtered, tmp_path, kind, tile_size):
    X, y = make_filtered(n_per_class=3)
    pipeline = make_attribution_pipeline(kind, tile_size=tile_size)
    clf = FileBatchClassifier(pipeline).fit(X, y)
    for model in (clf, clf.estimator_):
        save_model(model, tmp_path / "model.skops")
        loaded = load_model(tmp_path / "model.skops")
        np.testing.assert_array_equal(loaded.decision_function(X), model.decision_function(X))


def test_what_is_inside_is_reached_by_a_search(make_filtered):
    X, y = make_filtered(n_per_class=3)
    grid = {
        "residual__denoiser": ["wavelet", "gaussian"],
        "features__transformer__max_lag": [1],
        "classifier__estimator__lda__shrinkage": [0.03, 0.3],
    }
    search = GridSearchCV(make_attribution_pipeline("spectral", tile_size=20), grid, cv=3)
    assert search.fit(X, y).best_score_ == 1.0


@pytest.mark.parametrize("white", [1.0, 255.0])
@pytest.mark.parametrize("kind", KINDS)
def test_white_is_handed_on(make_filtered, kind, white):
    X, y = make_filtered(n_per_class=3)
    pipeline = make_attribution_pipeline(kind, data_range=white)
    scaled = X.astype(np.float32) * np.float32(white / 255)
    assert (pipeline.fit(scaled, y).predict(scaled) == y).all()


def test_an_unknown_kind_is_refused():
    with pytest.raises(
        ValueError, match=r"kind must be one of \['camera', 'combined', .*'thorough'\], got 'all'"
    ):
        make_attribution_pipeline("all")


@pytest.mark.parametrize("tile_size", [None, 20])
def test_unknown_sources_of_spectral_are_told_by_the_distance(make_filtered, tile_size):
    X, y = make_filtered()
    pipeline = make_attribution_pipeline("spectral", tile_size=tile_size)
    pipeline.set_params(**{"features__" + ("transformer__" if tile_size else "") + "max_lag": 2})
    clf = OpenSetClassifier(pipeline, false_alarm_rate=0.2, cv=2).fit(X, y)
    steps = clf.estimator_
    features = steps[:2].transform(X)
    # The whole comes before the tiles.
    rows = features[:, 0] if tile_size else features
    analysis = steps[-1].estimator_ if tile_size else steps[-2:]
    distances = discriminant_distances(analysis[-1], analysis[:-1].transform(rows))
    np.testing.assert_allclose(clf.score_samples(X), -np.sqrt(distances.min(axis=1)))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "thorough"])
def test_a_search_over_the_parameters_of_the_default_denoiser(make_images, kind):
    X, y = make_images(n_per_class=8, shape=(40, 40, 3))
    pipeline = make_attribution_pipeline(kind, tile_size=None)
    grid = [
        {"residual__denoiser__sigma": [2.0, 5.0]},
        {"residual__denoiser": ["gaussian"], "residual__denoiser__sigma": [1.5]},
    ]
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    expected = make_attribution_pipeline(kind, denoiser=GaussianDenoiser(1.5), tile_size=None)
    wanted = GridSearchCV(expected, {}, cv=2).fit(X, y).best_score_
    assert scores.shape == (3,) and scores[2] == wanted


def test_the_denoisers_of_one_pipeline_are_set_apart_from_each_other_and_from_the_next():
    own = WaveletDenoiser()
    pipeline = make_attribution_pipeline("thorough", denoiser=own)
    names = [name for name in pipeline.get_params() if name.endswith("denoiser__sigma")]
    for sigma, name in enumerate(names, start=7):
        pipeline.set_params(**{name: sigma})
    assert [pipeline.get_params()[name] for name in names] == [7 + n for n in range(len(names))]
    assert own.sigma == 5.0
    again = make_attribution_pipeline("thorough").get_params()
    assert {again[name] for name in names if name in again} == {1.0, 5.0}
