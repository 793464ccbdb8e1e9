"""Models in files, with skops and never with pickle, which runs whatever code it is given."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.persistence._models import *

publish(globals())
