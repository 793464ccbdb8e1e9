"""Ready-made pipelines by task."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_consistent_length

from sklearn_ganprint._batches import Batches, fit_on_batches
from sklearn_ganprint._public import publish
from sklearn_ganprint.classification import (
    FingerprintClassifier,
    PooledDiscriminantAnalysis,
    PRNUClassifier,
    SubclassDiscriminantAnalysis,
)
from sklearn_ganprint.datasets import SamplePhotos
from sklearn_ganprint.denoisers import BaseDenoiser, GaussianDenoiser, WaveletDenoiser
from sklearn_ganprint.ensemble import DetectionClassifier, FusionClassifier, TiledClassifier
from sklearn_ganprint.features import (
    AutocorrelationTransformer,
    BlockTransformer,
    CorrelationTransformer,
    TextureTransformer,
    TiledTransformer,
    WithinSourceWhitening,
)
from sklearn_ganprint.localization import FingerprintLocalizer
from sklearn_ganprint.perturbations import RandomHistory, SimulatedSource
from sklearn_ganprint.residuals import ResidualTransformer

__all__ = [
    "FORMER_KINDS",
    "KINDS",
    "LocalizationPipeline",
    "current_kind",
    "make_attribution_pipeline",
    "make_detection_pipeline",
    "make_localization_pipeline",
]

Denoiser = str | BaseDenoiser | Callable[[np.ndarray], np.ndarray]

#: The kinds of :func:`make_attribution_pipeline`, and the traces by which they attribute images.
KINDS = {
    "robust": "fingerprint, and correlations of several residuals, texture and blocks, of "
    "images as made and as found on the web: compressed, resized, cropped",
    "nearest-mean": "the same correlations, texture and blocks, weighed by how they scatter within "
    "sources, and the mean of each source; for sources of one to ten images, and to verify claims",
    "fingerprint": "the mean residual of each source",
    "autocorrelation": "how neighbouring pixels and colours of a residual depend on each other",
    "fusion": "fingerprint and autocorrelation, each weighted by its worth on images left out",
    "prnu": "the pattern of each camera's sensor, in photos of full size",
}

#: Former kinds, which version 0.3 will refuse, and what is made in their place.
FORMER_KINDS = {
    "paper": "fingerprint",
    "spectral": "autocorrelation",
    "combined": "fusion",
    "camera": "prnu",
    "fusion-siblings": "fusion",
    "thorough": "fusion",
}

#: Former kinds that are not made any more, unlike those that have another name now.
NOT_MADE = ("fusion-siblings", "thorough")

#: Kinds that are fitted on whole images alone.
_WITHOUT_TILES = ("robust", "nearest-mean", "fingerprint", "prnu")

#: Of the pooled covariance. Ledoit and Wolf's estimate (shrinkage="auto") is made for each class,
#: and fails with two or three images.
SHRINKAGE = 0.03

#: Simulated sources that images are held against; twice as many found no more unknown ones.
N_BACKGROUND = 20

#: Of the noise of photos, in 8-bit grey levels: what work on sensor patterns takes.
CAMERA_SIGMA = 3.0


def current_kind(kind: str, *, stacklevel: int = 2) -> str:
    """Return the current name of a kind of pipeline, and warn if the kind is a former one.

    Parameters
    ----------
    kind : str
        A name. Names that are neither current nor former are returned as they are.
    stacklevel : int, default=2
        As in :func:`warnings.warn`: how far up the place stands that is to be changed.

    Returns
    -------
    str
        The current name, or the name of the kind that is made in place of the former one.

    Warns
    -----
    FutureWarning
        If the kind is a former one.

    Examples
    --------
    >>> from sklearn_ganprint.pipelines import current_kind
    >>> current_kind("fusion")
    'fusion'
    """
    if kind not in FORMER_KINDS:
        return kind
    current = FORMER_KINDS[kind]
    what = f"was renamed to {current!r}"
    if kind in NOT_MADE:
        what = (
            f"is not made any more, since it was less accurate than 'fusion' on variants of one "
            f"network at 256 pixels and on images that were compressed again; {current!r} is made "
            f"in its place"
        )
    warnings.warn(
        f"The kind {kind!r} {what}. The former name will be refused from version 0.3 on.",
        FutureWarning,
        stacklevel=stacklevel + 1,
    )
    return current


def make_attribution_pipeline(
    kind: str = "robust",
    *,
    denoiser: Denoiser | None = None,
    data_range: float = 255.0,
    tile_size: int | Sequence[int] | Literal["auto"] | None = "auto",
) -> Pipeline:
    """Make a pipeline from images to sources.

    Parameters
    ----------
    kind : {"robust", "nearest-mean", "fingerprint", "autocorrelation", "fusion", "prnu"}, \
