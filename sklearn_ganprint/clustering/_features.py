"""Features of each residual as a whole and of its parts."""

import numpy as np

from sklearn_ganprint._parallel import row_chunks, thread_map
from sklearn_ganprint.features import SpectrumTransformer

#: Side of the windows that spectra are averaged over, in pixels.
WINDOW = 32

#: Residuals with a shorter side have no parts that hold windows, and are taken as they are.
MIN_SIDE = 16


def part_spectra(images: np.ndarray, n_jobs: int | None = None) -> np.ndarray:
    """Log power spectra of residuals and of their four quarters.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, C)
        Residuals.

    n_jobs : int, default=None
        Number of threads.

    Returns
    -------
    ndarray of shape (n, 5, n_features)
        Spectra of the whole, then of its quarters, as :class:`SpectrumTransformer` makes them with
        windows of 32 pixels. Of residuals with a side of less than 16 pixels ``(n, 1, H * W * C)``:
        the residuals themselves.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.clustering import part_spectra
    >>> part_spectra(np.random.default_rng(0).normal(size=(3, 128, 128, 3))).shape
    (3, 5, 1542)
    """
    n, *sides = images.shape[:3]
    if min(sides) < MIN_SIDE:
        return images.reshape(n, 1, -1)
    halves = [side // 2 for side in sides]
    transformer = SpectrumTransformer(min(WINDOW, *halves))
    found: dict[int, np.ndarray] = {}

    def compute(chunk: slice) -> None:
        whole = images[chunk]
        parts = [whole, *quarters(whole, halves)]
        found[chunk.start] = np.stack([transformer.fit(each).transform(each) for each in parts], 1)

    chunks = list(row_chunks(n, images[0].size))
    thread_map(compute, chunks, n_jobs)
    return np.concatenate([found[chunk.start] for chunk in chunks])


def quarters(images: np.ndarray, halves: list[int]) -> list[np.ndarray]:
    """Cut the four quarters; of an odd number of rows or columns the last is left out."""
    rows, columns = ([slice(half), slice(half, 2 * half)] for half in halves)
    return [images[:, row, column] for row in rows for column in columns]
