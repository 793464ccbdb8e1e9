"""Discriminant analysis of classes in parts, held to normal distributions written out."""

import pickle

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from sklearn_ganprint import SubclassDiscriminantAnalysis, load_model, save_model
from sklearn_ganprint.open_set import discriminant_distances
from sklearn_ganprint.persistence import ModelFileError


@pytest.fixture
def make_parts():
    """Features, classes and parts; the parts of a class lie apart and scatter differently."""

    def make(n_classes=3, n_parts=2, n_features=6, n=90, seed=0):
        rng = np.random.default_rng(seed)
        y, parts = rng.integers(n_classes, size=n), rng.integers(n_parts, size=n)
        means = rng.normal(scale=3, size=(n_classes, n_parts, n_features))
        mixed = rng.normal(size=(n, n_features)) @ rng.normal(size=(n_features, n_features))
        return means[y, parts] + (1 + parts[:, np.newaxis]) * mixed, np.array(list("abc"))[y], parts

    return make


@pytest.fixture
def with_background(make_parts):
    """The same with rows of sources that are none of the classes; their labels mean nothing."""

    def make(n_sources=5, n_kinds=2, n_others=40, seed=3, **params):
        X, y, parts = make_parts(**params)
        rng = np.random.default_rng(seed)
        sources, kinds = (
            rng.integers(n_sources, size=n_others),
            rng.integers(n_kinds, size=n_others),
        )
        others = rng.normal(scale=2, size=(n_sources, n_kinds, X.shape[1]))[sources, kinds]
        X = np.concatenate([X, others + rng.normal(size=others.shape)])
        labels = np.concatenate([y, rng.choice(["a", "z"], n_others)])
        background = np.concatenate([np.full(len(y), -1), sources])
        return X, labels, np.concatenate([parts, kinds]), background

    return make


def squashed(X, mean, scale, squash):
    z = (X - mean) / scale
    return z if squash is None else squash * np.tanh(z / squash)


def shrunk(covariance, shrinkage):
    identity = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
    return (1 - shrinkage) * covariance + shrinkage * identity


def reference(
    X,
    y,
    parts,
    X_new,
    *,
    background=None,
    shrinkage=0.1,
    squash=2.0,
    mean=None,
    scale=None,
    lacking=None,
):
    """Scores (n, 2, n_classes) of the classes in `y`, by whitening and singular values.

    Of the class that is `lacking` the rows have their share in covariances, and nothing else.
    """
    source = np.full(len(y), -1) if background is None else background
    known = source < 0
    mean = X[known].mean(axis=0) if mean is None else mean
    scale = X[known].std(axis=0) if scale is None else scale
    Z, new = (squashed(rows, mean, scale, squash) for rows in (X, X_new))
    labels = sorted({*zip(y[known], parts[known], strict=True)})
    others = sorted({*zip(parts[~known], source[~known], strict=True)})
    members = [known & (y == label) & (parts == part) for label, part in labels]
    of_others = [(source == number) & (parts == kind) for kind, number in others]
    means = np.array([Z[own].mean(axis=0) for own in [*members, *of_others]])
    within = sum(np.cov(Z[own].T, bias=True) * own.sum() for own in [*members, *of_others]) / len(Z)
    white = np.linalg.inv(np.linalg.cholesky(shrunk(within, shrinkage)))
    centre = means[: len(labels)].mean(axis=0)
    _, lengths, directions = np.linalg.svd((means - centre) @ white.T, full_matrices=False)
    project = directions[lengths > 1e-6 * lengths.max()] @ white
    scatter = [(Z[own] - m) @ project.T for own, m in zip(members, means, strict=False)]
    r = len(project)
    share = r / (r + known.sum() - 1)
    # The shrunk covariance is the identity in the projection.
    pooled = sum(rows.T @ rows for rows in scatter) / known.sum()
    pooled = (1 - share) * pooled + share * np.eye(r)
    covariances = []
    for rows in scatter:
        share = max(0.3, r / (r + len(rows) - 1))
        covariances.append((1 - share) * rows.T @ rows / len(rows) + share * pooled)
    kept = [n for n, (label, _) in enumerate(labels) if label != lacking]
    if lacking is not None:
        means = np.concatenate([means[kept], means[len(labels) :]])
        labels, covariances = [labels[n] for n in kept], [covariances[n] for n in kept]
        about = (means - means[: len(labels)].mean(axis=0)) @ project.T
        _, lengths, directions = np.linalg.svd(about, full_matrices=False)
        directions = directions[lengths > 1e-6 * lengths.max()]
        project, pooled = directions @ project, directions @ pooled @ directions.T
        covariances = [directions @ own @ directions.T for own in covariances]
    densities, distances = {}, {}
    for (label, _), m, covariance in zip(labels, means, covariances, strict=False):
        about = (new - m) @ project.T
        density = log_density(about, covariance)
        densities.setdefault(label, []).append(density)
        distances.setdefault(label, []).append((about**2).sum(axis=1))
    likely = np.array([logsumexp(d, axis=0) - np.log(len(d)) for d in densities.values()]).T
    if others:
        of_sources = (means[len(labels) :] @ project.T, [kind for kind, _ in others])
        likely -= unseen_density(new @ project.T, *of_sources, pooled)[:, np.newaxis]
    far = -np.log1p(np.array([np.min(d, axis=0) for d in distances.values()]).T)
    return np.stack([likely, far], axis=1)


