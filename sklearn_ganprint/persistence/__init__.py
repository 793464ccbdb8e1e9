"""Models in files, with skops and never with pickle, which runs whatever code it is given."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.persistence._models import (
    FORMAT_VERSION,
    ModelFileError,
    load_model,
    read_metadata,
    save_model,
)

__all__ = ["FORMAT_VERSION", "ModelFileError", "load_model", "read_metadata", "save_model"]

publish(globals())
