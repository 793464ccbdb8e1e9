"""``ganprint simulate``, as it is used."""

import json
import os
import shutil

import numpy as np
import pytest
from cli_helpers import killed_while_writing
from PIL import Image

from sklearn_ganprint.datasets import make_generator_images


@pytest.fixture
def simulate(tmp_path, ganprint):
    """Make two small images of two sources, and what else is asked for."""

    def run(*args):
        folder = tmp_path / "zoo"
        few = ("--images", 2, "--size", "16x20", "--sources", "C1", "N1")
        return folder, *ganprint("simulate", folder, *few, *args)

    return run


def test_simulate(simulate):
    folder, status, out, err = simulate("--format", "json", "--seed", 3)
    assert status == 0
    document = json.loads(out)
    assert [row["images"] for row in document["sources"]] == [2, 2]
    assert document["sources"][1]["architecture"] == "camera"
    assert "simulating: 4 of 4" in err
    expected = make_generator_images(2, image_size=(16, 20), sources=["C1", "N1"], random_state=3)
    found = [
        np.asarray(Image.open(os.path.join(row["folder"], f"000{index}.png")))
        for row in document["sources"]
        for index in range(2)
    ]
    np.testing.assert_array_equal(found, expected.data)
    assert os.path.join(folder, "Cycle-GAN", "C1") == document["sources"][0]["folder"]


def test_simulate_goes_on_where_it_stopped(simulate):
    folder, *_ = simulate()
    first, second = (folder / "Cycle-GAN" / "C1" / f"000{index}.png" for index in range(2))
    first.unlink()
    time = second.stat().st_mtime_ns
    _, status, out, _ = simulate()
    assert status == 0
    assert "Cycle-GAN" in out
    assert first.exists()
    assert second.stat().st_mtime_ns == time


@pytest.mark.parametrize("no_settings", [True, False])
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_simulate_removes_what_a_killed_run_left(simulate, no_settings, force):
    folder, *_ = simulate()
    complete = sorted(folder.rglob("*"))
    killed_while_writing(folder / "Cycle-GAN" / "C1" / "0000.png")
    if no_settings:  # it was killed before they were there
        shutil.rmtree(folder)
        folder.mkdir()
        killed_while_writing(folder / "settings")
    assert simulate(*force)[1] == 0
    assert sorted(folder.rglob("*")) == complete


def test_simulate_refuses_or_replaces(simulate, tmp_path):
    (tmp_path / "zoo").mkdir()
    mine = tmp_path / "zoo" / "notes.txt"
    mine.write_text("mine")
    _, status, out, err = simulate()
    assert (status, out) == (2, "")
    assert "--force" in err
    assert os.listdir(tmp_path / "zoo") == ["notes.txt"]
    _, status, *_ = simulate("--force", "--format", "csv")
    assert status == 0
    assert mine.read_text() == "mine"
    _, status, _, err = simulate("--seed", 1)
    assert status == 2
    assert "made with" in err
    _, status, _, err = simulate("--own-contents")
    assert status == 2


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["--sources", "C1", "X9"], "X9"),
        (["--size", "auto"], "HxW"),
        (["--size", "8"], "at least 16"),
        (["--images", "0"], "at least 1"),
    ],
)
def test_wrong_wishes(simulate, args, word):
    folder, status, out, err = simulate(*args)
    assert (status, out) == (2, "")
    assert word in err
    assert not folder.exists()


def test_simulate_wants_a_folder(simulate, tmp_path):
    (tmp_path / "zoo").touch()
    _, status, _, err = simulate()
    assert status == 2
    assert "expected a folder" in err
