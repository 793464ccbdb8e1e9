"""Images on their way into a fit, from memory or from files, and the workers that they go to.

A fit asks ``for positions, value in batches.map(function, *args, rows=(y,))`` as often as it needs,
and gets what `function` makes of each batch, which is all that is kept of the images. What is only
added up, ``batches.reduce`` adds up on the way. Within a batch, work is cut into chunks for
threads, and BLAS is kept to one.
"""

import copy
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any, Self

import joblib
import numpy as np
from sklearn.base import TransformerMixin, clone
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing, gen_batches, get_tags
from sklearn.utils.metadata_routing import _routing_enabled, process_routing
from sklearn.utils.validation import _num_samples
from threadpoolctl import ThreadpoolController

from sklearn_ganprint._batches._metaestimators import (
    FitsBatches,
    FitsScatter,
    FitsSums,
    FittedOnParts,
    MakesParts,
    Mergeable,
    SumsClasses,
    offers,
)
from sklearn_ganprint._batches._workers import GroupedSum as GroupedSum
from sklearn_ganprint._batches._workers import end_with_parent as end_with_parent
from sklearn_ganprint._batches._workers import map_in_order as map_in_order
from sklearn_ganprint._batches._workers import workers_of_this_process as workers_of_this_process
from sklearn_ganprint._images import ImageInputMixin, by_shape, quiet_about_images, stack_images

#: Positions of the images of a batch, and what became of them.
Result = tuple[np.ndarray, Any]

#: Values of one chunk: 2 MiB in float32, so that it and its temporaries stay near the cache.
CHUNK_VALUES = 1 << 19


class Batches:
    """Images in memory, which are one batch."""

    #: Fitted steps that learn nothing, which images pass before they are mapped.
    steps: Sequence[Any] = ()

    def __init__(self, images: Any) -> None:
        self.images = images

    def __len__(self) -> int:
        return _num_samples(self.images)

    @cached_property
    def first(self) -> Any:
        """One image, to learn shapes from."""
        if not len(self):
            raise ValueError("X: found 0 sample(s), while a minimum of 1 is required.")
        return _safe_indexing(self.images, [0])

    def behind(self, steps: Sequence[Any]) -> Self:
        """Fit steps that learn nothing but the shape; return the batches of what they make."""
        behind = copy.copy(self)
        behind.first = fit_leading(steps, self.first)
        behind.steps = [*self.steps, *steps]
        return behind

    def apart(self) -> tuple[Self, Sequence[Any]]:
        """Return the batches of the images themselves, and the steps that these would pass."""
        images = copy.copy(self)
        images.steps = ()
        return images, self.steps

    def map(self, function: Callable[..., Any], *args: Any, rows: Any = ()) -> Iterator[Result]:
        """Yield positions and ``function(images, *rows, *args)`` of each batch.

        `rows` are arrays with one entry an image, of which the function gets those of its batch.
        """
        value = function(transform_batch(self.images, self.steps), *rows, *args)
        yield np.arange(len(self)), value

    def reduce(
        self,
        function: Callable[..., Any],
        add: Callable[[Any, Any], Any],
        *args: Any,
        rows: Any = (),
    ) -> tuple[list[Result], Any]:
        """Map batches to pairs, of which the second are added up where they were made.

        Return positions and first value of each batch, and the sum. ``add(one, other)`` changes
        neither, since a worker that has either may be asked for it again.
        """
        value, part = function(transform_batch(self.images, self.steps), *rows, *args)
        return [(np.arange(len(self)), value)], part

    def collect(
        self, function: Callable[..., Any] | None = None, *args: Any, rows: Any = ()
    ) -> tuple[Any, np.ndarray]:
        """Stack what a map brings; also return the positions of the images that it is of."""
        collected, kept = np.empty(0), np.empty(0, dtype=int)
        for positions, value in self.map(function or _as_they_are, *args, rows=rows):
            if len(positions) == len(self):
                return value, positions
            if not len(kept):
                collected = np.empty((len(self), *value.shape[1:]), value.dtype)
            collected[len(kept) : len(kept) + len(value)] = value
            kept = np.append(kept, positions)
        return collected[: len(kept)], kept


def _as_they_are(images: Any) -> Any:
    return stack_images(images)  # or say that their sizes differ


