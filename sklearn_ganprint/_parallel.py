"""L0: work cut into chunks and spread over joblib's workers, BLAS kept to one thread."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from joblib import Parallel, delayed
from threadpoolctl import ThreadpoolController

#: Values of one chunk: 2 MiB in float32, so that it and its temporaries stay near the cache.
CHUNK_VALUES = 1 << 19


def row_chunks(stop: int, row_size: int, start: int = 0) -> Iterator[slice]:
    """Slices over rows of `row_size` values, each of at most `CHUNK_VALUES` values."""
    n_rows = max(1, CHUNK_VALUES // max(1, row_size))
    return (slice(row, min(row + n_rows, stop)) for row in range(start, stop, n_rows))


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
