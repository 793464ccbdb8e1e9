"""What surrounds a fit: parameters are validated, and callbacks of the estimator hear of it.

Callbacks are those of scikit-learn, which has them from 1.9 on, as an experiment. They hear of a
fit, of loops in it that take long, and of each turn of these. Without callbacks nothing is done.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sized
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

from sklearn.base import _fit_context

from sklearn_ganprint._compat import Method

_Item = TypeVar("_Item")


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """Validate the parameters of an estimator before a method that fits it; tell of the fit."""
    validated = _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)

    def decorate(method: Method) -> Method:
        whole = method.__name__ in ("fit", "fit_transform")
        return validated(_told_of(method) if whole else method)

    return decorate


class _Fit:
    """A fit that callbacks hear of; within a loop, they hear of no other loop."""

    def __init__(self, estimator: Any, root: Any) -> None:
        self.estimator, self.root, self.is_inside = estimator, root, False

    def loop(self, name: str, part: str, items: Iterable[_Item], number: int) -> Iterator[_Item]:
        loop = self._begun(self.root.subcontext(name, max_subtasks=number))
        for item in items:
            turn = self._begun(loop.subcontext(part))
            self.is_inside = True
            yield item
            self.is_inside = False
            turn.call_on_fit_task_end(estimator=self.estimator)
        loop.call_on_fit_task_end(estimator=self.estimator)

    def _begun(self, context: Any) -> Any:
        return context.call_on_fit_task_begin(estimator=self.estimator)


#: The fit that is under way in this thread, of an estimator that has callbacks.
_UNDER_WAY: ContextVar[_Fit | None] = ContextVar("under_way", default=None)


def _told_of(fit: Method) -> Method:
    @wraps(fit)
    def told(self: Any, *args: Any, **params: Any) -> Any:
        if not getattr(self, "_skl_callbacks", None):
            return fit(self, *args, **params)
        given = inspect.signature(fit).bind(self, *args, **params)
        data = {"X": given.args[1], "y": given.arguments.get("y")}
        root = self._init_callback_context(max_subtasks=None)
        root.call_on_fit_task_begin(estimator=self, **data)
        token = _UNDER_WAY.set(_Fit(self, root))
        try:
            result = fit(self, *args, **params)
        finally:
            _UNDER_WAY.reset(token)
        # Monitors score a copy of the estimator, which has all of its attributes by now.
        root.call_on_fit_task_end(estimator=self, **data, reconstruction_attributes=dict)
        return result

    return told  # type: ignore[return-value]


def told(
    name: str, part: str, items: Iterable[_Item], number: int | None = None
) -> Iterator[_Item]:
    """Yield items; callbacks hear of the loop over them, and of what is done with each, a part.

    `number` is that of the items, where they have no length.
    """
    fit = _UNDER_WAY.get()
    if fit is None or fit.is_inside:
        return iter(items)
    return fit.loop(name, part, items, len(items) if isinstance(items, Sized) else number or 0)