def fit_on_batches(estimator: Any, batches: Batches, y: np.ndarray, params: dict[str, Any]) -> Any:
    """Fit an estimator, or a pipeline, and return it.

    Leading steps that learn nothing are applied to each batch. If one step with ``fit_batches``
    remains, it is handed what they make of the images; one with ``partial_fit`` and ``merge`` is
    fitted on each batch, and the fits are merged; one that learns nothing is fitted on one image;
    one that takes the scatter of rows, and scalers before it, are fitted on what is added up.
    Otherwise what the leading steps return is collected. `params`, with one entry an image, are
    for the ``fit`` of the last step; with metadata routing, for steps that request them.
    """
    own = last_step_params(estimator, params)
    leading, rest = split_steps(estimator)
    behind = batches.behind(leading)
    if len(rest) == 1 and offers(rest[0], FitsBatches):
        fitted = [rest[0].fit_batches(behind, y, **own)]
    elif len(rest) == 1 and offers(rest[0], Mergeable):
        if isinstance(rest[0], ImageInputMixin):
            rest[0]._warn_of_images(np.asarray(behind.first), behind.first)
        weights = [own[name] for name in ("sample_weight",) if name in own]
        if unused := sorted(set(own) - {"sample_weight"}):
            raise TypeError(f"{type(rest[0]).__name__}.fit takes no {', '.join(unused)}.")
        _, merged = batches.reduce(fit_apart, merge, leading, rest[0], rows=(y, *weights))
        fitted = [merged]
    elif len(rest) == 1 and learns_nothing(rest[0]):
        fit_leading(fitted := rest, behind.first)
    elif not params and np.ndim(behind.first) == 2 and fits_scatter(rest):
        fitted = fit_on_scatter(rest, behind, y)
    else:
        X, kept = behind.collect()
        learner = without_leading(estimator)
        learner.fit(X, y[kept], **pipeline_params(learner, at(kept, params)))
        fitted = [step for _, step in learner.steps] if isinstance(learner, Pipeline) else [learner]
    return replace_last(estimator, fitted)


