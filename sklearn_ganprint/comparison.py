"""Whether two collections of images, or two models, share sources: their fingerprints compared."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm
from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from sklearn_ganprint._batches import fit_on_batches, hand_on_arrays, split_steps
from sklearn_ganprint._batches._metaestimators import HoldsFingerprints, Mergeable, offers
from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.correlation import correlations_and_errors
from sklearn_ganprint.correlation._comparison import Pairs, p_values_among_sources, z_scores
from sklearn_ganprint.datasets import ImageReader, ImageReadError
from sklearn_ganprint.files._batches import FileBatches
from sklearn_ganprint.pipelines import current_kind, make_attribution_pipeline
from sklearn_ganprint.residuals import ResidualTransformer

__all__ = [
    "FingerprintSet",
    "Match",
    "ModelComparison",
    "compare_models",
    "estimate_fingerprints",
    "fingerprint_set",
    "fingerprint_settings",
]

_NULLS = ("auto", "sources", "chance")
#: Sources on the side that is compared with, at the least, for the null "sources".
FEWEST = 4

#: Two patterns of white noise of n pixels correlate with a standard deviation of ``1 / sqrt(n)``.
#: Sources that differ, photos of many cameras among them, stay below so many of these; halves of
#: one source hardly ever do.
LEAST_DEVIATIONS = 5.0


@dataclass(frozen=True)
class FingerprintSet:
    """Fingerprints with the names of their sources.

    Attributes
    ----------
    names : list of str
        Names of the sources.
    fingerprints : ndarray of shape (k, H, W, C)
        The fingerprints, in image shape.
    residual : ResidualTransformer or None
        Transformer that made the residuals, if it is known.
    """

    names: list[str]
    fingerprints: np.ndarray
    residual: Any = None

    def __post_init__(self) -> None:
        """Raise if fingerprints are no images, or not as many as names."""
        if self.fingerprints.ndim != 4 or len(self.names) != len(self.fingerprints):
            raise ValueError(
                f"Expected fingerprints (k, H, W, C) and as many names, got "
                f"{self.fingerprints.shape} and {len(self.names)} names."
            )


def fingerprint_set(model: Any) -> FingerprintSet:
    """Return the fingerprints in a fitted model.

    Parameters
    ----------
    model : estimator, FingerprintSet or dict
        A fitted :class:`FileBatchEstimator`, pipeline, :class:`OpenSetClassifier`,
        :class:`FusionClassifier` or other estimator with an attribute ``fingerprints_`` at any
        depth; or a dict from names to fingerprints of shape (H, W) or (H, W, C).

    Returns
    -------
    FingerprintSet
        The fingerprints of all sources that have images, in image shape.

    Raises
    ------
    ValueError
        If the model has no fingerprints, or the image shape of their rows is not known.

    See Also
    --------
    estimate_fingerprints : Fingerprints of image files.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import FingerprintClassifier
    >>> from sklearn_ganprint.comparison import fingerprint_set
    >>> residuals = np.random.default_rng(0).normal(size=(4, 8, 8, 3))
    >>> found = fingerprint_set(FingerprintClassifier().fit(residuals, ["a", "a", "b", "b"]))
    >>> found.names, found.fingerprints.shape
    (['a', 'b'], (2, 8, 8, 3))
    """
    if isinstance(model, FingerprintSet):
        return model
    if isinstance(model, Mapping):
        return _from_dict(model)
    check_is_fitted(model)
    steps, holder = _find_fingerprints(model)
    if holder is None:
        raise ValueError(
            f"{type(model).__name__} has no fingerprints to compare. Pipelines of all "
            f"kinds but 'autocorrelation' and 'nearest-mean' have some."
        )
    names = getattr(holder, "classes_", np.arange(len(holder.fingerprints_)))
    if not np.array_equal(getattr(model, "classes_", names), names):
        raise ValueError(
            f"{type(model).__name__} has fingerprints of other classes than its own. Compare the "
            f"estimator inside, or fit one without AugmentedClassifier."
        )
    shape = _shape(holder, steps[-1] if steps else None)
    fingerprints = np.asarray(holder.fingerprints_).reshape(-1, *shape)
    # Classes can be announced, with partial_fit, before their first image.
    with_images = np.asarray(getattr(holder, "class_count_", np.ones(len(names)))) > 0
    return FingerprintSet(
        [str(name) for name in np.asarray(names)[with_images]],
        fingerprints[with_images],
        _find_residual(steps),
    )


def _find_fingerprints(model: Any) -> tuple[list[Any], Any]:
    """Find the first estimator with ``fingerprints_`` in a model, None if there is none.

    Return the steps that images pass before they reach that estimator, and the estimator.
    """
    if offers(model, HoldsFingerprints):
        return [], model
    if isinstance(model, Pipeline):
        leading, (first, *others) = split_steps(model)
        if others:  # the mean of what a step has learned is no pattern of pixels
            return [], None
        steps, holder = _find_fingerprints(first)
        return [*leading, *steps], holder
    inner = [model.estimator_] if hasattr(model, "estimator_") else []
    for estimator in (*inner, *getattr(model, "estimators_", [])):
        steps, holder = _find_fingerprints(estimator)
        if holder is not None:
            return steps, holder
    return [], None


def _find_residual(steps: list[Any]) -> ResidualTransformer | None:
    """Return the first step that makes residuals, if there is one."""
    return next((step for step in steps if isinstance(step, ResidualTransformer)), None)


def fingerprint_settings(model: Any) -> dict[str, Any]:
    """Return how the fingerprints of a model of image files were made.

    Parameters
    ----------
    model : FileBatchEstimator
        A fitted model.

    Returns
    -------
    dict
        Settings that two models must share for their fingerprints to be compared: ``size`` of the
        images, the reader's ``anchor``, ``channels`` and ``denoiser`` of the residual, and
        ``residual``, the steps from images to fingerprints.

    See Also
    --------
    compare_models : Warns where denoiser or channels differ, and refuses other sizes.

    Examples
    --------
    >>> from sklearn_ganprint import FileBatchEstimator, make_attribution_pipeline
    >>> from sklearn_ganprint.comparison import fingerprint_settings
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples(load_content=False)
    >>> model = FileBatchEstimator(make_attribution_pipeline("fingerprint"))
    >>> fingerprint_settings(model.fit(samples.filenames[::9], samples.target[::9]))["size"]
    '128 x 128'
    """
    check_is_fitted(model)
    steps, holder = _find_fingerprints(model)
    steps = steps if holder is None else [*steps, holder]
    residual = _find_residual(steps)
    height, width = model.image_size_ or (None, None)
    return {
        "size": f"{height} x {width}",
        "anchor": model.reader_.anchor,
        "channels": getattr(residual, "channels", None),
        "denoiser": repr(getattr(residual, "denoiser", None)),
        "residual": " > ".join(type(step).__name__ for step in steps),
    }


def _warn_of_other_residuals(first: FingerprintSet, second: FingerprintSet) -> None:
    """Warn if the residuals of two sets were made in different ways."""
    if first.residual is None or second.residual is None:
        return
    ways = [(made.residual.denoiser, made.residual.channels) for made in (first, second)]
    if repr(ways[0]) != repr(ways[1]):
        warnings.warn(
            f"The residuals of the two models were made in different ways, denoiser and channels "
            f"{ways[0]} and {ways[1]}: their fingerprints are less alike than they could be.",
            UserWarning,
            stacklevel=3,
        )


def _from_dict(fingerprints: Mapping[Any, Any]) -> FingerprintSet:
    images = [np.asarray(image) for image in fingerprints.values()]
    images = [image[..., np.newaxis] if image.ndim == 2 else image for image in images]
    if len({image.shape for image in images}) != 1 or images[0].ndim != 3:
        raise ValueError(
            f"Expected fingerprints of one shape, (H, W) or (H, W, C), got "
            f"{ {name: np.shape(image) for name, image in fingerprints.items()} }."
        )
    return FingerprintSet([str(name) for name in fingerprints], np.stack(images))


def _shape(holder: Any, previous: Any) -> tuple[int, ...]:
    """Return the image shape of fingerprints that are rows; `previous` is the step before."""
    for shape in (
        getattr(holder, "fingerprint_shape_", None),
        getattr(holder, "image_shape_", None),
        getattr(previous, "residual_shape_", None),
        getattr(holder, "image_shape", None),
    ):
        if shape is not None:
            return (*shape, 1)[:3]
    raise ValueError(
        f"{type(holder).__name__} was fitted on rows whose image shape is not known. "
        f"Fit it on residuals (n, H, W, C), behind ResidualTransformer(flatten=False)."
    )


def estimate_fingerprints(
    filenames: Sequence[Any],
    labels: Any = None,
    *,
    like: Any = None,
    reader: ImageReader | None = None,
    batch_size: int = 64,
    n_jobs: int | None = None,
    on_error: Callable[[ImageReadError], Any] | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> FingerprintSet:
    """Estimate the fingerprints of image files, of one source or of several, in bounded memory.

    Parameters
    ----------
    filenames : sequence of paths of length n
        The files.
    labels : array-like of shape (n,), default=None
        Source of each file; None means that all are of one source, called "images".
    like : FileBatchEstimator or "prnu", default=None
        A fitted model, whose reader, residuals and kind of fingerprint are used, so that the two
        can be compared. None makes mean RGB residuals, "prnu" makes sensor patterns as the
        pipeline of that kind does (its former name, "camera", warns).
    reader : ImageReader, default=None
        How files become images. None takes the reader of `like`, or whole images of one size.
    batch_size : int, default=64
        Number of files in a batch, at the most.
    n_jobs : int, default=None
        Number of worker processes, as in :class:`FileBatchEstimator`.
    on_error : callable, default=None
        Given the :class:`~sklearn_ganprint.datasets.ImageReadError` of each file that cannot be
        used. None names all of them in one :class:`~sklearn_ganprint.files.UnreadableImageWarning`.
    progress : callable, default=None
        Called as ``progress(n_done, n_files)`` after each batch.

    Returns
    -------
    FingerprintSet
        The fingerprints, which :func:`compare_models` takes.

    Raises
    ------
    ValueError
        If no file can be used, or `like` has no fingerprints.

    Examples
    --------
    >>> from sklearn_ganprint.comparison import estimate_fingerprints
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples(load_content=False)
    >>> found = estimate_fingerprints(samples.filenames[:20])
    >>> found.names, found.fingerprints.shape
    (['images'], (1, 128, 128, 3))
    """
    labels = np.full(len(filenames), "images") if labels is None else column_or_1d(labels)
    check_consistent_length(filenames, labels)
    steps = _steps(like)
    residual = _find_residual(steps)
    size = getattr(like, "image_size_", None) if reader is None else None
    reader = reader or getattr(like, "reader_", None) or ImageReader()
    data_range = getattr(residual, "data_range", None)
    batches = FileBatches.of_files(
        filenames,
        reader,
        size=size,
        data_range=data_range,
        batch_size=batch_size,
        n_jobs=n_jobs,
        on_error=on_error or "warn",
        progress=progress,
    )
    fitted = fit_on_batches(make_pipeline(*steps), batches, labels, {})
    found = fingerprint_set(fitted[-1])
    return FingerprintSet(found.names, found.fingerprints, residual)


def _steps(like: Any) -> list[Any]:
    """Return the steps from images to fingerprints, whose last one is to be fitted."""
    if like is None:
        return [ResidualTransformer(channels="rgb", flatten=False), FingerprintClassifier()]
    if isinstance(like, str) and current_kind(like, stacklevel=3) == "prnu":
        return [step for _, step in make_attribution_pipeline("prnu").steps]
    check_is_fitted(like)
    steps, holder = _find_fingerprints(like)
    if not offers(holder, Mergeable):
        raise ValueError(
            f"like: expected a model with fingerprints of image files, got {like!r}, which has "
            f"none. All kinds but 'autocorrelation' and 'nearest-mean' have."
        )
    *leading, last = (hand_on_arrays(clone(step)) for step in (*steps, holder))
    if leading and hasattr(leading[-1], "flatten"):
        leading[-1].set_params(flatten=False)  # rows do not tell the shape
    return [*leading, last]


class Match(NamedTuple):
    """The source of the second model that is most alike to a source of the first.

    Attributes
    ----------
    source, match : str
        Names in the first and in the second model.
    correlation, z_score, p_value : float
        Values of the pair, as in :class:`ModelComparison`.
    p_value_of_best : float
        Chance of such a p-value among `n_compared` sources (Sidak). It is small if `source` shares
        something with `match` that it does not share with the other sources.
    n_compared : int
        Number of sources that `source` was compared with.
    """

    source: str
    match: str
    correlation: float
    z_score: float
    p_value: float
    p_value_of_best: float
    n_compared: int


@dataclass(frozen=True)
class ModelComparison:
    """How alike the fingerprints of two models are.

    Attributes
    ----------
    first_names, second_names : list of str
        Sources of the first model, which are the rows, and of the second, which are the columns.
    correlation : ndarray of float64, shape (k, m)
        Correlation indices; NaN where a fingerprint would meet itself.
    standard_error : ndarray of float64, shape (k, m)
        Their standard deviations by chance, as in
        :class:`~sklearn_ganprint.correlation.FingerprintComparison`.
    p_value : ndarray of float64, shape (k, m)
        Chance of a correlation at least as great under `null`.
    null : {"sources", "chance"}
        Null hypothesis of the p-values and z scores: correlations are those of the different
        sources compared here, or those of patterns that have nothing in common.
    least_correlation : float, default=0
        Pairs with a lower correlation share no source, however much they stand out among the
        others; 0 with the null "chance".
    """

    first_names: list[str]
    second_names: list[str]
    correlation: np.ndarray
    standard_error: np.ndarray
    p_value: np.ndarray
    null: str
    least_correlation: float = 0.0

    @property
    def z_score(self) -> np.ndarray:
        """Normal deviates, whose upper tail is `p_value`.

        With the null "chance" they are the correlations over their standard errors.

        Returns
        -------
        ndarray of float64, shape (k, m)
            Greater is more alike; NaN where a fingerprint would meet itself.
        """
        if self.null == "chance":
            return z_scores(self.correlation, self.standard_error)
        return norm.isf(np.clip(self.p_value, 1e-300, 1 - 1e-16))

    def matches(self) -> list[Match]:
        """Return the most alike source of the second model for each source of the first.

        Returns
        -------
        list of Match
            One match for each of `first_names`: the source with the lowest p-value.
        """
        return [self._match(row) for row in range(len(self.first_names))]

    def _match(self, row: int) -> Match:
        # Student's tail can be 0 for several sources; the correlation then decides.
        best = int(np.lexsort([-self.correlation[row], self.p_value[row]])[0])
        p_value = float(self.p_value[row, best])
        n_compared = int(np.isfinite(self.p_value[row]).sum())
        return Match(
            self.first_names[row],
            self.second_names[best],
            float(self.correlation[row, best]),
            float(self.z_score[row, best]),
            p_value,
            float(-np.expm1(n_compared * np.log1p(-min(p_value, 1 - 1e-16)))),
            n_compared,
        )

    def is_found(self, match: Match, level: float) -> bool:
        """Return whether a match is a common source.

        Parameters
        ----------
        match : Match
            One of :meth:`matches`.
        level : float
            Chance of a match by accident, in (0, 1).

        Returns
        -------
        bool
            Whether ``match.p_value_of_best`` is at most `level` and ``match.correlation`` at least
            `least_correlation`.
        """
        return match.p_value_of_best <= level and match.correlation >= self.least_correlation

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each pair; pairs within one model are listed once.

        Returns
        -------
        list of dict
            Rows with the keys ``first``, ``second``, ``correlation``, ``z_score`` and ``p_value``.
        """
        listed, z_score = np.isfinite(self.correlation), self.z_score
        if self.first_names == self.second_names and not listed.diagonal().any():
            listed = np.triu(listed)
        return [
            {
                "first": self.first_names[i],
                "second": self.second_names[j],
                "correlation": float(self.correlation[i, j]),
                "z_score": float(z_score[i, j]),
                "p_value": float(self.p_value[i, j]),
            }
            for i, j in np.argwhere(listed)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values that JSON can hold.

        Returns
        -------
        dict
            ``null``, ``first_names``, ``second_names``, ``matches``, ``pairs`` and
            ``least_correlation``.
        """
        return {
            "null": self.null,
            "first_names": self.first_names,
            "second_names": self.second_names,
            "matches": [match._asdict() for match in self.matches()],
            "pairs": self.rows(),
            "least_correlation": self.least_correlation,
        }


def compare_models(
    first: Any, second: Any = None, *, trim: int = 0, null: str = "auto"
) -> ModelComparison:
    """Correlate all fingerprints of one model with all of another.

    Parameters
    ----------
    first : estimator, FingerprintSet or dict
        A fitted model, or fingerprints by name, as :func:`fingerprint_set` takes it.
    second : estimator, FingerprintSet or dict, default=None
        Another model, of images of the same size. None compares the sources of the first model
        with each other.
    trim : int, default=0
        Pixels to leave out at each border, as in
        :func:`~sklearn_ganprint.correlation.compare_fingerprints`.
    null : {"auto", "sources", "chance"}, default="auto"
        Null hypothesis of the p-values. "chance": patterns that have nothing in common. "sources":
        the other pairs, without what a fingerprint has in common with all others; one side needs
        at least 4 sources. "auto" is "sources" where there are as many, else "chance".

    Returns
    -------
    ModelComparison
        Correlations, z scores and p-values of all pairs, and the best match of each source.

    Raises
    ------
    ValueError
        If a model has no fingerprints, if the sizes differ, or if there are too few sources for
        the null asked for.

    See Also
    --------
    estimate_fingerprints : Fingerprints of image files, to compare with those of a model.
    sklearn_ganprint.correlation.compare_fingerprints : Two fingerprints, by chance.

    Notes
    -----
    Different sources often have something in common: a JPEG grid, resizing, aligned content, or
    one architecture. Compared with chance that is significant. The null "sources" tests whether a
    pair is more alike than its two fingerprints are to others. It assumes that a source has at
    most one partner and that most pairs have none, which fewer than 4 sources cannot show.

    A pair can stand out among others and yet be hardly alike: photos of many cameras have nothing
    in common but what was done to them. So with "sources" a common source also requires a
    correlation of 5 standard deviations of white noise, which is .02 for 256 x 256 pixels: see
    :meth:`ModelComparison.is_found`.

    The two collections must not hold the same images or copies of them, whose content would match.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.comparison import compare_models
    >>> rng = np.random.default_rng(0)
    >>> sources = dict(zip("abcde", rng.normal(size=(5, 64, 64)), strict=True))
    >>> cluster = {"cluster 0": sources["c"] + 3 * rng.normal(size=(64, 64))}
    >>> match = compare_models(cluster, sources).matches()[0]
    >>> match.match, match.p_value_of_best < 0.001
    ('c', True)
    """
    if null not in _NULLS:
        raise ValueError(f"null: expected one of {_NULLS}, got {null!r}.")
    one = fingerprint_set(first)
    other = None if second is None else fingerprint_set(second)
    columns = one if other is None else other
    _warn_of_other_residuals(one, columns)
    correlation, error = _all_pairs(one, other, trim)
    n_sources = max(correlation.shape)
    if null == "sources" and n_sources < FEWEST:
        raise ValueError(
            f"null: 'sources' takes at least {FEWEST} sources on one side to compare with, got "
            f"{len(one.names)} and {len(columns.names)}. Use null='chance'."
        )
    if null == "chance" or n_sources < FEWEST:
        null, least, p_value = "chance", 0.0, norm.sf(z_scores(correlation, error))
    else:
        null, p_value = "sources", _p_values((correlation, error), one, other, trim)
        height, width = (side - 2 * trim for side in one.fingerprints.shape[1:3])
        least = min(1.0, LEAST_DEVIATIONS / math.sqrt(height * width))
    return ModelComparison(one.names, columns.names, correlation, error, p_value, null, least)


def _p_values(
    pairs: Pairs, one: FingerprintSet, other: FingerprintSet | None, trim: int
) -> np.ndarray:
    """Compute p-values from the pairs across and, if one side has few, from those in the other."""
    if other is None or min(pairs[0].shape) >= FEWEST:
        return p_values_among_sources(pairs, symmetric=other is None)
    if len(other.names) >= FEWEST:
        return p_values_among_sources(pairs, _all_pairs(other, None, trim))
    return p_values_among_sources((pairs[0].T, pairs[1].T), _all_pairs(one, None, trim)).T


def _all_pairs(one: FingerprintSet, other: FingerprintSet | None, trim: int) -> Pairs:
    """Correlate the fingerprints of two sets or, with NaN on the diagonal, those within one."""
    itself, other = other is None, one if other is None else other
    if one.fingerprints.shape[1:] != other.fingerprints.shape[1:]:
        raise ValueError(
            f"Expected fingerprints of one size (height, width, channels), got "
            f"{one.fingerprints.shape[1:]} and {other.fingerprints.shape[1:]}. Fit both with one "
            f"crop, anchor and channels."
        )
    correlation, error = correlations_and_errors(one.fingerprints, other.fingerprints, trim=trim)
    if itself:
        np.fill_diagonal(correlation, np.nan)
        np.fill_diagonal(error, np.nan)
    return correlation, error
