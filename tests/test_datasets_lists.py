"""Lists of files, and what headers say, before any pixel is read."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sklearn_ganprint.datasets import (
    FolderInUseError,
    ImageReader,
    inspect_images,
    list_images,
    load_image_folder,
    write_generator_images,
)


@pytest.fixture
def folder(tmp_path):
    """Two labels, a file beside the folders, and a link that leads back up."""
    for number, name in enumerate(["b/2.png", "b/deep/1.png", "a/1.jpg", "beside.png"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20 + number, 30)).save(path, quality=90)
    (tmp_path / "a" / ".hidden").write_text("")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    return tmp_path


def _names(paths, folder):
    return [Path(os.path.relpath(path, folder)).as_posix() for path in paths]


def test_list_images_says_what_lies_where(folder):
    listed = list_images(folder)
    assert _names(listed.filenames, folder) == ["a/1.jpg", "b/2.png", "b/deep/1.png"]
    assert listed.labels.tolist() == ["a", "b", "b"]
    failed = _names([failure.filename for failure in listed.failures], folder)
    assert failed == ["beside.png", "a/back"]


def test_list_images_without_layout_lists_everything_once(folder):
    listed = list_images(folder, layout=None)
    names = _names(listed.filenames, folder)
    assert names == ["a/1.jpg", "b/2.png", "b/deep/1.png", "beside.png"]
    assert listed.labels is None
    assert _names([failure.filename for failure in listed.failures], folder) == ["a/back"]
    alone = list_images(folder / "beside.png", layout=None)
    assert _names(alone.filenames, folder) == ["beside.png"]
    with pytest.raises(FileNotFoundError, match="expected a folder or file"):
        list_images(folder / "none.png", layout=None)


def test_list_images_of_a_csv_file_and_of_a_layout(folder):
    (folder / "list.csv").write_text("path,label\nb/2.png,x\nmissing.png,y\n")
    listed = list_images(folder / "list.csv")
    assert _names(listed.filenames, folder) == ["b/2.png", "missing.png"]
    assert listed.labels.tolist() == ["x", "y"] and listed.failures == []
    with pytest.raises(ValueError, match="layout"):
        list_images(folder, layout="no such layout")


def test_inspect_images_agrees_with_load_image_folder(folder):
    bunch = load_image_folder(folder, load_content=False)
    found = inspect_images(bunch.filenames)
    for key in ("filenames", "formats", "modes", "widths", "heights", "jpeg_quality"):
        np.testing.assert_array_equal(found[key], bunch[key])
    assert found.failures == []


def test_inspect_images_names_what_a_reader_cannot_use(folder):
    paths = [folder / "b" / "2.png", folder / "missing.png", folder / "a" / "1.jpg"]
    found = inspect_images(paths, reader=ImageReader(crop=(30, 22)))
    assert found.filenames.tolist() == [str(paths[2])] and found.widths.tolist() == [22]
    assert [failure.filename for failure in found.failures] == list(map(str, paths[:2]))
    nothing = inspect_images([])
    assert len(nothing.filenames) == len(nothing.widths) == 0


def test_common_size_is_that_of_most_files_or_the_crop(folder):
    paths = [folder / name for name in ("a/1.jpg", "missing.png", "b/2.png", "b/2.png")]
    assert ImageReader().common_size(paths) == (30, 20)
    assert ImageReader().common_size(paths[:3]) == (30, 22)  # the first of equally common ones
    assert ImageReader(crop=8).common_size(paths) == (8, 8)
    assert ImageReader().common_size(paths[1:2]) is None


def test_a_folder_in_use_is_an_error_with_a_reason(folder):
    with pytest.raises(FolderInUseError) as caught:
        write_generator_images(folder, 1, image_size=16, sources=["C1"])
    assert isinstance(caught.value, FileExistsError)
    assert caught.value.reason in str(caught.value) and str(folder) in caught.value.reason
