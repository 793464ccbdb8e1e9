"""The classifier that fuses the scores of others, and the weights of these."""

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import clone
from sklearn.ensemble._base import _BaseHeterogeneousEnsemble
from sklearn.utils import Bunch, deprecated, get_tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_ganprint._batches import Batches, _metaestimators, split_steps, takes_any_size
from sklearn_ganprint._batches._metaestimators import Mergeable, check_labels, label_column, offers
from sklearn_ganprint._compat import fit_context
from sklearn_ganprint._images import as_batch, differ_in_shape
from sklearn_ganprint.classification._base import DecidesByClassScores, all_scores
from sklearn_ganprint.ensemble._augmented import Perturbation, chain_name, perturbation_chains
from sklearn_ganprint.ensemble._fusion_members import (
    fit_members,
    gather,
    gather_again,
    make_member,
    original_coordinates,
)
from sklearn_ganprint.ensemble._fusion_weights import (
    Weights,
    about_mean,
    around,
    choose_weights,
    floors,
    size_slopes,
)
from sklearn_ganprint.ensemble._versions import (
    FEW,
    SharedContent,
    Versions,
    log_sizes,
    positive,
    with_fixed_state,
)
from sklearn_ganprint.perturbations import BasePerturbation, RandomHistory, check_perturbation
from sklearn_ganprint.residuals._blanks import LOWEST, leave_out_blank, without_residual
from sklearn_ganprint.residuals._cache import shared_residuals

#: Fewer where a class has fewer images.
N_FOLDS = 10

#: Copies of each image, at least and at most, and of all images together, if not the least.
COPIES, ALL_COPIES = (4, 20), 20_000

#: Copies of each image that are scored by models without it, beside the image.
SCORED_COPIES = 3

#: Weight of fused scores in the typicality, if it tells classes from other sources. With more,
#: relatives of the classes are found somewhat better, but fewer sources that are no relatives.
FUSED_WEIGHT = 0.5


