"""Classifiers that are fitted on copies of each image, and predict from the image itself.

Copies are perturbed images, or tiles. Features of all copies, ``(n, n_copies, ...)`` with those of
the image itself first, are what such a classifier is fitted on.
"""

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import _safe_indexing, deprecated, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import _routing_enabled, get_routing_for_object
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)

from sklearn_ganprint import _batches, _images
from sklearn_ganprint._batches import Batches, _metaestimators, row_chunks
from sklearn_ganprint._batches._metaestimators import AnswersAsInner, RoutesFitParams
from sklearn_ganprint._compat import Callbacks, fit_context, told
from sklearn_ganprint._images import ImageInputMixin
from sklearn_ganprint.classification._base import for_two
from sklearn_ganprint.perturbations import BasePerturbation, RandomHistory, check_perturbation
from sklearn_ganprint.residuals._blanks import leave_out_blank

#: The default of former versions, which is public for one more release.
DEFAULT_PERTURBATIONS = (
    *("jpeg 95", "jpeg 85", "jpeg 75", "jpeg 60"),
    *("resize 0.6", "resize 0.75", "resize 0.9", "resize 1.1", "resize 1.25", "resize 1.4"),
    *("blur 0.5", "blur 1", "noise 2"),
    *(("resize 0.75", "jpeg 95"), ("resize 0.75", "jpeg 80")),
    *(("resize 0.9", "jpeg 95"), ("resize 0.9", "jpeg 80")),
    *(("resize 1.1", "jpeg 95"), ("resize 1.1", "jpeg 80")),
    *(("resize 1.25", "jpeg 95"), ("resize 1.25", "jpeg 80")),
)

Perturbation = str | BasePerturbation | Sequence[str | BasePerturbation]

#: Perturbations that are applied one after another.
Chain = list[BasePerturbation]


def rows_of_copies(copies: np.ndarray, y: np.ndarray, params: dict[str, Any]) -> tuple[Any, ...]:
    """Make each copy a row, with the label and the fit parameters of its image."""
    owners = np.repeat(np.arange(len(copies)), copies.shape[1])
    rows = copies.reshape(len(owners), *copies.shape[2:])
    return rows, y[owners], {name: _safe_indexing(own, owners) for name, own in params.items()}


