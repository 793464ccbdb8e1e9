"""Models in files: what may be unpacked, the header with its digest, saving and loading."""

import copy
import hashlib
import io
import json
import os
import re
import stat
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np
import sklearn
from numpy.lib import format as npy
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import Pipeline
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import check_is_fitted

import sklearn_ganprint
from sklearn_ganprint._output import atomic
from sklearn_ganprint.files import FileBatchEstimator
from sklearn_ganprint.persistence._checks import (
    find_fault,
    lacking_parameters,
    own_type_names,
    rename_types,
)

__all__ = ["FORMAT_VERSION", "ModelFileError", "load_model", "read_metadata", "save_model"]

#: Raised when a file written now could be misread by the code of before. From 2 on the header has
#: a digest, and types are named by the package that they are public in.
FORMAT_VERSION = 2

HEADER = "ganprint.json"
FORMAT = "sklearn_ganprint model"

_SCHEMA = "schema.json"

#: A file unpacks to this many bytes, or to `MAX_RATIO` times its own size if that is more. Models
#: are written as they are; only small ones, which are mostly text, could shrink to less.
MAX_UNPACKED = 64 << 20
MAX_RATIO = 4

#: Bytes of a member of JSON, which takes twenty times as much once it is read.
MAX_JSON = 32 << 20

_BLOCK = 1 << 20

#: What the header must hold to be understood, and in which type.
_FIELDS: dict[str, tuple[type, str]] = {
    "format_version": (int, "a whole number"),
    "package_version": (str, "a version"),
    "sklearn_version": (str, "a version"),
}
_VERSION = re.compile(r"\d+(\.\w+)+")


class ModelFileError(ValueError):
    """A model file that cannot be loaded, and why."""


@contextmanager
def open_archive(name: str) -> Iterator[tuple[zipfile.ZipFile, dict[str, Any]]]:
    """Open a model file that may be unpacked, and read its header; any error means damage.

    `check_digest` tells whether the rest is as it was written.
    """
    header = None
    try:
        with _open_regular(name) as stream, _open_zip(stream, name) as archive:
            header = _read_header(archive, name)
            yield archive, header
    except ModelFileError:
        raise
    except OSError as error:
        raise ModelFileError(f"{name}: cannot be read: {error.strerror or error}.") from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        skew = _tell_skew(header or {})
        fault = "the model cannot be loaded here" if skew else "the model is damaged"
        raise ModelFileError(f"{name}: {fault}: {reason}{skew}") from error


def _open_regular(name: str) -> IO[bytes]:
    """Open a regular file: a pipe would wait for a writer."""
    mode = os.stat(name).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ModelFileError(f"{name}: cannot be read: expected a file, this is a pipe or device.")
    return open(name, "rb")


def _open_zip(stream: IO[bytes], name: str) -> zipfile.ZipFile:
    """Open the archive, and check its directory before any member is unpacked."""
    try:
        archive = zipfile.ZipFile(stream)
        archive.getinfo(HEADER)
    except OSError:
        raise
    except Exception as error:  # BadZipFile, struct.error, NotImplementedError, UnicodeError, ...
        raise ModelFileError(
            f"{name}: not a model file, or truncated. Expected a file written by save_model or "
            f"`ganprint fit`."
        ) from error
    if fault := _fault_of_members(archive, os.fstat(stream.fileno()).st_size):
        raise ModelFileError(f"{name}: the model file is damaged: {fault}")
    return archive


def _fault_of_members(archive: zipfile.ZipFile, file_size: int) -> str | None:
    """Return what is wrong with an archive, by its directory alone; None for a good one."""
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        return "a member is there twice"
    for member in members:
        if member.flag_bits & 0x1:
            return f"{member.filename} is encrypted"
        # Others do not stop unpacking where the announced size ends.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return f"{member.filename} is compressed in a way that no model is"
        if member.filename.endswith(".json") and member.file_size > MAX_JSON:
            return f"{member.filename} is longer than {MAX_JSON >> 20} MiB"
    unpacked = sum(member.file_size for member in members)
    allowed = max(MAX_UNPACKED, MAX_RATIO * file_size)
    if unpacked > allowed:
        return f"it unpacks to {unpacked >> 20} MiB, at most {allowed >> 20} are allowed"
    return None


