"""Which unlabelled images share a source."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.clustering._estimator import *

publish(globals())
