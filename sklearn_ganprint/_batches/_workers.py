"""The workers that batches go to: joblib's, or those of a cluster."""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
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
    scikit-learn's options of the caller. With `apart`, the function returns pairs, of which workers
    of dask keep the second: its future comes in its place.
    """
    if (cluster := Cluster.active()) is not None:
        yield from cluster.map(function, items, apart=apart)
        return
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
        size = 1
        while self._group and self._group[-1][0] == size:
            part, size = self._sum(self._group.pop()[1], part), 2 * size
        self._group.append((size, part))
        if size == GROUP:
            self.finish()
        return not self._group

    def finish(self) -> Any:
        """Add a group that need not be complete; return the total."""
        if self._group:
            _, part = self._group.pop()
            while self._group:
                part = self._sum(self._group.pop()[1], part)
            part = part if self._cluster is None else part.result()
            self.total = self._add(self.total, part)
        return self.total

    def _sum(self, one: Any, other: Any) -> Any:
        if self._cluster is None:
            return self._add(one, other)
        return self._cluster.submit(self._add, one, other)


def _add_parts(add: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    """Add two parts, of which batches without a usable image have none."""
    return one if other is None else other if one is None else add(one, other)


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

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Let a worker call a function, and keep what it returns."""
        import dask  # the backend needs it

        # Images and models may well be large.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
            return self.backend.client.submit(function, *args, pure=False)

    def map(
        self, function: Callable[..., Any], items: Iterable[tuple[Any, ...]], *, apart: bool
    ) -> Iterator[Any]:
        """Yield what a function returns of each item, in order."""
        with self.backend.retrieval_context():  # a worker that waits for others makes room
            shared, config = self.submit(_itself, function), get_config()
            # Dask would look for tasks in what it can look into.
            tasks = (self.submit(_call, shared, partial(_itself, item), config) for item in items)
            pairs = (
                [self.submit(_at, task, place) for place in (0, 1)] if apart else [task]
                for task in tasks
            )
            ahead = deque(islice(pairs, 4 * self.backend.effective_n_jobs(None)))
            while ahead:
                value, *part = ahead.popleft()
                found = value.result()
                ahead.extend(islice(pairs, 1))
                yield (found, *part) if apart else found


def _itself(value: Any) -> Any:
    return value


def _at(values: Any, place: int) -> Any:
    return values[place]


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
