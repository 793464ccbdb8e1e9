"""Work cut into chunks and spread over joblib's workers, BLAS kept to one thread."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import Any

import joblib
from sklearn.utils import gen_batches
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import ThreadpoolController

#: Values of one chunk: 2 MiB in float32, so that it and its temporaries stay near the cache.
CHUNK_VALUES = 1 << 19


def row_chunks(n_rows: int, row_size: int) -> Iterable[slice]:
    """Slices over `n_rows` rows of `row_size` values, each of at most `CHUNK_VALUES` values."""
    return gen_batches(n_rows, max(1, CHUNK_VALUES // max(1, row_size)))


def thread_map(
    function: Callable[[Any], Any], items: Iterable[Any], n_jobs: int | None
) -> list[Any]:
    """Return ``function(item)`` of each item, from threads: for kernels that release the GIL."""
    with one_blas_thread():
        parallel = joblib.Parallel(n_jobs=n_jobs, prefer="threads", require="sharedmem")
        return list(parallel(joblib.delayed(function)(item) for item in items))


def map_in_order(
    function: Callable[..., Any],
    items: Iterable[tuple[Any, ...]],
    n_jobs: int | None,
    prefer: str = "processes",
) -> Iterator[Any]:
    """Yield ``function(*item)`` of each item, from joblib's workers, in order as they are ready.

    Backends that cannot return a generator are handed a few items at a time. Workers have
    scikit-learn's options of the caller.
    """
    tasks = (delayed(function)(*item) for item in items)
    # Items are batches already: joblib's own would take more of them the faster they are.
    options = {"n_jobs": n_jobs, "prefer": prefer, "batch_size": 1}
    try:
        parallel = Parallel(**options, return_as="generator")
    except ValueError:  # multiprocessing, for one
        with Parallel(**options) as parallel:
            while some := list(islice(tasks, 4 * joblib.effective_n_jobs(n_jobs))):
                yield from parallel(some)
    else:
        yield from parallel(tasks)


def workers_of_this_process() -> Any:
    """Give a context in which joblib's workers end soon after this process, even if it is killed.

    Workers that wait for their next batch would do so for ever.
    """
    return joblib.parallel_config("loky", initializer=end_with_parent, initargs=(os.getpid(),))


def end_with_parent(parent: int) -> None:
    """End this process, a worker, soon after its parent."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if sys.platform != "win32":
        threading.Thread(target=watch, daemon=True).start()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS from splitting products that are too small to be worth it.

    The limit is one of the whole process: the first to come sets it, and the last to leave takes
    it back, whichever threads they are in.
    """
    _BLAS_LIMIT.enter()
    try:
        yield
    finally:
        _BLAS_LIMIT.leave()


class _BlasLimit:
    """Count who wants BLAS to have one thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n_holders = 0
        self.limit: Any = None

    def enter(self) -> None:
        with self.lock:
            if not self.n_holders:
                self.limit = _blas_controller().limit(limits=1, user_api="blas")
            self.n_holders += 1

    def leave(self) -> None:
        with self.lock:
            self.n_holders -= 1
            if not self.n_holders:
                self.limit.restore_original_limits()


def lock_while_forking(lock: threading.Lock) -> None:
    """Fork while no other thread has a lock: a child with a copy of it would wait for ever."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )


_BLAS_LIMIT = _BlasLimit()
lock_while_forking(_BLAS_LIMIT.lock)


@cache
def _blas_controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries, once
