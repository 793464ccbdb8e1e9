"""L0: work cut into chunks and spread over joblib's workers, BLAS kept to one thread."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from joblib import Parallel, delayed
from sklearn.utils import gen_batches
from threadpoolctl import ThreadpoolController

#: Values of one chunk: 2 MiB in float32, so that it and its temporaries stay near the cache.
CHUNK_VALUES = 1 << 19


def row_chunks(n_rows: int, row_size: int) -> Iterable[slice]:
    """Slices over `n_rows` rows of `row_size` values, each of at most `CHUNK_VALUES` values."""
    return gen_batches(n_rows, max(1, CHUNK_VALUES // max(1, row_size)))


def thread_map(function: Callable[[Any], Any], items: Iterable[Any], n_jobs: int | None) -> None:
    """Call `function` on each item, in threads: for kernels that release the GIL."""
    with one_blas_thread():
        Parallel(n_jobs=n_jobs, prefer="threads", require="sharedmem")(
            delayed(function)(item) for item in items
        )


def one_blas_thread() -> Any:
    """Keep BLAS from splitting products that are too small to be worth it, as a context.

    Of several threads in it at once, threadpoolctl lets the first set the limit and take it back;
    for the others it does nothing.
    """
    return _blas_controller().limit(limits=1, user_api="blas")


@cache
def _blas_controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries, once
