"""Models and collections compared with each other."""

import json
import warnings

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.base import BaseEstimator

from sklearn_ganprint import (
    AugmentedClassifier,
    FileBatchClassifier,
    FingerprintClassifier,
    FusionClassifier,
    OpenSetClassifier,
    PRNUClassifier,
    ResidualTransformer,
    make_attribution_pipeline,
)
from sklearn_ganprint.comparison import (
    FingerprintSet,
    compare_models,
    estimate_fingerprints,
    fingerprint_set,
)

# A law over many sets of fingerprints, which would take minutes with images.
from sklearn_ganprint.correlation._comparison import p_values_among_sources
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.files import UnreadableImageWarning


@pytest.fixture
def make_sources():
    """Fingerprints of some sources, with noise of their own, and something all have in common."""

    def make(names="abcdef", noise=1.0, common=0.0, seed=0):
        shared = np.random.default_rng(12345).normal(size=(48, 48))
        rng = np.random.default_rng(seed)
        return {
            name: np.random.default_rng(ord(name)).normal(size=(48, 48))
            + noise * rng.normal(size=(48, 48))
            + common * shared
            for name in names
        }

    return make


@pytest.mark.parametrize("common", [0.0, 2.0])
def test_sources_find_themselves_and_no_others(make_sources, common):
    found = compare_models(
        make_sources("cbfxy", common=common), make_sources(seed=1, common=common)
    )
    assert found.null == "sources"
    assert found.first_names == list("cbfxy")
    matches = {match.source: match for match in found.matches()}
    for name in "cbf":
        assert (matches[name].match, matches[name].p_value_of_best < 1e-4) == (name, True)
    assert min(matches[name].p_value_of_best for name in "xy") > 0.01


def test_what_all_have_in_common_is_no_chance_but_no_match_either(make_sources):
    first, second = make_sources("uvwxy", common=2.0), make_sources(seed=1, common=2.0)
    by_chance = compare_models(first, second, null="chance")
    assert by_chance.p_value.max() < 0.01
    np.testing.assert_allclose(by_chance.p_value, norm.sf(by_chance.z_score))
    assert compare_models(first, second).p_value.min() > 0.001


def test_one_unknown_against_known_sources_both_ways_round(make_sources):
    unknown, known = make_sources("d"), make_sources(seed=1, common=1.0)
    row = compare_models(unknown, known)
    column = compare_models(known, unknown)
    assert row.null == "sources"
    assert (row.matches()[0].match, row.matches()[0].p_value_of_best < 1e-4) == ("d", True)
    np.testing.assert_allclose(row.p_value, column.p_value.T)
    np.testing.assert_allclose(row.correlation, column.correlation.T)


def test_sources_of_one_model_with_each_other(make_sources):
    sources = make_sources()
    sources["copy of b"] = make_sources("b", seed=2)["b"]
    found = compare_models(sources)
    assert np.isnan(np.diag(found.correlation)).all()
    np.testing.assert_array_equal(found.p_value, found.p_value.T)
    matches = {match.source: match for match in found.matches()}
    assert (matches["b"].match, matches["copy of b"].match) == ("copy of b", "b")
    assert matches["b"].p_value_of_best < 1e-3
    assert min(matches[name].p_value_of_best for name in "acdef") > 0.01
    assert len({frozenset((row["first"], row["second"])) for row in found.rows()}) == 21
    assert len(found.rows()) == 21


def test_few_sources_are_judged_by_chance(make_sources):
    found = compare_models(make_sources("ab"), make_sources("abc", seed=1))
    assert found.null == "chance"
    assert found.matches()[1].match == "b"
    with pytest.raises(ValueError, match="'sources' .*4 sources .* got 2 and 3"):
        compare_models(make_sources("ab"), make_sources("abc"), null="sources")
    with pytest.raises(ValueError, match="null: expected one of"):
        compare_models(make_sources("ab"), null="none")


