"""The perturbations, and their short texts in the command line and in tables of results."""

import hashlib
import io
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ganprint._images import LUMINANCE_WEIGHTS, ImageShape
from sklearn_ganprint.denoisers import GaussianDenoiser
from sklearn_ganprint.perturbations._base import BasePerturbation, HistoryCoverage

__all__ = [
    "Crop",
    "GaussianBlur",
    "GaussianNoise",
    "JPEGCompression",
    "Resize",
    "check_perturbation",
]

#: Longest side that the usual JPEG library writes.
MAX_SIDE = 65500
FILTERS = {resampling.name.lower(): resampling for resampling in Image.Resampling}


class JPEGCompression(BasePerturbation):
    """Compression to JPEG and back, in memory.

    Parameters
    ----------
    quality : int, default=95
        Quality factor of the Independent JPEG Group's tables, from 1 to 100.
    subsampling : {"4:2:0", "4:2:2", "4:4:4"}, default="4:2:0"
        Resolution of the two colour planes: half in both directions, half horizontally, or full.
        Grey images have none.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of images that come as rows; None takes a row as one line, and warns.
    data_range : float, default=255.0
        The value of white.

    See Also
    --------
    BasePerturbation : Attributes and notes that all perturbations have in common.
    Resize : Image-sharing services often resize before they compress.

    Notes
    -----
    JPEG holds 8-bit values. Images of any other dtype or range are scaled, rounded and clipped to
    [0, 255], and scaled back after compression. Even at quality 100 values change, by rounding in
    the frequency and the colour domain.

    The blocks of 8 x 8 pixels start at the top-left pixel of the image. Images that are cut out of
    a JPEG file off its grid, and compressed again, have two grids.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.perturbations import JPEGCompression
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    >>> compressed = JPEGCompression(quality=85).fit_transform(images)
    >>> compressed.shape, compressed.dtype
    ((4, 32, 32, 3), dtype('uint8'))
    >>> print(JPEGCompression(85))
    JPEG 85
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BasePerturbation._parameter_constraints,
        "quality": [Interval(Integral, 1, 100, closed="both")],
        "subsampling": [StrOptions({"4:2:0", "4:2:2", "4:4:4"})],
        "data_range": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        quality: int = 95,
        *,
        subsampling: str = "4:2:0",
        image_shape: Sequence[int] | None = None,
        data_range: float = 255.0,
    ) -> None:
        self.quality = quality
        self.subsampling = subsampling
        self.image_shape = image_shape
        self.data_range = data_range

    def __str__(self) -> str:
        return f"JPEG {self.quality}" + f" {self.subsampling}" * (self.subsampling != "4:2:0")

    def covers(self) -> HistoryCoverage:
        """Tell the quality; see :meth:`BasePerturbation.covers`."""
        return HistoryCoverage(jpeg=(self.quality, self.quality))

    def _perturb(self, image: np.ndarray) -> np.ndarray:
        options = {"quality": int(self.quality), "subsampling": self.subsampling}
        return compressed(image, self.data_range, "JPEG", **options)

    def _output_shape(self, image_shape: ImageShape) -> ImageShape:
        height, width, _ = image_shape
        if max(height, width) > MAX_SIDE:
            raise ValueError(
                f"JPEG images have at most {MAX_SIDE} pixels a side, got {height}x{width}. If "
                f"these are images as rows, set image_shape=(H, W[, C])."
            )
        return image_shape


def compressed(image: np.ndarray, white: float, form: str, **options: Any) -> np.ndarray:
    """Compress an image ``(H, W, C)`` to a format of 8 bits, and read it again."""
    exact = image.dtype == np.uint8 and white == 255
    levels = image if exact else np.rint(image * (255 / white)).clip(0, 255).astype(np.uint8)
    grey, stream = image.shape[2] == 1, io.BytesIO()
    Image.fromarray(levels[..., 0] if grey else levels).save(stream, form, **options)
    with Image.open(stream, formats=[form]) as found:  # some formats have colours only
        read = np.asarray(found if not grey else found.convert("L")).reshape(image.shape)
    return read if exact else read * (white / 255)


class Crop(BasePerturbation):
    """A part of each image: aligned with the pixel grid, or shifted.

    Parameters
    ----------
    size : int or tuple of int, default=None
        Side of a square, or ``(height, width)``, in pixels. None keeps what `trim` and `offset`
        leave.
    trim : int, default=0
        Pixels to cut off at each of the four borders first.
    offset : tuple of int, "center" or "random", default=(0, 0)
        Row and column at which the crop starts after trimming, or a position: "random" draws an
        offset for each image.
    random_state : int, RandomState instance or None, default=None
        Used with ``offset="random"``. With an int, the offset of an image is the same in every
        call and batch.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of images that come as rows; None takes a row as one line, and warns.

    See Also
    --------
    BasePerturbation : Attributes and notes that all perturbations have in common.
    sklearn_ganprint.datasets.ImageReader : Crops images of different sizes as it reads them.

    Notes
    -----
    A fingerprint is tied to the pixel grid: only crops that start at the same pixel as those of the
    fit carry it. To shift images against a fingerprint, fit on ``Crop(size)`` and score on
    ``Crop(size, offset=(3, 5))``. Where a generator's pattern has a period, such as 8 pixels, an
    offset by a multiple of the period changes little.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.perturbations import Crop
    >>> images = np.arange(36).reshape(1, 6, 6)
    >>> Crop(2, offset=(1, 3)).transform(images)
    array([[[ 9., 10.],
            [15., 16.]]])
    >>> Crop(trim=2).transform(images)
    array([[[14., 15.],
            [20., 21.]]])
    >>> print(Crop(2, offset=(1, 3)))
    crop 2 at 1,3
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BasePerturbation._parameter_constraints,
        "size": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "trim": [Interval(Integral, 0, None, closed="left")],
        "offset": [StrOptions({"center", "random"}), "array-like"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        *,
        trim: int = 0,
        offset: str | Sequence[int] = (0, 0),
        random_state: int | np.random.RandomState | None = None,
        image_shape: Sequence[int] | None = None,
    ) -> None:
        self.size = size
        self.trim = trim
        self.offset = offset
        self.random_state = random_state
        self.image_shape = image_shape

    def __str__(self) -> str:
        words = [f"trim {self.trim}"] if self.trim else []
        if self.size is not None:
            words.append("crop " + "x".join(map(str, np.ravel(self.size))))
        words = words or ["crop"]
        if isinstance(self.offset, str):
            words.append(self.offset)
        elif np.any(self.offset):
            words.append("at " + ",".join(map(str, np.ravel(self.offset))))
        return " ".join(words)

    def _perturb(self, image: np.ndarray) -> np.ndarray:
        height, width, _ = self._output_shape(image.shape)
        top, left = self._start(image, height, width)
        return image[top : top + height, left : left + width]

    def _start(self, image: np.ndarray, height: int, width: int) -> Any:
        """Return the first row and column of a crop of this size."""
        free = np.subtract(image.shape[:2], (height, width)) - 2 * self.trim
        if isinstance(self.offset, str):
            if self.offset == "center":
                return self.trim + free // 2
            rng = image_generator(image, self.random_state)
            return self.trim + rng.integers(free, endpoint=True)
        return np.add(self.trim, self.offset)

    def _output_shape(self, image_shape: ImageShape) -> ImageShape:
        room = np.subtract(image_shape[:2], 2 * self.trim)
        offset = np.zeros(2, int) if isinstance(self.offset, str) else _pair("offset", self.offset)
        size = room - offset if self.size is None else _pair("size", self.size)
        if min(size) < 1 or (offset + size > room).any():
            raise ValueError(
                f"{self!r} does not fit into images of {image_shape[0]}x{image_shape[1]} pixels."
            )
        return int(size[0]), int(size[1]), image_shape[2]


