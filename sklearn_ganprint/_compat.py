"""What the supported releases of the dependencies do differently, or have without types.

Each piece that is for some releases only names the one that lets it go, once it is the oldest.

scikit-learn 1.9 has callbacks, as an experiment. They hear of a fit, of loops in it that take long,
and of each turn of these. Without callbacks nothing is done.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sized
from contextvars import ContextVar
from functools import wraps
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
except ImportError:  # of releases before scikit-learn 1.9
    CallbackSupportMixin = object

Method = TypeVar("Method", bound=Callable[..., Any])
_Item = TypeVar("_Item")


class Callbacks(CallbackSupportMixin):
    """Base of estimators that take callbacks, where scikit-learn has them."""


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


def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Hide a method of an estimator unless `check` of the estimator is true."""
    return metaestimators.available_if(check)


def other_namespace(*arrays: Any) -> Any:
    """Return the namespace of arrays that are not numpy's, if scikit-learn dispatches to it."""
    xp, dispatches = get_namespace(*arrays)
    return None if not dispatches or _is_numpy_namespace(xp) else xp


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
