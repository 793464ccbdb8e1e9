"""What scikit-learn has without types, or in some of its releases only."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sklearn.base import _fit_context
from sklearn.utils import metaestimators
from sklearn.utils._array_api import _is_numpy_namespace, get_namespace

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # new in 1.9
    CallbackSupportMixin = object

Method = TypeVar("Method", bound=Callable[..., Any])
_Item = TypeVar("_Item")


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """Validate the parameters of an estimator before a method that fits it."""
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Hide a method of an estimator unless `check` of the estimator is true."""
    return metaestimators.available_if(check)


def other_namespace(*arrays: Any) -> Any:
    """Return the namespace of arrays that are not numpy's, if scikit-learn dispatches to it."""
    xp, dispatches = get_namespace(*arrays)
    return None if not dispatches or _is_numpy_namespace(xp) else xp


class Callbacks(CallbackSupportMixin):
    """Base of estimators that take callbacks, where scikit-learn has them; experimental there."""


class FitTasks:
    """The tasks of a fit, of which the callbacks of an estimator are told, if it can have any.

    Callbacks are set up here and end with the method that is decorated by :func:`fit_context`.
    """

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        begin = getattr(owner, "_init_callback_context", None)
        self.root = None if begin is None else self._begun(begin(max_subtasks=None))

    def each(self, name: str, items: Sequence[_Item]) -> Iterator[_Item]:
        """Yield items that one task goes over; what is done with each is a task of its own."""
        if self.root is None:
            yield from items
            return
        task = self._begun(self.root.subcontext(name, max_subtasks=len(items)))
        for item in items:
            part = self._begun(task.subcontext("batch"))
            yield item
            part.call_on_fit_task_end(estimator=self.owner)
        task.call_on_fit_task_end(estimator=self.owner)

    def end(self) -> None:
        """Tell that the fit has come to its end."""
        if self.root is not None:
            self.root.call_on_fit_task_end(estimator=self.owner)

    def _begun(self, context: Any) -> Any:
        return context.call_on_fit_task_begin(estimator=self.owner)
