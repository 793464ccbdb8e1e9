"""Fingerprints from residuals, their energy and their autocorrelation.

Every function takes arrays that keep the shape of the image. Equations and figures are those of
F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial fingerprints?", MIPR
2019. Chen et al. 2008 is M. Chen, J. Fridrich, M. Goljan, J. Lukas, "Determining image origin and
integrity using sensor noise", IEEE Transactions on Information Forensics and Security 3(1), 2008.
"""

from sklearn_ganprint._public import former_names, publish
from sklearn_ganprint.fingerprints._energy import *
from sklearn_ganprint.fingerprints._estimate import *

publish(globals())
__getattr__ = former_names(__name__, {"divide_by_intensity": "_estimate"})
