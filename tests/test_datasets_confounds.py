"""Confounds: properties of files that tell classes apart."""

import numpy as np
import pytest
from sklearn.utils import Bunch

from sklearn_ganprint.datasets import confounds


def _properties(n_classes=3, n_each=20, **changed):
    n = n_classes * n_each
    values = {
        "target": np.repeat(np.arange(n_classes), n_each),
        "target_names": np.array([f"c{index}" for index in range(n_classes)]),
        "formats": np.full(n, "PNG"),
        "modes": np.full(n, "RGB"),
        "widths": np.full(n, 64),
        "heights": np.full(n, 48),
        "jpeg_quality": np.full(n, np.nan),
    }
    return Bunch(**(values | changed))


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_equal_properties_are_no_confound(n_classes):
    assert confounds(_properties(n_classes)) == []


@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize("seed", range(5))
def test_properties_drawn_alike_in_every_class_are_no_confound(n_classes, seed):
    rng, n = np.random.default_rng(seed), 40 * n_classes
    bunch = _properties(
        n_classes,
        40,
        formats=rng.choice(["PNG", "JPEG"], n),
        widths=rng.integers(50, 500, n),
        jpeg_quality=rng.integers(60, 100, n).astype(float),
        modes=rng.choice(["RGB", "L", "P"], n),
    )
    assert confounds(bunch) == []


def test_unequal_class_sizes_are_no_confound():
    assert confounds(_properties(2, 20, target=np.array([0] * 39 + [1]))) == []


@pytest.mark.parametrize(
    ("key", "usual", "odd", "sentence"),
    [
        ("formats", "PNG", "JPEG", "format: 'c1' is JPEG (20 of 20), all other classes are PNG"),
        ("modes", "RGB", "L", "colour mode: 'c1' is L (20 of 20), all other classes are RGB"),
        ("widths", 64, 32, "size: 'c1' is 32 x 48 (20 of 20), all other classes are 64 x 48"),
        ("jpeg_quality", 90.0, 75.0, "JPEG quality: 'c1' is 75 (20 of 20), all other classes are"),
    ],
)
@pytest.mark.parametrize("n_classes", [3, 12])
def test_one_odd_class_is_named(key, usual, odd, sentence, n_classes):
    values = np.repeat([usual, odd] + [usual] * (n_classes - 2), 20)
    [found] = confounds(_properties(n_classes, **{key: values}))
    assert found.startswith(sentence)


def test_two_classes_are_both_described():
    bunch = _properties(2, formats=np.array(["PNG"] * 18 + ["JPEG"] * 22))
    assert confounds(bunch) == ["format: 'c0' is PNG (18 of 20), 'c1' is JPEG (20 of 20)"]


@pytest.mark.parametrize("n_classes", [4, 20])
def test_half_of_the_classes_in_another_format(n_classes):
    formats = np.repeat(["PNG", "JPEG"], 10 * n_classes)
    [found] = confounds(_properties(n_classes, formats=formats))
    assert "'c0' and 'c1'" in found and "JPEG" in found and "PNG" in found


def test_quality_is_compared_among_jpeg_files_only():
    quality = np.array([80.0] * 10 + [np.nan] * 10 + [80.0] * 10 + [np.nan] * 10)
    assert confounds(_properties(2, jpeg_quality=quality)) == []


def test_disjoint_quality_ranges_are_a_confound():
    rng = np.random.default_rng(0)
    quality = np.concatenate([rng.integers(60, 80, 20), rng.integers(80, 100, 20)]).astype(float)
    [found] = confounds(_properties(2, jpeg_quality=quality))
    assert found.startswith("JPEG quality: ")


@pytest.mark.parametrize(
    ("n_classes", "sentence"),
    [
        (2, "format: 9 of 20 of 'c1' are JPEG, 0 of 20 of 'c0'"),
        (5, "format: 9 of 20 of 'c1' are JPEG, 0 of 80 of all other classes"),
    ],
)
def test_a_class_of_two_formats_is_told_by_its_shares(n_classes, sentence):
    formats = np.full(20 * n_classes, "PNG", dtype="<U4")
    formats[20:29] = "JPEG"
    assert confounds(_properties(n_classes, formats=formats)) == [sentence]
