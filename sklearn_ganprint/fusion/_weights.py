"""What each classifier is worth: the conditional logit."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax


def fit_weights(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Fit one weight for each classifier, by penalised maximum likelihood.

    Parameters
    ----------
    scores : ndarray of shape (n_classifiers, n, n_classes)
        Scores of images, of about unit spread.

    codes : ndarray of int, shape (n,)
        Class of each image.

    Returns
    -------
    ndarray of shape (n_classifiers,)
        Weights, at least 0, that maximise the likelihood of the softmax of the weighted sum of
        the scores, less half the sum of their squares.
    """
    rows = np.arange(len(codes))
    own = scores[:, rows, codes]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        fused = np.tensordot(weights, scores, axes=1)
        surplus = own - (scores * softmax(fused, axis=1)).sum(axis=2)
        likelihood = log_softmax(fused, axis=1)[rows, codes].sum()
        return weights @ weights / 2 - likelihood, weights - surplus.sum(axis=1)

    start, bounds = np.ones(len(scores)), [(0, None)] * len(scores)
    weights: np.ndarray = minimize(loss, start, jac=True, bounds=bounds).x
    return weights


def spread(scores: np.ndarray) -> np.ndarray:
    """Root mean square of scores (n_classifiers, n, n_classes) about the mean over the classes."""
    about = scores - scores.mean(axis=2, keepdims=True)
    size: np.ndarray = np.sqrt(np.square(about).mean(axis=(1, 2)))
    return np.where(size > 0, size, 1.0)
