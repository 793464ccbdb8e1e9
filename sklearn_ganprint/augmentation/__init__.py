"""L3: fitting on perturbed copies of the images too, against what may happen to test images."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.augmentation._classifier import AugmentedClassifier
from sklearn_ganprint.augmentation._subclasses import merge_subclass_scores
from sklearn_ganprint.augmentation._versions import DEFAULT_PERTURBATIONS

__all__ = ["DEFAULT_PERTURBATIONS", "AugmentedClassifier", "merge_subclass_scores"]

publish(globals())
