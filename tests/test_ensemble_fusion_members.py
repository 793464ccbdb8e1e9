import numpy as np
import pytest

from sklearn_ganprint.ensemble._fusion_members import find_twins, sketch


@pytest.mark.parametrize("side", [20, 150])
def test_sketches_find_twins_and_nothing_else(side):
    rng = np.random.default_rng(0)
    frame, photos = rng.normal(size=(1, side, side, 3)), rng.normal(size=(30, side, side, 3))
    X = frame + np.concatenate([photos, photos[:6]]) + 40 * rng.uniform(size=(36, 1, 1, 1))
    X[30:] += rng.normal(size=X[30:].shape)
    X[3] = np.nan
    y = np.repeat([0, 1, 2], [20, 10, 6])
    sketches = sketch(X, 4096)
    assert sketches.shape == (36, min(4096, side * (side - 1) * 3))
    groups, twins = find_twins(sketches, y)
    expected = np.isin(np.arange(36), [0, 1, 2, 4, 5, 30, 31, 32, 34, 35])
    np.testing.assert_array_equal(twins, expected)
    assert len(np.unique(groups)) == 36 - 5
    np.testing.assert_array_equal(groups[[0, 1, 2, 4, 5]], groups[[30, 31, 32, 34, 35]])


def test_classes_that_are_alike_as_a_whole_have_no_twins(make_residuals):
    X, y = make_residuals(n_per_class=20, labels=("a", "b"), n_features=4000, noise=0.5)
    X[y == "b"] += X[y == "a"].mean(axis=0)
    assert not find_twins(sketch(X, 4096), y)[1].any()
