"""Images to work on: readers of files and folders, bundled samples, simulated generators."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.datasets._decoding import *
from sklearn_ganprint.datasets._folder import *
from sklearn_ganprint.datasets._history import *
from sklearn_ganprint.datasets._layouts import *
from sklearn_ganprint.datasets._listing import *
from sklearn_ganprint.datasets._provenance import *
from sklearn_ganprint.datasets._reader import *
from sklearn_ganprint.datasets._simulator import *

publish(globals())