default="robust"
        The traces to attribute images by:

        - "robust": correlations of several residuals with texture and block statistics, and mean
          residuals, weighted by what each is worth on images left out of its fit. Fitted on the
          images, on copies of them that have gone through what images on the web go through
          (compression, resizing, crops and more), and on images with the traces of simulated
          sources. Images may have any size.
        - "nearest-mean": the mean of the same correlations, texture and block statistics, of the
          images of each source as they are, and the cosine with this mean. What features are worth
          is learned from bundled photos with the traces of simulated sources, and takes no image
          of the fit. For sources of one to ten images, and to verify claims.
        - "fingerprint": the mean residual of each source, and the correlation with this mean.
        - "autocorrelation": correlations of each residual with itself at small lags, within and
          between colours, and linear discriminant analysis.
        - "fusion": both, weighted by what each is worth on images left out of its fit. Fitted on
          the images as they are: for images that were never processed again.
        - "prnu": the pattern of each camera's sensor, estimated by maximum likelihood, and the
          peak-to-correlation energy with this pattern. For photos of full size; a few photos of
          each camera are enough.
    denoiser : str, BaseDenoiser or callable, default=None
        The denoising filter, as :class:`ResidualTransformer` takes it. None is the wavelet
        denoiser, with a sigma of 3 for "prnu" and of 5 for the other kinds.
    data_range : float, default=255.0
        The value of white in the images.
    tile_size : int, sequence of int, None or "auto", default="auto"
        Side of the tiles that are fitted on beside whole images, as :class:`TiledTransformer`
        takes it. None fits on whole images only, which divides the memory by the number of tiles
        in an image. "auto" is 64 where there are tiles. "autocorrelation" and "fusion" have some,
        the other kinds refuse a size.

    Returns
    -------
    Pipeline
        A scikit-learn pipeline. Its steps are

        - "robust": ``fusion``, a :class:`FusionClassifier` of two pipelines from images:
          ``correlations``, with the steps ``features``, a
          :class:`~sklearn.pipeline.FeatureUnion` of ``correlations``, a
          :class:`CorrelationTransformer`, ``texture``, a :class:`TextureTransformer`, and
          ``blocks``, a :class:`BlockTransformer`, and ``lda``, a
          :class:`~sklearn_ganprint.classification.SubclassDiscriminantAnalysis`; and
          ``fingerprint``, with ``residual`` and ``fingerprint``. The parameters `perturbations`
          and `n_copies` of ``fusion`` tell what copies it is fitted on, and `background` which
          other sources it is held against.
        - "nearest-mean": ``features``, a :class:`WithinSourceWhitening` of those of "robust",
          ``scaler``, a :class:`~sklearn.preprocessing.StandardScaler` that takes off the mean, and
          ``mean``, a :class:`FingerprintClassifier` of these features in place of residuals.
        - "fingerprint": ``residual`` and ``fingerprint``.
        - "autocorrelation": ``residual``, ``features`` and ``classifier``, whose ``estimator`` is
          again a pipeline, of ``scaler`` and ``lda``. Without tiles: ``residual``, ``features``,
          ``scaler`` and ``lda``.
        - "fusion": ``residual`` and ``fusion``, a :class:`FusionClassifier` of ``fingerprint`` and
          ``second_order``, which are the later steps of the two kinds above.
        - "prnu": ``residual`` and ``camera``, a :class:`PRNUClassifier`.

    Raises
    ------
    ValueError
        If the kind is unknown, or has no tiles and gets a `tile_size`.

    Warns
    -----
    FutureWarning
        If the kind is given by its former name: "paper" (now "fingerprint"), "spectral"
        ("autocorrelation"), "combined" ("fusion") or "camera" ("prnu"); or if it is
        "fusion-siblings", or "thorough", its former name, in whose place "fusion" is made. A
        former name takes the other parameters as formerly.

    See Also
    --------
    FileBatchEstimator : Fits and applies such a pipeline over image files.
    AutocorrelationTransformer : The features of "autocorrelation".
    CorrelationTransformer, TextureTransformer, BlockTransformer : Those of "robust".
    sklearn_ganprint.perturbations.RandomHistory : What the copies of "robust" have gone through.
    sklearn_ganprint.perturbations.SimulatedSource : Sources that "robust" holds images against.

    Notes
    -----
    "nearest-mean" compares directions in a space of features: cosine scoring, as speaker
    verification has it [1]_. The features are whitened by how they scatter within simulated
    sources, and are those about their mean over all images of the fit, which says little with two
    sources and much with many. A covariance of the images themselves, as in "robust", takes more of
    them.

    "autocorrelation" is much the better between networks of different architecture, "fingerprint"
    between variants of one network. "robust" and "fusion" find out which: the weights are fitted on
    images left out of the fingerprints, and on folds left out of the discriminant analysis. Over
    files, both read each file twice.

    Discriminant analysis estimates one covariance for all classes, and mixes 97 % of the estimate
    with 3 % of a multiple of the identity. scikit-learn's ``shrinkage="auto"`` chooses this share
    class by class, which takes more than two or three images of each.

    References
    ----------
    .. [1] N. Dehak, R. Dehak, J. Glass, D. Reynolds, P. Kenny, "Cosine similarity scoring without
       score normalization techniques", Odyssey, 2010.

    Examples
    --------
    >>> from sklearn_ganprint import make_attribution_pipeline
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples()
    >>> X, y = samples.data, samples.target_names[samples.target]
    >>> pipeline = make_attribution_pipeline("autocorrelation", tile_size=None)
    >>> pipeline.set_params(features__max_lag=2).fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    True
    """
    given, kind = kind, current_kind(kind)
    if given != kind and kind in _WITHOUT_TILES:  # these ignored what they now refuse
        tile_size = None
        denoiser = None if isinstance(denoiser, str) and denoiser == "wavelet" else denoiser
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {sorted(KINDS)}, got {kind!r}.")
    auto = isinstance(tile_size, str) and tile_size == "auto"
    if kind in _WITHOUT_TILES and not auto and tile_size is not None:
        raise ValueError(
            f"tile_size={tile_size!r}: kind={kind!r} is fitted on whole images. Leave tile_size "
            f"out, or choose one of {sorted(set(KINDS).difference(_WITHOUT_TILES))}."
        )
    if denoiser is None:
        denoiser = WaveletDenoiser(sigma=CAMERA_SIGMA) if kind == "prnu" else "wavelet"
    return _MAKERS[kind](denoiser, data_range, 64 if auto else tile_size)


class LocalizationPipeline(Pipeline):
    """A pipeline whose last step is fitted on processed copies of the images, too.

    Copies are made of images, and the last step of any other pipeline gets residuals alone.

    It has the parameters of a :class:`~sklearn.pipeline.Pipeline`. Its steps are some that learn
    nothing, then a :class:`~sklearn_ganprint.localization.FingerprintLocalizer`.

    See Also
    --------
    make_localization_pipeline : Makes such a pipeline, and has an example.
    """

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit on images, and on copies of them.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Clean images, or images as rows.
        y : array-like of shape (n,)
            Source of each image.
        **params : dict
            Parameters of the ``fit`` of the last step, such as ``localizer__groups``.

        Returns
        -------
        LocalizationPipeline
            The fitted pipeline.
        """
        check_consistent_length(X, y)
        prefix = f"{self.steps[-1][0]}__"
        own = {name.removeprefix(prefix): values for name, values in params.items()}
        fit_on_batches(self, Batches(X), y, own)
        return self


