"""Scores of classes from those of their subclasses."""

import numpy as np
from scipy.special import logsumexp


def merge_subclass_scores(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Soft maximum of the scores of each class over its subclasses.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes, n_subclasses)
        Scores of the subclasses.

    temperature : float
        T, in units of the scores. 0 takes the greatest.

    Returns
    -------
    ndarray of shape (n, n_classes)
        ``T log(sum(exp(score / T)))``, the sum over the subclasses.

    Notes
    -----
    With log likelihoods as scores and T = 1 this is the log likelihood of a mixture of the
    subclasses, up to a constant. The greater T, the more is it the mean score that counts.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.ensemble import merge_subclass_scores
    >>> scores = np.array([[[3.0, 0.0], [2.0, 2.0]]])
    >>> merge_subclass_scores(scores, 0.0)
    array([[3., 2.]])
    >>> merge_subclass_scores(scores, 4.0).round(2)
    array([[4.55, 4.77]])
    """
    if temperature == 0:
        return scores.max(axis=-1)
    return temperature * logsumexp(scores / temperature, axis=-1)
