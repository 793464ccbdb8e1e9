"""Estimators that several test modules and the saved models are made of."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    AugmentedClassifier,
    DetectionClassifier,
    FileBatchClassifier,
    FileBatchClustering,
    FileBatchEstimator,
    FingerprintClassifier,
    FingerprintClustering,
    FingerprintDetector,
    FingerprintLocalizer,
    FusionClassifier,
    LocalVarianceNormalizer,
    OpenSetClassifier,
    PRNUClassifier,
    ResidualTransformer,
    TiledClassifier,
    make_attribution_pipeline,
)
from sklearn_ganprint.classification import (
    PooledDiscriminantAnalysis,
    SubclassDiscriminantAnalysis,
)
from sklearn_ganprint.denoisers import (
    GaussianDenoiser,
    MedianDenoiser,
    WaveletDenoiser,
    WienerDenoiser,
)
from sklearn_ganprint.features import (
    AutocorrelationTransformer,
    BlockTransformer,
    CorrelationTransformer,
    PartialCorrelationTransformer,
    SpectralLineTransformer,
    SpectrumTransformer,
    TextureTransformer,
    TiledTransformer,
    WithinSourceWhitening,
)
from sklearn_ganprint.perturbations import (
    Crop,
    GaussianBlur,
    GaussianNoise,
    JPEGCompression,
    RandomHistory,
    Resize,
    SimulatedSource,
)

#: One of each kind, with parameters that are not the default.
DENOISERS = [
    GaussianDenoiser(1.5),
    MedianDenoiser(5),
    WaveletDenoiser("haar", level=2, sigma=3.0),
    WienerDenoiser(5, sigma=2.0),
]
FEATURES = [
    AutocorrelationTransformer(2),
    LocalVarianceNormalizer(5),
    PartialCorrelationTransformer(3, scales=(1, 2)),
    SpectralLineTransformer(segment_size=16),
    SpectrumTransformer(8),
    TiledTransformer(AutocorrelationTransformer(2), 10),
]
PERTURBATIONS = [
    Crop(16),
    GaussianBlur(1.5),
    GaussianNoise(2.0, random_state=0),
    JPEGCompression(80, subsampling="4:4:4"),
    Resize(0.75, restore=True),
]


def residual(denoiser="gaussian", **params):
    """Make the first step of a pipeline; residuals keep the shape of the image."""
    return ResidualTransformer(denoiser, **{"flatten": False, **params})


#: What scikit-learn's own checks run on: every estimator, some with several settings.
ESTIMATORS = {
    "residual": ResidualTransformer(),
    "residual-rgb": ResidualTransformer(WienerDenoiser(), channels="rgb"),
    "residual-opponent": ResidualTransformer("gaussian", channels="opponent"),
    "residual-intensity": ResidualTransformer(channels="ycbcr", intensity=True),
    "residual-threads": ResidualTransformer("gaussian", n_jobs=2),
    "normalizer": LocalVarianceNormalizer(),
    "normalizer-threads": LocalVarianceNormalizer(3, 0.1, n_jobs=2),
    "correlation": FingerprintClassifier(),
    "cosine": FingerprintClassifier("cosine"),
    "euclidean": FingerprintClassifier("euclidean"),
    "unbiased": FingerprintClassifier("unbiased"),
    "prnu": PRNUClassifier(),
    "prnu-correlation": PRNUClassifier(zero_mean="bayer", wiener=True, metric="correlation"),
    "prnu-search": PRNUClassifier(zero_mean=False, search=True),
    "files": FileBatchClassifier(
        make_pipeline(ResidualTransformer(), FingerprintClassifier()), batch_size=7
    ),
    "files-bare": FileBatchClassifier(FingerprintClassifier()),
    "open-set": OpenSetClassifier(FingerprintClassifier()),
    "open-set-lda": OpenSetClassifier(LinearDiscriminantAnalysis(), cv=3),
    "fusion": FusionClassifier(
        [("first", FingerprintClassifier("cosine")), ("other", LinearDiscriminantAnalysis())]
    ),
    "fusion-folds": FusionClassifier([("first", FingerprintClassifier())], cv=3),
    "fusion-copies": FusionClassifier(
        [("first", FingerprintClassifier("cosine")), ("other", SubclassDiscriminantAnalysis())],
        cv=3,
        perturbations=["noise 0.1"],
    ),
    "fusion-background": FusionClassifier(
        [("parts", SubclassDiscriminantAnalysis())],
        cv=3,
        perturbations=["noise 0.1"],
        background=["noise 1", "blur 0.5", SimulatedSource(3)],
    ),
    "fusion-histories": FusionClassifier(
        [("only", LogisticRegression())],
        cv=3,
        perturbations=RandomHistory(resize=None, jpeg=None, webp=None),
        n_copies=2,
    ),
    "detection": DetectionClassifier([("parts", SubclassDiscriminantAnalysis())], cv=3),
    "discriminant": PooledDiscriminantAnalysis(),
    "discriminant-parts": SubclassDiscriminantAnalysis(),
    "discriminant-plain": SubclassDiscriminantAnalysis(0.3, squash=None),
    "detector": FingerprintDetector(),
    "localizer": FingerprintLocalizer(),
    "localizer-small": FingerprintLocalizer(window_size=2, max_lag=1, smoothing=1, cv=2),
    "augmented": AugmentedClassifier(LogisticRegression(), ["noise 0.1"], subclasses=False),
    "augmented-histories": AugmentedClassifier(
        LogisticRegression(), RandomHistory(resize=None, jpeg=None, webp=None), n_copies=2
    ),
    "augmented-subclasses": AugmentedClassifier(
        make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier()),
        ["noise 0.1", ("noise 0.1", "blur 0.1")],
        temperature=0.01,
    ),
    # With two features rows hold no window, and are clustered as they are.
    "clustering": FingerprintClustering(),
    "clustering-3": FingerprintClustering(3, max_samples=40, random_state=0),
    "files-clustering": FileBatchClustering(FingerprintClustering(3), batch_size=7),
    "files-estimator": FileBatchEstimator(FusionClassifier([("only", FingerprintClassifier())])),
    "files-clusters": FileBatchEstimator(FingerprintClustering(3), batch_size=7),
    "files-residuals": FileBatchEstimator(ResidualTransformer(), batch_size=7),
    "files-features": FileBatchEstimator(
        make_pipeline(ResidualTransformer(flatten=False), AutocorrelationTransformer()),
        batch_size=7,
    ),
    "files-learnt": FileBatchEstimator(PCA(1, random_state=0), batch_size=7),
    "jpeg": JPEGCompression(data_range=1.0),
    "resize": Resize(),
    "resize-back": Resize(1.5, restore=True),
    "blur": GaussianBlur(),
    "noise": GaussianNoise(),
    "crop": Crop(),
    "crop-random": Crop(1, offset="random"),
    "source": SimulatedSource(),
    "source-resized": SimulatedSource(2, data_range=1.0),
    "history": RandomHistory(),
    "history-challenge": RandomHistory.preset("challenge", data_range=1.0),
    "autocorrelation": AutocorrelationTransformer(),
    "autocorrelation-few": AutocorrelationTransformer(1, log_norm=False, n_jobs=2),
    "correlations": CorrelationTransformer(),
    "correlations-few": CorrelationTransformer(
        ("gaussian", "median"), max_lag=(1, 2), colour_lag=None, window=3, n_jobs=2
    ),
    "texture": TextureTransformer(),
    "texture-few": TextureTransformer(3.0, n_scales=1, data_range=1.0, n_jobs=2),
    "blocks": BlockTransformer(),
    "blocks-threads": BlockTransformer(data_range=1.0, n_jobs=2),
    "partial": PartialCorrelationTransformer(),
    "partial-few": PartialCorrelationTransformer(3, scales=(1, 2), cross_channel=False, n_jobs=2),
    "spectrum": SpectrumTransformer(),
    "spectrum-radial": SpectrumTransformer(4, profile="radial", normalize=False),
    "spectrum-azimuthal": SpectrumTransformer(profile="azimuthal"),
    "lines": SpectralLineTransformer(),
    "lines-plain": SpectralLineTransformer(2, window=None, magnitude=False),
    "whitening": WithinSourceWhitening(
        TextureTransformer(n_scales=1),
        np.random.default_rng(0).integers(256, size=(2, 40, 40)),
        n_sources=2,
    ),
    "tiles": TiledTransformer(AutocorrelationTransformer()),
    "tiles-small": TiledTransformer(AutocorrelationTransformer(0), tile_size=1),
    "tiled": TiledClassifier(LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.03)),
}


def attribution_pipeline(kind, **params):
    """Make a pipeline; that of the default kind with few copies and features, which are slow."""
    pipeline = make_attribution_pipeline(kind, **params)
    if kind == "robust":
        pipeline.set_params(
            fusion__n_copies=2, fusion__background=pipeline["fusion"].background[:4]
        )
    if kind == "nearest-mean":
        pipeline.set_params(features__n_sources=6, features__photos__step=8)
    if kind in ("robust", "nearest-mean"):
        near = kind == "nearest-mean"
        features = "features__transformer" if near else "fusion__correlations__features"
        pipeline.set_params(
            **{f"{features}__correlations__max_lag": 2},
            **{f"{features}__correlations__colour_lag": 1},
            **{f"{features}__correlations__window": 3},
            **{f"{features}__texture__n_scales": 1},
        )
    return pipeline


class GivenScores(ClassifierMixin, BaseEstimator):
    """Its scores stand in the features: those of member 0 in the first columns, and so on."""

    def __init__(self, member=0):
        self.member = member

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        n_classes = len(self.classes_)
        scores = X[:, self.member * n_classes : (self.member + 1) * n_classes]
        return scores[:, 1] - scores[:, 0] if n_classes == 2 else scores

    def predict(self, X):
        return self.classes_[self.decision_function(X).argmax(axis=1)]