def make_detection_pipeline(
    *, denoiser: Denoiser = "wavelet", data_range: float = 255.0
) -> Pipeline:
    """Make a pipeline from images to whether they are photos or generated.

    Parameters
    ----------
    denoiser : str, BaseDenoiser or callable, default="wavelet"
        The denoising filter of one of the residuals, as :class:`ResidualTransformer` takes it.
    data_range : float, default=255.0
        The value of white in the images.

    Returns
    -------
    Pipeline
        A scikit-learn pipeline with the step ``detection``, a :class:`DetectionClassifier` of one
        pipeline, ``correlations``, which is that of the kind "robust" of
        :func:`make_attribution_pipeline`. It is fitted on the images and on copies with random
        histories. Images may have any size.

    See Also
    --------
    DetectionClassifier : What ``fit`` takes: labels, and the sources of images.
    OpenSetClassifier : Adds "cannot tell" as an answer.
    FileBatchEstimator : Fits and applies such a pipeline over image files.

    Notes
    -----
    Images differ from photos of the fit if a generator made them, and also if they are photos of
    another kind. The pipeline tells generators that it has not seen from photos of the kinds that
    it has seen, so the fit needs photos of each kind that it will be asked about.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint import make_detection_pipeline
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples()
    >>> X, sources = samples.data, samples.target_names[samples.target]
    >>> X, sources = X[::4, :64, :64], sources[::4]
    >>> y = np.where(sources == "real", "photo", "generated")
    >>> pipeline = make_detection_pipeline().set_params(
    ...     detection__n_copies=2, detection__correlations__features__correlations__max_lag=2
    ... )
    >>> pipeline.fit(X[::2], y[::2], detection__sources=sources[::2]).score(X[1::2], y[1::2]) > 0.8
    True
    """
    traces = [("correlations", _correlations(denoiser, data_range))]
    # Simulated sources would share in the covariance: new generators were told less well with them.
    detection = DetectionClassifier(traces, perturbations=RandomHistory(data_range=data_range))
    return Pipeline([("detection", detection)])


