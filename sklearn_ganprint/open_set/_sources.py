"""What scores of calibration images say of the known sources: families, and likelihood ratios."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from sklearn_ganprint.conformal import Calibration, PredictionSets
from sklearn_ganprint.evidence import LikelihoodRatioCalibrator

__all__ = ["SourceFamilies", "SourceLikelihoodRatios"]

#: An image more or less must not hang on how 1 - 0.9 is rounded.
_ROUNDING = 1e-9


class SourceFamilies:
    """Families of sources that are confused with each other, and the hierarchy of all sources.

    Generators that share a decoder leave much the same traces. Which of them made an image may
    remain open where it is clear that one of them did.

    Parameters
    ----------
    scores : array-like of shape (n, n_classes)
        Scores by which images are attributed, greater is nearer, under models that have not seen
        these images. Minus infinity is for a source that a model does not know.
    codes : array-like of int, shape (n,)
        Column of the source of each image.
    labels : sequence of length n_classes
        Names of the sources.
    max_confusion : float, default=0.1
        Families that stay apart are confused in at most this share, in [0, 1): the mean over
        all pairs of a member of the one and a member of the other.

    Attributes
    ----------
    confusion_ : ndarray of float64, shape (n_classes, n_classes)
        Share in which each two sources are confused, NaN on the diagonal.
    linkage_ : ndarray of float64, shape (n_classes - 1, 4)
        The hierarchy, in the form of :func:`scipy.cluster.hierarchy.linkage`. The distance of two
        groups of sources is 1 less their share.
    codes_ : ndarray of int, shape (n_classes,)
        Family of each source, counted from 0 in the order of the sources.
    members_ : list of list of int
        Columns of the sources of each family. A source that stands alone is a family of one.
    names : list of str
        Name of each family: its sources, as in "ldif or stab".

    Raises
    ------
    ValueError
        If the shapes do not go together, there are fewer than two sources, scores are NaN, `codes`
        are no columns, or `max_confusion` is not in [0, 1).

    See Also
    --------
    OpenSetClassifier.predict_family : The families of images.
    PredictionSets : The sources that cannot be ruled out for an image.
    sklearn_ganprint.plotting.SourceFamiliesDisplay : Draws the hierarchy.

    Notes
    -----
    The share in which the sources a and b are confused is the mean of two shares: that of the
    images of a that score greater for b than for a, and that of the images of b that score greater
    for a than for b. Equal scores count half. Sources that cannot be told apart at all have .5,
    however many they are and whatever the other sources are. In a table of confusions m of them
    would share their images, so that each pair had 1 / m. A source without images counts no image
    as confused.

    Groups of sources are joined by average linkage [1]_ until no two of them are confused in more
    than `max_confusion`.

    A share rests on the images of two sources, and its standard error is about
    ``sqrt(share * (1 - share) / (2 n))`` with n images of each: .05 at .1 with 20, .03 with 40. Two
    sources that are confused in .05 in truth are joined by chance in one of 20 cases with 20
    images of each, and in one of 50 with 40. With fewer than 5 of each, one confused image joins
    two sources. Such a family is too wide, and wrong about no image.

    References
    ----------
    .. [1] R. R. Sokal, C. D. Michener, "A statistical method for evaluating systematic
       relationships", University of Kansas Science Bulletin 38, 1958.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.open_set import SourceFamilies
    >>> rng = np.random.default_rng(0)
    >>> codes = np.repeat([0, 1, 2], 50)
    >>> means = np.array([[6, 0, 0], [0, 6, 6], [0, 6, 6]])  # the last two are alike
    >>> scores = means[codes] + rng.normal(size=(150, 3))
    >>> families = SourceFamilies(scores, codes, ["gan", "ldif", "stab"])
    >>> families.names
    ['gan', 'ldif or stab']
    >>> families.of_sets([[False, True, True], [False, False, True], [True, True, False]])
    array([ 1,  1, -1])
    """

    def __init__(
        self, scores: Any, codes: Any, labels: Sequence[Any], *, max_confusion: float = 0.1
    ) -> None:
        scores, codes = np.asarray(scores, dtype=np.float64), np.asarray(codes)
        _check(scores, codes, labels, max_confusion)
        self._group(_confusion(scores, codes), labels, max_confusion)

    @classmethod
    def from_confusion(
        cls, confusion: Any, labels: Sequence[Any], *, max_confusion: float = 0.1
    ) -> Self:
        """Find families by shares that are known already.

        Parameters
        ----------
        confusion : array-like of shape (n_classes, n_classes)
            Share in which each two sources are confused; symmetric. The diagonal is not used.
        labels : sequence of length n_classes
            Names of the sources.
        max_confusion : float, default=0.1
            As for the class.

        Returns
        -------
        SourceFamilies
            The families. A single source is one of its own.

        Raises
        ------
        ValueError
            If the shapes do not go together, shares are not in [0, 1] or not symmetric, or
            `max_confusion` is not in [0, 1).

        Examples
        --------
        >>> from sklearn_ganprint.open_set import SourceFamilies
        >>> shares = [[0, 0.01, 0.02], [0.01, 0, 0.4], [0.02, 0.4, 0]]
        >>> SourceFamilies.from_confusion(shares, ["gan", "ldif", "stab"]).names
        ['gan', 'ldif or stab']
        """
        shares = np.array(confusion, dtype=np.float64)
        if not len(labels) or shares.shape != (len(labels), len(labels)):
            raise ValueError(
                f"confusion: expected {len(labels)} x {len(labels)} shares, one label or more, got "
                f"the shape {shares.shape}."
            )
        np.fill_diagonal(shares, 0)
        if not ((shares >= 0) & (shares <= 1) & (abs(shares - shares.T) <= _ROUNDING)).all():
            raise ValueError(
                f"confusion: expected shares in [0, 1] and a symmetric array, got "
                f"{shares.tolist()}."
            )
        np.fill_diagonal(shares, np.nan)
        _check_max_confusion(max_confusion)
        families = cls.__new__(cls)
        families._group(shares, labels, max_confusion)
        return families

    def _group(self, confusion: np.ndarray, labels: Sequence[Any], max_confusion: float) -> None:
        """Join sources by the shares in which they are confused."""
        self.max_confusion = max_confusion
        self.confusion_ = confusion
        self.linkage_, found = np.empty((0, 4)), np.ones(1, dtype=int)
        if len(confusion) > 1:
            self.linkage_ = linkage(squareform(1 - confusion, checks=False), "average")
            found = fcluster(self.linkage_, 1 - max_confusion - _ROUNDING, "distance")
        _, first, codes = np.unique(found, return_index=True, return_inverse=True)
        self.codes_ = first.argsort().argsort()[codes]
        self.members_ = [np.flatnonzero(self.codes_ == code).tolist() for code in range(len(first))]
        self.names = [" or ".join(str(labels[i]) for i in own) for own in self.members_]

    @property
    def shares_(self) -> np.ndarray:
        """Share in which the sources of each family are confused.

        Returns
        -------
        ndarray of float64, shape (n_families,)
            Mean over the pairs of sources; NaN for a source that stands alone.
        """
        pairs = [self.confusion_[np.ix_(own, own)] for own in self.members_]
        return np.array([np.nanmean(own) if len(own) > 1 else np.nan for own in pairs])

    def of_sets(self, sets: Any) -> np.ndarray:
        """Tell the families that sets of sources lie in.

        Parameters
        ----------
        sets : array-like of bool, shape (n, n_classes)
            Whether a source is in the set of an image, as :meth:`PredictionSets.predict_set`
            returns them.

        Returns
        -------
        ndarray of int, shape (n,)
            Family of all sources of a set; -1 for sets with sources of several families, and for
            empty sets.

        Raises
        ------
        ValueError
            If `sets` have another number of columns.
        """
        sets = np.asarray(sets, dtype=bool)
        if sets.ndim != 2 or sets.shape[1] != len(self.codes_):
            raise ValueError(
                f"sets: expected the shape (n, n_classes) = (n, {len(self.codes_)}) that "
                f"predict_set returns, got {sets.shape}."
            )
        reached = sets @ (self.codes_[:, np.newaxis] == np.arange(len(self.names)))
        return np.where(reached.sum(axis=1) == 1, reached.argmax(axis=1), -1)


def _confusion(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Share of the images of two sources that are nearer to the other one."""
    n_classes = scores.shape[1]
    own = scores[np.arange(len(codes)), codes][:, np.newaxis]
    nearer = (scores > own) + 0.5 * (scores == own)
    of_source = codes == np.arange(n_classes)[:, np.newaxis]
    directed = of_source @ nearer / np.maximum(of_source.sum(axis=1, keepdims=True), 1)
    confusion = (directed + directed.T) / 2
    np.fill_diagonal(confusion, np.nan)
    return confusion


