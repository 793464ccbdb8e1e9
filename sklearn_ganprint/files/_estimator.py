"""One estimator for files, whatever it is that fits, predicts or transforms them."""

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, ClusterMixin, MetaEstimatorMixin, clone
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import _routing_enabled
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from sklearn_ganprint import _images
from sklearn_ganprint._batches import _metaestimators, at, fit_on_batches, takes_any_size
from sklearn_ganprint._batches._metaestimators import AnswersAsInner, RoutesFitParams
from sklearn_ganprint._compat import available_if, fit_context
from sklearn_ganprint._images import ImageInputMixin, ImageTransformer
from sklearn_ganprint.datasets import ImageReader, ImageReadError
from sklearn_ganprint.files import _batches, _fitted
from sklearn_ganprint.files._batches import (
    FileBatches,
    UnreadableImageWarning,
    apply_batch,
    is_paths,
)
from sklearn_ganprint.files._checkpoint import Checkpoint, map_answers, settings_of
from sklearn_ganprint.files._fitted import FileHistory, FittedFiles, FittedImage, NearImage
from sklearn_ganprint.residuals._blanks import find_residual, leave_out_blank

__all__ = ["FileBatchClassifier", "FileBatchClustering", "FileBatchEstimator"]

#: Methods that give one value an image, whatever the number of classes.
_ONE_VALUE = ("score_samples", "known_p_values")


