import numpy as np
import pytest
from estimators import attribution_pipeline
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
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
from sklearn_ganprint.perturbations import JPEGCompression
from sklearn_ganprint.pipelines import KINDS, N_BACKGROUND, current_kind

pytestmark = pytest.mark.core

WITH_TILES = ["autocorrelation", "fusion"]
FORMER = {
    "paper": "fingerprint",
    "spectral": "autocorrelation",
    "combined": "fusion",
    "camera": "prnu",
}


@pytest.mark.parametrize("tile_size", [None, 20, (17, 20)])
def test_autocorrelation_knows_sources_without_a_fingerprint(make_filtered, tile_size):
    X, y = make_filtered(n_per_class=24)
    X_fit, X_test, y_fit, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
    pipeline = make_attribution_pipeline("autocorrelation", tile_size=tile_size)
    assert pipeline.fit(X_fit, y_fit).score(X_test, y_test) > 0.9
    assert make_attribution_pipeline("fingerprint").fit(X_fit, y_fit).score(X_test, y_test) < 0.6


def test_tiles_make_two_images_a_class_enough(make_filtered):
    X, y = make_filtered(n_per_class=10)
    few = np.arange(len(y)) % 10 < 2
    scores = [
        make_attribution_pipeline("autocorrelation", tile_size=tile_size)
        .fit(X[few], y[few])
        .score(X[~few], y[~few])
        for tile_size in (None, 20)
    ]
    assert scores[0] < 0.8
    assert scores[1] > 0.95


def test_fingerprint_is_residual_and_mean(make_images):
    X, y = make_images()
    pipeline = make_attribution_pipeline("fingerprint", denoiser="gaussian")
    residuals = ResidualTransformer("gaussian").fit_transform(X)
    expected = FingerprintClassifier().fit(residuals, y).decision_function(residuals)
    np.testing.assert_array_equal(pipeline.fit(X, y).decision_function(X), expected)


