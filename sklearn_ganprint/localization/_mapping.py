"""What a localizer does with one residual, fitted or not yet."""

from typing import Any, Self

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from sklearn_ganprint._images import (
    FLOAT_DTYPES,
    ImageInputMixin,
    ImageShape,
    batch_image_shape,
    stack_images,
)
from sklearn_ganprint._metaestimators import fold_numbers, make_folds, units_by_class
from sklearn_ganprint.conformal import conformal_p_values
from sklearn_ganprint.localization._calibration import peak_threshold
from sklearn_ganprint.localization._likelihood import Spread
from sklearn_ganprint.localization._maps import find_regions, region_peak
from sklearn_ganprint.localization._model import (
    WindowModel,
    WindowSettings,
    evidence_map,
    image_evidence,
    likeliest_source,
)
from sklearn_ganprint.localization._moments import Moments, Projection

#: More folds cost more and make hardly better models.
N_FOLDS = 5


class MappingMixin(ImageInputMixin):
    """Checks, and what a fitted :class:`FingerprintLocalizer` makes of single residuals."""

    window_size: int
    max_lag: int
    smoothing: int
    min_region: int
    min_power: float
    false_alarm_rate: float
    cv: Any
    classes_: np.ndarray
    coef_: np.ndarray
    intercept_: np.ndarray
    means_: np.ndarray
    covariances_: np.ndarray
    threshold_: float
    grow_threshold_: float
    calibration_peaks_: np.ndarray
    image_shape_: ImageShape

    def window_settings(self) -> WindowSettings:
        """Collect the parameters that say what windows are."""
        return WindowSettings(self.window_size, self.max_lag, self.min_power)

    def as_images(self, residuals: Any) -> np.ndarray:
        """Validate residuals like those fitted on, return them as ``(n, H, W, C)``."""
        return self._validate_images(residuals, reset=False, dtype=list(FLOAT_DTYPES))

    def window_model(self) -> WindowModel:
        """Collect what :func:`localization_map` takes.

        Returns
        -------
        WindowModel
            What windows of each source look like, as plain arrays.
        """
        fine, coarse = (Spread(*each) for each in zip(self.means_, self.covariances_, strict=True))
        projection = Projection(self.coef_, self.intercept_)
        return WindowModel(projection, fine, coarse, self.window_settings(), self.smoothing)

    def mask_of(self, values: np.ndarray) -> np.ndarray:
        """Mark the regions of one map.

        Parameters
        ----------
        values : ndarray of shape (H, W)
            A map, as :meth:`localization_map` makes it.

        Returns
        -------
        ndarray of bool, shape (H, W)
            The regions that do not come from the claimed source.
        """
        return find_regions(values, self.threshold_, self.grow_threshold_, self.min_region)

    def set_false_alarm_rate(self, rate: float) -> Self:
        """Set the threshold for another rate of false alarms, without another fit.

        Parameters
        ----------
        rate : float
            Share of clean images that may get a region that is not one, in (0, 1).

        Returns
        -------
        self
            The localizer itself, with this `false_alarm_rate` and its `threshold_`.

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
        threshold = peak_threshold(self.calibration_peaks_, self.false_alarm_rate)
        self.threshold_ = max(threshold, self.grow_threshold_)

    def peak_of(self, values: np.ndarray) -> float:
        """Find what one map is judged by.

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
        return region_peak(values, self.grow_threshold_, self.min_region)

    def p_value_of(self, peak: float) -> float:
        """Say how rare a peak is among clean images.

        Parameters
        ----------
        peak : float
            What :meth:`peak_of` gives, of an image no larger than those fitted on: larger ones
            have greater peaks.

        Returns
        -------
        float
            Share of clean images with such a peak or a greater one, this image counted in.
        """
        # Conformal scores are the greater, the more typical.
        return float(conformal_p_values(-peak, -self.calibration_peaks_))

    def map_and_attribute(self, X: Any, claimed: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Make the maps of residuals, and give the sources that they are against.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals, of any height and width if they are no rows.

        claimed : label or array-like of shape (n,), default=None
            As in :meth:`localization_map`.

        Returns
        -------
        maps : ndarray of shape (n, H, W)
            The maps.
        sources : ndarray of shape (n,)
            The claimed sources, or the most likely ones where none was given.
        """
        check_is_fitted(self)
        images, model = self._any_size(X), self.window_model()
        codes = np.full(len(images), -1) if claimed is None else self._encode(claimed, len(images))
        maps = np.empty(images.shape[:3], images.dtype)
        for number, image in enumerate(images):
            evidence = image_evidence(image, model)
            if claimed is None:
                codes[number] = likeliest_source(evidence)
            maps[number] = evidence_map(evidence, int(codes[number]), image.shape[:2], model)
        return maps, self.classes_[codes]

    def _any_size(self, X: Any) -> np.ndarray:
        """Validate residuals, which may be images of another size than those fitted on."""
        X = stack_images(X)
        shape = batch_image_shape(X)
        if shape is None:
            return self.as_images(X)
        if shape[2] != self.image_shape_[2]:
            raise ValueError(
                f"X has images of {shape[2]} channels, but {type(self).__name__} was fitted on "
                f"images of {self.image_shape_[2]}."
            )
        rows = np.asarray(X).reshape(len(X), -1)
        return check_array(rows, dtype=list(FLOAT_DTYPES), estimator=self).reshape(-1, *shape)

    def _encode(self, claimed: Any, n_images: int) -> np.ndarray:
        """Codes of claimed sources, one for all images or one an image."""
        labels = np.asarray(claimed)
        if labels.ndim == 0:
            labels = np.full(n_images, labels)
        labels = column_or_1d(labels)
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
        codes: np.ndarray = np.searchsorted(self.classes_, labels)
        return codes

    def _check_window_size(self) -> None:
        if self.window_size % 2:
            raise ValueError(
                f"window_size: expected an even number of pixels, since windows overlap by half; "
                f"got {self.window_size}."
            )

    def _check_classes(self, y: np.ndarray) -> np.ndarray:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if len(classes := np.unique(y)) < 2:
            raise ValueError(
                f"{type(self).__name__} needs images of at least 2 sources to tell apart, got "
                f"1 class: {classes.tolist()}."
            )
        return y

    def _check_windows(self, moments: Moments) -> None:
        counts = moments.counts.sum(axis=0)
        if (counts == 0).any():
            raise ValueError(
                f"All residuals of {self.classes_[counts == 0].tolist()} are flat, or none of "
                f"their files could be read: no window has a mean square of "
                f"min_power={self.min_power:g} in all its parts. Leave these sources out, lower "
                f"min_power, or set data_range of the ResidualTransformer to what white is."
            )

    def _folds(self, y: np.ndarray, groups: Any) -> np.ndarray:
        """Fold of each image; sources that are all in one fold are never left out."""
        folds = np.zeros(len(y), dtype=int)
        if self.cv is not None or max(units_by_class(y, groups).values()) > 1:
            split = {} if groups is None else {"groups": groups}
            folds = fold_numbers(make_folds(self.cv, y, y, N_FOLDS, split), len(y), self.cv)
        n_folds = folds.max() + 1
        for label in self.classes_:
            if len(np.unique(folds[y == label])) == 1:
                folds[y == label] = n_folds
        return folds
