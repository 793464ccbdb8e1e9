"""How alike a residual and a fingerprint are, or two fingerprints.

Every function takes arrays that keep the shape of the image: ``(n, ...)`` residuals against
``(k, ...)`` fingerprints of the same trailing shape. Equations are those of F. Marra, D.
Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial fingerprints?", MIPR 2019.
"""

from sklearn_ganprint._public import former_names, publish
from sklearn_ganprint.correlation._comparison import *
from sklearn_ganprint.correlation._index import *

publish(globals())
__getattr__ = former_names(
    __name__, dict.fromkeys(["MAX_BYTES", "SCORES", "negative_squared_distance"], "_index")
)
