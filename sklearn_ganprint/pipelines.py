"""Ready-made pipelines for attribution."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from sklearn_ganprint.classification import (
    FingerprintClassifier,
    PooledDiscriminantAnalysis,
    PRNUClassifier,
)
from sklearn_ganprint.denoisers import BaseDenoiser, GaussianDenoiser, WaveletDenoiser
from sklearn_ganprint.ensemble import FusionClassifier, TiledClassifier
from sklearn_ganprint.features import AutocorrelationTransformer, TiledTransformer
from sklearn_ganprint.localization import FingerprintLocalizer
from sklearn_ganprint.residuals import LocalVarianceNormalizer, ResidualTransformer

Denoiser = str | BaseDenoiser | Callable[[np.ndarray], np.ndarray]

#: Of the pooled covariance. Ledoit and Wolf's estimate (shrinkage="auto") is made for each class,
#: and fails with two or three images.
SHRINKAGE = 0.03

#: Beside the one that is asked for: what one denoiser takes for content is noise to another.
THOROUGH_DENOISERS = {"gaussian": GaussianDenoiser(1.0), "haar": WaveletDenoiser("haar")}

#: Of the noise of photos, in 8-bit grey levels: what work on sensor patterns takes.
CAMERA_SIGMA = 3.0


def make_attribution_pipeline(
    kind: str = "combined",
    *,
    denoiser: Denoiser = "wavelet",
    data_range: float = 255.0,
    tile_size: int | Sequence[int] | None = 64,
) -> Pipeline:
    """Make a pipeline from images to sources.

    Parameters
    ----------
    kind : {"combined", "spectral", "paper", "thorough", "camera"}, default="combined"
        The traces to attribute images by. "paper": the mean residual of each source, its
        fingerprint, and the correlation with it. "spectral": correlations of each residual with
        itself at small lags, within and between colours, and linear discriminant analysis.
        "combined": both, weighed by what they are worth on images that they have not seen.
        "thorough": the same, with a fingerprint of six residuals in place of one, and second-order
        traces of luminance and colour differences; for variants of one network whose images were
        never compressed again. It takes seven times as long. "camera": the pattern of each
        camera's sensor, by maximum likelihood, and the peak-to-correlation energy with it; for
        photos of full size, which need not be many.

    denoiser : str, BaseDenoiser or callable, default="wavelet"
        The denoising filter, as :class:`ResidualTransformer` takes it. With "camera", "wavelet" is
        that of a sigma of 3.

    data_range : float, default=255.0
        The value of white in the images.

    tile_size : int, sequence of int or None, default=64
        Not for "paper" and "camera": side of the tiles that are fitted on beside whole images, as
        :class:`~sklearn_ganprint.features.TiledTransformer` takes it. None fits on whole images
        only, which takes less memory, by the number of tiles in an image.

    Returns
    -------
    Pipeline
        A scikit-learn pipeline. "paper" has the steps ``residual`` and ``fingerprint``;
        "spectral" ``residual``, ``features`` and ``classifier``, whose ``estimator``, if there are
        tiles, is again a pipeline of ``scaler`` and ``lda``; without tiles, ``residual``,
        ``features``, ``scaler`` and ``lda``. "combined" has ``residual`` and ``fusion``, a
        :class:`FusionClassifier` of ``fingerprint`` and ``second_order``, which are the rest of
        the other two; "thorough" has ``fusion`` alone, whose pipelines begin with residuals of
        their own. "camera" has ``residual`` and ``camera``, a :class:`PRNUClassifier`.

    Raises
    ------
    ValueError
        If the kind is unknown.

    See Also
    --------
    FileBatchClassifier : Fits and applies such a pipeline over image files.
    sklearn_ganprint.features.AutocorrelationTransformer : The features of "spectral".

    Notes
    -----
    "spectral" is much the better between networks of different architecture, "paper" between
    variants of one network. "combined" need not be told which it is: it fits on images left out
    of the fingerprints, and on folds left out of the analysis. With files it reads them twice.

    Discriminant analysis estimates one covariance for all classes, of which it takes 97 %, and 3 %
    of a multiple of the identity. scikit-learn's ``shrinkage="auto"`` chooses that share class by
    class, which takes more than two or three images of each.

    Examples
    --------
    >>> from sklearn_ganprint import make_attribution_pipeline
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples()
    >>> X, y = samples.data, samples.target_names[samples.target]
    >>> pipeline = make_attribution_pipeline("spectral", tile_size=None)
    >>> pipeline.set_params(features__max_lag=2).fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    True
    """
    if kind not in _MAKERS:
        raise ValueError(f"kind must be one of {sorted(_MAKERS)}, got {kind!r}.")
    return _MAKERS[kind](denoiser, data_range, tile_size)


def make_localization_pipeline(
    *,
    denoiser: Denoiser = "wavelet",
    data_range: float = 255.0,
    window_size: int = 16,
    false_alarm_rate: float = 0.05,
) -> Pipeline:
    """Make a pipeline from images to the parts of them that come from elsewhere.

    Parameters
    ----------
    denoiser : str, BaseDenoiser or callable, default="wavelet"
        The denoising filter, as :class:`ResidualTransformer` takes it.

    data_range : float, default=255.0
        The value of white in the images.

    window_size : int, default=16
        Side of the windows that are looked at, in pixels.

    false_alarm_rate : float, default=0.05
        Share of clean images that may get a region that is not one.

    Returns
    -------
    Pipeline
        A scikit-learn pipeline with the steps ``residual`` and ``localizer``, a
        :class:`~sklearn_ganprint.localization.FingerprintLocalizer`.

    See Also
    --------
    sklearn_ganprint.localization.localize_images : Applies it to images of any size.
    FileBatchClassifier : Fits it over image files.

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
    residual = ResidualTransformer(denoiser, channels="rgb", data_range=data_range, flatten=False)
    localizer = FingerprintLocalizer(window_size=window_size, false_alarm_rate=false_alarm_rate)
    return Pipeline([("residual", residual), ("localizer", localizer)])


