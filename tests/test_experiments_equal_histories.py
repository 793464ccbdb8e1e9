"""Histories of one distribution for images of all classes."""

import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from sklearn_ganprint.datasets import ImageReader, load_samples
from sklearn_ganprint.experiments import audit_attribution, equalize_histories
from sklearn_ganprint.perturbations import RandomHistory

Y = np.repeat(["gan", "photo"], 10)


@pytest.fixture(scope="module")
def mosaics():
    """Images of 256 pixels a side, each of four of the samples."""
    data = load_samples().data[:80]
    rows = data.reshape(20, 2, 2, 128, 128, 3).transpose(0, 1, 3, 2, 4, 5)
    return rows.reshape(20, 256, 256, 3)


@pytest.fixture
def files(mosaics, tmp_path):
    """Files that differ by class in format, size and quality."""
    paths = []
    for number, (image, label) in enumerate(zip(mosaics, Y, strict=True)):
        path = tmp_path / f"{number:02d}.{'png' if label == 'gan' else 'jpg'}"
        picture = Image.fromarray(image if label == "gan" else image[:250, :240])
        picture.save(path, quality=60 + number)
        paths.append(path)
    return paths


def steps(history):
    return [(operation.name, operation.parameters) for operation in history]


def test_images_are_cut_alike_and_go_through_their_histories(files):
    history = RandomHistory(blur=None, random_state=5)
    equal = equalize_histories(files, Y, history=history, random_state=5)
    images = [np.asarray(Image.open(path))[:250, :240] for path in files]
    expected = [history.transform_whole(image[None])[0] for image in images]
    height, width = (min(image.shape[axis] for image in expected) for axis in (0, 1))
    assert_array_equal(equal.data, [image[:height, :width] for image in expected])
    assert list(map(steps, equal.histories)) == [
        steps(history.histories(image[None])[0]) for image in images
    ]
    assert_array_equal(equal.target, Y)
    assert_array_equal(equal.kept, range(20))


def test_default_histories_crop_reduce_and_compress(mosaics):
    found = [steps(history) for history in equalize_histories(mosaics, Y).histories]
    assert {tuple(name for name, _ in each) for each in found} == {("crop", "resize", "jpeg")}
    scales, qualities = (
        [each[n][1][key] for each in found] for n, key in ((1, "scale"), (2, "quality"))
    )
    assert 0.5 <= min(scales) < max(scales) <= 0.75
    assert 70 <= min(qualities) < max(qualities) <= 95


def test_a_seed_draws_the_same_again_and_another_does_not(mosaics):
    first, again, other = (
        equalize_histories(mosaics, Y, random_state=seed, n_jobs=jobs).data
        for seed, jobs in ((0, None), (0, 2), (1, None))
    )
    assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


def test_the_history_of_an_image_does_not_depend_on_its_class_or_place(mosaics):
    order = np.random.default_rng(0).permutation(20)
    equal, shuffled = equalize_histories(mosaics, Y), equalize_histories(mosaics[order], Y)
    assert_array_equal(equal.data[order], shuffled.data)


def test_images_of_several_sizes_are_cut_to_what_all_have(mosaics):
    several = [image[: 256 - 2 * number] for number, image in enumerate(mosaics)]
    equal = equalize_histories(several, Y)
    assert_array_equal(equal.data, equalize_histories(mosaics[:, :218], Y).data)


def test_qualities_are_drawn_from_those_of_a_class(files):
    equal = equalize_histories(files, Y, like="photo")
    drawn = [steps(history)[-1][1]["quality"] for history in equal.histories]
    assert set(drawn) <= set(range(70, 80)) and len(set(drawn)) > 3
    # PNG files without a trace of compression were not compressed.
    uncompressed = equalize_histories(files, Y, like="gan").histories
    assert [[name for name, _ in steps(each)] for each in uncompressed] == [["crop", "resize"]] * 20


def test_qualities_of_a_class_are_seen_in_pixels(mosaics):
    images = mosaics.copy()
    for number in range(10, 20):
        Image.fromarray(images[number]).save(stream := io.BytesIO(), "JPEG", quality=64)
        images[number] = np.asarray(Image.open(stream))
    equal = equalize_histories(images, Y, like="photo")
    assert {steps(history)[-1][1]["quality"] for history in equal.histories} == {64}


def test_compression_of_one_class_shows_no_more(mosaics):
    images = np.concatenate([mosaics, mosaics[:, ::-1]])[..., 1:2].copy()
    y = np.tile(Y, 2)
    for number in np.flatnonzero(y == "photo"):
        Image.fromarray(images[number, ..., 0]).save(stream := io.BytesIO(), "JPEG", quality=70)
        images[number, ..., 0] = np.asarray(Image.open(stream))
    assert audit_attribution(images, y)["compression shown"].accuracy == 1
    equal = equalize_histories(images, y)
    assert not audit_attribution(equal.data, equal.target)["compression shown"].above_chance


def test_files_that_cannot_be_read_are_left_out(files):
    files[3].write_text("no image")
    equal = equalize_histories(files, Y, reader=ImageReader(128))
    assert_array_equal(equal.kept, np.delete(np.arange(20), 3))
    assert_array_equal(equal.target, np.delete(Y, 3))
    assert [failure.filename for failure in equal.failures] == [str(files[3])]
    without = equalize_histories(np.delete(files, 3), np.delete(Y, 3), reader=ImageReader(128))
    assert_array_equal(equal.data, without.data)


def test_arguments_stay_as_they_are(mosaics):
    images, history = mosaics.copy(), RandomHistory(random_state=7)
    images.flags.writeable = False
    equalize_histories(images, Y, history=history)
    assert_array_equal(images, mosaics)
    assert history.random_state == 7


def test_wrong_use_is_told(mosaics, tmp_path):
    with pytest.raises(ValueError, match=r"like: expected one of \['gan', 'photo'\], got 'real'"):
        equalize_histories(mosaics, Y, like="real")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        equalize_histories(mosaics, Y[1:])
    with pytest.raises(ValueError, match="expected at least one image or file, got none"):
        equalize_histories(mosaics[:0], [])
    with pytest.raises(ValueError, match="All images must have one shape: image 0 has shape"):
        equalize_histories([mosaics[0], mosaics[1][..., :1]], Y[:2])
    with pytest.raises(ValueError, match="white is 255, got values from 0 to 1"):
        equalize_histories(mosaics / 255, Y)
    (tmp_path / "x.png").write_text("no image")
    with pytest.raises(ValueError, match=r"None of the 1 images can be used; the first: .*x\.png"):
        equalize_histories([tmp_path / "x.png"], ["gan"])
