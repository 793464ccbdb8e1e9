"""Which parts of an image do not come from its claimed source."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.localization._images import LocalizationResult, localize_images
from sklearn_ganprint.localization._localizer import FingerprintLocalizer, LocalizationWarning
from sklearn_ganprint.localization._model import WindowModel, localization_map

__all__ = [
    "FingerprintLocalizer",
    "LocalizationResult",
    "LocalizationWarning",
    "WindowModel",
    "localization_map",
    "localize_images",
]

publish(globals())
