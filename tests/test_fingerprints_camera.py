"""Maximum likelihood, zero means, and the Wiener filter of cameras' fingerprints."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_ganprint.fingerprints import (
    estimate_fingerprint,
    maximum_likelihood_fingerprint,
    wiener_dft,
    zero_mean,
)


def test_maximum_likelihood_as_defined(make_images):
    images = make_images()[0][:6]
    rng = np.random.default_rng(0)
    residuals = rng.normal(size=images.shape).astype(np.float32)
    weights = rng.uniform(0, 2, 6)
    top = sum(w * r.astype(float) * i for w, r, i in zip(weights, residuals, images, strict=True))
    bottom = sum(w * i.astype(float) ** 2 for w, i in zip(weights, images, strict=True))
    actual = maximum_likelihood_fingerprint(residuals, images, weights)
    np.testing.assert_allclose(actual, top / bottom, rtol=1e-12)


def test_one_plane_of_intensity_serves_all_colours_and_darkness_gives_none():
    rng = np.random.default_rng(1)
    residuals, light = rng.normal(size=(4, 8, 8, 3)), rng.uniform(1, 9, (4, 8, 8, 1))
    light[:, 2, 3] = 0
    actual = maximum_likelihood_fingerprint(residuals, light)
    expected = maximum_likelihood_fingerprint(residuals, np.repeat(light, 3, axis=3))
    np.testing.assert_allclose(actual, expected)
    assert (actual[2, 3] == 0).all()


@given(st.floats(0.1, 300))
def test_light_that_is_the_same_everywhere_makes_it_the_mean(light):
    residuals = np.random.default_rng(2).normal(size=(5, 6, 7))
    actual = maximum_likelihood_fingerprint(residuals, np.full_like(residuals, light))
    np.testing.assert_allclose(actual, estimate_fingerprint(residuals) / light)


def test_it_is_nearer_to_the_sensor_than_the_mean_where_light_varies():
    rng = np.random.default_rng(3)
    sensor = rng.normal(size=(64, 64))
    light = rng.uniform(0, 255, (20, 64, 64)) ** 2 / 255
    residuals = 0.01 * light * sensor + rng.normal(scale=2, size=light.shape)
    near = [
        np.corrcoef(each.ravel(), sensor.ravel())[0, 1]
        for each in (maximum_likelihood_fingerprint(residuals, light), residuals.mean(axis=0))
    ]
    assert near[0] > near[1] + 0.03


@pytest.mark.parametrize(
    ("images", "weights"), [((3, 4, 4), None), ((2, 4, 4), [1.0]), ((0, 4, 4), None)]
)
def test_numbers_that_differ_are_refused(images, weights):
    residuals = np.ones((0 if images[0] == 0 else 2, 4, 4))
    with pytest.raises(ValueError, match="as many .* got"):
        maximum_likelihood_fingerprint(residuals, np.ones(images), weights)


@pytest.mark.parametrize("shape", [(9, 8), (9, 8, 3), (2, 9, 8, 3)])
@pytest.mark.parametrize("step", [1, 2])
def test_no_row_or_column_of_a_phase_has_a_mean(shape, step):
    values = np.random.default_rng(4).normal(2, 1, shape)
    axis = 1 if len(shape) == 4 else 0
    result = np.moveaxis(zero_mean(values, bayer=step == 2), (axis, axis + 1), (0, 1))
    for i in range(step):
        for j in range(step):
            phase = result[i::step, j::step]
            np.testing.assert_allclose(phase.mean(axis=0), 0, atol=1e-12)
            np.testing.assert_allclose(phase.mean(axis=1), 0, atol=1e-12)


@given(st.integers(0, 5), st.booleans())
def test_zero_mean_is_a_projection(seed, bayer):
    first, second = np.random.default_rng(seed).normal(size=(2, 8, 10))
    once = zero_mean(first, bayer=bayer)
    np.testing.assert_allclose(zero_mean(once, bayer=bayer), once, atol=1e-12)
    total = zero_mean(first + 2 * second, bayer=bayer)
    np.testing.assert_allclose(total, once + 2 * zero_mean(second, bayer=bayer), atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 6), (6, 1)])
def test_a_line_is_not_wiped_out(shape):
    line = np.arange(6.0).reshape(shape)
    np.testing.assert_allclose(zero_mean(line), line - 2.5)


@pytest.mark.parametrize("function", [zero_mean, wiener_dft])
def test_float32_stays_and_the_argument_is_left_alone(function):
    values = np.random.default_rng(5).normal(size=(2, 16, 18, 3)).astype(np.float32)
    before = values.copy()
    values.flags.writeable = False
    result = function(values)
    np.testing.assert_array_equal(values, before)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, function(values.astype(float)), atol=1e-5)
    with pytest.raises(ValueError, match=r"expected shape .*, got \(3,\)"):
        function(np.ones(3))


@pytest.mark.parametrize("shape", [(128, 128), (161, 128)])
def test_the_wiener_filter_suppresses_what_is_periodic_and_leaves_noise(shape):
    noise = np.random.default_rng(6).normal(size=shape)
    rows, columns = np.indices(shape)
    grid = 4 * np.cos(2 * np.pi * rows / 8) * np.cos(2 * np.pi * columns / 8)
    kept = wiener_dft(noise, sigma=1.0)
    assert np.corrcoef(kept.ravel(), noise.ravel())[0, 1] > 0.9
    left = np.vdot(wiener_dft(noise + grid), grid) / np.vdot(grid, grid)
    assert abs(left) < 0.1


def test_the_wiener_filter_as_defined():
    plane = np.random.default_rng(7).normal(size=(16, 17))
    spectrum = np.fft.fft2(plane)
    power = np.abs(spectrum) ** 2 / plane.size
    variance = plane.var()
    local = np.full_like(power, np.inf)
    half = 17 // 2 + 1
    for window in (3, 5, 7, 9):
        reach = np.arange(window) - window // 2
        rows = (np.arange(16)[:, None] + reach) % 16
        columns = np.clip(np.arange(half)[:, None] + reach, 0, half - 1)
        means = power[rows][:, :, columns].mean(axis=(1, 3))
        local[:, :half] = np.minimum(local[:, :half], means)
    signal = np.maximum(local[:, :half] - variance, 0)
    kept = spectrum[:, :half] * variance / (signal + variance)
    np.testing.assert_allclose(wiener_dft(plane), np.fft.irfft2(kept, s=plane.shape), atol=1e-12)
