"""What windows of a residual say, and how that becomes maps and regions."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage, stats

# Steps of the model, held to loops; maps and regions are tested in test_localization.py.
from sklearn_ganprint.localization import _windows
from sklearn_ganprint.localization._model import (
    DEGREES,
    Spread,
    find_regions,
    fit_spread,
    log_likelihoods,
    peak_threshold,
    region_peak,
    smooth,
    to_pixels,
)
from sklearn_ganprint.localization._windows import (
    IMAGES_PER_COORDINATE,
    MOST_IMAGE_COORDINATES,
    TINY,
    WITHIN_SHRINKAGE,
    Moments,
    discriminant_projection,
    image_directions,
    projections,
)

# What windows say


def slow_features(residual, row, column, size, max_lag):
    """Correlations of one window, by sums over its pixels."""
    even = residual / np.sqrt(
        ndimage.uniform_filter(residual**2, (_windows.NORMALIZE_SIZE,) * 2 + (1,))
        + _windows.NORMALIZE_FLOOR
    )
    height, width, channels = residual.shape
    pixels = [
        (y, x)
        for y in range(row, min(row + size, height))
        for x in range(column, min(column + size, width))
    ]

    def product(a, b, down, right):
        return sum(
            even[y, x, a] * even[y + down, x + right, b]
            for y, x in pixels
            if y + down < height and 0 <= x + right < width
        )

    norms = [np.sqrt(product(a, a, 0, 0)) for a in range(channels)]
    return [
        product(a, b, down, right) / (norms[a] * norms[b])
        for down, right in _windows.half_lags(max_lag)
        for a in range(channels)
        for b in range(channels)
        if (down, right) != (0, 0) or b > a
    ]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(24, 32), (21, 19), (8, 40), (5, 6)])
def test_windows_are_correlations_of_the_normalized_residual(shape, channels):
    residual = np.random.default_rng(0).normal(size=(*shape, channels)) * [1, 2, 3][:channels]
    (strip,) = _windows.window_strips(residual, 8, 2, 0)
    rows, columns = strip.features.shape[:2]
    assert (rows, columns) == tuple(max(1, -(-side // 4) - 1) for side in shape)
    for row, column in {(0, 0), (rows - 1, columns - 1), (rows // 2, 0)}:
        expected = slow_features(residual, 4 * row, 4 * column, 8, 2)
        assert_allclose(strip.features[row, column], expected, rtol=1e-9)
        assert len(expected) == _windows.n_window_features(2, channels)


@pytest.mark.parametrize("strip_pixels", [1, 800, 3000])
def test_strips_change_nothing(monkeypatch, strip_pixels):
    residual = np.random.default_rng(0).normal(size=(61, 50, 3))
    residual[20:30, :20] = 0
    (whole,) = _windows.window_strips(residual, 16, 4, 0.02)
    monkeypatch.setattr(_windows, "STRIP_PIXELS", strip_pixels)
    strips = list(_windows.window_strips(residual, 16, 4, 0.02))
    assert len(strips) > 1
    assert_allclose(np.concatenate([each.features for each in strips]), whole.features)
    assert_array_equal(np.concatenate([each.active for each in strips]), whole.active)


def test_lags_are_one_half_of_all():
    lags = _windows.half_lags(3)
    both = {lag for down, right in lags for lag in [(down, right), (-down, -right)]}
    assert len(lags) == (7 * 7 + 1) // 2
    assert both == {(down, right) for down in range(-3, 4) for right in range(-3, 4)}


# The model


def test_coordinates_are_those_of_discriminant_analysis():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 6)), np.repeat([0, 1, 2], 30)
    X[:, 0] += y
    moments = Moments.zeros(2, 3, 6)
    for code in range(3):
        moments.add(code % 2, code, X[y == code])
    coef, intercept = discriminant_projection(moments, 0.1, np.float64)
    pooled = sum(np.cov(X[y == code].T, bias=True) for code in range(3)) / 3
    shrunk = 0.9 * pooled + 0.1 * np.trace(pooled) / 6 * np.eye(6)
    means = np.stack([X[y == code].mean(axis=0) for code in range(3)])
    expected = (X - means.mean(axis=0)) @ np.linalg.inv(shrunk) @ (means - means.mean(axis=0)).T
    assert_allclose(X @ coef.T + intercept, expected[:, :2], atol=1e-6)


def test_moments_of_folds_add_up():
    rng = np.random.default_rng(0)
    parts = []
    for fold in range(3):
        part = Moments.zeros(3, 2, 4)
        part.add(fold, fold % 2, rng.normal(size=(10, 4)))
        parts.append(part)
    both = reduce(Moments.plus, parts[:2])
    total = reduce(Moments.plus, parts)
    for one, other in zip(total.leave_out(2), both, strict=True):
        assert_allclose(one.sum(axis=0), other.sum(axis=0))
    assert_allclose(total.leave_out(1).counts, total.counts)


def image_moments(n_images, offset, n_folds=1):
    """Windows of images of two sources, offset in the first feature from image to image."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(n_images, 12, 5)) * [1, 3, 1, 1, 1]
    images[:, :, 0] += offset * rng.normal(size=(n_images, 1))
    images[1::2] += 5
    moments = Moments.zeros(n_folds, 2, 5)
    for number, image in enumerate(images):
        moments.add(number // 2 % n_folds, number % 2, image)
    return images, moments


def test_image_directions_are_those_in_which_images_of_a_source_differ():
    images, moments = image_moments(4 * IMAGES_PER_COORDINATE, offset=2)
    means = images.mean(axis=1)
    about_source = np.concatenate([means[code::2] - means[code::2].mean(axis=0) for code in (0, 1)])
    rows = (images - means[:, np.newaxis]).reshape(-1, 5)
    within = rows.T @ rows / len(rows)
    within += (WITHIN_SHRINKAGE * np.trace(within) / 5 + TINY) * np.eye(5)
    ratios, vectors = np.linalg.eig(np.linalg.solve(within, about_source.T @ about_source))
    expected = vectors[:, np.argsort(-ratios)[:4]].T
    expected /= np.sqrt(np.einsum("ki,ij,kj->k", expected, within, expected))[:, np.newaxis]
    directions = image_directions(moments)
    assert_allclose(np.abs(directions), np.abs(expected), rtol=1e-4, atol=1e-6)
    assert np.abs(directions[0]).argmax() == 0


@pytest.mark.parametrize(("n_images", "expected"), [(18, 0), (20, 2), (49, 4), (900, 5)])
def test_few_images_have_few_directions(n_images, expected):
    directions = image_directions(image_moments(n_images, offset=1)[1])
    assert directions.shape == (min(expected, MOST_IMAGE_COORDINATES), 5)


def test_models_of_all_folds_share_the_directions_of_images():
    images, moments = image_moments(40, offset=1, n_folds=4)
    whole, *left_out = projections(moments, 0.01, np.float32)
    assert len(left_out) == 4
    assert whole.coef.shape == (1 + 4, 5)
    assert whole.coef.dtype == whole.intercept.dtype == np.float32
    for each in left_out:
        assert_array_equal(each.coef[1:], whole.coef[1:])
        assert not np.array_equal(each.coef[0], whole.coef[0])
    centre = (images[::2].mean(axis=(0, 1)) + images[1::2].mean(axis=(0, 1))) / 2
    assert_allclose(whole.coef[1:] @ centre + whole.intercept[1:], 0, atol=1e-4)


def test_log_likelihoods_are_those_of_t_distributions():
    rng = np.random.default_rng(0)
    rows = [(code, rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3))) for code in range(4)]
    spread = fit_spread(rows, 4, 3)
    X = rng.normal(size=(5, 3))
    expected = [
        stats.multivariate_t(mean, covariance * (DEGREES - 2) / DEGREES, DEGREES).logpdf(X)
        for mean, covariance in zip(*spread, strict=True)
    ]
    actual = log_likelihoods(X, spread)
    assert_allclose(np.diff(actual, axis=1), np.diff(np.transpose(expected), axis=1))


