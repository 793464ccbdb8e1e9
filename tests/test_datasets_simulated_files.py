"""The simulated zoo as files."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from sklearn_ganprint.datasets import make_generator_images, write_generator_images

SETTINGS_FILE = ".simulation.json"


@pytest.fixture
def write(tmp_path):
    """Write a few small images; returns the folder and the files."""

    def run(n_images=2, *, image_size=16, sources=("C1", "N1"), **params):
        folder = tmp_path / "zoo"
        return folder, write_generator_images(
            folder, n_images, image_size=image_size, sources=sources, **params
        )

    return run


def all_files(folder):
    return sorted(
        os.path.relpath(os.path.join(where, name), folder)
        for where, _, names in os.walk(folder)
        for name in names
    )


def test_files_are_the_images_in_memory(write):
    calls = []
    folder, files = write(5, random_state=4, n_jobs=2, progress=lambda *args: calls.append(args))
    expected = make_generator_images(5, image_size=16, sources=["C1", "N1"], random_state=4).data
    for file, pixels in zip(files, expected, strict=True):
        with Image.open(file) as image:
            assert image.format == "PNG"
            np.testing.assert_array_equal(image, pixels)
    assert os.path.relpath(files[-1], folder) == os.path.join("camera", "N1", "0004.png")
    assert all_files(folder) == sorted(
        [SETTINGS_FILE, *(os.path.relpath(file, folder) for file in files)]
    )
    assert calls == [(8, 10), (10, 10)]


def test_a_second_run_adds_what_is_missing(write):
    _, files = write(3)
    os.unlink(files[1])
    times = {file: os.stat(file).st_mtime_ns for file in files if os.path.exists(file)}
    _, more = write(4, sources=("C1", "N1", "G1"))
    assert all(os.path.exists(file) for file in more)
    assert len(more) == 12
    assert {file: os.stat(file).st_mtime_ns for file in times} == times


@pytest.mark.parametrize(
    "other", [{"image_size": 20}, {"random_state": 1}, {"shared_content": False}]
)
def test_other_settings_are_not_mixed_in(write, other):
    folder, _ = write(3, sources=("C1", "C2"))
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write(**other)
    _, files = write(overwrite=True, **other)
    expected = make_generator_images(
        2, **{"image_size": 16, "sources": ["C1", "N1"], "random_state": 0, **other}
    ).data
    np.testing.assert_array_equal([np.asarray(Image.open(file)) for file in files], expected)
    # Nor does any old image stay, which a later call would take for one of its own.
    assert len(all_files(folder)) == 1 + len(files)


def test_files_of_others_are_left_alone(write, tmp_path):
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"zoo: expected an empty folder"):
        write()
    assert all_files(tmp_path / "zoo") == ["notes.txt"]
    write(overwrite=True)
    assert (tmp_path / "zoo" / "notes.txt").read_text() == "mine"


def test_settings_that_cannot_be_read(write):
    folder, _ = write()
    (folder / SETTINGS_FILE).write_text("{")
    with pytest.raises(FileExistsError, match=SETTINGS_FILE):
        write()
    write(overwrite=True)
    assert json.loads((folder / SETTINGS_FILE).read_text())["size"] == [16, 16]


def test_the_zoo_has_not_changed(write):
    """If it has, and is meant to: raise its number, or old and new images get mixed up."""
    names = ["C1", "G6", "S4", "N2"]
    images = make_generator_images(2, image_size=32, sources=names).data.reshape(4, -1)
    folder, _ = write()
    assert json.loads((folder / SETTINGS_FILE).read_text())["zoo"] == 1
    # Not to the bit: other processors may round otherwise.
    np.testing.assert_allclose(images.mean(1), [89.175, 87.943, 90.135, 87.884], atol=0.02)
    np.testing.assert_allclose(images.std(1), [37.584, 39.182, 37.614, 34.971], atol=0.02)
