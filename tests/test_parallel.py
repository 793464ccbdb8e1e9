import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_ganprint._parallel import CHUNK_VALUES, one_blas_thread, row_chunks, thread_map


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


def test_threads_in_the_context_at_once_leave_no_limit_behind():
    together = threading.Barrier(4)

    def enter_and_leave(_):
        with one_blas_thread():
            together.wait(10)

    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(enter_and_leave, range(4)))
        assert blas_threads() == before


def test_thread_map_limits_blas_in_its_threads():
    found = []
    with threadpool_limits(2, "blas"):
        thread_map(lambda _: found.append(blas_threads()), range(4), 2)
    assert found == [{1}] * 4
