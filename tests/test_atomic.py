"""Files that are written whole or not at all."""

import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from cli_helpers import killed_while_writing

from sklearn_ganprint import FingerprintClassifier, load_model, save_model

# Files while they are being written.
from sklearn_ganprint._output import atomic


def write(path, text="whole"):
    with atomic(path) as part:
        part.write_text(text)


def test_threads_write_one_file(tmp_path):
    all_are_writing = Barrier(8)

    def write_with_others(text):
        with atomic(tmp_path / "file") as part:
            part.write_text(text)
            all_are_writing.wait()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write_with_others, "abcdefgh"))
    assert (tmp_path / "file").read_text() in list("abcdefgh")
    assert os.listdir(tmp_path) == ["file"]


def test_threads_save_to_one_path(tmp_path):
    path = tmp_path / "model.skops"
    model = FingerprintClassifier().fit(np.eye(4), [0, 0, 1, 1])
    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda _: save_model(model, path), range(12)))
    np.testing.assert_array_equal(load_model(path).fingerprints_, model.fingerprints_)
    assert os.listdir(tmp_path) == ["model.skops"]


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, ".hidden", "name\n"])
def test_names_may_be_as_long_as_the_file_system_allows(tmp_path, name):
    write(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def test_links_are_written_through(tmp_path):
    (tmp_path / "far").mkdir()
    for target in ("there", "not-yet"):
        link = tmp_path / f"link-{target}"
        link.symlink_to(Path("far", target))
        if target == "there":
            link.write_text("before")
        write(link)
        assert link.is_symlink()
        assert (tmp_path / "far" / target).read_text() == "whole"
    assert sorted(os.listdir(tmp_path / "far")) == ["not-yet", "there"]


def test_what_killed_processes_left_is_removed(tmp_path):
    killed_while_writing(tmp_path / "a")
    (left,) = os.listdir(tmp_path)
    (tmp_path / ".mine.part").touch()  # a file of another program
    write(tmp_path / "b")
    assert left not in os.listdir(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".mine.part", "b"]


def test_what_others_are_writing_stays(tmp_path):
    with atomic(tmp_path / "a") as part:
        part.write_text("slow")
        write(tmp_path / "b")
        assert part.read_text() == "slow"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(OSError, match="Cannot write .*: what is there is not a file"):
            write(tmp_path / name)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    write(tmp_path / "model", "before")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="model'$"):
            write(tmp_path / "model", "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "model").read_text() == "before"
    assert os.listdir(tmp_path) == ["model"]
