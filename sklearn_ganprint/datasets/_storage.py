"""Files wherever they are stored: on disk, inside tar and zip files, and at URLs.

A path may go on behind the name of a tar or zip file, as if that were a folder. What is at URLs is
listed and fetched by fsspec.
"""

import errno
import os
import posixpath
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BufferedReader, BytesIO
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from sklearn_ganprint._output import Name, Url, as_name, without_secrets

FilePath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_ARCHIVE = re.compile(rf"\.(?:tar|zip)(?=[/{re.escape(os.sep)}]|\Z)", re.IGNORECASE)

#: Bytes of a file that is held in memory, at the most, unless a reader says otherwise.
MOST_BYTES = 4 * 178_956_970

#: Bytes that are fetched at a time of a tar file at a URL, to find what is in it.
_BLOCK = 1 << 20


class Held(Name):
    """The name of an image that is in memory, or that a program gives."""

    def open(self) -> BytesIO:
        """Return the image as the bytes of a file."""
        raise NotImplementedError


class PixelStream(BytesIO):
    """The pixels of an image in memory, as a file of a format that it was never stored in."""


def join(folder: str, name: str) -> str:
    """Return the path of what a folder has under a name, which may hold slashes."""
    if not isinstance(folder, Url):
        # Not os.path.join for members, whose names may begin with a slash.
        return f"{folder}{os.sep}{name}" if _split(folder)[0] else os.path.join(folder, name)
    address, query = folder.parts
    return Url(f"{address}/{name}{query}")


def parent(name: str) -> str:
    """Return the folder that a file lies in."""
    if not isinstance(name, Url):
        return os.path.dirname(name) or os.curdir
    address, query = name.parts
    return Url(address.rpartition("/")[0] + query)


def beside(table: str, name: str) -> str:
    """Return the path of a file that a table names: relative to the table, or by itself."""
    named = as_name(name)
    if isinstance(named, Url) or not isinstance(table, Url):
        return named if isinstance(named, Url) else os.path.join(os.path.dirname(table), name)
    address, query = table.parts
    protocol, mark, place = address.rpartition("://")
    place = posixpath.normpath(posixpath.join(posixpath.dirname(place), name.lstrip("/")))
    return Url(f"{protocol}{mark}{place}{query}")


def below(path: str, folder: str) -> list[str]:
    """Return the folders that lead from a folder to a file, and its name."""
    if isinstance(path, Url):
        return path[len(folder.rstrip("/")) + 1 :].split("/")
    return os.path.relpath(path, folder).split(os.sep)


def real_path(name: str) -> str:
    """Return the path that links lead to."""
    return name if isinstance(name, Name) else os.path.realpath(name)


def is_on_disk(name: str) -> bool:
    """Return whether a path is one of the file system of this machine, or would be."""
    archive, inside = _split(name)
    return not isinstance(name, Name) and not (archive and inside)


def open_file(name: str, most: int = MOST_BYTES) -> BufferedReader | BytesIO:
    """Open a file; an OSError says why that fails, in words that can be printed.

    What is not on disk is read whole, since the formats seek back and forth, and it is one image;
    it may have `most` bytes.
    """
    if isinstance(name, Held):
        return name.open()
    member = find_member(name)
    if member is not None:
        return BytesIO(member.read(most))
    return BytesIO(_fetch(name, most)) if isinstance(name, Url) else open(name, "rb")


def file_size(name: str) -> int:
    """Return the size of a file in bytes."""
    if isinstance(name, Held):
        return name.open().seek(0, os.SEEK_END)
    member = find_member(name)
    if member is not None:
        return member.size
    if not isinstance(name, Url):
        return os.path.getsize(name)
    with _in_words(name):
        filesystem, path = _filesystem(name)
        return int(filesystem.size(path) or 0)


def is_folder(name: str) -> bool:
    """Return whether a path is a folder, a tar or zip file, or a folder in one."""
    archive, inside = _split(name)
    if archive:
        return not inside or inside.rstrip("/") in _index(archive).folders
    if not isinstance(name, Url):
        return os.path.isdir(name)
    with _in_words(name):
        filesystem, path = _filesystem(name)
        # Servers of the web have pages, of which any may list files.
        return path.endswith("/") if _is_web(filesystem) else bool(filesystem.isdir(path))


def is_archive(name: str) -> bool:
    """Return whether a path is that of a tar or zip file."""
    archive, inside = _split(name)
    return bool(archive) and not inside


def list_folder(folder: str) -> list[tuple[str, bool]]:
    """Return the names in a folder, and whether each is a folder."""
    archive, inside = _split(folder)
    if archive:
        return list(_readable(archive).folders.get(inside.rstrip("/"), {}).items())
    if not isinstance(folder, Url):
        with os.scandir(folder) as entries:
            return [(entry.name, _leads_to_folder(entry)) for entry in entries]
    with _in_words(folder):
        filesystem, path = _filesystem(folder)
        listed = filesystem.ls(path, detail=True)
    found = {info["name"].rstrip("/"): info["type"] == "directory" for info in listed}
    # A page also links to itself in another order, to the folder above, and elsewhere.
    above = path.rstrip("/")
    inside_of = {name: found[name] for name in found if name.rpartition("/")[0] == above}
    return [(name.rpartition("/")[2], it) for name, it in inside_of.items() if "?" not in name]


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, for one
        return False


