"""Which images fingerprints are estimated from, and which they are tested on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, column_or_1d

#: Images a source in the paper, and how many of them its fingerprint is estimated from.
PAPER_IMAGES, PAPER_FIT = 1000, 512


@dataclass(frozen=True, eq=False)
class Selection:
    """The two sides of a split, source by source; no group is on both.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The sources.

    fit, test : tuple of ndarray of int
        For each source, positions of the images to estimate its fingerprint from, and of those
        to test it on, each in random order.
    """

    classes: np.ndarray
    fit: tuple[np.ndarray, ...]
    test: tuple[np.ndarray, ...]

    @property
    def n_fit(self) -> int:
        """Number of images that each fingerprint is estimated from."""
        return len(self.fit[0])


def select_images(
    y: Any,
    *,
    n_fit: int | None = None,
    n_test: int | None = None,
    groups: Any = None,
    random_state: Any = 0,
) -> Selection:
    """Draw the same number of images of each source to fit on, and others to test on.

    Parameters
    ----------
    y : array-like of shape (n,)
        Source of each image.

    n_fit : int, default=None
        Images to estimate each fingerprint from. None takes 512 as the paper does or, where
        the smallest source has fewer than 1000 images, 51.2 % of those.

    n_test : int, default=None
        Images to test each source on. None takes all others.

    groups : array-like of shape (n,), default=None
        What must not be on both sides, such as one scene under several sources. With `n_fit` of
        None and large groups, fewer images than said there may be fitted on.

    random_state : int, RandomState instance or None, default=0
        Draws the order of the images.

    Returns
    -------
    Selection
        Positions of the images.

    Raises
    ------
    ValueError
        If a source has too few images for the numbers asked for, or one number is below 1.

    Notes
    -----
    All fingerprints are estimated from equally many images: one from more would have less noise,
    and its correlations would be greater for that reason alone.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.experiments import select_images
    >>> selection = select_images(np.repeat(["camera", "gan"], [100, 80]))
    >>> selection.n_fit, [len(each) for each in selection.test]
    (40, [60, 40])
    """
    y = column_or_1d(y)
    check_consistent_length(y, groups)
    for name, number in (("n_fit", n_fit), ("n_test", n_test)):
        if number is not None and number < 1:
            raise ValueError(f"{name}: expected a number of at least 1, got {number}.")
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"Expected images of at least 2 sources, got {classes.tolist()}.")
    counts = np.bincount(codes)
    wanted = default_fit(int(counts.min())) if n_fit is None else n_fit
    _check_counts(classes, counts, wanted, n_test)
    ranks = _ranks(codes, groups, check_random_state(random_state))
    last, most = _divide(codes, ranks, wanted, n_test or 1)
    if most < (wanted if n_fit is not None else 1):
        raise ValueError(
            f"No split of whole groups gives every source {wanted} images to fit on and "
            f"{n_test or 1} others to test on: {most} to fit on were the most. Ask for fewer, or "
            f"make the groups smaller."
        )
    order = np.argsort(ranks, kind="stable")
    sides = []
    for side, limit in ((ranks <= last, min(wanted, most)), (ranks > last, n_test)):
        own = (order[side[order] & (codes[order] == code)] for code in range(len(classes)))
        sides.append(tuple(positions[:limit] for positions in own))
    return Selection(classes, *sides)


def default_fit(smallest: int) -> int:
    """Images to fit on if the smallest source has so many: the paper's number, or its share."""
    return max(1, min(PAPER_FIT, smallest * PAPER_FIT // PAPER_IMAGES))


def _ranks(codes: np.ndarray, groups: Any, rng: np.random.RandomState) -> np.ndarray:
    """Give each image the place of its group in a random order; without groups, its own."""
    if groups is not None:
        _, group_codes = np.unique(np.asarray(groups), return_inverse=True)
        return rng.permutation(group_codes.max() + 1)[group_codes]
    ranks = np.empty(len(codes), dtype=np.intp)
    for code in range(codes.max() + 1):
        own = np.flatnonzero(codes == code)
        ranks[rng.permutation(own)] = np.arange(len(own))
    return ranks


def _divide(codes: np.ndarray, ranks: np.ndarray, n_fit: int, n_test: int) -> tuple[int, int]:
    """Find the last rank to fit on, and how many images of each source there are up to it.

    It is the first that gives every source enough to fit on or, if none of those leaves enough to
    test on, the one with most to fit on that does.
    """
    counts = np.zeros((ranks.max() + 1, codes.max() + 1), dtype=np.intp)
    np.add.at(counts, (ranks, codes), 1)
    fit = counts.cumsum(axis=0)
    left = (fit[-1] - fit).min(axis=1)
    # Fewer and fewer are left to test on: those that leave enough come first.
    most = np.minimum(fit.min(axis=1), n_fit)[left >= n_test]
    if not len(most):
        return -1, 0
    last = int(most.argmax())
    return last, int(most[last])


def _check_counts(classes: np.ndarray, counts: np.ndarray, n_fit: int, n_test: int | None) -> None:
    needed = n_fit + (1 if n_test is None else n_test)
    few = {
        str(label): int(n) for label, n in zip(classes, counts, strict=True) if n < max(2, needed)
    }
    if few:
        asked = "the rest (at least 1)" if n_test is None else str(n_test)
        raise ValueError(
            f"Expected {max(2, needed)} images a source or more, for {n_fit} to fit on and "
            f"{asked} to test on; got fewer of {few}. Add images, leave these sources out, or "
            f"ask for fewer."
        )
