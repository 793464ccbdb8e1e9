"""Pictures of what the estimators have found; matplotlib is imported when one is drawn."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.plotting._correlations import (
    ComparisonMatrixDisplay,
    CorrelationHistogramDisplay,
    CorrelationMatrixDisplay,
)
from sklearn_ganprint.plotting._curves import EnergyCurveDisplay, RobustnessCurveDisplay
from sklearn_ganprint.plotting._families import SourceFamiliesDisplay
from sklearn_ganprint.plotting._fingerprint import (
    AutocorrelationDisplay,
    FingerprintDisplay,
    FingerprintSeriesDisplay,
)
from sklearn_ganprint.plotting._localization import LocalizationDisplay

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
    "SourceFamiliesDisplay",
]

publish(globals())
