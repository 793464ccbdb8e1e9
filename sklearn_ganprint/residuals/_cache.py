"""Residuals of images that come again and again, as in cross-validation."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any

import numpy as np

from sklearn_ganprint._batches import lock_while_forking

#: Bytes of images and residuals that are kept unless :func:`set_cache_size` says otherwise.
CACHE_SIZE = 512 << 20

#: Values of an image that it is looked up by, before all are compared, and images remembered.
SAMPLED_VALUES, SEEN_IMAGES = 512, 1 << 16

_in_use: ContextVar[bool] = ContextVar("_in_use", default=True)
_shared: ContextVar["ResidualCache | None"] = ContextVar("_shared", default=None)


class ResidualCache:
    """Residuals by recipe, which is a denoiser and its settings, and by the pixels of the image.

    A residual is kept when its image comes a second time, so that images which come once take no
    memory; `at_once`, when it comes first. The recipe used last may displace the others; what does
    not fit then is not kept. Keys are a sample of the pixels, and only an image whose pixels are
    all equal is a hit.
    """

    def __init__(self, size: int = CACHE_SIZE, *, at_once: bool = False) -> None:
        self.size, self.at_once = size, at_once
        self.used = 0
        self._recipes: OrderedDict[Hashable, dict[bytes, tuple[np.ndarray, np.ndarray]]]
        self._recipes = OrderedDict()
        self._seen: set[int] = set()
        self.lock = Lock()

    def recall(self, recipe: Hashable, images: np.ndarray, residuals: np.ndarray) -> bool:
        """Fill in the residuals of a chunk of images if all are kept; return whether they are.

        A chunk is all or nothing, since rounding depends on which images are denoised together:
        what is computed is what it would be without a cache.
        """
        kept = self._recipes.get(recipe, {})
        found = []
        for key, pixels in _keyed(images) if kept else ():
            image, residual = kept.get(key, (None, None))
            if image is None or (image != pixels).any():
                break
            found.append(residual)
        if len(found) < len(images):
            return False
        for target, residual in zip(residuals, found, strict=True):
            target[...] = residual
        return True

    def keep(self, images: np.ndarray, residuals: Mapping[Any, np.ndarray]) -> None:
        """Keep copies of the residuals of those images of a chunk that have been seen before.

        Residuals of one pass over the images, by recipe: they are seen once, not once a recipe.
        """
        for position, (key, pixels) in enumerate(_keyed(images)):
            if self._seen_before(key):
                for recipe, own in residuals.items():
                    self._store(recipe, key, pixels, own[position])

    def _seen_before(self, key: bytes) -> bool:
        if self.at_once or hash(key) in self._seen:
            return True
        if len(self._seen) >= SEEN_IMAGES:
            self._seen.clear()
        self._seen.add(hash(key))
        return False

    def _store(
        self, recipe: Hashable, key: bytes, pixels: np.ndarray, residual: np.ndarray
    ) -> None:
        n_bytes = pixels.nbytes + residual.nbytes
        if n_bytes > self.size:
            return
        with self.lock:
            kept = self._recipes.setdefault(recipe, {})
            self._recipes.move_to_end(recipe)
            if key not in kept:
                self._make_room(n_bytes, recipe)
                if self.used + n_bytes > self.size:
                    return
                self.used += n_bytes
            kept[key] = pixels.copy(), residual.copy()

    def _make_room(self, n_bytes: int, recipe: Hashable = None) -> None:
        """Drop residuals of other recipes, of the one least recently used first."""
        while self.used + n_bytes > self.size and self._recipes:
            oldest = next(iter(self._recipes))
            if oldest == recipe:
                return
            dropped = self._recipes.pop(oldest).values()
            self.used -= sum(array.nbytes for pair in dropped for array in pair)

    def resize(self, size: int) -> None:
        """Set the limit, and drop what is beyond it."""
        with self.lock:
            self.size = size
            self._make_room(0)
            self._seen.clear()


CACHE = ResidualCache()
lock_while_forking(CACHE.lock)


def set_cache_size(n_bytes: int) -> None:
    """Set how much memory the residuals of images that come again may take in this process.

    Parameters
    ----------
    n_bytes : int
        Limit on the images and residuals that :class:`ResidualTransformer` keeps copies of, in
        bytes; 512 MiB unless set. 0 keeps none and frees what was kept.

    Raises
    ------
    ValueError
        If the limit is negative, or no whole number.

    Notes
    -----
    Cross-validation and searches hand the same images to a transformer many times. The second time,
    their residuals are kept, and looked up from then on; images are compared pixel by pixel.
    Residuals are the same with and without the cache, up to the rounding that depends on which
    images are denoised together. All transformers of a process share one cache, clones as well;
    each worker process has its own. No estimator is stored with it. Not kept are residuals of image
    files, and those by functions and denoisers of other packages, which may depend on more than
    parameters.

    Examples
    --------
    >>> from sklearn_ganprint.residuals import set_cache_size
    >>> set_cache_size(0)  # keep nothing
    >>> set_cache_size(512 << 20)  # as it was
    """
    if not isinstance(n_bytes, int | np.integer) or n_bytes < 0:
        raise ValueError(f"n_bytes: expected a whole number of at least 0, got {n_bytes!r}.")
    CACHE.resize(int(n_bytes))


@contextmanager
def shared_residuals() -> Iterator[None]:
    """Let several estimators, one after the other, take the same images, and denoise them once.

    Residuals are kept from the first time on, also where the cache is suspended, and forgotten at
    the end. An outer context serves those within it. What computes several residuals at once, as a
    CorrelationTransformer does, goes first.
    """
    cache = _shared.get() or ResidualCache(CACHE.size, at_once=True)
    token = _shared.set(cache)
    try:
        yield
    finally:
        _shared.reset(token)


@contextmanager
def cache_unused() -> Iterator[None]:
    """Suspend the cache: memory must not grow with the number of files."""
    token = _in_use.set(False)
    try:
        yield
    finally:
        _in_use.reset(token)


class ResidualKeeper:
    """Recalls and keeps the residuals of chunks of images by recipes, in whatever thread.

    A recipe may be None, for residuals that depend on what is not known.
    """

    def __init__(self, recipes: Sequence[Hashable]) -> None:
        self.recipes = recipes
        # Asked for here, in the thread of the call, and not in others.
        caches = (_shared.get(), CACHE if _in_use.get() else None)
        self.caches = [cache for cache in caches if cache is not None and cache.size > 0]

    def missing(self, images: np.ndarray, residuals: Sequence[np.ndarray]) -> list[int]:
        """Fill in what is known of the residuals by each recipe; return the places of the rest."""
        return [
            place
            for place, (recipe, own) in enumerate(zip(self.recipes, residuals, strict=True))
            if recipe is None or not any(c.recall(recipe, images, own) for c in self.caches)
        ]

    def keep(self, images: np.ndarray, residuals: Sequence[np.ndarray]) -> None:
        """Keep what can be known again."""
        known = {
            recipe: own
            for recipe, own in zip(self.recipes, residuals, strict=True)
            if recipe is not None
        }
        for cache in self.caches if known else ():
            cache.keep(images, known)


def _keyed(images: np.ndarray) -> Iterator[tuple[bytes, np.ndarray]]:
    """Yield a key and the pixels of each image; equal images, and few others, have one key."""
    layout = repr((images.shape[1:], images.dtype.str)).encode()
    for image in images:
        pixels = np.ascontiguousarray(image).ravel()
        step = pixels.size // SAMPLED_VALUES | 1  # odd, or it would stay in a few columns
        key = layout + pixels[::step].tobytes()
        # As long integers, pixels are compared in a quarter of the time.
        yield key, pixels.view(np.uint8 if pixels.nbytes % 8 else np.uint64)
