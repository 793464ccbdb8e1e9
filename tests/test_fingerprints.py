import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_ganprint.fingerprints import class_sums, energy, estimate_fingerprint


def residuals(n=6, shape=(5, 4), seed=0):
    return np.random.default_rng(seed).normal(size=(n, *shape))


def test_fingerprint_is_the_mean_residual():
    R = residuals()
    np.testing.assert_allclose(estimate_fingerprint(R), sum(R) / len(R), atol=1e-15)


def test_weights_count_like_copies():
    R = residuals(3)
    copies = np.repeat(R, [1, 0, 3], axis=0)
    actual = estimate_fingerprint(R, sample_weight=[1, 0, 3])
    np.testing.assert_allclose(actual, estimate_fingerprint(copies), atol=1e-15)


@given(seed=st.integers(0, 99))
def test_order_does_not_matter(seed):
    R = residuals(9)
    shuffled = np.random.default_rng(seed).permutation(R)
    np.testing.assert_allclose(estimate_fingerprint(shuffled), estimate_fingerprint(R), atol=1e-14)


def test_many_float32_residuals_are_summed_exactly():
    # In float32 the sum of 20,000 values near 1000 would be wrong in the fourth digit.
    R = (1000 + residuals(20_000, (8,))).astype(np.float32)
    expected = R.astype(float).mean(axis=0)
    np.testing.assert_allclose(estimate_fingerprint(R), expected, rtol=1e-12)


def test_energy_is_the_mean_square():
    R = residuals()
    np.testing.assert_allclose(energy(R), [np.mean(r**2) for r in R], rtol=1e-14)


def test_noise_of_n_residuals_leaves_one_nth_of_its_energy():
    R = residuals(400, (64, 64))
    assert energy(estimate_fingerprint(R)[np.newaxis])[0] == pytest.approx(1 / 400, rel=0.1)


def test_class_sums():
    R, codes = residuals(6, (7,)), np.array([0, 2, 2, 0, 2, 0])
    weights = np.arange(6.0)
    expected = [sum(weights[i] * R[i] for i in range(6) if codes[i] == k) for k in (0, 1, 2)]
    expected[1] = np.zeros(7)
    np.testing.assert_allclose(class_sums(R, codes, weights, 3), expected, atol=1e-14)


@pytest.mark.parametrize(
    ("n", "weights", "words"),
    [(0, None, "total weight above 0"), (2, [0, 0], "total weight above 0"), (2, [1], "2 sample")],
)
def test_nothing_to_average_is_refused(n, weights, words):
    with pytest.raises(ValueError, match=words):
        estimate_fingerprint(residuals(n), weights)
