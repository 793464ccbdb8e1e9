"""What the operations of random histories make of one image, ``(H, W, C)`` with its white."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from sklearn_ganprint._images import LUMINANCE_WEIGHTS
from sklearn_ganprint.perturbations._perturbations import (
    FILTERS,
    GaussianBlur,
    GaussianNoise,
    Resize,
    compressed,
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
