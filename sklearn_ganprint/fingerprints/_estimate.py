"""Means of residuals."""

from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.utils import gen_batches

from sklearn_ganprint._parallel import one_blas_thread

#: Values of the rows that are summed up at a time, 1 MiB in float32, and the least columns of them:
#: shorter pieces of a row are slow to read.
BLOCK_VALUES, MIN_COLUMNS = 1 << 18, 64


def class_sums(
    rows: np.ndarray, codes: np.ndarray, weights: np.ndarray, n_classes: int
) -> np.ndarray:
    """Weighted sum of the rows of each class, accumulated in float64.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        Residuals.

    codes : ndarray of int, shape (n,)
        Class of each row, in ``range(n_classes)``.

    weights : ndarray of float, shape (n,)
        Weight of each row.

    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of float64, shape (n_classes, n_features)
        The sums.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.fingerprints import class_sums
    >>> class_sums(np.eye(3), np.array([0, 1, 1]), np.array([1.0, 1.0, 2.0]), 2)
    array([[1., 0., 0.],
           [0., 1., 2.]])
    """
    order = np.argsort(codes, kind="stable")
    weights = weights[order]
    ends = np.searchsorted(codes[order], np.arange(n_classes + 1))
    own = [slice(*pair) for pair in pairwise(ends)]
    sums = np.zeros((n_classes, rows.shape[1]))
    n_columns = max(MIN_COLUMNS, BLOCK_VALUES // max(1, len(rows)))
    with one_blas_thread():
        for columns in gen_batches(rows.shape[1], n_columns):
            # Columns and not rows at a time: the sums of a block stay in the cache. float64 block
            # by block: a copy of the whole batch would cost three times the memory.
            block = rows[order, columns].astype(np.float64, copy=False)
            for code, members in enumerate(own):
                np.matmul(weights[members], block[members], out=sums[code, columns])
    return sums


def estimate_fingerprint(residuals: Any, sample_weight: Any = None) -> np.ndarray:
    """Fingerprint of one source: the mean of its residuals (eq. 3).

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Noise residuals of images of the source.

    sample_weight : array-like of shape (n,), default=None
        Weight of each residual; None weighs them all alike.

    Returns
    -------
    ndarray of shape (...)
        The fingerprint in float64, in the unit of the residuals.

    Raises
    ------
    ValueError
        If there is no residual, or the weights do not sum to more than zero.

    Notes
    -----
    With residuals ``R_i = F + W_i`` the mean of N is ``F`` plus noise of 1/N the energy [1]_.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019, eq. 2 and 3.

    Examples
    --------
    >>> from sklearn_ganprint.fingerprints import estimate_fingerprint
    >>> estimate_fingerprint([[1.0, 2.0], [3.0, 6.0]])
    array([2., 4.])
    """
    residuals = np.asarray(residuals)
    n = len(residuals)
    weights = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(f"Expected {n} sample weights, one a residual, got shape {weights.shape}.")
    if not weights.sum() > 0:
        raise ValueError(
            f"Expected residuals of total weight above 0, got {weights.sum()} from {n}."
        )
    sums = class_sums(residuals.reshape(n, -1), np.zeros(n, dtype=int), weights, 1)
    return (sums / weights.sum()).reshape(residuals.shape[1:])


def doubling_counts(n_images: int) -> np.ndarray:
    """Numbers of images to follow a fingerprint at: powers of two, and all.

    Parameters
    ----------
    n_images : int
        Number of all images, at least 1.

    Returns
    -------
    ndarray of int64, shape (k,)
        1, 2, 4, ... up to `n_images`, which is always the last.

    Raises
    ------
    ValueError
        If there is no image.

    Examples
    --------
    >>> from sklearn_ganprint.fingerprints import doubling_counts
    >>> doubling_counts(10)
    array([ 1,  2,  4,  8, 10])
    """
    if n_images < 1:
        raise ValueError(f"n_images: expected at least 1, got {n_images}.")
    return np.unique([*(1 << k for k in range(int(n_images).bit_length())), int(n_images)])


def nested_fingerprints(residuals: Any, n_images: Any) -> np.ndarray:
    """Fingerprints from growing numbers of images: means of the first residuals (Fig. 2).

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Noise residuals of images of one source.

    n_images : array-like of int, shape (k,)
        How many of the first residuals to take, from 1 to n, in any order.

    Returns
    -------
    ndarray of float64, shape (k, ...)
        The fingerprints, in the unit of the residuals.

    Raises
    ------
    ValueError
        If a number is not a whole one from 1 to n.

    See Also
    --------
    doubling_counts : Numbers to take.

    Notes
    -----
    Each mean contains those before it, so all come from one pass over the residuals [1]_.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019, Fig. 2.

    Examples
    --------
    >>> from sklearn_ganprint.fingerprints import nested_fingerprints
    >>> nested_fingerprints([[1.0, 2.0], [3.0, 6.0], [2.0, 4.0]], [1, 2])
    array([[1., 2.],
           [2., 4.]])
    """
    residuals, counts = np.asarray(residuals), np.asarray(n_images)
    n = len(residuals)
    whole = counts.ndim == 1 and counts.size > 0 and np.array_equal(counts, np.rint(counts))
    if not (whole and 1 <= counts.min() and counts.max() <= n):
        raise ValueError(
            f"n_images: expected whole numbers from 1 to the number of residuals, {n}; got "
            f"{counts.tolist()}."
        )
    ends, order = np.unique(counts.astype(np.intp), return_inverse=True)
    rows = residuals[: ends[-1]].reshape(ends[-1], -1)
    step = np.searchsorted(ends, np.arange(len(rows)), side="right")
    sums = class_sums(rows, step, np.ones(len(rows)), len(ends))
    np.cumsum(sums, axis=0, out=sums)
    sums /= ends[:, np.newaxis]
    return sums[order].reshape(len(counts), *residuals.shape[1:])
