"""The classifier: how it fits, and how it works through files."""

import warnings
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, _fit_context, clone
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, _routing_enabled
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from sklearn_ganprint._batches import fit_batches
from sklearn_ganprint._metaestimators import ASKS_FOR_GROUPS, check_fit_params, make_router, route
from sklearn_ganprint.files._base import FileBatchBase
from sklearn_ganprint.files._batches import (
    FileBatches,
    UnreadableImageWarning,
    apply_batch,
    is_paths,
)
from sklearn_ganprint.files._methods import FileMethodsMixin, blank_result
from sklearn_ganprint.residuals._blanks import leave_out_blank


class FileBatchClassifier(
    FileMethodsMixin, FileBatchBase, MetaEstimatorMixin, ClassifierMixin, BaseEstimator
):
    """Fit and apply a pipeline over image files, in bounded memory and in parallel.

    Parameters
    ----------
    estimator : estimator
        A classifier, or a pipeline that ends with one, that takes images.

    reader : ImageReader, default=None
        How files become images. None reads whole RGB images, which must all have one size.

    batch_size : int, default=64
        Number of files in a batch, at the most: large photos are taken in fewer.

    n_jobs : int, default=None
        Number of workers, processes unless :func:`joblib.parallel_config` names another backend;
        None is 1 unless in such a context.

    on_error : {"warn", "raise"} or callable, default="warn"
        What a file does that cannot be used. "warn" leaves it out and names all such files in
        one :class:`UnreadableImageWarning`; "raise" raises its
        :class:`~sklearn_ganprint.datasets.ImageReadError`; a callable is given that error, in
        the calling process, and the file is left out.

    progress : callable, default=None
        Called as ``progress(n_done, n_files)`` in the calling process after each batch.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator. It takes images in memory.

    reader_ : ImageReader
        The reader that was used.

    image_size_ : tuple of int or None
        Height and width of the images that were read; None after fitting on arrays.

    classes_ : ndarray of shape (n_classes,)
        The class labels.

    failures_ : list of tuple (filename, reason)
        Files that could not be used in ``fit``.

    n_features_in_ : int
        Number of values of an image, if fitted on arrays.

    feature_names_in_ : ndarray of str
        Names of the columns, if fitted on a data frame.

    See Also
    --------
    sklearn_ganprint.datasets.load_image_folder : Finds the files and their labels.
    sklearn_ganprint.datasets.ImageReader : Crops; states what becomes of each kind of file.

    Notes
    -----
    Leading steps of the pipeline that learn nothing (``requires_fit=False`` in their tags) are
    applied to a batch of files in the worker that has read it. If one step with ``partial_fit``
    and ``merge`` remains, each worker sends back that step fitted on its batch, which for
    :class:`FingerprintClassifier` means class means and no residual. A :class:`FusionClassifier`
    or :class:`OpenSetClassifier` that remains, and needs scores of the images beside, reads the
    files a second time. Otherwise what the leading steps return is collected, and the rest of the
    pipeline is fitted on it at once; if that is as large as the images themselves, a warning says
    how much memory it takes before it does.

    Arrays of images, memory-mapped ones too, are taken in place of file paths and worked through
    in the same batches.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_ganprint import (
    ...     FileBatchClassifier, FingerprintClassifier, ResidualTransformer
    ... )
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples(load_content=False)
    >>> paths, sources = samples.filenames, samples.target_names[samples.target]
    >>> pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    >>> clf = FileBatchClassifier(pipeline).fit(paths[::2], sources[::2])
    >>> clf.score(paths[1::2], sources[1::2]) > 1 / len(clf.classes_)
    True
    """

    __metadata_request__fit = ASKS_FOR_GROUPS

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Fit the pipeline on files, or on images in batches.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        y : array-like of shape (n,)
            Source of each file.

        sample_weight : array-like of shape (n,), default=None
            Weight of each file, if the last step takes one. With metadata routing enabled, it goes
            where it is requested, and so do groups.

        groups : array-like of shape (n,), default=None
            Files of one group, such as translations of one photo, are never on both sides of a
            split that the last step makes, if it makes one.

        Returns
        -------
        FileBatchClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If fewer than two classes have a file that can be used. Files without a residual, see
            :func:`~sklearn_ganprint.residuals.residual_share`, cannot.
        """
        batches, y = self._check_training(X, y)
        params = check_fit_params(y, sample_weight, groups)
        if batches.reading.reader is None:
            images, y, params = leave_out_blank(self.estimator, batches.items, y, **params)
            batches = replace(batches, items=images)
        batches.labels = y
        if _routing_enabled():
            params = route(self, params).fit
        self.estimator_ = fit_batches(clone(self.estimator), batches, y, params)
        self.failures_ = [(error.filename, error.reason) for error in batches.failures]
        self.classes_ = self.estimator_.classes_
        self._check_lost_classes(y)
        return self

    def _check_training(self, X: Any, y: Any) -> tuple[FileBatches, np.ndarray]:
        """Validate what is fitted on."""
        if is_paths(X):
            if y is None:
                raise ValueError("FileBatchClassifier requires y: the source of each file.")
            y = column_or_1d(y, warn=True)
            check_consistent_length(X, y)
        batches, y = self._batches_to_fit(X, y)
        check_classification_targets(y)
        if len(np.unique(y)) < 2:
            raise ValueError(
                f"FileBatchClassifier needs images of at least 2 classes to tell apart, got "
                f"1 class: {y.tolist()[0]!r}."
            )
        return batches, y

    def _check_lost_classes(self, y: np.ndarray) -> None:
        if lost := np.setdiff1d(y, self.classes_).tolist():
            warnings.warn(
                f"The classes {lost} are left out, since none of their files can be used.",
                UnreadableImageWarning,
                stacklevel=3,
            )

    def _apply(self, X: Any, method: str) -> np.ndarray:
        """Call a method of the fitted estimator on each batch; NaN or None where files failed."""
        check_is_fitted(self)
        batches = self._batches_like(X)
        result, dtype = blank_result(self.classes_, len(batches), method), self.classes_.dtype
        for positions, value in batches.map(apply_batch, self.estimator_, method):
            _check_one_value(value, method)
            result[positions] = value
            # A label for unknown sources may be longer than those of the classes.
            dtype = np.result_type(dtype, value.dtype)
        complete = method == "predict" and not any(label is None for label in result)
        return result.astype(dtype) if complete else result

    def get_metadata_routing(self) -> MetadataRouter:
        """Say which fit parameters go to the estimator.

        Returns
        -------
        MetadataRouter
            The routing.
        """
        return make_router(self, self.estimator)

    def __sklearn_tags__(self) -> Any:
        """Take over the wrapped estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags = get_tags(self.estimator).classifier_tags
        return tags


def _check_one_value(values: np.ndarray, method: str) -> None:
    """Raise if the estimator predicts masks, which files of several sizes have no array for."""
    if method == "predict" and values.ndim > 1:
        raise TypeError(
            "predict: this estimator gives a mask for each image, not a label. Use "
            "sklearn_ganprint.localization.localize_images on images that the reader has read."
        )
