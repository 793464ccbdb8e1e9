import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from sklearn_ganprint.correlation import (
    correlation_index,
    cosine_index,
    negative_distance,
    pairwise_correlation,
    pairwise_correlation_blocks,
)

SCORES = {
    "correlation": correlation_index,
    "cosine": cosine_index,
    "euclidean": negative_distance,
}
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


def slow_correlations(X, F):
    return np.array([[np.corrcoef(x, f)[0, 1] for f in F] for x in np.asarray(X, float)])


@pytest.mark.parametrize("offset", [0, 0.3, 1, 50, 1e4])
@pytest.mark.parametrize("scale", [1e-25, 1e-3, 1, 1e15])
def test_float32_rows_of_any_mean_and_scale_equal_the_slow_reference(offset, scale):
    F = rows(3, 70_000, seed=1)
    X = (scale * (rows(4, 70_000) + F[0] + offset)).astype(np.float32)
    expected = slow_correlations(X / np.float64(scale), F)
    np.testing.assert_allclose(correlation_index(X, F), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("score", [correlation_index, cosine_index])
def test_good_and_awkward_rows_of_one_chunk_do_not_disturb_each_other(score):
    X, F = rows(9, 300).astype(np.float32), rows(2, 300, seed=1)
    X[1:8] *= np.float32([[0], [1e-30], [1e30], [1], [1], [1e-20], [1e-38]])
    X[4] += 1000
    X[5] = 7
    one_by_one = np.concatenate([score(x[np.newaxis], F) for x in X])
    np.testing.assert_allclose(score(X, F), one_by_one, atol=1e-7)
    assert np.isfinite(one_by_one).all()


@pytest.mark.parametrize("score", SCORES.values())
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, ">f4"])
def test_other_dtypes_count_as_float64(score, dtype):
    X, F = (10 * rows(4) + 50).clip(0, 255).astype(dtype), rows(3, seed=1)
    np.testing.assert_allclose(score(X, F), score(X.astype(float), F), atol=1e-12)


@pytest.mark.parametrize("n_fingerprints", [1, 2, 3, 4, 5, 22, 33])
def test_any_number_of_fingerprints_equals_the_slow_reference(n_fingerprints):
    X, F = rows(150, 50), rows(n_fingerprints, 50, seed=1)
    np.testing.assert_allclose(correlation_index(X, F), slow_correlations(X, F), atol=1e-13)


@pytest.mark.parametrize("score", [*SCORES.values(), lambda X, F: pairwise_correlation(X)])
def test_memory_mapped_files_are_read_as_arrays_are(score, tmp_path):
    X, F = rows(40, 3000).astype(np.float32), rows(2, 3000, seed=1)
    np.save(tmp_path / "residuals.npy", X)
    mapped = np.load(tmp_path / "residuals.npy", mmap_mode="r")
    np.testing.assert_array_equal(score(mapped, F), score(X, F))


def test_scores_take_no_memory_for_a_copy_of_the_residuals():
    X, F = np.ones((64, 1 << 18), dtype=np.float32), rows(2, 1 << 18)
    X[:, ::2] = -1
    tracemalloc.start()
    correlation_index(X, F)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes / 2


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_pairwise_correlation_equals_the_slow_reference(n):
    X = rows(n) + 0.5 * rows(1, seed=1)
    actual = pairwise_correlation(X)
    np.testing.assert_allclose(actual, slow_correlations(X, X), atol=1e-13)
    np.testing.assert_array_equal(np.diagonal(actual), 1)


@given(n=st.integers(1, 12), max_bytes=st.integers(1, 100_000))
def test_blocks_of_any_size_make_the_whole(n, max_bytes):
    X = rows(n).reshape(n, 10, 20)
    whole = np.full((n, n), np.nan)
    for some, others, block in pairwise_correlation_blocks(X, max_bytes=max_bytes):
        assert np.isnan(whole[some, others]).all()
        assert some.start <= others.start
        whole[some, others], whole[others, some] = block, block.T
    np.testing.assert_allclose(whole, pairwise_correlation(X), atol=1e-14)


@given(scale=scales, offset=offsets, order=st.permutations(range(6)))
def test_pairwise_correlation_knows_neither_scale_nor_offset_nor_order(scale, offset, order):
    X = rows(6)
    expected = pairwise_correlation(X)[np.ix_(order, order)]
    actual = pairwise_correlation(scale * (X[list(order)] + offset))
    np.testing.assert_allclose(actual, expected, atol=1e-10)


def test_pairwise_correlation_writes_where_it_is_told():
    X = rows(5).astype(np.float32)
    X[2] = 3
    out = np.empty((5, 5), dtype=np.float32)
    assert pairwise_correlation(X, out=out) is out
    np.testing.assert_array_equal(out, out.T)
    np.testing.assert_array_equal(out[2], 0)
    np.testing.assert_array_equal(np.delete(np.diagonal(out), 2), 1)
    with pytest.raises(ValueError, match=r"out of shape \(5, 5\), got \(5, 4\)"):
        pairwise_correlation(X, out=out[:, :4])


def test_blocks_stay_within_the_memory_they_are_given():
    X, max_bytes = rows(60, 20_000).astype(np.float32), 1 << 21
    tracemalloc.start()
    shapes = [block.shape for *_, block in pairwise_correlation_blocks(X, max_bytes=max_bytes)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(shapes) > 10
    # The temporaries of one chunk of rows, half a million values, come on top.
    assert peak < 2 * max_bytes + 4 * (1 << 19)


def test_no_residuals_have_no_scores():
    assert correlation_index(np.empty((0, 8)), rows(2, 8)).shape == (0, 2)
    assert pairwise_correlation(np.empty((0, 8))).shape == (0, 0)
