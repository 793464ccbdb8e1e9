"""The estimator: which residuals come from one source, without labels."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint._batches import Batches
from sklearn_ganprint._images import FLOAT_DTYPES, ImageInputMixin, ImageShape
from sklearn_ganprint.clustering._assignment import NOWHERE, Assignment, cluster_parts
from sklearn_ganprint.clustering._passes import (
    UNSEEN,
    assign,
    assign_and_sum,
    chosen_features,
)
from sklearn_ganprint.clustering._whitening import Axes


class FingerprintClustering(ImageInputMixin, ClusterMixin, BaseEstimator):
    """Find which residuals come from one source, and how many sources there are.

    Parameters
    ----------
    n_clusters : int, default=None
        Number of clusters. None finds it. Of fewer distinct images there are as many, with a
        :class:`~sklearn.exceptions.ConvergenceWarning`.

    image_shape : tuple of int, default=None
        ``(H, W)`` or ``(H, W, C)`` of the residuals when they come as rows. Without it rows are
        taken as images of one line, with a warning.

    min_separation : float, default=3.0
        Clusters are merged until each pair surely is at least so many standard deviations apart, on
        the axis that separates it best, in images that the axis was not found on. The halves of one
        normal cluster are 2.65 apart. Not used if `n_clusters` is given.

    max_samples : int, default=5000
        Of more residuals a random sample of so many is clustered; the others are then assigned as
        in ``predict``. Memory and time grow with the square of it.

    random_state : int, RandomState instance or None, default=None
        Draws that sample. Nothing else is random.

    n_jobs : int, default=None
        Number of threads that compute features; None is 1 unless in a
        :func:`joblib.parallel_config` context.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n,)
        Cluster of each residual, the greatest cluster of the sample first; -1 for what fits
        nowhere, such as residuals of zeros.

    n_clusters_ : int
        Number of clusters.

    fingerprints_ : ndarray of shape (n_clusters, n_features)
        Mean residual of each cluster.

    cluster_centers_ : ndarray of shape (n_clusters, n_components)
        Centres of the clusters on discriminant axes of unit variance within clusters.

    max_distances_ : ndarray of shape (n_clusters,)
        What is farther than this from the nearest centre fits nowhere.

    feature_mean_ : ndarray of shape (n_spectral_features,)
        Mean of the features, which is taken from them first.

    components_ : ndarray of shape (n_components, n_spectral_features)
        The discriminant axes.

    image_shape_ : tuple of int
        ``(H, W, C)`` of the residuals.

    n_features_in_ : int
        Number of values of a residual.

    feature_names_in_ : ndarray of str
        Names of the columns, if the residuals came as a data frame.

    See Also
    --------
    FileBatchClustering : The same over image files, in bounded memory.
    FingerprintClassifier : Attributes images when the sources are known.

    Notes
    -----
    Features are power spectra and coherences of channels, of each residual and of its quarters, see
    :func:`~sklearn_ganprint.clustering.part_spectra`. What differs between quarters of one image is
    no trace of its source, so their scatter serves to whiten the features without labels, and so
    does that of the nearest images. Ward's method then cuts too many clusters, which are merged
    until all pairs are separable. This is done with several numbers of components, and images that
    are together in half of the results or more form clusters, which are merged once more.

    Residuals in colour tell more than their luminance, and greater ones more than small ones. Of
    residuals with a side of less than 16 pixels, and of rows without `image_shape`, values
    are clustered as they are. Sources with fewer than about 10 images are not found, and of less
    than 10 images in all the number of sources is not either.

    Copies of an image count as one image, and lie together.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.clustering import FingerprintClustering
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=(60, 64, 64))
    >>> noise[::2] += np.roll(noise[::2], 1, axis=2)  # half of them are smooth
    >>> clustering = FingerprintClustering().fit(noise)
    >>> clustering.n_clusters_
    2
    >>> clustering.labels_[:6]
    array([0, 1, 0, 1, 0, 1])
    """

    _takes_residuals: ClassVar[bool] = True

    image_shape_: ImageShape

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "image_shape": ["array-like", None],
        "min_separation": [Interval(Real, 0, None, closed="neither")],
        "max_samples": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        n_clusters: int | None = None,
        *,
        image_shape: Sequence[int] | None = None,
        min_separation: float = 3.0,
        max_samples: int = 5000,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.image_shape = image_shape
        self.min_separation = min_separation
        self.max_samples = max_samples
        self.random_state = random_state
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Cluster residuals.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals, or residuals as rows.

        y : None
            Ignored.

        Returns
        -------
        FingerprintClustering
            The fitted clustering.

        Raises
        ------
        ValueError
            If there are fewer residuals than `n_clusters`, or some are not finite.
        """
        images = self._validate_images(X, reset=True, dtype=list(FLOAT_DTYPES))
        return self._fit(Batches(images))

    def fit_batches(self, batches: Batches, y: Any = None) -> Self:
        """Cluster batches of residuals that need not be in memory.

        Parameters
        ----------
        batches : Batches
            The residuals.

        y : None
            Ignored.

        Returns
        -------
        FingerprintClustering
            The fitted clustering. Residuals of files that could not be read have label -1.
        """
        self._validate_params()
        self._validate_images(batches.first, reset=True, dtype=list(FLOAT_DTYPES))
        return self._fit(batches)

    def _fit(self, batches: Batches) -> Self:
        n, shape = len(batches), self.image_shape_
        chosen = self._sample(n)
        found = batches.map(chosen_features, shape, self.n_jobs, rows=(chosen,))
        labels = np.full(n, UNSEEN)
        features, positions = self._gather(found)
        rule = cluster_parts(features, self.min_separation, self.n_clusters)
        labels[positions] = rule.labels(features[:, 0])
        self._keep(rule)
        summed = batches.map(assign_and_sum, shape, rule, self.n_jobs, rows=(labels,))
        self.labels_ = np.full(n, NOWHERE)
        sums, counts = 0.0, np.zeros(len(rule.centers))
        for positions, (codes, batch_sums) in summed:
            self.labels_[positions] = codes
            counts += np.bincount(codes[codes >= 0], minlength=len(counts))
            sums = sums + batch_sums
        means = sums / np.maximum(counts, 1)[:, np.newaxis]
        self.fingerprints_ = means.astype(features.dtype)
        return self

    def _sample(self, n: int) -> np.ndarray:
        """Which residuals are clustered."""
        if self.n_clusters is not None and n < self.n_clusters:
            raise ValueError(f"n_samples={n} should be >= n_clusters={self.n_clusters}.")
        chosen = np.ones(n, dtype=bool)
        if n > self.max_samples:
            random_state = check_random_state(self.random_state)
            chosen[random_state.permutation(n)[self.max_samples :]] = False
        return chosen

    def _gather(self, found: Any) -> tuple[np.ndarray, np.ndarray]:
        """Features of the residuals chosen, and which they are."""
        positions, features = [], []
        for kept, (chosen, values) in found:
            positions.append(kept[chosen])
            features.append(values)
        if not sum(map(len, features)):
            raise ValueError("No residual can be clustered: all of them are 0.")
        together = features[0] if len(features) == 1 else np.concatenate(features)
        return together, np.concatenate(positions)

    def _keep(self, rule: Assignment) -> None:
        self.n_clusters_ = len(rule.centers)
        self.cluster_centers_ = rule.centers
        self.max_distances_ = rule.max_distances
        self.feature_mean_ = rule.axes.mean
        self.components_ = rule.axes.matrix.T

    def predict(self, X: Any) -> np.ndarray:
        """Assign residuals to the clusters found.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals, or residuals as rows.

        Returns
        -------
        ndarray of int, shape (n,)
            The nearest cluster of each, by its spectrum; -1 if none is near. Of residuals fitted
            on it is their label.
        """
        check_is_fitted(self)
        images = self._validate_images(X, reset=False, dtype=list(FLOAT_DTYPES))
        axes = Axes(self.feature_mean_, self.components_.T)
        rule = Assignment(axes, self.cluster_centers_, self.max_distances_)
        return assign(images, np.full(len(images), UNSEEN), rule, self.n_jobs)
