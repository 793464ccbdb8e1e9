"""The simulated zoo, as it is asked for."""

import numpy as np
import pytest

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import make_generator_images, write_generator_images


def test_bunch():
    bunch = make_generator_images(3, image_size=(20, 33), sources=["S2", "C1", "N2"])
    assert (bunch.data.shape, bunch.data.dtype) == ((9, 20, 33, 3), np.uint8)
    assert bunch.target_names.tolist() == ["S2", "C1", "N2"]
    assert bunch.architectures.tolist() == ["Star-GAN", "Cycle-GAN", "camera"]
    assert bunch.target.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert bunch.groups.tolist() == [0, 1, 2] * 3
    assert "20 x 33" in bunch.DESCR


def test_the_zoo_of_table_1():
    bunch = make_generator_images(1, image_size=16)
    names, counts = np.unique(bunch.architectures, return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    assert found == {"Cycle-GAN": 9, "Pro-GAN": 6, "Star-GAN": 5, "camera": 2}
    assert bunch.target_names.tolist()[::9] == ["C1", "G1", "S4"]


@pytest.mark.parametrize("source", ["C3", "G2", "S5", "N1"])
def test_an_image_does_not_depend_on_what_else_is_asked_for(source):
    alone = make_generator_images(2, image_size=24, sources=[source]).data
    among = make_generator_images(7, image_size=24, sources=["G1", source, "N2"]).data
    np.testing.assert_array_equal(alone, among[7:9])


@pytest.mark.parametrize("source", ["C3", "N1"])
def test_seeds_draw_contents(source):
    first, second = (
        make_generator_images(2, image_size=32, sources=[source], random_state=seed).data
        for seed in (1, 2)
    )
    distinct = (first[0], first[1], second[0], second[1])
    assert len({image.tobytes() for image in distinct}) == 4


def test_contents_of_ones_own():
    names = ["C1", "C2"]
    shared, own = (
        make_generator_images(3, image_size=48, sources=names, shared_content=shared)
        for shared in (True, False)
    )
    differences = [
        np.abs(np.diff(each.data.reshape(2, 3, -1).astype(float), axis=0)).mean()
        for each in (shared, own)
    ]
    assert differences[1] > 4 * differences[0]
    assert own.groups.tolist() == list(range(6))
    alone = make_generator_images(1, image_size=48, sources=["C2"], shared_content=False)
    np.testing.assert_array_equal(own.data[3], alone.data[0])


def accuracy(rows, bunch):
    """Fit on the images of even numbers, test on the others."""
    fitted = bunch.groups % 2 == 0
    classifier = FingerprintClassifier().fit(rows[fitted], bunch.target[fitted])
    return classifier.score(rows[~fitted], bunch.target[~fitted])


def test_fingerprints_tell_sources_apart():
    names = ["C2", "C6", "G6", "S1", "S3"]
    bunch = make_generator_images(80, image_size=48, sources=names)
    assert accuracy(ResidualTransformer().fit_transform(bunch.data), bunch) > 0.4


def test_contents_do_not_tell_sources_apart():
    names = ["C2", "C6", "G6", "S1", "N1"]
    bunch = make_generator_images(40, image_size=24, sources=names, shared_content=False)
    denoised = bunch.data.mean(-1).reshape(200, -1) - ResidualTransformer().fit_transform(
        bunch.data
    )
    assert abs(accuracy(denoised, bunch) - 0.2) < 0.11


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"sources": ["C1", "C10"]}, ValueError, "C10"),
        ({"sources": []}, ValueError, "some of C1"),
        ({"sources": ["C1", "C1"]}, ValueError, "once"),
        ({"sources": "C1"}, TypeError, "list"),
        ({"image_size": 8}, ValueError, "at least 16, got 8"),
        ({"image_size": (32, 32, 3)}, ValueError, "height, width"),
        ({"image_size": 32.0}, TypeError, "image_size"),
        ({"n_images": 0}, ValueError, "n_images must be at least 1"),
        ({"n_images": 2.5}, TypeError, "n_images must be an integer"),
    ],
)
def test_wrong_parameters(tmp_path, params, error, match):
    with pytest.raises(error, match=match):
        make_generator_images(**{"n_images": 1, **params})
    with pytest.raises(error, match=match):
        write_generator_images(tmp_path / "new", **{"n_images": 1, **params})
    assert not (tmp_path / "new").exists()
