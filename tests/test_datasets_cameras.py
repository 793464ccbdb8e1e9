"""Simulated cameras, step by step."""

import numpy as np
import pytest

# Steps of simulated cameras, whose public maker draws photos only.
from sklearn_ganprint.datasets._simulator._sources import Camera, demosaic, mosaic, sensor_pattern


@pytest.fixture
def scene():
    return np.random.default_rng(0).uniform(20, 230, (32, 48, 3)).astype(np.float32)


def test_mosaic_keeps_one_colour_a_pixel(scene):
    raw = mosaic(scene)
    for (row, column), colour in {(0, 0): 0, (4, 7): 1, (5, 2): 1, (7, 9): 2}.items():
        assert raw[row, column] == scene[row, column, colour]


def test_demosaic_keeps_what_the_sensor_saw(scene):
    raw = mosaic(scene)
    np.testing.assert_allclose(mosaic(demosaic(raw)), raw, rtol=1e-6)


def test_demosaic_means_neighbours(scene):
    raw = mosaic(scene)
    full = demosaic(raw)
    assert full[4, 4, 1] == pytest.approx(np.mean([raw[3, 4], raw[5, 4], raw[4, 3], raw[4, 5]]))
    assert full[5, 5, 0] == pytest.approx(raw[[4, 4, 6, 6], [4, 6, 4, 6]].mean())
    assert full[4, 5, 0] == pytest.approx(raw[4, [4, 6]].mean())


def test_an_even_colour_stays(scene):
    even = np.broadcast_to(np.float32([200, 120, 60]), scene.shape)
    photo = Camera(1, prnu=0, shot=0, read=0, quality=100).photograph(even, (0,))
    assert photo.dtype == np.uint8
    np.testing.assert_allclose(photo, even, atol=2)


def test_the_sensor_is_in_the_photo():
    even = np.full((64, 64, 3), 128, np.float32)
    camera = Camera(1, prnu=0.02, shot=1e-5, read=0)
    green = np.mean([camera.photograph(even, (i,)) for i in range(8)], axis=0)[..., 1]
    # Where a pixel saw green itself.
    place = slice(0, None, 2), slice(1, None, 2)
    own, other = (sensor_pattern(index, 80, 80)[8:-8, 8:-8][place] for index in (1, 2))
    assert np.corrcoef(green[place].ravel(), own.ravel())[0, 1] > 0.5
    assert abs(np.corrcoef(green[place].ravel(), other.ravel())[0, 1]) < 0.1


def test_a_smaller_photo_has_a_part_of_the_sensor():
    np.testing.assert_array_equal(sensor_pattern(1, 20, 12), sensor_pattern(1, 24, 32)[:20, :12])


def test_noise_grows_with_light():
    camera = Camera(1, prnu=0, shot=1e-3, read=1e-6, quality=100)
    spread = []
    for grey in (40, 200):
        even = np.full((64, 64, 3), grey, np.float32)
        light = (camera.photograph(even, (0,)) / 255.0) ** 2.2
        spread.append(light[..., 1].std())
    assert spread[1] > 2 * spread[0]


@pytest.mark.parametrize("size", [(17, 33), (16, 30)])
def test_any_size(size):
    photo = Camera(1, 0.01, 1e-4, 1e-6).photograph(np.full((*size, 3), 99, np.float32), (0,))
    assert photo.shape == (*size, 3)