def unseen_density(new, means, kinds, pooled):
    """Logarithm of the density of a source not seen, of which others of each kind have means."""
    densities = []
    for kind in set(kinds):
        own = np.array([mean for mean, other in zip(means, kinds, strict=True) if other == kind])
        between = np.atleast_2d(np.cov(own.T)) if len(own) > 1 else 0
        densities.append(log_density(new - own.mean(axis=0), between + pooled))
    return logsumexp(densities, axis=0) - np.log(len(densities))


def log_density(about, covariance):
    """Logarithms of densities up to what is the same for all."""
    r = len(covariance)
    density = multivariate_normal(np.zeros(r), covariance).logpdf(about)
    return np.reshape(density, -1) + r / 2 * np.log(2 * np.pi)


@pytest.mark.parametrize("n_parts", [1, 2, 4])
@pytest.mark.parametrize(("shrinkage", "squash"), [(0.0, None), (0.1, 2.0), (1.0, 0.5)])
def test_scores_are_those_of_normal_parts(make_parts, n_parts, shrinkage, squash):
    X, y, parts = make_parts(n_parts=n_parts)
    model = SubclassDiscriminantAnalysis(shrinkage, squash=squash).fit(X, y, subclasses=parts)
    new = X + np.random.default_rng(1).normal(size=X.shape)
    expected = reference(X, y, parts, new, shrinkage=shrinkage, squash=squash)
    np.testing.assert_allclose(model.all_scores(new), expected, rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(model.class_scores(new), model.all_scores(new)[:, 0])
    np.testing.assert_array_equal(model.decision_function(new), model.class_scores(new))
    np.testing.assert_array_equal(model.predict(new), model.classes_[expected[:, 0].argmax(1)])


@pytest.mark.parametrize(("n_sources", "n_kinds"), [(1, 1), (2, 1), (6, 2), (12, 3)])
def test_scores_are_those_above_an_unseen_source(with_background, n_sources, n_kinds):
    X, y, parts, background = with_background(n_sources, n_kinds)
    model = SubclassDiscriminantAnalysis().fit(X, y, subclasses=parts, background=background)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert (len(model.means_), len(model.background_means_)) == (6, n_kinds)
    new = X + np.random.default_rng(1).normal(size=X.shape)
    expected = reference(X, y, parts, new, background=background)
    np.testing.assert_allclose(model.all_scores(new), expected, rtol=1e-6, atol=1e-6)


def test_without_rows_of_other_sources_there_is_no_background(make_parts):
    X, y, parts = make_parts()
    expected = SubclassDiscriminantAnalysis().fit(X, y, parts).all_scores(X)
    model = SubclassDiscriminantAnalysis().fit(X, y, parts, background=np.full(len(y), -1))
    np.testing.assert_array_equal(model.all_scores(X), expected)
    assert model.background_means_.shape == (0, len(model.components_))
    for name in ("background_means_", "background_covariances_"):
        delattr(model, name)  # as former versions leave it
    np.testing.assert_array_equal(model.all_scores(X), expected)


def test_a_source_between_the_classes_is_typical_of_none():
    rng = np.random.default_rng(0)
    means = {"a": [6, 0, 0, 0], "b": [-6, 0, 0, 0]}
    y = np.repeat(["a", "b"], 30)
    X = np.array([means[label] for label in y]) + rng.normal(size=(60, 4))
    sources = np.repeat(np.arange(20), 3)
    others = rng.normal(scale=4, size=(20, 4))[sources] + rng.normal(size=(60, 4))
    background = np.concatenate([np.full(60, -1), sources])
    model = SubclassDiscriminantAnalysis(squash=None).fit(
        np.concatenate([X, others]), np.concatenate([y, y]), background=background
    )
    unseen = rng.normal(size=(50, 4)) + [6, 5, 0, 0]  # as near to a along what tells a from b
    plain = SubclassDiscriminantAnalysis(squash=None).fit(X, y)
    lowest = [clf.class_scores(X).max(axis=1).min() for clf in (plain, model)]
    found = [clf.class_scores(unseen).max(axis=1) for clf in (plain, model)]
    assert (found[0] < lowest[0]).mean() < 0.5 < 0.95 < (found[1] < lowest[1]).mean()


@pytest.mark.parametrize("n_features", [60, 300])
def test_more_features_than_rows(make_parts, n_features):
    X, y, parts = make_parts(n_features=n_features, n=40)
    model = SubclassDiscriminantAnalysis().fit(X, y, subclasses=parts)
    new = X + np.random.default_rng(1).normal(size=X.shape)  # not in the space of the rows
    expected = reference(X, y, parts, new, shrinkage=n_features / (n_features + 6 * 40))
    np.testing.assert_allclose(model.all_scores(new), expected, rtol=1e-7, atol=1e-7)
    means = [model._squashed(X[(y == "b") & (parts == part)]).mean(axis=0) for part in (0, 1)]
    np.testing.assert_allclose(model.squashed_means_[model.subclass_codes_ == 1], means, atol=1e-9)
    single = SubclassDiscriminantAnalysis().fit(X.astype(np.float32), y, subclasses=parts)
    assert single.components_.dtype == np.float32
    np.testing.assert_allclose(single.all_scores(new), expected, rtol=1e-3, atol=1e-3)


def test_more_background_sources_than_rows_of_classes(with_background):
    X, y, parts, background = with_background(n_sources=40, n_others=90, n_features=60, n=30)
    model = SubclassDiscriminantAnalysis().fit(X, y, parts, background)
    assert len(model.components_) > 30
    expected = reference(X, y, parts, X, background=background)
    np.testing.assert_allclose(model.all_scores(X), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_distances_of_one_part_are_those_of_scikit_learn(make_parts, shrinkage):
    X, y, _ = make_parts()
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(Z, y)
    model = SubclassDiscriminantAnalysis(shrinkage, squash=None).fit(X, y)
    expected = -np.log1p(discriminant_distances(lda, Z))
    np.testing.assert_allclose(model.all_scores(X)[:, 1], expected, rtol=1e-7, atol=1e-9)


def test_of_classes_that_scatter_alike_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    noise, means = rng.normal(size=(25, 4)), rng.normal(size=(3, 1, 4))
    X, y = (noise + means).reshape(-1, 4), np.repeat([0, 1, 2], 25)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.0).fit(X, y)
    model = SubclassDiscriminantAnalysis(0.0, squash=None).fit(X, y)
    expected, actual = lda.decision_function(X), model.decision_function(X)
    for scores in (expected, actual):
        scores -= scores.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=1e-7)


