"""Second-order features of residuals, which need no image of the same content to compare."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.features._autocorrelation import AutocorrelationTransformer
from sklearn_ganprint.features._spectrum import SpectralLineTransformer, SpectrumTransformer
from sklearn_ganprint.features._tiles import TiledTransformer

__all__ = [
    "AutocorrelationTransformer",
    "SpectralLineTransformer",
    "SpectrumTransformer",
    "TiledTransformer",
]

publish(globals())
