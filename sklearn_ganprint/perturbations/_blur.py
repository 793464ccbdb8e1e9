"""Gaussian blur."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from sklearn_ganprint.denoisers import GaussianDenoiser
from sklearn_ganprint.perturbations._base import BasePerturbation


class GaussianBlur(BasePerturbation):
    """Convolution of each channel with a Gaussian.

    Parameters
    ----------
    sigma : float, default=1.0
        Standard deviation of the Gaussian, in pixels.

    image_shape : tuple of int, default=None
        ``(H, W)`` or ``(H, W, C)`` of the images when they come as rows. Without it rows are
        taken as images of one line, with a warning.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the images.

    output_shape_ : tuple of int
        ``(H, W, C)`` of the blurred images.

    n_features_in_ : int
        Number of values of an image.

    feature_names_in_ : ndarray of str
        Names of the columns, if the images came as a data frame.

    See Also
    --------
    sklearn_ganprint.denoisers.GaussianDenoiser : The same filter, as a denoiser.

    Notes
    -----
    The Gaussian is cut at four standard deviations, and images are mirrored at their borders.
    The values of white and black do not matter to it, so there is no `data_range`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.perturbations import GaussianBlur
    >>> impulse = np.zeros((1, 5, 5), dtype=np.uint8)
    >>> impulse[0, 2, 2] = 100
    >>> GaussianBlur(sigma=1.0).fit_transform(impulse)[0, 2]
    array([ 2, 10, 16, 10,  2], dtype=uint8)
    >>> print(GaussianBlur(0.5))
    blur 0.5
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BasePerturbation._parameter_constraints,
        "sigma": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, sigma: float = 1.0, *, image_shape: Sequence[int] | None = None) -> None:
        self.sigma = sigma
        self.image_shape = image_shape

    def __str__(self) -> str:
        return f"blur {self.sigma:g}"

    def _perturb(self, image: np.ndarray) -> np.ndarray:
        planes = GaussianDenoiser(self.sigma).denoise(np.moveaxis(image, -1, 0))
        return np.moveaxis(planes, 0, -1)
