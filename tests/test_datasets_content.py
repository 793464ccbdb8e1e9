"""The pictures that all simulated sources show."""

import numpy as np
import pytest

# What is drawn before a source sees it; the public maker returns what comes after.
from sklearn_ganprint.datasets._simulator._sources import _noise, draw_content


@pytest.fixture(scope="module")
def pictures():
    return np.stack([draw_content((0, index), 64, 64) for index in range(12)])


def log_slope(images):
    """Slope of the mean power spectrum of grey images over frequency, both as logarithms."""
    size = images.shape[1]
    window = np.hanning(size)[:, np.newaxis] * np.hanning(size)
    centred = images - images.mean((1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(centred * window)) ** 2).mean(0)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    kept = (radius > 0.04) & (radius < 0.4)
    return np.polyfit(np.log(radius[kept]), np.log(power[kept]), 1)[0]


def test_what_comes_out():
    picture = draw_content((3, 1), 20, 37)
    assert (picture.shape, picture.dtype) == ((20, 37, 3), np.float32)
    assert picture.min() >= 0
    assert picture.max() <= 255
    np.testing.assert_array_equal(picture, draw_content((3, 1), 20, 37))


@pytest.mark.parametrize("other", [(3, 2), (4, 1)])
def test_another_seed_another_picture(other):
    assert np.abs(draw_content((3, 1), 20, 37) - draw_content(other, 20, 37)).mean() > 5


def test_power_falls_as_in_photos(pictures):
    # The exponent of photos is about 2, that of noise 0, that of gradients 4 and more.
    assert -3.6 < log_slope(pictures.mean(-1)) < -1.8


def test_edges_as_in_photos(pictures):
    """Differences of neighbours are mostly small, and sometimes large: far from normal."""
    steps = np.diff(pictures.mean(-1), axis=2)
    assert np.mean(steps**4) / np.mean(steps**2) ** 2 > 6


def test_no_picture_in_the_mean(pictures):
    """No place is brighter than another over many pictures, which would pass for a pattern."""
    mean = pictures.mean((0, 3))
    spread = pictures.mean(-1).std(0).mean() / np.sqrt(len(pictures))
    assert mean.std() < 1.5 * spread


@pytest.mark.parametrize("slope", [0.5, 1.5])
def test_noise(slope):
    fields = np.stack([_noise(np.random.default_rng(i), 64, 64, slope) for i in range(20)])
    assert fields.dtype == np.float32
    np.testing.assert_allclose(fields.std((1, 2)), 1, rtol=1e-4)
    assert log_slope(fields) == pytest.approx(-2 * slope, abs=0.3)
