"""Perturbations of images, such as compression and resizing, as transformers."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.perturbations._base import BasePerturbation, HistoryCoverage
from sklearn_ganprint.perturbations._histories import RandomHistory
from sklearn_ganprint.perturbations._perturbations import (
    Crop,
    GaussianBlur,
    GaussianNoise,
    JPEGCompression,
    Resize,
    check_perturbation,
)
from sklearn_ganprint.perturbations._sources import SimulatedSource

__all__ = [
    "BasePerturbation",
    "Crop",
    "GaussianBlur",
    "GaussianNoise",
    "HistoryCoverage",
    "JPEGCompression",
    "RandomHistory",
    "Resize",
    "SimulatedSource",
    "check_perturbation",
]

publish(globals())
