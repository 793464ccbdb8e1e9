"""Data frames as the output of transformers: rows become some, images stay arrays."""

import estimators
import numpy as np
import pytest
from estimators import FEATURES, PERTURBATIONS
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from sklearn_ganprint import (
    AugmentedClassifier,
    FileBatchClassifier,
    FileBatchClustering,
    FingerprintClassifier,
    FingerprintClustering,
    FingerprintDetector,
    FusionClassifier,
    LocalVarianceNormalizer,
    OpenSetClassifier,
    PooledDiscriminantAnalysis,
    PRNUClassifier,
    TiledClassifier,
    make_localization_pipeline,
)
from sklearn_ganprint.features import (
    AutocorrelationTransformer,
    BlockTransformer,
    CorrelationTransformer,
    PartialCorrelationTransformer,
    SpectralLineTransformer,
    SpectrumTransformer,
    TextureTransformer,
    TiledTransformer,
    WithinSourceWhitening,
)
from sklearn_ganprint.localization import localize_images
from sklearn_ganprint.perturbations import Crop, RandomHistory, Resize, SimulatedSource
from sklearn_ganprint.pipelines import KINDS

pytestmark = pytest.mark.filterwarnings(
    "error",
    # There are few images, which serve as residuals too where only containers matter.
    "ignore:.*can be called unknown",
    "ignore:The hypothesis",
    "ignore:.*takes noise residuals",
)

PERTURBED = [*PERTURBATIONS, Crop(trim=2), Resize(0.5), RandomHistory(), SimulatedSource(2)]


def residual(flatten=False):
    return estimators.residual(channels="rgb", flatten=flatten)


def lags():
    return AutocorrelationTransformer(1)


def union():
    parts = [
        (each.metric, make_pipeline(residual(), LocalVarianceNormalizer(size)))
        for size, each in ((3, FingerprintClassifier()), (5, FingerprintClassifier("cosine")))
    ]
    return FeatureUnion(parts)


def members():
    second = make_pipeline(lags(), StandardScaler(), LinearDiscriminantAnalysis())
    return [("first", FingerprintClassifier()), ("second", second)]


MODELS = {
    **{
        f"{kind}-{tile_size}": estimators.attribution_pipeline(
            kind, denoiser="gaussian", tile_size=tile_size
        )
        for kind in KINDS
        for tile_size in ((24, None) if kind in ("autocorrelation", "fusion") else (None,))
    },
    "rows": make_pipeline(residual(flatten=True), FingerprintClassifier()),
    "normalized": make_pipeline(residual(), LocalVarianceNormalizer(), FingerprintClassifier()),
    "images": make_pipeline(
        residual(), LocalVarianceNormalizer(flatten=False), PRNUClassifier(search=True)
    ),
    "spectrum": make_pipeline(residual(), SpectrumTransformer(4), LinearDiscriminantAnalysis()),
    "partial": make_pipeline(
        residual(), PartialCorrelationTransformer(3, scales=(1, 2)), PooledDiscriminantAnalysis()
    ),
    "correlations": make_pipeline(
        CorrelationTransformer(("gaussian", "wavelet"), max_lag=1, window=3),
        StandardScaler(),
        PooledDiscriminantAnalysis(),
    ),
    "lines": make_pipeline(residual(), SpectralLineTransformer(4), LinearDiscriminantAnalysis()),
    "tiles": make_pipeline(
        residual(),
        TiledTransformer(lags(), 16, flatten=False),
        TiledClassifier(make_pipeline(StandardScaler(), LinearDiscriminantAnalysis())),
    ),
    "union": make_pipeline(union(), Normalizer(), FingerprintClassifier("unbiased")),
    "open-set": make_pipeline(residual(), OpenSetClassifier(FingerprintClassifier())),
    "open-set-rows": make_pipeline(residual(True), OpenSetClassifier(FingerprintClassifier())),
    "open-set-whole": OpenSetClassifier(
        make_pipeline(residual(), lags(), StandardScaler(), LinearDiscriminantAnalysis()),
        cv=2,
    ),
    "open-set-fusion": OpenSetClassifier(make_pipeline(residual(), FusionClassifier(members()))),
    "detector": make_pipeline(residual(True), FingerprintDetector(source="a")),
    "fusion": FusionClassifier([("whole", make_pipeline(residual(True), FingerprintClassifier()))]),
    "augmented": AugmentedClassifier(
        make_pipeline(residual(), lags(), StandardScaler(), LinearDiscriminantAnalysis()),
        ["jpeg 75", ("resize 0.5", "noise 1")],
        temperature=1.0,
    ),
    "augmented-rows": AugmentedClassifier(
        make_pipeline(union(), Normalizer(), FingerprintClassifier()),
        ["blur 1"],
        subclasses=False,
    ),
    **{
        f"perturbed-{perturbation}": make_pipeline(
            perturbation, residual(True), FingerprintClassifier()
        )
        for perturbation in PERTURBED
    },
}
BATCHED = ["fusion-24", "robust-None", "rows", "union", "open-set-whole", "augmented"]
MODELS |= {
    f"files-{name}": FileBatchClassifier(clone(MODELS[name]), batch_size=7) for name in BATCHED
}


