"""Likelihood ratios of the known sources, from scores of calibration images."""

from functools import cached_property
from typing import Any

import numpy as np

from sklearn_ganprint.conformal import Calibration, PredictionSets
from sklearn_ganprint.evidence import LikelihoodRatioCalibrator

__all__ = ["SourceLikelihoodRatios"]

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