def make_localization_pipeline(
    *,
    denoiser: Denoiser = "wavelet",
    data_range: float = 255.0,
    window_size: int = 16,
    false_alarm_rate: float = 0.05,
) -> Pipeline:
    """Make a pipeline from images to the parts of them that come from elsewhere.

    It is fitted on the images and on one processed copy of each, so that an image that was
    compressed again, or resized, gets no more false regions than others.

    Parameters
    ----------
    denoiser : str, BaseDenoiser or callable, default="wavelet"
        The denoising filter, as :class:`ResidualTransformer` takes it.
    data_range : float, default=255.0
        The value of white in the images.
    window_size : int, default=16
        Side of the windows that are compared with the fingerprints, in pixels.
    false_alarm_rate : float, default=0.05
        Share of clean images that may get a region that is not one.

    Returns
    -------
    Pipeline
        A :class:`~sklearn_ganprint.pipelines.LocalizationPipeline` with the steps ``residual`` and
        ``localizer``, a :class:`~sklearn_ganprint.localization.FingerprintLocalizer`, whose
        `perturbations` tell what copies it is fitted on.

    See Also
    --------
    sklearn_ganprint.localization.localize_images : Applies it to images of any size.
    FileBatchEstimator : Fits it over image files.

    Examples
    --------
    >>> from sklearn_ganprint import make_localization_pipeline
    >>> from sklearn_ganprint.datasets import load_samples
    >>> from sklearn_ganprint.localization import localize_images
    >>> samples = load_samples()
    >>> X, y = samples.data, samples.target_names[samples.target]
    >>> pipeline = make_localization_pipeline().fit(X[::2], y[::2])
    >>> spliced = X[1:2].copy()
    >>> spliced[:, :64, :64] = X[y != y[1]][0, :64, :64]
    >>> localize_images(pipeline, spliced, claimed=y[1]).masks.shape == spliced.shape[:3]
    True
    """
    residual = _colour_residual(denoiser, data_range)
    localizer = FingerprintLocalizer(
        window_size=window_size,
        false_alarm_rate=false_alarm_rate,
        perturbations=RandomHistory(data_range=data_range),
    )
    return LocalizationPipeline([("residual", residual), ("localizer", localizer)])