def _read_header(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """Read the header; raise if it is not understood, or is of a format to come."""
    damaged = f"{name}: the model file is damaged: {HEADER}"
    try:
        header = json.loads(archive.read(HEADER))
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ModelFileError(f"{damaged} cannot be read: {reason}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ModelFileError(f"{damaged}: it names no model.")
    for key, (kind, words) in _FIELDS.items():
        value = header.get(key)
        fits = isinstance(value, kind) and not isinstance(value, bool)
        if not fits or (kind is str and not _VERSION.match(str(value))):
            raise ModelFileError(f"{damaged}: {key}: expected {words}, got {value!r:.60}.")
    if header["format_version"] > FORMAT_VERSION:
        raise ModelFileError(
            f"{name}: written by sklearn_ganprint {header['package_version']} in model format "
            f"{header['format_version']}; this is {sklearn_ganprint.__version__}, which reads "
            f"format {FORMAT_VERSION}. Upgrade sklearn_ganprint to load it."
        )
    return header


def write_header(path: Path, fields: dict[str, Any]) -> None:
    """Add the header to a model file: formats and versions, `fields`, and the digest of all."""
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "package_version": sklearn_ganprint.__version__,
        "sklearn_version": sklearn.__version__,
        **fields,
    }
    with zipfile.ZipFile(path, "a") as archive:
        header["sha256"] = digest(archive, header)
        archive.writestr(HEADER, json.dumps(header, indent=2))


def check_digest(archive: zipfile.ZipFile, header: dict[str, Any], name: str) -> None:
    """Read all members, whose checksums the archive checks, and compare with the digest."""
    found = digest(archive, header)
    # Format 1 had none.
    if header["format_version"] > 1 and header.get("sha256") != found:
        raise ModelFileError(
            f"{name}: the model file is damaged, or was changed after it was written: its sha256 "
            f"digest is not that of its content. Take another copy, or fit the model again."
        )


def digest(archive: zipfile.ZipFile, header: dict[str, Any]) -> str:
    """Compute the sha256 of all that a model file holds, the header's other fields as well.

    It shows damage and careless edits; who means to deceive can compute it anew.
    """
    sha = hashlib.sha256()
    for member in sorted(set(archive.namelist()) - {HEADER}):
        sha.update(f"{member}\0{archive.getinfo(member).file_size}\0".encode())
        with archive.open(member) as stream:
            if member.endswith(".npy"):
                _check_array_size(stream, archive.getinfo(member))
                stream.seek(0)
            while block := stream.read(_BLOCK):
                sha.update(block)
    rest = {key: value for key, value in header.items() if key != "sha256"}
    sha.update(json.dumps(rest, sort_keys=True).encode())
    return sha.hexdigest()


def _check_array_size(stream: IO[bytes], member: zipfile.ZipInfo) -> None:
    """Raise if an array announces another size than it has: it would be made before it is read."""
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    size = dtype.itemsize * int(np.prod(shape, dtype=object))
    if size != member.file_size - stream.tell():
        raise ValueError(f"{member.filename} announces an array of another size than it holds")


def save_model(
    estimator: BaseEstimator,
    path: str | os.PathLike[str],
    *,
    findings: Sequence[str] | None = None,
) -> None:
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
    findings : sequence of str, default=None
        What an audit has found of the images that the estimator was fitted on, such as
        :func:`~sklearn_ganprint.experiments.audit_files` returns. It goes into the header.

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
        found = {} if findings is None else {"findings": list(findings)}
        write_header(part, _metadata(estimator) | found)
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
        scikit-learn: which wrote it, which is here, which parameters estimators lack for that, and
        what to do.

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
    with open_archive(name) as (archive, header):
        content = _with_current_names(archive)
        foreign = _foreign_types(sio, content, trusted)
        if foreign:
            raise ModelFileError(
                f"{name}: the model holds types that are not trusted: {', '.join(foreign)}. "
                f"Load it only if you know who made it, with trusted={foreign}.{_tell_skew(header)}"
            )
        check_digest(archive, header, name)
        with warnings.catch_warnings():
            # One for each estimator; below is one for all of them.
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            model = sio.load(content, trusted=[*own_type_names(), *trusted])
        check_is_fitted(model)
        if fault := find_fault(model):
            raise ModelFileError(f"{name}: the model is damaged: {fault}.")
    for message in _version_warnings(header, lacking_parameters(model)):
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
        ``classes``, ``class_count`` (images of each class), ``reader`` (its settings), ``findings``
        if some were given and, from format 2 on, ``sha256``, the digest of the rest of the file.

    Raises
    ------
    ModelFileError
        If the file is truncated, changed, no model, or written by a newer version.
    """
    name = os.fsdecode(path)
    with open_archive(name) as (archive, header):
        check_digest(archive, header, name)
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


def _version_warnings(header: dict[str, Any], lacking: Sequence[str] = ()) -> list[str]:
    """Return warnings of the other versions that a model was written with, and what to do.

    `lacking` are parameters of this release that the model has not.
    """
    found, own, other = [], sklearn_ganprint.__version__, header.get("sklearn_version")
    package = header.get("package_version", own)
    if parse_version(package) > parse_version(own):
        found.append(
            f"by sklearn_ganprint {package}, which is newer than this, {own}. Upgrade "
            f"sklearn_ganprint, or fit the model anew."
        )
    if other not in (None, sklearn.__version__):
        lack = f" Some may fail without {', '.join(lacking)}." if lacking else ""
        found.append(
            f"with scikit-learn {other}, this is {sklearn.__version__}: answers of scikit-learn's "
            f"own estimators may differ.{lack} Install scikit-learn=={other}, or fit the model "
            f"anew."
        )
    return found


def _tell_skew(header: dict[str, Any]) -> str:
    """Return what an error says of the other versions that a model was written with, if any."""
    return "".join(f" It was written {told}" for told in _version_warnings(header))


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
    estimator = copy.copy(estimator)
    vars(estimator).pop("_skl_callbacks", None)  # what set_callbacks was given
    if not isinstance(estimator, FileBatchEstimator):
        return estimator
    on_error = "warn" if callable(estimator.on_error) else estimator.on_error
    return estimator.set_params(progress=None, on_history=None, checkpoint=None, on_error=on_error)


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
