"""What the supported releases of the dependencies do differently, or have without types.

Each piece that is for some releases only names the one that lets it go, once it is the oldest.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import joblib
import numpy as np
import sklearn
from joblib._parallel_backends import LokyBackend
from sklearn.utils import metaestimators
from sklearn.utils._array_api import _is_numpy_namespace, get_namespace
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import _check_sample_weight

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn 1.9 has it, as an experiment
    CallbackSupportMixin = object

Method = TypeVar("Method", bound=Callable[..., Any])


class Callbacks(CallbackSupportMixin):
    """Base of estimators that take callbacks, where scikit-learn has them."""


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
