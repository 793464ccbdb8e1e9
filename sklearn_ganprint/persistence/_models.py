"""Saving and loading of models."""

import copy
import io
import json
import os
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import Pipeline
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import check_is_fitted

import sklearn_ganprint
from sklearn_ganprint._output import atomic
from sklearn_ganprint.files import FileBatchEstimator
from sklearn_ganprint.persistence import _archive
from sklearn_ganprint.persistence._archive import ModelFileError
from sklearn_ganprint.persistence._checks import find_fault, own_type_names, rename_types

_SCHEMA = "schema.json"


def save_model(estimator: BaseEstimator, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator to one file.

    Parameters
    ----------
    estimator : estimator
        A fitted :class:`~sklearn_ganprint.FileBatchEstimator`, pipeline or classifier.
        Callables in the parameters `progress`, `on_history` and `on_error` belong to the running
        program and are not saved.
    path : str or path-like
        The file to write. One that exists is replaced once the new one is complete, so that a
        reader never sees half a model.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ImportError
        If skops is not installed.
    ModelFileError
        If the estimator holds something that could not be loaded again, such as a function as
        denoiser, or a fitted attribute that is not finite.

    See Also
    --------
    load_model : Reads the file.
    read_metadata : Reads the header of the file, without loading the model.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from sklearn_ganprint import FingerprintClassifier, load_model, save_model
    >>> clf = FingerprintClassifier().fit(np.eye(4), ["a", "a", "b", "b"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.skops")
    ...     save_model(clf, path)
    ...     loaded = load_model(path)
    >>> bool((loaded.fingerprints_ == clf.fingerprints_).all())
    True
    """
    sio = _import_skops()
    check_is_fitted(estimator)
    estimator = _without_callbacks(estimator)
    with atomic(Path(path)) as part:
        sio.dump(estimator, part)
        if fault := find_fault(estimator):
            raise ModelFileError(f"Not saved: {fault}, so the model could not be loaded again.")
        _archive.write_header(part, _metadata(estimator))
        with part.open("rb") as stream:
            foreign = _foreign_types(sio, stream)
        if foreign:
            raise ModelFileError(
                f"Not saved: the model holds {', '.join(foreign)}, which no one could load again "
                f"without trusting it. Use a denoiser class instead of a function, or pass plain "
                f"scikit-learn estimators."
            )


def load_model(path: str | os.PathLike[str], *, trusted: Sequence[str] = ()) -> Any:
    """Load an estimator that :func:`save_model` has written.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : sequence of str, default=()
        Names of further types to trust, beside those of this package, scikit-learn and numpy.

    Returns
    -------
    estimator
        The fitted estimator.

    Raises
    ------
    ModelFileError
        If the file is truncated, changed, too large for what it is, or no model, was written by a
        newer version, holds types that are not trusted, or fitted attributes that are not finite
        or do not fit together. Nothing of such a file is run.
    ImportError
        If skops is not installed.

    Warns
    -----
    UserWarning
        If the model was written by a newer version of this package, or with another release of
        scikit-learn.

    See Also
    --------
    save_model : Writes the file, and has an example.

    Notes
    -----
    Members of the file are unpacked only if the sizes that they announce are at most 64 MiB
    together, or four times the size of the file. The sha256 digest in the header shows damage and
    changes; it does not prove who made a model.
    """
    sio, name = _import_skops(), os.fsdecode(path)
    with _archive.open_archive(name) as (archive, header):
        content = _with_current_names(archive)
        foreign = _foreign_types(sio, content, trusted)
        if foreign:
            raise ModelFileError(
                f"{name}: the model holds types that are not trusted: {', '.join(foreign)}. "
                f"Load it only if you know who made it, with trusted={foreign}."
            )
        _archive.check_digest(archive, header, name)
        with warnings.catch_warnings():
            # One for each estimator; below is one for all of them.
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            model = sio.load(content, trusted=[*own_type_names(), *trusted])
        check_is_fitted(model)
        if fault := find_fault(model):
            raise ModelFileError(f"{name}: the model is damaged: {fault}.")
    for message in _version_warnings(header):
        warnings.warn(f"{name} was written {message}", UserWarning, stacklevel=2)
    return model


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the header of a model file, without loading the model.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    dict
        ``format``, ``format_version``, ``package_version``, ``sklearn_version``, ``estimator``,
        ``classes``, ``class_count`` (images of each class), ``reader`` (its settings) and, from
        format 2 on, ``sha256``, the digest of the rest of the file.

    Raises
    ------
    ModelFileError
        If the file is truncated, changed, no model, or written by a newer version.
    """
    name = os.fsdecode(path)
    with _archive.open_archive(name) as (archive, header):
        _archive.check_digest(archive, header, name)
    return header


def _with_current_names(archive: zipfile.ZipFile) -> IO[bytes]:
    """Return the archive as a stream in which types have their present names."""
    schema = json.loads(archive.read(_SCHEMA))
    if archive.fp is None:
        raise ValueError("The archive is closed.")
    if not rename_types(schema):
        return archive.fp
    renamed = io.BytesIO()
    with zipfile.ZipFile(renamed, "w") as target:
        for member in archive.namelist():
            changed = member == _SCHEMA
            target.writestr(member, json.dumps(schema) if changed else archive.read(member))
    return renamed


def _version_warnings(header: dict[str, Any]) -> list[str]:
    """Return warnings of the other versions that a model was written with."""
    found = []
    if parse_version(header["package_version"]) > parse_version(sklearn_ganprint.__version__):
        found.append(
            f"by sklearn_ganprint {header['package_version']}, which is newer than this, "
            f"{sklearn_ganprint.__version__}."
        )
    if header["sklearn_version"] != sklearn.__version__:
        found.append(
            f"with scikit-learn {header['sklearn_version']}, this is {sklearn.__version__}: "
            f"answers may differ, see scikit-learn's pages on model persistence."
        )
    return found


def _import_skops() -> ModuleType:
    try:
        import skops.io as sio  # noqa: PLC0415  (an optional dependency)
    except ImportError as error:
        raise ImportError(
            "Models are saved and loaded with skops: pip install 'sklearn_ganprint[cli]'."
        ) from error
    return sio


def _foreign_types(sio: ModuleType, stream: IO[bytes], trusted: Sequence[str] = ()) -> list[str]:
    """Return the types in a model file that neither skops, this package nor the caller trusts."""
    untrusted = sio.get_untrusted_types(file=stream)
    return sorted(set(untrusted) - {*own_type_names(), *trusted})


def _without_callbacks(estimator: BaseEstimator) -> BaseEstimator:
    """Copy the fitted estimator without the functions of the program that fitted it."""
    if not isinstance(estimator, FileBatchEstimator):
        return estimator
    estimator = copy.copy(estimator)
    on_error = "warn" if callable(estimator.on_error) else estimator.on_error
    return estimator.set_params(progress=None, on_history=None, on_error=on_error)


def _metadata(estimator: BaseEstimator) -> dict[str, Any]:
    """Return what `ganprint info` can show without loading the model."""
    reader = getattr(estimator, "reader_", None)
    last = getattr(estimator, "estimator_", estimator)
    last = last[-1] if isinstance(last, Pipeline) else last
    count = getattr(last, "class_count_", None)
    return {
        "estimator": repr(estimator),
        "classes": np.asarray(getattr(estimator, "classes_", [])).tolist(),
        "class_count": None if count is None else np.asarray(count).tolist(),
        "image_size": getattr(estimator, "image_size_", None),
        "reader": None if reader is None else reader.get_params(),
    }
