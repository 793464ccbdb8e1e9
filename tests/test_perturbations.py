import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
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
    RandomHistory,
    Resize,
    SimulatedSource,
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
    RandomHistory(),
    RandomHistory.preset("messenger", random_state=1),
    RandomHistory.preset("challenge"),
    *map(SimulatedSource, (2, 6, 9, 19)),
]
#: Their noise depends on the values of an image, which other dtypes have others of.
NOISY = [SimulatedSource(2)]
KINDS = [
    *(JPEGCompression, Resize, GaussianBlur, GaussianNoise, Crop, RandomHistory, SimulatedSource),
]
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
    noisy = "random_state" in perturbation.get_params() or str(perturbation) in map(str, NOISY)
    if perturbed.dtype.kind == "u" and not noisy:
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


@pytest.mark.parametrize(
    ("perturbation", "text"),
    [
        (JPEGCompression(85), "JPEG 85"),
        (JPEGCompression(subsampling="4:4:4"), "JPEG 95 4:4:4"),
        (Resize(0.75), "resize 0.75"),
        (Resize(2, restore=True, resample="box"), "resize 2 box and back"),
        (GaussianBlur(), "blur 1"),
        (GaussianNoise(0.5), "noise 0.5"),
        (RandomHistory(), "history web"),
        (RandomHistory.preset("social", draw=2), "history social, draw 2"),
        (RandomHistory(jpeg=None), "history"),
        (Crop(), "crop"),
        (Crop((128, 96), trim=8, offset=(3, 5)), "trim 8 crop 128x96 at 3,5"),
        (Crop(64, offset="center"), "crop 64 center"),
        (SimulatedSource(12), "source 12"),
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
        SimulatedSource(3),
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
        ("jpg 85", "blur, crop, jpeg, noise, resize, source, trim and a number.*got 'jpg 85'"),
        ("jpeg", "got 'jpeg'"),
        ("jpeg high", "got 'jpeg high'"),
        ("blur 1 and back", "got 'blur 1 and back'"),
        ("jpeg 101", "'quality' parameter of JPEGCompression"),
        ("blur 0", "'sigma' parameter of GaussianBlur"),
        ("source 1.5", "got 'source 1.5'"),
        ("source -1", "'number' parameter of SimulatedSource"),
    ],
)
def test_other_words_are_refused(text, words):
    with pytest.raises(ValueError, match=words):
        check_perturbation(text)


def test_what_is_neither_is_refused():
    with pytest.raises(TypeError, match=r"such as JPEGCompression\(85\)"):
        check_perturbation(85)


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
        {"jpegcompression": [GaussianNoise(80.0), Crop(trim=4), "passthrough"]},
    ]
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 5
    assert scores[2] < scores[1]  # the pattern drowns
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
