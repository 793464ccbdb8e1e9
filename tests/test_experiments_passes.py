"""Passes over the images of one source."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ganprint import ResidualTransformer
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.experiments import Passes, difference_hash
from sklearn_ganprint.experiments._passes import View, cut_batches
from sklearn_ganprint.files._batches import ImageSource, as_paths
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
    batches = ImageSource(np.zeros((10, 4, 4, 3))).batches(size)
    cut = cut_batches(batches, stops)
    assert [batch.stop for batch in cut] == expected
    assert [batch.start for batch in cut] == [0, *expected[:-1]]


@pytest.mark.parametrize("batch_size", [3, 64])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_sums_are_those_of_all_residuals(images, batch_size, n_jobs):
    part = Passes([RESIDUAL], batch_size, n_jobs).sums(ImageSource(images), [1, 2, 4, 8, 16, 21])
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
    part = Passes([RESIDUAL], 5).scores(ImageSource(images), fingerprints, views)
    residuals = RESIDUAL.fit_transform(images)
    assert_array_equal(part["kept"], np.arange(21))
    assert_allclose(part["scores"][0], correlation_index(residuals, fingerprints), atol=1e-6)
    cut = correlation_index(residuals[:, 4:28, :8], fingerprints[:, 4:28, :8])
    assert_allclose(part["scores"][1], cut, atol=1e-6)


def test_bad_files_are_left_out_and_told(image_folder):
    folder, paths, _ = image_folder(labels=("a",), n_per_class=6)
    (folder / "a" / "002.png").write_bytes(b"no image")
    told, seen = [], []
    passes = Passes([RESIDUAL], 2, on_error=told.append, on_batch=seen.append)
    source = ImageSource(as_paths(paths), ImageReader(), (32, 32))
    part = passes.sums(source, [1, 2, 4, 6])
    assert_array_equal(part["counts"], [1, 1, 1, 2])
    assert [error.filename for error in told] == [paths[2]]
    assert sum(seen) == 6
    scored = passes.scores(source, np.ones((2, 32, 32, 3), np.float32))
    assert_array_equal(scored["kept"], [0, 1, 3, 4, 5])


def test_nothing_comes_of_nothing(tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    source = ImageSource(as_paths([str(tmp_path / "x.png")]), ImageReader(), (32, 32))
    assert Passes([RESIDUAL]).sums(source, [1]) == {}
    assert Passes([RESIDUAL]).scores(source, np.ones((2, 32, 32, 3))) == {}