CLUSTERINGS = {
    "images": make_pipeline(residual(), FingerprintClustering(3)),
    "rows": make_pipeline(residual(True), FingerprintClustering(3, image_shape=(48, 48, 3))),
    "files": FileBatchClustering(make_pipeline(residual(), FingerprintClustering(3)), batch_size=7),
}

TRANSFORMERS = {
    "residual": residual(True),
    **{type(feature).__name__: feature for feature in FEATURES},
    "correlations": CorrelationTransformer(("gaussian", "wavelet"), max_lag=1, window=3),
    "texture": TextureTransformer(n_scales=1),
    "blocks": BlockTransformer(),
    "whitening": WithinSourceWhitening(
        TextureTransformer(n_scales=1),
        np.random.default_rng(0).integers(256, size=(2, 48, 48, 3), dtype=np.uint8),
        n_sources=2,
    ),
}
TO_IMAGES = {
    "residual": residual(),
    "normalizer": LocalVarianceNormalizer(flatten=False),
    "tiles": TiledTransformer(lags(), 16, flatten=False),
    **{str(each): each for each in PERTURBED},
}


@pytest.fixture
def images(make_images):
    return make_images(n_per_class=8, shape=(48, 48, 3))


@pytest.fixture(params=["pandas", "polars"])
def container(request):
    return request.param


def answers(model, X, y, container="default"):
    """What a model says of images that it was not fitted on, with a global option or without."""
    with config_context(transform_output=container):
        model = clone(model).fit(X[::2], y[::2])
        names = ("decision_function", "class_scores", "score_samples")
        method = next(name for name in names if hasattr(model, name))
        return model.predict(X[1::2]), getattr(model, method)(X[1::2])


def assert_alike(found, expected):
    """Labels are equal; scores but for sums in another order, as polars keeps rows by column."""
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_models_answer_alike_whatever_the_global_option(images, name, container):
    assert_alike(answers(MODELS[name], *images, container), answers(MODELS[name], *images))


@pytest.mark.parametrize("name", [name for name in MODELS if isinstance(MODELS[name], Pipeline)])
def test_models_answer_alike_with_set_output(images, name, container):
    model = clone(MODELS[name]).set_output(transform=container)
    assert_alike(answers(model, *images), answers(MODELS[name], *images))


@pytest.mark.parametrize("name", CLUSTERINGS)
def test_clusterings_find_the_same(images, name, container):
    X, _ = images
    expected = clone(CLUSTERINGS[name]).fit_predict(X)
    with config_context(transform_output=container):
        np.testing.assert_array_equal(clone(CLUSTERINGS[name]).fit_predict(X), expected)


def test_localization_finds_the_same(images, container):
    X, y = images
    maker = make_localization_pipeline(denoiser="gaussian", window_size=8, false_alarm_rate=0.2)
    expected = localize_images(clone(maker).fit(X, y), X)
    for model, option in ((maker.set_output(transform=container), "default"), (maker, container)):
        with config_context(transform_output=option):
            found = localize_images(clone(model).fit(X, y), X)
        np.testing.assert_allclose(found.maps, expected.maps, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fitted", [True, False])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_rows_come_in_the_container_that_is_asked_for(images, name, container, fitted):
    X = images[0][:2].astype(float)
    transformer = clone(TRANSFORMERS[name]).set_output(transform=container)
    rows = (transformer.fit(X) if fitted else transformer).transform(X)
    assert type(rows).__module__.startswith(container)
    np.testing.assert_array_equal(rows, clone(TRANSFORMERS[name]).fit_transform(X))
    if fitted:
        assert list(rows.columns) == transformer.get_feature_names_out().tolist()
        assert list(transformer.fit_transform(X).columns) == list(rows.columns)


@pytest.mark.parametrize("name", TO_IMAGES)
def test_images_come_as_arrays_whatever_is_asked_for(images, name, container):
    X = images[0][:2].astype(float)
    expected = clone(TO_IMAGES[name]).fit_transform(X)
    with config_context(transform_output=container):
        np.testing.assert_array_equal(
            clone(TO_IMAGES[name]).fit_transform(X), expected, strict=True
        )
    asked = clone(TO_IMAGES[name]).set_output(transform=container)
    np.testing.assert_array_equal(asked.fit(X).transform(X), expected, strict=True)


@pytest.mark.parametrize("perturbation", PERTURBED, ids=str)
def test_perturbed_rows_are_rows_in_the_container(images, perturbation, container):
    X = images[0][:2].reshape(2, -1)
    perturbation = clone(perturbation).set_params(image_shape=(48, 48, 3))
    expected = perturbation.fit_transform(X)
    rows = perturbation.set_output(transform=container).fit_transform(X)
    assert type(rows).__module__.startswith(container)
    np.testing.assert_array_equal(rows, expected)


def test_a_step_that_knows_no_containers_stays_usable_in_copies(images):
    class Plain(BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return X.reshape(len(X), -1)

        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.requires_fit = False
            return tags

    both = FeatureUnion([("plain", Plain()), ("rows", residual(True))])
    model = AugmentedClassifier(make_pipeline(both, FingerprintClassifier()), ["blur 1"])
    assert_alike(answers(model, *images, "pandas"), answers(model, *images))