def test_autocorrelation_is_features_and_discriminant_analysis(make_filtered):
    X, y = make_filtered()
    actual = (
        make_attribution_pipeline("autocorrelation", tile_size=None).fit(X, y).decision_function(X)
    )
    residuals = ResidualTransformer(channels="rgb", flatten=False).fit_transform(X)
    features = AutocorrelationTransformer().fit_transform(residuals)
    scaled = StandardScaler().fit_transform(features)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.03).fit(scaled, y)
    np.testing.assert_allclose(actual, lda.decision_function(scaled), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_files_give_the_same_as_images(image_folder, kind):
    _, paths, y = image_folder(n_per_class=3, shape=(96, 96, 3))
    pipeline = attribution_pipeline(kind, tile_size=48 if kind in WITH_TILES else None)
    clf = FileBatchClassifier(pipeline, batch_size=5).fit(paths, y)
    X = clf.reader_.read(paths)
    expected = pipeline.fit(X, y).decision_function(X)
    np.testing.assert_allclose(clf.decision_function(paths), expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    ("kind", "tile_size"), [*((kind, None) for kind in KINDS), *((kind, 20) for kind in WITH_TILES)]
)
def test_a_loaded_pipeline_gives_the_same_scores(make_filtered, tmp_path, kind, tile_size):
    X, y = make_filtered(n_per_class=3)
    pipeline = attribution_pipeline(kind, tile_size=tile_size)
    clf = FileBatchClassifier(pipeline).fit(X, y)
    for model in (clf, clf.estimator_):
        save_model(model, tmp_path / "model.skops")
        loaded = load_model(tmp_path / "model.skops")
        np.testing.assert_array_equal(loaded.decision_function(X), model.decision_function(X))


def test_nearest_mean_is_the_cosine_with_means_of_whitened_features(make_filtered):
    X, y = make_filtered(n_per_class=3)
    pipeline = attribution_pipeline("nearest-mean").fit(X, y)
    rows = pipeline["features"].transform(X).astype(np.float64)
    rows -= rows.mean(axis=0)
    means = np.stack([rows[y == label].mean(axis=0) for label in ("colour", "down", "right")])
    lengths = np.linalg.norm(rows, axis=1)[:, np.newaxis] * np.linalg.norm(means, axis=1)
    found = pipeline.decision_function(X)
    np.testing.assert_allclose(found, rows @ means.T / lengths, atol=1e-5)


def test_nearest_mean_is_the_same_in_other_units(make_filtered):
    X, y = make_filtered(n_per_class=4)
    scores = []
    for white in (255, 1.0):
        pipeline = attribution_pipeline("nearest-mean", data_range=white)
        images = (X * (white / 255)).astype(X.dtype if white == 255 else np.float32)
        scores.append(pipeline.fit(images, y).decision_function(images))
    np.testing.assert_allclose(*scores, atol=0.01)


def test_nearest_mean_needs_one_image_of_a_source(make_filtered):
    X, y = make_filtered(n_per_class=10, side=64)
    first = np.unique(y, return_index=True)[1]
    pipeline = attribution_pipeline("nearest-mean").fit(X[first], y[first])
    assert pipeline.score(X, y) > 0.9
    mixed = [X[0], X[10, :60], X[20].repeat(2, axis=1)]
    assert pipeline.predict(mixed).shape == (3,)


def test_what_is_inside_is_reached_by_a_search(make_filtered):
    X, y = make_filtered(n_per_class=3)
    grid = {
        "residual__denoiser": ["wavelet", "gaussian"],
        "features__transformer__max_lag": [1],
        "classifier__estimator__lda__shrinkage": [0.03, 0.3],
    }
    search = GridSearchCV(make_attribution_pipeline("autocorrelation", tile_size=20), grid, cv=3)
    assert search.fit(X, y).best_score_ == 1.0


@pytest.mark.parametrize("white", [1.0, 255.0])
@pytest.mark.parametrize("kind", KINDS)
def test_white_is_handed_on(make_filtered, kind, white):
    X, y = make_filtered(n_per_class=3)
    pipeline = attribution_pipeline(kind, data_range=white)
    scaled = X.astype(np.float32) * np.float32(white / 255)
    assert (pipeline.fit(scaled, y).predict(scaled) == y).all()


def test_an_unknown_kind_is_refused():
    with pytest.raises(
        ValueError, match=r"kind must be one of \['autocorrelation', .*'robust'\], got 'all'"
    ):
        make_attribution_pipeline("all")


def described(pipeline):
    """Parameters, with denoisers by what they are, which compare by identity."""
    return {name: str(value) for name, value in pipeline.get_params().items()}


@pytest.mark.parametrize(("former", "kind"), FORMER.items())
def test_former_kinds_warn_and_make_the_same(former, kind):
    with pytest.warns(FutureWarning, match=f"'{former}' was renamed to '{kind}'") as caught:
        pipeline = make_attribution_pipeline(former)
    assert caught[0].filename == __file__
    assert described(pipeline) == described(make_attribution_pipeline(kind))


@pytest.mark.parametrize("former", ["paper", "camera"])
def test_former_kinds_take_what_they_ignored(former):
    with pytest.warns(FutureWarning):
        pipeline = make_attribution_pipeline(former, denoiser="wavelet", tile_size=32)
    assert described(pipeline) == described(make_attribution_pipeline(FORMER[former]))


def test_current_kinds_do_not_warn():
    assert [current_kind(kind) for kind in (*KINDS, "all")] == [*KINDS, "all"]


@pytest.mark.parametrize("kind", sorted(set(KINDS).difference(WITH_TILES)))
def test_tiles_are_refused_where_there_are_none(kind):
    with pytest.raises(ValueError, match="tile_size=32: .*Leave tile_size out.*'fusion'"):
        make_attribution_pipeline(kind, tile_size=32)


@pytest.mark.parametrize("kind", WITH_TILES)
def test_tiles_of_64_pixels_are_the_default(kind):
    expected = make_attribution_pipeline(kind, tile_size=64)
    assert described(make_attribution_pipeline(kind)) == described(expected)


def test_the_default_denoiser_is_that_of_the_kind():
    denoiser = make_attribution_pipeline("prnu")["residual"].denoiser
    assert (type(denoiser), denoiser.sigma) == (WaveletDenoiser, 3.0)
    for kind in ("fingerprint", "prnu"):
        asked = make_attribution_pipeline(kind, denoiser="wavelet")
        assert asked["residual"].denoiser == "wavelet"


@pytest.mark.parametrize("tile_size", [None, 20])
def test_unknown_sources_of_autocorrelation_are_told_by_the_distance(make_filtered, tile_size):
    X, y = make_filtered()
    pipeline = make_attribution_pipeline("autocorrelation", tile_size=tile_size)
    pipeline.set_params(**{"features__" + ("transformer__" if tile_size else "") + "max_lag": 2})
    clf = OpenSetClassifier(pipeline, false_alarm_rate=0.2, cv=2).fit(X, y)
    steps = clf.estimator_
    features = steps[:2].transform(X)
    # The whole comes before the tiles.
    rows = features[:, 0] if tile_size else features
    analysis = steps[-1].estimator_ if tile_size else steps[-2:]
    distances = discriminant_distances(analysis[-1], analysis[:-1].transform(rows))
    np.testing.assert_allclose(clf.score_samples(X), -np.sqrt(distances.min(axis=1)))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "nearest-mean"])
