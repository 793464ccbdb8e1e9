"""Image files inside tar files: a path that goes on behind the tar file's name."""

import errno
import os
import tarfile
from functools import lru_cache
from io import BufferedReader, BytesIO
from typing import NamedTuple

_SUFFIX = ".tar"


class Member(NamedTuple):
    """Where the bytes of one file lie in an uncompressed tar file."""

    tar: str
    offset: int
    size: int

    def read(self) -> bytes:
        """Return the bytes of the file."""
        with open(self.tar, "rb") as stream:
            stream.seek(self.offset)
            return stream.read(self.size)


def open_file(name: str) -> BufferedReader | BytesIO:
    """Open a file, or a member of a tar file such as ``shards/0.tar/cat.png``."""
    member = find_member(name)
    # Whole into memory: the formats seek back and forth, and it is one image.
    return open(name, "rb") if member is None else BytesIO(member.read())


def file_size(name: str) -> int:
    """Return the size of a file, or of a member of a tar file, in bytes."""
    member = find_member(name)
    return os.path.getsize(name) if member is None else member.size


def find_member(name: str) -> Member | None:
    """Look up what a path names inside a tar file; None if it is a path like any other."""
    end = name.find(_SUFFIX + os.sep)
    while end >= 0:
        tar = name[: end + len(_SUFFIX)]
        if os.path.isfile(tar):
            member = members(tar).get(name[len(tar) + 1 :])
            if member is None:
                raise FileNotFoundError(errno.ENOENT, "There is no such file in the tar file", name)
            return member
        end = name.find(_SUFFIX + os.sep, end + 1)
    return None


def members(tar: str) -> dict[str, Member]:
    """Return the regular files in a tar file by name, in their order.

    Raises
    ------
    tarfile.TarError
        If it is compressed, damaged or no tar file.
    """
    status = os.stat(tar)
    return _members(tar, status.st_size, status.st_mtime_ns)


# Files are read in the order of their names, so a few tar files are in use at a time. Size
# and time are there to be compared: a tar file that was written anew is indexed anew.
@lru_cache(maxsize=16)
def _members(tar: str, size: int, mtime_ns: int) -> dict[str, Member]:
    # "r:" takes no compressed file: to reach a place in one, all before it must be unpacked.
    with tarfile.open(tar, "r:") as archive:
        return {
            info.name: Member(tar, info.offset_data, info.size) for info in archive if info.isreg()
        }