def _check(
    scores: np.ndarray, codes: np.ndarray, labels: Sequence[Any], max_confusion: float
) -> None:
    """Raise unless the arguments go together."""
    if scores.ndim != 2 or scores.shape[1] < 2 or np.isnan(scores).any():
        raise ValueError(
            f"scores: expected numbers of shape (n, n_classes), with two classes or more, got the "
            f"shape {scores.shape}{', some NaN' if np.isnan(scores).any() else ''}."
        )
    if codes.shape != scores.shape[:1] or len(labels) != scores.shape[1]:
        raise ValueError(
            f"Expected {len(scores)} codes and {scores.shape[1]} labels, as scores have the shape "
            f"{scores.shape}; got codes of shape {codes.shape} and {len(labels)} labels."
        )
    if codes.dtype.kind not in "iu" or np.any((codes < 0) | (codes >= scores.shape[1])):
        raise ValueError(
            f"codes: expected whole numbers from 0 to {scores.shape[1] - 1}, got "
            f"{np.unique(codes).tolist()}."
        )
    _check_max_confusion(max_confusion)


def _check_max_confusion(max_confusion: float) -> None:
    if not (isinstance(max_confusion, int | float | np.floating) and 0 <= max_confusion < 1):
        raise ValueError(f"max_confusion must be in [0, 1), got {max_confusion!r}.")


