"""Both sides of a comparison, as rows of one dtype."""

from math import prod
from typing import Any

import numpy as np


def as_rows(residuals: Any, fingerprints: Any) -> tuple[np.ndarray, np.ndarray, np.dtype]:
    """Both sides as rows, in the dtype they came in, and the float dtype to compute with."""
    residuals, fingerprints = np.asarray(residuals), np.asarray(fingerprints)
    if residuals.shape[1:] != fingerprints.shape[1:] or residuals.ndim < 2:
        raise ValueError(
            f"Expected residuals (n, ...) and fingerprints (k, ...) of one trailing shape, got "
            f"{residuals.shape} and {fingerprints.shape}."
        )
    size = prod(residuals.shape[1:])
    return (
        residuals.reshape(len(residuals), size),
        fingerprints.reshape(len(fingerprints), size),
        np.dtype(np.float32 if residuals.dtype == np.float32 else np.float64),
    )
