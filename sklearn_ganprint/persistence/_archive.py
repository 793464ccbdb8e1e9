"""The archive that a model file is: what may be unpacked, its header and its digest."""

import hashlib
import json
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import sklearn
from numpy.lib import format as npy

import sklearn_ganprint

#: Raised when a file written now could be misread by the code of before. From 2 on the header has
#: a digest, and types are named by the package that they are public in.
FORMAT_VERSION = 2

HEADER = "ganprint.json"
FORMAT = "sklearn_ganprint model"

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
    try:
        with _open_regular(name) as stream, _open_zip(stream, name) as archive:
            yield archive, _read_header(archive, name)
    except ModelFileError:
        raise
    except OSError as error:
        raise ModelFileError(f"{name}: cannot be read: {error.strerror or error}.") from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ModelFileError(f"{name}: the model is damaged: {reason}") from error


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
