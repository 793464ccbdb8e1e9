import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from dask.distributed import Client
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_ganprint import (
    FileBatchClassifier,
    FileBatchClustering,
    FingerprintClassifier,
    FingerprintClustering,
    FusionClassifier,
    LocalVarianceNormalizer,
    OpenSetClassifier,
    ResidualTransformer,
)

# What pools of workers do when they are killed, and how chunks are cut.
from sklearn_ganprint._batches import (
    CHUNK_VALUES,
    map_in_order,
    one_blas_thread,
    row_chunks,
    thread_map,
)
from sklearn_ganprint.features import AutocorrelationTransformer

pytestmark = pytest.mark.core

residual = ResidualTransformer("gaussian", flatten=False, n_jobs=2)
lags = make_pipeline(AutocorrelationTransformer(1, n_jobs=2), LinearDiscriminantAnalysis())
paper = make_pipeline(residual, LocalVarianceNormalizer(n_jobs=2), FingerprintClassifier())
fusion = FusionClassifier([("first", FingerprintClassifier()), ("lags", lags)], cv=2, n_jobs=2)

MODELS = {
    "residual": paper,
    "files": FileBatchClassifier(paper, batch_size=3),
    "files-fusion": FileBatchClassifier(make_pipeline(residual, fusion), batch_size=5),
    "files-clustering": FileBatchClustering(
        make_pipeline(residual, FingerprintClustering(3, n_jobs=2)), batch_size=5
    ),
    "open-set": OpenSetClassifier(
        make_pipeline(residual, lags), cv=3, false_alarm_rate=0.2, n_jobs=2
    ),
    "fusion": make_pipeline(residual, fusion),
    "search": GridSearchCV(paper, {"fingerprintclassifier__metric": ["cosine", "euclidean"]}, cv=2),
    "search-files": GridSearchCV(
        FileBatchClassifier(paper, batch_size=3, n_jobs=2), {"batch_size": [2]}, cv=2
    ),
}


@pytest.fixture(scope="module")
def dask_client():
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0"):
        yield


def blas_threads():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


@pytest.mark.parametrize(("n_rows", "row_size"), [(1, 1), (7, CHUNK_VALUES // 3), (3, 9**9)])
def test_chunks_cover_all_rows_in_order_and_stay_small(n_rows, row_size):
    chunks = list(row_chunks(n_rows, row_size))
    rows = [row for chunk in chunks for row in range(chunk.start, chunk.stop)]
    assert rows == list(range(n_rows))
    assert all((chunk.stop - chunk.start - 1) * row_size < CHUNK_VALUES for chunk in chunks)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_thread_map_calls_on_every_item(n_jobs):
    out = np.zeros(20)

    def fill(item):
        out[item] = item + 1

    thread_map(fill, range(20), n_jobs)
    np.testing.assert_array_equal(out, np.arange(1, 21))


def test_blas_has_one_thread_inside_and_as_many_as_before_outside():
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with one_blas_thread(), one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == before


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first in first out", "last in first out"])
def test_contexts_of_two_threads_that_overlap_leave_no_limit_behind(order):
    with threadpool_limits(2, "blas"):
        contexts = [one_blas_thread(), one_blas_thread()]
        for each in contexts:
            each.__enter__()
        contexts[order[0]].__exit__(None, None, None)
        assert blas_threads() == {1}
        contexts[order[1]].__exit__(None, None, None)
        assert blas_threads() == {2}


def test_an_error_inside_leaves_no_limit_behind():
    def fail(_):
        with one_blas_thread():
            raise KeyError

    with threadpool_limits(2, "blas"), ThreadPoolExecutor(4) as pool:
        for result in [pool.submit(fail, each) for each in range(8)]:
            with pytest.raises(KeyError):
                result.result()
        assert blas_threads() == {2}


@pytest.mark.parametrize("name", ["files", "open-set", "fusion", "residual"])
def test_fits_in_threads_leave_as_many_blas_threads_as_there_were(make_images, name):
    X, y = make_images(n_per_class=8)
    with threadpool_limits(2, "blas"), joblib.parallel_config(backend="threading", n_jobs=2):
        for _ in range(3):
            clone(MODELS[name]).fit(X, y).predict(X)
            assert blas_threads() == {2}


def answer(name, X, y):
    return clone(MODELS[name]).fit(X, y).predict(X)


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing", "dask"])
@pytest.mark.parametrize("name", MODELS)
def test_all_backends_give_the_same(make_images, dask_client, name, backend):
    X, y = make_images(n_per_class=8)
    expected = answer(name, X, y)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        np.testing.assert_array_equal(answer(name, X, y), expected)


def test_memory_may_have_to_be_shared():
    with joblib.parallel_config(require="sharedmem", n_jobs=2):
        assert list(map_in_order(pow, [(2, 3), (3, 2)], None)) == [8, 9]


SPAWNED = """
import multiprocessing, sys
import joblib, numpy as np
from sklearn.pipeline import make_pipeline
from sklearn_ganprint import FileBatchClassifier, FingerprintClassifier, ResidualTransformer

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    X, y = np.load(sys.argv[1]), np.repeat(["a", "b", "c"], 8)
    paper = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    expected = FileBatchClassifier(paper).fit(X, y).estimator_[-1].fingerprints_
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):
        found = FileBatchClassifier(paper, batch_size=6).fit(X, y).estimator_[-1].fingerprints_
    np.testing.assert_allclose(found, expected, atol=1e-5)
    print("alike")
"""


def test_processes_that_are_spawned_give_the_same(make_images, tmp_path):
    np.save(tmp_path / "images.npy", make_images(n_per_class=8)[0])
    (tmp_path / "spawned.py").write_text(SPAWNED)
    command = [sys.executable, tmp_path / "spawned.py", tmp_path / "images.npy"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stdout.strip() == "alike", run.stderr


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_results_come_in_order(backend):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number, 2

    with joblib.parallel_config(backend=backend, n_jobs=2):
        results = map_in_order(pow, items(), None)
        assert [next(results) for _ in range(3)] == [0, 1, 4]
        assert backend == "loky" or len(taken) < 50  # loky goes on while nobody takes its results
        assert list(results) == [number**2 for number in range(3, 100)]


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_workers_have_the_options_of_the_caller(backend):
    with config_context(transform_output="polars"), joblib.parallel_config(backend, n_jobs=2):
        found = list(map_in_order(get_config, [()] * 4, None))
    assert [options["transform_output"] for options in found] == ["polars"] * 4


def test_thread_map_limits_blas_in_its_threads():
    found = []
    with threadpool_limits(2, "blas"):
        thread_map(lambda _: found.append(blas_threads()), range(4), 2)
    assert found == [{1}] * 4


def test_who_ends_early_is_not_told_of_work_that_is_lost():
    done = []

    def work(number):
        time.sleep(0.01)
        done.append(number)

    with joblib.parallel_config("threading", n_jobs=2):
        results = map_in_order(work, [(number,) for number in range(8)], None)
        next(results)
        while len(done) < 4:
            time.sleep(0.01)
        time.sleep(0.1)  # joblib counts what is done a moment later
        results.close()  # a warning is an error here
