"""Clustering of image files."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin, MetaEstimatorMixin, _fit_context, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint._batches import fit_batches
from sklearn_ganprint.files._base import FileBatchBase
from sklearn_ganprint.files._batches import apply_batch


class FileBatchClustering(FileBatchBase, MetaEstimatorMixin, ClusterMixin, BaseEstimator):
    """Cluster image files by their source, in bounded memory and in parallel.

    Parameters
    ----------
    estimator : estimator
        A :class:`FingerprintClustering`, or a pipeline that ends with one, that takes images. The
        steps before must learn nothing, as :class:`ResidualTransformer` does.

    reader : ImageReader, default=None
        How files become images. None reads whole RGB images, which must all have one size.

    batch_size : int, default=64
        Number of files in a batch, at the most: large photos are taken in fewer.

    n_jobs : int, default=None
        Number of workers, processes unless :func:`joblib.parallel_config` names another backend;
        None is 1 unless in such a context.

    on_error : {"warn", "raise"} or callable, default="warn"
        What a file does that cannot be used, as in :class:`FileBatchClassifier`.

    progress : callable, default=None
        Called as ``progress(n_done, n_files)`` in the calling process after each batch, in each
        of the two passes of ``fit``.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator. It takes images in memory.

    labels_ : ndarray of int, shape (n,)
        Cluster of each file; -1 for one that fits nowhere or could not be used.

    reader_ : ImageReader
        The reader that was used.

    image_size_ : tuple of int or None
        Height and width of the images that were read; None after fitting on arrays.

    failures_ : list of tuple (filename, reason)
        Files that could not be used in ``fit``.

    n_features_in_ : int
        Number of values of an image, if fitted on arrays.

    feature_names_in_ : ndarray of str
        Names of the columns, if fitted on a data frame.

    See Also
    --------
    FingerprintClustering : The clustering, and what it finds.
    FileBatchClassifier : The same for classifiers.

    Notes
    -----
    Files are read twice: for features of each image, or of `max_samples` of them, which are
    clustered, then for the sums that fingerprints are made of. Neither images nor residuals are
    kept, and no more than features come back from the workers: 30 kB for an image in colour.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_ganprint import (
    ...     FileBatchClustering, FingerprintClustering, ResidualTransformer
    ... )
    >>> from sklearn_ganprint.datasets import load_samples
    >>> paths = load_samples(load_content=False).filenames[::4]
    >>> residual = ResidualTransformer(channels="rgb", flatten=False)
    >>> clustering = FileBatchClustering(make_pipeline(residual, FingerprintClustering()))
    >>> len(clustering.fit_predict(paths)) == len(paths)
    True
    """

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Cluster files, or images in batches.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        y : None
            Ignored.

        Returns
        -------
        FileBatchClustering
            The fitted clustering.

        Raises
        ------
        ValueError
            If none of the files can be used.
        """
        batches, _ = self._batches_to_fit(X)
        blank = np.zeros(len(batches), dtype=int)
        self.estimator_ = fit_batches(clone(self.estimator), batches, blank, {})
        self.failures_ = [(error.filename, error.reason) for error in batches.failures]
        fitted = self.estimator_
        last = fitted[-1] if isinstance(fitted, Pipeline) else fitted
        self.labels_: np.ndarray = last.labels_
        if len(self.labels_) < len(batches):
            # Other clusterers fit in memory, to the images that could be used alone.
            self.labels_ = np.full(len(batches), -1)
            self.labels_[batches.usable] = last.labels_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Assign files to the clusters found.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of int, shape (n,)
            The cluster of each; -1 for what fits nowhere or could not be used.
        """
        check_is_fitted(self)
        batches = self._batches_like(X)
        labels = np.full(len(batches), -1)
        for positions, value in batches.map(apply_batch, self.estimator_, "predict"):
            labels[positions] = value
        return labels
