"""An estimator that finds the parts of an image that come from elsewhere."""

from collections.abc import Iterator, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval

from sklearn_ganprint._batches import Batches, Result
from sklearn_ganprint._images import FLOAT_DTYPES, quiet_about_images
from sklearn_ganprint._metaestimators import ASKS_FOR_GROUPS
from sklearn_ganprint.localization._calibration import (
    add_up,
    clean_evidence,
    clean_peaks,
    fit_spreads,
    grow_threshold,
    locate,
    warn_of_few,
)
from sklearn_ganprint.localization._mapping import MappingMixin
from sklearn_ganprint.localization._model import Coordinates
from sklearn_ganprint.localization._moments import Moments, projections, total


class FingerprintLocalizer(MappingMixin, BaseEstimator):
    """Find the parts of images that do not carry the trace of a claimed source.

    Upsampling, convolutions and demosaicing make neighbouring pixels depend on each other in a way
    of their own. Windows of 16 pixels show it, and tell whether a part of an image was made by the
    source that the whole is said to be from.

    Parameters
    ----------
    window_size : int, default=16
        Side of the windows in pixels, even. They overlap by half.

    max_lag : int, default=4
        Greatest lag, in pixels, at which residuals are multiplied with themselves.

    smoothing : int, default=3
        Evidence is averaged over so many by so many windows. More finds large regions more surely,
        and small ones less.

    shrinkage : float, default=0.01
        Share of a multiple of the identity in the covariance of the windows, in [0, 1].

    false_alarm_rate : float, default=0.05
        Share of clean images, of the size and sources of those fitted on, that may get a region
        that is not one, in (0, 1). A rate r takes ``1 / r - 1`` images.

    min_region : int, default=400
        Regions of fewer pixels at or above `grow_threshold_` are left out of masks, and do not
        count as false alarms.

    min_power : float, default=0.02
        Blocks of half a window whose residual has a smaller mean square, in squared grey levels,
        are flat or saturated: they have no trace, and are not a number in maps.

    cv : int, splitter or iterable, default=None
        How images are kept out of the models that they calibrate. None is 5 folds, fewer if a
        source has fewer images. An integer makes stratified folds, by group if ``fit`` is given
        `groups`.

    image_shape : tuple of int, default=None
        ``(H, W)`` or ``(H, W, C)`` of the residuals when they come as rows. Without it rows are
        taken as images of one line, with a warning.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sources.

    coef_ : ndarray of shape (n_coordinates, n_window_features)
        Weights of the features of a window in its coordinates: ``n_classes - 1`` of a linear
        discriminant analysis, then those in which images of one source differ, one for 10 images,
        30 at most, and none with fewer than 20 images.

    intercept_ : ndarray of shape (n_coordinates,)
        Constants of the coordinates.

    means_ : ndarray of float64, shape (2, n_classes, n_coordinates)
        Mean coordinates of each source's windows, and of averages of neighbouring ones.

    covariances_ : ndarray of float64, shape (2, n_classes, n_coordinates, n_coordinates)
        How these scatter.

    threshold_ : float
        Where a map reaches it, there is a region.

    grow_threshold_ : float
        How far a region may go: 5 % of the windows of clean images are above it, or less where
        that is 0, below which the claimed source is the likeliest.

    calibration_peaks_ : ndarray of float64, shape (n_calibration,)
        Greatest value in regions of at least `min_region` pixels, in the map of each clean image
        under a model that has not seen it; minus infinity without such a region.

    calibration_codes_ : ndarray of int, shape (n_calibration,)
        Index in `classes_` of the source of each.

    image_shape_ : tuple of int
        ``(H, W, C)`` of the images that were fitted on.

    n_features_in_ : int
        Number of values of a residual.

    feature_names_in_ : ndarray of str
        Names of the columns, if the residuals came as a data frame.

    See Also
    --------
    localization_map : The maps, from weights and constants.
    localize_images : The same from images of any size, with a fitted pipeline.
    sklearn_ganprint.make_localization_pipeline : This behind a :class:`ResidualTransformer`.
    sklearn_ganprint.plotting.LocalizationDisplay : Draws a map over the image.

    Notes
    -----
    A residual is divided by its strength around each pixel. In each window its products with
    itself, at all lags and for all pairs of channels, are added up and made correlations, as
    :class:`~sklearn_ganprint.features.AutocorrelationTransformer` does for whole images. Linear
    discriminant analysis of the windows of all sources gives coordinates, one fewer than sources.
    Further ones are those in which the images of one source differ most, measured by how much the
    windows of an image do: parts from sources that were not fitted on differ in these too.
    Each source's windows scatter in a way of their own about their mean, with heavy tails: their
    likelihood is that of a multivariate t distribution with 2.5 degrees of freedom. A map is two
    thirds the evidence of single windows, averaged over neighbours afterwards, which finds small
    regions, and one third that of averages of neighbouring windows, which finds faint ones.

    In the map of a clean image the greatest value counts, in regions of at least `min_region`
    pixels. `threshold_` is what so many clean images stay below that a new one reaches it with at
    most the stated probability, if it is like them. It is one for all sources: one for each, from a
    share of the images, did worse. Larger images have more windows, and get false regions more
    often than stated; images that were compressed again or resized are not like those fitted on.

    A region ends half way between its own level and that of the rest of the image.

    With `claimed` None, the source is the one that the windows together are most likely from. Of
    an image that is for the greater part pasted in, the map is upside down.

    ``fit`` takes two passes over the images, which may be in files, and keeps the coordinates of
    their windows: with a window of 16 pixels and c coordinates ``c / 16`` bytes a pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.localization import FingerprintLocalizer
    >>> rng = np.random.default_rng(0)
    >>> residuals = rng.normal(size=(40, 64, 64))
    >>> y = np.repeat(["camera", "gan"], 20)
    >>> residuals[20:, 1:] += residuals[20:, :-1]
    >>> localizer = FingerprintLocalizer().fit(residuals, y)
    >>> spliced = rng.normal(size=(1, 64, 64))
    >>> spliced[:, :32, :32] = residuals[20, :32, :32]
    >>> mask = localizer.predict(spliced, claimed="camera")[0]
    >>> bool(mask[:32, :32].mean() > 0.8), bool(mask[40:, 40:].any())
    (True, False)
    """

    _takes_residuals: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "window_size": [Interval(Integral, 2, None, closed="left")],
        "max_lag": [Interval(Integral, 1, None, closed="left")],
        "smoothing": [Interval(Integral, 1, None, closed="left")],
        "shrinkage": [Interval(Real, 0, 1, closed="both")],
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither")],
        "min_region": [Interval(Integral, 1, None, closed="left")],
        "min_power": [Interval(Real, 0, None, closed="left")],
        "cv": ["cv_object"],
        "image_shape": ["array-like", None],
    }

    def __init__(
        self,
        *,
        window_size: int = 16,
        max_lag: int = 4,
        smoothing: int = 3,
        shrinkage: float = 0.01,
        false_alarm_rate: float = 0.05,
        min_region: int = 400,
        min_power: float = 0.02,
        cv: Any = None,
        image_shape: Sequence[int] | None = None,
    ) -> None:
        self.window_size = window_size
        self.max_lag = max_lag
        self.smoothing = smoothing
        self.shrinkage = shrinkage
        self.false_alarm_rate = false_alarm_rate
        self.min_region = min_region
        self.min_power = min_power
        self.cv = cv
        self.image_shape = image_shape

    __metadata_request__fit = ASKS_FOR_GROUPS

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn what windows of each source look like, and what clean images get.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals of clean images, or residuals as rows.

        y : array-like of shape (n,)
            Source of each image.

        groups : array-like of shape (n,), default=None
            Images of one group, such as translations of one photo, calibrate together: none gets
            its map from a model that has seen another.

        Returns
        -------
        FingerprintLocalizer
            The fitted localizer.

        Raises
        ------
        ValueError
            If there are fewer than two sources, or `window_size` is odd.
        """
        with quiet_about_images():  # until the batches are validated
            rows, y = self._validate_rows(X, y, reset=True)
        names = self.__dict__.pop("feature_names_in_", None)  # images have none
        images = rows.reshape(-1, *self._resolve_image_shape(self.image_shape_, rows.shape[1]))
        self.fit_batches(Batches(images), y, groups)
        if names is not None:
            self.feature_names_in_ = names
        return self

    def fit_batches(self, batches: Batches, y: np.ndarray, groups: Any = None) -> Self:
        """Fit on batches of residuals that need not be in memory, which are mapped twice.

        Parameters
        ----------
        batches : Batches
            The residuals.

        y : ndarray of shape (n,)
            Source of each image.

        groups : array-like of shape (n,), default=None
            Images of one group calibrate together.

        Returns
        -------
        FingerprintLocalizer
            The fitted localizer.
        """
        self._validate_params()
        self._check_window_size()
        first = self._validate_images(batches.first, reset=True, dtype=list(FLOAT_DTYPES))
        y = self._check_classes(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        folds = self._folds(y, groups)
        n_folds = int(folds.max()) + 1
        sums = batches.map(add_up, self, n_folds, rows=(codes, folds))
        moments, codes = self._gather(sums, codes)
        self._check_windows(moments)
        whole, *left_out = projections(moments, self.shrinkage, first.dtype)
        self.coef_, self.intercept_ = whole
        results = list(batches.map(locate, self, left_out, rows=(folds,)))
        windows = [each for _, batch in results for each in batch]
        read = np.concatenate([positions for positions, _ in results])
        return self._calibrate(windows, codes[read], folds[read])

    def _gather(self, sums: Iterator[Result], codes: np.ndarray) -> tuple[Moments, np.ndarray]:
        """Add up moments, and leave out the sources of which no image could be read."""
        read = np.zeros(len(self.classes_), dtype=bool)

        def parts() -> Iterator[Moments]:
            for positions, each in sums:
                read[codes[positions]] = True
                yield each

        moments = total(parts())
        self.classes_ = self.classes_[read]
        moments = moments._replace(counts=moments.counts[:, read], sums=moments.sums[:, read])
        return moments, (np.cumsum(read) - 1)[codes]

    def _calibrate(self, windows: list[Coordinates], codes: np.ndarray, folds: np.ndarray) -> Self:
        """Learn how windows scatter, and set the thresholds, by models that have not seen them."""
        n_classes = len(self.classes_)
        spreads = fit_spreads(windows, codes, n_classes, self.smoothing)
        self.means_, self.covariances_ = (np.stack(each) for each in zip(*spreads, strict=True))
        evidence = clean_evidence(windows, codes, folds, self.window_model())
        self.grow_threshold_ = grow_threshold(evidence, windows)
        peaks = clean_peaks(evidence, windows, self)
        self.calibration_peaks_, self.calibration_codes_ = peaks, codes
        self._set_threshold()
        warn_of_few(len(peaks), self.false_alarm_rate)
        return self

    def localization_map(self, X: Any, claimed: Any = None) -> np.ndarray:
        """Say of each pixel how much more likely another source is than the claimed one.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals, of any height and width if they are no rows.

        claimed : label or array-like of shape (n,), default=None
            Source that each image is said to be from, one for all or one an image. None is the
            most likely source of the whole image, see :meth:`attribute`.

        Returns
        -------
        ndarray of shape (n, H, W)
            Log-likelihood of the best other source less that of the claimed one, averaged over
            neighbouring windows; greater is less likely from the claimed source. NaN where the
            residual is flat. float32 unless `X` is float64.

        Raises
        ------
        ValueError
            If a claimed source is not one of those fitted on.
        """
        return self.map_and_attribute(X, claimed)[0]

    def predict(self, X: Any, claimed: Any = None) -> np.ndarray:
        """Mark the regions that do not come from the claimed source.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals, of any height and width if they are no rows.

        claimed : label or array-like of shape (n,), default=None
            Source that each image is said to be from, one for all or one an image. None is the
            most likely source of the whole image, see :meth:`attribute`.

        Returns
        -------
        ndarray of bool, shape (n, H, W)
            The regions. None has a pixel where the residual is flat.

        Raises
        ------
        ValueError
            If a claimed source is not one of those fitted on.
        """
        maps, _ = self.map_and_attribute(X, claimed)
        return np.stack([self.mask_of(each) for each in maps])

    def attribute(self, X: Any) -> np.ndarray:
        """Give the most likely source of each image as a whole.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals, of any height and width if they are no rows.

        Returns
        -------
        ndarray of shape (n,)
            The sources.
        """
        return self.map_and_attribute(X)[1]

    def __sklearn_tags__(self) -> Any:
        """Declare that sources of the images are needed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
