"""L0: work cut into chunks and spread over joblib's workers."""

from collections.abc import Callable, Iterable
from typing import Any

from joblib import Parallel, delayed
from sklearn.utils import gen_batches

#: Values of one chunk in float32: 4 MiB, so that a chunk and its temporaries stay near the cache.
CHUNK_VALUES = 1 << 20


def row_chunks(n_rows: int, row_size: int) -> Iterable[slice]:
    """Slices over `n_rows` rows of `row_size` values, each of at most `CHUNK_VALUES` values."""
    return gen_batches(n_rows, max(1, CHUNK_VALUES // max(1, row_size)))


def thread_map(function: Callable[[Any], Any], items: Iterable[Any], n_jobs: int | None) -> None:
    """Call `function` on each item, in threads: for kernels that release the GIL."""
    Parallel(n_jobs=n_jobs, prefer="threads", require="sharedmem")(
        delayed(function)(item) for item in items
    )