def _pair(name: str, value: Any) -> np.ndarray:
    """Return one whole number for each direction; raise if one is negative."""
    lengths = np.asarray(value)
    if lengths.shape not in ((), (2,)) or lengths.dtype.kind not in "iu" or lengths.min() < 0:
        raise ValueError(
            f"{name} must be whole numbers of pixels for rows and columns, such as (2, 5); "
            f"got {value!r}."
        )
    return np.broadcast_to(lengths, 2)


class Resize(BasePerturbation):
    """Resizing by a factor, and back to the original size if asked.

    Parameters
    ----------
    scale : float, default=0.5
        Ratio of new to old side lengths. Lengths are rounded, and at least one pixel.
    restore : bool, default=False
        Whether to resize back to the original size.
    resample : str, default="bicubic"
        Pillow's filter: "nearest", "box", "bilinear", "hamming", "bicubic" or "lanczos". All but
        "nearest" are widened when images shrink, against aliasing.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of images that come as rows; None takes a row as one line, and warns.
    data_range : float, default=255.0
        The value of white, at which uint16 images are clipped.

    See Also
    --------
    BasePerturbation : Attributes and notes that all perturbations have in common.
    Crop : Brings enlarged images to the size that an estimator was fitted on.

    Notes
    -----
    Without `restore` images change their size, and an estimator fitted on images of the original
    size refuses them. Fit on crops of the smaller size, or crop enlarged images. The pixel grid, to
    which a fingerprint is tied, changes in any case.

    8-bit images are resized with Pillow's 8-bit arithmetic, as programs that resize files do; the
    smaller image between the two steps of `restore` is 8-bit too. All other images are resized in
    single precision. "bicubic" and "lanczos" overshoot at edges: integers are clipped to
    [0, white], floats are not.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.perturbations import Resize
    >>> images = np.full((4, 32, 48, 3), 7, dtype=np.uint8)
    >>> Resize(0.75).fit_transform(images).shape
    (4, 24, 36, 3)
    >>> Resize(0.75, restore=True).fit_transform(images).shape
    (4, 32, 48, 3)
    >>> print(Resize(0.75, restore=True))
    resize 0.75 and back
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BasePerturbation._parameter_constraints,
        "scale": [Interval(Real, 0, None, closed="neither")],
        "restore": ["boolean"],
        "resample": [StrOptions(set(FILTERS))],
        "data_range": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        scale: float = 0.5,
        *,
        restore: bool = False,
        resample: str = "bicubic",
        image_shape: Sequence[int] | None = None,
        data_range: float = 255.0,
    ) -> None:
        self.scale = scale
        self.restore = restore
        self.resample = resample
        self.image_shape = image_shape
        self.data_range = data_range

    def __str__(self) -> str:
        filtered = f" {self.resample}" * (self.resample != "bicubic")
        return f"resize {self.scale:g}{filtered}" + " and back" * self.restore

    def covers(self) -> HistoryCoverage:
        """Tell the scale, if the size stays changed; see :meth:`BasePerturbation.covers`."""
        return HistoryCoverage(scale=None if self.restore else (self.scale, self.scale))

    def _perturb(self, image: np.ndarray) -> np.ndarray:
        if image.dtype == np.uint8:
            pixels = image[..., 0] if image.shape[2] == 1 else image
            return self._resized(pixels).reshape(self._output_shape(image.shape))
        # Pillow knows floats in single planes only.
        planes = np.moveaxis(image, -1, 0).astype(np.float32, order="C")
        return np.stack([self._resized(plane) for plane in planes], axis=-1)

    def _resized(self, pixels: np.ndarray) -> np.ndarray:
        """Resize an image ``(H, W, 3)`` or a plane ``(H, W)``."""
        height, width = self._scaled(*pixels.shape[:2])
        image, resample = Image.fromarray(pixels), FILTERS[self.resample]
        resized = image.resize((width, height), resample)
        return np.asarray(resized.resize(image.size, resample) if self.restore else resized)

    def _scaled(self, *lengths: int) -> list[int]:
        return [max(1, round(length * self.scale)) for length in lengths]

    def _output_shape(self, image_shape: ImageShape) -> ImageShape:
        if self.restore:
            return image_shape
        height, width = self._scaled(*image_shape[:2])
        return height, width, image_shape[2]


class GaussianBlur(BasePerturbation):
    """Convolution of each channel with a Gaussian.

    Parameters
    ----------
    sigma : float, default=1.0
        Standard deviation of the Gaussian, in pixels.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of images that come as rows; None takes a row as one line, and warns.

    See Also
    --------
    BasePerturbation : Attributes and notes that all perturbations have in common.
    sklearn_ganprint.denoisers.GaussianDenoiser : The same filter, as a denoiser.

    Notes
    -----
    The Gaussian is cut at four standard deviations, and images are mirrored at their borders.
    There is no `data_range`, since a blur does not depend on the value of white.

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


