"""The workers that batches go to: joblib's, or those of a cluster."""

import os
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial, reduce
from itertools import islice
from typing import Any, Self

import joblib
from joblib.parallel import get_active_backend
from sklearn import config_context, get_config
from sklearn.utils.parallel import Parallel, delayed

from sklearn_ganprint._compat import initialized_workers

#: Parts of batches that are added up where they were made, before their sum comes back: a worker
#: that is lost takes no more than those of one group along.
GROUP = 16

#: Priority of what is small and others wait for: workers do it before the batches that they have.
SOON = 1


def map_in_order(
    function: Callable[..., Any],
    items: Iterable[tuple[Any, ...]],
    n_jobs: int | None,
    prefer: str = "processes",
    *,
    apart: bool = False,
) -> Iterator[Any]:
    """Yield ``function(*item)`` of each item, from joblib's workers, in order as they are ready.

    Backends that cannot return a generator are handed a few items at a time. Workers have
    scikit-learn's options of the caller. With `apart`, the function returns pairs, which workers of
    dask keep: a future of the pair comes in place of the second value.
    """
    if (cluster := Cluster.active()) is not None:
        yield from cluster.map(function, items, apart=apart)
        return
    tasks = (delayed(function)(*item) for item in items)
    # Items are batches already: joblib's own would take more of them the faster they are.
    options: dict[str, Any] = {"n_jobs": n_jobs, "batch_size": 1}
    if not getattr(get_active_backend()[0], "supports_sharedmem", False):
        options["prefer"] = prefer  # which joblib refuses where memory has to be shared
    try:
        parallel = Parallel(**options, return_as="generator")
    except ValueError:  # multiprocessing, for one
        with Parallel(**options) as parallel:
            while some := list(islice(tasks, 4 * joblib.effective_n_jobs(n_jobs))):
                yield from parallel(some)
    else:
        results = parallel(tasks)
        try:
            # With `yield from` joblib would hear first that no more is asked for.
            for result in results:  # noqa: UP028
                yield result
        finally:
            with warnings.catch_warnings():
                # Whoever ends early has a reason, and joblib would say that work is lost.
                warnings.simplefilter("ignore", UserWarning)
                results.close()


class GroupedSum:
    """Sum of what the second values of a map are, with ``map_in_order(..., apart=True)``.

    Neighbours are added first, then pairs of them, up to a group, whatever the workers: rounding is
    the same. Workers of dask add up a group, and only its sum comes back.
    """

    def __init__(self, add: Callable[[Any, Any], Any], total: Any = None) -> None:
        self.total = total
        self._add, self._cluster = partial(_add_parts, add), Cluster.active()
        self._group: list[tuple[int, Any]] = []  # numbers of parts, such as 8, 4 and 1; their sums

    def push(self, part: Any) -> bool:
        """Add a part; return whether `total` has all there are, since a group is complete."""
        size, parts = 1, [part]
        while self._group and self._group[-1][0] == size:
            size, parts = 2 * size, [self._group.pop()[1], *parts]
        self._group.append((size, self._sum(parts)))
        if size == GROUP:
            self.finish()
        return not self._group

    def finish(self) -> Any:
        """Add a group that need not be complete; return the total."""
        if self._group:
            part = self._sum([part for _, part in self._group])
            self._group.clear()
            part = part if self._cluster is None else part.result()[1]
            self.total = self._add([self.total, part])
        return self.total

    def _sum(self, parts: list[Any]) -> Any:
        """Add the last two, then the one before: in one task, since each may wait for a worker."""
        if len(parts) == 1:
            return parts[0]
        if self._cluster is None:
            return self._add(parts)
        return self._cluster.submit(_add_seconds, self._add, *parts, priority=SOON)


def _add_parts(add: Callable[[Any, Any], Any], parts: Iterable[Any]) -> Any:
    """Add from the last part on; batches without a usable image have none."""
    known = [part for part in parts if part is not None]
    return reduce(lambda later, part: add(part, later), reversed(known)) if known else None


def _add_seconds(add: Callable[[Iterable[Any]], Any], *pairs: tuple[Any, Any]) -> tuple[None, Any]:
    return None, add(part for _, part in pairs)


class Cluster:
    """The workers of dask, if joblib's active backend has some.

    Tasks are handed to dask itself, which runs those of lost workers again: of what joblib sends
    along apart from a task nothing would be left. Few tasks are under way at a time.
    """

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    @classmethod
    def active(cls) -> Self | None:
        """Return that of the active backend, None if it is another one."""
        backend, _ = get_active_backend()
        return cls(backend) if hasattr(backend, "client") else None

    def submit(self, function: Callable[..., Any], *args: Any, priority: int = 0) -> Any:
        """Let a worker call a function, and keep what it returns."""
        import dask  # the backend needs it

        # Images and models may well be large.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
            client = self.backend.client
            return client.submit(function, *args, pure=False, priority=priority)

    def map(
        self, function: Callable[..., Any], items: Iterable[tuple[Any, ...]], *, apart: bool
    ) -> Iterator[Any]:
        """Yield what a function returns of each item, in order."""
        with self.backend.retrieval_context():  # a worker that waits for others makes room
            shared, config = self.submit(_itself, function), get_config()
            # Dask would look for tasks in what it can look into.
            tasks = (self.submit(_call, shared, partial(_itself, item), config) for item in items)
            pairs = (
                (self.submit(_first, task, priority=SOON), task) if apart else (task, None)
                for task in tasks
            )
            ahead = deque(islice(pairs, 4 * self.backend.effective_n_jobs(None)))
            while ahead:
                value, pair = ahead.popleft()
                found = value.result()
                ahead.extend(islice(pairs, 1))
                yield (found, pair) if apart else found


def _itself(value: Any) -> Any:
    return value


def _first(values: Any) -> Any:
    return values[0]


def _call(function: Callable[..., Any], item: Callable[[], Any], config: dict[str, Any]) -> Any:
    with config_context(**config):
        return function(*item())


def workers_of_this_process() -> Any:
    """Give a context in which joblib's workers end soon after this process, even if it is killed.

    Workers that wait for their next batch would do so for ever.
    """
    return initialized_workers(end_with_parent, os.getpid())


def end_with_parent(parent: int) -> None:
    """End this process, a worker, soon after its parent."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if sys.platform != "win32":
        threading.Thread(target=watch, daemon=True).start()
