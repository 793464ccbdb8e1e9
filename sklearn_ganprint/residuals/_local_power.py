"""Residuals divided by their own strength around each pixel."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import uniform_filter


def divide_by_local_rms(
    residuals: np.ndarray, window: Sequence[int], floor: float, out: np.ndarray | None = None
) -> np.ndarray:
    """Divide by the root of `floor` and the mean square in a window, which has a side an axis."""
    power = uniform_filter(np.square(residuals), tuple(window), mode="reflect")
    # Running sums leave a little less than nothing behind where the residual is zero.
    np.maximum(power, 0, out=power)
    power += power.dtype.type(floor)
    return np.divide(residuals, np.sqrt(power, out=power), out=out)