def test_a_source_of_few_windows_scatters_as_all_do():
    rng = np.random.default_rng(0)
    spread = fit_spread([(0, rng.normal(size=(5000, 1))), (1, np.full((2, 1), 3.0))], 2, 1)
    assert isinstance(spread, Spread)
    assert_allclose(spread.means[:, 0], [0, 3], atol=0.1)
    assert_allclose(spread.covariances[:, 0, 0], 1, atol=0.1)


# Maps


def test_smoothing_leaves_out_what_has_no_weight():
    values = np.arange(30.0).reshape(5, 6)
    weights = np.ones((5, 6))
    weights[2, 2:] = 0
    smoothed = smooth(values, weights, 3)
    near = [values[1:4, 1:4][weights[1:4, 1:4] > 0].mean(), values[:2, :2].mean()]
    assert_allclose([smoothed[2, 2], smoothed[0, 0]], near)
    assert (smooth(values, np.zeros((5, 6)), 3) == 0).all()


def test_pixels_lie_between_the_centres_of_windows():
    grid = np.add.outer(10 * np.arange(3.0), np.arange(4.0))
    pixels = to_pixels(grid, (16, 18), 4)
    # Window 1 has its centre 8 pixels in, between pixels 7 and 8.
    assert_allclose((pixels[7] + pixels[8]) / 2 - pixels[0], 10)
    assert_allclose(pixels[0, [0, 3, 8, 17]], [0, 0, 1.125, 3])
    assert to_pixels(np.ones((1, 1)), (3, 5), 4).tolist() == np.ones((3, 5)).tolist()


def test_a_region_ends_half_way_to_the_rest():
    values = np.zeros((20, 40))
    values[:, 10:20] = 8
    values[:, 20:25] = [6, 5, 3, 2, 1]
    values[0, 39] = 9  # too small
    values[5, 12] = np.nan
    mask = find_regions(values, high=7, low=0.5, size=30)
    assert mask[:, 10:22].sum() == 239
    assert not mask[:, 22:].any()
    assert not mask[5, 12]
    assert region_peak(values, 0.5, 30) == 8
    assert region_peak(values, 0.5, 1) == 9
    assert region_peak(values, 9.5, 1) == -np.inf


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.floats(0.02, 0.9))
def test_no_more_clean_images_than_stated_reach_the_threshold(peaks, rate):
    peaks = np.array(peaks, dtype=float)
    alarms = (peaks >= peak_threshold(peaks, rate)).sum()
    assert alarms <= rate * (len(peaks) + 1)


def test_images_of_one_window_have_directions_in_single_precision():
    rng = np.random.default_rng(0)
    moments = Moments.zeros(1, 2, 40)
    for number in range(40):
        moments.add(0, number % 2, rng.normal(100, 1, (1, 40)).astype(np.float32))
    assert np.isfinite(image_directions(moments)).all()


def test_no_rank_is_lost_to_rounding():
    peaks = np.arange(99.0)
    assert (peaks >= peak_threshold(peaks, 0.29)).sum() == 28  # 0.29 * 100 is less than 29
