"""Pictures of what the estimators have found; matplotlib is imported when one is drawn."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.plotting._autocorrelation import AutocorrelationDisplay
from sklearn_ganprint.plotting._correlation_histogram import CorrelationHistogramDisplay
from sklearn_ganprint.plotting._curves import EnergyCurveDisplay, RobustnessCurveDisplay
from sklearn_ganprint.plotting._fingerprint import FingerprintDisplay, FingerprintSeriesDisplay
from sklearn_ganprint.plotting._localization import LocalizationDisplay
from sklearn_ganprint.plotting._matrix import ComparisonMatrixDisplay, CorrelationMatrixDisplay

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
