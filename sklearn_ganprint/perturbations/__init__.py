"""What happens to images on their way, as transformers of images to images."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.perturbations._base import BasePerturbation
from sklearn_ganprint.perturbations._blur import GaussianBlur
from sklearn_ganprint.perturbations._crop import Crop
from sklearn_ganprint.perturbations._jpeg import JPEGCompression
from sklearn_ganprint.perturbations._noise import GaussianNoise
from sklearn_ganprint.perturbations._registry import check_perturbation
from sklearn_ganprint.perturbations._resize import Resize

__all__ = [
    "BasePerturbation",
    "Crop",
    "GaussianBlur",
    "GaussianNoise",
    "JPEGCompression",
    "Resize",
    "check_perturbation",
]

publish(globals())
