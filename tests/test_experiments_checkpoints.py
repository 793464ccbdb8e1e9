"""Parts of a computation that survive an interruption."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_ganprint.experiments._checkpoints import Checkpoints


def fail():
    raise AssertionError("was computed again")


def test_a_part_is_computed_once(tmp_path):
    first = Checkpoints(tmp_path / "parts", {"seed": 0})
    part = {"values": np.arange(4.0), "names": np.array(["a", "bc"])}
    first.get("part-000", lambda: part)
    again = Checkpoints(tmp_path / "parts", {"seed": 0})
    assert sorted(path.name for path in again.folder.iterdir()) == ["part-000.npz", "settings.json"]
    for name, values in again.get("part-000", fail).items():
        assert_array_equal(values, part[name])


def test_nothing_is_kept_of_what_was_interrupted(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    checkpoints = Checkpoints(tmp_path, {})
    with pytest.raises(KeyboardInterrupt):
        checkpoints.get("part", interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


def test_what_a_killed_process_has_done_is_kept_from_time_to_time(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, {})
    monkeypatch.setattr("sklearn_ganprint.experiments._checkpoints._SECONDS", 0)
    with checkpoints.begun("part") as begun:
        begun.keep({"done": np.array(3)})
        with Checkpoints(tmp_path, {}).begun("part") as seen:  # as a process that is started later
            assert seen.arrays["done"] == 3
    assert not (tmp_path / "part.npz").exists()
    checkpoints.get("part", lambda: {"x": [1]})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part.npz", "settings.json"]


def test_other_settings_are_refused(tmp_path):
    Checkpoints(tmp_path, {"seed": 0, "size": (1, 2)})
    Checkpoints(tmp_path, {"seed": 0, "size": [1, 2]})
    with pytest.raises(ValueError, match=r"other settings \(seed\)"):
        Checkpoints(tmp_path, {"seed": 1, "size": (1, 2)})


def test_settings_that_were_damaged(tmp_path):
    (tmp_path / "settings.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"settings\.json is not what was written"):
        Checkpoints(tmp_path, {})


def test_without_a_folder_nothing_is_kept():
    checkpoints = Checkpoints(None, {})
    assert_array_equal(checkpoints.get("part", lambda: {"x": [1]})["x"], [1])
    assert_array_equal(checkpoints.get("part", lambda: {"x": [2]})["x"], [2])


def test_pickles_are_refused(tmp_path):
    Checkpoints(tmp_path, {})
    np.savez(tmp_path / "part.npz", x=np.array([object()]))
    with pytest.raises(ValueError, match="allow_pickle"):
        Checkpoints(tmp_path, {}).get("part", fail)
