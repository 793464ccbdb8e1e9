"""Models and collections compared with each other."""

import dataclasses
import itertools
import json
import warnings

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm
from scipy.stats import t as student
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
    _sets,  # the size of the part that features are taken of, which a test makes small
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


@pytest.mark.parametrize("names", ["d", "db", "dbax", "dbaxyz"])
def test_unknown_against_known_sources_both_ways_round(make_sources, names):
    unknown, known = make_sources(names), make_sources(seed=1, common=1.0)
    row = compare_models(unknown, known)
    column = compare_models(known, unknown)
    assert row.null == "sources"
    assert (row.matches()[0].match, row.matches()[0].p_value_of_best < 1e-4) == ("d", True)
    np.testing.assert_allclose(row.p_value, column.p_value.T)
    np.testing.assert_allclose(row.correlation, column.correlation.T)


def test_sources_that_have_the_same_partner_hide_no_others(make_sources):
    first, second = make_sources("abcde", noise=1.5), make_sources(seed=1, noise=1.5)
    first["e again"] = make_sources("e", noise=1.5, seed=2)["e"]
    for found in (compare_models(first, second), compare_models(second, first)):
        matches = [match for match in found.matches() if match.source != "f"]
        assert [match.match[0] for match in matches] == [match.source[0] for match in matches]
        assert max(match.p_value_of_best for match in matches) < 0.001


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


@pytest.mark.parametrize("n_traces", [1, 2])
@pytest.mark.parametrize(("k", "m", "within"), [(6, 6, False), (4, 9, False), (1, 8, True)])
def test_p_values_among_sources_are_right_where_nothing_matches(k, m, within, n_traces):
    rng = np.random.default_rng(0)

    def draw():
        rows, columns = rng.normal(scale=5, size=(k, 1)), rng.normal(size=m)
        scale = rng.uniform(1, 3, size=m)
        pairs = (rng.normal(size=(k, m)) * scale + rows + columns, np.tile(scale, (k, 1)))
        others = None
        if within:
            upper = np.triu(rng.normal(size=(m, m)), 1)
            scale = np.sqrt(np.outer(scale, scale))
            others = (scale * (upper + upper.T) + columns + columns[:, np.newaxis], scale)
            np.fill_diagonal(others[0], np.nan)
        return pairs, others

    p = []
    for _ in range(200):
        pairs, others = zip(*(draw() for _ in range(n_traces)), strict=True)
        p.append(p_values_among_sources(pairs, others if within else None))
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


def polished(values):
    """Take off what rows and columns have in common."""
    for _ in range(10):
        values = values - np.nanmedian(values, axis=1)[:, np.newaxis]
        values = values - np.nanmedian(values, axis=0)
    return values


def in_units_of_spread(rest, n_rows):
    """Rest in units of the spread of pairs that differ, and its degrees of freedom.

    The greatest of each of the first rows may be a match; the others are pairs that are there
    twice.
    """
    squares, degrees = 0.0, 1.0 - n_rows - rest.shape[1]
    for number, row in enumerate(rest):
        values = sorted(value for value in row if np.isfinite(value))
        if number < n_rows:
            values, weight = values[:-1], 1.0
        else:
            weight = 0.5
        squares += weight * sum(value**2 for value in values)
        degrees += weight * len(values)
    return rest / np.sqrt(squares / degrees), degrees


@pytest.fixture
def featured():
    """Fingerprints and mean features of sources of two sides, `w` of which is much like `a`."""
    rng = np.random.default_rng(3)
    fingerprints, features = rng.normal(size=(11, 24, 24, 3)), rng.normal(size=(11, 20))
    features[0] = features[7] + 0.5 * rng.normal(size=20)
    return [
        FingerprintSet([*names], fingerprints[part], None, features[part])
        for names, part in (("abcde", slice(5)), ("uvwxyz", slice(5, None)))
    ]


