"""Correlations of two fingerprints, and their significance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_ganprint.correlation import (
    compare_fingerprints,
    correlation_index,
    correlations_and_errors,
)


def reference(first, second):
    """Correlation and standard error of (H, W, C), by every circular shift and every block."""
    first, second = (each - each.mean((0, 1)) for each in (first, second))
    first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    height, width = first.shape[:2]
    shifts = [
        np.vdot(np.roll(first, (row, column), (0, 1)), second)
        for row in range(height)
        for column in range(width)
    ]
    products = (first * second).sum(axis=-1)
    down, right = min(16, height // 4), min(16, width // 4)
    sums = np.array(
        [
            products[row : row + down, column : column + right].sum()
            for row in range(0, height, down)
            for column in range(0, width, right)
        ]
    )
    variance = np.square(shifts).mean() + np.square(sums - sums.mean()).sum()
    return products.sum(), np.sqrt(variance)


@pytest.mark.parametrize("shape", [(64, 35, 1), (65, 33, 3)])
def test_as_defined(shape):
    rng = np.random.default_rng(0)
    first = rng.normal(5, 1, shape) * np.linspace(0.2, 3, shape[1])[:, np.newaxis]
    second = rng.normal(size=shape) + 0.2 * first
    found = compare_fingerprints(first, second)
    correlation, error = reference(first, second)
    np.testing.assert_allclose(
        [found.correlation, found.standard_error], [correlation, error], rtol=1e-9
    )
    if shape[2] == 1:
        index = correlation_index(first[np.newaxis], second[np.newaxis])[0, 0]
        np.testing.assert_allclose(found.correlation, index)


@given(st.integers(0, 20), st.floats(1e-3, 1e3), st.floats(-10, 10))
def test_order_scale_and_mean_do_not_matter(seed, scale, mean):
    first, second = np.random.default_rng(seed).normal(size=(2, 20, 24))
    found = compare_fingerprints(first, second)
    other = compare_fingerprints(scale * (second + mean), first)
    np.testing.assert_allclose(other.z_score, found.z_score, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(other.p_value, found.p_value, rtol=1e-5)


def p_values(make, n=300):
    rng = np.random.default_rng(1)
    return np.array([compare_fingerprints(make(rng), make(rng)).p_value for _ in range(n)])


def white(rng):
    return rng.normal(size=(48, 48))


def smooth(rng):
    """Noise in few frequencies."""
    spectrum = np.fft.rfft2(rng.normal(size=(48, 48)))
    spectrum[5:-4] = spectrum[:, 5:] = 0
    return np.fft.irfft2(spectrum)


def periodic(rng):
    """Eight by eight pixels, over and over."""
    return np.tile(rng.normal(size=(8, 8)), (6, 6))


def at_borders(rng):
    """Strong at two borders, as padding makes it."""
    strength = np.full((48, 48), 0.2)
    strength[:3] = strength[:, -3:] = 5
    return rng.normal(size=(48, 48)) * strength


@pytest.mark.parametrize("make", [white, smooth, periodic, at_borders])
def test_the_stated_rate_of_false_alarms_holds(make):
    p = p_values(make)
    assert (p <= 0.05).mean() <= 0.075
    assert (p <= 0.01).mean() <= 0.025


def test_periodic_patterns_take_more_for_the_same_significance():
    rng = np.random.default_rng(2)
    error = {
        make: compare_fingerprints(make(rng), make(rng)).standard_error
        for make in (white, periodic)
    }
    assert error[periodic] > 3 * error[white]


@pytest.mark.parametrize("make", [white, smooth, periodic, at_borders])
def test_noisy_copies_of_one_pattern_are_found(make):
    rng = np.random.default_rng(3)
    pattern = make(rng)
    noise = pattern.std() * rng.normal(size=(2, 48, 48))
    assert compare_fingerprints(pattern + noise[0], pattern + noise[1]).p_value < 1e-3
    assert compare_fingerprints(pattern + noise[0], -pattern + noise[1]).p_value > 0.99


def test_trim_is_that_of_what_was_cut():
    first, second = np.random.default_rng(4).normal(size=(2, 40, 44, 3))
    inner = compare_fingerprints(first[4:-4, 4:-4], second[4:-4, 4:-4])
    assert compare_fingerprints(first, second, trim=4) == inner


def test_all_pairs_are_the_pairs():
    first, second = np.random.default_rng(5).normal(size=(2, 3, 24, 24))
    correlation, error = correlations_and_errors(first, second[:2])
    pairs = [[compare_fingerprints(a, b) for b in second[:2]] for a in first]
    np.testing.assert_array_equal(correlation, [[p.correlation for p in row] for row in pairs])
    np.testing.assert_array_equal(error, [[p.standard_error for p in row] for row in pairs])


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (16, 16)])
def test_what_is_constant_is_like_nothing(shape):
    found = compare_fingerprints(np.full(shape, 0.1), np.ones(shape))
    assert (found.correlation, found.z_score, found.p_value) == (0, 0, 0.5)


@pytest.mark.parametrize(
    ("second", "trim", "message"),
    [
        ((8, 9), 0, "of one shape, .* got \\(8, 8\\) and \\(8, 9\\)"),
        ((8, 8), 4, "trim: expected a number of pixels below half .* 8 x 8, got 4"),
        ((8, 8), -1, "trim: .* got -1"),
    ],
)
def test_what_does_not_go_together_is_refused(second, trim, message):
    with pytest.raises(ValueError, match=message):
        compare_fingerprints(np.ones((8, 8)), np.ones(second), trim=trim)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value):
    pattern = np.arange(64.0).reshape(8, 8)
    with pytest.raises(ValueError, match="contains (NaN|infinity)"):
        compare_fingerprints(pattern, np.where(pattern == 9, value, pattern))
