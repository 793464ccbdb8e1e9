"""Likelihood ratios of the known sources, from scores of calibration images."""

from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import logsumexp

from sklearn_ganprint.conformal import Calibration, PredictionSets
from sklearn_ganprint.evidence import LikelihoodRatioCalibrator

__all__ = ["SourceLikelihoodRatios"]


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
    n_versions : int, default=1
        Number of calibration images that are one image and its copies, which count as one.
    method : {"logistic", "kde", "isotonic"}, default="logistic"
        Of the :class:`LikelihoodRatioCalibrator`.
    anchored : bool, default=False
        Whether each source gets calibrators of its own (source-anchored), which takes more images
        of it. Otherwise one serves all sources (general).

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
    """

    def __init__(
        self,
        sets: PredictionSets,
        calibration: Calibration,
        lacking: np.ndarray | None = None,
        *,
        n_versions: int = 1,
        method: str = "logistic",
        anchored: bool = False,
    ) -> None:
        self.sets = sets
        self.calibration = calibration
        self.lacking = lacking
        self.n_versions = n_versions
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
    def _others(self) -> list[LikelihoodRatioCalibrator]:
        odds, is_own = self._log_odds(self.sets.scores), self._is_own
        if not self.anchored:
            return [self._calibrator(odds[is_own], odds[~is_own])]
        columns = zip(odds.T, is_own.T, strict=True)
        return [self._calibrator(column[own], column[~own]) for column, own in columns]

    @cached_property
    def _unknown(self) -> list[LikelihoodRatioCalibrator]:
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
    def _is_own(self) -> np.ndarray:
        """Mask (n, n_classes) of the source of each calibration image."""
        return self.sets.codes[:, np.newaxis] == np.arange(self.sets.scores.shape[1])

    def _log_odds(self, class_scores: Any) -> np.ndarray:
        """Logarithms of how much more probable each source is than the others are on average."""
        scores = self.sets.scale * np.asarray(class_scores, dtype=np.float64)
        n_classes = scores.shape[1]
        others = [logsumexp(np.delete(scores, c, axis=1), axis=1) for c in range(n_classes)]
        return scores - np.transpose(others) + np.log(n_classes - 1)

    def _calibrator(self, own: np.ndarray, other: np.ndarray) -> LikelihoodRatioCalibrator:
        """Fit on scores for the own source, and on those for other sources."""
        # A source that a model has not seen scores minus infinity.
        own, other = own[np.isfinite(own)], other[np.isfinite(other)]
        y = np.repeat([True, False], [len(own), len(other)])
        found = LikelihoodRatioCalibrator(self.method).fit(np.concatenate([own, other]), y)
        least, greatest = found.log10_likelihood_ratios(found.score_range_)
        if least > greatest:
            found.lower_bound_ = found.upper_bound_ = 0.0
        found.lower_bound_ = max(found.lower_bound_, -np.log10(len(own) / self.n_versions + 1))
        n_images = len(self.sets.codes) / self.n_versions
        found.upper_bound_ = min(found.upper_bound_, np.log10(n_images + 1))
        return found


def _bounds(calibrators: list[LikelihoodRatioCalibrator]) -> tuple[float, float]:
    lower, upper = zip(*((own.lower_bound_, own.upper_bound_) for own in calibrators), strict=True)
    return float(min(lower)), float(max(upper))


def _by_column(calibrators: list[LikelihoodRatioCalibrator], scores: np.ndarray) -> np.ndarray:
    """Compute log10 LRs by one calibrator for all columns, or one a column."""
    known = np.isfinite(scores)
    log10_lrs = np.full(scores.shape, np.nan)
    columns: Any = [slice(None)] if len(calibrators) == 1 else range(scores.shape[1])
    for calibrator, column in zip(calibrators, columns, strict=True):
        chosen = known[:, column]
        if chosen.any():
            values = calibrator.log10_likelihood_ratios(scores[:, column][chosen])
            log10_lrs[:, column][chosen] = values
    return log10_lrs
