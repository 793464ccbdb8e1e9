"""The weights that fuse the scores of several classifiers, and how they are fitted."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import QuantileRegressor

from sklearn_ganprint._batches import one_blas_thread

#: Standard errors by which weights by class must raise the likelihood of images left out.
CLEARLY = 2.0

#: Share of the images below the line that follows their sizes, and how many it is fitted to.
LOW, MOST_ROWS = 0.05, 4000

#: Share of the scores for other classes that are below the floor of a fingerprint.
FLOOR = 0.99


class Weights(NamedTuple):
    """Weights that fuse the scores of several classifiers."""

    shared: np.ndarray  # (n_classifiers,)
    by_class: np.ndarray  # (n_classes, n_classifiers, n_classes)
    intercept: np.ndarray  # (n_classes,)

    def fuse(self, scores: np.ndarray) -> np.ndarray:
        """Make scores (n, n_classes) of scores (n, n_classifiers, n_classes)."""
        own = np.einsum("m,imc->ic", self.shared, scores)
        by_class = self.by_class.reshape(len(self.intercept), -1)
        return own + scores.reshape(len(scores), -1) @ by_class.T + self.intercept


@one_blas_thread()  # of many small products, where threads wait for each other
def choose_weights(
    scores: np.ndarray, codes: np.ndarray, fold_of: np.ndarray, penalty: float
) -> Weights:
    """Fit shared weights, and others by class where images left out clearly ask for them.

    Scores are about 0 for each image and of about unit spread. A classifier whose shared weight is
    0 has none by class: these could turn its sign, and scores that are worse than chance come from
    folds more often than from images. If all shared weights are 0, all become 1.
    """
    shared = fit_weights(scores, codes, np.inf)
    useful = shared.shared > 0
    if not useful.any():
        return shared._replace(shared=np.ones(len(useful)))
    scores = scores * useful[:, np.newaxis]
    gains = np.zeros(len(codes))
    for fold in np.unique(fold_of):
        out, rest = fold_of == fold, fold_of != fold
        for sign, strength in ((1, penalty), (-1, np.inf)):
            found = fit_weights(scores[rest], codes[rest], strength)
            gains[out] += sign * log_likelihoods(found.fuse(scores[out]), codes[out])
    if gains.sum() > CLEARLY * gains.std() * len(gains) ** 0.5:
        return fit_weights(scores, codes, penalty)
    return shared


def log_likelihoods(fused: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Logarithms of the probabilities that the classes of images get."""
    return log_softmax(fused, axis=1)[np.arange(len(codes)), codes]


def fit_weights(scores: np.ndarray, codes: np.ndarray, penalty: float) -> Weights:
    """Fit weights by penalised maximum likelihood.

    Half of `penalty` times the squares of weights by class and intercepts is taken off the
    likelihood, and half the squares of the shared weights. If it is infinite, weights by class and
    intercepts are 0.
    """
    _, n_classifiers, n_classes = scores.shape
    n_free = 0 if np.isinf(penalty) else n_classes * (n_classifiers * n_classes + 1)
    strength = np.repeat([1.0, penalty], [n_classifiers, n_free])
    own = np.eye(n_classes)[codes]

    def unpack(flat: np.ndarray) -> Weights:
        shared, free = flat[:n_classifiers], flat[n_classifiers:]
        free = free if n_free else np.zeros(n_classes * (n_classifiers * n_classes + 1))
        by_class, intercept = free[:-n_classes], free[-n_classes:]
        return Weights(shared, by_class.reshape(n_classes, n_classifiers, n_classes), intercept)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        fused = unpack(flat).fuse(scores)
        surplus = softmax(fused, axis=1) - own
        slope = np.einsum("ic,imc->m", surplus, scores)
        if n_free:
            by_class = surplus.T @ scores.reshape(len(scores), -1)
            slope = np.concatenate([slope, by_class.ravel(), surplus.sum(axis=0)])
        missed = -log_likelihoods(fused, codes).sum()
        return missed + strength @ flat**2 / 2, slope + strength * flat

    start = np.repeat([1.0, 0.0], [n_classifiers, n_free])
    bounds = [(0, None)] * n_classifiers + [(None, None)] * n_free
    found = minimize(loss, start, jac=True, bounds=bounds, options={"maxiter": 1000})
    return unpack(found.x)


def about_mean(scores: np.ndarray) -> np.ndarray:
    """Subtract the mean over the classes, which is the last axis."""
    return scores - scores.mean(axis=-1, keepdims=True)


def floors(scores: np.ndarray, codes: np.ndarray, has_floor: np.ndarray) -> np.ndarray:
    """Find the score of each kind that few images of other classes reach; infinite for some."""
    of_others = codes[:, np.newaxis] != np.arange(scores.shape[2])
    reached = [np.quantile(kind[of_others], FLOOR) for kind in scores.swapaxes(0, 1)]
    return np.where(has_floor, reached, np.inf)


def size_slopes(log_sizes: np.ndarray, usual: float, typicality: np.ndarray) -> np.ndarray:
    """Slopes (2,) of a low quantile of the typicality, below and above the usual size.

    Features of small images vary more, and images beyond the usual size may be enlarged ones.
    """
    about = around(log_sizes, usual)
    vary = np.ptp(about, axis=0) > 0
    slopes = np.zeros(2)
    if vary.any():
        chosen = np.linspace(0, len(about) - 1, min(len(about), MOST_ROWS)).astype(int)
        line = QuantileRegressor(quantile=LOW, alpha=0)
        line.fit(about[np.ix_(chosen, vary)], typicality[chosen])
        slopes[vary] = line.coef_
    return slopes


def around(log_sizes: np.ndarray, usual: float) -> np.ndarray:
    """Return by how much sizes are below (as negative numbers) and above the usual one, (n, 2)."""
    above = log_sizes - usual
    return np.stack([above.clip(max=0), above.clip(min=0)], axis=1)
