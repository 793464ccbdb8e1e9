"""Random histories: what an image may have gone through before it is found."""

from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_array

from sklearn_ganprint import _images
from sklearn_ganprint._images import ImageShape
from sklearn_ganprint.perturbations import _perturbations
from sklearn_ganprint.perturbations._base import BasePerturbation, HistoryCoverage
from sklearn_ganprint.perturbations._perturbations import FILTERS

__all__ = ["RandomHistory"]

#: Longest sides that the formats have.
MAX_SIDES = {"jpeg": _perturbations.MAX_SIDE, "webp": 16383}

#: A crop, reduction or rotation that would leave less of a larger image is left out where images
#: change their size, in pixels.
LEAST_SIDE = 32

#: Probability, least and greatest strength.
Range = tuple[float, float, float] | None


class Operation(NamedTuple):
    """One operation of a history."""

    name: str
    parameters: dict[str, Any]

    def __str__(self) -> str:
        values = (f"{v:.3g}" if isinstance(v, float) else f"{v}" for v in self.parameters.values())
        return " ".join([self.name, *values])


class Bounds(NamedTuple):
    """What the strength of an operation may be."""

    low: float
    high: float
    whole: bool = False


#: The operations in the order in which they are applied.
BOUNDS = {
    "crop": Bounds(1e-3, 1),
    "rotate": Bounds(-45, 45),
    "resize": Bounds(1e-3, np.inf),
    "blur": Bounds(1e-3, np.inf),
    "sharpen": Bounds(0, np.inf),
    "contrast": Bounds(0, np.inf),
    "brightness": Bounds(0, np.inf),
    "grey": Bounds(-np.inf, np.inf),
    "noise": Bounds(0, np.inf),
    "jpeg": Bounds(1, 100, whole=True),
    "webp": Bounds(0, 100, whole=True),
}
RANGES = tuple(name for name in BOUNDS if name != "grey")

NOTHING: dict[str, Any] = {**dict.fromkeys(RANGES), "grey": 0.0}
#: Reduced to a longest side, then compressed.
SENT = {**NOTHING, "resize": (1.0, 1.0, 1.0), "full_colour": 0.0}
PRESETS: dict[str, dict[str, Any]] = {
    "web": {},
    "social": {**SENT, "longest_side": (1080, 2048), "jpeg": (1.0, 70, 85), "rounds": (1,)},
    "messenger": {
        **SENT,
        **{"longest_side": (1280, 1600), "jpeg": (1.0, 50, 80), "rounds": (1, 1, 2)},
    },
    "challenge": {
        **{"crop": (1.0, 0.7, 1.0), "rotate": (1.0, -5.0, 5.0), "resize": (1.0, 0.5, 1.5)},
        **{"blur": (1.0, 0.3, 1.5), "contrast": (1.0, 0.7, 1.3), "brightness": (1.0, 0.7, 1.3)},
        **{"grey": 1.0, "jpeg": (1.0, 50, 95), "webp": (1.0, 50, 95)},
        **{"sharpen": None, "noise": None, "rounds": (1, 2, 3), "one_per_round": True},
    },
}


