"""Evidence of sources in windows, and the maps, regions and thresholds that follow from it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage
from scipy.linalg import solve_triangular

from sklearn_ganprint._batches import one_blas_thread, transform_batch
from sklearn_ganprint._compat import told
from sklearn_ganprint.conformal import rejected_ranks
from sklearn_ganprint.localization import _windows
from sklearn_ganprint.localization._windows import Moments, Projection
from sklearn_ganprint.perturbations import RandomHistory, check_perturbation

__all__ = ["WindowModel", "localization_map"]

#: Degrees of freedom: windows have heavy tails, and a window unlike all sources proves nothing.
DEGREES = 2.5
#: A source's covariance is averaged with the pooled one, which counts as many windows as this.
POOLED_WINDOWS = 500
#: Regions grow down to the evidence that this share of the windows of clean images exceeds.
GROW_RATE = 0.05


class WindowSettings(NamedTuple):
    """What windows are."""

    window_size: int  # side in pixels, even
    max_lag: int  # greatest lag in pixels
    min_power: float  # mean square below which a block is flat


class Spread(NamedTuple):
    """Means and covariances of the windows of each class: a source, or a history of a source."""

    means: np.ndarray  # (n_classes, n_coordinates)
    covariances: np.ndarray  # (n_classes, n_coordinates, n_coordinates)


class WindowModel(NamedTuple):
    """What :func:`localization_map` takes, as plain arrays.

    Parameters
    ----------
    projection : Projection
        From features of windows to coordinates.
    fine, coarse : Spread
        Means and covariances of single windows, and of averages of neighbouring ones: of all
        sources in images as they are, then of all sources in processed ones.
    settings : WindowSettings
        What windows are.
    smoothing : int
        Side, in windows, of the square over which windows are averaged.
    n_histories : int, default=1
        2 with processed images, else 1.
    """

    projection: Projection
    fine: Spread
    coarse: Spread
    settings: WindowSettings
    smoothing: int
    n_histories: int = 1


class Coordinates(NamedTuple):
    """Coordinates of the windows of one residual."""

    values: np.ndarray  # (rows, columns, n_coordinates)
    weights: np.ndarray  # (rows, columns): share of blocks that are not flat
    active: np.ndarray  # (block rows, block columns): not flat
    shape: tuple[int, int]  # of the residual, in pixels


def project(residual: np.ndarray, projection: Projection, settings: WindowSettings) -> Coordinates:
    """Return the coordinates of the windows of a residual ``(H, W, C)``."""
    parts, blocks = [], []
    for strip in _windows.window_strips(residual, *settings):
        parts.append(strip.features @ projection.coef.T + projection.intercept)
        blocks.append(strip.active)
    active = np.concatenate(blocks)
    height, width = residual.shape[:2]
    return Coordinates(np.concatenate(parts), active_share(active), active, (height, width))


def whole_windows(residual: np.ndarray, settings: WindowSettings) -> np.ndarray:
    """Return the features of the windows without flat blocks, as rows."""
    strips = list(_windows.window_strips(residual, *settings))
    active = np.concatenate([strip.active for strip in strips])
    return np.concatenate([strip.features for strip in strips])[active_share(active) == 1]


def active_share(active: np.ndarray) -> np.ndarray:
    """Return the share of the blocks of each window that are not flat."""
    return _windows.two_by_two(active.astype(np.float64)) / np.prod(np.minimum(active.shape, 2))


def fit_spread(
    rows: Iterable[tuple[int, np.ndarray]], n_classes: int, n_coordinates: int
) -> Spread:
    """Estimate means, and covariances shrunk towards the pooled one.

    `rows` has the class and the windows of each image.
    """
    counts, sums = np.zeros(n_classes), np.zeros((n_classes, n_coordinates))
    products = np.zeros((n_classes, n_coordinates, n_coordinates))
    for code, windows in rows:
        values = windows.astype(np.float64)
        counts[code] += len(values)
        sums[code] += values.sum(axis=0)
        products[code] += values.T @ values
    means = sums / np.maximum(counts, 1)[:, np.newaxis]
    scatter = products - counts[:, np.newaxis, np.newaxis] * np.einsum("ci,cj->cij", means, means)
    pooled = scatter.sum(axis=0) / counts.sum()
    total = (counts + POOLED_WINDOWS)[:, np.newaxis, np.newaxis]
    covariances = (scatter + POOLED_WINDOWS * pooled) / total
    return Spread(means, covariances + _windows.TINY * np.eye(means.shape[1]))


def log_likelihoods(values: np.ndarray, spread: Spread) -> np.ndarray:
    """Return log densities of multivariate t distributions, up to what all classes share.

    With covariance S, mean m, d coordinates and nu degrees of freedom they are
    ``-log|S| / 2 - (nu + d) / 2 log(1 + (x - m) S^-1 (x - m) / (nu - 2))``.
    """
    rows = values.reshape(-1, values.shape[-1])
    result = np.empty((len(rows), len(spread.means)))
    for code, (mean, covariance) in enumerate(zip(*spread, strict=True)):
        root = np.linalg.cholesky(covariance)
        white = solve_triangular(root, (rows - mean).T, lower=True)
        distances = np.einsum("ij,ij->j", white, white)
        result[:, code] = -np.log(np.diag(root)).sum() - (DEGREES + len(mean)) / 2 * np.log1p(
            distances / (DEGREES - 2)
        )
    return result.reshape(*values.shape[:-1], -1)


def fit_spreads(
    windows: list[Coordinates], codes: np.ndarray, n_classes: int, smoothing: int
) -> list[Spread]:
    """Estimate the spread of single windows, and of averages of neighbouring ones."""
    return [
        fit_spread(
            (
                (code, smooth(image.values, image.weights, size)[image.weights == 1])
                for code, image in zip(codes, windows, strict=True)
            ),
            n_classes,
            windows[0].values.shape[-1],
        )
        for size in (1, smoothing)
    ]


def smooth(values: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """Return weighted means over `size` by `size` neighbours; 0 where all weights are 0."""
    weights = weights.reshape(*weights.shape, *[1] * (values.ndim - 2))
    axes = {"size": size, "mode": "constant", "axes": (0, 1)}
    total = ndimage.uniform_filter(values * weights, **axes)
    share = np.broadcast_to(ndimage.uniform_filter(weights, **axes), total.shape)
    # Running sums leave rounding errors where all weights are 0.
    return np.divide(total, share, out=np.zeros_like(total), where=share > 1e-6)


class Evidence(NamedTuple):
    """Log-likelihoods of the sources in the windows of one residual."""

    fine: np.ndarray  # (rows, columns, n_histories, n_sources): of single windows
    coarse: np.ndarray  # the same of averages of neighbouring ones
    weights: np.ndarray  # (rows, columns)
    active: np.ndarray  # (block rows, block columns)


def weigh(windows: Coordinates, model: WindowModel) -> Evidence:
    """Return the log-likelihood of each source, with each history, in each window."""
    averages = smooth(windows.values, windows.weights, model.smoothing)
    shape = (*windows.weights.shape, model.n_histories, -1)
    return Evidence(
        log_likelihoods(windows.values, model.fine).reshape(shape),
        log_likelihoods(averages, model.coarse).reshape(shape),
        windows.weights,
        windows.active,
    )


def likeliest_history(evidence: Evidence) -> int:
    """Tell the history of an image as a whole, of which a part may be from another source.

    It is 0 for an image as those fitted on, and 1 for a processed one. Each window is compared with
    the source that it is most like, since a claim may be wrong, and the median over windows is that
    of most of the image, whatever a part of it is.
    """
    best = evidence.coarse[evidence.weights > 0].max(axis=-1)
    return int(np.median(best - best[:, :1], axis=0).argmax()) if len(best) else 0


def evidence_against(evidence: Evidence, claimed: int, history: int, smoothing: int) -> np.ndarray:
    """Return the best other source's log-likelihood less the claimed one's, for each window.

    Both have one history, that of the image as a whole. Evidence of single windows is averaged
    afterwards, so that the best other source may differ from window to window, which finds small
    regions; averages of windows find faint ones.
    """
    fine, coarse = (
        _best_other(values[..., history, :], claimed) for values in (evidence.fine, evidence.coarse)
    )
    return (2 * smooth(fine, evidence.weights, smoothing) + coarse) / 3


def _best_other(values: np.ndarray, claimed: int) -> np.ndarray:
    return np.delete(values, claimed, axis=-1).max(axis=-1) - values[..., claimed]


def image_evidence(residual: np.ndarray, model: WindowModel) -> Evidence:
    """Return the log-likelihood of each source in each window of a residual ``(H, W, C)``."""
    with one_blas_thread():
        return weigh(project(residual, model.projection, model.settings), model)


def evidence_map(
    evidence: Evidence, claimed: int, history: int, shape: tuple[int, int], model: WindowModel
) -> np.ndarray:
    """Return the map of an image of some height and width."""
    against = evidence_against(evidence, claimed, history, model.smoothing)
    return pixel_map(against, evidence.active, shape, model.settings.window_size)


def localization_map(residual: np.ndarray, claimed: int, model: WindowModel) -> np.ndarray:
    """Return how much more likely another source is than the claimed one, pixel by pixel.

    Parameters
    ----------
    residual : ndarray of shape (H, W, C)
        One residual.
    claimed : int
        Number of the claimed source.
    model : WindowModel
        Model of the windows of each source, as ``FingerprintLocalizer.window_model`` returns it.

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
    evidence = image_evidence(residual, model)
    history = likeliest_history(evidence)
    return evidence_map(evidence, claimed, history, residual.shape[:2], model)