class FileBatchEstimator(
    RoutesFitParams, AnswersAsInner, ImageInputMixin, MetaEstimatorMixin, BaseEstimator
):
    """Fit and apply an estimator over image files, in bounded memory and in parallel.

    Parameters
    ----------
    estimator : estimator
        A classifier, clusterer or transformer that takes images, or a pipeline that ends with one.
    reader : ImageReader, default=None
        How files become images. None reads whole RGB images, which must all have one size. A
        reader with a `min_side` needs an estimator that takes any size.
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
        Called as ``progress(n_done, n_files)`` in the calling process after each batch, each time
        that the files are read.
    on_history : callable, default=None
        Called as ``on_history(filename, history)`` in the calling process, with the
        :class:`~sklearn_ganprint.files.FileHistory` of each file that could be used.
    checkpoint : str or path-like, default=None
        Folder for what batches of files have become. A ``fit`` that was interrupted goes on from
        there, with the same result; one with other parameters or files is refused. ``predict`` and
        the like keep their answers there, and read files that are new or have changed, by size
        and time; images in memory are known by their content, and files at URLs by their names
        alone, in ``fit``. The folder is not removed. None keeps nothing, and nothing is kept of
        arrays.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator. It takes images in memory.
    reader_ : ImageReader
        The reader that was used.
    predict_reader_ : ImageReader
        What reads the files that are judged: `reader_`, or one that reads more.
    takes_any_size : bool
        Whether images of several sizes are taken, by what these meet first in the estimator.
    image_size_ : tuple of int or None
        Height and width of the images that were read; None after fitting on arrays.
    classes_ : ndarray of shape (n_classes,)
        The class labels, if the estimator has some.
    labels_ : ndarray of int, shape (n,)
        Of a clusterer: cluster of each file; -1 for one that fits nowhere or could not be used.
    failures_ : list of tuple (filename, reason)
        Files that could not be used in ``fit``.
    history_summary_ : dict or None
        What the fit covers, as :func:`~sklearn_ganprint.files.coverage_in_words` says it: formats,
        sizes and JPEG quality of the files, what the pixels of up to 50 files a class show of JPEG,
        and the processing of their copies. None after fitting on arrays; models of earlier versions
        have none.
    fitted_files_ : ndarray of shape (n,) or None
        What :meth:`find_fitted` recognises the files by that were fitted on: records of base name,
        position of the source in `classes_`, SHA-256 digest, and a sketch of 44 numbers, about
        100 bytes a file. None after fitting on arrays; models of earlier versions have none.
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
    Leading steps of a pipeline that learn nothing (``requires_fit=False`` in their tags) are
    applied to a batch of files in the worker that has read it. If one step with ``partial_fit``
    and ``merge`` remains, each worker sends back that step fitted on its batch, which for
    :class:`FingerprintClassifier` means class means and no residual. A :class:`FusionClassifier`,
    :class:`OpenSetClassifier` or :class:`FingerprintClustering` that remains says what it needs of
    each batch, such as features, and may read the files a second time. Otherwise what the leading
    steps return is collected, and the rest of the pipeline is fitted on it at once; if that is as
    large as the images themselves, a warning says how much memory it takes before it does.

    The estimator is a classifier, clusterer or transformer if what it wraps is one, and has the
    methods of that, by ``decision_function`` for one, or of the last step of a pipeline.

    What begins with transformers that take any size, such as :class:`ResidualTransformer` with an
    `anchor`, judges files of other sizes than those fitted on: images from :data:`MIN_SIDE` pixels
    on are read whole, and of larger ones up to :data:`MAX_SIDE` pixels a side, at the reader's
    anchor. What is fitted on is as much as the reader says in any case.

    Arrays of images, memory-mapped ones too, are taken in place of file paths and worked through
    in the same batches.

    ``FileBatchClassifier`` and ``FileBatchClustering`` are former names.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_ganprint import (
    ...     FileBatchEstimator, FingerprintClassifier, ResidualTransformer
    ... )
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples(load_content=False)
    >>> paths, sources = samples.filenames, samples.target_names[samples.target]
    >>> pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    >>> clf = FileBatchEstimator(pipeline).fit(paths[::2], sources[::2])
    >>> clf.score(paths[1::2], sources[1::2]) > 1 / len(clf.classes_)
    True

    Features of files:

    >>> from sklearn_ganprint.features import AutocorrelationTransformer
    >>> steps = ResidualTransformer("gaussian", flatten=False), AutocorrelationTransformer(2)
    >>> features = FileBatchEstimator(make_pipeline(*steps)).fit_transform(paths)
    >>> len(features) == len(paths)
    True
    """

    reader_: ImageReader

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods("fit")],
        "reader": [ImageReader, None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "on_error": [StrOptions({"warn", "raise"}), callable],
        "progress": [callable, None],
        "on_history": [callable, None],
        "checkpoint": [str, os.PathLike, None],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        reader: ImageReader | None = None,
        batch_size: int = 64,
        n_jobs: int | None = None,
        on_error: str | Callable[[ImageReadError], Any] = "warn",
        progress: Callable[[int, int], Any] | None = None,
        on_history: Callable[[str, FileHistory], Any] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> None:
        self.estimator = estimator
        self.reader = reader
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.on_error = on_error
        self.progress = progress
        self.on_history = on_history
        self.checkpoint = checkpoint

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a saved estimator; those of earlier versions lacked some parameters."""
        super().__setstate__({"on_history": None, "checkpoint": None, **state})

    __metadata_request__fit: ClassVar = {**_metaestimators.ASKS_FOR_GROUPS, "sample_weight": None}

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of the estimator and of the reader too.

        Parameters
        ----------
        **params : dict
            Parameters by name; those of the reader as ``reader__crop``. If `reader` is None, it
            becomes an :class:`~sklearn_ganprint.datasets.ImageReader`.

        Returns
        -------
        self
            The estimator itself.
        """
        params = _metaestimators.with_objects(self, params, reader=lambda _: ImageReader())
        return super().set_params(**params)

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the estimator on files, or on images in batches.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.
        y : array-like of shape (n,), default=None
            Source of each file, for classifiers. Clusterers ignore it.
        **params : dict
            Arrays with one entry a file, for the last step: `sample_weight`, if that takes one, and
            `groups`, if it splits: files of one group, such as translations of one photo, are never
            on both sides. With metadata routing enabled, each goes where it is requested.

        Returns
        -------
        FileBatchEstimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If none of the files can be used, or those of fewer than two classes. Files without a
            residual, see :func:`~sklearn_ganprint.residuals.residual_share`, cannot. If there is
            a checkpoint of a fit with other parameters, files or labels.
        """
        for name in ("classes_", "labels_"):
            self.__dict__.pop(name, None)
        self.reader_ = ImageReader() if self.reader is None else clone(self.reader)
        batches, y = self._batches_to_fit(X, y)
        params = _metaestimators.check_fit_params(y, **params)
        if self.checkpoint is not None and batches.reading.reader is not None:
            settings = settings_of(self, batches.items, {"y": y, **params})
            batches.checkpoint = Checkpoint(self.checkpoint, settings)
        if batches.labels is not None and batches.reading.reader is None:
            images, y, params = leave_out_blank(self.estimator, batches.items, y, **params)
            batches = replace(batches, items=images, labels=y)
        if _routing_enabled():
            params = _metaestimators.route(self, params).fit
        self.image_size_ = batches.reading.size
        self.estimator_ = fit_on_batches(clone(self.estimator), batches, y, params)
        self.history_summary_ = self.fitted_files_ = None
        if histories := batches.histories:
            self.history_summary_ = _fitted.summarize_histories(histories, y, self.estimator)
            classes = getattr(self.estimator_, "classes_", ())
            self.fitted_files_ = _fitted.remember(batches.items, histories, y, classes)
        self.failures_ = [(error.filename, error.reason) for error in batches.failures]
        if self._is("clusterer"):
            self._keep_labels(batches)
        elif hasattr(self.estimator_, "classes_"):
            self.classes_ = self.estimator_.classes_
            _warn_of_lost_classes(y, self.classes_)
        return self

    @property
    def takes_any_size(self) -> bool:
        """Whether the estimator takes images of several sizes, by what these meet first in it."""
        return takes_any_size(self.estimator)

    _takes_any_size = takes_any_size

    @property
    def predict_reader_(self) -> ImageReader:
        """What reads the files that are judged: where any size is taken, more than `reader_`."""
        check_is_fitted(self)
        size = self.image_size_ or (getattr(self, "image_shape_", None) or ())[:2]
        if not size or not self.takes_any_size:
            return self.reader_
        return _batches.reader_of_any_size(self.reader_, size)

    def judged_part(self, height: int, width: int) -> tuple[int, int]:
        """Tell how much of an image file is judged.

        Parameters
        ----------
        height, width : int
            Size of the whole image, in pixels.

        Returns
        -------
        tuple of int
            Height and width of the part at the reader's anchor that is judged. An image that is
            too small for an answer has no larger one.
        """
        return _batches.part_that_is_read(self.predict_reader_, height, width)

    def find_fitted(self, X: Any) -> list[FittedImage | None]:
        """Recognise images that the estimator was fitted on.

        Parameters
        ----------
        X : sequence of length n of paths, or of FileHistory or None
            The files, or what `on_history` has told of each.

        Returns
        -------
        list of FittedImage or None
            For each file, the image of the fit that is the same file or shows the same content;
            None if there is none, or if the file could not be read.

        Raises
        ------
        ValueError
            If it is not known which files were fitted on: after fitting on arrays, or if the model
            was saved by an earlier version.

        Notes
        -----
        Files are the same if their SHA-256 digests are. What an image shows is compared by the low
        frequencies of its luminance, of up to eight half-waves down and across together, in which
        copies stay the same that were compressed, resized, brightened or cut by a few percent, but
        not mirrored ones. The mean of the images of each source is taken off first, so that faces
        in one place are not taken for each other; then a correlation of 0.9 is the same content.
        So are versions of one picture by several sources. Images with hardly any content, such as
        sky, are recognised by their files alone.
        """
        check_is_fitted(self)
        fitted = FittedFiles.of(self)
        told = all(each is None or isinstance(each, FileHistory) for each in X)
        return fitted.find(X if told else self._batches_like(X).look())

    @available_if(lambda self: _fitted.known_coordinates(self).size > 0)
    def nearest_fitted(self, X: Any, n_images: int = 5) -> list[list[NearImage]]:
        """Find the images of the fit that files are nearest to.

        There is such a method after fitting on files a :class:`FusionClassifier` that has a
        :class:`SubclassDiscriminantAnalysis`, as the default of
        :func:`~sklearn_ganprint.make_attribution_pipeline` has.

        Parameters
        ----------
        X : sequence of paths of length n
            The files.
        n_images : int, default=5
            Number of images to find.

        Returns
        -------
        list of list of NearImage
            For each file the nearest images of the fit, as they are and not as processed copies;
            none if the file could not be read.

        Notes
        -----
        Distances are those of Mahalanobis, along the directions that tell the sources apart. They
        explain an answer and are no evidence of their own: images lie nearer to others of the fit
        once they are in it.
        """
        batches = self._batches_like(X)
        return FittedFiles.of(self).nearest(batches, self.estimator_, n_images)

    def _is(self, kind: str) -> bool:
        return get_tags(self.estimator).estimator_type == kind

    def _batches_to_fit(self, X: Any, y: Any) -> tuple[FileBatches, np.ndarray]:
        """Batches of files, or of validated images, and one label an image."""
        y = None if self._is("clusterer") else y
        if y is None and self._needs_labels():
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: the "
                f"source of each file."
            )
        if y is not None:
            y = _metaestimators.label_column(y)
        if is_paths(X):
            _batches.check_min_side(self.reader_, self.estimator, any_size=self.takes_any_size)
            # What an earlier fit on arrays has left is forgotten.
            for name in ("n_features_in_", "feature_names_in_", "image_shape_"):
                self.__dict__.pop(name, None)
            check_consistent_length(X, y)
            white = getattr(find_residual(self.estimator), "data_range", None)
            batches = FileBatches.of_files(X, self.reader_, data_range=white, **self._options())
            codes = np.zeros(len(batches)) if y is None else y
            batches.looked_at = _fitted.some_of_each(codes)
        else:
            found = self._validate_rows(X, y, reset=True, dtype=list(_images.IMAGE_DTYPES))
            rows, y = (found, None) if y is None else found
            images = rows.reshape(len(rows), *(self.image_shape_ or (-1,)))
            batches = FileBatches(images, **self._options())
        if y is None:
            return batches, np.zeros(len(batches), dtype=int)
        if self._needs_labels() and not self._is("regressor"):
            _metaestimators.check_classes(self, y)
            batches.labels = y
        return batches, y

    def _needs_labels(self) -> bool:
        # Pipelines do not tell it of their last step.
        last = self.estimator[-1] if isinstance(self.estimator, Pipeline) else self.estimator
        return get_tags(last).target_tags.required

    def _batches_like(self, X: Any) -> FileBatches:
        """Batches of files, or of images, like those fitted on."""
        if is_paths(X):
            reader = self.predict_reader_
            size = self.image_size_ if reader is self.reader_ else None
            batches = FileBatches.of_files(X, reader, size=size, **self._options())
            if self.on_history is not None:
                batches.looked_at = np.ones(len(batches), dtype=bool)
            return batches
        rows = self._validate_rows(X, reset=False, dtype=list(_images.IMAGE_DTYPES))
        # After files it is the fitted estimator that says which shape it expects.
        shape = _images.batch_image_shape(_images.stack_images(X))
        shape = shape or getattr(self, "image_shape_", None)
        images = rows.reshape(len(rows), *(shape or (-1,)))
        return FileBatches(images, **self._options())

    def _options(self) -> dict[str, Any]:
        names = ("batch_size", "n_jobs", "on_error", "progress", "on_history")
        return {name: getattr(self, name) for name in names}

    def _keep_labels(self, batches: FileBatches) -> None:
        """Set the cluster of each file, those that could not be used too."""
        fitted = self.estimator_
        labels = (fitted[-1] if isinstance(fitted, Pipeline) else fitted).labels_
        self.labels_ = np.full(len(batches), -1)
        # Most clusterers fit in memory, to the images that could be used alone.
        self.labels_[batches.usable if len(labels) < len(batches) else slice(None)] = labels

    def _offers(self, method: str) -> bool:
        """Whether the wrapped estimator has a method, or a pipeline's last step does."""
        estimator = getattr(self, "estimator_", self.estimator)
        last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
        return super()._offers(method) or hasattr(last, method)

    def _answer(self, method: str, X: Any, *args: Any) -> np.ndarray:
        """Call a method of the fitted estimator on each batch; NaN or None where files failed."""
        check_is_fitted(self)
        if self.takes_any_size and _images.differ_in_shape(X):
            return _images.by_shape(lambda images: self._answer(method, images, *args), X)
        batches, result, dtypes = self._batches_like(X), None, []
        for positions, value in map_answers(self, batches, apply_batch, method, *args):
            if result is None:
                result = self._unanswered(len(batches), method, value)
            result[positions] = value
            # A label for unknown sources may be longer than those of the classes.
            dtypes.append(value.dtype)
        if result is None:
            return self._unanswered(len(batches), method)
        if result.dtype == object and not any(label is None for label in result):
            return result.astype(np.result_type(*dtypes))
        return result

    def _unanswered(self, n: int, method: str, value: np.ndarray | None = None) -> np.ndarray:
        """Make a result that says nothing yet of any image; `value` is that of some."""
        if method in ("predict", "predict_family"):
            if value is not None and value.ndim > 1:
                raise TypeError(
                    "predict: this estimator gives a mask for each image, not a label. Use "
                    "sklearn_ganprint.localization.localize_images on images that the reader has "
                    "read."
                )
            return np.full(n, -1) if self._is("clusterer") else np.full(n, None, dtype=object)
        n_classes = len(getattr(self, "classes_", ()))
        if method == "predict_set":
            return np.zeros((n, n_classes), dtype=bool)
        if value is not None:
            dtype = value.dtype if method == "transform" else np.float64
            return np.full((n, *value.shape[1:]), np.nan, dtype)
        one_value = method in _ONE_VALUE or self._is("outlier_detector")
        if one_value or (n_classes == 2 and method == "decision_function"):
            return np.full(n, np.nan)
        shape = (2, n_classes) if method == "_both_scores" else (n_classes,)
        return np.full((n, *shape), np.nan)

    @available_if(lambda self: self._is("clusterer"))
    def fit_predict(self, X: Any, y: Any = None, **params: Any) -> np.ndarray:
        """Cluster files.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.
        y : None
            Ignored.
        **params : dict
            As in :meth:`fit`.

        Returns
        -------
        ndarray of int, shape (n,)
            The attribute `labels_`.
        """
        return self.fit(X, **params).labels_

    @available_if(lambda self: self._offers("transform"))
    def fit_transform(self, X: Any, y: Any = None, **params: Any) -> np.ndarray:
        """Fit, and transform the same files.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.
        y : array-like of shape (n,), default=None
            As in :meth:`fit`.
        **params : dict
            As in :meth:`fit`.

        Returns
        -------
        ndarray of shape (n, ...)
            What :meth:`transform` returns.
        """
        return self.fit(X, y, **params).transform(X)

    @available_if(lambda self: self._offers("transform"))
    @_images.rows_as_asked
    def transform(self, X: Any) -> np.ndarray:
        """Transform the image of each file.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n, ...)
            What the estimator returns, such as features; NaN for files that could not be read.
        """
        return self._answer("transform", X)

    # As transformers of images do it: images are arrays in any case.
    set_output = available_if(lambda self: self._offers("get_feature_names_out"))(
        ImageTransformer.set_output
    )

    @available_if(lambda self: self._offers("get_feature_names_out"))
    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns that ``transform`` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            As the estimator takes them; names that were seen in `fit` are the default. After
            fitting on files, such as the name of a column of paths, and without effect.

        Returns
        -------
        ndarray of str
            The names.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        of_files = not hasattr(self, "n_features_in_")
        return self.estimator_.get_feature_names_out(None if of_files else input_features)

    @available_if(lambda self: self._is("classifier"))
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of the files that are attributed to their source, of those that could be used.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.
        y : array-like of shape (n,)
            Source of each file.
        sample_weight : array-like of shape (n,), default=None
            Weight of each file.

        Returns
        -------
        float
            Accuracy.

        Raises
        ------
        ValueError
            If no file can be used.

        Notes
        -----
        Metrics of scikit-learn refuse the None and NaN that other methods return for files that
        could not be used, so that scores of a cross-validation by such a metric are NaN.
        """
        predicted, y = self.predict(X), column_or_1d(y)
        check_consistent_length(predicted, y)
        params = _metaestimators.check_fit_params(y, sample_weight=sample_weight)
        used = np.flatnonzero([label is not None for label in predicted])
        if not len(used):
            raise ValueError(f"None of the {len(y)} files can be used.")
        labels = np.array(predicted[used].tolist())  # those with None beside them are objects
        return accuracy_score(y[used], labels, **at(used, params))

    @available_if(lambda self: self._offers("predict"))
    def predict(self, X: Any) -> np.ndarray:
        """Attribute each file to a source, or assign it to a cluster.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n,)
            Class labels. If some files could not be read the array holds objects, with None for
            those files. Clusters are -1 for what fits nowhere or could not be used.
        """
        return self._answer("predict", X)

    @available_if(lambda self: self._offers("class_scores"))
    def class_scores(self, X: Any) -> np.ndarray:
        """Score each class, with two classes as with more.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Scores, greater is nearer; NaN for files that could not be read.
        """
        return self._answer("class_scores", X)

    @available_if(lambda self: self._offers("_both_scores"))
    def assess(self, X: Any) -> np.ndarray:
        """Give all that can be said of files in one look, as an :class:`OpenSetClassifier` does.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n, 2, n_classes)
            Scores of the sources, and how typical of each a file is; NaN for files that could not
            be read.
        """
        return self._answer("_both_scores", X)

    @available_if(lambda self: self._offers("score_samples"))
    def score_samples(self, X: Any) -> np.ndarray:
        """Score each file for the nearest source, if the pipeline does.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n,)
            Scores; NaN for files that could not be read.
        """
        return self._answer("score_samples", X)

    @available_if(lambda self: self._offers("p_values"))
    def p_values(self, X: Any) -> np.ndarray:
        """Give the p-value of each source, as an :class:`OpenSetClassifier` does.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n, n_classes)
            The p-values; NaN for files that could not be read.
        """
        return self._answer("p_values", X)

    @available_if(lambda self: self._offers("known_p_values"))
    def known_p_values(self, X: Any) -> np.ndarray:
        """Give the p-value of all known sources, as an :class:`OpenSetClassifier` does.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n,)
            The p-values; NaN for files that could not be read.
        """
        return self._answer("known_p_values", X)

    @available_if(lambda self: self._offers("predict_set"))
    def predict_set(self, X: Any, coverage: float = 0.95) -> np.ndarray:
        """Give each file a set of sources, as an :class:`OpenSetClassifier` does.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.
        coverage : float, default=0.95
            Share of the known sources' images whose set is to hold their source, in (0, 1).

        Returns
        -------
        ndarray of bool, shape (n, n_classes)
            Whether a source is in the set of a file. The sets of files that could not be read are
            empty, as of those from none of the sources.
        """
        return self._answer("predict_set", X, coverage)

    @available_if(lambda self: self._offers("predict_family"))
    def predict_family(self, X: Any, coverage: float = 0.95) -> np.ndarray:
        """Give each file a family of sources, as an :class:`OpenSetClassifier` does.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.
        coverage : float, default=0.95
            Of the sets that are to lie in a family, in (0, 1).

        Returns
        -------
        ndarray of shape (n,)
            Names of families, empty where a set has sources of several families. If some files
            could not be read the array holds objects, with None for those files.
        """
        return self._answer("predict_family", X, coverage)

    @available_if(lambda self: self._offers("correlate"))
    def correlate(self, X: Any) -> np.ndarray:
        """Correlation index with each fingerprint, if the last step gives it.

        Parameters
        ----------
        X : sequence of paths of length n, or array-like of images
            The files.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Correlations; NaN for files that could not be read.
        """
        return self._answer("correlate", X)

    def __sklearn_tags__(self) -> Any:
        """Declare that file names are strings; all else is as the wrapped estimator's tags say."""
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags.string = True
        for name in ("estimator_type", "classifier_tags", "regressor_tags", "transformer_tags"):
            setattr(tags, name, getattr(inner, name))
        tags.target_tags.required = self._needs_labels()
        return tags


class FileBatchClassifier(ClassifierMixin, FileBatchEstimator):
    """Former name of :class:`FileBatchEstimator`, whose parameters it has."""

    __sklearn_tags__ = FileBatchEstimator.__sklearn_tags__

    # It takes what is routed to it by name, as it always did.
    def fit(  # type: ignore[override]
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> Self:
        """Fit the estimator, as :meth:`FileBatchEstimator.fit` does."""
        return super().fit(X, y, sample_weight=sample_weight, groups=groups)


class FileBatchClustering(ClusterMixin, FileBatchEstimator):
    """Former name of :class:`FileBatchEstimator`, whose parameters it has."""

    __sklearn_tags__ = FileBatchEstimator.__sklearn_tags__


def _warn_of_lost_classes(y: np.ndarray, classes: np.ndarray) -> None:
    """Name the classes of which no file could be used."""
    if lost := np.setdiff1d(y, classes).tolist():
        warnings.warn(
            f"The classes {lost} are left out, since none of their files can be used.",
            UnreadableImageWarning,
            stacklevel=5,
        )
