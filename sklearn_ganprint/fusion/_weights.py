"""What each classifier is worth: the conditional logit."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax


class Weights(NamedTuple):
    """Weights that make one score for each class of the scores of several classifiers."""

    shared: np.ndarray  # (n_classifiers,)
    by_class: np.ndarray  # (n_classes, n_classifiers, n_classes)
    intercept: np.ndarray  # (n_classes,)

    def fuse(self, scores: np.ndarray) -> np.ndarray:
        """Make scores (n, n_classes) of scores (n, n_classifiers, n_classes)."""
        own = np.einsum("m,imc->ic", self.shared, scores)
        return own + np.einsum("cmd,imd->ic", self.by_class, scores) + self.intercept


def fit_weights(scores: np.ndarray, codes: np.ndarray, penalty: float) -> Weights:
    """Fit weights by penalised maximum likelihood.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classifiers, n_classes)
        Scores of images, about 0 for each image and of about unit spread.

    codes : ndarray of int, shape (n,)
        Class of each image.

    penalty : float
        Half of it times the squares of weights by class and intercepts is taken off the
        likelihood, and half the squares of the shared weights.

    Returns
    -------
    Weights
        The weights, of which the shared ones are at least 0.
    """
    _, n_classifiers, n_classes = scores.shape
    rows = np.arange(len(codes))
    n_free = n_classes * n_classifiers * n_classes

    def unpack(flat: np.ndarray) -> Weights:
        shared, by_class, intercept = np.split(flat, [n_classifiers, n_classifiers + n_free])
        return Weights(shared, by_class.reshape(n_classes, n_classifiers, n_classes), intercept)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = unpack(flat)
        fused = weights.fuse(scores)
        surplus = softmax(fused, axis=1)
        surplus[rows, codes] -= 1
        slope = np.concatenate(
            [
                np.einsum("ic,imc->m", surplus, scores),
                np.einsum("ic,imd->cmd", surplus, scores).ravel(),
                surplus.sum(axis=0),
            ]
        )
        strength = np.where(np.arange(len(flat)) < n_classifiers, 1.0, penalty)
        missed = -log_softmax(fused, axis=1)[rows, codes].sum()
        return missed + strength @ flat**2 / 2, slope + strength * flat

    start = np.repeat([1.0, 0.0], [n_classifiers, n_free + n_classes])
    bounds = [(0, None)] * n_classifiers + [(None, None)] * (n_free + n_classes)
    found = minimize(loss, start, jac=True, bounds=bounds, options={"maxiter": 1000})
    return unpack(found.x)


def about_mean(scores: np.ndarray) -> np.ndarray:
    """Subtract the mean over the classes, which is the last axis."""
    return scores - scores.mean(axis=-1, keepdims=True)


def positive(scales: np.ndarray) -> np.ndarray:
    """Scales to divide by, 1 where they are 0."""
    return np.where(scales > 0, scales, 1.0)