def find_below(folder: str) -> list[str] | None:
    """Return what lies below a folder, relative to it, where that is known all at once."""
    archive, inside = _split(folder)
    if archive:
        start = f"{inside.rstrip('/')}/" if inside else ""
        names = _readable(archive).members
        return [name.removeprefix(start) for name in names if name.startswith(start)]
    if not isinstance(folder, Url):
        return None
    with _in_words(folder):
        filesystem, path = _filesystem(folder)
        if _is_web(filesystem):
            return None
        start = f"{path.rstrip('/')}/"
        return [name.removeprefix(start) for name in filesystem.find(path) if name != path]


def forget(name: str) -> None:
    """Look anew what is in a folder, or an archive, at a URL: no date tells that it has changed."""
    if isinstance(name, Url):
        _read_index.cache_clear()
        with _in_words(name):
            filesystem, _ = _filesystem(name)
            filesystem.invalidate_cache()


class Member(NamedTuple):
    """Where the bytes of one file lie in a tar or zip file."""

    archive: str
    offset: int
    size: int
    zipped: zipfile.ZipInfo | None = None

    def read(self, most: int = MOST_BYTES) -> bytes:
        """Return the bytes of the file; an OSError says why there are none."""
        n_read = self.size if self.zipped is None else max(self.size, self.zipped.compress_size)
        _require_at_most(n_read, most)
        with _open_archive(self.archive) as stream:
            if self.zipped is not None:
                return _unzip(stream, self.zipped)
            if self.size < 0 or self.offset + self.size > stream.seek(0, os.SEEK_END):
                raise OSError(errno.EINVAL, "The tar file ends before this file does")
            stream.seek(self.offset)
            return stream.read(self.size)


def _unzip(stream: BinaryIO, info: zipfile.ZipInfo) -> bytes:
    """Read one file of a zip file, up to the size that is declared."""
    if info.flag_bits & 1:
        raise OSError(errno.EACCES, "It is encrypted; unpack the zip file")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise OSError(errno.EINVAL, "It is packed by a rare method; unpack the zip file")
    stream.seek(info.header_offset)
    header = stream.read(30)
    try:
        stream.seek(sum(struct.unpack("<HH", header[26:])), os.SEEK_CUR)
        data = stream.read(info.compress_size)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, info.file_size + 1)
    except (struct.error, zlib.error):
        data = b""
    if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
        raise OSError(errno.EINVAL, "It is damaged in the zip file")
    return data


def _require_at_most(n_bytes: int, most: int) -> None:
    if n_bytes > most:
        raise OSError(
            errno.EFBIG,
            f"It has more than {most >> 20} MiB, which is held in memory; unpack or download it, "
            f"or raise max_pixels if it is trusted",
        )


class Index(NamedTuple):
    """The regular files of a tar or zip file, in their order, and its folders."""

    members: dict[str, Member]
    folders: dict[str, dict[str, bool]]  # by path: names inside, and whether these are folders
    problem: str | None  # what keeps later files from being read


def _split(name: str) -> tuple[str, str]:
    """Split a path behind the first tar or zip file in it, and else before its beginning."""
    if isinstance(name, Held):
        return "", name
    address, query = name.parts if isinstance(name, Url) else (name, "")
    for match in _ARCHIVE.finditer(address):
        archive, inside = address[: match.end()], address[match.end() + 1 :]
        if isinstance(name, Url):
            return Url(archive + query), inside
        if os.path.isfile(archive):
            return archive, inside
    return "", name


def find_member(name: str) -> Member | None:
    """Look up what a path names inside a tar or zip file; None if it is a path like any other."""
    archive, inside = _split(name)
    if not archive or not inside:
        return None
    member = _index(archive).members.get(inside)
    if member is None:
        kind = archive[-3:].lower()
        raise FileNotFoundError(errno.ENOENT, f"There is no such file in the {kind} file", name)
    return member


def index_archive(archive: str) -> Index:
    """Return what is in a tar or zip file before any damaged place; an OSError if that is nothing.

    Then it is compressed, no such file, or damaged at its beginning.
    """
    return _readable(archive)


def _readable(archive: str) -> Index:
    index = _index(archive)
    if index.problem is not None and not index.members:
        raise OSError(errno.EINVAL, index.problem, str(archive))
    return index


def _index(archive: str) -> Index:
    if isinstance(archive, Url):
        return _read_index(archive, 0, 0)
    status = os.stat(archive)
    return _read_index(archive, status.st_size, status.st_mtime_ns)