def test_two_classes_have_one_decision(make_parts):
    X, y, parts = make_parts(n_classes=2)
    model = SubclassDiscriminantAnalysis().fit(X, y, subclasses=parts)
    scores = model.class_scores(X)
    assert scores.shape == (90, 2)
    np.testing.assert_array_equal(model.decision_function(X), scores[:, 1] - scores[:, 0])
    np.testing.assert_array_equal(model.predict(X) == "b", model.decision_function(X) > 0)


@pytest.mark.parametrize("squash", [None, 2.0])
def test_fold_scores_are_those_of_fits_without_the_fold(make_parts, squash):
    X, y, parts = make_parts()
    fold_of = np.random.default_rng(2).integers(4, size=len(y))
    model = SubclassDiscriminantAnalysis(squash=squash)
    actual = model.fold_scores(X, y, fold_of, subclasses=parts)
    for fold in range(4):
        own, rest = fold_of == fold, fold_of != fold
        expected = reference(
            *(X[rest], y[rest], parts[rest], X[own]),
            **{"squash": squash, "mean": X.mean(axis=0), "scale": X.std(axis=0)},
        )
        np.testing.assert_allclose(actual[own], expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("n_features", [6, 400])
@pytest.mark.parametrize("together", [False, True])
def test_fold_scores_leave_background_rows_out_too(with_background, together, n_features):
    X, y, parts, background = with_background(n_features=n_features)
    fold_of = np.random.default_rng(2).integers(4, size=len(y))
    if together:
        fold_of[background >= 0] = 3  # there is none without this fold
    model = SubclassDiscriminantAnalysis(0.1)
    actual = model.fold_scores(X, y, fold_of, parts, background)
    known = X[background < 0]
    for fold in range(4):
        own, rest = fold_of == fold, fold_of != fold
        expected = reference(
            *(X[rest], y[rest], parts[rest], X[own]),
            background=background[rest],
            **{"mean": known.mean(axis=0), "scale": known.std(axis=0)},
        )
        np.testing.assert_allclose(actual[own], expected, rtol=1e-6, atol=1e-6)


def test_without_a_class_others_are_as_likely_as_to_a_model_that_lacks_it(with_background):
    X, y, parts, background = with_background()
    fold_of = np.where(background < 0, np.arange(len(y)) % 2, 2)
    model = SubclassDiscriminantAnalysis(squash=None)
    fit = X, y, fold_of, parts, background
    known, unknown = model.fold_scores(*fit, background < 0, leave_class_out=True)
    np.testing.assert_array_equal(known, model.fold_scores(*fit, background < 0))
    labels, fold_of = y[background < 0], fold_of[background < 0]
    for fold, code in np.ndindex(2, 3):
        own = (fold_of == fold) & (labels == model.classes_[code])
        columns = np.arange(3) != code
        rest = (background >= 0) | (np.arange(len(y)) % 2 != fold)
        expected = reference(
            *(X[rest], y[rest], parts[rest], X[background < 0][own]),
            background=background[rest],
            lacking=model.classes_[code],
            **{"squash": None, "mean": model.mean_, "scale": model.scale_},
        )
        np.testing.assert_allclose(unknown[own][..., columns], expected, rtol=1e-6, atol=1e-6)
        lowest = unknown[own].min(axis=2)
        np.testing.assert_array_equal(unknown[own][..., code], lowest)


def test_without_a_class_one_mean_alone_scores_nothing(make_parts):
    X, y, _ = make_parts()
    model, two = SubclassDiscriminantAnalysis(), y != y[0]
    rows = X[two], y[two], np.arange(two.sum()) % 2
    assert np.isnan(model.fold_scores(*rows, leave_class_out=True)[1]).all()
    three = model.fold_scores(X, y, np.arange(len(y)) % 2, leave_class_out=True)
    assert np.isfinite(three).all()


@pytest.mark.parametrize("squash", [None, 2.0])
def test_fold_scores_leave_a_model_of_all_rows(with_background, squash):
    X, y, parts, background = with_background()
    model = SubclassDiscriminantAnalysis(squash=squash)
    model.fold_scores(X, y, np.arange(len(y)) % 4, parts, background, parts == 0)
    expected = clone(model).fit(X, y, parts, background)
    np.testing.assert_array_equal(model.all_scores(X), expected.all_scores(X))
    with pytest.raises(ValueError, match="'shrinkage' parameter"):
        model.set_params(shrinkage=2.0).fold_scores(X, y, np.arange(len(y)) % 4)


def test_only_the_rows_asked_for_are_scored(with_background):
    X, y, parts, background = with_background()
    fold_of, rows = np.arange(len(y)) % 5, (parts == 0) & (background < 0)
    everything = SubclassDiscriminantAnalysis().fold_scores(X, y, fold_of, parts, background)
    some = SubclassDiscriminantAnalysis().fold_scores(X, y, fold_of, parts, background, rows)
    np.testing.assert_array_equal(some, everything[rows])


@pytest.mark.parametrize("label", ["a", "b", "c"])
def test_a_part_may_be_in_one_fold_only(make_parts, label):
    X, y, parts = make_parts()
    fold_of = np.arange(len(y)) % 3
    fold_of[(y == label) & (parts == 1)] = 2
    actual = SubclassDiscriminantAnalysis().fold_scores(X, y, fold_of, subclasses=parts)
    own, rest = fold_of == 2, fold_of != 2
    assert set(parts[rest & (y == label)]) == {0}
    scale = {"mean": X.mean(axis=0), "scale": X.std(axis=0)}
    expected = reference(X[rest], y[rest], parts[rest], X[own], **scale)
    np.testing.assert_allclose(actual[own], expected, rtol=1e-7, atol=1e-7)


def test_a_class_that_is_in_one_fold_only_gets_the_lowest_score_there(make_parts):
    X, y, parts = make_parts()
    fold_of = np.where(y == "b", 1, np.arange(len(y)) % 3)
    actual = SubclassDiscriminantAnalysis().fold_scores(X, y, fold_of, subclasses=parts)
    own, rest = fold_of == 1, fold_of != 1
    scale = {"mean": X.mean(axis=0), "scale": X.std(axis=0)}
    known = reference(X[rest], y[rest], parts[rest], X[own], **scale)
    np.testing.assert_allclose(actual[own][..., [0, 2]], known, rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(actual[own][..., 1], actual[own][..., [0, 2]].min(axis=2))
    assert np.isfinite(actual).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e5])