def last_step_params(estimator: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Give what the last step gets of the fit parameters; all of them without metadata routing."""
    if not isinstance(estimator, Pipeline) or not _routing_enabled():
        return params
    return dict(process_routing(estimator, "fit", **params)[estimator.steps[-1][0]].fit)


def pipeline_params(estimator: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Name fit parameters of the last step as the ``fit`` of a whole pipeline takes them."""
    if not isinstance(estimator, Pipeline) or _routing_enabled():
        return params
    return {f"{estimator.steps[-1][0]}__{name}": value for name, value in params.items()}


def merge(fitted: Any, other: Any) -> Any:
    """Put together fits on two batches, and leave both as they are."""
    return copy.deepcopy(fitted).merge(other)


def at(kept: np.ndarray, params: dict[str, Any]) -> dict[str, np.ndarray]:
    """Entries of the images kept, of parameters with one entry an image."""
    return {name: np.asarray(values)[kept] for name, values in params.items()}


def fit_part(images: Any, y: np.ndarray, *args: Any) -> Any:
    """Fit a mergeable step on one batch; `args` are weights, if any, and the steps before and it.

    A residual that is only summed up need not be computed to the end for each image.
    """
    *weights, leading, step = args
    classes, codes = np.unique(y, return_inverse=True)
    if leading and offers(step, FitsSums) and offers(leading[-1], SumsClasses):
        images = transform_batch(images, leading[:-1])
        weight = weights[0] if weights else np.ones(len(y))
        weight = np.where(leading[-1].lacks_residual(images), 0, weight)
        sums = leading[-1].class_sums(images, codes, weight)
        return clone(step).partial_fit_sums(sums, np.bincount(codes, weight), classes)
    params = {"sample_weight": weights[0]} if weights else {}
    rows = transform_batch(images, leading)
    with quiet_about_images():
        return clone(step).partial_fit(rows, y, classes=classes, **params)


def fit_apart(images: Any, y: np.ndarray, *args: Any) -> tuple[None, Any]:
    """Fit on one batch, of which nothing but the fit is asked for."""
    return None, fit_part(images, y, *args)


def fits_scatter(steps: Sequence[Any]) -> bool:
    """Whether all that the steps need of the rows adds up."""
    *scalers, last = steps
    return offers(last, FitsScatter) and all(type(step) is StandardScaler for step in scalers)


def fit_on_scatter(steps: Sequence[Any], batches: Batches, y: np.ndarray) -> list[Any]:
    """Fit scalers, and what takes the scatter of rows, of which an image may have several."""
    *scalers, last = steps
    classes, codes = np.unique(y, return_inverse=True)
    _, scatter = batches.reduce(_scatter_apart, _add, last, len(classes), rows=(codes,))
    for scaler in scalers:
        scatter = scatter.fit_scaler(hand_on_arrays(scaler))
    return [*scalers, last.fit_scatter(scatter, classes)]


def _scatter_apart(
    rows: np.ndarray, codes: np.ndarray, last: Any, n_classes: int
) -> tuple[None, Any]:
    """Sum up the rows of a batch."""
    codes = np.repeat(codes, int(np.prod(rows.shape[1:-1])))
    return None, last.scatter_of(rows.reshape(len(codes), -1), codes, n_classes)


def _add(scatter: Any, other: Any) -> Any:
    return scatter.merge(other)


def split_steps(estimator: Any) -> tuple[list[Any], list[Any]]:
    """Split a pipeline behind the leading steps that learn nothing, which map over batches."""
    if not isinstance(estimator, Pipeline):
        return [], [estimator]
    steps = [step for _, step in estimator.steps]
    n_stateless = 0
    for step in steps[:-1]:
        if not learns_nothing(step):
            break
        n_stateless += 1
    leading = [step for step in steps[:n_stateless] if step not in (None, "passthrough")]
    return leading, steps[n_stateless:]


def learns_nothing(step: Any) -> bool:
    """Whether a step transforms without having been fitted, by its tags or those of its parts."""
    if step in (None, "passthrough", "drop"):
        return True
    if isinstance(step, Pipeline):
        return all(learns_nothing(part) for _, part in step.steps)
    if isinstance(step, FeatureUnion):
        return all(learns_nothing(part) for _, part in step.transformer_list)
    return not get_tags(step).requires_fit


def takes_any_size(estimator: Any) -> bool:
    """Whether what images meet first in an estimator gives rows of one length of any size."""
    if isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        return bool(steps) and takes_any_size(steps[0])
    if isinstance(estimator, FeatureUnion):
        parts = [part for _, part in estimator.transformer_list if part != "drop"]
        return all(map(takes_any_size, parts))
    return bool(getattr(estimator, "_takes_any_size", False))


def hand_on_arrays(step: Any) -> Any:
    """Let a step, and its parts, return arrays whatever the global option says; return it.

    What is collected of several batches, or comes from steps that were never fitted, has no names
    of columns, and steps behind would warn of names in one place that are none in another.
    """
    if isinstance(step, (Pipeline, FeatureUnion)):
        for _, part in getattr(step, "steps", None) or step.transformer_list:
            hand_on_arrays(part)
    if isinstance(step, FeatureUnion):
        # Its own set_output would raise where one of its parts has none.
        TransformerMixin.set_output(step, transform="default")
    elif hasattr(step, "set_output") and not isinstance(step, Pipeline):
        step.set_output(transform="default")
    return step


def transform_batch(images: Any, steps: Sequence[Any]) -> Any:
    """Apply the leading steps to one batch, of which the images may differ in size."""
    for step in steps:
        images = by_shape(step.transform, images)
    return images


def last_step(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the last step of a fitted pipeline, or in a meta-estimator, and what reaches it."""
    while True:
        if isinstance(estimator, Pipeline):
            *steps, estimator = (
                step for _, step in estimator.steps if step not in (None, "passthrough")
            )
            if steps and offers(steps[-1], MakesParts) and offers(estimator, FittedOnParts):
                # Of all parts of an image, such a classifier looks at the whole.
                *steps, parts = steps
                X, estimator = parts.whole_features(transform_batch(X, steps)), estimator.estimator_
            else:
                X = transform_batch(X, steps)
        elif offers(estimator, FittedOnParts):
            X, estimator = estimator._originals(X), estimator.estimator_
        else:
            return estimator, X


def fit_rest(estimator: Any, X: Any, y: np.ndarray, **params: Any) -> Any:
    """Fit the steps behind the leading ones, on the output of these; return the estimator.

    `params` are for the ``fit`` of the last step.
    """
    *steps, last = split_steps(estimator)[1]
    if steps:
        named = [(f"step{position}", step) for position, step in enumerate(steps)]
        # The last step on its own, since how a pipeline hands on `params` depends on an option.
        pipeline = Pipeline([*named, ("last", "passthrough")], memory=estimator.memory)
        X = pipeline.fit_transform(X, y)
        steps = [step for _, step in pipeline.steps[:-1]]
    return replace_last(estimator, [*steps, last.fit(X, y, **params)])


def fit_leading(steps: Sequence[Any], first: Any) -> Any:
    """Fit steps that learn nothing but the shape on one image; return what they make of it."""
    for step in steps:
        first = hand_on_arrays(step).fit(first).transform(first)
    return first


def without_leading(estimator: Any) -> Any:
    """Give the part of a pipeline that learns, or an estimator as it is."""
    if not isinstance(estimator, Pipeline):
        return estimator
    _, rest = split_steps(estimator)
    return estimator[len(estimator) - len(rest) :]


def replace_last(estimator: Any, fitted: list[Any]) -> Any:
    """Put the last steps, which have been fitted, into a pipeline, and return it."""
    if not isinstance(estimator, Pipeline):
        return fitted[0]
    steps = estimator.steps
    for position, step in enumerate(fitted, start=len(steps) - len(fitted)):
        steps[position] = (steps[position][0], step)
    return estimator


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
