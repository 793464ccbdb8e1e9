import numpy as np
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint.classification import PooledDiscriminantAnalysis


@pytest.fixture
def make_blobs():
    def make(n_classes, n_features=30, n=120, seed=0):
        rng = np.random.default_rng(seed)
        codes = rng.choice(
            n_classes, size=n, p=np.arange(1, n_classes + 1) / sum(range(n_classes + 1))
        )
        mixed = rng.normal(size=(n, n_features)) @ rng.normal(size=(n_features, n_features))
        return mixed + rng.normal(size=(n_classes, n_features))[codes], codes

    return make


@pytest.mark.parametrize("shrinkage", [0.0, 0.03, 1.0])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_it_is_scikit_learns(make_blobs, n_classes, shrinkage):
    X, y = make_blobs(n_classes)
    actual = PooledDiscriminantAnalysis(shrinkage).fit(X, y)
    expected = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(X, y)
    for name in ("priors_", "means_", "coef_", "intercept_"):
        np.testing.assert_allclose(getattr(actual, name), getattr(expected, name), rtol=1e-7)
    for method in ("decision_function", "predict_proba", "predict"):
        found, wanted = (getattr(each, method)(X) for each in (actual, expected))
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)


def test_single_precision_stays_and_is_enough(make_blobs):
    X, y = make_blobs(4)
    single = PooledDiscriminantAnalysis().fit(X.astype(np.float32), y)
    assert single.decision_function(X.astype(np.float32)).dtype == np.float32
    expected = PooledDiscriminantAnalysis().fit(X, y).decision_function(X)
    np.testing.assert_allclose(single.decision_function(X.astype(np.float32)), expected, atol=2e-3)


@pytest.mark.parametrize("scaler", [StandardScaler(), StandardScaler(with_std=False), None])
def test_the_scatter_of_some_rows_adds_up_to_that_of_all(make_blobs, scaler):
    X, y = make_blobs(4)
    X = X * np.geomspace(1, 1e4, X.shape[1]) + 100
    X[:, 0] = 7  # a constant
    model, order = PooledDiscriminantAnalysis(), np.argsort(y)  # a class at a time, or nearly so
    scatter, *others = (model.scatter_of(X[rows], y[rows], 4) for rows in np.split(order, [9, 70]))
    for other in others:
        scatter = scatter.merge(other)
    expected = clone(model)
    if scaler is not None:
        scatter = scatter.fit_scaler(scaler)
        rows = clone(scaler).fit(X)
        for name in ("mean_", "var_", "scale_", "n_samples_seen_"):
            np.testing.assert_allclose(
                *(np.array(getattr(each, name), float) for each in (scaler, rows)),
                rtol=1e-9,
            )
        X = rows.transform(X)
    model.fit_scatter(scatter, np.unique(y))
    expected.fit(X, y)
    np.testing.assert_allclose(
        model.decision_function(X), expected.decision_function(X), rtol=1e-6, atol=1e-6
    )


def test_constants_in_single_precision_are_not_scaled(make_blobs):
    X, y = make_blobs(4)
    X = X.astype(np.float32)
    X[:, :3] = 0.1, 1e3 + 0.3, -7.7
    scatter, other = (PooledDiscriminantAnalysis().scatter_of(X[n::2], y[n::2], 4) for n in (0, 1))
    scatter.merge(other).fit_scaler(scaler := StandardScaler())
    assert scaler.scale_[:3].tolist() == StandardScaler().fit(X).scale_[:3].tolist() == [1, 1, 1]


def test_classes_of_copies_go_by_the_nearest_mean():
    means = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 6.0]])
    model = PooledDiscriminantAnalysis().fit(np.repeat(means, 3, axis=0), np.repeat([0, 1, 2], 3))
    assert model.predict([[1.5, 1.0], [2.5, 1.0], [0.5, 3.5]]).tolist() == [0, 1, 2]
    assert np.isfinite(model.predict_proba(means)).all()


@pytest.mark.parametrize(
    ("labels", "message"), [("aaa", "got 1 class in 3 rows"), ("abc", "got 3")]
)
def test_too_few_classes_or_rows_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        PooledDiscriminantAnalysis().fit(np.eye(3), list(labels))


def test_a_covariance_without_inverse_asks_for_more_shrinkage():
    rows = np.random.default_rng(0).normal(size=(4, 6))
    with pytest.raises(np.linalg.LinAlgError, match=r"of 6 features has no inverse .*shrinkage=0"):
        PooledDiscriminantAnalysis(shrinkage=0).fit(rows, ["a", "a", "b", "b"])
