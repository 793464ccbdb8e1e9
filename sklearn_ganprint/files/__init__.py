"""The same pipelines over image files, in bounded memory."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.files._batches import *
from sklearn_ganprint.files._estimator import *
from sklearn_ganprint.files._fitted import *

publish(globals())