class FittedOnCopies(AnswersAsInner, Callbacks, MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Predicts as its `estimator_` does, from what `_originals` makes of images."""

    estimator: Any
    estimator_: Any

    def _originals(self, X: Any) -> Any:
        """Return what `estimator_` predicts from: the images themselves."""
        raise NotImplementedError

    def _answer(self, method: str, X: Any) -> np.ndarray:
        check_is_fitted(self, "estimator_")
        return getattr(self.estimator_, method)(self._originals(X))

    def predict(self, X: Any) -> np.ndarray:
        """Attribute each image to a source.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            As ``fit`` takes it, of which the images themselves count and not their copies.

        Returns
        -------
        ndarray of shape (n,)
            Class labels.
        """
        return self._answer("predict", X)

    def __sklearn_tags__(self) -> Any:
        """Take over the tags of the estimator."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags = get_tags(self.estimator).classifier_tags
        return tags


class AugmentedClassifier(ImageInputMixin, FittedOnCopies):
    """Fit a pipeline on perturbed copies of the images beside the images themselves.

    Parameters
    ----------
    estimator : estimator
        A classifier, or a pipeline that ends with one, that takes images.
    perturbations : sequence, RandomHistory or str, default="history web"
        A :class:`~sklearn_ganprint.perturbations.RandomHistory`, or a text such as "history web",
        makes `n_copies` of each image, with histories of their own. Each of a sequence makes one
        copy of all images: a text such as "jpeg 85", see
        :func:`~sklearn_ganprint.perturbations.check_perturbation`; a perturbation object; or a
        sequence of these, which are applied one after another.
    n_copies : int, default=12
        Number of copies that a RandomHistory makes of each image, beside the image as it is. A
        sequence makes one copy for each of its perturbations.
    subclasses : bool or "auto", default="auto"
        Whether each copy of a class, the images as they are or perturbed in one way, is a class
        of its own to the estimator, with scores that are merged to one. Otherwise all copies have
        the label of their class. "auto" is False with a RandomHistory, whose copies are not of
        kinds, and True with a sequence.
    temperature : float, default=8.0
        T of the soft maximum ``T log(sum(exp(score / T)))`` over the copies of a class, in units
        of the scores; 0 takes the greatest score. Used with `subclasses`.
    image_shape : tuple of int, default=None
        ``(H, W)`` or ``(H, W, C)`` of the images when they come as rows, which are reshaped
        first. Without it rows are passed on as they are.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator. With `subclasses` it predicts ``code * len(versions_) + copy``,
        from the position in `classes_` and the position in `versions_`.
    versions_ : list of str
        Names of the copies: "original", then the perturbations.
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    image_shape_ : tuple of int or None
        ``(H, W, C)`` of the images that came to ``fit``, None if they came as rows.
    n_features_in_ : int
        Number of values of an image.
    feature_names_in_ : ndarray of str
        Names of the columns, if the images came as a data frame.

    See Also
    --------
    sklearn_ganprint.perturbations.check_perturbation : The meaning of the texts.
    FileBatchEstimator : Fits this from image files, in bounded memory.

    Notes
    -----
    Leading steps of the pipeline that learn nothing (``requires_fit=False`` in their tags) are
    applied to each copy on its own, and only their output is kept. So perturbations may change
    the size of images if these steps lead to features that do not depend on the size; images to
    predict may have any size then, too. The other steps are fitted once, on all copies.

    A last step that splits its training data, such as a grid search, should keep the copies of
    one image together. It gets `groups` if its splitter takes them, as
    ``cv=StratifiedGroupKFold()`` does; otherwise there is a warning. Splits around this classifier
    need no such care, since copies are made of the training images only.

    Subclasses with LDA are a mixture model of each class: one mean for each copy, and one
    covariance. Scores of LDA are log likelihoods up to a constant. With a thousand features that
    are not normal they are too far apart, hence a temperature well above 1; with few features 1
    is right, and scores of other kinds need another temperature. The fit does not depend on it,
    so it can be set afterwards.

    Mean fingerprints gain nothing from perturbed copies: :class:`FingerprintClassifier` was not
    better on perturbed images for them, and worse on others.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from sklearn_ganprint import AugmentedClassifier, ResidualTransformer
    >>> from sklearn_ganprint.datasets import load_samples
    >>> from sklearn_ganprint.perturbations import Resize
    >>> samples = load_samples()
    >>> X, y = samples.data[::2, :64, :64], samples.target[::2]
    >>> def correlate(residuals):  # neighbouring pixels, at some lags
    ...     lags = [(i, j) for i in range(3) for j in range(3)]
    ...     moved = [np.roll(residuals, lag, axis=(1, 2)) for lag in lags]
    ...     sums = [(residuals * other).sum(axis=(1, 2, 3)) for other in moved]
    ...     return np.stack(sums[1:], axis=1) / sums[0][:, np.newaxis]
    >>> pipeline = make_pipeline(
    ...     ResidualTransformer("gaussian", flatten=False),
    ...     FunctionTransformer(correlate),
    ...     LinearDiscriminantAnalysis(),
    ... )
    >>> originals_only = AugmentedClassifier(pipeline, []).fit(X[::2], y[::2])
    >>> clf = AugmentedClassifier(pipeline, ["resize 0.75"], temperature=1.0)
    >>> clf.fit(X[::2], y[::2]).versions_
    ['original', 'resize 0.75']
    >>> resized = Resize(0.75).transform(X[1::2])
    >>> clf.score(resized, y[1::2]) > originals_only.score(resized, y[1::2])
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "perturbations": ["array-like", RandomHistory, str],
        "n_copies": [Interval(Integral, 1, None, closed="left")],
        "subclasses": ["boolean", StrOptions({"auto"})],
        "temperature": [Interval(Real, 0, None, closed="left")],
        "image_shape": ["array-like", None],
    }

    def __init__(
        self,
        estimator: Any,
        perturbations: Sequence[Perturbation] | RandomHistory | str = "history web",
        *,
        n_copies: int = 12,
        subclasses: bool | str = "auto",
        temperature: float = 8.0,
        image_shape: Sequence[int] | None = None,
    ) -> None:
        self.estimator = estimator
        self.perturbations = perturbations
        self.n_copies = n_copies
        self.subclasses = subclasses
        self.temperature = temperature
        self.image_shape = image_shape

    __metadata_request__fit = _metaestimators.ASKS_FOR_GROUPS

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Fit on the images and their perturbed copies.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Images, or images as rows.
        y : array-like of shape (n,)
            Source of each image.
        sample_weight : array-like of shape (n,), default=None
            Weight of each image, and of each of its copies, if the last step takes weights.
        groups : array-like of shape (n,), default=None
            Images that a split of the last step should keep together, with all of their copies.
            By default each image is a group of its own.

        Returns
        -------
        AugmentedClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are fewer than two classes, or the copies differ in size where they meet.
        """
        _metaestimators.check_none_missing(y)
        rows, y = self._validate_rows(X, y, reset=True, dtype=list(_images.IMAGE_DTYPES))
        given = {"sample_weight": sample_weight, "groups": groups}
        params = {name: values for name, values in given.items() if values is not None}
        rows, y, params = leave_out_blank(self, rows, y, **params)
        return self.fit_versions(self._make_copies(self._as_images(rows)), y, **params)

    def transform_versions(self, X: Any) -> np.ndarray:
        """Apply the leading steps to each copy of the images; needs no ``fit``.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Images, or images as rows.

        Returns
        -------
        ndarray of shape (n, n_versions, ...)
            What the other steps are fitted on, the images as they are first.

        Raises
        ------
        ValueError
            If the copies differ in size.
        """
        self._validate_params()
        return self._make_copies(self._originals(X))

    def fit_batches(self, batches: Batches, y: np.ndarray, **params: Any) -> Self:
        """Fit on batches of images that need not be in memory.

        Parameters
        ----------
        batches : Batches
            The images.
        y : ndarray of shape (n,)
            Source of each image.
        **params : dict
            `sample_weight` and `groups`, as in ``fit``.

        Returns
        -------
        AugmentedClassifier
            The fitted classifier.
        """
        copies, kept = batches.collect(self.transform_versions)
        return self.fit_versions(copies, y[kept], **_batches.at(kept, params))

    def fit_versions(
        self, versions: np.ndarray, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> Self:
        """Fit on what ``transform_versions`` has returned, such as of several batches.

        Parameters
        ----------
        versions : ndarray of shape (n, n_versions, ...)
            What ``transform_versions`` makes of the images.
        y : array-like of shape (n,)
            Source of each image.
        sample_weight : array-like of shape (n,), default=None
            Weights, as in ``fit``.
        groups : array-like of shape (n,), default=None
            Groups, as in ``fit``.

        Returns
        -------
        AugmentedClassifier
            The fitted classifier.
        """
        self._validate_params()
        y = _metaestimators.label_column(y)
        check_consistent_length(versions, y)
        _metaestimators.check_classes(self, y)
        classes, codes = np.unique(y, return_inverse=True)
        estimator = clone(self.estimator)
        leading, rest = _batches.split_steps(estimator)
        for step in leading:
            _batches.hand_on_arrays(step)
        groups = np.arange(len(y)) if groups is None else groups
        params = _metaestimators.check_fit_params(y, sample_weight=sample_weight, groups=groups)
        rows, labels, params = rows_of_copies(versions, y, params)
        if self._has_subclasses:
            n_copies = versions.shape[1]
            labels = (codes[:, np.newaxis] * n_copies + np.arange(n_copies)).ravel()
        splitter = getattr(rest[-1], "cv", None)
        params |= keep_copies_together(rest[-1], rows, labels, params.pop("groups"))
        self.estimator_ = _batches.fit_rest(estimator, rows, labels, **params)
        if getattr(rest[-1], "cv", None) is not splitter:
            rest[-1].set_params(cv=splitter)
        self.versions_ = [chain_name(chain) for chain in self._chains()]
        self.classes_ = classes
        return self

    def _originals(self, X: Any) -> np.ndarray:
        """Validate images of any size, or rows of the fitted length."""
        X = _images.stack_images(X)
        shape, fitted = _images.batch_image_shape(X), getattr(self, "image_shape_", None)
        if shape is None or (fitted is not None and shape[2] != fitted[2]):
            return self._as_images(
                self._validate_rows(X, reset=False, dtype=list(_images.IMAGE_DTYPES))
            )
        rows = check_array(np.asarray(X).reshape(len(X), -1), dtype=list(_images.IMAGE_DTYPES))
        return rows.reshape(len(rows), *shape)

    def _as_images(self, rows: np.ndarray) -> np.ndarray:
        """Reshape rows to images, if the shape is known."""
        shape = getattr(self, "image_shape_", None)
        if shape is None and self.image_shape is not None:
            shape = _images.as_image_shape(self.image_shape)
        return rows.reshape(len(rows), *(shape or (-1,)))

    def _make_copies(self, images: np.ndarray) -> np.ndarray:
        leading = [
            _batches.hand_on_arrays(clone(step)) for step in _batches.split_steps(self.estimator)[0]
        ]
        return transform_copies(images, self._chains(), leading)

    def _chains(self) -> list[Chain]:
        return perturbation_chains(self.perturbations, self.n_copies)

    @property
    def _has_subclasses(self) -> bool:
        if self.subclasses == "auto":
            return not isinstance(self.perturbations, str | RandomHistory)
        return bool(self.subclasses)

    def _offers(self, method: str) -> bool:
        if self._has_subclasses:
            return method == "decision_function"
        return super()._offers(method)

    def _answer(self, method: str, X: Any) -> np.ndarray:
        if not self._has_subclasses:
            return super()._answer(method, X)
        check_is_fitted(self, "estimator_")
        scores = self._merged_scores(self._originals(X))
        if method == "predict":
            return self.classes_[scores.argmax(axis=1)]
        return for_two(scores)

    def _merged_scores(self, images: np.ndarray) -> np.ndarray:
        """Scores of shape (n, n_classes) from those of the subclasses."""
        if _metaestimators.offers(self.estimator_, _metaestimators.Decides):
            scores = self.estimator_.decision_function(images)
        else:
            scores = self.estimator_.predict_log_proba(images)
        if scores.ndim == 1:  # two classes and no perturbation
            scores = np.stack([-scores / 2, scores / 2], axis=1)
        by_class = scores.reshape(len(scores), len(self.classes_), -1)
        return merge_subclass_scores(by_class, self.temperature)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a saved classifier; those of earlier versions had no parameter `n_copies`."""
        super().__setstate__({"n_copies": 12, **state})


def perturbation_chains(
    perturbations: Sequence[Perturbation] | RandomHistory, n_copies: int = 1
) -> list[Chain]:
    """Perturbations that lead to each copy; none lead to the first, the image as it is."""
    chains: list[Chain] = [[]]
    if isinstance(perturbations, str | RandomHistory):
        history = check_perturbation(perturbations)
        if not isinstance(history, RandomHistory):
            raise ValueError(
                f"The 'perturbations' parameter must be a sequence such as ['jpeg 85'], or one "
                f"random history such as 'history web'; got {perturbations!r}."
            )
        draws = range(history.draw, history.draw + n_copies)
        return [*chains, *([clone(history).set_params(draw=draw)] for draw in draws)]
    for perturbation in perturbations:
        steps = perturbation if isinstance(perturbation, (list, tuple)) else [perturbation]
        chains.append([check_perturbation(step) for step in steps])
    return chains


def chain_name(chain: Chain) -> str:
    """Name a copy by its perturbations."""
    return ", ".join(map(str, chain)) or "original"


def transform_copies(images: np.ndarray, chains: list[Chain], steps: list[Any]) -> np.ndarray:
    """Apply perturbations, then steps, to a few images at a time: (n, n_versions, ...)."""
    copies = np.empty(0)
    for position, chain in enumerate(told("copies", "copy", chains)):
        # 64 MiB of float32: residuals, unlike features, are too large to have all at once.
        for chunk in row_chunks(len(images), images[0].size // 64):
            perturbed = np.asarray(_batches.transform_batch(images[chunk], chain))
            rows = _batches.transform_batch(perturbed, steps)
            if not copies.size:
                copies = np.empty((len(images), len(chains), *rows.shape[1:]), rows.dtype)
            _check_shape(chain, rows.shape[1:], copies.shape[2:])
            copies[chunk, position] = rows
    return copies


def _check_shape(chain: Chain, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if shape != expected:
        raise ValueError(
            f"{chain_name(chain)!r} leads to shape {shape}, and the images as they are to "
            f"{expected}: they cannot be stacked. Either begin the estimator with steps that learn "
            f"nothing and whose output does not depend on the size of images, or keep the size, "
            f"as 'resize 0.75 and back' does."
        )


def keep_copies_together(step: Any, X: Any, y: Any, groups: np.ndarray) -> dict[str, Any]:
    """Let a step that splits keep groups together; return what its ``fit`` takes for that.

    Most steps hand groups to their splitter with a global option only: these get the splits.
    """
    if has_fit_parameter(step, "groups"):
        return {"groups": groups}
    cv: Any = getattr(step, "cv", "prefit")
    if hasattr(cv, "split") and get_routing_for_object(cv).consumes("split", {"groups"}):
        step.set_params(cv=list(cv.split(X, y, groups)))
        return {}
    if get_routing_for_object(step).consumes("fit", {"groups"}):
        return {"groups": groups}
    if isinstance(cv, str) and cv == "prefit":
        return {}
    warnings.warn(
        f"{type(step).__name__} may put copies of one image on both sides of its splits, which "
        f"makes its scores too good. Give it a splitter that takes groups, such as "
        f"cv=StratifiedGroupKFold().",
        UserWarning,
        stacklevel=6,
    )
    return {}


def merge_subclass_scores(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Soft maximum of the scores of each class over its subclasses.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes, n_subclasses)
        Scores of the subclasses.
    temperature : float
        T, in units of the scores. 0 takes the greatest.

    Returns
    -------
    ndarray of shape (n, n_classes)
        ``T log(sum(exp(score / T)))``, the sum over the subclasses.

    Notes
    -----
    With log likelihoods as scores and T = 1 this is the log likelihood of a mixture of the
    subclasses, up to a constant. The greater T, the more is it the mean score that counts.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.ensemble import merge_subclass_scores
    >>> scores = np.array([[[3.0, 0.0], [2.0, 2.0]]])
    >>> merge_subclass_scores(scores, 0.0)
    array([[3., 2.]])
    >>> merge_subclass_scores(scores, 4.0).round(2)
    array([[4.55, 4.77]])
    """
    if temperature == 0:
        return scores.max(axis=-1)
    return temperature * logsumexp(scores / temperature, axis=-1)


class TiledClassifier(RoutesFitParams, FittedOnCopies):
    """Fit a classifier on all parts of each image, and apply it to whole images.

    An image has many tiles, and the autocorrelation of a tile is that of the whole with more noise.
    With tiles as further samples, a few images of each class are enough.

    Parameters
    ----------
    estimator : estimator
        A classifier, or a pipeline that ends with one, that takes the features of a part.

    Attributes
    ----------
    estimator_ : estimator
        The classifier, fitted on the features of all parts.
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    n_parts_ : int
        Number of parts of each image.
    n_features_in_ : int
        Number of features of an image, those of all its parts.

    See Also
    --------
    TiledTransformer : Makes the features.
    make_attribution_pipeline : Has both in one pipeline.

    Notes
    -----
    The first part of an image is the whole; the others are used in ``fit`` only. Rows of features
    ``(n, n_features)`` are taken as images of one part.

    A tile is a copy of its image, as those of :class:`AugmentedClassifier`; but a transformer
    makes the copies, so that a pipeline computes their features once, also where a
    :class:`FusionClassifier` or an :class:`OpenSetClassifier` fits on folds of the images.

    Where `estimator` cross-validates within ``fit``, as a
    :class:`~sklearn.model_selection.GridSearchCV` does, the parts of one image must not fall on
    both sides of a split: let it split by groups, and pass ``groups`` to ``fit``, one for each
    image. Parameters of ``fit`` with one entry an image are repeated for the parts.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_ganprint import TiledClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["camera", "gan"], 5)
    >>> parts = rng.normal(size=(10, 17, 3)) + 2 * (y == "gan")[:, np.newaxis, np.newaxis]
    >>> TiledClassifier(LogisticRegression()).fit(parts, y).predict(parts).shape
    (10,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
    }

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, **fit_params: Any) -> Self:
        """Fit the classifier on all parts.

        Parameters
        ----------
        X : array-like of shape (n, n_parts, n_features) or (n, n_features)
            Features of the parts of each image; the whole comes first.
        y : array-like of shape (n,)
            Source of each image.
        **fit_params : dict
            Passed on to ``fit`` of the classifier: sequences with one entry an image, such as
            ``groups`` or ``sample_weight``, repeated for the parts of each image. With metadata
            routing enabled, those that the classifier requests.

        Returns
        -------
        TiledClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are fewer than two classes, or an entry of `fit_params` has another length.
        """
        _metaestimators.check_none_missing(y)
        parts, y = self._validate_parts(X, y, reset=True)
        _metaestimators.check_classes(self, y)
        if _routing_enabled():
            fit_params = _metaestimators.route(self, fit_params).fit
        for values in fit_params.values():
            check_consistent_length(parts, values)
        rows, labels, fit_params = rows_of_copies(parts, y, fit_params)
        self.estimator_ = clone(self.estimator).fit(rows, labels, **fit_params)
        self.n_parts_ = parts.shape[1]
        self.classes_ = self.estimator_.classes_
        return self

    def fit_batches(self, batches: Batches, y: np.ndarray, **fit_params: Any) -> Self:
        """Fit on batches of features that need not be in memory.

        Parameters
        ----------
        batches : Batches
            Features of the parts of each image.
        y : ndarray of shape (n,)
            Source of each image.
        **fit_params : dict
            As in ``fit``.

        Returns
        -------
        TiledClassifier
            The fitted classifier.
        """
        estimator = clone(self.estimator)
        # Steps that learn nothing would take all parts of an image at once.
        leading, rest = _batches.split_steps(estimator)
        if fit_params or leading or not _batches.fits_scatter(rest):
            parts, kept = batches.collect()
            return self.fit(parts, y[kept], **_batches.at(kept, fit_params))
        self._validate_params()
        _metaestimators.check_classes(self, y)
        parts, _ = self._validate_parts(batches.first, y[:1], reset=True)
        self.n_parts_ = parts.shape[1]
        fitted = _batches.fit_on_scatter(rest, batches, y)
        self.estimator_ = _batches.replace_last(estimator, fitted)
        self.classes_ = self.estimator_.classes_
        return self

    def _originals(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._validate_parts(X, reset=False)[:, 0]

    @deprecated("take X[:, 0], the features of the whole. It will be gone in version 0.3.")
    def inner_input(self, X: Any) -> np.ndarray:
        """Return what the fitted classifier predicts from.

        Parameters
        ----------
        X : array-like of shape (n, n_parts, n_features) or (n, n_features)
            Features of the parts of each image.

        Returns
        -------
        ndarray of shape (n, n_features)
            Features of the whole of each image.
        """
        return self._originals(X)

    def _validate_parts(self, X: Any, y: Any = "no_validation", *, reset: bool) -> Any:
        """Validate features, return them as ``(n, n_parts, n_features)`` (and `y` if given)."""
        shape = tuple(getattr(X, "shape", ()))
        # scikit-learn would count the second of three axes as n_features_in_.
        rows = np.asarray(X).reshape(shape[0], -1) if len(shape) == 3 else X
        validated = validate_data(self, rows, y, reset=reset, dtype=list(_images.FLOAT_DTYPES))
        rows, *labels = validated if reset else (validated,)
        n_parts = (shape[1] if len(shape) == 3 else 1) if reset else self.n_parts_
        parts = rows.reshape(len(rows), n_parts, -1)
        return (parts, *labels) if labels else parts

    def __sklearn_tags__(self) -> Any:
        """Declare that parts are the second of three axes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
