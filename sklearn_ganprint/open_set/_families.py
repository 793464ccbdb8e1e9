"""Families of sources that a model confuses with each other."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

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
