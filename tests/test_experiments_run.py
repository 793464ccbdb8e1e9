"""Sums and scores of the images of one source."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ganprint import ResidualTransformer
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.experiments import difference_hash
from sklearn_ganprint.experiments._checkpoints import Begun
from sklearn_ganprint.experiments._run import View, score_images, sum_images
from sklearn_ganprint.files._batches import FileBatches, Reading, as_paths
from sklearn_ganprint.fingerprints import energy

RESIDUAL = ResidualTransformer("gaussian", channels="rgb", flatten=False)


@pytest.fixture
def images(make_images):
    return make_images(n_per_class=21, labels=("a",))[0]


@pytest.mark.parametrize(
    ("size", "stops", "expected"),
    [
        (4, (), [4, 8, 10]),
        (4, (1, 2, 4, 8, 10), [1, 2, 4, 8, 10]),
        (4, (3, 30), [3, 4, 8, 10]),
        (64, (5,), [5, 10]),
    ],
)
def test_batches_are_cut_where_they_should(size, stops, expected):
    cut = FileBatches(np.zeros((10, 4, 4, 3)), batch_size=size, stops=stops).cut()
    assert [batch.stop for batch in cut] == expected
    assert [batch.start for batch in cut] == [0, *expected[:-1]]


@pytest.mark.parametrize("batch_size", [3, 64])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_sums_are_those_of_all_residuals(images, batch_size, n_jobs):
    batches = FileBatches(images, batch_size=batch_size, n_jobs=n_jobs)
    part = sum_images(batches, [RESIDUAL], Begun(), [1, 2, 4, 8, 16, 21])
    residuals = RESIDUAL.fit_transform(images)
    assert_array_equal(part["counts"], [1, 1, 2, 4, 8, 5])
    starts = [0, 1, 2, 4, 8, 16]
    expected = np.add.reduceat(residuals.astype(np.float64), starts, axis=0)
    assert_allclose(part["sums"], expected, rtol=1e-5, atol=1e-4)
    assert_allclose(part["residual_energies"], energy(residuals), rtol=1e-6)
    assert_array_equal(part["hashes"], difference_hash(images))


def test_scores_are_correlations_of_views(images):
    fingerprints = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    views = [View(), View(slice(4, 28), slice(8))]
    batches = FileBatches(images, batch_size=5)
    part = score_images(batches, [RESIDUAL], Begun(), fingerprints, views)
    residuals = RESIDUAL.fit_transform(images)
    assert_array_equal(part["kept"], np.arange(21))
    assert_allclose(part["scores"][0], correlation_index(residuals, fingerprints), atol=1e-6)
    cut = correlation_index(residuals[:, 4:28, :8], fingerprints[:, 4:28, :8])
    assert_allclose(part["scores"][1], cut, atol=1e-6)


def test_bad_files_are_left_out_and_told(image_folder):
    folder, paths, _ = image_folder(labels=("a",), n_per_class=6)
    (folder / "a" / "002.png").write_bytes(b"no image")
    told, seen = [], []
    batches = FileBatches(
        as_paths(paths),
        Reading(ImageReader(), (32, 32)),
        batch_size=2,
        on_error=told.append,
        progress=lambda n_done, n_files: seen.append(n_done),
    )
    part = sum_images(batches, [RESIDUAL], Begun(), [1, 2, 4, 6])
    assert_array_equal(part["counts"], [1, 1, 1, 2])
    assert [error.filename for error in told] == [paths[2]]
    assert seen == [1, 2, 4, 6]
    ones = np.ones((2, 32, 32, 3), np.float32)
    scored = score_images(replace(batches), [RESIDUAL], Begun(), ones, [View()])
    assert_array_equal(scored["kept"], [0, 1, 3, 4, 5])


def test_what_is_done_is_not_read_again(images):
    ends, told = [1, 2, 4, 8, 16, 21], []
    batches = FileBatches(images, batch_size=3, progress=lambda *n: told.append(n))
    whole = sum_images(batches, [RESIDUAL], begun := Begun(), ends)

    def stop(n_done, n_files):
        if n_done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sum_images(replace(batches, progress=stop), [RESIDUAL], begun := Begun(), ends)
    told.clear()
    rest = sum_images(replace(batches), [RESIDUAL], begun, ends)
    assert told[:2] == [(9, 21), (12, 21)]
    assert all(np.array_equal(rest[name], whole[name]) for name in whole)


def test_nothing_comes_of_nothing(tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    reading = Reading(ImageReader(), (32, 32))
    batches = FileBatches(as_paths([str(tmp_path / "x.png")]), reading, on_error=str)
    assert sum_images(batches, [RESIDUAL], Begun(), [1]) == {}
    ones = np.ones((2, 32, 32, 3))
    assert score_images(replace(batches), [RESIDUAL], Begun(), ones, [View()]) == {}