def _paper(denoiser: Denoiser, data_range: float, tile_size: Any) -> Pipeline:
    residual = ResidualTransformer(denoiser, data_range=data_range)
    return Pipeline([("residual", residual), ("fingerprint", FingerprintClassifier())])


def _spectral(denoiser: Denoiser, data_range: float, tile_size: Any) -> Pipeline:
    residual = ResidualTransformer(denoiser, channels="rgb", data_range=data_range, flatten=False)
    return Pipeline([("residual", residual), *_second_order(tile_size)])


def _combined(denoiser: Denoiser, data_range: float, tile_size: Any) -> Pipeline:
    traces = [
        ("fingerprint", FingerprintClassifier()),
        ("second_order", Pipeline(_second_order(tile_size))),
    ]
    residual = ResidualTransformer(denoiser, channels="rgb", data_range=data_range, flatten=False)
    return Pipeline([("residual", residual), ("fusion", FusionClassifier(traces))])


def _thorough(denoiser: Denoiser, data_range: float, tile_size: Any) -> Pipeline:
    """Fuse a fingerprint of several residuals, each as strong everywhere in the image.

    Each step has a denoiser of its own, whose parameters can be set without those of the others.
    """
    kinds = {
        f"{name}_{channels}": Pipeline(
            [
                (
                    "residual",
                    ResidualTransformer(
                        clone(each, safe=False),
                        channels=channels,
                        data_range=data_range,
                        flatten=False,
                    ),
                ),
                ("normalizer", LocalVarianceNormalizer()),
            ]
        )
        for name, each in (("first", denoiser), *THOROUGH_DENOISERS.items())
        for channels in ("rgb", "opponent")
    }
    residuals = FeatureUnion(list(kinds.items()))
    # Distances of residuals of one length: unlike correlations they allow for how strong each
    # fingerprint is, which siblings differ in.
    fingerprint = Pipeline(
        [
            ("residuals", residuals),
            ("unit_length", Normalizer()),
            ("fingerprint", FingerprintClassifier("unbiased")),
        ]
    )
    residual = ResidualTransformer(
        clone(denoiser, safe=False), channels="opponent", data_range=data_range, flatten=False
    )
    second_order = Pipeline([("residual", residual), *_second_order(tile_size)])
    traces = [("fingerprint", fingerprint), ("second_order", second_order)]
    return Pipeline([("fusion", FusionClassifier(traces))])


def _second_order(tile_size: Any) -> list[tuple[str, Any]]:
    """Make the steps from residuals to sources."""
    features = AutocorrelationTransformer()
    classifier = [("scaler", StandardScaler()), ("lda", PooledDiscriminantAnalysis(SHRINKAGE))]
    if tile_size is None:
        return [("features", features), *classifier]
    tiled = TiledTransformer(features, tile_size, flatten=False)
    return [("features", tiled), ("classifier", TiledClassifier(Pipeline(classifier)))]


def _camera(denoiser: Denoiser, data_range: float, tile_size: Any) -> Pipeline:
    denoiser = WaveletDenoiser(sigma=CAMERA_SIGMA) if denoiser == "wavelet" else denoiser
    residual = ResidualTransformer(denoiser, data_range=data_range, flatten=False, intensity=True)
    return Pipeline([("residual", residual), ("camera", PRNUClassifier(intensity=True))])


_MAKERS: dict[str, Callable[[Denoiser, float, Any], Pipeline]] = {
    "paper": _paper,
    "spectral": _spectral,
    "combined": _combined,
    "thorough": _thorough,
    "camera": _camera,
}

#: What `make_attribution_pipeline` makes.
KINDS = tuple(_MAKERS)
