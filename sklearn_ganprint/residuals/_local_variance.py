"""Residuals divided by their own strength around each pixel, so that edges do not dominate."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.ndimage import uniform_filter
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils._param_validation import Interval

from sklearn_ganprint._images import ImageTransformer
from sklearn_ganprint._parallel import row_chunks, thread_map


class LocalVarianceNormalizer(OneToOneFeatureMixin, ImageTransformer):
    """Divide residuals by their own standard deviation around each pixel.

    Edges and texture leave residuals many times as strong as a fingerprint, which make most of the
    noise of a correlation. Divided by its local strength, a residual weighs no more there than
    elsewhere.

    Parameters
    ----------
    size : int, default=9
        Side of the square window of the local variance, in pixels.
    offset : float, default=0.5
        Added to the local variance, in squared units of the residuals, which are 8-bit grey
        levels as a rule. The offset keeps flat areas, whose residual is rounding alone, from
        being amplified.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of residuals that come as rows; None takes a row as one line, and warns.
    flatten : bool, default=True
        Whether residuals come out as rows ``(n, H*W*C)`` or as images ``(n, H, W, C)``.
    n_jobs : int, default=None
        Number of threads; None is 1 unless in a :func:`joblib.parallel_config` context.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the residuals.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of values of a residual, and names of the columns of a data frame.

    See Also
    --------
    ResidualTransformer : Makes the residuals.
    FingerprintClassifier : Averages and correlates them.

    Notes
    -----
    ``Z / sqrt(mean(Z^2) + offset)``, channel by channel, where the mean is over the pixels of the
    window and the image is continued by reflection beyond its borders. This is the divisive
    normalization of local contrast [1]_; the local mean has been subtracted by the denoiser, so the
    variance is taken about zero. Nothing is learned, and the transformer can be used without
    ``fit``. Differences in strength between sources are lost.

    References
    ----------
    .. [1] A. Mittal, A. K. Moorthy, A. C. Bovik, "No-reference image quality assessment in the
       spatial domain", IEEE Transactions on Image Processing 21(12), 2012, eq. 1-3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import LocalVarianceNormalizer
    >>> residuals = np.random.default_rng(0).normal(size=(2, 32, 32, 3))
    >>> residuals[:, :, 16:] *= 100
    >>> even = LocalVarianceNormalizer(flatten=False).fit_transform(residuals)
    >>> bool(even[:, :, 20:].std() < 2 * even[:, :, :12].std())
    True
    """

    _takes_residuals: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "size": [Interval(Integral, 1, None, closed="left")],
        "offset": [Interval(Real, 0, None, closed="neither")],
        "image_shape": ["array-like", None],
        "flatten": ["boolean"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        size: int = 9,
        offset: float = 0.5,
        *,
        image_shape: Sequence[int] | None = None,
        flatten: bool = True,
        n_jobs: int | None = None,
    ) -> None:
        self.size = size
        self.offset = offset
        self.image_shape = image_shape
        self.flatten = flatten
        self.n_jobs = n_jobs

    def _transform_images(self, images: np.ndarray) -> np.ndarray:
        normalized = np.empty(images.shape, images.dtype)
        window = (1, self.size, self.size, 1)
        thread_map(
            lambda chunk: divide_by_local_rms(
                images[chunk], window, self.offset, normalized[chunk]
            ),
            row_chunks(len(images), images[0].size),
            self.n_jobs,
        )
        return normalized


def divide_by_local_rms(
    residuals: np.ndarray, window: Sequence[int], floor: float, out: np.ndarray | None = None
) -> np.ndarray:
    """Divide by the root of `floor` and the mean square in a window, which has a side an axis."""
    power = uniform_filter(np.square(residuals), tuple(window), mode="reflect")
    # Running sums leave a little less than nothing behind where the residual is zero.
    np.maximum(power, 0, out=power)
    power += power.dtype.type(floor)
    return np.divide(residuals, np.sqrt(power, out=power), out=out)
