"""Fits that take one pass over the images, or several, from memory or from files.

Images from files come batch by batch, and what a batch has been made into is all that is kept of
it. An estimator whose fit needs more than one look at them says so by a generator, ``fit_passes``:
it yields a :class:`Pass`, is sent what the pass has brought, and returns the fitted estimator.
Whoever drives it decides where the images come from.
"""

from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from sklearn_ganprint._images import ImageInputMixin, quiet_about_images
from sklearn_ganprint._routing import last_step_params
from sklearn_ganprint._steps import (
    fit_leading,
    fit_steps,
    pipeline_memory,
    replace_last,
    split_steps,
    transform_batch,
)


class Pass(NamedTuple):
    """One look at all images: ``function(images, *rows, *args)`` of each batch.

    `rows` are arrays with one entry an image, of which the function gets those of its batch.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    rows: tuple[np.ndarray, ...] = ()


#: What a pass brings back, batch by batch: positions of the images, and what became of them.
Results = Iterable[tuple[np.ndarray, Any]]
Passes = Generator[Pass, Results, Any]


def drive(passes: Passes, answer: Callable[[Pass], Results]) -> Any:
    """Answer each pass, and give what the generator returns at its end."""
    try:
        wanted = next(passes)
        while True:
            wanted = passes.send(answer(wanted))
    except StopIteration as end:
        return end.value


def first_image(X: Any) -> Any:
    """One image of those in memory, to learn shapes from."""
    if not _num_samples(X):
        raise ValueError("X: found 0 sample(s), while a minimum of 1 is required.")
    return _safe_indexing(X, [0])


def fit_in_memory(passes: Passes, X: Any) -> Any:
    """Drive a fit on images in memory, which are one batch."""
    positions = np.arange(_num_samples(X))
    return drive(passes, lambda each: [(positions, each.function(X, *each.rows, *each.args))])


def behind(steps: list[Any], passes: Passes) -> Passes:
    """Let passes see what steps that learn nothing make of the images."""
    if not steps:
        return (yield from passes)
    try:
        wanted = next(passes)
        while True:
            function = partial(_behind, steps, wanted.function)
            wanted = passes.send((yield wanted._replace(function=function)))
    except StopIteration as end:
        return end.value


def _behind(steps: list[Any], function: Callable[..., Any], images: Any, *values: Any) -> Any:
    return function(transform_batch(images, steps), *values)


def fit_passes(estimator: Any, first: Any, y: np.ndarray, params: dict[str, Any]) -> Passes:
    """Fit an estimator, or a pipeline, on images of which `first` is one.

    Leading steps that learn nothing are applied to each batch. If one step with ``fit_passes``
    remains, it says what to do; one with ``partial_fit`` and ``merge`` is fitted on each batch, and
    the fits are merged. Otherwise what the leading steps return is collected. `params`, with one
    entry an image, are for the ``fit`` of the last step; with metadata routing, for steps that
    request them, of which the last gets its.
    """
    params = last_step_params(estimator, params)
    leading, rest = split_steps(estimator)
    first = fit_leading(leading, first)
    if len(rest) == 1 and hasattr(rest[0], "fit_passes"):
        fitted = [(yield from behind(leading, rest[0].fit_passes(first, y, **params)))]
    elif len(rest) == 1 and is_mergeable(rest[0]):
        if isinstance(rest[0], ImageInputMixin):
            rest[0]._warn_of_images(np.asarray(first), first)
        weights = [params[name] for name in ("sample_weight",) if name in params]
        if unused := sorted(set(params) - {"sample_weight"}):
            raise TypeError(f"{type(rest[0]).__name__}.fit takes no {', '.join(unused)}.")
        merged = merge((yield Pass(fit_batch, (leading, rest[0]), (y, *weights))))
        fitted = [merged]
    else:
        X, kept = collect((yield Pass(transform_batch, (leading,))), len(y))
        fitted = fit_steps(rest, X, y[kept], pipeline_memory(estimator), **at(kept, params))
    return replace_last(estimator, fitted)


def is_mergeable(step: Any) -> bool:
    """Whether fits on parts of the images can be put together."""
    return hasattr(step, "partial_fit") and hasattr(step, "merge")


def merge(results: Results) -> Any:
    """Put together fits on batches, as they come in."""
    merged = None
    for _, fitted in results:
        merged = fitted if merged is None else merged.merge(fitted)
    return merged


def collect(results: Results, n_images: int) -> tuple[Any, np.ndarray]:
    """Stack what a pass has brought; also the positions of the images it is of."""
    collected, kept = np.empty(0), np.empty(0, dtype=int)
    for positions, value in results:
        if len(positions) == n_images:
            return value, positions
        if not len(kept):
            collected = np.empty((n_images, *value.shape[1:]), value.dtype)
        collected[len(kept) : len(kept) + len(value)] = value
        kept = np.append(kept, positions)
    return collected[: len(kept)], kept


def at(kept: np.ndarray, params: dict[str, Any]) -> dict[str, np.ndarray]:
    """Entries of the images kept, of parameters with one entry an image."""
    return {name: np.asarray(each)[kept] for name, each in params.items()}


def fit_batch(images: Any, y: np.ndarray, *args: Any) -> Any:
    """Fit a mergeable step on one batch; `args` are weights, if any, and the steps before and it.

    A residual that is only summed up need not be computed to the end for each image.
    """
    *weights, leading, step = args
    classes, codes = np.unique(y, return_inverse=True)
    if hasattr(step, "partial_fit_sums") and leading and hasattr(leading[-1], "class_sums"):
        images = transform_batch(images, leading[:-1])
        weight = weights[0] if weights else np.ones(len(y))
        weight = np.where(leading[-1].lacks_residual(images), 0, weight)
        sums = leading[-1].class_sums(images, codes, weight)
        return clone(step).partial_fit_sums(sums, np.bincount(codes, weight), classes)
    params = {"sample_weight": weights[0]} if weights else {}
    rows = transform_batch(images, leading)
    with quiet_about_images():
        return clone(step).partial_fit(rows, y, classes=classes, **params)
