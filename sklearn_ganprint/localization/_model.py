"""Maps of single residuals from plain arrays."""

from typing import NamedTuple

import numpy as np

from sklearn_ganprint.localization._evidence import two_by_two, window_strips
from sklearn_ganprint.localization._likelihood import Spread, log_likelihoods
from sklearn_ganprint.localization._maps import blocks_to_pixels, smooth, to_pixels
from sklearn_ganprint.localization._moments import Projection


class WindowSettings(NamedTuple):
    """What windows are.

    Parameters
    ----------
    window_size : int
        Side in pixels, even.

    max_lag : int
        Greatest lag in pixels.

    min_power : float
        Blocks of less mean square are flat.
    """

    window_size: int
    max_lag: int
    min_power: float


class WindowModel(NamedTuple):
    """What :func:`localization_map` takes, as plain arrays.

    Parameters
    ----------
    projection : Projection
        From features of windows to coordinates.

    fine, coarse : Spread
        How single windows scatter, and averages of neighbouring ones.

    settings : WindowSettings
        What windows are.

    smoothing : int
        How many by how many windows are averaged.
    """

    projection: Projection
    fine: Spread
    coarse: Spread
    settings: WindowSettings
    smoothing: int


class Coordinates(NamedTuple):
    """Coordinates of the windows of one residual."""

    values: np.ndarray  # (rows, columns, n_coordinates)
    weights: np.ndarray  # (rows, columns): share of blocks that are not flat
    active: np.ndarray  # (block rows, block columns): not flat


def project(residual: np.ndarray, projection: Projection, settings: WindowSettings) -> Coordinates:
    """Find the coordinates of the windows of a residual ``(H, W, C)``."""
    parts, blocks = [], []
    for strip in window_strips(residual, *settings):
        parts.append(strip.features @ projection.coef.T + projection.intercept)
        blocks.append(strip.active)
    active = np.concatenate(blocks)
    return Coordinates(np.concatenate(parts), active_share(active), active)


def whole_windows(residual: np.ndarray, settings: WindowSettings) -> np.ndarray:
    """Features of the windows without flat blocks, as rows."""
    parts, blocks = [], []
    for strip in window_strips(residual, *settings):
        parts.append(strip.features)
        blocks.append(strip.active)
    return np.concatenate(parts)[active_share(np.concatenate(blocks)) == 1]


def active_share(active: np.ndarray) -> np.ndarray:
    """Share of the blocks of each window that are not flat."""
    return two_by_two(active.astype(np.float64)) / np.prod(np.minimum(active.shape, 2))


class Evidence(NamedTuple):
    """Log-likelihoods of the sources in the windows of one residual."""

    fine: np.ndarray  # (rows, columns, n_classes): of single windows
    coarse: np.ndarray  # (rows, columns, n_classes): of averages of neighbouring ones
    weights: np.ndarray  # (rows, columns)
    active: np.ndarray  # (block rows, block columns)


def weigh(windows: Coordinates, fine: Spread, coarse: Spread, smoothing: int) -> Evidence:
    """Find how likely each source is in each window."""
    averages = smooth(windows.values, windows.weights, smoothing)
    return Evidence(
        log_likelihoods(windows.values, fine),
        log_likelihoods(averages, coarse),
        windows.weights,
        windows.active,
    )


def evidence_against(evidence: Evidence, claimed: int, smoothing: int) -> np.ndarray:
    """Best other source's log-likelihood less the claimed one's, of each window.

    Evidence of single windows is averaged afterwards, so that the best other source may differ from
    window to window; averages of windows are likelier to have one. Both have their merits, and the
    mean of the two does better than either.
    """
    fine = smooth(_best_other(evidence.fine, claimed), evidence.weights, smoothing)
    return (fine + _best_other(evidence.coarse, claimed)) / 2


def _best_other(values: np.ndarray, claimed: int) -> np.ndarray:
    return np.delete(values, claimed, axis=-1).max(axis=-1) - values[..., claimed]


def localization_map(residual: np.ndarray, claimed: int, model: WindowModel) -> np.ndarray:
    """Say of each pixel how much more likely another source is than the claimed one.

    Parameters
    ----------
    residual : ndarray of shape (H, W, C)
        One residual.

    claimed : int
        Number of the claimed source.

    model : WindowModel
        What windows of each source look like.

    Returns
    -------
    ndarray of shape (H, W)
        The map, NaN where the residual is flat; of the dtype of `residual`.

    See Also
    --------
    FingerprintLocalizer : Fits the model, and has an example.
    """
    windows = project(residual, model.projection, model.settings)
    evidence = weigh(windows, model.fine, model.coarse, model.smoothing)
    against = evidence_against(evidence, claimed, model.smoothing)
    return pixel_map(against, windows.active, residual.shape[:2], model.settings.window_size)


def pixel_map(
    against: np.ndarray, active: np.ndarray, shape: tuple[int, int], window_size: int
) -> np.ndarray:
    """Bring evidence of windows to pixels; flat blocks are not a number."""
    values = to_pixels(against, shape, window_size // 2)
    values[~blocks_to_pixels(active, shape, window_size // 2)] = np.nan
    return values


def whole_image_scores(evidence: Evidence) -> np.ndarray:
    """Add up the log-likelihoods of each source over the windows of an image."""
    return np.tensordot(evidence.weights, evidence.coarse, 2)
