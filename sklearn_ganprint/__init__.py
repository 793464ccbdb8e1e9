"""Which generator or camera made this image? Fingerprint attribution for scikit-learn."""

import lazy_loader

from sklearn_ganprint._public import keep_former_modules, publish

__version__ = "0.1.0"

# The stub beside this file says what there is; each name is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

publish(globals())
keep_former_modules(__name__)