def summed_p_values(correlations, cosines, n_first):
    """Judge the sum of both, each polished and in units of its spread."""
    rests = [polished(each) for each in (correlations, cosines)]
    total = sum(in_units_of_spread(each, n_first)[0] for each in rests)
    total, degrees = in_units_of_spread(total, n_first)
    return student.sf(total[:n_first], degrees)


def only(found, n, *, features=True):
    """Take the first sources of a set."""
    kept = found.features[:n] if features else None
    return FingerprintSet(found.names[:n], found.fingerprints[:n], None, kept)


@pytest.mark.parametrize("n_first", [1, 5])
def test_features_count_as_much_as_fingerprints(featured, n_first):
    first, second = only(featured[0], n_first), featured[1]
    found = compare_models(first, second)
    alone, within = only(first, n_first, features=False), only(second, 6, features=False)
    parts = [compare_models(alone, within)]
    rest = np.concatenate([first.features, second.features]) - second.features.mean(axis=0)
    rest /= np.linalg.norm(rest, axis=1)[:, np.newaxis]
    cosines = rest @ rest[n_first:].T
    np.testing.assert_allclose(found.similarity, cosines[:n_first])
    if n_first == 1:  # too few pairs: those within the other side are taken, too
        np.fill_diagonal(cosines[1:], np.nan)
        parts.append(compare_models(within))
    errors = np.log(np.vstack([part.standard_error for part in parts]))
    rows, columns = (np.nanmean(errors, axis=axis) for axis in (1, 0))
    errors = np.exp(rows[:, np.newaxis] + columns - np.nanmean(errors))
    correlations = np.vstack([part.correlation for part in parts]) / errors
    p_values = summed_p_values(correlations, cosines[: len(correlations)], n_first)
    if n_first > 1:  # the other way round, too
        turned = summed_p_values(correlations.T, cosines[:n_first].T, len(second.names))
        p_values = np.sqrt(p_values * turned.T)
    np.testing.assert_allclose(found.p_value, p_values, rtol=1e-6)
    match = found.matches()[0]
    assert (match.match, found.similarity_of(match)) == ("w", found.similarity[0, 2])
    assert match.p_value < parts[0].p_value[0, 2] / 3


@pytest.mark.parametrize(("n_first", "n_second"), [(2, 6), (5, 5)])
def test_features_whichever_side_comes_first(featured, n_first, n_second):
    first, second = only(featured[0], n_first), only(featured[1], n_second)
    found, turned = compare_models(first, second), compare_models(second, first)
    np.testing.assert_allclose(turned.similarity, found.similarity.T)
    np.testing.assert_allclose(turned.p_value, found.p_value.T)


def test_features_within_a_set_and_of_the_same_set_twice(featured):
    second = featured[1]
    itself = compare_models(second)
    assert np.isnan(itself.similarity.diagonal()).all()
    np.testing.assert_allclose(itself.similarity, itself.similarity.T)
    twice = compare_models(second, second)
    assert [match.match for match in twice.matches()] == second.names
    np.testing.assert_allclose(twice.similarity.diagonal(), 1)
    json.dumps(twice.to_dict(), allow_nan=False)


def test_a_pair_that_stands_out_must_be_alike_by_either_measure(featured):
    found = compare_models(*featured)
    match = found.matches()[0]
    assert found.similarity_of(match) > found.least_similarity > 0
    assert match.correlation < found.least_correlation
    for similarity, correlation in itertools.product([0.05, 0.5], [-0.01, 0.01, 1.0]):
        other = dataclasses.replace(
            found,
            similarity=np.full_like(found.similarity, similarity),
            correlation=np.full_like(found.correlation, correlation),
        )
        expected = correlation == 1.0 or (similarity == 0.5 and correlation > 0)
        assert (other.alike == expected).all()
        own = other.matches()[0]
        assert other.is_found(own, 0.5) is expected
        assert not other.is_found(own, own.p_value_of_best / 2)
    document = json.loads(json.dumps(found.to_dict()))
    assert document["pairs"][2]["similarity"] == found.similarity[0, 2]
    assert document["least_similarity"] == found.least_similarity
    assert len(match) == 7  # as before there were features, for those who take it apart


