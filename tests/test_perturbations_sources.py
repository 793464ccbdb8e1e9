"""Simulated sources, held to the same traces made one pixel at a time."""

import numpy as np
import pytest
from PIL import Image
from references import windows
from sklearn.base import clone

from sklearn_ganprint.perturbations import SimulatedSource, check_perturbation
from sklearn_ganprint.perturbations._sources import _draw_traces

#: Sources of each way, in the words of the test below.
WAYS = {"one doubling": 5, "two doublings": 9, "resized": 19, "neither": 7, "noisy": 2}
FILTERS = {name.lower(): getattr(Image.Resampling, name) for name in Image.Resampling.__members__}


def resized(plane, height, width, resample):
    image = Image.fromarray(plane.astype(np.float32)).resize((width, height), FILTERS[resample])
    return np.asarray(image, dtype=float)


def filtered(plane, kernel):
    found = np.empty(plane.shape)
    for pixel, window in windows(plane, len(kernel)):
        found[pixel] = (window * kernel).sum()
    return found


def doubled(plane, kernel):
    """Insert zeros between the pixels, and filter with a kernel of 4 x 4 taps."""
    around = np.pad(plane, 1, mode="edge")
    sparse = np.zeros((2 * around.shape[0] + 1, 2 * around.shape[1] + 1))
    sparse[:-1:2, :-1:2] = around
    height, width = plane.shape
    found = np.empty((2 * height, 2 * width))
    for i, j in np.ndindex(*found.shape):
        found[i, j] = (sparse[i : i + 4, j : j + 4] * kernel).sum()
    return found


def resampled(plane, traces):
    height, width = plane.shape
    if traces.scale < 1:
        sides = (max(1, round(side * traces.scale)) for side in plane.shape)
        small = resized(plane, *sides, traces.reduction)
        return resized(small, height, width, traces.enlargement)
    if not traces.doublings:
        return plane
    factor = 2**traces.doublings
    sides = (int(np.ceil(side / factor)) for side in plane.shape)
    found = resized(plane, *sides, traces.reduction)
    for number in range(traces.doublings):
        found = doubled(found, traces.doubling_kernels[number])
    details = plane - filtered(plane, np.full((5, 5), 1 / 25))
    return found[:height, :width] + traces.kept * details


def without_noise(image, number):
    """What a source makes of an image (H, W, C), less its noise."""
    traces = _draw_traces(number)
    planes = [
        filtered(resampled(image[..., channel], traces), traces.kernels[channel].astype(float))
        for channel in range(image.shape[2])
    ]
    if len(planes) == 3:
        planes = [sum(traces.mix[to, of] * planes[of] for of in range(3)) for to in range(3)]
    return np.stack(planes, axis=-1)


def test_there_are_sources_of_each_way():
    found = {way: _draw_traces(number) for way, number in WAYS.items()}
    assert [found[way].doublings for way in WAYS] == [1, 2, 0, 0, 0]
    assert [found[way].scale < 1 for way in WAYS] == [False, False, True, False, True]
    assert [found[way].noise > 0 for way in WAYS] == [False] * 4 + [True]
    assert {traces.kernels.shape[1] for traces in found.values()} == {3, 5}
    same = {bool((traces.kernels[0] == traces.kernels[1]).all()) for traces in found.values()}
    assert same == {True, False}


@pytest.mark.parametrize("shape", [(12, 16, 3), (13, 10, 1), (7, 9, 3), (2, 3, 3), (1, 1, 1)])
@pytest.mark.parametrize("way", ["one doubling", "two doublings", "resized", "neither"])
def test_traces_are_those_made_one_pixel_at_a_time(way, shape):
    images = np.random.default_rng(0).uniform(0, 255, (2, *shape))
    actual = SimulatedSource(WAYS[way]).transform(images)
    expected = [without_noise(image, WAYS[way]) for image in images]
    np.testing.assert_allclose(actual, expected, atol=2e-3)


@pytest.mark.parametrize("white", [255.0, 1.0, 65535.0])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_noise_is_filtered_and_in_grey_levels(white, n_channels):
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, n_channels))
    source = SimulatedSource(WAYS["noisy"], data_range=white)
    actual = source.transform(images * (white / 255)) * (255 / white)
    noise = actual - [without_noise(image, WAYS["noisy"]) for image in images]
    traces = _draw_traces(WAYS["noisy"])
    expected = traces.noise * np.sqrt(np.square(traces.noise_kernel).sum())
    assert noise.std() == pytest.approx(expected, rel=0.05)
    assert abs(noise.mean()) < 0.05
    beside = np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1]
    kernel = traces.noise_kernel
    wanted = (kernel[:, 1:] * kernel[:, :-1]).sum() / np.square(kernel).sum()
    assert beside == pytest.approx(wanted, abs=0.05)


def test_noise_differs_from_image_to_image_and_not_from_call_to_call():
    images = np.full((2, 16, 16), 100.0)
    images[1, 0, 0] += 1
    source = SimulatedSource(WAYS["noisy"])
    noisy = source.transform(images)
    assert np.abs(noisy[0] - noisy[1])[4:, 4:].mean() > 0.1
    np.testing.assert_array_equal(clone(source).transform(images), noisy)


def test_the_number_says_which_traces():
    images = np.random.default_rng(0).integers(0, 256, (1, 24, 24, 3), dtype=np.uint8)
    found = [SimulatedSource(number).transform(images).tobytes() for number in range(30)]
    assert len(set(found)) == 30
    _draw_traces.cache_clear()
    assert [check_perturbation(f"source {n}").transform(images).tobytes() for n in range(30)] == (
        found
    )


@pytest.mark.parametrize("level", [10, 200])
def test_brightness_and_hue_of_flat_areas_hardly_change(level):
    image = np.full((1, 16, 16, 3), float(level))
    for number in range(40):
        noise = 8 * _draw_traces(number).noise
        made = SimulatedSource(number).transform(image)
        np.testing.assert_allclose(made, level, rtol=0.05, atol=noise, err_msg=str(number))


@pytest.mark.parametrize("number", [-1, 2**32, 1.5, None])
def test_other_numbers_are_refused(number):
    with pytest.raises(ValueError, match="'number' parameter of SimulatedSource"):
        SimulatedSource(number).transform(np.zeros((1, 8, 8)))


def test_the_last_number_is_a_source():
    image = np.random.default_rng(0).uniform(0, 255, (1, 8, 8))
    assert not np.array_equal(SimulatedSource(2**32 - 1).transform(image), image)
