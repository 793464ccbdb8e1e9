"""scikit-learn's own checks, whole: no expected failure, nothing skipped."""

import os
import subprocess
import sys

import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from sklearn_ganprint import (
    AugmentedClassifier,
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
)
from sklearn_ganprint.classification import PooledDiscriminantAnalysis
from sklearn_ganprint.denoisers import WienerDenoiser
from sklearn_ganprint.features import (
    AutocorrelationTransformer,
    PartialCorrelationTransformer,
    SpectralLineTransformer,
    SpectrumTransformer,
    TiledTransformer,
)
from sklearn_ganprint.perturbations import (
    Crop,
    GaussianBlur,
    GaussianNoise,
    JPEGCompression,
    Resize,
)

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
    "discriminant": PooledDiscriminantAnalysis(),
    "detector": FingerprintDetector(),
    "localizer": FingerprintLocalizer(),
    "localizer-small": FingerprintLocalizer(window_size=2, max_lag=1, smoothing=1, cv=2),
    "augmented": AugmentedClassifier(LogisticRegression(), ["noise 0.1"], subclasses=False),
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
    "autocorrelation": AutocorrelationTransformer(),
    "autocorrelation-few": AutocorrelationTransformer(1, log_norm=False, n_jobs=2),
    "partial": PartialCorrelationTransformer(),
    "partial-few": PartialCorrelationTransformer(3, scales=(1, 2), cross_channel=False, n_jobs=2),
    "spectrum": SpectrumTransformer(),
    "spectrum-radial": SpectrumTransformer(4, profile="radial", normalize=False),
    "spectrum-azimuthal": SpectrumTransformer(profile="azimuthal"),
    "lines": SpectralLineTransformer(),
    "lines-plain": SpectralLineTransformer(2, window=None, magnitude=False),
    "tiles": TiledTransformer(AutocorrelationTransformer()),
    "tiles-small": TiledTransformer(AutocorrelationTransformer(0), tile_size=1),
    "tiled": TiledClassifier(LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.03)),
}
NAMES = list(ESTIMATORS)

# In sklearn.utils.estimator_checks, but not among those that check_estimator runs.
UNLISTED = [
    "check_param_validation",
    "check_dataframe_column_names_consistency",
    "check_inplace_ensure_writeable",
]
OF_TRANSFORMERS = [
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
]
TRANSFORMERS = [name for name in NAMES if hasattr(ESTIMATORS[name], "transform")]

pytestmark = pytest.mark.filterwarnings(
    # The checks come with rows, from 0 to 1, of few images,
    "ignore:.*got rows without image_shape:UserWarning",
    "ignore:All values lie within:UserWarning",
    "ignore:No image can be called unknown:sklearn_ganprint.open_set.CalibrationWarning",
    "ignore:The hypothesis that an image:sklearn_ganprint.open_set.CalibrationWarning",
    # and mix data frames with arrays on purpose.
    "ignore:X has feature names, but:UserWarning",
    "ignore:X does not have valid feature names, but:UserWarning",
)

SCRIPT = """
import warnings
import sys
sys.path[:0] = {path!r}
from sklearn.utils.estimator_checks import check_estimator
from test_common import ESTIMATORS
warnings.simplefilter("ignore")
for name in {names!r}:
    results = check_estimator(ESTIMATORS[name], on_skip=None, on_fail=None)
    assert len(results) > 40, len(results)
    bad = [result for result in results if result["status"] != "passed"]
    assert not bad, (name, bad)
print("all passed")
"""


@pytest.mark.parametrize(
    "names",
    [NAMES[start : start + 4] for start in range(0, len(NAMES), 4)],
    ids=str,
)
def test_check_estimator_passes_whole_and_skips_nothing(names):
    # The array API checks run only where scipy was imported with this set.
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    script = SCRIPT.format(path=[os.path.dirname(__file__)], names=names)
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert run.stdout.strip() == "all passed", run.stderr


def run_check(check, name):
    """Run a check on an estimator itself: it raises where it fails, and returns nothing."""
    estimator = ESTIMATORS[name]
    assert getattr(estimator_checks, check)(type(estimator).__name__, clone(estimator)) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", UNLISTED)
def test_unlisted_checks(check, name):
    run_check(check, name)


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize("check", OF_TRANSFORMERS)
def test_unlisted_checks_of_transformers(check, name):
    run_check(check, name)


@pytest.mark.parametrize("check", ["check_estimators_pickle", "check_readonly_memmap_input"])
@pytest.mark.parametrize("name", NAMES)
def test_named_promises(check, name):
    run_check(check, name)
