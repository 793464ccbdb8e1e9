"""What a fitted open-set classifier says of images, or of scores that they have got already."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint.conformal import conformal_p_values
from sklearn_ganprint.open_set._scores import ScoreFunction, both_scores, source_scores


class JudgingMixin:
    """Scores of images, and p-values by the calibration scores of a fitted classifier.

    Images cost their residuals, p-values of scores next to nothing: with the scores of images at
    hand they can be judged at any rate, and by other calibration images.
    """

    classes_: np.ndarray
    calibration_: str
    calibration_scores_: np.ndarray
    calibration_codes_: np.ndarray
    estimator_: Any
    score_function: str | ScoreFunction

    def class_scores(self, X: Any) -> np.ndarray:
        """Score the known sources against each other, as the estimator does.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Scores, of which the greatest is the estimator's prediction.
        """
        return self.assess(X)[:, 0]

    def typicality_scores(self, X: Any) -> np.ndarray:
        """Score how typical an image is of each source: what p-values and thresholds rest on.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Scores as `score_function` says, greater is more typical. Images without a residual
            have the lowest finite number of single precision.

        See Also
        --------
        p_values_from_scores : A p-value for each source, without looking at the images again.
        known_p_values_from_scores : One p-value for all known sources together.
        """
        check_is_fitted(self)
        return source_scores(self.estimator_, X, self.score_function)

    def assess(self, X: Any) -> np.ndarray:
        """Give all that can be said of images, in one look at them.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n, 2, n_classes)
            What :meth:`class_scores` and :meth:`typicality_scores` return. Labels are of the
            greatest of the first, p-values and what is unknown at any rate follow from the second.

        See Also
        --------
        p_values_from_scores : A p-value for each source, without looking at the images again.
        known_p_values_from_scores : One p-value for all known sources together.
        """
        check_is_fitted(self)
        return both_scores(self.estimator_, X, self.score_function)

    def score_samples(self, X: Any) -> np.ndarray:
        """Score for the nearest source, whatever the rate of false alarms.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n,)
            Greatest score over the known sources: low where an image is of none of them.
        """
        return self.typicality_scores(X).max(axis=1)

    def p_values(self, X: Any) -> np.ndarray:
        """p-value of each source: how untypical an image is of that source.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            For an image of source c, the p-value in column c is at most a with probability a at
            the most.

        See Also
        --------
        known_p_values : One p-value for all known sources together.
        """
        return self.p_values_from_scores(self.typicality_scores(X))

    def known_p_values(self, X: Any) -> np.ndarray:
        """p-value of the hypothesis that an image comes from one of the known sources.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of float64, shape (n,)
            An image is called unknown where this is at most `false_alarm_rate`.

        See Also
        --------
        p_values : A p-value for each source.
        """
        return self.known_p_values_from_scores(self.typicality_scores(X))

    def p_values_from_scores(self, scores: Any, *, calibration: str | None = None) -> np.ndarray:
        """Turn scores of images into a p-value for each source.

        Parameters
        ----------
        scores : array-like of shape (n, n_classes)
            What :meth:`typicality_scores` returns. Rows that are NaN stay so.

        calibration : {"source", "pooled"}, default=None
            Whose calibration images a score is ranked among: those of the source in question, for
            which its p-values are then right, or those of all sources, for which they are right
            together. None is `calibration_`.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            As :meth:`p_values` returns them.

        Raises
        ------
        ValueError
            If `scores` has another number of columns, or `calibration` is something else.

        See Also
        --------
        known_p_values_from_scores : One p-value for all known sources together.
        """
        scores, own = self._check_scores(scores), self._own_scores()
        columns = [
            conformal_p_values(column, own[self._calibrates(code, calibration)])
            for code, column in enumerate(scores.T)
        ]
        return np.column_stack(columns)

    def known_p_values_from_scores(self, scores: Any) -> np.ndarray:
        """Turn scores into the p-value of an image's coming from one of the known sources.

        Parameters
        ----------
        scores : array-like of shape (n, n_classes)
            What :meth:`typicality_scores` returns. Rows that are NaN stay so.

        Returns
        -------
        ndarray of float64, shape (n,)
            As :meth:`known_p_values` returns them. At whatever rate, an image is called unknown
            where this is at most that rate.

        Raises
        ------
        ValueError
            If `scores` has another number of columns.

        See Also
        --------
        p_values_from_scores : A p-value for each source.
        """
        scores = self._check_scores(scores)
        if self.calibration_ == "source":
            return self.p_values_from_scores(scores).max(axis=1)
        return conformal_p_values(scores.max(axis=1), self.calibration_scores_.max(axis=1))

    def _check_scores(self, scores: Any) -> np.ndarray:
        check_is_fitted(self)
        scores = np.asarray(scores, dtype=np.float64)
        if scores.ndim != 2 or scores.shape[1] != len(self.classes_):
            raise ValueError(
                f"scores: expected the shape (n, n_classes) = (n, {len(self.classes_)}) that "
                f"typicality_scores returns, got {scores.shape}."
            )
        return scores

    def _own_scores(self) -> np.ndarray:
        """Score of each calibration image for its own source."""
        return np.take_along_axis(
            self.calibration_scores_, self.calibration_codes_[:, np.newaxis], axis=1
        )[:, 0]

    def _calibrates(self, code: int, calibration: str | None = None) -> np.ndarray:
        """Which calibration images a source is judged by."""
        calibration = self.calibration_ if calibration is None else calibration
        if calibration not in ("source", "pooled"):
            raise ValueError(
                f"calibration must be 'source', 'pooled' or None, got {calibration!r}."
            )
        pooled = calibration == "pooled"
        return np.full(len(self.calibration_codes_), pooled) | (self.calibration_codes_ == code)
