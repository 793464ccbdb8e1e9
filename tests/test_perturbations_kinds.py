"""Each perturbation against a slow reference, or what is known of its result."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from references import gaussian_residual, jpeg_grey, resized
from sklearn.base import clone

from sklearn_ganprint.perturbations import (
    Crop,
    GaussianBlur,
    GaussianNoise,
    JPEGCompression,
    Resize,
)


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_grey_jpeg_equals_the_quantised_cosine_transform(make_images, quality):
    images = make_images(n_per_class=2, shape=(24, 40))[0]
    stream = io.BytesIO()
    Image.fromarray(images[0]).save(stream, "JPEG", quality=quality)
    table = np.reshape(Image.open(stream).quantization[0], (8, 8))
    expected = np.array([jpeg_grey(image, table) for image in images])
    difference = np.abs(JPEGCompression(quality).transform(images) - expected)
    # Blocks with a coefficient halfway between two steps may go to the other one.
    assert np.mean(difference > 1) < 0.05


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("shape", [(19, 22, 3), (19, 22)], ids=str)
def test_jpeg_equals_a_file_written_and_read(make_images, tmp_path, shape, subsampling):
    images = make_images(n_per_class=1, shape=shape)[0]
    compressed = JPEGCompression(80, subsampling=subsampling).transform(images)
    for image, actual in zip(images, compressed, strict=True):
        options = {"subsampling": subsampling} if image.ndim == 3 else {}
        Image.fromarray(image).save(tmp_path / "image.jpg", quality=80, **options)
        np.testing.assert_array_equal(actual, np.asarray(Image.open(tmp_path / "image.jpg")))


def test_jpeg_of_quality_100_is_nearly_the_image_and_less_is_ever_farther(make_images):
    images = make_images(shape=(32, 32))[0]
    errors = [
        np.abs(JPEGCompression(quality).transform(images).astype(int) - images).mean()
        for quality in (100, 95, 75, 40, 10)
    ]
    assert errors[0] < 0.5
    assert errors == sorted(errors)


def test_rows_that_make_too_wide_a_jpeg_are_explained():
    with (
        pytest.warns(UserWarning, match="without image_shape"),
        pytest.raises(ValueError, match="at most 65500 pixels a side, got 1x65501.*image_shape="),
    ):
        JPEGCompression().fit(np.zeros((1, 65501), np.uint8))


@pytest.mark.parametrize("kind", [JPEGCompression, Resize, GaussianNoise])
def test_values_of_at_most_one_under_white_255_are_suspected(kind):
    with pytest.warns(UserWarning, match="set data_range=1.0"):
        kind().transform(np.full((1, 8, 8), 0.5))


@pytest.mark.parametrize("scale", [0.3, 0.75, 1.0, 1.6])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_resized_images_equal_the_slow_reference(make_images, scale, dtype):
    images = make_images(n_per_class=1, shape=(20, 15, 3))[0].astype(dtype)
    actual = Resize(scale).transform(images)
    assert actual.shape[1:3] == (round(20 * scale), round(15 * scale))
    expected = np.empty(actual.shape)
    for n, c in np.ndindex(len(images), 3):
        expected[n, ..., c] = resized(images[n, ..., c].astype(float), *actual.shape[1:3])
    tolerance = 1e-3 if dtype == np.float32 else 1.5  # Pillow rounds twice
    np.testing.assert_allclose(actual, expected, atol=tolerance)


@pytest.mark.parametrize("restore", [True, False])
@pytest.mark.parametrize(
    "resample", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
)
@given(
    level=st.integers(0, 255),
    scale=st.floats(0.1, 3),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float64]),
)
@settings(max_examples=10)
def test_a_constant_image_stays_constant(resample, restore, level, scale, dtype):
    images = np.full((1, 9, 14, 3), level, dtype)
    transformer = Resize(scale, restore=restore, resample=resample, data_range=256)
    perturbed = transformer.transform(images)
    np.testing.assert_allclose(perturbed, level, rtol=1e-5)
    if restore:
        assert perturbed.shape == images.shape


def test_there_and_back_loses_what_the_smaller_image_cannot_hold():
    images = np.random.default_rng(0).normal(128, 20, (4, 32, 32)).astype(np.float32)
    restored = Resize(0.5, restore=True).transform(images)
    once = Resize(0.5).transform(images)
    np.testing.assert_array_equal(restored, Resize(2.0).transform(once))
    assert restored.std() < 0.6 * images.std()


def test_no_image_vanishes():
    assert Resize(0.01).transform(np.ones((2, 8, 30), np.uint8) * 9).shape == (2, 1, 1)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.3])
def test_blur_equals_the_slow_reference(make_images, sigma):
    images = make_images(n_per_class=1, shape=(12, 17, 3))[0].astype(float)
    expected = np.empty_like(images)
    for n, c in np.ndindex(len(images), 3):
        plane = images[n, ..., c]
        expected[n, ..., c] = plane - gaussian_residual(plane, sigma)
    np.testing.assert_allclose(GaussianBlur(sigma).transform(images), expected, atol=1e-9)
    eight_bit = GaussianBlur(sigma).transform(images.astype(np.uint8))
    assert np.abs(eight_bit - expected).max() < 0.501


@pytest.mark.parametrize("white", [255.0, 1.0, 65535.0])
def test_noise_is_white_gaussian_and_of_sigma_grey_levels(white):
    images = np.random.default_rng(0).uniform(0, white, (4, 128, 128, 3))
    noise = GaussianNoise(2.0, random_state=0, data_range=white).transform(images) - images
    noise *= 255 / white
    n = noise.size
    assert abs(noise.mean()) < 5 * 2 / np.sqrt(n)
    assert noise.std() == pytest.approx(2, rel=5 / np.sqrt(2 * n))
    assert np.mean(noise**4) == pytest.approx(3 * 2**4, rel=0.05)
    for axis in range(4):  # other images, rows, columns, channels
        neighbours = np.corrcoef(noise.ravel(), np.roll(noise, 1, axis).ravel())[0, 1]
        assert abs(neighbours) < 5 / np.sqrt(n)


def test_noise_depends_on_the_values_and_the_seed_and_not_on_the_dtype(make_images):
    images = make_images(shape=(16, 16))[0]
    noisy = GaussianNoise(random_state=0).transform(images.astype(float))
    eight_bit = GaussianNoise(random_state=0).transform(images)
    np.testing.assert_array_equal(eight_bit, noisy.round().clip(0, 255))
    assert not np.array_equal(GaussianNoise(random_state=1).transform(images), eight_bit)
    changed = images.copy()
    changed[0, 0, 0] ^= 1
    difference = GaussianNoise(random_state=0).transform(changed) != eight_bit
    assert difference[0].mean() > 0.5
    assert not difference[1:].any()


@pytest.mark.parametrize("state", [None, np.random.RandomState(0)])
def test_without_an_int_each_call_draws_other_noise(make_images, state):
    images = make_images(shape=(16, 16))[0]
    noise = GaussianNoise(random_state=state)
    assert not np.array_equal(noise.transform(images), noise.transform(images))


@pytest.mark.parametrize(
    ("crop", "rows", "columns"),
    [
        (Crop(), slice(0, 9), slice(0, 12)),
        (Crop(4), slice(0, 4), slice(0, 4)),
        (Crop((4, 7), offset=(3, 5)), slice(3, 7), slice(5, 12)),
        (Crop((4, 7), offset="center"), slice(2, 6), slice(2, 9)),
        (Crop(trim=2), slice(2, 7), slice(2, 10)),
        (Crop(offset=(0, 3)), slice(0, 9), slice(3, 12)),
        (Crop(3, trim=2, offset=(1, 0)), slice(3, 6), slice(2, 5)),
    ],
    ids=str,
)
def test_crops_are_the_named_pixels(crop, rows, columns):
    images = np.arange(2 * 9 * 12 * 3, dtype=np.uint16).reshape(2, 9, 12, 3)
    crop.fit(images)
    np.testing.assert_array_equal(crop.transform(images), images[:, rows, columns])
    assert crop.output_shape_ == images[0, rows, columns].shape


def test_random_crops_are_everywhere_and_repeat_with_the_seed():
    index = np.arange(4 * 5, dtype=float).reshape(4, 5)
    images = np.stack([index + 100 * k for k in range(200)])
    crop = Crop((3, 2), trim=0, offset="random", random_state=0)
    starts = crop.transform(images)[:, 0, 0] % 100
    assert set(starts) == {row * 5 + column for row in range(2) for column in range(4)}
    np.testing.assert_array_equal(crop.transform(images)[:, 0, 0] % 100, starts)
    other = clone(crop).set_params(random_state=1).transform(images)[:, 0, 0] % 100
    assert not np.array_equal(other, starts)


@pytest.mark.parametrize(
    ("crop", "words"),
    [
        (Crop(9), r"Crop\(size=9\) does not fit into images of 8x10 pixels"),
        (Crop(8, offset=(0, 3)), "does not fit"),
        (Crop(trim=4), "does not fit"),
        (Crop(8, trim=1, offset="center"), "does not fit"),
        (Crop((2.5, 3)), "size must be whole numbers of pixels"),
        (Crop((0, 3)), "does not fit"),
        (Crop(2, offset=(-1, 0)), "offset must be whole numbers of pixels"),
        (Crop(2, offset=(1, 2, 3)), "offset must be whole numbers of pixels"),
    ],
    ids=repr,
)
def test_crops_that_do_not_fit_are_refused(crop, words):
    with pytest.raises(ValueError, match=words):
        crop.transform(np.zeros((1, 8, 10), np.uint8))
