"""Perturbations of images, such as compression and resizing, as transformers."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.perturbations._base import *
from sklearn_ganprint.perturbations._histories import *
from sklearn_ganprint.perturbations._perturbations import *
from sklearn_ganprint.perturbations._sources import *

publish(globals())
