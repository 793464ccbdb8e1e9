"""Discriminant analysis of classes that consist of parts, as images and their processed copies."""

from numbers import Real
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from sklearn_ganprint._batches import one_blas_thread, row_chunks
from sklearn_ganprint._batches._metaestimators import (
    check_classes,
    check_fit_params,
    check_none_missing,
)
from sklearn_ganprint._compat import fit_context
from sklearn_ganprint._images import FLOAT_DTYPES
from sklearn_ganprint.classification._base import DecidesByClassScores
from sklearn_ganprint.classification._pooled import cholesky_of, shrink

__all__ = ["SubclassDiscriminantAnalysis"]


#: Least share of the mean covariance of all parts in that of one.
LEAST_SHARE = 0.3

#: Of the pooled covariance. The identity counts as much as a row for each PRIOR features does; with
#: many rows, copies of few images, less than this was worse on images that were processed again.
LEAST_SHRINKAGE, PRIOR = 0.1, 6


class SubclassDiscriminantAnalysis(DecidesByClassScores, BaseEstimator):
    """Linear discriminant analysis with several means for each class, of squashed features.

    A class that consists of parts, such as images as they were made and their processed copies,
    has no single mean. Each part gets one, all of them share one shrunk covariance, and an image
    is as likely of a class as of its parts. Values far from the mean of a feature are
    pulled in first, so that a few images do not stretch the covariance.

    Parameters
    ----------
    shrinkage : float or "auto", default="auto"
        Share of a multiple of the identity in the covariance, in [0, 1]: the same trace without
        correlations. More than 0 where there are more features than images. "auto" is
        ``p / (p + 6 n)`` with p features and n rows, and at least .1.
    squash : float or None, default=2.0
        Standard deviations that values stay within: with standardised values z they become
        ``squash * tanh(z / squash)``. None leaves them at z.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    mean_, scale_ : ndarray of float64, shape (n_features,)
        Mean and standard deviation of the features; 1 for one that is constant.
    subclass_codes_ : ndarray of int, shape (n_subclasses,)
        Index in `classes_` of the class of each part.
    background_means_ : ndarray of float64, shape (n_kinds, n_components)
        Mean of the means of all background sources, for each of their parts; no rows without.
    background_covariances_ : ndarray of float64, shape (n_kinds, n_components, n_components)
        Covariance of rows of background sources about these.
    centre_ : ndarray of shape (n_features,)
        Mean of the means of all parts, in squashed features.
    components_ : ndarray of shape (n_components, n_features)
        Directions that the means of the parts span, in which the covariance is the identity.
    means_ : ndarray of float64, shape (n_subclasses, n_components)
        Mean of each part about the centre, along these.
    covariances_ : ndarray of float64, shape (n_subclasses, n_components, n_components)
        Covariance of each part along these.
    squashed_means_ : ndarray of shape (n_subclasses, n_features)
        Mean of each part, in squashed features.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of features, and names of the columns of a data frame.

    See Also
    --------
    PooledDiscriminantAnalysis : One mean for each class, and features as they are.
    FusionClassifier : Makes processed copies, and calls ``fold_scores``.

    Notes
    -----
    One covariance S makes the directions, as in the mixture discriminant analysis of Hastie and
    Tibshirani [1]_ with known parts: the means of the parts span them. Along these each part has a
    normal distribution of its own, whose covariance is mixed with the mean one of all parts, at a
    share of .3 or, with n rows and r directions, r / (r + n - 1) if that is more. The mean one is
    mixed with S, n being the rows of all classes there. The score of a class is the logarithm of
    the mean density of its parts.

    With rows of background sources, the parts of these have means as well, and share in S; the
    means of the parts of all classes and sources span the directions. For each kind of part, means
    of sources are normal about their mean, and rows about the mean of their source with the mean
    covariance of all parts of classes: the two-covariance model of speaker recognition [2]_. The
    mean density of the kinds is that of an image of a source not seen, and its logarithm is
    subtracted from all scores. What is typical of no class then scores low, however near it lies
    to one of them.

    A second score, ``-log(1 + d^2)`` with the least distance d to a mean under S, is less sure
    where an image is far from all classes, as after strong compression. :class:`FusionClassifier`
    weighs both.

    S follows from the number of rows of each part, their sums and the sum of the outer products of
    all rows. Without the rows of a fold these are differences, so :meth:`fold_scores` adds nothing
    up anew. Mean and standard deviation of the features are those of all rows there.

    References
    ----------
    .. [1] T. Hastie, R. Tibshirani, "Discriminant analysis by Gaussian mixtures", Journal of the
       Royal Statistical Society B 58 (1), 1996.
    .. [2] N. Brümmer, E. de Villiers, "The speaker partitioning problem", Odyssey, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import SubclassDiscriminantAnalysis
    >>> rng = np.random.default_rng(0)
    >>> parts = np.repeat([0, 1, 2, 3], 20)
    >>> X = rng.normal(size=(80, 2)) + 6 * np.stack([parts % 2, parts // 2], axis=1)
    >>> y = (parts % 3 == 0).astype(int)  # two corners of a square that face each other
    >>> clf = SubclassDiscriminantAnalysis().fit(X, y, subclasses=parts)
    >>> clf.predict([[0, 0], [6, 0], [0, 6], [6, 6]])
    array([1, 0, 0, 1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "shrinkage": [Interval(Real, 0, 1, closed="both"), StrOptions({"auto"})],
        "squash": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self, shrinkage: float | Literal["auto"] = "auto", *, squash: float | None = 2.0
    ) -> None:
        self.shrinkage = shrinkage
        self.squash = squash

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, subclasses: Any = None, background: Any = None) -> Self:
        """Estimate means and the covariance.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Features. With float32 the covariance is summed up in single precision.
        y : array-like of shape (n,)
            Class of each row.
        subclasses : array-like of int, shape (n,), default=None
            Part of its class that each row belongs to. None makes a class one part.
        background : array-like of int, shape (n,), default=None
            Number, from 0, of a source that is none of the classes, for rows that show how sources
            may differ; -1 for rows of classes. The entries of `y` of such rows are not used.

        Returns
        -------
        SubclassDiscriminantAnalysis
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are fewer than two classes, no more rows than parts, or `subclasses` or
            `background` are not whole numbers.
        numpy.linalg.LinAlgError
            If the covariance has no inverse: more shrinkage is needed.
        """
        X, parts, of_rows = self._check(X, y, subclasses, background)
        self._fit_all(*self._rows(X), parts, of_rows)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fold_scores(
        self,
        X: Any,
        y: Any,
        fold_of: Any,
        subclasses: Any = None,
        background: Any = None,
        rows: Any = None,
        leave_class_out: bool = False,
    ) -> np.ndarray:
        """Fit as ``fit`` does; score rows as classifiers do that lack the fold of each.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Features.
        y : array-like of shape (n,)
            Class of each row.
        fold_of : array-like of int, shape (n,)
            Number of the fold of each row.
        subclasses : array-like of int, shape (n,), default=None
            Part of its class that each row belongs to, as in ``fit``.
        background : array-like of int, shape (n,), default=None
            Rows of other sources, as in ``fit``.
        rows : array-like of bool, shape (n,), default=None
            The rows to score; None is all.
        leave_class_out : bool, default=False
            Whether to score the rows once more, as classifiers do that lack the class of each, too:
            as images of a source that is not known score.

        Returns
        -------
        ndarray of float64, shape (n_rows, 2, n_classes), or (2, n_rows, 2, n_classes)
            What :meth:`all_scores` returns, in the order of the rows. A class that a classifier
            lacks gets the lowest score of each row. With `leave_class_out`, both ways; rows that
            one class with one part remains for are NaN in the second.

        Raises
        ------
        ValueError
            If rows outside of a fold are of fewer than two classes, or a fold is NaN.
        """
        X, parts, of_rows = self._check(X, y, subclasses, background)
        fold_of = check_fit_params(X, fold_of=fold_of)["fold_of"]
        scored = np.ones(len(X), dtype=bool) if rows is None else column_or_1d(rows)
        check_consistent_length(X, fold_of, scored)
        scores = np.empty((1 + leave_class_out, len(X), 2, len(self.classes_)))
        rows, basis = self._rows(X)
        centres, together = self._fit_all(rows, basis, parts, of_rows)
        of_classes = parts.codes[of_rows]
        for fold in np.unique(fold_of[scored]):
            own, others = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
            rest = together.without(self._moments(rows, of_rows, centres, own))
            left = np.flatnonzero(rest.counts)
            if len(np.unique(parts.of_classes(left).codes)) < 2:
                raise ValueError(f"All rows outside of fold {fold} are of one class.")
            model = self._like_this()
            rest = Moments(rest.counts[left], rest.sums[left], rest.products)
            means = model._solve(parts.at(left), rest, centres[left], rows.dtype)
            model._spread(parts.at(left), rows, np.searchsorted(left, of_rows[others]), others)
            own = own[scored[own]]
            along = model._along(rows, own)
            scores[0, own] = model._scores(along)
            for code in np.unique(of_classes[own]) if leave_class_out else ():
                unknown = of_classes[own] == code
                scores[1, own[unknown]] = model._scores_without(code, along[unknown], means)
        return scores[:, scored] if leave_class_out else scores[0, scored]

    def class_scores(self, X: Any) -> np.ndarray:
        """Score each class, with two classes as with more.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Logarithms of densities, up to a constant.
        """
        return self.all_scores(X)[:, 0]

    def all_scores(self, X: Any) -> np.ndarray:
        """Score each class in two ways.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n, 2, n_classes)
            What :meth:`class_scores` returns, and ``-log(1 + d^2)`` of the distances d to the
            nearest mean of each class.
        """
        return self._scores(self.coordinates(X))

    def coordinates(self, X: Any) -> np.ndarray:
        """Give the coordinates of rows along the directions that tell the parts apart.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n, n_directions)
            Coordinates, along which the rows of a part scatter by about 1, so that distances are
            those of Mahalanobis.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=list(FLOAT_DTYPES))
        return self._along(_Squashed(self, X))

    def _check(
        self, X: Any, y: Any, subclasses: Any, background: Any
    ) -> tuple[np.ndarray, "Parts", np.ndarray]:
        """Validate; store classes and the scale; return features, all parts, and that of each."""
        check_none_missing(y)
        X, y = validate_data(self, X, y, dtype=list(FLOAT_DTYPES))
        source = _numbers("background", background, np.full(len(y), -1))
        subclasses = _numbers("subclasses", subclasses, np.zeros(len(y), dtype=int))
        check_consistent_length(X, subclasses, source)
        known = source < 0
        check_classes(self, y[known])
        self.classes_ = np.unique(y[known])
        n_classes = len(self.classes_)
        codes = np.where(known, np.searchsorted(self.classes_, y), n_classes + source)
        pairs, of_rows = np.unique(np.stack([codes, subclasses]), axis=1, return_inverse=True)
        if pairs.shape[1] == len(y):
            raise ValueError(
                f"{type(self).__name__} needs more rows than parts of classes, got "
                f"{pairs.shape[1]} parts in {len(y)} rows."
            )
        self.mean_, self.scale_ = _mean_and_deviation(X, np.flatnonzero(known))
        # What rounding leaves of the deviation of a constant is none.
        self.scale_[self.scale_ <= 1e-6 * np.abs(self.mean_)] = 1.0
        self.scale_[self.scale_ == 0] = 1.0
        return X, Parts(pairs[0], pairs[1], n_classes), of_rows.ravel()

    @one_blas_thread()
    def _rows(self, X: np.ndarray) -> tuple[Any, np.ndarray | None]:
        """Return squashed rows to fit on; few of them in coordinates of a basis, and that basis.

        Rows, and all that is fitted on them, lie in the space that they span. There a covariance
        that is shrunk to the identity is the same, and its factor takes a fraction of the time.
        """
        n, n_features = X.shape
        if n > n_features // 2 or self._share_of_identity(n) == 0:
            return _Squashed(self, X), None
        basis, along = np.linalg.qr(self._squashed(X).T.astype(np.float64))
        return along.T.astype(X.dtype), basis

    def _fit_all(
        self, rows: Any, basis: np.ndarray | None, parts: "Parts", of_rows: np.ndarray
    ) -> tuple[np.ndarray, "Moments"]:
        """Fit on all rows; return the centres of the parts, and the moments about these."""
        centres = self._centres(rows, of_rows)
        together = self._moments(rows, of_rows, centres, np.arange(len(of_rows)))
        self._solve(parts, together, centres, rows.dtype)
        self._spread(parts, rows, of_rows)
        if basis is not None:
            for name in ("centre_", "components_", "squashed_means_"):
                along = getattr(self, name)
                setattr(self, name, (along @ basis.T).astype(along.dtype))
        return centres, together

    def _like_this(self) -> Self:
        """Make a model of the same classes, with the same scale."""
        model = clone(self)
        model.classes_ = self.classes_
        model.mean_, model.scale_ = self.mean_, self.scale_
        return model

    def _squashed(self, X: np.ndarray) -> np.ndarray:
        """Standardise a few rows, and pull far values in."""
        rows = (X - self.mean_.astype(X.dtype)) / self.scale_.astype(X.dtype)
        return rows if self.squash is None else self.squash * np.tanh(rows / self.squash)

    def _centres(self, rows: Any, parts: np.ndarray) -> np.ndarray:
        sums = np.zeros((parts.max() + 1, rows.shape[1]))
        for chunk in row_chunks(*rows.shape):
            sums += _members(parts[chunk], len(sums)) @ rows[chunk]
        return sums / np.bincount(parts)[:, np.newaxis]

    def _moments(
        self, rows: Any, parts: np.ndarray, centres: np.ndarray, chosen: np.ndarray
    ) -> "Moments":
        """Add up rows about the centres of their parts, products in the precision of the rows."""
        n_features = rows.shape[1]
        sums, products = np.zeros(centres.shape), np.zeros((n_features, n_features))
        for chunk in row_chunks(len(chosen), n_features // 8):  # each adds to all of the products
            own = parts[chosen[chunk]]
            about = rows[chosen[chunk]] - centres[own].astype(rows.dtype)
            products += about.T @ about
            sums += _members(own, len(sums)) @ about
        return Moments(np.bincount(parts[chosen], minlength=len(sums)), sums, products)

    @one_blas_thread()  # as in PooledDiscriminantAnalysis
    def _solve(
        self, parts: "Parts", moments: "Moments", centres: np.ndarray, dtype: np.dtype
    ) -> np.ndarray:
        """Set directions and means from the moments of the rows about centres of the parts.

        Return the means of all parts, also of other sources, along the directions.
        """
        counts = moments.counts[:, np.newaxis]
        off = moments.sums / counts
        within = moments.products - (counts * off).T @ off
        within /= counts.sum()
        n_features = len(self.mean_)  # more than there are here, along a basis
        if np.trace(within) <= 1e-9 * n_features:  # what rounding leaves of no scatter is none
            within[:] = 0
        means = centres + off
        self.subclass_codes_ = parts.of_classes().codes
        n_known = len(self.subclass_codes_)
        centre = means[:n_known].mean(axis=0)
        about = means - centre
        share = self._share_of_identity(counts.sum())
        factor = cholesky_of(shrink(within, share, n_features), share)
        weights = cho_solve(factor, about.T).T
        gram = weights @ about.T
        values, vectors = np.linalg.eigh((gram + gram.T) / 2)
        spanned = values > 1e-9 * values.max()
        components = (vectors[:, spanned] / np.sqrt(values[spanned])).T @ weights
        self.centre_, self.components_ = centre.astype(dtype), components.astype(dtype)
        self.squashed_means_ = means[:n_known].astype(dtype)
        means = about @ components.T
        self.means_, of_sources = means[:n_known], means[n_known:]
        kinds = [of_sources[parts.kinds[n_known:] == kind] for kind in parts.background_kinds]
        r = len(components)
        self.background_means_ = np.reshape([own.mean(axis=0) for own in kinds], (len(kinds), r))
        self.background_covariances_ = np.reshape(
            [_scatter(own) for own in kinds], (len(kinds), r, r)
        )
        return means

    def _share_of_identity(self, n_rows: int) -> float:
        if self.shrinkage == "auto":
            n_features = len(self.mean_)
            return max(LEAST_SHRINKAGE, n_features / (n_features + PRIOR * n_rows))
        return float(self.shrinkage)

    def _along(self, rows: Any, chosen: Any = None) -> np.ndarray:
        """Give the coordinates of squashed rows, all or some, along the directions."""
        n_rows, n_features = rows.shape
        chosen = np.arange(n_rows) if chosen is None else chosen
        along = np.empty((len(chosen), len(self.components_)))
        for chunk in row_chunks(len(chosen), n_features):
            along[chunk] = (rows[chosen[chunk]] - self.centre_) @ self.components_.T
        return along

    def _spread(self, parts: "Parts", rows: Any, of_rows: np.ndarray, chosen: Any = None) -> Self:
        """Set the covariance of each part; `of_rows` are the parts of the rows."""
        known = of_rows < len(self.means_)
        of_rows = of_rows[known]
        about = self._along(rows, chosen)[known] - self.means_[of_rows]
        r = about.shape[1]
        # Along the directions S is the identity; few rows do not tell how they differ from it.
        share = r / (r + len(about) - 1)
        pooled = (1 - share) * about.T @ about / len(about) + share * np.eye(r)
        covariances = []
        for part in range(len(self.means_)):
            own = about[of_rows == part]
            share = max(LEAST_SHARE, r / (r + len(own) - 1))
            covariances.append((1 - share) * own.T @ own / len(own) + share * pooled)
        self.covariances_ = np.stack(covariances)
        if len(self.background_means_):
            self.background_covariances_ += pooled
        return self

    @one_blas_thread()
    def _scores(self, rows: np.ndarray) -> np.ndarray:
        """Score coordinates in both ways, (n, 2, n_classes)."""
        scores = np.full((len(rows), 2, len(self.classes_)), -np.inf)
        n_parts = np.bincount(self.subclass_codes_, minlength=len(self.classes_))
        for code, mean, covariance in zip(
            self.subclass_codes_, self.means_, self.covariances_, strict=True
        ):
            density = _log_density(rows, mean, covariance) - np.log(n_parts[code])
            distance = -np.log1p(np.square(rows - mean).sum(axis=1))
            scores[:, 0, code] = np.logaddexp(scores[:, 0, code], density)
            scores[:, 1, code] = np.maximum(scores[:, 1, code], distance)
        lowest = np.where(np.isfinite(scores), scores, np.inf).min(axis=2, keepdims=True)
        scores = np.where(np.isfinite(scores), scores, lowest)
        scores[:, 0] -= self._background_density(rows)[:, np.newaxis]
        return scores

    @one_blas_thread()
    def _scores_without(self, code: int, rows: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Score coordinates as a classifier does that lacks a class, but has the same covariance S.

        The other means, of those of all parts, span fewer directions. Rows of the class keep their
        share in S, which is one among many.
        """
        kept = self.subclass_codes_ != code
        centre = self.means_[kept].mean(axis=0)
        about = means[np.append(kept, np.ones(len(means) - len(kept), dtype=bool))] - centre
        _, lengths, directions = np.linalg.svd(about, full_matrices=False)
        if lengths.max() < 1e-6:  # one mean is left, which spans nothing
            return np.full((len(rows), 2, len(self.classes_)), np.nan)
        along = directions[lengths > 1e-6 * lengths.max()]
        model = self._like_this()
        model.subclass_codes_ = self.subclass_codes_[kept]
        model.means_ = (self.means_[kept] - centre) @ along.T
        model.covariances_ = along @ self.covariances_[kept] @ along.T
        model.background_means_ = (self.background_means_ - centre) @ along.T
        model.background_covariances_ = along @ self.background_covariances_ @ along.T
        return model._scores((rows - centre) @ along.T)

    def _background_density(self, rows: np.ndarray) -> np.ndarray:
        """Logarithm of the density of rows of sources that are none of the classes, 0 without."""
        means = getattr(self, "background_means_", ())  # models of former versions have none
        if not len(means):
            return np.zeros(len(rows))
        kinds = zip(means, self.background_covariances_, strict=True)
        densities = [_log_density(rows, *kind) for kind in kinds]
        return logsumexp(densities, axis=0) - np.log(len(densities))


class _Squashed:
    """Rows that are standardised and squashed when some of them are taken."""

    def __init__(self, model: SubclassDiscriminantAnalysis, X: np.ndarray) -> None:
        self.model, self.X, self.shape, self.dtype = model, X, X.shape, X.dtype

    def __getitem__(self, chosen: Any) -> np.ndarray:
        return self.model._squashed(self.X[chosen])


def _numbers(name: str, given: Any, default: np.ndarray) -> np.ndarray:
    """Validate whole numbers, one a row."""
    if given is None:
        return default
    numbers: np.ndarray = column_or_1d(given)
    if numbers.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected whole numbers, got an array of {numbers.dtype}.")
    return numbers


def _log_density(rows: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Logarithm of a normal density, up to what is the same for all."""
    factor = cholesky(covariance, lower=True)
    about = solve_triangular(factor, (rows - mean).T, lower=True)
    return -np.square(about).sum(axis=0) / 2 - np.log(factor.diagonal()).sum()


def _mean_and_deviation(X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of some rows, in double precision without a copy of all."""
    chunks = [rows[chunk] for chunk in row_chunks(len(rows), X.shape[1])]
    mean = sum(X[own].sum(axis=0, dtype=np.float64) for own in chunks) / len(rows)
    variance = sum(np.square(X[own] - mean).sum(axis=0) for own in chunks) / len(rows)
    return mean, np.sqrt(variance)


def _scatter(rows: np.ndarray) -> np.ndarray:
    """Covariance of rows; 0 of a single one."""
    about = rows - rows.mean(axis=0)
    return about.T @ about / max(len(rows) - 1, 1)


class Parts(NamedTuple):
    """Parts of classes, then of background sources: an index of each, and the kind of part."""

    codes: np.ndarray  # (n_parts,), of a class, or the number of classes plus that of a source
    kinds: np.ndarray  # (n_parts,)
    n_classes: int

    def at(self, chosen: np.ndarray) -> "Parts":
        """Return some of the parts."""
        return Parts(self.codes[chosen], self.kinds[chosen], self.n_classes)

    def of_classes(self, chosen: Any = slice(None)) -> "Parts":
        """Return those of some of the parts that are of classes."""
        parts = self.at(chosen)
        return parts.at(parts.codes < self.n_classes)

    @property
    def background_kinds(self) -> np.ndarray:
        """Kinds of the parts of background sources."""
        return np.unique(self.kinds[self.codes >= self.n_classes])


class Moments(NamedTuple):
    """Numbers, sums and products of rows about a centre for each part, which add up."""

    counts: np.ndarray  # (n_parts,)
    sums: np.ndarray  # (n_parts, n_features)
    products: np.ndarray  # (n_features, n_features), of all parts together

    def without(self, others: Self) -> "Moments":
        """Take off the moments of some of the rows."""
        return Moments(*(own - other for own, other in zip(self, others, strict=True)))


def _members(parts: np.ndarray, n_parts: int) -> np.ndarray:
    """Mask (n_parts, n) of the rows of each part."""
    return np.arange(n_parts)[:, np.newaxis] == parts