def test_is_found_where_sources_have_one_name(make_sources):
    known = make_sources("abcd", seed=1)
    second = FingerprintSet(list("xxcd"), np.stack(list(known.values()))[..., np.newaxis])
    first = {"b": make_sources("b")["b"]}
    found = compare_models(first, second)
    match = found.matches()[0]
    assert match.match == "x" and found.is_found(match, 0.05)
    assert found.similarity_of(match) is None
    assert found.is_found(match._replace(source="another name"), 0.05)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (np.zeros((3, 9)), r"Expected features \(k, d\) .* got \(3, 9\) and 6 names"),
        (np.full((6, 9), np.nan), "features contains NaN"),
        (np.zeros(6), "Expected 2D array"),
    ],
)
def test_features_are_checked(featured, features, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(featured[1], features=features)


def test_features_need_both_sides_and_other_sources(featured):
    first, second = featured
    other = dataclasses.replace(second, features=second.features[:, 1:].tolist())
    for each, number in ((only(second, 6, features=False), "None"), (other, "19")):
        with pytest.raises(ValueError, match=f"as many on both sides, .* got 20 and {number}"):
            compare_models(first, each)
    with pytest.raises(ValueError, match=r"4 sources or more on one side.* and 2 and 3 sources"):
        compare_models(only(first, 2), only(second, 3))
    with pytest.raises(ValueError, match="got null='chance'.* Leave features out"):
        compare_models(first, second, null="chance")
    with pytest.raises(ValueError, match="like: expected a fitted model, .* got 'robust'"):
        estimate_fingerprints(["a.png"], like="robust")


@pytest.mark.parametrize("anchor", ["top-left", "center"])
def test_features_of_large_images_are_of_the_part_at_the_anchor(tmp_path, monkeypatch, anchor):
    # As if it were for photos of 1024 pixels and more, which take long.
    monkeypatch.setattr(_sets, "MAX_SIDE", 64)
    images = np.random.default_rng(0).integers(90, 160, size=(3, 90, 101, 3), dtype=np.uint8)
    images[2, :80, :90] = 255  # there is something at the other end alone
    paths = [str(tmp_path / f"{index}.png") for index in range(3)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    whole = ImageReader(anchor=anchor)
    with pytest.warns(UnreadableImageWarning, match=r"2\.png.*no residual"):
        found = estimate_fingerprints(paths, reader=whole, like="fusion")
    part = ImageReader(crop=64, anchor=anchor).read(paths[:2])
    features = make_attribution_pipeline("nearest-mean")[0].fit_transform(part)
    np.testing.assert_allclose(found.features[0], features.mean(axis=0), atol=1e-4)
    assert found.fingerprints.shape == (1, 90, 101, 3)
    with (
        pytest.warns(UnreadableImageWarning),
        pytest.raises(
            ValueError, match=r"None of the images of \['b'\] has a residual in the part"
        ),
    ):
        estimate_fingerprints(paths, ["a", "a", "b"], reader=whole, like="fusion")


def test_features_are_means_over_the_images_of_a_source(image_folder, tmp_path):
    _, paths, y = image_folder()
    (tmp_path / "empty.png").touch()
    asked, labels = [*paths, tmp_path / "empty.png"], [*y, "none"]
    with pytest.warns(UnreadableImageWarning, match="empty") as caught:
        found = estimate_fingerprints(asked, labels, like="fusion", batch_size=5)
    assert len(caught) == 1
    features = make_attribution_pipeline("nearest-mean")[0].fit_transform(ImageReader().read(paths))
    assert found.names == sorted(set(y))
    for name, row in zip(found.names, found.features, strict=True):
        np.testing.assert_allclose(row, features[np.array(y) == name].mean(axis=0), atol=1e-4)
    by_default = estimate_fingerprints(paths, y)
    np.testing.assert_allclose(found.fingerprints, by_default.fingerprints, rtol=1e-4, atol=1e-5)
    assert by_default.features is None
