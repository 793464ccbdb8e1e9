"""Second-order features of residuals: correlations and power spectrum."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.features._autocorrelation import *
from sklearn_ganprint.features._blocks import *
from sklearn_ganprint.features._correlations import *
from sklearn_ganprint.features._spectrum import *
from sklearn_ganprint.features._texture import *
from sklearn_ganprint.features._tiles import *
from sklearn_ganprint.features._whitening import *

publish(globals())
