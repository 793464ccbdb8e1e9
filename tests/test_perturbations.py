import io
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from references import gaussian_residual, jpeg_grey, resized
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from sklearn_ganprint import (
    FileBatchClassifier,
    FingerprintClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.perturbations import (
    Crop,
    GaussianBlur,
    GaussianNoise,
    JPEGCompression,
    Resize,
    check_perturbation,
)

PERTURBATIONS = [
    JPEGCompression(75),
    JPEGCompression(90, subsampling="4:4:4"),
    Resize(0.6),
    Resize(1.3, restore=True, resample="lanczos"),
    GaussianBlur(0.8),
    GaussianNoise(3.0, random_state=0),
    Crop((4, 5), trim=1, offset=(1, 0)),
    Crop(4, offset="random", random_state=0),
]
KINDS = [JPEGCompression, Resize, GaussianBlur, GaussianNoise, Crop]
each_perturbation = pytest.mark.parametrize("perturbation", PERTURBATIONS, ids=str)

batches = st.sampled_from([(8, 9), (11, 7, 1), (7, 16, 3)]).flatmap(
    lambda shape: arrays(
        np.uint8, st.integers(1, 4).map(lambda n: (n, *shape)), elements=st.integers(2, 255)
    )
)


def with_dtype(images, dtype):
    """The images in another dtype, white being 1 in floats, and what tells white."""
    white = {"uint8": 255.0, "uint16": 65535.0}.get(np.dtype(dtype).name, 1.0)
    return (images * (white / 255)).astype(dtype), white


def set_white(perturbation, white):
    perturbation = clone(perturbation)
    return perturbation.set_params(data_range=white) if has_white(perturbation) else perturbation


def has_white(perturbation):
    return "data_range" in perturbation.get_params()


@each_perturbation
@given(images=batches, data=st.data())
@settings(max_examples=15)
def test_an_image_comes_out_the_same_in_any_batch(perturbation, images, data):
    together = perturbation.transform(images)
    order = data.draw(st.permutations(range(len(images))))
    np.testing.assert_array_equal(perturbation.transform(images[order]), together[order])
    alone = [perturbation.transform(images[[k]])[0] for k in range(len(images))]
    np.testing.assert_array_equal(alone, together)


@each_perturbation
@given(images=batches)
@settings(max_examples=10)
def test_rows_and_images_come_out_as_they_came(perturbation, images):
    together = perturbation.transform(images)
    assert together.ndim == images.ndim
    assert together.flags.c_contiguous
    rows = clone(perturbation).set_params(image_shape=images.shape[1:]).fit(images)
    perturbed = rows.transform(images.reshape(len(images), -1))
    np.testing.assert_array_equal(perturbed, together.reshape(len(images), -1))
    assert perturbed.shape[1] == np.prod(rows.output_shape_)


@each_perturbation
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_the_dtype_stays_and_integers_are_rounded(make_images, perturbation, dtype):
    images, white = with_dtype(make_images(shape=(16, 16, 3))[0], dtype)
    perturbed = set_white(perturbation, white).fit_transform(images)
    assert perturbed.dtype == dtype
    if perturbed.dtype.kind == "u" and "random_state" not in perturbation.get_params():
        floats = perturbation.transform(images * np.float32(255 / white))
        # Of 8-bit images, Pillow rounds what it has resized along one axis too.
        assert np.abs(perturbed * (255 / white) - floats).max() < 3


@pytest.mark.parametrize("kind", [Resize(2.0), GaussianNoise(50, random_state=0)], ids=str)
def test_integers_are_clipped_at_white_and_floats_are_not(kind):
    edge = np.tile(np.repeat([0.0, 1.0], 8), (1, 16, 1))
    floats = set_white(kind, 1.0).transform(edge)
    assert floats.min() < 0
    assert floats.max() > 1
    twelve_bit = set_white(kind, 4095.0).transform((edge * 4095).astype(np.uint16))
    assert (twelve_bit.min(), twelve_bit.max()) == (0, 4095)


@each_perturbation
def test_arguments_are_not_changed_and_may_be_read_only(make_images, tmp_path, perturbation):
    images = make_images(shape=(16, 16, 3))[0].astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    perturbed = perturbation.transform(mapped)
    np.testing.assert_array_equal(perturbed, perturbation.transform(images))
    np.testing.assert_array_equal(mapped, images)
    assert not np.shares_memory(perturbation.transform(images), images)


@each_perturbation
def test_a_list_of_images_is_taken(make_images, perturbation):
    images = make_images(shape=(16, 16))[0]
    np.testing.assert_array_equal(
        perturbation.transform(list(images)), perturbation.transform(images)
    )


@each_perturbation
def test_copies_do_the_same(make_images, perturbation):
    images = make_images(shape=(16, 16, 3))[0]
    expected = perturbation.transform(images)
    for copied in (clone(perturbation), pickle.loads(pickle.dumps(perturbation.fit(images)))):
        np.testing.assert_array_equal(copied.transform(images), expected)
        assert str(copied) == str(perturbation)


# JPEG


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


# Resize


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


# Blur and noise


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


# Crop


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


# Names


@pytest.mark.parametrize(
    ("perturbation", "text"),
    [
        (JPEGCompression(85), "JPEG 85"),
        (JPEGCompression(subsampling="4:4:4"), "JPEG 95 4:4:4"),
        (Resize(0.75), "resize 0.75"),
        (Resize(2, restore=True, resample="box"), "resize 2 box and back"),
        (GaussianBlur(), "blur 1"),
        (GaussianNoise(0.5), "noise 0.5"),
        (Crop(), "crop"),
        (Crop((128, 96), trim=8, offset=(3, 5)), "trim 8 crop 128x96 at 3,5"),
        (Crop(64, offset="center"), "crop 64 center"),
    ],
)
def test_each_says_in_a_word_what_it_does(perturbation, text):
    assert str(perturbation) == text
    assert type(perturbation).__name__ in repr(perturbation)


@pytest.mark.parametrize(
    "perturbation",
    [
        JPEGCompression(60),
        Resize(1.25),
        Resize(0.75, restore=True),
        GaussianBlur(0.5),
        GaussianNoise(2, random_state=0),
        Crop(128),
        Crop(trim=16),
    ],
    ids=str,
)
def test_the_word_is_read_as_the_same_perturbation(perturbation):
    read = check_perturbation(str(perturbation).upper())
    assert type(read) is type(perturbation)
    assert read.get_params() == perturbation.get_params()
    assert check_perturbation(perturbation) is perturbation


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jpg 85", "blur, crop, jpeg, noise, resize, trim and a number.*got 'jpg 85'"),
        ("jpeg", "got 'jpeg'"),
        ("jpeg high", "got 'jpeg high'"),
        ("blur 1 and back", "got 'blur 1 and back'"),
        ("jpeg 101", "'quality' parameter of JPEGCompression"),
        ("blur 0", "'sigma' parameter of GaussianBlur"),
    ],
)
def test_other_words_are_refused(text, words):
    with pytest.raises(ValueError, match=words):
        check_perturbation(text)