class FusionClassifier(DecidesByClassScores, _BaseHeterogeneousEnsemble):
    """Fuse classifiers that use different traces of the same sources.

    Each classifier scores all classes. Weights are fitted on scores of images that the classifiers
    have not seen: one for each classifier, and others by class where these images clearly ask for
    them.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Classifiers, or pipelines that end with one, that all take the same input: residuals,
        images or features.
    cv : int, splitter or iterable, default=None
        How the training images are kept out of the models that score them. None leaves one out at
        a time where that takes no second fit (:class:`FingerprintClassifier` behind steps that
        learn nothing, without groups), and makes 10 folds for the other classifiers, fewer if a
        class has fewer images. An integer makes stratified folds, by group if ``fit`` is given
        `groups`. With None and integers, and without groups, images that show the same content in
        several classes are found and left out together.
    penalty : float, default=30.0
        Penalty on the weights by class and on the intercepts. The greater it is, the more images
        it takes before these differ from 0.
    perturbations : sequence, RandomHistory or str, default=None
        Processing that copies of each image go through, as in :class:`AugmentedClassifier`. The
        classifiers are then fitted on the images and their copies, but those with ``partial_fit``
        and ``merge``, such as mean fingerprints, on the images alone; weights and out-of-fold
        scores are those of images and of their first 3 copies. A RandomHistory may change the size
        of images, unless these come as rows; the classifiers must take it. None makes no copies.
    n_copies : int or "auto", default="auto"
        Number of copies that a RandomHistory makes of each image. "auto" is 20 for up to 1000
        images, and fewer for more: 20,000 over their number, but at least 4. Up to 1000 images are
        also cut into quarters, if all classifiers take images of any size: more images as they are.
    background : sequence, default=None
        Perturbations, such as :class:`SimulatedSource`, that each give images the traces of another
        source than the classes. Classifiers with the fit parameter `background`, such as
        :class:`SubclassDiscriminantAnalysis`, are then fitted on such images too: as they are, and
        after the first of `perturbations`. Image i, in the order of the fit, gets those of source
        ``i % len(background)``. An image is then typical of a class if it is more like the class
        than like other sources.
    n_jobs : int, default=None
        Number of folds fitted at a time.

    Attributes
    ----------
    estimators_ : list of estimator
        The classifiers, fitted on all images.
    score_names_ : list of str
        What is weighed: the scores of each classifier by its name, of which most have one, and
        :class:`SubclassDiscriminantAnalysis` two; then, for each finite entry of `floors_`, what
        a score exceeds its floor by.
    weights_ : ndarray of float64, shape (n_weights,)
        Weight of each of `score_names_`, the same for all classes, in units of `scales_`.
    class_weights_ : ndarray of float64, shape (n_classes, n_weights, n_classes)
        Weights that are added to these: of the score of a classifier for one class (last axis) in
        the fused score of another (first axis). Often 0.
    intercept_ : ndarray of float64, shape (n_classes,)
        Constants of the fused scores.
    scales_ : ndarray of float64, shape (n_weights,)
        Root mean square of each score about its mean over the classes.
    floors_ : ndarray of float64, shape (n_scores,), or (0,) without copies
        Score that one in a hundred unseen images and copies reaches for a class that is not its
        own; infinite for classifiers without ``partial_fit`` and ``merge``.
    own_means_ : ndarray of float64, shape (n_scores,)
        Mean score of unseen images for their own class.
    typicality_weights_ : ndarray of float64, shape (n_scores,)
        Weight of each score in the typicality: 1 over its scale, or 0 for classifiers with a single
        score, if there are others with several.
    fused_weight_ : float
        Weight in the typicality of the fused scores about their mean over the classes: 0.5 if a
        classifier has several scores, else 0.
    usual_log_size_ : float
        Natural logarithm of the median number of pixels of the images fitted on.
    size_slopes_ : ndarray of float64, shape (2,)
        What is taken off the typicality for each unit by which the logarithm of the number of
        pixels is below the usual one (first) or above it: so much the 5 % quantile grows there
        among unseen images and copies. 0 where all have one size.
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    out_of_fold_scores_ : ndarray of float64, shape (n, n_classes)
        Fused scores of the training images under models that have not seen them.
    out_of_fold_typicality_ : ndarray of float64, shape (n, n_classes)
        Typicality scores of these images under these models.
    out_of_class_typicality_ : ndarray of float64, shape (n, n_classes)
        Typicality scores of these images under models that lack their class as well: what images of
        a source that is not known score. Minus infinity for their own class. Only with three
        classes or more, and classifiers with ``merge`` or ``fold_scores``.
    out_of_fold_codes_ : ndarray of int, shape (n,)
        Index in `classes_` of the class of each of these images.
    out_of_fold_versions_ : ndarray of int, shape (n,)
        Index in `versions_` of each of these: 0 for images as they are, else of a copy.
    fitted_coordinates_ : ndarray of float32, shape (n, n_directions)
        Coordinates of the images fitted on, as they are, by the first classifier that has
        ``coordinates``, as :class:`SubclassDiscriminantAnalysis` has; without directions if none.
    versions_ : list of str
        Names of the versions of an image: "original", then the perturbations.
    n_features_in_ : int
        Number of features, if the first classifier has it.
    feature_names_in_ : ndarray of str
        Names of the columns, if the first classifier has them.

    See Also
    --------
    make_attribution_pipeline : Fuses mean fingerprints and second-order traces.
    OpenSetClassifier : Takes its calibration scores from this classifier at no further cost.
    sklearn_ganprint.ensemble.score_contributions : What spoke for a source, and what against it.
    sklearn.ensemble.StackingClassifier : Fits a classifier on the scores, with more images.

    Notes
    -----
    The probability of class c is the softmax of ``sum_m w_m s_mc``, where ``s_mc`` is the score
    that classifier m gives to class c, about its mean over the classes and over its spread: the
    conditional logit [1]_. Weights maximise the likelihood, less ``|w|^2 / 2``, and are at least
    0. Each class gets further weights, ``sum_m sum_d V_cmd s_md + b_c`` at `penalty` times
    ``(|V|^2 + |b|^2) / 2``, if these raise the likelihood of images left out by more than two
    standard errors; a classifier with ``w_m = 0`` gets none. If all ``w_m`` are 0, all become 1.

    Scores are those that a classifier decides by, but after a linear discriminant analysis
    ``-log(1 + d^2)`` of the Mahalanobis distances d, see
    :func:`~sklearn_ganprint.open_set.discriminant_distances`. Unlike the scores of the analysis,
    these are small where an image is far from all classes, and vary as much for images fitted on
    as for new ones.

    An image off the pixel grid of a mean fingerprint, as most copies are, correlates with it at
    random. With copies, scores of such classifiers are therefore weighed twice, as they are and by
    what they exceed their floor, where that is more than 0.

    With copies, classifiers with the fit parameter `subclasses` are told the part of its class
    that each version belongs to: 0 for images as they are, 1 for copies that were not compressed,
    2 for copies that were, by :class:`~sklearn_ganprint.perturbations.JPEGCompression` or in a
    RandomHistory.

    Known classes alone do not show how sources differ. Each image therefore gets two more versions
    with the traces of a source of `background`, which are rows of other sources to the classifiers
    that take such, in two parts, 0 and 1. These rows are neither scored nor calibrated by.
    A score of :class:`SubclassDiscriminantAnalysis` is then the logarithm of how much more likely
    the image is of the class than of a source not seen. This takes the same off the scores of all
    classes, which the typicality shows, and the fused scores do not. How near the image lies to
    the class, the second score, is part of the typicality as well.

    Relatives of the classes, such as another network of their kind, are as unlike other sources as
    the classes are. But they lie about as near to one class as to others, where an image of a class
    is nearer to its own. Therefore the fused scores about their mean are added to such a score:
    how much more likely an image is of a class than by the geometric mean of the densities of
    all, which stands for a relative not seen.

    The typicality of own images grows with the number of their pixels, up to the usual size;
    images beyond it may be enlarged ones, and theirs may fall. A quantile regression [2]_ on both
    finds by how much the lowest of it do, which is taken off, so that one threshold serves images
    of any size.

    An image that is left out leaves translations of the same photo in the other classes. Their
    common content draws the image there, and the weight of the best classifier comes out lowest.
    Without `groups`, a sketch of each image is therefore compared with those of all images of
    other classes. This finds neither common prompts nor crops of one photo.

    ``fit`` takes one pass over the images, a second one where classifiers leave one out, and a
    third one where contents are shared. It keeps features, scores and a sketch of each image.
    So does :class:`FileBatchEstimator` with files.

    References
    ----------
    .. [1] D. McFadden, "Conditional logit analysis of qualitative choice behavior", in Frontiers
       in Econometrics, 1974.
    .. [2] R. Koenker, G. Bassett, "Regression quantiles", Econometrica 46 (1), 1978.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_ganprint import FingerprintClassifier, FusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["camera", "gan"], 40)
    >>> pattern = rng.normal(size=256)
    >>> X = rng.normal(size=(80, 256)) + 0.5 * np.outer(y == "gan", pattern)
    >>> members = [("first", FingerprintClassifier()), ("other", LogisticRegression())]
    >>> clf = FusionClassifier(members)
    >>> clf.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.8
    True
    """

    #: What to do where a class has too few images.
    _advice = "The kind 'nearest-mean' of make_attribution_pipeline takes classes of one image."

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimators": [list],
        "cv": ["cv_object"],
        "penalty": [Interval(Real, 0, None, closed="neither")],
        "perturbations": ["array-like", RandomHistory, str, None],
        "n_copies": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "background": ["array-like", None],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimators: list[tuple[str, Any]],
        *,
        cv: Any = None,
        penalty: float = 30.0,
        perturbations: Sequence[Perturbation] | RandomHistory | str | None = None,
        n_copies: int | str = "auto",
        background: Sequence[BasePerturbation | str] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimators = estimators
        self.cv = cv
        self.penalty = penalty
        self.perturbations = perturbations
        self.n_copies = n_copies
        self.background = background
        self.n_jobs = n_jobs

    __metadata_request__fit: ClassVar = {**_metaestimators.ASKS_FOR_GROUPS, "sources": True}

    @property
    def named_estimators_(self) -> Bunch:
        """The fitted classifiers by name."""
        check_is_fitted(self, "estimators_")
        names = [name for name, _ in self.estimators]
        return Bunch(**dict(zip(names, self.estimators_, strict=True)))

    @property
    def n_features_in_(self) -> int:
        """Number of features that the first classifier takes."""
        check_is_fitted(self, "estimators_")
        return self.estimators_[0].n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the columns that the first classifier takes."""
        check_is_fitted(self, "estimators_")
        return self.estimators_[0].feature_names_in_

    @property
    def _takes_any_size(self) -> bool:
        return all(takes_any_size(estimator) for _, estimator in self.estimators)

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, groups: Any = None, sources: Any = None) -> Self:
        """Fit the classifiers, and their weights on images that they have not seen.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the classifiers take.
        y : array-like of shape (n,)
            Source of each image.
        groups : array-like of shape (n,), default=None
            Images of one group, such as translations of one photo, are left out together. With
            None, images that show the same content at the same place are found.
        sources : array-like of shape (n,), default=None
            Where classes consist of several sources, such as photos and generated images do, the
            source of each image. Classifiers with the fit parameter `subclasses` are told it beside
            the processing. None makes each class one source.

        Returns
        -------
        FusionClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are fewer than two classes, a class has a single image or group, or copies
            are of a size that a classifier does not take.

        Warns
        -----
        UserWarning
            If a fifth of the images show the same content as an image of another class, and there
            are no `groups`.
        """
        if y is None:
            raise ValueError("FusionClassifier requires y to be passed, but the target y is None.")
        y = label_column(y)
        X = as_batch(X)
        check_consistent_length(X, y)
        rows = _metaestimators.check_fit_params(y, groups=groups, sources=sources)
        X, y, rows = leave_out_blank(self, X, y, **rows)
        return self.fit_batches(Batches(X), y, **rows)

    def fit_batches(
        self, batches: Batches, y: np.ndarray, groups: Any = None, sources: Any = None
    ) -> Self:
        """Fit on batches of images that need not be in memory.

        Parameters
        ----------
        batches : Batches
            The images.
        y : ndarray of shape (n,)
            Source of each image.
        groups : array-like of shape (n,), default=None
            Groups, as in ``fit``.
        sources : array-like of shape (n,), default=None
            Sources, as in ``fit``.

        Returns
        -------
        FusionClassifier
            The fitted classifier.
        """
        self._validate_params()
        check_labels(y)
        estimators = self._checked_estimators()
        fold_of = self._folds(y, groups)
        first = batches.first
        plan = self._versions(len(y), first)
        # A copy is near the image that it was made from, which so must not be in the fit either.
        closed = self.cv is None and groups is None and plan.n_all == 1
        blank = [make_member(clone(model), first, leave_one_out=closed) for model in estimators]
        # A splitter that is passed is used as it is.
        searched = groups is None and (self.cv is None or isinstance(self.cv, Integral))
        contents = [SharedContent(len(y), first)] if searched else []
        members, facts, positions = gather(batches, [*blank, *contents], y, fold_of, plan)
        facts = facts if sources is None else facts.split_by(np.asarray(sources)[positions])
        self.classes_ = np.unique(y[positions])
        if contents and (twins := self._twin_folds(members.pop(), y[positions])) is not None:
            fold_of[positions] = twins
            split = [make_member(clone(model), first, leave_one_out=False) for model in estimators]
            members = gather_again(batches, members, split, y, fold_of, plan)
        unseen = fit_members(batches, members, y, positions, fold_of, plan, facts)
        self.estimators_ = [member.estimator for member in members]
        self.fitted_coordinates_ = original_coordinates(members, len(positions))
        self.versions_ = [chain_name(chain) for chain in plan.chains]
        sizes = np.full((len(y), plan.n_scored), np.nan)
        sizes[positions] = facts.log_sizes[:, : plan.n_scored]
        return self._weigh(unseen, y, fold_of, sizes)

    def _versions(self, n_images: int, first: Any) -> Versions:
        """Plan the versions; a few copies of each image are enough to be scored."""
        n_copies, few = self.n_copies, False
        if isinstance(n_copies, str):
            n_copies = int(np.clip(ALL_COPIES // n_images, *COPIES))
            few = n_copies == COPIES[1] and isinstance(self.perturbations, str | RandomHistory)
        perturbations = [] if self.perturbations is None else self.perturbations
        chains = perturbation_chains(perturbations, n_copies)
        chains = [[with_fixed_state(step) for step in chain] for chain in chains]
        background = [check_perturbation(source) for source in self.background or ()]
        quartered = few and np.ndim(first) > 2 and self._takes_any_size
        n_scored = min(len(chains), 1 + SCORED_COPIES)
        return Versions(chains, n_scored, self.n_jobs, background, quartered)

    def _checked_estimators(self) -> list[Any]:
        if not self.estimators:
            raise ValueError(
                "estimators: expected a list of (name, classifier), got an empty list."
            )
        names, estimators = zip(*self.estimators, strict=True)
        self._validate_names(names)
        for name, estimator in self.estimators:
            if not hasattr(estimator, "fit") or not hasattr(estimator, "predict"):
                raise ValueError(
                    f"estimators: expected a classifier as {name!r}, got {estimator!r}."
                )
        return list(estimators)

    def _twin_folds(self, contents: SharedContent, y: np.ndarray) -> np.ndarray | None:
        """Folds that keep images of one content together, None where few images share any."""
        groups, twins = contents.find_twins(y)
        if twins.mean() < FEW:
            return None
        apart = min(_metaestimators.units_by_class(y, groups).values()) > 1
        what = "are left out together" if apart else "cannot be told apart, so that weights are off"
        warnings.warn(
            f"{twins.sum()} of {len(y)} images show the same as an image of another class, such as "
            f"translations of one photo do. They {what}. Pass groups to fit, one value for the "
            f"images of one photo or prompt, which is certain and takes one pass less.",
            UserWarning,
            stacklevel=2,
        )
        return self._folds(y, groups) if apart else None

    def _weigh(
        self,
        by_estimator: list[np.ndarray],
        y: np.ndarray,
        fold_of: np.ndarray,
        sizes: np.ndarray,
    ) -> Self:
        """Set the weights from scores by models without the images.

        These are (2, n, n_scored, n_scores, n_classes) of each classifier, of versions of each
        image with logarithms of sizes (n, n_scored); the second ones by models that lack the class
        of each image, too.
        """
        numbers = [scores.shape[3] for scores in by_estimator]
        both = np.concatenate(by_estimator, axis=3)
        n_scored = both.shape[2]
        unseen, lacking = both.reshape(2, -1, *both.shape[3:])
        y, fold_of = np.repeat(y, n_scored), np.repeat(fold_of, n_scored)
        kept = np.flatnonzero(np.isfinite(unseen).all(axis=(1, 2)))
        # A class that is in one fold only is unknown to the models that score its images.
        apart = {label for label in self.classes_ if len(np.unique(fold_of[y == label])) > 1}
        kept = kept[[label in apart for label in y[kept]]]
        if not len(kept):
            raise ValueError(
                f"cv: no image was scored by a model that knew its class, with {self.cv!r}. Use a "
                f"splitter that leaves images of each class in every fit."
            )
        unseen, codes = unseen[kept], np.searchsorted(self.classes_, y[kept])
        own = np.arange(len(codes)), slice(None), codes
        # Classifiers with several scores tell how likely an image is, and how near it lies.
        several = np.repeat(numbers, numbers) > 1
        judging = several if several.any() else ~several
        mergeable = [offers(split_steps(model)[1][0], Mergeable) for model in self.estimators_]
        limits = floors(unseen, codes, np.repeat(mergeable, numbers))
        self.floors_ = np.array([]) if n_scored == 1 else limits
        self.score_names_, columns = self._names(numbers), self._columns(unseen)
        self.scales_ = positive(np.sqrt(np.square(about_mean(columns)).mean(axis=(0, 2))))
        scaled = about_mean(columns) / self.scales_[:, np.newaxis]
        self.weights_, self.class_weights_, self.intercept_ = choose_weights(
            scaled, codes, fold_of[kept], self.penalty
        )
        self.own_means_ = unseen[own].mean(axis=0)
        self.typicality_weights_ = judging / self.scales_[: len(judging)]
        self.fused_weight_ = FUSED_WEIGHT if several.any() else 0.0
        self.out_of_fold_codes_ = codes
        self.out_of_fold_versions_ = kept % n_scored
        self._judge(unseen, lacking[kept], sizes.ravel()[kept])
        return self

    def _judge(self, unseen: np.ndarray, lacking: np.ndarray, sizes: np.ndarray) -> None:
        """Score unseen images, with logarithms of sizes, by the weights that were found.

        `lacking` are their scores by models that lack their class, too.
        """
        own = np.arange(len(unseen)), self.out_of_fold_codes_
        fused = self._fuse(unseen)
        likeness = self._likeness(unseen, fused)
        self.usual_log_size_ = float(np.median(sizes[self.out_of_fold_versions_ == 0]))
        self.size_slopes_ = size_slopes(sizes, self.usual_log_size_, likeness[own])
        self.out_of_fold_scores_ = fused
        self.out_of_fold_typicality_ = likeness - self._owed_to_size(sizes)
        self.__dict__.pop("out_of_class_typicality_", None)
        if len(self.classes_) > 2 and np.isfinite(lacking).all():
            # The mean over the classes is then that over the others.
            is_own = np.eye(len(self.classes_), dtype=bool)[self.out_of_fold_codes_, np.newaxis]
            means = lacking.mean(axis=2, keepdims=True, where=~is_own)
            lacking = np.where(is_own, means, lacking)
            likeness = self._likeness(lacking, self._fuse(lacking)) - self._owed_to_size(sizes)
            self.out_of_class_typicality_ = np.where(is_own[:, 0], -np.inf, likeness)

    def _names(self, numbers: list[int]) -> list[str]:
        """Name what each weight is of; `numbers` are those of the scores of each classifier."""
        names = []
        for (name, _), number in zip(self.estimators, numbers, strict=True):
            names += [name, *(f"{name}, score {part}" for part in range(2, number + 1))]
        having = np.flatnonzero(np.isfinite(self.floors_))
        return names + [f"{names[part]} above its floor" for part in having]

    def _columns(self, scores: np.ndarray) -> np.ndarray:
        """Add, behind the scores of the classifiers, what those of fingerprints exceed floors by.

        An image that lies off the grid of a fingerprint correlates with it at random, and then
        says nothing of the class.
        """
        having = np.flatnonzero(np.isfinite(self.floors_))
        above = scores[:, having] - self.floors_[having, np.newaxis]
        return np.concatenate([scores, above.clip(min=0)], axis=1)

    def _member_scores(self, X: Any) -> np.ndarray:
        """Scores of shape (n, n_scores, n_classes), one or more of each classifier."""
        check_is_fitted(self, "weights_")
        X = X if differ_in_shape(X) else as_batch(X)
        with shared_residuals():
            return np.concatenate([all_scores(model, X) for model in self.estimators_], axis=1)

    def _fuse(self, scores: np.ndarray) -> np.ndarray:
        scaled = about_mean(self._columns(scores)) / self.scales_[:, np.newaxis]
        return Weights(self.weights_, self.class_weights_, self.intercept_).fuse(scaled)

    def _likeness(self, scores: np.ndarray, fused: np.ndarray) -> np.ndarray:
        """Typicality before what it owes to the size of images is taken off."""
        about = scores - self.own_means_[:, np.newaxis]
        likeness = np.einsum("imc,m->ic", about, self.typicality_weights_)
        return likeness + self.fused_weight_ * about_mean(fused)

    def _owed_to_size(self, sizes: np.ndarray) -> np.ndarray:
        return (around(sizes, self.usual_log_size_) @ self.size_slopes_)[:, np.newaxis]

    def _folds(self, y: np.ndarray, groups: Any) -> np.ndarray:
        """Return the number of the fold that each image is left out in."""
        check_consistent_length(y, groups)
        counts = _metaestimators.units_by_class(y, groups)
        if len(counts) < 2 or min(counts.values()) < 2:
            unit = "image" if groups is None else "group"
            advice = f" {self._advice}" if len(counts) > 1 else ""
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes with 2 {unit}s each, since every "
                f"{unit} is left out once; got {len(counts)} class"
                f"{'es' if len(counts) > 1 else ''}, {unit}s by class: {counts}.{advice}"
            )
        return _metaestimators.fold_numbers(self.cv, y, N_FOLDS, groups)

    def class_scores(self, X: Any) -> np.ndarray:
        """Fuse the scores of each class, with two classes as with more.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the classifiers take.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Logarithms of the classes' odds, up to a constant for each image.

        See Also
        --------
        typicality_scores : Low for all classes where an image is typical of none.
        """
        return self._fuse(self._member_scores(X))

    def typicality_scores(self, X: Any) -> np.ndarray:
        """Score how typical an image is of each class, whatever its scores for the others.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the classifiers take.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Sum over the scores for a class, less the mean score of unseen images for their own
            class, times `typicality_weights_`, and the fused score about its mean over the classes
            times `fused_weight_`. :class:`OpenSetClassifier` decides by these. Images without a
            residual have the lowest finite number of single precision.
        """
        return self._both_scores(X)[:, 1]

    def _both_scores(self, X: Any) -> np.ndarray:
        """Class and typicality scores, shape (n, 2, n_classes), in one pass over the images."""
        scores = self._member_scores(X)
        fused = self._fuse(scores)
        typicality = self._likeness(scores, fused) - self._owed_to_size(log_sizes(X))
        both = np.stack([fused, typicality], axis=1)
        both[without_residual(self, X), 1] = LOWEST
        return both

    @deprecated("use class_scores and typicality_scores. It will be gone in version 0.3.")
    def assess(self, X: Any) -> np.ndarray:
        """Compute both kinds of scores.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the classifiers take.

        Returns
        -------
        ndarray of shape (n, 2, n_classes)
            What :meth:`class_scores` and :meth:`typicality_scores` return.
        """
        return self._both_scores(X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of the classes, given that one of them made the image.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the classifiers take.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Softmax of the scores, whose weights are fitted for that on unseen images.
        """
        scores = self.class_scores(X)
        return softmax(scores, axis=1)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Classifiers saved by earlier versions made no copies, and knew of no other sources.
        former = {"perturbations": None, "n_copies": "auto", "background": None}
        super().__setstate__({**former, **state})
        if "weights_" in state:
            self.__dict__.setdefault("floors_", np.array([]))
            self.__dict__.setdefault("typicality_weights_", 1 / self.scales_)
            self.__dict__.setdefault("fused_weight_", 0.0)
            self.__dict__.setdefault("usual_log_size_", 0.0)
            self.__dict__.setdefault("size_slopes_", np.zeros(2))
            self.__dict__.setdefault("score_names_", [name for name, _ in self.estimators])

    def __sklearn_tags__(self) -> Any:
        """Take over the tags of the classifiers."""
        tags = super().__sklearn_tags__()
        inner = [get_tags(model) for _, model in self.estimators]
        if inner:
            tags.input_tags = inner[0].input_tags
            tags.input_tags.sparse = False
            tags.classifier_tags.poor_score = all(
                tags.classifier_tags is not None and tags.classifier_tags.poor_score
                for tags in inner
            )
        return tags
