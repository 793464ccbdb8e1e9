"""An estimator that finds the parts of an image that come from elsewhere, in any size of image."""

import warnings
from collections.abc import Sequence
from itertools import chain
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, NamedTuple, Self, overload

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from sklearn_ganprint import _batches, _images
from sklearn_ganprint._batches import Batches, _metaestimators
from sklearn_ganprint._compat import fit_context
from sklearn_ganprint._images import ImageInputMixin, ImageShape
from sklearn_ganprint.conformal import conformal_p_values, scores_needed
from sklearn_ganprint.localization import _model, _windows
from sklearn_ganprint.perturbations import RandomHistory

__all__ = ["FingerprintLocalizer", "LocalizationResult", "LocalizationWarning", "localize_images"]

#: More folds cost more and make hardly better models.
N_FOLDS = 5


class LocalizationWarning(UserWarning):
    """There are too few clean images for the stated rate of false alarms."""


class FingerprintLocalizer(ImageInputMixin, BaseEstimator):
    """Find the parts of images that do not carry the trace of a claimed source.

    Upsampling, convolutions and demosaicing leave characteristic correlations between neighbouring
    pixels. Windows of 16 pixels show whether a part of an image was made by the claimed source.

    Parameters
    ----------
    window_size : int, default=16
        Side of the windows in pixels, even. They overlap by half.
    max_lag : int, default=4
        Greatest lag, in pixels, at which residuals are multiplied with themselves.
    smoothing : int, default=3
        Side, in windows, of the square over which evidence is averaged. A larger one finds large
        regions more reliably, and small ones less.
    shrinkage : float, default=0.01
        Share of a multiple of the identity in the covariance of the windows, in [0, 1].
    false_alarm_rate : float, default=0.05
        Share of clean images, of the size and sources of those fitted on, that may get a false
        region, in (0, 1). A rate r takes ``1 / r - 1`` images.
    min_region : int, default=400
        Regions of fewer pixels at or above `grow_threshold_` are left out of masks, and do not
        count as false alarms.
    min_power : float, default=0.02
        Mean square, in squared grey levels, below which a block of half a window is flat or
        saturated. Such blocks have no trace, and are NaN in maps.
    cv : int, splitter or iterable, default=None
        Folds of images that are left out of the models which they calibrate. None is 5 folds,
        fewer if a source has fewer images. An integer makes stratified folds, by group if ``fit``
        is given `groups`.
    image_shape : tuple of int, default=None
        ``(H, W)`` or ``(H, W, C)`` of the residuals when they come as rows. Without it rows are
        taken as images of one line, with a warning.
    perturbations : RandomHistory or str, default=None
        A :class:`~sklearn_ganprint.perturbations.RandomHistory`, or a text such as "history web":
        what a copy of each image goes through, which is fitted on beside the image. Copies are made
        of images, before their residuals, so that this takes a fit from images on: of the pipeline
        that :func:`~sklearn_ganprint.make_localization_pipeline` makes, or of a
        :class:`~sklearn_ganprint.FileBatchEstimator`. None fits on images as they are.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sources.
    coef_ : ndarray of shape (n_coordinates, n_window_features)
        Weights of the features of a window in its coordinates: ``n_classes - 1``, with
        `perturbations` ``2 * n_classes - 1``, of a linear discriminant analysis, then those in
        which images of one source differ, one for 10 images and copies, 30 at most, and none with
        fewer than 20.
    intercept_ : ndarray of shape (n_coordinates,)
        Constants of the coordinates.
    means_ : ndarray of float64, shape (2, n_histories * n_classes, n_coordinates)
        Mean coordinates of each source's windows, and of averages of neighbouring ones: of images
        as they are, then, with `perturbations`, of their copies.
    covariances_ : ndarray of float64, shape (2, n_histories * n_classes, n_coordinates, \
n_coordinates)
        Covariances of these coordinates.
    threshold_ : float
        Value of a map at which a region is found.
    processed_threshold_ : float
        The same for images that were processed; with `perturbations` only.
    grow_threshold_ : float
        Value of a map down to which a region may extend: 5 % of the windows of clean images are
        above it. It is at least 0, below which the claimed source is the likeliest.
    calibration_peaks_ : ndarray of float64, shape (n_calibration,)
        Greatest value in regions of at least `min_region` pixels, in the map of each clean image
        under a model that has not seen it; minus infinity without such a region.
    calibration_codes_ : ndarray of int, shape (n_calibration,)
        Index in `classes_` of the source of each.
    processed_peaks_ : ndarray of float64, shape (n_calibration,)
        The greatest values in the maps of their copies; with `perturbations` only.
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
    :class:`~sklearn_ganprint.AutocorrelationTransformer` does for whole images. Linear
    discriminant analysis of the windows of all sources gives coordinates, one fewer than sources.
    Further ones are those in which the images of one source differ most, relative to the windows of
    one image: parts from sources that were not fitted on differ in these too. Each source has a
    mean and a covariance of its own. Windows have heavy tails: their likelihood is that of a
    multivariate t distribution with 2.5 degrees of freedom. A map is two thirds the evidence of
    single windows, averaged over neighbours afterwards, which finds small regions, and one third
    that of averages of neighbouring windows, which finds faint ones.

    The peak of a map is its greatest value in regions of at least `min_region` pixels.
    `threshold_` is set on the peaks of clean images, so that a new clean image reaches it with at
    most the stated probability, if it is exchangeable with them. All sources share one threshold:
    thresholds by source, each from a part of the images, performed worse. Larger images have more
    windows and get false regions more often than stated. Images that were compressed again or
    resized are not exchangeable with those fitted on. With `perturbations` each source is two
    classes, as it is and processed. The one that has the likelier source in most windows of an
    image is its history: all sources are compared with this history, and `processed_threshold_`,
    set on the peaks of copies, takes the place of `threshold_` for a processed one.

    A region ends half way between its own level and that of the rest of the image.

    If `claimed` is None, the source with the greatest likelihood over all windows is taken. If most
    of an image is pasted in, its map is reversed.

    ``fit`` reads the images twice, which may be in files, and keeps the coordinates of their
    windows: with a window of 16 pixels and c coordinates ``c / 16`` bytes a pixel, twice as many
    with copies.

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

    image_shape_: ImageShape

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
        "perturbations": [RandomHistory, str, None],
    }

    def __init__(  # noqa: PLR0913
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
        perturbations: RandomHistory | str | None = None,
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
        self.perturbations = perturbations

    __metadata_request__fit = _metaestimators.ASKS_FOR_GROUPS

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn the windows of each source, and the thresholds of maps of clean images.

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
            If there are fewer than two sources, `window_size` is odd, or there are `perturbations`,
            which residuals cannot go through.
        """
        _metaestimators.check_none_missing(y)
        with _images.quiet_about_images():  # until the batches are validated
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
        if self.window_size % 2:
            raise ValueError(
                f"window_size: expected an even number of pixels, since windows overlap by half; "
                f"got {self.window_size}."
            )
        for name in ("means_", "processed_peaks_", "processed_threshold_"):
            self.__dict__.pop(name, None)  # of an earlier fit
        history = _model.copies_history(self.perturbations, batches.steps)
        first = self._validate_images(batches.first, reset=True)
        y = _metaestimators.label_column(y)
        _metaestimators.check_classes(self, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        groups = _metaestimators.check_fit_params(y, groups=groups).get("groups")
        folds = self._folds(y, groups)
        n_folds = int(folds.max()) + 1
        images, steps = batches.apart()
        making = self, history, _unfitted(steps)
        summed, moments = images.reduce(
            _model.add_up, _windows.Moments.plus, *making, n_folds, rows=(codes, folds)
        )
        used = np.concatenate([positions for positions, _ in summed])
        moments, codes = self._readable(moments, codes, used)
        self._check_windows(moments)
        whole, *left_out = _windows.projections(moments, self.shrinkage, first.dtype)
        self.coef_, self.intercept_ = whole
        found = images.map(_model.locate, *making, left_out, rows=(folds,))
        read, located = zip(*found, strict=True)
        positions = np.concatenate(read)
        versions = [list(windows) for windows in zip(*chain(*located), strict=True)]
        return self._calibrate(versions, codes[positions], folds[positions])

    def _readable(
        self, moments: _windows.Moments, codes: np.ndarray, used: np.ndarray
    ) -> tuple[_windows.Moments, np.ndarray]:
        """Leave out the sources without a readable image."""
        has_image = np.isin(np.arange(len(self.classes_)), codes[used])
        self.classes_ = self.classes_[has_image]
        kept = np.tile(has_image, self._n_histories)
        moments = moments._replace(counts=moments.counts[:, kept], sums=moments.sums[:, kept])
        return moments, (np.cumsum(has_image) - 1)[codes]

    def _calibrate(
        self, versions: list[list[_model.Coordinates]], codes: np.ndarray, folds: np.ndarray
    ) -> Self:
        """Estimate spreads, and thresholds on images that the models have not seen.

        `versions` are the windows of all images as they are, and of all copies.
        """
        n_classes, n_images = len(self.classes_), len(codes)
        numbers, windows = np.arange(len(versions)), [*chain(*versions)]
        classes = (numbers[:, np.newaxis] * n_classes + codes).ravel()
        spreads = _model.fit_spreads(windows, classes, n_classes * len(numbers), self.smoothing)
        self.means_, self.covariances_ = map(np.stack, zip(*spreads, strict=True))
        folds = np.tile(folds, len(numbers))
        evidence = _model.clean_evidence(windows, classes, folds, self.window_model())
        self.grow_threshold_ = _model.grow_threshold(evidence[:n_images], versions[0])
        maps = (
            _model.pixel_map(against, image.active, image.shape, self.window_size)
            for against, image in zip(evidence, windows, strict=True)
        )
        peaks = np.array([*map(self.peak_of, maps)]).reshape(len(numbers), n_images)
        self.calibration_peaks_, self.calibration_codes_ = peaks[0], codes
        if len(peaks) > 1:
            self.processed_peaks_ = peaks[1]
        self._set_threshold()
        rate = self.false_alarm_rate
        if n_images < (needed := scores_needed(rate)):
            warnings.warn(
                f"A false-alarm rate of {rate:g} takes {needed} clean images, got {n_images}: "
                f"regions begin above all that these reach, for a rate of "
                f"{1 / (n_images + 1):.2g}.",
                LocalizationWarning,
                stacklevel=2,
            )
        return self

    def _check_windows(self, moments: _windows.Moments) -> None:
        counts = moments.counts.sum(axis=0).reshape(-1, len(self.classes_)).min(axis=0)
        if (counts == 0).any():
            raise ValueError(
                f"All residuals of {self.classes_[counts == 0].tolist()} are flat, or none of "
                f"their files could be read: no window has a mean square of "
                f"min_power={self.min_power:g} in all its parts. Leave these sources out, lower "
                f"min_power, or set data_range of the ResidualTransformer to what white is."
            )

    def _folds(self, y: np.ndarray, groups: Any) -> np.ndarray:
        """Return the fold of each image; sources that lie in one fold are never left out."""
        folds = np.zeros(len(y), dtype=int)
        if self.cv is not None or max(_metaestimators.units_by_class(y, groups).values()) > 1:
            folds = _metaestimators.fold_numbers(self.cv, y, N_FOLDS, groups)
        n_folds = folds.max() + 1
        for label in self.classes_:
            if len(np.unique(folds[y == label])) == 1:
                folds[y == label] = n_folds
        return folds

    def localization_map(self, X: Any, claimed: Any = None) -> np.ndarray:
        """Return how much more likely another source is than the claimed one, pixel by pixel.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals, of any height and width if they are no rows.
        claimed : label or array-like of shape (n,), default=None
            Claimed source, one for all images or one for each. None is the most likely source
            of the whole image, see :meth:`attribute`.

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
        X, claimed : array-like, label or array-like of shape (n,)
            As in :meth:`localization_map`.

        Returns
        -------
        ndarray of bool, shape (n, H, W)
            The regions. None has a pixel where the residual is flat.

        Raises
        ------
        ValueError
            If a claimed source is not one of those fitted on.
        """
        maps, _, processed = self.examine(X, claimed)
        return np.stack([*map(self.mask_of, maps, processed)])

    def attribute(self, X: Any) -> np.ndarray:
        """Return the most likely source of each image as a whole.

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

    def window_settings(self) -> _model.WindowSettings:
        """Return the parameters that say what windows are."""
        return _model.WindowSettings(self.window_size, self.max_lag, self.min_power)

    def no_moments(self, n_folds: int) -> _windows.Moments:
        """Return the moments of no windows."""
        n_features = _windows.n_window_features(self.max_lag, self.image_shape_[2])
        n_classes = self._n_histories * len(self.classes_)
        return _windows.Moments.zeros(n_folds, n_classes, n_features)

    @property
    def _n_histories(self) -> int:
        """Number of classes of each source: as it is, and processed."""
        if hasattr(self, "means_"):  # whatever parameters have been set since
            return int(self.means_.shape[1]) // len(self.classes_)
        return 1 if self.perturbations is None else 2

    def as_images(self, residuals: Any) -> np.ndarray:
        """Validate residuals like those fitted on, return them as ``(n, H, W, C)``."""
        return self._validate_images(residuals, reset=False)

    def window_model(self) -> _model.WindowModel:
        """Return the model that :func:`localization_map` takes.

        Returns
        -------
        WindowModel
            The windows of each source, as plain arrays.
        """
        fine, coarse = map(_model.Spread, self.means_, self.covariances_)
        projection = _windows.Projection(self.coef_, self.intercept_)
        return _model.WindowModel(
            projection, fine, coarse, self.window_settings(), self.smoothing, self._n_histories
        )

    def mask_of(self, values: np.ndarray, processed: bool = False) -> np.ndarray:
        """Mark the regions of one map.

        Parameters
        ----------
        values : ndarray of shape (H, W)
            A map, as :meth:`localization_map` makes it.
        processed : bool, default=False
            Whether the history of the image differs, see :meth:`examine`.

        Returns
        -------
        ndarray of bool, shape (H, W)
            Pixels of regions that do not come from the claimed source.
        """
        return _model.find_regions(
            values, self.threshold_of(processed), self.grow_threshold_, self.min_region
        )

    def threshold_of(self, processed: bool) -> float:
        """Return the value of a map at which a region is found.

        Parameters
        ----------
        processed : bool
            Whether the history of the image differs, see :meth:`examine`.

        Returns
        -------
        float
            `processed_threshold_` or `threshold_`.
        """
        return self.processed_threshold_ if processed else self.threshold_

    def set_false_alarm_rate(self, rate: float) -> Self:
        """Set the threshold for another rate of false alarms, without another fit.

        Parameters
        ----------
        rate : float
            Share of clean images that may get a false region, in (0, 1).

        Returns
        -------
        self
            The localizer itself, with this `false_alarm_rate` and its thresholds.

        Raises
        ------
        ValueError
            If the rate is not in (0, 1).

        See Also
        --------
        p_value_of : The least rate at which an image has a region.
        """
        check_is_fitted(self)
        if not 0 < rate < 1:
            raise ValueError(f"rate: expected a share of images in (0, 1), got {rate!r}.")
        self.false_alarm_rate = rate
        self._set_threshold()
        return self

    def _set_threshold(self) -> None:
        self.threshold_ = self._threshold(self.calibration_peaks_)
        if hasattr(self, "processed_peaks_"):
            self.processed_threshold_ = self._threshold(self.processed_peaks_)

    def _threshold(self, peaks: np.ndarray) -> float:
        return max(_model.peak_threshold(peaks, self.false_alarm_rate), self.grow_threshold_)

    def peak_of(self, values: np.ndarray) -> float:
        """Return the peak of one map.

        Parameters
        ----------
        values : ndarray of shape (H, W)
            A map, as :meth:`localization_map` makes it.

        Returns
        -------
        float
            Its greatest value in regions of at least `min_region` pixels; minus infinity without
            such a region.
        """
        return _model.region_peak(values, self.grow_threshold_, self.min_region)

    def p_value_of(self, peak: float, processed: bool = False) -> float:
        """Return the p-value of a peak among clean images.

        Parameters
        ----------
        peak : float
            Result of :meth:`peak_of` for an image no larger than those fitted on, since larger
            ones have greater peaks.
        processed : bool, default=False
            Whether the history of the image differs, see :meth:`examine`.

        Returns
        -------
        float
            Share of clean images, or of copies of them, with such a peak or a greater one, this
            image included.
        """
        # Greater conformal scores are more typical.
        peaks = self.processed_peaks_ if processed else self.calibration_peaks_
        return float(conformal_p_values(-peak, -peaks))

    def map_and_attribute(self, X: Any, claimed: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the maps of residuals, and the claimed sources that they test.

        Parameters
        ----------
        X, claimed : array-like, label or array-like of shape (n,)
            As in :meth:`localization_map`.

        Returns
        -------
        maps : ndarray of shape (n, H, W)
            The maps.
        sources : ndarray of shape (n,)
            The claimed sources, or the most likely ones where none was given.
        """
        return self.examine(X, claimed)[:2]

    def examine(self, X: Any, claimed: Any = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the maps of residuals, the sources that they test, and whose history differs.

        Parameters
        ----------
        X, claimed : array-like, label or array-like of shape (n,)
            As in :meth:`localization_map`.

        Returns
        -------
        maps : ndarray of shape (n, H, W)
            The maps.
        sources : ndarray of shape (n,)
            The claimed sources, or the most likely ones where none was given.
        processed : ndarray of bool, shape (n,)
            Whether most of the image is more like processed copies than like images as they were
            fitted on, of any source. Never, if the localizer was fitted without `perturbations`.
        """
        check_is_fitted(self)
        images, model = self.any_size(X), self.window_model()
        codes = np.full(len(images), -1) if claimed is None else self._encode(claimed, len(images))
        maps = np.empty(images.shape[:3], images.dtype)
        processed = np.zeros(len(images), dtype=bool)
        for number, image in enumerate(images):
            evidence = _model.image_evidence(image, model)
            if claimed is None:
                codes[number] = _model.likeliest_source(evidence)
            code = int(codes[number])
            history = _model.likeliest_history(evidence)
            maps[number] = _model.evidence_map(evidence, code, history, image.shape[:2], model)
            processed[number] = history
        return maps, self.classes_[codes], processed

    def any_size(self, X: Any) -> np.ndarray:
        """Validate residuals, which may be images of another size than those fitted on."""
        X = _images.stack_images(X)
        shape = _images.batch_image_shape(X)
        if shape is None:
            return self.as_images(X)
        if shape[2] != self.image_shape_[2]:
            raise ValueError(
                f"X has images of {shape[2]} channels, but {type(self).__name__} was fitted on "
                f"images of {self.image_shape_[2]}."
            )
        rows = np.asarray(X).reshape(len(X), -1)
        rows = check_array(rows, dtype=list(_images.FLOAT_DTYPES), estimator=self)
        return rows.reshape(-1, *shape)

    def _encode(self, claimed: Any, n_images: int) -> np.ndarray:
        """Return the codes of claimed sources, one for all images or one for each."""
        labels = np.full(n_images, claimed) if np.ndim(claimed) == 0 else column_or_1d(claimed)
        if len(labels) != n_images:
            raise ValueError(
                f"claimed: expected one source, or one for each of {n_images} images, got "
                f"{len(labels)}."
            )
        known = np.isin(labels, self.classes_)
        if not known.all():
            raise ValueError(
                f"claimed: unknown sources {np.unique(labels[~known]).tolist()}; this localizer "
                f"knows {self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, labels)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a saved localizer; those of earlier versions had no `perturbations`."""
        super().__setstate__({"perturbations": None, **state})

    def __sklearn_tags__(self) -> Any:
        """Declare that the sources of the images are required."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class LocalizationResult(NamedTuple):
    """Result of :func:`localize_images`.

    Parameters
    ----------
    maps : ndarray of shape (n, H, W)
        Greater is less likely from the claimed source; NaN where the image is flat.
    masks : ndarray of bool, shape (n, H, W)
        Regions that do not come from the claimed source.
    claimed : ndarray of shape (n,)
        The claimed sources, or the most likely ones where none was given.
    """

    maps: np.ndarray
    masks: np.ndarray
    claimed: np.ndarray


@overload
def localize_images(
    model: Any, X: Any, claimed: Any = None, *, return_processed: Literal[False] = False
) -> LocalizationResult: ...
@overload
def localize_images(
    model: Any, X: Any, claimed: Any = None, *, return_processed: Literal[True]
) -> tuple[LocalizationResult, np.ndarray]: ...
def localize_images(
    model: Any, X: Any, claimed: Any = None, *, return_processed: bool = False
) -> LocalizationResult | tuple[LocalizationResult, np.ndarray]:
    """Find the parts of images of any size that do not come from a claimed source.

    Parameters
    ----------
    model : estimator
        A fitted pipeline that ends with a :class:`FingerprintLocalizer`, or a
        :class:`~sklearn_ganprint.FileBatchEstimator` over one.
    X : array-like of shape (n, H, W) or (n, H, W, C)
        Images as the pipeline takes them, of any size.
    claimed : label or array-like of shape (n,), default=None
        Claimed source, one for all images or one for each. None is the most likely source of the
        whole image.
    return_processed : bool, default=False
        Whether to tell whose history differs, too.

    Returns
    -------
    result : LocalizationResult
        Maps, masks and claimed sources.
    processed : ndarray of bool, shape (n,)
        Whether most of an image is more like processed copies than like images as they were fitted
        on, see :meth:`FingerprintLocalizer.examine`. Only if asked for.

    Raises
    ------
    TypeError
        If the model does not end with a localizer, or a step before it learns from images.
    ValueError
        If a claimed source is not one of those fitted on.

    See Also
    --------
    sklearn_ganprint.make_localization_pipeline : Makes such a pipeline, and has an example.

    Notes
    -----
    A fitted pipeline takes images of the size that it was fitted on, and no others. The steps
    before the localizer learn nothing else, so unfitted copies of them serve images of any size.
    """
    check_is_fitted(model)
    steps, localizer = localizer_of(model)
    residuals = _batches.transform_batch(X, _unfitted(steps))
    maps, labels, processed = localizer.examine(residuals, claimed)
    masks = np.stack([*map(localizer.mask_of, maps, processed)])
    result = LocalizationResult(maps, masks, labels)
    return (result, processed) if return_processed else result


def localizer_of(model: Any) -> tuple[list[Any], FingerprintLocalizer]:
    """Return the steps before the localizer, and the localizer."""
    model = getattr(model, "estimator_", model)
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    *leading, localizer = steps
    if not isinstance(localizer, FingerprintLocalizer):
        raise TypeError(
            f"model: expected a pipeline that ends with a FingerprintLocalizer, got one that ends "
            f"with {type(localizer).__name__}."
        )
    learned = [type(step).__name__ for step in leading if not _batches.learns_nothing(step)]
    if learned:
        raise TypeError(
            f"model: expected steps that learn nothing before the localizer, got {learned}."
        )
    return [step for step in leading if step not in (None, "passthrough")], localizer


def _unfitted(steps: Sequence[Any]) -> list[Any]:
    """Return copies of steps that learn nothing but the shape, which images of any size pass."""
    return [_batches.hand_on_arrays(clone(step)) for step in steps]
