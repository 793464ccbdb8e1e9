"""Pictures of what the estimators have found; matplotlib is imported when one is drawn."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.plotting._autocorrelation import AutocorrelationDisplay
from sklearn_ganprint.plotting._comparison_matrix import ComparisonMatrixDisplay
from sklearn_ganprint.plotting._correlation_histogram import CorrelationHistogramDisplay
from sklearn_ganprint.plotting._correlation_matrix import CorrelationMatrixDisplay
from sklearn_ganprint.plotting._energy_curve import EnergyCurveDisplay
from sklearn_ganprint.plotting._fingerprint import FingerprintDisplay
from sklearn_ganprint.plotting._fingerprint_series import FingerprintSeriesDisplay
from sklearn_ganprint.plotting._localization import LocalizationDisplay
from sklearn_ganprint.plotting._robustness_curve import RobustnessCurveDisplay

__all__ = [
    "AutocorrelationDisplay",
    "ComparisonMatrixDisplay",
    "CorrelationHistogramDisplay",
    "CorrelationMatrixDisplay",
    "EnergyCurveDisplay",
    "FingerprintDisplay",
    "FingerprintSeriesDisplay",
    "LocalizationDisplay",
    "RobustnessCurveDisplay",
]

publish(globals())
