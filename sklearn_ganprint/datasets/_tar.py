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
        """Return the bytes of the file; an OSError says that the tar file ends before them."""
        with open(self.tar, "rb") as stream:
            if self.size < 0 or self.offset + self.size > stream.seek(0, os.SEEK_END):
                raise OSError(errno.EINVAL, "The tar file ends before this file does", self.tar)
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

    What stands before a damaged place is returned; `damage` tells of it. A tarfile.TarError says
    that it is compressed, no tar file, or damaged at its very beginning.
    """
    found, problem = _index(tar)
    if problem is not None and not found:
        raise tarfile.ReadError(problem)
    return found


def damage(tar: str) -> str | None:
    """Return what keeps the later files of a tar file from being read, None if nothing does."""
    return _index(tar)[1]


def _index(tar: str) -> tuple[dict[str, Member], str | None]:
    status = os.stat(tar)
    return _members(tar, status.st_size, status.st_mtime_ns)


# Files are read in the order of their names, so a few tar files are in use at a time. Size
# and time are there to be compared: a tar file that was written anew is indexed anew.
@lru_cache(maxsize=16)
def _members(tar: str, size: int, mtime_ns: int) -> tuple[dict[str, Member], str | None]:
    found: dict[str, Member] = {}
    try:
        # "r:" takes no compressed file: to reach a place in one, all before it must be unpacked.
        with tarfile.open(tar, "r:") as archive:
            for info in archive:
                if info.issparse():
                    continue  # its bytes do not stand one behind the other
                if info.isreg():
                    found[info.name] = Member(tar, info.offset_data, info.size)
                if info.size < 0 or (info.isreg() and info.offset_data + info.size > size):
                    # Not followed: a size below 0 would lead back, and round for ever.
                    return found, f"{info.name!r} has {info.size} bytes by its header"
            # tarfile takes a header that makes no sense for the end, which is a block of zeros.
            with open(tar, "rb") as stream:
                stream.seek(archive.offset)
                if any(stream.read(tarfile.BLOCKSIZE)):
                    return found, f"the header at byte {archive.offset} makes no sense"
    except (tarfile.TarError, ValueError, OverflowError) as error:
        # tarfile lets through what the numbers of a damaged header lead to.
        return found, str(error)
    return found, None
