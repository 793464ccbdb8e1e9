"""What the supported releases of the dependencies do differently, or have without types.

Each piece that is for some releases only names the one that lets it go, once it is the oldest.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import joblib
import numpy as np
import sklearn
from joblib._parallel_backends import LokyBackend
from sklearn.base import _fit_context
from sklearn.utils import metaestimators
from sklearn.utils._array_api import _is_numpy_namespace, get_namespace
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import _check_sample_weight

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn 1.9 has it, as an experiment
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


# scikit-learn 1.9 has a parameter for weights that may all be 0, and refuses such otherwise.
_ALL_ZERO = parse_version(sklearn.__version__) >= parse_version("1.9")
_OPTIONS = {"allow_all_zero_weights": True} if _ALL_ZERO else {}


def check_sample_weight(sample_weight: Any, X: Any, *, all_zero: bool = False) -> np.ndarray:
    """Validate weights of at least 0, of which all may be 0 if `all_zero`."""
    weights = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True, **_OPTIONS
    )
    if not all_zero and not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


_JOBLIB_1_5 = parse_version(joblib.__version__) >= parse_version("1.5")


def start_trackers() -> None:
    """Start what tracks the resources of workers, before Ctrl-C is blocked.

    When they start, those of Python before 3.13 and of joblib before 1.5 unblock it.
    """
    from multiprocessing import resource_tracker  # only where there are workers

    resource_tracker.ensure_running()
    if not _JOBLIB_1_5:
        from joblib.externals.loky.backend import resource_tracker as of_loky

        of_loky.ensure_running()


# joblib 1.5 takes the initializer of workers in `parallel_config("loky", ...)`.
class _InitializedLoky(LokyBackend):
    """Workers that call a function first."""

    def __init__(self, *, initializer: Any = None, initargs: Any = (), **options: Any) -> None:
        super().__init__(**options)
        self._first = {"initializer": initializer, "initargs": initargs}

    def configure(self, *args: Any, **options: Any) -> Any:
        """Start the workers."""
        return super().configure(*args, **options, **self._first)


def initialized_workers(initializer: Any, *args: Any) -> Any:
    """Give a context in which joblib's workers are processes that call a function first."""
    options = {"initializer": initializer, "initargs": args}
    if _JOBLIB_1_5:
        return joblib.parallel_config("loky", **options)
    return joblib.parallel_config(_InitializedLoky(**options))
