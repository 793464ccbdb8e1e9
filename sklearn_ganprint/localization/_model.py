"""Maps of single residuals from plain arrays."""

from typing import NamedTuple

import numpy as np

from sklearn_ganprint._parallel import one_blas_thread
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
    window to window, which finds small regions; averages of windows find faint ones.
    """
    fine = smooth(_best_other(evidence.fine, claimed), evidence.weights, smoothing)
    return (2 * fine + _best_other(evidence.coarse, claimed)) / 3


def _best_other(values: np.ndarray, claimed: int) -> np.ndarray:
    return np.delete(values, claimed, axis=-1).max(axis=-1) - values[..., claimed]


def image_evidence(residual: np.ndarray, model: WindowModel) -> Evidence:
    """Find how likely each source is in each window of a residual ``(H, W, C)``."""
    with one_blas_thread():
        windows = project(residual, model.projection, model.settings)
        return weigh(windows, model.fine, model.coarse, model.smoothing)


def evidence_map(
    evidence: Evidence, claimed: int, shape: tuple[int, int], model: WindowModel
) -> np.ndarray:
    """Make the map of an image of some height and width."""
    against = evidence_against(evidence, claimed, model.smoothing)
    return pixel_map(against, evidence.active, shape, model.settings.window_size)


def localization_map(residual: np.ndarray, claimed: int, model: WindowModel) -> np.ndarray:
    """Say of each pixel how much more likely another source is than the claimed one.

    Parameters
    ----------
    residual : ndarray of shape (H, W, C)
        One residual.

    claimed : int
        Number of the claimed source.

    model : WindowModel
        What windows of each source look like, as ``FingerprintLocalizer.window_model`` gives it.

    Returns
    -------
    ndarray of float64, shape (H, W)
        The map, NaN where the residual is flat.

    See Also
    --------
    FingerprintLocalizer : Fits the model, and makes maps of batches.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.localization import FingerprintLocalizer, localization_map
    >>> residuals = np.random.default_rng(0).normal(size=(40, 32, 32, 3))
    >>> residuals[20:, 1:] += residuals[20:, :-1]
    >>> model = FingerprintLocalizer().fit(residuals, np.repeat([0, 1], 20)).window_model()
    >>> bool(localization_map(residuals[0], 0, model).mean() < 0)
    True
    """
    return evidence_map(image_evidence(residual, model), claimed, residual.shape[:2], model)


def pixel_map(
    against: np.ndarray, active: np.ndarray, shape: tuple[int, int], window_size: int
) -> np.ndarray:
    """Bring evidence of windows to pixels; flat blocks are not a number."""
    values = to_pixels(against, shape, window_size // 2)
    values[~blocks_to_pixels(active, shape, window_size // 2)] = np.nan
    return values


def likeliest_source(evidence: Evidence) -> int:
    """Give the source that the windows of an image have the greatest mean log-likelihood for."""
    return int(np.tensordot(evidence.weights, evidence.coarse, 2).argmax())
