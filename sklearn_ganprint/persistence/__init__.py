"""Models in files, with skops and never with pickle, which runs whatever code it is given."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.persistence._archive import FORMAT_VERSION, ModelFileError
from sklearn_ganprint.persistence._models import load_model, read_metadata, save_model

__all__ = ["FORMAT_VERSION", "ModelFileError", "load_model", "read_metadata", "save_model"]

publish(globals())