def _fingerprint(denoiser: Denoiser, data_range: float, tile_size: Any) -> Pipeline:
    residual = ResidualTransformer(denoiser, data_range=data_range)
    return Pipeline([("residual", residual), ("fingerprint", FingerprintClassifier())])


def _colour_residual(denoiser: Denoiser, data_range: float) -> ResidualTransformer:
    return ResidualTransformer(denoiser, channels="rgb", data_range=data_range, flatten=False)


def _autocorrelation(denoiser: Denoiser, data_range: float, tile_size: Any) -> Pipeline:
    residual = _colour_residual(denoiser, data_range)
    return Pipeline([("residual", residual), *_second_order(tile_size)])


def _fusion(denoiser: Denoiser, data_range: float, tile_size: Any) -> Pipeline:
    traces = [
        ("fingerprint", FingerprintClassifier()),
        ("second_order", Pipeline(_second_order(tile_size))),
    ]
    residual = _colour_residual(denoiser, data_range)
    return Pipeline([("residual", residual), ("fusion", FusionClassifier(traces))])


def _robust(denoiser: Denoiser, data_range: float, tile_size: Any) -> Pipeline:
    residual = _colour_residual(denoiser, data_range).set_params(anchor="top-left")
    fingerprint = Pipeline([("residual", residual), ("fingerprint", FingerprintClassifier())])
    # The first to take an image makes the residuals of both. It has a filter of its own, whose
    # parameters can be set without those of the fingerprint's.
    correlations = _correlations(clone(denoiser, safe=False), data_range)
    traces = [("correlations", correlations), ("fingerprint", fingerprint)]
    background = [SimulatedSource(n, data_range=data_range) for n in range(N_BACKGROUND)]
    fusion = FusionClassifier(
        traces, perturbations=RandomHistory(data_range=data_range), background=background
    )
    return Pipeline([("fusion", fusion)])


def _correlations(denoiser: Denoiser, data_range: float) -> Pipeline:
    """Make a pipeline from images to classes with parts."""
    features = _features(denoiser, data_range)
    return Pipeline([("features", features), ("lda", SubclassDiscriminantAnalysis())])


def _nearest_mean(denoiser: Denoiser, data_range: float, tile_size: Any) -> Pipeline:
    features = WithinSourceWhitening(
        _features(denoiser, data_range), SamplePhotos(), data_range=data_range
    )
    centred = StandardScaler(with_std=False)
    nearest = FingerprintClassifier("cosine")
    return Pipeline([("features", features), ("scaler", centred), ("mean", nearest)])


def _features(denoiser: Denoiser, data_range: float) -> FeatureUnion:
    """Make features of images by all that needs no pixel grid."""
    denoisers = (denoiser, GaussianDenoiser(0.7))
    correlations = CorrelationTransformer(denoisers, max_lag=(8, 3), data_range=data_range)
    return FeatureUnion(
        [
            ("correlations", correlations),
            ("texture", TextureTransformer(data_range=data_range)),
            ("blocks", BlockTransformer(data_range=data_range)),
        ]
    )


def _second_order(tile_size: Any) -> list[tuple[str, Any]]:
    """Make the steps from residuals to sources."""
    features = AutocorrelationTransformer()
    classifier = [("scaler", StandardScaler()), ("lda", PooledDiscriminantAnalysis(SHRINKAGE))]
    if tile_size is None:
        return [("features", features), *classifier]
    tiled = TiledTransformer(features, tile_size, flatten=False)
    return [("features", tiled), ("classifier", TiledClassifier(Pipeline(classifier)))]


def _prnu(denoiser: Denoiser, data_range: float, tile_size: Any) -> Pipeline:
    residual = ResidualTransformer(denoiser, data_range=data_range, flatten=False, intensity=True)
    return Pipeline([("residual", residual), ("camera", PRNUClassifier(intensity=True))])


_MAKERS: dict[str, Callable[[Denoiser, float, Any], Pipeline]] = {
    "robust": _robust,
    "nearest-mean": _nearest_mean,
    "fingerprint": _fingerprint,
    "autocorrelation": _autocorrelation,
    "fusion": _fusion,
    "prnu": _prnu,
}

publish(globals())