def test_a_search_over_the_parameters_of_the_default_denoiser(make_images, kind):
    X, y = make_images(n_per_class=8, shape=(40, 40, 3))
    pipeline = attribution_pipeline(kind, tile_size=None)
    name = "fusion__fingerprint__residual" if kind == "robust" else "residual"
    grid = [
        {f"{name}__denoiser__sigma": [2.0]},
        {f"{name}__denoiser": ["gaussian"], f"{name}__denoiser__sigma": [1.5]},
    ]
    search = GridSearchCV(pipeline, grid, cv=2, refit=False, error_score="raise").fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    expected = attribution_pipeline(kind, tile_size=None)
    expected.set_params(**{f"{name}__denoiser": GaussianDenoiser(1.5)})
    assert scores.shape == (2,)
    assert scores[1] == cross_val_score(expected, X, y, cv=2).mean()


def test_the_default_is_fitted_on_copies_of_any_size(make_filtered):
    X, y = make_filtered(n_per_class=6, side=72)
    assert described(make_attribution_pipeline()) == described(make_attribution_pipeline("robust"))
    pipeline = attribution_pipeline("robust").fit(X, y)
    assert len(pipeline["fusion"].versions_) == 3
    compressed = JPEGCompression(80).transform(X)
    assert pipeline.score(compressed, y) > 0.8
    mixed = [X[0], compressed[6, :66], X[12].repeat(2, axis=1)]
    assert pipeline.predict(mixed).shape == (3,)


def test_the_default_joins_features_and_holds_them_against_simulated_sources(make_filtered):
    pipeline = make_attribution_pipeline(data_range=1.0)
    traces = dict(pipeline["fusion"].estimators)
    features, lda = traces["correlations"]
    joined = dict(features.transformer_list)
    assert list(joined) == ["correlations", "texture", "blocks"]
    sources = pipeline["fusion"].background
    assert len({str(source) for source in sources}) == len(sources) == N_BACKGROUND
    assert {part.data_range for part in (*joined.values(), *sources)} == {1.0}
    X, y = make_filtered(n_per_class=4)
    fitted = attribution_pipeline("robust").fit(X, y)["fusion"]
    parts = [part.transform(X) for _, part in fitted.estimators_[0][0].transformer_list]
    scores = fitted.estimators_[0][1].all_scores(np.hstack(parts))
    np.testing.assert_array_equal(fitted.estimators_[0].predict(X), y)
    np.testing.assert_allclose(
        fitted.estimators_[0].decision_function(X), scores[:, 0], rtol=1e-4, atol=1e-3
    )
    assert len(fitted.estimators_[0][1].background_means_) > 1


def test_the_default_takes_grey_images(make_filtered):
    X, y = make_filtered(n_per_class=6)
    grey = X[y != "colour", ..., 1]
    pipeline = attribution_pipeline("robust").fit(grey, y[y != "colour"])
    assert pipeline.score(grey, y[y != "colour"]) == 1


@pytest.mark.parametrize("kind", ["fusion-siblings", "thorough"])
def test_kinds_that_are_not_made_any_more_give_way_to_fusion(kind):
    with pytest.warns(FutureWarning, match=f"'{kind}' is not made any more, .* 'fusion' is made"):
        pipeline = make_attribution_pipeline(kind, tile_size=32)
    assert described(pipeline) == described(make_attribution_pipeline("fusion", tile_size=32))
