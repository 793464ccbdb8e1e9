"""What a fit makes of batches, and the thresholds that they lead to."""

import warnings
from typing import Any

import numpy as np

from sklearn_ganprint._parallel import one_blas_thread
from sklearn_ganprint.conformal import rejected_ranks, scores_needed
from sklearn_ganprint.localization._evidence import n_window_features
from sklearn_ganprint.localization._likelihood import Spread, fit_spread
from sklearn_ganprint.localization._maps import region_peak, smooth
from sklearn_ganprint.localization._model import (
    Coordinates,
    WindowModel,
    evidence_against,
    pixel_map,
    project,
    weigh,
    whole_windows,
)
from sklearn_ganprint.localization._moments import Moments, Projection

#: Regions grow to where this share of the windows of clean images has more evidence.
GROW_RATE = 0.05


class LocalizationWarning(UserWarning):
    """The stated rate of false alarms cannot be had with so few images."""


def add_up(
    residuals: Any, codes: np.ndarray, folds: np.ndarray, localizer: Any, n_folds: int
) -> Moments:
    """Add up the windows of a batch."""
    images = localizer.as_images(residuals)
    settings = localizer.window_settings()
    n_features = n_window_features(localizer.max_lag, images.shape[-1])
    moments = Moments.zeros(n_folds, len(localizer.classes_), n_features)
    with one_blas_thread():
        for image, code, fold in zip(images, codes, folds, strict=True):
            moments.add(fold, code, whole_windows(image, settings))
    return moments


def locate(
    residuals: Any, folds: np.ndarray, localizer: Any, projections: list[Projection]
) -> list[Coordinates]:
    """Find the coordinates of the windows of a batch, each image under the model of its fold."""
    settings = localizer.window_settings()
    with one_blas_thread():
        return [
            project(image, projections[fold], settings)
            for image, fold in zip(localizer.as_images(residuals), folds, strict=True)
        ]


def fit_spreads(
    windows: list[Coordinates], codes: np.ndarray, n_classes: int, smoothing: int
) -> list[Spread]:
    """Estimate how single windows scatter, and averages of neighbouring ones."""
    return [
        fit_spread(
            (
                (code, smooth(each.values, each.weights, size)[each.weights == 1])
                for code, each in zip(codes, windows, strict=True)
            ),
            n_classes,
            windows[0].values.shape[-1],
        )
        for size in (1, smoothing)
    ]


def peak_threshold(peaks: np.ndarray, rate: float) -> float:
    """Give the least value that a new clean image's peak reaches with at most this probability.

    If the peaks of clean images are exchangeable, the probability that a new one is above the
    k-th greatest of n is at most ``k / (n + 1)``. With too few of them for the rate it is the
    greatest one.
    """
    if not len(peaks):
        return np.inf
    rank = max(1, rejected_ranks(len(peaks), rate))
    return float(np.nextafter(np.sort(peaks)[-rank], np.inf))


def clean_evidence(
    windows: list[Coordinates], codes: np.ndarray, folds: np.ndarray, model: WindowModel
) -> list[np.ndarray]:
    """Evidence in the windows of clean images against their sources, by how other folds scatter."""
    found: list[Any] = [None] * len(codes)
    for fold in np.unique(folds):
        (own,), others = np.nonzero(folds == fold), np.flatnonzero(folds != fold)
        fine, coarse = model.fine, model.coarse
        if len(np.unique(codes[others])) == len(fine.means):
            kept = [windows[each] for each in others]
            fine, coarse = fit_spreads(kept, codes[others], len(fine.means), model.smoothing)
        for each in own:
            evidence = weigh(windows[each], fine, coarse, model.smoothing)
            found[each] = evidence_against(evidence, codes[each], model.smoothing)
    return found


def grow_threshold(evidence: list[np.ndarray], windows: list[Coordinates]) -> float:
    """Give the value that few windows of clean images are above, 0 at the least.

    Below 0 the claimed source is the likeliest one.
    """
    pairs = zip(evidence, windows, strict=True)
    values = np.concatenate([each[own.weights > 0] for each, own in pairs])
    return max(0.0, float(np.quantile(values, 1 - GROW_RATE)))


def clean_peaks(
    evidence: list[np.ndarray], windows: list[Coordinates], localizer: Any
) -> np.ndarray:
    """Peaks of the maps of clean images."""
    shape, size = localizer.image_shape_[:2], localizer.window_size
    maps = (
        pixel_map(each, own.active, shape, size)
        for each, own in zip(evidence, windows, strict=True)
    )
    low = localizer.grow_threshold_
    return np.array([region_peak(values, low, localizer.min_region) for values in maps])


def warn_of_few(n_images: int, rate: float) -> None:
    """Say that images are too few for a rate, if so."""
    if n_images < (needed := scores_needed(rate)):
        warnings.warn(
            f"A false-alarm rate of {rate:g} takes {needed} clean images, got {n_images}: regions "
            f"begin above all that these reach, for a rate of {1 / (n_images + 1):.2g}.",
            LocalizationWarning,
            stacklevel=6,
        )
