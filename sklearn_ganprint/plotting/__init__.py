"""Pictures of what the estimators have found; matplotlib is imported when one is drawn."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.plotting._correlations import *
from sklearn_ganprint.plotting._curves import *
from sklearn_ganprint.plotting._evidence import *
from sklearn_ganprint.plotting._fingerprint import *
from sklearn_ganprint.plotting._localization import *

publish(globals())
