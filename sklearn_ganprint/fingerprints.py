"""L1: fingerprints from residuals."""

from typing import Any

import numpy as np

from sklearn_ganprint._parallel import row_chunks


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
    indicator = np.zeros((n_classes, len(rows)))
    indicator[codes, np.arange(len(rows))] = weights
    sums = np.zeros((n_classes, rows.shape[1]))
    for chunk in row_chunks(*rows.shape):
        # float64 chunk by chunk: a copy of the whole batch would cost three times the memory
        sums += indicator[:, chunk] @ rows[chunk].astype(np.float64, copy=False)
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


def energy(residuals: Any) -> np.ndarray:
    """Mean square of each residual or fingerprint over its pixels.

    Parameters
    ----------
    residuals : array-like of shape (n, ...)
        Residuals or fingerprints, in grey levels.

    Returns
    -------
    ndarray of float64, shape (n,)
        Energies, in squared grey levels.

    Examples
    --------
    >>> from sklearn_ganprint.fingerprints import energy
    >>> energy([[3.0, -3.0], [0.0, 2.0]])
    array([9., 2.])
    """
    rows = np.asarray(residuals)
    rows = rows.reshape(len(rows), -1)
    energies = np.empty(len(rows))
    for chunk in row_chunks(*rows.shape):
        values = rows[chunk].astype(np.float64, copy=False)
        energies[chunk] = np.einsum("ij,ij->i", values, values) / max(1, rows.shape[1])
    return energies
