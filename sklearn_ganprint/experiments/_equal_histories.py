"""Images of all classes given histories of one distribution."""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ganprint._images import stack_images
from sklearn_ganprint._parallel import thread_map
from sklearn_ganprint.datasets import ImageReader, estimate_history, inspect_images
from sklearn_ganprint.files._batches import as_paths, is_paths
from sklearn_ganprint.perturbations import RandomHistory

#: What images go through unless the caller says otherwise.
HISTORY = RandomHistory(
    crop=(1.0, 0.95, 0.95),
    rotate=None,
    resize=(1.0, 0.5, 0.75),
    blur=None,
    sharpen=None,
    contrast=None,
    brightness=None,
    grey=0.0,
    noise=None,
    jpeg=(1.0, 70, 95),
    webp=None,
    full_colour=0.0,
    rounds=(1,),
)


def equalize_histories(
    images: Any,
    y: Any,
    *,
    history: RandomHistory | None = None,
    like: Any = None,
    reader: ImageReader | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> Bunch:
    """Give images of all classes histories of one distribution.

    Parameters
    ----------
    images : sequence of paths, array-like of shape (n, H, W, C), or list of ndarray
        Image files, or images, which may differ in size.
    y : array-like of shape (n,)
        Class of each image.
    history : RandomHistory, default=None
        What is done to each image. None cuts 95 % of the sides from anywhere in the image, reduces
        that by 0.5 to 0.75, and compresses it as JPEG of quality 70 to 95 with 4:2:0 colours.
    like : object, default=None
        One of the classes, such as that of photos. JPEG qualities are then drawn from those of its
        images, in place of those of `history`: what their files state, or else what their pixels
        show. None leaves `history` as it is.
    reader : ImageReader, default=None
        How files are cut. None, or a reader without a crop, takes at the top left what the smallest
        of the images has, as is done with images that are no files.
    random_state : int, default=0
        Seed of the histories and of the qualities that are drawn.
    n_jobs : int or None, default=None
        Number of threads over images. None means one.

    Returns
    -------
    Bunch
        data : ndarray of shape (m, H', W', C)
            The images, cut at the top left to what the smallest has after its history.
        target : ndarray of shape (m,)
            Their classes.
        kept : ndarray of int, shape (m,)
            Their positions in `images`.
        histories : list of list of Operation
            What was done to each, as :meth:`RandomHistory.histories` tells it.
        failures : list of ImageReadError
            The files that could not be used.

    Raises
    ------
    ValueError
        If no image can be used, `like` is none of the classes, `y` has another length, or only some
        of the images are grey.

    See Also
    --------
    audit_attribution : Tells whether it is needed.
    sklearn_ganprint.perturbations.RandomHistory : The histories.

    Notes
    -----
    Format, size, quality and chroma subsampling then differ by chance only. What pixels keep of an
    *earlier* history cannot be undone, but covered. A part that begins anywhere takes the grid of
    8 x 8 pixels of an earlier JPEG compression to any place, but its quantization remains visible:
    of images off that grid even better than on it. Reducing an image removes the frequencies that
    it is visible in, and most traces of generators with them; how much of each is left was measured
    in the documentation of ``ganprint audit``. The traces of one factor would stand at one
    frequency, so that it is random.

    Stronger reductions than that, low qualities (less than about 60), blur, lost colours and all
    that depends on what an image shows remain. An accuracy that is high before and low afterwards
    is thus no proof that it was due to the histories: the trace may have gone with them. One that
    stays high was not.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import load_samples
    >>> from sklearn_ganprint.experiments import equalize_histories
    >>> samples = load_samples()
    >>> names = samples.target_names[samples.target]
    >>> equal = equalize_histories(samples.data[:8], names[:8])
    >>> equal.data.shape[0], [operation.name for operation in equal.histories[0]]
    (8, ['crop', 'resize', 'jpeg'])
    """
    y = column_or_1d(y)
    check_consistent_length(images, y)
    if not len(y):
        raise ValueError("images: expected at least one image or file, got none.")
    history = clone(history or HISTORY).set_params(random_state=random_state)
    if like is not None and not (y == like).any():
        raise ValueError(f"like: expected one of {np.unique(y).tolist()}, got {like!r}.")
    pixels, kept, failures = _cut_alike(images, reader, n_jobs)
    if not len(kept):
        raise ValueError(f"None of the {len(y)} images can be used; the first: {failures[0]}")
    qualities: np.ndarray | list[None] = [None] * len(kept)
    if like is not None:
        known = _qualities(images, pixels, kept, np.flatnonzero(y[kept] == like))
        qualities = check_random_state(random_state).choice(known, len(kept))

    def change(position: int) -> tuple[np.ndarray, Any]:
        own, quality = history, qualities[position]
        if quality is not None:
            own = clone(history).set_params(jpeg=(1, quality, quality) if quality else None)
        image = pixels[position][np.newaxis]
        (changed,), (operations,) = own.transform_whole(image, return_histories=True)
        return changed, operations

    changed, histories = zip(*thread_map(change, range(len(kept)), n_jobs), strict=True)
    height, width = np.min([image.shape[:2] for image in changed], axis=0)
    data = np.stack([image[:height, :width] for image in changed])
    return Bunch(data=data, target=y[kept], kept=kept, histories=list(histories), failures=failures)


def _cut_alike(images: Any, reader: ImageReader | None, n_jobs: int | None) -> tuple[Any, ...]:
    """Return images of one size, positions of those that can be used, and failures."""
    if not is_paths(images):
        height, width = np.min([np.shape(image)[:2] for image in images], axis=0)
        cut = [np.atleast_3d(image)[:height, :width] for image in images]
        return stack_images(cut), np.arange(len(cut)), []
    paths = as_paths(images)
    reader = clone(reader or ImageReader()).set_params(n_jobs=n_jobs)
    if reader.crop is None:
        bunch = inspect_images(paths, reader=reader)
        if len(bunch.filenames):
            reader.set_params(crop=(int(bunch.heights.min()), int(bunch.widths.min())))
    return reader.try_read(paths)


def _qualities(images: Any, pixels: Any, kept: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the JPEG quality of some of the images that were read; 0 is none."""
    stated = np.full(len(own), np.nan)
    if is_paths(images):
        stated = inspect_images(as_paths(images)[kept[own]]).jpeg_quality
    shown = (estimate_history(pixels[position]).jpeg_quality for position in own)
    pairs = zip(stated, shown, strict=True)
    return np.array([int(a) if a > 0 else b or 0 for a, b in pairs])