class RandomHistory(BasePerturbation):
    """A random chain of compression, resizing and other processing, another one for each image.

    Parameters
    ----------
    crop : tuple of (probability, low, high) or None, default=(0.5, 0.5, 1.0)
        Share of both sides that a part of the image has, which lies anywhere in it, and so seldom
        on its grid of 8 x 8 pixels of JPEG. None, here and below, is never.
    rotate : tuple of (probability, low, high) or None, default=(0.03, -3.0, 3.0)
        Rotation in degrees, at most 45 to either side; the upright part without empty corners is
        kept.
    resize : tuple of (probability, low, high) or None, default=(0.55, 0.4, 1.5)
        Ratio of new to old side lengths; its logarithm is uniform.
    blur : tuple of (probability, low, high) or None, default=(0.25, 0.3, 1.3)
        Standard deviation of a Gaussian, in pixels.
    sharpen : tuple of (probability, low, high) or None, default=(0.1, 0.2, 1.5)
        Share of the difference from a Gaussian blur of 1 pixel that is added.
    contrast : tuple of (probability, low, high) or None, default=(0.1, 0.8, 1.25)
        Factor of the difference from the mean of the image.
    brightness : tuple of (probability, low, high) or None, default=(0.1, 0.8, 1.25)
        Factor of all values.
    grey : float, default=0.02
        Probability that a colour image loses its colours. It keeps three channels.
    noise : tuple of (probability, low, high) or None, default=(0.1, 0.5, 4.0)
        Standard deviation of white Gaussian noise, in 8-bit grey levels.
    jpeg : tuple of (probability, low, high) or None, default=(0.65, 50, 99)
        Quality, a whole number from 1 to 100.
    webp : tuple of (probability, low, high) or None, default=(0.12, 50, 95)
        Quality of lossy WebP, a whole number from 0 to 100.
    longest_side : tuple of (low, high), default=None
        Longest side in pixels that larger images are reduced to, and smaller ones left at, in
        place of the factors of `resize`.
    resample : sequence of str, default=("bilinear", "bicubic", "lanczos")
        Pillow's filters, one of which is drawn for each resizing.
    full_colour : float, default=0.3
        Probability that JPEG has no colour subsampling, 4:4:4 in place of 4:2:0.
    rounds : sequence of int, default=(1, 1, 1, 2)
        Numbers of rounds, one of which is drawn: an image that is passed on goes through several.
    one_per_round : bool, default=False
        Whether a round is one operation, drawn in proportion to the probabilities. Otherwise a
        round is all operations in the order above, each with its probability.
    draw : int, default=0
        Number of the draw: others give an image other histories.
    random_state : int, RandomState instance or None, default=0
        With an int, the history of an image is the same in every call, batch and process.
        Otherwise each call draws another one.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of images that come as rows; None takes a row as one line, and warns.
    data_range : float, default=255.0
        The value of white.

    See Also
    --------
    BasePerturbation : Attributes and notes that all perturbations have in common.
    sklearn_ganprint.AugmentedClassifier : Fits on several histories of each image.
    check_perturbation : Makes the presets from texts such as "history web".

    Notes
    -----
    A strength is uniform between `low` and `high`, both included, unless said otherwise. Draws
    depend on `random_state`, `draw` and a hash of the image's values, and on nothing else; other
    versions of NumPy may draw otherwise.

    Images keep their size in ``transform``. An enlarged image is cut to it at the bottom and the
    right, so that the grid of its compression still begins at the top-left pixel. What became
    smaller is *not* enlarged again, which would be another history: it stays at the top left, and
    its mirror image fills the rest. All pixels have then gone through this history and no other.
    Mirroring turns the direction of a trace around in the part that it fills, and its seam is no
    trace of the source.

    Between operations uint8 and uint16 images are rounded and clipped, as files are; JPEG and WebP
    hold 8 bits.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.perturbations import RandomHistory
    >>> images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    >>> history = RandomHistory(random_state=0)
    >>> perturbed = history.transform(images)
    >>> bool((history.transform(images[2:]) == perturbed[2:]).all())
    True
    >>> print(RandomHistory.preset("social", draw=3))
    history social, draw 3
    >>> for operations in RandomHistory.preset("social").histories(images[:1]):
    ...     print([operation.name for operation in operations])
    ['resize', 'jpeg']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BasePerturbation._parameter_constraints,
        **{name: ["array-like", None] for name in (*RANGES, "longest_side")},
        "grey": [Interval(Real, 0, 1, closed="both")],
        "resample": ["array-like"],
        "full_colour": [Interval(Real, 0, 1, closed="both")],
        "rounds": ["array-like"],
        "one_per_round": ["boolean"],
        "draw": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
        "data_range": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(  # noqa: PLR0913
        self,
        *,
        crop: Range = (0.5, 0.5, 1.0),
        rotate: Range = (0.03, -3.0, 3.0),
        resize: Range = (0.55, 0.4, 1.5),
        blur: Range = (0.25, 0.3, 1.3),
        sharpen: Range = (0.1, 0.2, 1.5),
        contrast: Range = (0.1, 0.8, 1.25),
        brightness: Range = (0.1, 0.8, 1.25),
        grey: float = 0.02,
        noise: Range = (0.1, 0.5, 4.0),
        jpeg: Range = (0.65, 50, 99),
        webp: Range = (0.12, 50, 95),
        longest_side: tuple[int, int] | None = None,
        resample: Sequence[str] = ("bilinear", "bicubic", "lanczos"),
        full_colour: float = 0.3,
        rounds: Sequence[int] = (1, 1, 1, 2),
        one_per_round: bool = False,
        draw: int = 0,
        random_state: int | np.random.RandomState | None = 0,
        image_shape: Sequence[int] | None = None,
        data_range: float = 255.0,
    ) -> None:
        self.crop = crop
        self.rotate = rotate
        self.resize = resize
        self.blur = blur
        self.sharpen = sharpen
        self.contrast = contrast
        self.brightness = brightness
        self.grey = grey
        self.noise = noise
        self.jpeg = jpeg
        self.webp = webp
        self.longest_side = longest_side
        self.resample = resample
        self.full_colour = full_colour
        self.rounds = rounds
        self.one_per_round = one_per_round
        self.draw = draw
        self.random_state = random_state
        self.image_shape = image_shape
        self.data_range = data_range

    @classmethod
    def preset(cls, name: str, **params: Any) -> Self:
        """Make the histories of a purpose.

        Parameters
        ----------
        name : {"web", "social", "messenger", "challenge"}
            "web" has the defaults. "social" reduces images to 1080 to 2048 pixels and compresses
            them to JPEG 70 to 85; "messenger" to 1280 to 1600 pixels and JPEG 50 to 80, one time
            in three twice. "challenge" is one to three of JPEG, WebP, crop, resizing, rotation,
            contrast, brightness, blur and grey, in any order.
        **params : dict
            Parameters that differ from those of the preset.

        Returns
        -------
        RandomHistory
            The perturbation.

        Raises
        ------
        ValueError
            If there is no such preset.

        Examples
        --------
        >>> from sklearn_ganprint.perturbations import RandomHistory
        >>> RandomHistory.preset("social").jpeg
        (1.0, 70, 85)
        """
        if name not in PRESETS:
            raise ValueError(f"Expected one of the presets {', '.join(PRESETS)}, got {name!r}.")
        return cls(**{**PRESETS[name], **params})

    def __str__(self) -> str:
        own = _comparable(self)
        names = (f" {name}" for name in PRESETS if _comparable(type(self).preset(name)) == own)
        return f"history{next(names, '')}" + f", draw {self.draw}" * bool(self.draw)

    def covers(self) -> HistoryCoverage:
        """Tell which compression and resizing there may be in one round.

        Returns
        -------
        HistoryCoverage
            Ranges of qualities and scales; several rounds may reduce an image further.

        Examples
        --------
        >>> from sklearn_ganprint.perturbations import RandomHistory
        >>> RandomHistory(jpeg=(0.5, 70, 95), webp=None, resize=(0.5, 0.4, 1.5)).covers()
        HistoryCoverage(jpeg=(70, 95), webp=None, scale=(0.4, 1.5), longest_side=None)
        """
        jpeg, webp, scale = (
            (getattr(self, name)[1], getattr(self, name)[2]) if self._chance(name) else None
            for name in ("jpeg", "webp", "resize")
        )
        if scale is not None and self.longest_side is not None:
            return HistoryCoverage(jpeg, webp, None, self.longest_side)
        return HistoryCoverage(jpeg, webp, scale)

    def histories(self, X: Any) -> list[list[Operation]]:
        """Tell the histories that ``transform`` gives to images.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Images, or images as rows.

        Returns
        -------
        list of list of Operation
            For each image its operations in their order, with the attributes `name` and
            `parameters`. Empty for an image that stays as it is.
        """
        self._validate_params()
        return [list(self._history(image)) for image in self._take(X, reset=False)]

    def transform_whole(self, X: Any, *, return_histories: bool = False) -> Any:
        """Give images their histories, and leave each at the size that it then has.

        Crops, reductions and rotations that would leave less than 32 pixels a side are left out.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features), or list of images
            Images, or images as rows. A list may hold images of several sizes.
        return_histories : bool, default=False
            Whether to return the histories too.

        Returns
        -------
        images : list of ndarray of shape (H', W', C)
            The images, in the dtype of `X`.
        histories : list of list of Operation
            What :meth:`histories` returns. Only returned if `return_histories` is True.

        Raises
        ------
        ValueError
            If images are not finite, or larger than a format holds.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_ganprint.perturbations import RandomHistory
        >>> images = np.zeros((2, 64, 64, 3), dtype=np.uint8)
        >>> half = RandomHistory(crop=None, rotate=None, resize=(1, 0.5, 0.5), rounds=[1])
        >>> [image.shape for image in half.transform_whole(images)]
        [(32, 32, 3), (32, 32, 3)]
        """
        if _images.differ_in_shape(X):
            self._validate_params()
            images = _images.by_shape(self._of_one_size, X)
        else:
            images = self._take(X, reset=False)
        for image in images:
            self._output_shape(image.shape)
        histories = [list(self._history(image)) for image in images]
        processed = [
            self._go_through(image, history, LEAST_SIDE)
            for image, history in zip(images, histories, strict=True)
        ]
        return (processed, histories) if return_histories else processed

    def _of_one_size(self, X: Any) -> list[np.ndarray]:
        """Validate some images of a list, whose size need not be that seen in ``fit``."""
        images = check_array(X, allow_nd=True, dtype=list(_images.IMAGE_DTYPES))
        _images.batch_image_shape(images, self._n_channels)  # raises where there are 2 channels
        return list(images.reshape(*images.shape[:3], -1))

    def _history(self, image: np.ndarray) -> Iterator[Operation]:
        seeds = _perturbations.image_generator(image, self.random_state).integers(2**63, size=2)
        rng = np.random.default_rng([self.draw, *seeds])
        chances = {name: self._chance(name) for name in BOUNDS}
        if image.shape[2] == 1:
            chances["grey"] = 0.0
        for _ in range(rng.choice(self.rounds)):
            if self.one_per_round:
                weights = np.array(list(chances.values()))
                names = rng.choice(list(chances), 1, p=weights / weights.sum()).tolist()
            else:
                names = [name for name, chance in chances.items() if rng.random() < chance]
            for name in names:
                yield Operation(name, self._strength(name, rng))

    def _chance(self, name: str) -> float:
        value = getattr(self, name)
        return value if name == "grey" else 0.0 if value is None else value[0]

    def _strength(self, name: str, rng: np.random.Generator) -> dict[str, Any]:
        """Draw the parameters of an operation."""
        if name == "grey":
            return {}
        _, low, high = getattr(self, name)
        if BOUNDS[name].whole:
            low, high = int(low), int(high)
        match name:
            case "crop":
                top, left = rng.random(2).tolist()
                found = {"share": float(rng.uniform(low, high)), "top": top, "left": left}
            case "resize":
                if self.longest_side is None:
                    found = {"scale": float(np.exp(rng.uniform(np.log(low), np.log(high))))}
                else:
                    found = {"longest_side": int(rng.integers(*self.longest_side, endpoint=True))}
                found["resample"] = str(rng.choice(self.resample))
            case "jpeg" | "webp":
                found = {"quality": int(rng.integers(low, high, endpoint=True))}
                if name == "jpeg":
                    full = rng.random() < self.full_colour
                    found["subsampling"] = "4:4:4" if full else "4:2:0"
            case _:
                found = {"strength": float(rng.uniform(low, high))}
                if name == "noise":
                    found["seed"] = int(rng.integers(2**31))
        return found

    def _perturb(self, image: np.ndarray) -> np.ndarray:
        return _to_frame(self._go_through(image, self._history(image)), image.shape)

    def _go_through(
        self, image: np.ndarray, history: Iterable[Operation], least_side: int = 1
    ) -> np.ndarray:
        """Apply the history of an image, which may change its size."""
        current = image
        for operation in history:
            values = _perturbations.OPERATIONS[operation.name](
                current, self.data_range, **operation.parameters
            )
            sides = zip(values.shape[:2], current.shape[:2], strict=True)
            if any(new < min(least_side, old) for new, old in sides):
                continue
            current = np.empty(values.shape, image.dtype)
            self._store(values, current)
        return current

    def _output_shape(self, image_shape: ImageShape) -> ImageShape:
        scale = 1.0 if self.resize is None or self.longest_side is not None else self.resize[2]
        longest = max(image_shape) * max(1.0, scale) ** max(self.rounds)
        for name, limit in MAX_SIDES.items():
            if self._chance(name) and longest > limit:
                raise ValueError(
                    f"Images in {name} have at most {limit} pixels a side, got {image_shape[0]}x"
                    f"{image_shape[1]}, which may become {longest:.0f}. Set {name}=None, or, if "
                    f"these are images as rows, image_shape=(H, W[, C])."
                )
        return image_shape

    def _validate_params(self) -> None:
        super()._validate_params()
        for name in RANGES:
            _check_range(name, getattr(self, name))
        if self.longest_side is not None:
            _check_limits("longest_side", self.longest_side, Bounds(1, np.inf, whole=True))
        unknown = sorted(set(self.resample) - set(FILTERS))
        if unknown or not len(self.resample):
            raise ValueError(f"resample must be of {sorted(FILTERS)}, got {self.resample!r}.")
        rounds = np.asarray(self.rounds)
        if rounds.ndim != 1 or not rounds.size or rounds.dtype.kind not in "iu" or rounds.min() < 0:
            raise ValueError(f"rounds must be whole numbers such as (1, 2), got {self.rounds!r}.")
        if self.one_per_round and not any(map(self._chance, (n for n in BOUNDS if n != "grey"))):
            raise ValueError("one_per_round needs an operation beside grey to draw.")


def _comparable(history: RandomHistory) -> dict[str, Any]:
    """Return the parameters that make a preset, whatever kinds of sequences hold them."""
    others = ("draw", "random_state", "image_shape", "data_range")
    params = history.get_params().items()
    return {name: np.ravel(value).tolist() for name, value in params if name not in others}


def _check_range(name: str, value: Any) -> None:
    """Raise unless a parameter is a probability and two limits."""
    if value is None:
        return
    numbers = np.asarray(value)
    if numbers.shape != (3,) or numbers.dtype.kind not in "iuf" or not 0 <= numbers[0] <= 1:
        raise ValueError(
            f"{name} must be (probability, low, high) with a probability from 0 to 1, or None; "
            f"got {value!r}."
        )
    _check_limits(name, value[1:], BOUNDS[name])


def _check_limits(name: str, value: Any, bounds: Bounds) -> None:
    limits = np.asarray(value)
    fits = limits.shape == (2,) and limits.dtype.kind in "iuf" and np.isfinite(limits).all()
    if fits:
        fits = bounds.low <= limits[0] <= limits[1] <= bounds.high
    if not fits or (bounds.whole and (limits % 1 != 0).any()):
        kind = "whole numbers" if bounds.whole else "numbers"
        raise ValueError(
            f"The limits of {name} must be {kind} low <= high from {bounds.low:g} to "
            f"{bounds.high:g}, got {value!r}."
        )


def _to_frame(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Cut an image at the bottom and the right, or fill up with its mirror image."""
    cut = image[: shape[0], : shape[1]]
    missing = np.subtract(shape, cut.shape)
    return np.pad(cut, [(0, n) for n in missing], mode="symmetric") if missing.any() else cut


for _name in PRESETS:
    _perturbations.PRESET_TEXTS[f"history {_name}"] = RandomHistory.preset(_name)
