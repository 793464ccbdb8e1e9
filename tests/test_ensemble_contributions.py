"""What features contribute to differences of scores, held to sums and integrals written out."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import config_context
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_ganprint import (
    AutocorrelationTransformer,
    FileBatchEstimator,
    FingerprintClassifier,
    FusionClassifier,
    OpenSetClassifier,
    PooledDiscriminantAnalysis,
    PRNUClassifier,
    ResidualTransformer,
    SubclassDiscriminantAnalysis,
    load_model,
    make_attribution_pipeline,
    make_detection_pipeline,
    save_model,
)
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.ensemble import score_contributions, sum_contributions
from sklearn_ganprint.pipelines import KINDS

#: Names of what contributes, by kind.
MEMBERS = {
    "robust": ["correlations", "fingerprint", "fusion"],
    "nearest-mean": ["mean"],
    "fingerprint": ["fingerprint"],
    "autocorrelation": ["classifier"],
    "fusion": ["fingerprint", "second_order", "fusion"],
    "prnu": ["camera"],
}

#: Parameters that make the kinds quick to fit.
QUICK = {
    "robust": {
        "fusion__n_copies": 1,
        "fusion__background": None,
        "fusion__cv": 2,
        "fusion__correlations__features__correlations__max_lag": 1,
        "fusion__correlations__features__correlations__window": 3,
        "fusion__correlations__features__texture": "drop",
    },
    "nearest-mean": {
        "features__transformer__correlations__max_lag": 1,
        "features__n_sources": 3,
    },
}


@pytest.fixture(scope="module")
def samples():
    """Corners of a few bundled samples of each source, and the names of the sources."""
    found = load_samples()
    return found.data[::8, :64, :64], found.target_names[found.target][::8]


@pytest.fixture
def make_features():
    """Features of classes that lie apart and scatter differently, and parts of the classes."""

    def make(n_classes=3, n_parts=1, n_features=4, n=120, seed=0):
        rng = np.random.default_rng(seed)
        y, parts = rng.integers(n_classes, size=n), rng.integers(n_parts, size=n)
        means = rng.normal(scale=1.5, size=(n_classes, n_parts, n_features))
        mixed = rng.normal(size=(n, n_features)) @ rng.normal(size=(n_features, n_features))
        return means[y, parts] + (1 + y[:, np.newaxis]) * mixed, np.array(list("abc"))[y], parts

    return make


def total(found):
    sums = [part.values.reshape(len(part.values), -1).sum(axis=1) for part in found]
    return np.sum(sums, axis=0) + np.sum([part.intercept for part in found], axis=0)


def along_the_line(function, start, end, step=1e-5, n_steps=100):
    """Integrate slopes of a function of one row, found by finite differences, for each feature."""
    sums = np.zeros(len(start))
    for t in (np.arange(n_steps) + 0.5) / n_steps:
        steps = step * np.eye(len(start))
        row = start + t * (end - start)
        sums += (function(row + steps) - function(row - steps)) / (2 * step) / n_steps
    return sums * (end - start)


def unsquashed(model, squashed):
    z = squashed if model.squash is None else model.squash * np.arctanh(squashed / model.squash)
    return model.mean_ + model.scale_ * z


def squashed(model, X):
    z = (X - model.mean_) / model.scale_
    return z if model.squash is None else model.squash * np.tanh(z / model.squash)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_contributions_of_all_kinds_sum_to_the_difference_of_scores(samples, kind, n_classes):
    X, y = samples
    own = np.isin(y, ["real", "srgan_x4", "cyclegan_vintagify"][:n_classes])
    X, y = X[own], y[own]
    pipeline = make_attribution_pipeline(kind).set_params(**QUICK.get(kind, {}))
    model = OpenSetClassifier(pipeline, false_alarm_rate=0.5).fit(X, y)
    X = np.concatenate([X[::4], np.full_like(X[:1], 77)])  # the last one has no residual
    found = score_contributions(model.estimator_, X, "srgan_x4", "real")
    scores = model.class_scores(X)[:, [*model.classes_].index("srgan_x4")]
    scores -= model.class_scores(X)[:, [*model.classes_].index("real")]
    np.testing.assert_allclose(total(found), scores, rtol=1e-6, atol=1e-12)
    assert [part.name for part in found] == MEMBERS[kind]
    # But for parts with covariances of their own, classes of one size differ by features alone.
    for part in found[kind == "robust" :]:
        np.testing.assert_allclose(part.intercept, 0, atol=1e-6 * np.abs(scores).max())


def test_groups_are_sums_over_names_up_to_a_bracket(samples):
    X, y = samples
    pipeline = make_attribution_pipeline("fusion").fit(X, y)
    found = score_contributions(pipeline, X[:2], "real", "srgan_x4")
    names, values = found[1].feature_names, found[1].values
    sums = sum_contributions(found)
    own = [position for position, name in enumerate(names) if name.startswith("whole_rg[")]
    assert len(own) == 17**2
    np.testing.assert_allclose(sums["second_order__whole_rg"], values[:, own].sum(axis=1))
    assert found[0].feature_names is None
    assert found[0].values.shape == (2, 64, 64, 3)
    np.testing.assert_allclose(sums["fingerprint"], found[0].values.sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(np.sum([*sums.values()], axis=0), total(found))


@pytest.mark.parametrize("metric", ["correlation", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pixels_contribute_products_of_residual_and_fingerprints(make_residuals, metric, dtype):
    X, y = make_residuals(n_features=48)
    X = X.astype(dtype).reshape(-1, 4, 4, 3) + dtype(0.3)
    clf = FingerprintClassifier(metric).fit(X[::2], y[::2])
    (found,) = score_contributions(clf, X[1::2], "b", "c")
    for row, values in zip(X[1::2].reshape(-1, 48).astype(float), found.values, strict=True):
        expected = np.zeros(48)
        for sign, fingerprint in ((1, clf.fingerprints_[1]), (-1, clf.fingerprints_[2])):
            r, f = (v - v.mean() * (metric == "correlation") for v in (row, fingerprint))
            expected += sign * r * f / np.linalg.norm(r) / np.linalg.norm(f)
        np.testing.assert_allclose(values.ravel(), expected, atol=1e-12)
    scores = clf.class_scores(X[1::2])
    np.testing.assert_allclose(total([found]), scores[:, 1] - scores[:, 2], rtol=1e-6)
    np.testing.assert_allclose(found.intercept, 0, atol=1e-6)


def test_pixels_of_a_sensor_contribute_in_proportion_to_products():
    rng = np.random.default_rng(0)
    sensors, light = rng.normal(scale=0.02, size=(3, 16, 16)), rng.uniform(20, 200, (30, 1, 1))
    y = np.repeat([0, 1, 2], 10)
    X = np.stack([light * sensors[y] + rng.normal(size=(30, 16, 16)), light + 0 * sensors[y]], -1)
    clf = PRNUClassifier(intensity=True).fit(X, y)
    (found,) = score_contributions(clf, X[::7], 2, 0)
    scores, fingerprints = clf.class_scores(X[::7]), clf.fingerprints_.reshape(3, 16, 16)
    for photo, values, own in zip(X[::7], found.values, scores, strict=True):
        signal = photo[..., 0] * photo[..., 1]
        products = (signal - signal.mean()) * fingerprints
        shares = products / products.sum(axis=(1, 2), keepdims=True)
        expected = shares[2] * own[2] - shares[0] * own[0]
        np.testing.assert_allclose(values[..., 0], expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.intercept, 0, atol=1e-6 * np.abs(scores).max())


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "model",
    [
        PooledDiscriminantAnalysis(),
        LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1),
        LogisticRegression(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_features_of_linear_classifiers_contribute_by_their_weights(
    make_features, model, n_classes
):
    X, y, _ = make_features(n_classes)
    y, X = np.append(y, ["a"] * 40), np.append(X, X[:40], axis=0)
    model.fit(X, y)
    (found,) = score_contributions(model, X[:5], "b", "a")
    scores = model.decision_function(X[:5])
    scores = np.stack([-scores, scores], axis=1) if n_classes == 2 else scores
    np.testing.assert_allclose(total([found]), scores[:, 1] - scores[:, 0])
    reference = model.means_[:2].mean(axis=0) if hasattr(model, "means_") else np.zeros(4)
    for feature in range(4):
        moved = X[:5].copy()
        moved[:, feature] = reference[feature]
        at_reference = model.decision_function(moved)
        at_reference = 2 * at_reference if n_classes == 2 else at_reference @ [-1, 1, 0]
        lost = scores[:, 1] - scores[:, 0] - at_reference
        np.testing.assert_allclose(found.values[:, feature], lost, atol=1e-9)
    if hasattr(model, "priors_"):
        constant = np.log(model.priors_[1] / model.priors_[0]) * (2 if n_classes == 2 else 1)
        np.testing.assert_allclose(found.intercept, constant)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("squash", [None, 2.0])
def test_features_contribute_slopes_along_the_line_from_the_reference(
    make_features, n_classes, squash
):
    X, y, _ = make_features(n_classes)
    model = SubclassDiscriminantAnalysis(squash=squash).fit(X, y)
    (found,) = score_contributions(model, X[:3], "b", "a")
    rows = squashed(model, X)
    means = np.stack([rows[y == label].mean(axis=0) for label in "ab"])
    np.testing.assert_allclose(model.squashed_means_[:2], means)
    reference = means.mean(axis=0)

    def score(rows):
        scores = model.class_scores(unsquashed(model, np.atleast_2d(rows)))
        return scores[:, 1] - scores[:, 0]

    for row, values, intercept in zip(rows[:3], found.values, found.intercept, strict=True):
        np.testing.assert_allclose(values, along_the_line(score, reference, row), rtol=1e-4)
        np.testing.assert_allclose(intercept, score(reference)[0], atol=1e-9)
        np.testing.assert_allclose(values.sum() + intercept, score(row)[0], rtol=1e-6)


def test_parts_count_by_their_share_in_the_likelihood(make_features):
    X, y, parts = make_features(n_parts=3, n=300)
    model = SubclassDiscriminantAnalysis().fit(X, y, subclasses=parts)
    (found,) = score_contributions(model, X[:4], "c", "a")
    rows, signs = squashed(model, X[:4]), np.array([-1, 0, 1])[model.subclass_codes_]

    def densities(row):
        about = (row - model.centre_) @ model.components_.T - model.means_
        inverse = np.linalg.inv(model.covariances_)
        square = np.einsum("ki,kij,kj->k", about, inverse, about)
        return -square / 2 - np.linalg.slogdet(model.covariances_)[1] / 2

    for row, values in zip(rows, found.values, strict=True):
        shares = np.zeros(9)
        for code in (0, 2):
            own = model.subclass_codes_ == code
            shares[own] = softmax(densities(row)[own])
        reference = shares @ model.squashed_means_ / 2

        def f(rows, weights=signs * shares):
            return np.array([weights @ densities(row) for row in rows])

        np.testing.assert_allclose(values, along_the_line(f, reference, row), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(values.sum(), np.diff(f([reference, row]))[0])


def test_the_second_score_goes_by_the_nearest_part(make_features):
    X, y, parts = make_features(n_parts=2, n=200)
    model = SubclassDiscriminantAnalysis().fit(X, y, subclasses=parts)
    fusion = FusionClassifier([("parts", SubclassDiscriminantAnalysis())], cv=2).fit(X, y)
    fusion.estimators_, fusion.weights_ = [model], np.array([0.0, 3.0])
    found = score_contributions(fusion, X[:20], "b", "a")[0]
    weight = 3 / fusion.scales_[1]
    along = (squashed(model, X[:20]) - model.centre_) @ model.components_.T
    squares = np.square(along[:, np.newaxis] - model.means_).sum(axis=2)
    for row, own, values in zip(squashed(model, X[:20]), squares, found.values, strict=True):
        near = [np.flatnonzero(model.subclass_codes_ == code) for code in (0, 1)]
        a, b = (parts[own[parts].argmin()] for parts in near)
        gap = np.log1p(own[a]) - np.log1p(own[b])
        slope = (model.means_[b] - model.means_[a]) @ model.components_
        about = row - (model.squashed_means_[a] + model.squashed_means_[b]) / 2
        expected = weight * gap / (own[a] - own[b]) * 2 * about * slope
        np.testing.assert_allclose(values, expected, rtol=1e-9)
    np.testing.assert_allclose(found.intercept, 0, atol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_fusion_adds_up_weights_of_all_kinds(make_features, n_classes):
    X, y, _ = make_features(n_classes, n_features=9)
    members = [
        ("parts", SubclassDiscriminantAnalysis()),
        ("mean", FingerprintClassifier()),
        ("line", LinearDiscriminantAnalysis()),
        ("other", LogisticRegression()),
    ]
    fusion = FusionClassifier(members, cv=2).fit(X, y)
    rng = np.random.default_rng(0)
    fusion.floors_ = np.array([np.inf, np.inf, 0.1, np.inf, np.inf])
    fusion.scales_ = rng.uniform(0.5, 2, 6)
    fusion.weights_ = rng.uniform(0.5, 2, 6)
    fusion.class_weights_ = rng.normal(size=(n_classes, 6, n_classes))
    fusion.intercept_ = rng.normal(size=n_classes)
    found = score_contributions(fusion, X, "b", "a")
    scores = fusion.class_scores(X)
    np.testing.assert_allclose(total(found), scores[:, 1] - scores[:, 0], rtol=1e-6, atol=1e-9)
    assert [part.name for part in found] == ["parts", "mean", "line", "other", "fusion"]
    for part in found[1:3]:  # correlations, and distances, differ by features alone
        np.testing.assert_allclose(part.intercept, 0, atol=1e-9)
    np.testing.assert_allclose(found[4].intercept, fusion.intercept_[1] - fusion.intercept_[0])
    # Contributions of a classifier are those of its own scores, which sum to a weighted mean.
    fusion.class_weights_, fusion.floors_[2] = np.zeros((n_classes, 5, n_classes)), np.inf
    fusion.weights_, fusion.scales_ = fusion.weights_[:5], fusion.scales_[:5]
    values = score_contributions(fusion, X, "b", "a")[1].values
    (own,) = score_contributions(fusion.estimators_[1], X, "b", "a")
    np.testing.assert_allclose(values, own.values * fusion.weights_[2] / fusion.scales_[2])


def test_a_floor_counts_where_scores_are_above_it(make_residuals):
    X, y = make_residuals(n_features=64)
    fusion = FusionClassifier([("mean", FingerprintClassifier())], cv=2).fit(X, y)
    fusion.floors_, fusion.scales_ = np.array([-0.05]), np.ones(2)
    fusion.weights_, fusion.class_weights_ = np.array([0.0, 1.0]), np.zeros((3, 2, 3))
    (own,) = score_contributions(fusion.estimators_[0], X, "b", "a")
    found = score_contributions(fusion, X, "b", "a")[0]
    scores = fusion.estimators_[0].class_scores(X)
    high, low = scores[:, :2].max(axis=1), scores[:, :2].min(axis=1)
    share = (high.clip(min=-0.05) - low.clip(min=-0.05)) / (high - low)
    assert {0, 1} <= set(share.round(9)) and len(set(share.round(9))) > 2
    np.testing.assert_allclose(found.values, own.values * share[:, np.newaxis], atol=1e-12)


def test_a_detection_is_explained_by_the_scores_that_it_takes(samples):
    X, sources = samples
    X, y = X[:, :48, :48], np.where(sources == "real", "photo", "generated")
    pipeline = make_detection_pipeline().set_params(
        detection__n_copies=1,
        detection__cv=2,
        detection__correlations__features__correlations__max_lag=1,
        detection__correlations__features__texture="drop",
    )
    pipeline.fit(X[::2], y[::2])
    found = score_contributions(pipeline, X[1::2], "generated", "photo")
    expected = -pipeline.decision_function(X[1::2])
    np.testing.assert_allclose(total(found), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("model", [SubclassDiscriminantAnalysis(), PooledDiscriminantAnalysis()])
def test_features_may_come_in_any_order_and_classes_too(make_features, model):
    X, y, _ = make_features(n_features=6)
    order = np.random.default_rng(0).permutation(6)
    (found,) = score_contributions(model.fit(X, y), X[:9], "c", "a")
    (turned,) = score_contributions(model, X[:9], "a", "c")
    (permuted,) = score_contributions(model.fit(X[:, order], y), X[:9, order], "c", "a")
    np.testing.assert_allclose(turned.values, -found.values, rtol=1e-9)
    np.testing.assert_allclose(permuted.values, found.values[:, order], rtol=1e-6, atol=1e-9)


def test_single_precision_is_enough(make_features):
    X, y, parts = make_features(n_parts=2, n=200)
    model = SubclassDiscriminantAnalysis()
    (found,) = score_contributions(model.fit(X, y, subclasses=parts), X[:9], "c", "a")
    X = X.astype(np.float32)
    (single,) = score_contributions(model.fit(X, y, subclasses=parts), X[:9], "c", "a")
    assert model.squashed_means_.dtype == np.float32
    np.testing.assert_allclose(single.values, found.values, rtol=1e-3, atol=1e-3)
    scores = model.class_scores(X[:9])
    np.testing.assert_allclose(total([single]), scores[:, 2] - scores[:, 0], rtol=1e-6)


def test_the_lags_that_sources_were_made_with_contribute_most(make_filtered):
    X, y = make_filtered(n_per_class=12)
    residual = ResidualTransformer("gaussian", channels="rgb", flatten=False)
    steps = residual, AutocorrelationTransformer(2), StandardScaler(), PooledDiscriminantAnalysis()
    pipeline = make_pipeline(*steps).fit(X[::2], y[::2])
    (found,) = score_contributions(pipeline, X[1::2][y[1::2] == "down"], "down", "right")
    greatest = np.argsort(found.values.mean(axis=0))[-6:]
    expected = {f"{channel}{lag}" for channel in ("rr", "gg", "bb") for lag in ("[1,0]", "[0,1]")}
    assert set(found.feature_names[greatest]) == expected


def test_a_file_is_explained_by_a_model_file(image_folder, tmp_path):
    _, paths, y = image_folder(labels=("a", "b"), shape=(32, 32, 3))
    model = OpenSetClassifier(make_attribution_pipeline("fingerprint"), false_alarm_rate=0.2)
    save_model(FileBatchEstimator(model).fit(paths, y), tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    image = loaded.predict_reader_.read(paths[:1])
    (found,) = score_contributions(loaded.estimator_.estimator_, image, "a", "b")
    assert found.values.shape == (1, 32, 32, 1)
    scores = loaded.class_scores(paths[:1])
    np.testing.assert_allclose(total([found]), scores[:, 0] - scores[:, 1], rtol=1e-6)


def test_images_may_differ_in_size(samples):
    X, y = samples
    pipeline = make_attribution_pipeline().set_params(**QUICK["robust"]).fit(X[::3], y[::3])
    images = [X[0], X[1, :50, :60]]
    found = score_contributions(pipeline, images, "real", "srgan_x4")
    scores = pipeline["fusion"].class_scores(images)[:, [*pipeline.classes_].index("real")]
    scores -= pipeline["fusion"].class_scores(images)[:, [*pipeline.classes_].index("srgan_x4")]
    np.testing.assert_allclose(total(found), scores, rtol=1e-6)


def test_features_without_names_are_numbered(make_features):
    X, y, _ = make_features()
    model = make_pipeline(FunctionTransformer(np.abs), StandardScaler(), LogisticRegression())
    (found,) = score_contributions(model.fit(X, y), X[:2], "b", "c")
    assert found.name == "logisticregression"
    assert found.feature_names.tolist() == ["x0", "x1", "x2", "x3"]


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_names_are_those_of_features_whatever_steps_hand_on(samples, output):
    X, y = samples
    with config_context(transform_output=output):
        pipeline = make_attribution_pipeline("autocorrelation").fit(X, y)
        (found,) = score_contributions(pipeline, X[:1], "real", "srgan_x4")
    assert found.feature_names[[0, -1]].tolist() == ["whole_rr[0,1]", "whole_log_norm[b]"]


def test_what_cannot_be_explained_is_refused(make_features):
    X, y, _ = make_features()
    with pytest.raises(ValueError, match=r"second: expected one of the classes .*, got 'z'"):
        score_contributions(LogisticRegression().fit(X, y), X, "a", "z")
    with pytest.raises(ValueError, match="expected two classes, got 'a' twice"):
        score_contributions(LogisticRegression().fit(X, y), X, "a", "a")
    for model in (GaussianNB(), FingerprintClassifier("euclidean")):
        with pytest.raises(ValueError, match="Expected a FusionClassifier, .* got "):
            score_contributions(model.fit(X, y), X, "a", "b")
    former = SubclassDiscriminantAnalysis().fit(X, y)
    del former.squashed_means_
    with pytest.raises(ValueError, match="a former version has saved it. Fit it anew"):
        score_contributions(former, X, "a", "b")
