import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from sklearn_ganprint.correlation import SCORES, correlation_index, cosine_index, negative_distance

scales = st.floats(1e-6, 1e6)
offsets = st.floats(-50, 50)


def rows(n, n_features=200, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_features))


def test_correlation_index_is_pearsons_correlation():
    X, F = rows(5), rows(3, seed=1)
    expected = [[np.corrcoef(x, f)[0, 1] for f in F] for x in X]
    np.testing.assert_allclose(correlation_index(X, F), expected, atol=1e-14)


def test_cosine_and_distance_agree_with_scipy():
    X, F = rows(5), rows(3, seed=1)
    np.testing.assert_allclose(cosine_index(X, F), 1 - cdist(X, F, "cosine"), atol=1e-14)
    np.testing.assert_allclose(negative_distance(X, F), -cdist(X, F), rtol=1e-12)


@given(scale=scales, offset=offsets)
def test_correlation_knows_neither_scale_nor_offset(scale, offset):
    X, F = rows(4), rows(3, seed=1)
    actual = correlation_index(scale * (X + offset), F)
    np.testing.assert_allclose(actual, correlation_index(X, F), atol=1e-10)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_extreme_scales_do_not_overflow(scale):
    X, F = rows(4), rows(3, seed=1)
    np.testing.assert_allclose(
        correlation_index(scale * X, scale * F), correlation_index(X, F), atol=1e-12
    )


@pytest.mark.parametrize("score", SCORES.values())
def test_images_keep_their_shape(score):
    X, F = rows(4), rows(3, seed=1)
    images = score(X.reshape(4, 10, 20), F.reshape(3, 10, 20))
    np.testing.assert_array_equal(images, score(X, F))


@pytest.mark.parametrize("score", SCORES.values())
def test_large_float32_batches_equal_float64(score):
    X, F = rows(30, 100_000).astype(np.float32), rows(2, 100_000, seed=1)
    actual = score(X, F)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, score(X.astype(float), F), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_row_correlates_with_nothing(value, dtype):
    constant = np.full((1, 333), value, dtype=dtype)
    np.testing.assert_array_equal(correlation_index(constant, rows(2, 333)), np.zeros((1, 2)))
    np.testing.assert_array_equal(correlation_index(rows(2, 333), constant), np.zeros((2, 1)))


@pytest.mark.parametrize("score", SCORES.values())
def test_different_sizes_are_refused(score):
    with pytest.raises(ValueError, match=r"\(2, 10\) and \(2, 11\)"):
        score(np.ones((2, 10)), np.ones((2, 11)))
