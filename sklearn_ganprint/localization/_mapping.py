"""What a localizer does with one residual, fitted or not yet."""

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from sklearn_ganprint._folds import fold_numbers, make_folds, units_by_class
from sklearn_ganprint._images import (
    FLOAT_DTYPES,
    ImageInputMixin,
    ImageShape,
    batch_image_shape,
    stack_images,
)
from sklearn_ganprint.localization._likelihood import Spread
from sklearn_ganprint.localization._maps import find_regions
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
    cv: Any
    classes_: np.ndarray
    coef_: np.ndarray
    intercept_: np.ndarray
    means_: np.ndarray
    covariances_: np.ndarray
    threshold_: float
    grow_threshold_: float
    image_shape_: ImageShape

    def window_settings(self) -> WindowSettings:
        """Collect the parameters that say what windows are."""
        return WindowSettings(self.window_size, self.max_lag, self.min_power)

    def as_images(self, residuals: Any) -> np.ndarray:
        """Validate residuals like those fitted on, return them as ``(n, H, W, C)``."""
        return self._validate_images(residuals, reset=False, dtype=list(FLOAT_DTYPES))

    def window_model(self) -> WindowModel:
        """Collect what :func:`localization_map` takes."""
        fine, coarse = (Spread(*each) for each in zip(self.means_, self.covariances_, strict=True))
        projection = Projection(self.coef_, self.intercept_)
        return WindowModel(projection, fine, coarse, self.window_settings(), self.smoothing)

    def mask_of(self, values: np.ndarray) -> np.ndarray:
        """Mark the regions of one map."""
        return find_regions(values, self.threshold_, self.grow_threshold_, self.min_region)

    def map_and_attribute(self, X: Any, claimed: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Make the maps of residuals of any size, and give the sources that they are against."""
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