@pytest.mark.parametrize(("k", "m", "within"), [(6, 6, False), (4, 9, False), (1, 8, True)])
def test_p_values_among_sources_are_right_where_nothing_matches(k, m, within):
    rng = np.random.default_rng(0)
    p = []
    for _ in range(200):
        rows, columns = rng.normal(scale=5, size=(k, 1)), rng.normal(size=m)
        scale = rng.uniform(1, 3, size=m)
        pairs = (rng.normal(size=(k, m)) * scale + rows + columns, np.tile(scale, (k, 1)))
        others = None
        if within:
            upper = np.triu(rng.normal(size=(m, m)), 1)
            scale = np.sqrt(np.outer(scale, scale))
            others = (scale * (upper + upper.T) + columns + columns[:, np.newaxis], scale)
            np.fill_diagonal(others[0], np.nan)
        p.append(p_values_among_sources(pairs, others))
    assert 0.002 <= (np.ravel(p) <= 0.01).mean() <= 0.018
    assert 0.02 <= (np.ravel(p) <= 0.05).mean() <= 0.06


def test_copies_of_fingerprints_have_finite_figures_and_no_warnings():
    a, b = np.random.default_rng(0).normal(size=(2, 32, 32)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = compare_models({"a": a, "b": b, "a2": a, "b2": b}).rows()
    for row in rows:
        assert np.isfinite([row["correlation"], row["p_value"]]).all()


def test_the_result_as_plain_values(make_sources):
    found = compare_models(make_sources("abcd"), make_sources("abcde", seed=1))
    document = json.loads(json.dumps(found.to_dict()))
    assert document["null"] == "sources"
    assert document["matches"][2]["match"] == "c"
    assert len(document["pairs"]) == 20
    pair = document["pairs"][6]
    assert (pair["first"], pair["second"]) == ("b", "b")
    assert pair["z_score"] == pytest.approx(found.z_score[1, 1])


def test_the_former_name_of_sensor_patterns_warns(image_folder):
    _, paths, y = image_folder()
    with pytest.warns(FutureWarning, match="'camera' was renamed to 'prnu'") as caught:
        former = estimate_fingerprints(paths, y, like="camera")
    assert caught[0].filename == __file__
    expected = estimate_fingerprints(paths, y, like="prnu")
    np.testing.assert_array_equal(former.fingerprints, expected.fingerprints)


@pytest.mark.parametrize("kind", ["fingerprint", "fusion", "prnu"])
@pytest.mark.parametrize("open_set", [False, True])
def test_fingerprints_are_found_in_fitted_pipelines(image_folder, kind, open_set):
    _, paths, y = image_folder(n_per_class=4)
    estimator = make_attribution_pipeline(kind, tile_size=None)
    estimator = OpenSetClassifier(estimator, false_alarm_rate=0.2) if open_set else estimator
    model = FileBatchClassifier(estimator).fit(paths, y)
    found = fingerprint_set(model)
    assert found.names == ["a", "b", "c"]
    assert found.fingerprints.shape == (3, 32, 32, 3 if kind == "fusion" else 1)
    assert isinstance(found.residual, ResidualTransformer)
    same = estimate_fingerprints(paths, y, like=model)
    np.testing.assert_allclose(same.fingerprints, found.fingerprints, atol=1e-5)
    assert same.names == found.names


def test_fingerprints_of_what_only_looks_like_a_classifier():
    class Clusters(BaseEstimator):
        def fit(self, X):
            self.fingerprints_ = X.reshape(len(X), -1)
            self.image_shape_ = X.shape[1:]
            return self

    patterns = np.arange(32.0).reshape(2, 4, 4, 1)
    found = fingerprint_set(Clusters().fit(patterns))
    assert found.names == ["0", "1"]
    np.testing.assert_array_equal(found.fingerprints, patterns)
    assert fingerprint_set(found) is found


def test_classes_without_images_are_left_out():
    clf = FingerprintClassifier()
    clf.partial_fit(np.ones((2, 4, 4)), ["a", "c"], classes=["a", "b", "c"])
    assert fingerprint_set(clf).names == ["a", "c"]


def test_models_without_fingerprints_to_compare_are_refused(make_images, make_residuals):
    X, y = make_images(n_per_class=3)
    autocorrelation = make_attribution_pipeline("autocorrelation", tile_size=None).fit(X, y)
    with pytest.raises(ValueError, match="Pipeline has no fingerprints"):
        fingerprint_set(autocorrelation)
    with pytest.raises(ValueError, match="image shape"):
        fingerprint_set(FingerprintClassifier().fit(*make_residuals()))
    pipeline = make_attribution_pipeline("fingerprint")
    augmented = AugmentedClassifier(pipeline, ["noise 1"]).fit(X, y)
    with pytest.raises(ValueError, match="other classes"):
        fingerprint_set(augmented)
    with pytest.raises(ValueError, match="like: expected"):
        estimate_fingerprints(["a.png"], like=autocorrelation)


def test_sizes_and_residuals_that_differ_are_named(make_images, make_sources):
    X, y = make_images(n_per_class=3)
    models = [
        make_attribution_pipeline("fingerprint", denoiser=denoiser).fit(X, y)
        for denoiser in ("gaussian", "median")
    ]
    with pytest.warns(UserWarning, match="different ways, .*gaussian.*median"):
        compare_models(*models)
    with pytest.raises(ValueError, match="of one size .* got \\(32, 32, 1\\) and \\(48, 48, 1\\)"):
        compare_models(models[0], make_sources())
    with pytest.raises(ValueError, match="of one shape, .*'b': \\(3, 3\\)"):
        compare_models({"a": np.ones((2, 2)), "b": np.ones((3, 3))})
    with pytest.raises(ValueError, match="and as many names, got .* and 1 names"):
        FingerprintSet(["a"], np.ones((2, 4, 4, 1)))


def test_files_without_a_model_make_mean_residuals_of_all_colours(image_folder):
    _, paths, _ = image_folder(labels=("a",))
    found = estimate_fingerprints(paths, batch_size=3)
    assert (found.names, found.fingerprints.shape) == (["images"], (1, 32, 32, 3))
    residual = ResidualTransformer(channels="rgb", flatten=False)
    mean = residual.fit_transform(ImageReader().read(paths)).mean(axis=0)
    np.testing.assert_allclose(found.fingerprints[0], mean, atol=1e-5)


def test_files_that_cannot_be_used_are_named(image_folder, tmp_path):
    _, paths, _ = image_folder(labels=("a",))
    (tmp_path / "bad.png").write_text("no image")
    mixed = [str(tmp_path / "bad.png"), *paths]
    with pytest.warns(UnreadableImageWarning, match="1 of 9 files could not be used:\n.*bad.png"):
        found = estimate_fingerprints(mixed)
    np.testing.assert_allclose(found.fingerprints, estimate_fingerprints(paths).fingerprints)
    told = []
    estimate_fingerprints(mixed, on_error=told.append)
    assert [error.filename for error in told] == mixed[:1]
    with pytest.raises(ValueError, match="None of the 1 files"):
        estimate_fingerprints(mixed[:1])


def test_the_first_classifier_with_fingerprints_of_a_fusion_is_taken(make_images):
    X, y = make_images(n_per_class=4)
    residuals = ResidualTransformer(flatten=False).fit_transform(X)
    members = [("camera", PRNUClassifier()), ("mean", FingerprintClassifier())]
    fusion = FusionClassifier(members).fit(residuals, y)
    expected = fusion.estimators_[0].fingerprints_
    np.testing.assert_array_equal(
        fingerprint_set(fusion).fingerprints.reshape(expected.shape), expected
    )


@pytest.mark.parametrize(("strength", "expected"), [(0.04, False), (0.2, True)])
def test_a_common_source_takes_a_correlation_of_some_size(strength, expected):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 8, 128, 128))
    second[0] += strength * first[0]
    found = compare_models(*(dict(zip("abcdefgh", each, strict=True)) for each in (first, second)))
    match = found.matches()[0]
    assert (match.match, match.p_value_of_best < 0.01, match.n_compared) == ("a", True, 8)
    assert found.least_correlation == 5 / 128
    assert found.is_found(match, 0.01) is expected


@pytest.mark.parametrize("null", ["sources", "chance"])
def test_z_scores_and_p_values_are_by_one_null(make_sources, null):
    sources = make_sources(), make_sources(seed=1, common=1.0)
    found = compare_models(*sources, null=null)
    # Student's tail can be less than any number.
    usual = found.p_value > 1e-12
    np.testing.assert_allclose(norm.sf(found.z_score)[usual], found.p_value[usual])
    assert found.z_score[~usual].min(initial=np.inf) > 6.5
    assert (found.to_dict()["null"], np.isfinite(found.z_score).all()) == (null, True)
    document = found.to_dict()
    assert document["least_correlation"] == (0 if null == "chance" else 5 / 48)