def test_what_is_neither_is_refused():
    with pytest.raises(TypeError, match=r"such as JPEGCompression\(85\)"):
        check_perturbation(85)


# In other tools


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_the_shape_is_learned(kind):
    assert not get_tags(kind()).requires_fit


def test_parameters_are_checked_without_fit_too():
    with pytest.raises(ValueError, match="'quality' parameter"):
        JPEGCompression(0).transform(np.zeros((1, 8, 8)))


def test_grid_search_over_perturbations_and_their_parameters(make_images):
    X, y = make_images(n_per_class=6)
    pipeline = make_pipeline(
        JPEGCompression(), ResidualTransformer("gaussian"), FingerprintClassifier()
    )
    grid = [
        {"jpegcompression__quality": [60, 95]},
        {"jpegcompression": [GaussianBlur(3.0), Crop(trim=4), "passthrough"]},
    ]
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 5
    assert scores[2] < scores[1]  # the pattern is of high frequency
    assert search.best_score_ > 0.9


@each_perturbation
def test_files_in_batches_equal_one_call_on_all(image_folder, perturbation):
    _, paths, y = image_folder(shape=(24, 24, 3), n_per_class=5)
    images = np.stack([np.asarray(Image.open(path)) for path in paths])
    pipeline = make_pipeline(perturbation, ResidualTransformer("gaussian"), FingerprintClassifier())
    expected = clone(pipeline).fit(images, y).decision_function(images)
    files = FileBatchClassifier(pipeline, batch_size=4).fit(paths, y)
    np.testing.assert_allclose(files.decision_function(paths), expected, atol=1e-5)


@each_perturbation
def test_saved_models_perturb_alike(make_images, tmp_path, perturbation):
    X, y = make_images(shape=(24, 24, 3))
    pipeline = make_pipeline(
        perturbation, ResidualTransformer("gaussian"), FingerprintClassifier()
    ).fit(X, y)
    save_model(pipeline, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert repr(loaded[0]) == repr(pipeline[0])
    np.testing.assert_array_equal(loaded.decision_function(X), pipeline.decision_function(X))


def test_rows_come_out_as_a_data_frame_on_request(make_images):
    images = make_images(n_per_class=1, shape=(8, 10))[0]
    rows = images.reshape(len(images), -1)
    crop = Crop((3, 2), image_shape=(8, 10)).set_output(transform="pandas")
    frame = crop.fit_transform(rows)
    assert list(frame.columns) == [f"crop{k}" for k in range(6)]
    np.testing.assert_array_equal(frame, images[:, :3, :2].reshape(len(images), -1))


def test_other_images_than_in_fit_are_refused():
    with pytest.raises(ValueError, match="expecting images of shape"):
        GaussianBlur().fit(np.ones((2, 8, 16))).transform(np.ones((2, 16, 8)))
