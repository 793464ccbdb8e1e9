"""Files, also inside tar files, and what their own structure says before Pillow decodes them.

A path may go on behind the name of a tar file. Structure is counts, sizes and tags.
"""

import errno
import os
import struct
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from io import BufferedReader, BytesIO
from itertools import repeat
from typing import BinaryIO, NamedTuple, TypeAlias

_SUFFIX = ".tar"

# Chunks, segments, boxes or pages of one file. Whole photos have a few thousand; each costs
# about a microsecond, so that a file of nothing else is left after a fraction of a second.
MAX_PARTS = 200_000

#: Bytes of a piece of metadata that are looked at.
MAX_DESCRIPTION = 1 << 20

#: A piece of metadata: "EXIF", "XMP", "comment" or the kind of a PNG chunk, and what it holds.
Description: TypeAlias = tuple[str, BinaryIO]

# Longest run of zero bytes, and share of the data, that entropy coding leaves in an intact file.
_ZERO_RUN, _ZERO_SHARE = 256, 16

# Bytes and struct letter of each type of whole numbers; others are passed on as bytes.
_INTEGERS = {1: "B", 3: "H", 4: "L", 6: "b", 7: "B", 8: "h", 9: "l", 13: "L", 16: "Q", 17: "q"}
_SIZES = {kind: struct.calcsize(f"={letter}") for kind, letter in _INTEGERS.items()}
_SIZES |= {2: 1, 5: 8, 10: 8, 11: 4, 12: 8}


class UnusableImageError(Exception):
    """A reason why an image cannot be used, before the name of its file is added."""


@dataclass
class Prepared:
    """A file reduced to what concerns the pixels of its first image.

    `stream` is what Pillow decodes; None stands for the file as it is. `white` is the decoded
    value that stands for white where that is not the largest of its type; `inverted` says that
    it is black. `scans` are the pieces of a JPEG file that are decoded one by one. `n_colours` is
    the size of a palette.
    """

    stream: BinaryIO | None = None
    format: str | None = None
    white: int | None = None
    inverted: bool = False
    decoded_size: tuple[int, int] | None = None
    n_colours: int | None = None
    scratch_bytes: int = 0  # for each pixel, beside the decoded image
    held_bytes: int = 0  # of the file, for as long as it is decoded
    scans: list[bytes] = field(default_factory=list)


def take(stream: BinaryIO, size: int, what: str) -> bytes:
    """Read exactly so many bytes."""
    data = stream.read(size)
    if len(data) != size:
        raise UnusableImageError(f"is truncated: the file ends within {what}")
    return data


def parts() -> Iterator[None]:
    """Go on for ever, but raise for a file of too many parts to be read in good time."""
    yield from repeat(None, MAX_PARTS + 1)
    raise UnusableImageError(
        f"consists of more than {MAX_PARTS} chunks, segments or boxes; save it anew"
    )


def refuse_zeroed(data: bytes, what: str) -> None:
    """Raise if entropy-coded data hold a run of zero bytes, as lost disk sectors leave it."""
    if b"\0" * max(_ZERO_RUN, len(data) // _ZERO_SHARE) in data:
        raise UnusableImageError(f"is damaged: a part of its {what} is overwritten with zeros")


class Tag(NamedTuple):
    """One entry: type, number of values, and the bytes of its values."""

    kind: int
    n_values: int
    data: bytes


class Directory(NamedTuple):
    """The byte order ("<" or ">") and the tags of one image."""

    order: str
    tags: dict[int, Tag]

    def get(self, tag: int) -> tuple[int, ...] | None:
        """Return the whole numbers that a tag holds, None if it is not there."""
        entry = self.tags.get(tag)
        if entry is None or entry.kind not in _INTEGERS:
            return None
        return struct.unpack(f"{self.order}{entry.n_values}{_INTEGERS[entry.kind]}", entry.data)

    def first(self, tag: int, default: int = 1) -> int:
        """Return the first whole number that a tag holds."""
        return (self.get(tag) or (default,))[0]


def read_tag(data: bytes, tag: int) -> tuple[int, ...]:
    """Return the whole numbers of a tag in the first directory of Exif data; () for none.

    Broken metadata say nothing about the pixels, so that they are no error.
    """
    try:
        return read_directory(BytesIO(data), frozenset([tag])).get(tag) or ()
    except (EOFError, ValueError, OverflowError, struct.error):
        return ()


def read_directory(
    stream: BinaryIO, wanted: frozenset[int], *, at: int = 0, longest: int | None = None
) -> Directory:
    """Read the tags that are wanted of a directory in a TIFF stream, by default of the first.

    Tags with more bytes than the longest are left out. An EOFError says that the directory, or the
    values of such a tag, lie outside the file.
    """
    stream.seek(0)
    head = stream.read(8)
    order, big = "<" if head[:2] == b"II" else ">", 43 in head[2:4]
    letter, width = ("Q", 8) if big else ("L", 4)
    (offset,) = struct.unpack(order + letter, stream.read(8) if big else head[4:])
    size = stream.seek(0, 2)
    stream.seek(at or offset)
    count = _exactly(stream, 8 if big else 2, size)
    (n_tags,) = struct.unpack(order + ("Q" if big else "H"), count)
    entry_size = 4 + 2 * width
    entries = _exactly(stream, n_tags * entry_size, size)
    tags: dict[int, Tag] = {}
    for start in range(0, len(entries), entry_size):
        entry = entries[start : start + entry_size]
        tag, kind = struct.unpack(order + "HH", entry[:4])
        if tag in tags or kind not in _SIZES or tag not in wanted:
            continue
        (n_values,) = struct.unpack(order + letter, entry[4 : 4 + width])
        length = n_values * _SIZES[kind]
        if longest is not None and length > longest:
            continue
        data = entry[4 + width :][:length]
        if length > width:
            (place,) = struct.unpack(order + letter, data)
            stream.seek(min(place, size))
            data = _exactly(stream, length, size)
        tags[tag] = Tag(kind, n_values, data)
    return Directory(order, tags)


def _exactly(stream: BinaryIO, length: int, size: int) -> bytes:
    """Read so many bytes; asked for more than the file has, no memory is taken for them."""
    data = b"" if length > size else stream.read(length)
    if len(data) != length:
        raise EOFError("a directory of tags, or the values of a tag, lie outside the file")
    return data


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
