"""Attribution of photos to cameras, by the pattern of their sensors."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self, cast

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from sklearn_ganprint._images import ImageShape, batch_image_shape, stack_images
from sklearn_ganprint.classification._base import BaseFingerprintClassifier
from sklearn_ganprint.correlation import CorrelationPeaks, correlation_index, locate_peaks
from sklearn_ganprint.fingerprints import class_sums, wiener_dft, zero_mean
from sklearn_ganprint.fingerprints._estimate import divide_by_intensity
from sklearn_ganprint.residuals._blanks import LOWEST

#: Peak-to-correlation energy from which on a photo is matched to a camera, by convention.
MATCH_ENERGY = 60.0


class PRNUClassifier(BaseFingerprintClassifier):
    """Attribute photos to the camera whose sensor pattern their residuals hold.

    PRNU is photo-response non-uniformity: the pixels of a sensor differ in sensitivity, so that
    its pattern is multiplied with what it sees. The fingerprint of a camera is the most likely
    such factor, and a photo goes to the camera of greatest peak-to-correlation energy.

    Parameters
    ----------
    zero_mean : bool or "bayer", default=True
        Whether the means of rows and columns are taken from the fingerprints, which all cameras of
        one model share; "bayer" does so in each phase of the Bayer pattern.

    wiener : bool, default=False
        Whether peaks in the Fourier transform of the fingerprints are suppressed too, see
        :func:`~sklearn_ganprint.fingerprints.wiener_dft`.

    metric : {"pce", "correlation"}, default="pce"
        What photos are attributed by: the peak-to-correlation energy, or the correlation.

    search : bool, default=False
        Whether the peak may be at any circular shift of the photo, for "pce" only. Such a peak is
        the greatest of as many as there are pixels, which is about 30 where there is no match.

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

    n_features_in_ : int
        Number of values of a residual.

    feature_names_in_ : ndarray of str
        Names of the columns, if the residuals came as a data frame.

    See Also
    --------
    make_attribution_pipeline : Makes the residuals for it with the kind "camera".
    FingerprintClassifier : The plain mean and correlation, for generators.
    sklearn_ganprint.correlation.peak_to_correlation_energy : The score.

    Notes
    -----
    Residuals of 2 or 4 channels hold the intensity of the photo in the last one, as
    :class:`ResidualTransformer` gives them with ``intensity=True``. Fingerprints are then ``sum(R
    I) / sum(I^2)`` [1]_, and a photo is scored by the peak-to-correlation energy of ``R I`` and the
    fingerprint. Residuals of 1 or 3 channels have no intensity, which is taken to be 1, so that
    fingerprints are means.

    Photos must lie on the pixel grid of the sensor: of full size, or one crop, and not turned.

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
    >>> PRNUClassifier().fit(X[::2], y[::2]).score(X[1::2], y[1::2])
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_mean": ["boolean", StrOptions({"bayer"})],
        "wiener": ["boolean"],
        "metric": [StrOptions({"pce", "correlation"})],
        "search": ["boolean"],
        "image_shape": ["array-like", None],
    }

    _n_channels: ClassVar[Sequence[int]] = (1, 2, 3, 4)

    def __init__(
        self,
        *,
        zero_mean: bool | str = True,
        wiener: bool = False,
        metric: str = "pce",
        search: bool = False,
        image_shape: Sequence[int] | None = None,
    ) -> None:
        self.zero_mean = zero_mean
        self.wiener = wiener
        self.metric = metric
        self.search = search
        self.image_shape = image_shape

    def class_scores(self, X: Any) -> np.ndarray:
        """Score of each class, with two classes as with more.

        Parameters
        ----------
        X : array-like of shape (n, H, W, C') or (n, n_features)
            Residuals.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Signed peak-to-correlation energies, or correlations.
        """
        check_is_fitted(self)
        rows = self._validate_rows(X, reset=False)
        fingerprints = self.fingerprints_.reshape(-1, *self.fingerprint_shape_)
        scores = self._score(_signals(rows, self._shape), fingerprints)
        scores[:, self.class_count_ == 0] = LOWEST
        return scores

    def leave_one_out_scores(self, X: Any, y: Any, sample_weight: Any = None) -> np.ndarray:
        """Score the training photos, each left out of its own camera's fingerprint.

        Parameters
        ----------
        X : array-like of shape (n, H, W, C') or (n, n_features)
            Residuals that the classifier was fitted on, all or some of them.

        y : array-like of shape (n,)
            Their cameras, as in ``fit``.

        sample_weight : array-like of shape (n,), default=None
            Their weights, as in ``fit``.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Scores of photos that the classifier has never seen.

        Raises
        ------
        ValueError
            If a label of `y` is not a class of the classifier.
        """
        check_is_fitted(self)
        X, y = self._validate_rows(X, y, reset=False)
        codes = self._encode(y)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        scores = self.class_scores(X)
        for row, (code, weight) in enumerate(zip(codes, weights, strict=True)):
            signal = _signals(X[row : row + 1], self._shape)
            own = self._sums().at(code)
            left = own.weight - weight
            if left[0] <= 1e-12 * own.weight[0]:  # the only photo of its camera
                scores[row, code] = LOWEST
                continue
            products = own.products - weight * signal.rows
            squares = own.squares - weight * signal.squares
            rest = self._filter(_Sums(left, products, squares))
            scores[row, code] = self._score(signal, rest)[0, 0]
        return scores

    def locate(self, X: Any) -> CorrelationPeaks:
        """Find where in the photos of each camera cropped photos lie.

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
        if shape is None or shape[2] != self._shape[2]:
            raise ValueError(
                f"Expected residuals of shape (n, h, w, {self._shape[2]}), got {X.shape}. A "
                f"ResidualTransformer like that of the fit, with flatten=False, makes them."
            )
        signals = _signals(X.reshape(len(X), -1), shape)
        return locate_peaks(
            signals.images(), self.fingerprints_.reshape(-1, *self.fingerprint_shape_)
        )

    def _score(self, signals: "_Signals", fingerprints: np.ndarray) -> np.ndarray:
        images = signals.images()
        if self.metric == "correlation":
            return correlation_index(images, fingerprints)
        return locate_peaks(images, fingerprints, search=self.search).pce

    def _filter(self, sums: "_Sums") -> np.ndarray:
        """Make fingerprints ``(k, H, W, C)`` of the sums."""
        height, width, channels = self.fingerprint_shape_
        products = sums.products.reshape(-1, height, width, channels)
        squares = sums.squares.reshape(-1, height, width, 1)
        fingerprints = divide_by_intensity(products, squares)
        if self.zero_mean:
            fingerprints = zero_mean(fingerprints, bayer=self.zero_mean == "bayer")
        return wiener_dft(fingerprints) if self.wiener else fingerprints

    @property
    def _shape(self) -> ImageShape:
        """Shape ``(H, W, C')`` of residuals, which is known of rows too."""
        return cast(ImageShape, self.image_shape_)

    def _validate_rows(
        self, X: Any, y: Any = "no_validation", *, reset: bool, **checks: Any
    ) -> Any:
        """Validate residuals; what their rows and columns are is needed of rows too."""
        validated = super()._validate_rows(X, y, reset=reset, **checks)
        if reset:
            self.image_shape_ = self._resolve_image_shape(self.image_shape_, self.n_features_in_)
        return validated

    def _zero_sums(self, n_classes: int) -> "_Sums":
        return _Sums.zero(n_classes, self._shape)

    def _sums_of(self, X: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> "_Sums":
        signals, n_classes = _signals(X, self._shape), len(self.classes_)
        return _Sums(
            np.bincount(codes, weights, n_classes),
            class_sums(signals.rows, codes, weights, n_classes),
            class_sums(signals.squares, codes, weights, n_classes),
        )

    def _sums(self) -> "_Sums":
        return _Sums(self.class_count_, self.product_sum_, self.intensity_sum_)

    def _store(self, sums: "_Sums") -> Self:
        """Set the fitted attributes from the sums over the photos of each class."""
        self.class_count_, self.product_sum_, self.intensity_sum_ = sums
        self.fingerprint_shape_ = _without_intensity(self._shape)
        self.fingerprints_ = self._filter(sums).reshape(len(sums.weight), -1)
        return self

    def __sklearn_tags__(self) -> Any:
        """Declare what the filters imply."""
        tags = super().__sklearn_tags__()
        # Less its mean, a row of scikit-learn's two-feature test data is but a sign.
        tags.classifier_tags.poor_score = True
        return tags


class _Sums(NamedTuple):
    """Sums over the photos of each class: of weights, residuals times intensity, its squares."""

    weight: np.ndarray
    products: np.ndarray
    squares: np.ndarray

    @classmethod
    def zero(cls, n_classes: int, shape: ImageShape) -> "_Sums":
        height, width, channels = _without_intensity(shape)
        return cls(
            np.zeros(n_classes),
            np.zeros((n_classes, height * width * channels)),
            np.zeros((n_classes, height * width)),
        )

    def at(self, code: int) -> "_Sums":
        return _Sums(*(each[code : code + 1] for each in self))


class _Signals(NamedTuple):
    """Residuals times intensity, as rows, with their shape and the squares of the intensity."""

    rows: np.ndarray
    squares: np.ndarray
    shape: ImageShape

    def images(self) -> np.ndarray:
        return self.rows.reshape(len(self.rows), *self.shape)


def _without_intensity(shape: ImageShape) -> ImageShape:
    return (*shape[:2], shape[2] - (shape[2] % 2 == 0))


def _signals(rows: np.ndarray, shape: ImageShape) -> _Signals:
    """Take residuals and intensity apart."""
    images = rows.reshape(len(rows), *shape)
    own = _without_intensity(shape)
    if own == shape:
        return _Signals(rows, np.ones((len(rows), shape[0] * shape[1]), rows.dtype), own)
    intensity = images[..., -1:]
    products = (images[..., :-1] * intensity).reshape(len(rows), int(np.prod(own)))
    return _Signals(products, np.square(intensity).reshape(len(rows), -1), own)
