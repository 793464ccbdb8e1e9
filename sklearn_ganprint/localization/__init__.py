"""Which parts of an image do not come from its claimed source."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.localization._localizer import *
from sklearn_ganprint.localization._model import *

publish(globals())
