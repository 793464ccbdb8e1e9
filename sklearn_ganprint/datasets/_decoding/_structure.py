"""What the structure of files says before Pillow decodes them: counts, sizes and tags."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from itertools import repeat
from typing import BinaryIO, NamedTuple, TypeAlias

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
