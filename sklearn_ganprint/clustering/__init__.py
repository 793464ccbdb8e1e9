"""Which unlabelled images share a source."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.clustering._estimator import *
from sklearn_ganprint.clustering._merging import *

publish(globals())
