"""p-values of images, or of scores that they have got already."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_ganprint.open_set._conformal import conformal_p_values


class PValuesMixin:
    """p-values by the calibration scores of a fitted classifier.

    Images cost their residuals, p-values of scores next to nothing: with the scores of images at
    hand they can be judged at any rate, and by other calibration images.
    """

    classes_: np.ndarray
    calibration_: str
    calibration_scores_: np.ndarray
    calibration_codes_: np.ndarray
    typicality_scores: Any

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
