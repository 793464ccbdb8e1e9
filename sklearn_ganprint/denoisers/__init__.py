"""Denoising filters ``f`` of the residual ``R = X - f(X)``, as small parameter objects."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.denoisers._filters import *

publish(globals())