def test_constant_features_say_nothing(make_parts, dtype, value):
    X, y, parts = make_parts()
    X = np.insert(X, 2, value, axis=1).astype(dtype)
    model = SubclassDiscriminantAnalysis().fit(X, y, subclasses=parts)
    assert model.scale_[2] == 1
    scale = np.where(np.arange(7) == 2, 1, X.std(axis=0, dtype=float))
    expected = reference(X.astype(float), y, parts, X.astype(float), scale=scale)
    tolerance = 1e-7 if dtype == np.float64 else 2e-3
    np.testing.assert_allclose(model.all_scores(X), expected, rtol=tolerance, atol=tolerance)


def test_where_all_features_are_constant_no_class_is_preferred():
    X, y = np.full((12, 3), 0.5), np.repeat([0, 1, 2], 4)
    scores = SubclassDiscriminantAnalysis().fit(X, y).all_scores(X)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores, scores[:, :, :1].repeat(3, axis=2))


def test_parts_of_copies_go_by_the_nearest_mean():
    means = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 6.0]])
    X, y = np.repeat(means, 3, axis=0), np.repeat([0, 1, 2], 3)
    model = SubclassDiscriminantAnalysis(squash=None).fit(X, y)
    assert model.predict([[1.5, 1.0], [2.5, 1.0], [0.5, 3.5]]).tolist() == [0, 1, 2]
    assert np.isfinite(model.all_scores(means)).all()