# Files are read in the order of their names, so a few archives are in use at a time. Size
# and time are there to be compared: an archive that was written anew is indexed anew.
@lru_cache(maxsize=16)
def _read_index(archive: str, size: int, mtime_ns: int) -> Index:
    is_zip = archive.lower().endswith(".zip")
    found: dict[str, Member] = {}
    problem = None
    with _open_archive(archive, _BLOCK) as stream:
        try:
            (_add_zipped if is_zip else _add_tarred)(archive, stream, found)
        except (tarfile.TarError, zipfile.BadZipFile, *_OF_DAMAGED_HEADERS) as error:
            problem = str(error)
    folders: dict[str, dict[str, bool]] = {"": {}}
    for name in found:
        path, is_below = name, False
        while path:
            above, _, own = path.rpartition("/")
            folders.setdefault(above, {})[own] = is_below
            path, is_below = above, True
    return Index(found, folders, problem)


#: What the two modules let through that the numbers of a damaged header lead to.
_OF_DAMAGED_HEADERS = (ValueError, OverflowError, EOFError, NotImplementedError, struct.error)


def _add_zipped(archive: str, stream: BinaryIO, found: dict[str, Member]) -> None:
    with zipfile.ZipFile(stream) as opened:
        for info in opened.infolist():
            if not info.is_dir():
                member = Member(archive, info.header_offset, info.file_size, info)
                found[_in_folders(info.filename)] = member


def _add_tarred(archive: str, stream: BinaryIO, found: dict[str, Member]) -> None:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    # "r:" takes no compressed file: to reach a place in one, all before it must be unpacked.
    with tarfile.open(fileobj=stream, mode="r:") as opened:
        for info in opened:
            if info.issparse():
                continue  # its bytes do not stand one behind the other
            if info.isreg():
                found[_in_folders(info.name)] = Member(archive, info.offset_data, info.size)
            if info.size < 0 or (info.isreg() and info.offset_data + info.size > size):
                # Not followed: a size below 0 would lead back, and round for ever.
                raise tarfile.ReadError(f"{info.name!r} has {info.size} bytes by its header")
        # tarfile takes a header that makes no sense for the end, which is a block of zeros, and
        # so it does with no header, where a file was cut.
        stream.seek(opened.offset)
        end = stream.read(tarfile.BLOCKSIZE)
        if not end:
            raise tarfile.ReadError(f"it ends at byte {opened.offset} without a mark of its end")
        if any(end):
            raise tarfile.ReadError(f"the header at byte {opened.offset} makes no sense")


def _in_folders(name: str) -> str:
    """Write the name of a member without what stands for no folder."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


@contextmanager
def _open_archive(archive: str, block: int = 0) -> Iterator[BinaryIO]:
    """Open an archive to seek in; of one at a URL a block is read at a time, or what is asked."""
    if not isinstance(archive, Url):
        with open(archive, "rb") as stream:
            yield stream
        return
    with _in_words(archive):
        filesystem, path = _filesystem(archive)
        ahead = block if archive.lower().endswith(".tar") else 0
        how = {"cache_type": "readahead", "block_size": ahead} if ahead else {"cache_type": "none"}
        with filesystem.open(path, "rb", **how) as remote:
            yield remote


def _filesystem(name: Url) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and its path there."""
    from fsspec.core import url_to_fs  # optional

    return url_to_fs(name.whole)


def _is_web(filesystem: Any) -> bool:
    return "https" in filesystem.protocol


def _fetch(name: Url, most: int) -> bytes:
    """Return the bytes of a file at a URL, and fetch no more than is allowed and one."""
    with _in_words(name):
        filesystem, path = _filesystem(name)
        if not _is_web(filesystem):
            data = _first_bytes(filesystem, path, most + 1)
        else:
            # A server may ignore a range, and send for ever. Without a block and with a size, no
            # matter which, it is asked once.
            with filesystem.open(path, block_size=0, size=1) as stream:
                data = b"".join(_pieces(stream, most + 1))
    _require_at_most(len(data), most)
    return data


def _first_bytes(filesystem: Any, path: str, limit: int) -> bytes:
    try:
        return filesystem.cat_file(path, start=0, end=limit)
    except OSError as error:
        # S3 finds no range of bytes in an empty file.
        if error.errno != errno.EINVAL or filesystem.size(path):
            raise
        return b""


def _pieces(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    n_bytes = 0
    while n_bytes < limit and (piece := stream.read(_BLOCK)):
        n_bytes += len(piece)
        yield piece


@contextmanager
def _in_words(name: Url) -> Iterator[None]:
    """Say what went wrong at a URL as an OSError in words, of which none is secret."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{name}: files at URLs need fsspec, and a package for their protocol: "
            f"pip install 'sklearn_ganprint[remote]' ({without_secrets(str(error))})"
        ) from None
    except Exception as error:
        # Not chained: the text of the other has the whole URL.
        raise OSError(*_number_and_words(error), str(name)) from None


def _number_and_words(error: Exception) -> tuple[int, str]:
    match error:
        case FileNotFoundError():
            return errno.ENOENT, "There is no such file"
        case PermissionError():
            return errno.EACCES, "Access is denied"
        case TimeoutError():
            return errno.ETIMEDOUT, "The connection timed out"
        case OSError(strerror=str(words)):
            return error.errno or errno.EIO, without_secrets(words)
    return errno.EIO, f"{type(error).__name__}: {without_secrets(str(error))}"