def pixel_map(
    against: np.ndarray, active: np.ndarray, shape: tuple[int, int], window_size: int
) -> np.ndarray:
    """Return the evidence of windows by pixels; flat blocks are NaN."""
    values = to_pixels(against, shape, window_size // 2)
    values[~blocks_to_pixels(active, shape, window_size // 2)] = np.nan
    return values


def likeliest_source(evidence: Evidence) -> int:
    """Return the source with the greatest mean log-likelihood over the windows of an image."""
    return int(np.tensordot(evidence.weights, evidence.coarse, 2).max(axis=0).argmax())


def to_pixels(grid: np.ndarray, shape: tuple[int, int], block: int) -> np.ndarray:
    """Interpolate values of windows, at their centres, linearly; constant beyond the outer ones."""
    # The centre of window i lies between blocks i and i + 1.
    step = 1 / block
    return ndimage.affine_transform(
        grid, np.diag((step, step)), step / 2 - 1, shape, order=1, mode="nearest"
    )


def blocks_to_pixels(blocks: np.ndarray, shape: tuple[int, int], block: int) -> np.ndarray:
    """Repeat values of blocks for their pixels."""
    rows, columns = (np.arange(side) // block for side in shape)
    return blocks[rows[:, np.newaxis], columns]


def region_peak(values: np.ndarray, low: float, size: int) -> float:
    """Return the greatest value of a map in regions of at least `size` pixels.

    Regions are connected pixels at or above `low`; corners do not connect. Without such a region
    the result is minus infinity.
    """
    labels, large = _regions(values, low, size)
    if not len(large):
        return -np.inf
    return float(np.max(ndimage.maximum(values, labels, large)))


def find_regions(values: np.ndarray, high: float, low: float, size: int) -> np.ndarray:
    """Return the mask of the regions of a map that reach `high`.

    Regions are as in :func:`region_peak`. A region is cut off half way between its own level, the
    median of its values at or above `high`, and that of the rest of the image: where half of a
    window is inside.
    """
    labels, large = _regions(values, low, size)
    kept = [label for label in large if ndimage.maximum(values, labels, label) >= high]
    mask = np.isin(labels, kept)
    if not kept:
        return mask
    outside = values[~mask & np.isfinite(values)]
    level = np.median(outside) if outside.size else low
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if label in kept:
            own, inside = labels[box] == label, values[box]
            core = own & (inside >= high)
            cut = np.clip((np.median(inside[core]) + level) / 2, low, high)
            mask[box][own] = ndimage.binary_propagation(core, mask=own & (inside >= cut))[own]
    return mask


def _regions(values: np.ndarray, low: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Label the regions at or above `low`; also return the labels of those large enough."""
    labels, n = ndimage.label(values >= low)
    counts = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    # An image of fewer pixels is large enough as a whole.
    return labels, 1 + np.flatnonzero(counts >= min(size, values.size))


def peak_threshold(peaks: np.ndarray, rate: float) -> float:
    """Return the least value that the peak of a new clean image reaches with probability `rate`.

    If the peaks of clean images are exchangeable, the probability that a new one exceeds the k-th
    greatest of n is at most ``k / (n + 1)``. Too few peaks for the rate give the greatest one.
    """
    if not len(peaks):
        return np.inf
    rank = max(1, rejected_ranks(len(peaks), rate))
    return float(np.nextafter(np.sort(peaks)[-rank], np.inf))


def clean_evidence(
    windows: list[Coordinates], codes: np.ndarray, folds: np.ndarray, model: WindowModel
) -> list[np.ndarray]:
    """Return the evidence against the sources of clean images, by the spread of other folds.

    `codes` count the sources of images as they are, then those of processed ones.
    """
    found: list[Any] = [None] * len(codes)
    n_classes = len(model.fine.means)
    for fold in np.unique(folds):
        (own,), others = np.nonzero(folds == fold), np.flatnonzero(folds != fold)
        unseen = model
        if len(np.unique(codes[others])) == n_classes:
            kept = [windows[image] for image in others]
            fine, coarse = fit_spreads(kept, codes[others], n_classes, model.smoothing)
            unseen = model._replace(fine=fine, coarse=coarse)
        for image in own:
            claimed = codes[image] % (n_classes // model.n_histories)
            evidence = weigh(windows[image], unseen)
            history = likeliest_history(evidence)
            found[image] = evidence_against(evidence, claimed, history, model.smoothing)
    return found


def grow_threshold(evidence: list[np.ndarray], windows: list[Coordinates]) -> float:
    """Return the value that few windows of clean images exceed, at least 0.

    Below 0 the claimed source is the likeliest one.
    """
    pairs = zip(evidence, windows, strict=True)
    values = np.concatenate([against[image.weights > 0] for against, image in pairs])
    return max(0.0, float(np.quantile(values, 1 - GROW_RATE)))


def add_up(
    images: Any,
    codes: np.ndarray,
    folds: np.ndarray,
    localizer: Any,
    history: RandomHistory | None,
    steps: Sequence[Any],
    n_folds: int,
) -> tuple[None, Moments]:
    """Return the moments of the windows of a batch, of which nothing else is asked for."""
    settings = localizer.window_settings()
    moments = localizer.no_moments(n_folds)
    for number, version in enumerate(residual_versions(images, localizer, history, steps)):
        classes = number * len(localizer.classes_) + codes
        with one_blas_thread():
            each = zip(version, classes, folds, strict=True)
            for residual, code, fold in told("images", "image", each, len(folds)):
                moments.add(fold, code, whole_windows(residual, settings))
    return None, moments


def locate(
    images: Any,
    folds: np.ndarray,
    localizer: Any,
    history: RandomHistory | None,
    steps: Sequence[Any],
    projections: list[Projection],
) -> list[tuple[Coordinates, ...]]:
    """Return the coordinates of the windows of a batch, of each image and its copy.

    Images have the model of their fold.
    """
    settings = localizer.window_settings()
    versions = []
    for version in residual_versions(images, localizer, history, steps):
        with one_blas_thread():
            each = told("images", "image", zip(version, folds, strict=True), len(folds))
            versions.append(
                [project(residual, projections[fold], settings) for residual, fold in each]
            )
    return list(zip(*versions, strict=True))


def copies_history(perturbations: RandomHistory | str | None, steps: Any) -> RandomHistory | None:
    """Return what copies of images go through, if there are copies, before `steps`."""
    if perturbations is None:
        return None
    history = check_perturbation(perturbations)
    if not isinstance(history, RandomHistory):
        raise ValueError(
            f"perturbations: expected a random history such as 'history web', got "
            f"{perturbations!r}."
        )
    if not steps:
        raise ValueError(
            "perturbations: copies are made of images, and the localizer got residuals. Fit "
            "what make_localization_pipeline makes, or a FileBatchEstimator over a pipeline; "
            "or set perturbations=None."
        )
    return history


def residual_versions(
    images: Any, localizer: Any, history: RandomHistory | None, steps: Sequence[Any]
) -> Iterator[Sequence[np.ndarray]]:
    """Yield the residuals of a batch of images, then those of their copies, which differ in size.

    What a history enlarges is cut to the size of the image, for which thresholds are set.
    """
    yield localizer.as_images(transform_batch(images, steps))
    if history is not None:
        height, width = localizer.image_shape_[:2]
        copies = [copy[:height, :width] for copy in history.transform_whole(images)]
        yield [localizer.any_size(transform_batch(copy[np.newaxis], steps))[0] for copy in copies]