@pytest.mark.parametrize("seed", range(3))
def test_folds_that_leave_one_row_of_each_part_go_by_the_nearest_one(seed):
    rng = np.random.default_rng(seed)
    X, y, fold_of = rng.normal(size=(6, 40)), np.repeat(["a", "b", "c"], 2), np.arange(6) % 2
    X += 3 * np.repeat(rng.normal(size=(3, 40)), 2, axis=0)
    scores = SubclassDiscriminantAnalysis().fold_scores(X, y, fold_of)[:, 0]
    assert scores.argmax(axis=1).tolist() == [0, 0, 1, 1, 2, 2]


def test_single_precision_stays_and_is_enough(make_parts):
    X, y, parts = make_parts()
    single = SubclassDiscriminantAnalysis().fit(X.astype(np.float32), y, subclasses=parts)
    assert single.components_.dtype == single.centre_.dtype == np.float32
    expected = SubclassDiscriminantAnalysis().fit(X, y, subclasses=parts)
    actual = single.all_scores(X.astype(np.float32))
    np.testing.assert_allclose(actual, expected.all_scores(X), rtol=1e-3, atol=1e-3)


def test_names_of_parts_do_not_matter(make_parts):
    X, y, parts = make_parts()
    expected = SubclassDiscriminantAnalysis().fit(X, y, subclasses=parts).all_scores(X)
    # Parts of several classes may have one name.
    other = 7 - 3 * parts + 10 * (y == "b")
    actual = SubclassDiscriminantAnalysis().fit(X, y, subclasses=other).all_scores(X)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("copy", ["clone", "pickle", "skops"])
def test_copies_answer_alike(with_background, tmp_path, copy):
    X, y, *rest = with_background()
    model = SubclassDiscriminantAnalysis(0.2, squash=3.0).fit(X, y, *rest)
    if copy == "clone":
        again = clone(model).fit(X, y, *rest)
    elif copy == "pickle":
        again = pickle.loads(pickle.dumps(model))
    else:
        save_model(model, tmp_path / "model.skops")
        again = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(again.all_scores(X), model.all_scores(X))