class GaussianNoise(BasePerturbation):
    """Addition of white Gaussian noise.

    Parameters
    ----------
    sigma : float, default=2.0
        Standard deviation of the noise, in 8-bit grey levels whatever `data_range` is.
    random_state : int, RandomState instance or None, default=None
        With an int, the noise of an image is the same in every call and batch. Otherwise each
        call draws new noise.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of images that come as rows; None takes a row as one line, and warns.
    data_range : float, default=255.0
        The value of white.

    See Also
    --------
    BasePerturbation : Attributes and notes that all perturbations have in common.
    GaussianBlur : Removes fine detail, which noise hides.

    Notes
    -----
    The noise of an image is drawn from a generator seeded by `random_state` and a hash of the
    image's values: whatever the batch and the dtype, equal images get equal noise. Other versions
    of NumPy may draw other noise.

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
        rng = image_generator(image, self.random_state)
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        noise *= self.sigma * self.data_range / 255
        return image + noise


def image_generator(
    image: np.ndarray, random_state: int | np.random.RandomState | None
) -> np.random.Generator:
    """Return a generator that depends on the values of an image, not on their shape or dtype."""
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    values = np.ascontiguousarray(image, dtype="<f4")  # the same bytes on every machine
    digest = hashlib.blake2b(values.data, digest_size=16).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])


#: What the first word of a text makes of the number behind it; other modules add theirs.
WORDS: dict[str, Callable[[str], BasePerturbation]] = {
    "blur": lambda number: GaussianBlur(float(number)),
    "crop": lambda number: Crop(int(number)),
    "jpeg": lambda number: JPEGCompression(int(number)),
    "noise": lambda number: GaussianNoise(float(number), random_state=0),
    "resize": lambda number: Resize(float(number)),
    "trim": lambda number: Crop(trim=int(number)),
}

#: Texts of random histories, which their module adds.
PRESET_TEXTS: dict[str, BasePerturbation] = {}


def check_perturbation(perturbation: Any) -> BasePerturbation:
    """Make a perturbation from a short text, or take a perturbation object.

    Parameters
    ----------
    perturbation : str or BasePerturbation
        "jpeg QUALITY", "resize SCALE", "resize SCALE and back", "blur SIGMA", "noise SIGMA" (with
        ``random_state=0``), "crop SIZE", "trim PIXELS", "source NUMBER" of a
        :class:`SimulatedSource`, or "history PRESET" of :meth:`RandomHistory.preset`; or a
        perturbation, which is returned unchanged.

    Returns
    -------
    BasePerturbation
        The perturbation. Its ``str`` is a text that makes the same perturbation, as long as no
        other parameter has been set.

    Raises
    ------
    ValueError
        If the text has another form, or the number is out of range.
    TypeError
        If `perturbation` is neither text nor a perturbation.

    Examples
    --------
    >>> from sklearn_ganprint.perturbations import check_perturbation
    >>> [check_perturbation(text) for text in ("jpeg 85", "resize 0.75 and back")]
    [JPEGCompression(quality=85), Resize(restore=True, scale=0.75)]
    """
    if isinstance(perturbation, BasePerturbation):
        return perturbation
    if not isinstance(perturbation, str):
        raise TypeError(
            f"Expected a perturbation object such as JPEGCompression(85), or a text such as "
            f"'jpeg 85'; got {perturbation!r}."
        )
    parsed = _parse(perturbation)
    parsed._validate_params()
    return parsed


def _parse(text: str) -> BasePerturbation:
    preset = PRESET_TEXTS.get(" ".join(text.lower().split()))
    if preset is not None:
        return clone(preset)
    try:
        match text.lower().split():
            case [word, number] if word in WORDS:
                return WORDS[word](number)
            case ["resize", number, "and", "back"]:
                return Resize(float(number), restore=True)
    except ValueError:
        pass  # not a number
    raise ValueError(
        f"Expected one of {', '.join(sorted(WORDS))} and a number, such as 'jpeg 85', "
        f"'resize 0.75 and back', or one of {', '.join(map(repr, PRESET_TEXTS))}; got {text!r}."
    )


def _crop(image: np.ndarray, white: float, share: float, top: float, left: float) -> np.ndarray:
    """Keep a part of the sides; `top` and `left` are shares of what is cut off."""
    sides = [max(1, round(share * length)) for length in image.shape[:2]]
    first = [
        int(where * (length - side + 1))
        for where, length, side in zip((top, left), image.shape, sides, strict=False)
    ]
    return image[first[0] : first[0] + sides[0], first[1] : first[1] + sides[1]]


def _rotate(image: np.ndarray, white: float, strength: float) -> np.ndarray:
    """Rotate about the centre, and keep the upright part of the same proportions that is full."""
    height, width, _ = image.shape
    angle = np.deg2rad(abs(strength))
    share = 1 / (np.cos(angle) + np.sin(angle) * max(height / width, width / height))
    inner = [max(1, int(length * share) - 2) for length in (height, width)]
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    # Pillow knows floats in single planes only.
    planes = np.moveaxis(image, -1, 0).astype(np.float32, order="C")
    rotated = (Image.fromarray(plane).rotate(strength, FILTERS["bicubic"]) for plane in planes)
    turned = np.stack([np.asarray(plane) for plane in rotated], axis=-1)
    return turned[top : top + inner[0], left : left + inner[1]]


def _resize(
    image: np.ndarray, white: float, resample: str, scale: float = 1.0, longest_side: int = 0
) -> np.ndarray:
    if longest_side:
        scale = min(1.0, longest_side / max(image.shape[:2]))
    if scale == 1:
        return image
    return Resize(scale, resample=resample, data_range=white)._perturb(image)


def _sharpen(image: np.ndarray, white: float, strength: float) -> np.ndarray:
    return image + strength * (image - GaussianBlur(1.0)._perturb(image))


def _contrast(image: np.ndarray, white: float, strength: float) -> np.ndarray:
    mean = image.mean(dtype=np.float64)
    return mean + strength * (image - mean)


def _grey(image: np.ndarray, white: float) -> np.ndarray:
    return np.repeat((image @ np.array(LUMINANCE_WEIGHTS))[..., np.newaxis], 3, axis=2)


#: What random histories are made of: operations on one image, and on what is white in it.
OPERATIONS: dict[str, Callable[..., np.ndarray]] = {
    "crop": _crop,
    "rotate": _rotate,
    "resize": _resize,
    "blur": lambda image, white, strength: GaussianBlur(strength)._perturb(image),
    "sharpen": _sharpen,
    "contrast": _contrast,
    "brightness": lambda image, white, strength: image * np.float64(strength),
    "grey": _grey,
    "noise": lambda image, white, strength, seed: GaussianNoise(
        strength, random_state=seed, data_range=white
    )._perturb(image),
    "jpeg": lambda image, white, **options: compressed(image, white, "JPEG", **options),
    "webp": lambda image, white, quality: compressed(image, white, "WEBP", quality=quality),
}
