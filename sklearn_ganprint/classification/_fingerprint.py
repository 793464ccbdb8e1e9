"""Attribution by the nearest fingerprint: of images to sources, and of photos to cameras."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint._compat import available_if, fit_context
from sklearn_ganprint._images import (
    CHANNELS_AND_INTENSITY,
    ImageShape,
    batch_image_shape,
    stack_images,
    without_intensity,
)
from sklearn_ganprint.classification._base import BaseFingerprintClassifier, Sums
from sklearn_ganprint.correlation import (
    CorrelationPeaks,
    correlation_index,
    locate_peaks,
    negative_distance,
)
from sklearn_ganprint.correlation._index import SCORES, kept_unit_rows, negative_squared_distance
from sklearn_ganprint.fingerprints import class_sums, energy, wiener_dft, zero_mean
from sklearn_ganprint.fingerprints._estimate import divide_by_intensity
from sklearn_ganprint.residuals._blanks import LOWEST

__all__ = ["MATCH_ENERGY", "FingerprintClassifier", "PRNUClassifier"]

#: Peak-to-correlation energy from which on a photo is matched to a camera, by convention.
MATCH_ENERGY = 60.0


class FingerprintClassifier(BaseFingerprintClassifier):
    """Attribute images to the source whose fingerprint is nearest to their residual.

    The fingerprint of a class is the mean residual of its images.

    Parameters
    ----------
    metric : {"correlation", "cosine", "euclidean", "unbiased"}, default="correlation"
        Nearness of residual and fingerprint. "correlation" is eq. 5 of the paper, "cosine" the
        same without centring, "euclidean" the negative distance, which is the minimum-distance
        rule on residuals that are not normalised. "unbiased" is the negative squared distance less
        the noise that is left in means of few residuals. It is the best metric where residuals have
        one length, such as behind :class:`~sklearn.preprocessing.Normalizer`, and sources differ in
        the strength of their fingerprints. Weights count as numbers of images.

    Attributes
    ----------
    fingerprints_ : ndarray of float64, shape (n_classes, n_features)
        Mean residual of each class (eq. 3), zeros for a class without images.
    class_count_ : ndarray of float64, shape (n_classes,)
        Number of images of each class, or the sum of their weights.
    energy_ : ndarray of float64, shape (n_classes,)
        Mean square of each fingerprint over its pixels, in squared grey levels.
    square_sum_ : ndarray of float64, shape (n_classes,)
        Sum of the squared norms of each class's residuals; only with the metric "unbiased".
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    image_shape_ : tuple of int or None
        ``(H, W, C)`` of the residuals if they came as images, None if they came as rows.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of values of a residual, and names of the columns of a data frame.

    See Also
    --------
    ResidualTransformer : Makes the residuals.
    FileBatchEstimator : The same from image files, in bounded memory.

    Notes
    -----
    Eq. 3 and 5 of Marra et al. [1]_. Scores of images that the classifier was fitted on are
    optimistic, since such an image is part of its own fingerprint;
    :meth:`leave_one_out_scores` takes it out first.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import FingerprintClassifier
    >>> rng = np.random.default_rng(0)
    >>> patterns = rng.normal(size=(2, 1024))
    >>> y = np.repeat(["camera", "gan"], 20)
    >>> residuals = np.repeat(patterns, 20, axis=0) + rng.normal(scale=3, size=(40, 1024))
    >>> clf = FingerprintClassifier().fit(residuals[::2], y[::2])
    >>> clf.score(residuals[1::2], y[1::2])
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "metric": [StrOptions({*SCORES, "unbiased"})]
    }

    def __init__(self, metric: str = "correlation") -> None:
        self.metric = metric

    # The sums say nothing of the norms of what was added up.
    @available_if(lambda self: self.metric != "unbiased")
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit_sums(self, sums: Any, counts: Any, classes: Any) -> Self:
        """Add residuals that have been added up by class already.

        Parameters
        ----------
        sums : array-like of shape (n_classes, n_features) or (n_classes, H, W, C)
            Weighted sum of the residuals of each class.
        counts : array-like of shape (n_classes,)
            Sum of their weights: the number of images.
        classes : array-like of shape (n_classes,)
            Label of each class; new ones are added to those seen before.

        Returns
        -------
        FingerprintClassifier
            The classifier itself.
        """
        part = FingerprintClassifier(self.metric)
        rows = part._validate_rows(sums, reset=True)
        order = np.argsort(classes)
        part.classes_ = np.asarray(classes)[order]
        count = np.asarray(counts, dtype=np.float64)[order]
        part._store((count, rows[order].astype(np.float64), np.zeros(len(count))))
        if hasattr(self, "fingerprints_"):
            return self.merge(part)
        self.__dict__.update(vars(part))
        return self

    def correlate(self, X: Any) -> np.ndarray:
        """Compute the correlation index of residuals and fingerprints, whatever the metric.

        Parameters
        ----------
        X : array-like of shape (n, n_features), (n, H, W) or (n, H, W, C)
            Residuals.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Correlations in [-1, 1] (eq. 5), -1 for a class without images.
        """
        return self._scores(X, "correlation")

    def _score_rows(self, rows: np.ndarray, metric: str | None = None) -> np.ndarray:
        metric = metric or self.metric
        if metric == "euclidean":
            scores = negative_distance(rows, self.fingerprints_)
        elif metric == "unbiased":
            square = _unbiased_square(self.fingerprints_, self.class_count_, self.square_sum_)
            scores = negative_squared_distance(rows, self.fingerprints_, square)
        else:
            centre = metric == "correlation"
            unit_rows = kept_unit_rows(self, self.fingerprints_, rows.dtype, centre=centre)
            scores = unit_rows.scores(rows)
        scores[:, self.class_count_ == 0] = self._lowest_score(metric)
        return scores

    def _lowest_score(self, metric: str | None = None) -> float:
        return -1.0 if (metric or self.metric) in ("correlation", "cosine") else LOWEST

    def _score_without(self, row: np.ndarray, weight: float, own: Sums) -> float:
        count, residuals, squares = own
        left = count - weight
        rest = (residuals - weight * row) / left
        if self.metric != "unbiased":
            return float(SCORES[self.metric](row, rest)[0, 0])
        squares = squares - weight * (row[0] @ row[0].astype(np.float64))
        square = _unbiased_square(rest, left, squares)
        return float(negative_squared_distance(row, rest, square)[0, 0])

    def _sums_of(self, X: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> Sums:
        n_classes = len(self.classes_)
        squares: np.ndarray = np.zeros(n_classes)
        if self.metric == "unbiased":
            norms = np.einsum("ij,ij->i", X, X, dtype=np.float64)
            squares = np.bincount(codes, weights * norms, n_classes)
        count = np.bincount(codes, weights, n_classes)
        return count, class_sums(X, codes, weights, n_classes), squares

    def _sums(self) -> Sums:
        """Sum weights, residuals and squared norms over the images of each class."""
        count = self.class_count_
        squares = getattr(self, "square_sum_", np.zeros(len(count)))
        return count, self.fingerprints_ * count[:, np.newaxis], squares

    def _store(self, sums: Sums) -> Self:
        self.class_count_, residuals, squares = sums
        count = np.where(self.class_count_ > 0, self.class_count_, 1)
        self.fingerprints_ = residuals / count[:, np.newaxis]
        self.energy_ = energy(self.fingerprints_)
        if self.metric == "unbiased":
            self.square_sum_ = squares
        return self

    def __sklearn_tags__(self) -> Any:
        """Declare what eq. 5 implies."""
        tags = super().__sklearn_tags__()
        # Centring each row leaves nothing of scikit-learn's two-feature test data but a sign.
        tags.classifier_tags.poor_score = self.metric == "correlation"
        return tags


def _unbiased_square(
    fingerprints: np.ndarray, count: np.ndarray, squares: np.ndarray
) -> np.ndarray:
    """Estimate the squared norm of fingerprints without the noise that is left in few residuals.

    ``(N |F|^2 - mean |R|^2) / (N - 1)``, whose expectation is that of infinitely many residuals; 0
    where there is one residual, all of which may be noise. `squares` are sums of squared norms.
    """
    own = np.einsum("ij,ij->i", fingerprints, fingerprints)
    several = count > 1
    count = np.where(several, count, 2.0)
    return np.where(several, (count * own - squares / count) / (count - 1), 0.0)


class PRNUClassifier(BaseFingerprintClassifier):
    """Attribute photos to the camera whose sensor pattern their residuals hold.

    PRNU is photo-response non-uniformity: the pixels of a sensor differ in sensitivity, so that
    its pattern is multiplied with what it sees. The fingerprint of a camera is the most likely
    such factor, and a photo goes to the camera of greatest peak-to-correlation energy.

    Parameters
    ----------
    zero_mean : bool or "bayer", default=True
        Whether the means of rows and columns, which all cameras of one model share, are subtracted
        from the fingerprints; "bayer" does so in each phase of the Bayer pattern.
    wiener : bool, default=False
        Whether peaks in the Fourier transform of the fingerprints are suppressed too, see
        :func:`~sklearn_ganprint.fingerprints.wiener_dft`.
    metric : {"pce", "correlation"}, default="pce"
        Score of a photo: the peak-to-correlation energy, or the correlation.
    search : bool, default=False
        Whether the peak may be at any circular shift of the photo, for "pce" only. The greatest of
        so many peaks is about 30 where there is no match.
    intensity : bool or "auto", default="auto"
        Whether the last channel of the residuals is the intensity of the photo, as
        :class:`ResidualTransformer` makes it with ``intensity=True``. "auto" finds it in residuals
        of 2 or 4 channels, since those without have 1 or 3. True refuses any other number of
        channels; False takes all channels as residuals, such as four planes of a Bayer pattern.
    image_shape : tuple of int, default=None
        ``(H, W, C')`` of the residuals when they come as rows.

    Attributes
    ----------
    fingerprints_ : ndarray of float64, shape (n_classes, H * W * C)
        Factor of each camera after the filters; zeros for one without photos.
    fingerprint_shape_ : tuple of int
        ``(H, W, C)`` of a fingerprint: of the residuals, less the channel of intensity.
    class_count_ : ndarray of float64, shape (n_classes,)
        Number of photos of each camera, or the sum of their weights.
    product_sum_ : ndarray of float64, shape (n_classes, H * W * C)
        Sum of residuals times intensity.
    intensity_sum_ : ndarray of float64, shape (n_classes, H * W)
        Sum of squared intensity.
    classes_ : ndarray of shape (n_classes,)
        The cameras.
    image_shape_ : tuple of int
        ``(H, W, C')`` of the residuals.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of values of a residual, and names of the columns of a data frame.

    See Also
    --------
    make_attribution_pipeline : Makes the residuals for it with the kind "prnu".
    FingerprintClassifier : The plain mean and correlation, for generators.
    sklearn_ganprint.correlation.peak_to_correlation_energy : The score.

    Notes
    -----
    With intensity, fingerprints are ``sum(R I) / sum(I^2)`` [1]_, and a photo is scored by the
    peak-to-correlation energy of ``R I`` and the fingerprint. Without, the intensity is taken to be
    1, so that fingerprints are means. Photos must lie on the pixel grid of the sensor: of full
    size, or one crop, and not turned.

    References
    ----------
    .. [1] M. Chen, J. Fridrich, M. Goljan, J. Lukas, "Determining image origin and integrity using
       sensor noise", IEEE Transactions on Information Forensics and Security 3(1), 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import PRNUClassifier
    >>> rng = np.random.default_rng(0)
    >>> sensors = rng.normal(scale=0.02, size=(2, 64, 64))
    >>> light = rng.uniform(20, 200, (20, 1, 1)) * np.ones((64, 64))
    >>> y = np.repeat([0, 1], 10)
    >>> residuals = light * sensors[y] + rng.normal(scale=3, size=light.shape)
    >>> X = np.stack([residuals, light], axis=-1)
    >>> PRNUClassifier(intensity=True).fit(X[::2], y[::2]).score(X[1::2], y[1::2])
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_mean": ["boolean", StrOptions({"bayer"})],
        "wiener": ["boolean"],
        "metric": [StrOptions({"pce", "correlation"})],
        "search": ["boolean"],
        "intensity": ["boolean", StrOptions({"auto"})],
        "image_shape": ["array-like", None],
    }

    _n_channels: ClassVar[Sequence[int]] = CHANNELS_AND_INTENSITY

    image_shape_: ImageShape

    def __init__(
        self,
        *,
        zero_mean: bool | str = True,
        wiener: bool = False,
        metric: str = "pce",
        search: bool = False,
        intensity: bool | str = "auto",
        image_shape: Sequence[int] | None = None,
    ) -> None:
        self.zero_mean = zero_mean
        self.wiener = wiener
        self.metric = metric
        self.search = search
        self.intensity = intensity
        self.image_shape = image_shape

    def locate(self, X: Any) -> CorrelationPeaks:
        """Locate cropped photos in the photos of each camera.

        Parameters
        ----------
        X : array-like of shape (n, h, w, C')
            Residuals of any size up to that of the fingerprints.

        Returns
        -------
        CorrelationPeaks
            Peak-to-correlation energies of shape (n, n_classes), and the row and column of the
            fingerprint that the first pixel falls on, of shape (n, n_classes, 2).

        Raises
        ------
        ValueError
            If `X` has other channels than the residuals fitted on, or is larger.

        See Also
        --------
        sklearn_ganprint.correlation.locate_peaks : The function.
        """
        check_is_fitted(self)
        X = np.asarray(stack_images(X))
        shape = batch_image_shape(X, self._n_channels)
        if shape is None or shape[2] != self.image_shape_[2]:
            raise ValueError(
                f"Expected residuals of shape (n, h, w, {self.image_shape_[2]}), got {X.shape}. A "
                f"ResidualTransformer like that of the fit, with flatten=False, makes them."
            )
        return locate_peaks(self._signals(X.reshape(len(X), *shape))[0], self._fingerprint_images())

    def _score_rows(self, rows: np.ndarray, metric: str | None = None) -> np.ndarray:
        # NaN would not show in every score.
        assert_all_finite(rows, estimator_name=type(self).__name__, input_name="X")
        signals, _ = self._signals(rows)
        scores = self._score(signals, self._fingerprint_images())
        scores[:, self.class_count_ == 0] = self._lowest_score()
        return scores

    def _score_without(self, row: np.ndarray, weight: float, own: Sums) -> float:
        signals, squares = self._signals(row)
        products = own[1] - weight * signals.reshape(1, -1)
        rest = self._filter(products, own[2] - weight * squares.reshape(1, -1))
        return float(self._score(signals, rest)[0, 0])

    def _score(self, signals: np.ndarray, fingerprints: np.ndarray) -> np.ndarray:
        if self.metric == "correlation":
            return correlation_index(signals, fingerprints)
        return locate_peaks(signals, fingerprints, search=self.search).pce

    def _signals(self, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return residuals times intensity ``(n, H, W, C)`` and squared intensity ``(n, H, W)``."""
        if residuals.ndim == 2:
            residuals = residuals.reshape(len(residuals), *self.image_shape_)
        n_channels = self.fingerprint_shape_[2]
        if n_channels == residuals.shape[3]:
            return residuals, np.ones(residuals.shape[:3], residuals.dtype)
        intensity = residuals[..., n_channels:]
        return residuals[..., :n_channels] * intensity, np.square(intensity[..., 0])

    def _filter(self, products: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """Make fingerprints ``(k, H, W, C)`` of the sums."""
        height, width, channels = self.fingerprint_shape_
        fingerprints = divide_by_intensity(
            products.reshape(-1, height, width, channels), squares.reshape(-1, height, width, 1)
        )
        if self.zero_mean:
            fingerprints = zero_mean(fingerprints, bayer=self.zero_mean == "bayer")
        return wiener_dft(fingerprints) if self.wiener else fingerprints

    def _fingerprint_images(self) -> np.ndarray:
        return self.fingerprints_.reshape(-1, *self.fingerprint_shape_)

    def _validate_rows(
        self, X: Any, y: Any = "no_validation", *, reset: bool, **checks: Any
    ) -> Any:
        """Validate residuals, whose shape is needed of rows too."""
        validated = super()._validate_rows(X, y, reset=reset, **checks)
        if reset:
            self.image_shape_ = self._resolve_image_shape(self.image_shape_, self.n_features_in_)
            height, width, channels = self.image_shape_
            self.fingerprint_shape_ = height, width, channels - self._has_intensity(channels)
        return validated

    def _has_intensity(self, n_channels: int) -> bool:
        if self.intensity == "auto":
            return without_intensity(n_channels) < n_channels
        if self.intensity and n_channels % 2:
            raise ValueError(
                f"intensity=True: expected residuals of 2 or 4 channels, the last of which is the "
                f"intensity, got {n_channels}. ResidualTransformer(intensity=True, flatten=False) "
                f"makes them."
            )
        return bool(self.intensity)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a saved classifier; those of earlier versions had no parameter `intensity`."""
        super().__setstate__({"intensity": "auto", **state})

    def _sums_of(self, X: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> Sums:
        n_classes = len(self.classes_)
        sums = (
            class_sums(values.reshape(len(X), -1), codes, weights, n_classes)
            for values in self._signals(X)
        )
        return np.bincount(codes, weights, n_classes), *sums

    def _sums(self) -> Sums:
        return self.class_count_, self.product_sum_, self.intensity_sum_

    def _store(self, sums: Sums) -> Self:
        self.class_count_, self.product_sum_, self.intensity_sum_ = sums
        fingerprints = self._filter(self.product_sum_, self.intensity_sum_)
        self.fingerprints_ = fingerprints.reshape(len(fingerprints), -1)
        return self

    def __sklearn_tags__(self) -> Any:
        """Declare what the filters imply."""
        tags = super().__sklearn_tags__()
        # Less its mean, a row of scikit-learn's two-feature test data is but a sign.
        tags.classifier_tags.poor_score = True
        return tags
