"""Attribution by the nearest fingerprint, and linear discriminant analysis of features."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.classification._base import *
from sklearn_ganprint.classification._fingerprint import *
from sklearn_ganprint.classification._pooled import *
from sklearn_ganprint.classification._subclass import *

publish(globals())
