"""Reading many files: crops, sizes, order, and what happens to the bad ones."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from PIL import Image
from sklearn.base import BaseEstimator, clone

from sklearn_ganprint.datasets import (
    ImageReader,
    ImageReadError,
    content_keys,
    inspect_images,
)


class Holder(BaseEstimator):
    """Stands for an estimator that has a reader."""

    def __init__(self, reader=None):
        self.reader = reader


@pytest.fixture
def make(tmp_path):
    """Write an image of random colours; return its path and pixels."""

    def _make(name, height=20, width=30, mode="RGB"):
        rng = np.random.default_rng(sum(name.encode()))
        shape = (height, width, 3) if mode == "RGB" else (height, width)
        dtype = np.uint16 if mode == "I;16" else np.uint8
        pixels = rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)
        Image.fromarray(pixels).save(tmp_path / name)
        return str(tmp_path / name), pixels

    return _make


@pytest.fixture
def broken(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    return str(tmp_path / "broken.png")


@pytest.mark.parametrize(
    ("crop", "anchor", "rows", "columns"),
    [
        (None, "top-left", slice(0, 21), slice(0, 30)),
        (None, "center", slice(0, 21), slice(0, 30)),
        (16, "top-left", slice(0, 16), slice(0, 16)),
        (16, "center", slice(2, 18), slice(7, 23)),
        ((8, 29), "center", slice(6, 14), slice(0, 29)),
        ([np.int64(21), 30], "center", slice(0, 21), slice(0, 30)),
    ],
)
def test_crop_keeps_the_pixels_at_the_anchor(make, crop, anchor, rows, columns):
    path, pixels = make("a.png", 21, 30)
    reader = ImageReader(crop, anchor=anchor)
    np.testing.assert_array_equal(reader.read_one(path), pixels[rows, columns])
    np.testing.assert_array_equal(reader.read([path])[0], pixels[rows, columns])


@pytest.mark.parametrize("crop", [21, (10, 31), (21, 30)])
def test_image_smaller_than_the_crop_is_named(make, crop):
    path, _ = make("small.png", 20, 30)
    with pytest.raises(ImageReadError, match=r"small\.png: .*\(20, 30\) is smaller than crop=\("):
        ImageReader(crop).read_one(path)


@pytest.mark.parametrize("anchor", ["top-left", "center"])
def test_images_smaller_than_the_crop_are_kept_whole_where_they_are(make, anchor):
    reader = ImageReader((24, 16), anchor=anchor, min_side=10)
    sizes = [(30, 40), (10, 15), (24, 16), (40, 12), (12, 40)]
    written = [make(f"{index}.png", *size) for index, size in enumerate(sizes)]
    images, kept, failures = reader.try_read([path for path, _ in written])
    assert kept.tolist() == [0, 1, 2, 3, 4] and not failures
    for image, (path, pixels) in zip(images, written, strict=True):
        height, width = min(24, pixels.shape[0]), min(16, pixels.shape[1])
        top = (pixels.shape[0] - height) // 2 if anchor == "center" else 0
        left = (pixels.shape[1] - width) // 2 if anchor == "center" else 0
        np.testing.assert_array_equal(image, pixels[top : top + height, left : left + width])
        np.testing.assert_array_equal(image, reader.read_one(path))


def test_images_smaller_than_min_side_are_named_and_the_rest_read(make, broken):
    paths = [make("a.png", 9, 40)[0], make("b.png", 10, 12)[0], broken, make("c.png", 20, 20)[0]]
    reader = ImageReader(16, min_side=10)
    images, kept, failures = reader.try_read(paths)
    assert [image.shape for image in images] == [(10, 12, 3), (16, 16, 3)]
    assert kept.tolist() == [1, 3] and [each.filename for each in failures] == [paths[0], broken]
    assert "(9, 40) is too small: height and width must be 10 pixels" in failures[0].reason
    assert inspect_images(paths, reader=reader).filenames.tolist() == [paths[1], paths[3]]
    with pytest.raises(ImageReadError, match=r"a\.png.*too small"):
        reader.read(paths)


def test_min_side_means_nothing_for_what_reaches_the_crop(make):
    paths = [make(f"{index}.png", 20, 30 + index)[0] for index in range(3)]
    images = ImageReader(8, min_side=64).read(paths)
    np.testing.assert_array_equal(images, ImageReader(8).read(paths))


@pytest.mark.parametrize("sixteen_at", [0, 1, 2])
def test_images_of_several_sizes_have_one_dtype(make, sixteen_at):
    modes = ["RGB"] * 3
    modes[sixteen_at] = "I;16"
    paths = [make(f"{n}.png", 20 + n // 2, mode=mode)[0] for n, mode in enumerate(modes)]
    images = ImageReader(64, min_side=1).read(paths)
    for image, path in zip(images, paths, strict=True):
        assert image.dtype == np.float32
        np.testing.assert_array_equal(image, ImageReader().read_one(path))


def test_luminance_of_the_crop_is_the_crop_of_the_luminance(make):
    path, _ = make("a.png", 37, 41)
    whole = ImageReader(channels="luminance").read_one(path)
    part = ImageReader((13, 17), anchor="center", channels="luminance").read_one(path)
    np.testing.assert_array_equal(part, whole[12:25, 12:29])


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 3])
def test_order_is_kept_over_many_files(make, n_jobs):
    written = [make(f"{index}.png", 5, 4) for index in range(150)]
    images = ImageReader(n_jobs=n_jobs).read(path for path, _ in written)
    assert images.shape == (150, 5, 4, 3) and images.dtype == np.uint8
    np.testing.assert_array_equal(images, [pixels for _, pixels in written])


def test_other_processes_give_the_same(make, broken):
    paths = [make(f"{index}.png")[0] for index in range(3)] + [broken]
    with parallel_config("loky", n_jobs=2):
        images, kept, failures = ImageReader().try_read(paths)
    np.testing.assert_array_equal(images, ImageReader().read(paths[:3]))
    assert kept.tolist() == [0, 1, 2] and failures[0].filename == broken


@pytest.mark.parametrize("sixteen_at", [0, 1, 2])
def test_one_16_bit_image_makes_the_batch_float(make, sixteen_at):
    modes = ["RGB"] * 3
    modes[sixteen_at] = "I;16"
    written = [make(f"{index}.png", mode=mode) for index, mode in enumerate(modes)]
    images = ImageReader().read([path for path, _ in written])
    assert images.dtype == np.float32 and images.max() <= 255
    for image, (path, _) in zip(images, written, strict=True):
        np.testing.assert_array_equal(image, ImageReader().read_one(path))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_read_stops_at_the_first_bad_file(make, broken, tmp_path, n_jobs):
    paths = [make("a.png")[0], broken, str(tmp_path / "missing.png"), make("b.png")[0]]
    with pytest.raises(ImageReadError) as caught:
        ImageReader(16, n_jobs=n_jobs).read(paths)
    assert caught.value.filename == broken


def test_read_without_crop_names_the_first_file_of_another_size(make):
    paths = [make(name, height)[0] for name, height in [("a.png", 20), ("b.png", 20), ("c.png", 9)]]
    with pytest.raises(ImageReadError, match="set crop") as caught:
        ImageReader().read(paths)
    assert caught.value.filename == paths[2]
    for words in ("(9, 30)", "(20, 30)", paths[0]):
        assert words in caught.value.reason


def test_try_read_keeps_what_is_usable(make, broken, tmp_path):
    good, pixels = make("a.png")
    paths = [str(tmp_path / "missing.png"), good, broken, make("tiny.png", 4, 4)[0], good]
    images, kept, failures = ImageReader(16).try_read(paths)
    assert kept.tolist() == [1, 4] and np.issubdtype(kept.dtype, np.integer)
    assert [failure.filename for failure in failures] == [paths[0], paths[2], paths[3]]
    np.testing.assert_array_equal(images, [pixels[:16, :16]] * 2)


def test_failures_do_not_hold_on_to_memory(broken):
    _, _, [failure] = ImageReader().try_read([broken])
    assert failure.__traceback__ is None and failure.__cause__ is None
    assert failure.__context__ is None


@pytest.mark.parametrize(
    ("expected_size", "kept"), [(None, [1, 2]), ((20, 30), [0]), (9, []), ([7, 5], [1, 2])]
)
def test_try_read_holds_to_one_size(make, expected_size, kept):
    sizes = [(20, 30), (7, 5), (7, 5), (8, 8)]
    paths = [make(f"{index}.png", *size)[0] for index, size in enumerate(sizes)]
    images, found, failures = ImageReader().try_read(paths, expected_size)
    assert found.tolist() == kept and len(images) == len(kept)
    assert [f.filename for f in failures] == [p for i, p in enumerate(paths) if i not in kept]
    assert all("set crop" in failure.reason for failure in failures)


def test_of_equally_common_sizes_the_first_is_taken(make):
    paths = [make("b.png", 9, 9)[0], make("a.png", 5, 5)[0]]
    assert ImageReader().try_read(paths)[1].tolist() == [0]


@pytest.mark.parametrize(
    ("reader", "expected_size", "shape"),
    [
        (ImageReader(), None, (0, 0, 0, 3)),
        (ImageReader(), (6, 7), (0, 6, 7, 3)),
        (ImageReader((4, 5), channels="luminance"), None, (0, 4, 5, 1)),
    ],
)
@pytest.mark.parametrize("n_bad", [0, 2])
def test_nothing_usable_gives_an_empty_array(broken, reader, expected_size, shape, n_bad):
    images, kept, failures = reader.try_read([broken] * n_bad, expected_size)
    assert images.shape == shape and kept.shape == (0,) and len(failures) == n_bad
    assert images.dtype == (np.uint8 if shape[-1] == 3 else np.float32)


def test_read_of_no_files_is_empty():
    assert ImageReader((4, 5)).read([]).shape == (0, 4, 5, 3)


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda p: np.array(p, dtype=object)])
@pytest.mark.parametrize("element", [str, Path, os.fsencode])
def test_all_kinds_of_paths(make, kind, element):
    written = [make("a.png"), make("b.png")]
    images = ImageReader().read(kind([element(path) for path, _ in written]))
    np.testing.assert_array_equal(images, [pixels for _, pixels in written])


def test_names_that_are_not_utf8(make, tmp_path):
    path, pixels = make("a.png")
    name = os.path.join(os.fsencode(tmp_path), b"\xff\xfe.png")
    os.rename(path, name)
    for given in (name, os.fsdecode(name)):
        np.testing.assert_array_equal(ImageReader().read([given])[0], pixels)


@pytest.mark.parametrize("method", ["read", "try_read"])
@pytest.mark.parametrize("paths", ["a.png", b"a.png", Path("a.png")])
def test_a_single_path_is_not_a_list(method, paths):
    with pytest.raises(TypeError, match=r"paths: .*read_one"):
        getattr(ImageReader(), method)(paths)


@pytest.mark.parametrize("bad", [None, 3, ["a.png"]])
def test_elements_that_are_no_paths_are_named(bad):
    with pytest.raises(TypeError, match=rf"paths\[1\]: expected .* got {type(bad).__name__}"):
        ImageReader().read(["a.png", bad])


@pytest.mark.parametrize(
    "crop", [0, -3, True, 2.5, "16", (4,), (4, 5, 3), (4, 0), (4, False), (4.0, 4)]
)
def test_bad_crop_is_named(make, crop):
    path, _ = make("a.png")
    for read in (ImageReader(crop).read_one, lambda p: ImageReader(crop).try_read([p])):
        with pytest.raises(ValueError, match="crop: expected a positive int") as caught:
            read(path)
        assert not isinstance(caught.value, ImageReadError)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("anchor", "middle"), ("anchor", None), ("channels", "grey"), ("channels", 3)]
    + [("max_pixels", value) for value in (0, -1, True, None, 1e6)]
    + [("min_side", value) for value in (0, -1, True, 1e6, (8, 8))],
)
def test_bad_parameters_are_named_when_reading(parameter, value):
    reader = ImageReader().set_params(**{parameter: value})
    with pytest.raises(ValueError, match=rf"{parameter}: expected") as caught:
        reader.try_read([])
    assert not isinstance(caught.value, ImageReadError)


def test_bad_expected_size_is_named(make):
    with pytest.raises(ValueError, match="expected_size: expected"):
        ImageReader().try_read([make("a.png")[0]], expected_size=(0, 3))


def test_max_pixels_is_handed_on(make):
    path, _ = make("a.png", 20, 30)
    assert ImageReader(max_pixels=600).read_one(path).shape == (20, 30, 3)
    _, _, [failure] = ImageReader(max_pixels=599).try_read([path])
    assert "max_pixels=599" in failure.reason


def test_content_that_cannot_be_read_equals_nothing(tmp_path):
    # Folders of one size stand for files on a failing disk: both cannot be read.
    names = [str(tmp_path / name) for name in ("a", "b")]
    for name in names:
        os.mkdir(name)
    first, second = content_keys(names)
    assert first[0] == second[0] and first != second


def test_is_a_parameter_object():
    reader = ImageReader((8, 9), anchor="center", channels="luminance", max_pixels=50, n_jobs=2)
    copy = clone(reader)
    assert copy is not reader and copy.get_params() == reader.get_params()
    holder = clone(Holder(reader)).set_params(reader__crop=4)
    assert (holder.reader.crop, reader.crop) == (4, (8, 9))
    assert holder.get_params()["reader__anchor"] == "center"


def test_copies_are_looked_for_among_files_that_may_vanish(make, tmp_path):
    path = make("a.png", 9, 9)[0]
    copy, missing = shutil.copy(path, tmp_path / "copy.png"), str(tmp_path / "missing.png")
    first, second, *others = content_keys([str(path), str(copy), missing, missing + "2"])
    assert first == second and len({first, *others}) == 3
