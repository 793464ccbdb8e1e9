"""The classifier that tells photos from images of generators, also of ones that it has not seen."""

from typing import Any, Self

import numpy as np

from sklearn_ganprint._batches import Batches, _metaestimators
from sklearn_ganprint.conformal import Calibration
from sklearn_ganprint.ensemble._fusion import FusionClassifier

#: What photos are called, as a class or as a folder.
PHOTO_NAMES = ("photo", "photos", "real", "0_real", "nature")


class DetectionClassifier(FusionClassifier):
    """Tell photos from generated images, by generators that may not be among those fitted on.

    A :class:`FusionClassifier` of two classes that consist of sources: kinds of photos, and
    generators. Each source is a part of its class, and weights and out-of-fold scores are those of
    generators that the classifiers have not seen.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Classifiers, or pipelines that end with one. Those with the fit parameter `subclasses`, such
        as :class:`SubclassDiscriminantAnalysis`, are told the sources.
    cv : int, splitter or iterable, default=None
        How the training images are kept out of the models that score them. None and integers make
        folds, at most 10 with None, and leave generators out whole.
    penalty : float, default=30.0
        Penalty on the weights by class and on the intercepts.
    perturbations : sequence, RandomHistory or str, default=None
        Processing that copies of each image go through.
    n_copies : int or "auto", default="auto"
        Number of copies that a RandomHistory makes of each image.
    background : sequence, default=None
        Perturbations that each give images the traces of another source.
    n_jobs : int, default=None
        Number of folds fitted at a time.

    Attributes
    ----------
    estimators_, score_names_, weights_, class_weights_, intercept_, scales_, floors_ : object
        As in :class:`FusionClassifier`, as all that is not listed here.
    classes_ : ndarray of shape (2,)
        The class labels.
    out_of_fold_scores_ : ndarray of float64, shape (n, 2)
        Fused scores of the training images under models that have not seen them; of generated
        images, under models that have not seen their generator.
    first_scores_ : ndarray of int, shape (n_estimators,)
        Which of the scores of the classifiers are used: the first of each.

    See Also
    --------
    make_detection_pipeline : Makes one that takes images.
    sklearn.ensemble.StackingClassifier : Fuses the decision with those of other detectors.

    Notes
    -----
    The labels of photos are "photo", "real" or the like, beside any other for generated images. Of
    numbers and booleans, the lower one means photos, such as False.

    Of a classifier with several scores, such as :class:`SubclassDiscriminantAnalysis`, the first is
    used alone. Its second score is more likely, and finds half as many generated images at a rate
    of false alarms of 5 %.

    Other generators than those fitted on are what this is asked about, so it is on such that scores
    have to be weighed and thresholds to be set. Photos are left out one by one: they are taken to
    be of the kinds fitted on, and rates of false alarms hold for these. With a single generator
    its images are left out one by one too.

    The parts of a class are sources, each as it is, processed, and compressed. Their densities are
    averaged, so that a source with few images counts as much as one with many. That subclasses
    serve a class that is a union of others is known from mixture discriminant analysis [1]_.

    References
    ----------
    .. [1] T. Hastie, R. Tibshirani, "Discriminant analysis by Gaussian mixtures", Journal of the
       Royal Statistical Society B 58 (1), 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import DetectionClassifier, SubclassDiscriminantAnalysis
    >>> rng = np.random.default_rng(0)
    >>> sources = np.repeat(["camera", "phone", "gan", "other", "third"], 30)
    >>> y = np.where(np.isin(sources, ["camera", "phone"]), "photo", "generated")
    >>> means = {"camera": [0, 0], "phone": [0, 5], "gan": [5, 0], "other": [5, 5], "third": [5, 9]}
    >>> X = rng.normal(size=(150, 2)) + [means[source] for source in sources]
    >>> clf = DetectionClassifier([("parts", SubclassDiscriminantAnalysis())])
    >>> clf.fit(X, y, sources=sources).predict([[0, 0], [0, 5], [5, 7]])  # the last one is new
    array(['photo', 'photo', 'generated'], dtype='<U9')
    >>> clf.predict_set(np.array([[0, 0], [-99, 0]])).tolist()  # a photo; unlike both
    [[False, True], [False, False]]
    """

    _advice = "Add images."

    def fit_batches(
        self, batches: Batches, y: np.ndarray, groups: Any = None, sources: Any = None
    ) -> Self:
        """Fit on batches of images that need not be in memory.

        Parameters
        ----------
        batches : Batches
            The images.
        y : ndarray of shape (n,)
            Labels of photos and of generated images.
        groups : array-like of shape (n,), default=None
            Photos of one group, such as those of one scene, are left out together.
        sources : array-like of shape (n,), default=None
            Generator, or kind of photo, that each image is from. None makes each class one source.

        Returns
        -------
        DetectionClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are not two classes, or, with `sources`, `y` does not tell which of them are
            photos, or a source has both.
        """
        _metaestimators.check_classes(self, y)
        if len(classes := np.unique(y)) > 2:
            raise ValueError(
                f"Only binary classification is supported. The type of the target is multiclass: "
                f"expected a label of photos and one of generated images, got {len(classes)} "
                f"labels. Pass the names of generators as sources."
            )
        if sources is None:
            return super().fit_batches(batches, y, groups)
        # The folds of a FusionClassifier keep these units together.
        names, codes = np.unique(np.asarray(sources), return_inverse=True)
        units = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
        generated = np.asarray(y) != photo_label(classes)
        if len(both := np.intersect1d(codes[generated], codes[~generated])):
            raise ValueError(
                f"sources: expected each source to be a generator or a kind of photo, got "
                f"{names[both].tolist()} for both photos and generated images."
            )
        if len(np.unique(codes[generated])) > 1:
            units = np.where(generated, -1 - codes, units)
        return super().fit_batches(batches, y, units, sources)

    def predict_set(self, X: Any, false_alarm_rate: float = 0.05) -> np.ndarray:
        """Tell which of both an image may be.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the classifiers take.
        false_alarm_rate : float, default=0.05
            Share of photos, in (0, 1), that may be ruled out to be photos, and of generated images
            that may be ruled out to be generated: of the kinds fitted on, or processed as copies of
            these are.

        Returns
        -------
        ndarray of bool, shape (n, 2)
            Whether an image may be of each of `classes_`. Where it may be of one alone, this is the
            answer. Otherwise one cannot tell: the image is like both, or unlike both.

        Raises
        ------
        ValueError
            If the rate is not in (0, 1).
        """
        if not 0 < false_alarm_rate < 1:
            raise ValueError(
                f"false_alarm_rate: expected a number in (0, 1), got {false_alarm_rate!r}."
            )
        scores, typicality = self._both_scores(X).swapaxes(0, 1)
        codes = self.out_of_fold_codes_
        may_be = Calibration(self.out_of_fold_scores_, codes).p_values(scores) > false_alarm_rate
        known = Calibration(self.out_of_fold_typicality_, codes).known_p_values(typicality)
        return may_be & (known > false_alarm_rate)[:, np.newaxis]

    def _weigh(self, by_estimator: list[np.ndarray], *others: np.ndarray) -> Self:
        numbers = [scores.shape[3] for scores in by_estimator]
        self.first_scores_ = np.cumsum([0, *numbers[:-1]])
        return super()._weigh([scores[..., :1, :] for scores in by_estimator], *others)

    def _member_scores(self, X: Any) -> np.ndarray:
        return super()._member_scores(X)[:, self.first_scores_]

    def __sklearn_tags__(self) -> Any:
        """Tell that there are two classes."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def photo_label(classes: np.ndarray) -> Any:
    """Return the label of photos, of two labels."""
    found = [label for label in classes.tolist() if str(label).lower() in PHOTO_NAMES]
    if len(found) == 1:
        return found[0]
    if classes.dtype.kind in "biuf":
        return classes[0]
    raise ValueError(
        f"y: expected one of two labels to be {', '.join(map(repr, PHOTO_NAMES[:-1]))} or "
        f"{PHOTO_NAMES[-1]!r}, got {classes.tolist()}. Call photos 'photo', or use 0 for them."
    )
