"""What to call images of no known source."""

from typing import Any

import numpy as np


def unknown_label(label: Any, classes: np.ndarray) -> Any:
    """Label of images of no known source, of the type that the classes have."""
    numeric = np.issubdtype(classes.dtype, np.number) or classes.dtype == bool
    if label is None:
        return min(-1, int(classes.min()) - 1) if numeric else _check_free("unknown", classes)
    if isinstance(label, str) == numeric:
        raise ValueError(
            f"unknown_label must be of the same type as the labels in y, a "
            f"{'number' if numeric else 'string'}, got {label!r}. Metrics refuse a mixture."
        )
    return _check_free(label, classes)


def _check_free(label: Any, classes: np.ndarray) -> Any:
    if label in classes.tolist():
        raise ValueError(
            f"The unknown label {label!r} is one of the classes in y. Set unknown_label to "
            f"something else."
        )
    return label