#: Parts of the calibration images, each of which is judged by calibrators of the others.
N_FOLDS = 5

#: Greatest ratio of numbers of images of sources that one calibrator serves.
MOST_UNEQUAL = 2


class SourceLikelihoodRatios:
    """Likelihood ratios of "this source made the image", from scores for all known sources.

    Parameters
    ----------
    sets : PredictionSets
        Class scores of calibration images.
    calibration : Calibration
        Typicality scores of these images.
    lacking : ndarray of float64, shape (n, n_classes), default=None
        Typicality scores of these images by models that lack the source of each image, too, where
        they score minus infinity: what images score whose source is not known. None if there are
        none.
    versions : ndarray of int, shape (n,), default=None
        0 for calibration images as they are, other numbers for copies of them, which follow their
        image and count as one with it. None if there are no copies.
    method : {"logistic", "kde", "isotonic"}, default="logistic"
        Of the :class:`LikelihoodRatioCalibrator`.
    anchored : bool, default=False
        Whether each source gets calibrators of its own (source-anchored), which takes more images
        of it. Otherwise one serves all sources (general); but against each other two sources, and
        those of which one has more than twice the images of another, have their own all the same:
        class scores may hold shares of sources, which one calibrator for all cannot take away.

    See Also
    --------
    sklearn_ganprint.OpenSetClassifier : Has one as `likelihood_ratios_`.

    Notes
    -----
    Against another of the known sources, the score is the log-odds of the source in the softmax of
    the class scores, all sources being equally probable beforehand. Against a source that is not
    known, it is the typicality. General calibrators compare it with the greatest typicality of
    images whose source is left out: the source that is asked about is, as a rule, the one that the
    image is most like. What source-anchored ones compare with is their typicality of this source.

    LRs are 1 where images of a source are no more like it than images of other sources are, as may
    be with siblings. None is beyond the number of calibration images, of which an image and its
    copies are one, however wide the bounds of the calibrator. With few known sources, LRs against
    one that is not known rest on few examples of such sources all the same, however many images
    there are of each.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.conformal import Calibration, PredictionSets
    >>> from sklearn_ganprint.open_set import SourceLikelihoodRatios
    >>> rng = np.random.default_rng(0)
    >>> codes = np.repeat([0, 1, 2], 100)
    >>> scores = 4 * np.eye(3)[codes] + rng.normal(size=(300, 3))
    >>> lrs = SourceLikelihoodRatios(PredictionSets(scores, codes), Calibration(scores, codes))
    >>> lrs.against_others([[4.0, 0.0, 0.0], [2.0, 2.0, 0.0]]).round(1)
    array([[ 2.5, -2.4, -2.4],
           [ 0.2,  0.2, -1.8]])
    >>> own, wrong = lrs.out_of_fold()
    >>> float((own < 0).mean().round(3)), float(np.nanmean(wrong > 0).round(3))
    (0.003, 0.001)
    """

    def __init__(
        self,
        sets: PredictionSets,
        calibration: Calibration,
        lacking: np.ndarray | None = None,
        *,
        versions: np.ndarray | None = None,
        method: str = "logistic",
        anchored: bool = False,
    ) -> None:
        self.sets = sets
        self.calibration = calibration
        self.lacking: Any = lacking
        self.versions = np.zeros(len(sets.codes), dtype=int) if versions is None else versions
        self.method = method
        self.anchored = anchored

    def against_others(self, class_scores: Any) -> np.ndarray:
        """Compute log10 LRs of each source against another of the known sources.

        Parameters
        ----------
        class_scores : array-like of shape (n, n_classes)
            Class scores of images.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            How much more probable such scores are if the source of the column made the image than
            if another known source did, each as probable as the others. NaN where scores are.
        """
        return _by_column(self._others, self._log_odds(class_scores))

    def against_unknown(self, typicality: Any) -> np.ndarray:
        """Compute log10 LRs of each source against a source that is not known.

        Parameters
        ----------
        typicality : array-like of shape (n, n_classes)
            Typicality scores of images.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            How much more probable such scores are if the source of the column made the image than
            if a source did that is none of the known ones. NaN where scores are.

        Raises
        ------
        ValueError
            If there are no scores `lacking` the source of images.
        """
        return _by_column(self._unknown, np.asarray(typicality, dtype=np.float64))

    def out_of_fold(self, against: str = "others") -> tuple[np.ndarray, np.ndarray]:
        """Compute log10 LRs of the calibration images by calibrators that have not seen them.

        The images of each source are parted into five, an image and its copies being one, and each
        part is judged by calibrators of the others.

        Parameters
        ----------
        against : {"others", "unknown"}, default="others"
            The alternative to a source, as in the other methods.

        Returns
        -------
        own : ndarray of float64, shape (n,)
            LRs of the source that made each image.
        wrong : ndarray of float64, shape (n, n_classes)
            LRs of the sources that did not, NaN for the one that did. Against an unknown source
            they are by models that lack the source of the image.

        Raises
        ------
        ValueError
            If `against` is something else, there is one image alone, or there are no scores
            `lacking` the source of images.

        See Also
        --------
        sklearn_ganprint.evidence.cllr : How good such LRs are.

        Notes
        -----
        Fewer images support weaker LRs, so that these are bounded a little more tightly than those
        of new images. Scores are by models that have seen no image of a group, such as a scene, but
        calibrators have: groups are not known any more.
        """
        if against not in ("others", "unknown"):
            raise ValueError(f"against must be 'others' or 'unknown', got {against!r}.")
        lrs, wrong = np.full((2, *self.sets.scores.shape), np.nan)
        for judged in self._folds:
            unseen = self._of(~judged)
            if against == "others":
                lrs[judged] = wrong[judged] = unseen.against_others(self.sets.scores[judged])
            else:
                lrs[judged] = unseen.against_unknown(self.calibration.scores[judged])
                wrong[judged] = unseen.against_unknown(self.lacking[judged])
        return lrs[self._is_own], np.where(self._is_own, np.nan, wrong)

    @property
    def bounds(self) -> tuple[tuple[float, float], tuple[float, float] | None]:
        """Least and greatest log10 LR against others, and against an unknown source, or None.

        Returns
        -------
        tuple
            Of source-anchored calibrators the widest bounds.
        """
        return _bounds(self._others), None if self.lacking is None else _bounds(self._unknown)

    @cached_property
    def _others(self) -> list[LikelihoodRatioCalibrator | None]:
        odds, is_own = self._log_odds(self.sets.scores), self._is_own
        counts = is_own.sum(axis=0)
        general = len(counts) > 2 and counts.max() <= MOST_UNEQUAL * max(counts.min(), 1)
        if not self.anchored and general:
            return [self._calibrator(odds[is_own], odds[~is_own])]
        columns = zip(odds.T, is_own.T, strict=True)
        return [self._calibrator(column[own], column[~own]) for column, own in columns]

    @cached_property
    def _unknown(self) -> list[LikelihoodRatioCalibrator | None]:
        if self.lacking is None:
            raise ValueError(
                "lacking: expected scores of calibration images by models that lack their source, "
                "got None."
            )
        typicality, is_own = self.calibration.scores, self._is_own
        if not self.anchored:
            return [self._calibrator(typicality[is_own], self.lacking.max(axis=1))]
        columns = zip(typicality.T, self.lacking.T, is_own.T, strict=True)
        return [self._calibrator(column[own], other[~own]) for column, other, own in columns]

    @property
    def _folds(self) -> list[np.ndarray]:
        """Masks (n,) of the rows of some images of each source, with their copies."""
        images = np.cumsum(self.versions == 0)
        # Numbered source by source, wherever they stand.
        _, images = np.unique(self.sets.codes * (len(images) + 1) + images, return_inverse=True)
        return [images % N_FOLDS == fold for fold in np.unique(images % N_FOLDS)]

    def _of(self, rows: np.ndarray) -> "SourceLikelihoodRatios":
        """Calibrate likewise on some of the rows."""
        codes = self.sets.codes[rows]
        return SourceLikelihoodRatios(
            PredictionSets(self.sets.scores[rows], codes),
            Calibration(self.calibration.scores[rows], codes),
            None if self.lacking is None else self.lacking[rows],
            versions=self.versions[rows],
            method=self.method,
            anchored=self.anchored,
        )

    @property
    def _is_own(self) -> np.ndarray:
        """Mask (n, n_classes) of the source of each calibration image."""
        return self.sets.codes[:, np.newaxis] == np.arange(self.sets.scores.shape[1])

    def _log_odds(self, class_scores: Any) -> np.ndarray:
        """Logarithms of how much more probable each source is than the others are on average."""
        scores = self.sets.scale * np.asarray(class_scores, dtype=np.float64)
        # Sums of exponentials over the columns before, and behind, each one.
        padded = np.pad(scores, [(0, 0), (1, 1)], constant_values=-np.inf)
        with np.errstate(invalid="ignore"):  # NaN where there are no scores
            before = np.logaddexp.accumulate(padded[:, :-2], axis=1)
            behind = np.logaddexp.accumulate(padded[:, :1:-1], axis=1)[:, ::-1]
            return scores - np.logaddexp(before, behind) + np.log(scores.shape[1] - 1)

    def _calibrator(self, own: np.ndarray, other: np.ndarray) -> LikelihoodRatioCalibrator | None:
        """Fit on scores for the own source, and on those for other sources, if there are both."""
        # A source that a model has not seen scores minus infinity.
        own, other = own[np.isfinite(own)], other[np.isfinite(other)]
        if not len(own) or not len(other):
            return None
        y = np.repeat([True, False], [len(own), len(other)])
        found = LikelihoodRatioCalibrator(self.method).fit(np.concatenate([own, other]), y)
        least, greatest = found.log10_likelihood_ratios(found.score_range_)
        if least > greatest:
            found.lower_bound_ = found.upper_bound_ = 0.0
        n_images = np.count_nonzero(self.versions == 0)
        n_own = len(own) * n_images / len(self.versions)
        found.lower_bound_ = max(found.lower_bound_, -np.log10(n_own + 1))
        found.upper_bound_ = min(found.upper_bound_, np.log10(n_images + 1))
        return found


def _bounds(calibrators: list[LikelihoodRatioCalibrator | None]) -> tuple[float, float]:
    """Return the least and the greatest bound; 0, an LR of 1, if there is no calibrator."""
    known = [own for own in calibrators if own is not None]
    lower = min((own.lower_bound_ for own in known), default=0.0)
    return float(lower), float(max((own.upper_bound_ for own in known), default=0.0))


def _by_column(
    calibrators: list[LikelihoodRatioCalibrator | None], scores: np.ndarray
) -> np.ndarray:
    """Compute log10 LRs by one calibrator for all columns, or one a column; NaN without."""
    known = np.isfinite(scores)
    log10_lrs = np.full(scores.shape, np.nan)
    columns: Any = [slice(None)] if len(calibrators) == 1 else range(scores.shape[1])
    for calibrator, column in zip(calibrators, columns, strict=True):
        chosen = known[:, column]
        if calibrator is not None and chosen.any():
            values = calibrator.log10_likelihood_ratios(scores[:, column][chosen])
            log10_lrs[:, column][chosen] = values
    return log10_lrs
