"""Gaussian noise, and randomness that belongs to an image and not to its place in a batch."""

import hashlib
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from sklearn_ganprint.perturbations._base import BasePerturbation


class GaussianNoise(BasePerturbation):
    """Addition of white Gaussian noise.

    Parameters
    ----------
    sigma : float, default=2.0
        Standard deviation of the noise, in 8-bit grey levels whatever `data_range` is.

    random_state : int, RandomState instance or None, default=None
        An int gives an image the same noise each time, in whichever batch it is. Otherwise each
        call draws other noise.

    image_shape : tuple of int, default=None
        ``(H, W)`` or ``(H, W, C)`` of the images when they come as rows. Without it rows are
        taken as images of one line, with a warning.

    data_range : float, default=255.0
        The value of white.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the images.

    output_shape_ : tuple of int
        ``(H, W, C)`` of the noisy images.

    n_features_in_ : int
        Number of values of an image.

    feature_names_in_ : ndarray of str
        Names of the columns, if the images came as a data frame.

    See Also
    --------
    GaussianBlur : Takes away what noise hides.

    Notes
    -----
    The noise of an image is drawn from a generator that is seeded by `random_state` and a hash of
    the image's values. So it does not depend on how a long list of files is cut into batches, nor
    on the dtype of the images, and equal images get equal noise; an image that differs in one value
    gets other noise. It is the same for one version of NumPy, which may change its generators.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.perturbations import GaussianNoise
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32), dtype=np.uint8)
    >>> noise = GaussianNoise(sigma=2.0, random_state=0)
    >>> bool((noise.transform(images)[2:] == noise.transform(images[2:])).all())
    True
    >>> print(noise)
    noise 2
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BasePerturbation._parameter_constraints,
        "sigma": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "data_range": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        sigma: float = 2.0,
        *,
        random_state: int | np.random.RandomState | None = None,
        image_shape: Sequence[int] | None = None,
        data_range: float = 255.0,
    ) -> None:
        self.sigma = sigma
        self.random_state = random_state
        self.image_shape = image_shape
        self.data_range = data_range

    def __str__(self) -> str:
        return f"noise {self.sigma:g}"

    def _perturb(self, image: np.ndarray) -> np.ndarray:
        # In single precision for double too, whose own generator would draw other noise.
        noise = image_generator(image, self.random_state).standard_normal(
            image.shape, dtype=np.float32
        )
        noise *= self.sigma * self.data_range / 255
        return image + noise


def image_generator(
    image: np.ndarray, random_state: int | np.random.RandomState | None
) -> np.random.Generator:
    """Random generator of an image, which does not depend on the image's place in a batch.

    Parameters
    ----------
    image : ndarray
        The image. Its values count, and neither its shape nor its dtype.

    random_state : int, RandomState instance or None
        With an int, the same image has the same generator each time.

    Returns
    -------
    numpy.random.Generator
        The generator.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.perturbations._noise import image_generator
    >>> image = np.arange(6.0)
    >>> bool(image_generator(image, 0).random() == image_generator(image, 0).random())
    True
    """
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    values = np.ascontiguousarray(image, dtype="<f4")  # the same bytes on every machine
    digest = hashlib.blake2b(values.data, digest_size=16).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])
