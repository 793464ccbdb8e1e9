"""Second-order features of residuals: correlations and power spectrum."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.features._autocorrelation import (
    AutocorrelationTransformer,
    PartialCorrelationTransformer,
)
from sklearn_ganprint.features._blocks import BlockTransformer
from sklearn_ganprint.features._correlations import CorrelationTransformer
from sklearn_ganprint.features._spectrum import SpectralLineTransformer, SpectrumTransformer
from sklearn_ganprint.features._texture import TextureTransformer
from sklearn_ganprint.features._tiles import TiledTransformer

__all__ = [
    "AutocorrelationTransformer",
    "BlockTransformer",
    "CorrelationTransformer",
    "PartialCorrelationTransformer",
    "SpectralLineTransformer",
    "SpectrumTransformer",
    "TextureTransformer",
    "TiledTransformer",
]

publish(globals())