@pytest.mark.parametrize(
    ("labels", "parts", "message"),
    [
        ("aaaa", None, "got 1 class: 'a'"),
        ("aabb", [0, 1, 0, 1], "more rows than parts of classes, got 4 parts in 4 rows"),
        ("abcd", None, "got 4 parts in 4 rows"),
        ("aabb", [0, 1], "inconsistent numbers of samples"),
        ("aabb", np.zeros((4, 2)), "should be a 1d array"),
    ],
)
def test_too_few_classes_or_rows_are_refused(labels, parts, message):
    with pytest.raises(ValueError, match=message):
        SubclassDiscriminantAnalysis().fit(np.eye(4), list(labels), subclasses=parts)


@pytest.mark.parametrize(
    ("background", "message"),
    [
        ([0, 0, 0, 0], "got 0 class"),
        ([-1, -1, 0, 0], "got 1 class: 'a'"),
        ([-1, -1, -1], "inconsistent numbers of samples"),
        (np.zeros((4, 2)), "should be a 1d array"),
        ([-1, 0, -1, 1], "got 4 parts in 4 rows"),
    ],
)
def test_backgrounds_that_leave_no_classes_are_refused(background, message):
    with pytest.raises(ValueError, match=message):
        SubclassDiscriminantAnalysis().fit(np.eye(4), list("aabb"), background=background)


def test_without_shrinkage_a_covariance_needs_enough_rows(make_parts):
    X, y, _ = make_parts(n_features=30, n=20)
    with pytest.raises(np.linalg.LinAlgError, match=r"no inverse with shrinkage=0.*greater shrink"):
        SubclassDiscriminantAnalysis(0.0).fit(X, y)


@pytest.mark.parametrize(("n", "share"), [(20, 30 / (30 + 6 * 20)), (90, 0.1)])
def test_few_rows_shrink_the_covariance_more(make_parts, n, share):
    X, y, _ = make_parts(n_features=30, n=n)
    automatic, given = (SubclassDiscriminantAnalysis(value).fit(X, y) for value in ("auto", share))
    np.testing.assert_allclose(automatic.class_scores(X), given.class_scores(X))


@pytest.mark.parametrize("name", ["subclasses", "background"])
@pytest.mark.parametrize("values", [["x", "y"], [0.0, np.nan], [True, False]])
def test_parts_and_sources_are_whole_numbers(make_parts, name, values):
    X, y, _ = make_parts(n=30)
    with pytest.raises(ValueError, match=f"{name}: expected whole numbers, got an array of"):
        SubclassDiscriminantAnalysis().fit(X, y, **{name: values * 15})


def test_folds_are_known_of_all_rows(make_parts):
    X, y, _ = make_parts(n=30)
    with pytest.raises(ValueError, match="fold_of contains NaN"):
        SubclassDiscriminantAnalysis().fold_scores(X, y, [0, 1, np.nan] * 10)


def test_folds_leave_two_classes():
    X, y = np.random.default_rng(0).normal(size=(8, 2)), np.repeat([0, 1], 4)
    with pytest.raises(ValueError, match="outside of fold 0 are of one class"):
        SubclassDiscriminantAnalysis().fold_scores(X, y, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SubclassDiscriminantAnalysis().fold_scores(X, y, [0, 1])


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"subclass_codes_": np.array([0, 0, 1, 1, 2, 3])}, "not positions in classes_"),
        ({"means_": np.zeros((6, 2))}, "means_ has shape .* disagrees"),
        ({"squashed_means_": np.zeros((6, 5))}, "squashed_means_ has shape .* disagrees"),
        ({"background_covariances_": np.zeros((1, 5, 5))}, "_covariances_ has shape .* disagrees"),
        ({"covariances_": np.full((6, 5, 5), np.nan)}, "covariances_ holds NaN"),
        ({"squash": -1.0}, "'squash' parameter"),
    ],
)
def test_what_no_fit_leaves_is_not_saved(make_parts, tmp_path, attributes, message):
    X, y, parts = make_parts()
    model = SubclassDiscriminantAnalysis().fit(X, y, subclasses=parts)
    assert (len(model.means_), len(model.components_)) == (6, 5)
    vars(model).update(attributes)
    with pytest.raises(ModelFileError, match=message):
        save_model(model, tmp_path / "model.skops")
